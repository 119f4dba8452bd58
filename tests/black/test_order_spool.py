# SPDX-License-Identifier: Apache-2.0
"""Events that Postgres cannot take: safe on disk, answered 202, posted once when it is back; or in quarantine."""

import json
import pathlib
import subprocess
import time
import unittest

import stack
from shop import Attributor, Shop

running = stack.Stack({"order-deadline": "1s", "timer-interval": "200ms"})
LATE_LIMIT_S = 15.0  # order-deadline is 1 s; a machine may have other work
REPLAY_LIMIT_S = 180


def setUpModule():
    running.start()


def tearDownModule():
    try:
        verified = running.waslctl("verify")
        assert verified.rc == 0, verified
    finally:
        running.stop()


class Case(unittest.TestCase):
    def setUp(self):
        self.name = "s%d" % time.monotonic_ns()
        self.shop = Shop(running, host=self.name + ".example")
        self.token = self.shop.dated_click(time.time() - 60)

    def order(self, number=1, **options):
        return self.shop.order([self.token], order_id="%s-%d" % (self.name, number), **options)

    def accepted(self, answer):
        self.assertEqual((answer.status, answer.json()), (202, {"status": "accepted"}), answer)

    def replayed(self):
        stack.wait_until(lambda: running.metric("attributor", "wasl_spool_records") == 0, REPLAY_LIMIT_S, "the replay")

    def earned(self, count):
        """Each of the orders has its commission once, and each event is known once."""
        for number in range(1, count + 1):
            self.assertEqual(self.shop.rows("%s-%d" % (self.name, number)), [(self.shop.affiliate, "pending", "10.00")])
        self.assertEqual(running.sql("SELECT count(*), count(DISTINCT order_id) FROM wasl.event_ids WHERE store_id = %d"
                                     % self.shop.id), [[str(count), str(count)]])


class Away(Case):
    def setUp(self):
        began = time.time() - 1
        super().setUp()
        self.assertEqual(self.shop.insist(self.order(99), self.name + "-99").status, 200)
        snapshot = pathlib.Path(running.dir, "state", "attributor", "stores.snapshot")
        stack.wait_until(lambda: snapshot.exists() and snapshot.stat().st_mtime > began, what="the snapshot")
        running.stop_service("postgres")
        self.is_away = True

    def tearDown(self):
        self.back()

    def back(self):
        if self.is_away:
            running.start_service("postgres")
        self.is_away = False

    def test_taken_at_once_and_posted_when_it_is_back(self):
        began = time.monotonic()
        for number in range(1, 21):
            self.accepted(self.shop.send(self.order(number), "%s-%d" % (self.name, number)))
        self.assertLess(time.monotonic() - began, LATE_LIMIT_S)  # twenty deadlines would be 20 s
        self.assertEqual(running.metric("attributor", "wasl_spool_records"), 20)
        self.back()
        self.replayed()
        for number in range(1, 21):
            self.assertEqual(self.shop.rows("%s-%d" % (self.name, number)), [(self.shop.affiliate, "pending", "10.00")])

    def test_a_repeat_is_202_again_and_not_spooled_twice(self):
        event = stack.json.dumps(self.order()).encode()
        for _ in range(3):
            self.accepted(self.shop.send(event, self.name))
        self.assertEqual(running.metric("attributor", "wasl_spool_records"), 1)
        other = self.shop.send(self.order(2), self.name)
        self.assertEqual((other.status, other.json()["code"]), (409, "webhook_id_reused"), other)
        bad = self.shop.send({"type": "order.confirmed"}, self.name)
        self.assertEqual((bad.status, bad.json()["code"]), (409, "webhook_id_reused"), bad)
        self.back()
        self.replayed()
        again = self.shop.send(event, self.name)
        self.assertEqual((again.status, again.json()["duplicate"]), (200, True), again)

    def test_what_is_refused_without_a_database_still_is(self):
        self.assertEqual(self.shop.send(self.order(), self.name, secret="whsec_" + "A" * 32).status, 401)
        self.assertEqual(self.shop.send(b"{", self.name).status, 400)
        self.assertEqual(self.shop.send({"type": "order.confirmed"}, self.name).status, 422)
        self.assertEqual(running.metric("attributor", "wasl_spool_records"), 0)

    def test_a_store_that_may_be_new_is_not_denied(self):
        """Who asks again within the second is told no more than the first, and is known once Postgres is back."""
        unseen = {**self.shop.store, "store_id": self.shop.id + 1}
        asked = [self.shop.stack.send_event(unseen, self.order()) for _ in range(20)]
        self.assertEqual({(answer.status, answer.header("retry-after") is None) for answer in asked}, {(503, False)})
        self.back()
        fresh = Shop(running, host="fresh-%s.example" % self.name)
        self.assertEqual(fresh.id, unseen["store_id"])
        self.assertEqual(fresh.insist(fresh.order([]), self.name + "-fresh").status, 200)

    def test_the_receipt_keeps_its_time(self):
        began = time.time()
        self.accepted(self.shop.send(self.order(), self.name))
        ended = time.time()
        time.sleep(0.5)
        self.back()
        self.replayed()
        row, = running.sql("SELECT extract(epoch FROM received_at) FROM wasl.event_ids WHERE event_id = '%s'" % self.name)
        self.assertTrue(began - 0.1 <= float(row[0]) <= ended + 0.1, (began, row, ended))

    def test_nothing_of_a_customer_is_on_the_disk(self):
        mark = "0123456789abcdef" * 4
        self.accepted(self.shop.send(self.order(customer={"phone_sha256": mark}), self.name))
        folder = pathlib.Path(running.dir, "state", "attributor", "spool")
        segments = list(folder.glob("*/*.seg"))
        self.assertTrue(segments)
        for path in segments:
            text = path.read_bytes()
            self.assertIn(self.name.encode(), text)  # its webhook-id
            for secret in (mark.encode(), b"SKU-1", b"order.confirmed", self.token.encode()):
                self.assertNotIn(secret, text)
            self.assertEqual(path.stat().st_mode & 0o077, 0)

    def test_a_process_that_starts_without_postgres_takes_events(self):
        first = stack.json.dumps(self.order(1)).encode()
        self.accepted(self.shop.send(first, self.name + "-1"))
        for number in range(2, 6):
            self.accepted(self.shop.send(self.order(number), "%s-%d" % (self.name, number)))
        running.kill("attributor")
        running.start_service("attributor")
        stack.wait_until(lambda: running.attributor_admin("/readyz").status == 200, what="ready from the snapshot: " + running.log("attributor")[-3000:])
        self.accepted(self.shop.send(first, self.name + "-1"))
        self.assertEqual(running.metric("attributor", "wasl_spool_records"), 5)
        for number in range(6, 11):
            self.accepted(self.shop.send(self.order(number), "%s-%d" % (self.name, number)))
        self.back()
        self.replayed()
        for number in range(1, 11):
            self.assertEqual(self.shop.rows("%s-%d" % (self.name, number)), [(self.shop.affiliate, "pending", "10.00")])


