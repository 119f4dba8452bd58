/* SPDX-License-Identifier: Apache-2.0
 * Writes one group of records, in the caller's thread or in one of its own. */
#include "spool_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

struct spool_writer {
	loop_fn *fn;
	void *arg;
	struct loop_wake *done;
	pthread_t thread;
	bool has_thread;
	bool is_under_way; /* the loop's: a job whose end it has not been told */

	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct spool_job *job; /* NULL: none to do */
	bool has_end;
};

static bool thread_start(struct spool_writer *writer);
static void *writer_main(void *arg);
static void on_done(void *arg);

void spool_job_run(struct spool_job *job)
{
	job->was_sync = false;
	job->sys = spool_io_write(job->io, job->fd, job->bytes, job->len, job->at);
	if (job->sys != 0 || !job->has_sync)
		return;
	if (job->io->fdatasync(job->fd) != 0) {
		job->sys = errno;
		job->was_sync = true;
		return;
	}
	if (!job->sync_dir)
		return;
	const int fd = job->io->open(job->sync_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (fd < 0 || job->io->fdatasync(fd) != 0) {
		job->sys = errno;
		job->was_sync = true;
	}
	if (fd >= 0)
		close(fd);
}

struct spool_writer *spool_writer_new(struct loop *loop, loop_fn *fn, void *arg, struct err *err)
{
	struct spool_writer *writer = calloc(1, sizeof(*writer));
	if (!writer) {
		err_set(err, ERR_SYSTEM, ENOMEM, "the spool's writer");
		return NULL;
	}
	writer->fn = fn;
	writer->arg = arg;
	writer->done = loop_wake_new(loop, on_done, writer, err);
	if (!writer->done) {
		free(writer);
		return NULL;
	}
	pthread_mutex_init(&writer->lock, NULL);
	pthread_cond_init(&writer->changed, NULL);
	return writer;
}

void spool_writer_start(struct spool_writer *writer, struct spool_job *job)
{
	writer->is_under_way = true;
	if (!writer->has_thread && !thread_start(writer)) {
		spool_job_run(job);
		loop_wake_post(writer->done);
		return;
	}
	pthread_mutex_lock(&writer->lock);
	writer->job = job;
	pthread_cond_broadcast(&writer->changed);
	pthread_mutex_unlock(&writer->lock);
}

void spool_writer_wait(struct spool_writer *writer)
{
	pthread_mutex_lock(&writer->lock);
	while (writer->job)
		pthread_cond_wait(&writer->changed, &writer->lock);
	pthread_mutex_unlock(&writer->lock);
	writer->is_under_way = false;
}

void spool_writer_free(struct spool_writer *writer)
{
	if (!writer)
		return;
	spool_writer_wait(writer);
	if (writer->has_thread) {
		pthread_mutex_lock(&writer->lock);
		writer->has_end = true;
		pthread_cond_broadcast(&writer->changed);
		pthread_mutex_unlock(&writer->lock);
		pthread_join(writer->thread, NULL);
	}
	pthread_cond_destroy(&writer->changed);
	pthread_mutex_destroy(&writer->lock);
	loop_wake_free(writer->done);
	free(writer);
}

/* Signals are the main thread's. */
static bool thread_start(struct spool_writer *writer)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	writer->has_thread = pthread_create(&writer->thread, NULL, writer_main, writer) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return writer->has_thread;
}

static void *writer_main(void *arg)
{
	struct spool_writer *writer = arg;
	pthread_mutex_lock(&writer->lock);
	for (;;) {
		while (!writer->job && !writer->has_end)
			pthread_cond_wait(&writer->changed, &writer->lock);
		if (!writer->job)
			break;
		struct spool_job *const job = writer->job;
		pthread_mutex_unlock(&writer->lock);
		spool_job_run(job);
		pthread_mutex_lock(&writer->lock);
		writer->job = NULL;
		pthread_cond_broadcast(&writer->changed);
		loop_wake_post(writer->done);
	}
	pthread_mutex_unlock(&writer->lock);
	return NULL;
}

/* A wake-up may come late, for a job that was waited for, while the next one runs. */
static void on_done(void *arg)
{
	struct spool_writer *writer = arg;
	pthread_mutex_lock(&writer->lock);
	const bool is_done = !writer->job;
	pthread_mutex_unlock(&writer->lock);
	if (!is_done || !writer->is_under_way)
		return;
	writer->is_under_way = false;
	writer->fn(writer->arg);
}
