/* SPDX-License-Identifier: Apache-2.0
 * Encoded on the loop, written in a short-lived thread: nobody waits for the disk. */
#include "stores_snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf.h"
#include "file.h"
#include "log.h"
#include "stores_parts.h"

#define MAGIC        "WASLSTO1"
#define MAGIC_BYTES  8
#define DIGEST_BYTES 32
#define NAME         "/stores.snapshot"
#define PATH_BYTES   (CONF_TEXT_MAX + sizeof(NAME ".tmp"))

struct stores_snapshot {
	struct stores *stores;
	const char *folder;
	char path[PATH_BYTES], temporary[PATH_BYTES];
	struct loop_timer *timer;
	struct loop_wake *ended;      /* posted by the thread's end */
	uint8_t digest[DIGEST_BYTES]; /* of what was last written, or read */
	bool is_running;              /* from the thread's start until it is joined */
	bool has_failed;              /* the last writing */

	/* The thread's while it runs. */
	pthread_t thread;
	struct buf bytes;
	struct err err;
	bool is_written, has_ended; /* has_ended is atomic */
};

static void load(struct stores_snapshot *snapshot);
static bool file_load(const char *path, struct buf *bytes, struct err *err);
static void on_change(void *arg);
static void on_timer(void *arg);
static void *thread_main(void *arg);
static bool write_whole(struct stores_snapshot *snapshot);
static void on_ended(void *arg);
static void finish(struct stores_snapshot *snapshot);
static void put(struct buf *out, uint64_t value, unsigned bytes);
static void put_row(struct buf *out, const struct stores_entry *entry);
static bool take_row(struct str *rest, struct stores_entry *entry);
static bool take_terms(struct str *rest, struct store_terms *terms);
static bool take_number(struct str *rest, unsigned bytes, uint64_t *value);
static bool take_bytes(struct str *rest, void *out, size_t len);

void stores_snapshot_encode(const struct stores *stores, struct buf *out)
{
	uint8_t digest[DIGEST_BYTES];
	const struct stores_entry *entry;
	unsigned at = 0;
	buf_add(out, MAGIC, MAGIC_BYTES);
	put(out, stores_count(stores), 4);
	while ((entry = stores_next(stores, &at)) != NULL)
		put_row(out, entry);
	if (!out->has_failed && seal_sha256(buf_str(out), digest))
		buf_add(out, digest, sizeof(digest));
	else
		out->has_failed = true;
}

bool stores_snapshot_decode(struct str raw, struct stores *stores, struct err *err)
{
	uint8_t digest[DIGEST_BYTES];
	uint64_t count = 0;
	if (raw.len < MAGIC_BYTES + 4 + DIGEST_BYTES || memcmp(raw.data, MAGIC, MAGIC_BYTES) != 0)
		return err_set(err, ERR_FORMAT, 0, "not a snapshot of stores");
	const struct str content = {raw.data, raw.len - DIGEST_BYTES};
	if (!seal_sha256(content, digest) ||
		memcmp(digest, raw.data + content.len, DIGEST_BYTES) != 0)
		return err_set(err, ERR_FORMAT, 0, "the checksum is wrong");
	struct str rest = {content.data + MAGIC_BYTES, content.len - MAGIC_BYTES};
	struct stores_entry entry;
	take_number(&rest, 4, &count);
	for (struct str look = rest; look.len > 0; count--) /* all of it, before any is taken */
		if (count == 0 || !take_row(&look, &entry))
			return err_set(err, ERR_FORMAT, 0, "a row is malformed");
	if (count != 0)
		return err_set(err, ERR_FORMAT, 0, "rows are missing");
	while (take_row(&rest, &entry))
		stores_put(stores, &entry);
	stores_set_loaded(stores);
	return true;
}

struct stores_snapshot *stores_snapshot_new(
	struct loop *loop, const char *folder, struct stores *stores, struct err *err)
{
	struct stores_snapshot *const snapshot = calloc(1, sizeof(*snapshot));
	if (snapshot == NULL) {
		err_set(err, ERR_LIMIT, 0, "no memory for the snapshot of stores");
		return NULL;
	}
	snapshot->stores = stores;
	snapshot->folder = folder;
	snprintf(snapshot->path, PATH_BYTES, "%s" NAME, folder);
	snprintf(snapshot->temporary, PATH_BYTES, "%s" NAME ".tmp", folder);
	buf_init(&snapshot->bytes, STORES_SNAPSHOT_MAX);
	snapshot->timer = loop_timer_new(loop, on_timer, snapshot);
	snapshot->ended = loop_wake_new(loop, on_ended, snapshot, err);
	if (snapshot->timer == NULL || snapshot->ended == NULL) {
		err_set(err, ERR_LIMIT, 0, "no memory for the snapshot of stores");
		stores_snapshot_free(snapshot);
		return NULL;
	}
	load(snapshot);
	stores_on_change(stores, on_change, snapshot);
	return snapshot;
}

