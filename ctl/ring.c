/* SPDX-License-Identifier: Apache-2.0
 * The keyring file under a lock on its folder, and webhook secrets sealed by it. */
#include "ring.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "clock.h"
#include "timestamp.h"

#define LOCK_WAIT_US  (10 * US_PER_S)
#define LOCK_RETRY_US 20000
#define CONTEXT_MAX   32 /* "store 4294967295" */
#define SECRET_PREFIX "whsec_"

static bool lock_folder(struct ring *ring, int how, struct err *err);
static struct str context_of(char out[CONTEXT_MAX], const char *store_id);

bool ring_open(struct call *call, struct ring *ring, enum ring_use use, enum call_exit *code)
{
	struct err err = {0};
	*ring = (struct ring){.lock_fd = -1, .keyring.active = -1};
	entropy_init(&ring->entropy);
	*code = CALL_USAGE;
	ring->path = call_need(call, GLOBAL_KEYRING);
	if (ring->path == NULL)
		return false;
	bool is_ok =
		use == RING_READ || lock_folder(ring, use == RING_CHANGE ? LOCK_EX : LOCK_SH, &err);
	bool is_new = use == RING_CHANGE && access(ring->path, F_OK) != 0 && errno == ENOENT;
	if (is_ok && !is_new)
		is_ok = keyring_load(&ring->keyring, ring->path, &err);
	if (is_ok)
		return true;
	call_fail_err(call, &err);
	*code = CALL_FAILED;
	ring_close(ring);
	return false;
}

bool ring_is_empty(const struct ring *ring)
{
	return ring->keyring.active < 0;
}

void ring_close(struct ring *ring)
{
	keyring_release(&ring->keyring);
	if (ring->lock_fd >= 0)
		close(ring->lock_fd);
	ring->lock_fd = -1;
}

bool ring_make_secret(struct ring *ring, const char *store_id, char text[SECRET_TEXT_MAX],
	char sealed_hex[SECRET_SEALED_HEX], struct err *err)
{
	uint8_t secret[SECRET_BYTES];
	const size_t prefix_len = sizeof(SECRET_PREFIX) - 1;
	if (!entropy_draw(&ring->entropy, secret, sizeof(secret)))
		return err_set(err, ERR_SYSTEM, 0, "the kernel has no random bytes");
	memcpy(text, SECRET_PREFIX, prefix_len);
	text[prefix_len + base64_encode(text + prefix_len, secret, sizeof(secret))] = '\0';
	bool is_ok = ring_seal_secret(ring, store_id, secret, sealed_hex, err);
	explicit_bzero(secret, sizeof(secret));
	return is_ok;
}

bool ring_open_secret(const struct ring *ring, const char *store_id, const char *sealed_hex,
	uint8_t secret[SECRET_BYTES], struct err *err)
{
	uint8_t sealed[SECRET_BYTES + SEAL_OVERHEAD];
	char context[CONTEXT_MAX];
	size_t len = 0;
	struct str hex = str_from(sealed_hex);
	if (!str_has_prefix(hex, STR("\\x")) ||
		!hex_decode((struct str){hex.data + 2, hex.len - 2}, sealed, sizeof(sealed)))
		return err_set(
			err, ERR_FORMAT, 0, "store %s: its sealed secret is malformed", store_id);
	struct str raw = {.data = (const char *)sealed, .len = sizeof(sealed)};
	return seal_decrypt(
		&ring->keyring, SEAL_SECRET, context_of(context, store_id), raw, secret, &len, err);
}

bool ring_seal_secret(struct ring *ring, const char *store_id, const uint8_t secret[SECRET_BYTES],
	char sealed_hex[SECRET_SEALED_HEX], struct err *err)
{
	uint8_t sealed[SECRET_BYTES + SEAL_OVERHEAD];
	char context[CONTEXT_MAX];
	struct str plain = {.data = (const char *)secret, .len = SECRET_BYTES};
	if (!seal_encrypt(&ring->keyring, SEAL_SECRET, &ring->entropy,
		    context_of(context, store_id), plain, sealed, err))
		return false;
	memcpy(sealed_hex, "\\x", 2);
	hex_encode(sealed_hex + 2, sealed, sizeof(sealed));
	sealed_hex[SECRET_SEALED_HEX - 1] = '\0';
	return true;
}

/* The folder, not the file: the file is replaced whole, and a lock on it would stay with the old
 * one. */
static bool lock_folder(struct ring *ring, int how, struct err *err)
{
	char folder[PATH_MAX];
	const char *slash = strrchr(ring->path, '/');
	size_t len = slash ? (size_t)(slash - ring->path) : 0;
	if (len >= sizeof(folder))
		return err_set(err, ERR_SYSTEM, ENAMETOOLONG, "keyring");
	memcpy(folder, ring->path, len);
	snprintf(folder + len, sizeof(folder) - len, "%s",
		slash == ring->path ? "/"
		: slash             ? ""
				    : ".");
	ring->lock_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (ring->lock_fd < 0)
		return err_set(err, ERR_SYSTEM, errno, "keyring's folder");
	const int64_t deadline_us = clock_mono_us() + LOCK_WAIT_US;
	while (flock(ring->lock_fd, how | LOCK_NB) != 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return err_set(err, ERR_SYSTEM, errno, "keyring's folder: lock");
		if (clock_mono_us() > deadline_us)
			return err_set(err, ERR_REFUSED, 0, "another command holds the keyring");
		usleep(LOCK_RETRY_US);
	}
	return true;
}

static struct str context_of(char out[CONTEXT_MAX], const char *store_id)
{
	int len = snprintf(out, CONTEXT_MAX, "store %s", store_id);
	return (struct str){.data = out, .len = (size_t)len};
}
