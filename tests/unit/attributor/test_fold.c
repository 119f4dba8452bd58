/* SPDX-License-Identifier: Apache-2.0
 * The order of an order's events, and what they come to. */
#include "fold.h"

#include <stdlib.h>
#include <string.h>

#include "../common/suite.h"
#include "timestamp.h"

#define EVENTS     12
#define HISTORIES  3000
#define SHORT      5  /* events of which all permutations are tried */
#define SHUFFLES   20 /* of longer ones */
#define RECEIVED_S 5000

static struct event events[EVENTS];
static const struct event *sorted[EVENTS];
static unsigned count;
static struct folded folded;
static uint64_t seed = UINT64_C(88172645463325252);

static struct event *set(unsigned index, enum event_type type, int64_t at_us, const char *id)
{
	events[index] = (struct event){.type = type,
		.occurred_us = at_us,
		.received_us = RECEIVED_S,
		.event_id = str_from(id),
		.placed_us = {.has_value = true, .value = 50 + index}};
	sorted[index] = &events[index];
	return &events[index];
}

static void set_version(unsigned index, int64_t version)
{
	events[index].order_version = (struct order_figure){.has_value = true, .value = version};
}

static void assert_order(const unsigned *order, unsigned length)
{
	for (unsigned i = 0; i < length; i++)
		ck_assert_ptr_eq(sorted[i], &events[order[i]]);
}

/* A history in letters, each at its place's time: P C A S D O(collected) I(reinstated) F(refunded)
 * R(returned) X(refused) K(cancelled); acts r(eassign) v(oid) a(djust) +(resolved: collected)
 * -(resolved: out) w (review). Then folds it. */
static void fold(const char *history)
{
	static const char letters[] = "PCASDOIFRXKrva+w";
	count = 0;
	for (; *history != '\0'; history++, count++) {
		const char *const at = strchr(letters, *history == '-' ? '+' : *history);
		ck_assert_ptr_nonnull(at);
		set(count, (enum event_type)(at - letters), 100 + count, "e");
		events[count].resolution = *history == '+' ? RESOLVE_COLLECTED : RESOLVE_OUT;
		events[count].affiliate_id = 7;
	}
	fold_sort(sorted, count);
	fold_order(sorted, count, &folded);
}

START_TEST(nothing_and_one_event_are_sorted)
{
	fold_sort(NULL, 0);
	set(0, EVENT_PLACED, 0, "a");
	fold_sort(sorted, 1);
	ck_assert_ptr_eq(sorted[0], &events[0]);
}
END_TEST

START_TEST(time_goes_before_rank_and_rank_before_id)
{
	set(0, EVENT_CANCELLED, 10, "a");
	set(1, EVENT_CONFIRMED, 20, "b");
	set(2, EVENT_PLACED, 20, "c");
	set(3, EVENT_CONFIRMED, 20, "a");
	fold_sort(sorted, 4);
	assert_order((const unsigned[]){0, 2, 3, 1}, 4);
}
END_TEST

START_TEST(every_rank_has_its_place)
{
	for (unsigned i = 0; i < EVENTS; i++)
		set(i, (enum event_type)(EVENTS - 1 - i), 10, "a");
	fold_sort(sorted, EVENTS);
	for (unsigned i = 0; i < EVENTS; i++)
		ck_assert_uint_eq(sorted[i]->type, i);
}
END_TEST

START_TEST(ids_compare_by_bytes)
{
	set(0, EVENT_PLACED, 0, "b");
	set(1, EVENT_PLACED, 0, "B");
	set(2, EVENT_PLACED, 0, "ab");
	set(3, EVENT_PLACED, 0, "a");
	fold_sort(sorted, 4);
	assert_order((const unsigned[]){1, 3, 2, 0}, 4);
}
END_TEST

START_TEST(versions_count_only_if_all_have_one)
{
	set(0, EVENT_PLACED, 10, "a");
	set(1, EVENT_CONFIRMED, 20, "b");
	set(2, EVENT_SHIPPED, 30, "c");
	set_version(0, 3);
	set_version(1, 2);
	fold_sort(sorted, 3);
	assert_order((const unsigned[]){0, 1, 2}, 3);
	set_version(2, 1);
	fold_sort(sorted, 3);
	assert_order((const unsigned[]){2, 1, 0}, 3);
	set_version(0, 2); /* equal versions: by rank, whatever the time */
	fold_sort(sorted, 3);
	assert_order((const unsigned[]){2, 0, 1}, 3);
}
END_TEST

