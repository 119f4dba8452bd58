/* SPDX-License-Identifier: Apache-2.0
 * Whose word about the client's address is believed, and what that address is. Pure. */
#ifndef WASL_TRACKER_TRUST_H
#define WASL_TRACKER_TRUST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "err.h"
#include "str.h"

#define TRUST_NETWORKS_MAX 32
#define TRUST_HOPS_MAX     32 /* entries of X-Forwarded-For looked at, from the right */

/* An IPv6 address; an IPv4 one is mapped (::ffff:a.b.c.d). */
struct trust_address {
	uint8_t bytes[16];
};

struct trust_network {
	struct trust_address address;
	unsigned prefix_bits; /* of the 128 */
};

struct trust {
	struct trust_network networks[TRUST_NETWORKS_MAX];
	unsigned count;
};

/* "10.0.0.0/8, 2001:db8::/32, 192.0.2.1"; empty: nobody. Refuses anything else. */
bool trust_parse(struct str text, struct trust *trust, struct err *err);
/* "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]:80"; no zones. */
bool trust_address_parse(struct str text, struct trust_address *address);
/* The client: the socket's peer unless it is trusted; then the right-most address of the
 * X-Forwarded-For values (in the order sent) that is not trusted. An entry that is no address ends
 * the search at the last address known. False when there is none (a Unix socket without a header).
 */
bool trust_client(const struct trust *trust, const struct sockaddr_storage *peer,
	const struct str *forwarded, unsigned forwarded_count, struct trust_address *client);
/* The socket's peer is one of the networks; a Unix socket's is, when there are any. */
bool trust_has_peer(const struct trust *trust, const struct sockaddr_storage *peer);
bool trust_is_v4(const struct trust_address *address);
/* Neither of this machine nor of a private network: such a client is a proxy that nobody named. */
bool trust_is_public(const struct trust_address *address);

#endif
