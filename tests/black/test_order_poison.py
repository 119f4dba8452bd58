# SPDX-License-Identifier: Apache-2.0
"""Events that can't be posted, for whatever reason: they hold nobody else up, and none is forgotten."""

import concurrent.futures
import pathlib
import shutil
import signal
import subprocess
import time
import unittest

import stack
from line import Line
from shop import Attributor, Session, Shop

running = stack.Stack({"timer-interval": "200ms"})
LIMIT_S = 60  # this machine has other work
BEHIND = 70   # more than a batch of the replay


def setUpModule():
    running.start()


def tearDownModule():
    try:
        verified = running.waslctl("verify")
        assert verified.rc == 0, verified
    finally:
        running.stop()


class Case(unittest.TestCase):
    """An attributor whose wire to Postgres can be cut."""

    def setUp(self):
        self.name = "p%d" % time.monotonic_ns()
        self.shop = Shop(running, host=self.name + ".example")
        self.token = self.shop.dated_click(time.time() - 3600)
        self.line = Line(running)
        self.addCleanup(self.line.close)
        self.daemon = Attributor(running, database_url=self.line.url).wait_ready()
        self.addCleanup(self.daemon.kill)
        self.snapshot = self.daemon.folder / "stores.snapshot"
        stack.wait_until(self.snapshot.exists, what="the snapshot")

    def order(self, number, **options):
        return self.shop.order([self.token], order_id="%s-%d" % (self.name, number), **options)

    def send(self, number, **options):
        return self.daemon.send(self.shop.store, self.order(number, **options), "%s-%d" % (self.name, number))

    def taken(self, number):
        """Sent until it is posted: on a busy machine the first time may be too late."""
        answer = self.daemon.insist(self.shop.store, self.order(number), "%s-%d" % (self.name, number))
        self.assertEqual(answer.status, 200, answer)

    def accepted(self, answer):
        self.assertEqual((answer.status, answer.json()), (202, {"status": "accepted"}), answer)

    def metric(self, name):
        text = stack.request(self.daemon.url("admin"), "GET", "/metrics").body
        return stack.parse_metrics(text).get((name, frozenset()), 0)

    def emptied(self):
        self.until(lambda: self.metric("wasl_spool_records") == 0, "an empty spool")

    def known(self):
        return sorted(int(name.rpartition("-")[2]) for (name,) in running.sql(
            "SELECT event_id FROM wasl.event_ids WHERE store_id = %d" % self.shop.id))

    def posted(self, numbers):
        numbers = sorted(numbers)
        self.until(lambda: self.known() == numbers, "posted")

    def until(self, condition, what):
        try:
            stack.wait_until(condition, LIMIT_S, what)
        except AssertionError as err:
            raise AssertionError("%s\n%s" % (err, self.daemon.log()[-3000:])) from err

    def quarantined(self, count=1, state="waiting"):
        def rows():
            rows = running.ctl("quarantine", "list", "--store", self.shop.id, "--all")["data"]
            return [row for row in rows if row["state"] == state]
        self.until(lambda: len(rows()) == count, "%d %s" % (count, state))
        return rows()


