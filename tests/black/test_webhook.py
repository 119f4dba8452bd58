# SPDX-License-Identifier: Apache-2.0
"""What the events route refuses, and in which order: methods, lengths, types, signatures, bodies."""

import gzip
import json
import time
import unittest

import stack
from shop import Shop

running = stack.Stack(stack.PATIENT)


def setUpModule():
    running.start()
    Route.shop = Shop(running)


def tearDownModule():
    running.stop()


class Route(unittest.TestCase):
    shop = None

    def post(self, body, headers=(), path=None, method="POST", signed=True, secret=None, timestamp=None, name=None):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        pairs = []
        if signed:
            pairs = stack.webhook_headers(secret or self.shop.store["webhook_secret"],
                                          name or "m-%d" % time.monotonic_ns(), timestamp, body)
        names = {key.lower() for key, _ in headers}
        pairs = [pair for pair in pairs if pair[0] not in names] + [pair for pair in headers if pair[1] is not None]
        path = path or "/v1/stores/%d/events" % self.shop.id
        return running.attributor(method, path, pairs, body)

    def refused(self, answer, status, code=None, pointer=None):
        self.assertEqual(answer.status, status, answer)
        self.assertEqual(answer.header("content-type"), "application/problem+json", answer)
        problem = answer.json()
        self.assertEqual((problem["type"], problem["status"]), ("about:blank", status))
        self.assertTrue(problem["title"] and problem["detail"], problem)
        if code is not None:
            self.assertEqual(problem["code"], code, problem)
        self.assertEqual(problem.get("pointer"), pointer, problem)
        return problem