class Schema(Case):
    def test_a_wrong_schema_stops_posting_and_not_taking(self):
        other = Attributor(running).wait_ready()
        self.addCleanup(other.kill)
        stack.wait_until((other.folder / "stores.snapshot").exists, what="the snapshot")
        self.assertEqual((other.folder / "stores.snapshot").stat().st_mode & 0o777, 0o600)
        other.kill()
        running.stop_service("postgres")
        try:
            other.start()
            stack.wait_until(lambda: "from=snapshot" in other.log(), what="ready")
            self.accepted(other.send(self.shop.store, self.order(1), self.name + "-1"))
        finally:
            running.start_service("postgres")
        stack.wait_until(lambda: self.shop.rows(self.name + "-1"), REPLAY_LIMIT_S, "posted")
        other.kill()
        running.sql("INSERT INTO wasl.migrations (name, sha256) VALUES ('9999_future.sql', 'x')")
        self.addCleanup(running.sql, "DELETE FROM wasl.migrations WHERE name = '9999_future.sql'")
        running.stop_service("postgres")
        try:
            other.start()
            stack.wait_until(lambda: "from=snapshot" in other.log(), what="ready")
        finally:
            running.start_service("postgres")
        stack.wait_until(lambda: "ev=posting_stopped" in other.log(), REPLAY_LIMIT_S, "the schema is looked at")
        self.assertIn("9999_future.sql", other.log())
        self.accepted(other.send(self.shop.store, self.order(2), self.name + "-2"))
        health = stack.request(other.url("admin"), "GET", "/readyz")
        self.assertEqual((health.status, "schema" in health.json()["degraded"]), (200, True))
        self.assertEqual(self.shop.rows(self.name + "-2"), [])
        running.sql("DELETE FROM wasl.migrations WHERE name = '9999_future.sql'")
        stack.wait_until(lambda: self.shop.rows(self.name + "-2"), REPLAY_LIMIT_S, "posted")
        self.earned(2)


