/* SPDX-License-Identifier: Apache-2.0
 * The public listener: which request goes to the webhook, which to the reading API, and what is no
 * route at all. */
#ifndef WASL_ATTRIBUTOR_FRONT_H
#define WASL_ATTRIBUTOR_FRONT_H

#include "api.h"
#include "conn.h"
#include "meters.h"
#include "problem.h"
#include "webhook.h"

struct front {
	struct webhook *webhook;
	struct api *api;
	struct meters *meters;
	struct problem_page page;
};

void front_init(
	struct front *front, struct webhook *webhook, struct api *api, struct meters *meters);
void front_release(struct front *front);
/* For conn_server_new; arg is the front. */
struct conn_handlers front_handlers(struct front *front);

#endif