class Order(Route):
    """405 404 413 415 401 400 409 422."""

    def test_405_comes_before_404(self):
        for method in ("GET", "PUT", "DELETE", "HEAD", "OPTIONS"):
            answer = running.attributor(method, "/v1/stores/4000000000/events")
            self.assertEqual((answer.status, answer.header("allow")), (405, "POST"), method)
        self.refused(self.post({}, path="/v1/stores/4000000000/events", method="PUT"), 405, "method_not_allowed")

    def test_404_for_what_is_no_store(self):
        for name in ("0", "01", "-1", "4294967296", "99999999999999999999", "abc", "1.0", "%31%00"[:3] + "x", "+1"):
            self.refused(self.post({}, path="/v1/stores/%s/events" % name), 404, "unknown_store")
        self.refused(self.post({}, path="/v1/stores/4000000000/events"), 404, "unknown_store")

    def test_404_comes_before_415_where_no_store_can_be(self):
        self.refused(self.post({}, [("Content-Type", "text/plain")], path="/v1/stores/0/events"), 404)

    def test_404_comes_before_413_and_415_for_a_store_that_is_unknown(self):
        path = "/v1/stores/4000000000/events"
        self.refused(self.post(b" " * 262145, path=path), 404, "unknown_store")
        self.refused(self.post({}, [("Content-Type", "text/plain")], path=path), 404, "unknown_store")
        self.refused(self.post({}, [("Content-Encoding", "gzip")], path=path, signed=False), 404, "unknown_store")

    def test_a_store_that_was_just_added_gets_415_as_any_other(self):
        store = running.ctl("store", "add", "--name", "New", "--url", "https://new.example", "--currency", "EGP")
        path = "/v1/stores/%d/events" % store["store_id"]
        for signed in (True, False):
            answer = self.post({}, [("Content-Type", "text/plain")], path=path, signed=signed,
                               secret=store["webhook_secret"])
            self.refused(answer, 415, "unsupported_media_type")

    def test_404_for_other_paths(self):
        for path in ("/", "/v1", "/v1/stores", "/v1/stores/1", "/v1/stores/1/events/", "/v1/stores/1/events/x",
                     "/v2/stores/1/events", "//v1/stores/1/events"):
            self.refused(self.post({}, path=path), 404, "no_such_route")

    def test_path_segments_are_decoded_after_splitting(self):
        path = "/v1/stores/%s/%%65vents" % "".join("%%%02x" % ord(digit) for digit in str(self.shop.id))
        self.assertEqual(self.post(self.shop.order(), path=path).status, 200)
        self.refused(self.post({}, path="/v1/stores%2f1/events"), 404)
        self.refused(self.post({}, path="/v1/stores/%00/events"), 400, "bad_path")

    def test_413_before_415_and_before_the_body(self):
        with stack.Connection(running.env["WASL_ATTRIBUTOR_URL"]) as connection:
            connection.send(stack.encode_request(
                connection.host, "POST", "/v1/stores/%d/events" % self.shop.id,
                [("Content-Length", "262145"), ("Content-Type", "text/plain"), ("Expect", "100-continue")]))
            answer = connection.read_answer()
        self.refused(answer, 413, "too_large")

    def test_a_chunked_body_over_the_limit_is_413(self):
        body = b"40000\r\n" + b" " * 0x40000 + b"\r\n1\r\n \r\n0\r\n\r\n"
        with stack.Connection(running.env["WASL_ATTRIBUTOR_URL"]) as connection:
            connection.send(stack.encode_request(
                connection.host, "POST", "/v1/stores/%d/events" % self.shop.id,
                [("Transfer-Encoding", "chunked"), ("Content-Type", "application/json")]) + body)
            self.refused(connection.read_answer(), 413, "too_large")

    def test_a_body_of_exactly_the_limit_is_read(self):
        event = self.shop.order()
        event["pad"] = ""
        event["pad"] = "x" * (262144 - len(json.dumps(event)))
        self.assertEqual(self.post(event).status, 200)

    def test_415_before_401(self):
        for kind in ("text/plain", "application/x-www-form-urlencoded", "application/jsonx", "json", ""):
            self.refused(self.post({}, [("Content-Type", kind)], signed=False), 415, "unsupported_media_type")
        self.refused(self.post({}, [("Content-Encoding", "identity")], signed=False), 415, "unsupported_media_type")

    def test_json_types_are_taken(self):
        for kind in ("application/json", "Application/JSON; charset=utf-8", "application/vnd.shop.v1+json", None):
            self.assertEqual(self.post(self.shop.order(), [("Content-Type", kind)]).status, 200, kind)

    def test_gzip_is_415(self):
        body = gzip.compress(json.dumps(self.shop.order()).encode())
        self.refused(self.post(body, [("Content-Encoding", "gzip")]), 415)

    def test_401_before_400(self):
        self.refused(self.post(b"not json", signed=False), 401, "missing")

    def test_400_before_409(self):
        self.shop.done(self.shop.order(), "order-400")
        self.refused(self.post(b"{", name="order-400"), 400, "malformed_json")

    def test_409_before_422(self):
        self.shop.done(self.shop.order(), "order-409")
        self.refused(self.post({"type": "order.unknown"}, name="order-409"), 409, "webhook_id_reused")

    def test_post_without_length(self):
        with stack.Connection(running.env["WASL_ATTRIBUTOR_URL"]) as connection:
            connection.send(stack.encode_request(connection.host, "POST", "/v1/stores/%d/events" % self.shop.id))
            self.refused(connection.read_answer(), 411, "length_required")


