# SPDX-License-Identifier: Apache-2.0
"""Keys change while clicks and orders flow: no order loses its affiliate."""
import re
import signal
import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

import stack

PHONE = ("User-Agent", "Mozilla/5.0 (Linux; Android 14; SM-S921B) AppleWebKit/537.36 Chrome/130.0 Mobile Safari/537.36")
FLOW_BEFORE = 40  # orders between two steps of the rotation
STEP_LIMIT_S = 180


class Rotation(unittest.TestCase):
    def setUp(self):
        self.stack = stack.Stack(stack.PATIENT).start()
        self.addCleanup(self.stack.stop)
        self.store = self.stack.ctl(
            "store", "add", "--name", "Rotating", "--url", "https://shop.example", "--currency", "EGP", "--rate", "10%")
        self.affiliate = self.stack.ctl("affiliate", "add", "--name", "Rotating")["affiliate_id"]
        self.product = self.stack.ctl("product", "add", "--store", self.store["store_id"], "--external-id", "P",
                                      "--url", "https://shop.example/p")["product_id"]
        self.link = self.mint()
        stack.wait_until(lambda: self.stack.tracker("GET", self.link, [PHONE]).status == 302, what="the product")

    def mint(self):
        return "/" + self.stack.ctl("link", "mint", "--affiliate", self.affiliate, "--product", self.product)["token"]

    def click(self):
        answer = self.stack.tracker("GET", self.link, [PHONE])
        self.assertEqual(answer.status, 302)
        found = re.search(r"[?&]wasl=([A-Za-z0-9_-]{60})", answer.header("location"))
        self.assertIsNotNone(found, answer.header("location"))
        return found.group(1)

    def order(self, order_id, token):
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        answer = self.stack.send_event(self.store, {
            "type": "order.confirmed", "timestamp": now, "data": {
                "order_id": order_id, "placed_at": now, "currency": "EGP", "clicks": [token],
                "lines": [{"line_id": "1", "product_id": "P", "quantity": 1, "unit_price": "10.00"}]}})
        self.assertEqual(answer.status, 200, answer)
        return answer.json()

    def slots_of(self, token):
        return self.stack.ctl("click", "decode", token)["slot"]

    def test_rotation_under_load_loses_no_order(self):
        answers, tokens, failures, done = [], [], [], threading.Event()

        def flow():
            while not done.is_set():
                try:
                    token = self.click()
                    answers.append(self.order("flow-%d-%d" % (threading.get_ident(), len(tokens)), token))
                    tokens.append(token)
                except Exception as why:  # told by the assertion below
                    failures.append(why)
                    return

        def wait_for_more():
            goal = len(answers) + FLOW_BEFORE
            stack.wait_until(lambda: failures or len(answers) >= goal, STEP_LIMIT_S, "orders flow")

        with ThreadPoolExecutor(2) as pool:
            flows = [pool.submit(flow) for _ in range(2)]
            try:
                wait_for_more()
                added = self.stack.waslctl("key", "add")
                self.assertEqual(added.rc, 0, added)
                activated = self.stack.waslctl("key", "activate", "1")
                self.assertEqual(activated.rc, 0, activated)
                # Only the tracker hears of it: the attributor meets the new slot in an order and reads the file again.
                self.stack.signal("tracker", signal.SIGHUP)
                wait_for_more()
                wait_for_more()
            finally:
                done.set()
            for one in flows:
                one.result()
        self.assertEqual(failures, [])
        self.assertEqual({a["decision"] for a in answers}, {"attributed"})
        self.assertEqual({a["reason"] for a in answers}, {"won_last_click"})
        self.assertEqual({self.slots_of(t) for t in (tokens[0], tokens[-1])}, {0, 1})
        self.assertEqual(self.stack.waslctl("verify").rc, 0)

    def test_a_revoked_key_is_told_by_name_and_the_new_one_goes_on(self):
        old_token = self.click()
        rotated = self.stack.waslctl("key", "rotate")
        self.assertEqual(rotated.rc, 0, rotated)
        revoked = self.stack.waslctl("key", "revoke", "0")
        self.assertEqual(revoked.rc, 0, revoked)
        old_link = self.link
        for service in ("tracker", "attributor"):
            self.stack.signal(service, signal.SIGHUP)
        stack.wait_until(lambda: self.stack.tracker("GET", old_link, [PHONE]).status == 404, what="old links have ended")
        stack.wait_until(lambda: self.stack.log_events("attributor", "keyring_reloaded"), what="the attributor has read it")
        refused = self.order("old", old_token)
        self.assertEqual((refused["decision"], refused["reason"]), ("unattributed", "all_refused"))
        shown = self.stack.ctl("order", "show", "--store", self.store["store_id"], "old")
        self.assertEqual([c["verdict"] for c in shown["decision"]["candidates"]], ["key_revoked"])
        self.link = self.mint()
        self.assertEqual(self.order("new", self.click())["decision"], "attributed")

    def test_a_slot_that_was_given_a_new_key_is_known_before_the_answer(self):
        for _ in range(6):
            self.stack.ctl("key", "rotate")
        self.stack.ctl("key", "revoke", "0")
        self.stack.signal("attributor", signal.SIGHUP)
        old = self.click()
        stack.wait_until(lambda: self.order("revoked-%d" % time.monotonic_ns(), old)["reason"] == "all_refused",
                         STEP_LIMIT_S, "the attributor knows slot 0 as revoked")
        self.stack.ctl("key", "add", "--reuse", "0")
        self.stack.ctl("key", "activate", "0")
        self.stack.signal("tracker", signal.SIGHUP)  # the attributor is not told
        self.link = self.mint()
        stack.wait_until(lambda: self.stack.tracker("GET", self.link, [PHONE]).status == 302, STEP_LIMIT_S, "reload")
        self.assertEqual(self.order("reused", self.click())["decision"], "attributed")
        first = self.store["webhook_secret"]
        self.store = self.stack.ctl("store", "rotate-secret", self.store["store_id"])
        self.assertEqual(self.order("new-secret", self.click())["decision"], "attributed")
        self.stack.ctl("store", "rotate-secret", self.store["store_id"], "--finish")
        answer = self.stack.send_event(self.store, {}, secret=first)
        self.assertEqual(answer.status, 401, answer)

    def test_a_broken_keyring_changes_nothing_and_is_reported_with_its_line(self):
        with open(self.stack.env["WASL_KEYRING"], "a", encoding="ascii") as ring:
            ring.write("1 valid not-a-key\n")
        for service in ("tracker", "attributor"):
            self.stack.signal(service, signal.SIGHUP)
            stack.wait_until(lambda s=service: re.search(r"keyring[^\n]*:2", self.stack.log(s)),
                             what="%s names the line" % service)
        self.assertEqual(self.order("kept", self.click())["decision"], "attributed")


if __name__ == "__main__":
    unittest.main()
