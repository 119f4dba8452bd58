/* SPDX-License-Identifier: Apache-2.0
 * Compiled twice: empty for programs for use, and for tests (WASL_TEST_BUILD). */
#include "failpoint.h"

#ifdef WASL_TEST_BUILD

#include <signal.h>
#include <stdlib.h>

#include "str.h"

#define FAILPOINT_TEXT(name, text) text,

void failpoint_pass(enum failpoint failpoint)
{
	static const char *const names[] = {FAILPOINTS(FAILPOINT_TEXT)};
	static uint64_t passed; /* of the one that was named; the loop's thread alone passes */
	const char *const wanted = getenv("WASL_FAILPOINT");
	struct str name, count;
	uint64_t at = 0;
	if (wanted == NULL)
		return;
	str_cut(str_from(wanted), ':', &name, &count);
	if (str_equal(name, str_from(names[failpoint])) && str_parse_u64(count, UINT64_MAX, &at) &&
		++passed == at)
		raise(SIGKILL);
}

#else

void failpoint_pass(enum failpoint failpoint)
{
	(void)failpoint;
}

#endif
