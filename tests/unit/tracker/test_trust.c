/* SPDX-License-Identifier: Apache-2.0
 * Trusted proxies and the client behind them. */
#include "trust.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "../common/suite.h"

#define LINES_MAX 3

static void peer_make(struct sockaddr_storage *peer, const char *ip)
{
	memset(peer, 0, sizeof(*peer));
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	if (ip == NULL)
		peer->ss_family = AF_UNIX;
	else if (inet_pton(AF_INET, ip, &in.sin_addr) == 1)
		memcpy(peer, &in, sizeof(in));
	else if (inet_pton(AF_INET6, ip, &in6.sin6_addr) == 1)
		memcpy(peer, &in6, sizeof(in6));
	else
		ck_abort_msg("no address: %s", ip);
}

START_TEST(lists_are_parsed_whole_or_refused)
{
	static const struct {
		const char *text;
		bool is_good;
		unsigned count;
	} rows[] = {
		{"", true, 0},
		{"10.0.0.0/8", true, 1},
		{"10.0.0.1", true, 1},
		{"10.0.0.0/8, 2001:db8::/32", true, 2},
		{"::1/128", true, 1},
		{"0.0.0.0/0", true, 1},
		{"10.0.0.0/33", false, 0},
		{"2001:db8::/129", false, 0},
		{"10.0.0.0/", false, 0},
		{"10.0.0/8", false, 0},
		{"a", false, 0},
		{"10.0.0.1,,10.0.0.2", false, 0},
		{"fe80::1%eth0", false, 0},
		{"10.0.0.0/8x", false, 0},
		{"10.0.0.0/-1", false, 0},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct trust trust;
		struct err err = {0};
		ck_assert_msg(trust_parse(str_from(rows[i].text), &trust, &err) == rows[i].is_good,
			"row %zu", i);
		if (rows[i].is_good)
			ck_assert_uint_eq(trust.count, rows[i].count);
		else
			ck_assert(err.msg[0] != '\0');
	}
}
END_TEST

START_TEST(forwarded_counts_only_from_trusted_peers)
{
	static const struct {
		const char *trusted, *peer;
		const char *lines[LINES_MAX];
		const char *client; /* NULL: none */
	} rows[] = {
		{"", "192.0.2.1", {"198.51.100.7"}, "192.0.2.1"},
		{"10.0.0.0/8", "192.0.2.1", {"198.51.100.7"}, "192.0.2.1"},
		{"10.0.0.0/8", "10.1.2.3", {NULL}, "10.1.2.3"},
		{"10.0.0.0/8", "10.1.2.3", {"198.51.100.7"}, "198.51.100.7"},
		{"10.0.0.0/8", "10.1.2.3", {"203.0.113.9, 198.51.100.7"}, "198.51.100.7"},
		{"10.0.0.0/8", "10.1.2.3", {"198.51.100.7, 10.9.9.9"}, "198.51.100.7"},
		{"10.0.0.0/8", "10.1.2.3", {"203.0.113.9", "198.51.100.7 , 10.0.0.1"},
			"198.51.100.7"},
		{"10.0.0.0/8", "10.1.2.3", {"198.51.100.7, unknown, 10.0.0.1"}, "10.0.0.1"},
		{"10.0.0.0/8", "10.1.2.3", {"garbage"}, "10.1.2.3"},
		{"10.0.0.0/8", "10.1.2.3", {"fe80::1%eth0"}, "10.1.2.3"},
		{"10.0.0.0/8", "10.1.2.3", {"198.51.100.7:4711"}, "198.51.100.7"},
		{"10.0.0.0/8", "10.1.2.3", {"[2001:db8::7]:4711"}, "2001:db8::7"},
		{"10.0.0.0/8", "10.1.2.3", {"2001:db8::7"}, "2001:db8::7"},
		{"10.0.0.0/8", "::ffff:10.1.2.3", {"198.51.100.7"}, "198.51.100.7"},
		{"2001:db8::/33", "2001:db8:8000::1", {"198.51.100.7"}, "2001:db8:8000::1"},
		{"2001:db8::/33", "2001:db8:7fff::1", {"198.51.100.7"}, "198.51.100.7"},
		{"10.0.0.0/8", "10.1.2.3", {",,"}, "10.1.2.3"},
		{"10.0.0.0/8", NULL, {"198.51.100.7"}, "198.51.100.7"},
		{"", NULL, {"198.51.100.7"}, NULL},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct trust trust;
		ck_assert(trust_parse(str_from(rows[i].trusted), &trust, NULL));
		struct sockaddr_storage peer;
		peer_make(&peer, rows[i].peer);
		struct str lines[LINES_MAX];
		unsigned count = 0;
		while (count < LINES_MAX && rows[i].lines[count] != NULL) {
			lines[count] = str_from(rows[i].lines[count]);
			count++;
		}
		struct trust_address client, expected;
		const bool has_client = trust_client(&trust, &peer, lines, count, &client);
		ck_assert_msg(has_client == (rows[i].client != NULL), "row %zu", i);
		if (!has_client)
			continue;
		ck_assert(trust_address_parse(str_from(rows[i].client), &expected));
		ck_assert_msg(memcmp(&client, &expected, sizeof(client)) == 0, "row %zu", i);
	}
}
END_TEST

START_TEST(endless_hops_end)
{
	struct trust trust;
	ck_assert(trust_parse(STR("10.0.0.0/8"), &trust, NULL));
	struct sockaddr_storage peer;
	peer_make(&peer, "10.1.2.3");
	char text[TRUST_HOPS_MAX * 10 + 32] = "198.51.100.7";
	for (unsigned i = 0; i < TRUST_HOPS_MAX; i++)
		strncat(text, ",10.0.0.1", sizeof(text) - strlen(text) - 1);
	const struct str line = str_from(text);
	struct trust_address client, expected;
	ck_assert(trust_client(&trust, &peer, &line, 1, &client));
	ck_assert(trust_address_parse(STR("10.0.0.1"), &expected));
	ck_assert(memcmp(&client, &expected, sizeof(client)) == 0);
}
END_TEST

START_TEST(clients_of_private_networks_are_not_public)
{
	static const struct {
		const char *text;
		bool is_public;
	} rows[] = {
		{"0.0.0.0", false},
		{"9.255.255.255", true},
		{"10.0.0.0", false},
		{"10.255.255.255", false},
		{"11.0.0.0", true},
		{"100.63.255.255", true},
		{"100.64.0.0", false},
		{"100.128.0.0", true},
		{"127.0.0.1", false},
		{"128.0.0.1", true},
		{"169.254.1.1", false},
		{"172.15.255.255", true},
		{"172.16.0.0", false},
		{"172.31.255.255", false},
		{"172.32.0.0", true},
		{"192.168.1.1", false},
		{"192.169.0.0", true},
		{"::1", false},
		{"::2", true},
		{"fbff::1", true},
		{"fc00::1", false},
		{"fdff::1", false},
		{"fe80::1", false},
		{"febf::1", false},
		{"fec0::1", true},
		{"2001:db8::1", true},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct trust_address address;
		ck_assert(trust_address_parse(str_from(rows[i].text), &address));
		ck_assert_msg(trust_is_public(&address) == rows[i].is_public, "%s", rows[i].text);
	}
}
END_TEST

SUITE_MAIN("trust", lists_are_parsed_whole_or_refused, forwarded_counts_only_from_trusted_peers,
	endless_hops_end, clients_of_private_networks_are_not_public)
