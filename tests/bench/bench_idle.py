#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""User-space memory of an idle keep-alive connection, of the tracker and of nginx.

idle_bytes: growth of the process's anonymous memory (smaps_rollup) from 500 to 5,500 open connections, each of which
has had one redirect and then rests, divided by 5,000. A second of load before, and the first 500, pay for what a process
sets up once and for the clicks of the last seconds, which the tracker remembers whoever sent them. What nginx
allots for all connections at its start (some 420 bytes each) is in neither figure. Both have one worker. New
processes each round, in turn; the connections come from 250 loopback addresses."""

import resource
import socket
import time
import urllib.parse

import benchlib
import stack
from benchlib import Nginx
from trackerlib import Tracker

LOAD_S = 1
WARM = 500
MORE = 5000
ADDRESSES = 250
REST_S = 0.5
SOCKET_LIMIT_S = 10
FILES = 8192


def open_one(url, request, number):
    """A connection that has had one answer."""
    parts = urllib.parse.urlsplit(url)
    peer = socket.create_connection((parts.hostname, parts.port), timeout=SOCKET_LIMIT_S,
                                    source_address=("127.0.1.%d" % (1 + number % ADDRESSES), 0))
    peer.sendall(request)
    answer = b""
    while not is_whole(answer):
        part = peer.recv(8192)
        assert part, "closed without an answer"
        answer += part
    assert answer.startswith(b"HTTP/1.1 302 "), answer
    return peer


def is_whole(answer):
    head, end, body = answer.partition(b"\r\n\r\n")
    length = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return end and len(body) >= (int(length[0].partition(b":")[2]) if length else 0)


def bytes_per_connection(pid, url, path):
    request = stack.encode_request(urllib.parse.urlsplit(url).netloc, "GET", path, benchlib.HEADERS)
    benchlib.load(url, path, LOAD_S)
    peers = [open_one(url, request, number) for number in range(WARM)]
    time.sleep(REST_S)
    before = benchlib.anonymous_bytes(pid)
    peers += [open_one(url, request, number) for number in range(MORE)]
    time.sleep(REST_S)
    after = benchlib.anonymous_bytes(pid)
    for peer in peers:
        peer.setblocking(False)
        try:
            assert peer.recv(1), "a connection was closed while it was idle"
        except BlockingIOError:
            pass
        peer.close()
    return (after - before) / MORE


def main():
    benchlib.need("nginx", "redis-server")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < FILES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, hard))
    ours, anchor = [], []
    for _ in range(benchlib.ROUNDS):
        with Tracker({"workers": 1, "click-deadline": "1s"}) as tracker, Nginx() as nginx:
            link = tracker.link()
            ours.append(bytes_per_connection(tracker.process.pid, tracker.url, link))
            anchor.append(bytes_per_connection(nginx.pid, nginx.url, link))
    benchlib.say("idle_bytes", "bytes", ours, anchor, "nginx")


if __name__ == "__main__":
    main()
