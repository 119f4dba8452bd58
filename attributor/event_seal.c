/* SPDX-License-Identifier: Apache-2.0
 * The contexts of seals, and the HMACs of customers. */
#include "event_seal.h"

#include <stdlib.h>
#include <string.h>

#include "seal.h"

#define CONTEXT_MAX (EVENT_ID_MAX + 32) /* "event <store> <webhook-id>" */

static bool hide(struct event *event, const struct keyring *keyring, struct str *hash);
static bool context_make(char text[CONTEXT_MAX], enum event_part part,
	const struct event_name *name, struct str *context);

bool event_hide_customer(struct event *event, const struct keyring *keyring)
{
	return hide(event, keyring, &event->customer_phone) &&
	       hide(event, keyring, &event->customer_email);
}

uint8_t *event_seal(enum event_part part, const struct event_name *name, struct str plain,
	const struct keyring *keyring, struct entropy *entropy)
{
	char text[CONTEXT_MAX];
	struct str context;
	struct err err = {0};
	uint8_t *const sealed = malloc(plain.len + SEAL_OVERHEAD);
	if (sealed != NULL && context_make(text, part, name, &context) &&
		seal_encrypt(keyring, SEAL_BODY, entropy, context, plain, sealed, &err))
		return sealed;
	free(sealed);
	return NULL;
}

char *event_unseal(enum event_part part, const struct event_name *name, struct str sealed,
	const struct keyring *keyring, struct err *err)
{
	char text[CONTEXT_MAX];
	struct str context;
	size_t len = 0;
	char *const plain = malloc(sealed.len + 1);
	if (plain == NULL) {
		err_set(err, ERR_LIMIT, 0, "no memory");
		return NULL;
	}
	if (context_make(text, part, name, &context) &&
		seal_decrypt(keyring, SEAL_BODY, context, sealed, (uint8_t *)plain, &len, err))
		return plain;
	free(plain);
	return NULL;
}

static bool hide(struct event *event, const struct keyring *keyring, struct str *hash)
{
	uint8_t keyed[SEAL_HASH_BYTES];
	char hex[2 * SEAL_HASH_BYTES];
	if (hash->len == 0)
		return true;
	if (!seal_person(keyring, *hash, keyed))
		return false;
	hex_encode(hex, keyed, sizeof(keyed));
	return event_keep(event, (struct str){hex, sizeof(hex)}, hash);
}

static bool context_make(char text[CONTEXT_MAX], enum event_part part,
	const struct event_name *name, struct str *context)
{
	const struct str word = part == EVENT_PART_BODY ? STR("event ") : STR("facts ");
	if (name->event_id.len > EVENT_ID_MAX)
		return false;
	char digits[INT_TEXT_MAX];
	const struct str number = int_format(digits, name->store_id);
	char *at = text;
	memcpy(at, word.data, word.len);
	at += word.len;
	memcpy(at, number.data, number.len);
	at += number.len;
	*at++ = ' ';
	if (name->event_id.len > 0)
		memcpy(at, name->event_id.data, name->event_id.len);
	*context = (struct str){text, (size_t)(at - text) + name->event_id.len};
	return true;
}
