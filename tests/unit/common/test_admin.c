/* SPDX-License-Identifier: Apache-2.0
 * The admin listener's three pages. */
#include "admin.h"

#include "conn_fixture.h"
#include "version.h"

static struct admin_health health;

static void on_health(struct admin_health *out, void *arg)
{
	(void)arg;
	*out = health;
}

static void on_metrics(struct buf *out, void *arg)
{
	const bool *is_huge = arg;
	stats_family(out, "wasl_test", STATS_COUNTER, "Of the test.");
	stats_sample(out, "wasl_test", NULL, 0, 42);
	for (int i = 0; *is_huge && i < 200000; i++)
		stats_sample(out, "wasl_test", NULL, 0, 42);
}

static bool is_huge;
static struct admin *admin;

static void start(void)
{
	struct err err = {0};
	const struct admin_handlers handlers = {
		.on_health = on_health, .on_metrics = on_metrics, .arg = &is_huge};
	fixture.loop = loop_new(&err);
	fixture.stop = loop_wake_new(fixture.loop, on_stop, NULL, &err);
	ck_assert(conn_address_parse(STR("127.0.0.1:0"), &fixture.address, &err));
	const int fd = conn_listen(&fixture.address, false, true, &err);
	ck_assert_msg(fd >= 0, "%s", err.msg);
	admin = admin_new(fixture.loop, fd, &handlers, &err);
	ck_assert_msg(admin, "%s", err.msg);
	fixture.address.sockaddr = *admin_address(admin);
	pthread_create(&fixture.thread, NULL, run, fixture.loop);
}

static void end(void)
{
	loop_wake_post(fixture.stop);
	pthread_join(fixture.thread, NULL);
	admin_free(admin);
	loop_wake_free(fixture.stop);
	loop_free(fixture.loop);
}

static const char *ask(const char *method, const char *path)
{
	char text[256];
	const int fd = dial();
	snprintf(text, sizeof(text), "%s %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
		method, path);
	say(fd, text);
	const char *answer = hear_end(fd);
	close(fd);
	return answer;
}

static bool has(const char *text, const char *part)
{
	return strstr(text, part) != NULL;
}

START_TEST(health_and_readiness_say_what_is)
{
	health.is_ready = true;
	start();
	ck_assert(has(ask("GET", "/healthz"), "HTTP/1.1 200 OK"));
	const char *text = ask("GET", "/readyz");
	ck_assert(has(text, "HTTP/1.1 200 OK") && has(text, "application/json"));
	ck_assert(has(text, "\r\n\r\n{\"ready\":true,\"degraded\":[]}"));
	health.degraded[0] = "redis";
	health.degraded[1] = "spool_full";
	health.degraded_count = 2;
	text = ask("GET", "/readyz?verbose");
	ck_assert(has(text, "HTTP/1.1 200 OK"));
	ck_assert(has(text, "{\"ready\":true,\"degraded\":[\"redis\",\"spool_full\"]}"));
	health.is_ready = false;
	text = ask("GET", "/readyz");
	ck_assert(has(text, "HTTP/1.1 503 Service Unavailable") && has(text, "{\"ready\":false,"));
	ck_assert(has(ask("GET", "/healthz"), "HTTP/1.1 200 OK"));
	end();
}
END_TEST

START_TEST(metrics_hold_build_process_and_daemon)
{
	health =
		(struct admin_health){.is_ready = true, .degraded = {"redis"}, .degraded_count = 1};
	start();
	const char *text = ask("GET", "/metrics");
	ck_assert(has(text, "HTTP/1.1 200 OK") && has(text, "text/plain; version=0.0.4"));
	ck_assert(has(text, "\nwasl_build_info{version=\"" WASL_VERSION "\"} 1\n"));
	ck_assert(has(text, "\nwasl_degraded{reason=\"redis\"} 1\n") &&
		  has(text, "\nwasl_ready 1\n"));
	ck_assert(has(text, "\nwasl_test 42\n"));
	static const char *const gauges[] = {"\nprocess_resident_memory_bytes ",
		"\nprocess_open_fds ", "\nprocess_cpu_seconds_total "};
	for (size_t i = 0; i < COUNT_OF(gauges); i++) {
		const char *at = strstr(text, gauges[i]);
		ck_assert_msg(at && strtod(at + strlen(gauges[i]), NULL) > (i < 2 ? 3 : -1), "%s",
			gauges[i]);
	}
	end();
}
END_TEST

START_TEST(other_paths_and_methods_are_refused)
{
	start();
	ck_assert(has(ask("GET", "/"), "HTTP/1.1 404"));
	ck_assert(has(ask("GET", "/metrics/"), "HTTP/1.1 404"));
	ck_assert(has(ask("GET", "/Healthz"), "HTTP/1.1 404"));
	ck_assert(has(ask("POST", "/metrics"), "HTTP/1.1 405"));
	ck_assert(has(ask("DELETE", "/healthz"), "Allow: GET, HEAD\r\n"));
	const char *text = ask("HEAD", "/healthz");
	ck_assert(has(text, "HTTP/1.1 200") && has(text, "Content-Length: 3\r\n"));
	ck_assert_str_eq(strstr(text, "\r\n\r\n"), "\r\n\r\n");
	end();
}
END_TEST

START_TEST(a_scrape_over_its_limit_is_an_error_not_half_a_page)
{
	is_huge = true;
	health.is_ready = true;
	start();
	ck_assert(has(ask("GET", "/metrics"), "HTTP/1.1 500"));
	ck_assert(has(ask("GET", "/healthz"), "HTTP/1.1 200"));
	end();
}
END_TEST

SUITE_MAIN("admin", health_and_readiness_say_what_is, metrics_hold_build_process_and_daemon,
	other_paths_and_methods_are_refused, a_scrape_over_its_limit_is_an_error_not_half_a_page)
