#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""orders_per_s_slow_disk: as orders_per_s (bench_orders.py), with a millisecond added to every fdatasync of Postgres,
as a plain cloud disk has it. What batches and a second connection are for: pgbench waits for the disk once an order."""

import os

import benchlib
import pgorders
from bench_orders import ANCHOR_S, Bench, column


def main():
    benchlib.need("pgbench")
    os.environ["LD_PRELOAD"] = benchlib.library("slow_sync.so")
    bench = Bench()
    bench.start()
    del os.environ["LD_PRELOAD"]
    ours, anchor = [], []
    with bench:
        for _ in range(benchlib.ROUNDS):
            ours.append(bench.one_round())
            anchor.append(bench.anchor.best(ANCHOR_S))
        bench.verify()
    benchlib.say("orders_per_s_slow_disk", "1/s", column(ours, "per_s"), column(anchor, "per_s"),
                 pgorders.NAME + ", the same disk")


if __name__ == "__main__":
    main()
