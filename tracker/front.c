/* SPDX-License-Identifier: Apache-2.0
 * The public listener of one worker: each request to its answer, by CONTRACT's table of links. */
#include "front.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "flood.h"
#include "headers.h"
#include "log.h"
#include "redirect.h"
#include "trust.h"

const unsigned front_code_status[CODE_COUNT] = {
#define FRONT_STATUS(code) [CODE_##code] = code,
	FRONT_CODES(FRONT_STATUS)};

struct front {
	const struct config *config;
	struct loop *loop;
	struct conn_server *server;
	struct sink *sink;
	struct front_keys *keys;
	struct catalogue_view view;
	struct classifier classifier;
	struct entropy entropy;
	struct str fallback_url; /* empty: the page */
	struct front_settings settings;
	unsigned access_seen; /* answers since the last line of the access log */
	bool has_mint_failed;
	struct flood visitor_flood, source_flood;
	_Alignas(STATS_CACHE_LINE) struct front_counts counts;
};

/* One request while it is looked at. */
struct ask {
	const struct http_request *request;
	const struct sockaddr_storage *peer;
	struct conn_ref ref;
	struct headers headers;
	struct classified who;
	struct link_claim claim;
	const struct catalogue_entry *store;
	uint32_t store_id;
	struct str destination; /* of the catalogue */
};

/* A Set-Cookie line, or none. */
struct cookie {
	char line[VISITOR_COOKIE_MAX];
	size_t len;
};

static void on_request(struct conn_server *server, struct conn_ref ref,
	const struct http_request *request, const struct sockaddr_storage *peer, void *arg);
static unsigned on_head(const struct http_request *request, struct conn_reply *reply, void *arg);
static void on_refused(unsigned status, struct conn_reply *reply, void *arg);
static unsigned address_share(const struct config *config);
static bool is_proxy(const struct sockaddr_storage *peer, void *arg);
static void fixed_answer(struct front *front, struct conn_ref ref,
	const struct http_request *request, enum route route);
static void link_answer(struct front *front, struct ask *ask, struct str token);
static bool link_resolve(struct front *front, struct ask *ask);
static void lost_answer(struct front *front, const struct ask *ask);
static void clean_answer(struct front *front, const struct ask *ask);
static void credited_answer(struct front *front, const struct ask *ask);
static bool visitor_take(struct front *front, const struct ask *ask, int64_t wall_us,
	struct click_record *record, struct cookie *cookie);
static void source_note(
	struct front *front, const struct trust_address *client, struct click_record *record);
static void suspect_mark(struct click_record *record);
static void on_stored(const struct sink_ticket *ticket, enum stored stored, void *arg);
static void on_all_stored(void *arg);
static void link_reply(struct front *front, const struct ask *ask, const struct conn_reply *reply);
static void count(struct front *front, enum route route, unsigned class, unsigned status);
static bool is_sampled(struct front *front);
static void count_one(struct front *front, enum route route, unsigned class, unsigned status);

const char *front_class_name(unsigned class)
{
	return class == FRONT_CLASS_NONE ? "none" : click_class_name((enum click_class) class);
}

struct front_keys *front_keys_new(const struct keyring *keyring, struct err *err)
{
	struct front_keys *keys = calloc(1, sizeof(*keys));
	if (!keys) {
		err_set(err, ERR_SYSTEM, 0, "no memory");
		return NULL;
	}
	visit_keys_init(&keys->visit, keyring->secret_person);
	keys->box = token_box_new(keyring, err);
	if (!keys->box) {
		front_keys_free(keys);
		return NULL;
	}
	return keys;
}

void front_keys_free(struct front_keys *keys)
{
	if (!keys)
		return;
	token_box_free(keys->box);
	explicit_bzero(keys, sizeof(*keys));
	free(keys);
}

