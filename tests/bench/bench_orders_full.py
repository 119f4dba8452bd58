#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Orders with a million commissions in the tables.

orders_1m_rate: orders a second then, against the same in a stack with empty tables; rounds take turns.
orders_1m_pending_ms, orders_1m_balances_ms: the first page of finance.pending_commissions and of finance.balances, asked
over a kept connection by finance's role. orders_1m_by_number_ms: what is pending of one order, by its number. The million
is copied by SQL from an order that came over HTTP, ledger and all, under the same triggers."""

import time

import benchlib
import pgorders
from bench_orders import Bench, Finance, column

COMMISSIONS = 1_000_000
STEP = 50_000
PAGE_ROWS = 100
ASKED = 11
# Copies of the sample order, numbered on; every table that an order touches, as the roles' owner.
COPY = """
BEGIN;
CREATE TEMP TABLE numbers ON COMMIT DROP AS SELECT n, 'm' || n AS id, nextval('wasl.commission_ids') AS commission_id,
    nextval('wasl.ledger_transactions') AS transaction_id, 1 + n %% %(affiliates)d AS affiliate_id
    FROM generate_series(%(from)d, %(to)d) n;
%(inserts)s
COMMIT;
"""


class Filler:
    """Turns the sample's rows into INSERT … SELECT over the numbers."""

    OWN = {"order_id": "n.id", "event_id": "n.id", "commission_id": "n.commission_id",
           "transaction_id": "n.transaction_id", "affiliate_id": "n.affiliate_id"}

    def __init__(self, bench, affiliates):
        self.bench, self.affiliates = bench, affiliates
        self.inserts = "\n".join(self.statements())

    def statements(self):
        running = self.bench.running
        for table in pgorders.TABLES:
            columns = [row[0] for row in running.sql(
                "SELECT column_name FROM information_schema.columns WHERE table_schema = 'wasl' AND table_name = '%s' "
                "AND is_identity = 'NO' ORDER BY ordinal_position" % table)]
            where = pgorders.BY.get(table, pgorders.BY_ORDER) % {"store": self.bench.shop.id, "order": "sample"}
            if not columns or running.sql("SELECT count(*) FROM wasl.%s t WHERE %s" % (table, where)) == [["0"]]:
                continue
            values = ", ".join(self.OWN[name] if name in self.OWN and not (table == "commissions" and
                               name == "event_id") else "t." + name for name in columns)
            yield "INSERT INTO wasl.%s (%s) SELECT %s FROM wasl.%s t, numbers n WHERE %s;" % (
                table, ", ".join(columns), values, table, where)

    def fill(self):
        for start in range(0, COMMISSIONS, STEP):
            self.bench.running.sql(COPY % {"affiliates": self.affiliates, "from": start + 1, "to": start + STEP,
                                           "inserts": self.inserts})
        self.bench.running.sql("ANALYZE")


def took_ms(ask):
    took = []
    for _ in range(ASKED):
        began = time.monotonic()
        ask()
        took.append((time.monotonic() - began) * 1000)
    return took


def page_ms(finance, view, key):
    return took_ms(lambda: finance.ask("SELECT count(*) FROM (SELECT * FROM finance.%s ORDER BY %s LIMIT %d) page" %
                                       (view, key, PAGE_ROWS)))


def main():
    benchlib.need("pgbench")
    ours, anchor = [], []
    with Bench() as empty, Bench() as full:
        Filler(full, len(full.tokens)).fill()
        for _ in range(benchlib.ROUNDS):
            ours.append(full.one_round())
            anchor.append(empty.one_round())
        benchlib.say("orders_1m_rate", "1/s", column(ours, "per_s"), column(anchor, "per_s"), "the same, empty tables")
        finance = Finance(full.running)
        benchlib.say("orders_1m_pending_ms", "ms", page_ms(finance, "pending_commissions", "commission_id"))
        benchlib.say("orders_1m_balances_ms", "ms", page_ms(finance, "balances", "store_id, affiliate_id"))
        benchlib.say("orders_1m_by_number_ms", "ms", took_ms(lambda: finance.has("sample")))
        finance.close()


if __name__ == "__main__":
    main()
