/* SPDX-License-Identifier: Apache-2.0
 * Nanoseconds per User-Agent classified, against one memmem over the same bytes, measured in turn
 * in the same run. Prints one JSON object a line. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "classify.h"

#define ROUNDS   9
#define CALLS    100000 /* of each part in each round */
#define NS_PER_S INT64_C(1000000000)

/* What a link in a chat is asked for with, people first. */
static const struct str agents[] = {
	STR("Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) "
	    "Chrome/126.0.0.0 Mobile Safari/537.36"),
	STR("Mozilla/5.0 (iPhone; CPU iPhone OS 17_5_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, "
	    "like Gecko) Version/17.5 Mobile/15E148 Safari/604.1"),
	STR("Mozilla/5.0 (Linux; Android 13; SM-A135F Build/TP1A.220624.014; wv) "
	    "AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/126.0.6478.122 Mobile "
	    "Safari/537.36 musical_ly_2022704050 JsSdk/1.0 NetType/WIFI Channel/googleplay "
	    "AppName/musical_ly app_version/27.4.5 ByteLocale/en Region/EG "
	    "BytedanceWebview/d8a21c6"),
	STR("Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, "
	    "like Gecko) Mobile/15E148 Instagram 330.0.3.29.91 (iPhone14,3; iOS 17_5; ar_EG; ar; "
	    "scale=3.00; 1284x2778; 598808576)"),
	STR("Mozilla/5.0 (Linux; Android 12; M2101K6G Build/SKQ1.210908.001; wv) "
	    "AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/126.0.6478.122 Mobile "
	    "Safari/537.36 [FB_IAB/FB4A;FBAV/470.0.0.50.77;]"),
	STR("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
	    "Chrome/126.0.0.0 Safari/537.36"),
	STR("WhatsApp/2.23.20.0 A"),
	STR("facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)"),
};
#define AGENT_COUNT (sizeof(agents) / sizeof(agents[0]))

typedef unsigned part_fn(const struct classifier *classifier, struct str agent);

static unsigned classify_one(const struct classifier *classifier, struct str agent);
static unsigned search_one(const struct classifier *classifier, struct str agent);
static double measure(const struct classifier *classifier, part_fn *part);
static int64_t now_ns(void);
static double median(double *values);
static int compare(const void *a, const void *b);

static volatile unsigned result; /* what the parts found, so that none of them is left out */

int main(void)
{
	static struct classifier classifier;
	double ours[ROUNDS];
	double anchor[ROUNDS];
	classifier_init(&classifier);
	for (unsigned round = 0; round < ROUNDS; round++) {
		anchor[round] = measure(&classifier, search_one);
		ours[round] = measure(&classifier, classify_one);
	}
	const double mine = median(ours);
	const double theirs = median(anchor);
	printf("{\"name\":\"classify_ns\",\"unit\":\"ns\",\"ours\":%.1f,\"anchor\":%.1f,"
	       "\"anchor_name\":\"one memmem over the same User-Agent\",\"ratio\":%.2f,"
	       "\"rounds\":%d}\n",
		mine, theirs, mine / theirs, ROUNDS);
	return EXIT_SUCCESS;
}

static unsigned classify_one(const struct classifier *classifier, struct str agent)
{
	const struct headers headers = {.user_agent = agent, .user_agent_count = 1};
	struct classified found;
	classify(classifier, HTTP_GET, &headers, &found);
	return found.class;
}

static unsigned search_one(const struct classifier *classifier, struct str agent)
{
	static const char needle[] = "Googlebot/";
	(void)classifier;
	return memmem(agent.data, agent.len, needle, sizeof(needle) - 1) != NULL;
}

/* Nanoseconds of CPU per call, over all User-Agents in turn. */
static double measure(const struct classifier *classifier, part_fn *part)
{
	unsigned sum = 0;
	const int64_t start = now_ns();
	for (unsigned i = 0; i < CALLS; i++)
		sum += part(classifier, agents[i % AGENT_COUNT]);
	const int64_t took = now_ns() - start;
	result = sum;
	return (double)took / CALLS;
}

static int64_t now_ns(void)
{
	struct timespec now = {0};
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

static double median(double *values)
{
	qsort(values, ROUNDS, sizeof(values[0]), compare);
	return values[ROUNDS / 2];
}

static int compare(const void *a, const void *b)
{
	const double *left = a;
	const double *right = b;
	return (*left > *right) - (*left < *right);
}
