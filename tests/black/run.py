#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the black-box tests: each file in a process of its own, two at a time, everything within a limit.

usage: tests/black/run.py [--jobs N] [FILE…]     all test_*.py beside it if no file is named
WASL_BIN names the folder of the programs. Ends with one line `black: N passed, N failed, N skipped`."""

import concurrent.futures
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
SCRIPT = str(HERE.parents[1] / "deploy" / "stack")
JOBS = 2
LONG = ("test_stack.py", "test_tracker_edge.py")  # begun first, so that nobody waits for them at the end
FILE_LIMIT_S = 400
TEST_LIMIT_S = 120
DOWN_LIMIT_S = 60
OUTPUT_MAX = 20000


class TimedResult(unittest.TextTestResult):
    """Counts what passed, and gives each test its limit."""

    def __init__(self, *words, **options):
        super().__init__(*words, **options)
        self.passed = 0

    def startTest(self, test):
        super().startTest(test)
        signal.alarm(TEST_LIMIT_S)

    def stopTest(self, test):
        signal.alarm(0)
        super().stopTest(test)

    def addSuccess(self, test):
        super().addSuccess(test)
        self.passed += 1

    def addExpectedFailure(self, test, err):
        super().addExpectedFailure(test, err)
        self.passed += 1


def on_alarm(_number, _frame):
    raise TimeoutError("the test took longer than %d s" % TEST_LIMIT_S)


def run_here(path, report):
    """In the file's own process: runs its tests and writes the counts to report."""
    signal.signal(signal.SIGALRM, on_alarm)
    sys.path.insert(0, str(HERE))
    suite = unittest.defaultTestLoader.loadTestsFromName(path.stem)
    runner = unittest.TextTestRunner(verbosity=2, resultclass=TimedResult)
    result = runner.run(suite)
    failed = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    counts = {"passed": result.passed, "failed": failed, "skipped": len(result.skipped)}
    report.write_text(json.dumps(counts))
    return 1 if failed else 0


def run_file(path):
    """Starts a process for one file; returns its counts, its output and the time it took."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="wasl-black-", ignore_cleanup_errors=True) as folder:
        report = pathlib.Path(folder, "report.json")
        env = {**os.environ, "WASL_TEST_DIR": folder, "PYTHONDONTWRITEBYTECODE": "1"}
        with open(pathlib.Path(folder, "output"), "w+b") as output:
            child = subprocess.Popen(
                [sys.executable, __file__, "--here", str(path), str(report)], env=env,
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
            try:
                child.wait(FILE_LIMIT_S)
                trouble = ""
            except subprocess.TimeoutExpired:
                trouble = "took longer than %d s" % FILE_LIMIT_S
            end_group(child)
            output.seek(0)
            text = output.read().decode(errors="replace")
        trouble += down_all(folder)
        counts = {"passed": 0, "failed": 0, "skipped": 0}
        if report.exists():
            counts = json.loads(report.read_text())
        elif not trouble:
            trouble = "ended without a report"
    if trouble:
        counts["failed"] += 1
        text += "\n%s: %s\n" % (path.name, trouble)
    return counts, text, time.monotonic() - began


def end_group(child):
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    child.wait()


def down_all(folder):
    """Takes down the stacks that a file left up; says so, as that is a fault of the file."""
    trouble = ""
    for lock in pathlib.Path(folder).glob("*/stack.lock"):
        if (lock.parent / "pids").exists():
            trouble += " left a stack up"
        subprocess.run([SCRIPT, "down", str(lock.parent)], timeout=DOWN_LIMIT_S, check=False)
        shutil.rmtree(lock.parent, ignore_errors=True)
    return trouble


def main(words):
    if words[:1] == ["--here"]:
        return run_here(pathlib.Path(words[1]), pathlib.Path(words[2]))
    jobs = JOBS
    if words[:1] == ["--jobs"]:
        jobs, words = int(words[1]), words[2:]
    paths = [pathlib.Path(word).resolve() for word in words] or sorted(HERE.glob("test_*.py"), key=lambda path: (path.name not in LONG, path.name))
    total = {"passed": 0, "failed": 0, "skipped": 0}
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        runs = {pool.submit(run_file, path): path for path in paths}
        for done in concurrent.futures.as_completed(runs):
            counts, text, took_s = done.result()
            for name in total:
                total[name] += counts[name]
            if counts["failed"]:
                print(text[-OUTPUT_MAX:])
            print("  %-28s %4d passed, %d failed, %d skipped  %5.1f s" % (
                runs[done].name, counts["passed"], counts["failed"], counts["skipped"], took_s), flush=True)
    print("black: %(passed)d passed, %(failed)d failed, %(skipped)d skipped" % total)
    return 1 if total["failed"] or not total["passed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