struct front *front_new(struct loop *loop, const struct config *config, unsigned connections_max,
	struct front_keys *keys, struct err *err)
{
	struct front *front = aligned_alloc(STATS_CACHE_LINE, sizeof(*front));
	if (!front) {
		front_keys_free(keys);
		err_set(err, ERR_SYSTEM, 0, "no memory");
		return NULL;
	}
	*front = (struct front){.config = config,
		.loop = loop,
		.keys = keys,
		.settings = front_settings_of(config)};
	front->fallback_url = str_from(config->text.fallback_url);
	classifier_init(&front->classifier);
	entropy_init(&front->entropy);
	flood_init(&front->visitor_flood, FLOOD_VISITOR_MAX);
	flood_init(&front->source_flood, FLOOD_SOURCE_MAX);
	struct conn_limits limits = conn_limits_default;
	limits.connections_max = connections_max;
	limits.per_address_max = address_share(config);
	limits.body_max = 0;
	const struct conn_handlers handlers = {.on_request = on_request,
		.on_head = on_head,
		.on_refused = on_refused,
		.is_exempt = is_proxy,
		.arg = front};
	const struct sink_config sink = {
		.loop = loop,
		.url = &config->redis,
		.deadline_us = config->text.click_deadline_us,
		.grace_s = config->text.click_grace_us / 1000000,
		.loss_window_us = config->text.redis_loss_window_us,
		/* One for each connection, and those whose connection went before its answer. */
		.tickets_max = 2 * connections_max,
		.spool_folder = config->spool_folder,
		.spool_max_bytes = config->spool_worker_bytes,
		.has_spool_sync = config->has_spool_sync,
		.entropy = &front->entropy,
		.on_done = on_stored,
		.after_done = on_all_stored,
		.arg = front,
	};
	uint8_t probe;
	if (!entropy_draw(&front->entropy, &probe, sizeof(probe))) {
		err_set(err, ERR_SYSTEM, 0, "the kernel has no random bits");
		front_free(front);
		return NULL;
	}
	front->server = conn_server_new(loop, &limits, &handlers, err);
	front->sink = front->server ? sink_new(&sink, err) : NULL;
	if (!front->sink) {
		front_free(front);
		return NULL;
	}
	return front;
}

bool front_listen(struct front *front, int listen_fd, struct err *err)
{
	return conn_server_listen(front->server, listen_fd, err);
}

void front_set_view(struct front *front, const struct catalogue_view *view)
{
	front->view = *view;
}

void front_set_keys(struct front *front, struct front_keys *keys)
{
	front_keys_free(front->keys);
	front->keys = keys;
}

struct front_settings front_settings_of(const struct config *config)
{
	return (struct front_settings){
		.trusted_proxies = config->trusted_proxies, .access_every = config->access_every};
}

void front_set_settings(struct front *front, const struct front_settings *settings)
{
	front->settings = *settings;
	front->access_seen = 0;
}

void front_drain(struct front *front, loop_fn *fn, void *arg)
{
	conn_server_drain(front->server, fn, arg);
}

uint64_t front_redis_pending(const struct front *front)
{
	return sink_pending(front->sink);
}

const struct front_counts *front_counts(const struct front *front)
{
	return &front->counts;
}

const struct conn_counts *front_conn_counts(const struct front *front)
{
	return conn_server_counts(front->server);
}

void front_sink_status(const struct front *front, struct sink_status *status)
{
	sink_status(front->sink, status);
}

void front_free(struct front *front)
{
	if (!front)
		return;
	sink_free(front->sink);
	if (front->server)
		conn_server_free(front->server);
	front_keys_free(front->keys);
	explicit_bzero(&front->entropy, sizeof(front->entropy));
	free(front);
}

static void on_request(struct conn_server *server, struct conn_ref ref,
	const struct http_request *request, const struct sockaddr_storage *peer, void *arg)
{
	(void)server;
	struct front *front = arg;
	struct str token;
	const enum route route = route_match(request->path, &token);
	if (route != ROUTE_LINK) {
		fixed_answer(front, ref, request, route);
		return;
	}
	struct ask ask;
	ask.request = request;
	ask.peer = peer;
	ask.ref = ref;
	headers_gather(request, &ask.headers);
	classify(&front->classifier, request->method, &ask.headers, &ask.who);
	link_answer(front, &ask, token);
}