START_TEST(an_act_has_its_place_by_the_version_it_knew)
{
	set(0, EVENT_RESOLVE, 5, "operator-1");
	set(1, EVENT_CONFIRMED, 20, "b");
	set(2, EVENT_CANCELLED, 30, "c");
	set(3, EVENT_CONFIRMED, 40, "d");
	for (unsigned i = 1; i < 4; i++)
		set_version(i, i);
	set_version(0, 2);
	fold_sort(sorted, 4);
	assert_order((const unsigned[]){1, 2, 0, 3}, 4);
	events[3].order_version.has_value = false; /* one without: by time */
	fold_sort(sorted, 4);
	assert_order((const unsigned[]){0, 1, 2, 3}, 4);
}
END_TEST

START_TEST(acts_of_one_version_are_in_the_order_of_their_ids)
{
	set(0, EVENT_REASSIGN, 30, "operator-0000000011");
	set(1, EVENT_RESOLVE, 20, "operator-0000000009");
	set(2, EVENT_CANCELLED, 90, "z");
	for (unsigned i = 0; i < 3; i++)
		set_version(i, 4);
	fold_sort(sorted, 3);
	assert_order((const unsigned[]){2, 1, 0}, 3);
	events[0].order_version.has_value = false;
	fold_sort(sorted, 3);
	assert_order((const unsigned[]){0, 2, 1}, 3);
}
END_TEST

