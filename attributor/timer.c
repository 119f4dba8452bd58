/* SPDX-License-Identifier: Apache-2.0
 * One page of due orders after the other, until none is left or none gets on. */
#include "timer.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db.h"
#include "keys.h"
#include "log.h"

#define TIMER_MAGIC      0x71353a0f
#define TIMER_CONNECT_US (5 * INT64_C(1000000))
#define TIMER_RUN_US     (30 * INT64_C(1000000)) /* counting a long backlog */
#define TIMER_COUNT_MAX  "100000"                /* orders are not counted beyond */
#define NUMBER_TEXT_MAX  24

static const char listen_sql[] = "LISTEN " TIMER_CHANNEL;
/* Who waits is looked at by receipt: nothing about it changes while it waits. */
static const char look_sql[] =
	"SELECT (SELECT count(*) FROM (SELECT FROM wasl.orders WHERE due_at <= now() "
	"LIMIT " TIMER_COUNT_MAX ") d), (SELECT wasl.to_us(min(due_at)) FROM wasl.orders "
	"WHERE due_at <= now()), (SELECT count(*) FROM (SELECT FROM wasl.orders "
	"WHERE waiting_since < now() - interval '1 day' LIMIT " TIMER_COUNT_MAX ") w)";
static const char page_sql[] = "SELECT store_id, order_id FROM wasl.orders WHERE due_at <= now() "
			       "ORDER BY due_at LIMIT $1::integer";
static const char put_off_sql[] =
	"UPDATE wasl.orders SET due_at = now() + interval '1 hour' "
	"WHERE store_id = $1::bigint AND order_id = $2 AND due_at <= now()";

/* One order under way. */
struct timer_order {
	struct timer *timer;
	struct post_item item;
	char order_id[ORDER_ID_MAX + 1];
};

struct timer {
	unsigned magic;
	struct loop *loop;
	struct timer_config config;
	struct db *db;
	struct loop_timer *tick;
	struct loop_defer *begin;
	bool is_stopped;
	bool is_listening, is_asked; /* asked: a page's statement is under way */
	bool is_again;               /* something came due while a page was under way */
	bool has_got_on;             /* some order of this page was folded */
	unsigned under_way;
	bool is_told_waiting; /* the log has it */
	struct timer_counts counts;
	struct timer_order orders[TIMER_PAGE_MAX];
};

static void on_state(bool is_up, void *arg);
static void on_listening(const struct db_result *result, void *arg);
static void on_notify(struct str channel, struct str payload, void *arg);
static void on_tick(void *arg);
static void on_look(const struct db_result *result, void *arg);
static void tell_waiting(struct timer *timer);
static void on_begin(void *arg);
static void on_page(const struct db_result *result, void *arg);
static void submit(struct timer *timer, const struct db_rows *rows, unsigned row);
static void on_folded(struct post_item *item, const struct post_outcome *outcome);
static void put_off(struct timer *timer, const struct post_item *item);
static void on_put_off(const struct db_result *result, void *arg);
static void end_page(struct timer *timer);
static struct timer *checked(void *arg);

struct timer *timer_new(struct loop *loop, const struct timer_config *config, struct err *err)
{
	struct timer *const timer = calloc(1, sizeof(*timer));
	if (timer == NULL) {
		err_set(err, ERR_LIMIT, 0, "no memory for the timer");
		return NULL;
	}
	timer->magic = TIMER_MAGIC;
	timer->loop = loop;
	timer->config = *config;
	timer->tick = loop_timer_new(loop, on_tick, timer);
	timer->begin = loop_defer_new(loop, on_begin, timer);
	timer->db = db_new(loop,
		&(struct db_config){.url = config->database_url,
			.name = "wasl-attributor timer",
			.connect_deadline_us = TIMER_CONNECT_US,
			.run_deadline_us = TIMER_RUN_US,
			.on_state = on_state,
			.on_notify = on_notify,
			.arg = timer},
		err);
	if (timer->tick != NULL && timer->begin != NULL && timer->db != NULL) {
		loop_timer_set(timer->tick, config->interval_us);
		return timer;
	}
	err_set(err, ERR_LIMIT, 0, "no memory for the timer");
	timer_free(timer);
	return NULL;
}

