/* SPDX-License-Identifier: Apache-2.0
 * waslctl store: storefronts, their settings and their webhook secrets. */
#include <stdio.h>
#include <string.h>

#include "ack.h"
#include "catalogue_row.h"
#include "list.h"
#include "money.h"
#include "nouns.h"
#include "out.h"
#include "ring.h"
#include "terms.h"

#define NAME_MAX_BYTES  255
#define HOST_MAX        253 /* RFC 1035 */
#define HOSTS_TEXT_MAX  (CALL_LIST_MAX * (HOST_MAX + 3) + 3)
#define NUMBER_TEXT_MAX 24
#define URL_TEXT_MAX    2200
#define RETURN_DAYS_MAX 365

#define PLATFORMS "custom|woocommerce|shopify|salla|zid|easyorders"

/* $1: what stands before /v1 of the webhook's URL. */
#define STORE_OBJECT                                                                           \
	"json_build_object('store_id', s.store_id, 'name', s.name, 'url', s.url, 'currency', " \
	"s.currency, "                                                                         \
	"'platform', s.platform, 'allow_hosts', s.allow_hosts, 'param', s.param, 'window_s', " \
	"s.window_s, "                                                                         \
	"'rate', (SELECT wasl.rate_text(r.rate_bp) " OPEN_RULE "), "                           \
	"'fixed', (SELECT wasl.money_text(r.fixed_unit_minor, r.currency) " OPEN_RULE "), "    \
	"'return_days', s.return_days, 'tax_rate', wasl.rate_text(s.tax_rate_bp), 'model', "   \
	"s.model, "                                                                            \
	"'precedence', s.precedence, 'timezone', s.timezone, 'collect_on', s.collect_on, "     \
	"'self_referral', s.self_referral, 'rotating', s.secret_previous IS NOT NULL, "        \
	"'created_at', wasl.time_text(s.created_at)"
#define OPEN_RULE                                                                                  \
	"FROM wasl.rules r WHERE r.store_id = s.store_id AND r.level = 'store' AND r.valid_to IS " \
	"NULL "                                                                                    \
	"ORDER BY r.priority DESC, r.valid_from DESC, r.rule_id LIMIT 1"

static enum call_exit store_add(struct call *call);
static enum call_exit store_list(struct call *call);
static enum call_exit store_show(struct call *call);
static enum call_exit store_set(struct call *call);
static enum call_exit store_rotate(struct call *call);

static const struct option_spec add_options[] = {
	{"name", OPTION_TEXT, true, "NAME", "what people call it"},
	{"url", OPTION_TEXT, true, "URL", "its front page; product URLs must be of its host"},
	{"currency", OPTION_TEXT, true, "CODE", "ISO 4217"},
	{"platform", OPTION_TEXT, false, "NAME", PLATFORMS},
	{"allow-host", OPTION_LIST, false, "HOST", "another host that product URLs may have"},
	{"window", OPTION_TEXT, false, "TIME", "attribution window (default 30d)"},
	{"return-days", OPTION_TEXT, false, "N", "return window after collection (default 14)"},
	TERMS_OPTIONS,
	{"param", OPTION_TEXT, false, "NAME", "the landing URL's parameter (default wasl)"},
	{0},
};
static const struct option_spec list_options[] = {LIST_OPTIONS, {0}};
static const struct option_spec set_options[] = {
	{"name", OPTION_TEXT, false, "NAME", "what people call it"},
	{"model", OPTION_TEXT, false, "MODEL", "last|first|linear"},
	{"precedence", OPTION_TEXT, false, "ORDER", "coupon_first|click_first"},
	{"timezone", OPTION_TEXT, false, "ZONE", "such as Africa/Cairo"},
	{"collect-on", OPTION_TEXT, false, "EVENT", "collected|delivered"},
	{"self-referral", OPTION_TEXT, false, "WHAT", "block|review|allow"},
	{"allow-host", OPTION_LIST, false, "HOST", "one more host that product URLs may have"},
	{"window", OPTION_TEXT, false, "TIME", "attribution window of clicks from now on"},
	{"return-days", OPTION_TEXT, false, "N", "return window after collection"},
	{"tax-rate", OPTION_TEXT, false, "RATE",
		"tax that prices include where an order says none"},
	TERMS_OPTIONS,
	{"param", OPTION_TEXT, false, "NAME", "the landing URL's parameter"},
	{0},
};
static const struct option_spec rotate_options[] = {
	{"finish", OPTION_SWITCH, false, NULL, "drop the old secret: end the rotation"},
	{0},
};

