/* SPDX-License-Identifier: Apache-2.0
 * The keyring: its vectors, what its text and its file must not be, and rotation. */
#include "keyring.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ring.h"
#include "suite.h"

#define HEX_A "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define HEX_B "f3f49249dc28ff90a5aec7978306d03bf38b2ffc80a4df5a51c9bc701e7ea419"

static char folder[] = "/tmp/wasl-test-keyring-XXXXXX";
static char path[128];

static void folder_make(void)
{
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/keyring", folder);
}

static void folder_remove(void)
{
	unlink(path);
	ck_assert_int_eq(rmdir(folder), 0); /* nothing else was left behind */
}

static void write_text(const char *text, mode_t mode)
{
	const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	ck_assert_int_eq(fchmod(fd, mode), 0);
	close(fd);
}

static void check_sub_key(const uint8_t *key, const char *hex)
{
	uint8_t expected[KEYRING_KEY_BYTES];
	ck_assert(hex_decode(str_from(hex), expected, sizeof(expected)));
	ck_assert_mem_eq(key, expected, sizeof(expected));
}

START_TEST(sub_keys_are_those_of_the_vectors)
{
	char line[VECTOR_LINE_MAX];
	char *fields[VECTOR_FIELDS];
	struct keyring keyring;
	unsigned rows = 0;
	ring_from_vectors(&keyring);
	FILE *file = fopen(KEYRING_VECTORS, "r");
	ck_assert_ptr_nonnull(file);
	for (; vector_next(file, line, fields) == 5; rows++) {
		const struct keyring_key *key = &keyring.keys[strtoul(fields[0], NULL, 10)];
		check_sub_key(key->secret_master, fields[1]);
		check_sub_key(key->secret_link, fields[2]);
		check_sub_key(key->secret_click, fields[3]);
		ck_assert_str_eq(key_state_name(key->state), fields[4]);
	}
	fclose(file);
	ck_assert_uint_eq(rows, 4);
	ck_assert_int_eq(keyring.active, 0);
	ck_assert_int_eq(keyring.keys[1].state, KEY_ABSENT);
}
END_TEST

/* Computed with Python's hmac module from RFC 5869 for the master key HEX_A. */
START_TEST(each_purpose_has_a_key_of_its_own)
{
	struct keyring keyring;
	ck_assert(keyring_parse(&keyring, STR("2 active " HEX_A "\n"), NULL));
	const struct keyring_key *key = &keyring.keys[2];
	check_sub_key(key->secret_link,
		"d7f4f633ed94f16e4b75c2d5af23bcda3b0a93eda8cd3acb830b9cb72d79495e");
	check_sub_key(key->secret_click,
		"513e10e969465f28e062c477f8aebacad835f7c94db76330620cdc6a2605b595");
	check_sub_key(key->secret_store,
		"6610eaee3150e60306b28b2b63b2dd00009362a2c60ba036e7919bd5ccbc39ac");
	check_sub_key(key->secret_body,
		"b10a501827f69e2f8f7e4265d75258ff547c3cf26d51d0c18a1aff805d4e37e2");
	check_sub_key(keyring.secret_person,
		"5a61dbaa72548bf38a46ebfb64dc8d8e130c3f3b4cd502a1442aa3f76a60a677");
}
END_TEST

START_TEST(person_key_is_of_the_lowest_slot_whatever_its_state)
{
	struct keyring both, alone;
	ck_assert(keyring_parse(&both, STR("4 active " HEX_B "\n1 revoked " HEX_A "\n"), NULL));
	ck_assert(keyring_parse(&alone, STR("2 active " HEX_A "\n"), NULL));
	ck_assert_mem_eq(both.secret_person, alone.secret_person, KEYRING_KEY_BYTES);
	ck_assert_int_eq(both.active, 4);
}
END_TEST

