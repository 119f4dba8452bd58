# SPDX-License-Identifier: Apache-2.0
"""deploy/run, which `make run` is: a stack with sample data whose links work, and Ctrl-C leaves nothing behind."""

import os
import pathlib
import re
import signal
import subprocess
import tempfile
import unittest

import stack

RUN = str(stack.ROOT / "deploy" / "run")
CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36"
ENDED = "Ctrl-C ends it all."


class Foreground(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="run-", dir=os.environ.get("WASL_TEST_DIR"))
        self.out = pathlib.Path(self.dir, "said")
        with open(self.out, "wb") as out:
            # As a terminal would have it: a group of its own, interrupts not ignored.
            self.child = subprocess.Popen(
                [RUN, os.path.join(self.dir, "stack")], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                start_new_session=True, env={**os.environ, "WASL_BIN": str(stack.programs())},
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
        self.addCleanup(stack.run, stack.SCRIPT, "down", os.path.join(self.dir, "stack"))
        self.addCleanup(self.child.kill)
        stack.wait_until(lambda: ENDED in self.said() or self.child.poll() is not None, stack.UP_LIMIT_S, "the stack is up")

    def said(self):
        return self.out.read_text()

    def pids(self):
        lines = pathlib.Path(self.dir, "stack", "pids").read_text().splitlines()
        return [int(line.split()[1]) for line in lines if not line.startswith("initdb")]

    def test_links_of_the_sample_lead_to_the_shops_and_ctrl_c_ends_it(self):
        links = re.findall(r"(http://127\.\S+)(/[0-9A-Za-z]{22})\b", self.said())
        self.assertEqual(len(links), 2, self.said())
        for (base, path), shop in zip(links, ("https://coffee.example/", "https://oud.example/")):
            answer = stack.request(base, "GET", path, [("User-Agent", CHROME)])
            self.assertEqual(answer.status, 302)
            self.assertTrue(answer.header("location").startswith(shop), answer)
            self.assertIn("wasl=", answer.header("location"))
        pids = self.pids()
        self.assertEqual(len(pids), 4)
        os.killpg(self.child.pid, signal.SIGINT)
        self.assertEqual(self.child.wait(stack.UP_LIMIT_S), 0, self.said())
        self.assertFalse([pid for pid in pids if stack.is_alive(pid)])

    def test_a_part_that_dies_ends_the_run_and_is_named(self):
        pids = self.pids()
        env = pathlib.Path(self.dir, "stack", "env").read_text()
        os.kill(int(re.search(r"^WASL_REDIS_PID=(\d+)$", env, re.MULTILINE).group(1)), signal.SIGKILL)
        self.assertEqual(self.child.wait(stack.UP_LIMIT_S), 1, self.said())
        self.assertIn("redis has ended", self.said())
        self.assertFalse([pid for pid in pids if stack.is_alive(pid)])


if __name__ == "__main__":
    unittest.main()
