/* SPDX-License-Identifier: Apache-2.0
 * Catalogue rows as text and back, their keys, and what a destination may be. */
#include "catalogue_row.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define HOST_MAX         253 /* RFC 1035 section 2.3.4, as text */
#define LABEL_MAX        63
#define PORT_MAX         65535
#define STATUS_ACTIVE    'a'
#define STATUS_STOPPED   'x'
#define FIELD_SEPARATOR  ' '
#define SCHEME_SEPARATOR "://"

static const char kind_letters[CATALOGUE_KINDS] = {'s', 'p', 'a'};

static bool take_store(struct str text, struct catalogue_row *row);
static bool take_product(struct str text, struct catalogue_row *row);
static bool take_u32(struct str *text, uint32_t *out);
static bool param_check(struct str param);
static bool take_scheme(struct str *url);
static bool authority_check(struct str authority, struct str *host);
static bool port_check(struct str port);
static bool host_check(struct str host);
static bool label_check(struct str label);
static bool ip_check(struct str text, int family);
static bool is_number(struct str label);
static bool is_letter_or_digit(char c);

unsigned catalogue_row_encode(char *out, unsigned out_size, const struct catalogue_row *row)
{
	const unsigned long long version = row->version;
	const char status = row->status == CATALOGUE_ACTIVE ? STATUS_ACTIVE : STATUS_STOPPED;
	int len = -1;
	switch (row->kind) {
	case CATALOGUE_STORE:
		len = snprintf(out, out_size, "%llu %c %u %.*s %.*s", version, status,
			row->window_s, STR_ARG(row->param), STR_ARG(row->url));
		break;
	case CATALOGUE_PRODUCT:
		len = snprintf(out, out_size, "%llu %c %u %.*s", version, status, row->store_id,
			STR_ARG(row->url));
		break;
	case CATALOGUE_AFFILIATE:
		len = snprintf(out, out_size, "%llu %c", version, status);
		break;
	case CATALOGUE_KINDS:
		break;
	}
	return len < 0 || (unsigned)len >= out_size ? 0 : (unsigned)len;
}

bool catalogue_row_parse(
	struct str raw, enum catalogue_kind kind, uint32_t id, struct catalogue_row *row)
{
	struct catalogue_row found = {.kind = kind, .id = id};
	struct str version, status;
	if (raw.len > CATALOGUE_ROW_MAX || id == 0)
		return false;
	if (!str_cut(raw, FIELD_SEPARATOR, &version, &raw) ||
		!str_parse_u64(version, UINT64_MAX, &found.version))
		return false;
	const bool has_more = str_cut(raw, FIELD_SEPARATOR, &status, &raw);
	if (has_more != (kind != CATALOGUE_AFFILIATE) || status.len != 1)
		return false;
	if (status.data[0] != STATUS_ACTIVE && status.data[0] != STATUS_STOPPED)
		return false;
	found.status = status.data[0] == STATUS_ACTIVE ? CATALOGUE_ACTIVE : CATALOGUE_STOPPED;
	if (kind == CATALOGUE_STORE && !take_store(raw, &found))
		return false;
	if (kind == CATALOGUE_PRODUCT && !take_product(raw, &found))
		return false;
	*row = found;
	return true;
}

unsigned catalogue_shard_key(
	char out[CATALOGUE_KEY_MAX], struct str epoch, enum catalogue_kind kind, uint32_t shard)
{
	const int epoch_len =
		epoch.len > CATALOGUE_EPOCH_HEX ? CATALOGUE_EPOCH_HEX : (int)epoch.len;
	return (unsigned)snprintf(out, CATALOGUE_KEY_MAX, "wasl:cat:%.*s:%c:%u", epoch_len,
		epoch.data, kind_letters[kind], shard);
}

bool catalogue_url_check(struct str url, struct str *host)
{
	if (url.len > CATALOGUE_URL_MAX)
		return false;
	for (size_t i = 0; i < url.len; i++) {
		const char c = url.data[i];
		/* What would end a header, or a quoted attribute, or be read as a slash. */
		if (c <= ' ' || c > '~' || c == '"' || c == '<' || c == '>' || c == '\\')
			return false;
	}
	if (!take_scheme(&url))
		return false;
	struct str authority = url;
	for (size_t i = 0; i < url.len; i++) {
		if (url.data[i] == '/' || url.data[i] == '?' || url.data[i] == '#') {
			authority.len = i;
			break;
		}
	}
	return authority_check(authority, host);
}

