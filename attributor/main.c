/* SPDX-License-Identifier: Apache-2.0
 * wasl-attributor: takes signed order events, attributes them and posts the commissions. */
#include <stdio.h>
#include <stdlib.h>

#include "config.h"
#include "keyring.h"
#include "log.h"
#include "process.h"
#include "service.h"

enum { EXIT_USAGE = 2 };

int main(int argc, char **argv)
{
	static struct config config;
	static struct keyring keyring;
	struct err err = {0};
	enum log_level level = LOG_INFO;
	process_guard();
	const enum conf_action action = config_load(&config, argc, argv);
	switch (action) {
	case CONF_RUN:
	case CONF_CHECKED:
		break;
	case CONF_EXIT_OK:
		return EXIT_SUCCESS;
	case CONF_EXIT_USAGE:
		return EXIT_USAGE;
	}
	if (!keyring_load(&keyring, config.keyring, &err)) {
		fprintf(stderr, "wasl-attributor: %s\n", err.msg);
		return EXIT_FAILURE;
	}
	keyring_release(&keyring);
	if (action == CONF_CHECKED)
		return EXIT_SUCCESS;
	log_level_parse(str_from(config.log_level), &level);
	log_init("wasl-attributor", level);
	return service_run(&config, argc, argv);
}
