# SPDX-License-Identifier: Apache-2.0
"""Postgres on a disk that is really full: what is answered 2xx meanwhile takes effect once there is room."""

import os
import pathlib
import shutil
import subprocess
import time
import unittest

import stack
from shop import Shop

running = stack.Stack()
DATA_MIB = 144  # an empty cluster has some 60, its log of 16 a piece among them
LIMIT_S = 90    # this machine has other work
ORDERS_MAX = 600
SPOOLED = 20       # orders that have to be answered 202
WAL_EVERY = 10     # orders: then Postgres has to begin another file
WAL_FREE_MIB = 48  # of its files of 16, when there is room again


def setUpModule():
    running.start()


def tearDownModule():
    running.stop()


def mib_of(folder):
    return int(subprocess.run(["du", "-sm", folder], capture_output=True, check=True, text=True).stdout.split()[0])


class Full(unittest.TestCase):
    def setUp(self):
        self.shop = Shop(running)
        self.token = self.shop.dated_click(time.time() - 3600)
        self.data = pathlib.Path(running.sql("SHOW data_directory", "superuser")[0][0])

    def wait_until_up(self):
        stack.wait_until(lambda: running.metric("attributor", "wasl_degraded", reason="postgres") == 0, LIMIT_S, "up again")

    def put_back(self, folder, kept):
        """What the small disk holds goes where it was before."""
        if stack.is_alive(running.pid("postgres")):
            running.stop_service("postgres")
        copy = kept.with_name(kept.name + ".copy")
        subprocess.run(["cp", "-a", folder, copy], check=True)
        subprocess.run(["umount", "-l", folder], check=True)
        folder.rmdir()
        copy.rename(folder)
        shutil.rmtree(kept)
        running.start_service("postgres")
        self.wait_until_up()

    def move_to_a_small_disk(self, folder, mib):
        kept = self.data.with_name("kept")
        running.stop_service("postgres")
        folder.rename(kept)
        folder.mkdir(0o700)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%dm,mode=700" % mib, "tmpfs", folder],
                                 capture_output=True)
        if mounted.returncode:
            folder.rmdir()
            kept.rename(folder)
            running.start_service("postgres")
            self.skipTest("no file system may be mounted here")
        self.addCleanup(self.put_back, folder, kept)
        subprocess.run(["cp", "-a", str(kept) + "/.", folder], check=True)
        owner = kept.stat()
        os.chown(folder, owner.st_uid, owner.st_gid)
        running.start_service("postgres")
        self.wait_until_up()

    def fill(self, folder):
        with open(folder / "filler", "wb", buffering=0) as filler:
            for size in (1 << 16, 512):
                try:
                    while True:
                        filler.write(bytes(size))
                except OSError:
                    pass

    def begin_a_wal_file(self):
        """Which Postgres does by itself every 16 MiB; where it can't, it ends all sessions and recovers, or ends."""
        try:
            running.sql("SELECT pg_switch_wal()", "superuser")
        except AssertionError:
            pass

    def orders_until_some_are_spooled(self, each):
        """{order number: status}"""
        statuses = {}
        for number in range(ORDERS_MAX):
            each(number)
            answer = self.shop.send(self.shop.order([self.token], order_id="o-%d" % number), "e-%d" % number)
            self.assertIn(answer.status, (200, 202), answer)
            statuses[number] = answer.status
            if list(statuses.values()).count(202) > SPOOLED:
                break
        self.assertGreater(list(statuses.values()).count(202), SPOOLED)
        return statuses

    def is_emptied(self):
        """Postgres ends when its log does not fit, and may be about to."""
        if not stack.is_alive(running.pid("postgres")):
            running.start_service("postgres")
        return running.metric("attributor", "wasl_spool_records") == 0

    def nothing_is_lost(self, folder, statuses):
        self.assertIn("No space left on device", running.log("postgres"))
        (folder / "filler").unlink()
        stack.wait_until(self.is_emptied, LIMIT_S, "an empty spool")
        self.assertEqual(running.sql("SELECT count(*), count(DISTINCT order_id) FROM wasl.event_ids WHERE store_id = %d"
                                     % self.shop.id), [[str(len(statuses))] * 2])
        self.assertEqual(running.sql("SELECT count(*), sum(amount_minor) FROM wasl.commissions WHERE store_id = %d"
                                     % self.shop.id), [[str(len(statuses)), str(1000 * len(statuses))]])
        self.assertEqual(running.ctl("quarantine", "list")["data"], [])
        verified = running.waslctl("verify")
        self.assertEqual(verified.rc, 0, verified)

    def test_a_full_disk_of_postgres_loses_nothing(self):
        self.move_to_a_small_disk(self.data, DATA_MIB)
        self.fill(self.data)
        self.nothing_is_lost(self.data, self.orders_until_some_are_spooled(lambda number: None))

    def test_a_full_disk_of_its_log_alone_loses_nothing(self):
        wal = self.data / "pg_wal"
        self.move_to_a_small_disk(wal, mib_of(wal) + WAL_FREE_MIB)
        self.fill(wal)
        statuses = self.orders_until_some_are_spooled(
            lambda number: (number + 1) % WAL_EVERY or self.begin_a_wal_file())
        self.assertIn(200, statuses.values())
        self.nothing_is_lost(wal, statuses)


if __name__ == "__main__":
    unittest.main()
