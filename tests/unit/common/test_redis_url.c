/* SPDX-License-Identifier: Apache-2.0
 * Redis URLs: what they mean, what is refused, and that no message shows a password. */
#include "redis.h"

#include "suite.h"

START_TEST(good_urls_are_taken_apart)
{
	static const struct {
		const char *text, *host, *user, *password;
		uint16_t port;
		unsigned db;
	} rows[] = {
		{"redis://h", "h", "", "", 6379, 0},
		{"redis://h/", "h", "", "", 6379, 0},
		{"redis://", "localhost", "", "", 6379, 0},
		{"redis:///3", "localhost", "", "", 6379, 3},
		{"redis://h:1/0", "h", "", "", 1, 0},
		{"redis://h:65535/15", "h", "", "", 65535, 15},
		{"redis://127.0.0.1:7000", "127.0.0.1", "", "", 7000, 0},
		{"redis://[::1]", "::1", "", "", 6379, 0},
		{"redis://[::1]:7000/2", "::1", "", "", 7000, 2},
		{"redis://:secret@h", "h", "", "secret", 6379, 0},
		{"redis://user:secret@h:1", "h", "user", "secret", 1, 0},
		{"redis://user:@h", "h", "user", "", 6379, 0},
		{"redis://u:p@", "localhost", "u", "p", 6379, 0},
		{"redis://u%40:p%3A%2f%40%25@h", "h", "u@", "p:/@%", 6379, 0},
		{"redis://u:p@q@h", "h", "u", "p@q", 6379, 0},
		{"redis://u:p+q@h", "h", "u", "p+q", 6379, 0},
		{"unix:///run/redis.sock", "/run/redis.sock", "", "", 0, 0},
		{"unix:///run/redis.sock?db=4", "/run/redis.sock", "", "", 0, 4},
		{"unix:///a%20b", "/a b", "", "", 0, 0},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct redis_url url;
		struct err err = {0};
		ck_assert_msg(redis_url_parse(str_from(rows[i].text), &url, &err), "row %zu: %s", i,
			err.msg);
		ck_assert_str_eq(url.host, rows[i].host);
		ck_assert_str_eq(url.user, rows[i].user);
		ck_assert_str_eq(url.secret_password, rows[i].password);
		ck_assert_uint_eq(url.port, rows[i].port);
		ck_assert_uint_eq(url.db, rows[i].db);
	}
}
END_TEST

START_TEST(bad_urls_are_refused_without_their_secrets)
{
	static const char *const rows[] = {
		"",
		"h",
		"redis:",
		"redis:/h",
		"rediss://h",
		"http://h",
		"REDIS://h",
		" redis://h",
		"redis://h:",
		"redis://h:0",
		"redis://h:65536",
		"redis://h:x",
		"redis://h:1:2",
		"redis://h:-1",
		"redis://h/x",
		"redis://h/-1",
		"redis://h/1/2",
		"redis://h/65536",
		"redis://h/1?x",
		"redis://h?db=1",
		"redis://a b",
		"redis://a\tb",
		"redis://h%41",
		"redis://[::1",
		"redis://[]",
		"redis://[::1]x",
		"redis://[::1]:",
		"redis://sEcReT@h",
		"redis://u:sEcReT%@h",
		"redis://u:sEcReT%zz@h",
		"redis://u:sEcReT%00@h",
		"redis://u:sEcReT@h:x",
		"unix://",
		"unix://rel",
		"unix:/x",
		"unix:///x?db=",
		"unix:///x?db=x",
		"unix:///x?da=1",
		"unix:///x?db=1&db=2",
		"unix:///x?",
		"unix:///%00",
		"redis://\xd9\x85",
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct redis_url url;
		struct err err = {0};
		ck_assert_msg(
			!redis_url_parse(str_from(rows[i]), &url, &err), "row %zu: %s", i, rows[i]);
		ck_assert_int_eq(err.kind, ERR_FORMAT);
		ck_assert_ptr_null(strstr(err.msg, "sEcReT"));
	}
}
END_TEST

/* "redis://" user ":" password "@" host of those lengths. */
static bool takes(size_t user, size_t password, size_t host)
{
	char text[1024] = "redis://";
	const size_t lens[] = {user, password, host};
	const char ends[] = {':', '@', '\0'};
	for (size_t i = 0; i < COUNT_OF(lens); i++) {
		memset(text + strlen(text), 'x', lens[i]);
		text[strlen(text)] = ends[i];
	}
	struct redis_url url;
	return redis_url_parse(str_from(text), &url, NULL);
}

START_TEST(every_part_has_its_limit)
{
	ck_assert(takes(63, 1, 1) && !takes(64, 1, 1));
	ck_assert(takes(1, 127, 1) && !takes(1, 128, 1));
	ck_assert(takes(1, 1, 255) && !takes(1, 1, 256));
}
END_TEST

SUITE_MAIN("redis_url", good_urls_are_taken_apart, bad_urls_are_refused_without_their_secrets,
	every_part_has_its_limit)
