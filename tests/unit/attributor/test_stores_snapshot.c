/* SPDX-License-Identifier: Apache-2.0
 * The stores on disk: they come back as they were, or not at all. */
#include "stores_snapshot.h"

#include "../common/ring.h"
#include "../common/suite.h"
#include "log.h"
#include "stores_parts.h"

#define STORES 100

static struct keyring ring;

static struct stores *stores_make(void)
{
	static struct loop *loop;
	struct err err = {0};
	if (loop == NULL) {
		log_init("test", LOG_ERROR);
		ring_from_vectors(&ring);
		loop = loop_new(&err);
	}
	struct stores *const stores = stores_new(loop, NULL, &ring, &err);
	ck_assert_ptr_nonnull(stores);
	return stores;
}

static void add(struct stores *stores, uint32_t store_id, const char *secret)
{
	struct entropy entropy;
	struct err err = {0};
	char context[32];
	struct stores_entry entry = {.store = {.store_id = store_id,
					     .version = store_id + UINT64_C(5000000000),
					     .currency = "KWD",
					     .tax_bp = store_id % 2 ? 1400 : ORDER_NO_TAX,
					     .terms = {.model = MATCH_LINEAR,
						     .precedence = MATCH_CLICK_FIRST,
						     .self_referral = SELF_REFERRAL_REVIEW,
						     .collects_on_delivery = store_id % 3 == 0,
						     .return_days = 14}}};
	entropy_init(&entropy);
	snprintf(context, sizeof(context), "store %u", store_id);
	ck_assert(seal_encrypt(&ring, SEAL_SECRET, &entropy, str_from(context), str_from(secret),
		entry.sealed[0], &err));
	entry.sealed_len[0] = (uint8_t)(strlen(secret) + SEAL_OVERHEAD);
	stores_put(stores, &entry);
}

START_TEST(empty_list_comes_back)
{
	struct stores *const stores = stores_make(), *const again = stores_make();
	struct buf bytes;
	struct err err = {0};
	buf_init(&bytes, STORES_SNAPSHOT_MAX);
	stores_snapshot_encode(stores, &bytes);
	ck_assert(stores_snapshot_decode(buf_str(&bytes), again, &err));
	ck_assert(stores_is_loaded(again) && !stores_is_fresh(again));
	ck_assert_uint_eq(stores_count(again), 0);
	buf_release(&bytes);
	stores_free(stores);
	stores_free(again);
}
END_TEST

START_TEST(stores_come_back_as_they_were)
{
	struct stores *const stores = stores_make(), *const again = stores_make();
	struct buf bytes;
	struct err err = {0};
	buf_init(&bytes, STORES_SNAPSHOT_MAX);
	for (uint32_t id = 1; id <= STORES; id++)
		add(stores, id * 7919, "a secret of 24 bytes or more");
	stores_snapshot_encode(stores, &bytes);
	ck_assert(!str_contains(buf_str(&bytes), STR("secret of")));
	ck_assert(stores_snapshot_decode(buf_str(&bytes), again, &err));
	ck_assert_uint_eq(stores_count(again), STORES);
	for (uint32_t id = 1; id <= STORES; id++)
		ck_assert_mem_eq(stores_find(again, id * 7919), stores_find(stores, id * 7919),
			sizeof(struct store));
	buf_release(&bytes);
	stores_free(stores);
	stores_free(again);
}
END_TEST

START_TEST(changed_byte_or_length_is_refused_whole)
{
	struct stores *const stores = stores_make(), *const again = stores_make();
	struct buf bytes;
	struct err err = {0};
	buf_init(&bytes, STORES_SNAPSHOT_MAX);
	add(stores, 1, "a secret of 24 bytes or more");
	add(stores, 2, "a secret of 24 bytes or more");
	stores_snapshot_encode(stores, &bytes);
	for (size_t at = 0; at < bytes.len; at++) {
		bytes.data[at] ^= 1;
		ck_assert(!stores_snapshot_decode(buf_str(&bytes), again, &err));
		bytes.data[at] ^= 1;
		ck_assert(!stores_snapshot_decode((struct str){bytes.data, at}, again, &err));
	}
	ck_assert_uint_eq(stores_count(again), 0);
	ck_assert(!stores_is_loaded(again));
	buf_release(&bytes);
	stores_free(stores);
	stores_free(again);
}
END_TEST

SUITE_MAIN("stores_snapshot", empty_list_comes_back, stores_come_back_as_they_were,
	changed_byte_or_length_is_refused_whole)
