/* SPDX-License-Identifier: Apache-2.0
 * Writes one group of records, in the caller's thread or, where fdatasync would hold its loop up,
 * in a thread of its own. */
#ifndef WASL_SPOOL_WRITER_H
#define WASL_SPOOL_WRITER_H

#include "err.h"
#include "loop.h"
#include "spool_io.h"

struct spool_job {
	const struct spool_io *io;
	int fd;
	off_t at;
	const char *bytes; /* the caller's, until the job is done */
	size_t len;
	bool has_sync;
	const char *sync_dir; /* NULL: the directory is synced already */

	int sys;       /* 0, or errno of what failed */
	bool was_sync; /* it was fdatasync that failed */
};
/* Blocks as long as the disk does. */
void spool_job_run(struct spool_job *job);

struct spool_writer;
/* Its thread begins with the first job. fn is called on the loop's thread when a job is done. */
struct spool_writer *spool_writer_new(struct loop *loop, loop_fn *fn, void *arg, struct err *err);
/* One at a time; job is the caller's and must stay. Without a thread (the system has none left) it
 * is run here and now; fn follows from the loop all the same. */
void spool_writer_start(struct spool_writer *writer, struct spool_job *job);
/* Waits until the job, if there is one, is done; fn is not called for it any more. */
void spool_writer_wait(struct spool_writer *writer);
/* Waits, too. */
void spool_writer_free(struct spool_writer *writer);

#endif
