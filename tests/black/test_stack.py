# SPDX-License-Identifier: Apache-2.0
"""deploy/stack itself: what it promises, also after a crash in between, and that nothing stays behind."""

import concurrent.futures
import contextlib
import os
import pathlib
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import unittest
import unittest.mock

import stack
from stack import SCRIPT, SERVICES, Stack, is_alive, run

CONTRACT_NAMES = (
    "WASL_TRACKER_URL", "WASL_TRACKER_ADMIN_URL", "WASL_ATTRIBUTOR_URL", "WASL_ATTRIBUTOR_ADMIN_URL",
    "WASL_DATABASE_URL", "WASL_ATTRIBUTOR_DATABASE_URL", "WASL_FINANCE_DATABASE_URL", "WASL_REDIS_URL",
    "WASL_KEYRING", "WASL_LINK_BASE", "WASL_TRACKER_PID", "WASL_ATTRIBUTOR_PID", "WASL_REDIS_PID",
    "WASL_POSTGRES_PID")
REFUSING = """#!/bin/sh
case $* in *--help*) exec %s --help ;; esac
echo ev=listening listener=admin addr=127.0.0.1:1
echo ev=listening listener=public addr=127.0.0.1:1
echo ev=start_refused
exit 1
"""
INTERRUPTS_MAX = 5
LEFT = 'lock file "postmaster.pid" already exists|pre-existing shared memory block'
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")


def without_template():
    """The environment in which up runs initdb itself, as it does for everybody else."""
    return {name: value for name, value in os.environ.items() if name != "WASL_STACK_TEMPLATE"}


def new_folder(mode=0o700):
    path = tempfile.mkdtemp(prefix="own-", dir=os.environ.get("WASL_TEST_DIR"))
    os.chmod(path, mode)
    return path


def recorded(path):
    """Every process that the stack has started: [(service, pid)]."""
    lines = pathlib.Path(path, "pids").read_text().splitlines()
    return [(line.split()[0], int(line.split()[1])) for line in lines]


def temp_of(path):
    return pathlib.Path(pathlib.Path(path, "temp").read_text().strip())


def children_of(pid):
    return [int(word) for word in pathlib.Path("/proc/%d/task/%d/children" % (pid, pid)).read_text().split()]


