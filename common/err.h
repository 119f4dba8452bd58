/* SPDX-License-Identifier: Apache-2.0
 * Why something outside of us failed, in one line that an operator can act on. */
#ifndef WASL_ERR_H
#define WASL_ERR_H

#include <stdbool.h>

#define ERR_MSG_MAX  160
#define ERR_PATH_MAX 80 /* what a message shows of a path */

enum err_kind {
	ERR_NONE = 0,
	ERR_USAGE,   /* a flag, variable or file says what it must not: exit 2 */
	ERR_SYSTEM,  /* a system call failed; sys is errno */
	ERR_FORMAT,  /* bytes from outside are not what their format says */
	ERR_LIMIT,   /* a named limit was reached */
	ERR_REFUSED, /* the other side said no */
};

/* Owned by the caller; the first failure is kept by whoever reports, nothing is logged in the leaf.
 */
struct err {
	enum err_kind kind;
	int sys;
	char msg[ERR_MSG_MAX];
};

/* Fills err (which may be NULL) with a printf-like message, cut at ERR_MSG_MAX - 1 bytes; a sys
 * other than 0 appends ": " and its strerror. Returns false, so that a refusal is one line. */
bool err_set(struct err *err, enum err_kind kind, int sys, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* The path as a message shows it: whole, or "..." and its end when it is too long, so that what is
 * said about it still fits. Returns out. */
const char *err_path(char out[ERR_PATH_MAX], const char *path);

#endif
