/* SPDX-License-Identifier: Apache-2.0
 * The listening sockets of a daemon: opened, or taken over from the process before it.
 *
 * A running daemon offers its listening sockets on the Unix socket "listeners" in its state-dir to
 * a process of the same user that starts with `takeover`. The kernel's sockets, with the
 * connections that wait on them, then belong to both: whichever closes first loses nobody. */
#ifndef WASL_HANDOVER_H
#define WASL_HANDOVER_H

#include <stdbool.h>

#include "conn.h"
#include "err.h"
#include "loop.h"

#define HANDOVER_PUBLIC_MAX  64
#define HANDOVER_FDS_MAX     (1 + HANDOVER_PUBLIC_MAX)
#define HANDOVER_DEADLINE_MS 3000 /* for the other process to give them */

struct listeners {
	int admin_fd;
	int public_fds[HANDOVER_PUBLIC_MAX];
	unsigned public_count;
	bool is_taken_over;
	int before_fd; /* to the process before, which waits for listeners_confirm; else -1 */
};

struct listeners_config {
	const char *state_dir;
	struct conn_address public_address;
	struct conn_address admin_address;
	unsigned public_count; /* threads that accept; taken over there may be more sockets */
	bool has_takeover;
};

/* Takes the sockets over from the process before, if takeover is asked for and there is one;
 * opens what is missing. Refuses taken ports, and sockets of other addresses than these. On
 * failure nothing stays open. The descriptors are then the caller's. */
bool listeners_open(
	struct listeners *listeners, const struct listeners_config *config, struct err *err);

/* Tells the process before that this one serves now; does nothing if there is none. */
void listeners_confirm(struct listeners *listeners);

struct handover;
/* Called when another process has confirmed: the admin listener now is that one's alone. */
typedef void handover_fn(void *arg);
/* Offers copies of these descriptors, which stay open as long as the offer. */
struct handover *handover_new(struct loop *loop, const char *state_dir,
	const struct listeners *listeners, handover_fn *on_taken, void *arg, struct err *err);
void handover_free(struct handover *handover); /* NULL is fine */

#endif
