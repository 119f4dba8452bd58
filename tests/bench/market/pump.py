# SPDX-License-Identifier: Apache-2.0
"""Many requests over many kept connections at once: what was asked, in any order, with its answer."""

import selectors
import socket
import time
import urllib.parse

STALL_S = 30
ANSWER_MAX = 1 << 20
ATTEMPTS_MAX = 500
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
        """(status, head, body) once all of it is there."""
        more = self.socket.recv(1 << 16)
        if not more:
            raise ConnectionError("closed in the middle of an answer")
        self.data += more
        head, blank, body = self.data.partition(b"\r\n\r\n")
        if not blank or len(body) < int(header(head, b"content-length") or 0):
            return None
        return int(head[9:12]), head, body


def header(head, name):
    """The value of a header (its name in lower case), None if it is absent."""
    at = head.lower().find(b"\r\n" + name + b":")
    if at < 0:
        return None
    at += len(name) + 3
    end = head.find(b"\r\n", at)
    return head[at:end if end >= 0 else len(head)].strip()


class Job:
    """One request. answer(status, head, body) returns False to be asked again."""

    def request(self):
        raise NotImplementedError

    def answer(self, status, head, body):
        raise NotImplementedError


def address_of(url):
    parts = urllib.parse.urlsplit(url)
    return parts.hostname, parts.port


def pump(url, jobs, connections, on_done):
    """Runs all jobs, each on the next connection that is free, and tells of each that is done."""
    waiting = iter(jobs)
    peers = [Peer(address_of(url)) for _ in range(connections)]
    again, attempts = [], {}
    with selectors.DefaultSelector() as selector:
        for peer in peers:
            selector.register(peer.socket, selectors.EVENT_READ, peer)
        idle = list(peers)
        while True:
            while idle:
                job = again.pop() if again else next(waiting, None)
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
                    assert attempts[job] <= ATTEMPTS_MAX, "refused again and again: %d" % answer[0]
                    again.append(job)
                    time.sleep(PAUSE_S)
                    continue
                on_done()
    for peer in peers:
        peer.socket.close()
