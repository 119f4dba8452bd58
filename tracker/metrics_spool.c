/* SPDX-License-Identifier: Apache-2.0
 * The part of /metrics that is about clicks on their way back to Redis. */
#include "metrics_spool.h"

#include "clock.h"
#include "stats.h"

static void plain_write(
	struct buf *out, const char *name, enum stats_type type, const char *help, uint64_t value);

void metrics_spool_sum(struct spool_counts *into, const struct spool_counts *from)
{
	const uint64_t oldest_us = stats_get(&from->oldest_us);
	if (oldest_us > 0 && (into->oldest_us == 0 || oldest_us < into->oldest_us))
		into->oldest_us = oldest_us;
	into->records += stats_get(&from->records);
	into->bytes += stats_get(&from->bytes);
	into->added += stats_get(&from->added);
	into->replayed += stats_get(&from->replayed);
	into->set_aside += stats_get(&from->set_aside);
	into->tails_cut += stats_get(&from->tails_cut);
	into->refused_full += stats_get(&from->refused_full);
	into->refused_failed += stats_get(&from->refused_failed);
}

void metrics_spool_write(
	const struct spool_counts *spool, const struct refill_counts *refill, struct buf *out)
{
	const char *const refused = "wasl_spool_refused_total";
	const struct stats_label full = {"reason", "full"}, failing = {"reason", "failing"};
	const int64_t age_us =
		spool->oldest_us > 0 ? clock_wall_us() - (int64_t)spool->oldest_us : 0;
	plain_write(out, "wasl_spool_records", STATS_GAUGE,
		"Clicks on disk that Redis does not have for sure.", spool->records);
	plain_write(out, "wasl_spool_bytes", STATS_GAUGE, "Bytes of their segments.", spool->bytes);
	stats_family(out, "wasl_spool_oldest_seconds", STATS_GAUGE, "Age of the oldest of them.");
	stats_sample_seconds(out, "wasl_spool_oldest_seconds", NULL, 0, age_us > 0 ? age_us : 0);
	plain_write(out, "wasl_spool_added_total", STATS_COUNTER, "Clicks spooled.", spool->added);
	plain_write(out, "wasl_spool_replayed_total", STATS_COUNTER,
		"Spooled clicks that Redis has taken since.", spool->replayed);
	plain_write(out, "wasl_spool_expired_total", STATS_COUNTER,
		"Of these, clicks whose time in Redis was over: not sent.", refill->expired);
	plain_write(out, "wasl_spool_set_aside_total", STATS_COUNTER,
		"Damaged places of the spool; their segments are kept as .bad.", spool->set_aside);
	plain_write(out, "wasl_spool_tails_cut_total", STATS_COUNTER,
		"Torn ends of segments whose writer died.", spool->tails_cut);
	stats_family(out, refused, STATS_COUNTER, "Clicks that the spool did not take, by reason.");
	stats_sample(out, refused, &full, 1, spool->refused_full);
	stats_sample(out, refused, &failing, 1, spool->refused_failed);
	plain_write(out, "wasl_redis_resent_total", STATS_COUNTER,
		"Clicks sent again because Redis came back as another.", refill->resent);
	plain_write(out, "wasl_redis_unkept_total", STATS_COUNTER,
		"Acknowledged clicks that memory had no room for.", refill->cut);
}

static void plain_write(
	struct buf *out, const char *name, enum stats_type type, const char *help, uint64_t value)
{
	stats_family(out, name, type, help);
	stats_sample(out, name, NULL, 0, value);
}