/* History, state, whether money is due, and why not. */
static const struct {
	const char *history;
	enum order_state state;
	bool is_confirmed, is_out;
	enum outcome out_reason;
	bool is_collected, gives_coupon_back, is_waiting;
} histories[] = {
	{"", ORDER_NEW, false, false, OUTCOME_NONE, false, false, false},
	{"P", ORDER_PLACED, false, false, OUTCOME_NONE, false, false, false},
	{"PP", ORDER_PLACED, false, false, OUTCOME_NONE, false, false, false},
	{"C", ORDER_CONFIRMED, true, false, OUTCOME_NONE, false, false, false},
	{"PC", ORDER_CONFIRMED, true, false, OUTCOME_NONE, false, false, false},
	{"CP", ORDER_CONFIRMED, true, false, OUTCOME_NONE, false, false, false},
	{"CC", ORDER_CONFIRMED, true, false, OUTCOME_NONE, false, false, false},
	{"CA", ORDER_CONFIRMED, true, false, OUTCOME_NONE, false, false, false},
	{"CSD", ORDER_CONFIRMED, true, false, OUTCOME_NONE, false, false, false},
	{"CSDO", ORDER_COLLECTED, true, false, OUTCOME_NONE, true, false, false},
	{"OC", ORDER_COLLECTED, true, false, OUTCOME_NONE, true, false, false},
	{"COC", ORDER_COLLECTED, true, false, OUTCOME_NONE, true, false, false},
	{"COF", ORDER_COLLECTED, true, false, OUTCOME_NONE, true, false, false},
	{"COR", ORDER_COLLECTED, true, false, OUTCOME_NONE, true, false, false},
	/* before any confirmation: it waits */
	{"O", ORDER_NEW, false, false, OUTCOME_NONE, true, false, true},
	{"A", ORDER_NEW, false, false, OUTCOME_NONE, false, false, true},
	{"K", ORDER_NEW, false, true, OUTCOME_CANCELLED, false, true, true},
	{"PS", ORDER_PLACED, false, false, OUTCOME_NONE, false, false, true},
	{"PO", ORDER_PLACED, false, false, OUTCOME_NONE, true, false, true},
	{"PF", ORDER_PLACED, false, false, OUTCOME_NONE, false, false, true},
	{"PK", ORDER_CANCELLED, false, true, OUTCOME_CANCELLED, false, true, true},
	{"KP", ORDER_CANCELLED, false, true, OUTCOME_CANCELLED, false, true, true},
	{"PKI", ORDER_PLACED, false, false, OUTCOME_NONE, false, false, true},
	{"PKO", ORDER_CONFLICT, false, true, OUTCOME_COLLECTED_AFTER_CANCEL, true, true, true},
	{"PKOC", ORDER_CONFIRMED, true, false, OUTCOME_NONE, false, false, false},
	{"Prvaw+", ORDER_PLACED, false, false, OUTCOME_NONE, false, false, false},
	/* out, and back */
	{"CK", ORDER_CANCELLED, true, true, OUTCOME_CANCELLED, false, true, false},
	{"KC", ORDER_CONFIRMED, true, false, OUTCOME_NONE, false, false, false},
	{"CX", ORDER_REFUSED, true, true, OUTCOME_REFUSED, false, false, false},
	{"CXC", ORDER_CONFIRMED, true, false, OUTCOME_NONE, false, false, false},
	{"CKI", ORDER_CONFIRMED, true, false, OUTCOME_NONE, false, false, false},
	{"CSK", ORDER_CANCELLED, true, true, OUTCOME_CANCELLED, false, false, false},
	{"SKC", ORDER_CONFIRMED, true, false, OUTCOME_NONE, false, false, false},
	{"CDK", ORDER_CANCELLED, true, true, OUTCOME_CANCELLED, false, false, false},
	{"CKS", ORDER_CANCELLED, true, true, OUTCOME_CANCELLED, false, true, false},
	{"CXK", ORDER_CANCELLED, true, true, OUTCOME_CANCELLED, false, false, false},
	{"CKSK", ORDER_CANCELLED, true, true, OUTCOME_CANCELLED, false, true, false},
	{"CKX", ORDER_REFUSED, true, true, OUTCOME_REFUSED, false, false, false},
	{"CSKC", ORDER_CONFIRMED, true, false, OUTCOME_NONE, false, false, false},
	{"CSKCK", ORDER_CANCELLED, true, true, OUTCOME_CANCELLED, false, true, false},
	{"CKA", ORDER_CANCELLED, true, true, OUTCOME_CANCELLED, false, true, false},
	/* after collection: as returned */
	{"COK", ORDER_RETURNED, true, true, OUTCOME_RETURNED, true, false, false},
	{"COX", ORDER_RETURNED, true, true, OUTCOME_RETURNED, true, false, false},
	{"OKC", ORDER_CONFIRMED, true, false, OUTCOME_NONE, false, false, false},
	{"COKI", ORDER_COLLECTED, true, false, OUTCOME_NONE, true, false, false},
	{"COKC", ORDER_CONFIRMED, true, false, OUTCOME_NONE, false, false, false},
	{"COKCO", ORDER_COLLECTED, true, false, OUTCOME_NONE, true, false, false},
	{"COKCK", ORDER_CANCELLED, true, true, OUTCOME_CANCELLED, false, true, false},
	/* conflicts */
	{"CKO", ORDER_CONFLICT, true, true, OUTCOME_COLLECTED_AFTER_CANCEL, true, true, false},
	{"CXO", ORDER_CONFLICT, true, true, OUTCOME_COLLECTED_AFTER_REFUSAL, true, false, false},
	{"CKOO", ORDER_CONFLICT, true, true, OUTCOME_COLLECTED_AFTER_CANCEL, true, true, false},
	{"CKOX", ORDER_CONFLICT, true, true, OUTCOME_COLLECTED_AFTER_CANCEL, true, true, false},
	{"COKO", ORDER_CONFLICT, true, true, OUTCOME_COLLECTED_AFTER_CANCEL, true, false, false},
	{"CKOI", ORDER_COLLECTED, true, false, OUTCOME_NONE, true, false, false},
	{"CKOC", ORDER_CONFIRMED, true, false, OUTCOME_NONE, false, false, false},
	{"CKCO", ORDER_COLLECTED, true, false, OUTCOME_NONE, true, false, false},
	{"CKIO", ORDER_COLLECTED, true, false, OUTCOME_NONE, true, false, false},
	{"KOC", ORDER_CONFIRMED, true, false, OUTCOME_NONE, false, false, false},
	{"CKO+", ORDER_COLLECTED, true, false, OUTCOME_NONE, true, false, false},
	{"CKO-", ORDER_CANCELLED, true, true, OUTCOME_CANCELLED, true, true, false},
	{"CXO-", ORDER_REFUSED, true, true, OUTCOME_REFUSED, true, false, false},
	{"COKO-", ORDER_RETURNED, true, true, OUTCOME_RETURNED, true, false, false},
	{"CKO-O", ORDER_CONFLICT, true, true, OUTCOME_COLLECTED_AFTER_CANCEL, true, true, false},
	{"CKO+K", ORDER_RETURNED, true, true, OUTCOME_RETURNED, true, false, false},
	{"CKO-C", ORDER_CONFIRMED, true, false, OUTCOME_NONE, false, false, false},
	/* a resolution of what is no conflict moves nothing */
	{"C+", ORDER_CONFIRMED, true, false, OUTCOME_NONE, false, false, false},
	{"C-", ORDER_CONFIRMED, true, false, OUTCOME_NONE, false, false, false},
	{"CK+", ORDER_CANCELLED, true, true, OUTCOME_CANCELLED, false, true, false},
	{"CO-", ORDER_COLLECTED, true, false, OUTCOME_NONE, true, false, false},
};

