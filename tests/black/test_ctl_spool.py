# SPDX-License-Identifier: Apache-2.0
"""waslctl spool on what a tracker left: list, show, replay."""

import json
import struct
import time
import unittest

import stack
from stack import wait_until
from trackerlib import WINDOW_S, Tracker


def waslctl(tracker, *words):
    env = {**stack.clean_env(), "WASL_REDIS_URL": "redis://127.0.0.1:%d" % tracker.redis_port,
           "WASL_STATE_DIR": str(tracker.dir / "state")}
    return stack.run(stack.programs() / "waslctl", *words, env=env)


def spooled(tracker, count):
    """Opened tokens of clicks that are in the spool alone."""
    tracker.stop_redis()
    wait_until(lambda: tracker.metric("wasl_redis_up") == 0, what="Redis counts as down")
    return [tracker.open_answer(tracker.get(tracker.link() + "?s1=secret")) for _ in range(count)]


def crc32c(crc, data):
    crc ^= 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def segment(notes):
    """A segment as common/spool_format.h has it, of (kind, payload)."""
    head = b"waslspl\1" + struct.pack(">qI", 1, 0)
    total = crc32c(0, head)
    out = head + struct.pack(">I", total)
    for kind, payload in notes:
        start = struct.pack(">BBHqI", 0xb5, kind, 0, 1700000000000000, len(payload))
        out += start + struct.pack(">I", crc32c(crc32c(total, start), payload)) + payload
    return out


def note(expires_at_s, index):
    """As common/click_note.h has it; the record's class is human."""
    record = b"\x10\x08\0" + bytes(3) + struct.pack(">IIII", 5, 100, 7, WINDOW_S) + bytes(10)
    return struct.pack(">BBQBQ", 1, 0, 0xabc, index, expires_at_s) + record


class Spool(unittest.TestCase):
    def test_clicks_whose_time_is_over_are_not_sent_and_strange_ones_set_aside(self):
        soon = int(time.time()) + WINDOW_S + 1000
        notes = [(1, note(soon, 0)), (1, note(1700000000, 1)), (1, b"no note"), (1, note(soon, 2))]
        with Tracker({"workers": 1}) as tracker:
            self.assertEqual(tracker.end(), 0)
            path = tracker.dir / "state" / "spool" / "5" / "00000007.seg"
            path.parent.mkdir()
            path.write_bytes(segment(notes))
            tracker.start()  # adopts it
            wait_until(lambda: tracker.metric("wasl_spool_replayed_total") == 4, what="it is replayed")
            self.assertEqual(tracker.metric("wasl_spool_expired_total"), 1)
            self.assertEqual(tracker.metric("wasl_spool_set_aside_total"), 1)
            with tracker.redis() as redis:
                fields = redis.command("HGETALL", "wasl:c:" + "%017x" % 0xabc)
            self.assertEqual(sorted(fields[::2]), [b"0", b"2"])
            row = json.loads(waslctl(tracker, "spool", "list", "--json").out)["data"][0]
            self.assertEqual((row["records"], row["set_aside"]), (0, 1))
            tracker.end()
            path.write_bytes(segment(notes[:2]))  # replayed twice: nothing changes
            result = json.loads(waslctl(tracker, "spool", "replay", "--json").out)
            self.assertEqual((result["replayed"], result["expired"]), (1, 1))


    def test_list_and_show_tell_what_waits(self):
        with Tracker() as tracker:
            clicks = spooled(tracker, 5)
            rows = json.loads(waslctl(tracker, "spool", "list", "--json").out)
            self.assertEqual(rows["next"], None)
            self.assertTrue(all(row["held"] for row in rows["data"]))
            self.assertEqual(sum(row["records"] for row in rows["data"]), 5)
            self.assertEqual(sum(row["damaged"] + row["set_aside"] for row in rows["data"]), 0)
            shown = json.loads(waslctl(tracker, "spool", "show", "--json").out)
            self.assertEqual({row["click_id"].replace("-", "") for row in shown["data"]},
                             {click["click_id"].hex() for click in clicks})
            self.assertEqual({row["kind"] for row in shown["data"]}, {"click"})
            first = json.loads(waslctl(tracker, "spool", "show", "--json", "--limit", "2").out)
            self.assertEqual((len(first["data"]), first["next"]), (2, "2"))
            rest = json.loads(waslctl(tracker, "spool", "show", "--json", "--cursor", "2").out)
            self.assertEqual(first["data"] + rest["data"], shown["data"])
            table = waslctl(tracker, "spool", "show")
            self.assertEqual(table.rc, 0)
            self.assertIn(shown["data"][0]["click_id"], table.out)
            self.assertNotIn("secret", table.out)

    def test_replay_refuses_what_a_daemon_holds(self):
        with Tracker() as tracker:
            spooled(tracker, 3)
            result = waslctl(tracker, "spool", "replay", "--json")
            self.assertEqual(result.rc, 1)
            self.assertEqual(json.loads(result.out)["held"], 2)
            self.assertIn("held by a running daemon", result.err)

    def test_replay_sends_what_a_dead_daemon_left(self):
        with Tracker() as tracker:
            clicks = spooled(tracker, 200)
            tracker.process.kill()
            tracker.process.wait()
            failed = waslctl(tracker, "spool", "replay")
            self.assertEqual(failed.rc, 1)
            self.assertIn("Redis does not answer", failed.err)
            tracker.start_redis()
            result = waslctl(tracker, "spool", "replay", "--json")
            self.assertEqual((result.rc, result.err), (0, ""))
            self.assertEqual(json.loads(result.out), {"replayed": 200, "expired": 0, "set_aside": 0, "held": 0})
            self.assertTrue(all(tracker.record(click) for click in clicks))
            self.assertGreaterEqual(min(tracker.ttls().values()), WINDOW_S)
            again = json.loads(waslctl(tracker, "spool", "replay", "--json").out)
            self.assertEqual(again["replayed"], 0)
            self.assertEqual(json.loads(waslctl(tracker, "spool", "show", "--json").out)["data"], [])

    def test_damage_is_told_and_set_aside(self):
        with Tracker({"workers": 1}) as tracker:
            spooled(tracker, 10)
            tracker.process.kill()
            tracker.process.wait()
            segment = next((tracker.dir / "state" / "spool").rglob("*.seg"))
            raw = bytearray(segment.read_bytes())
            raw[200] ^= 1
            segment.write_bytes(raw)
            row = json.loads(waslctl(tracker, "spool", "list", "--json").out)["data"][0]
            self.assertEqual((row["held"], row["records"], row["damaged"]), (False, 9, 1))
            tracker.start_redis()
            result = json.loads(waslctl(tracker, "spool", "replay", "--json").out)
            self.assertEqual((result["replayed"], result["set_aside"]), (9, 1))
            row = json.loads(waslctl(tracker, "spool", "list", "--json").out)["data"][0]
            self.assertEqual((row["records"], row["set_aside"]), (0, 1))

    def test_no_spools_are_said(self):
        with Tracker() as tracker:
            result = waslctl(tracker, "spool", "list", "--state-dir", "/nonexistent")
            self.assertEqual(result.rc, 1)
            self.assertIn("/nonexistent/spool", result.err)


if __name__ == "__main__":
    unittest.main()