START_TEST(bad_text_is_refused_with_its_line)
{
	static const struct {
		struct str text;
		const char *start; /* of the message */
	} rows[] = {
		{STR(""), "1: no active key"},
		{STR("\n\n# only a comment\n"), "3: no active key"},
		{STR("0 valid " HEX_A "\n"), "1: no active key"},
		{STR("0 active " HEX_A "\n7 valid " HEX_B "\n"), "2: the slot"},
		{STR("-1 active " HEX_A), "1: the slot"},
		{STR("00 active " HEX_A), "1: the slot"},
		{STR("x active " HEX_A), "1: the slot"},
		{STR(" 0 active " HEX_A), "1: the slot"},
		{STR("0 Active " HEX_A), "1: the state"},
		{STR("0 absent " HEX_A), "1: the state"},
		{STR("0 " HEX_A), "1: the state"},
		{STR("0  active " HEX_A), "1: the state"},
		{STR("0\tactive " HEX_A), "1: the slot"},
		{STR("0 active"), "1: the key"},
		{STR("0 active " HEX_A "0"), "1: the key"},
		{STR("0 active " HEX_A " "), "1: the key"},
		{STR("0 active " HEX_A "\r\n"), "1: the key"},
		{STR("0 active 0g" HEX_A), "1: the key"},
		{STR("0 active " HEX_A "\n0 valid " HEX_B "\n"), "2: slot 0 a second time"},
		{STR("0 active " HEX_A "\n\n1 active " HEX_B "\n"), "3: a second active key"},
		{STR("0 active " HEX_A "\n\0"), "2: the slot"},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct keyring keyring;
		struct keyring before;
		struct err err = {0};
		memset(&keyring, 0x5a, sizeof(keyring));
		memcpy(&before, &keyring, sizeof(keyring));
		ck_assert_msg(!keyring_parse(&keyring, rows[i].text, &err), "row %zu", i);
		ck_assert_msg(strncmp(err.msg, rows[i].start, strlen(rows[i].start)) == 0,
			"row %zu: %s", i, err.msg);
		ck_assert_mem_eq(&keyring, &before, sizeof(keyring));
		ck_assert_ptr_null(strstr(err.msg, "0001020304"));
	}
}
END_TEST

START_TEST(comments_case_and_a_last_line_without_end_are_fine)
{
	struct keyring keyring;
	ck_assert(keyring_parse(&keyring,
		STR("# kept safe\n\n \t\n6 valid " HEX_B "\n#\n3 active "
		    "F3F49249DC28FF90A5AEC7978306D03BF38B2FFC80A4DF5A51C9BC701E7EA419"),
		NULL));
	ck_assert_int_eq(keyring.active, 3);
	ck_assert_mem_eq(
		&keyring.keys[3].secret_link, &keyring.keys[6].secret_link, KEYRING_KEY_BYTES);
}
END_TEST

START_TEST(file_open_to_others_is_refused_with_its_mode)
{
	static const mode_t open_modes[] = {0640, 0604, 0620, 0602, 0610, 0601, 0644, 0666, 0777};
	struct keyring keyring;
	struct err err = {0};
	folder_make();
	for (size_t i = 0; i < COUNT_OF(open_modes); i++) {
		char mode[8];
		write_text("0 active " HEX_A "\n", open_modes[i]);
		ck_assert(!keyring_load(&keyring, path, &err));
		snprintf(mode, sizeof(mode), "%04o", (unsigned)open_modes[i]);
		ck_assert_msg(strstr(err.msg, mode) != NULL, "%s", err.msg);
		ck_assert_int_eq(err.kind, ERR_REFUSED);
	}
	write_text("0 active " HEX_A "\n", 0600);
	ck_assert(keyring_load(&keyring, path, &err));
	write_text("0 active " HEX_A "\n", 0400);
	ck_assert(keyring_load(&keyring, path, &err));
	folder_remove();
}
END_TEST

START_TEST(only_a_short_regular_file_is_read)
{
	struct keyring keyring;
	struct err err = {0};
	char link_path[sizeof(path) + 8];
	folder_make();
	ck_assert(!keyring_load(&keyring, path, &err));
	ck_assert_int_eq(err.kind, ERR_SYSTEM);
	ck_assert(!keyring_load(&keyring, folder, &err));
	ck_assert_ptr_nonnull(strstr(err.msg, "not a regular file"));
	write_text("0 active " HEX_A "\n", 0600);
	snprintf(link_path, sizeof(link_path), "%s.link", path);
	ck_assert_int_eq(symlink(path, link_path), 0);
	ck_assert(!keyring_load(&keyring, link_path, &err));
	ck_assert_ptr_nonnull(strstr(err.msg, "symbolic link"));
	unlink(link_path);
	char *text = malloc(KEYRING_FILE_MAX + 2);
	memset(text, '\n', KEYRING_FILE_MAX + 1);
	text[KEYRING_FILE_MAX + 1] = '\0';
	memcpy(text, "0 active " HEX_A, strlen("0 active " HEX_A));
	write_text(text, 0600);
	ck_assert(!keyring_load(&keyring, path, &err));
	ck_assert_int_eq(err.kind, ERR_LIMIT);
	text[KEYRING_FILE_MAX] = '\0';
	write_text(text, 0600);
	ck_assert(keyring_load(&keyring, path, &err));
	free(text);
	unlink(path);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert(!keyring_load(&keyring, path, &err)); /* and does not wait for a writer */
	folder_remove();
}
END_TEST

