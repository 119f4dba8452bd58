/* SPDX-License-Identifier: Apache-2.0
 * What becomes of an event that was answered 202, by what the database says: the whole table. */
#include "../common/suite.h"
#include "db_parts.h"
#include "kept_event.h"
#include "quarantine.h"

static const struct {
	const char *sqlstate;
	enum db_status status;
	enum kept_fate fate; /* of an event that met it alone, once post has given up */
} rows[] = {
	{"22P02", DB_DATA, KEPT_QUARANTINE},   /* a value that can't be */
	{"22021", DB_DATA, KEPT_QUARANTINE},   /* a NUL, or no UTF-8 */
	{"23514", DB_DATA, KEPT_QUARANTINE},   /* a CHECK */
	{"23503", DB_DATA, KEPT_QUARANTINE},   /* a foreign key */
	{"P0001", DB_DATA, KEPT_QUARANTINE},   /* RAISE in a trigger */
	{"40001", DB_CONFLICT, KEPT_AGAIN},    /* serialization */
	{"40P01", DB_CONFLICT, KEPT_AGAIN},    /* deadlock */
	{"55P03", DB_CONFLICT, KEPT_AGAIN},    /* lock not available */
	{"57014", DB_UNAVAILABLE, KEPT_AGAIN}, /* statement timeout */
	{"57P01", DB_UNAVAILABLE, KEPT_AGAIN}, /* shutting down */
	{"08006", DB_UNAVAILABLE, KEPT_AGAIN}, /* the connection */
	{"53300", DB_UNAVAILABLE, KEPT_AGAIN}, /* too many connections */
	{"53100", DB_UNAVAILABLE, KEPT_AGAIN}, /* disk full */
	{"58030", DB_UNAVAILABLE, KEPT_AGAIN}, /* I/O error */
	{"25006", DB_UNAVAILABLE, KEPT_AGAIN}, /* read-only after a fail-over */
	{"25P03", DB_UNAVAILABLE, KEPT_AGAIN}, /* idle in transaction for too long */
	{"42P01", DB_BROKEN, KEPT_STOP},       /* no such table */
	{"42501", DB_BROKEN, KEPT_STOP},       /* no privilege */
	{"XX000", DB_BROKEN, KEPT_STOP},       /* internal error */
};

/* As post tells it. */
static struct post_outcome outcome_of(const char *sqlstate)
{
	struct post_outcome outcome = {.cause = db_status_of(sqlstate), .detail = "words"};
	str_copy(outcome.sqlstate, sizeof(outcome.sqlstate), str_from(sqlstate));
	outcome.status = outcome.cause == DB_DATA ? POST_FAILED : POST_UNAVAILABLE;
	return outcome;
}

START_TEST(each_sqlstate_has_its_class_and_fate)
{
	for (unsigned i = 0; i < COUNT_OF(rows); i++) {
		struct str code = {0}, detail = {0};
		const struct post_outcome outcome = outcome_of(rows[i].sqlstate);
		ck_assert_msg(outcome.cause == rows[i].status, "%s", rows[i].sqlstate);
		ck_assert_msg(kept_event_fate(&outcome, &code, &detail) == rows[i].fate, "%s",
			rows[i].sqlstate);
		if (rows[i].fate == KEPT_QUARANTINE || rows[i].fate == KEPT_STOP) {
			ck_assert(str_equal(code, str_from(rows[i].sqlstate)));
			ck_assert(str_equal(detail, STR("words")));
		}
	}
}
END_TEST

START_TEST(what_is_known_is_over)
{
	struct str code = {0}, detail = {0};
	const struct post_outcome outcome = {.status = POST_DONE, .result = METERS_DUPLICATE};
	ck_assert_int_eq(kept_event_fate(&outcome, &code, &detail), KEPT_OVER);
}
END_TEST

START_TEST(what_post_refuses_goes_to_quarantine)
{
	struct str code = {0}, detail = {0};
	const struct post_outcome outcome = {.status = POST_REFUSED,
		.http_status = 409,
		.code = "webhook_id_reused",
		.detail = "seen"};
	ck_assert_int_eq(kept_event_fate(&outcome, &code, &detail), KEPT_QUARANTINE);
	ck_assert(str_equal(code, STR("webhook_id_reused")) && str_equal(detail, STR("seen")));
}
END_TEST

/* No memory, or a connection that is gone: nothing is known against the event. */
START_TEST(what_the_database_did_not_say_is_tried_again)
{
	static const struct {
		struct post_outcome outcome;
		enum kept_fate fate;
	} cases[] = {{{.status = POST_UNAVAILABLE}, KEPT_AGAIN},
		{{.status = POST_FAILED}, KEPT_STUCK},
		{{.status = POST_FAILED, .cause = DB_DATA}, KEPT_STUCK}};
	for (unsigned i = 0; i < COUNT_OF(cases); i++) {
		struct str code = {0}, detail = {0};
		ck_assert_int_eq(kept_event_fate(&cases[i].outcome, &code, &detail), cases[i].fate);
	}
}
END_TEST

/* What is kept of a database's words has to go into a column of text. */
START_TEST(words_are_cut_behind_a_whole_character)
{
	static const struct {
		const char *text, *kept;
	} cases[] = {{"", ""}, {"1234567", "1234567"}, {"12345678", "1234567"},
		{"123456\xd8\xb9", "123456"}, {"12345\xd8\xb9", "12345\xd8\xb9"},
		{"12345\xe2\x82\xac", "12345"}, {"1234\xf0\x9f\x98\x80", "1234"},
		{"\xff", "told in"}, {"123456\xd8", "told in"},
		{"\x80\x80\x80\x80\x80\x80\x80\x80", ""}};
	for (unsigned i = 0; i < COUNT_OF(cases); i++) {
		char kept[8];
		quarantine_words(kept, sizeof(kept), str_from(cases[i].text));
		ck_assert_str_eq(kept, cases[i].kept);
	}
}
END_TEST

SUITE_MAIN("kept_event", words_are_cut_behind_a_whole_character,
	each_sqlstate_has_its_class_and_fate, what_is_known_is_over,
	what_post_refuses_goes_to_quarantine, what_the_database_did_not_say_is_tried_again)
