# SPDX-License-Identifier: Apache-2.0
"""The documents' examples, run as printed: each `console` block's commands, in one shell, give what stands below them."""
import os
import pathlib
import re
import shutil
import subprocess
import unittest

import stack

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("WASL_BIN", ROOT / "build" / "bin")).resolve()
SHELL_LIMIT_S = 500
MARK = "\x1e"
# With them a slow machine's stack answers as a quick one's does.
PATIENCE = [word for pair in stack.PATIENT.items() for word in ("--set", "%s=%s" % pair)]


def examples(document):
    """Yields (command, expected output) of a document, in order."""
    for block in re.findall(r"^```console\n(.*?)^```", document.read_text(), re.M | re.S):
        for piece in re.split(r"^\$ ", block, flags=re.M)[1:]:
            lines = piece.split("\n")
            command = [lines.pop(0)]
            while command[-1].endswith("\\") or (lines and lines[0].startswith("> ")):
                following = lines.pop(0)
                command.append(following.removeprefix("> "))
            yield "\n".join(command), "\n".join(lines).rstrip("\n")


def pattern(expected):
    """What is printed, to the letter but for `…` (anything within a line) and a line of `…` (any lines)."""
    parts = []
    for line in expected.split("\n"):
        if line.strip() == "…":
            parts.append(r"(?:.*\n)*?")
        else:
            parts.append(".*?".join(re.escape(p.rstrip()) for p in line.split("…")) + r"[ ]*\n")
    return re.compile("".join(parts) + r"\Z")


def patiently(command):
    return re.sub(r"^deploy/stack up \S+", lambda match: " ".join([match[0], *PATIENCE]), command)


class Documents(unittest.TestCase):
    maxDiff = None

    def run_document(self, name, stack_dir, needs_stack):
        steps = list(examples(ROOT / name))
        self.assertGreater(len(steps), 5, f"{name} has no examples")
        environment = {k: v for k, v in os.environ.items() if not k.startswith("WASL_")}
        environment.update(WASL_BIN=str(BIN), PATH=f"{BIN}:{environment['PATH']}", LC_ALL="C.UTF-8")
        script = "".join(
            f"{patiently(command)}\nstatus=$?; printf '\\n{MARK}%s\\n' \"$status\"\n" for command, _ in steps)
        self.stack("down", stack_dir, environment, check=False)
        shutil.rmtree(stack_dir, ignore_errors=True)
        try:
            if needs_stack:
                self.stack("up", stack_dir, environment, *PATIENCE)
            done = subprocess.run(
                ["bash"], input=script, cwd=ROOT, env=environment, text=True, timeout=SHELL_LIMIT_S,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        finally:
            self.stack("down", stack_dir, environment, check=False)
        answers = re.split(rf"\n{MARK}(\d+)\n", done.stdout)
        self.assertEqual(len(answers), 2 * len(steps) + 1, done.stdout)
        for index, (command, expected) in enumerate(steps):
            printed, status = answers[2 * index], answers[2 * index + 1]
            printed = printed.rstrip("\n")
            with self.subTest(document=name, command=command):
                self.assertEqual(status, "0", f"$ {command}\n{printed}")
                if expected or printed:
                    self.assertRegex(printed + "\n", pattern(expected), f"$ {command}\n{printed}")

    def stack(self, verb, directory, environment, *words, check=True):
        subprocess.run([ROOT / "deploy" / "stack", verb, directory, *words], env=environment, check=check, timeout=300,
                       capture_output=True)

    def test_the_readme_tour_works_as_printed(self):
        self.run_document("README.md", ROOT / "build" / "tour", needs_stack=False)

    def test_the_storefront_guide_works_as_printed(self):
        self.run_document("deploy/storefront.md", ROOT / "build" / "storefront", needs_stack=True)


if __name__ == "__main__":
    unittest.main()
