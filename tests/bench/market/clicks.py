# SPDX-License-Identifier: Apache-2.0
"""Everybody's clicks, over HTTP: those of today to the stack's own tracker, those of earlier days to trackers whose
clock is behind by so much. The tokens in their Location headers are what the orders carry."""

import pathlib
import struct
import subprocess
import tempfile
import time
import urllib.parse

import bazaar
import pump
import stack
import wasltokens

CONNECTIONS = 32
PHONE = (b"User-Agent: Mozilla/5.0 (Linux; Android 14; SM-A546E) AppleWebKit/537.36 (KHTML, like Gecko) "
         b"Chrome/130.0.0.0 Mobile Safari/537.36\r\n")
START_S = 30
CATALOGUE_S = 60
TICK_S = 0.002  # ids of one millisecond are in no order


class Click(pump.Job):
    def __init__(self, order, place, link, host, faults):
        self.order, self.place, self.link, self.host, self.faults = order, place, link, host, faults

    def request(self):
        return b"GET /%s HTTP/1.1\r\nHost: %s\r\nX-Forwarded-For: %s\r\n%s\r\n" % (
            self.link.encode(), self.host, address_of(self.order.customer), PHONE)

    def answer(self, status, head, _body):
        location = (pump.header(head, b"location") or b"").decode()
        token = urllib.parse.parse_qs(urllib.parse.urlsplit(location).query).get("wasl")
        if status != 302 or not token:
            self.faults.add("click %d of order %s: %d to %r" % (self.place, self.order.order_id, status, location))
            token = ["lost"]
        self.order.tokens[self.place] = token[0]
        return True


def address_of(customer):
    """Of the network that RFC 2544 sets aside for trials."""
    return b"198.%d.%d.%d" % (18 + (customer >> 16 & 1), customer >> 8 & 255, customer & 255)


class PastTracker:
    """One more tracker beside a stack's own, on its Redis, some days ago."""

    def __init__(self, running, days):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="past-", dir=running.dir))
        config = pathlib.Path(running.dir, "tracker.conf").read_text().splitlines()
        (self.dir / "conf").touch(0o600)
        (self.dir / "conf").write_text("".join(line + "\n" for line in config if line.split(" ")[0] not in
                                               ("listen", "admin-listen", "state-dir")))
        (self.dir / "clock").write_bytes(struct.pack("=q", -days * bazaar.DAY_S * 1000000))
        shift = stack.preload("clock_step", {"WASL_TEST_CLOCK": str(self.dir / "clock")})
        with open(self.dir / "log", "wb") as log:
            self.process = subprocess.Popen(
                [stack.programs() / "wasl-tracker", "--config", self.dir / "conf", "--listen", "127.0.0.1:0",
                 "--admin-listen", "127.0.0.1:0", "--state-dir", self.dir],
                env={**stack.clean_env(), **shift}, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.url, self.admin_url = (stack.wait_until(lambda name=name: self.address(name), START_S, "a tracker listens")
                                    for name in ("public", "admin"))

    def address(self, listener):
        text = (self.dir / "log").read_text(errors="replace")
        assert self.process.poll() is None, "the tracker of an earlier day has ended:\n" + text
        for line in text.splitlines():
            if "ev=listening" in line and "listener=" + listener in line:
                return "http://" + line.split("addr=")[1].split()[0].strip('"')
        return None

    def stop(self):
        self.process.terminate()
        code = self.process.wait(stack.WAIT_LIMIT_S)
        assert code == 0, "the tracker of an earlier day ended with %d" % code


def click_all(running, market, progress, faults):
    """Day by day, and on each day everybody's first click before the second ones: an order's clicks come in order.
    Returns how many the trackers say that they stored."""
    text = pathlib.Path(running.env["WASL_KEYRING"]).read_text()
    slot, master = next((int(line.split()[0]), bytes.fromhex(line.split()[2]))
                        for line in text.splitlines() if " active " in line)
    keys = wasltokens.Keys(master, slot)
    links = mint_links(slot, master, {(visit.affiliate, visit.product.id)
                                      for order in market.orders for visit in order.visits})
    stored = 0
    for days in bazaar.CLICK_DAYS:
        past = PastTracker(running, days) if days else None
        try:
            url, admin_url = (past.url, past.admin_url) if past else (
                running.env["WASL_TRACKER_URL"], running.env["WASL_TRACKER_ADMIN_URL"])
            wait_for_catalogue(url, market, keys)
            stored -= stored_clicks(admin_url)
            for jobs in rounds(market, days, links, urllib.parse.urlsplit(url).netloc.encode(), faults):
                pump.pump(url, jobs, CONNECTIONS, progress)
                time.sleep(TICK_S)
            stored += stored_clicks(admin_url)
        finally:
            if past:
                past.stop()
    return stored


def rounds(market, days, links, host, faults):
    """The clicks of one day: lists in which no order has two."""
    found = []
    for order in market.orders:
        places = [place for place, visit in enumerate(order.visits) if visit.days == days]
        for number, place in enumerate(places):
            if number == len(found):
                found.append([])
            visit = order.visits[place]
            found[number].append(Click(order, place, links[(visit.affiliate, visit.product.id)], host, faults))
    return found


def mint_links(slot, master, pairs):
    """{(affiliate, product): token}; the blocks all at once, by openssl, for Python alone would take minutes."""
    pairs, key = sorted(pairs), wasltokens.hkdf(master, b"wasl link v1").hex()
    plain = b"".join(affiliate.to_bytes(4, "big") + product.to_bytes(4, "big") + b"\0\0\0\x01\0\0\0\0"
                     for affiliate, product in pairs)
    done = subprocess.run(["openssl", "enc", "-aes-256-ecb", "-nopad", "-K", key], input=plain,
                          capture_output=True, timeout=stack.COMMAND_LIMIT_S, check=True)
    links = {}
    for place, pair in enumerate(pairs):
        number = slot << 128 | int.from_bytes(done.stdout[16 * place:16 * place + 16], "big")
        digits = ""
        for _ in range(22):
            number, digit = divmod(number, 62)
            digits = wasltokens.BASE62[digit] + digits
        links[pair] = digits
    return links


def wait_for_catalogue(url, market, keys):
    last = market.products[-1]
    path = "/" + keys.mint_link(market.affiliates[-1], last.id)

    def leads_there():
        headers = [tuple(line.split(": ", 1)) for line in PHONE.decode().splitlines()]
        return ("/p/" + last.external_id) in (stack.request(url, "HEAD", path, headers).header("location") or "")
    stack.wait_until(leads_there, CATALOGUE_S, "a tracker has the whole catalogue")


def stored_clicks(admin_url):
    """In Redis or in the spool; an answer is sent once its click is there, so nothing is under way."""
    metrics = stack.parse_metrics(stack.request(admin_url, "GET", "/metrics").body)
    return sum(count for (name, labels), count in metrics.items()
               if name == "wasl_clicks_total" and ("class", "human") in labels and ("stored", "none") not in labels)
