# SPDX-License-Identifier: Apache-2.0
"""The reading API: who may see what, pages, filters, CSV, links, and what it answers when Postgres is away."""

import csv
import io
import json
import re
import time
import unittest
import urllib.parse

import stack
from shop import Shop
from stack import Stack, wait_until

COLUMNS = ["commission_id", "store_id", "store", "affiliate_id", "affiliate", "order_id", "currency", "amount",
           "amount_minor", "placed_at", "confirmed_at", "age_days", "release_at", "reason", "state", "kind",
           "amount_confirmed", "payout_id"]
BALANCE_COLUMNS = ["store_id", "currency", "pending", "held", "available", "in_payout", "paid", "under_review"]
ROWS = 250
HOSTILE_NAMES = ["=1+1", "+20100", "-5", "@SUM(A1)", '=HYPERLINK("http://evil.example","open")', 'quote " and, comma',
                 "two\nlines", "سارة أحمد", "\u202eright to left"]
ORDER_IDS = ["1001", "طلب رقم ٧", "a/b?c#d", "50% off", "x" * 128, "+=&", "é\u0301", "..", "\x01"]
UP = {}


def setUpModule():
    UP["stack"] = Stack({"insecure-cookie": "on"}).start()
    unittest.addModuleCleanup(UP["stack"].stop)
    fill(UP["stack"])


def fill(one):
    """Two stores, affiliates with awkward names, ROWS commissions of the first store spread over two affiliates, one
    in the second store, and one order per id in ORDER_IDS that has a decision with two candidates."""
    stores = [one.ctl("store", "add", "--name", name, "--url", "https://shop%d.example/" % number, "--currency",
                      currency)["store_id"]
              for number, (name, currency) in enumerate([("متجر النيل", "EGP"), ("Kuwait", "KWD")], 1)]
    affiliates = [one.ctl("affiliate", "add", "--name", name)["affiliate_id"] for name in ("سارة", "Ali")]
    affiliates += [int(one.sql("INSERT INTO wasl.affiliates (name) VALUES ('%s') RETURNING affiliate_id" % name)[0][0])
                   for name in HOSTILE_NAMES]
    products = [one.ctl("product", "add", "--store", store, "--external-id", "SKU", "--url",
                        "https://shop%d.example/p" % number)["product_id"] for number, store in enumerate(stores, 1)]
    UP.update(stores=stores, affiliates=affiliates, products=products)
    UP["ids"] = {name: one.ctl("apikey", "add", "--scope", scope) for name, scope in {
        "finance": "finance", "admin": "admin", "store1": "store:%d" % stores[0], "store2": "store:%d" % stores[1],
        "affiliate1": "affiliate:%d" % affiliates[0], "affiliate2": "affiliate:%d" % affiliates[1],
        "affiliate3": "affiliate:%d" % affiliates[2]}.items()}
    UP["keys"] = {name: made["key"] for name, made in UP["ids"].items()}
    one.sql(commissions_sql(stores[0], "EGP", affiliates[:2], ROWS))
    one.sql(commissions_sql(stores[1], "KWD", affiliates[1:2], 1))
    for number, name in enumerate(HOSTILE_NAMES):
        one.sql(commissions_sql(stores[0], "EGP", affiliates[2 + number:3 + number], 1, "hostile-%d-" % number))
    for order_id in ORDER_IDS:
        one.sql(order_sql(stores[0], order_id, affiliates[:2]))


