/* SPDX-License-Identifier: Apache-2.0
 * What /metrics says about the connections of a public listener. */
#include "conn.h"
#include "stats.h"

static void write_plain(
	struct buf *out, const char *name, enum stats_type type, const char *help, uint64_t value);

void conn_counts_write(const struct conn_counts *counts, struct buf *out)
{
	static const char refused[] = "wasl_connections_refused_total";
	static const struct stats_label total = {"cause", "total"}, address = {"cause", "address"};
	write_plain(out, "wasl_connections", STATS_GAUGE,
		"Open connections of the public listener.", stats_get(&counts->open));
	write_plain(out, "wasl_connections_accepted_total", STATS_COUNTER, "Connections accepted.",
		stats_get(&counts->accepted));
	stats_family(out, refused, STATS_COUNTER,
		"Connections closed at once: too many in total, or of one address.");
	stats_sample(out, refused, &total, 1, stats_get(&counts->refused_cap));
	stats_sample(out, refused, &address, 1, stats_get(&counts->refused_address));
	write_plain(out, "wasl_accept_failures_total", STATS_COUNTER,
		"Failures to accept, such as no free descriptors.",
		stats_get(&counts->accept_failures));
	write_plain(out, "wasl_bad_requests_total", STATS_COUNTER,
		"Requests refused before any route.", stats_get(&counts->bad_requests));
	write_plain(out, "wasl_connection_timeouts_total", STATS_COUNTER,
		"Connections that missed a deadline.", stats_get(&counts->timeouts));
	write_plain(out, "wasl_connection_resets_total", STATS_COUNTER,
		"Connections lost in the middle of something.", stats_get(&counts->resets));
}

static void write_plain(
	struct buf *out, const char *name, enum stats_type type, const char *help, uint64_t value)
{
	stats_family(out, name, type, help);
	stats_sample(out, name, NULL, 0, value);
}
