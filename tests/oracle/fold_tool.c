/* SPDX-License-Identifier: Apache-2.0
 * The attributor's core without a database: takes random orders as lines of words, lets their
 * events arrive in the orders asked for, keeps what the database would keep in between, and prints
 * what it all came to as JSON, one line a run. tests/oracle/permute.py compares that with life.py.
 *
 *   store ID MODEL PRECEDENCE SELF_REFERRAL ON_DELIVERY RETURN_DAYS
 *   affiliate ID STANDING PHONE|- TIER_BONUS TIER_RATE
 *   product ID STORE EXTERNAL|- CATEGORY|-
 *   coupon ID CODE AFFILIATE HELD_BACK|-
 *   rule ID LEVEL AFFILIATE PRODUCT CATEGORY|- RATE UNIT ORDER CAP_LINE CAP_ORDER CAP_PERIOD
 * CURRENCY|- PRIORITY FROM TO room AFFILIATE RULE FREE event FACTS run STEP…      a new order each
 * time. eN[,N…]: these events in one posting; tNOW: the timer; p: all approved rows into a payout,
 * and then s: paid, f: failed; b: bounced end            forgets everything */
#include "fold_case.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES_MAX (64 * 1024)

static char line[LINE_BYTES_MAX];
static char *at;

static void read_store(struct fold_case *order);
static void read_affiliate(struct fold_case *order);
static void read_product(struct fold_case *order);
static void read_coupon(struct fold_case *order);
static void read_rule(struct fold_case *order);
static void read_room(struct fold_case *order);
static void read_event(struct fold_case *order);
static void run(struct fold_case *order);
static const char *run_step(struct fold_case *order, char *step);
static void print_case(const struct fold_case *order);
static void print_rows(const struct fold_case *order);
static void print_shares(const struct fold_case *order);
static void print_verdicts(const struct fold_case *order);
static void print_accounts(const struct fold_case *order);
static char *word(void);
static int64_t number(void);
static struct str text(void);
static unsigned choice(const char *const *words, unsigned count);
static void *next(unsigned *count, void *array, size_t size);

int main(void)
{
	static struct fold_case order;
	fold_case_init(&order);
	while (fgets(line, sizeof(line), stdin) != NULL) {
		at = line;
		const char *what = word();
		if (strcmp(what, "store") == 0)
			read_store(&order);
		else if (strcmp(what, "affiliate") == 0)
			read_affiliate(&order);
		else if (strcmp(what, "product") == 0)
			read_product(&order);
		else if (strcmp(what, "coupon") == 0)
			read_coupon(&order);
		else if (strcmp(what, "rule") == 0)
			read_rule(&order);
		else if (strcmp(what, "room") == 0)
			read_room(&order);
		else if (strcmp(what, "event") == 0)
			read_event(&order);
		else if (strcmp(what, "run") == 0)
			run(&order);
		else if (strcmp(what, "end") == 0)
			fold_case_clear(&order);
		else
			fold_case_die("no such word", what);
	}
	fold_case_clear(&order);
	return EXIT_SUCCESS;
}

static void read_store(struct fold_case *order)
{
	static const char *const models[] = {"last", "first", "linear"};
	static const char *const precedences[] = {"coupon_first", "click_first"};
	static const char *const referrals[] = {"block", "review", "allow"};
	struct decide_known *known = &order->known;
	known->store_id = (uint32_t)number();
	known->model = (enum match_model)choice(models, 3);
	known->precedence = (enum match_precedence)choice(precedences, 2);
	known->precedence_name = precedences[known->precedence];
	known->self_referral = (enum self_referral)choice(referrals, 3);
	known->collects_on_delivery = number() != 0;
	known->return_days = (int)number();
}

static void read_affiliate(struct fold_case *order)
{
	static const char *const standings[] = {"unknown", "active", "suspended"};
	struct decide_affiliate *affiliate =
		next(&order->known.affiliate_count, order->affiliates, sizeof(*affiliate));
	affiliate->affiliate_id = (uint32_t)number();
	affiliate->standing = (enum affiliate_standing)choice(standings, 3);
	affiliate->phone = text();
	affiliate->tier_bonus_bp = (int)number();
	affiliate->tier_rate_bp = (int)number();
}