def commissions_sql(store, currency, affiliates, count, prefix="order-"):
    """Orders, commissions and their ledger entries. The n-th was confirmed n minutes after 2026-03-01 00:00 UTC."""
    ids = "ARRAY[%s]" % ",".join(map(str, affiliates))
    return """
        BEGIN; -- a commission and its entries come together
        CREATE TEMP TABLE made ON COMMIT DROP AS SELECT i, timestamptz '2026-03-01 00:00Z' + i * interval '1 minute' AS at,
            (%(ids)s)[1 + i %% %(who)d] AS who FROM generate_series(1, %(count)d) i;
        INSERT INTO wasl.orders (store_id, order_id, state, currency, placed_at, confirmed_at)
            SELECT %(store)d, '%(prefix)s' || i, 'confirmed', '%(currency)s', at, at FROM made;
        INSERT INTO wasl.commissions (store_id, order_id, affiliate_id, currency, amount_minor, amount_confirmed_minor,
                confirmed_at, reason, decision_version)
            SELECT %(store)d, '%(prefix)s' || i, who, '%(currency)s', 100 + i, 100 + i, at, 'last_click', 1
            FROM made ORDER BY i;
        INSERT INTO wasl.entries (store_id, transaction_id, affiliate_id, currency, account, amount_minor, move,
                commission_id)
            SELECT c.store_id, c.commission_id, c.affiliate_id, c.currency, e.account, e.sign * c.amount_minor,
                'accrue', c.commission_id
            FROM wasl.commissions c, (VALUES ('store', -1), ('pending', 1)) e (account, sign)
            WHERE c.store_id = %(store)d AND c.order_id LIKE '%(prefix)s%%';
        COMMIT;""" % {
                "ids": ids, "who": len(affiliates), "count": count, "store": store, "currency": currency,
                "prefix": prefix}


def order_sql(store, order_id, affiliates):
    text = "'" + order_id.replace("'", "''") + "'"
    candidates = json.dumps([
        {"kind": "click", "click_id": "0191c409-60be-7e0e-a952-cee07440cabe", "affiliate_id": affiliates[0],
         "verdict": "winner", "evidence": "record"},
        {"kind": "click", "click_id": "0191c409-60be-7e0e-a952-cee07440cabf", "affiliate_id": affiliates[1],
         "verdict": "not_last", "evidence": "token"}])
    return """
        INSERT INTO wasl.orders (store_id, order_id, state, currency, placed_at, confirmed_at, decision_version)
            VALUES (%(store)d, %(id)s, 'confirmed', 'EGP', '2025-01-01Z', '2025-01-01Z', 1);
        INSERT INTO wasl.decisions (store_id, order_id, version, event_id, result, reason, evidence, model, precedence,
                candidates, commissions)
            VALUES (%(store)d, %(id)s, 1, 'msg', 'attributed', 'last_click', 'record', 'last', 'coupon_first',
                '%(candidates)s', '[]');""" % {"store": store, "id": text, "candidates": candidates}


def call(path, key="admin", method="GET", headers=(), body=b""):
    key = UP["keys"].get(key, key)
    shown = [("authorization", "Bearer " + key)] if key else []
    return UP["stack"].attributor(method, path, shown + list(headers), body)


def listed(query="", key="admin"):
    answer = call("/v1/commissions" + query, key)
    assert answer.status == 200, answer
    return answer.json()


def mint(key, body, headers=(("content-type", "application/json"),)):
    return call("/v1/links", key, "POST", headers, body if isinstance(body, bytes) else json.dumps(body).encode())


class Case(unittest.TestCase):
    def problem(self, answer, status, code):
        self.assertEqual(answer.status, status, answer)
        self.assertEqual(answer.header("content-type"), "application/problem+json")
        told = answer.json()
        self.assertEqual((told["type"], told["status"], told["code"]), ("about:blank", status, code))
        self.assertTrue(told["title"] and told["detail"])
        return told


