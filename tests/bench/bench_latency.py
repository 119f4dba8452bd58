#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How late the slowest hundredth of redirects is when the tracker is half busy, against nginx's bare redirect.

tracker_p99_half: half of the tracker's own maximum (requests a second that wrk gets over 64 kept connections, the
median of three looks) is then offered by pace, at a fixed rate, to the tracker and to nginx in turn. The same rate for
both: nginx, whose maximum is higher, is less than half busy. Times count from the moment at which a request was due,
so that a server that falls behind can't hide it. One worker each; the tracker answers after Redis has acknowledged. Nine
rounds, because the slowest hundredth belongs to the machine's scheduler first: with two cores the tracker shares
them with Redis and pace, nginx with pace only."""

import json
import statistics
import subprocess
import urllib.parse

import benchlib
import stack
from benchlib import Nginx
from trackerlib import Tracker

WARM_S = 1
LOOKS = 3
LOOK_S = 1
ROUNDS = 9
ROUND_S = 2


def half_of_maximum(tracker, link):
    benchlib.load(tracker.url, link, WARM_S)
    rates = [benchlib.load(tracker.url, link, LOOK_S) / LOOK_S for _ in range(LOOKS)]
    benchlib.forget_clicks(tracker)
    return int(statistics.median(rates) / 2)


def p99_us(url, path, rate):
    parts = urllib.parse.urlsplit(url)
    request = stack.encode_request(parts.netloc, "GET", path, benchlib.HEADERS)
    words = [benchlib.tool("pace"), parts.port, rate, ROUND_S, benchlib.CONNECTIONS]
    done = subprocess.run([str(word) for word in words], input=request, stdout=subprocess.PIPE, check=True,
                          timeout=benchlib.LIMIT_S)
    return json.loads(done.stdout)["p99_us"]


def main():
    benchlib.need("nginx", "wrk", "redis-server")
    with Tracker({"workers": 1, "click-deadline": "1s"}) as tracker, Nginx() as nginx:
        link = tracker.link()
        rate = half_of_maximum(tracker, link)
        benchlib.load(nginx.url, link, WARM_S)
        ours, anchor = [], []
        for _ in range(ROUNDS):
            ours.append(p99_us(tracker.url, link, rate))
            anchor.append(p99_us(nginx.url, link, rate))
            benchlib.forget_clicks(tracker)
        benchlib.assert_all_stored(tracker)
        benchlib.say("tracker_p99_half", "us", ours, anchor, "%s, both at %d a second" % (benchlib.NGINX_NAME, rate))


if __name__ == "__main__":
    main()
