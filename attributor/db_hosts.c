/* SPDX-License-Identifier: Apache-2.0
 * Of a database URL with several hosts, another one comes first at each attempt. libpq alone would
 * wait at the first for ever if that machine is gone, as it does not time out by itself here. */
#include "db_parts.h"

#include <string.h>

static unsigned list_count(const char *list);
static bool list_rotate(char out[DB_HOSTS_TEXT_MAX], const char *list, unsigned first);
static const char *option(const PQconninfoOption *options, const char *keyword);

unsigned db_hosts_rotate(const char *url, unsigned attempt, struct db_hosts *hosts)
{
	PQconninfoOption *const options = PQconninfoParse(url, NULL);
	unsigned found = 0;
	if (options == NULL)
		return 0;
	const char *const first = option(options, "hostaddr") != NULL ? "hostaddr" : "host";
	const unsigned count = list_count(option(options, first));
	for (unsigned i = 0; i < DB_HOSTS_LISTS && count > 1; i++) {
		static const char *const keywords[DB_HOSTS_LISTS] = {"host", "hostaddr", "port"};
		const char *const list = option(options, keywords[i]);
		/* One port is that of all hosts. */
		if (list == NULL || list_count(list) != count)
			continue;
		if (!list_rotate(hosts->values[found], list, attempt % count)) {
			found = 0;
			break;
		}
		hosts->keywords[found++] = keywords[i];
	}
	PQconninfoFree(options);
	return found;
}

static unsigned list_count(const char *list)
{
	unsigned count = list != NULL ? 1 : 0;
	for (; list != NULL && *list != '\0'; list++)
		count += *list == ',' ? 1 : 0;
	return count;
}

/* "a,b,c" from its second on is "b,c,a". */
static bool list_rotate(char out[DB_HOSTS_TEXT_MAX], const char *list, unsigned first)
{
	const size_t len = strlen(list);
	size_t at = 0;
	if (len >= DB_HOSTS_TEXT_MAX)
		return false;
	for (; first > 0 && at < len; at++)
		first -= list[at] == ',' ? 1 : 0;
	const size_t tail = len - at;
	memcpy(out, list + at, tail);
	if (at > 0) {
		out[tail] = ',';
		memcpy(out + tail + 1, list, at - 1);
	}
	out[len] = '\0';
	return true;
}

static const char *option(const PQconninfoOption *options, const char *keyword)
{
	for (; options->keyword != NULL; options++)
		if (strcmp(options->keyword, keyword) == 0)
			return options->val;
	return NULL;
}