class Quarantine(Case):
    def setUp(self):
        super().setUp()
        self.addCleanup(running.sql, "DROP FUNCTION IF EXISTS wasl.test_guard() CASCADE")
        running.sql("CREATE FUNCTION wasl.test_guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                    "IF NEW.order_id LIKE '%%-13' THEN RAISE EXCEPTION 'poison'; END IF; RETURN NEW; END $$; "
                    "CREATE TRIGGER test_guard BEFORE INSERT ON wasl.events FOR EACH ROW "
                    "EXECUTE FUNCTION wasl.test_guard()".replace("%%", "%"))

    def mend(self):
        running.sql("DROP FUNCTION wasl.test_guard() CASCADE")

    def quarantined(self):
        """The one event of this test in quarantine."""
        row, = stack.wait_until(lambda: running.ctl("quarantine", "list", "--store", self.shop.id)["data"],
                                what="quarantine")
        return row

    def test_a_poisoned_event_holds_nobody_up(self):
        running.stop_service("postgres")
        try:
            for number in range(1, 31):
                self.accepted(self.shop.send(self.order(number), "%s-%d" % (self.name, number)))
        finally:
            running.start_service("postgres")
        self.replayed()
        row = self.quarantined()
        self.assertEqual((row["event_id"], row["state"], row["code"]), (self.name + "-13", "waiting", "P0001"))
        self.assertIn("poison", row["detail"])
        for number in range(1, 31):
            self.assertEqual(len(self.shop.rows("%s-%d" % (self.name, number))), 0 if number == 13 else 1)
        self.assertIn("quarantine", running.attributor_admin("/readyz").json()["degraded"])
        self.assertGreater(running.metric("attributor", "wasl_quarantine_events"), 0)

    def test_retried_after_it_was_mended(self):
        event = self.order(13)
        self.accepted(self.shop.send(event, self.name))
        row = self.quarantined()
        shown = running.ctl("quarantine", "show", row["quarantine_id"])
        self.assertEqual(shown["body"], event)
        again = running.waslctl("quarantine", "retry", row["quarantine_id"], "--json")
        self.assertEqual((again.rc, again.err.count("\n")), (1, 1), again)
        self.assertEqual([json.loads(again.out)[name] for name in ("state", "code")], ["waiting", "P0001"])
        self.mend()
        self.assertEqual(running.ctl("quarantine", "retry", row["quarantine_id"])["state"], "posted")
        self.assertEqual(self.shop.rows(self.name + "-13"), [(self.shop.affiliate, "pending", "10.00")])
        self.assertEqual(running.ctl("quarantine", "list", "--store", self.shop.id)["data"], [])
        self.assertEqual(running.waslctl("quarantine", "retry", row["quarantine_id"]).rc, 1)
        self.assertEqual(running.waslctl("quarantine", "drop", row["quarantine_id"], "--reason", "no").rc, 1)

    def test_dropped_never_takes_effect(self):
        self.accepted(self.shop.send(self.order(13), self.name))
        row = self.quarantined()
        self.assertEqual(running.waslctl("quarantine", "drop", row["quarantine_id"], "--reason", "").rc, 2)
        dropped = running.ctl("quarantine", "drop", row["quarantine_id"], "--reason", "a test of the shop")
        self.assertEqual((dropped["state"], dropped["reason"]), ("dropped", "a test of the shop"))
        self.mend()
        self.assertEqual(running.waslctl("quarantine", "retry", row["quarantine_id"]).rc, 1)
        time.sleep(2)
        self.assertEqual(self.shop.rows(self.name + "-13"), [])
        listed = running.ctl("quarantine", "list", "--store", self.shop.id, "--all")["data"]
        self.assertEqual([one["state"] for one in listed], ["dropped"])

    def test_dropped_without_a_word(self):
        self.accepted(self.shop.send(self.order(13), self.name))
        dropped = running.ctl("quarantine", "drop", self.quarantined()["quarantine_id"])
        self.assertEqual((dropped["state"], dropped["reason"]), ("dropped", "no reason given"))

    def test_another_body_under_a_spooled_id_is_quarantined(self):
        running.stop_service("postgres")
        try:
            self.accepted(self.shop.send(self.order(1), self.name))
            running.kill("attributor")
        finally:
            running.start_service("postgres")
        other = Attributor(running).wait_ready()
        self.addCleanup(other.kill)
        self.assertEqual(other.insist(self.shop.store, self.order(2), self.name).status, 200)
        running.start_service("attributor")
        self.assertEqual(self.quarantined()["code"], "webhook_id_reused")
        self.assertEqual(self.shop.rows(self.name + "-1"), [])

    def test_the_key_that_seals_one_is_not_revoked(self):
        self.accepted(self.shop.send(self.order(13), self.name))
        self.quarantined()
        waiting = [one["quarantine_id"] for one in running.ctl("quarantine", "list")["data"]]
        ring = pathlib.Path(running.dir, "revoking")
        ring.write_text(pathlib.Path(running.env["WASL_KEYRING"]).read_text().replace("active", "valid")
                        + "1 active %s\n" % ("5e" * 32))
        ring.chmod(0o600)
        refused = running.waslctl("key", "revoke", 0, env={"WASL_KEYRING": str(ring)})
        self.assertEqual(refused.rc, 1, refused)
        self.assertIn("still seals %d events in quarantine, %d for one" % (len(waiting), min(waiting)), refused.err)
        for quarantine_id in waiting:
            running.ctl("quarantine", "drop", quarantine_id, "--reason", "a test of the key")
        refused = running.waslctl("key", "revoke", 0, env={"WASL_KEYRING": str(ring)})
        self.assertIn("still seals the secrets", refused.err)

    def test_rows_can_be_changed_by_nobody(self):
        self.accepted(self.shop.send(self.order(13), self.name))
        self.quarantined()
        for query in ("DELETE FROM wasl.quarantine", "UPDATE wasl.quarantine SET event_id = 'x'"):
            with self.assertRaisesRegex(AssertionError, "23001"):
                running.sql(query)
            with self.assertRaisesRegex(AssertionError, "42501"):
                running.sql(query, "attributor")


