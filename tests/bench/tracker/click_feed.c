/* SPDX-License-Identifier: Apache-2.0
 * Fills a private Redis with clicks, in the tracker's layout or in the plain one that it is
 * measured against.
 *
 * usage: click_feed PORT buckets|plain CLICKS SPAN_S WORKERS CLICKS_PER_WRITE
 * buckets: what tracker/sink.c sends (HSETNX; XADD for a new bucket; EXPIREAT once for each bucket
 * and write), its buckets chosen by tracker/bucket.c. plain: SET EX and XADD for every click.
 * Clicks lie evenly over SPAN_S seconds from now, so that none expires meanwhile; worker and window
 * (7, 30, 90 days) of each are drawn from a fixed seed. Stream ids carry the click's own time.
 * A write leaves when the answers to the last one are there. */
#include <arpa/inet.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bucket.h"
#include "click.h"
#include "clock.h"

#define WORKERS_MAX   16
#define PER_WRITE_MAX 1000
/* A click's longest commands, plain: SET 170, XADD 190; buckets: HSETNX 110, XADD 160, EXPIREAT 70
 */
#define CLICK_OUT_MAX 512
#define ANSWERS_BYTES 65536
#define ARGS_MAX      12
#define ARG_MAX       64
#define DAY_S         86400
#define GRACE_S       (3 * DAY_S)
#define WINDOWS       3
#define US_PER_S      INT64_C(1000000)
#define SEED          UINT64_C(0x9e3779b97f4a7c15)

static const uint32_t windows_s[WINDOWS] = {7 * DAY_S, 30 * DAY_S, 90 * DAY_S};

struct touched {
	struct click_bucket id;
	int64_t expires_at_s;
};

struct feed {
	int fd;
	bool is_plain;
	int64_t wall_us; /* of the click at hand */
	uint64_t random;
	struct bucket_set workers[WORKERS_MAX];
	struct touched touched[PER_WRITE_MAX];
	unsigned touched_count;
	char out[PER_WRITE_MAX * CLICK_OUT_MAX];
	size_t out_len;
	unsigned lines_due; /* of answers; XADD's has two */
};

/* One argument of a command: text, or bytes when len is not 0. */
struct arg {
	const void *data;
	size_t len;
};
#define TEXT(s) ((struct arg){.data = (s)})

static bool feed_connect(struct feed *feed, unsigned port);
static void click_add(struct feed *feed, int64_t wall_us, unsigned worker_count);
static void bucket_click(
	struct feed *feed, const struct bucket_place *place, const uint8_t *record);
static void plain_click(
	struct feed *feed, const uint8_t *id, const uint8_t *record, uint32_t window_s);
static void command(struct feed *feed, unsigned count, const struct arg *args);
static bool write_finish(struct feed *feed);
static bool answers_read(struct feed *feed);
static uint64_t draw(struct feed *feed);
static uint64_t number(const char *text, uint64_t min, uint64_t max);

int main(int argc, char **argv)
{
	static struct feed feed = {.random = SEED};
	if (argc != 7) {
		fprintf(stderr, "usage: click_feed PORT buckets|plain CLICKS SPAN_S WORKERS "
				"CLICKS_PER_WRITE\n");
		return 2;
	}
	feed.is_plain = strcmp(argv[2], "plain") == 0;
	const uint64_t clicks = number(argv[3], 1, 100000000);
	const uint64_t span_us = number(argv[4], 0, 365 * DAY_S) * (uint64_t)US_PER_S;
	const unsigned workers = (unsigned)number(argv[5], 1, WORKERS_MAX);
	const uint64_t per_write = number(argv[6], 1, PER_WRITE_MAX);
	if (!feed_connect(&feed, (unsigned)number(argv[1], 1, 65535)))
		return EXIT_FAILURE;
	for (unsigned i = 0; i < workers; i++)
		bucket_set_init(&feed.workers[i], GRACE_S);
	const int64_t began_us = clock_wall_us();
	for (uint64_t i = 0; i < clicks; i++) {
		click_add(&feed, began_us + (int64_t)(span_us / clicks * i), workers);
		if (((i + 1) % per_write == 0 || i + 1 == clicks) && !write_finish(&feed))
			return EXIT_FAILURE;
	}
	close(feed.fd);
	return EXIT_SUCCESS;
}

