/* SPDX-License-Identifier: Apache-2.0
 * LISTEN before the change, so that no answer can come too early; the request travels with the
 * commit; the publisher answers it once Redis has acknowledged everything before it. */
#include "ack.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "entropy.h"

#define ACK_PREFIX "ack "

bool ack_begin(struct call *call, struct ack *ack, enum call_exit *code)
{
	struct entropy entropy;
	uint8_t random[ACK_RAND];
	const size_t prefix_len = sizeof(ACK_PREFIX) - 1;
	entropy_init(&entropy);
	if (!entropy_draw(&entropy, random, sizeof(random))) {
		*code = call_fail(call, "the kernel has no random bytes");
		return false;
	}
	memcpy(ack->token, ACK_PREFIX, prefix_len);
	hex_encode(ack->token + prefix_len, random, sizeof(random));
	ack->token[prefix_len + 2 * sizeof(random)] = '\0';
	if (!call_db(call, code))
		return false;
	*code = CALL_FAILED;
	return call_run(call, "LISTEN wasl_published", DB_ARGS()) &&
	       call_run(call, "BEGIN", DB_ARGS());
}

bool ack_commit(struct call *call, const struct ack *ack)
{
	return call_run(call, "SELECT pg_notify('wasl_catalogue', $1)", DB_ARGS(ack->token)) &&
	       call_run(call, "COMMIT", DB_ARGS());
}

void ack_wait(struct call *call, const struct ack *ack)
{
	fflush(stdout);
	const char *token = ack->token + sizeof(ACK_PREFIX) - 1;
	if (!db_await_notice(call->db, "wasl_published", token, ACK_WAIT_US) &&
		isatty(STDERR_FILENO))
		fprintf(stderr, "published: not yet\n");
}
