#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""CPU per click of the tracker, the whole job with its record acknowledged by Redis, against nginx answering a bare
`return 302` with as many headers. One worker each; rounds take turns; medians. Prints one JSON object a line."""

import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "black"))
import stack  # noqa: E402
from trackerlib import HUMAN, Tracker, free_port  # noqa: E402

ROUNDS = 5
ROUND_S = 2
CONNECTIONS = 64
WARM_S = 1
TICK_US = 1e6 / os.sysconf("SC_CLK_TCK")
HEADERS = (("User-Agent", HUMAN), ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
           ("Accept-Language", "ar-EG,ar;q=0.9"), ("Accept-Encoding", "gzip, deflate"))
NGINX = """
worker_processes 1; daemon on; pid %(dir)s/nginx.pid; error_log %(dir)s/error.log;
events { worker_connections 4096; }
http {
  access_log off; keepalive_requests 100000000;
  client_body_temp_path %(dir)s/a; proxy_temp_path %(dir)s/b; fastcgi_temp_path %(dir)s/c;
  uwsgi_temp_path %(dir)s/d; scgi_temp_path %(dir)s/e;
  server {
    listen 127.0.0.1:%(port)d reuseport;
    location / {
      add_header Cache-Control "no-store, private"; add_header Referrer-Policy no-referrer;
      add_header X-Robots-Tag "noindex, nofollow"; add_header X-Content-Type-Options nosniff;
      add_header Set-Cookie "wasl=AAAAAAAAAAAAAAAAAAAAAA; Max-Age=31536000; Path=/; HttpOnly; SameSite=Lax";
      return 302 https://shop.example/p/77?a=1&wasl=EAGRxAlgvn4OqVLO4HRAyr5BH-BaGUWJjW5IdStWmd5ZOSEILRiGss5glrsP;
    }
  }
}
"""


class Nginx:
    def __enter__(self):
        self.dir = tempfile.mkdtemp(prefix="bench-nginx-")
        os.chmod(self.dir, 0o755)
        self.port = free_port()
        conf = pathlib.Path(self.dir, "nginx.conf")
        conf.write_text(NGINX % {"dir": self.dir, "port": self.port})
        subprocess.run(["nginx", "-p", self.dir, "-c", str(conf), "-e", self.dir + "/start.log"], check=True)
        self.master = int(stack.wait_until(lambda: self.read_pid(), what="nginx runs"))
        children = "/proc/%d/task/%d/children" % (self.master, self.master)
        self.pid = int(stack.wait_until(lambda: pathlib.Path(children).read_text(), what="its worker runs"))
        self.url = "http://127.0.0.1:%d" % self.port
        return self

    def read_pid(self):
        path = pathlib.Path(self.dir, "nginx.pid")
        return path.exists() and path.read_text().strip()

    def __exit__(self, *_):
        os.kill(self.master, 15)
        stack.wait_until(lambda: not stack.is_alive(self.master), what="nginx ends")
        shutil.rmtree(self.dir, ignore_errors=True)


def cpu_us(pid):
    """User and system time of all threads."""
    fields = pathlib.Path("/proc/%d/stat" % pid).read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICK_US


def load(url, path, seconds, is_closing):
    """Requests that wrk got answers for."""
    words = ["wrk", "-t1", "-c%d" % CONNECTIONS, "-d%ds" % seconds]
    for pair in HEADERS + ((("Connection", "close"),) if is_closing else ()):
        words += ["-H", "%s: %s" % pair]
    done = subprocess.run(words + [url + path], check=True, capture_output=True, text=True)
    assert "Non-2xx" not in done.stdout, done.stdout
    return int(re.search(r"(\d+) requests in", done.stdout)[1])


def one_round(pids, url, path, is_closing):
    """CPU in microseconds per request, of each process."""
    before = [cpu_us(pid) for pid in pids]
    count = load(url, path, ROUND_S, is_closing)
    return [(cpu_us(pid) - start) / count for pid, start in zip(pids, before)]


def say(name, ours, anchor, anchor_name):
    ratio = ours / anchor if anchor else None
    print(json.dumps({"name": name, "unit": "us", "ours": round(ours, 3),
                      "anchor": round(anchor, 3) if anchor else None, "anchor_name": anchor_name,
                      "ratio": round(ratio, 3) if ratio else None, "rounds": ROUNDS}), flush=True)


def measure(tracker, nginx, name, is_closing):
    link = tracker.link()
    load(tracker.url, link, WARM_S, is_closing)
    load(nginx.url, link, WARM_S, is_closing)
    ours, redis, anchor = [], [], []
    for _ in range(ROUNDS):
        mine, stored = one_round([tracker.process.pid, tracker.redis_process.pid], tracker.url, link, is_closing)
        ours.append(mine)
        redis.append(stored)
        anchor += one_round([nginx.pid], nginx.url, link, is_closing)
        with tracker.redis() as client:
            keys = client.keys("wasl:c:*") + client.keys("wasl:x:*")
            for at in range(0, len(keys), 1000):
                client.command("UNLINK", *keys[at:at + 1000])
    assert tracker.metric("wasl_clicks_total", **{"class": "human", "stored": "none"}) == 0, "Redis fell behind"
    say("tracker_cpu_" + name, statistics.median(ours), statistics.median(anchor), "nginx return 302")
    say("tracker_redis_cpu_" + name, statistics.median(redis), None, None)


def main():
    with Tracker({"workers": 1, "click-deadline": "1s"}) as tracker, Nginx() as nginx:
        measure(tracker, nginx, "keepalive", False)
        measure(tracker, nginx, "connection_per_request", True)


if __name__ == "__main__":
    main()