/* Methods that no route has, before a body is refused for its size: nothing else reaches
 * on_request. */
static unsigned on_head(const struct http_request *request, struct conn_reply *reply, void *arg)
{
	if (request->method == HTTP_GET || request->method == HTTP_HEAD)
		return 0;
	struct front *front = arg;
	struct str token;
	const enum route route = route_match(request->path, &token);
	*reply = (struct conn_reply){
		.status = 405, .headers = redirect_not_allowed, .has_close = true};
	count(front, route, FRONT_CLASS_NONE, reply->status);
	return reply->status;
}

static void on_refused(unsigned status, struct conn_reply *reply, void *arg)
{
	(void)reply;
	count(arg, ROUTE_OTHER, FRONT_CLASS_NONE, status);
}

/* What one worker takes of an address. The kernel spreads connections by a hash of their ports, so
 * that of 2,048 one of two workers may get 1,100: an eighth more, and 8, is beyond what chance
 * does. */
static unsigned address_share(const struct config *config)
{
	const unsigned all = (unsigned)config->text.connections_per_address;
	const unsigned even = (all + config->worker_count - 1) / config->worker_count;
	return all == 0 || config->worker_count == 1 ? all : even + even / 8 + 8;
}

static bool is_proxy(const struct sockaddr_storage *peer, void *arg)
{
	const struct front *front = arg;
	return trust_has_peer(&front->settings.trusted_proxies, peer);
}

static void fixed_answer(struct front *front, struct conn_ref ref,
	const struct http_request *request, enum route route)
{
	struct conn_reply reply = {.is_head = request->method == HTTP_HEAD};
	switch (route) {
	case ROUTE_ROBOTS:
		reply.status = 200;
		reply.content_type = "text/plain; charset=utf-8";
		reply.headers = redirect_day_long;
		reply.body = redirect_robots;
		break;
	case ROUTE_FAVICON:
		reply.status = 204;
		reply.headers = redirect_day_long;
		break;
	case ROUTE_LINK:
	case ROUTE_SNIPPET:
	case ROUTE_OTHER:
	case ROUTE_COUNT:
		reply.status = 404;
		reply.content_type = "text/html; charset=utf-8";
		reply.headers = redirect_lost_headers;
		reply.body = redirect_lost_page;
		break;
	}
	count(front, route, FRONT_CLASS_NONE, reply.status);
	conn_server_reply(front->server, ref, &reply);
}

/* The order is the contract's: a token that does not open is 404 whoever asks; then who gets no
 * credit. */
static void link_answer(struct front *front, struct ask *ask, struct str token)
{
	if (token_open_link(front->keys->box, token, &ask->claim, NULL) != TOKEN_OK) {
		lost_answer(front, ask);
		return;
	}
	if (ask->who.class == CLICK_CLASS_PREFETCH) {
		link_reply(front, ask,
			&(struct conn_reply){.status = 503, .headers = redirect_no_store});
		return;
	}
	if (!front->view.is_loaded) {
		link_reply(
			front, ask, &(struct conn_reply){.status = 503, .headers = redirect_retry});
		return;
	}
	if (!link_resolve(front, ask)) {
		lost_answer(front, ask);
		return;
	}
	const bool is_suspended = catalogue_is_suspended(&front->view, ask->claim.affiliate_id);
	if (is_suspended)
		stats_add(&front->counts.suspended, 1);
	if (is_suspended || !classify_is_credited(ask->who.class))
		clean_answer(front, ask);
	else
		credited_answer(front, ask);
}

/* Where the claim leads: its product's page, or the store's when the product is paused. */
static bool link_resolve(struct front *front, struct ask *ask)
{
	const struct catalogue_entry *product =
		catalogue_product(&front->view, ask->claim.product_id);
	ask->store = product ? catalogue_store(&front->view, product->store_id) : NULL;
	if (!ask->store)
		return false;
	ask->store_id = product->store_id;
	ask->destination =
		catalogue_entry_url(product->status == CATALOGUE_STOPPED ? ask->store : product);
	return true;
}

