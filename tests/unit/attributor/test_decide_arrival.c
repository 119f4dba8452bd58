/* SPDX-License-Identifier: Apache-2.0
 * Random orders: the order of arrival of their events makes no difference, to the decision or to
 * the books. */
#include "decide.h"

#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "decide_order.h"

#define ROUNDS 2000

static struct decision decision;
static uint64_t seed;

static void setup(void)
{
	order_setup();
	memset(&decision, 0, sizeof(decision));
	seed = 88172645463325252u;
}

static void teardown(void)
{
	decision_release(&decision);
}

static enum decide_status decide(unsigned count)
{
	decision_release(&decision);
	return decide_order(&known, given, count, &decision);
}

/* xorshift64: the same numbers in every run. */
static unsigned draw(unsigned below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed % below);
}

static void draw_order(unsigned count)
{
	static const char *const ids[EVENTS] = {"a", "b", "c", "d", "e"};
	static const char *const line_ids[LINES] = {"1", "2", "3"};
	static const enum event_type types[] = {
		EVENT_PLACED, EVENT_CONFIRMED, EVENT_CONFIRMED, EVENT_CONFIRMED, EVENT_SHIPPED};
	const bool has_versions = draw(2) == 1;
	for (unsigned i = 0; i < count; i++) {
		struct event *event = set(i, types[draw(5)], draw(4), ids[i]);
		if (has_versions || draw(3) == 0)
			event->order_version =
				(struct order_figure){.has_value = true, .value = draw(4)};
		event->is_test = draw(20) == 0;
		event->line_count = 1 + draw(LINES);
		for (unsigned k = 0; k < event->line_count; k++)
			lines[i][k] = (struct order_line){.line_id = str_from(line_ids[k]),
				.product_id = draw(4) == 0 ? STR("FIX") : STR("SKU"),
				.quantity = 1 + draw(3),
				.unit_price_minor = draw(20000),
				.tax_bp = ORDER_NO_TAX};
		for (unsigned k = draw(4); k > 0; k--) {
			struct order_click *click = add_click(
				event, 1 + draw(4), 10 + draw(2), -(int64_t)draw(WINDOW_S + 86400));
			click->evidence = (enum click_evidence)draw(3);
			if (draw(5) == 0)
				click->result = (enum token_result)(1 + draw(TOKEN_NOT_OURS));
		}
		if (draw(3) == 0)
			event->coupons[event->coupon_count++].code = STR("AHMED10");
	}
}

static void shuffle(const struct event **order, unsigned count)
{
	for (unsigned i = count; i > 1; i--) {
		const unsigned other = draw(i);
		const struct event *moved = order[i - 1];
		order[i - 1] = order[other];
		order[other] = moved;
	}
}

static void assert_same_decision(const struct decision *a, const struct decision *b)
{
	ck_assert_int_eq(a->result, b->result);
	ck_assert_int_eq(a->reason, b->reason);
	ck_assert_int_eq(a->evidence, b->evidence);
	ck_assert_uint_eq(a->candidate_count, b->candidate_count);
	for (unsigned i = 0; i < a->candidate_count; i++) {
		ck_assert_int_eq(a->candidates[i].verdict, b->candidates[i].verdict);
		ck_assert_mem_eq(a->candidates[i].click.claim.click_id,
			b->candidates[i].click.claim.click_id, CLICK_ID_BYTES);
	}
	ck_assert_uint_eq(a->share_count, b->share_count);
	for (unsigned i = 0; i < a->share_count; i++) {
		ck_assert_uint_eq(a->shares[i].affiliate_id, b->shares[i].affiliate_id);
		ck_assert_int_eq(a->shares[i].amount_minor, b->shares[i].amount_minor);
		ck_assert_int_eq(a->shares[i].reason, b->shares[i].reason);
		for (unsigned k = 0; k < a->folded.terms->line_count; k++)
			ck_assert_int_eq(a->shares[i].lines[k].amount_minor,
				b->shares[i].lines[k].amount_minor);
	}
}

START_TEST(any_permutation_comes_to_the_same_decision)
{
	static struct decision other;
	unsigned decided = 0;
	for (unsigned round = 0; round < ROUNDS; round++) {
		const struct event *shuffled[EVENTS];
		const unsigned count = 1 + draw(EVENTS);
		draw_order(count);
		const enum decide_status status = decide(count);
		for (unsigned i = 0; i < count; i++)
			shuffled[i] = &events[i];
		shuffle(shuffled, count);
		ck_assert_int_eq(decide_order(&known, shuffled, count, &other), status);
		if (status == DECIDE_OK) {
			assert_same_decision(&decision, &other);
			decided++;
		}
		decision_release(&other);
	}
	ck_assert_uint_gt(decided, ROUNDS / 2);
}
END_TEST

/* What finance would see: one row an affiliate, and the sum of all moves of each. */
struct books {
	struct commission_row rows[8];
	int64_t pending[8];
	unsigned count;
};

static void post(struct books *books)
{
	struct decide_change changes[8 + 1];
	const unsigned count = decide_changes(&decision, books->rows, books->count, changes);
	for (unsigned i = 0; i < count; i++) {
		const struct decide_change *change = &changes[i];
		unsigned row = (unsigned)change->row;
		if (change->row < 0)
			row = books->count++;
		books->rows[row].affiliate_id = change->affiliate_id;
		books->rows[row].is_voided = change->move == MOVE_VOID;
		books->rows[row].amount_minor = change->amount_minor;
		books->pending[row] += change->delta_minor;
		ck_assert_int_ge(change->amount_minor, 0);
	}
}

static int64_t amount_of(const struct books *books, uint32_t affiliate_id)
{
	for (unsigned i = 0; i < books->count; i++) {
		ck_assert_int_eq(books->rows[i].amount_minor, books->pending[i]);
		if (books->rows[i].affiliate_id == affiliate_id)
			return books->rows[i].amount_minor;
	}
	return 0;
}

/* Events arrive one by one in two orders, each posted at once: the books end alike. */
START_TEST(any_order_of_arrival_ends_in_the_same_books)
{
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct books books[2] = {0};
		const struct event *order[EVENTS];
		const unsigned count = 1 + draw(EVENTS);
		draw_order(count);
		for (unsigned i = 0; i < count; i++)
			order[i] = &events[i];
		for (unsigned run = 0; run < 2; run++) {
			shuffle(order, count);
			for (unsigned arrived = 1; arrived <= count; arrived++) {
				memcpy(given, order, arrived * sizeof(given[0]));
				if (decide(arrived) == DECIDE_OK)
					post(&books[run]);
			}
		}
		for (uint32_t affiliate = 0; affiliate <= 5; affiliate++)
			ck_assert_int_eq(
				amount_of(&books[0], affiliate), amount_of(&books[1], affiliate));
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("decide_arrival");
	TCase *tcase = tcase_create("decide_arrival");
	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, any_permutation_comes_to_the_same_decision);
	tcase_add_test(tcase, any_order_of_arrival_ends_in_the_same_books);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	const int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