START_TEST(histories_come_to_their_states)
{
	for (size_t i = 0; i < COUNT_OF(histories); i++) {
		const char *const history = histories[i].history;
		fold(history);
		ck_assert_msg(folded.state == histories[i].state, "%s: %s", history,
			order_state_name(folded.state));
		ck_assert_msg(folded.is_confirmed == histories[i].is_confirmed, "%s", history);
		ck_assert_msg(folded.is_out == histories[i].is_out, "%s", history);
		ck_assert_msg(folded.out_reason == histories[i].out_reason, "%s", history);
		ck_assert_msg(
			(folded.collected_us != 0) == histories[i].is_collected, "%s", history);
		ck_assert_msg(
			folded.gives_coupon_back == histories[i].gives_coupon_back, "%s", history);
		ck_assert_msg(folded.is_waiting == histories[i].is_waiting, "%s", history);
	}
}
END_TEST

/* The index of the event whose lines hold; -1: none. */
static const struct {
	const char *history;
	int first, confirmed, terms;
} terms[] = {{"", -1, -1, -1}, {"AK", -1, -1, -1}, {"PP", 0, -1, 1}, {"PA", 0, -1, 0},
	{"PC", 0, 1, 1}, {"PCCP", 0, 1, 2}, {"PCA", 0, 1, 2}, {"PACA", 0, 2, 3}, {"AC", 1, 1, 1},
	{"SC", 1, 1, 1}, {"PAC", 0, 2, 2}, {"CKA", 0, 0, 2}, {"CKC", 0, 0, 2}, {"CACK", 0, 0, 2},
	{"KP", 1, -1, 1}};

START_TEST(the_last_event_with_lines_gives_the_terms)
{
	for (size_t i = 0; i < COUNT_OF(terms); i++) {
		fold(terms[i].history);
		const struct event *const found[] = {folded.first, folded.confirmed, folded.terms};
		const int wanted[] = {terms[i].first, terms[i].confirmed, terms[i].terms};
		for (unsigned k = 0; k < 3; k++)
			ck_assert_msg(found[k] == (wanted[k] < 0 ? NULL : &events[wanted[k]]),
				"%s, %u", terms[i].history, k);
		if (folded.first != NULL)
			ck_assert_int_eq(folded.placed_us, 50 + terms[i].first);
		ck_assert_int_eq(
			folded.confirmed_us, terms[i].confirmed < 0 ? 0 : 100 + terms[i].confirmed);
	}
}
END_TEST

START_TEST(the_first_fact_of_a_kind_gives_its_time)
{
	fold("CSDOSDO");
	ck_assert_int_eq(folded.shipped_us, 101);
	ck_assert_int_eq(folded.delivered_us, 102);
	ck_assert_int_eq(folded.collected_us, 103);
	fold("CSDOKCDO"); /* since the confirmation that brought it back */
	ck_assert_int_eq(folded.shipped_us, 0);
	ck_assert_int_eq(folded.delivered_us, 106);
	ck_assert_int_eq(folded.collected_us, 107);
	fold("CSDOCDO"); /* an amendment forgets nothing */
	ck_assert_int_eq(folded.shipped_us, 101);
	ck_assert_int_eq(folded.collected_us, 103);
	fold("CSDOKI");
	ck_assert_int_eq(folded.collected_us, 103);
}
END_TEST

