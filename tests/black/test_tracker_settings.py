# SPDX-License-Identifier: Apache-2.0
"""What SIGHUP changes while the tracker runs, what it refuses whole, and the sampled access log."""

import signal
import unittest

import stack
from stack import wait_until
from trackerlib import AFFILIATE, HUMAN, MASTER, PRODUCT, Tracker
import wasltokens

OTHER_MASTER = bytes(range(32, 64))
FORWARDED = [("X-Forwarded-For", "192.0.2.1")]


class Reload(unittest.TestCase):
    def setUp(self):
        self.tracker = Tracker({"workers": 2})
        self.conf = self.tracker.dir / "tracker.conf"
        self.conf.write_text("# nothing yet\n")
        self.tracker.settings["config"] = self.conf
        self.tracker.__enter__()
        self.addCleanup(self.tracker.stop)
        self.here = self.network()

    def network(self, headers=()):
        answer = self.tracker.get(self.tracker.link(), headers=headers)
        return self.tracker.record(self.tracker.open_answer(answer))["network"]

    def reload(self, text, ev):
        """Writes the file and signals; the event that follows."""
        self.conf.write_text(text)
        begin = len(self.tracker.log().encode())
        self.tracker.process.send_signal(signal.SIGHUP)
        return wait_until(lambda: self.tracker.events(ev, begin), what=lambda: ev + self.tracker.log())[0]

    def wait_network(self, headers, is_here):
        # Each worker takes it over at its own next turn.
        wait_until(lambda: all((self.network(headers) == self.here) == is_here for _ in range(8)), what="the proxies")

    def test_proxies_and_level_follow_the_file(self):
        self.assertEqual(self.network(FORWARDED), self.here)
        event = self.reload("trusted-proxies = 127.0.0.0/8\nlog-level = debug\n", "config_reloaded")
        self.assertEqual((event["level"], event["trusted_proxies"]), ("debug", "1"))
        self.wait_network(FORWARDED, False)
        wait_until(lambda: self.tracker.events("conn_state"), what="debug lines")
        self.reload("", "config_reloaded")
        self.wait_network(FORWARDED, True)
        self.assertEqual(self.tracker.events("config_needs_restart"), [])

    def test_a_bad_file_changes_nothing_and_is_named_with_its_line(self):
        self.reload("trusted-proxies = 127.0.0.0/8\n", "config_reloaded")
        self.wait_network(FORWARDED, False)
        other = wasltokens.Keys(OTHER_MASTER, 1)
        self.tracker.write_keyring("0 valid %s\n1 active %s\n" % (MASTER.hex(), OTHER_MASTER.hex()))
        for text, line in (("\ntrusted-proxies = 10.0.0.0/33\n", 2), ("log-level = loud\n", 1), ("trusted-pro", 1),
                           ("log-level = info\nlog-level = warn\n", 2), ("# half\nlog-level", 2), ("no-such = 1\n", 1),
                           ("access-log = 1/0\n", 1)):
            event = self.reload(text, "config_refused")
            self.assertIn("tracker.conf:%d:" % line, event["why"], text)
        self.assertNotEqual(self.network(FORWARDED), self.here)
        self.assertEqual(self.tracker.get("/" + other.mint_link(AFFILIATE, PRODUCT)).status, 404,
                         "the keyring was taken without the options")
        self.conf.unlink()
        self.tracker.process.send_signal(signal.SIGHUP)
        wait_until(lambda: any("No such file" in event["why"] for event in self.tracker.events("config_refused")),
                   what="the missing file is named")
        self.reload("", "config_reloaded")
        wait_until(lambda: self.tracker.get("/" + other.mint_link(AFFILIATE, PRODUCT)).status == 302, what="the ring")

    def test_a_bad_keyring_keeps_the_options_too(self):
        self.tracker.write_keyring("0 active 00\n")
        event = self.reload("trusted-proxies = 127.0.0.0/8\n", "keyring_refused")
        self.assertIn("keyring:1", event["why"])
        self.assertEqual(self.network(FORWARDED), self.here)

    def test_what_needs_a_restart_is_said(self):
        self.reload("fallback-url = https://shop.example/lost\nworkers = 5\n", "config_reloaded")
        names = {event["option"] for event in self.tracker.events("config_needs_restart")}
        self.assertEqual(names, {"fallback-url"}, "workers is given as a flag, which goes before the file")
        self.assertEqual(self.tracker.get("/nothing").status, 404)


def accesses(tracker):
    """The access lines of a tracker that has ended, each as often as it was said: a second's equal lines collapse, and
    answers that took equally long make such."""
    said = []
    for line in tracker.lines():
        said += int(line["times"]) * said[-1:] if line["ev"] == "repeated" else [line]
    return [line for line in said if line["ev"] == "access"]


class AccessLog(unittest.TestCase):
    def test_every_nth_answer_and_nothing_personal(self):
        with Tracker({"workers": 1, "access-log": "1/10"}) as tracker:
            link = tracker.link()
            for _ in range(60):
                answer = tracker.get(link + "?s1=SUBID", headers=[("Cookie", "wasl=" + "A" * 22), *FORWARDED])
            for path in ("/robots.txt", "/nothing"):
                for _ in range(20):
                    tracker.get(path)
            self.assertEqual(tracker.end(), 0)
            lines = accesses(tracker)
            self.assertEqual([(line["route"], line["code"], line.get("stored"), line["every"]) for line in lines],
                             6 * [("link", "302", "redis", "10")] +
                             2 * [("robots", "200", None, "10")] + 2 * [("link", "404", None, "10")])
            self.assertEqual([line["class"] for line in (lines[0], *lines[6:])], ["human", "none", "none", "human", "human"])
            self.assertGreaterEqual(int(lines[0]["took_us"]), 0)
            for line in lines:
                self.assertLessEqual(set(line), {"ts", "lvl", "svc", "ev", "route", "class", "code", "stored", "took_us",
                                                 "every"})
            log, location = tracker.log(), answer.header("location")
            for word in (link[1:], location[-60:], "SUBID", "192.0.2.1", "127.0.0.1:0", "A" * 22, "trill", HUMAN[:20]):
                self.assertNotIn(word, log)

    def test_it_is_off_unless_asked_for_and_can_be_switched(self):
        tracker = Tracker({"workers": 1})
        conf = tracker.dir / "tracker.conf"
        conf.write_text("")
        tracker.settings["config"] = conf
        with tracker:
            for _ in range(20):
                tracker.get(tracker.link())
            self.assertEqual(tracker.events("access"), [])
            conf.write_text("access-log = 1/1\n")
            tracker.process.send_signal(signal.SIGHUP)
            wait_until(lambda: tracker.events("config_reloaded"), what="it is read")
            wait_until(lambda: tracker.get(tracker.link()) and tracker.events("access"), what="a line")

    def test_bad_values_are_refused(self):
        with Tracker() as tracker:
            for value in ("on", "1", "1/0", "1/", "1/-1", "1/1000000001", "2/3", "1/1x", " 1/2"):
                result = stack.run(*tracker.command(), "--access-log=" + value, "--check-config",
                                   env=stack.clean_env(), limit_s=stack.COMMAND_LIMIT_S)
                self.assertEqual((result.rc, len(result.err.splitlines())), (2, 1), (value, result))
                self.assertIn("access-log", result.err)


if __name__ == "__main__":
    unittest.main()
