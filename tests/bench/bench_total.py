#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a click costs altogether, in the process that answers and in Redis: the tracker against nginx with Lua doing the
same job (tests/bench/click.lua), both answering after Redis has acknowledged the click. One worker, one Redis and the
same link for each; keep-alive connections; rounds take turns; medians. Before it is timed, the anchor's click token is
opened with the same keys and its click looked for in Redis: it does the job. Prints one JSON object a line."""

import urllib.parse

import benchlib
import stack
import trackerlib
import wasltokens
from bench_redis import Store
from trackerlib import Tracker

ROUND_S = 2
WARM_S = 1
NAME = "nginx + Lua, SET EX + XADD"
CONF = """
load_module /usr/lib/nginx/modules/ndk_http_module.so;
load_module /usr/lib/nginx/modules/ngx_http_lua_module.so;
worker_processes 1; worker_rlimit_nofile 16384; daemon off; pid %(dir)s/nginx.pid; error_log %(dir)s/error.log;
events { worker_connections 8192; }
http {
  access_log off; keepalive_requests 100000000; server_tokens off;
  client_body_temp_path %(dir)s/a; proxy_temp_path %(dir)s/b; fastcgi_temp_path %(dir)s/c;
  uwsgi_temp_path %(dir)s/d; scgi_temp_path %(dir)s/e;
  lua_package_path "%(here)s/?.lua;;";
  init_worker_by_lua_block {
    require("click").init("%(link)s", "%(click)s", %(redis)d, {[%(product)d] = {url = "%(url)s", store = "\\0\\0\\0\\7"}})
  }
  server {
    listen 127.0.0.1:%(port)d reuseport backlog=4096;
    location / { content_by_lua_block { require("click").answer() } }
  }
}
"""


class NginxLua(benchlib.Nginx):
    """As its parent, with the Lua module and a Redis of its own."""

    def __init__(self, redis_port):
        self.redis_port = redis_port

    def configuration(self):
        return CONF % {"dir": self.dir, "port": self.port, "here": benchlib.HERE, "redis": self.redis_port,
                       "link": wasltokens.hkdf(trackerlib.MASTER, b"wasl link v1").hex(),
                       "click": wasltokens.hkdf(trackerlib.MASTER, b"wasl click v1").hex(),
                       "product": trackerlib.PRODUCT, "url": "https://shop.example/p/77?a=1"}


def check_anchor(nginx, store, link, keys):
    """Its answer carries a click token that opens, and Redis has that click."""
    answer = stack.request(nginx.url, "GET", link, benchlib.HEADERS)
    assert answer.status == 302, answer
    token = urllib.parse.parse_qs(urllib.parse.urlsplit(answer.header("location")).query)["wasl"][0]
    claim = keys.open_click(token)
    assert claim["affiliate"] == trackerlib.AFFILIATE and claim["product"] == trackerlib.PRODUCT, claim
    with store.client() as client:
        assert client.command("EXISTS", b"wasl:c:" + claim["click_id"]) == 1
        assert client.command("XLEN", "wasl:clicks") == 1


def cpu_per_click(pids, url, link):
    before = sum(benchlib.cpu_us(pid) for pid in pids)
    count = benchlib.load(url, link, ROUND_S)
    return (sum(benchlib.cpu_us(pid) for pid in pids) - before) / count


def main():
    benchlib.need("nginx", "wrk", "redis-server")
    with Tracker({"workers": 1, "click-deadline": "1s"}) as tracker, Store() as store:
        with NginxLua(store.port) as nginx:
            link = tracker.link()
            check_anchor(nginx, store, link, tracker.keys)
            benchlib.load(tracker.url, link, WARM_S)
            benchlib.load(nginx.url, link, WARM_S)
            ours, anchor = [], []
            for _ in range(benchlib.ROUNDS):
                benchlib.forget_clicks(tracker)
                store.empty()
                ours.append(cpu_per_click([tracker.process.pid, tracker.redis_process.pid], tracker.url, link))
                anchor.append(cpu_per_click([nginx.pid, store.process.pid], nginx.url, link))
            benchlib.assert_all_stored(tracker)
            benchlib.say("click_cpu_total", "us", ours, anchor, NAME)


if __name__ == "__main__":
    main()