static void lost_answer(struct front *front, const struct ask *ask)
{
	if (front->fallback_url.len == 0) {
		link_reply(front, ask,
			&(struct conn_reply){.status = 404,
				.content_type = "text/html; charset=utf-8",
				.headers = redirect_lost_headers,
				.body = redirect_lost_page});
		return;
	}
	struct ask fallback = *ask;
	fallback.destination = front->fallback_url;
	clean_answer(front, &fallback);
}

static void clean_answer(struct front *front, const struct ask *ask)
{
	char headers[REDIRECT_HEAD_MAX];
	const unsigned len = redirect_headers(headers, ask->destination, (struct str){0});
	link_reply(front, ask,
		&(struct conn_reply){.status = 302, .headers = {.data = headers, .len = len}});
}

/* Everything of the answer is made now; it leaves when the sink says so. */
static void credited_answer(struct front *front, const struct ask *ask)
{
	const int64_t wall_us = clock_wall_us();
	const struct bucket_now now = {.mono_us = loop_now_us(front->loop), .wall_us = wall_us};
	struct click_record record = {
		.class = ask->who.class,
		.app = ask->who.app,
		.os = ask->who.os,
		.flags = ask->who.class == CLICK_CLASS_SUSPECT ? CLICK_SUSPECT : 0,
		.link = ask->claim,
		.store_id = ask->store_id,
		.window_s = ask->store->window_s,
	};
	struct visit_query query;
	visit_query_parse(ask->request->query, &query);
	stats_add(&front->counts.sub_ids_dropped, query.dropped);
	record.has_extras = query.has_extras;
	if (query.has_notrack || ask->headers.wants_no_track)
		record.flags |= CLICK_NO_TRACK;
	struct cookie cookie;
	struct bucket_place place;
	struct click_claim claim = {.link = record.link, .window_s = record.window_s};
	char token[CLICK_TOKEN_LEN];
	bool is_made = visitor_take(front, ask, wall_us, &record, &cookie) &&
		       sink_place(front->sink, record.window_s, &now, &place);
	claim.flags = record.flags;
	if (is_made) {
		click_id_make(claim.click_id, wall_us / 1000, &place.id, place.index);
		is_made = token_mint_click(front->keys->box, &claim, token);
	}
	if (is_made == front->has_mint_failed) {
		front->has_mint_failed = !is_made;
		log_write(is_made ? LOG_INFO : LOG_ERROR, is_made ? "minting" : "not_minting",
			(const struct log_field[]){{0}});
	}
	if (!is_made) { /* no random bits or no OpenSSL: no weak ids; the shopper still arrives */
		clean_answer(front, ask);
		return;
	}
	char url[REDIRECT_URL_MAX], headers[REDIRECT_HEAD_MAX];
	const struct str location = {.data = url,
		.len = redirect_url(url, ask->destination, catalogue_entry_param(ask->store),
			(struct str){.data = token, .len = sizeof(token)})};
	const struct sink_ticket ticket = {
		.ref = ask->ref,
		.headers = {.data = headers,
			.len = redirect_headers(headers, location,
				(struct str){.data = cookie.line, .len = cookie.len})},
		.class = record.class,
		.started_us = now.mono_us,
	};
	const struct sink_click click = {
		.place = &place, .record = &record, .extras = &query.extras, .wall_us = wall_us};
	sink_put(front->sink, &click, &ticket);
}

/* Who came: the cookie's visitor, suspect when it clicks faster than people do, or a new one with a
 * cookie to tell the browser; nothing of it for who does not want to be followed. False when there
 * are no random bits. */
