/* SPDX-License-Identifier: Apache-2.0
 * Views of bytes, and the small codecs that every parser needs. Pure. */
#ifndef WASL_STR_H
#define WASL_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A view: not owned, not NUL-terminated, may hold any byte. data may be NULL only if len is 0. */
struct str {
	const char *data;
	size_t len;
};

/* For printf's "%.*s". */
#define STR_ARG(s)   (int)(s).len, (s).data
#define STR(literal) ((struct str){.data = (literal), .len = sizeof(literal) - 1})

static inline struct str str_from(const char *cstr);
static inline bool str_equal(struct str a, struct str b);
/* ASCII letters only; bytes over 0x7f compare as they are. */
bool str_equal_nocase(struct str a, struct str b);
bool str_has_prefix(struct str text, struct str prefix);
bool str_contains(struct str text, struct str part);
bool str_contains_nocase(struct str text, struct str part);
/* Bytes of a that are < , == or > those of b, as memcmp; a shorter prefix comes first. */
int str_compare(struct str a, struct str b);
struct str str_trim(struct str text); /* SP and HT at both ends */
/* Cuts text before the first sep: *head is what is before it, *tail what is after it. Returns false
 * (head = text, tail = empty) when there is none. */
bool str_cut(struct str text, char sep, struct str *head, struct str *tail);
/* Copies into out with a closing NUL; false, and out is "", when it does not fit or holds a NUL. */
bool str_copy(char *out, size_t out_size, struct str text);

/* Decimal digits only, no sign, no leading zero but "0" itself, at most max. */
bool str_parse_u64(struct str text, uint64_t max, uint64_t *out);

#define INT_TEXT_MAX 20 /* "-9223372036854775808" */
/* In decimal, at the end of out; no NUL. */
struct str int_format(char out[INT_TEXT_MAX], int64_t value);

/* Compares in time that depends on len alone. */
bool str_equal_secret(const void *a, const void *b, size_t len);

/* Lower-case hex; out takes 2 * len bytes, no NUL. */
void hex_encode(char *out, const void *bytes, size_t len);
/* Either case; refuses anything but exactly 2 * len digits. */
bool hex_decode(struct str text, void *out, size_t len);

#define BASE64_LEN(bytes)    (((bytes) + 2) / 3 * 4)
#define BASE64URL_LEN(bytes) (((bytes)*4 + 2) / 3)
/* RFC 4648 section 4, padded. Return the characters written, no NUL. */
size_t base64_encode(char *out, const void *bytes, size_t len);
/* RFC 4648 section 4: padding required, no white space, unused bits zero. Returns false on anything
 * else or when more than out_max bytes come out. */
bool base64_decode(struct str text, void *out, size_t out_max, size_t *len);
/* RFC 4648 section 5 without padding. */
size_t base64url_encode(char *out, const void *bytes, size_t len);
bool base64url_decode(struct str text, void *out, size_t out_max, size_t *len);

/* RFC 3986 percent-decoding; '+' stays '+' unless is_form. Refuses a '%' without two hex digits and
 * what is longer than out_max. */
bool percent_decode(struct str text, bool is_form, char *out, size_t out_max, size_t *len);

/* RFC 3629: no surrogates, nothing over U+10FFFF, no over-long form. NUL is valid UTF-8. */
bool utf8_is_valid(struct str text);
/* The start of text, at most max bytes, that does not end within a character. */
struct str utf8_cut(struct str text, size_t max);

/* Here, since one side is mostly a literal, whose length is known then. */
static inline struct str str_from(const char *cstr)
{
	return (struct str){.data = cstr, .len = strlen(cstr)};
}

static inline bool str_equal(struct str a, struct str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

#endif