const struct timer_counts *timer_counts(const struct timer *timer)
{
	return &timer->counts;
}

void timer_stop(struct timer *timer)
{
	timer->is_stopped = true;
	loop_timer_clear(timer->tick);
}

bool timer_is_idle(const struct timer *timer)
{
	return timer->under_way == 0;
}

void timer_free(struct timer *timer)
{
	if (timer == NULL)
		return;
	timer->is_stopped = true;
	assert(timer->under_way == 0);
	db_free(timer->db);
	loop_timer_free(timer->tick);
	loop_defer_free(timer->begin);
	timer->magic = 0;
	free(timer);
}

/* What was notified while nobody listened is not known: all that is due is looked for. */
static void on_state(bool is_up, void *arg)
{
	struct timer *const timer = checked(arg);
	const struct db_statement statement = {.sql = listen_sql};
	timer->is_listening = false;
	if (is_up && !timer->is_stopped)
		(void)db_run(timer->db, &statement, 1, on_listening, timer);
}

static void on_listening(const struct db_result *result, void *arg)
{
	struct timer *const timer = checked(arg);
	timer->is_listening = result->status == DB_OK;
	if (!timer->is_listening)
		log_warn("timer_listen_failed", LOG_TEXT("sqlstate", result->sqlstate),
			LOG_TEXT("reason", result->message));
	else if (!timer->is_stopped)
		on_tick(timer);
}

static void on_notify(struct str channel, struct str payload, void *arg)
{
	struct timer *const timer = checked(arg);
	(void)payload;
	if (!str_equal(channel, STR(TIMER_CHANNEL)) || timer->is_stopped)
		return;
	timer->is_again = true;
	loop_defer_schedule(timer->begin);
}

static void on_tick(void *arg)
{
	struct timer *const timer = checked(arg);
	const struct db_statement look = {.sql = look_sql};
	const struct db_statement listen = {.sql = listen_sql};
	if (timer->is_stopped)
		return;
	loop_timer_set(timer->tick, timer->config.interval_us);
	if (!db_is_up(timer->db))
		return;
	if (!timer->is_listening) {
		(void)db_run(timer->db, &listen, 1, on_listening, timer);
		return;
	}
	(void)db_run(timer->db, &look, 1, on_look, timer);
	timer->is_again = true;
	loop_defer_schedule(timer->begin);
}

static void on_look(const struct db_result *result, void *arg)
{
	struct timer *const timer = checked(arg);
	struct timer_counts *const counts = &timer->counts;
	if (result->status != DB_OK) {
		log_warn("timer_look_failed", LOG_TEXT("sqlstate", result->sqlstate),
			LOG_TEXT("reason", result->message));
		return;
	}
	const struct db_rows *const rows = result->rows[0];
	counts->due = (uint64_t)db_rows_int(rows, 0, 0);
	counts->due_since_us = db_rows_int(rows, 0, 1);
	counts->waiting = (uint64_t)db_rows_int(rows, 0, 2);
	counts->looked_us = loop_now_us(timer->loop);
	tell_waiting(timer);
}

static void tell_waiting(struct timer *timer)
{
	const bool is_waiting = timer->counts.waiting > 0;
	if (is_waiting == timer->is_told_waiting)
		return;
	timer->is_told_waiting = is_waiting;
	if (is_waiting)
		log_warn("orders_waiting", LOG_NUM("orders", (int64_t)timer->counts.waiting),
			LOG_TEXT("for", "over a day"));
	else
		log_info("orders_waiting_over");
}

