#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""CPU per click of the tracker, the whole job with its record acknowledged by Redis, against nginx answering a bare
`return 302` with as many headers; beside it requests a second and how long they took, at full load. One worker each;
kept connections and one a request, 64 and 8 of them; rounds take turns; medians. tracker_workers_2: requests a second
of two workers against one, on the same cores that load and Redis need: with fewer than four cores it does not
tell how the tracker scales. Prints one JSON object a line."""

import os

import benchlib
from benchlib import Nginx
from trackerlib import Tracker

ROUND_S = 2
WARM_S = 1
FEW = 8


def one_round(pids, url, path, is_closing, connections=benchlib.CONNECTIONS):
    """CPU in microseconds per request of each process, then requests a second, p50 and p99 in microseconds."""
    before = [benchlib.cpu_us(pid) for pid in pids]
    figures = benchlib.load_figures(url, path, ROUND_S, is_closing, connections)
    return [(benchlib.cpu_us(pid) - start) / figures["requests"] for pid, start in zip(pids, before)] + [
        figures["per_s"], figures["p50_us"], figures["p99_us"]]


def measure(tracker, nginx, name, is_closing, connections):
    link = tracker.link()
    benchlib.load(tracker.url, link, WARM_S, is_closing)
    benchlib.load(nginx.url, link, WARM_S, is_closing)
    ours, anchor = [], []
    for _ in range(benchlib.ROUNDS):
        ours.append(one_round([tracker.process.pid, tracker.redis_process.pid], tracker.url, link, is_closing,
                              connections))
        anchor.append(one_round([nginx.pid], nginx.url, link, is_closing, connections))
        benchlib.forget_clicks(tracker)
    benchlib.assert_all_stored(tracker)
    cpu, redis, per_s, p50, p99 = zip(*ours)
    their_cpu, their_per_s, their_p50, their_p99 = zip(*anchor)
    benchlib.say("tracker_cpu_" + name, "us", cpu, their_cpu, benchlib.NGINX_NAME)
    benchlib.say("tracker_redis_cpu_" + name, "us", redis)
    benchlib.say("tracker_per_s_" + name, "1/s", per_s, their_per_s, benchlib.NGINX_NAME)
    benchlib.say("tracker_p50_" + name, "us", p50, their_p50, benchlib.NGINX_NAME)
    benchlib.say("tracker_p99_" + name, "us", p99, their_p99, benchlib.NGINX_NAME)


def scaling():
    one, two = [], []
    with Tracker({"workers": 1, "click-deadline": "1s"}) as single, \
            Tracker({"workers": 2, "click-deadline": "1s"}) as pair:
        for _ in range(benchlib.ROUNDS):
            for tracker, figures in ((single, one), (pair, two)):
                figures.append(benchlib.load(tracker.url, tracker.link(), ROUND_S) / ROUND_S)
                benchlib.forget_clicks(tracker)
    benchlib.say("tracker_workers_2", "1/s", two, one,
                 "one worker; load and Redis on the same %d cores" % len(os.sched_getaffinity(0)))


def main():
    benchlib.need("nginx", "wrk", "redis-server")
    with Tracker({"workers": 1, "click-deadline": "1s"}) as tracker, Nginx() as nginx:
        measure(tracker, nginx, "keepalive", False, benchlib.CONNECTIONS)
        measure(tracker, nginx, "close", True, benchlib.CONNECTIONS)
        measure(tracker, nginx, "keepalive_8", False, FEW)
        measure(tracker, nginx, "close_8", True, FEW)
    scaling()


if __name__ == "__main__":
    main()