void stores_snapshot_free(struct stores_snapshot *snapshot)
{
	if (snapshot == NULL)
		return;
	stores_on_change(snapshot->stores, NULL, NULL);
	if (snapshot->is_running)
		pthread_join(snapshot->thread, NULL);
	if (snapshot->ended != NULL)
		loop_wake_free(snapshot->ended);
	if (snapshot->timer != NULL)
		loop_timer_free(snapshot->timer);
	buf_release(&snapshot->bytes);
	free(snapshot);
}

static void load(struct stores_snapshot *snapshot)
{
	struct buf *const bytes = &snapshot->bytes;
	struct err err = {0};
	const bool is_there = file_load(snapshot->path, bytes, &err);
	if (is_there && stores_snapshot_decode(buf_str(bytes), snapshot->stores, &err)) {
		memcpy(snapshot->digest, bytes->data + bytes->len - DIGEST_BYTES, DIGEST_BYTES);
		log_info("stores_snapshot_read", LOG_NUM("count", stores_count(snapshot->stores)));
	} else if (is_there || err.sys != ENOENT) {
		log_error("stores_snapshot_refused", LOG_TEXT("reason", err.msg));
	}
	buf_release(bytes);
}

static bool file_load(const char *path, struct buf *bytes, struct err *err)
{
	struct stat status;
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return err_set(err, ERR_SYSTEM, errno, "%s", path);
	bool is_read = false;
	if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) ||
		status.st_size > (off_t)STORES_SNAPSHOT_MAX) {
		err_set(err, ERR_FORMAT, 0, "%s: not a snapshot of stores", path);
	} else {
		size_t len = (size_t)status.st_size;
		char *const text = malloc(len + 1);
		is_read = text != NULL && file_read(fd, text, &len);
		if (is_read)
			buf_add(bytes, text, len);
		else
			err_set(err, ERR_SYSTEM, text != NULL ? errno : ENOMEM, "%s", path);
		free(text);
	}
	close(fd);
	return is_read && !bytes->has_failed;
}

static void on_change(void *arg)
{
	struct stores_snapshot *const snapshot = arg;
	if (!loop_timer_is_set(snapshot->timer))
		loop_timer_set(snapshot->timer, STORES_SNAPSHOT_DELAY_US);
}

/* Rows are read again far oftener than they change. */
static void on_timer(void *arg)
{
	struct stores_snapshot *const snapshot = arg;
	struct buf *const bytes = &snapshot->bytes;
	if (snapshot->is_running) {
		loop_timer_set(snapshot->timer, STORES_SNAPSHOT_DELAY_US);
		return;
	}
	stores_snapshot_encode(snapshot->stores, bytes);
	const uint8_t *const digest =
		bytes->has_failed ? NULL : (const uint8_t *)bytes->data + bytes->len - DIGEST_BYTES;
	if (digest == NULL ||
		(!snapshot->has_failed && memcmp(digest, snapshot->digest, DIGEST_BYTES) == 0)) {
		buf_release(bytes);
		return;
	}
	memcpy(snapshot->digest, digest, DIGEST_BYTES);
	__atomic_store_n(&snapshot->has_ended, false, __ATOMIC_RELAXED);
	sigset_t all, before; /* signals are the main thread's */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	snapshot->is_running = pthread_create(&snapshot->thread, NULL, thread_main, snapshot) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!snapshot->is_running) {
		snapshot->is_written = write_whole(snapshot);
		finish(snapshot);
	}
}

static void *thread_main(void *arg)
{
	struct stores_snapshot *const snapshot = arg;
	snapshot->is_written = write_whole(snapshot);
	__atomic_store_n(&snapshot->has_ended, true, __ATOMIC_RELEASE);
	loop_wake_post(snapshot->ended);
	return NULL;
}

