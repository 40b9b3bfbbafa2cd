#!/usr/bin/python3
"""Hostile connections to an HTTPS endpoint, in a process of its own: tests/system/cases_footprint.py and tests/bench/daemon run it.

    flood.py PORT COUNT A_SECOND AT_ONCE HOLD_S FILE

COUNT in all, A_SECOND of them each second, AT_ONCE at most at the same time; FILE: certificate and key that the endpoint does not know, in one.  Each is held until the
other side ends it, or HOLD_S seconds.  Ends when all are over, and prints one JSON object: per kind how many were made, how many the other side ended, and the kinds of
those that got an answer of HTTP (nobody may).
"""

import collections
import errno
import json
import selectors
import socket
import ssl
import sys
import time

KINDS = ("silent", "one byte a second", "broken TLS", "stops in the handshake", "plain HTTP", "no certificate, huge head", "foreign certificate")
HUGE = b"GET /v1/state HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"y" * 1000) for n in range(64)) + b"\r\n"
SOURCES = 100           # addresses of the loopback net that connections come from; every second one comes from the first


def hello():
    """The first flight of a real client."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context(None).wrap_bio(incoming, outgoing)
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def context(path):
    made = ssl._create_unverified_context()     # pylint: disable=protected-access
    if path:
        made.load_cert_chain(path)
    return made


class Connection:
    """One of them, never blocking.  step() is called when the socket can be read or written, tick() once a second; both: False, it is over."""

    def __init__(self, flood, number):
        self.flood, self.kind = flood, KINDS[number % len(KINDS)]
        self.ended = False      # by the other side
        self.answer = b""
        self.since = time.monotonic()
        self.slowly = flood.hello
        self.socket = socket.socket()
        self.socket.setblocking(False)
        source = 1 + (number // 2 % SOURCES if number % 2 else 0)
        self.socket.bind((f"127.0.0.{source}", 0))
        self.connected = False
        self.to_send = {"broken TLS": b"\x16\x03\x01\x02\x00" + bytes(range(256)) * 2, "stops in the handshake": flood.hello,
                        "plain HTTP": b"GET /v1/state HTTP/1.1\r\nHost: x\r\n\r\n"}.get(self.kind, b"")
        if self.socket.connect_ex(("127.0.0.1", flood.port)) not in (0, errno.EINPROGRESS):
            self.ended = True

    def begin(self):
        self.connected = True
        if self.kind in ("no certificate, huge head", "foreign certificate"):
            of = self.flood.foreign if self.kind == "foreign certificate" else self.flood.nobody
            self.socket = of.wrap_socket(self.socket, do_handshake_on_connect=False)
            self.to_send = HUGE

    def exchange(self):
        if isinstance(self.socket, ssl.SSLSocket):
            self.socket.do_handshake()
        while self.to_send:
            self.to_send = self.to_send[self.socket.send(self.to_send):]
        got = self.socket.recv(4096)
        self.answer += got
        self.ended = not got

    def step(self):
        try:
            if not self.connected:
                self.begin()
            self.exchange()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
            pass
        except (ssl.SSLError, OSError):
            self.ended = True
        return not self.ended

    def tick(self, now, hold_s):
        if self.kind == "one byte a second" and self.connected and self.slowly:
            self.to_send, self.slowly = self.slowly[:1], self.slowly[1:]
            self.step()
        return not self.ended and now - self.since < hold_s

    def close(self):
        self.socket.close()


class Flood:
    def __init__(self, port, foreign):
        self.port = port
        self.hello = hello()
        self.foreign, self.nobody = context(foreign), context(None)
        self.selector = selectors.DefaultSelector()
        self.open = set()
        self.made, self.ended = collections.Counter(), collections.Counter()
        self.answered = []

    def add(self, number):
        connection = Connection(self, number)
        self.made[connection.kind] += 1
        self.open.add(connection)
        self.selector.register(connection.socket, selectors.EVENT_WRITE, connection)

    def drop(self, connection):
        self.selector.unregister(connection.socket)
        self.open.discard(connection)
        self.ended[connection.kind] += connection.ended
        if b"HTTP/" in connection.answer:
            self.answered.append(connection.kind)
        connection.close()

    def wait(self):
        for key, _ in self.selector.select(0.02):
            connection = key.data
            plain = connection.socket
            alive = connection.step()
            if connection.socket is not plain:      # its descriptor has gone over to TLS
                self.selector.unregister(plain)
                self.selector.register(connection.socket, selectors.EVENT_READ, connection)
            elif key.events != selectors.EVENT_READ:
                self.selector.modify(plain, selectors.EVENT_READ, connection)
            if not alive:
                self.drop(connection)

    def run(self, count, a_second, at_once, hold_s):
        began = ticked = time.monotonic()
        number = 0
        while number < count or self.open:
            now = time.monotonic()
            while number < min(count, (now - began) * a_second) and len(self.open) < at_once:
                self.add(number)
                number += 1
            self.wait()
            if now - ticked >= 1:
                ticked = now
                for connection in [c for c in self.open if not c.tick(now, hold_s)]:
                    self.drop(connection)


def main():
    if len(sys.argv) != 7:
        sys.exit(__doc__)
    port, count, a_second, at_once, hold_s = (int(word) for word in sys.argv[1:6])
    flood = Flood(port, sys.argv[6])
    flood.run(count, a_second, at_once, hold_s)
    print(json.dumps({"made": flood.made, "ended": flood.ended, "answered": flood.answered}))


if __name__ == "__main__":
    main()