static bool visitor_take(struct front *front, const struct ask *ask, int64_t wall_us,
	struct click_record *record, struct cookie *cookie)
{
	struct trust_address client;
	const bool has_client = trust_client(&front->settings.trusted_proxies, ask->peer,
		ask->headers.forwarded, ask->headers.forwarded_count, &client);
	cookie->len = 0;
	if (record->flags & CLICK_NO_TRACK) {
		source_note(front, has_client ? &client : NULL, record);
		return true;
	}
	const bool is_insecure = front->config->text.has_insecure_cookie;
	const struct str name = is_insecure ? STR(VISITOR_COOKIE_PLAIN) : STR(VISITOR_COOKIE);
	uint8_t visitor[VISITOR_BYTES];
	const bool is_known = visit_cookie_find(&ask->headers, name, visitor);
	if (!is_known) {
		if (!entropy_draw(&front->entropy, visitor, sizeof(visitor)))
			return false;
		cookie->len = visit_cookie_format(cookie->line, visitor, is_insecure);
	}
	record->visitor = visit_visitor_hash(&front->keys->visit, visitor);
	if (!is_known)
		source_note(front, has_client ? &client : NULL, record);
	else if (flood_note(&front->visitor_flood, record->visitor, loop_now_us(front->loop)))
		suspect_mark(record);
	if (has_client)
		record->network = visit_network_hash(&front->keys->visit, &client, wall_us);
	return true;
}

/* A click without a cookie: suspect when its address, app and system bring an affiliate more of
 * them than a crowd behind one address would. */
static void source_note(
	struct front *front, const struct trust_address *client, struct click_record *record)
{
	if (client != NULL && trust_is_public(client) &&
		flood_note(&front->source_flood,
			visit_source_hash(&front->keys->visit, client, record),
			loop_now_us(front->loop)))
		suspect_mark(record);
}

static void suspect_mark(struct click_record *record)
{
	record->class = CLICK_CLASS_SUSPECT;
	record->flags |= CLICK_SUSPECT;
}

static void on_stored(const struct sink_ticket *ticket, enum stored stored, void *arg)
{
	struct front *front = arg;
	stats_add(&front->counts.clicks[ticket->class][stored], 1);
	const int64_t took_us = loop_now_us(front->loop) - ticket->started_us;
	stats_observe(&front->counts.seconds, took_us);
	count_one(front, ROUTE_LINK, ticket->class, 302);
	if (is_sampled(front))
		log_info("access", LOG_TEXT("route", route_name(ROUTE_LINK)),
			LOG_TEXT("class", click_class_name(ticket->class)), LOG_NUM("code", 302),
			LOG_TEXT("stored", stored_name(stored)), LOG_NUM("took_us", took_us),
			LOG_NUM("every", front->settings.access_every));
	conn_server_reply(front->server, ticket->ref,
		&(struct conn_reply){.status = 302, .headers = ticket->headers});
}

/* Before the loop looks at the next request: who waits for Redis has waited longest. */
static void on_all_stored(void *arg)
{
	const struct front *front = arg;
	conn_server_send(front->server);
}

/* Answers that wait for nobody. */
static void link_reply(struct front *front, const struct ask *ask, const struct conn_reply *reply)
{
	struct conn_reply whole = *reply;
	whole.is_head = ask->request->method == HTTP_HEAD;
	count(front, ROUTE_LINK, ask->who.class, reply->status);
	stats_observe(&front->counts.seconds, 0);
	conn_server_reply(front->server, ask->ref, &whole);
}

/* An answer without a click. */
static void count(struct front *front, enum route route, unsigned class, unsigned status)
{
	count_one(front, route, class, status);
	if (is_sampled(front))
		log_info("access", LOG_TEXT("route", route_name(route)),
			LOG_TEXT("class", front_class_name(class)), LOG_NUM("code", status),
			LOG_NUM("every", front->settings.access_every));
}

static bool is_sampled(struct front *front)
{
	if (front->settings.access_every == 0 ||
		++front->access_seen < front->settings.access_every)
		return false;
	front->access_seen = 0;
	return true;
}

/* A status that the table does not have counts as the nearest of its class. */
static void count_one(struct front *front, enum route route, unsigned class, unsigned status)
{
	enum front_code code = status >= 500 ? CODE_500 : CODE_400;
	for (unsigned i = 0; i < CODE_COUNT; i++)
		if (front_code_status[i] == status)
			code = (enum front_code)i;
	stats_add(&front->counts.requests[route][class][code], 1);
}
