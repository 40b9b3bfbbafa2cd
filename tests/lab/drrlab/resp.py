"""Redis's wire protocol (RESP2): a parser that does no input or output, and one question to a server on a Unix socket."""

import asyncio

READ_BYTES = 1 << 16


class ReplyError(Exception):
    """The server answered with an error; str() is its text."""


class ProtocolError(Exception):
    pass


class _Incomplete(Exception):
    pass


def encode(*words):
    """A command as an array of bulk strings."""
    parts = [w if isinstance(w, bytes) else str(w).encode() for w in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts)


class Parser:
    """feed() bytes, however they are split; next() gives a reply, or Parser.MORE when there is none yet.

    Replies: str (simple and bulk strings, UTF-8 with surrogates), int, None, list, or a ReplyError as a value.
    """

    MORE = object()

    def __init__(self):
        self._buffer = b""

    def feed(self, data):
        self._buffer += data

    def next(self):
        try:
            reply, end = self._reply(0)
        except _Incomplete:
            return Parser.MORE
        self._buffer = self._buffer[end:]
        return reply

    def _line(self, at):
        end = self._buffer.find(b"\r\n", at)
        if end < 0:
            raise _Incomplete
        return self._buffer[at:end], end + 2

    def _reply(self, at):
        line, at = self._line(at)
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return text_of(rest), at
        if kind == b"-":
            return ReplyError(text_of(rest)), at
        if kind not in (b":", b"$", b"*"):
            raise ProtocolError(f"a reply begins with {line[:20]!r}")
        try:
            number = int(rest)
        except ValueError:
            raise ProtocolError(f"no number: {line[:20]!r}") from None
        if kind == b":":
            return number, at
        if number < 0:
            return None, at
        return self._bulk(at, number) if kind == b"$" else self._array(at, number)

    def _bulk(self, at, length):
        if len(self._buffer) < at + length + 2:
            raise _Incomplete
        if self._buffer[at + length:at + length + 2] != b"\r\n":
            raise ProtocolError("a bulk string does not end where it said")
        return text_of(self._buffer[at:at + length]), at + length + 2

    def _array(self, at, count):
        items = []
        for _ in range(count):
            item, at = self._reply(at)
            items.append(item)
        return items, at


def text_of(data):
    return data.decode("utf-8", "surrogateescape")


def pairs(reply):
    """A flat list of names and values as a dictionary."""
    return dict(zip(reply[::2], reply[1::2]))


async def ask(path, password, commands, timeout):
    """The replies to `commands` (tuples of words), over a connection of their own; OSError when there are none within `timeout` seconds."""
    try:
        return await asyncio.wait_for(_ask(path, [("AUTH", password)] + list(commands)), timeout)
    except asyncio.TimeoutError:
        raise OSError(f"no answer within {timeout} s") from None


async def _ask(path, commands):
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        writer.write(b"".join(encode(*c) for c in commands))
        parser, replies = Parser(), []
        while len(replies) < len(commands):
            reply = parser.next()
            if reply is not Parser.MORE:
                replies.append(reply)
                continue
            data = await reader.read(READ_BYTES)
            if not data:
                raise ConnectionResetError("closed before the answer")
            parser.feed(data)
        return replies[1:]
    finally:
        writer.transport.abort()
