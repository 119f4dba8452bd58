/* SPDX-License-Identifier: Apache-2.0
 * What adding one product and importing many have in common: the limits and the check of a URL. */
#ifndef WASL_CTL_PRODUCT_H
#define WASL_CTL_PRODUCT_H

#include "call.h"
#include "catalogue_row.h"

#define PRODUCT_ID_MAX       128 /* bytes of the store's own id */
#define PRODUCT_TITLE_MAX    1024
#define PRODUCT_CATEGORY_MAX 128
#define PRODUCT_HOSTS_MAX    1024

/* A store as products see it. */
struct product_store {
	const char *id;
	unsigned digits; /* of its currency */
	char url[CATALOGUE_URL_MAX + 1];
	char hosts[PRODUCT_HOSTS_MAX][256]; /* allowed by name */
	unsigned host_count;
};

/* Reads the store named by --store and locks it against changes; to be freed with free(). NULL:
 * reported, the caller returns CALL_FAILED. */
struct product_store *product_store_read(struct call *call);
/* NULL, or why the URL may not be a product's of this store. */
const char *product_url_reason(const struct product_store *store, struct str url);

#endif
