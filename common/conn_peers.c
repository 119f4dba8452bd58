/* SPDX-License-Identifier: Apache-2.0
 * How many connections each address has open: open addressing, one step at a time, without
 * tombstones. */
#include "conn_peers.h"

#include <assert.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define V4_KEY UINT64_C(0xffff000000000000) /* | address: no IPv6 peer has a multicast prefix */

static uint32_t slot_home(const struct conn_peers *peers, uint64_t key);
static struct conn_peers_slot *slot_find(const struct conn_peers *peers, uint64_t key);
static bool grow(struct conn_peers *peers);

void conn_peers_init(struct conn_peers *peers, const uint64_t secret_random[2])
{
	*peers = (struct conn_peers){
		.secret_mask = secret_random[0], .secret_factor = secret_random[1] | 1};
}

void conn_peers_release(struct conn_peers *peers)
{
	free(peers->slots);
	*peers = (struct conn_peers){0};
}

uint64_t conn_peers_key(const struct sockaddr_storage *peer)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	const uint8_t *address;
	size_t len;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	if (peer->ss_family == AF_INET) {
		memcpy(&in, peer, sizeof(in));
		address = (const uint8_t *)&in.sin_addr;
		len = 4;
	} else if (peer->ss_family == AF_INET6) {
		memcpy(&in6, peer, sizeof(in6));
		const bool is_v4 = memcmp(&in6.sin6_addr, mapped, sizeof(mapped)) == 0;
		address = (const uint8_t *)&in6.sin6_addr + (is_v4 ? sizeof(mapped) : 0);
		len = is_v4 ? 4 : 8;
	} else {
		return CONN_PEERS_NOBODY;
	}
	uint64_t key = 0;
	for (size_t i = 0; i < len; i++)
		key = key << 8 | address[i];
	return len == 4 ? V4_KEY | key : key;
}

uint32_t conn_peers_count(const struct conn_peers *peers, uint64_t key)
{
	return peers->slots ? slot_find(peers, key)->count : 0;
}

bool conn_peers_add(struct conn_peers *peers, uint64_t key)
{
	if (peers->used >= peers->slot_count / 2 && !grow(peers))
		return false;
	struct conn_peers_slot *slot = slot_find(peers, key);
	if (slot->count == 0) {
		slot->key = key;
		peers->used++;
	}
	slot->count++;
	return true;
}

/* What stood behind the freed slot moves up, as far as its own home allows. */
void conn_peers_remove(struct conn_peers *peers, uint64_t key)
{
	struct conn_peers_slot *slot = slot_find(peers, key);
	assert(slot->count > 0);
	if (--slot->count > 0)
		return;
	peers->used--;
	const uint32_t mask = peers->slot_count - 1;
	uint32_t hole = (uint32_t)(slot - peers->slots);
	for (uint32_t at = (hole + 1) & mask; peers->slots[at].count; at = (at + 1) & mask) {
		const uint32_t home = slot_home(peers, peers->slots[at].key);
		if (((at - home) & mask) < ((at - hole) & mask))
			continue;
		peers->slots[hole] = peers->slots[at];
		peers->slots[at].count = 0;
		hole = at;
	}
}

static uint32_t slot_home(const struct conn_peers *peers, uint64_t key)
{
	const uint64_t product = (key ^ peers->secret_mask) * peers->secret_factor;
	return (uint32_t)(product >> 32) & (peers->slot_count - 1);
}

/* The key's slot, or the free one where it would be. */
static struct conn_peers_slot *slot_find(const struct conn_peers *peers, uint64_t key)
{
	const uint32_t mask = peers->slot_count - 1;
	uint32_t at = slot_home(peers, key);
	while (peers->slots[at].count && peers->slots[at].key != key)
		at = (at + 1) & mask;
	return &peers->slots[at];
}

static bool grow(struct conn_peers *peers)
{
	struct conn_peers larger = *peers;
	larger.slot_count = peers->slot_count ? peers->slot_count * 2 : CONN_PEERS_SLOTS_MIN;
	larger.slots = calloc(larger.slot_count, sizeof(*larger.slots));
	if (!larger.slots)
		return false;
	for (uint32_t i = 0; i < peers->slot_count; i++)
		if (peers->slots[i].count)
			*slot_find(&larger, peers->slots[i].key) = peers->slots[i];
	free(peers->slots);
	*peers = larger;
	return true;
}