static bool feed_connect(struct feed *feed, unsigned port)
{
	const struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	feed->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (feed->fd >= 0 &&
		connect(feed->fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return true;
	perror("click_feed: Redis");
	return false;
}

static void click_add(struct feed *feed, int64_t wall_us, unsigned worker_count)
{
	const uint32_t window_s = windows_s[draw(feed) % WINDOWS];
	struct bucket_set *worker = &feed->workers[draw(feed) % worker_count];
	feed->wall_us = wall_us;
	const struct bucket_now now = {.mono_us = wall_us, .wall_us = wall_us};
	struct bucket_place place;
	if (!bucket_take(worker, window_s, &now, NULL, &place)) {
		const struct click_bucket fresh = {.high = draw(feed) & 0xf, .low = draw(feed)};
		if (!bucket_take(worker, window_s, &now, &fresh, &place))
			abort();
	}
	const struct click_record record = {
		.class = CLICK_CLASS_HUMAN,
		.app = CLICK_APP_WHATSAPP,
		.os = CLICK_OS_ANDROID,
		.link = {.affiliate_id = (uint32_t)(draw(feed) % 35171 + 1),
			.product_id = (uint32_t)(draw(feed) % 6591 + 1)},
		.store_id = (uint32_t)(draw(feed) % 1475 + 1),
		.window_s = window_s,
		.visitor = draw(feed) >> 16,
		.network = (uint32_t)draw(feed),
	};
	uint8_t packed[CLICK_RECORD_BYTES], id[CLICK_ID_BYTES];
	click_record_encode(packed, &record);
	click_id_make(id, wall_us / 1000, &place.id, place.index);
	if (feed->is_plain)
		plain_click(feed, id, packed, window_s);
	else
		bucket_click(feed, &place, packed);
}

static void bucket_click(struct feed *feed, const struct bucket_place *place, const uint8_t *record)
{
	char key[CLICK_KEY_MAX], text[ARG_MAX];
	const unsigned len = click_bucket_key(key, &place->id);
	if (place->is_new) {
		char stream_id[ARG_MAX];
		snprintf(stream_id, sizeof(stream_id), "%lld-*", (long long)feed->wall_us / 1000);
		snprintf(text, sizeof(text), "%lld", (long long)place->expires_at_s);
		command(feed, 10,
			(const struct arg[]){TEXT("XADD"), TEXT(CLICK_BUCKETS_STREAM),
				TEXT("MAXLEN"), TEXT("~"), TEXT("1000000"), TEXT(stream_id),
				TEXT("b"), TEXT(key + len - CLICK_BUCKET_HEX), TEXT("x"),
				TEXT(text)});
		feed->lines_due += 2;
	}
	snprintf(text, sizeof(text), "%u", place->index);
	command(feed, 4,
		(const struct arg[]){TEXT("HSETNX"), TEXT(key), TEXT(text),
			{.data = record, .len = CLICK_RECORD_BYTES}});
	feed->lines_due++;
	for (unsigned i = 0; i < feed->touched_count; i++) {
		const struct click_bucket *id = &feed->touched[i].id;
		if (id->low == place->id.low && id->high == place->id.high)
			return;
	}
	feed->touched[feed->touched_count++] =
		(struct touched){.id = place->id, .expires_at_s = place->expires_at_s};
}

static void plain_click(
	struct feed *feed, const uint8_t *id, const uint8_t *record, uint32_t window_s)
{
	char key[ARG_MAX] = "wasl:c:", ttl[ARG_MAX], stream_id[ARG_MAX];
	click_id_format(key + strlen(key), id);
	snprintf(ttl, sizeof(ttl), "%u", window_s + GRACE_S);
	snprintf(stream_id, sizeof(stream_id), "%lld-*", (long long)click_id_ms(id));
	const struct arg packed = {.data = record, .len = CLICK_RECORD_BYTES};
	command(feed, 5,
		(const struct arg[]){TEXT("SET"), TEXT(key), packed, TEXT("EX"), TEXT(ttl)});
	command(feed, 7,
		(const struct arg[]){TEXT("XADD"), TEXT("wasl:clicks"), TEXT(stream_id), TEXT("i"),
			{.data = id, .len = CLICK_ID_BYTES}, TEXT("r"), packed});
	feed->lines_due += 3;
}

static void command(struct feed *feed, unsigned count, const struct arg *args)
{
	char *out = feed->out;
	size_t len = feed->out_len;
	len += (size_t)snprintf(out + len, sizeof(feed->out) - len, "*%u\r\n", count);
	for (unsigned i = 0; i < count; i++) {
		const size_t size = args[i].len > 0 ? args[i].len : strlen(args[i].data);
		len += (size_t)snprintf(out + len, sizeof(feed->out) - len, "$%zu\r\n", size);
		if (len + size + 2 > sizeof(feed->out))
			abort();
		memcpy(out + len, args[i].data, size);
		memcpy(out + len + size, "\r\n", 2);
		len += size + 2;
	}
	feed->out_len = len;
}

static bool write_finish(struct feed *feed)
{
	for (unsigned i = 0; i < feed->touched_count; i++) {
		char key[CLICK_KEY_MAX], ends[ARG_MAX];
		click_bucket_key(key, &feed->touched[i].id);
		snprintf(ends, sizeof(ends), "%lld", (long long)feed->touched[i].expires_at_s);
		command(feed, 3, (const struct arg[]){TEXT("EXPIREAT"), TEXT(key), TEXT(ends)});
		feed->lines_due++;
	}
	feed->touched_count = 0;
	for (size_t sent = 0; sent < feed->out_len;) {
		const ssize_t part = write(feed->fd, feed->out + sent, feed->out_len - sent);
		if (part <= 0) {
			perror("click_feed: write");
			return false;
		}
		sent += (size_t)part;
	}
	feed->out_len = 0;
	return answers_read(feed);
}

/* Every answer ends a line and none of the awaited ones begins with '-'. */
static bool answers_read(struct feed *feed)
{
	static char answers[ANSWERS_BYTES];
	bool is_line_start = true;
	while (feed->lines_due > 0) {
		const ssize_t len = read(feed->fd, answers, sizeof(answers));
		if (len <= 0) {
			fprintf(stderr, "click_feed: Redis has closed the connection\n");
			return false;
		}
		for (ssize_t i = 0; i < len; i++) {
			if (is_line_start && answers[i] == '-') {
				fprintf(stderr, "click_feed: Redis refuses: %.*s\n", (int)(len - i),
					answers + i);
				return false;
			}
			is_line_start = answers[i] == '\n';
			feed->lines_due -= is_line_start;
		}
	}
	return true;
}

/* splitmix64 */
static uint64_t draw(struct feed *feed)
{
	uint64_t z = feed->random += SEED;
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* From min to max; anything else ends the program. */
static uint64_t number(const char *text, uint64_t min, uint64_t max)
{
	uint64_t value = 0;
	if (!str_parse_u64(str_from(text), max, &value) || value < min) {
		fprintf(stderr, "click_feed: %s is no number from %llu to %llu\n", text,
			(unsigned long long)min, (unsigned long long)max);
		exit(2);
	}
	return value;
}