class Signatures(Route):
    def headers(self, body=b"{}", name="m", timestamp=None):
        return dict(stack.webhook_headers(self.shop.store["webhook_secret"], name, timestamp, body))

    def test_malformed_headers_are_401(self):
        good = self.headers()
        signature = good["webhook-signature"]
        mac = stack.base64.b64decode(signature[3:])
        table = [
            ("webhook-signature", None, "missing"), ("webhook-signature", "", "missing"),
            ("webhook-id", None, "missing"), ("webhook-timestamp", None, "missing"),
            ("webhook-id", "a.b", "bad_id"), ("webhook-id", "x" * 257, "bad_id"),
            ("webhook-timestamp", "abc", "bad_timestamp"), ("webhook-timestamp", "-1", "bad_timestamp"),
            ("webhook-timestamp", "0" + good["webhook-timestamp"], "bad_timestamp"),
            ("webhook-timestamp", "+" + good["webhook-timestamp"], "bad_timestamp"),
            ("webhook-timestamp", "9" * 20, "bad_timestamp"),
            ("webhook-signature", "v1,", "bad_signature"), ("webhook-signature", "v1", "bad_signature"),
            ("webhook-signature", signature[3:], "bad_signature"),
            ("webhook-signature", "v1a," + signature[3:], "bad_signature"),
            ("webhook-signature", "v2," + signature[3:], "bad_signature"),
            ("webhook-signature", "v1," + mac.hex(), "bad_signature"),
            ("webhook-signature", "v1," + mac.hex().upper(), "bad_signature"),
            ("webhook-signature", signature[:-4] + ("AAA=" if signature[-4:] != "AAA=" else "AAE="), "bad_signature"),
            ("webhook-signature", signature[:-1], "bad_signature"),
        ]
        for name, value, code in table:
            before = running.metric("attributor", "wasl_problems_total", code=code)
            pairs = [(key, value if key == name else text) for key, text in good.items()]
            answer = self.post(b"{}", [pair for pair in pairs if pair[1] is not None], signed=False)
            self.refused(answer, 401, code)
            self.assertEqual(running.metric("attributor", "wasl_problems_total", code=code), before + 1)

    def test_two_signature_headers_are_401(self):
        pairs = list(self.headers().items())
        self.refused(self.post(b"{}", pairs + [pairs[-1]], signed=False), 401, "missing")

    def test_one_byte_changed_is_401(self):
        body = json.dumps(self.shop.order()).encode()
        pairs = list(self.headers(body).items())
        for other in (body + b"\n", body[:-1] + b" ", b" " + body, body.replace(b"100.00", b"100.01")):
            self.refused(self.post(other, pairs, signed=False), 401, "bad_signature")

    def test_the_tolerance_is_300_s_both_ways(self):
        for offset in (-310, 310):
            self.refused(self.post({}, timestamp=int(time.time()) + offset), 401, "expired")
        for offset in (-290, 290):
            self.assertEqual(self.post(self.shop.order(), timestamp=int(time.time()) + offset).status, 200)

    def test_any_good_signature_of_the_list_counts(self):
        event = json.dumps(self.shop.order()).encode()
        good = self.headers(event, "list")
        wrong = stack.webhook_sign("whsec_" + "A" * 32, "list", good["webhook-timestamp"], event)
        good["webhook-signature"] = "v1a,abc %s v9,x %s" % (wrong, good["webhook-signature"])
        self.assertEqual(self.post(event, list(good.items()), signed=False).status, 200)

    def test_another_stores_secret_is_401(self):
        other = Shop(running, host="other.example")
        self.refused(self.post(self.shop.order(), secret=other.store["webhook_secret"]), 401, "bad_signature")

    def test_a_new_store_is_known_at_once(self):
        self.assertEqual(Shop(running, host="new.example").send(self.shop.order()).status, 200)

    def test_rotation_takes_old_and_new_until_it_is_finished(self):
        shop = Shop(running, host="rotating.example")
        old = shop.store["webhook_secret"]
        new = running.ctl("store", "rotate-secret", shop.id)["webhook_secret"]
        self.assertNotEqual(old, new)
        for secret in (new, old):
            self.assertEqual(shop.send(shop.order(), secret=secret).status, 200)
        running.ctl("store", "rotate-secret", shop.id, "--finish")
        stack.wait_until(lambda: shop.send(shop.order(), secret=old).status == 401, what="the old secret is refused")
        self.assertEqual(shop.send(shop.order(), secret=new).status, 200)


