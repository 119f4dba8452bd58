# SPDX-License-Identifier: Apache-2.0
"""Redis fails over, by a real Sentinel, to a replica that never got the last clicks: the tracker's own memory and
spool make them whole, and no click is there twice."""

import contextlib
import pathlib
import signal
import socket
import subprocess
import threading
import unittest

from stack import Redis, RedisError, wait_until
from trackerlib import WINDOW_S, Tracker, free_port

SENTINEL_LIMIT_S = 60
BEFORE, AFTER = 40, 10
SENTINEL = """port %(sentinel)d
bind 127.0.0.1
dir %(dir)s
sentinel monitor clicks 127.0.0.1 %(master)d 1
sentinel down-after-milliseconds clicks 1500
sentinel failover-timeout clicks 5000
sentinel client-reconfig-script clicks %(dir)s/reconfigured
"""
# master-name role state from-ip from-port to-ip to-port
SCRIPT = "#!/bin/sh\necho $7 > %(dir)s/master.new && mv %(dir)s/master.new %(dir)s/master\n"


class Switch(threading.Thread):
    """The address of the master, whoever it is: forwards to the port that a file names, as a service name would."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.path = path
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.start()

    def run(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", int(self.path.read_text())))
            except OSError:
                client.close()
                continue
            for pair in ((client, server), (server, client)):
                threading.Thread(target=self.forward, args=pair, daemon=True).start()

    @staticmethod
    def forward(source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for side in (source, sink):
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.listener.close()


class Failover(unittest.TestCase):
    def spawn(self, *words):
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)

    def redis(self, port):
        return Redis("redis://127.0.0.1:%d" % port)

    def role(self, port):
        try:
            with self.redis(port) as redis:
                return redis.command("ROLE")
        except (OSError, RedisError):
            return [None]

    def start_replica(self, tracker):
        port = free_port()
        self.spawn("redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tracker.dir),
                   "--dbfilename", "replica.rdb", "--repl-diskless-sync-delay", "0",
                   "--replicaof", "127.0.0.1 %d" % tracker.redis_port)
        wait_until(lambda: self.role(port)[0] == b"slave" and self.role(port)[3] == b"connected", SENTINEL_LIMIT_S,
                   "the replica is in step")
        return port

    def start_sentinel(self, tracker, replica):
        folder, port = pathlib.Path(tracker.dir), free_port()
        names = {"sentinel": port, "dir": folder, "master": tracker.redis_port}
        (folder / "reconfigured").write_text(SCRIPT % names)
        (folder / "reconfigured").chmod(0o755)
        (folder / "sentinel.conf").write_text(SENTINEL % names)
        self.spawn("redis-server", str(folder / "sentinel.conf"), "--sentinel")

        def knows():
            try:
                with self.redis(port) as sentinel:
                    return str(replica).encode() in b" ".join(
                        word for row in sentinel.command("SENTINEL", "REPLICAS", "clicks") for word in row)
            except (OSError, RedisError):
                return False
        wait_until(knows, SENTINEL_LIMIT_S, "the sentinel knows the replica")

    def clicks(self, tracker, count):
        opened = [tracker.open_answer(tracker.get(tracker.link() + "?s1=%d" % i)) for i in range(count)]
        self.assertTrue(all(opened))
        return opened

    def stored(self, port, click):
        with self.redis(port) as redis:
            return redis.command("HGET", "wasl:c:" + click["bucket"], click["index"])

    def test_clicks_that_the_new_master_never_got_are_made_whole(self):
        with Tracker({"workers": 1, "redis-loss-window": "60s"}) as tracker:
            master = pathlib.Path(tracker.dir, "master")
            master.write_text(str(tracker.redis_port))
            switch = Switch(master)
            self.addCleanup(switch.close)
            replica = self.start_replica(tracker)
            self.start_sentinel(tracker, replica)
            self.assertEqual(tracker.end(), 0)
            tracker.settings["redis-url"] = "redis://127.0.0.1:%d" % switch.port
            tracker.start()

            acknowledged = self.clicks(tracker, BEFORE)
            with tracker.redis() as redis:
                # From here on the replica hears nothing: it would need a full copy, which does not begin.
                redis.command("CONFIG", "SET", "repl-diskless-sync", "yes")
                redis.command("CONFIG", "SET", "repl-diskless-sync-delay", "3600")
                redis.command("DEBUG", "CHANGE-REPL-ID")
                redis.command("CLIENT", "KILL", "TYPE", "replica")
            lost = self.clicks(tracker, BEFORE)
            self.assertEqual(tracker.metric("wasl_clicks_total", **{"class": "human", "stored": "redis"}), 2 * BEFORE)
            tracker.redis_process.send_signal(signal.SIGKILL)
            tracker.redis_process.wait()
            waiting = self.clicks(tracker, AFTER)  # nobody is there, or one that is read-only
            wait_until(lambda: master.read_text() == "%d\n" % replica, SENTINEL_LIMIT_S, "the replica is the master")
            self.assertEqual(self.role(replica)[0], b"master")
            wait_until(lambda: tracker.metric("wasl_redis_up") == 1, SENTINEL_LIMIT_S, "the tracker found it")
            wait_until(lambda: tracker.metric("wasl_spool_records") == 0, SENTINEL_LIMIT_S, "the spool is empty")
            every = acknowledged + lost + waiting
            wait_until(lambda: all(self.stored(replica, click) for click in every), SENTINEL_LIMIT_S, "all are there")
            self.assertGreaterEqual(tracker.metric("wasl_redis_resent_total"), BEFORE)
            with self.redis(replica) as redis:
                buckets = redis.keys("wasl:c:*")
                self.assertEqual(sum(redis.command("HLEN", key) for key in buckets), len(every))
                self.assertGreaterEqual(min(redis.command("TTL", key) for key in buckets), WINDOW_S)
            after = self.clicks(tracker, 1)[0]
            wait_until(lambda: self.stored(replica, after), what="the next click")

    def test_a_name_that_still_leads_to_a_replica_is_dialled_again_until_it_is_promoted(self):
        with Tracker({"workers": 1}) as tracker:
            master = pathlib.Path(tracker.dir, "master")
            master.write_text(str(tracker.redis_port))
            switch = Switch(master)
            self.addCleanup(switch.close)
            replica = self.start_replica(tracker)
            self.assertEqual(tracker.end(), 0)
            tracker.settings["redis-url"] = "redis://127.0.0.1:%d" % switch.port
            tracker.start()
            master.write_text(str(replica))
            tracker.stop_redis()
            wait_until(lambda: tracker.metric("wasl_redis_up") == 0 or tracker.metric(
                "wasl_redis_errors_total", kind="readonly") > 0, what="it was noticed")
            clicks = self.clicks(tracker, AFTER)
            wait_until(lambda: self.clicks(tracker, 1) and tracker.metric(
                "wasl_redis_errors_total", kind="readonly") > 0, what="it is refused as read-only")
            with self.redis(replica) as redis:
                redis.command("REPLICAOF", "NO", "ONE")
            wait_until(lambda: tracker.metric("wasl_spool_records") == 0, SENTINEL_LIMIT_S, "the spool is empty")
            self.assertTrue(all(self.stored(replica, click) for click in clicks))


if __name__ == "__main__":
    unittest.main()
