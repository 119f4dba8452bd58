# SPDX-License-Identifier: Apache-2.0
"""What black-box tests stand on: a stack of their own, and plain ways to talk to each of its parts."""

import base64
import collections
import csv
import functools
import glob
import hashlib
import hmac
import io
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.parse
import uuid

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRIPT = str(ROOT / "deploy" / "stack")

UP_LIMIT_S = 300
COMMAND_LIMIT_S = 180
ANSWER_LIMIT_S = 60
WAIT_LIMIT_S = 60
POLL_S = 0.02
ANSWER_MAX_BYTES = 64 << 20

# Settings with which a slow machine answers as a quick one does: 200, not 202; clicks in Redis, not in the spool.
PATIENT = {"order-deadline": "20s", "click-deadline": "900ms"}

SANITIZER_REPORT = re.compile(r"ERROR: \w+Sanitizer|: runtime error: |SUMMARY: \w+Sanitizer")
SERVICES = ("tracker", "attributor", "redis", "postgres")

Result = collections.namedtuple("Result", "rc out err")


def wait_until(condition, limit_s=WAIT_LIMIT_S, what=""):
    """The first true value of condition(); AssertionError, with what or what what() returns, once the limit has passed."""
    deadline = time.monotonic() + limit_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError("not within %g s: %s" % (limit_s, what() if callable(what) else what or condition))
        time.sleep(POLL_S)


def is_alive(pid):
    """Whether a process runs; one that has ended and only waits for its parent does not. One that was killed may wait
    for a thread that is in the middle of a write: until then its ports and files are its own."""
    try:
        text = pathlib.Path("/proc/%d/stat" % int(pid)).read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    fields = text.rpartition(")")[2].split()
    return fields[0] not in "ZX" or int(fields[17]) > 1


def run(*command, env=None, stdin=None, limit_s=COMMAND_LIMIT_S):
    """Runs a program to its end: (rc, out, err), text."""
    done = subprocess.run(
        [str(word) for word in command], env=env, timeout=limit_s, capture_output=True,
        input=stdin if stdin is not None else "", text=True, errors="surrogateescape", check=False)
    return Result(done.returncode, done.stdout, done.stderr)


class Stack:
    """A private stack in a temporary directory: `with Stack({"insecure-cookie": "on"}) as stack:`, or start() in
    setUpModule and stop() in tearDownModule. stop() fails if a daemon's log holds a sanitizer's report."""

    def __init__(self, settings=None):
        self.settings = dict(settings or {})
        self.dir = None
        self.env = {}

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def start(self):
        self.dir = tempfile.mkdtemp(prefix="stack-", dir=os.environ.get("WASL_TEST_DIR"))
        words = [word for pair in self.settings.items() for word in ("--set", "%s=%s" % pair)]
        result = run(SCRIPT, "up", self.dir, *words, limit_s=UP_LIMIT_S)
        if result.rc != 0:
            logs = "".join("--- %s\n%s" % (name, self.log(name)) for name in ("tracker", "attributor"))
            self.stop()
            raise AssertionError("deploy/stack up: exit %d\n%s%s" % (result.rc, result.err, logs))
        self.read_env()
        return self

    def stop(self):
        if self.dir is None:
            return
        result = run(SCRIPT, "down", self.dir, limit_s=UP_LIMIT_S)
        reports = [line for name in ("tracker", "attributor", "setup")
                   for line in self.log(name).splitlines() if SANITIZER_REPORT.search(line)]
        shutil.rmtree(self.dir, ignore_errors=True)
        self.dir = None
        if result.rc != 0 or reports:
            raise AssertionError("down: exit %d\n%s%s" % (result.rc, result.err, "\n".join(reports)))

    def read_env(self):
        text = pathlib.Path(self.dir, "env").read_text()
        self.env = dict(word.split("=", 1) for word in shlex.split(text) if "=" in word)

    # The parts: their processes and what they have written.

    def pid(self, service):
        return int(self.env["WASL_%s_PID" % service.upper()])

    def signal(self, service, number):
        os.kill(self.pid(service), number)

    def kill(self, service):
        """SIGKILL, and waits until it is gone."""
        self.signal(service, signal.SIGKILL)
        wait_until(lambda: not is_alive(self.pid(service)), what="%s is gone" % service)

    def stop_service(self, service, *signal_name):
        result = run(SCRIPT, "stop", self.dir, service, *signal_name)
        assert result.rc == 0, result

    def start_service(self, service):
        """Starts one that was stopped or killed, at its old address; a daemon listens when this returns."""
        result = run(SCRIPT, "start", self.dir, service, limit_s=UP_LIMIT_S)
        assert result.rc == 0, result
        self.read_env()

    def log(self, service):
        path = pathlib.Path(self.dir, service + ".log")
        return path.read_text(errors="replace") if path.exists() else ""

    def log_events(self, service, ev=None):
        """The logfmt lines of a daemon as dicts, all or those of one event."""
        return [line for line in log_lines(self.log(service)) if ev is None or line.get("ev") == ev]

    # waslctl

    def waslctl(self, *words, stdin=None, env=None):
        """(rc, out, err) of a command, with the stack's addresses in its environment."""
        program = str(programs() / "waslctl")
        return run(program, *words, stdin=stdin, env={**clean_env(), **self.env, **(env or {})})

    def ctl(self, *words, stdin=None):
        """What a command that has to succeed prints with --json."""
        result = self.waslctl(*words, "--json", stdin=stdin)
        assert result.rc == 0, "waslctl %s: %r" % (" ".join(map(str, words)), result)
        return json.loads(result.out) if result.out.strip() else None

    # HTTP

    def tracker(self, method, path, headers=(), body=b""):
        return request(self.env["WASL_TRACKER_URL"], method, path, headers, body)

    def tracker_admin(self, path, method="GET"):
        return request(self.env["WASL_TRACKER_ADMIN_URL"], method, path)

    def attributor(self, method, path, headers=(), body=b""):
        return request(self.env["WASL_ATTRIBUTOR_URL"], method, path, headers, body)

    def attributor_admin(self, path, method="GET"):
        return request(self.env["WASL_ATTRIBUTOR_ADMIN_URL"], method, path)

    def metric(self, service, name, **labels):
        """The value of one metric, 0 if there is no such line yet."""
        url = self.env["WASL_%s_ADMIN_URL" % service.upper()]
        return parse_metrics(request(url, "GET", "/metrics").body).get((name, frozenset(labels.items())), 0)

    def send_event(self, store, event, webhook_id=None, timestamp=None, secret=None, headers=()):
        """Signs and posts an event (a dict, or the body's bytes). store is what `store add --json` printed."""
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        webhook_id = webhook_id or "msg_" + uuid.uuid4().hex
        signed = webhook_headers(secret or store["webhook_secret"], webhook_id, timestamp, body)
        path = "/v1/stores/%d/events" % store["store_id"]
        return self.attributor("POST", path, signed + list(headers), body)

    # Stores of data

    def sql(self, query, role="owner"):
        """Rows of text, NULL being empty. role: owner, attributor, finance, cashier or superuser."""
        name = "" if role == "owner" else role.upper() + "_"
        return psql(self.env["WASL_%sDATABASE_URL" % name], query)

    def redis(self):
        return Redis(self.env["WASL_REDIS_URL"])


