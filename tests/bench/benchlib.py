# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks share: an nginx that answers a bare redirect, load, processor time, memory, and a row's form."""

import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "black"))
import stack  # noqa: E402
from trackerlib import HUMAN, free_port  # noqa: E402

ROUNDS = 5
CONNECTIONS = 64
LIMIT_S = 120
HEADERS = (("User-Agent", HUMAN), ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
           ("Accept-Language", "ar-EG,ar;q=0.9"), ("Accept-Encoding", "gzip, deflate"))
NGINX_NAME = "nginx return 302"
# As many response headers as the tracker's; one worker. In the foreground: a daemon has a session of its own, and Linux
# (sched_autogroup) shares the processors out among sessions first, so that the two would wait differently.
NGINX = """
worker_processes 1; worker_rlimit_nofile 16384; daemon off; pid %(dir)s/nginx.pid; error_log %(dir)s/error.log;
events { worker_connections 8192; }
http {
  access_log off; keepalive_requests 100000000;
  client_body_temp_path %(dir)s/a; proxy_temp_path %(dir)s/b; fastcgi_temp_path %(dir)s/c;
  uwsgi_temp_path %(dir)s/d; scgi_temp_path %(dir)s/e;
  server {
    listen 127.0.0.1:%(port)d reuseport backlog=4096;
    location / {
      add_header Cache-Control "no-store, private"; add_header Referrer-Policy no-referrer;
      add_header X-Robots-Tag "noindex, nofollow"; add_header X-Content-Type-Options nosniff;
      add_header Set-Cookie "wasl=AAAAAAAAAAAAAAAAAAAAAA; Max-Age=31536000; Path=/; HttpOnly; SameSite=Lax";
      return 302 https://shop.example/p/77?a=1&wasl=EAGRxAlgvn4OqVLO4HRAyr5BH-BaGUWJjW5IdStWmd5ZOSEILRiGss5glrsP;
    }
  }
}
"""


def need(*names):
    """Ends the script when a program is missing: no figure is left out in silence."""
    missing = [name for name in names if shutil.which(name) is None]
    if missing:
        sys.exit("not installed: %s; `make deps-bench` (redis-server: `make deps`) installs it" % ", ".join(missing))


def tool(name):
    """A C program of tests/bench/, built by `make bench-programs`."""
    out = pathlib.Path(os.environ.get("WASL_BENCH_OUT") or HERE.parents[1] / "build" / "rel")
    found = list(out.glob("tests/bench/*/" + name))
    if len(found) != 1:
        sys.exit("%s is not built; `make bench-programs` builds it" % name)
    return str(found[0])


def library(name):
    """What `make bench-programs` builds to be preloaded."""
    path = pathlib.Path(os.environ.get("WASL_BENCH_OUT") or HERE.parents[1] / "build" / "rel") / "tests/bench" / name
    if not path.exists():
        sys.exit("%s is not built; `make bench-programs` builds it" % path)
    return str(path.resolve())


class Nginx:
    """with Nginx() as nginx: …   Its one worker is nginx.pid."""

    def __enter__(self):
        self.dir = tempfile.mkdtemp(prefix="bench-nginx-")
        os.chmod(self.dir, 0o755)
        self.port = free_port()
        conf = pathlib.Path(self.dir, "nginx.conf")
        conf.write_text(self.configuration())
        self.master = subprocess.Popen(["nginx", "-p", self.dir, "-c", str(conf), "-e", self.dir + "/start.log"])
        self.pid = int(stack.wait_until(self.read_worker, what="nginx's worker runs"))
        self.url = "http://127.0.0.1:%d" % self.port
        return self

    def configuration(self):
        return NGINX % {"dir": self.dir, "port": self.port}

    def read_worker(self):
        assert self.master.poll() is None, "nginx does not start"
        return pathlib.Path("/proc/%d/task/%d/children" % (self.master.pid, self.master.pid)).read_text()

    def __exit__(self, *_):
        self.master.terminate()
        self.master.wait(LIMIT_S)
        shutil.rmtree(self.dir, ignore_errors=True)


