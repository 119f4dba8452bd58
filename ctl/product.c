/* SPDX-License-Identifier: Apache-2.0
 * waslctl product: what links lead to. */
#include "product.h"

#include <stdio.h>
#include <stdlib.h>

#include "ack.h"
#include "list.h"
#include "money.h"
#include "nouns.h"
#include "out.h"
#include "terms.h"

static enum call_exit product_add(struct call *call);
static enum call_exit product_pause(struct call *call);
static enum call_exit product_resume(struct call *call);
static enum call_exit product_list(struct call *call);

static const struct option_spec add_options[] = {
	{"store", OPTION_TEXT, true, "STORE", "whose product"},
	{"external-id", OPTION_TEXT, true, "ID", "the store's own id; a known one is updated"},
	{"url", OPTION_TEXT, true, "URL", "where links lead"},
	{"title", OPTION_TEXT, false, "TEXT", "what people call it"},
	{"category", OPTION_TEXT, false, "TEXT", "the store's category"},
	TERMS_OPTIONS,
	{0},
};
static const struct option_spec import_options[] = {
	{"store", OPTION_TEXT, true, "STORE", "whose products"},
	{"strict", OPTION_SWITCH, false, NULL, "import nothing if any row is refused"},
	{0},
};
static const struct option_spec list_options[] = {
	{"store", OPTION_TEXT, true, "STORE", "whose products"}, LIST_OPTIONS, {0}};

const struct command product_commands[] = {
	{"product", "add", "", 0, 0, add_options, product_add, "Add or update one product"},
	{"product", "import", "FILE.csv", 1, 1, import_options, product_import,
		"Add or update products from CSV: "
		"external_id,url[,title][,category][,rate][,fixed]"},
	{"product", "pause", "PRODUCT", 1, 1, NULL, product_pause,
		"Let links lead to the store instead of this product"},
	{"product", "resume", "PRODUCT", 1, 1, NULL, product_resume,
		"Let links lead to this product again"},
	{"product", "list", "", 0, 0, list_options, product_list, "List a store's products"},
	{0},
};

static struct db_rows *upsert(struct call *call);
static enum call_exit change_status(struct call *call, const char *status);
static bool read_hosts(struct call *call, struct product_store *store);

struct product_store *product_store_read(struct call *call)
{
	struct product_store *store = calloc(1, sizeof(*store));
	if (store == NULL) {
		call_fail(call, "out of memory");
		return NULL;
	}
	store->id = call_text(call, "store");
	struct db_rows *rows = call_query(call,
		"SELECT url, currency FROM wasl.stores WHERE store_id = $1::bigint FOR SHARE",
		DB_ARGS(store->id));
	bool is_ok = rows != NULL;
	if (is_ok && db_rows_count(rows) == 0) {
		call_fail(call, "there is no store %s", store->id);
		is_ok = false;
	}
	is_ok = is_ok && str_copy(store->url, sizeof(store->url), str_from(db_cell(rows, 0, 0))) &&
		money_currency_digits(str_from(db_cell(rows, 0, 1)), &store->digits) &&
		read_hosts(call, store);
	db_rows_free(rows);
	if (is_ok)
		return store;
	free(store);
	return NULL;
}

const char *product_url_reason(const struct product_store *store, struct str url)
{
	struct str base, host;
	if (!catalogue_url_check(url, &host))
		return "not a plain http or https URL";
	if (catalogue_url_check(str_from(store->url), &base) && catalogue_host_covers(base, host))
		return NULL;
	for (unsigned i = 0; i < store->host_count; i++) {
		if (str_equal_nocase(str_from(store->hosts[i]), host))
			return NULL;
	}
	return "its host is neither the store's nor allowed";
}

static enum call_exit product_add(struct call *call)
{
	struct ack ack;
	struct terms terms;
	struct product_store *store = NULL;
	struct db_rows *rows = NULL;
	enum call_exit code = CALL_FAILED;
	if (!call_id(call, "store") || !call_words(call, "external-id", PRODUCT_ID_MAX, false) ||
		!call_words(call, "title", PRODUCT_TITLE_MAX, true) ||
		!call_words(call, "category", PRODUCT_CATEGORY_MAX, false) || !terms_check(call))
		return CALL_USAGE;
	if (!ack_begin(call, &ack, &code))
		return code;
	code = CALL_FAILED;
	store = product_store_read(call);
	if (store == NULL)
		return CALL_FAILED;
	const char *reason = product_url_reason(store, str_from(call_text(call, "url")));
	if (reason != NULL) {
		call_fail(call, "--url: '%s': %s", call_text(call, "url"), reason);
		goto out;
	}
	if (!terms_parse(call, store->digits, &terms)) {
		code = CALL_USAGE;
		goto out;
	}
	rows = upsert(call);
	if (rows == NULL)
		goto out;
	const char *id = db_cell(rows, 0, 0);
	bool is_new = *db_cell(rows, 0, 1) == 't';
	if ((is_new ? terms_begin(call, store->id, id, &terms)
		    : terms_change(call, store->id, id, &terms)) &&
		ack_commit(call, &ack))
		code = out_object(call, json_pack("{s:o}", "product_id", out_number(id)));
	if (code == CALL_DONE)
		ack_wait(call, &ack);
out:
	db_rows_free(rows);
	free(store);
	return code;
}

