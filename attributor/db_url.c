/* SPDX-License-Identifier: Apache-2.0
 * Whether libpq can make anything of a database URL, told before it is connected to: libpq's own
 * words repeat what it could not read, which may be of the password. */
#include "db_parts.h"

#include <stdlib.h>
#include <string.h>

#define PORT_MAX 65535

static bool check_options(const PQconninfoOption *options, struct err *err);
static bool has_ports(struct str list);
static bool has_hosts(struct str list);

bool db_url_check(struct str url, struct err *err)
{
	char *const text = strndup(url.data, url.len);
	if (text == NULL)
		return err_set(err, ERR_LIMIT, 0, "no memory");
	PQconninfoOption *const options = PQconninfoParse(text, NULL);
	explicit_bzero(text, url.len);
	free(text);
	const bool is_good =
		options != NULL
			? check_options(options, err)
			: err_set(err, ERR_USAGE, 0,
				  "neither a libpq URI nor keywords (a URI has odd characters of a "
				  "password as %%XX)");
	PQconninfoFree(options);
	return is_good;
}

static bool check_options(const PQconninfoOption *options, struct err *err)
{
	for (const PQconninfoOption *option = options; option->keyword != NULL; option++) {
		const struct str value = str_from(option->val != NULL ? option->val : "");
		if (strcmp(option->keyword, "port") == 0 && !has_ports(value))
			return err_set(err, ERR_USAGE, 0,
				"its port is no number (a URI has / : of a password as %%2F %%3A)");
		if (strcmp(option->keyword, "host") == 0 && !has_hosts(value))
			return err_set(err, ERR_USAGE, 0,
				"its host holds an @ (a URI has that of a password as %%40)");
	}
	return true;
}

/* Left out, libpq has a port of its own. */
static bool has_ports(struct str list)
{
	struct str port;
	uint64_t number;
	bool has_more = true;
	while (has_more) {
		has_more = str_cut(list, ',', &port, &list);
		port = str_trim(port);
		if (port.len > 0 && (!str_parse_u64(port, PORT_MAX, &number) || number == 0))
			return false;
	}
	return true;
}

/* In front it is an abstract socket's, after a slash a path's. */
static bool has_hosts(struct str list)
{
	struct str host;
	bool has_more = true;
	while (has_more) {
		has_more = str_cut(list, ',', &host, &list);
		if (host.len > 1 && host.data[0] != '/' && memchr(host.data + 1, '@', host.len - 1))
			return false;
	}
	return true;
}