const struct command store_commands[] = {
	{"store", "add", "", 0, 0, add_options, store_add,
		"Add a storefront; its webhook secret is shown once"},
	{"store", "list", "", 0, 0, list_options, store_list, "List storefronts"},
	{"store", "show", "STORE", 1, 1, NULL, store_show, "Show a storefront's settings"},
	{"store", "set", "STORE", 1, 1, set_options, store_set, "Change a storefront's settings"},
	{"store", "rotate-secret", "STORE", 1, 1, rotate_options, store_rotate,
		"Give a new webhook secret; the old one stays live until --finish"},
	{0},
};

/* Settings as SQL takes them; NULL: not given. */
struct settings {
	const char *window_s, *return_days, *tax_rate_bp;
	char window_text[NUMBER_TEXT_MAX], return_text[NUMBER_TEXT_MAX], tax_text[NUMBER_TEXT_MAX];
	char hosts[HOSTS_TEXT_MAX]; /* a Postgres array */
};

static bool check_settings(const struct call *call, struct settings *settings);
static bool check_hosts(const struct call *call, char out[HOSTS_TEXT_MAX]);
static bool check_param(const struct call *call);
static void take_number(
	const char **slot, char text[NUMBER_TEXT_MAX], bool is_given, uint64_t value);
static bool insert_store(
	struct call *call, const char *id, const char *sealed_hex, const struct settings *settings);
static enum call_exit tell_secret(struct call *call, const char *id, const char *secret);
static void webhook_url(const struct call *call, char out[URL_TEXT_MAX], const char *id);
static bool store_digits(struct call *call, const char *id, unsigned *digits);

static enum call_exit store_add(struct call *call)
{
	struct settings settings;
	struct terms terms;
	struct ring ring;
	struct ack ack;
	struct err err = {0};
	struct str host;
	unsigned digits = 0;
	enum call_exit code = CALL_FAILED;
	char secret[SECRET_TEXT_MAX], sealed_hex[SECRET_SEALED_HEX], id[NUMBER_TEXT_MAX] = "";
	if (!money_currency_digits(str_from(call_text(call, "currency")), &digits))
		return call_usage(call, "--currency: '%s' is not an ISO 4217 currency",
			call_text(call, "currency"));
	if (!call_words(call, "name", NAME_MAX_BYTES, true) ||
		!call_one_of(call, "platform", PLATFORMS) || !check_settings(call, &settings) ||
		!terms_parse(call, digits, &terms))
		return CALL_USAGE;
	if (!catalogue_url_check(str_from(call_text(call, "url")), &host))
		return call_fail(call, "--url: '%s' is not a plain http or https URL",
			call_text(call, "url"));
	if (!ring_open(call, &ring, RING_SEAL, &code))
		return code;
	if (!ack_begin(call, &ack, &code))
		goto out;
	code = CALL_FAILED;
	struct db_rows *rows = call_query(call,
		"SELECT nextval(pg_get_serial_sequence('wasl.stores', 'store_id'))", DB_ARGS());
	if (rows == NULL)
		goto out;
	snprintf(id, sizeof(id), "%s", db_cell(rows, 0, 0));
	db_rows_free(rows);
	if (!ring_make_secret(&ring, id, secret, sealed_hex, &err)) {
		call_fail_err(call, &err);
		goto out;
	}
	if (insert_store(call, id, sealed_hex, &settings) && terms_begin(call, id, NULL, &terms) &&
		ack_commit(call, &ack))
		code = tell_secret(call, id, secret);
	if (code == CALL_DONE)
		ack_wait(call, &ack);
out:
	ring_close(&ring);
	return code;
}

