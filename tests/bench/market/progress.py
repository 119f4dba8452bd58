# SPDX-License-Identifier: Apache-2.0
"""A bar on stderr that grows, and what one stretch of the replay took: seconds, and each program's processor time."""

import contextlib
import os
import sys
import time

import benchlib
import pgorders

BAR_CHARS = 40
TTY_S, LOG_S = 0.2, 30  # between two drawings
ATTEMPTS_MAX = 5


class Progress:
    """with Progress("orders", 100, running) as step: … step()   what: at most ten letters."""

    def __init__(self, what, total, running):
        self.what, self.total, self.running, self.done = what, total, running, 0
        self.shown = self.began = time.monotonic()
        self.is_tty = sys.stderr.isatty()
        self.cpu_us = cpu_by_program(running)

    def __enter__(self):
        self.show()
        return self

    def __call__(self):
        self.done += 1
        if self.done == self.total or (self.done & 31 == 0 and
                                       time.monotonic() - self.shown >= (TTY_S if self.is_tty else LOG_S)):
            self.show()

    def show(self):
        self.shown = time.monotonic()
        filled = BAR_CHARS * self.done // max(1, self.total)
        took_s = max(1e-9, self.shown - self.began)
        left_s = (self.total - self.done) * took_s / self.done if self.done else 0
        sys.stderr.write("%s%-10s [%s%s] %d of %d, %d a second, %d s left  %s" % (
            "\r" if self.is_tty else "", self.what, "#" * filled, "." * (BAR_CHARS - filled), self.done, self.total,
            self.done / took_s, left_s, "" if self.is_tty and self.done < self.total else "\n"))
        sys.stderr.flush()

    def __exit__(self, kind, *_):
        if kind:
            sys.stderr.write("\n")
            return
        took_s = time.monotonic() - self.began
        after = cpu_by_program(self.running)
        cost = ", ".join("%s %d" % (name, max(0, after[name] - before) / max(1, self.done))
                         for name, before in self.cpu_us.items())
        print("%-10s %d in %d s, %d a second; CPU µs of one: %s" % (
            self.what, self.done, took_s, self.done / max(1e-9, took_s), cost), flush=True)


def cpu_by_program(running):
    """In microseconds, so far. Asked again when one of Postgres's processes ends while it is counted."""
    for _ in range(ATTEMPTS_MAX):
        with contextlib.suppress(OSError):
            return count_cpu(running)
    return count_cpu(running)


def count_cpu(running):
    own = os.times()
    return {"tracker": benchlib.cpu_us(running.pid("tracker")), "attributor": benchlib.cpu_us(running.pid("attributor")),
            "Redis": benchlib.cpu_us(running.pid("redis")), "Postgres": pgorders.postgres_cpu_us(running),
            "script": sum(own[:4]) * 1e6}