class Scopes(Case):
    def test_each_key_at_each_route(self):
        store1, store2 = UP["stores"]
        first, second = UP["affiliates"][:2]
        link = {"affiliate_id": first, "product_id": UP["products"][0]}
        everyone = "finance admin store1 store2 affiliate1 affiliate2"
        table = [
            ("/v1/commissions", None, everyone),
            ("/v1/commissions?store=%d" % store1, None, "finance admin store1 affiliate1 affiliate2"),
            ("/v1/commissions?affiliate=%d" % first, None, "finance admin store1 store2 affiliate1"),
            ("/v1/affiliates/%d/balance" % first, None, "finance admin affiliate1"),
            ("/v1/stores/%d/orders/1001" % store1, None, "finance admin store1 affiliate1 affiliate2"),
            ("/v1/stores/%d/orders/order-1" % store2, None, "finance admin store2 affiliate2"),
            ("/v1/links", link, "admin store1 affiliate1"),
            ("/v1/links", {**link, "affiliate_id": second}, "admin store1 affiliate2"),
            ("/v1/links", {**link, "product_id": UP["products"][1]}, "admin store2 affiliate1"),
        ]
        for path, body, allowed in table:
            for key in everyone.split():
                with self.subTest(path=path, body=body, key=key):
                    answer = mint(key, body) if body else call(path, key)
                    self.assertEqual(answer.status, 200 if key in allowed.split() else 404, answer)
                    if answer.status == 404:
                        self.assertIn(answer.json()["code"], ("not_found", "unknown_product"))

    def test_a_list_holds_what_its_key_may_see(self):
        store1, store2 = UP["stores"]
        first = UP["affiliates"][0]
        for key, members in (("store1", {"store_id": {store1}}), ("store2", {"store_id": {store2}}),
                             ("affiliate1", {"affiliate_id": {first}, "store_id": {store1}}),
                             ("finance", {"store_id": {store1, store2}})):
            rows = listed("?limit=1000", key)["data"]
            for name, values in members.items():
                self.assertEqual({row[name] for row in rows}, values, key)
        self.assertEqual(listed("?store=%d" % store2, "affiliate1")["data"], [])

    def test_an_affiliate_does_not_learn_who_won(self):
        path = "/v1/stores/%d/orders/1001" % UP["stores"][0]
        first, second = UP["affiliates"][:2]
        full = call(path, "finance").json()["decision"]["candidates"]
        self.assertEqual([each["affiliate_id"] for each in full], [first, second])
        own = call(path, "affiliate2").json()["decision"]["candidates"]
        self.assertEqual(own[0], {"kind": "click", "verdict": "winner", "verdict_text": None})
        self.assertEqual(own[1]["affiliate_id"], second)
        self.problem(call(path, "affiliate3"), 404, "not_found")

    def test_who_lost_is_told_why_and_nothing_of_the_winner(self):
        """In the real thing: a coupon that won, an operator's act, a share, a review."""
        one = UP["stack"]
        shop = Shop(one, host="private.example")
        loser, winner, third = (shop.add_affiliate(name) for name in ("Loser Lane", "Winner Wadi", "Third Tower"))
        one.ctl("coupon", "add", "--store", shop.id, "--affiliate", winner, "WADISHOP")
        key = one.ctl("apikey", "add", "--scope", "affiliate:%d" % loser)["key"]
        path = "/v1/stores/%d/orders/private" % shop.id
        now = time.time()
        shop.done(shop.order([shop.dated_click(now - 60, loser), shop.dated_click(now - 50, third)], ["100.00"], "private",
                             coupons=["WADISHOP"]))
        seen = call(path, key)
        self.assertEqual(seen.status, 200, seen)
        own = [candidate for candidate in seen.json()["decision"]["candidates"] if "affiliate_id" in candidate]
        self.assertEqual([(each["affiliate_id"], each["verdict"]) for each in own], [(loser, "lost_to_coupon")])
        self.assertEqual(set(own[0]["verdict_text"]), {"ar", "en"})
        self.assertEqual([seen.json()[name] for name in ("lines", "shares", "commissions")], [[], [], []])
        one.ctl("order", "reassign", "--store", shop.id, "private", "--to", third, "--reason", "Third Tower phoned")
        one.ctl("review", "open", "--store", shop.id, "private", "--reason", "Third Tower is odd")
        self.assertEqual([review["reason"] for review in call(path, key).json()["reviews"]], ["operator"])
        answers = [seen, call(path, key), call("/v1/commissions", key), call("/v1/affiliates/%d/balance" % loser, key)]
        full = call(path, "admin").json()
        self.assertEqual((full["acts"][0]["reason"], full["commissions"][0]["affiliate"]),
                         ("Third Tower phoned", "Winner Wadi"))
        clicks = [each["click_id"] for each in full["decision"]["candidates"]
                  if each["kind"] == "click" and each["affiliate_id"] != loser]
        for secret in ["Winner", "Third", "WADISHOP", '"affiliate_id": %d' % winner, '"affiliate_id" : %d,' % winner,
                       '"affiliate_id": %d' % third, '"actor"', '"reason" : "Third', *clicks]:
            for answer in answers:
                self.assertNotIn(secret, answer.body.decode())

    def test_without_a_good_key_nothing_is_told(self):
        for key in ("", "wasl_", "wasl_" + "x" * 43, "nonsense", "wasl_" + "x" * 200):
            for path in ("/v1/commissions", "/v1/affiliates/1/balance", "/v1/affiliates/999999/balance",
                         "/v1/stores/1/orders/1", "/v1/stores/1/orders/%00", "/v1/commissions?limit=0"):
                answer = call(path, key)
                self.problem(answer, 401, "unauthorized")
                self.assertEqual(answer.header("www-authenticate"), "Bearer")
        self.problem(mint("", {}), 401, "unauthorized")
        answer = UP["stack"].attributor("GET", "/v1/commissions", [("authorization", "Basic d2FzbDo=")])
        self.problem(answer, 401, "unauthorized")

    def test_a_revoked_key_opens_nothing_any_more(self):
        made = UP["stack"].ctl("apikey", "add", "--scope", "finance")
        self.assertEqual(call("/v1/commissions", made["key"]).status, 200)
        UP["stack"].ctl("apikey", "revoke", made["apikey_id"])
        self.problem(call("/v1/commissions", made["key"]), 401, "unauthorized")

    def test_nothing_is_there_for_admin_either(self):
        for path in ("/v1/affiliates/999999/balance", "/v1/affiliates/0/balance", "/v1/affiliates/x/balance",
                     "/v1/affiliates/4294967296/balance", "/v1/stores/999999/orders/1001",
                     "/v1/stores/%d/orders/none" % UP["stores"][0], "/v1/stores/1/orders/%FF",
                     "/v1/stores/1/orders/" + "y" * 129):
            self.problem(call(path), 404, "not_found")


