/* SPDX-License-Identifier: Apache-2.0
 * Random orders against an oracle in exact fractions that shares no code with us
 * (tests/oracle/oracle.py). Run from the top of the tree; ORACLE_SEED draws other ones,
 * ORACLE_ORDERS more of them. */
#include "decide.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <check.h>

#include "timestamp.h"

#define ORDERS       "3000"
#define ORDERS_MAX   10000000
#define LINES_MAX    12
#define EVENTS_MAX   6
#define RULES_MAX    8
#define WINNERS_MAX  4
#define ROOMS_MAX    (RULES_MAX * WINNERS_MAX)
#define TEXT_MAX     32768
#define DEADLINE_S   1800
#define STORE        7
#define LINK_PRODUCT 99
#define PLACED_US    (INT64_C(1795248000) * US_PER_S)

static FILE *oracle;
static pid_t oracle_pid;
static char text[TEXT_MAX];
static char *at;
static unsigned seen;

static struct order_line lines[EVENTS_MAX][LINES_MAX];
static struct order_click winner_clicks[WINNERS_MAX]; /* of the first event */
static struct event events[EVENTS_MAX];
static const struct event *given[EVENTS_MAX];
static struct rule rules[RULES_MAX];
static struct decide_affiliate affiliates[WINNERS_MAX];
static struct decide_room rooms[ROOMS_MAX];
static struct decide_known known;
static struct decision decision;
static unsigned event_count;

static const struct decide_product products[] = {
	{.product_id = LINK_PRODUCT, .store_id = STORE},
	{11, STORE, {"P1", 2}, {"shoes", 5}},
	{12, STORE, {"P2", 2}, {"shoes", 5}},
	{13, STORE, {"P3", 2}, {"bags", 4}},
	{14, STORE, {"P4", 2}, {0}},
};

static const char *setting(const char *name, const char *usual)
{
	const char *const value = getenv(name);
	return value != NULL && value[0] != '\0' ? value : usual;
}

static void open_oracle(const char *what)
{
	int ends[2];
	const char *const orders = setting("ORACLE_ORDERS", ORDERS);
	const char *const seed = setting("ORACLE_SEED", "1");
	printf("%s: %s orders of seed %s\n", what, orders, seed);
	fflush(stdout);
	seen = 0;
	ck_assert_int_eq(pipe(ends), 0);
	oracle_pid = fork();
	ck_assert_int_ge(oracle_pid, 0);
	if (oracle_pid == 0) {
		dup2(ends[1], STDOUT_FILENO);
		close(ends[0]);
		close(ends[1]);
		execlp("python3", "python3", "tests/oracle/oracle.py", what, orders, seed,
			(char *)NULL);
		_exit(127);
	}
	close(ends[1]);
	oracle = fdopen(ends[0], "r");
	ck_assert_ptr_nonnull(oracle);
}

static void close_oracle(void)
{
	int status = -1;
	uint64_t orders = 0;
	fclose(oracle);
	ck_assert_int_eq(waitpid(oracle_pid, &status, 0), oracle_pid);
	ck_assert_int_eq(status, 0);
	ck_assert(str_parse_u64(str_from(setting("ORACLE_ORDERS", ORDERS)), ORDERS_MAX, &orders));
	ck_assert_uint_eq(seen, orders);
}

static bool next_line(void)
{
	at = text;
	seen++;
	if (fgets(text, sizeof(text), oracle) != NULL)
		return true;
	seen--;
	return false;
}

/* The next word of the line. */
static const char *word(void)
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
	ck_assert_msg(end != start && *end == '\0', "order %u: %s", seen, start);
	return value;
}

static unsigned counted(unsigned max)
{
	const int64_t value = number();
	ck_assert(value >= 0 && value <= max);
	return (unsigned)value;
}

/* "-" stands for nothing. */
static struct str word_or_empty(void)
{
	const char *const next = word();
	return strcmp(next, "-") == 0 ? (struct str){0} : str_from(next);
}

static void bar(void)
{
	ck_assert_str_eq(word(), "|");
}

static void read_rule(struct rule *rule)
{
	*rule = rule_empty();
	rule->rule_id = number();
	ck_assert(rule_level_parse(str_from(word()), &rule->level));
	rule->affiliate_id = (uint32_t)number();
	rule->product_id = (uint32_t)number();
	rule->category = word_or_empty();
	rule->rate_bp = (int)number();
	rule->fixed_unit_minor = number();
	rule->fixed_order_minor = number();
	rule->cap_line_minor = number();
	rule->cap_order_minor = number();
	rule->cap_period_minor = number();
	str_copy(rule->currency, sizeof(rule->currency), word_or_empty());
	rule->priority = (int32_t)number();
	rule->valid_from_us = PLACED_US + number();
	rule->valid_to_us = PLACED_US + number();
}

