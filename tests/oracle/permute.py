#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Random orders in every order of arrival through the attributor's core (fold_tool), compared with the reference: same
amounts, rows, states, verdicts and accounts whichever event comes first; with timers and payouts in between the same
sums. Prints its seeds; what differs it makes small, prints, and ends with 1.

usage: tests/oracle/permute.py TOOL [--seed N] [--seeds N] [--orders N] [--seconds N] [--runs N] [--jobs N]
each seed: so many orders, or for so long; of each order at most so many orders of arrival"""

import argparse
import copy
import itertools
import json
import multiprocessing
import random
import subprocess
import sys
import time

from book import OrderBook, Room
from history import DIGITS, MINUTE_US, History, facts

BATCH = 100          # orders a process of the tool
ALL_EVENTS_MAX = 5   # up to here every permutation
RUNS = 120           # of longer ones, random permutations
BUSY_RUNS = 3        # with timers and payouts in between; the reference walks along
TOOL_LIMIT_S = 300
DIFFERENCES_MAX = 5
NOT_A_ROW = "voided"


class Case:
    """One order for the tool: its catalogue and events as lines, its runs, what each has to come to."""

    def __init__(self, drawn, runs):
        self.drawn, self.runs = drawn, runs

    def lines(self):
        catalogue, digits = self.drawn.catalogue, DIGITS[self.drawn.currency]
        store = catalogue.store
        yield "store", store.id, store.model, store.precedence, store.self_referral, \
            int(store.collect_on == "delivered"), store.return_days
        for number, known in catalogue.affiliates.items():
            yield "affiliate", number, known.standing, known.phone or "-", known.tier_bonus, figure(known.tier_rate)
        names = {product: (external, category) for external, (product, category) in catalogue.products.items()}
        for product, owner in catalogue.product_stores.items():
            external, category = names.get(product, (None, None))
            yield "product", product, owner, external or "-", category or "-"
        for code, coupon in catalogue.coupons.items():
            yield "coupon", coupon.id, code, coupon.affiliate, coupon.held_back or "-"
        for rule in catalogue.rules:
            yield "rule", rule.id, rule.level, rule.affiliate, rule.product, rule.category or "-", *map(figure, (
                rule.rate_bp, rule.unit, rule.order, rule.cap_line, rule.cap_order, rule.cap_period)), \
                rule.currency or "-", rule.priority, rule.from_us, rule.to_us
        for (rule, affiliate), free in self.drawn.room.items():
            yield "room", affiliate, rule, free
        for event in self.drawn.events:
            yield "event", facts(event, digits)
        for run in self.runs:
            yield "run", *run
        yield ("end",)

    def text(self):
        return "".join(" ".join(map(str, words)) + "\n" for words in self.lines())

    def book(self, run):
        """The reference's books after a run."""
        book = OrderBook(self.drawn.catalogue, Room(self.drawn.room))
        for step in run:
            if step[0] == "e":
                book.post([self.drawn.events[int(number)] for number in step[1:].split(",")])
            elif step[0] == "t":
                book.post((), int(step[1:]))
            elif step[0] == "p":
                book.draft_and_approve()
            elif step[0] in "sf":
                book.transfer(step[0] == "s")
            else:
                book.bounce()
        return book


def figure(value):
    return -1 if value is None else value


# What is compared.


def expected(book):
    """As the tool prints it, less what depends on the way there."""
    life = book.life
    told = {"state": life.state, "waiting": int(life.folded.is_waiting), "net": book.net()}
    if life.match is None:
        return told
    has_cap = any(rule.cap_period is not None for rule in life.catalogue.rules)
    told.update(result=life.result, release=life.release_us or 0)
    told["shares"] = {share.affiliate: share_of(life.is_posted, has_cap, share.full, share.amount, share.is_void, [
        (line.base, line.amount, line.rule.id if line.rule else 0) for line in share.lines])
        for share in life.shares if not life.is_zero}
    told["verdicts"] = {name: verdict for name, verdict in life.match.verdicts.items() if "#" not in name}
    told["rows"] = rows_of((row.affiliate, row.kind, row.state, row.amount, row.confirmed, int(row.is_platform),
                            int(row.is_frozen)) for row in book.rows)
    told["accounts"] = {(affiliate, name): amount for affiliate, accounts in book.accounts().items()
                        for name, amount in accounts.items() if amount}
    told["book"] = (life.is_posted, has_cap)
    if not life.folded.is_test and not life.folded.is_conflict and not life.folded.reassigned and not book.is_locked:
        told["coupon"] = life.match.taken.id if life.match.taken and not life.folded.gives_coupon_back else 0
    return told


def share_of(is_posted, has_cap, full, amount, is_void, lines):
    """What is due, and for what state, only matters once rows are made of it; a cap by period may be taken off the lines
    of a single winner."""
    return (full, amount if is_posted else None, bool(is_void) if is_posted else None,
            [(base, None if has_cap else earned, rule) for base, earned, rule in lines])