class Retention(Case):
    def test_months_are_made_ahead_and_old_bodies_end(self):
        self.assertEqual(self.shop.insist(self.order(1), self.name).status, 200)
        running.sql("CREATE TABLE wasl.event_bodies_2020_02 PARTITION OF wasl.event_bodies FOR VALUES FROM "
                    "('2020-02-01 00:00:00+00') TO ('2020-03-01 00:00:00+00'); INSERT INTO wasl.event_bodies VALUES "
                    "(1, 'old-1', '2020-02-03', 'x'), (1, 'old-2', '2020-01-01', 'x')")
        other = Attributor(running, body_retention="30d").wait_ready()
        self.addCleanup(other.kill)
        stack.wait_until(lambda: "ev=bodies_forgotten" in other.log(), what="old bodies are forgotten")
        self.assertEqual(running.sql("SELECT count(*) FROM wasl.event_bodies WHERE received_at < '2021-01-01'"), [["0"]])
        self.assertEqual(running.sql("SELECT 1 FROM pg_class WHERE relname = 'event_bodies_2020_02'"), [])
        self.assertEqual(running.sql("SELECT count(*) FROM wasl.event_bodies WHERE event_id = '%s'" % self.name), [["1"]])
        ahead = running.sql("SELECT count(*) FROM pg_class WHERE relname IN (SELECT 'event_bodies_' || to_char(now() AT "
                            "TIME ZONE 'UTC' + make_interval(months => n), 'YYYY_MM') FROM generate_series(0, 2) n)")
        self.assertEqual(ahead, [["3"]])


class Disk(Case):
    """A spool on a small file system of its own."""

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(running.dir, "tiny-" + self.name)
        self.folder.mkdir()
        made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", self.folder], capture_output=True)
        if made.returncode:
            self.skipTest("no file system may be mounted here")
        self.addCleanup(subprocess.run, ["umount", "-l", self.folder])

    def test_a_full_disk_is_503_and_what_was_accepted_is_kept(self):
        silent = "postgresql://x@127.0.0.1:1/x"
        other = Attributor(running).wait_ready()
        self.addCleanup(other.kill)
        stack.wait_until((other.folder / "stores.snapshot").exists, what="the snapshot")
        other.kill()
        (self.folder / "stores.snapshot").write_bytes((other.folder / "stores.snapshot").read_bytes())
        other.start(state_dir=self.folder, database_url=silent)
        stack.wait_until(lambda: "from=snapshot" in other.log(), what="ready")
        statuses = []
        for number in range(1, 400):
            answer = other.send(self.shop.store, self.order(number), "%s-%d" % (self.name, number))
            statuses.append(answer.status)
            if answer.status == 503 and statuses.count(503) > 3:
                break
        self.assertEqual(set(statuses), {202, 503})
        self.assertIn("spool_full", stack.request(other.url("admin"), "GET", "/readyz").json()["degraded"])
        other.kill()
        other.start(state_dir=self.folder)
        other.wait_ready()
        taken = [number for number, status in enumerate(statuses, 1) if status == 202]
        stack.wait_until(lambda: len(running.sql("SELECT 1 FROM wasl.event_ids WHERE store_id = %d" % self.shop.id))
                         >= len(taken), REPLAY_LIMIT_S, "the replay")
        for number in taken:
            self.assertEqual(self.shop.rows("%s-%d" % (self.name, number)), [(self.shop.affiliate, "pending", "10.00")])


if __name__ == "__main__":
    unittest.main()
