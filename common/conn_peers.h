/* SPDX-License-Identifier: Apache-2.0
 * How many connections each address has open: a hash table of one connection server. An IPv4
 * address counts for itself, mapped into IPv6 or not; of an IPv6 address the /64, which one client
 * has all of. */
#ifndef WASL_CONN_PEERS_H
#define WASL_CONN_PEERS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define CONN_PEERS_SLOTS_MIN 64
/* Of a peer without an address. All ones is a multicast prefix, which no peer has. */
#define CONN_PEERS_NOBODY UINT64_MAX

struct conn_peers_slot {
	uint64_t key;
	uint32_t count; /* 0: the slot is free */
};

/* The two factors are drawn per process, so that nobody can choose addresses that collide. */
struct conn_peers {
	uint64_t secret_mask, secret_factor;
	struct conn_peers_slot *slots; /* at most half of them used; NULL before the first */
	uint32_t slot_count;           /* a power of two */
	uint32_t used;
};

void conn_peers_init(struct conn_peers *peers, const uint64_t secret_random[2]);
void conn_peers_release(struct conn_peers *peers);

/* CONN_PEERS_NOBODY for what is neither IPv4 nor IPv6. */
uint64_t conn_peers_key(const struct sockaddr_storage *peer);
uint32_t conn_peers_count(const struct conn_peers *peers, uint64_t key);
/* False when memory fails: the connection is not counted. */
bool conn_peers_add(struct conn_peers *peers, uint64_t key);
/* key: one that was added and not yet removed. */
void conn_peers_remove(struct conn_peers *peers, uint64_t key);

#endif