def programs():
    """The folder of the three programs."""
    return pathlib.Path(os.environ.get("WASL_BIN") or ROOT / "build" / "bin").resolve()


def preload(name, control):
    """The environment that puts a library of ours (tests/black/NAME.c) into a daemon, and tells it its file."""
    path = programs() / "test" / (name + ".so")
    assert path.exists(), "%s is missing: make test-programs" % path
    options = os.environ.get("ASAN_OPTIONS", "")
    return {"LD_PRELOAD": str(path), **control,
            "ASAN_OPTIONS": options + (":" if options else "") + "verify_asan_link_order=0"}


def clean_env():
    return {name: value for name, value in os.environ.items() if not name.startswith(("WASL_", "PG"))}


@functools.cache
def psql_program():
    """Debian's psql in PATH is a Perl script that looks for this one; it takes eight times as long to start."""
    found = glob.glob("/usr/lib/postgresql/*/bin/psql")
    return max(found, key=lambda path: float(path.split("/")[4])) if found else "psql"


def psql(url, query, limit_s=COMMAND_LIMIT_S):
    """The rows of the last statement; AssertionError with Postgres's own words if one fails."""
    result = run(psql_program(), "-X", "-q", "--csv", "-t", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=verbose",
                 "-d", url, "-f", "-", stdin=query, env=clean_env(), limit_s=limit_s)
    assert result.rc == 0, "psql: " + result.err
    return list(csv.reader(io.StringIO(result.out)))


# Standard Webhooks


def webhook_sign(secret, webhook_id, timestamp, body):
    """One signature, "v1,…", over id, timestamp and body with a secret "whsec_…"."""
    key = base64.b64decode(secret.partition("_")[2])
    text = ("%s.%s." % (webhook_id, timestamp)).encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, text, hashlib.sha256)).decode()


def webhook_headers(secret, webhook_id, timestamp, body):
    timestamp = int(time.time()) if timestamp is None else timestamp
    return [("content-type", "application/json"), ("webhook-id", webhook_id),
            ("webhook-timestamp", str(timestamp)),
            ("webhook-signature", webhook_sign(secret, webhook_id, timestamp, body))]


# HTTP over plain sockets: what was sent is what the test says, byte for byte.


class Answer:
    """One HTTP answer: status, headers (a list of pairs, names in lower case), body."""

    def __init__(self, version, status, headers, body):
        self.version, self.status, self.headers, self.body = version, status, headers, body

    def __repr__(self):
        return "<%s %d %r %r>" % (self.version, self.status, self.headers, self.body[:400])

    def header(self, name):
        """The value of a header, None if it is absent; AssertionError if it is there twice."""
        values = self.all(name)
        assert len(values) <= 1, "%s is there %d times" % (name, len(values))
        return values[0] if values else None

    def all(self, name):
        return [value for key, value in self.headers if key == name.lower()]

    def json(self):
        return json.loads(self.body)


