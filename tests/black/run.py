#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the black-box tests: each file in a process of its own, three at a time, everything within a limit.

usage: tests/black/run.py [--jobs N] [FILE…]     all test_*.py beside it if no file is named
WASL_BIN names the folder of the programs. Ends with one line `black: N passed, N failed, N skipped`."""

import concurrent.futures
import contextlib
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
JOBS = 3  # on two cores: most of the time a file waits
# About how many seconds a file takes: the longest begin first, so that nobody waits for them at the end.
USUAL_S = 20
LONG_S = {
    "test_stack.py": 120, "test_order_faults.py": 90, "test_payouts.py": 60, "test_schema.py": 60,
    "test_tracker_edge.py": 55, "test_webhook_post.py": 50, "test_verify.py": 50, "test_permutations.py": 45,
    "test_schema_acts.py": 45, "test_publish.py": 40, "test_ctl.py": 40, "test_ctl_money.py": 40,
    "test_tracker_life.py": 35, "test_faults_orders.py": 35, "test_life.py": 35, "test_match.py": 30,
    "test_rotation.py": 30, "test_postgres_failover.py": 30,
}
# Reached only where something hangs; a machine that is ten times slower does not.
FILE_LIMIT_S = 1500
TEST_LIMIT_S = 600
DOWN_LIMIT_S = 180
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


@contextlib.contextmanager
def stack_template():
    """One initdb for all stacks; without, each runs its own. Below /tmp, where Postgres's user can go."""
    with tempfile.TemporaryDirectory(prefix="wasl-template-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        done = subprocess.run([SCRIPT, "template", folder], stdin=subprocess.DEVNULL, check=False)
        if done.returncode == 0:
            os.environ["WASL_STACK_TEMPLATE"] = folder
        yield


def main(words):
    if words[:1] == ["--here"]:
        return run_here(pathlib.Path(words[1]), pathlib.Path(words[2]))
    jobs = JOBS
    if words[:1] == ["--jobs"]:
        jobs, words = int(words[1]), words[2:]
    named = [pathlib.Path(word).resolve() for word in words]
    paths = named or sorted(HERE.glob("test_*.py"), key=lambda path: (-LONG_S.get(path.name, USUAL_S), path.name))
    with stack_template() if len(paths) > 1 else contextlib.nullcontext():
        return run_files(paths, jobs)


def run_files(paths, jobs):
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
