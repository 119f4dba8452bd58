/* SPDX-License-Identifier: Apache-2.0
 * wasl-tracker: answers affiliate links with a redirect that carries a click token. */
#include <stdio.h>
#include <stdlib.h>

#include "config.h"
#include "crew.h"
#include "keyring.h"
#include "log.h"
#include "process.h"

enum { EXIT_USAGE = 2 };

int main(int argc, char **argv)
{
	static struct config config;
	static struct keyring keyring;
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
	struct err err = {0};
	if (!keyring_load(&keyring, config.text.keyring, &err)) {
		fprintf(stderr, "wasl-tracker: %s\n", err.msg);
		return EXIT_FAILURE;
	}
	if (action == CONF_CHECKED)
		return EXIT_SUCCESS;
	log_init("wasl-tracker", config.log_level);
	const int code = crew_run(&config, &keyring, argc, argv);
	keyring_release(&keyring);
	log_flush();
	return code;
}