static enum call_exit store_list(struct call *call)
{
	static const char *const columns[] = {"store_id", "name", "url", "currency", "platform",
		"rate", "fixed", "window_s", "model", NULL};
	return list_print(call,
		&(struct list){
			.sql = "SELECT " STORE_OBJECT ") FROM wasl.stores s WHERE s.store_id > "
			       "coalesce($1::bigint, 0) ORDER BY s.store_id LIMIT $2::bigint",
			.key = "store_id",
			.columns = columns});
}

static enum call_exit store_show(struct call *call)
{
	enum call_exit code = CALL_FAILED;
	char url[URL_TEXT_MAX];
	if (!call_operand_id(call, 0))
		return CALL_USAGE;
	if (!call_db(call, &code))
		return code;
	webhook_url(call, url, call->operands[0]);
	struct db_rows *rows = call_query(call,
		"SELECT " STORE_OBJECT ", 'webhook_url', $2::text) FROM wasl.stores s "
		"WHERE s.store_id = $1::bigint",
		DB_ARGS(call->operands[0], url));
	if (rows == NULL)
		return CALL_FAILED;
	if (db_rows_count(rows) == 0)
		code = call_fail(call, "there is no store %s", call->operands[0]);
	else
		code = out_object(call, json_loads(db_cell(rows, 0, 0), 0, NULL));
	db_rows_free(rows);
	return code;
}

static enum call_exit store_set(struct call *call)
{
	struct settings settings;
	struct terms terms;
	struct ack ack;
	unsigned digits = 0;
	enum call_exit code = CALL_FAILED;
	if (!call_operand_id(call, 0) || !call_words(call, "name", NAME_MAX_BYTES, true) ||
		!call_one_of(call, "model", "last|first|linear") ||
		!call_one_of(call, "precedence", "coupon_first|click_first") ||
		!call_one_of(call, "collect-on", "collected|delivered") ||
		!call_one_of(call, "self-referral", "block|review|allow") ||
		!check_settings(call, &settings) || !terms_check(call))
		return CALL_USAGE;
	const char *id = call->operands[0];
	if (!ack_begin(call, &ack, &code))
		return code;
	if (!store_digits(call, id, &digits))
		return CALL_FAILED;
	if (!terms_parse(call, digits, &terms))
		return CALL_USAGE;
	const char *zone = call_text(call, "timezone");
	struct db_rows *rows = call_query(call,
		"SELECT 1 WHERE $1::text IS NULL OR EXISTS (SELECT FROM pg_timezone_names WHERE "
		"name = $1)",
		DB_ARGS(zone));
	bool is_zone = rows != NULL && db_rows_count(rows) == 1;
	db_rows_free(rows);
	if (!is_zone)
		return call_usage(call, "--timezone: '%s' is not known", zone ? zone : "");
	bool is_ok = call_run(call,
		"UPDATE wasl.stores SET name = coalesce($2, name), model = coalesce($3, model), "
		"precedence = coalesce($4, precedence), timezone = coalesce($5, timezone), "
		"collect_on = coalesce($6, collect_on), self_referral = coalesce($7, "
		"self_referral), "
		"window_s = coalesce($8::bigint, window_s), "
		"return_days = coalesce($9::integer, return_days), "
		"tax_rate_bp = coalesce($10::integer, tax_rate_bp), param = coalesce($11, param), "
		"allow_hosts = ARRAY(SELECT DISTINCT unnest(allow_hosts || $12::text[]) ORDER BY "
		"1) "
		"WHERE store_id = $1::bigint",
		DB_ARGS(id, call_text(call, "name"), call_text(call, "model"),
			call_text(call, "precedence"), zone, call_text(call, "collect-on"),
			call_text(call, "self-referral"), settings.window_s, settings.return_days,
			settings.tax_rate_bp, call_text(call, "param"), settings.hosts));
	if (!is_ok || !terms_change(call, id, NULL, &terms) || !ack_commit(call, &ack))
		return CALL_FAILED;
	code = store_show(call);
	ack_wait(call, &ack);
	return code;
}