def rows_of(rows):
    """Sorted; a voided row may be what is left of somebody who won until an earlier event came."""
    return sorted(row for row in rows if row[2] != NOT_A_ROW)


def found(told, like):
    """The tool's line in the same shape."""
    if told["status"] != "ok":
        return {"status": told["status"]}
    net = {}
    for affiliate, _, _, amount, _, is_platform, *_ in told["rows"]:
        if not is_platform:
            net[affiliate] = net.get(affiliate, 0) + amount
    same = {"state": told["state"], "waiting": told["waiting"],
            "net": {affiliate: amount for affiliate, amount in net.items() if amount}}
    if "result" not in told:
        return same
    same.update(result=told["result"], release=told["release"])
    is_posted, has_cap = same["book"] = like.get("book", (True, False))
    same["shares"] = {share["affiliate"]: share_of(is_posted, has_cap, share["full"], share["amount"], share["void"],
                                                   map(tuple, share["lines"]))
                      for share in told["shares"] if share["affiliate"] != 0 and like.get("shares")}
    same["verdicts"] = {name: same_refusal(like.get("verdicts", {}).get(name), verdict)
                        for name, verdict in told["verdicts"].items() if "#" not in name}
    same["rows"] = rows_of(tuple(row[:7]) for row in told["rows"])
    same["accounts"] = {(affiliate, name): amount for affiliate, name, amount in told["accounts"] if amount}
    if "coupon" in like:
        same["coupon"] = told["coupon"] if told["takes"] else 0
    return same


def same_refusal(want, have):
    """Of two reasons to refuse somebody who is the customer, either is true: events may name the customer later."""
    is_either = "self_referral" in (want, have) and not (want or "").startswith(("won", "lost", "shared")) and \
        not have.startswith(("won", "lost", "shared"))
    return want if is_either else have


def difference(want, have):
    """The first member that differs; None: none."""
    for name in dict.fromkeys([*want, *have]):
        if want.get(name) != have.get(name):
            return "%s: reference %r, core %r" % (name, want.get(name), have.get(name))
    return None


# Runs.


def permutations(rng, count, runs):
    if count <= ALL_EVENTS_MAX:
        ways = [list(way) for way in itertools.permutations(range(count))]
        return ways if len(ways) <= runs else rng.sample(ways, runs)
    ways = []
    for _ in range(runs):
        way = list(range(count))
        rng.shuffle(way)
        ways.append(way)
    return ways


def quiet_run(rng, way):
    """The events one by one, some of them in one posting."""
    steps = []
    for number in way:
        if steps and rng.random() < 0.15:
            steps[-1] += ",%d" % number
        else:
            steps.append("e%d" % number)
    return steps


def busy_run(rng, way, drawn):
    """With timers and payouts in between."""
    steps = []
    for number in way:
        steps.append("e%d" % number)
        while rng.random() < 0.5:
            steps.append(rng.choice(("t%d" % (drawn.placed_us + rng.choice((1, 20, 60)) * 1440 * MINUTE_US),) * 4 + ("p", "p", "s", "s", "f", "b")))
    return steps


def draw(seed, number, runs):
    """Every third order is calm and sees timers and payouts; every fifth has operators' acts among its events."""
    rng = random.Random("%s %d" % (seed, number))
    is_busy = number % 3 == 2
    drawn = History(rng, calm=is_busy)
    drawn.has_acts = number % 5 == 4
    if drawn.has_acts:
        drawn.events += drawn.acts(rng.choice((1, 1, 2)))
    ways = permutations(rng, len(drawn.events), min(runs, BUSY_RUNS) if is_busy else runs)
    ways = [way for way in ways if is_possible(drawn, way)] or [list(range(len(drawn.events)))]
    return Case(drawn, [busy_run(rng, way, drawn) if is_busy else quiet_run(rng, way) for way in ways])


def is_possible(drawn, way):
    """Operators act on orders that have commissions."""
    kinds = [drawn.events[number].kind for number in way]
    confirmed = kinds.index("order.confirmed") if "order.confirmed" in kinds else len(kinds)
    return not any(kind.startswith("operator.") for kind in kinds[:confirmed])


def is_quiet(run):
    return all(step[0] == "e" for step in run)


def compare(case, answers):
    """(run, what differs) of the first run that does, or None. Where nothing but events came, all that they come to is
    told by their set: it is reckoned once, as if they had come together."""
    wanted = {}
    for run, answer in zip(case.runs, answers):
        names = tuple(sorted({int(number) for step in run for number in step[1:].split(",")})) if is_quiet(run) else None
        if names is None or case.drawn.has_acts:
            want = expected(case.book(run))
        else:
            wanted[names] = wanted.get(names) or expected(case.book(["e" + ",".join(map(str, names))]))
            want = wanted[names]
        text = difference(want, found(json.loads(answer), want))
        if text:
            return run, text
    return None


