/* SPDX-License-Identifier: Apache-2.0
 * Connections per address: what counts as one address, and the table against a plain one. */
#include "conn_peers.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include "suite.h"

static uint64_t key_of(const char *text)
{
	struct sockaddr_storage peer = {0};
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	if (inet_pton(AF_INET, text, &in.sin_addr) == 1) {
		memcpy(&peer, &in, sizeof(in));
	} else {
		ck_assert_int_eq(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
		memcpy(&peer, &in6, sizeof(in6));
	}
	return conn_peers_key(&peer);
}

START_TEST(one_client_has_one_key)
{
	static const struct {
		const char *one, *other;
		bool is_same;
	} rows[] = {
		{"192.0.2.1", "192.0.2.1", true},
		{"192.0.2.1", "192.0.2.2", false},
		{"192.0.2.1", "::ffff:192.0.2.1", true},
		{"::ffff:192.0.2.1", "::ffff:192.0.2.2", false},
		{"2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", true},
		{"2001:db8:1:2::1", "2001:db8:1:3::1", false},
		{"0.0.0.1", "::1", false},
		{"::1", "::1", true},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		ck_assert_msg((key_of(rows[i].one) == key_of(rows[i].other)) == rows[i].is_same,
			"row %zu", i);
}
END_TEST

START_TEST(a_unix_socket_is_nobody)
{
	struct sockaddr_storage peer = {.ss_family = AF_UNIX};
	ck_assert(conn_peers_key(&peer) == CONN_PEERS_NOBODY);
	ck_assert(key_of("255.255.255.255") != CONN_PEERS_NOBODY);
}
END_TEST

START_TEST(an_empty_table_counts_nothing)
{
	struct conn_peers peers;
	conn_peers_init(&peers, (const uint64_t[]){1, 2});
	ck_assert_uint_eq(conn_peers_count(&peers, 0), 0);
	ck_assert(conn_peers_add(&peers, 0));
	ck_assert_uint_eq(conn_peers_count(&peers, 0), 1);
	conn_peers_remove(&peers, 0);
	ck_assert_uint_eq(conn_peers_count(&peers, 0), 0);
	conn_peers_release(&peers);
}
END_TEST

#define KEYS  700
#define STEPS 200000

/* Few home slots and many keys, so that runs collide, wrap around and close up again. */
START_TEST(it_counts_as_a_plain_array_does)
{
	static uint32_t plain[KEYS];
	uint64_t state = 88172645463325252U;
	struct conn_peers peers;
	conn_peers_init(&peers, (const uint64_t[]){0, (uint64_t)1 << 31});
	for (int step = 0; step < STEPS; step++) {
		const uint64_t number = random_next(&state);
		const uint64_t key = number % KEYS;
		const bool is_growing = step % 40000 < 20000;
		if (plain[key] > 0 && (number >> 32) % 4 >= (is_growing ? 3u : 1u)) {
			conn_peers_remove(&peers, key);
			plain[key]--;
		} else if (is_growing || (number >> 32) % 4 == 0) {
			ck_assert(conn_peers_add(&peers, key));
			plain[key]++;
		}
		ck_assert_uint_eq(conn_peers_count(&peers, key), plain[key]);
	}
	uint32_t used = 0;
	for (uint64_t key = 0; key < KEYS; key++) {
		ck_assert_uint_eq(conn_peers_count(&peers, key), plain[key]);
		used += plain[key] > 0;
	}
	ck_assert_uint_eq(peers.used, used);
	ck_assert_uint_le(peers.slot_count, 2048);
	conn_peers_release(&peers);
}
END_TEST

SUITE_MAIN("conn_peers", one_client_has_one_key, a_unix_socket_is_nobody,
	an_empty_table_counts_nothing, it_counts_as_a_plain_array_does)
