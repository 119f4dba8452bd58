/* SPDX-License-Identifier: Apache-2.0
 * Paths to routes. */
#include "route.h"

#include "../common/suite.h"

START_TEST(paths_lead_to_their_routes)
{
	static const struct {
		struct str path;
		enum route route;
		struct str token;
	} rows[] = {
		{STR(""), ROUTE_OTHER, STR("")},
		{STR("/"), ROUTE_OTHER, STR("")},
		{STR("*"), ROUTE_OTHER, STR("")},
		{STR("/a"), ROUTE_LINK, STR("a")},
		{STR("/0123456789ABCDEFGHijkl"), ROUTE_LINK, STR("0123456789ABCDEFGHijkl")},
		{STR("/0123456789ABCDEFGHijkl/"), ROUTE_OTHER, STR("")},
		{STR("//0123456789ABCDEFGHijkl"), ROUTE_OTHER, STR("")},
		{STR("/./x"), ROUTE_OTHER, STR("")},
		{STR("/%00"), ROUTE_LINK, STR("%00")},
		{STR("/%2e%2e"), ROUTE_LINK, STR("%2e%2e")},
		{STR("/\\x"), ROUTE_LINK, STR("\\x")},
		{STR("/robots.txt"), ROUTE_ROBOTS, STR("")},
		{STR("/Robots.txt"), ROUTE_LINK, STR("Robots.txt")},
		{STR("/robots.txt/"), ROUTE_OTHER, STR("")},
		{STR("/favicon.ico"), ROUTE_FAVICON, STR("")},
		{STR("/wasl.js"), ROUTE_SNIPPET, STR("")},
		{STR("/v1/stores"), ROUTE_OTHER, STR("")},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct str token;
		ck_assert_msg(route_match(rows[i].path, &token) == rows[i].route, "row %zu", i);
		ck_assert_msg(str_equal(token, rows[i].token), "row %zu", i);
	}
}
END_TEST

SUITE_MAIN("route", paths_lead_to_their_routes)