/* The next page, unless one is under way: that one begins the next when it is over. */
static void on_begin(void *arg)
{
	struct timer *const timer = checked(arg);
	char limit[NUMBER_TEXT_MAX];
	snprintf(limit, sizeof(limit), "%u", TIMER_PAGE_MAX);
	const struct str param = str_from(limit);
	const struct db_statement page = {.sql = page_sql, .params = &param, .param_count = 1};
	if (timer->is_stopped || timer->is_asked || timer->under_way > 0 ||
		!post_is_up(timer->config.post))
		return;
	timer->is_again = false;
	timer->has_got_on = false;
	timer->is_asked = db_run(timer->db, &page, 1, on_page, timer);
}

static void on_page(const struct db_result *result, void *arg)
{
	struct timer *const timer = checked(arg);
	timer->is_asked = false;
	if (timer->is_stopped)
		return;
	if (result->status != DB_OK) {
		log_warn("timer_page_failed", LOG_TEXT("sqlstate", result->sqlstate),
			LOG_TEXT("reason", result->message));
		return;
	}
	const unsigned count = db_rows_count(result->rows[0]);
	for (unsigned row = 0; row < count; row++)
		submit(timer, result->rows[0], row);
	if (timer->under_way == 0)
		end_page(timer);
}

/* A store that is not known here is new: its orders are for the next look. */
static void submit(struct timer *timer, const struct db_rows *rows, unsigned row)
{
	struct timer_order *const order = &timer->orders[timer->under_way];
	const uint32_t store_id = (uint32_t)db_rows_int(rows, row, 0);
	const struct store *const store = stores_find(timer->config.stores, store_id);
	if (store == NULL) {
		stores_refresh(timer->config.stores, &store_id, 1, NULL, NULL);
		return;
	}
	if (!str_copy(order->order_id, sizeof(order->order_id), db_rows_text(rows, row, 1)))
		return;
	order->timer = timer;
	order->item = (struct post_item){.store_id = store_id,
		.order_id = str_from(order->order_id),
		.terms = store->terms,
		.keyring = &timer->config.keys->ring,
		.done = on_folded,
		.arg = order};
	if (post_submit(timer->config.post, &order->item))
		timer->under_way++;
}

static void on_folded(struct post_item *item, const struct post_outcome *outcome)
{
	struct timer_order *const order = item->arg;
	struct timer *const timer = checked(order->timer);
	switch (outcome->status) {
	case POST_DONE:
		timer->counts.folded++;
		timer->has_got_on = true;
		break;
	case POST_REFUSED:
	case POST_FAILED:
		log_error("order_not_folded", LOG_NUM("store", item->store_id),
			LOG_STR("order", item->order_id),
			LOG_TEXT("reason",
				outcome->status == POST_REFUSED ? outcome->code : "not posted"));
		put_off(timer, item);
		break;
	case POST_UNAVAILABLE:
		break;
	}
	timer->under_way--;
	if (timer->under_way == 0 && !timer->is_stopped)
		end_page(timer);
}

/* Else it would stand before all others for ever. */
static void put_off(struct timer *timer, const struct post_item *item)
{
	char store_id[NUMBER_TEXT_MAX];
	snprintf(store_id, sizeof(store_id), "%" PRIu32, item->store_id);
	const struct str params[] = {str_from(store_id), item->order_id};
	const struct db_statement statement = {
		.sql = put_off_sql, .params = params, .param_count = 2};
	timer->counts.put_off++;
	if (!timer->is_stopped && db_run(timer->db, &statement, 1, on_put_off, timer))
		timer->has_got_on = true;
}

static void on_put_off(const struct db_result *result, void *arg)
{
	(void)checked(arg);
	if (result->status != DB_OK)
		log_warn("timer_put_off_failed", LOG_TEXT("sqlstate", result->sqlstate),
			LOG_TEXT("reason", result->message));
}

static void end_page(struct timer *timer)
{
	if (timer->has_got_on || timer->is_again)
		loop_defer_schedule(timer->begin);
}

static struct timer *checked(void *arg)
{
	struct timer *const timer = arg;
	assert(timer->magic == TIMER_MAGIC);
	return timer;
}