START_TEST(a_fact_is_as_old_as_the_earlier_of_its_times)
{
	static const struct {
		int64_t occurred_us, received_us, collected_us;
	} rows[] = {{10, 20, 10}, {30, 20, 20}, {20, 20, 20}, {0, 20, 1}, {-5, 20, -5}};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		fold("CO");
		events[1].occurred_us = rows[i].occurred_us;
		events[1].received_us = rows[i].received_us;
		fold_order(sorted, 2, &folded);
		ck_assert_int_eq(folded.collected_us, rows[i].collected_us);
		ck_assert_int_eq(folded.state, ORDER_COLLECTED);
	}
}
END_TEST

START_TEST(figures_count_from_where_nothing_undid_them)
{
	fold("CRFOR");
	ck_assert_uint_eq(folded.returned_from, 0);
	ck_assert_uint_eq(folded.collected_from, 0);
	fold("CRIR");
	ck_assert_uint_eq(folded.returned_from, 3);
	ck_assert_uint_eq(folded.collected_from, 0);
	fold("COKCR");
	ck_assert_uint_eq(folded.returned_from, 0);
	ck_assert_uint_eq(folded.collected_from, 4);
}
END_TEST

START_TEST(waiting_is_since_the_earliest_receipt)
{
	fold("PSO");
	events[0].received_us = 10;
	events[1].received_us = 40;
	events[2].received_us = 30;
	fold_order(sorted, 3, &folded);
	ck_assert_int_eq(folded.waiting_since_us, 30);
}
END_TEST

START_TEST(one_test_event_makes_a_test_order)
{
	fold("PCS");
	ck_assert(!folded.is_test);
	for (unsigned i = 0; i < 3; i++) {
		events[i].is_test = true;
		fold_order(sorted, 3, &folded);
		ck_assert(folded.is_test);
		events[i].is_test = false;
	}
}
END_TEST

START_TEST(a_reassignment_holds_until_the_next_act)
{
	fold("Cr");
	ck_assert_ptr_eq(folded.reassigned, &events[1]);
	fold("CrKCOvaw");
	ck_assert_ptr_eq(folded.reassigned, &events[1]);
	fold("Crr");
	ck_assert_ptr_eq(folded.reassigned, &events[2]);
	fold("CrKO+");
	ck_assert_ptr_null(folded.reassigned);
	fold("Cr-");
	ck_assert_ptr_null(folded.reassigned);
	fold("Crr");
	events[2].affiliate_id = 0; /* back to the evidence */
	fold_order(sorted, count, &folded);
	ck_assert_ptr_null(folded.reassigned);
}
END_TEST

START_TEST(a_part_taken_away_stays_away_until_it_is_given_back)
{
	static const struct {
		const char *history;
		bool is_voided;
	} rows[] = {{"C", false}, {"Cv", true}, {"CvKC", true}, {"Cvr", false}, {"Cv+", false},
		{"Cv-v", true}, {"Cva", true}, {"vC", true}};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		fold(rows[i].history);
		ck_assert_msg(fold_is_voided(sorted, count, 7) == rows[i].is_voided, "%s",
			rows[i].history);
		ck_assert(!fold_is_voided(sorted, count, 8));
	}
	ck_assert(!fold_is_voided(NULL, 0, 7));
}
END_TEST

START_TEST(the_window_runs_from_the_later_of_collected_and_delivered)
{
	static const struct {
		int64_t delivered_us, collected_us;
		bool collects_on_delivery;
		int days;
		int64_t release_us;
	} rows[] = {{0, 0, false, 14, 0}, {0, 0, true, 14, 0}, {5, 0, false, 14, 0},
		{5, 0, true, 1, 5 + 86400 * US_PER_S}, {5, 9, false, 0, 9}, {9, 5, false, 0, 9},
		{0, 5, false, 0, 5}, {0, 5, true, 0, 5}, {9, 5, true, 0, 9}, {-9, -5, false, 0, -5},
		{0, 1, false, 14, 1 + 14 * 86400 * US_PER_S},
		{0, INT64_MAX - 10, false, 1, INT64_MAX}, {0, -86400 * US_PER_S, false, 1, 1}};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct folded given = {
			.delivered_us = rows[i].delivered_us, .collected_us = rows[i].collected_us};
		ck_assert_int_eq(
			fold_release_us(&given, rows[i].collects_on_delivery, rows[i].days),
			rows[i].release_us);
		ck_assert_int_eq(fold_is_collected(&given, rows[i].collects_on_delivery),
			rows[i].release_us != 0);
	}
}
END_TEST

