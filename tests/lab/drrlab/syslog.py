"""A log target of type syslog (UDP) or syslog-tcp: it pushes lines to a receiver, from the member's own address.

What is known: there is a rate limit, and what is over it is dropped and counted.  The header in front of a line, the framing on TCP and what
happens to lines while a connection is broken are not known: switches.
"""

import asyncio
import socket
import ssl
import time
from collections import deque

from .log import LEVELS, line_of, timestamp

FACILITIES = {"kern": 0, "user": 1, "mail": 2, "daemon": 3, "security": 4, "syslog": 5, "local0": 16, "local1": 17, "local2": 18, "local3": 19, "local4": 20,
              "local5": 21, "local6": 22, "local7": 23}
QUEUE_LINES_MAX = 10000
BUFFER_LINES_MAX = 1000


class Sender:
    def __init__(self, appliance, name, stream, address, port, rate, facility, tls):
        self.appliance = appliance
        self.lab = appliance.lab
        self.switches = appliance.switches
        self.name = name
        self.stream = stream
        self.to = (address, port)
        self.rate = rate
        self.facility = FACILITIES.get(facility, 1)
        self.tls = tls
        self.sent = self.dropped = self.lost = self.connections = 0
        self.error = ""
        self._tokens = rate
        self._filled = time.monotonic()
        self._queue = deque()
        self._wakeup = asyncio.Event()
        self._socket = None
        self._writer = None
        self._connected = False
        self._lines = 0
        self._task = self.lab.task(self._pump()) if stream else None
        if not stream:
            self._open_udp()

    def close(self):
        if self._task:
            self._task.cancel()
        if self._writer:
            self._writer.transport.abort()
        if self._socket:
            self._socket.close()
        self._socket = self._writer = None

    def break_off(self):
        """A test: the connection breaks now."""
        if self._writer:
            self._writer.transport.abort()

    def state(self):
        return {"sent": self.sent, "lost": self.lost, "connected": self._connected, "connections": self.connections, "error": self.error}

    # ---- lines

    def message(self, event, bracket):
        """The event with the header that the switch says."""
        s = self.switches
        form, now = s.syslog_header, self.appliance.log.now()
        whole = s.syslog_body == "line" or (s.syslog_body == "auto" and form == "bare")
        text = line_of(event, timestamp("zulu", now) if whole else "", bracket or (event.domain if s.syslog_bracket else ""))
        priority = self.facility * 8 + LEVELS.index(event.level)
        host = s.syslog_host or s.system_name
        if form == "rfc3164":
            text = f"<{priority}>{bsd_time(now + 60 * s.timezone_min)} {host} {text}"
        elif form == "rfc5424":
            stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03d}Z"
            text = f"<{priority}>1 {stamp} {host} datapower - - - {text}"
        data = text.encode("utf-8", "surrogateescape")
        return data[:s.syslog_max_bytes] if s.syslog_max_bytes > 0 else data

    def send(self, event, bracket=""):
        if not self._allowed():
            self.dropped += 1
            return
        data = self.message(event, bracket)
        self._lines += 1
        every = self.switches.syslog_duplicate
        for _ in range(2 if every > 0 and self._lines % every == 0 else 1):
            self._emit(data)

    def _allowed(self):
        """100 a second at most: what is over it is gone.  rate 0: no limit."""
        if self.rate <= 0:
            return True
        now = time.monotonic()
        self._tokens = min(self.rate, self._tokens + (now - self._filled) * self.rate)
        self._filled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def _emit(self, data):
        if not self.stream:
            try:
                self._socket.sendto(data, self.to)
                self.sent += 1
            except OSError as error:
                self.lost += 1
                self.error = str(error)
            return
        if not self._connected and self.switches.syslog_broken == "lost":
            self.lost += 1
            return
        if len(self._queue) >= (QUEUE_LINES_MAX if self._connected else BUFFER_LINES_MAX):
            self.dropped += 1
            return
        self._queue.append(data)
        self._wakeup.set()

    # ---- UDP

    def _open_udp(self):
        family = socket.AF_INET6 if ":" in self.to[0] else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        if family == socket.AF_INET and self.to[0].startswith("127."):
            self._socket.bind((self.appliance.address, 0))

    # ---- TCP

    def _tls_context(self):
        if not self.tls:
            return None
        ca = self.switches.syslog_ca
        context = ssl.create_default_context(cafile=ca or None)
        context.check_hostname = False
        if not ca:
            context.verify_mode = ssl.CERT_NONE
        return context

    async def _pump(self):
        while True:
            try:
                local = (self.appliance.address, 0) if self.to[0].startswith("127.") else None
                reader, self._writer = await asyncio.open_connection(*self.to, local_addr=local, ssl=self._tls_context())
                self.connections += 1
                self._connected, self.error = True, ""
                self.appliance.effect("syslog_connected", name=self.name)
                watch = self.lab.task(self._watch(reader))
                try:
                    await self._send_queue()
                finally:
                    watch.cancel()
            except (OSError, ssl.SSLError, ValueError) as error:
                self.error = str(error) or type(error).__name__
            if self._connected:
                self._connected = False
                self.appliance.effect("syslog_broken", name=self.name, error=self.error)
                if self.switches.syslog_broken == "lost":
                    self.lost += len(self._queue)
                    self._queue.clear()
            await asyncio.sleep(self.switches.syslog_reconnect)

    async def _watch(self, reader):
        """The receiver closed, or the connection broke: seen without sending."""
        try:
            while await reader.read(4096):
                pass
            self.error = "closed by the receiver"
        except (OSError, ssl.SSLError) as error:
            self.error = str(error)
        self._connected_lost = True
        self._wakeup.set()

    _connected_lost = False

    async def _send_queue(self):
        self._connected_lost = False
        while True:
            while self._queue and not self._connected_lost:
                data = self._queue[0]
                framed = data + b"\n" if self.switches.syslog_framing == "newline" else b"%d %s" % (len(data), data)
                await self._write(framed)
                self._queue.popleft()
                self.sent += 1
            if self._connected_lost or self._writer.transport.is_closing():
                raise OSError(self.error or "broken")
            self._wakeup.clear()
            await self._wakeup.wait()

    async def _write(self, data):
        size = self.switches.syslog_split
        if not size:
            self._writer.write(data)
        while size and data:
            count = size if size > 0 else self.lab.random.randrange(1, 40)
            piece, data = data[:count], data[count:]
            self._writer.write(piece)
            await self._writer.drain()
            await asyncio.sleep(0.0005)
        await self._writer.drain()


def bsd_time(now):
    """`Jun  8 23:23:39`: the day is padded with a blank."""
    parts = time.gmtime(now)
    return time.strftime("%b ", parts) + f"{parts.tm_mday:2d}" + time.strftime(" %H:%M:%S", parts)


def send_spoofed(source, to, stream, data, framing):
    """One line from another address than a member's, at once."""
    kind = socket.SOCK_STREAM if stream else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind | socket.SOCK_CLOEXEC) as sock:
        sock.settimeout(1)
        sock.bind((source, 0))
        sock.connect(to)
        sock.sendall(data if not stream else (data + b"\n" if framing == "newline" else b"%d %s" % (len(data), data)))