class Bodies(Route):
    def test_what_is_not_json_is_400(self):
        table = [b"{", b"{}x", b"\xef\xbb\xbf{}", '{"a":1}'.encode("utf-16"), b'{"a":"\xff"}', b'{"a":"\\ud800"}',
                 b'{"a":"\\u0000"}', b'{"a\\u0000b":1}', b'{"a":"\x00"}', b'{"a":1,"a":2}', b"{'a':1}",
                 b'{"a":9223372036854775808}', b'{"a":1e400}', b'{"a":NaN}', b'{"a":01}', b"[" * 100000,
                 b'{"a":' * 50000, b'{"a":[1,]}', b'{"type":"order.confirmed",']
        for body in table:
            self.refused(self.post(body), 400, "malformed_json")

    def test_an_empty_body_is_refused(self):
        answer = self.post(b"", [("Content-Length", "0")])
        self.refused(answer, 400, "malformed_json")

    def test_json_that_is_no_object_is_422(self):
        for body in (b"null", b"[]", b'"x"', b"1", b"true"):
            answer = self.post(body)
            self.assertIn(answer.status, (400, 422), answer)

    def test_the_pointer_names_the_first_fault(self):
        def without(*path):
            event = self.shop.order(order_id="422")
            place = event
            for name in path[:-1]:
                place = place[name]
            del place[path[-1]]
            return event

        def with_value(value, *path):
            event = self.shop.order(order_id="422")
            place = event
            for name in path[:-1]:
                place = place[name]
            place[path[-1]] = value
            return event

        line = ("data", "lines", 0)
        table = [
            (without("type"), "/type"), (without("timestamp"), "/timestamp"), (without("data"), "/data"),
            (without("data", "order_id"), "/data/order_id"), (without("data", "placed_at"), "/data/placed_at"),
            (without("data", "currency"), "/data/currency"), (without("data", "lines"), "/data/lines"),
            (without(*line, "line_id"), "/data/lines/0/line_id"),
            (without(*line, "product_id"), "/data/lines/0/product_id"),
            (without(*line, "quantity"), "/data/lines/0/quantity"),
            (without(*line, "unit_price"), "/data/lines/0/unit_price"),
            (with_value("order.paid", "type"), "/type"), (with_value(1, "type"), "/type"),
            (with_value("2026-11-21 10:00", "timestamp"), "/timestamp"),
            (with_value("2099-01-01T00:00:00Z", "timestamp"), "/timestamp"),
            (with_value(1001, "data", "order_id"), "/data/order_id"),
            (with_value("", "data", "order_id"), "/data/order_id"),
            (with_value("x" * 129, "data", "order_id"), "/data/order_id"),
            (with_value({}, "data", "order_id"), "/data/order_id"),
            (with_value(0, *line, "quantity"), "/data/lines/0/quantity"),
            (with_value(1000001, *line, "quantity"), "/data/lines/0/quantity"),
            (with_value(1.5, *line, "quantity"), "/data/lines/0/quantity"),
            (with_value("1", *line, "quantity"), "/data/lines/0/quantity"),
            (with_value("-1.00", *line, "discount"), "/data/lines/0/discount"),
            (with_value("100.01", *line, "discount"), "/data/lines/0/discount"),
            (with_value({"phone_sha256": "x"}, "data", "customer"), "/data/customer/phone_sha256"),
            (with_value(["t"] * 51, "data", "clicks"), "/data/clicks"),
            (with_value(["c"] * 11, "data", "coupons"), "/data/coupons"),
            (with_value([{}] * 501, "data", "lines"), "/data/lines"),
            (with_value([], "data", "lines"), "/data/lines"),
        ]
        for event, pointer in table:
            self.refused(self.post(event), 422, pointer=pointer)
        self.assertEqual(running.sql("SELECT count(*) FROM wasl.orders WHERE order_id = '422'"), [["0"]])

    def test_money_is_exact_or_refused(self):
        for text in ("-0.00", "0.005", "1.2345", "899.10000000000000", "1e3", ".5", "5.", " 5 ", "5,00", "١٢٣",
                     "NaN", "+1.00", "0x10", "92233720368547758.08", "1" * 40, ""):
            self.refused(self.post(self.shop.order(prices=[text])), 422, pointer="/data/lines/0/unit_price")
        for number in (5, 5.0, None, True, ["5"]):
            answer = self.post(self.shop.order(prices=[{"unit_price": number}]))
            self.refused(answer, 422, pointer="/data/lines/0/unit_price")
        for text in ("0", "0.00", "5", "5.5", "007.00"[2:], "92233720368547758.07"):
            self.assertEqual(self.post(self.shop.order(prices=[text])).status, 200, text)

    def test_an_overflow_is_422_and_stores_nothing(self):
        event = self.shop.order(prices=[{"unit_price": "92233720368547758.07", "quantity": 2}], order_id="overflow")
        self.assertEqual(self.post(event).status, 422)
        self.assertEqual(running.sql("SELECT count(*) FROM wasl.orders WHERE order_id = 'overflow'"), [["0"]])

    def test_currencies(self):
        for code in ("egp", "XXX", "EG", "EGPP", 818, None):
            event = self.shop.order()
            event["data"]["currency"] = code
            self.refused(self.post(event), 422, pointer="/data/currency")
        event = self.shop.order(prices=["12.345"])
        event["data"]["currency"] = "KWD"
        self.assertEqual(self.post(event).status, 200)

    def test_hostile_texts_are_kept_as_they_are(self):
        for text in ("%n%s%x", "'; DROP TABLE wasl.orders; --", '{"{}","\\"}', "{{7*7}}", "\\x41", "طلب ١", "🛒" * 8,
                     "\u202eabc", "a\nb\x1b[31m", "NULL", "é" * 64, "e\u0301"):
            event = self.shop.order(order_id=text, prices=[{"unit_price": "1.00", "line_id": text}], coupons=[text])
            answer = self.post(event)
            self.assertEqual(answer.status, 200, (text, answer))
            self.assertEqual(answer.json()["order_id"], text)
            shown = json.loads(running.waslctl("order", "show", "--store", self.shop.id, "--json", "--", text).out)
            self.assertEqual(shown["lines"][0]["line_id"], text)
            self.assertEqual([(candidate["coupon"], candidate["verdict"])
                              for candidate in shown["decision"]["candidates"]], [(text, "coupon_unknown")])
        self.assertFalse([line for line in running.log("attributor").splitlines() if not line.startswith("ts=")])

    def test_ids_of_many_digits_stay_exact(self):
        event = self.shop.order(order_id="9007199254740993123456")
        self.assertEqual(self.post(event).json()["order_id"], "9007199254740993123456")

    def test_unknown_members_are_ignored(self):
        event = self.shop.order()
        event["extra"] = event["data"]["extra"] = {"deep": [1, 2, {"a": None}]}
        self.assertEqual(self.post(event).status, 200)

    def test_the_body_is_kept_sealed_and_the_customer_hashed(self):
        phone = "ab" * 32
        event = self.shop.order(order_id="sealed", customer={"phone_sha256": phone}, reason_text="SECRETTEXT")
        self.shop.done(event, "sealed-1")
        rows = running.sql("SELECT encode(sealed, 'escape') FROM wasl.event_bodies WHERE event_id = 'sealed-1'")
        self.assertEqual(len(rows), 1)
        self.assertNotIn("SECRETTEXT", rows[0][0])
        facts = running.sql("SELECT facts FROM wasl.events WHERE event_id = 'sealed-1'")[0][0]
        self.assertNotIn(phone, facts)
        self.assertRegex(facts, '"customer_phone": "[0-9a-f]{64}"')
        rest = running.sql("SELECT count(*) FROM wasl.event_bodies_rest")
        self.assertEqual(rest, [["0"]], "bodies went to the DEFAULT partition")

    def test_secrets_stay_out_of_logs(self):
        log = running.log("attributor")
        self.assertNotIn(self.shop.store["webhook_secret"][6:], log)
        self.assertNotIn(running.env["WASL_ATTRIBUTOR_DATABASE_URL"].split(":")[2].split("@")[0], log)


if __name__ == "__main__":
    unittest.main()
