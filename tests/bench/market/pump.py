# SPDX-License-Identifier: Apache-2.0
"""Many requests over many kept connections at once: what was asked, in any order, with its answer."""

import selectors
import socket
import time
import urllib.parse

STALL_S = 30
ANSWER_MAX = 1 << 20
ATTEMPTS_MAX = 50
PAUSE_S = 0.02


class Peer:
    def __init__(self, address):
        self.socket = socket.create_connection(address, timeout=STALL_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.job, self.data = None, b""

    def ask(self, job):
        self.job, self.data = job, b""
        self.socket.sendall(job.request())

    def read(self):
        """(status, headers, body) once all of it is there."""
        more = self.socket.recv(1 << 16)
        if not more:
            raise ConnectionError("closed in the middle of an answer")
        self.data += more
        head, blank, body = self.data.partition(b"\r\n\r\n")
        if not blank:
            return None
        headers = dict(line.lower().split(b": ", 1) if i == 0 else line.split(b": ", 1)
                       for i, line in enumerate(head.split(b"\r\n")[1:]) if b": " in line)
        headers = {name.lower(): value for name, value in headers.items()}
        if len(body) < int(headers.get(b"content-length", 0)):
            return None
        return int(head[9:12]), headers, body


class Job:
    """One request. answer(status, headers, body) returns False to be asked again."""

    def request(self):
        raise NotImplementedError

    def answer(self, status, headers, body):
        raise NotImplementedError


def address_of(url):
    parts = urllib.parse.urlsplit(url)
    return parts.hostname, parts.port


def pump(url, jobs, connections, on_done=None):
    """Runs all jobs, each on the next connection that is free; returns how long it took."""
    began, waiting = time.monotonic(), iter(jobs)
    peers = [Peer(address_of(url)) for _ in range(connections)]
    again, attempts, done = [], {}, 0
    with selectors.DefaultSelector() as selector:
        def next_job():
            return again.pop() if again else next(waiting, None)
        for peer in peers:
            selector.register(peer.socket, selectors.EVENT_READ, peer)
        idle = list(peers)
        while True:
            while idle:
                job = next_job()
                if job is None:
                    break
                idle.pop().ask(job)
            if len(idle) == len(peers):
                break
            ready = selector.select(STALL_S)
            assert ready, "no answer within %d s" % STALL_S
            for key, _ in ready:
                peer = key.data
                answer = peer.read()
                if answer is None:
                    assert len(peer.data) < ANSWER_MAX
                    continue
                job, peer.job = peer.job, None
                idle.append(peer)
                if job.answer(*answer) is False:
                    attempts[job] = attempts.get(job, 0) + 1
                    assert attempts[job] <= ATTEMPTS_MAX, "refused again and again"
                    again.append(job)
                    time.sleep(PAUSE_S)
                    continue
                done += 1
                if on_done:
                    on_done(done)
    for peer in peers:
        peer.socket.close()
    return time.monotonic() - began
