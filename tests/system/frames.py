"""The daemon's frames (agent/base/frame.h) in Python: for the tests that are a supervisor or an engine to one process of the daemon."""

import array
import socket
import struct
import time

HEAD = struct.Struct("<2sBBII")
LENGTH = struct.Struct("<I")
VERSION = 1
MAX_BYTES = 128 * 1024
# Kind, and the names of its fields.
KINDS = {
    "request": (1, ("method", "target", "names", "channel", "body")), "reply": (2, ("type", "location", "retry", "body")),
    "channel": (3, ()), "identity": (4, ("certificate", "key", "client_ca")), "reload": (5, ()), "stop": (6, ()), "ready": (7, ()), "alive": (8, ()),
    "taken": (9, ("sentence", "next")), "status": (10, ("sentence",)), "start": (11, ("job", "argument")), "finished": (12, ("job", "sentence")),
}
NAMES = {number: name for name, (number, _) in KINDS.items()}


class Frame:
    """One frame; its fields are attributes, as text (latin-1 where they are no UTF-8: nothing is lost)."""

    def __init__(self, kind, number=0, status=0, **fields):
        self.kind, self.number, self.status = kind, number, status
        self.fields = fields

    def __getattr__(self, name):
        try:
            return self.__dict__["fields"][name]
        except KeyError:
            raise AttributeError(name) from None

    def __repr__(self):
        return f"Frame({self.kind!r}, number={self.number}, status={self.status}, {self.fields!r})"

    def encode(self):
        number, names = KINDS[self.kind]
        unknown = set(self.fields) - set(names)
        if unknown:
            raise ValueError(f"a {self.kind} frame has no {unknown}")
        data = HEAD.pack(b"DF", VERSION, number, self.number, self.status)
        for name in names:
            field = self.fields.get(name, "")
            field = field if isinstance(field, bytes) else field.encode()
            data += LENGTH.pack(len(field)) + field
        return data

    @classmethod
    def decode(cls, data):
        mark, version, kind, number, status = HEAD.unpack_from(data)
        if mark != b"DF" or version != VERSION or kind not in NAMES:
            raise ValueError(f"no frame: {data[:HEAD.size]!r}")
        at, fields = HEAD.size, {}
        for name in KINDS[NAMES[kind]][1]:
            (length,) = LENGTH.unpack_from(data, at)
            at += LENGTH.size
            field = data[at:at + length]
            if len(field) != length:
                raise ValueError("a frame is cut")
            try:
                fields[name] = field.decode()
            except UnicodeDecodeError:
                fields[name] = field.decode("latin-1")
            at += length
        if at != len(data):
            raise ValueError("something stands behind a frame")
        return cls(NAMES[kind], number, status, **fields)


class Channel:
    """One end of a pair. receive() returns None when the other end is closed."""

    def __init__(self, sock):
        self.sock = sock

    def send(self, kind, number=0, status=0, passed=None, **fields):
        data = Frame(kind, number, status, **fields).encode()
        control = [] if passed is None else [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [passed]))]
        self.sock.sendmsg([data], control, socket.MSG_NOSIGNAL)

    def receive(self, timeout_s=60):
        """TimeoutError when nothing comes."""
        self.sock.settimeout(timeout_s)
        try:
            data = self.sock.recv(MAX_BYTES)
        except ConnectionResetError:
            data = b""
        return Frame.decode(data) if data else None

    def expect(self, kind, timeout_s=60):
        frame = self.receive(timeout_s)
        if frame is None or frame.kind != kind:
            raise ValueError(f"{kind} should have come, and not {frame}")
        return frame

    def silent(self, moment_s=0.2):
        """Whether nothing comes in this moment."""
        deadline = time.monotonic() + moment_s
        try:
            return self.receive(max(0.01, deadline - time.monotonic())) is None
        except TimeoutError:
            return True

    def close(self):
        self.sock.close()


def pair():
    """Two ends: a Channel, and a plain socket to give away."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    return Channel(ours), theirs
