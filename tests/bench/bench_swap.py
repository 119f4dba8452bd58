#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How late the slowest thousandth of redirects is while the tracker takes over a whole new catalogue.

catalogue_swap_p999: 1 M products and 100,000 affiliates lie in Redis under two epochs. At a steady, moderate rate the
tracker answers for some seconds, in turn undisturbed (the anchor) and with the head pointed at the other epoch just
after the start: it reads everything anew, beside the old catalogue, and swaps. The round counts only if the swap
happened within it. One worker; tracker, Redis and load share the machine's cores, so the figure holds what the
reading itself takes of them."""

import time

import benchlib
from bench_catalogue import FullTracker, full_rows
from stack import wait_until

RATE = 2000
ROUND_S = 6
HEAD_START_S = 0.5
SWAP_LIMIT_S = 30
EPOCHS = ("00000000000000e1", "00000000000000e2")


def point_at(tracker, epoch):
    with tracker.redis() as client:
        client.command("HSET", "wasl:cat:head", "epoch", epoch, "version", 1)


def swaps(tracker):
    return len(tracker.events("catalogue_loaded"))


def p999_us(tracker, path, epoch=None):
    load = benchlib.pace_path(tracker.url, path, RATE, ROUND_S)
    before = swaps(tracker)
    if epoch:
        time.sleep(HEAD_START_S)
        point_at(tracker, epoch)
        wait_until(lambda: swaps(tracker) > before, SWAP_LIMIT_S, "the swap")
        assert load.process.poll() is None, "the swap took longer than the round"
    return load.figures()["p999_us"]


def main():
    benchlib.need("redis-server")
    with FullTracker({"workers": 1, "click-deadline": "1s"}) as tracker:
        tracker.publish(list(full_rows()), epoch=EPOCHS[1])
        point_at(tracker, EPOCHS[0])
        wait_until(lambda: tracker.metric("wasl_catalogue_version") >= 1, SWAP_LIMIT_S, "the first catalogue")
        path, quiet, swapping = tracker.link(affiliate=1, product=1), [], []
        for number in range(benchlib.ROUNDS):
            quiet.append(p999_us(tracker, path))
            swapping.append(p999_us(tracker, path, EPOCHS[(number + 1) % 2]))
        benchlib.assert_all_stored(tracker)
    benchlib.say("catalogue_swap_p999", "us", swapping, quiet, "the same, nothing republished")


if __name__ == "__main__":
    main()
