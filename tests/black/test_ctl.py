# SPDX-License-Identifier: Apache-2.0
"""waslctl as an operator and a script use it: names, shapes, exit codes, refusals."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import stack as stacks

stack = stacks.Stack(stacks.PATIENT)
STORE = {}

CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def setUpModule():
    stack.start()
    STORE.update(stack.ctl("store", "add", "--name", "متجر القاهرة", "--url", "https://shop.example/",
                           "--currency", "EGP", "--rate", "7.5%", "--allow-host", "cdn.example"))


def tearDownModule():
    stack.stop()


class Case(unittest.TestCase):
    def refused(self, *words, rc=1, says="", **more):
        """The command ends with rc, prints nothing on stdout and one line on stderr."""
        result = stack.waslctl(*words, **more)
        self.assertEqual((result.rc, result.out, len(result.err.splitlines())), (rc, "", 1), result)
        self.assertIn(says, result.err)
        return result.err

    def bytes_of(self, *words):
        return subprocess.run([str(stacks.programs() / "waslctl"), *map(str, words)], check=True, capture_output=True,
                              env={**stacks.clean_env(), **stack.env}, timeout=60).stdout

    def affiliate(self, name="Ahmed"):
        return stack.ctl("affiliate", "add", "--name", name)["affiliate_id"]

    def product(self, external_id="P-1", *more):
        return stack.ctl("product", "add", "--store", STORE["store_id"], "--external-id", external_id,
                         "--url", "https://shop.example/p", *more)["product_id"]


class Usage(Case):
    def test_wrong_usage_is_2_and_one_line(self):
        for words in ((), ("frobnicate",), ("store",), ("store", "frobnicate"), ("payout", "lose"), ("rule", "add"),
                      ("store", "list", "--frobnicate"), ("store", "show"), ("store", "show", "x"),
                      ("store", "show", "0"), ("store", "show", "4294967296"), ("store", "show", "1", "2"),
                      ("store", "add", "--name", "x"), ("store", "list", "--limit", "0"),
                      ("commission", "list", "--from", "yesterday"), ("commission", "list", "--state", "rich"),
                      ("apikey", "add", "--scope", "store:0"), ("apikey", "add", "--scope", "root"),
                      ("link", "mint", "--affiliate", "1", "--product", "1", "--campaign", "16777216")):
            with self.subTest(words=words):
                self.assertEqual(stack.waslctl(*words).rc, 2)
        self.refused("store", "frobnicate", rc=2, says="unknown command")
        self.refused("payout", "lose", rc=2, says="unknown command")

    def test_help_and_version_are_0(self):
        for words in (("--help",), ("--version",), ("store", "--help"), ("store", "add", "--help"),
                      ("migrate", "--help")):
            with self.subTest(words=words):
                result = stack.waslctl(*words)
                self.assertEqual((result.rc, result.err), (0, ""))
                self.assertTrue(result.out)

    def test_the_manual_names_every_command(self):
        manual = (stacks.ROOT / "ctl" / "waslctl.1").read_text().replace("\\-", "-")
        for line in stack.waslctl("--help").out.splitlines():
            found = re.match(r"  ([a-z]+(?: [a-z-]+)?)", line)
            if found:
                self.assertIn(found.group(1), manual)

    def test_options_stand_before_and_behind_the_command(self):
        before = stack.waslctl("--json", "store", "list")
        self.assertEqual((before.rc, before.out), (0, stack.waslctl("store", "list", "--json").out))

    def test_without_a_database_it_says_so(self):
        self.refused("store", "list", rc=2, says="WASL_DATABASE_URL", env={"WASL_DATABASE_URL": ""})
        self.refused("store", "list", env={"WASL_DATABASE_URL": "postgresql://wasl@127.0.0.1:1/wasl"})

    def test_a_full_disk_is_an_error(self):
        with open("/dev/full", "w") as full:
            done = subprocess.run([str(stacks.programs() / "waslctl"), "store", "list"], stdout=full, check=False,
                                  env={**stacks.clean_env(), **stack.env}, stderr=subprocess.PIPE, timeout=20)
        self.assertEqual(done.returncode, 1)

    def test_the_locale_changes_nothing(self):
        for locale in ("de_DE.UTF-8", "ar_EG.UTF-8", "C"):
            env = {"LANG": locale, "LC_ALL": locale}
            listed = stack.waslctl("store", "show", STORE["store_id"], "--json", env=env)
            self.assertEqual(json.loads(listed.out)["rate"], "7.5%")
            self.refused("store", "set", STORE["store_id"], "--rate", "7,5%", rc=2, env=env)


class Stores(Case):
    def add(self, **options):
        words = {"name": "S", "url": "https://s.example", "currency": "EGP", **options}
        return ["store", "add"] + [word for name, value in words.items() for word in ("--" + name, value)]

    def test_the_secret_is_shown_once(self):
        self.assertEqual(list(STORE), ["store_id", "webhook_secret", "webhook_url"])
        self.assertRegex(STORE["webhook_secret"], r"^whsec_[A-Za-z0-9+/]{43}=$")
        self.assertEqual(STORE["webhook_url"], "%s/v1/stores/%d/events" % (
            stack.env["WASL_ATTRIBUTOR_URL"], STORE["store_id"]))
        for words in (("store", "show", STORE["store_id"]), ("store", "list")):
            self.assertNotIn("whsec", stack.waslctl(*words, "--json").out)
        self.assertNotIn(STORE["webhook_secret"][6:20], str(stack.sql("SELECT * FROM wasl.stores")))

    def test_settings_are_kept_and_changed(self):
        store = stack.ctl(*self.add(window="12h", param="ref", **{"return-days": "0"}))["store_id"]
        shown = stack.ctl("store", "show", store)
        self.assertEqual((shown["window_s"], shown["param"], shown["return_days"]), (43200, "ref", 0))
        shown = stack.ctl("store", "set", store, "--model", "first", "--precedence", "click_first", "--timezone",
                          "Asia/Riyadh", "--collect-on", "delivered", "--self-referral", "review", "--window", "7d",
                          "--return-days", "30", "--tax-rate", "14%")
        self.assertEqual([shown[name] for name in ("model", "precedence", "timezone", "collect_on", "self_referral",
                                                   "window_s", "return_days", "tax_rate")],
                         ["first", "click_first", "Asia/Riyadh", "delivered", "review", 604800, 30, "14%"])

    def test_bad_values_are_refused(self):
        for options, rc in (({"currency": "XXX"}, 2), ({"currency": "egp"}, 2), ({"rate": "7,5"}, 2), ({"rate": "7,5%"}, 2),
                            ({"rate": "101%"}, 2), ({"rate": "7.555%"}, 2), ({"fixed": "1.001"}, 2), ({"fixed": "-1"}, 2),
                            ({"window": "30"}, 2), ({"window": "1ms"}, 2), ({"window": "0"}, 2), ({"name": ""}, 2),
                            ({"name": "a" * 256}, 2), ({"platform": "magento"}, 2),
                            ({"param": "a b"}, 2), ({"param": "a" * 33}, 2), ({"return-days": "366"}, 2),
                            ({"allow-host": "a/b"}, 2), ({"allow-host": ""}, 2), ({"allow-host": "a.example:80"}, 2),
                            ({"url": "javascript:alert(1)"}, 1), ({"url": "ftp://s.example"}, 1),
                            ({"url": "https://u:p@s.example"}, 1), ({"url": "https://s.example/\r\nX: y"}, 1),
                            ({"url": "//s.example"}, 1), ({"url": "https://متجر.example"}, 1)):
            with self.subTest(options=options):
                self.refused(*self.add(**options), rc=rc)
        self.refused("store", "set", STORE["store_id"], "--timezone", "Mars/Base", rc=2)
        self.refused("store", "set", 4000000000, "--model", "last", says="no store")
        self.refused("store", "show", 4000000000, says="no store")

    def test_three_digit_currencies_take_three(self):
        store = stack.ctl(*self.add(currency="KWD", fixed="1.125"))["store_id"]
        self.assertEqual(stack.ctl("store", "show", store)["fixed"], "1.125")

    def test_terms_end_and_begin(self):
        store = stack.ctl(*self.add(rate="10%"))["store_id"]
        stack.ctl("store", "set", store, "--rate", "10%")
        stack.ctl("store", "set", store, "--rate", "12.25%", "--fixed", "5")
        self.assertEqual(
            stack.sql(f"SELECT rate_bp, fixed_unit_minor, valid_from = '-infinity', valid_to IS NULL FROM wasl.rules "
                      f"WHERE store_id = {store} ORDER BY rule_id"),
            [["1000", "", "t", "f"], ["1225", "500", "f", "t"]])
        self.assertEqual(stack.sql(f"SELECT count(*) FROM wasl.rules a JOIN wasl.rules b ON a.valid_to = b.valid_from "
                                   f"WHERE a.store_id = {store} AND b.store_id = {store}"), [["1"]])

    def test_secrets_rotate_in_two_steps(self):
        store = stack.ctl(*self.add())
        number = store["store_id"]
        self.refused("store", "rotate-secret", number, "--finish", says="no rotation")
        new = stack.ctl("store", "rotate-secret", number)
        self.assertEqual(list(new), ["store_id", "webhook_secret", "webhook_url"])
        self.assertNotEqual(new["webhook_secret"], store["webhook_secret"])
        self.assertTrue(stack.ctl("store", "show", number)["rotating"])
        self.refused("store", "rotate-secret", number, says="--finish")
        stack.ctl("store", "rotate-secret", number, "--finish")
        self.assertFalse(stack.ctl("store", "show", number)["rotating"])
        self.refused("store", "rotate-secret", 4000000000, says="no store")

    def test_lists_have_pages(self):
        for _ in range(3):
            stack.ctl(*self.add())
        whole = stack.ctl("store", "list")
        self.assertIsNone(whole["next"])
        seen, cursor = [], None
        while True:
            page = stack.ctl("store", "list", "--limit", 2, *(("--cursor", cursor) if cursor else ()))
            self.assertLessEqual(len(page["data"]), 2)
            seen += page["data"]
            cursor = page["next"]
            if cursor is None:
                break
        self.assertEqual(seen, whole["data"])

    def test_a_cursor_that_no_page_gave_is_refused_before_anything_is_printed(self):
        for noun in ("store", "affiliate", "apikey", "quarantine", "review"):
            for cursor in ("zz", "-1", "1;2", "99999999999999999999", ""):
                result = stack.waslctl(noun, "list", "--cursor", cursor, "--json")
                self.assertEqual((result.rc, result.out), (2, ""), (noun, cursor))
                self.assertIn("--cursor", result.err)


class Affiliates(Case):
    def test_status_has_a_history(self):
        number = self.affiliate()
        stack.ctl("affiliate", "suspend", number)
        stack.ctl("affiliate", "suspend", number)
        self.assertEqual(stack.ctl("affiliate", "resume", number)["status"], "active")
        self.assertEqual(stack.sql(f"SELECT status, since = '-infinity' FROM wasl.affiliate_status "
                                   f"WHERE affiliate_id = {number} ORDER BY since"),
                         [["active", "t"], ["suspended", "f"], ["active", "f"]])
        self.refused("affiliate", "suspend", 4000000000, says="no affiliate")

    def test_names_are_stored_as_they_are_and_leave_escaped(self):
        for name in ("أحمد السيد", "e\u0301 👩‍👩‍👧 \U0001f600", "a\u200f\u202eb", "%n %s '\"\\ {{x}} $1; DROP TABLE x --", "a" * 255,
                     "a\x1b[31mb", "a\nb\tc", "\x7f\u009b1m"):
            with self.subTest(name=name):
                number = self.affiliate(name)
                row = next(row for row in stack.ctl("affiliate", "list", "--limit", 1, "--cursor", number - 1)["data"])
                self.assertEqual(row["name"], name)
                self.assertIsNone(CONTROL.search(stack.waslctl("affiliate", "list").out))
        for name in ("", "a" * 256, b"\xff\xfe", b"\xed\xa0\x80"):
            with self.subTest(name=name):
                result = stack.waslctl("affiliate", "add", "--name", os.fsdecode(name))
                self.assertEqual(result.rc, 2)
                self.assertIsNone(CONTROL.search(result.err))

    def test_how_to_reach_them_is_checked(self):
        number = self.affiliate()
        for words in (("--phone", "01001234567"), ("--phone", "+0100"), ("--phone", "+2010012345678901"), ("--email", "x"),
                      ("--email", "@x"), ("--email", "a@b c"), ("--lang", "fr")):
            with self.subTest(words=words):
                self.refused("affiliate", "set", number, *words, rc=2)
        row = stack.ctl("affiliate", "set", number, "--phone", "+201001234567", "--email", "a@b.example", "--lang", "en",
                        "--payout-method", "instapay", "--payout-account", "x@instapay")
        self.assertEqual((row["phone"], row["email"], row["lang"], row["payout_method"]),
                         ("+201001234567", "a@b.example", "en", "instapay"))


class Products(Case):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="csv-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def load(self, content, *more):
        file = self.folder / "products.csv"
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        result = stack.waslctl("product", "import", "--store", STORE["store_id"], file, "--json", *more)
        return result.rc, json.loads(result.out) if result.out else result.err

    def rules(self, external_id):
        return stack.sql(f"SELECT r.rate_bp, r.fixed_unit_minor, r.valid_from = '-infinity', r.valid_to IS NULL "
                         f"FROM wasl.rules r JOIN wasl.products p USING (store_id, product_id) "
                         f"WHERE p.external_id = '{external_id}' AND p.store_id = {STORE['store_id']} ORDER BY r.rule_id")

    def test_a_known_one_is_updated(self):
        number = self.product("again", "--rate", "5%", "--title", "عطر")
        self.assertEqual(self.product("again"), number)
        self.assertEqual(self.rules("again"), [["500", "", "t", "t"]])
        self.assertEqual(self.product("again", "--fixed", "20.00"), number)
        self.assertEqual(self.rules("again"), [["500", "", "t", "f"], ["", "2000", "f", "t"]])

    def test_its_host_is_the_store_s_or_allowed(self):
        for url, is_ok in (("https://shop.example/x", True), ("http://a.b.SHOP.example:8080/", True),
                           ("https://cdn.example/x", True), ("https://a.cdn.example/x", False),
                           ("https://evilshop.example/", False), ("https://shop.example.evil.example/", False),
                           ("https://shop.example@evil.example/", False), ("//shop.example/", False),
                           ("javascript:alert(1)", False), ("https://shop.example/" + "a" * 2048, False)):
            with self.subTest(url=url):
                words = ("product", "add", "--store", STORE["store_id"], "--external-id", "host", "--url", url)
                if is_ok:
                    stack.ctl(*words)
                else:
                    self.refused(*words)
        self.refused("product", "add", "--store", 4000000000, "--external-id", "x", "--url", "https://x.example",
                     says="no store")

    def test_pause_and_resume(self):
        number = self.product("paused")
        self.assertEqual(stack.ctl("product", "pause", number), {"product_id": number, "status": "paused"})
        self.assertEqual(stack.ctl("product", "resume", number)["status"], "active")
        self.refused("product", "pause", 4000000000, says="no product")

    def test_import_adds_updates_and_says_what_it_refused(self):
        rc, told = self.load(
            "\ufefftitle,external_id,rate,url\r\n"
            '"one, ""1""\r\nsecond line",I-1,7.5%,https://shop.example/1\r\n'
            "two,I-2,,https://shop.example/2\n"
            "again,I-1,,https://shop.example/1\n"
            "evil,I-3,,https://evil.example/\n"
            "rate,I-4,\"7,5%\",https://shop.example/4\n"
            "short,I-5\n"
            "stray,I-6,,https://shop.example/\"6\"\n"
            ",,,https://shop.example/7\n")
        self.assertEqual((rc, told["read"], told["added"], told["updated"], told["refused"]), (1, 8, 2, 0, 6))
        self.assertEqual([(error["line"], error["column"]) for error in told["errors"]],
                         [(5, "external_id"), (6, "url"), (7, "rate"), (8, None), (9, None), (10, "external_id")])
        self.assertEqual(stack.sql("SELECT replace(title, chr(13), '<CR>') FROM wasl.products WHERE external_id = 'I-1'"),
                         [['one, "1"<CR>\nsecond line']])
        self.assertEqual(self.rules("I-1"), [["750", "", "t", "t"]])
        rc, told = self.load("external_id,url,rate\nI-1,https://shop.example/new,8%\nI-2,https://shop.example/2,\n")
        self.assertEqual((rc, told), (0, {"read": 2, "added": 0, "updated": 2, "refused": 0, "errors": []}))
        self.assertEqual(self.rules("I-1"), [["750", "", "t", "f"], ["800", "", "f", "t"]])
        self.assertEqual(self.rules("I-2"), [])
        self.assertEqual(stack.sql("SELECT title, url FROM wasl.products WHERE external_id = 'I-2'"),
                         [["two", "https://shop.example/2"]])
        self.assertIsNone(CONTROL.search(stack.waslctl("product", "list", "--store", STORE["store_id"]).out))

    def test_strict_imports_nothing(self):
        rc, told = self.load("external_id,url\nN-1,https://shop.example/\nN-2,https://evil.example/\n", "--strict")
        self.assertEqual((rc, told["added"], told["refused"]), (1, 0, 1))
        self.assertEqual(stack.sql("SELECT count(*) FROM wasl.products WHERE external_id LIKE 'N-%'"), [["0"]])

    def test_a_bad_header_imports_nothing(self):
        for content in ("", "external_id\nx\n", "external_id,url,colour\n", "external_id,url,url\n", '"external_id\n',
                        "\n\n", "URL,external_id\n"):
            with self.subTest(content=content):
                rc, told = self.load(content)
                self.assertEqual(rc, 1)
                self.assertIsInstance(told, str)

    def test_hostile_files_are_told_by_line(self):
        for row, column in ((b"H-1,https://shop.example/\xff", "url"), (b"\xff\xfe,https://shop.example/", "external_id"),
                            (b"a\x00b,https://shop.example/", "external_id"), (b"a\rb,https://shop.example/", None),
                            (b'"open,https://shop.example/', None), (b"x" * 70000 + b",https://shop.example/", None),
                            (b"a" * 129 + b",https://shop.example/", "external_id"), (b"," * 70, None),
                            (b"a\x1b[1m,https://shop.example/", "external_id")):
            with self.subTest(row=row[:40]):
                rc, told = self.load(b"external_id,url\n" + row + b"\n")
                self.assertEqual((rc, told["refused"], told["added"]), (1, 1, 0))
                self.assertEqual((told["errors"][0]["line"], told["errors"][0]["column"]), (2, column))

    def test_only_a_hundred_errors_are_named(self):
        rc, told = self.load("external_id,url\n" + "".join("E-%d,https://evil.example/\n" % i for i in range(150)))
        self.assertEqual((rc, told["refused"], len(told["errors"]), told["errors"][-1]["line"]), (1, 150, 100, 101))

    def test_a_long_file_takes_bounded_memory(self):
        file = self.folder / "long.csv"
        with open(file, "w") as out:
            out.write("external_id,url,title\n")
            for i in range(20000):
                out.write("L-%d,https://shop.example/l,%s\n" % (i, "t" * 900))
        limit = 256 << 20  # of address space, libraries included
        words = [str(stacks.programs() / "waslctl"), "product", "import", "--store", str(STORE["store_id"]), str(file)]
        if "asan" not in words[0]:
            words = ["prlimit", "--as=%d" % limit] + words
        subprocess.run(words, env={**stacks.clean_env(), **stack.env}, capture_output=True, timeout=60, check=True)
        self.assertEqual(stack.sql("SELECT count(*) FROM wasl.products WHERE external_id LIKE 'L-%'"), [["20000"]])


class Links(Case):
    def test_a_link_says_the_same_again(self):
        affiliate, product = self.affiliate(), self.product()
        words = ("link", "mint", "--affiliate", affiliate, "--product", product, "--campaign", 7)
        link = stack.ctl(*words)
        self.assertEqual(link, stack.ctl(*words))
        self.assertEqual(link["url"], stack.env["WASL_LINK_BASE"] + "/" + link["token"])
        opened = stack.ctl("link", "decode", link["token"])
        self.assertEqual(opened, {"token": link["token"], "result": "ok", "slot": opened["slot"],
                                  "affiliate_id": affiliate, "product_id": product, "campaign_id": 7})

    def test_unknown_ids_get_no_link(self):
        affiliate, product = self.affiliate(), self.product()
        self.refused("link", "mint", "--affiliate", 4000000000, "--product", product, says="no affiliate")
        self.refused("link", "mint", "--affiliate", affiliate, "--product", 4000000000, says="no product")


class Vectors(Case):
    """The committed vectors, through the program."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ring-"))
        self.addCleanup(shutil.rmtree, self.folder)
        ring = self.folder / "keyring"
        ring.write_text("".join("%s %s %s\n" % (row[0], row[4], row[1]) for row in self.rows("keyring")))
        ring.chmod(0o600)
        self.env = {"WASL_KEYRING": str(ring), "WASL_DATABASE_URL": "", "WASL_REDIS_URL": ""}

    def rows(self, name):
        text = (stacks.ROOT / "tests" / "vectors" / (name + ".tsv")).read_text()
        return [line.split("\t") for line in text.splitlines() if line and not line.startswith("#")]

    def decode(self, noun, tokens):
        result = stack.waslctl(noun, "decode", "-", "--json", stdin="".join(token + "\n" for token in tokens),
                               env=self.env)
        return result.rc, [json.loads(line) for line in result.out.splitlines()]

    def test_links(self):
        rows = self.rows("link_tokens")
        rc, answers = self.decode("link", [row[0] for row in rows])
        self.assertEqual((rc, len(answers)), (1, len(rows)))
        for row, answer in zip(rows, answers):
            self.assertEqual((answer["token"], answer["result"]), (row[0], row[1]))
            if row[1] == "ok":
                self.assertEqual([answer[name] for name in ("slot", "affiliate_id", "product_id", "campaign_id")],
                                 list(map(int, row[2:6])))
            else:
                self.assertLessEqual(set(answer), {"token", "result", "slot"})

    def test_clicks(self):
        rows = self.rows("click_tokens")
        rc, answers = self.decode("click", [row[0] for row in rows])
        self.assertEqual((rc, len(answers)), (1, len(rows)))
        for row, answer in zip(rows, answers):
            self.assertEqual((answer["token"], answer["result"]), (row[0], row[1]))
            if row[1] == "ok":
                self.assertEqual(answer["click_id"].replace("-", ""), row[3])
                self.assertEqual([answer[name] for name in ("slot", "affiliate_id", "product_id", "campaign_id", "flags",
                                                            "window_s")], [int(row[2])] + list(map(int, row[5:10])))
                self.assertRegex(answer["clicked_at"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
            else:
                self.assertLessEqual(set(answer), {"token", "result", "slot"})

    def test_the_exit_code_is_0_only_if_all_are_ok(self):
        good = [row[0] for row in self.rows("link_tokens") if row[1] == "ok"]
        self.assertEqual(self.decode("link", good)[0], 0)
        self.assertEqual(self.decode("link", good + [""])[0], 1)

    def test_odd_lines_are_answered_one_by_one(self):
        rc, answers = self.decode("link", ["", "\udcff\udcfe", "a" * 100000, "\x1b[31m", "a b"])
        self.assertEqual([answer["result"] for answer in answers], ["bad_length"] * 5)
        self.assertEqual(rc, 1)


class Keys(Case):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ring-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.ring = self.folder / "keyring"
        shutil.copy(stack.env["WASL_KEYRING"], self.ring)
        self.env = {"WASL_KEYRING": str(self.ring)}

    def key(self, *words):
        result = stack.waslctl("key", *words, "--json", env=self.env)
        self.assertEqual(result.rc, 0, result)
        return json.loads(result.out)

    def states(self):
        return {row["slot"]: row["state"] for row in self.key("list")["data"]}

    def slots_of_secrets(self):
        return {row[0] for row in stack.sql("SELECT get_byte(secret_current, 0) FROM wasl.stores UNION "
                                            "SELECT get_byte(secret_previous, 0) FROM wasl.stores "
                                            "WHERE secret_previous IS NOT NULL")}

    def test_a_new_file_begins_with_an_active_key(self):
        self.ring.unlink()
        self.assertEqual(self.key("add"), {"slot": 0, "state": "active"})
        self.assertEqual(self.ring.stat().st_mode & 0o777, 0o600)
        self.assertEqual(self.key("add"), {"slot": 1, "state": "valid"})

    def test_a_key_s_life(self):
        old = next(slot for slot, state in self.states().items() if state == "active")
        rotating = stack.ctl("store", "add", "--name", "R", "--url", "https://r.example", "--currency", "EGP")["store_id"]
        stack.ctl("store", "rotate-secret", rotating)
        new = self.key("add")["slot"]
        self.refused("key", "revoke", old, says="active", env=self.env)
        self.assertEqual(self.key("activate", new), {"slot": new, "state": "active"})
        self.assertEqual(self.slots_of_secrets(), {str(new)})
        self.assertEqual(self.states()[old], "valid")
        self.refused("key", "revoke", new, says="active", env=self.env)
        back = self.key("activate", old)
        self.assertEqual((back["state"], self.slots_of_secrets()), ("active", {str(old)}))
        self.assertEqual(self.key("revoke", new)["state"], "revoked")
        self.refused("key", "activate", new, says="revoked", env=self.env)
        self.refused("key", "activate", 6, says="no key", env=self.env)
        self.refused("key", "revoke", 7, env=self.env)

    def test_a_slot_that_seals_a_secret_is_not_revoked(self):
        """As after a crash between the database and the file: everything opens, and the work can be finished."""
        old = next(slot for slot, state in self.states().items() if state == "active")
        new = self.key("add")["slot"]
        before = self.ring.read_text()
        self.key("activate", new)
        self.ring.write_text(before)
        self.refused("key", "revoke", new, says="still seals", env=self.env)
        self.assertEqual(self.key("activate", new)["state"], "active")
        self.assertEqual(self.key("activate", old)["state"], "active")

    def test_a_full_ring_names_the_oldest_revoked_slot(self):
        self.ring.unlink()
        for _ in range(7):
            self.key("add")
        self.refused("key", "add", says="full", env=self.env)
        for slot in (2, 4):
            self.key("revoke", slot)
        self.assertRegex(self.refused("key", "add", env=self.env), r"\b2\b.*--reuse 2")
        self.refused("key", "add", "--reuse", 3, says="not revoked", env=self.env)
        before = self.ring.read_text().splitlines()[2]
        self.assertEqual(self.key("add", "--reuse", 2), {"slot": 2, "state": "valid"})
        self.assertNotEqual(before.split()[2], self.ring.read_text().splitlines()[2].split()[2])

    def test_a_bad_file_is_refused_by_line(self):
        for text, says in (("", "active"), ("0 active xyz\n", ":1"), ("0 active " + "0" * 64 + "\n0 valid " + "1" * 64, ":2")):
            with self.subTest(text=text):
                self.ring.write_text(text)
                self.refused("key", "list", env=self.env)
        self.ring.chmod(0o644)
        self.refused("key", "list", env=self.env)


class ApiKeys(Case):
    def test_a_key_is_shown_once_and_kept_as_its_hash(self):
        made = stack.ctl("apikey", "add", "--scope", "store:%d" % STORE["store_id"], "--name", "مفتاح")
        self.assertRegex(made["key"], r"^wasl_[A-Za-z0-9_-]{43}$")
        self.assertEqual(stack.sql("SELECT count(*) FROM wasl.api_keys WHERE key_sha256 = sha256('%s')" % made["key"]),
                         [["1"]])
        listed = stack.waslctl("apikey", "list", "--json").out
        self.assertNotIn(made["key"], listed)
        row = next(row for row in json.loads(listed)["data"] if row["apikey_id"] == made["apikey_id"])
        self.assertEqual((row["scope"], row["name"], row["revoked_at"]), ("store:%d" % STORE["store_id"], "مفتاح", None))
        first = stack.ctl("apikey", "revoke", made["apikey_id"])
        self.assertEqual(first, stack.ctl("apikey", "revoke", made["apikey_id"]))
        self.refused("apikey", "revoke", 999999)

    def test_a_scope_names_what_exists(self):
        self.refused("apikey", "add", "--scope", "affiliate:4000000000", says="no affiliate:4000000000")
        for scope in ("finance", "admin"):
            stack.ctl("apikey", "add", "--scope", scope)


class Clicks(Case):
    ID = "0191c409-60be-7e0e-a952-cee07440cabe"

    def test_a_click_is_shown_as_redis_has_it(self):
        bits = int(self.ID.replace("-", ""), 16)
        bucket, index = (bits >> 64 & 0xfff) << 56 | (bits & (1 << 62) - 1) >> 6, bits & 63
        record = bytes.fromhex("11" "19" "81" "000007" "00000003" "00000004" "00000002" "00278d00" "000000000000" "00000000")
        with stack.redis() as redis:
            redis.command("HSET", "wasl:c:%017x" % bucket, index, record)
            redis.command("EXPIRE", "wasl:c:%017x" % bucket, 1000)
            redis.command("SET", "wasl:x:%017x:%d" % (bucket, index), b"\x01" + b"\x00\x05abc\x1b[" + b"\x05\x02xy")
        shown = stack.ctl("click", "show", self.ID)
        self.assertIn(shown.pop("ttl_s"), range(900, 1001))
        self.assertRegex(shown.pop("expires_at"), r":\d\d\.000Z$")
        for name, value in {"click_id": self.ID, "found": True, "affiliate_id": 3, "product_id": 4, "campaign_id": 7,
                            "store_id": 2, "window_s": 2592000, "flags": 1, "class": "suspect",
                            "clicked_at": "2024-09-05T21:13:54.622Z",
                            "s1": "abc\x1b[", "s2": None, "cid": "xy"}.items():
            self.assertEqual(shown[name], value, name)
        missing = stack.waslctl("click", "show", self.ID[:-1] + "f", "--json")
        self.assertEqual((missing.rc, json.loads(missing.out)), (1, {"found": False, "why": "no_entry"}))

    def test_what_is_not_there_says_why(self):
        missing = stack.waslctl("click", "show", "0191c409-60be-7e0e-b952-cee07440cabe", "--json")
        self.assertEqual((missing.rc, json.loads(missing.out)), (1, {"found": False, "why": "no_bucket"}))
        down = stack.waslctl("click", "show", "0191c409-60be-7e0e-b952-cee07440cabe", "--json",
                             env={"WASL_REDIS_URL": "redis://127.0.0.1:1"})
        self.assertEqual((down.rc, json.loads(down.out)), (1, {"found": False, "why": "redis_down"}))
        self.refused("click", "show", "nonsense", says="bad_length")
        self.refused("click", "show", self.ID, rc=2, env={"WASL_REDIS_URL": "http://x"})


class Empty(Case):
    def test_lists_without_rows(self):
        for words in (("commission", "list"), ("order", "list", "--store", STORE["store_id"])):
            self.assertEqual(stack.ctl(*words), {"data": [], "next": None})
        self.assertEqual(stack.ctl("balance", self.affiliate()), {"data": []})
        self.refused("balance", 4000000000, says="no affiliate")
        self.refused("order", "show", "--store", STORE["store_id"], "nope", says="no order")
        out = self.bytes_of("commission", "list", "--format", "csv").decode()
        self.assertEqual(out, "\ufeffcommission_id,store_id,store,affiliate_id,affiliate,order_id,currency,amount,"
                         "amount_minor,placed_at,confirmed_at,age_days,release_at,reason,state,kind,amount_confirmed,"
                         "payout_id\r\n")


if __name__ == "__main__":
    unittest.main()
