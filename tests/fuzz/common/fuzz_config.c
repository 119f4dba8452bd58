/* SPDX-License-Identifier: Apache-2.0
 * A config file's text. What is taken stays within its ranges; what is refused says why. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "conf.h"

#define DEADLINE_MAX_US 1000000
#define WORKERS_MAX     64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct config {
	char listen[CONF_TEXT_MAX];
	char secret_database_url[CONF_TEXT_MAX];
	int64_t body_max;
	int64_t deadline_us;
	int64_t workers;
	bool is_open;
};

static const struct conf_option options[] = {
	{"body-max", CONF_SIZE, offsetof(struct config, body_max), "64KiB", 0, INT64_MAX, "", NULL},
	{"database-url", CONF_SECRET, offsetof(struct config, secret_database_url), "", 0, 0, "",
		NULL},
	{"deadline", CONF_DURATION, offsetof(struct config, deadline_us), "25ms", 1,
		DEADLINE_MAX_US, "", NULL},
	{"listen", CONF_TEXT, offsetof(struct config, listen), "", 0, 0, "", NULL},
	{"open", CONF_SWITCH, offsetof(struct config, is_open), "off", 0, 0, "", NULL},
	{"workers", CONF_COUNT, offsetof(struct config, workers), "1", 1, WORKERS_MAX, "", NULL},
};
static const struct conf_program program = {
	"wasl-fuzz", "", options, sizeof(options) / sizeof(options[0])};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct config config;
	const struct str raw = {.data = (const char *)data, .len = size};
	struct err err = {0};
	bool has_secret = false;
	conf_defaults(&program, &config);
	const bool is_taken = conf_parse_text(&program, raw, "fuzz", &config, &has_secret, &err);
	if (!is_taken && (err.kind != ERR_USAGE || strncmp(err.msg, "fuzz:", 5) != 0))
		abort();
	if (config.workers < 1 || config.workers > WORKERS_MAX || config.deadline_us < 1 ||
		config.deadline_us > DEADLINE_MAX_US || config.body_max < 0)
		abort();
	if (memchr(config.listen, '\0', sizeof(config.listen)) == NULL)
		abort();
	for (unsigned i = 0; is_taken && i < program.option_count; i++) {
		struct buf out;
		buf_init(&out, CONF_LINE_MAX);
		conf_value_format(&options[i], &config, &out);
		if (options[i].type != CONF_SECRET &&
			!conf_value_set(&options[i], buf_str(&out), &config, &err))
			abort();
		buf_release(&out);
	}
	return 0;
}