static enum call_exit product_pause(struct call *call)
{
	return change_status(call, "paused");
}

static enum call_exit product_resume(struct call *call)
{
	return change_status(call, "active");
}

static enum call_exit product_list(struct call *call)
{
	static const char *const columns[] = {"product_id", "external_id", "status", "rate",
		"fixed", "category", "title", "url", NULL};
	if (!call_id(call, "store"))
		return CALL_USAGE;
	return list_print(call,
		&(struct list){
			.sql = "SELECT json_build_object('product_id', p.product_id, 'store_id', "
			       "p.store_id, 'external_id', p.external_id, 'url', p.url, 'title', "
			       "p.title, 'category', p.category, 'status', p.status, "
			       "'rate', wasl.rate_text(r.rate_bp), "
			       "'fixed', wasl.money_text(r.fixed_unit_minor, r.currency), "
			       "'created_at', wasl.time_text(p.created_at)) FROM wasl.products p "
			       "LEFT JOIN LATERAL (SELECT * FROM wasl.rules q WHERE q.store_id = "
			       "p.store_id AND q.product_id = p.product_id AND q.level = 'product' "
			       "AND q.valid_to IS NULL ORDER BY q.priority DESC, q.valid_from "
			       "DESC, "
			       "q.rule_id LIMIT 1) r ON true WHERE p.store_id = $3::bigint "
			       "AND p.product_id > coalesce($1::bigint, 0) "
			       "ORDER BY p.product_id LIMIT $2::bigint",
			.key = "product_id",
			.columns = columns,
			.params = {call_text(call, "store")},
			.param_count = 1,
			.store_id = call_text(call, "store")});
}

/* The id, and whether the row is new (xmax 0: not the newer version of an older row). */
static struct db_rows *upsert(struct call *call)
{
	return call_query(call,
		"INSERT INTO wasl.products AS p (store_id, external_id, url, title, category) "
		"VALUES ($1::bigint, $2, $3, $4, $5) ON CONFLICT (store_id, external_id) DO UPDATE "
		"SET url = excluded.url, title = coalesce(excluded.title, p.title), "
		"category = coalesce(excluded.category, p.category) RETURNING product_id, xmax = 0",
		DB_ARGS(call_text(call, "store"), call_text(call, "external-id"),
			call_text(call, "url"), call_text(call, "title"),
			call_text(call, "category")));
}

static enum call_exit change_status(struct call *call, const char *status)
{
	struct ack ack;
	enum call_exit code = CALL_FAILED;
	if (!call_operand_id(call, 0))
		return CALL_USAGE;
	if (!ack_begin(call, &ack, &code))
		return code;
	struct db_rows *rows = call_query(call,
		"UPDATE wasl.products SET status = $2 WHERE product_id = $1::bigint",
		DB_ARGS(call->operands[0], status));
	if (rows == NULL)
		return CALL_FAILED;
	bool is_known = db_rows_affected(rows) == 1;
	db_rows_free(rows);
	if (!is_known)
		return call_fail(call, "there is no product %s", call->operands[0]);
	if (!ack_commit(call, &ack))
		return CALL_FAILED;
	code = out_object(call, json_pack("{s:o, s:s}", "product_id", out_number(call->operands[0]),
					"status", status));
	ack_wait(call, &ack);
	return code;
}

static bool read_hosts(struct call *call, struct product_store *store)
{
	struct db_rows *rows = call_query(call,
		"SELECT unnest(allow_hosts) FROM wasl.stores WHERE store_id = $1::bigint",
		DB_ARGS(store->id));
	if (rows == NULL)
		return false;
	bool is_ok = db_rows_count(rows) <= PRODUCT_HOSTS_MAX;
	for (unsigned i = 0; is_ok && i < db_rows_count(rows); i++)
		is_ok = str_copy(
			store->hosts[i], sizeof(store->hosts[i]), str_from(db_cell(rows, i, 0)));
	store->host_count = is_ok ? db_rows_count(rows) : 0;
	db_rows_free(rows);
	if (!is_ok)
		call_fail(call, "store %s allows more than %d hosts", store->id, PRODUCT_HOSTS_MAX);
	return is_ok;
}
