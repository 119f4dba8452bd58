# SPDX-License-Identifier: Apache-2.0
"""A tracker in bad surroundings: a log that can't be written, foreign locales, and what may not leak out of it."""

import os
import subprocess
import sys
import unittest

import stack
from stack import wait_until
from trackerlib import MASTER, Tracker, free_port

PASSWORD = "hunter2-of-redis"


class Surroundings(unittest.TestCase):
    def start(self, tracker, stderr, env=None):
        """Starts it on ports chosen here, as its log may tell nothing."""
        ports = free_port(), free_port()
        tracker.url, tracker.admin_url = ("http://127.0.0.1:%d" % port for port in ports)
        words = {"listen": "127.0.0.1:%d" % ports[0], "admin-listen": "127.0.0.1:%d" % ports[1]}
        tracker.process = subprocess.Popen(tracker.command(**words), stdin=subprocess.DEVNULL, stderr=stderr,
                                           env={**stack.clean_env(), **(env or {})})

        def is_ready():
            try:
                return tracker.admin("/readyz").status == 200
            except OSError:
                return False
        wait_until(is_ready, what="it is ready")

    def test_a_full_disk_of_logs_costs_no_click(self):
        with Tracker() as tracker, open("/dev/full", "wb") as full:
            self.assertEqual(tracker.end(), 0)
            tracker.settings.update({"log-level": "debug", "access-log": "1/1"})
            self.start(tracker, full)
            self.assertTrue(all(tracker.open_answer(tracker.get(tracker.link())) for _ in range(20)))
            self.assertEqual(tracker.end(), 0)

    def test_a_reader_of_logs_that_went_away_costs_no_click(self):
        with Tracker() as tracker:
            self.assertEqual(tracker.end(), 0)
            tracker.settings.update({"log-level": "debug", "access-log": "1/1"})
            reader, writer = os.pipe()
            self.start(tracker, writer)
            os.close(writer)
            os.close(reader)
            self.assertTrue(all(tracker.open_answer(tracker.get(tracker.link())) for _ in range(20)))
            self.assertEqual(tracker.end(), 0)

    def test_figures_and_dates_do_not_depend_on_the_locale(self):
        with Tracker() as tracker:
            self.assertEqual(tracker.end(), 0)
            for name in ("ar_EG.UTF-8", "de_DE.UTF-8", "tr_TR.UTF-8"):
                self.start(tracker, subprocess.DEVNULL, {"LANG": name, "LC_ALL": name, "LANGUAGE": name})
                answer = tracker.get(tracker.link())
                self.assertTrue(tracker.open_answer(answer))
                self.assertRegex(answer.header("date"), r"^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} ")
                self.assertNotRegex(tracker.admin("/metrics").body.decode(), r"\d,\d")
                self.assertEqual(tracker.end(), 0)

    def test_the_programs_ask_for_no_locale(self):
        for name in ("wasl-tracker", "wasl-attributor", "waslctl"):
            symbols = (stack.programs() / name).read_bytes().split(b"\0")
            self.assertIn(b"getrandom", symbols)  # they would be seen here
            for call in (b"setlocale", b"newlocale", b"uselocale"):
                self.assertNotIn(call, symbols, name)

    def test_clicks_need_no_random_device(self):
        words = ["unshare", "--mount", "sh", "-c",
                 'mount --bind /dev/null /dev/urandom && mount --bind /dev/null /dev/random && exec "$@"', "sh"]
        if stack.run(*words, "true").rc != 0:
            self.skipTest("may not make a mount namespace")
        with Tracker() as tracker:
            self.assertEqual(tracker.end(), 0)
            real = tracker.command
            tracker.command = lambda **settings: words + real(**settings)
            tracker.start()
            with open("/proc/%d/root/dev/urandom" % tracker.process.pid, "rb") as device:
                self.assertEqual(device.read(1), b"")
            ids = {tracker.open_answer(tracker.get(tracker.link()))["click_id"] for _ in range(20)}
            self.assertEqual(len(ids), 20)
            self.assertEqual(tracker.end(), 0)

    def test_without_random_bytes_it_refuses_to_start(self):
        with Tracker() as tracker:
            self.assertEqual(tracker.end(), 0)
            keeper = os.path.join(stack.ROOT, "tests", "black", "no_random.py")
            result = stack.run(sys.executable, keeper, *tracker.command(), env=stack.clean_env())
            self.assertEqual((result.rc, result.out), (1, ""))
            self.assertIn("the kernel has no random bits", result.err)
            self.assertNotIn("ev=listening", result.err)

    def test_secrets_stay_inside(self):
        with Tracker() as tracker:
            conf = tracker.dir / "tracker.conf"
            conf.touch(0o600)
            conf.write_text("redis-url = redis://:%s@127.0.0.1:1\n" % PASSWORD)
            self.assertEqual(tracker.end(), 0)
            words = [word for word in tracker.command(config=conf) if not word.startswith("--redis-url")]
            printed = stack.run(*words, "--print-config", env=stack.clean_env())
            with open(tracker.dir / "log", "ab") as log:
                begin = log.tell()
                tracker.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=log, env=stack.clean_env())
            found = wait_until(lambda: [event for event in tracker.events("listening", begin)
                                        if event["listener"] == "admin"], what="it listens")
            tracker.admin_url = "http://" + found[0]["addr"]
            said = [printed.out, printed.err, tracker.log(begin)]
            said += [tracker.admin(path).body.decode() for path in ("/metrics", "/readyz", "/nothing")]
            for name in ("cmdline", "environ", "comm"):
                with open("/proc/%d/%s" % (tracker.process.pid, name), "rb") as file:
                    said.append(file.read().decode(errors="replace"))
            for text in said:
                self.assertNotIn(PASSWORD, text)
                self.assertNotIn(MASTER.hex(), text.lower())


if __name__ == "__main__":
    unittest.main()
