#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""CPU per click of the tracker, the whole job with its record acknowledged by Redis, against nginx answering a bare
`return 302` with as many headers. One worker each; rounds take turns; medians. Prints one JSON object a line."""

import benchlib
from benchlib import Nginx
from trackerlib import Tracker

ROUND_S = 2
WARM_S = 1


def one_round(pids, url, path, is_closing):
    """CPU in microseconds per request, of each process."""
    before = [benchlib.cpu_us(pid) for pid in pids]
    count = benchlib.load(url, path, ROUND_S, is_closing)
    return [(benchlib.cpu_us(pid) - start) / count for pid, start in zip(pids, before)]


def measure(tracker, nginx, name, is_closing):
    link = tracker.link()
    benchlib.load(tracker.url, link, WARM_S, is_closing)
    benchlib.load(nginx.url, link, WARM_S, is_closing)
    ours, redis, anchor = [], [], []
    for _ in range(benchlib.ROUNDS):
        mine, stored = one_round([tracker.process.pid, tracker.redis_process.pid], tracker.url, link, is_closing)
        ours.append(mine)
        redis.append(stored)
        anchor += one_round([nginx.pid], nginx.url, link, is_closing)
        benchlib.forget_clicks(tracker)
    benchlib.assert_all_stored(tracker)
    benchlib.say("tracker_cpu_" + name, "us", ours, anchor, benchlib.NGINX_NAME)
    benchlib.say("tracker_redis_cpu_" + name, "us", redis)


def main():
    benchlib.need("nginx", "wrk", "redis-server")
    with Tracker({"workers": 1, "click-deadline": "1s"}) as tracker, Nginx() as nginx:
        measure(tracker, nginx, "keepalive", False)
        measure(tracker, nginx, "close", True)


if __name__ == "__main__":
    main()