def cpu_us(pid):
    """User and system time of all threads: the process's own processor clock, exact to the nanosecond."""
    return time.clock_gettime_ns((~pid << 3) | 2) / 1000


def anonymous_bytes(pid):
    """Private memory that no file stands behind: heap, stacks, arenas."""
    text = pathlib.Path("/proc/%d/smaps_rollup" % pid).read_text()
    return int(re.search(r"^Anonymous:\s+(\d+) kB", text, re.MULTILINE)[1]) * 1024


def load(url, path, seconds, is_closing=False):
    """As many requests as go, from wrk; how many got answers."""
    return load_figures(url, path, seconds, is_closing)["requests"]


def load_figures(url, path, seconds, is_closing=False, connections=CONNECTIONS):
    """The same, with requests a second and the times of the middle one and the slowest hundredth."""
    words = ["wrk", "-t1", "-c%d" % connections, "-d%ds" % seconds, "--latency"]
    for pair in HEADERS + ((("Connection", "close"),) if is_closing else ()):
        words += ["-H", "%s: %s" % pair]
    done = subprocess.run(words + [url + path], check=True, capture_output=True, text=True, timeout=LIMIT_S)
    assert "Non-2xx" not in done.stdout, done.stdout
    scales = {"us": 1, "ms": 1000, "s": 1000000}
    times = {share: float(value) * scales[unit] for share, value, unit in
             re.findall(r"^ +(50|99)% +([\d.]+)(us|ms|s)$", done.stdout, re.MULTILINE)}
    return {"requests": int(re.search(r"(\d+) requests in", done.stdout)[1]),
            "per_s": float(re.search(r"^Requests/sec: +([\d.]+)", done.stdout, re.MULTILINE)[1]),
            "p50_us": times["50"], "p99_us": times["99"]}


class Pace:
    """Requests at a fixed rate, or with rate None as fast as they are answered; begun at once; figures() waits for
    the end."""

    def __init__(self, url, requests, rate, count, status=302):
        words = [tool("pace"), urllib.parse.urlsplit(url).port, rate or "max", count, CONNECTIONS, status]
        self.process = subprocess.Popen([str(word) for word in words], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)
        for request in requests:
            self.process.stdin.write(b"%d\n%s" % (len(request), request))
        self.process.stdin.close()
        self.process.stdin = None

    def figures(self):
        out, _ = self.process.communicate(timeout=LIMIT_S)
        assert self.process.returncode == 0, "pace failed"
        return json.loads(out)


def pace_path(url, path, rate, seconds):
    """A phone's GET of that path at that rate."""
    request = stack.encode_request(urllib.parse.urlsplit(url).netloc, "GET", path, HEADERS)
    return Pace(url, [request], rate, rate * seconds)


def forget_clicks(tracker):
    """Every round begins with a Redis of the same size."""
    with tracker.redis() as client:
        keys = client.keys("wasl:c:*") + client.keys("wasl:x:*")
        for at in range(0, len(keys), 1000):
            client.command("UNLINK", *keys[at:at + 1000])


def assert_all_stored(tracker):
    assert tracker.metric("wasl_clicks_total", **{"class": "human", "stored": "none"}) == 0, "Redis fell behind"


def say(name, unit, ours, anchor=None, anchor_name=None):
    """Prints a row: medians of both lists, their ratio, and how many rounds there were."""
    mine = statistics.median(ours)
    theirs = statistics.median(anchor) if anchor else None
    print(json.dumps({"name": name, "unit": unit, "ours": round(mine, 6),
                      "anchor": round(theirs, 6) if anchor else None, "anchor_name": anchor_name,
                      "ratio": round(mine / theirs, 3) if anchor else None, "rounds": len(ours)}), flush=True)