START_TEST(the_store_and_the_figures_have_their_say_in_the_state)
{
	static const struct {
		const char *history;
		enum order_state plain, delivery, nothing;
	} rows[] = {
		{"P", ORDER_PLACED, ORDER_PLACED, ORDER_PLACED},
		{"PD", ORDER_PLACED, ORDER_PLACED, ORDER_PLACED},
		{"C", ORDER_CONFIRMED, ORDER_CONFIRMED, ORDER_RETURNED},
		{"CD", ORDER_CONFIRMED, ORDER_COLLECTED, ORDER_RETURNED},
		{"CO", ORDER_COLLECTED, ORDER_COLLECTED, ORDER_RETURNED},
		{"CK", ORDER_CANCELLED, ORDER_CANCELLED, ORDER_CANCELLED},
		{"CX", ORDER_REFUSED, ORDER_REFUSED, ORDER_REFUSED},
		{"CDK", ORDER_CANCELLED, ORDER_RETURNED, ORDER_CANCELLED},
		{"CDX", ORDER_REFUSED, ORDER_RETURNED, ORDER_REFUSED},
		{"CKD", ORDER_CANCELLED, ORDER_CANCELLED, ORDER_CANCELLED},
		{"CDKI", ORDER_CONFIRMED, ORDER_COLLECTED, ORDER_RETURNED},
		{"CDKCK", ORDER_CANCELLED, ORDER_CANCELLED, ORDER_CANCELLED},
		{"CDKO", ORDER_CONFLICT, ORDER_CONFLICT, ORDER_CONFLICT},
		{"CDKO-", ORDER_CANCELLED, ORDER_RETURNED, ORDER_CANCELLED},
		{"CKO", ORDER_CONFLICT, ORDER_CONFLICT, ORDER_CONFLICT},
		{"K", ORDER_NEW, ORDER_NEW, ORDER_NEW},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		fold(rows[i].history);
		ck_assert_int_eq(fold_state(&folded, false, false), rows[i].plain);
		ck_assert_int_eq(fold_state(&folded, true, false), rows[i].delivery);
		ck_assert_int_eq(fold_state(&folded, false, true), rows[i].nothing);
		ck_assert_int_eq(fold_out_reason(&folded, false), folded.out_reason);
		ck_assert_int_eq(fold_out_reason(&folded, true),
			folded.is_out && rows[i].delivery == ORDER_RETURNED ? OUTCOME_RETURNED
									    : folded.out_reason);
	}
}
END_TEST

START_TEST(states_have_the_words_of_the_schema)
{
	static const char *const words[] = {"new", "placed", "confirmed", "collected", "cancelled",
		"refused", "returned", "conflict"};
	ck_assert_uint_eq(COUNT_OF(words), ORDER_STATE_COUNT);
	for (unsigned i = 0; i < ORDER_STATE_COUNT; i++)
		ck_assert_str_eq(order_state_name((enum order_state)i), words[i]);
}
END_TEST

static unsigned draw(unsigned below)
{
	return (unsigned)(random_next(&seed) % below);
}

static void draw_history(unsigned length)
{
	static const char *const ids[EVENTS] = {
		"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"};
	const bool has_versions = draw(2) == 1;
	for (unsigned i = 0; i < length; i++) {
		const enum event_type type =
			draw(3) == 0 ? EVENT_CONFIRMED : (enum event_type)draw(EVENT_TYPE_COUNT);
		struct event *const event = set(i, type, draw(6), ids[i]);
		event->received_us = draw(6);
		event->is_test = draw(30) == 0;
		event->affiliate_id = draw(3);
		event->resolution = draw(2) == 1 ? RESOLVE_COLLECTED : RESOLVE_OUT;
		if (has_versions || draw(3) == 0)
			set_version(i, draw(5));
	}
}

