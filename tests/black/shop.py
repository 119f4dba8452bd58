# SPDX-License-Identifier: Apache-2.0
"""A storefront for tests: a store with its terms, affiliates, clicks (real ones and dated ones), and orders."""

import copy
import datetime
import pathlib
import re
import subprocess
import time
import urllib.parse
import uuid

import stack
import wasltokens

PHONE = [("User-Agent", "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/130.0 Mobile Safari/537.36")]
DAY_S = 86400
POSTING = (1, 2)  # an attributor's connections


def instant(seconds=None):
    """RFC 3339 of a Unix time; now if none is given."""
    at = datetime.datetime.fromtimestamp(time.time() if seconds is None else seconds, datetime.timezone.utc)
    return at.isoformat()


class Shop:
    def __init__(self, running, currency="EGP", rate="10%", host="shop.example", **options):
        self.stack, self.currency, self.url = running, currency, "http://" + host
        words = [word for name, value in options.items() for word in ("--" + name.replace("_", "-"), value)]
        self.store = running.ctl("store", "add", "--name", "Shop of " + host, "--url", self.url,
                                 "--currency", currency, "--rate", rate, *words)
        self.id = self.store["store_id"]
        self.product = self.add_product("SKU-1")
        self.affiliate = self.add_affiliate()

    def add_product(self, external_id, *words):
        return self.stack.ctl("product", "add", "--store", self.id, "--external-id", external_id,
                              "--url", self.url + "/p/" + external_id, *words)["product_id"]

    def add_affiliate(self, name="أحمد"):
        return self.stack.ctl("affiliate", "add", "--name", name)["affiliate_id"]

    def link(self, affiliate=None, product=None):
        return "/" + self.keys().mint_link(affiliate or self.affiliate, product or self.product)

    def click(self, affiliate=None, product=None):
        """The token of a real click, once the tracker knows what it is for."""
        path = self.link(affiliate, product)

        def token():
            location = self.stack.tracker("GET", path, PHONE).header("location") or ""
            return urllib.parse.parse_qs(urllib.parse.urlsplit(location).query).get("wasl", [None])[0]

        return stack.wait_until(token, what="a click token")

    def dated_click(self, at_s, affiliate=None, product=None, window_s=30 * DAY_S):
        """A token of a click that was made at that Unix time; Redis knows nothing of it."""
        return self.keys().mint_click(affiliate or self.affiliate, product or self.product, int(at_s * 1000), window_s)

    def keys(self):
        text = pathlib.Path(self.stack.env["WASL_KEYRING"]).read_text()
        slot, _, key = next(line.split() for line in text.splitlines() if " active " in line)
        return wasltokens.Keys(bytes.fromhex(key), int(slot))

    def order(self, clicks=(), prices=("100.00",), order_id=None, kind="order.confirmed", at_s=None, **data):
        """An event whose lines have these unit prices (or are dicts that add to a plain line)."""
        lines = []
        for number, price in enumerate(prices, 1):
            line = {"line_id": str(number), "product_id": "SKU-1", "quantity": 1}
            line.update(price if isinstance(price, dict) else {"unit_price": price})
            lines.append(line)
        at = instant(at_s)
        return {"type": kind, "timestamp": at, "data": {
            "order_id": order_id or "o-" + uuid.uuid4().hex[:12], "placed_at": at, "currency": self.currency,
            "lines": lines, "clicks": list(clicks), **copy.deepcopy(data)}}

    def news(self, kind, order_id, at_s=None, **data):
        """An event that says what became of an order, without terms: news("cancelled", …)."""
        return {"type": "order." + kind, "timestamp": instant(at_s), "data": {"order_id": order_id, **data}}

    def send(self, event, webhook_id=None, **options):
        return self.stack.send_event(self.store, event, webhook_id=webhook_id, **options)

    def insist(self, event, webhook_id):
        return insist(lambda: self.send(event, webhook_id))

    def done(self, event, webhook_id=None):
        """The answer of an event that has to be taken."""
        answer = self.send(event, webhook_id)
        assert answer.status == 200, answer
        return answer.json()

    def show(self, order_id):
        return self.stack.ctl("order", "show", "--store", self.id, order_id)

    def verdicts(self, order_id):
        return [candidate["verdict"] for candidate in self.show(order_id)["decision"]["candidates"]]

    def rows(self, order_id):
        """(affiliate, state, amount) of the order's commissions."""
        return [(int(a), state, amount) for a, state, amount in self.stack.sql(
            "SELECT affiliate_id, state, amount FROM finance.commissions WHERE store_id = %d AND order_id = '%s' "
            "ORDER BY commission_id" % (self.id, order_id), "finance")]


