#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How late the slowest hundredth of redirects is when the tracker is half busy, against nginx's bare redirect.

tracker_p99_half: half of the tracker's own maximum (requests a second that wrk gets over 64 kept connections, the
median of three looks) is then offered by pace, at a fixed rate, to the tracker and to nginx in turn. The same rate for
both: nginx, whose maximum is higher, is less than half busy. Times count from the moment at which a request was due,
so that a server that falls behind can't hide it. One worker each; the tracker answers after Redis has acknowledged.
The slowest hundredth belongs to the machine's scheduler first. So 15 rounds are run, and those nine count in which
programs that have no part in it took the least processor time. With two cores the tracker shares them with Redis and
pace, nginx with pace only."""

import os
import pathlib
import resource
import statistics

import benchlib
from benchlib import Nginx
from trackerlib import Tracker

WARM_S = 1
LOOKS = 3
LOOK_S = 1
ROUNDS_RUN = 15
ROUNDS_KEPT = 9
ROUND_S = 1


def half_of_maximum(tracker, link):
    benchlib.load(tracker.url, link, WARM_S)
    rates = [benchlib.load(tracker.url, link, LOOK_S) / LOOK_S for _ in range(LOOKS)]
    benchlib.forget_clicks(tracker)
    return int(statistics.median(rates) / 2)


def p99_us(url, path, rate):
    return benchlib.pace_path(url, path, rate, ROUND_S).figures()["p99_us"]


def strangers_us(pids):
    """Processor time that everything else than these processes and our own children has taken so far."""
    ticks = [int(word) for word in pathlib.Path("/proc/stat").read_text().split("\n")[0].split()[1:4]]
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    known = sum(benchlib.cpu_us(pid) for pid in pids) + (children.ru_utime + children.ru_stime) * 1e6
    return sum(ticks) * 1e6 / os.sysconf("SC_CLK_TCK") - known


def main():
    benchlib.need("nginx", "wrk", "redis-server")
    with Tracker({"workers": 1, "click-deadline": "1s"}) as tracker, Nginx() as nginx:
        link = tracker.link()
        rate = half_of_maximum(tracker, link)
        benchlib.load(nginx.url, link, WARM_S)
        pids = (tracker.process.pid, tracker.redis_process.pid, nginx.pid)
        rounds = []
        for _ in range(ROUNDS_RUN):
            before = strangers_us(pids)
            ours, anchor = p99_us(tracker.url, link, rate), p99_us(nginx.url, link, rate)
            rounds.append((strangers_us(pids) - before, ours, anchor))
            benchlib.forget_clicks(tracker)
        _, ours, anchor = zip(*sorted(rounds)[:ROUNDS_KEPT])
        benchlib.assert_all_stored(tracker)
        benchlib.say("tracker_p99_half", "us", ours, anchor, "%s, both at %d a second" % (benchlib.NGINX_NAME, rate))


if __name__ == "__main__":
    main()