class Poison(Case):
    """The fourth of twelve orders fails by itself, whatever the database calls it."""

    def setUp(self):
        super().setUp()
        self.addCleanup(running.sql, "DROP FUNCTION IF EXISTS wasl.test_guard() CASCADE")

    def guard(self, raised):
        running.sql("CREATE FUNCTION wasl.test_guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                    "IF NEW.order_id LIKE '%%-4' THEN %s; END IF; RETURN NEW; END $$; "
                    "CREATE TRIGGER test_guard BEFORE INSERT ON wasl.events FOR EACH ROW "
                    "EXECUTE FUNCTION wasl.test_guard()" % raised)

    def fails(self, raised, code, state):
        self.guard(raised)
        self.line.cut()
        for number in range(1, 13):
            self.accepted(self.send(number))
        self.line.heal()
        self.posted(number for number in range(1, 13) if number != 4)
        row, = self.quarantined(state=state)
        self.emptied()
        self.assertEqual((row["event_id"], row["code"]), (self.name + "-4", code))
        running.sql("DROP FUNCTION wasl.test_guard() CASCADE")
        retried = running.waslctl("quarantine", "retry", row["quarantine_id"])
        self.assertIn(retried.rc, (0, 1) if state == "retrying" else (0,), retried)  # 1: it is posted by itself
        self.posted(range(1, 13))
        self.quarantined(state="posted")

    def test_an_internal_error_of_one_event(self):
        self.fails("RAISE EXCEPTION 'guarded' USING ERRCODE = 'XX000'", "XX000", "waiting")

    def test_a_statement_of_one_event_that_never_gets_room(self):
        self.fails("RAISE EXCEPTION 'guarded' USING ERRCODE = '53400'", "not_posted", "retrying")

    def test_words_that_are_cut_within_a_character(self):
        self.fails("RAISE EXCEPTION 'x%%', repeat('\u0639', 300)".replace("%%", "%"), "P0001", "waiting")

    def test_two_operators_retry_at_once_with_two_attributors(self):
        self.guard("RAISE EXCEPTION 'guarded'")
        self.accepted(self.send(4))
        row, = self.quarantined()
        running.sql("DROP FUNCTION wasl.test_guard() CASCADE")
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            retries = [pool.submit(running.waslctl, "quarantine", "retry", row["quarantine_id"]) for _ in range(4)]
            for retried in retries:
                self.assertIn(retried.result().rc, (0, 1))  # 1: it is posted already
        self.posted([4])
        self.assertEqual(self.shop.rows(self.name + "-4"), [(self.shop.affiliate, "pending", "10.00")])

    def test_what_its_sender_repeated_is_not_dropped(self):
        self.guard("RAISE EXCEPTION 'guarded'")
        event = stack.json.dumps(self.order(4)).encode()
        self.accepted(self.daemon.send(self.shop.store, event, self.name + "-4"))
        row, = self.quarantined()
        running.sql("DROP FUNCTION wasl.test_guard() CASCADE")
        self.assertEqual(self.daemon.insist(self.shop.store, event, self.name + "-4").status, 200)
        dropped = running.waslctl("quarantine", "drop", row["quarantine_id"], "--reason", "no")
        self.assertEqual((dropped.rc, "took effect" in dropped.err), (1, True), dropped)
        self.assertIn(running.ctl("quarantine", "retry", row["quarantine_id"])["state"], ("retrying", "posted"))
        self.quarantined(state="posted")
        self.assertEqual(self.shop.rows(self.name + "-4"), [(self.shop.affiliate, "pending", "10.00")])

    def test_events_of_a_store_that_is_gone(self):
        gone, kept = self.shop, Shop(running, host=self.name + "-kept.example")
        self.assertEqual(self.daemon.insist(kept.store, kept.order(), "known").status, 200)
        time.sleep(1)  # its snapshot
        running.stop_service("attributor")  # it knows the store, and would post what is in quarantine
        self.addCleanup(running.start_service, "attributor")
        self.line.cut()
        for number in range(1, BEHIND + 1):
            self.accepted(self.send(number))
        self.accepted(self.daemon.send(kept.store, kept.order([]), "last"))
        self.daemon.kill()
        self.snapshot.unlink()
        url = running.env["WASL_DATABASE_URL"]
        saved = stack.psql(url, "SELECT row_to_json(s) FROM wasl.stores s WHERE store_id = %d" % gone.id)[0][0]
        running.sql("SET session_replication_role = replica; DELETE FROM wasl.stores WHERE store_id = %d" % gone.id,
                    "superuser")
        try:
            self.line.heal()
            self.daemon.start(database_url=self.line.url)
            self.daemon.wait_ready()
            self.until(lambda: running.sql("SELECT 1 FROM wasl.event_ids WHERE event_id = 'last'"), "the one behind")
            self.until(lambda: running.sql("SELECT count(*) FROM wasl.quarantine WHERE store_id = %d AND state = "
                                           "'retrying'" % gone.id) == [[str(BEHIND)]], "in quarantine")
        finally:
            running.sql("SET session_replication_role = replica; INSERT INTO wasl.stores SELECT * FROM "
                        "json_populate_record(null::wasl.stores, $s$%s$s$)" % saved, "superuser")
        self.posted(range(1, BEHIND + 1))  # without anybody's doing


class Waiting(Case):
    def test_an_order_that_is_locked_for_long(self):
        self.taken(1)
        with Session(running) as session:
            session.run("BEGIN; SELECT 1 AS held FROM wasl.orders WHERE store_id = %d AND order_id = '%s-1' FOR UPDATE \\gset"
                        % (self.shop.id, self.name))
            news = self.shop.news("collected", self.name + "-1")
            self.accepted(self.daemon.send(self.shop.store, news, self.name + "-100"))
            for number in range(2, 12):
                self.assertIn(self.send(number).status, (200, 202))
            self.until(lambda: self.metric("wasl_event_retries_total") > 0, "its transaction was given up")
        self.posted([*range(1, 12), 100])
        self.emptied()

    def test_no_connection_is_left_for_it(self):
        def limit(count):
            running.sql("ALTER ROLE wasl_attributor CONNECTION LIMIT %d; SELECT pg_terminate_backend(pid) FROM "
                        "pg_stat_activity WHERE usename = 'wasl_attributor'" % count, "superuser")

        self.addCleanup(limit, -1)
        limit(0)
        stack.wait_until(lambda: "postgres" in stack.request(self.daemon.url("admin"), "GET", "/readyz").json()["degraded"],
                         what="it knows")
        self.accepted(self.send(1))
        self.until(lambda: "too many connections for role" in running.log("postgres"), "it has tried")
        limit(-1)
        self.posted([1])
        self.emptied()

    def test_a_report_on_old_bodies_holds_up_no_order(self):
        running.sql("CREATE TABLE IF NOT EXISTS wasl.event_bodies_2020_02 PARTITION OF wasl.event_bodies FOR VALUES FROM "
                    "('2020-02-01 00:00:00+00') TO ('2020-03-01 00:00:00+00')")
        with Session(running) as session:
            session.run("BEGIN; LOCK TABLE wasl.event_bodies IN ACCESS SHARE MODE;")
            other = Attributor(running, body_retention="30d").wait_ready()
            self.addCleanup(other.kill)
            stack.wait_until(lambda: "ev=partitions_not_made" in other.log(), what="it has tried")
            self.assertIn("sqlstate=55P03", other.log())
        stack.wait_until(lambda: "ev=bodies_forgotten" in other.log(), LIMIT_S, "it has tried again")


