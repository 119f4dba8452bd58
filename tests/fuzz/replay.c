/* SPDX-License-Identifier: Apache-2.0
 * Feeds files to a fuzz target where libFuzzer is not linked in: `fuzz_thing FILE…` replays a
 * corpus. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define INPUT_MAX (4u << 20) /* beyond every limit that a target tests */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *path);

int main(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "usage: %s FILE…\n", argv[0]);
		return 2;
	}
	for (int i = 1; i < argc; i++) {
		if (replay(argv[i]) != 0)
			return 1;
	}
	printf("%d inputs\n", argc - 1);
	return 0;
}

/* The target gets the bytes in a block of just their size, so that a sanitizer sees a read past the
 * end. */
static int replay(const char *path)
{
	int ret = -1;
	uint8_t *all = NULL, *exact = NULL;
	size_t size = 0;
	FILE *file = fopen(path, "rb");

	if (file == NULL) {
		perror(path);
		return -1;
	}
	all = malloc(INPUT_MAX);
	if (all == NULL)
		goto out;
	size = fread(all, 1, INPUT_MAX, file);
	if (ferror(file) || (size == INPUT_MAX && fgetc(file) != EOF)) {
		fprintf(stderr, "%s: unreadable, or over %u bytes\n", path, INPUT_MAX);
		goto out;
	}
	exact = malloc(size > 0 ? size : 1);
	if (exact == NULL)
		goto out;
	for (size_t i = 0; i < size; i++)
		exact[i] = all[i];
	LLVMFuzzerTestOneInput(exact, size);
	ret = 0;
out:
	free(exact);
	free(all);
	fclose(file);
	return ret;
}