def ask(tool, cases):
    """The answers of a process of the tool, a list for each case; None for one over which it died."""
    done = subprocess.run([tool], input="".join(case.text() for case in cases), capture_output=True, text=True,
                          timeout=TOOL_LIMIT_S, check=False)
    lines = iter(done.stdout.splitlines())
    answers = [list(itertools.islice(lines, len(case.runs))) for case in cases]
    if done.returncode != 0 and len(cases) > 1:
        return [ask(tool, [case])[0] for case in cases]
    return answers if done.returncode == 0 else [[json.dumps({"status": done.stderr.strip()[-300:]})] * len(case.runs) for case in cases]


def shrunk(tool, case, run):
    """The same member differs in as little as possible: fewer events, then fewer of everything else."""
    best = Case(case.drawn, [run])
    differs = lambda one: compare(one, ask(tool, [one])[0])
    first = differs(best)
    if first is None:
        return best, (run, "only after the runs before it")
    is_smaller = True
    while is_smaller:
        is_smaller = False
        for smaller in smaller_cases(best):
            try:
                way = [int(number) for step in smaller.runs[0] if step[0] == "e" for number in step[1:].split(",")]
                found_here = smaller.runs[0] and is_possible(smaller.drawn, way) and differs(smaller)
            except (ValueError, KeyError, IndexError, AttributeError):
                continue
            if found_here and found_here[1].split(":")[0] == first[1].split(":")[0] and (
                    ("core None" in found_here[1]) == ("core None" in first[1])):
                best, is_smaller = smaller, True
                break
    return best, differs(best)


def smaller_cases(case):
    run = case.runs[0]
    for place, step in enumerate(run):
        if step[0] != "e":
            yield Case(case.drawn, [run[:place] + run[place + 1:]])
            continue
        for number in step[1:].split(","):
            rest = ",".join(one for one in step[1:].split(",") if one != number)
            yield Case(case.drawn, [run[:place] + (["e" + rest] if rest else []) + run[place + 1:]])
    used = sorted({int(number) for step in run if step[0] == "e" for number in step[1:].split(",")})
    if len(used) < len(case.drawn.events):
        drawn = copy.deepcopy(case.drawn)
        drawn.events = [drawn.events[number] for number in used]
        place = {number: i for i, number in enumerate(used)}
        yield Case(drawn, [["e" + ",".join(str(place[int(n)]) for n in step[1:].split(",")) if step[0] == "e" else step
                            for step in run]])
    for change in changes(case.drawn):
        drawn = copy.deepcopy(case.drawn)
        change(drawn)
        yield Case(drawn, [run])


def changes(drawn):
    for i in range(len(drawn.catalogue.rules)):
        yield lambda smaller, i=i: smaller.catalogue.rules.pop(i)
    for code in drawn.catalogue.coupons:
        yield lambda smaller, code=code: smaller.catalogue.coupons.pop(code)
    for e, event in enumerate(drawn.events):
        for name in ("clicks", "coupons", "lines"):
            for i in range(len(getattr(event, name)) if name != "lines" or len(event.lines) > 1 else 0):
                yield lambda smaller, e=e, name=name, i=i: getattr(smaller.events[e], name).pop(i)
        if event.discount:
            yield lambda smaller, e=e: setattr(smaller.events[e], "discount", 0)
        for i, line in enumerate(event.lines):
            if line.discount:
                yield lambda smaller, e=e, i=i: setattr(smaller.events[e].lines[i], "discount", 0)


def run_seed(words, seed):
    """Draws, asks and compares until orders or time are up; what to print and how many orders differ."""
    began, number, runs, differing, text = time.monotonic(), 0, 0, 0, []
    while number < words.orders and time.monotonic() - began < words.seconds and differing < DIFFERENCES_MAX:
        cases = [draw(seed, n, words.runs) for n in range(number, min(number + BATCH, words.orders))]
        for case, answers in zip(cases, ask(words.tool, cases)):
            different = compare(case, answers)
            if different and differing < DIFFERENCES_MAX:
                differing += 1
                small, (_, what) = shrunk(words.tool, case, different[0])
                text.append("seed %s order %d differs\n%s%s\n" % (seed, number, small.text(), what))
            runs += len(case.runs)
            number += 1
    text.append("permute: seed %s: %d orders, %d runs, %d differ (%.1f s)" % (
        seed, number, runs, differing, time.monotonic() - began))
    return "\n".join(text), differing or not number


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tool")
    parser.add_argument("--seed", type=int, default=time.time_ns())
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--orders", type=int, default=10**9)
    parser.add_argument("--seconds", type=float, default=10**9)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--jobs", type=int, default=2)
    words = parser.parse_args()
    failed = 0
    with multiprocessing.Pool(min(words.jobs, words.seeds)) as pool:
        runs = [pool.apply_async(run_seed, (words, words.seed + i)) for i in range(words.seeds)]
        for run in runs:
            text, has_failed = run.get()
            print(text, flush=True)
            failed += bool(has_failed)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
