/* SPDX-License-Identifier: Apache-2.0
 * Notices of the catalogue's channel, and changes gathered until they are published. */
#include "changes.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAYLOAD_MAX 16384

static struct changes *changes;
static struct notice notice;

static void setup(void)
{
	changes = calloc(1, sizeof(*changes));
	ck_assert_ptr_nonnull(changes);
}

static void teardown(void)
{
	free(changes);
}

static void take(const char *payload)
{
	ck_assert_msg(notice_parse(&notice, str_from(payload)), "%s", payload);
	ck_assert(changes_add(changes, &notice));
}

START_TEST(ids_of_each_kind_are_read)
{
	ck_assert(notice_parse(&notice, STR("store 1")));
	ck_assert_int_eq(notice.kind, CATALOGUE_STORE);
	ck_assert_uint_eq(notice.id_count, 1);
	ck_assert(notice_parse(&notice, STR("product 5,4294967295,6")));
	ck_assert_int_eq(notice.kind, CATALOGUE_PRODUCT);
	ck_assert_uint_eq(notice.id_count, 3);
	ck_assert_uint_eq(notice.ids[1], UINT32_MAX);
	ck_assert(notice_parse(&notice, STR("affiliate 7")));
	ck_assert_int_eq(notice.kind, CATALOGUE_AFFILIATE);
	ck_assert(!notice.is_ack);
}
END_TEST

START_TEST(token_of_an_ack_is_read)
{
	ck_assert(notice_parse(&notice, STR("ack a_B-9")));
	ck_assert(notice.is_ack);
	ck_assert(str_equal(notice.token, STR("a_B-9")));
}
END_TEST

static const char *const refused[] = {"", " ", "store", "store ", "store ,", "store 1,", "store ,1",
	"store 0", "store 01", "store -1", "store +1", "store 4294967296", "store 1 2",
	"store 1, 2", "Store 1", "stores 1", " store 1", "product x", "ack", "ack ", "ack a b",
	"ack a;b", "ack \xd8\xa7",
	"ack aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};

START_TEST(anything_else_is_refused)
{
	ck_assert_msg(!notice_parse(&notice, str_from(refused[_i])), "%s", refused[_i]);
}
END_TEST

START_TEST(as_many_ids_as_a_notice_takes_and_not_one_more)
{
	static char payload[PAYLOAD_MAX];
	size_t len = (size_t)snprintf(payload, sizeof(payload), "store 1");
	for (unsigned i = 1; i < NOTICE_IDS_MAX; i++)
		len += (size_t)snprintf(payload + len, sizeof(payload) - len, ",1");
	ck_assert(notice_parse(&notice, str_from(payload)));
	ck_assert_uint_eq(notice.id_count, NOTICE_IDS_MAX);
	(void)snprintf(payload + len, sizeof(payload) - len, ",1");
	ck_assert(!notice_parse(&notice, str_from(payload)));
}
END_TEST

START_TEST(nothing_is_pending_at_first)
{
	ck_assert(changes_is_empty(changes));
	ck_assert_uint_eq(changes_count(changes), 0);
	changes_sort(changes);
	ck_assert(changes_is_empty(changes));
}
END_TEST

START_TEST(repeats_are_published_once_and_in_order)
{
	take("product 9,3,3");
	take("product 4,9");
	take("store 1");
	ck_assert_uint_eq(changes_count(changes), 6);
	changes_sort(changes);
	ck_assert_uint_eq(changes->id_counts[CATALOGUE_PRODUCT], 3);
	ck_assert_uint_eq(changes->ids[CATALOGUE_PRODUCT][0], 3);
	ck_assert_uint_eq(changes->ids[CATALOGUE_PRODUCT][1], 4);
	ck_assert_uint_eq(changes->ids[CATALOGUE_PRODUCT][2], 9);
	ck_assert_uint_eq(changes->id_counts[CATALOGUE_STORE], 1);
}
END_TEST

START_TEST(more_ids_than_are_kept_mean_everything)
{
	notice = (struct notice){.kind = CATALOGUE_AFFILIATE, .id_count = 1, .ids = {7}};
	for (unsigned i = 0; i < CHANGES_IDS_MAX; i++)
		ck_assert(changes_add(changes, &notice));
	ck_assert(!changes->is_all);
	ck_assert_uint_eq(changes_count(changes), CHANGES_IDS_MAX);
	take("ack one");
	take("affiliate 8");
	ck_assert(changes->is_all);
	ck_assert_uint_eq(changes_count(changes), 1);
	take("affiliate 9");
	ck_assert_uint_eq(changes->id_counts[CATALOGUE_AFFILIATE], 0);
	ck_assert_str_eq(changes->tokens[0], "one");
}
END_TEST

START_TEST(tokens_beyond_the_limit_are_dropped)
{
	for (unsigned i = 0; i < CHANGES_TOKENS_MAX; i++)
		take("ack t");
	ck_assert(notice_parse(&notice, STR("ack late")));
	ck_assert(!changes_add(changes, &notice));
	ck_assert_uint_eq(changes->token_count, CHANGES_TOKENS_MAX);
}
END_TEST

START_TEST(tokens_of_a_failed_publication_wait_for_the_next)
{
	struct changes *const failed = calloc(1, sizeof(*failed));
	ck_assert_ptr_nonnull(failed);
	take("ack new");
	ck_assert(notice_parse(&notice, STR("ack old")));
	ck_assert(changes_add(failed, &notice));
	changes_set_all(changes);
	changes_add_tokens(changes, failed);
	ck_assert_uint_eq(changes->token_count, 2);
	ck_assert_str_eq(changes->tokens[1], "old");
	changes_clear(changes);
	ck_assert(changes_is_empty(changes));
	free(failed);
}
END_TEST

int main(void)
{
	TCase *const notices = tcase_create("notices");
	tcase_add_test(notices, ids_of_each_kind_are_read);
	tcase_add_test(notices, token_of_an_ack_is_read);
	tcase_add_loop_test(
		notices, anything_else_is_refused, 0, (int)(sizeof(refused) / sizeof(refused[0])));
	tcase_add_test(notices, as_many_ids_as_a_notice_takes_and_not_one_more);
	TCase *const gathered = tcase_create("changes");
	tcase_add_checked_fixture(gathered, setup, teardown);
	tcase_add_test(gathered, nothing_is_pending_at_first);
	tcase_add_test(gathered, repeats_are_published_once_and_in_order);
	tcase_add_test(gathered, more_ids_than_are_kept_mean_everything);
	tcase_add_test(gathered, tokens_beyond_the_limit_are_dropped);
	tcase_add_test(gathered, tokens_of_a_failed_publication_wait_for_the_next);
	Suite *const suite = suite_create("changes");
	suite_add_tcase(suite, notices);
	suite_add_tcase(suite, gathered);
	SRunner *const runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	const int failed_count = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed_count == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