static void read_product(struct fold_case *order)
{
	struct decide_product *product =
		next(&order->known.product_count, order->products, sizeof(*product));
	product->product_id = (uint32_t)number();
	product->store_id = (uint32_t)number();
	product->external_id = text();
	product->category = text();
}

static void read_coupon(struct fold_case *order)
{
	struct decide_coupon *coupon =
		next(&order->known.coupon_count, order->coupons, sizeof(*coupon));
	coupon->coupon_id = number();
	coupon->code = text();
	coupon->affiliate_id = (uint32_t)number();
	const char *held_back = word();
	if (strcmp(held_back, "-") != 0 && !outcome_parse(str_from(held_back), &coupon->held_back))
		fold_case_die("no such outcome", held_back);
}

static void read_rule(struct fold_case *order)
{
	struct rule *rule = next(&order->known.rule_count, order->rules, sizeof(*rule));
	*rule = rule_empty();
	rule->rule_id = number();
	if (!rule_level_parse(str_from(word()), &rule->level))
		fold_case_die("no such level", line);
	rule->affiliate_id = (uint32_t)number();
	rule->product_id = (uint32_t)number();
	rule->category = text();
	rule->rate_bp = (int)number();
	rule->fixed_unit_minor = number();
	rule->fixed_order_minor = number();
	rule->cap_line_minor = number();
	rule->cap_order_minor = number();
	rule->cap_period_minor = number();
	if (!str_copy(rule->currency, sizeof(rule->currency), text()))
		fold_case_die("no such currency", line);
	rule->priority = (int32_t)number();
	rule->valid_from_us = number();
	rule->valid_to_us = number();
}

static void read_room(struct fold_case *order)
{
	struct fold_room *room = next(&order->room_count, order->rooms, sizeof(*room));
	room->affiliate_id = (uint32_t)number();
	room->rule_id = number();
	room->free_minor = number();
}

static void read_event(struct fold_case *order)
{
	struct event **event = next(&order->event_count, order->events, sizeof(struct event *));
	at[strcspn(at, "\n")] = '\0';
	if (!event_json_from_facts(str_trim(str_from(at)), event))
		fold_case_die("facts that cannot be read", line);
}

static void run(struct fold_case *order)
{
	const char *status = "ok";
	fold_case_begin(order);
	for (char *step = word(); *step != '\0'; step = word()) {
		status = run_step(order, step);
		if (strcmp(status, "ok") != 0)
			break;
	}
	printf("{\"status\":\"%s\"", status);
	if (strcmp(status, "ok") == 0)
		print_case(order);
	printf("}\n");
	fflush(stdout);
}

static const char *run_step(struct fold_case *order, char *step)
{
	char *rest = step + 1;
	switch (*step) {
	case 'e':
		for (char *one = strtok_r(rest, ",", &rest); one != NULL;
			one = strtok_r(NULL, ",", &rest))
			fold_case_arrive(order, (unsigned)strtoul(one, NULL, 10));
		return fold_case_post(order, false, 0);
	case 't':
		return fold_case_post(order, true, strtoll(rest, NULL, 10));
	default:
		fold_case_pay(order, *step);
		return "ok";
	}
}

static void print_case(const struct fold_case *order)
{
	const struct decision *decision = &order->decision;
	const bool is_decided = decision->folded.first != NULL;
	printf(",\"state\":\"%s\",\"waiting\":%d", order_state_name(order->state),
		decision->folded.is_waiting);
	print_rows(order);
	print_accounts(order);
	if (!is_decided)
		return;
	printf(",\"result\":\"%s\",\"reason\":\"%s\",\"release\":%" PRId64 ",\"kept\":%d",
		decision_result_name(decision->result), outcome_name(decision->reason),
		decision->release_us, decision->is_winner_kept);
	printf(",\"coupon\":%" PRId64 ",\"takes\":%d,\"reviews\":[", decision->coupon_id,
		decision->takes_coupon);
	const char *comma = "";
	for (unsigned i = 0; i < DECIDE_REVIEW_COUNT; i++) {
		if ((order->reviews & 1u << i) != 0) {
			printf("%s\"%s\"", comma, decide_review_name((enum decide_review)i));
			comma = ",";
		}
	}
	printf("]");
	print_shares(order);
	print_verdicts(order);
}

