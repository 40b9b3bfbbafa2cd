"""The XML management interface of one member: HTTPS as it is odd on the appliance, and everything that can go wrong on the wire.

`200 Good`, chunked answers, the request's headers sent back, errors with status 200.  Off unless the switch `xmi` says yes, as on the appliance.
What the requests mean is soma.py.
"""

import asyncio
import base64
import os
import re
import socket
import ssl
import struct

from .soma import Refused, Soma, fault_text

PORT = 5550
PATHS = ("/service/mgmt/current", "/service/mgmt/3.0")
BODY_BYTES_MAX = 16 << 20
TAG_SPLIT = re.compile(rb"(?<=<)(?=.)", re.S)
VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class Door:
    """One HTTPS listener with the member's certificate; shared with the gateway's own doors."""

    def __init__(self, appliance, path, port):
        self.appliance = appliance
        self.lab = appliance.lab
        self.switches = appliance.switches
        self.certificate = path
        self.port = port
        self.pin = ""
        self.writers = set()            # of the connections that are open
        self._made = None               # what the present certificate was made for
        self._server = None

    def ready_certificate(self, again=False):
        wanted = (self.switches.xmi_key, self.switches.xmi_certificate)
        if again or self._made != wanted:
            os.makedirs(os.path.dirname(self.certificate), exist_ok=True)
            self.pin = self.lab.authority.issue(self.certificate, *wanted, self.appliance.address, self.host_name)
            self._made = wanted

    @property
    def host_name(self):
        return f"{self.appliance.name}.lab.example"

    def context(self):
        self.ready_certificate()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate)
        if self.switches.xmi_tls in VERSIONS:
            context.minimum_version = context.maximum_version = VERSIONS[self.switches.xmi_tls]
        return context

    async def open(self, handler, port, context):
        return await asyncio.start_server(handler, self.appliance.address, port, ssl=context, limit=1 << 20)

    def listeners(self):
        return [self._server] if self._server else []

    def stop(self):
        if self._server:
            self._server.close()
            self._server = None

    def cut_all(self):
        """The appliance goes down: what is under way ends."""
        for writer in list(self.writers):
            end(writer, "fin")


