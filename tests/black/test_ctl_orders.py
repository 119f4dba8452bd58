# SPDX-License-Identifier: Apache-2.0
"""An order's way as waslctl shows it: click, event, decision, commission, balance."""

import json
import re
import subprocess
import tempfile
import time
import unittest

import stack as stacks

stack = stacks.Stack(stacks.PATIENT)
PHONE = ("User-Agent", "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 musical_ly_34.0 TikTok")


def setUpModule():
    stack.start()


def tearDownModule():
    stack.stop()


class Orders(unittest.TestCase):
    def setUp(self):
        self.store = stack.ctl("store", "add", "--name", "=1+1", "--url", "https://shop.example", "--currency", "EGP",
                               "--rate", "7.5%")["store_id"]
        self.affiliate = stack.ctl("affiliate", "add", "--name", "@أحمد, \"السيد\"")["affiliate_id"]
        self.product = stack.ctl("product", "add", "--store", self.store, "--external-id", "SKU-77", "--url",
                                 "https://shop.example/p")["product_id"]

    def click(self, query=""):
        """A click's token, once the tracker knows what it is for."""
        link = stack.ctl("link", "mint", "--affiliate", self.affiliate, "--product", self.product, "--campaign", 9)
        return stacks.wait_until(lambda: re.search(r"[?&]wasl=([A-Za-z0-9_-]{60})", self.location(link, query)),
                                 what="a click token").group(1)

    def location(self, link, query=""):
        return stack.tracker("GET", "/" + link["token"] + query, [PHONE]).header("location") or ""

    def send(self, order_id, clicks, *more):
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        event = {"type": "order.confirmed", "timestamp": now, "data": {
            "order_id": order_id, "placed_at": now, "currency": "EGP", "clicks": clicks,
            "lines": [{"line_id": "1", "product_id": "SKU-77", "quantity": 1, "unit_price": "909.00"}]}}
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(event, file)
            file.flush()
            return stack.waslctl("event", "send", "--store", self.store, file.name, "--json", *more)

    def test_a_fresh_catalogue_is_with_the_tracker_soon_after_the_command(self):
        """That Redis has it when the command returns is test_publish.py's."""
        self.click()
        stack.ctl("affiliate", "suspend", self.affiliate)
        link = stack.ctl("link", "mint", "--affiliate", self.affiliate, "--product", self.product)
        stacks.wait_until(lambda: self.location(link) == "https://shop.example/p", what="no credit")

    def test_a_click_is_shown_by_token_and_by_id(self):
        token = self.click("?s1=%D8%A3&cid=x%1b")
        by_token = stack.ctl("click", "show", token)
        decoded = stack.ctl("click", "decode", token)
        self.assertEqual({name: by_token[name] for name in decoded}, decoded)
        self.assertEqual(list(decoded), ["token", "result", "slot", "affiliate_id", "product_id", "campaign_id", "click_id",
                                         "clicked_at", "flags", "window_s"])
        by_id = stack.ctl("click", "show", by_token["click_id"])
        for shown in (by_token, by_id):
            self.assertEqual((shown["found"], shown["store_id"], shown["class"], shown["s1"], shown["cid"], shown["s2"]),
                             (True, self.store, "human", "أ", "x\x1b", None))
            self.assertEqual((shown["affiliate_id"], shown["product_id"], shown["campaign_id"], shown["window_s"]),
                             (self.affiliate, self.product, 9, 30 * 86400))
            self.assertIn(shown["ttl_s"], range(33 * 86400 - 60, 33 * 86400 + 3601))
        self.assertNotIn("\x1b", stack.waslctl("click", "show", token).out)

    def test_lists_of_an_unknown_store_are_refused(self):
        for noun in ("order", "product"):
            for words in ((), ("--json",)):
                result = stack.waslctl(noun, "list", "--store", 4000000, *words)
                self.assertEqual((result.rc, result.out), (1, ""))
                self.assertIn("there is no store 4000000", result.err)
            self.assertEqual(stack.waslctl(noun, "list", "--store", self.store).rc, 0)

    def test_an_order_is_sent_shown_and_listed(self):
        token = self.click()
        sent = self.send("1001", [token], "--id", "msg_one")
        self.assertEqual(sent.rc, 0, sent)
        answer = json.loads(sent.out)
        self.assertEqual((answer["decision"], answer["commissions"][0]["amount"]), ("attributed", "68.18"))
        order = stack.ctl("order", "show", "--store", self.store, "1001")
        self.assertLessEqual({"order_id", "store_id", "state", "currency", "placed_at", "waiting", "reviews", "events",
                              "decision", "lines", "commissions"}, set(order))
        self.assertEqual((order["decision"]["result"], order["lines"][0]["amount"]), ("attributed", "68.18"))
        self.assertEqual(order["decision"]["candidates"][0]["affiliate_id"], self.affiliate)
        told = stack.waslctl("order", "show", "--store", self.store, "1001").out
        for word in ("won_last_click", "68.18", "candidates", "order.confirmed"):
            self.assertIn(word, told)
        listed = stack.ctl("order", "list", "--store", self.store)["data"]
        self.assertEqual([(row["order_id"], row["amount"], row["affiliates"]) for row in listed],
                         [("1001", "68.18", [self.affiliate])])
        self.assertEqual(stack.ctl("balance", self.affiliate)["data"][0]["pending"], "68.18")
        self.assertEqual(stack.ctl("verify")["ok"], True)

    def test_orders_that_nobody_earned_are_listed(self):
        self.assertEqual(self.send("lost", []).rc, 0)
        self.assertEqual(self.send("found", [self.click()]).rc, 0)
        listed = stack.ctl("order", "list", "--store", self.store, "--unattributed")["data"]
        self.assertEqual([(row["order_id"], row["result"], row["reason"]) for row in listed],
                         [("lost", "unattributed", "no_candidates")])

    def test_a_refused_event_is_1_and_tells_why(self):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            file.write('{"type":"order.lost"}')
            file.flush()
            result = stack.waslctl("event", "send", "--store", self.store, file.name, "--json")
        self.assertEqual((result.rc, json.loads(result.out)["status"]), (1, 422))
        self.assertEqual(stack.waslctl("event", "send", "--store", self.store, "/nonexistent").rc, 1)
        self.assertEqual(stack.waslctl("event", "send", "--store", 4000000000, "/dev/null").rc, 1)

    def test_commissions_are_listed_filtered_and_exported(self):
        for i in range(3):
            self.assertEqual(self.send("c-%d" % i, [self.click()]).rc, 0)
        mine = ("commission", "list", "--affiliate", self.affiliate)
        rows = stack.ctl(*mine)["data"]
        self.assertEqual(len(rows), 3)
        self.assertEqual((rows[0]["amount"], rows[0]["state"], rows[0]["store"]), ("68.18", "pending", "=1+1"))
        first = stack.ctl(*mine, "--limit", 2)
        rest = stack.ctl(*mine, "--cursor", first["next"])
        self.assertEqual((first["data"] + rest["data"], rest["next"]), (rows, None))
        self.assertEqual(stack.ctl(*mine, "--state", "held")["data"], [])
        at = rows[1]["confirmed_at"]
        self.assertEqual(stack.ctl(*mine, "--from", "2999-01-01")["data"], [])
        self.assertEqual(len(stack.ctl(*mine, "--from", at)["data"]) + len(stack.ctl(*mine, "--to", at)["data"]), 3)
        out = subprocess.run([str(stacks.programs() / "waslctl"), *map(str, mine), "--format", "csv"], check=True,
                             capture_output=True, env={**stacks.clean_env(), **stack.env}, timeout=60).stdout
        self.assertTrue(out.startswith(b"\xef\xbb\xbfcommission_id,"))
        lines = out.decode("utf-8-sig").split("\r\n")
        self.assertEqual((len(lines), lines[-1]), (5, ""))
        self.assertIn(",'=1+1,%d,\"'@أحمد, \"\"السيد\"\"\",c-0,EGP,68.18,6818," % self.affiliate, lines[1])
        self.assertEqual(stack.waslctl(*mine, "--format", "json").out, stack.waslctl(*mine, "--json").out)

    def test_finance_reads_the_same(self):
        self.assertEqual(self.send("f-1", [self.click()]).rc, 0)
        columns = [row[0] for row in stack.sql("SELECT column_name FROM information_schema.columns WHERE table_schema = "
                                               "'finance' AND table_name = 'commissions' ORDER BY ordinal_position")]
        row = stack.ctl("commission", "list", "--store", self.store)["data"][0]
        self.assertEqual(list(row), columns)


if __name__ == "__main__":
    unittest.main()