class Methods(Case):
    def test_other_methods_are_named(self):
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
            for path in ("/v1/commissions", "/v1/affiliates/1/balance", "/v1/stores/1/orders/1"):
                answer = call(path, method=method)
                self.problem(answer, 405, "method_not_allowed")
                self.assertEqual(answer.header("allow"), "GET, HEAD")
        for method in ("GET", "HEAD", "PUT"):
            answer = call("/v1/links", method=method)
            self.assertEqual((answer.status, answer.header("allow")), (405, "POST"))

    def test_head_tells_what_get_would(self):
        for path in ("/v1/commissions", "/v1/affiliates/%d/balance" % UP["affiliates"][0],
                     "/v1/stores/%d/orders/1001" % UP["stores"][0], "/v1/commissions?limit=0",
                     "/v1/affiliates/999999/balance"):
            get, head = call(path), call(path, method="HEAD")
            self.assertEqual((head.status, head.body), (get.status, b""))
            self.assertEqual(head.header("content-length"), str(len(get.body)))
            self.assertEqual(head.header("content-type"), get.header("content-type"))

    def test_no_answer_is_kept_by_caches(self):
        for answer in (call("/v1/commissions"), call("/v1/commissions", ""), call("/v1/commissions?limit=0"),
                       call("/v1/affiliates/%d/balance" % UP["affiliates"][0])):
            self.assertEqual(answer.header("cache-control"), "no-store")


