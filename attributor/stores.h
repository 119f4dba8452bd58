/* SPDX-License-Identifier: Apache-2.0
 * What the webhook's edge must know of each store without asking: its settings and opened secrets.
 * Kept in memory, read from Postgres at the start and after every change, so that signatures are
 * checked while Postgres is away. */
#ifndef WASL_STORES_H
#define WASL_STORES_H

#include <stdbool.h>
#include <stdint.h>

#include "db.h"
#include "keyring.h"
#include "match.h"
#include "order.h"
#include "verify.h"

#define STORES_MAX 100000
#define STORES_REFRESH_US \
	(1000 * INT64_C(1000)) /* one store is asked for again at most once in this time */

/* What its orders are decided by. */
struct store_terms {
	enum match_model model;
	enum match_precedence precedence;
	enum self_referral self_referral;
	bool collects_on_delivery;
	int return_days;
};

struct store {
	uint32_t store_id;
	uint64_t version;
	char currency[ORDER_CURRENCY_MAX];
	int tax_bp; /* ORDER_NO_TAX */
	struct store_terms terms;
	struct verify_secret secrets[VERIFY_SECRETS_MAX]; /* current, previous */
};

struct stores;
typedef void stores_done_fn(bool is_ok, void *arg);

struct stores *stores_new(
	struct loop *loop, struct db *db, const struct keyring *keyring, struct err *err);
/* NULL: unknown. Valid until the next turn of the loop. */
const struct store *stores_find(const struct stores *stores, uint32_t store_id);
/* Reads all stores (ids NULL) or these again; done may be NULL. */
void stores_refresh(struct stores *stores, const uint32_t *ids, unsigned count,
	stores_done_fn *done, void *arg);
/* For a webhook that found no store or no matching secret: asks Postgres once more unless it
 * answered for that store within STORES_REFRESH_US. False: not asked, that answer stands. done may
 * come before this returns, when there is no room to ask. */
bool stores_ask_again(struct stores *stores, uint32_t store_id, stores_done_fn *done, void *arg);
/* A new keyring: secrets are opened again. */
void stores_set_keyring(struct stores *stores, const struct keyring *keyring);
unsigned stores_count(const struct stores *stores);
/* "last", "first", "linear" as wasl.stores keeps it. */
enum match_model stores_model_parse(struct str text);
const char *stores_model_name(enum match_model model);
/* "coupon_first", "click_first". */
enum match_precedence stores_precedence_parse(struct str text);
const char *stores_precedence_name(enum match_precedence precedence);
/* Called when a secret is sealed under a slot that the keyring does not have: the file may have
 * another key by now (a rotation), and whoever reads it calls stores_set_keyring. */
typedef void stores_unknown_fn(void *arg);
void stores_on_unknown_slot(struct stores *stores, stores_unknown_fn *fn, void *arg);
/* Called after rows were read; they may be what they were. */
typedef void stores_change_fn(void *arg);
void stores_on_change(struct stores *stores, stores_change_fn *fn, void *arg);
/* All are known, from Postgres or from the snapshot of an earlier process. */
bool stores_is_loaded(const struct stores *stores);
bool stores_is_fresh(const struct stores *stores); /* from Postgres */
void stores_free(struct stores *stores);

#endif
