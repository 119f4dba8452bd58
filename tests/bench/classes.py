#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How many people the tracker takes for robots, and how many robots it finds, on two public lists.

usage: tests/bench/classes.py FOLDER [-v]

FOLDER holds two packages of npm that are no part of this repository:

    npm install --ignore-scripts --prefix FOLDER user-agents crawler-user-agents

`user-agents` is a sample of 10,000 visits of people, each as often as it was seen; `crawler-user-agents` lists robots
with User-Agents of each, of which every different one counts once. Both go through the tracker's own code, with no
other header than the User-Agent. -v lists what was judged otherwise than its list says. Exit status 1: a person was
taken for a robot, or less than 97 % of the robots were found.

The names in the tracker's table were partly taken from this list of robots, so its rate says how well the table knows
them; of two other lists' robots that are not in it (device-detector's and isbot's fixtures, 942 and 475 User-Agents,
many of them nothing but a made-up word) 78 % and 70 % were found.

What is not found is in three parts. A robot that sends a browser's User-Agent without any sign is `human`, one whose
name tells nothing ("Magellan") is `suspect`; both are credited, since a person marked as a robot costs a wage. And the
list of robots holds some people: editors that show pages, Instagram's and Facebook's own browsers.
"""
import collections
import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = "build/rel/tests/bench/tracker/classify_lines"
ROBOTS_FOUND_MIN = 0.97
REFUSED = ("bot", "preview")


def judge(agents):
    """(class, app, os) of each User-Agent."""
    text = "".join(agent.replace("\n", " ") + "\n" for agent in agents)
    done = subprocess.run([ROOT / PROGRAM], input=text.encode(), stdout=subprocess.PIPE, check=True)
    rows = [line.split("\t") for line in done.stdout.decode().splitlines()]
    if len(rows) != len(agents):
        raise ValueError(f"{len(rows)} answers to {len(agents)} User-Agents")
    return rows


def report(title, agents, rows):
    """How many of the agents are refused credit."""
    refused = sum(row[0] in REFUSED for row in rows)
    print(f"{title}: {len(agents):,} User-Agents, {len(set(agents)):,} different; {refused:,} taken for robots "
          f"({refused / len(agents):.2%})")
    for what, column in (("class", 0), ("app", 1), ("os", 2)):
        counts = collections.Counter(row[column] for row in rows).most_common()
        print(f"  {what}: " + ", ".join(f"{name} {count:,}" for name, count in counts))
    return refused


def main(folder, is_verbose):
    modules = pathlib.Path(folder) / "node_modules"
    visits = json.loads((modules / "user-agents/dist/user-agents.json").read_text())
    crawlers = json.loads((modules / "crawler-user-agents/crawler-user-agents.json").read_text())
    people = [visit["userAgent"] for visit in visits]
    robots = sorted({agent for crawler in crawlers for agent in crawler["instances"]})
    subprocess.run(["make", "-s", PROGRAM], cwd=ROOT, stdout=sys.stderr, check=True)

    people_rows, robot_rows = judge(people), judge(robots)
    marked = report("people", people, people_rows)
    found = report("robots", robots, robot_rows)
    if is_verbose:
        for agent in sorted({a for a, row in zip(people, people_rows) if row[0] in REFUSED}):
            print(f"  a person taken for a robot: {agent}")
        for agent, row in zip(robots, robot_rows):
            if row[0] not in REFUSED:
                print(f"  a robot taken for {row[0]}: {agent}")
    return 1 if marked or found < ROBOTS_FOUND_MIN * len(robots) else 0


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], "-v" in sys.argv[2:]))