class UpAndDown(unittest.TestCase):
    """One stack for the whole class: nothing here ends it."""

    @classmethod
    def setUpClass(cls):
        with unittest.mock.patch.dict(os.environ, without_template(), clear=True):
            cls.stack = Stack({"click-deadline": "30ms"}).start()

    @classmethod
    def tearDownClass(cls):
        cls.stack.stop()

    def test_env_holds_what_the_contract_names(self):
        for name in CONTRACT_NAMES:
            self.assertTrue(self.stack.env.get(name), name)
        self.assertEqual(self.stack.env["WASL_LINK_BASE"], self.stack.env["WASL_TRACKER_URL"])

    def test_env_is_for_its_owner_and_reads_back_in_a_shell(self):
        path = pathlib.Path(self.stack.dir, "env")
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
        words = 'set -eu; . "$1"; env -0'
        out = run("env", "-i", "sh", "-c", words, "sh", path).out
        seen = dict(word.split("=", 1) for word in out.split("\0") if word.startswith("WASL_"))
        self.assertEqual(seen, self.stack.env)

    def test_both_daemons_are_ready(self):
        self.assertEqual(self.stack.tracker_admin("/readyz").status, 200)
        self.assertEqual(self.stack.attributor_admin("/readyz").status, 200)

    def test_keyring_has_one_active_key_and_mode_0600(self):
        path = pathlib.Path(self.stack.env["WASL_KEYRING"])
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
        self.assertRegex(path.read_text(), r"\A0 active [0-9a-f]{64}\n\Z")

    def test_redis_keeps_every_second_and_evicts_nothing(self):
        with self.stack.redis() as redis:
            for name, value in (("appendonly", b"yes"), ("appendfsync", b"everysec"),
                                ("maxmemory-policy", b"noeviction"), ("enable-debug-command", b"no")):
                self.assertEqual(redis.command("CONFIG", "GET", name)[1], value, name)
        self.assertTrue(stat.S_ISSOCK(os.stat(self.stack.env["WASL_REDIS_SOCKET"]).st_mode))

    def test_postgres_listens_on_loopback_alone_and_commits_safely(self):
        for name, value in (("listen_addresses", "127.0.0.1"), ("fsync", "on"), ("synchronous_commit", "on"),
                            ("full_page_writes", "on"), ("password_encryption", "scram-sha-256")):
            self.assertEqual(self.stack.sql("SHOW " + name), [[value]], name)

    def test_each_role_is_its_own_and_none_is_superuser(self):
        for role, user in (("owner", "wasl"), ("attributor", "wasl_attributor"),
                           ("finance", "wasl_finance"), ("cashier", "wasl_cashier")):
            query = "SELECT current_user, rolsuper FROM pg_roles WHERE rolname = current_user"
            self.assertEqual(self.stack.sql(query, role), [[user, "f"]])
        owner = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'wasl'"
        self.assertEqual(self.stack.sql(owner), [["wasl"]])

    def test_a_wrong_password_is_refused(self):
        url = self.stack.env["WASL_DATABASE_URL"].replace("wasl:", "wasl:x", 1)
        with self.assertRaisesRegex(AssertionError, "28P01|password authentication failed"):
            stack.psql(url, "SELECT 1")

    def test_no_secret_is_in_an_argument_list(self):
        secrets = [url.split(":")[2].split("@")[0] for name, url in self.stack.env.items()
                   if name.endswith("DATABASE_URL")]
        secrets += pathlib.Path(self.stack.env["WASL_KEYRING"]).read_text().split()[2:]
        self.assertEqual(len(secrets), 6)
        for service in SERVICES:
            words = pathlib.Path("/proc/%d/cmdline" % self.stack.pid(service)).read_text()
            self.assertFalse([word for word in secrets if word in words], service)

    def test_daemons_inherit_no_option_from_the_caller(self):
        for service in ("tracker", "attributor"):
            names = pathlib.Path("/proc/%d/environ" % self.stack.pid(service)).read_text().split("\0")
            self.assertFalse([name for name in names if name.startswith(("WASL_", "PG"))], service)

    def test_up_on_a_stack_that_is_up_is_refused(self):
        result = run(SCRIPT, "up", self.stack.dir)
        self.assertEqual(result.rc, 1)
        self.assertIn("already up", result.err)
        self.assertEqual(self.stack.tracker_admin("/readyz").status, 200)

    def test_a_setting_reaches_only_the_daemon_that_has_it(self):
        tracker = pathlib.Path(self.stack.dir, "tracker.conf").read_text()
        self.assertIn("click-deadline = 30ms\n", tracker)
        self.assertNotIn("click-deadline", pathlib.Path(self.stack.dir, "attributor.conf").read_text())

    def test_a_killed_daemon_comes_back_at_its_address(self):
        url, old = self.stack.env["WASL_ATTRIBUTOR_ADMIN_URL"], self.stack.pid("attributor")
        self.stack.kill("attributor")
        self.stack.start_service("attributor")
        self.assertNotEqual(self.stack.pid("attributor"), old)
        stack.wait_until(lambda: stack.request(url, "GET", "/readyz").status == 200, what="ready again")


