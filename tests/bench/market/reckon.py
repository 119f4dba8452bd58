# SPDX-License-Identifier: Apache-2.0
"""The reconciliation: what Wasl has after the replay, beside what bazaar.py reckons by itself; every difference by
name."""

import collections
import json
import time

import bazaar
import stack
from progress import cpu_by_program
from story import money

SHOWN = 20         # faults that are printed
FAULTS_MAX = 1000  # and after which a replay gives up
VERIFY_S = 1800
PAGE = 100
FIRST_PAGES = {
    "pending_commissions": "SELECT * FROM finance.pending_commissions ORDER BY commission_id LIMIT %d",
    "commissions": "SELECT * FROM finance.commissions ORDER BY commission_id LIMIT %d",
    "balances": "SELECT * FROM finance.balances ORDER BY store_id, affiliate_id LIMIT %d",
    "store_dues": "SELECT * FROM finance.store_dues ORDER BY store_id LIMIT %d",
    "pending_ageing": "SELECT * FROM finance.pending_ageing LIMIT %d",
}


class Faults:
    def __init__(self):
        self.all = []

    def add(self, text):
        self.all.append(text)
        if len(self.all) > FAULTS_MAX:
            raise SystemExit("\n".join(["FAULT " + fault for fault in self.all[:SHOWN]] + ["too many faults"]))

    def show(self):
        for fault in self.all[:SHOWN]:
            print("FAULT " + fault)
        if len(self.all) > SHOWN:
            print("… and %d more" % (len(self.all) - SHOWN))


class Table:
    """Rows of two figures that have to be equal."""

    def __init__(self, faults):
        self.faults = faults
        print("\n%-26s %20s %20s" % ("", "Wasl", "reckoned"))

    def row(self, name, ours, theirs):
        print("%-26s %20s %20s%s" % (name, ours, theirs, "" if str(ours) == str(theirs) else "   <- differs"))
        if str(ours) != str(theirs):
            self.faults.add("%s: %s, not %s" % (name, ours, theirs))


def reckon(running, market, story, stored_clicks, faults):
    """Prints the table."""
    table, expected = Table(faults), [(order, bazaar.expected(order)) for order in market.orders]
    table.row("clicks stored", int(stored_clicks), sum(len(order.visits) for order in market.orders))
    table.row("orders", count(running, "SELECT count(*) FROM wasl.orders"), len(market.orders))
    table.row("events", count(running, "SELECT count(*) FROM wasl.events WHERE type NOT LIKE 'operator.%'"),
              len(set(story.sent)) + len(story.late))
    table.row("gross", money(count(
        running, "SELECT sum((l->>'unit_price_minor')::bigint * (l->>'quantity')::bigint) FROM wasl.events e, "
        "jsonb_array_elements(e.facts->'lines') l WHERE e.type = 'order.placed'")), money(market.gross_minor))
    table.row("orders without a winner", count(
        running, "SELECT count(*) FROM wasl.orders o JOIN wasl.decisions d ON (d.store_id, d.order_id, d.version) = "
        "(o.store_id, o.order_id, o.decision_version) WHERE d.result <> 'attributed'"),
              sum(not bazaar.winners(order) for order in market.orders))
    compare_states(running, expected, table)
    compare_balances(running, expected, table)
    table.row("open reviews", count(running, "SELECT count(*) FROM wasl.reviews WHERE lifted_at IS NULL"), 0)
    compare_orders(running, expected, faults)


def count(running, query):
    return int(running.sql(query)[0][0])


def compare_states(running, expected, table):
    states = collections.defaultdict(lambda: [0, 0])
    for _, commissions in expected:
        for state, minor in commissions.values():
            states[state][0] += 1
            states[state][1] += minor
    told = {state: (int(rows), int(minor)) for state, rows, minor in running.sql(
        "SELECT state, count(*), sum(amount_minor) FROM wasl.commissions GROUP BY 1")}
    for state in sorted(set(states) | set(told)):
        ours, theirs = told.get(state, (0, 0)), states[state]
        table.row(state + " commissions", ours[0], theirs[0])
        table.row(state + " EGP", money(ours[1]), money(theirs[1]))