class Connection:
    """A keep-alive connection: send bytes, read answers one by one, in order."""

    def __init__(self, url, limit_s=ANSWER_LIMIT_S):
        parts = urllib.parse.urlsplit(url)
        self.host = parts.netloc
        self.socket = socket.create_connection((parts.hostname, parts.port), timeout=limit_s)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.file.close()
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def request(self, method, path, headers=(), body=b""):
        self.send(encode_request(self.host, method, path, headers, body))
        return self.read_answer(is_head=method == "HEAD")

    def read_answer(self, is_head=False):
        """The next final answer; None at the end of the stream."""
        while True:
            answer = self._read_one(is_head)
            if answer is None or answer.status >= 200 or answer.status == 101:
                return answer

    def _read_one(self, is_head):
        line = self.file.readline(65536)
        if not line:
            return None
        version, status, _ = (line.decode("latin-1").rstrip("\r\n") + "  ").split(" ", 2)
        headers = []
        while (line := self.file.readline(65536)) not in (b"\r\n", b""):
            name, _, value = line.decode("latin-1").partition(":")
            headers.append((name.lower(), value.strip()))
        answer = Answer(version, int(status), headers, b"")
        if not is_head and answer.status >= 200 and answer.status not in (204, 304):
            answer.body = self._read_body(answer)
        return answer

    def _read_body(self, answer):
        if answer.header("transfer-encoding") == "chunked":
            body = b""
            while (size := int(self.file.readline(1024).split(b";")[0], 16)) > 0:
                body += self.file.read(size)
                self.file.readline(1024)
            while self.file.readline(65536) not in (b"\r\n", b""):
                pass
            return body
        length = answer.header("content-length")
        return self.file.read(ANSWER_MAX_BYTES if length is None else int(length))

    def read_to_end(self):
        """Everything until the other side closes; a reset counts as an end."""
        try:
            return self.file.read()
        except ConnectionResetError:
            return b""


def encode_request(host, method, path, headers=(), body=b""):
    """A request's bytes. Host and Content-Length are added unless given; a header given as None is left out."""
    headers = list(headers.items()) if isinstance(headers, dict) else list(headers)
    names = {name.lower() for name, _ in headers}
    if "host" not in names:
        headers.insert(0, ("Host", host))
    if body and not names & {"content-length", "transfer-encoding"}:
        headers.append(("Content-Length", str(len(body))))
    head = "%s %s HTTP/1.1\r\n" % (method, path)
    head += "".join("%s: %s\r\n" % pair for pair in headers if pair[1] is not None)
    return head.encode("utf-8", "surrogateescape") + b"\r\n" + body


def request(url, method, path, headers=(), body=b"", limit_s=ANSWER_LIMIT_S):
    """One request on a connection of its own."""
    with Connection(url, limit_s) as connection:
        answer = connection.request(method, path, headers, body)
        assert answer is not None, "%s %s: closed without an answer" % (method, path)
        return answer


def exchange(url, data, limit_s=ANSWER_LIMIT_S, is_half_closed=False):
    """Sends raw bytes and returns every byte that comes back until the other side closes."""
    with Connection(url, limit_s) as connection:
        connection.send(data)
        if is_half_closed:
            connection.socket.shutdown(socket.SHUT_WR)
        return connection.read_to_end()


def parse_metrics(text):
    """Prometheus text as {(name, frozenset of label pairs): value}."""
    values = {}
    for line in text.decode().splitlines():
        if line and not line.startswith("#"):
            name, labels, value = re.fullmatch(r'(\w+)(?:\{(.*)\})? (\S+)', line).groups()
            pairs = re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels or "")
            values[name, frozenset(pairs)] = float(value)
    return values


def log_lines(text):
    """The logfmt lines of a log as dicts, the quotes of quoted values taken off."""
    return [{key: value[1:-1] if value.startswith('"') else value
             for key, value in re.findall(r'(\w+)=("(?:[^"\\]|\\.)*"|\S*)', line)}
            for line in text.splitlines() if line.startswith("ts=")]


# Redis


class RedisError(Exception):
    """An error reply."""


class Redis:
    """A small client: command("HSET", key, …) returns bytes, int, list or None, or raises RedisError."""

    def __init__(self, url, limit_s=ANSWER_LIMIT_S):
        parts = urllib.parse.urlsplit(url)
        self.socket = socket.create_connection((parts.hostname, parts.port or 6379), timeout=limit_s)
        self.file = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.file.close()
        self.socket.close()

    def command(self, *words):
        data = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        parts = [b"*%d\r\n" % len(data)] + [b"$%d\r\n%s\r\n" % (len(word), word) for word in data]
        self.socket.sendall(b"".join(parts))
        return self._read()

    def _read(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("Redis has closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise RedisError(rest.decode())
        if kind == b"+":
            return rest
        if kind == b":":
            return int(rest)
        size = int(rest)
        if size < 0:
            return None
        if kind == b"$":
            return self.file.read(size + 2)[:-2]
        return [self._read() for _ in range(size)]

    def keys(self, pattern="*"):
        return sorted(self.command("KEYS", pattern))