def insist(send):
    """As a sender does: again after a 503, under the same webhook-id; and after a 202, for the answer."""
    def decided():
        answer = send()
        return answer.status not in (202, 503) and answer

    return stack.wait_until(decided, what="an answer")


class Attributor:
    """One more attributor on a stack's stores of data, with settings of its own."""

    def __init__(self, running, **settings):
        self.folder = pathlib.Path(running.dir, "extra-" + uuid.uuid4().hex[:8])
        self.folder.mkdir()
        config = pathlib.Path(running.dir, "attributor.conf").read_text()
        config = "".join(line + "\n" for line in config.splitlines() if line.split(" ")[0] not in
                         ("listen", "admin-listen", "state-dir"))
        (self.folder / "conf").touch(0o600)
        (self.folder / "conf").write_text(config)
        self.process = None
        self.start(**settings)

    def start(self, state_dir=None, env=None, is_test_build=False, **settings):
        """Once more, with a log of its own, after kill()."""
        program = stack.programs() / ("test" if is_test_build else "") / "wasl-attributor"
        words = ["--%s=%s" % (name.replace("_", "-"), value) for name, value in settings.items()]
        secrets = {"WASL_" + name.upper(): value for name, value in settings.items() if name == "database_url"}
        words = [word for word in words if not word.startswith("--database-url")]
        with open(self.folder / "log", "wb") as log:
            self.process = subprocess.Popen(
                [program, "--config", self.folder / "conf", "--listen", "127.0.0.1:0",
                 "--admin-listen", "127.0.0.1:0", "--state-dir", state_dir or self.folder, *words],
                env={**stack.clean_env(), **secrets, **(env or {})}, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def log(self):
        return (self.folder / "log").read_text(errors="replace")

    def wait_ready(self, can_post=True):
        """With Postgres there, until it posts: what comes between is spooled, and answered 202."""
        stack.wait_until(lambda: self.is_ready(can_post), what=lambda: "ready: " + self.log())
        return self

    def is_ready(self, can_post):
        log = self.log()
        if not can_post or re.search("ev=ready .*from=snapshot", log):
            return "ev=ready" in log
        return "ev=ready" in log and all(
            'ev=postgres_up name="wasl-attributor post %d"' % number in log for number in POSTING)

    def url(self, listener="public"):
        for line in self.log().splitlines():
            if "ev=listening" in line and "listener=" + listener in line:
                return "http://" + line.split("addr=")[1].strip('"')
        raise AssertionError(self.log())

    def send(self, store, event, webhook_id, limit_s=stack.ANSWER_LIMIT_S):
        body = event if isinstance(event, bytes) else stack.json.dumps(event).encode()
        headers = stack.webhook_headers(store["webhook_secret"], webhook_id, None, body)
        return stack.request(self.url(), "POST", "/v1/stores/%d/events" % store["store_id"], headers, body, limit_s)

    def insist(self, store, event, webhook_id):
        return insist(lambda: self.send(store, event, webhook_id))

    def exit_code(self):
        return self.process.wait(stack.WAIT_LIMIT_S)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(stack.WAIT_LIMIT_S)


class Session:
    """psql that stays: what it is told runs at once, its locks live until it ends."""

    def __init__(self, running):
        self.process = subprocess.Popen([stack.psql_program(), "-X", "-q", "-d", running.env["WASL_DATABASE_URL"]],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=stack.clean_env())

    def run(self, text):
        self.process.stdin.write(text + "\n\\echo done\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(stack.WAIT_LIMIT_S)
        self.process.stdout.close()
