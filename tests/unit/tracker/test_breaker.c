/* SPDX-License-Identifier: Apache-2.0
 * When clicks stop waiting for Redis, and when they wait again. */
#include "breaker.h"

#include "../common/suite.h"

#define DEADLINE_US 25000

static struct breaker breaker;

static void start(void)
{
	breaker_init(&breaker, DEADLINE_US);
	breaker_reset(&breaker, 0);
}

START_TEST(one_slow_answer_among_others_is_no_reason)
{
	start();
	breaker_answered(&breaker, 1000);
	ck_assert(!breaker_missed(&breaker, 1000 + DEADLINE_US - 1));
	ck_assert(!breaker.is_open);
}
END_TEST

START_TEST(silence_of_a_deadline_opens_once)
{
	start();
	breaker_answered(&breaker, 1000);
	ck_assert(breaker_missed(&breaker, 1000 + DEADLINE_US));
	ck_assert(breaker.is_open);
	ck_assert(!breaker_missed(&breaker, 1001 + DEADLINE_US));
}
END_TEST

START_TEST(only_a_probe_in_time_closes)
{
	start();
	ck_assert(!breaker_probe(&breaker, 5)); /* closed: no need */
	breaker_missed(&breaker, DEADLINE_US);
	ck_assert(breaker_probe(&breaker, 30000));
	ck_assert(!breaker_probe(&breaker, 30001)); /* one at a time */
	ck_assert(!breaker_probed(&breaker, true, 30001 + DEADLINE_US));
	ck_assert(breaker.is_open);
	ck_assert(breaker_probe(&breaker, 60000));
	ck_assert(!breaker_probed(&breaker, false, 60001)); /* lost */
	ck_assert(breaker_probe(&breaker, 90000));
	ck_assert(breaker_probed(&breaker, true, 90000 + DEADLINE_US));
	ck_assert(!breaker.is_open);
}
END_TEST

START_TEST(new_connection_begins_anew)
{
	start();
	breaker_missed(&breaker, DEADLINE_US);
	breaker_probe(&breaker, DEADLINE_US);
	breaker_reset(&breaker, 100000);
	ck_assert(!breaker.is_open);
	ck_assert(!breaker_missed(&breaker, 100000 + DEADLINE_US - 1));
	ck_assert(breaker_missed(&breaker, 100000 + DEADLINE_US));
	ck_assert(breaker_probe(&breaker, 130000));
}
END_TEST

SUITE_MAIN("breaker", one_slow_answer_among_others_is_no_reason, silence_of_a_deadline_opens_once,
	only_a_probe_in_time_closes, new_connection_begins_anew)