START_TEST(bad_file_is_named_with_its_line_and_changes_nothing)
{
	struct keyring keyring;
	struct err err = {0};
	char expected[sizeof(path) + 32];
	folder_make();
	write_text("0 active " HEX_A "\n", 0600);
	ck_assert(keyring_load(&keyring, path, &err));
	const struct keyring before = keyring;
	write_text("0 active " HEX_A "\n# half written\n1 val", 0600);
	ck_assert(!keyring_load(&keyring, path, &err));
	snprintf(expected, sizeof(expected), "%s:3: the state", path);
	ck_assert_msg(strncmp(err.msg, expected, strlen(expected)) == 0, "%s", err.msg);
	ck_assert_mem_eq(&keyring, &before, sizeof(keyring));
	folder_remove();
}
END_TEST

START_TEST(stored_ring_comes_back_and_is_closed)
{
	struct keyring keyring, back;
	struct err err = {0};
	struct stat info;
	folder_make();
	ring_from_vectors(&keyring);
	umask(0);
	for (unsigned i = 0; i < 2; i++) { /* anew, and over an old one */
		ck_assert_msg(keyring_store(&keyring, path, &err), "%s", err.msg);
		ck_assert_int_eq(stat(path, &info), 0);
		ck_assert_uint_eq(info.st_mode & 07777, 0600);
		ck_assert_msg(keyring_load(&back, path, &err), "%s", err.msg);
		ck_assert_mem_eq(&back, &keyring, sizeof(keyring));
	}
	keyring_release(&back);
	ck_assert(!keyring_store(&back, path, &err)); /* an empty ring never replaces one */
	ck_assert(keyring_load(&back, path, &err));
	folder_remove();
	ck_assert(!keyring_store(&keyring, path, &err)); /* no folder */
}
END_TEST

START_TEST(rotation_keeps_one_active_key)
{
	struct keyring keyring;
	struct err err = {0};
	uint8_t master[KEYRING_KEY_BYTES] = {1};
	keyring_release(&keyring);
	ck_assert_int_eq(keyring.active, -1);
	ck_assert(keyring_set(&keyring, 0, KEY_ACTIVE, master, &err));
	uint8_t person[KEYRING_KEY_BYTES];
	memcpy(person, keyring.secret_person, sizeof(person));
	master[0] = 2;
	ck_assert(keyring_set(&keyring, 1, KEY_VALID, master, &err));
	ck_assert_int_eq(keyring.active, 0);
	ck_assert(keyring_set(&keyring, 1, KEY_ACTIVE, keyring.keys[1].secret_master, &err));
	ck_assert_int_eq(keyring.active, 1);
	ck_assert_int_eq(keyring.keys[0].state, KEY_VALID);
	ck_assert_uint_eq(keyring.keys[1].secret_master[0], 2);
	ck_assert(keyring_set(&keyring, 0, KEY_REVOKED, keyring.keys[0].secret_master, &err));
	ck_assert_int_eq(keyring.active, 1);
	ck_assert_mem_eq(keyring.secret_person, person, sizeof(person));
	ck_assert(keyring_set(&keyring, 1, KEY_REVOKED, master, &err));
	ck_assert_int_eq(keyring.active, -1);
	ck_assert(!keyring_set(&keyring, KEYRING_SLOTS, KEY_VALID, master, &err));
	ck_assert(!keyring_set(&keyring, 2, KEY_ABSENT, master, &err));
}
END_TEST

SUITE_MAIN("keyring", sub_keys_are_those_of_the_vectors, each_purpose_has_a_key_of_its_own,
	person_key_is_of_the_lowest_slot_whatever_its_state, bad_text_is_refused_with_its_line,
	comments_case_and_a_last_line_without_end_are_fine,
	file_open_to_others_is_refused_with_its_mode, only_a_short_regular_file_is_read,
	bad_file_is_named_with_its_line_and_changes_nothing, stored_ring_comes_back_and_is_closed,
	rotation_keeps_one_active_key)
