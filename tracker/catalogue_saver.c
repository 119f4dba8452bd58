/* SPDX-License-Identifier: Apache-2.0
 * Writes the catalogue's snapshot in a thread of its own, so that the loop goes on while the disk
 * works. */
#include "catalogue_saver.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "log.h"

struct catalogue_saver {
	const char *folder;
	catalogue_saver_fn *fn;
	void *arg;
	struct loop_wake *ended; /* posted by the thread's end */
	bool is_running;         /* from start until the thread is joined */
	bool has_failed;         /* the last save */

	/* The thread's from its start until it is joined. */
	pthread_t thread;
	struct catalogue_view view;
	struct catalogue_mark mark;
	struct err err;
	bool is_saved;
	bool has_ended; /* atomic: joining takes no time */
};

static void *saver_main(void *arg);
static void view_write(struct catalogue_saver *saver);
static void on_ended(void *arg);
static void save_finish(struct catalogue_saver *saver);

struct catalogue_saver *catalogue_saver_new(
	struct loop *loop, const char *folder, catalogue_saver_fn *fn, void *arg, struct err *err)
{
	struct catalogue_saver *saver = calloc(1, sizeof(*saver));
	if (!saver) {
		err_set(err, ERR_SYSTEM, ENOMEM, "the saver");
		return NULL;
	}
	saver->folder = folder;
	saver->fn = fn;
	saver->arg = arg;
	saver->ended = loop_wake_new(loop, on_ended, saver, err);
	if (!saver->ended) {
		free(saver);
		return NULL;
	}
	return saver;
}

bool catalogue_saver_start(struct catalogue_saver *saver, const struct catalogue_view *view,
	const struct catalogue_mark *mark)
{
	if (saver->is_running)
		return false;
	saver->view = *view;
	saver->mark = *mark;
	saver->err = (struct err){0};
	saver->is_saved = false;
	__atomic_store_n(&saver->has_ended, false, __ATOMIC_RELAXED);
	/* Signals are the main thread's. */
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	saver->is_running = pthread_create(&saver->thread, NULL, saver_main, saver) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!saver->is_running) {
		view_write(saver);
		save_finish(saver);
	}
	return true;
}

uint64_t catalogue_saver_generation(const struct catalogue_saver *saver)
{
	return saver->is_running ? saver->view.generation : UINT64_MAX;
}

void catalogue_saver_wait(struct catalogue_saver *saver)
{
	if (!saver->is_running)
		return;
	pthread_join(saver->thread, NULL);
	saver->is_running = false;
	save_finish(saver);
}

void catalogue_saver_free(struct catalogue_saver *saver)
{
	if (!saver)
		return;
	if (saver->is_running)
		pthread_join(saver->thread, NULL);
	loop_wake_free(saver->ended);
	free(saver);
}

static void *saver_main(void *arg)
{
	struct catalogue_saver *saver = arg;
	view_write(saver);
	__atomic_store_n(&saver->has_ended, true, __ATOMIC_RELEASE);
	loop_wake_post(saver->ended);
	return NULL;
}

static void view_write(struct catalogue_saver *saver)
{
	saver->is_saved =
		catalogue_snapshot_write(saver->folder, &saver->view, &saver->mark, &saver->err);
}

/* May come late, from a save that was waited for, while the next one runs. */
static void on_ended(void *arg)
{
	struct catalogue_saver *saver = arg;
	if (__atomic_load_n(&saver->has_ended, __ATOMIC_ACQUIRE))
		catalogue_saver_wait(saver);
}

static void save_finish(struct catalogue_saver *saver)
{
	if (!saver->is_saved && !saver->has_failed)
		log_error("snapshot_failed", LOG_TEXT("why", saver->err.msg));
	saver->has_failed = !saver->is_saved;
	saver->fn(saver->is_saved, saver->view.generation, saver->arg);
}