class Lists(Case):
    def pages(self, query, limit):
        cursor, rows, count = "", [], 0
        while cursor is not None:
            page = listed("?%slimit=%d&cursor=%s" % (query, limit, cursor))
            self.assertLessEqual(len(page["data"]), limit)
            rows += page["data"]
            cursor = page["next"]
            count += 1
            self.assertLess(count, 1000)
        return rows, count

    def test_pages_have_no_gap_and_no_repeat(self):
        store = UP["stores"][0]
        whole = listed("?limit=1000&store=%d" % store)
        self.assertIsNone(whole["next"])
        self.assertEqual(len(whole["data"]), ROWS + len(HOSTILE_NAMES))
        for limit, pages in ((1000, 1), (259, 1), (258, 2), (100, 3), (7, 37)):
            rows, count = self.pages("store=%d&" % store, limit)
            self.assertEqual((rows, count), (whole["data"], pages), limit)
        ids = [row["commission_id"] for row in whole["data"]]
        self.assertEqual(ids, sorted(set(ids)))
        self.assertEqual(len(listed()["data"]), 100)

    def test_rows_that_come_meanwhile_do_not_disturb(self):
        """Behind the cursor nothing is repeated; what is newer comes last."""
        page = listed("?limit=5&store=%d" % UP["stores"][1])
        self.assertEqual(len(page["data"]), 1)
        cursor = listed("?limit=200")["next"]
        UP["stack"].sql(commissions_sql(UP["stores"][1], "KWD", UP["affiliates"][2:3], 3, "late-"))
        rest = listed("?limit=1000&cursor=" + cursor)["data"]
        self.assertEqual([row["order_id"] for row in rest[-3:]], ["late-1", "late-2", "late-3"])

    def test_a_commission_has_the_columns_of_finance(self):
        row = listed("?limit=1&store=%d" % UP["stores"][0])["data"][0]
        self.assertEqual(list(row), COLUMNS)
        view = UP["stack"].sql("SELECT column_name FROM information_schema.columns WHERE table_schema = 'finance' "
                               "AND table_name = 'commissions' ORDER BY ordinal_position")
        self.assertEqual([name for [name] in view], COLUMNS)
        self.assertEqual((row["store"], row["affiliate"], row["currency"], row["amount"], row["amount_minor"]),
                         ("متجر النيل", "Ali", "EGP", "1.01", 101))
        self.assertEqual((row["confirmed_at"], row["payout_id"]), ("2026-03-01T00:01:00.000Z", None))
        kuwait = listed("?limit=1&store=%d" % UP["stores"][1])["data"][0]
        self.assertEqual((kuwait["amount"], kuwait["amount_minor"]), ("0.101", 101))

    def test_from_is_inclusive_and_to_is_not(self):
        def orders(start, end):
            query = "?limit=1000&store=%d&from=%s&to=%s" % (UP["stores"][0], start, end)
            return [row["order_id"] for row in listed(query)["data"] if row["order_id"].startswith("order-")]
        self.assertEqual(orders("2026-03-01T00:05:00Z", "2026-03-01T00:07:00Z"), ["order-5", "order-6"])
        self.assertEqual(orders("2026-03-01T00:05:00.000001Z", "2026-03-01T00:07:00.000001Z"), ["order-6", "order-7"])
        self.assertEqual(orders("2026-03-01T02:05:00+02:00", "2026-03-01T02:06:00%2B02:00"), ["order-5"])
        self.assertEqual(orders("2026-03-01T00:05:00Z", "2026-03-01T00:05:00Z"), [])
        self.assertEqual(orders("2026-03-02T00:00:00Z", "2026-03-01T00:00:00Z"), [])
        self.assertEqual(len(orders("2026-03-01T00:05:00Z", "")), ROWS - 4)

    def test_filters_go_together(self):
        store, second = UP["stores"][0], UP["affiliates"][1]
        rows = listed("?limit=1000&state=pending&store=%d&affiliate=%d&to=2026-03-01T00:11:00Z" % (store, second))["data"]
        self.assertEqual([row["order_id"] for row in rows], ["order-%d" % n for n in (1, 3, 5, 7, 9)])
        for state in ("held", "approved", "paid", "voided", "reversed"):
            self.assertEqual(listed("?state=" + state)["data"], [], state)

    def test_states_are_those_of_the_database(self):
        states = {state for [state] in UP["stack"].sql("SELECT state FROM wasl.commission_states")}
        told = self.problem(call("/v1/commissions?state=none"), 422, "bad_parameter")["detail"]
        self.assertEqual(set(told.split(" one of ")[1].split()), states)

    def test_what_cannot_be_asked_is_refused_by_name(self):
        for query, code in (("limit=0", "bad_parameter"), ("limit=1001", "bad_parameter"), ("limit=1e2", "bad_parameter"),
                            ("from=yesterday", "bad_parameter"), ("cursor=AAAA", "bad_parameter"),
                            ("affiliate=0", "bad_parameter"), ("store=-1", "bad_parameter"),
                            ("state=pending&state=held", "duplicate_parameter"), ("form=x", "unknown_parameter")):
            told = self.problem(call("/v1/commissions?" + query), 422, code)
            self.assertTrue(told["detail"].startswith(query.split("=")[0] + ":"), told)

    def test_api_and_command_line_show_the_same(self):
        one = UP["stack"]
        store, first = UP["stores"][0], UP["affiliates"][0]
        self.assertEqual(one.ctl("commission", "list", "--store", store, "--affiliate", first)["data"],
                         listed("?limit=1000&store=%d&affiliate=%d" % (store, first))["data"])
        self.assertEqual(one.ctl("balance", first), call("/v1/affiliates/%d/balance" % first).json())
        self.assertEqual(one.ctl("order", "show", "--store", store, "1001"),
                         call("/v1/stores/%d/orders/1001" % store).json())