static void print_rows(const struct fold_case *order)
{
	printf(",\"rows\":[");
	for (unsigned i = 0; i < order->row_count; i++) {
		const struct commission_row *row = &order->rows[i];
		printf("%s[%" PRIu32 ",\"%s\",\"%s\",%" PRId64 ",%" PRId64 ",%d,%d,%" PRId64
		       ",\"%s\"]",
			i > 0 ? "," : "", row->affiliate_id,
			row->is_adjustment ? "adjustment" : "sale",
			commission_state_name(row->state), row->amount_minor, row->confirmed_minor,
			row->is_platform, row->is_frozen, row->release_us,
			outcome_name(row->reason));
	}
	printf("]");
}

static void print_shares(const struct fold_case *order)
{
	const struct decision *decision = &order->decision;
	unsigned frozen = 0; /* rules of the lines may point to frozen ones that are no more */
	printf(",\"shares\":[");
	for (unsigned i = 0; i < decision->share_count; i++) {
		const struct decide_share *share = &decision->shares[i];
		printf("%s{\"affiliate\":%" PRIu32 ",\"full\":%" PRId64 ",\"share\":%" PRId64
		       ",\"amount\":%" PRId64 ",\"confirmed\":%" PRId64
		       ",\"void\":%d,\"reason\":\"%s\",\"lines\":[",
			i > 0 ? "," : "", share->affiliate_id, share->full_minor,
			share->share_minor, share->amount_minor, share->confirmed_minor,
			share->is_void, outcome_name(share->reason));
		for (unsigned l = 0; l < decision->folded.terms->line_count; l++) {
			const struct price_line *priced = &share->lines[l];
			printf("%s[%" PRId64 ",%" PRId64 ",%" PRId64 "]", l > 0 ? "," : "",
				priced->base_minor, priced->amount_minor,
				order->frozen[frozen++].rule.rule_id);
		}
		printf("]}");
	}
	printf("]");
}

static void print_verdicts(const struct fold_case *order)
{
	printf(",\"verdicts\":{");
	for (unsigned i = 0; i < order->decision.candidate_count; i++) {
		const struct match_candidate *candidate = &order->decision.candidates[i];
		char click_id[2 * CLICK_ID_BYTES];
		printf("%s\"", i > 0 ? "," : "");
		if (candidate->is_coupon) {
			printf("%.*s", STR_ARG(candidate->coupon));
		} else if (candidate->click.result == TOKEN_OK) {
			hex_encode(click_id, candidate->click.claim.click_id, CLICK_ID_BYTES);
			printf("%.*s", (int)sizeof(click_id), click_id);
		} else {
			printf("%s#%u", token_result_name(candidate->click.result), i);
		}
		printf("\":\"%s\"", outcome_name(candidate->verdict));
	}
	printf("}");
}

static void print_accounts(const struct fold_case *order)
{
	printf(",\"accounts\":[");
	for (unsigned i = 0; i < order->account_count; i++)
		printf("%s[%" PRIu32 ",\"%s\",%" PRId64 "]", i > 0 ? "," : "",
			order->accounts[i].affiliate_id, order->accounts[i].name,
			order->accounts[i].amount_minor);
	printf("]");
}

/* The next word of the line; empty at its end. */
static char *word(void)
{
	char *start = at + strspn(at, " \n");
	at = start + strcspn(start, " \n");
	if (*at != '\0')
		*at++ = '\0';
	return start;
}

static int64_t number(void)
{
	char *end;
	const char *start = word();
	const int64_t value = strtoll(start, &end, 10);
	if (end == start || *end != '\0')
		fold_case_die("no number", start);
	return value;
}

/* A word that outlives the line; "-": the empty text. */
static struct str text(void)
{
	const char *start = word();
	return strcmp(start, "-") == 0 ? (struct str){0} : fold_case_keep(start);
}

static unsigned choice(const char *const *words, unsigned count)
{
	const char *start = word();
	for (unsigned i = 0; i < count; i++) {
		if (strcmp(start, words[i]) == 0)
			return i;
	}
	fold_case_die("not a word of the list", start);
}

static void *next(unsigned *count, void *array, size_t size)
{
	if (*count == FOLD_CASE_MAX)
		fold_case_die("too many", line);
	void *place = (char *)array + (size_t)(*count)++ * size;
	memset(place, 0, size);
	return place;
}
