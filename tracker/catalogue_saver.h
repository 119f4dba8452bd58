/* SPDX-License-Identifier: Apache-2.0
 * Writes the catalogue's snapshot in a thread of its own, so that the loop goes on while the disk
 * works.
 *
 * One save at a time, each a short-lived thread with all signals blocked. It reads the view's nodes
 * without a lock, so the view is in use until the save ends: catalogue_saver_generation must count
 * among the readers of whoever reclaims or frees. Every function belongs to the loop's thread. */
#ifndef WASL_TRACKER_CATALOGUE_SAVER_H
#define WASL_TRACKER_CATALOGUE_SAVER_H

#include <stdbool.h>
#include <stdint.h>

#include "catalogue.h"
#include "catalogue_snapshot.h"
#include "err.h"
#include "loop.h"

struct catalogue_saver;

/* A save has ended; generation is that of the view that was handed over. Called on the loop's
 * thread, after the view's last use. */
typedef void catalogue_saver_fn(bool is_saved, uint64_t generation, void *arg);

/* folder stays the caller's and must live as long. NULL with err when memory or descriptors fail.
 */
struct catalogue_saver *catalogue_saver_new(
	struct loop *loop, const char *folder, catalogue_saver_fn *fn, void *arg, struct err *err);
/* Begins to save a copy of view and mark. If no thread can be started, it saves here and now, and
 * fn is called before this returns. False while another save runs: nothing is taken over. The first
 * failure after a success is logged (ev=snapshot_failed). */
bool catalogue_saver_start(struct catalogue_saver *saver, const struct catalogue_view *view,
	const struct catalogue_mark *mark);
/* The generation that the running save reads; UINT64_MAX: none runs. */
uint64_t catalogue_saver_generation(const struct catalogue_saver *saver);
/* Ends the running save, if there is one, calling fn. Takes as long as the disk: for the end of the
 * process. */
void catalogue_saver_wait(struct catalogue_saver *saver);
/* Waits too, but calls nobody. */
void catalogue_saver_free(struct catalogue_saver *saver);

#endif
