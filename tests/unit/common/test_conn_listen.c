/* SPDX-License-Identifier: Apache-2.0
 * Addresses to listen on: their text, taken ports, stale socket files. */
#include "conn.h"

#include <sys/un.h>
#include <unistd.h>

#include "suite.h"

START_TEST(addresses_are_parsed_strictly)
{
	static const struct {
		const char *text, *formatted; /* NULL: refused */
	} rows[] = {
		{"127.0.0.1:8080", "127.0.0.1:8080"},
		{"0.0.0.0:0", "0.0.0.0:0"},
		{"[::1]:65535", "[::1]:65535"},
		{":8080", "[::]:8080"},
		{"[::]:1", "[::]:1"},
		{"unix:/x", "unix:/x"},
		{"unix:rel", "unix:rel"},
		{"", NULL},
		{":", NULL},
		{"8080", NULL},
		{"127.0.0.1", NULL},
		{"127.0.0.1:", NULL},
		{"127.0.0.1:65536", NULL},
		{"127.0.0.1:-1", NULL},
		{"127.0.0.1:+1", NULL},
		{"127.0.0.1:08", NULL},
		{"127.0.0.1:1x", NULL},
		{"127.0.0.1 :1", NULL},
		{"127.1:1", NULL},
		{"256.0.0.1:1", NULL},
		{"::1:80", NULL},
		{"[::1]", NULL},
		{"[::1", NULL},
		{"[127.0.0.1]:1", NULL},
		{"[]:1", NULL},
		{"localhost:1", NULL},
		{"unix:", NULL},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct conn_address address;
		struct err err = {0};
		char text[128] = "";
		const bool is_good = conn_address_parse(str_from(rows[i].text), &address, &err);
		ck_assert_msg(is_good == (rows[i].formatted != NULL), "row %zu", i);
		if (!is_good) {
			ck_assert_int_eq(err.kind, ERR_FORMAT);
			continue;
		}
		conn_address_format(text, sizeof(text), &address.sockaddr);
		ck_assert_str_eq(text, rows[i].formatted);
	}
}
END_TEST

START_TEST(a_socket_path_ends_at_107_bytes)
{
	char text[200] = "unix:/";
	struct conn_address address;
	while (strlen(text) < 5 + 107)
		text[strlen(text)] = 'x';
	ck_assert(conn_address_parse(str_from(text), &address, NULL));
	text[strlen(text)] = 'x';
	ck_assert(!conn_address_parse(str_from(text), &address, NULL));
}
END_TEST

static struct conn_address bound(int fd)
{
	struct conn_address address = {.len = sizeof(address.sockaddr)};
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address.sockaddr, &address.len), 0);
	return address;
}

START_TEST(a_taken_port_is_refused_whatever_its_options)
{
	for (int theirs = 0; theirs <= 1; theirs++) {
		for (int ours = 0; ours <= 1; ours++) {
			struct conn_address any;
			struct err err = {0};
			ck_assert(conn_address_parse(STR("127.0.0.1:0"), &any, &err));
			const int other = conn_listen(&any, theirs, true, &err);
			ck_assert_msg(other >= 0, "%s", err.msg);
			const struct conn_address taken = bound(other);
			ck_assert_int_eq(conn_listen(&taken, ours, true, &err), -1);
			ck_assert_ptr_nonnull(strstr(err.msg, "Address already in use"));
			ck_assert_ptr_nonnull(strstr(err.msg, "127.0.0.1:"));
			close(other);
			const int again = conn_listen(&taken, ours, true, &err);
			ck_assert_msg(again >= 0, "%s", err.msg);
			close(again);
		}
	}
}
END_TEST

START_TEST(later_workers_share_the_first_ones_port)
{
	struct conn_address any;
	struct err err = {0};
	ck_assert(conn_address_parse(STR("127.0.0.1:0"), &any, &err));
	const int first = conn_listen(&any, true, true, &err);
	const struct conn_address address = bound(first);
	const int second = conn_listen(&address, true, false, &err);
	ck_assert_msg(first >= 0 && second >= 0, "%s", err.msg);
}
END_TEST

START_TEST(a_stale_socket_file_is_replaced_and_a_live_one_is_not)
{
	char text[64];
	struct conn_address address;
	struct err err = {0};
	snprintf(text, sizeof(text), "unix:/tmp/wasl-test-%d.sock", (int)getpid());
	ck_assert(conn_address_parse(str_from(text), &address, &err));
	const int first = conn_listen(&address, true, true, &err);
	ck_assert_msg(first >= 0, "%s", err.msg);
	ck_assert_int_eq(conn_listen(&address, true, true, &err), -1);
	close(first);
	const int second = conn_listen(&address, true, true, &err);
	ck_assert_msg(second >= 0, "%s", err.msg);
	close(second);
	unlink(text + 5);
	FILE *file = fopen(text + 5, "w");
	fclose(file);
	ck_assert_int_eq(conn_listen(&address, true, true, &err), -1);
	unlink(text + 5);
}
END_TEST

SUITE_MAIN("conn_listen", addresses_are_parsed_strictly, a_socket_path_ends_at_107_bytes,
	a_taken_port_is_refused_whatever_its_options, later_workers_share_the_first_ones_port,
	a_stale_socket_file_is_replaced_and_a_live_one_is_not)
