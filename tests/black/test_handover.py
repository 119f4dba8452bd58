# SPDX-License-Identifier: Apache-2.0
"""From one process to the next on the same address, under load, for both daemons: no request fails, none is lost."""

import signal
import threading
import unittest

import stack
from shop import Attributor, Shop
from stack import wait_until
from trackerlib import HUMAN, Tracker

SENDERS = 8
CHANGES = 4
BETWEEN = 30  # answers from one change to the next


class Load:
    """Requests one after another, each on a connection of its own, from several threads, until it ends."""

    def __init__(self, request):
        self.request, self.answers, self.faults = request, [], []
        self.is_over = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(number,)) for number in range(SENDERS)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        for thread in self.threads:
            thread.join()

    def go_on(self):
        """Returns after some more answers, or a fault."""
        goal = len(self.answers) + BETWEEN
        wait_until(lambda: self.faults or len(self.answers) >= goal, what="answers")

    def run(self, number):
        count = 0
        while not self.is_over.is_set():
            try:
                self.answers.append(self.request("%d-%d" % (number, count)))
            except (OSError, AssertionError) as fault:
                self.faults.append(repr(fault))
            count += 1


def address(url):
    return url.partition("//")[2]


class TrackerHandover(unittest.TestCase):
    def next_process(self, tracker, **settings):
        """Starts the next one beside the running one, which it returns."""
        before = tracker.process
        tracker.settings.update({"takeover": "on", "listen": address(tracker.url),
                                 "admin-listen": address(tracker.admin_url), **settings})
        tracker.start()
        return before

    def test_no_connection_is_lost_from_one_process_to_the_next(self):
        with Tracker() as tracker:
            link = tracker.link()
            with Load(lambda _: tracker.get(link)) as load:
                for workers in (1, 3, 2, 1)[:CHANGES]:
                    load.go_on()
                    before = self.next_process(tracker, workers=workers)
                    before.send_signal(signal.SIGTERM)
                    self.assertEqual(before.wait(stack.WAIT_LIMIT_S), 0)
                load.go_on()
            self.assertEqual(load.faults, [])
            self.assertGreater(len(load.answers), 100)
            clicks = [tracker.open_answer(answer) for answer in load.answers]
            self.assertTrue(all(clicks), [answer for answer in load.answers if answer.status != 302][:3])
            self.assertEqual(len({click["click_id"] for click in clicks}), len(clicks))
            for click in clicks[::29]:
                self.assertIsNotNone(tracker.record(click))

    def test_the_admin_listener_is_the_next_ones_and_the_old_one_serves_on(self):
        with Tracker() as tracker, stack.Connection(tracker.url) as kept:
            before = self.next_process(tracker)
            self.assertTrue(tracker.open_answer(kept.request("GET", tracker.link(), {"User-Agent": HUMAN})))
            wait_until(lambda: tracker.events("handed_over"), what="it was handed over")
            for _ in range(20):
                self.assertEqual(tracker.metric("wasl_http_requests_total", route="link", **{
                    "class": "human", "code": "302"}), 0, "the old one answers for the new one")
            before.send_signal(signal.SIGTERM)
            self.assertEqual(before.wait(stack.WAIT_LIMIT_S), 0)

    def test_a_next_one_that_cannot_start_changes_nothing(self):
        with Tracker() as tracker:
            for settings, word in (({"listen": "127.0.0.1:1"}, address(tracker.url)),
                                   ({"admin-listen": "127.0.0.1:1"}, address(tracker.admin_url)),
                                   ({"takeover": "off"}, address(tracker.url))):
                words = {"takeover": "on", "listen": address(tracker.url),
                         "admin-listen": address(tracker.admin_url), **settings}
                result = stack.run(*tracker.command(**words), env=stack.clean_env())
                self.assertEqual(result.rc, 1, result)
                self.assertIn(word, result.err)
                self.assertEqual(tracker.admin("/readyz").status, 200)
                self.assertTrue(tracker.open_answer(tracker.get(tracker.link())))

    def test_without_a_process_before_it_opens_its_own(self):
        with Tracker({"takeover": "on"}) as tracker:
            self.assertTrue(tracker.open_answer(tracker.get(tracker.link())))
            self.assertEqual(tracker.events("taken_over"), [])
            tracker.process.kill()
            tracker.process.wait()
            tracker.start()
            self.assertTrue(tracker.open_answer(tracker.get(tracker.link())))

    def test_the_next_one_accepts_nobody_before_its_catalogue(self):
        with Tracker() as tracker:
            link = tracker.link()
            snapshot = tracker.dir / "state" / "catalogue.snapshot"
            wait_until(snapshot.exists, what="the catalogue is saved, and will not be once more")
            snapshot.unlink()
            tracker.redis_process.send_signal(signal.SIGSTOP)
            tracker.settings.update({"takeover": "on", "listen": address(tracker.url),
                                     "admin-listen": address(tracker.admin_url)})
            before = tracker.process
            with open(tracker.dir / "log", "ab") as log:
                tracker.process = stack.subprocess.Popen(tracker.command(), stderr=log, env=stack.clean_env())
            try:
                wait_until(lambda: tracker.events("takeover_waits"), what="it waits")
                answers = [tracker.get(link) for _ in range(20)]
                self.assertEqual({answer.status for answer in answers}, {302})
                tracker.redis_process.send_signal(signal.SIGCONT)
                wait_until(lambda: tracker.events("handed_over"), what="it serves")
            finally:
                before.terminate()
                self.assertEqual(before.wait(stack.WAIT_LIMIT_S), 0)
            self.assertTrue(tracker.open_answer(tracker.get(link)))


class AttributorHandover(unittest.TestCase):
    def test_no_event_is_lost_from_one_process_to_the_next(self):
        with stack.Stack() as running:
            shop = Shop(running)
            first = Attributor(running).wait_ready()
            processes = [first]
            url, admin = first.url(), first.url("admin")

            def send(name):
                body = stack.json.dumps(shop.order(order_id="hand-" + name)).encode()
                headers = stack.webhook_headers(shop.store["webhook_secret"], "hand-" + name, None, body)
                return stack.request(url, "POST", "/v1/stores/%d/events" % shop.id, headers, body)
            try:
                with Load(send) as load:
                    for _ in range(CHANGES // 2):
                        load.go_on()
                        following = Attributor(running, takeover="on", state_dir=first.folder, listen=address(url),
                                               admin_listen=address(admin))
                        processes.append(following)
                        wait_until(lambda: "listener=public" in following.log(), what="the next one listens")
                        processes[-2].process.send_signal(signal.SIGTERM)
                        self.assertEqual(processes[-2].exit_code(), 0)
                    load.go_on()
                self.assertEqual(stack.request(admin, "GET", "/readyz").status, 200)
            finally:
                for process in processes:
                    process.kill()
            self.assertEqual(load.faults, [])
            bad = [answer for answer in load.answers if answer.status != 200]
            # A deadline of a busy machine is not the hand-over's.
            self.assertEqual([answer for answer in bad if answer.status not in (202, 503)], [])
            rows = running.sql("SELECT count(*) FROM wasl.event_ids WHERE event_id LIKE 'hand-%'")
            self.assertGreaterEqual(int(rows[0][0]), len(load.answers) - len(bad))
            self.assertGreater(len(load.answers), 50)


if __name__ == "__main__":
    unittest.main()