static bool write_whole(struct stores_snapshot *snapshot)
{
	const char *const temporary = snapshot->temporary;
	const int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_set(&snapshot->err, ERR_SYSTEM, errno, "%s", temporary);
	const bool is_written =
		file_write(fd, snapshot->bytes.data, snapshot->bytes.len) && fsync(fd) == 0;
	const int sys = errno;
	close(fd);
	if (!is_written) {
		unlink(temporary);
		return err_set(&snapshot->err, ERR_SYSTEM, sys, "%s", temporary);
	}
	const int dir = open(snapshot->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const bool is_there = rename(temporary, snapshot->path) == 0 && dir >= 0 && fsync(dir) == 0;
	if (!is_there)
		err_set(&snapshot->err, ERR_SYSTEM, errno, "%s", snapshot->path);
	if (dir >= 0)
		close(dir);
	return is_there;
}

static void on_ended(void *arg)
{
	struct stores_snapshot *const snapshot = arg;
	if (!snapshot->is_running || !__atomic_load_n(&snapshot->has_ended, __ATOMIC_ACQUIRE))
		return;
	pthread_join(snapshot->thread, NULL);
	snapshot->is_running = false;
	finish(snapshot);
}

static void finish(struct stores_snapshot *snapshot)
{
	if (!snapshot->is_written && !snapshot->has_failed)
		log_error("stores_snapshot_failed", LOG_TEXT("reason", snapshot->err.msg));
	snapshot->has_failed = !snapshot->is_written;
	if (snapshot->has_failed)
		loop_timer_set(snapshot->timer, STORES_SNAPSHOT_RETRY_US);
	buf_release(&snapshot->bytes);
}

static void put(struct buf *out, uint64_t value, unsigned bytes)
{
	while (bytes-- > 0) {
		const uint8_t byte = (uint8_t)(value >> (8 * bytes));
		buf_add(out, &byte, 1);
	}
}

static void put_row(struct buf *out, const struct stores_entry *entry)
{
	const struct store *const store = &entry->store;
	put(out, store->store_id, 4);
	put(out, store->version, 8);
	buf_add(out, store->currency, sizeof(store->currency));
	put(out, (uint32_t)store->tax_bp, 4);
	put(out, (unsigned)store->terms.model, 1);
	put(out, (unsigned)store->terms.precedence, 1);
	put(out, (unsigned)store->terms.self_referral, 1);
	put(out, store->terms.collects_on_delivery ? 1 : 0, 1);
	put(out, (uint32_t)store->terms.return_days, 4);
	for (unsigned i = 0; i < VERIFY_SECRETS_MAX; i++) {
		put(out, entry->sealed_len[i], 1);
		buf_add(out, entry->sealed[i], entry->sealed_len[i]);
	}
}

static bool take_row(struct str *rest, struct stores_entry *entry)
{
	uint64_t store_id = 0, tax = 0, len = 0;
	*entry = (struct stores_entry){0};
	struct store *const store = &entry->store;
	if (!take_number(rest, 4, &store_id) || store_id == 0 ||
		!take_number(rest, 8, &store->version) ||
		!take_bytes(rest, store->currency, sizeof(store->currency)) ||
		store->currency[sizeof(store->currency) - 1] != '\0' ||
		!take_number(rest, 4, &tax) || !take_terms(rest, &store->terms))
		return false;
	store->store_id = (uint32_t)store_id;
	store->tax_bp = (int32_t)(uint32_t)tax;
	for (unsigned i = 0; i < VERIFY_SECRETS_MAX; i++) {
		if (!take_number(rest, 1, &len) || len > STORES_SEALED_MAX ||
			!take_bytes(rest, entry->sealed[i], (size_t)len))
			return false;
		entry->sealed_len[i] = (uint8_t)len;
	}
	return true;
}

static bool take_terms(struct str *rest, struct store_terms *terms)
{
	uint64_t model = 0, precedence = 0, self_referral = 0, collects = 0, days = 0;
	if (!take_number(rest, 1, &model) || model > MATCH_LINEAR ||
		!take_number(rest, 1, &precedence) || precedence > 1 ||
		!take_number(rest, 1, &self_referral) || self_referral > 2 ||
		!take_number(rest, 1, &collects) || collects > 1 || !take_number(rest, 4, &days))
		return false;
	*terms = (struct store_terms){.model = (enum match_model)model,
		.precedence = (enum match_precedence)precedence,
		.self_referral = (enum self_referral)self_referral,
		.collects_on_delivery = collects == 1,
		.return_days = (int32_t)(uint32_t)days};
	return true;
}

static bool take_number(struct str *rest, unsigned bytes, uint64_t *value)
{
	uint8_t raw[8];
	if (!take_bytes(rest, raw, bytes))
		return false;
	*value = 0;
	for (unsigned i = 0; i < bytes; i++)
		*value = *value << 8 | raw[i];
	return true;
}

static bool take_bytes(struct str *rest, void *out, size_t len)
{
	if (rest->len < len)
		return false;
	if (len > 0)
		memcpy(out, rest->data, len);
	*rest = (struct str){rest->data + len, rest->len - len};
	return true;
}
