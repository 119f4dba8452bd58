/* SPDX-License-Identifier: Apache-2.0
 * Random orders: the order of arrival of their events makes no difference to the decision. */
#include "decide.h"

#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "decide_order.h"

#define ROUNDS 2000

static const struct decide_coupon coupons[] = {
	{{"AHMED10", 7}, 77, 1, OUTCOME_NONE}, {{"SARA", 4}, 78, 2, OUTCOME_COUPON_EXPIRED}};
static struct decision decision;
static uint64_t seed;

static void setup(void)
{
	order_setup();
	known.coupons = coupons;
	known.coupon_count = sizeof(coupons) / sizeof(coupons[0]);
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
	const bool has_versions = draw(2) == 1;
	known.model = (enum match_model)draw(3);
	known.precedence = (enum match_precedence)draw(2);
	for (unsigned i = 0; i < count; i++) {
		const bool is_first = draw(2) == 0;
		const unsigned type = is_first ? draw(2) : draw(EVENT_TYPE_COUNT);
		struct event *event = set(i, (enum event_type)type, draw(4), ids[i]);
		if (event_type_is_act(event->type)) {
			event->line_count = 0;
			event->affiliate_id = draw(5);
			event->resolution = (enum order_resolution)draw(2);
			continue;
		}
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
				.tax_bp = ORDER_NO_TAX,
				.refunded_quantity = {.has_value = draw(2) == 0, .value = draw(3)},
				.refunded_amount = draw(2) == 0 ? STR("1.50") : STR(""),
				.collected_quantity = {.has_value = true, .value = draw(4)}};
		for (unsigned k = draw(4); k > 0; k--) {
			struct order_click *click = add_click(
				event, 1 + draw(4), 10 + draw(2), -(int64_t)draw(WINDOW_S + 86400));
			click->evidence = (enum click_evidence)draw(3);
			if (draw(5) == 0)
				click->result = (enum token_result)(1 + draw(TOKEN_NOT_OURS));
		}
		if (draw(3) == 0)
			event->coupons[event->coupon_count++].code =
				draw(2) == 0 ? STR("AHMED10") : STR("SARA");
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
	ck_assert_int_eq(a->folded.state, b->folded.state);
	ck_assert_int_eq(a->coupon_id, b->coupon_id);
	ck_assert_int_eq(a->takes_coupon, b->takes_coupon);
	ck_assert_uint_eq(a->reviews, b->reviews);
	ck_assert_int_eq(a->release_us, b->release_us);
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
		ck_assert_int_eq(a->shares[i].confirmed_minor, b->shares[i].confirmed_minor);
		ck_assert_int_eq(a->shares[i].is_void, b->shares[i].is_void);
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
	ck_assert_uint_gt(decided, ROUNDS / 3);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("decide_arrival");
	TCase *tcase = tcase_create("decide_arrival");
	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, any_permutation_comes_to_the_same_decision);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	const int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
