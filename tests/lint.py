#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The house's rules that a machine can see: format, who includes what, sizes, banned calls, heads, shell and Python.

usage: tests/lint.py [FILE…]     every file that git knows, or would add, if none is named"""

import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 70
LINE_COLUMNS_MAX = 100
TAB_COLUMNS = 8

# One edge file per library: the header's start, and the only files that may include it.
EDGES = (
    ("event2/", r"common/loop\.c"),
    ("llhttp", r"common/http\w*\.[ch]"),
    ("hiredis/", r"common/redis\w*\.c"),
    ("libpq", r"attributor/db\w*\.[ch]|ctl/db\w*\.[ch]"),
    ("postgresql/", r"attributor/db\w*\.[ch]|ctl/db\w*\.[ch]"),
    ("jansson", r"attributor/event_json\w*\.[ch]|attributor/api\w*\.[ch]|attributor/platforms/.*|ctl/.*"),
)
# The wings: a header of the right-hand folder may not be included from the left-hand one.
WALLS = (("common", ("tracker", "attributor", "ctl")), ("tracker", ("attributor", "ctl")),
         ("attributor", ("tracker", "ctl")), ("ctl", ("tracker", "attributor")))
# The one door: waslctl verify folds orders with the attributor's own core, since there is one fold and not two. Only
# these headers, which know no I/O, and only ctl/refold* and, for its answer, ctl/rule_explain.c may name them.
CORE_HEADERS = {"arena.h", "commission.h", "decide.h", "event_json.h", "fold.h", "left.h", "match.h", "moves.h", "order.h",
                "outcome.h", "price.h"}
CORE_READERS = re.compile(r"ctl/(refold\w*\.[ch]|rule_explain\.c)")
BANNED_CALLS = re.compile(
    r"(?<![\w.>])(strcpy|strcat|stpcpy|sprintf|vsprintf|strtok|atoi|atol|atoll|atof|sscanf|vsscanf|gets|alloca|"
    r"signal|rand|srand|random|localtime|gmtime|ctime|asctime|tmpnam|mktemp|system|popen)\s*\(")
MONEY_FILES = re.compile(r"(common/money|attributor/(price|fold|match|post|order))\w*\.[ch]")
FLOATS = re.compile(r"\b(double|float)\b")
UNFINISHED = re.compile(r"\b(TODO|FIXME|HACK)\b")
MACHINE_PATHS = re.compile(r"(?<![\w.*-])/(home|root|work|Users)/\w")
CONFLICT = re.compile(r"^(<{7} |>{7} |={7}$)", re.MULTILINE)
TEXT_SUFFIXES = {".c", ".h", ".def", ".py", ".sh", ".sql", ".md", ".service", ".conf", ".1", ".8", ".yml"}
HEADED_SUFFIXES = {".c", ".h", ".def", ".py", ".sh", ".sql", ".service"}
SPDX = "SPDX-License-Identifier: Apache-2.0"


def files_of_git():
    out = subprocess.run(["git", "ls-files", "-z", "-c", "-o", "--exclude-standard"], cwd=ROOT,
                         capture_output=True, check=True).stdout
    return sorted(name for name in set(out.decode().split("\0")) if name and (ROOT / name).is_file())


def without_comments(text):
    """C with comments and the contents of literals blanked, the lines kept."""
    def blank(match):
        word = match.group()
        if word[0] in "\"'":
            return word[0] * 2
        return " " + "\n" * word.count("\n")
    return re.sub(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", blank, text, flags=re.S)


def check_head(name, text):
    """Line one (after a #! line) is the licence, and a sentence on what the file is for follows."""
    lines = text.split("\n")
    if lines[0].startswith("#!"):
        lines = lines[1:]
    if not lines or SPDX not in lines[0]:
        yield 1, "the head is not '%s'" % SPDX
    elif not re.search(r"\w+ \w+", "".join(lines[1:2])):
        yield 2, "no sentence on what the file is for"


def check_text(name, text):
    for number, line in enumerate(text.split("\n"), 1):
        if UNFINISHED.search(line) and name != "tests/lint.py":
            yield number, "unfinished work is not committed: " + UNFINISHED.search(line).group()
        if MACHINE_PATHS.search(line):
            yield number, "a path of somebody's machine"
        if line != line.rstrip() and not name.endswith(".md"):
            yield number, "blanks at the end of the line"
    if CONFLICT.search(text):
        yield 1, "an unresolved merge"
    if text and not text.endswith("\n"):
        yield text.count("\n") + 1, "no newline at the end"


def check_includes(name, text):
    wing = name.split("/")[0]
    for number, line in enumerate(text.split("\n"), 1):
        match = re.match(r'\s*#\s*include\s*[<"]([^>"]+)[>"]', line)
        if not match:
            continue
        header = match.group(1)
        for prefix, allowed in EDGES:
            if header.startswith(prefix) and not re.fullmatch(allowed, name):
                yield number, "%s belongs to its edge file (%s)" % (header, allowed.replace("\\", ""))
        for inside, outside in WALLS:
            if wing == inside and header.startswith(tuple(folder + "/" for folder in outside)):
                yield number, "%s may not know %s" % (inside, header)
        if wing in ("common", "tracker", "attributor", "ctl") and line.lstrip().startswith("#include \""):
            homes = [wing, "common", name.rpartition("/")[0]]
            is_generated = header == "schema_files.h"
            is_core = header in CORE_HEADERS and CORE_READERS.fullmatch(name)
            if not is_generated and not is_core and not any((ROOT / home / header).exists() for home in homes):
                yield number, "%s is neither of %s nor of common" % (header, wing)


def check_c(name, text):
    code = without_comments(text)
    lines = code.split("\n")
    for number, line in enumerate(lines, 1):
        banned = BANNED_CALLS.search(line)
        if banned:
            yield number, "%s is not used here" % banned.group(1)
        if MONEY_FILES.fullmatch(name) and FLOATS.search(line):
            yield number, "money is never floating point"
    for number, line in enumerate(text.split("\n"), 1):
        if len(line.expandtabs(TAB_COLUMNS)) > LINE_COLUMNS_MAX:
            yield number, "over %d columns" % LINE_COLUMNS_MAX
    if len(lines) - 1 > FILE_LINES_MAX:
        yield len(lines), "%d lines, over %d" % (len(lines) - 1, FILE_LINES_MAX)
    yield from check_functions(lines)


def check_functions(lines):
    """A function's body begins with a brace in column one and ends with one."""
    began = None
    for number, line in enumerate(lines, 1):
        if line == "{":
            began = number
        elif line.startswith("}") and began is not None:
            if number - began - 1 > FUNCTION_LINES_MAX:
                yield began, "a function of %d lines, over %d" % (number - began - 1, FUNCTION_LINES_MAX)
            began = None


def tool(words, names, what):
    """Runs a tool over files; its own words are the message."""
    if not names:
        return 0
    if shutil.which(words[0]) is None:
        print("lint: %s is not installed (make deps-lint)" % words[0])
        return 1
    done = subprocess.run([*words, *names], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return 0
    print((done.stdout + done.stderr).rstrip())
    print("lint: %s" % what)
    return 1


def compile_python(name, text):
    try:
        compile(text, name, "exec")
    except SyntaxError as err:
        yield err.lineno or 1, err.msg


def main(words):
    names = words or files_of_git()
    texts = {}
    for name in names:
        is_script = "." not in pathlib.Path(name).name
        if pathlib.Path(name).suffix in TEXT_SUFFIXES or is_script and name.startswith(("deploy/", "tests/", ".ci/")):
            if not name.startswith("tests/fuzz/corpus/"):
                texts[name] = (ROOT / name).read_text(encoding="utf-8")
    faults = 0
    for name, text in texts.items():
        suffix = pathlib.Path(name).suffix
        checks = [check_text]
        if suffix in HEADED_SUFFIXES or text.startswith("#!"):
            checks.append(check_head)
        if suffix == ".py":
            checks.append(compile_python)
        if suffix in (".c", ".h"):
            checks += [check_includes, check_c]
        for check in checks:
            for number, message in check(name, text):
                print("%s:%d: %s" % (name, number, message))
                faults += 1
    shell = [name for name, text in texts.items() if re.match(r"#!/bin/(ba)?sh\b|#!/usr/bin/env bash", text)]
    python = [name for name, text in texts.items() if name.endswith(".py")]
    faults += tool(["clang-format", "--dry-run", "-Werror", "--style=file"],
                   [name for name in texts if name.endswith((".c", ".h"))], "clang-format -i puts it right")
    faults += tool(["shellcheck", "--external-sources", "--check-sourced"], shell, "shellcheck")
    if shutil.which("pyflakes3"):
        faults += tool(["pyflakes3"], python, "pyflakes")
    print("lint: %d files, %d faults" % (len(texts), faults))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