class Csv(Case):
    def table(self, path, key="admin"):
        answer = call(path, key, headers=[("accept", "text/csv")])
        self.assertEqual((answer.status, answer.header("content-type")), (200, "text/csv; charset=utf-8"))
        self.assertTrue(answer.body.startswith(b"\xef\xbb\xbf"))
        text = answer.body[3:].decode()
        self.assertTrue(text.endswith("\r\n"))
        return list(csv.reader(io.StringIO(text, newline=""))), answer

    def test_cells_read_back_and_formulas_are_guarded(self):
        query = "?limit=1000&store=%d" % UP["stores"][0]
        rows, _ = self.table("/v1/commissions" + query)
        self.assertEqual(rows[0], COLUMNS)
        wanted = listed(query)["data"]
        self.assertEqual(len(rows) - 1, len(wanted))
        for row, fields in zip(rows[1:], wanted):
            plain = ["" if fields[name] is None else str(fields[name]) for name in COLUMNS]
            self.assertEqual(row, ["'" + cell if cell[:1] in ("=", "+", "-", "@") else cell for cell in plain])
        names = {row[4] for row in rows[1:]}
        self.assertTrue({"'=1+1", "'+20100", "'-5", "'@SUM(A1)", "two\nlines", "سارة أحمد", "سارة"} <= names, names)

    def test_pages_go_on_by_header(self):
        rows, answer = self.table("/v1/commissions?limit=3")
        self.assertEqual(len(rows), 4)
        cursor = answer.header("next-cursor")
        self.assertEqual(cursor, listed("?limit=3")["next"])
        after, _ = self.table("/v1/commissions?limit=3&cursor=" + cursor)
        self.assertEqual([row[0] for row in after[1:]],
                         [str(row["commission_id"]) for row in listed("?limit=6")["data"][3:]])

    def test_nothing_is_a_header_line(self):
        rows, answer = self.table("/v1/commissions?state=paid")
        self.assertEqual(rows, [COLUMNS])
        self.assertIsNone(answer.header("next-cursor"))

    def test_balances_too(self):
        rows, _ = self.table("/v1/affiliates/%d/balance" % UP["affiliates"][1])
        self.assertEqual(rows[0], BALANCE_COLUMNS)
        self.assertEqual([row[1] for row in rows[1:]], ["EGP", "KWD"])
        answer = call("/v1/affiliates/999999/balance", headers=[("accept", "text/csv")])
        self.problem(answer, 404, "not_found")