static void assert_same_fold(const struct event **shuffled, unsigned length)
{
	struct folded other;
	fold_sort(shuffled, length);
	fold_order(shuffled, length, &other);
	ck_assert_int_eq(memcmp(shuffled, sorted, length * sizeof(*sorted)), 0);
	ck_assert_int_eq(other.state, folded.state);
	ck_assert_ptr_eq(other.first, folded.first);
	ck_assert_ptr_eq(other.confirmed, folded.confirmed);
	ck_assert_ptr_eq(other.terms, folded.terms);
	ck_assert_ptr_eq(other.reassigned, folded.reassigned);
	ck_assert_int_eq(other.shipped_us, folded.shipped_us);
	ck_assert_int_eq(other.delivered_us, folded.delivered_us);
	ck_assert_int_eq(other.collected_us, folded.collected_us);
	ck_assert_int_eq(other.out_reason, folded.out_reason);
	ck_assert_int_eq(other.gives_coupon_back, folded.gives_coupon_back);
	ck_assert_int_eq(other.waiting_since_us, folded.waiting_since_us);
	ck_assert_int_eq(other.is_test, folded.is_test);
	ck_assert_uint_eq(other.returned_from, folded.returned_from);
	ck_assert_uint_eq(other.collected_from, folded.collected_from);
}

/* All orders of the first n of events, by Heap's way. */
static void permute(const struct event **order, unsigned n, unsigned length)
{
	if (n <= 1) {
		const struct event *shuffled[EVENTS];
		memcpy(shuffled, order, length * sizeof(*order));
		assert_same_fold(shuffled, length);
		return;
	}
	for (unsigned i = 0; i < n; i++) {
		permute(order, n - 1, length);
		const unsigned other = n % 2 == 0 ? i : 0;
		const struct event *const moved = order[n - 1];
		order[n - 1] = order[other];
		order[other] = moved;
	}
}

static void shuffle(const struct event **order, unsigned length)
{
	for (unsigned i = length; i > 1; i--) {
		const unsigned other = draw(i);
		const struct event *const moved = order[i - 1];
		order[i - 1] = order[other];
		order[other] = moved;
	}
}

START_TEST(any_order_of_arrival_folds_alike)
{
	unsigned seen[ORDER_STATE_COUNT] = {0};
	for (unsigned round = 0; round < HISTORIES; round++) {
		const struct event *order[EVENTS];
		const unsigned length = 1 + draw(round % 8 == 0 ? 6 : EVENTS);
		draw_history(length);
		memcpy(order, sorted, sizeof(order));
		fold_sort(sorted, length);
		fold_order(sorted, length, &folded);
		seen[folded.state]++;
		if (length <= SHORT || (length == SHORT + 1 && round % 8 == 0))
			permute(order, length, length);
		for (unsigned i = 0; length > SHORT && i < SHUFFLES; i++) {
			shuffle(order, length);
			const struct event *shuffled[EVENTS];
			memcpy(shuffled, order, sizeof(order));
			assert_same_fold(shuffled, length);
		}
	}
	for (unsigned i = 0; i < ORDER_STATE_COUNT; i++)
		ck_assert_uint_gt(seen[i], 0);
}
END_TEST

SUITE_MAIN("fold", nothing_and_one_event_are_sorted, time_goes_before_rank_and_rank_before_id,
	every_rank_has_its_place, ids_compare_by_bytes, versions_count_only_if_all_have_one,
	an_act_has_its_place_by_the_version_it_knew,
	acts_of_one_version_are_in_the_order_of_their_ids, histories_come_to_their_states,
	the_last_event_with_lines_gives_the_terms, the_first_fact_of_a_kind_gives_its_time,
	a_fact_is_as_old_as_the_earlier_of_its_times, figures_count_from_where_nothing_undid_them,
	waiting_is_since_the_earliest_receipt, one_test_event_makes_a_test_order,
	a_reassignment_holds_until_the_next_act,
	a_part_taken_away_stays_away_until_it_is_given_back,
	the_window_runs_from_the_later_of_collected_and_delivered,
	the_store_and_the_figures_have_their_say_in_the_state, states_have_the_words_of_the_schema,
	any_order_of_arrival_folds_alike)
