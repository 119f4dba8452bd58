/* SPDX-License-Identifier: Apache-2.0
 * Catalogue rows and what a destination may be. */
#include "catalogue_row.h"

#include "suite.h"

START_TEST(rows_come_back_whole)
{
	static const struct {
		struct catalogue_row row;
		const char *text;
	} rows[] = {
		{{.kind = CATALOGUE_STORE,
			 .id = 7,
			 .version = 12,
			 .window_s = 2592000,
			 .param = STR("wasl"),
			 .url = STR("https://shop.example/")},
			"12 a 2592000 wasl https://shop.example/"},
		{{.kind = CATALOGUE_PRODUCT,
			 .id = UINT32_MAX,
			 .version = UINT64_MAX,
			 .status = CATALOGUE_STOPPED,
			 .store_id = 7,
			 .url = STR("http://shop.example/p?a=b#c")},
			"18446744073709551615 x 7 http://shop.example/p?a=b#c"},
		{{.kind = CATALOGUE_AFFILIATE, .id = 1, .version = 0}, "0 a"},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char text[CATALOGUE_ROW_MAX + 1];
		struct catalogue_row found;
		const unsigned len = catalogue_row_encode(text, sizeof(text), &rows[i].row);
		ck_assert_uint_eq(len, strlen(rows[i].text));
		ck_assert_str_eq(text, rows[i].text);
		ck_assert_uint_eq(catalogue_row_encode(text, len, &rows[i].row), 0);
		ck_assert_uint_eq(catalogue_row_encode(text, len + 1, &rows[i].row), len);
		ck_assert(catalogue_row_parse(
			str_from(text), rows[i].row.kind, rows[i].row.id, &found));
		ck_assert(found.kind == rows[i].row.kind && found.id == rows[i].row.id);
		ck_assert(found.version == rows[i].row.version);
		ck_assert(found.status == rows[i].row.status);
		ck_assert(found.store_id == rows[i].row.store_id);
		ck_assert(found.window_s == rows[i].row.window_s);
		ck_assert(str_equal(found.param, rows[i].row.param));
		ck_assert(str_equal(found.url, rows[i].row.url));
	}
}
END_TEST

START_TEST(other_rows_are_refused)
{
	static const struct {
		struct str text;
		enum catalogue_kind kind;
	} rows[] = {
		{STR(""), CATALOGUE_AFFILIATE},
		{STR("1"), CATALOGUE_AFFILIATE},
		{STR("1 "), CATALOGUE_AFFILIATE},
		{STR("1 b"), CATALOGUE_AFFILIATE},
		{STR("1 a "), CATALOGUE_AFFILIATE},
		{STR("1 a 2"), CATALOGUE_AFFILIATE},
		{STR("-1 a"), CATALOGUE_AFFILIATE},
		{STR("18446744073709551616 a"), CATALOGUE_AFFILIATE},
		{STR("1 a"), CATALOGUE_PRODUCT},
		{STR("1 a 7"), CATALOGUE_PRODUCT},
		{STR("1 a 0 http://a/"), CATALOGUE_PRODUCT},
		{STR("1 a 4294967296 http://a/"), CATALOGUE_PRODUCT},
		{STR("1 a 7 javascript:alert(1)"), CATALOGUE_PRODUCT},
		{STR("1 a 7 http://a/\r\nSet-Cookie: x"), CATALOGUE_PRODUCT},
		{STR("1 a 7 http://a/ b"), CATALOGUE_PRODUCT},
		{STR("1 a 7  http://a/"), CATALOGUE_PRODUCT},
		{STR("1 a 0 wasl http://a/"), CATALOGUE_STORE},
		{STR("1 a 9 wasl"), CATALOGUE_STORE},
		{STR("1 a 9  http://a/"), CATALOGUE_STORE},
		{STR("1 a 9 wa&l http://a/"), CATALOGUE_STORE},
		{STR("1 a 9 wa=l http://a/"), CATALOGUE_STORE},
		{STR("1 a 9 123456789012345678901234567890123 http://a/"), CATALOGUE_STORE},
	};
	struct catalogue_row found;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		ck_assert_msg(
			!catalogue_row_parse(rows[i].text, rows[i].kind, 1, &found), "row %zu", i);
	ck_assert(!catalogue_row_parse(STR("1 a"), CATALOGUE_AFFILIATE, 0, &found));
}
END_TEST

START_TEST(shards_have_keys)
{
	char key[CATALOGUE_KEY_MAX];
	const unsigned len = catalogue_shard_key(
		key, STR("0123456789abcdef"), CATALOGUE_PRODUCT, UINT32_MAX / CATALOGUE_SHARD_ROWS);
	ck_assert_str_eq(key, "wasl:cat:0123456789abcdef:p:4194303");
	ck_assert_uint_eq(len, strlen(key));
	catalogue_shard_key(key, STR("0123456789abcdef"), CATALOGUE_STORE, 0);
	ck_assert_str_eq(key, "wasl:cat:0123456789abcdef:s:0");
}
END_TEST