/* A winner, with a click on the first event: the latest one's first. */
static void read_winner(unsigned place)
{
	struct decide_affiliate *const affiliate = &affiliates[place];
	struct order_click *const click = &events[0].clicks[events[0].click_count++];
	const struct click_bucket bucket = {.low = place};
	*affiliate = (struct decide_affiliate){.standing = AFFILIATE_ACTIVE};
	affiliate->affiliate_id = (uint32_t)number();
	affiliate->tier_bonus_bp = (int)number();
	affiliate->tier_rate_bp = (int)number();
	*click = (struct order_click){.result = TOKEN_OK};
	click_id_make(click->claim.click_id, PLACED_US / US_PER_MS - 1000 * (int64_t)(place + 1),
		&bucket, 0);
	click->claim.link = (struct link_claim){
		.affiliate_id = affiliate->affiliate_id, .product_id = LINK_PRODUCT};
	click->claim.window_s = 3600;
}

static struct event *add_event(enum event_type type)
{
	struct event *const event = &events[event_count];
	static const char *const ids[EVENTS_MAX] = {"a", "b", "c", "d", "e", "f"};
	event->type = type;
	event->occurred_us = event->received_us = PLACED_US + event_count * US_PER_S;
	event->event_id = str_from(ids[event_count]);
	event->order_id = STR("1001");
	event->lines = lines[event_count];
	given[event_count] = event;
	event_count++;
	return event;
}

static void read_terms(struct event *event, const char *currency, unsigned digits)
{
	event->placed_us = (struct order_figure){.has_value = true, .value = PLACED_US};
	str_copy(event->currency, sizeof(event->currency), str_from(currency));
	event->digits = digits;
	event->prices_include_tax = number() != 0;
	event->discount_minor = number();
	event->line_count = counted(LINES_MAX);
	for (unsigned i = 0; i < event->line_count; i++) {
		struct order_line *const line = &event->lines[i];
		line->line_id = str_from(word());
		line->product_id = str_from(word());
		line->unit_price_minor = number();
		line->quantity = number();
		line->discount_minor = number();
		line->tax_bp = (int)number();
	}
}

static void read_back(void)
{
	const char *const kind = word();
	struct event *const event = add_event(strcmp(kind, "refunded") == 0   ? EVENT_REFUNDED
					      : strcmp(kind, "returned") == 0 ? EVENT_RETURNED
									      : EVENT_COLLECTED);
	event->refunded_amount = word_or_empty();
	event->digits = 3;
	event->line_count = counted(LINES_MAX);
	for (unsigned i = 0; i < event->line_count; i++) {
		struct order_line *const line = &event->lines[i];
		line->line_id = str_from(word());
		const int64_t quantity = number();
		const struct order_figure figure = {
			.has_value = quantity >= 0, .value = quantity >= 0 ? quantity : 0};
		line->refunded_amount = word_or_empty();
		if (event->type == EVENT_COLLECTED)
			line->collected_quantity = figure;
		else
			line->refunded_quantity = figure;
	}
}

static void read_order(void)
{
	unsigned digits = 0;
	memset(events, 0, sizeof(events));
	memset(lines, 0, sizeof(lines));
	events[0].clicks = winner_clicks;
	event_count = 0;
	const char *const currency = word();
	ck_assert(money_currency_digits(str_from(currency), &digits));
	known = (struct decide_known){.store_id = STORE,
		.model = MATCH_LINEAR,
		.affiliates = affiliates,
		.products = products,
		.product_count = sizeof(products) / sizeof(products[0]),
		.rules = rules,
		.rooms = rooms};
	known.rule_count = counted(RULES_MAX);
	known.affiliate_count = counted(WINNERS_MAX);
	const unsigned terms = counted(EVENTS_MAX);
	const unsigned backs = counted(EVENTS_MAX - terms);
	known.room_count = counted(ROOMS_MAX);
	for (unsigned i = 0; i < known.rule_count; i++)
		read_rule(&rules[i]);
	for (unsigned i = 0; i < known.affiliate_count; i++)
		read_winner(i);
	for (unsigned i = 0; i < terms; i++)
		read_terms(add_event(i == 0 ? EVENT_CONFIRMED : EVENT_AMENDED), currency, digits);
	for (unsigned i = 0; i < backs; i++)
		read_back();
	for (unsigned i = 0; i < known.room_count; i++) {
		rooms[i] = (struct decide_room){.affiliate_id = (uint32_t)number()};
		rooms[i].rule_id = number();
		rooms[i].free_minor = number();
	}
	if (known.affiliate_count == 1 && seen % 2 == 0)
		known.model = MATCH_LAST;
}

static void compare_share(const struct decide_share *share, unsigned line_count)
{
	bar();
	ck_assert_msg(share->full_minor == number(), "order %u: full", seen);
	ck_assert_msg(share->share_minor == number(), "order %u: share", seen);
	ck_assert_msg(share->amount_minor == number(), "order %u: amount", seen);
	ck_assert_msg(share->confirmed_minor == number(), "order %u: confirmed", seen);
	for (unsigned i = 0; i < line_count; i++) {
		const struct price_line *const line = &share->lines[i];
		const struct str reason = str_from(outcome_name(line->reason));
		ck_assert_msg(line->base_minor == number(), "order %u line %u: base", seen, i);
		ck_assert_msg(line->amount_minor == number(), "order %u line %u: amount", seen, i);
		ck_assert_msg((line->rule != NULL ? line->rule->rule_id : 0) == number(),
			"order %u line %u: rule", seen, i);
		ck_assert_msg(str_equal(reason, word_or_empty()), "order %u line %u: %s", seen, i,
			reason.data);
	}
}

