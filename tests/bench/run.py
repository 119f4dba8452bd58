# SPDX-License-Identifier: Apache-2.0
"""Runs every benchmark, each against its anchor in the same run: a table of ratios, and results.json.

usage: run.py OUT RESULTS_DIR [NAME…]; those of that name alone, "tracker" for bench_tracker.py, if any is given.
A benchmark is a program OUT/tests/bench/*/bench_* or a script beside this one whose
name begins with bench_; it prints one JSON object a line: name, unit, ours, anchor, anchor_name, ratio, rounds. Scripts
find their tools, the other programs of that folder, by WASL_BENCH_OUT.
Progress goes to stderr. Any benchmark that fails or says nothing makes the run fail.
"""
import json
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
LIMIT_S = 900
MEMBERS = ("name", "unit", "ours", "anchor", "anchor_name", "ratio", "rounds")


def benchmarks(out, names):
    programs = sorted(p for p in out.glob("tests/bench/*/bench_*") if p.suffix == "" and os.access(p, os.X_OK))
    scripts = sorted(HERE.glob("bench_*.py"))
    found = [([str(p)], p.name) for p in programs] + [([sys.executable, str(s)], s.stem) for s in scripts]
    return [command for command, name in found if not names or name.removeprefix("bench_") in names]


def rows_of(command, out):
    env = {**os.environ, "WASL_BENCH_OUT": str(out.resolve())}
    done = subprocess.run(command, stdout=subprocess.PIPE, timeout=LIMIT_S, text=True, check=True, env=env)
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.strip()]
    if not rows:
        raise ValueError("printed no figure")
    for row in rows:
        if tuple(row) != MEMBERS:
            raise ValueError(f"members {tuple(row)} instead of {MEMBERS}")
    return rows


def figure(value):
    return "-" if value is None else f"{value:,.3f}" if abs(value) < 100 else f"{value:,.0f}"


def show(rows):
    table = [("name", "unit", "ours", "anchor", "ratio", "rounds", "anchor is")]
    table += [(r["name"], r["unit"], figure(r["ours"]), figure(r["anchor"]),
               "-" if r["ratio"] is None else f"{r['ratio']:.2f} x", str(r["rounds"]), r["anchor_name"] or "none")
              for r in rows]
    widths = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
    for line in table:
        cells = [c.ljust(w) if i in (0, 1, 6) else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths))]
        print("  ".join(cells).rstrip())


def main():
    out, results = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    rows, failed = [], 0
    for command in benchmarks(out, sys.argv[3:]):
        print(f"  BENCH {pathlib.Path(command[-1]).stem}", file=sys.stderr, flush=True)
        try:
            rows += rows_of(command, out)
        except (subprocess.SubprocessError, ValueError) as why:
            print(f"{command[-1]}: {why}", file=sys.stderr)
            failed += 1
    results.mkdir(parents=True, exist_ok=True)
    (results / "results.json").write_text(json.dumps(rows, indent=1) + "\n")
    show(rows)
    return 1 if failed or not rows else 0


if __name__ == "__main__":
    sys.exit(main())