class Names(Case):
    def test_two_bodies_under_one_id_while_postgres_hangs(self):
        self.line.is_silent = True
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            sent = [pool.submit(self.daemon.send, self.shop.store, self.order(number), self.name) for number in (1, 2)]
            statuses = sorted(answer.result().status for answer in sent)
        self.assertEqual(statuses, [202, 409])
        self.line.heal()
        self.emptied()
        self.assertEqual(running.ctl("quarantine", "list", "--store", self.shop.id)["data"], [])
        self.assertEqual(len(self.shop.rows(self.name + "-1")) + len(self.shop.rows(self.name + "-2")), 1)

    def test_what_the_disk_lost_is_not_called_accepted_for_ever(self):
        self.line.cut()
        event = stack.json.dumps(self.order(1)).encode()
        self.accepted(self.daemon.send(self.shop.store, event, self.name + "-1"))
        self.accepted(self.send(2))
        segment, = self.daemon.folder.glob("spool/0/*.seg")
        raw = bytearray(segment.read_bytes())
        raw[100] ^= 1  # in the first record
        segment.write_bytes(raw)
        self.line.heal()
        self.posted([2])
        self.emptied()
        self.assertEqual(len(list(self.daemon.folder.glob("spool/0/*.bad"))), 1)
        self.assertIn("ev=spool_set_aside", self.daemon.log())
        stack.wait_until(lambda: self.daemon.send(self.shop.store, event, self.name + "-1").status == 200, what="posted")
        self.posted([1, 2])


class Folders(Case):
    """Spools that come and go, or can't be."""

    def test_a_spool_that_cannot_be_opened_is_503_until_it_can(self):
        self.daemon.kill()
        shutil.rmtree(self.daemon.folder / "spool")
        (self.daemon.folder / "spool").write_text("in the way")
        self.line.cut()
        self.daemon.start(database_url=self.line.url)
        self.daemon.wait_ready()
        answer = self.send(1)
        self.assertEqual((answer.status, answer.json()["code"], answer.header("retry-after")),
                         (503, "database_unavailable", "5"), answer)
        health = stack.request(self.daemon.url("admin"), "GET", "/readyz").json()
        self.assertIn("spool_failing", health["degraded"])
        (self.daemon.folder / "spool").unlink()
        stack.wait_until(lambda: self.send(1).status == 202, what="the spool works")
        self.line.heal()
        self.posted([1])

    def test_a_spool_that_is_full_is_503_and_empties(self):
        self.daemon.kill()
        self.line.cut()
        self.daemon.start(database_url=self.line.url, spool_max="1MiB")
        self.daemon.wait_ready()
        taken, answer = [], None
        for number in range(1, 20):
            answer = self.send(number, note="x" * 120000)
            if answer.status == 503:
                break
            self.accepted(answer)
            taken.append(number)
        self.assertEqual((answer.status, answer.header("retry-after")), (503, "5"), answer)
        health = stack.request(self.daemon.url("admin"), "GET", "/readyz").json()
        self.assertIn("spool_full", health["degraded"])
        self.line.heal()
        self.posted(taken)
        self.taken(len(taken) + 1)

    def test_handed_over_with_a_spool_that_is_not_empty(self):
        self.line.is_silent = True
        for number in range(1, 4):
            self.accepted(self.send(number))
        new = Attributor(running)
        new.kill()
        new.start(state_dir=self.daemon.folder, takeover="on")
        self.addCleanup(new.kill)
        stack.wait_until(lambda: "listener=public" in new.log(), LIMIT_S, "taken over")
        self.daemon.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.daemon.exit_code(), 0, self.daemon.log())
        self.daemon.process, self.daemon.log = new.process, new.log
        self.posted([1, 2, 3])
        self.emptied()
        self.assertIn("ev=spool_adopted", new.log())
        self.assertEqual(subprocess.run(["ls", pathlib.Path(self.daemon.folder, "spool")], capture_output=True,
                                        check=True).stdout.split(), [b"0", b"1"])


if __name__ == "__main__":
    unittest.main()
