# SPDX-License-Identifier: Apache-2.0
"""A wire to Postgres that tests can cut, or hold still."""

import socket
import threading
import time
import urllib.parse


class Line:
    """Between an attributor and Postgres; can be cut off: connections end, and new ones are refused or hang. From the
    first use of the bytes deaf_at on, what Postgres answers is held back."""

    def __init__(self, running):
        parts = urllib.parse.urlsplit(running.env["WASL_ATTRIBUTOR_DATABASE_URL"])
        self.target, self.is_cut, self.is_silent, self.sockets = (parts.hostname, parts.port), False, False, []
        self.deaf_at, self.is_deaf = None, False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = parts._replace(netloc="%s@127.0.0.1:%d" % (
            parts.netloc.rpartition("@")[0], self.listener.getsockname()[1])).geturl()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            if self.is_cut:
                client.close()
                continue
            try:
                server = socket.create_connection(self.target)
            except OSError:
                client.close()
                continue
            self.sockets += [client, server]
            for pair in ((client, server, False), (server, client, True)):
                threading.Thread(target=self.pump, args=pair, daemon=True).start()

    def pump(self, source, sink, is_answer):
        try:
            while data := source.recv(65536):
                if not is_answer and self.deaf_at is not None and self.deaf_at in data:
                    self.is_deaf = True
                while self.is_silent or (is_answer and self.is_deaf):
                    time.sleep(0.05)
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        source.close()  # the other pump closes the other one

    def cut(self):
        self.is_cut = True
        for end in self.sockets:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.sockets = []

    def heal(self):
        self.is_cut = self.is_silent = self.is_deaf = False
        self.deaf_at = None

    def close(self):
        self.heal()
        self.cut()
        self.listener.close()