/* The order in which events are handed in makes no difference. */
static void rotate(void)
{
	const struct event *const first = given[0];
	for (unsigned i = 1; i < event_count; i++)
		given[i - 1] = given[i];
	given[event_count - 1] = first;
}

START_TEST(amounts_are_those_of_the_oracle)
{
	for (open_oracle("price"); next_line();) {
		read_order();
		rotate();
		const enum decide_status status =
			decide_order(&known, given, event_count, &decision);
		if (strncmp(at, "| refused", strlen("| refused")) == 0) {
			ck_assert_msg(status == DECIDE_OVERFLOW, "order %u is not refused", seen);
			decision_release(&decision);
			continue;
		}
		ck_assert_msg(status == DECIDE_OK, "order %u: status %d", seen, (int)status);
		ck_assert_uint_eq(decision.share_count, known.affiliate_count);
		for (unsigned i = 0; i < decision.share_count; i++)
			compare_share(&decision.shares[i], decision.folded.terms->line_count);
		ck_assert_str_eq(word(), "");
		decision_release(&decision);
	}
	close_oracle();
}
END_TEST

static enum affiliate_standing read_standing(void)
{
	const char *const standing = word();
	if (strcmp(standing, "active") == 0)
		return AFFILIATE_ACTIVE;
	return strcmp(standing, "suspended") == 0 ? AFFILIATE_SUSPENDED : AFFILIATE_UNKNOWN;
}

static struct match_candidate read_click(void)
{
	struct match_candidate candidate = {0};
	struct order_click *click = &candidate.click;
	ck_assert(hex_decode(str_from(word()), click->claim.click_id, CLICK_ID_BYTES));
	ck_assert_int_eq(click_id_ms(click->claim.click_id), number());
	click->claim.window_s = (uint32_t)number();
	candidate.affiliate_id = (uint32_t)number();
	candidate.product_store_id = (uint32_t)number();
	candidate.standing = read_standing();
	const char *evidence = word();
	click->evidence = strcmp(evidence, "agrees") == 0     ? CLICK_RECORD_AGREES
			  : strcmp(evidence, "mismatch") == 0 ? CLICK_RECORD_MISMATCH
							      : CLICK_RECORD_NONE;
	candidate.is_customer = number() != 0;
	return candidate;
}

static struct match_candidate read_coupon(void)
{
	struct match_candidate candidate = {.is_coupon = true};
	candidate.coupon_id = number();
	candidate.affiliate_id = (uint32_t)number();
	candidate.standing = read_standing();
	candidate.is_customer = number() != 0;
	outcome_parse(word_or_empty(), &candidate.held_back);
	return candidate;
}

static struct match_input read_input(void)
{
	struct match_input input = {.store_id = STORE};
	const char *const model = word();
	input.model = strcmp(model, "first") == 0    ? MATCH_FIRST
		      : strcmp(model, "linear") == 0 ? MATCH_LINEAR
						     : MATCH_LAST;
	input.precedence =
		strcmp(word(), "click_first") == 0 ? MATCH_CLICK_FIRST : MATCH_COUPON_FIRST;
	input.placed_us = number();
	input.blocks_self_referral = number() != 0;
	return input;
}

START_TEST(winners_and_verdicts_are_those_of_the_oracle)
{
	struct match_candidate candidates[MATCH_CANDIDATES_MAX];
	struct match_result result;
	for (open_oracle("match"); next_line();) {
		const struct match_input input = read_input();
		const unsigned clicks = counted(ORDER_CLICKS_MAX);
		const unsigned count = clicks + counted(ORDER_COUPONS_MAX);
		bar();
		for (unsigned i = 0; i < count; i++)
			candidates[i] = i < clicks ? read_click() : read_coupon();
		bar();
		match_decide(&input, candidates, count, &result);
		ck_assert_str_eq(outcome_name(result.reason), word());
		ck_assert(
			str_equal(str_from(match_evidence_name(result.evidence)), word_or_empty()));
		ck_assert_int_eq(result.coupon_id, number());
		ck_assert_int_eq(result.is_coupon_stacked, number());
		ck_assert_int_eq(result.self_referrer, number());
		ck_assert_int_eq(result.winner_count, number());
		for (unsigned i = 0; i < result.winner_count; i++)
			ck_assert_int_eq(result.winners[i], number());
		for (unsigned i = 0; i < count; i++)
			ck_assert_str_eq(outcome_name(candidates[i].verdict), word());
	}
	close_oracle();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("oracle");
	TCase *tcase = tcase_create("oracle");
	tcase_set_timeout(tcase, DEADLINE_S);
	tcase_add_test(tcase, amounts_are_those_of_the_oracle);
	tcase_add_test(tcase, winners_and_verdicts_are_those_of_the_oracle);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	const int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