class XmlManagement(Door):
    def __init__(self, appliance):
        super().__init__(appliance, os.path.join(appliance.lab.directory, appliance.name, "xmi.pem"), PORT)
        self.soma = Soma(appliance)
        self._requests = self.connections = 0
        self._met = {}                  # the cut_at and hang_at that this request meets
        self._once = False              # xmi_truncate strikes now, and then no more

    async def listen(self):
        acl = self.switches.xmi_acl
        if self._server or not (self.switches.xmi and self.appliance.running) or acl == "refuse":
            return
        context = self.context()
        self._server = await self.open(self._serve if acl == "allow" else self._odd, self.port, context if acl == "allow" else None)
        self.port = self._server.sockets[0].getsockname()[1]

    def state(self):
        """Connections are those whose TLS handshake was completed."""
        return {"connections": self.connections, "requests": self._requests}

    def rekey(self):
        self.ready_certificate(again=True)

    # ---- instead of TLS

    async def _odd(self, reader, writer):
        """What meets a client whose address is not in the access list, or a port that is something else."""
        self.lab.adopt(asyncio.current_task())
        acl = self.switches.xmi_acl
        self.appliance.effect("xmi_connection", way=acl)
        try:
            if acl == "hang":
                await self.lab.loop.create_future()
            elif acl == "plain":
                await reader.read(1)
                writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            elif acl == "garbage":
                writer.write(self.lab.random.randbytes(4096))
            await writer.drain()
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            end(writer, "reset" if acl == "reset" else "close-notify")

    # ---- HTTP

    async def _serve(self, reader, writer):
        self.lab.adopt(asyncio.current_task())
        self.writers.add(writer)
        self.connections += 1
        how = "close-notify"
        try:
            writer.transport.set_write_buffer_limits(high=1 << 16)
            while True:
                how = await self._one_request(reader, writer)
                if how != "keep":
                    break
        except Cut as cut:
            how = str(cut)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ssl.SSLError, ValueError, asyncio.CancelledError):
            how = "close-notify"
        finally:
            self.writers.discard(writer)
            if how in ("keep", "close-notify") and self.switches.xmi_no_close_notify:
                how = "fin"
            if how == "fin":
                await flushed(writer)
            end(writer, how)

    async def _one_request(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        request_line, *lines = head.rstrip("\r\n").split("\r\n")
        method, path, _ = request_line.split(" ", 2)
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if headers.get("expect", "").lower() == "100-continue":
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await self._body(reader, headers)
        await self.appliance.awake.wait()
        if method != "POST" or path not in PATHS:
            self.appliance.effect("xmi_invalid", None, f"{method} {path}", why="no such resource")
            writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            return "keep"
        self._requests += 1
        identity = f"xmi-{self._requests}"
        await self.appliance.own_peering().refresh(self.appliance)
        answer = b""
        fault, status = "", "200 " + self.switches.xmi_reason
        for document in documents(body):    # several in one body come back as several documents, one after the other
            name, text, fault_now, status_now = await self._answer(identity, headers, document)
            answer += text.encode("utf-8", "surrogateescape")
            fault, status = fault or fault_now, status_now or status
        if self.switches.xmi_think > 0:
            await asyncio.sleep(self.switches.xmi_think)
        keep = headers.get("connection", "").lower() != "close" and self.switches.xmi_framing != "close"
        return await self._send(writer, lines, answer, keep, fault, status, identity, name)

    async def _body(self, reader, headers):
        if headers.get("transfer-encoding", "").lower() != "chunked":
            size = int(headers.get("content-length", "0"))
            if size > BODY_BYTES_MAX:
                raise ValueError("too long")
            return await reader.readexactly(size)
        body = b""
        while size := int((await reader.readline()).split(b";")[0], 16):
            body += await reader.readexactly(size)
            await reader.readexactly(2)
            if len(body) > BODY_BYTES_MAX:
                raise ValueError("too long")
        await reader.readuntil(b"\r\n")
        return body

    # ---- one answer

    def _fault_for(self, name):
        s = self.switches
        if s.xmi_fault_at and s.xmi_fault_at not in name:
            return "", False
        return "" if s.xmi_fault == "none" else s.xmi_fault, s.xmi_truncate != 0

    async def _answer(self, identity, headers, document):
        """(what was asked, the answer's XML, the fault that the wire is to show, the status line where it is another).  Cut ends the connection."""
        name, domain, operation, problem = self.soma.parse(document)
        self.appliance.effect("command", identity, name, domain=domain, mode="xmi", user=self._who(headers))
        fault, truncate = self._fault_for(name)
        if fault or truncate:
            self.appliance.effect("xmi_fault_sent", identity, name, fault=fault or "truncate", at=self.switches.xmi_truncate or None)
            if self.switches.xmi_fault_once:
                self._once = truncate
                self.switches.set("xmi_fault", "none")
        await self._cut(identity, name, fault, "before")
        if fault in ("soap-fault", "http500"):
            return name, fault_text(self.switches.xmi_fault_text), fault, "500 Internal Server Error" if fault == "http500" else self._fault_status()
        text, status = self._run(identity, headers, name, domain, operation, problem, fault)
        await self._cut(identity, name, fault, "after")
        if fault == "http500-after":
            return name, fault_text(self.switches.xmi_fault_text), fault, "500 Internal Server Error"
        return name, text, fault or ("truncate-at" if truncate else ""), status

    async def _cut(self, identity, name, fault, when):
        """cut_at and hang_at, and the faults reset, close and hang."""
        ways = []
        if when == "before":
            self._met = self.appliance.faults.for_command(name)
        for point, at in self._met.items():
            if at == when:
                self.appliance.faults.fired(point)
                ways.append("hang" if point == "hang_at" else ("reset" if self.switches.cut_kind == "reset" else "fin"))
        ways += [{"reset": "reset", "close": "fin", "hang": "hang"}[kind] for kind in ("reset", "close", "hang")
                 if fault in ((kind, f"{kind}-before") if when == "before" else (f"{kind}-after",))]
        for way in ways:
            self.appliance.effect("session_cut" if way != "hang" else "session_hangs", identity, name, why=f"xmi, {when} the effect", kind=way)
            if way == "hang":
                await self.lab.loop.create_future()
            raise Cut(way)

    def _fault_status(self):
        return "500 Internal Server Error" if self.switches.xmi_soap_fault_status == "500" else ""

    def _run(self, identity, headers, name, domain, operation, problem, fault):
        """(XML, status line).  Who asks is known before what is asked is looked at."""
        try:
            if fault == "auth":
                raise Refused("Authentication failure", why="fault")
            user = self._log_in(identity, headers)
            if problem:
                self.appliance.effect("xmi_invalid", identity, name, why=problem)
                return fault_text(self.switches.xmi_fault_text), self._fault_status()
            return self.soma.response(self.soma.run(identity, user, name, domain, operation)), ""
        except Refused as refused:
            if not getattr(refused, "noted", False):
                self.appliance.effect("xmi_refused", identity, name, why=refused.why)
            return self.soma.response(refused.xml or self.soma.result(str(refused))), ""

    def _credentials(self, headers):
        kind, _, token = headers.get("authorization", "").partition(" ")
        try:
            user, _, password = base64.b64decode(token).decode("utf-8", "replace").partition(":")
        except ValueError:
            user = password = ""
        return kind, user, password

    def _who(self, headers):
        user = self._credentials(headers)[1]
        return user if user in self.appliance.users() else "(unknown)"

    def _log_in(self, identity, headers):
        kind, user, password = self._credentials(headers)
        ok, reason = self.appliance.check_login(user, password, "console") if kind.lower() == "basic" else (False, "no credentials")
        if not ok:
            self.appliance.effect("login_refused", identity, user=self._who(headers), reason=reason, way="xmi")
            refused = Refused("Authentication failure")
            refused.noted = True
            raise refused
        return user

    # ---- the wire

    async def _send(self, writer, request_headers, answer, keep, fault, status, identity, name):
        s = self.switches
        if fault == "empty-body":
            answer = b""
        elif fault == "not-xml":
            answer = b"<html><body><h1>It works!</h1></body>"
        elif fault == "bitflip":
            answer = bytearray(answer)
            for _ in range(1 + len(answer) // 2000):
                answer[self.lab.random.randrange(len(answer))] ^= 1 << self.lab.random.randrange(8)
            answer = bytes(answer)
        framing = "length" if fault in ("short-length", "long-length") else s.xmi_framing
        whole = self._head(request_headers, keep, status, framing, len(answer), fault)
        limit = None
        if fault in ("truncate", "truncate-at"):
            limit = s.xmi_truncate if fault == "truncate-at" else -1
        if fault == "garbage":
            await self._write(writer, self.lab.random.randbytes(5000), ())
            return "close-notify"
        if fault == "endless":
            return await self._endless(writer, whole, answer, framing)
        bodies = self._framed(answer, framing)
        if limit == -1:
            limit = (len(whole) + len(answer)) // 2
        if limit is not None and self._once:
            self._once = False
            s.set("xmi_truncate", 0)
        await self._write(writer, whole, bodies, limit)
        if limit is not None:
            self.appliance.effect("session_cut", identity, name, why=f"xmi, after {limit} bytes of the answer", kind=s.xmi_cut)
            await flushed(writer)
            return s.xmi_cut
        await writer.drain()
        return "keep" if keep and fault not in ("long-length", "short-length") else "close-notify"

    def _head(self, request_headers, keep, status, framing, size, fault):
        s = self.switches
        dropped = ("content-length", "transfer-encoding", "connection", "content-type", "expect")
        echoed = "".join(line + "\r\n" for line in request_headers if line.partition(":")[0].strip().lower() not in dropped) if s.xmi_echo_headers else ""
        how = {"chunked": "Transfer-Encoding: chunked\r\n", "close": ""}.get(framing)
        if how is None:
            how = f"Content-Length: {size + {'short-length': -size // 2, 'long-length': 100}.get(fault, 0)}\r\n"
        via = "Via: 1.1 xml-mgmt\r\n" if s.xmi_via else ""
        trailer = "Trailer: X-End\r\n" if framing == "chunked" and s.xmi_chunk_form == "trailer" else ""
        return (f"HTTP/1.1 {status}\r\n{echoed}{via}{trailer}Content-Type: text/xml\r\n{how}"
                f"Connection: {'Keep-Alive' if keep else 'close'}\r\n\r\n").encode("latin-1")

    def _framed(self, answer, framing):
        """The body as pieces of bytes on the wire: chunks, or the whole."""
        if framing != "chunked":
            yield answer
            return
        form = self.switches.xmi_chunk_form
        for piece in self._pieces(answer):
            size = {"upper": b"%X", "zeros": b"%08x"}.get(form, b"%x") % len(piece)
            yield size + (b' ; name="a;b"' if form == "extension" else b"") + b"\r\n" + piece + b"\r\n"
        yield (b"000" if form == "zeros" else b"0") + b"\r\n" + (b"X-End: yes\r\n" if form == "trailer" else b"") + b"\r\n"

    def _pieces(self, answer):
        size, start = self.switches.xmi_chunk, 0
        if size == -2:
            yield from (p for p in TAG_SPLIT.split(answer) if p)
            return
        while start < len(answer):
            count = len(answer) if size == 0 else (size if size > 0 else self.lab.random.randrange(1, 60))
            yield answer[start:start + count]
            start += count

    async def _write(self, writer, head, bodies, limit=None):
        s = self.switches
        sent, waiting = 0, bytearray(head)
        slow = s.xmi_delay > 0 or s.xmi_write != 0 or s.xmi_drip_bps > 0
        for piece in bodies:
            waiting += piece
            if not slow and len(waiting) < 1 << 16:
                continue
            sent += await self._emit(writer, waiting, None if limit is None else limit - sent)
            waiting.clear()
            if s.xmi_delay > 0 and s.xmi_write == 0:
                await asyncio.sleep(s.xmi_delay)
            if limit is not None and sent >= limit:
                return
        if waiting:
            await self._emit(writer, waiting, None if limit is None else limit - sent)

    async def _emit(self, writer, data, limit):
        s = self.switches
        data = bytes(data if limit is None else data[:limit])
        size = s.xmi_write
        if s.xmi_drip_bps > 0:
            size = max(1, s.xmi_drip_bps // 20)
        start = 0
        while start < len(data):
            count = len(data) if size == 0 else (size if size > 0 else self.lab.random.randrange(1, 60))
            piece = data[start:start + count]
            writer.write(piece)
            await writer.drain()
            start += count
            if s.xmi_drip_bps > 0:
                await asyncio.sleep(len(piece) / s.xmi_drip_bps)
            elif size and s.xmi_delay > 0:
                await asyncio.sleep(s.xmi_delay)
        return len(data)

    async def _endless(self, writer, head, answer, framing):
        """Until the client has enough."""
        writer.write(head.replace(b"Content-Length: %d" % len(answer), b"Content-Length: 99999999999"))
        block = b"<Filler>" + b"x" * 16000 + b"</Filler>\n"
        at = answer.rfind(b"</dp:response>")
        piece = answer[:at if at >= 0 else len(answer)]
        while True:
            writer.write(b"%x\r\n%s\r\n" % (len(piece), piece) if framing == "chunked" else piece)
            await writer.drain()
            piece = block
            await asyncio.sleep(0)


class Cut(Exception):
    """The connection ends in this way: reset or fin."""


def documents(body):
    """The XML documents in a body, mostly one."""
    ends = [m.end() for m in re.finditer(rb"</(?:[\w.-]+:)?Envelope\s*>", body)]
    if len(ends) < 2:
        return [body]
    starts = [0] + ends[:-1]
    return [body[a:b].strip() for a, b in zip(starts, ends)]


async def flushed(writer):
    """What was written is on its way, below TLS as well."""
    try:
        await writer.drain()
        below = getattr(getattr(writer.transport, "_ssl_protocol", None), "_transport", None)
        for _ in range(200):
            if below is None or below.get_write_buffer_size() == 0:
                break
            await asyncio.sleep(0.005)
    except (ConnectionError, ssl.SSLError):
        pass


def end(writer, how):
    """close-notify: as it should be.  fin: TCP ends, TLS does not.  reset: RST."""
    if how in ("keep", "close-notify"):
        writer.close()
        return
    sock = writer.get_extra_info("socket")
    if how == "reset" and sock is not None:
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError:
            pass
    writer.transport.abort()
