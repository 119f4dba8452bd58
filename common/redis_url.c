/* SPDX-License-Identifier: Apache-2.0
 * redis:// and unix:// URLs. */
#include <string.h>

#include "redis.h"

#define REDIS_PORT_DEFAULT 6379
#define REDIS_PORT_MAX     65535
#define REDIS_DB_MAX       65535

static bool parse_tcp(struct str rest, struct redis_url *url, struct err *err);
static bool parse_unix(struct str rest, struct redis_url *url, struct err *err);
static bool parse_user(struct str user, struct redis_url *url, struct err *err);
static bool parse_host(struct str host, struct redis_url *url, struct err *err);
static bool parse_db(struct str text, struct redis_url *url, struct err *err);
static bool decode(struct str raw, char *out, size_t out_size);
static bool refuse(struct err *err, const char *why);

/* Messages name the part and never its text, which may hold the password. */
bool redis_url_parse(struct str text, struct redis_url *url, struct err *err)
{
	static const struct str tcp = STR("redis://");
	static const struct str local = STR("unix://");
	*url = (struct redis_url){0};
	if (str_has_prefix(text, tcp))
		return parse_tcp((struct str){text.data + tcp.len, text.len - tcp.len}, url, err);
	if (str_has_prefix(text, local))
		return parse_unix(
			(struct str){text.data + local.len, text.len - local.len}, url, err);
	return refuse(err, "it begins with neither redis:// nor unix://");
}

static bool parse_tcp(struct str rest, struct redis_url *url, struct err *err)
{
	struct str authority, path;
	const bool has_path = str_cut(rest, '/', &authority, &path);
	/* The last '@': a password may hold another, though it ought to be encoded. */
	size_t at = authority.len;
	while (at > 0 && authority.data[at - 1] != '@')
		at--;
	if (at > 0 && !parse_user((struct str){authority.data, at - 1}, url, err))
		return false;
	const struct str host = {authority.data + at, authority.len - at};
	if (!parse_host(host, url, err))
		return false;
	return !has_path || path.len == 0 || parse_db(path, url, err);
}

static bool parse_unix(struct str rest, struct redis_url *url, struct err *err)
{
	struct str path, query, name, value;
	const bool has_query = str_cut(rest, '?', &path, &query);
	if (path.len == 0 || path.data[0] != '/' || !decode(path, url->host, sizeof(url->host)))
		return refuse(err, "the socket's path is not absolute, or too long");
	if (!has_query)
		return true;
	if (!str_cut(query, '=', &name, &value) || !str_equal(name, STR("db")))
		return refuse(err, "after '?' only db=N is known");
	return parse_db(value, url, err);
}

static bool parse_user(struct str user, struct redis_url *url, struct err *err)
{
	struct str name, password;
	if (!str_cut(user, ':', &name, &password)) /* "secret@host": a password alone */
		return refuse(err, "a password is written as user:password@ or :password@");
	if (!decode(name, url->user, sizeof(url->user)))
		return refuse(err, "the user name is too long or badly encoded");
	if (!decode(password, url->secret_password, sizeof(url->secret_password)))
		return refuse(err, "the password is too long or badly encoded");
	return true;
}

/* "name", "name:port", "[v6]", "[v6]:port"; no name is localhost. */
static bool parse_host(struct str host, struct redis_url *url, struct err *err)
{
	struct str name = host, port = {0};
	bool has_port;
	if (host.len > 0 && host.data[0] == '[') {
		struct str after;
		const struct str inside = {host.data + 1, host.len - 1};
		if (!str_cut(inside, ']', &name, &after) || name.len == 0)
			return refuse(err, "the address in brackets does not end");
		has_port = after.len > 0;
		if (has_port && after.data[0] != ':')
			return refuse(err, "after the address in brackets comes no port");
		if (has_port)
			port = (struct str){after.data + 1, after.len - 1};
	} else {
		has_port = str_cut(host, ':', &name, &port);
	}
	uint64_t number = REDIS_PORT_DEFAULT;
	if (has_port && (!str_parse_u64(port, REDIS_PORT_MAX, &number) || number == 0))
		return refuse(err, "the port is not a number from 1 to 65535");
	url->port = (uint16_t)number;
	if (name.len == 0)
		name = STR("localhost");
	for (size_t i = 0; i < name.len; i++)
		if (name.data[i] <= ' ' || name.data[i] > '~' || strchr("?#%\\", name.data[i]))
			return refuse(err, "the host name holds what no host name does");
	if (!str_copy(url->host, sizeof(url->host), name))
		return refuse(err, "the host name is too long");
	return true;
}

static bool parse_db(struct str text, struct redis_url *url, struct err *err)
{
	uint64_t number;
	if (!str_parse_u64(text, REDIS_DB_MAX, &number))
		return refuse(err, "the database is not a number");
	url->db = (unsigned)number;
	return true;
}

static bool decode(struct str raw, char *out, size_t out_size)
{
	size_t len;
	if (!percent_decode(raw, false, out, out_size - 1, &len) || memchr(out, 0, len))
		return false;
	out[len] = '\0';
	return true;
}

static bool refuse(struct err *err, const char *why)
{
	return err_set(err, ERR_FORMAT, 0, "redis URL: %s", why);
}