class Documents(Case):
    def test_a_balance_adds_up(self):
        second = UP["affiliates"][1]
        told = call("/v1/affiliates/%d/balance" % second).json()["data"]
        self.assertEqual([list(row) for row in told], [BALANCE_COLUMNS] * 2)
        pending = sum(100 + n for n in range(1, ROWS + 1, 2))
        self.assertEqual(told[0]["pending"], "%d.%02d" % divmod(pending, 100))
        self.assertEqual(told[1]["pending"], "0.101")
        self.assertEqual(call("/v1/affiliates/%d/balance" % second, "affiliate2").json()["data"], told)

    def test_orders_whatever_their_id(self):
        for order_id in ORDER_IDS:
            path = "/v1/stores/%d/orders/%s" % (UP["stores"][0], urllib.parse.quote(order_id, safe=""))
            answer = call(path)
            self.assertEqual(answer.status, 200, (order_id, answer))
            self.assertEqual(answer.json()["order_id"], order_id)

    def test_paths_that_do_not_decode_are_bad(self):
        for segment in ("%00", "a%00b", "%", "%4", "%zz"):
            self.problem(call("/v1/stores/%d/orders/%s" % (UP["stores"][0], segment)), 400, "bad_path")

    def test_money_and_times_are_text(self):
        order = call("/v1/stores/%d/orders/order-1" % UP["stores"][0]).json()
        self.assertRegex(order["placed_at"], r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\Z")
        self.assertEqual([each["amount"] for each in order["commissions"]], ["1.01"])


class Links(Case):
    def test_a_link_that_works(self):
        one, first, product = UP["stack"], UP["affiliates"][0], UP["products"][0]
        body = {"affiliate_id": first, "product_id": product, "campaign_id": 16777215, "comment": "ignored"}
        answer = mint("affiliate1", body)
        self.assertEqual((answer.status, answer.header("content-type")), (200, "application/json"))
        told = answer.json()
        self.assertEqual(list(told), ["url", "token"])
        self.assertEqual(told["url"], one.env["WASL_LINK_BASE"] + "/" + told["token"])
        self.assertRegex(told["token"], re.compile(r"\A[0-9A-Za-z]{22}\Z"))
        self.assertEqual(told, one.ctl("link", "mint", "--affiliate", first, "--product", product, "--campaign", 16777215))
        opened = one.ctl("link", "decode", told["token"])
        self.assertEqual((opened["affiliate_id"], opened["product_id"], opened["campaign_id"]), (first, product, 16777215))
        click = one.tracker("GET", "/" + told["token"], [("user-agent", "Mozilla/5.0 (iPhone) Mobile Safari/604.1")])
        self.assertTrue(click.header("location").startswith("https://shop1.example/p?wasl="))

    def test_campaign_is_optional(self):
        ids = {"affiliate_id": UP["affiliates"][0], "product_id": UP["products"][0]}
        self.assertEqual(mint("admin", ids).json(), mint("admin", {**ids, "campaign_id": 0}).json())

    def test_the_first_fault_is_named(self):
        good = {"affiliate_id": UP["affiliates"][0], "product_id": UP["products"][0]}
        for body, code, pointer in (
                ({}, "missing", "/affiliate_id"), ({"affiliate_id": 1}, "missing", "/product_id"),
                ({**good, "affiliate_id": "1"}, "wrong_type", "/affiliate_id"),
                ({**good, "affiliate_id": 1.0}, "wrong_type", "/affiliate_id"),
                ({**good, "product_id": True}, "wrong_type", "/product_id"),
                ({**good, "product_id": None}, "wrong_type", "/product_id"),
                ({**good, "affiliate_id": 0}, "out_of_range", "/affiliate_id"),
                ({**good, "product_id": 4294967296}, "out_of_range", "/product_id"),
                ({**good, "campaign_id": 16777216}, "out_of_range", "/campaign_id"),
                ({**good, "campaign_id": -1}, "out_of_range", "/campaign_id"),
                ([good], "wrong_type", ""), (b"7", "wrong_type", "")):
            with self.subTest(body=body):
                self.assertEqual(self.problem(mint("admin", body), 422, code)["pointer"], pointer)

    def test_what_is_no_json_is_malformed(self):
        self.problem(mint("admin", b"", [("content-length", "0")]), 400, "malformed_json")
        for body in (b"{", b'{"affiliate_id":1,"affiliate_id":1}', b'{"affiliate_id":99999999999999999999}',
                     b'{"a":"\xff"}', b'{} {}', b'{"a":"\\u0000"}'):
            with self.subTest(body=body):
                self.problem(mint("admin", body), 400, "malformed_json")

    def test_other_media_types_are_refused(self):
        good = {"affiliate_id": UP["affiliates"][0], "product_id": UP["products"][0]}
        for headers, status in (((), 200), ((("content-type", "application/json; charset=utf-8"),), 200),
                                ((("content-type", "application/vnd.api+json"),), 200),
                                ((("content-type", "text/plain"),), 415),
                                ((("content-type", "application/json"), ("content-encoding", "gzip")), 415)):
            self.assertEqual(mint("admin", good, headers).status, status, headers)

    def test_a_long_body_is_refused(self):
        self.problem(mint("admin", b" " * 4097), 413, "too_large")

    def test_unknown_ids_make_no_link(self):
        good = {"affiliate_id": UP["affiliates"][0], "product_id": UP["products"][0]}
        self.problem(mint("admin", {**good, "affiliate_id": 999999}), 404, "unknown_affiliate")
        self.problem(mint("admin", {**good, "product_id": 999999}), 404, "unknown_product")


class Plans(unittest.TestCase):
    FILL = """BEGIN; SET LOCAL session_replication_role = replica;
        INSERT INTO wasl.orders (store_id, order_id, state, currency, placed_at, confirmed_at)
            SELECT %(store)d, 'o-' || n, 'confirmed', 'EGP', now(), now() FROM generate_series(1, 20000) n;
        INSERT INTO wasl.commissions (store_id, order_id, affiliate_id, kind, state, currency, amount_minor,
            amount_confirmed_minor, confirmed_at, reason, decision_version) SELECT %(store)d, 'o-' || n,
            CASE WHEN n > 19997 THEN %(few)d ELSE %(many)d END, 'sale', 'pending', 'EGP', 1, 1, now(), 'won_last_click', 1
            FROM generate_series(1, 20000) n;
        COMMIT; ANALYZE wasl.orders; ANALYZE wasl.commissions"""
    READ = "SELECT idx_tup_read FROM pg_stat_user_indexes WHERE indexrelname = 'commissions_by_id'"

    def test_a_filtered_page_is_planned_for_its_filters_whatever_was_asked_before(self):
        with Stack() as one:
            shop = Shop(one)
            few = shop.add_affiliate()
            one.sql(self.FILL % {"store": shop.id, "many": shop.affiliate, "few": few}, "superuser")
            head = [("authorization", "Bearer " + one.ctl("apikey", "add", "--scope", "finance")["key"])]
            for query, rows in [("?limit=1000", 1000)] * 12 + [("?affiliate=%d" % few, 3)] * 12:
                answer = one.attributor("GET", "/v1/commissions" + query, head)
                self.assertEqual((answer.status, len(answer.json()["data"])), (200, rows), answer)
            one.stop_service("attributor")  # a session counts what it has read when it leaves
            wait_until(lambda: one.sql("SELECT FROM pg_stat_activity WHERE usename = 'wasl_attributor'", "superuser") == [],
                       what="its sessions have left")
            read = int(one.sql(self.READ, "superuser")[0][0])
            self.assertGreaterEqual(read, 12 * 1000)
            self.assertLess(read, 12 * 3000)


class PostgresAway(Case):
    def test_503_while_it_is_away_and_200_after(self):
        one = UP["stack"]
        self.assertEqual(call("/v1/commissions?limit=1").status, 200)
        one.stop_service("postgres", "INT")
        try:
            for key in ("admin", "finance"):
                answer = call("/v1/commissions?limit=1", key)
                self.problem(answer, 503, "unavailable")
                self.assertGreaterEqual(int(answer.header("retry-after")), 1)
            self.problem(call("/v1/commissions", ""), 401, "unauthorized")
        finally:
            one.start_service("postgres")
        wait_until(lambda: call("/v1/commissions?limit=1").status == 200, what="it answers again")

    def test_many_at_once(self):
        """More than may be under way: each is answered, at worst 503, and nothing is lost after."""
        one = UP["stack"]
        connections = [stack.Connection(one.env["WASL_ATTRIBUTOR_URL"]) for _ in range(300)]
        try:
            head = [("authorization", "Bearer " + UP["keys"]["admin"])]
            for each in connections:
                each.send(stack.encode_request(each.host, "GET", "/v1/commissions?limit=10", head, b""))
            codes = [each.read_answer().status for each in connections]
        finally:
            for each in connections:
                each.close()
        self.assertLessEqual(set(codes), {200, 503})
        self.assertIn(200, codes)
        wait_until(lambda: call("/v1/commissions?limit=10").status == 200, what="it answers as before")


if __name__ == "__main__":
    unittest.main()
