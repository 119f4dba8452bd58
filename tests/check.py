#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs every test of a build: units, corpora, the core against the reference, black box; a line a part, and `N passed, N failed` to close with.

usage: tests/check.py OUT BIN     the folders of the built tests and of the three programs; from the top"""

import concurrent.futures
import glob
import os
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
UNIT_LIMIT_S = 900
REPLAY_LIMIT_S = 600
BLACK_LIMIT_S = 3000
PERMUTE_S = 12  # of random orders; make oracle draws more
SLOWNESS = 10  # of a machine, at which no test fails for being slow
OUTPUT_MAX = 8000

# A sanitizer's finding has to end the program, and to be told apart from what the program itself would exit with.
SANITIZERS = {
    "ASAN_OPTIONS": "halt_on_error=1:detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1:exitcode=97",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1:exitcode=98",
}
CHECK_LINE = re.compile(r"^\d+%: Checks: (\d+), Failures: (\d+), Errors: (\d+)", re.MULTILINE)
BLACK_LINE = re.compile(r"^black: (\d+) passed, (\d+) failed", re.MULTILINE)


def run(command, limit_s, **options):
    """The exit code and all output of a command; a code of None when the limit has passed."""
    env = {**SANITIZERS, **os.environ, "CK_FORK": "yes", "CK_VERBOSITY": "normal",
           "CK_TIMEOUT_MULTIPLIER": str(SLOWNESS)}
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, cwd=ROOT, check=False,
                              stderr=subprocess.STDOUT, timeout=limit_s, env={**env, **options})
    except subprocess.TimeoutExpired as late:
        return None, (late.stdout or b"").decode(errors="replace") + "\nnot done within %d s\n" % limit_s
    except OSError as err:
        return None, str(err)
    return done.returncode, done.stdout.decode(errors="replace")


def run_units(out):
    """Check's own counts, summed over the binaries; one that dies counts as a failure."""
    passed = failed = 0
    for source in sorted(glob.glob("tests/unit/*/test_*.c", root_dir=ROOT)):
        code, text = run([str(out / source[:-2])], UNIT_LIMIT_S)
        found = CHECK_LINE.findall(text)
        bad = sum(int(failures) + int(errors) for _, failures, errors in found)
        passed += sum(int(checks) for checks, _, _ in found) - bad
        if bad == 0 and (code != 0 or not found):
            bad = 1
        failed += bad
        if bad:
            print(text[-OUTPUT_MAX:], "%s: exit %s" % (source, code), sep="\n")
    return passed, failed


def run_corpora(out):
    """Each committed input of each fuzz target is one test."""
    passed = failed = 0
    for source in sorted(glob.glob("tests/fuzz/*/fuzz_*.c", root_dir=ROOT)):
        name = pathlib.Path(source).stem.partition("_")[2]
        inputs = sorted(glob.glob("tests/fuzz/corpus/%s/*" % name, root_dir=ROOT))
        bad = replay(str(out / source[:-2]), inputs) if inputs else ["no input in tests/fuzz/corpus/" + name]
        passed += len(inputs) - len(bad) if inputs else 0
        failed += len(bad)
        for text in bad:
            print(text[-OUTPUT_MAX:])
    return passed, failed


def replay(program, inputs):
    """What went wrong, a text for each input; one by one only if not all pass together."""
    if run([program, *inputs], REPLAY_LIMIT_S)[0] == 0:
        return []
    bad = []
    for path in inputs:
        code, text = run([program, path], REPLAY_LIMIT_S)
        if code != 0:
            bad.append("%s\n%s %s: exit %s" % (text, program, path, code))
    return bad or ["%s: fails on its inputs together, on none alone" % program]


def run_oracle(out):
    """The reference's own worked lines, then random orders in every order of arrival through the core."""
    code, text = run([sys.executable, "tests/oracle/life.py", "--selftest"], REPLAY_LIMIT_S)
    found = re.search(r"^oracle: (\d+) worked lines hold", text, re.MULTILINE)
    passed, failed = int(found[1]) if found else 0, int(code != 0 or not found)
    tool = str(out / "tests/oracle/fold_tool")
    seed = ["--seed", os.environ["WASL_TEST_SEED"]] if "WASL_TEST_SEED" in os.environ else []
    code, permuted = run([sys.executable, "tests/oracle/permute.py", tool, "--seconds", str(PERMUTE_S), *seed],
                         REPLAY_LIMIT_S)
    print((text if failed else "") + permuted[-OUTPUT_MAX:], end="")
    return passed + int(code == 0), failed + int(code != 0)


def run_black(bin_folder):
    code, text = run([sys.executable, "tests/black/run.py"], BLACK_LIMIT_S, WASL_BIN=str(bin_folder))
    print(text, end="")
    found = BLACK_LINE.findall(text)
    passed, failed = (int(found[-1][0]), int(found[-1][1])) if found else (0, 1)
    return passed, failed or int(code != 0)


def run_part(name, part, folder):
    """Runs one part and says how it went; (passed, failed)."""
    began = time.monotonic()
    passed, failed = part(folder)
    print("%-12s %5d passed, %d failed  (%.1f s)" % (name, passed, failed, time.monotonic() - began), flush=True)
    return passed, failed


def main(out, bin_folder):
    out, bin_folder = pathlib.Path(out).resolve(), pathlib.Path(bin_folder).resolve()
    parts = (("unit tests", run_units, out), ("fuzz corpus", run_corpora, out), ("reference", run_oracle, out))
    # The black-box tests mostly wait, and take longest: the others run beside them, one at a time.
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        black = pool.submit(run_part, "black box", run_black, bin_folder)
        counts = [run_part(*part) for part in parts] + [black.result()]
    passed, failed = (sum(column) for column in zip(*counts))
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
