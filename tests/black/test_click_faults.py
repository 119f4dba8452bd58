# SPDX-License-Identifier: Apache-2.0
"""One round of the fault run: no click that was answered with a token is lost, and none is there twice."""

import os
import time
import unittest

import faultrun


class ClickFaults(unittest.TestCase):
    def test_no_fault_costs_a_click_that_was_answered(self):
        seed = int(os.environ.get("SOAK_SEED", time.time_ns() % 10**9))
        print("seed %d" % seed, flush=True)
        with faultrun.FaultRun(seed) as run:
            result = run.round()
        print(faultrun.describe(seed, result), flush=True)
        self.assertGreater(result["clicks"], 300)
        faultrun.check(result)


if __name__ == "__main__":
    unittest.main()
