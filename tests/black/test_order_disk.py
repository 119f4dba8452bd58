# SPDX-License-Identifier: Apache-2.0
"""Postgres on a disk that is really full: what is answered 2xx meanwhile takes effect once there is room."""

import pathlib
import subprocess
import time
import unittest

import stack
from shop import Shop

running = stack.Stack()
DISK_MIB = 144  # an empty cluster has some 60, its log of 16 a piece among them
LIMIT_S = 90    # this machine has other work
ORDERS_MAX = 600


def setUpModule():
    running.start()


def tearDownModule():
    running.stop()


class Full(unittest.TestCase):
    def setUp(self):
        self.shop = Shop(running)
        self.token = self.shop.dated_click(time.time() - 3600)
        self.data = pathlib.Path(running.sql("SHOW data_directory", "superuser")[0][0])
        kept = self.data.with_name("kept")
        running.stop_service("postgres")
        self.data.rename(kept)
        self.data.mkdir(0o700)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%dm,mode=700" % DISK_MIB, "tmpfs", self.data],
                                 capture_output=True)
        if mounted.returncode:
            self.data.rmdir()
            kept.rename(self.data)
            running.start_service("postgres")
            self.skipTest("no file system may be mounted here")
        self.addCleanup(subprocess.run, ["umount", "-l", self.data])
        self.addCleanup(running.stop_service, "postgres")
        subprocess.run(["cp", "-a", str(kept) + "/.", self.data], check=True)
        running.start_service("postgres")
        stack.wait_until(lambda: running.metric("attributor", "wasl_degraded", reason="postgres") == 0, LIMIT_S, "up again")

    def fill(self):
        with open(self.data / "filler", "wb", buffering=0) as filler:
            for size in (1 << 16, 512):
                try:
                    while True:
                        filler.write(bytes(size))
                except OSError:
                    pass

    def log(self):
        return running.log("postgres")

    def test_a_full_disk_of_postgres_loses_nothing(self):
        self.fill()
        statuses = {}
        for number in range(ORDERS_MAX):
            answer = self.shop.send(self.shop.order([self.token], order_id="o-%d" % number), "e-%d" % number)
            self.assertIn(answer.status, (200, 202), answer)
            statuses[number] = answer.status
            if list(statuses.values()).count(202) > 20:
                break
        self.assertGreater(list(statuses.values()).count(202), 20)
        self.assertIn("No space left on device", self.log())
        (self.data / "filler").unlink()
        if not stack.is_alive(running.pid("postgres")):  # it ends when its log does not fit
            running.start_service("postgres")
        stack.wait_until(lambda: running.metric("attributor", "wasl_spool_records") == 0, LIMIT_S, "an empty spool")
        self.assertEqual(running.sql("SELECT count(*), count(DISTINCT order_id) FROM wasl.event_ids WHERE store_id = %d"
                                     % self.shop.id), [[str(len(statuses))] * 2])
        self.assertEqual(running.sql("SELECT count(*), sum(amount_minor) FROM wasl.commissions WHERE store_id = %d"
                                     % self.shop.id), [[str(len(statuses)), str(1000 * len(statuses))]])
        self.assertEqual(running.ctl("quarantine", "list")["data"], [])
        verified = running.waslctl("verify")
        self.assertEqual(verified.rc, 0, verified)


if __name__ == "__main__":
    unittest.main()
