/* SPDX-License-Identifier: Apache-2.0
 * Where a link leads: the token's place in the URL, and the lines of a 302. */
#include "redirect.h"

#include "../common/suite.h"

START_TEST(token_goes_to_its_place_and_the_rest_stays)
{
	static const struct {
		const char *url, *expected;
	} rows[] = {
		{"https://s.example", "https://s.example?wasl=T"},
		{"https://s.example/", "https://s.example/?wasl=T"},
		{"https://s.example/p", "https://s.example/p?wasl=T"},
		{"https://s.example/p?", "https://s.example/p?wasl=T"},
		{"https://s.example/p?a=1", "https://s.example/p?a=1&wasl=T"},
		{"https://s.example/p?a=1&", "https://s.example/p?a=1&wasl=T"},
		{"https://s.example/p?&", "https://s.example/p?&wasl=T"},
		{"https://s.example/p?a", "https://s.example/p?a&wasl=T"},
		{"https://s.example/p#top", "https://s.example/p?wasl=T#top"},
		{"https://s.example/p#", "https://s.example/p?wasl=T#"},
		{"https://s.example/p?a=1#top?x=2", "https://s.example/p?a=1&wasl=T#top?x=2"},
		{"https://s.example/p#a?wasl=1", "https://s.example/p?wasl=T#a?wasl=1"},
		{"https://s.example/p?wasl=1", "https://s.example/p?wasl=T"},
		{"https://s.example/p?wasl", "https://s.example/p?wasl=T"},
		{"https://s.example/p?wasl=", "https://s.example/p?wasl=T"},
		{"https://s.example/p?a=1&wasl=1&b=2#f", "https://s.example/p?a=1&wasl=T&b=2#f"},
		{"https://s.example/p?wasl=1&wasl=2&b=2", "https://s.example/p?wasl=T&b=2"},
		{"https://s.example/p?%77asl=1&b=2", "https://s.example/p?wasl=T&b=2"},
		{"https://s.example/p?%77%61%73%6C=1", "https://s.example/p?wasl=T"},
		{"https://s.example/p?waslx=1", "https://s.example/p?waslx=1&wasl=T"},
		{"https://s.example/p?xwasl=1", "https://s.example/p?xwasl=1&wasl=T"},
		{"https://s.example/p?WASL=1", "https://s.example/p?WASL=1&wasl=T"},
		{"https://s.example/p?a=wasl=1", "https://s.example/p?a=wasl=1&wasl=T"},
		{"https://s.example/p?%zzsl=1", "https://s.example/p?%zzsl=1&wasl=T"},
		{"https://s.example/p?a=%20b+c&d=%D9%88",
			"https://s.example/p?a=%20b+c&d=%D9%88&wasl=T"},
		{"https://s.example/p?a=1;b=2&&c", "https://s.example/p?a=1;b=2&&c&wasl=T"},
		{"https://s.example/p?a=1&wasl=1&", "https://s.example/p?a=1&wasl=T&"},
		{"https://s.example/a?b?c", "https://s.example/a?b?c&wasl=T"},
		{"https://s.example/wasl=1/p;wasl=2", "https://s.example/wasl=1/p;wasl=2?wasl=T"},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char out[REDIRECT_URL_MAX + 1];
		const unsigned len =
			redirect_url(out, str_from(rows[i].url), STR("wasl"), STR("T"));
		out[len] = '\0';
		ck_assert_str_eq(out, rows[i].expected);
	}
}
END_TEST

START_TEST(longest_url_fits)
{
	char url[CATALOGUE_URL_MAX], param[CATALOGUE_PARAM_MAX], token[CLICK_TOKEN_LEN];
	memset(url, 'u', sizeof(url));
	memset(param, 'p', sizeof(param));
	memset(token, 't', sizeof(token));
	char out[REDIRECT_URL_MAX];
	const unsigned len = redirect_url(out, (struct str){.data = url, .len = sizeof(url)},
		(struct str){.data = param, .len = sizeof(param)},
		(struct str){.data = token, .len = sizeof(token)});
	ck_assert_uint_eq(len, sizeof(out));
	char cookie[VISITOR_COOKIE_MAX], headers[REDIRECT_HEAD_MAX];
	memset(cookie, 'c', sizeof(cookie));
	ck_assert_uint_le(redirect_headers(headers, (struct str){.data = out, .len = len},
				  (struct str){.data = cookie, .len = sizeof(cookie)}),
		sizeof(headers));
}
END_TEST

START_TEST(every_redirect_has_the_lines_of_the_contract)
{
	char headers[REDIRECT_HEAD_MAX + 1];
	const unsigned len =
		redirect_headers(headers, STR("https://s.example/"), STR("Set-Cookie: a=b\r\n"));
	headers[len] = '\0';
	ck_assert_str_eq(headers, "Location: https://s.example/\r\n"
				  "Cache-Control: no-store, private\r\n"
				  "Referrer-Policy: no-referrer\r\n"
				  "X-Robots-Tag: noindex, nofollow\r\n"
				  "X-Content-Type-Options: nosniff\r\n"
				  "Set-Cookie: a=b\r\n");
}
END_TEST

SUITE_MAIN("redirect", token_goes_to_its_place_and_the_rest_stays, longest_url_fits,
	every_redirect_has_the_lines_of_the_contract)
