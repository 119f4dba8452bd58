/* SPDX-License-Identifier: Apache-2.0
 * Fills the one-line reasons of failures. */
#include "err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ERR_PATH_DOTS "..."

bool err_set(struct err *err, enum err_kind kind, int sys, const char *format, ...)
{
	if (err == NULL)
		return false;
	/* Built aside, so that a caller may quote err->msg itself. */
	char msg[ERR_MSG_MAX];
	va_list args;
	va_start(args, format);
	const int wanted = vsnprintf(msg, sizeof(msg), format, args);
	va_end(args);
	size_t len = wanted < 0 ? 0 : (size_t)wanted;
	if (len >= sizeof(msg))
		len = sizeof(msg) - 1;
	if (sys != 0) {
		char reason[ERR_MSG_MAX];
		snprintf(msg + len, sizeof(msg) - len, ": %s",
			strerror_r(sys, reason, sizeof(reason)));
	}
	memcpy(err->msg, msg, sizeof(msg));
	err->msg[ERR_MSG_MAX - 1] = '\0';
	err->kind = kind;
	err->sys = sys;
	return false;
}

const char *err_path(char out[ERR_PATH_MAX], const char *path)
{
	const size_t len = strlen(path);
	if (len < ERR_PATH_MAX)
		snprintf(out, ERR_PATH_MAX, "%s", path);
	else
		snprintf(out, ERR_PATH_MAX, ERR_PATH_DOTS "%s",
			path + len - (ERR_PATH_MAX - sizeof(ERR_PATH_DOTS)));
	return out;
}