static enum call_exit store_rotate(struct call *call)
{
	struct ring ring;
	struct ack ack;
	struct err err = {0};
	enum call_exit code = CALL_FAILED;
	char secret[SECRET_TEXT_MAX] = "", sealed_hex[SECRET_SEALED_HEX] = "";
	const bool is_finish = call_has(call, "finish");
	if (!call_operand_id(call, 0))
		return CALL_USAGE;
	const char *id = call->operands[0];
	if (!ring_open(call, &ring, RING_SEAL, &code))
		return code;
	if (!ack_begin(call, &ack, &code))
		goto out;
	code = CALL_FAILED;
	struct db_rows *rows = call_query(call,
		"SELECT secret_previous IS NOT NULL FROM wasl.stores WHERE store_id = $1::bigint "
		"FOR UPDATE",
		DB_ARGS(id));
	if (rows == NULL)
		goto out;
	const bool is_known = db_rows_count(rows) == 1;
	const bool is_rotating = is_known && *db_cell(rows, 0, 0) == 't';
	db_rows_free(rows);
	if (!is_known)
		call_fail(call, "there is no store %s", id);
	else if (is_finish && !is_rotating)
		call_fail(call, "store %s has no rotation under way", id);
	else if (!is_finish && is_rotating)
		call_fail(call, "store %s already has two live secrets: --finish first", id);
	else if (!is_finish && !ring_make_secret(&ring, id, secret, sealed_hex, &err))
		call_fail_err(call, &err);
	else if (call_run(call,
			 "UPDATE wasl.stores SET secret_previous = CASE WHEN $2 = '' THEN NULL "
			 "ELSE secret_current END, secret_current = CASE WHEN $2 = '' THEN "
			 "secret_current "
			 "ELSE $2::bytea END WHERE store_id = $1::bigint",
			 DB_ARGS(id, sealed_hex)) &&
		 ack_commit(call, &ack))
		code = is_finish ? out_object(call, json_pack("{s:o, s:b}", "store_id",
							    out_number(id), "finished", 1))
				 : tell_secret(call, id, secret);
	if (code == CALL_DONE)
		ack_wait(call, &ack);
out:
	ring_close(&ring);
	return code;
}

static bool check_settings(const struct call *call, struct settings *settings)
{
	uint64_t window_s = 0, return_days = 0;
	unsigned tax_bp = 0;
	const bool is_set = strcmp(call->command->verb, "set") == 0;
	*settings = (struct settings){0};
	if (!call_window(call, "window", &window_s) ||
		!call_number(call, "return-days", 0, RETURN_DAYS_MAX, &return_days) ||
		(is_set && !call_rate(call, "tax-rate", &tax_bp)) || !check_param(call) ||
		!check_hosts(call, settings->hosts))
		return false;
	take_number(&settings->window_s, settings->window_text, call_has(call, "window"), window_s);
	take_number(&settings->return_days, settings->return_text, call_has(call, "return-days"),
		return_days);
	take_number(&settings->tax_rate_bp, settings->tax_text,
		is_set && call_has(call, "tax-rate"), tax_bp);
	return true;
}

