# SPDX-License-Identifier: Apache-2.0
"""The marketplace's replay: it has the real size, follows from its seed alone, agrees when it is small, and names an
order that differs."""

import collections
import os
import pathlib
import subprocess
import sys
import time
import types
import unittest

import stack

MARKET = pathlib.Path(__file__).resolve().parents[1] / "bench" / "market"
sys.path[:0] = [str(MARKET.parent), str(MARKET)]
import bazaar  # noqa: E402
import reckon  # noqa: E402
import story  # noqa: E402

SEED = int(os.environ.get("WASL_TEST_SEED") or time.time_ns() % 10**9)
DIGEST = "import sys, bazaar, story; m = bazaar.Bazaar(int(sys.argv[1]), 0.02); print(story.Story(m, 1).digest())"
REPLAY_S = 500  # takes about 20; a machine may have other work


def digest(seed, hash_seed):
    done = subprocess.run([sys.executable, "-c", DIGEST, str(seed)], capture_output=True, text=True, check=True,
                          timeout=60, env={**os.environ, "PYTHONPATH": str(MARKET), "PYTHONHASHSEED": hash_seed})
    return done.stdout.strip()


class Generator(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        print("seed %d" % SEED, flush=True)
        cls.market = bazaar.Bazaar(SEED)

    def test_size_and_gross_are_exact(self):
        market = self.market
        self.assertEqual((len(market.stores), len(market.products), len(market.orders)), (1475, 6591, 65456))
        self.assertEqual(len(market.affiliates) + len(market.buyers), 35171)
        self.assertGreater(len(market.affiliates), 31000)
        self.assertEqual(sum(line.unit_minor * line.quantity for order in market.orders for line in order.lines),
                         5950053600)
        self.assertTrue(all(store.products for store in market.stores))

    def test_mix_is_the_one_that_is_written_down(self):
        drawn = collections.Counter(order.fate for order in self.market.orders)
        for fate, percent in bazaar.FATES:
            self.assertAlmostEqual(100 * drawn[fate] / len(self.market.orders), percent, delta=2.5, msg=fate)
        self.assertGreater(sum(len(order.visits) > 1 for order in self.market.orders), 10000)
        self.assertGreater(sum(order.coupon is not None for order in self.market.orders), 3000)
        states = {state for order in self.market.orders for state, _ in bazaar.expected(order).values()}
        self.assertEqual(states, {"pending", "held", "approved", "voided", "reversed"})

    def test_seed_decides_every_byte(self):
        first = digest(SEED, "1")
        self.assertEqual(digest(SEED, "2"), first)
        self.assertNotEqual(digest(SEED + 1, "1"), first)

    def test_repeated_events_keep_their_bytes_and_some_come_late(self):
        market = bazaar.Bazaar(SEED, 0.02)
        sent = story.Story(market, SEED).sent
        self.assertGreater(len(sent) - len(set(sent)), 0)
        again = {event.id: event.body(7) for event in sent}
        self.assertTrue(all(event.body(7) == again[event.id] for event in sent))
        order = next(order for order in market.orders if order.days)
        self.assertLess(order.placed_s, -bazaar.DAY_S)


class Reckoning(unittest.TestCase):
    """compare_orders with an answer of the database that is made up."""

    def setUp(self):
        self.market = bazaar.Bazaar(SEED, 0.02)
        for number, store in enumerate(self.market.stores, 1):
            store.id = number
        self.expected = [(order, bazaar.expected(order)) for order in self.market.orders]
        self.rows = [[str(order.store.id), order.order_id, str(affiliate), state, str(minor)]
                     for order, must in self.expected for affiliate, (state, minor) in must.items()]

    def faults(self):
        faults = reckon.Faults()
        reckon.compare_orders(types.SimpleNamespace(sql=lambda _: self.rows), self.expected, faults)
        return faults.all

    def test_equal_rows_are_no_fault(self):
        self.assertEqual(self.faults(), [])

    def test_a_piastre_more_is_named_by_its_order(self):
        self.rows[7][4] = str(int(self.rows[7][4]) + 1)
        (fault,) = self.faults()
        self.assertIn("store %s order %s (" % tuple(self.rows[7][:2]), fault)

    def test_another_state_or_a_missing_row_is_named(self):
        self.rows[3][3] = "paid"
        (fault,) = self.faults()
        self.assertIn(self.rows[3][1], fault)
        gone = self.rows.pop(3)
        (fault,) = self.faults()
        self.assertIn(gone[1], fault)

    def test_a_row_too_many_is_named(self):
        self.rows.append(["1", "nobody-sent-this", "1", "held", "1"])
        (fault,) = self.faults()
        self.assertIn("nobody-sent-this", fault)

    def test_a_balance_that_differs_is_named(self):
        table = types.SimpleNamespace(faults=reckon.Faults(), row=lambda *_: None)
        reckon.compare_rows("store %d", {(1,): ("1.00",), (2,): ("0.00",)}, {(1,): ("1.01",)}, table, "dues")
        self.assertEqual(table.faults.all, ["balance of store 1: ('1.01',), not ('1.00',)"])


class Replay(unittest.TestCase):
    def test_small_market_agrees(self):
        done = stack.run(sys.executable, MARKET / "market.py", SEED, "0.004", env=dict(os.environ), limit_s=REPLAY_S)
        self.assertEqual(done.rc, 0, done.out + done.err)
        self.assertIn("every invariant holds", done.out)


if __name__ == "__main__":
    unittest.main()