START_TEST(destinations_are_plain_http_urls)
{
	static const struct {
		struct str url;
		struct str host;
	} rows[] = {
		{STR("http://a"), STR("a")},
		{STR("https://shop.example/p/1?x=1&y=%20#top"), STR("shop.example")},
		{STR("HTTPS://Shop.Example"), STR("Shop.Example")},
		{STR("http://shop.example?q"), STR("shop.example")},
		{STR("http://shop.example#f"), STR("shop.example")},
		{STR("http://shop.example:1/"), STR("shop.example")},
		{STR("http://shop.example:65535"), STR("shop.example")},
		{STR("https://xn--mgbh0fb.xn--wgbh1c/"), STR("xn--mgbh0fb.xn--wgbh1c")},
		{STR("http://127.0.0.1:8080/"), STR("127.0.0.1")},
		{STR("http://[::1]:8080/"), STR("::1")},
		{STR("http://[2001:db8::1]"), STR("2001:db8::1")},
		{STR("https://a/it's@home/(x);[y]"), STR("a")},
		{STR("https://3.example/"), STR("3.example")},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct str host = {0};
		ck_assert_msg(catalogue_url_check(rows[i].url, &host), "row %zu", i);
		ck_assert(str_equal(host, rows[i].host));
	}
}
END_TEST

START_TEST(other_destinations_are_refused)
{
	static const struct str rows[] = {
		STR(""),
		STR("http://"),
		STR("http:///p"),
		STR("//evil.example/"),
		STR("/path"),
		STR("javascript:alert(1)"),
		STR("data:text/html,x"),
		STR("ftp://a/"),
		STR("http:/a"),
		STR("http:\\\\a"),
		STR(" http://a"),
		STR("http://user@a/"),
		STR("http://user:pw@a/"),
		STR("http://a@b:80/"),
		STR("http://a\\@b/"),
		STR("http://a/\r\nX: y"),
		STR("http://a/\t"),
		STR("http://a/\x7f"),
		STR("http://a/\0"),
		STR("http://a/ b"),
		STR("http://a/\"x"),
		STR("http://a/<x>"),
		STR("http://\xd9\x88\xd8\xb5\xd9\x84/"),
		STR("http://a/\xd9\x88"),
		STR("http://a:0/"),
		STR("http://a:65536/"),
		STR("http://a:/"),
		STR("http://a:080/"),
		STR("http://a:99999/"),
		STR("http://a:8 0/"),
		STR("http://-a/"),
		STR("http://a-/"),
		STR("http://a..b/"),
		STR("http://.a/"),
		STR("http://a./"),
		STR("http://a_b/"),
		STR("http://a%2eb/"),
		STR("http://256.0.0.1/"),
		STR("http://127.1/"),
		STR("http://2130706433/"),
		STR("http://0x7f000001/"),
		STR("http://0x7f.1/"),
		STR("http://[::1/"),
		STR("http://[]/"),
		STR("http://[::1]a/"),
		STR("http://[fe80::1%25eth0]/"),
		STR("http://[127.0.0.1]/"),
		STR("http://a.123456789012345678901234567890123456789012345678901234567890123x/"),
	};
	struct str host;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		ck_assert_msg(!catalogue_url_check(rows[i], &host), "row %zu", i);
}
END_TEST

START_TEST(lengths_are_limited)
{
	static char url[CATALOGUE_URL_MAX + 1];
	struct str host;
	memset(url, 'a', sizeof(url));
	memcpy(url, "http://h/", 9);
	ck_assert(catalogue_url_check((struct str){.data = url, .len = CATALOGUE_URL_MAX}, &host));
	ck_assert(!catalogue_url_check((struct str){.data = url, .len = sizeof(url)}, &host));
	/* 253 characters of host, then 254. */
	for (unsigned i = 7; i < sizeof(url); i++)
		url[i] = i % 50 == 0 ? '.' : 'a';
	ck_assert(catalogue_url_check((struct str){.data = url, .len = 7 + 253}, &host));
	ck_assert(!catalogue_url_check((struct str){.data = url, .len = 7 + 254}, &host));
}
END_TEST

START_TEST(a_host_covers_itself_and_what_is_below_it)
{
	ck_assert(catalogue_host_covers(STR("shop.example"), STR("shop.example")));
	ck_assert(catalogue_host_covers(STR("shop.example"), STR("SHOP.Example")));
	ck_assert(catalogue_host_covers(STR("shop.example"), STR("www.shop.example")));
	ck_assert(catalogue_host_covers(STR("shop.example"), STR("a.b.shop.example")));
	ck_assert(!catalogue_host_covers(STR("shop.example"), STR("evilshop.example")));
	ck_assert(!catalogue_host_covers(STR("shop.example"), STR(".shop.example")));
	ck_assert(!catalogue_host_covers(STR("shop.example"), STR("example")));
	ck_assert(!catalogue_host_covers(STR("shop.example"), STR("shop.example.evil")));
	ck_assert(!catalogue_host_covers(STR(""), STR("shop.example")));
	ck_assert(!catalogue_host_covers(STR(""), STR("")));
}
END_TEST

SUITE_MAIN("catalogue_row", rows_come_back_whole, other_rows_are_refused, shards_have_keys,
	destinations_are_plain_http_urls, other_destinations_are_refused, lengths_are_limited,
	a_host_covers_itself_and_what_is_below_it)