class Lifetime(unittest.TestCase):
    def up(self, path, *words, before=(), script=SCRIPT):
        result = run(*before, script, "up", path, *words, limit_s=stack.UP_LIMIT_S)
        self.addCleanup(run, *before, script, "down", path, limit_s=stack.UP_LIMIT_S)
        self.assertEqual(result.rc, 0, result.err)

    def down(self, path, before=(), script=SCRIPT):
        """Takes it down, twice, and looks whether anything is left of it."""
        temp = temp_of(path) if pathlib.Path(path, "temp").exists() else None
        started = recorded(path) if pathlib.Path(path, "pids").exists() else []
        for _ in range(2):
            result = run(*before, script, "down", path, limit_s=stack.UP_LIMIT_S)
            self.assertEqual(result.rc, 0, result.err)
        self.assertFalse([pid for _, pid in started if is_alive(pid)])
        self.assertTrue(temp is None or not temp.exists(), temp)
        self.assertFalse(pathlib.Path(path, "env").exists())
        return result

    def test_two_stacks_start_at_once_and_one_outlives_the_other(self):
        first, second = new_folder(), new_folder()
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            list(pool.map(self.up, (first, second)))
        urls = [[line for line in pathlib.Path(path, "env").read_text().splitlines() if "://" in line]
                for path in (first, second)]
        self.assertFalse(set(urls[0]) & set(urls[1]))
        self.down(first)
        self.assertTrue(all(is_alive(pid) for name, pid in recorded(second) if name != "initdb"))
        self.down(second)

    def test_down_after_each_part_was_killed(self):
        path = new_folder()
        for victim in SERVICES:
            with self.subTest(victim=victim):
                self.up(path)
                pids = dict(recorded(path))
                children = children_of(pids["postgres"])
                self.assertTrue(children)
                os.kill(pids[victim], signal.SIGKILL)
                self.down(path)
                self.assertFalse([pid for pid in children if is_alive(pid)])

    def test_a_killed_postgres_starts_once_what_it_left_is_gone(self):
        path = new_folder()
        self.up(path)
        server = dict(recorded(path))["postgres"]
        held = children_of(server)[0]
        os.kill(held, signal.SIGSTOP)  # keeps the shared memory
        os.kill(server, signal.SIGKILL)
        self.addCleanup(self.resume, held)
        stack.wait_until(lambda: not is_alive(server), what="the server's end")
        log = pathlib.Path(path, "postgres.log")
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            started = pool.submit(run, SCRIPT, "start", path, "postgres", limit_s=stack.UP_LIMIT_S)
            stack.wait_until(lambda: started.done() or re.search(LEFT, log.read_text()), what="a start in vain")
            self.assertFalse(started.done())
            self.resume(held)
            result = started.result()
        self.assertEqual(result.rc, 0, result.err)
        self.down(path)

    @staticmethod
    def resume(pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)

    def test_down_ends_stopped_processes_too(self):
        path = new_folder()
        self.up(path)
        for name, pid in recorded(path):
            if name != "initdb":
                os.kill(pid, signal.SIGSTOP)
        self.down(path)

    def test_down_leaves_a_process_alone_that_only_has_the_number(self):
        path = new_folder()
        self.up(path)
        with subprocess.Popen(["sleep", "60"]) as bystander:
            with open(pathlib.Path(path, "pids"), "a") as pids:
                pids.write("tracker %d 1\n" % bystander.pid)
            run(SCRIPT, "down", path)
            self.assertIsNone(bystander.poll())
            bystander.kill()
        self.down(path)

    def test_down_after_up_was_killed_half_way(self):
        path = new_folder()
        for size in (1, 2, 3, 4):
            with self.subTest(processes=size):
                child = subprocess.Popen([SCRIPT, "up", path], env=without_template(), stdin=subprocess.DEVNULL,
                                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                self.addCleanup(run, SCRIPT, "down", path)
                pids = pathlib.Path(path, "pids")
                stack.wait_until(
                    lambda: pids.exists() and len(recorded(path)) >= size, what="%d processes" % size)
                child.kill()
                child.wait()
                self.down(path)

    def test_up_that_is_interrupted_cleans_up_by_itself(self):
        # Interrupts are not ignored, as they are in what a shell runs in its background; and now and then bash drops one
        # that comes while it starts a process: people press Ctrl-C again.
        for number in (signal.SIGTERM,) + INTERRUPTS_MAX * (signal.SIGINT,):
            path = new_folder()
            child = subprocess.Popen([SCRIPT, "up", path], stdin=subprocess.DEVNULL,
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                     preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
            self.addCleanup(run, SCRIPT, "down", path)
            pids = pathlib.Path(path, "pids")
            stack.wait_until(lambda pids=pids: pids.exists() and len(recorded(pids.parent)) >= 2)
            started = recorded(path)
            child.send_signal(number)
            code = child.wait(stack.UP_LIMIT_S)
            if code == 0 and number == signal.SIGINT:
                self.down(path)
                continue
            self.assertEqual(code, 1)
            self.assertFalse([pid for _, pid in started if is_alive(pid)])
            self.assertFalse(pids.exists())
            if number == signal.SIGINT:
                return
        self.fail("no SIGINT was heard")

    def test_up_that_fails_leaves_nothing_and_shows_the_log(self):
        path = new_folder()
        self.addCleanup(run, SCRIPT, "down", path)
        result = run(SCRIPT, "up", path, "--set", "redis-url=nonsense://", limit_s=stack.UP_LIMIT_S)
        self.assertEqual(result.rc, 1)
        self.assertIn("the end of", result.err)
        self.assertFalse(pathlib.Path(path, "pids").exists())
        self.assertFalse(pathlib.Path(path, "temp").exists())

    def test_an_attributor_that_ends_is_blamed_at_once_and_not_the_tracker(self):
        path, programs = new_folder(), pathlib.Path(new_folder())
        self.addCleanup(shutil.rmtree, programs)
        self.addCleanup(run, SCRIPT, "down", path)
        for name in ("wasl-tracker", "waslctl"):
            (programs / name).symlink_to(stack.programs() / name)
        (programs / "wasl-attributor").write_text(REFUSING % (stack.programs() / "wasl-attributor"))
        (programs / "wasl-attributor").chmod(0o755)
        result = run(SCRIPT, "up", path, env={**os.environ, "WASL_BIN": str(programs)}, limit_s=stack.UP_LIMIT_S)
        self.assertEqual(result.rc, 1)
        self.assertIn("the attributor has ended", result.err)
        self.assertIn("ev=start_refused", result.err)

    def test_up_after_down_begins_afresh(self):
        path = new_folder()
        self.up(path)
        before = pathlib.Path(path, "keyring").read_text()
        self.down(path)
        self.up(path)
        self.assertNotEqual(pathlib.Path(path, "keyring").read_text(), before)
        self.down(path)

    def test_a_template_takes_the_place_of_initdb(self):
        template, path = tempfile.mkdtemp(prefix="wasl-template-", dir="/tmp"), new_folder()
        self.addCleanup(run, "rm", "-rf", template)
        result = run(SCRIPT, "template", template)
        self.assertEqual(result.rc, 0, result.err)
        self.assertEqual(run(SCRIPT, "template", template).rc, 1)
        self.up(path, before=("env", "WASL_STACK_TEMPLATE=" + template))
        self.assertEqual(pathlib.Path(path, "initdb.log").read_text(), "")
        url = next(line.partition("=")[2].strip("'") for line in pathlib.Path(path, "env").read_text().splitlines()
                   if line.startswith("WASL_SUPERUSER_DATABASE_URL="))
        self.assertEqual(stack.psql(url, "SELECT current_user"), [["postgres"]])
        self.down(path)
        self.up(path, before=("env", "WASL_STACK_TEMPLATE=" + path))
        self.assertIn("Success", pathlib.Path(path, "initdb.log").read_text())
        self.down(path)

    @unittest.skipUnless(os.geteuid() == 0, "only root can become somebody else")
    def test_an_ordinary_user_has_a_stack_below_a_folder_of_mode_0700(self):
        outer = tempfile.mkdtemp(prefix="wasl-nobody-")
        self.addCleanup(run, "rm", "-rf", outer)
        os.chown(outer, 65534, 65534)
        # The checkout may be closed to other users: they get a copy of what an installation has.
        for part in ("deploy", "schema"):
            shutil.copytree(stack.ROOT / part, os.path.join(outer, part))
        shutil.copytree(stack.programs(), os.path.join(outer, "bin"))
        run("chown", "-R", "65534:65534", outer)
        user = (*NOBODY, "env", "WASL_BIN=" + os.path.join(outer, "bin"))
        script = os.path.join(outer, "deploy", "stack")
        path = os.path.join(outer, "a" * 100)
        self.up(path, before=user, script=script)
        for name, pid in recorded(path):
            if name != "initdb":
                self.assertEqual(os.stat("/proc/%d" % pid).st_uid, 65534, name)
        self.down(path, before=user, script=script)

    @unittest.skipUnless(os.geteuid() == 0, "only root has to hand Postgres to somebody else")
    def test_postgres_of_root_runs_as_an_ordinary_user_and_others_cannot_enter(self):
        path = new_folder()
        self.up(path)
        self.assertNotEqual(os.stat("/proc/%d" % dict(recorded(path))["postgres"]).st_uid, 0)
        self.assertEqual(stat.S_IMODE(temp_of(path).stat().st_mode), 0o700)
        self.down(path)


class Ended(unittest.TestCase):
    # Ends its first thread while another goes on, as a kill does with one that is in the middle of a write.
    HALF = ("import ctypes, threading, time; threading.Thread(target=time.sleep, args=(60,)).start(); "
            "print(flush=True); ctypes.CDLL(None).syscall(%d, 0)" %
            {"x86_64": 60, "aarch64": 93}[os.uname().machine])

    def is_alive_to_the_script(self, pid):
        words = ("bash", "-c", ". \"$1\"; start_time \"$2\"", "bash", pathlib.Path(SCRIPT).with_name("stack-lib.sh"), pid)
        return run(*words).rc == 0

    def test_a_process_is_alive_until_its_last_thread_has_ended(self):
        with subprocess.Popen([sys.executable, "-c", self.HALF], stdout=subprocess.PIPE) as half:
            try:
                half.stdout.readline()
                stack.wait_until(lambda: pathlib.Path("/proc/%d/stat" % half.pid).read_text().split()[2] == "Z",
                                 what="its first thread has ended")
                self.assertTrue(is_alive(half.pid))
                self.assertTrue(self.is_alive_to_the_script(half.pid))
            finally:
                half.kill()
            stack.wait_until(lambda: not is_alive(half.pid), what="all of it has ended")
            self.assertFalse(self.is_alive_to_the_script(half.pid))


class Usage(unittest.TestCase):
    def test_wrong_usage_exits_2(self):
        path = new_folder()
        for words in ((), ("sideways", path), ("up",), ("down",), ("up", path, "--set"),
                      ("up", path, "--set", "listen"), ("up", path, "--set", "=on"),
                      ("up", path, "--set", "no-such-option=1"), ("up", path, "--set", "help=on"),
                      ("up", path, "--set", "version=on"), ("up", path, "extra"), ("down", path, "extra"),
                      ("template",), ("template", path, "extra")):
            with self.subTest(words=words):
                self.assertEqual(run(SCRIPT, *words).rc, 2)
        self.assertFalse(pathlib.Path(path, "pids").exists())

    def test_down_where_nothing_was_ever_up(self):
        path = new_folder()
        self.assertEqual(run(SCRIPT, "down", path).rc, 0)
        self.assertEqual(run(SCRIPT, "down", os.path.join(path, "missing")).rc, 0)
        self.assertEqual(os.listdir(path), [])

    def test_up_keeps_its_hands_off_a_directory_of_somebody_else(self):
        path = pathlib.Path(new_folder())
        (path / "state").mkdir()
        (path / "state" / "thesis.txt").write_text("mine")
        self.assertEqual(run(SCRIPT, "up", path).rc, 1)
        self.assertEqual((path / "state" / "thesis.txt").read_text(), "mine")

    def test_missing_programs_are_named(self):
        path = new_folder()
        result = run(SCRIPT, "up", path, env={**os.environ, "WASL_BIN": path})
        self.assertEqual(result.rc, 1)
        self.assertIn("wasl-tracker is missing", result.err)


if __name__ == "__main__":
    unittest.main()
