/* SPDX-License-Identifier: Apache-2.0
 * libcurl's easy interface, without proxies, redirects or signals. */
#include "post.h"

#include <stdio.h>

#include <curl/curl.h>

static size_t on_body(char *bytes, size_t size, size_t count, void *arg);
static bool add_header(struct curl_slist **list, const char *name, const char *value);

bool post_send(const char *url, const struct post_header *headers, struct str body,
	struct post_answer *answer, struct err *err)
{
	struct curl_slist *list = NULL;
	CURL *curl = curl_easy_init();
	buf_init(&answer->body, POST_ANSWER_MAX);
	bool is_ok = curl != NULL && add_header(&list, "Expect", "");
	for (const struct post_header *header = headers; is_ok && header->name != NULL; header++)
		is_ok = add_header(&list, header->name, header->value);
	if (!is_ok) {
		err_set(err, ERR_SYSTEM, 0, "libcurl: a request could not be made");
		goto out;
	}
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, POST_WAIT_MS);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, list);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body.data ? body.data : "");
	curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer->body);
	CURLcode result = curl_easy_perform(curl);
	is_ok = result == CURLE_OK;
	if (is_ok)
		curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer->status);
	else
		err_set(err, ERR_SYSTEM, 0, "%.80s: %s", url, curl_easy_strerror(result));
out:
	curl_slist_free_all(list);
	curl_easy_cleanup(curl);
	return is_ok;
}

void post_answer_release(struct post_answer *answer)
{
	buf_release(&answer->body);
}

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
	struct buf *body = arg;
	buf_add(body, bytes, size * count);
	return body->has_failed ? 0 : size * count;
}

static bool add_header(struct curl_slist **list, const char *name, const char *value)
{
	char line[POST_HEADER_MAX];
	int len = snprintf(line, sizeof(line), "%s: %s", name, value);
	if (len < 0 || (size_t)len >= sizeof(line))
		return false;
	struct curl_slist *longer = curl_slist_append(*list, line);
	if (longer == NULL)
		return false;
	*list = longer;
	return true;
}