def compare_balances(running, expected, table):
    """Each affiliate's balance with each store, as finance reads it; and what each store is going to owe and owes."""
    buckets = {"pending": 0, "held": 1, "approved": 2}
    balances, dues = collections.defaultdict(lambda: [0, 0, 0]), collections.defaultdict(lambda: [0, 0, 0])
    for order, commissions in expected:
        for affiliate, (state, minor) in commissions.items():
            if state in buckets:
                balances[(order.store.id, affiliate)][buckets[state]] += minor
                dues[order.store.id][buckets[state]] += minor
    told = {(int(store), int(affiliate)): tuple(rest) for store, affiliate, *rest in running.sql(
        "SELECT store_id, affiliate_id, pending, held, available, in_payout, paid, under_review FROM finance.balances",
        role="finance")}
    for place, name in enumerate(("pending", "held", "available")):
        table.row("balances, " + name, money(sum(minor_of(row[place]) for row in told.values())),
                  money(sum(row[place] for row in balances.values())))
    compare_rows("store %d, affiliate %d", {key: tuple(map(money, row)) + ("0.00",) * 3 for key, row in balances.items()},
                 told, table, "balances that agree")
    told = {(int(store),): tuple(rest) for store, *rest in running.sql(
        "SELECT store_id, pending, held, due FROM finance.store_dues", role="finance")}
    compare_rows("store %d", {(store,): tuple(map(money, row)) for store, row in dues.items()}, told, table,
                 "stores' dues that agree")


def minor_of(text):
    """Piastres of what finance reads, "12.34" or "-0.05"."""
    whole, _, part = text.lstrip("-").partition(".")
    return (int(whole) * 100 + int(part)) * (-1 if text.startswith("-") else 1)


def compare_rows(name, expected, told, table, title):
    """A row of nothing but zeros is as good as none."""
    keys, wrong = sorted(set(expected) | set(told)), 0
    for key in keys:
        ours, theirs = told.get(key), expected.get(key)
        if ours != theirs and any(minor_of(amount) for row in (ours, theirs) for amount in row or ()):
            wrong += 1
            table.faults.add("balance of %s: %s, not %s" % (name % key, ours, theirs))
    table.row(title, len(keys) - wrong, len(keys))


def compare_orders(running, expected, faults):
    """Each order's commissions: whose, in which state, how much."""
    found = collections.defaultdict(dict)
    for store, order, affiliate, state, minor in running.sql(
            "SELECT store_id, order_id, affiliate_id, state, amount_minor FROM wasl.commissions"):
        mine = found[(int(store), order)]
        if int(affiliate) in mine:
            faults.add("store %s order %s: two rows of affiliate %s" % (store, order, affiliate))
        mine[int(affiliate)] = (state, int(minor))
    for order, must in expected:
        ours = found.pop((order.store.id, order.order_id), {})
        if ours != must:
            faults.add("store %d order %s (%s, %s, placed %d days ago, %s, %s): {affiliate: (state, piastres)} is %s, not %s"
                       % (order.store.id, order.order_id, order.fate, order.evidence, order.days, order.store.model,
                          order.store.precedence, ours, must))
    for key, ours in found.items():
        faults.add("store %d order %s: %s, and no such order was sent" % (*key, ours))


def verify(running, faults):
    began, cpu_us = time.monotonic(), cpu_by_program(running)
    done = stack.run(stack.programs() / "waslctl", "verify", env={**stack.clean_env(), **running.env}, limit_s=VERIFY_S)
    lines = (done.out + done.err).splitlines()
    if done.rc != 0:
        for line in lines:
            faults.add("waslctl verify: " + line)
    after = cpu_by_program(running)
    print("%-10s %s, %.0f s; CPU: waslctl %.1f s, Postgres %.1f s" % (
        "verify", lines[0] if lines else "exit %d" % done.rc, time.monotonic() - began,
        *((after[name] - cpu_us[name]) / 1e6 for name in ("script", "Postgres"))))


def first_pages(running):
    """How long finance waits for the first hundred rows of each view."""
    took = []
    for view, query in FIRST_PAGES.items():
        plan = running.sql("EXPLAIN (ANALYZE, FORMAT JSON) " + query % PAGE, role="finance")
        plan = json.loads("\n".join(row[0] for row in plan))[0]
        took.append("%s %.0f" % (view, plan["Planning Time"] + plan["Execution Time"]))
    print("%-10s first %d rows, in ms: %s" % ("finance", PAGE, ", ".join(took)))
