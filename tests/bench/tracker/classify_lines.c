/* SPDX-License-Identifier: Apache-2.0
 * Says of each User-Agent on its standard input, one a line, what the tracker takes it for: class,
 * app and system, with tabs between them. A line is cut at LINE_MAX_BYTES, far over what the
 * classifier looks at. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "classify.h"

#define LINE_MAX_BYTES 65536

int main(void)
{
	static struct classifier classifier;
	static char line[LINE_MAX_BYTES];
	classifier_init(&classifier);
	while (fgets(line, sizeof(line), stdin) != NULL) {
		const struct headers headers = {
			.user_agent = {.data = line, .len = strcspn(line, "\n")},
			.user_agent_count = 1};
		struct classified found;
		classify(&classifier, HTTP_GET, &headers, &found);
		printf("%s\t%s\t%s\n", click_class_name(found.class), click_app_name(found.app),
			click_os_name(found.os));
	}
	return ferror(stdin) || fflush(stdout) != 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