/* Plain lower-case host names, as they will be compared; written as {a,b}. */
static bool check_hosts(const struct call *call, char out[HOSTS_TEXT_MAX])
{
	struct buf hosts;
	buf_init(&hosts, HOSTS_TEXT_MAX - 1);
	buf_add_cstr(&hosts, "{");
	for (unsigned i = 0; i < call->list_count; i++) {
		char url[HOST_MAX + 16];
		struct str host = str_from(call->list[i]), seen;
		int len = snprintf(url, sizeof(url), "https://%s/", call->list[i]);
		bool is_ok = host.len > 0 && host.len <= HOST_MAX && len > 0 &&
			     (size_t)len < sizeof(url) &&
			     catalogue_url_check(str_from(url), &seen) && str_equal(seen, host) &&
			     strpbrk(call->list[i], "[]:,{}\"\\") == NULL;
		if (!is_ok) {
			call_usage(call, "--allow-host: '%s' is not a host name", call->list[i]);
			buf_release(&hosts);
			return false;
		}
		buf_addf(&hosts, "%s%s", i > 0 ? "," : "", call->list[i]);
	}
	buf_add_cstr(&hosts, "}");
	bool has_fit = !hosts.has_failed && str_copy(out, HOSTS_TEXT_MAX, buf_str(&hosts));
	buf_release(&hosts);
	return has_fit;
}

static bool check_param(const struct call *call)
{
	const char *param = call_text(call, "param");
	const char *const alphabet =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
	if (param == NULL)
		return true;
	size_t len = strlen(param);
	if (len > 0 && len <= CATALOGUE_PARAM_MAX && strspn(param, alphabet) == len)
		return true;
	call_usage(call, "--param: '%s' is not 1 to %d of A-Z a-z 0-9 _ . -", param,
		CATALOGUE_PARAM_MAX);
	return false;
}

static void take_number(
	const char **slot, char text[NUMBER_TEXT_MAX], bool is_given, uint64_t value)
{
	snprintf(text, NUMBER_TEXT_MAX, "%llu", (unsigned long long)value);
	*slot = is_given ? text : NULL;
}

static bool insert_store(
	struct call *call, const char *id, const char *sealed_hex, const struct settings *settings)
{
	return call_run(call,
		"INSERT INTO wasl.stores (store_id, name, url, currency, platform, allow_hosts, "
		"param, "
		"window_s, return_days, secret_current) VALUES ($1::bigint, $2, $3, $4, "
		"coalesce($5, 'custom'), $6::text[], coalesce($7, 'wasl'), coalesce($8::bigint, "
		"2592000), "
		"coalesce($9::integer, 14), $10::bytea)",
		DB_ARGS(id, call_text(call, "name"), call_text(call, "url"),
			call_text(call, "currency"), call_text(call, "platform"), settings->hosts,
			call_text(call, "param"), settings->window_s, settings->return_days,
			sealed_hex));
}

static enum call_exit tell_secret(struct call *call, const char *id, const char *secret)
{
	char url[URL_TEXT_MAX];
	webhook_url(call, url, id);
	return out_object(call, json_pack("{s:o, s:s, s:s}", "store_id", out_number(id),
					"webhook_secret", secret, "webhook_url", url));
}

/* Without --attributor-url only the path is known. */
static void webhook_url(const struct call *call, char out[URL_TEXT_MAX], const char *id)
{
	const char *base = call->globals[GLOBAL_ATTRIBUTOR_URL];
	size_t len = base ? strlen(base) : 0;
	while (len > 0 && base[len - 1] == '/')
		len--;
	snprintf(out, URL_TEXT_MAX, "%.*s/v1/stores/%s/events", (int)len, base ? base : "", id);
}

/* Locks the store's row; false, reported, when there is none. */
static bool store_digits(struct call *call, const char *id, unsigned *digits)
{
	struct db_rows *rows = call_query(call,
		"SELECT currency FROM wasl.stores WHERE store_id = $1::bigint FOR UPDATE",
		DB_ARGS(id));
	if (rows == NULL)
		return false;
	bool is_known = db_rows_count(rows) == 1 &&
			money_currency_digits(str_from(db_cell(rows, 0, 0)), digits);
	db_rows_free(rows);
	if (!is_known)
		call_fail(call, "there is no store %s", id);
	return is_known;
}
