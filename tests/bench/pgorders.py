# SPDX-License-Identifier: Apache-2.0
"""The anchor of the order benchmarks: pgbench writing the same rows into the same tables, under the same triggers and
as the same role, one transaction an order. The rows are those that a sample order left, read from the catalogue of the
database itself, so that the anchor changes with the schema; ids and numbers are its own. It sends its statements as a
pipeline, reads nothing and decides nothing: it has less to do than the attributor."""

import os
import pathlib
import re
import shutil
import statistics
import subprocess
import tempfile

import benchlib
import stack

CLIENTS = (1, 8, 32)
THREADS_MAX = 2
LIMIT_S = 300
LISTINGS_MAX = 100  # looks at Postgres's processes until two agree
NAME = "pgbench, one transaction an order"
# In the order in which they reference each other; other tables an order does not touch.
TABLES = ("orders", "event_ids", "events", "event_bodies", "decisions", "order_lines", "shares", "commissions",
          "entries", "click_wins", "coupon_uses", "grants")
BY_ORDER = "t.store_id = %(store)d AND t.order_id = '%(order)s'"
BY = {"event_bodies": "t.store_id = %(store)d AND t.event_id IN (SELECT event_id FROM wasl.events t WHERE " +
      BY_ORDER + ")",
      "entries": "t.store_id = %(store)d AND t.commission_id IN (SELECT commission_id FROM wasl.commissions t WHERE " +
      BY_ORDER + ")"}
OWN = {"order_id": "'p' || :client_id || '-' || :n", "event_id": "'p' || :client_id || '-' || :n"}


def columns_of(running, table, privilege="INSERT"):
    """Those that the attributor may write so, in their order."""
    return running.sql(
        "SELECT c.column_name FROM information_schema.columns c JOIN information_schema.column_privileges p "
        "USING (table_schema, table_name, column_name) WHERE c.table_schema = 'wasl' AND c.table_name = '%s' "
        "AND p.grantee = 'wasl_attributor' AND p.privilege_type = '%s' AND c.is_identity = 'NO' "
        "ORDER BY c.ordinal_position" % (table, privilege))


def statements(running, store, order):
    """One INSERT a table, with the values of the sample order's rows."""
    for table in TABLES:
        if running.sql("SELECT to_regclass('wasl.%s') IS NOT NULL" % table) != [["t"]]:
            continue
        columns = [row[0] for row in columns_of(running, table)]
        where = BY.get(table, BY_ORDER) % {"store": store, "order": order}
        rows = values_of(running, table, columns, where)
        if rows:
            lines = ["(%s)" % ", ".join(value_of(table, column, value, place)
                                       for column, value in zip(columns, row)) for place, row in enumerate(rows)]
            yield "INSERT INTO wasl.%s (%s) VALUES %s;" % (table, ", ".join(columns), ", ".join(lines))


        if table == "orders":
            # Its row is made to be locked, and filled when the decision is known.
            rest = [row[0] for row in columns_of(running, table, "UPDATE") if row[0] not in columns]
            pairs = zip(rest, values_of(running, table, rest, where)[0])
            yield "UPDATE wasl.orders SET %s WHERE store_id = %d AND order_id = %s;" % (
                ", ".join("%s = %s" % (name, value_of(table, name, value, 0)) for name, value in pairs), store,
                OWN["order_id"])


def values_of(running, table, columns, where):
    """A row's values, each after an equals sign; empty for null."""
    return running.sql("SELECT %s FROM wasl.%s t WHERE %s" % (
        ", ".join("CASE WHEN t.%s IS NULL THEN '' ELSE '=' || t.%s::text END" % (column, column)
                  for column in columns), table, where))


def value_of(table, column, value, place):
    if value == "":
        return "NULL"
    if column in OWN:
        return OWN[column]
    if column == "commission_id":
        return "nextval('wasl.commission_ids')" if table == "commissions" else "currval('wasl.commission_ids')"
    if column == "transaction_id":
        return "%s('wasl.ledger_transactions')" % ("currval" if place else "nextval")
    plain = value[1:].replace("\\", "\\\\").replace("'", "''")
    return "E'%s'" % plain.replace(":", "\\x3A")  # pgbench takes a colon for one of its variables


class Anchor:
    """with Anchor(running, store, order) as anchor: …"""

    def __init__(self, running, store, order):
        self.running, self.round = running, 0
        self.lines = list(statements(running, store, order))

    def __enter__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="bench-pg-"))
        script = "\\set n :n + 1\n\\startpipeline\nBEGIN;\n%s\nCOMMIT;\n\\endpipeline\n" % "\n".join(self.lines)
        (self.dir / "order.sql").write_text(script)
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.dir)

    def run(self, clients, seconds, rate=None):
        """{"per_s", "cpu_us" of Postgres an order, "p99_us"}"""
        self.round += 1
        log = self.dir / ("log%d" % self.round)
        words = ["pgbench", "-n", "-M", "prepared", "-f", self.dir / "order.sql", "-c", clients,
                 "-j", min(THREADS_MAX, clients), "-T", seconds, "-D", "n=%d" % (self.round * 10 ** 7),
                 "-l", "--log-prefix", log] + (["-R", rate] if rate else [])
        before = postgres_cpu_us(self.running)
        done = subprocess.run([str(word) for word in words] + [self.running.env["WASL_ATTRIBUTOR_DATABASE_URL"]],
                              capture_output=True, text=True, timeout=LIMIT_S, env=stack.clean_env(), check=False)
        assert done.returncode == 0 and "number of failed transactions: 0 " in done.stdout, done.stderr + done.stdout
        cpu_us = postgres_cpu_us(self.running) - before
        took = sorted(int(line.split()[2]) for path in self.dir.glob(log.name + ".*")
                      for line in path.read_text().splitlines())
        count = int(re.search(r"actually processed: (\d+)", done.stdout)[1])
        return {"per_s": float(re.search(r"^tps = ([\d.]+)", done.stdout, re.MULTILINE)[1]),
                "cpu_us": cpu_us / count, "p99_us": took[len(took) * 99 // 100]}

    def best(self, seconds):
        return max((self.run(clients, seconds) for clients in CLIENTS), key=lambda figures: figures["per_s"])


def postgres_cpu_us(running):
    """Of the server, its children that live, and those that have ended and were waited for."""
    master = running.pid("postgres")
    listing, stat = (pathlib.Path("/proc/%d" % master, *rest) for rest in (("task", str(master), "children"), ("stat",)))
    for _ in range(LISTINGS_MAX):
        children = listing.read_text().split()
        fields = stat.read_text().rpartition(")")[2].split()
        ended = (int(fields[13]) + int(fields[14])) * 1e6 / os.sysconf("SC_CLK_TCK")
        try:
            lives = sum(benchlib.cpu_us(int(pid)) for pid in [master, *children])
        except OSError:  # one ended since the listing: it counts among the ended, or is still to be waited for
            continue
        if listing.read_text().split() == children:
            return ended + lives
    raise RuntimeError("Postgres starts and ends processes faster than they can be counted")


def median(rounds, name):
    return statistics.median(figures[name] for figures in rounds)