bool catalogue_host_covers(struct str base, struct str host)
{
	if (base.len == 0 || host.len < base.len)
		return false;
	const size_t above = host.len - base.len;
	const struct str end = {.data = host.data + above, .len = base.len};
	if (!str_equal_nocase(end, base))
		return false;
	return above == 0 || (above > 1 && host.data[above - 1] == '.');
}

/* WINDOW PARAM URL */
static bool take_store(struct str text, struct catalogue_row *row)
{
	struct str host;
	if (!take_u32(&text, &row->window_s) || row->window_s == 0)
		return false;
	if (!str_cut(text, FIELD_SEPARATOR, &row->param, &row->url) || !param_check(row->param))
		return false;
	return catalogue_url_check(row->url, &host);
}

/* STORE URL */
static bool take_product(struct str text, struct catalogue_row *row)
{
	struct str host;
	if (!take_u32(&text, &row->store_id) || row->store_id == 0)
		return false;
	row->url = text;
	return catalogue_url_check(row->url, &host);
}

static bool take_u32(struct str *text, uint32_t *out)
{
	struct str field;
	uint64_t value = 0;
	if (!str_cut(*text, FIELD_SEPARATOR, &field, text) ||
		!str_parse_u64(field, UINT32_MAX, &value))
		return false;
	*out = (uint32_t)value;
	return true;
}

static bool param_check(struct str param)
{
	if (param.len == 0 || param.len > CATALOGUE_PARAM_MAX)
		return false;
	for (size_t i = 0; i < param.len; i++) {
		const char c = param.data[i];
		if (!is_letter_or_digit(c) && c != '_' && c != '.' && c != '-')
			return false;
	}
	return true;
}

static bool take_scheme(struct str *url)
{
	static const char *const schemes[] = {"https" SCHEME_SEPARATOR, "http" SCHEME_SEPARATOR};
	for (unsigned i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		const struct str scheme = str_from(schemes[i]);
		if (url->len < scheme.len)
			continue;
		const struct str start = {.data = url->data, .len = scheme.len};
		if (!str_equal_nocase(start, scheme))
			continue;
		url->data += scheme.len;
		url->len -= scheme.len;
		return true;
	}
	return false;
}

static bool authority_check(struct str authority, struct str *host)
{
	struct str port = {0};
	bool has_port;
	if (authority.len > 0 && authority.data[0] == '[') {
		struct str rest;
		authority.data++;
		authority.len--;
		if (!str_cut(authority, ']', host, &rest) || !ip_check(*host, AF_INET6))
			return false;
		has_port = rest.len > 0;
		if (has_port && rest.data[0] != ':')
			return false;
		if (has_port)
			port = (struct str){.data = rest.data + 1, .len = rest.len - 1};
	} else {
		has_port = str_cut(authority, ':', host, &port);
		if (!host_check(*host))
			return false;
	}
	return !has_port || port_check(port);
}

static bool port_check(struct str port)
{
	uint64_t number = 0;
	return str_parse_u64(port, PORT_MAX, &number) && number > 0;
}

/* LDH labels (RFC 5890 section 2.3.1); user-info would bring an '@', which is none. */
static bool host_check(struct str host)
{
	struct str label;
	struct str rest = host;
	bool has_more = true;
	if (host.len == 0 || host.len > HOST_MAX)
		return false;
	while (has_more) {
		has_more = str_cut(rest, '.', &label, &rest);
		if (!label_check(label))
			return false;
	}
	/* Browsers read a host whose last label is a number as IPv4, in many odd forms; one is
	 * enough. */
	return !is_number(label) || ip_check(host, AF_INET);
}

static bool label_check(struct str label)
{
	if (label.len == 0 || label.len > LABEL_MAX)
		return false;
	if (label.data[0] == '-' || label.data[label.len - 1] == '-')
		return false;
	for (size_t i = 0; i < label.len; i++) {
		if (!is_letter_or_digit(label.data[i]) && label.data[i] != '-')
			return false;
	}
	return true;
}

static bool ip_check(struct str text, int family)
{
	char address[INET6_ADDRSTRLEN];
	struct in6_addr ignored;
	return str_copy(address, sizeof(address), text) &&
	       inet_pton(family, address, &ignored) == 1;
}

static bool is_number(struct str label)
{
	size_t digits = 0;
	while (digits < label.len && label.data[digits] >= '0' && label.data[digits] <= '9')
		digits++;
	return digits == label.len || (digits == 1 && label.data[0] == '0' &&
					      (label.data[1] == 'x' || label.data[1] == 'X'));
}

static bool is_letter_or_digit(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
