"""The XML management interface (SOMA over HTTPS) of one member.  Off unless the switch `xmi` says yes, as on the appliance.

What is odd here is odd on the wire too: `200 Good`, chunked answers, the request's headers sent back, errors with
status 200, namespaces that come and go.
"""

import asyncio
import base64
import datetime
import hashlib
import os
import ssl
import time
import xml.etree.ElementTree as ElementTree
from xml.sax.saxutils import escape, quoteattr

from . import show

PORT = 5550
PATHS = ("/service/mgmt/current", "/service/mgmt/3.0")
BODY_BYTES_MAX = 16 << 20
STATUS_NAMESPACE = 'xmlns:env="http://www.w3.org/2003/05/soap-envelope"'
GET_FILE_BYTES_MAX = 64 << 20


class Refused(Exception):
    """The text of dp:result, in an HTTP 200."""


def make_certificate(path):
    """A self-issued certificate whose name does not match.  Returns the pin of its public key, sha256//BASE64."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "DataPower Gateway")])
    now = datetime.datetime.utcnow()
    certificate = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
                   .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
                   .not_valid_after(now + datetime.timedelta(days=3650)).sign(key, hashes.SHA256()))
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        file.write(certificate.public_bytes(serialization.Encoding.PEM))
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return "sha256//" + base64.b64encode(hashlib.sha256(public).digest()).decode()


class XmlManagement:
    def __init__(self, appliance):
        self.appliance = appliance
        self.lab = appliance.lab
        self.switches = appliance.switches
        self.port = PORT
        self.certificate = os.path.join(self.lab.directory, appliance.name, "xmi.pem")
        self.pin = ""
        self._server = None
        self._requests = 0

    async def listen(self):
        if self._server or not (self.switches.xmi and self.appliance.running):
            return
        if not self.pin:
            self.rekey()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate)
        versions = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
        if self.switches.xmi_tls in versions:
            context.minimum_version = context.maximum_version = versions[self.switches.xmi_tls]
        self._server = await asyncio.start_server(self._serve, self.appliance.address, self.port, ssl=context)
        self.port = self._server.sockets[0].getsockname()[1]

    def rekey(self):
        os.makedirs(os.path.dirname(self.certificate), exist_ok=True)
        self.pin = make_certificate(self.certificate)

    def stop(self):
        if self._server:
            self._server.close()
            self._server = None

    # ---- HTTP

    async def _serve(self, reader, writer):
        self.lab.adopt(asyncio.current_task())
        try:
            while await self._one_request(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ssl.SSLError, ValueError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _one_request(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        request_line, *lines = head.rstrip("\r\n").split("\r\n")
        method, path, _ = request_line.split(" ", 2)
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await self._body(reader, headers)
        if method != "POST" or path not in PATHS:
            writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            return True
        self._requests += 1
        identity = f"xmi-{self._requests}"
        await self.appliance.own_peering().refresh(self.appliance)
        name, answer = self._answer(identity, headers, body)
        if answer is None:
            self.appliance.effect("session_cut", identity, name, why="xmi")
            writer.transport.abort()
            return False
        keep = headers.get("connection", "").lower() != "close"
        await self._send(writer, lines, answer.encode(), keep)
        return keep

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

    async def _send(self, writer, request_headers, answer, keep):
        """Chunked; the request's headers, Authorization included, come back."""
        s = self.switches
        dropped = ("content-length", "transfer-encoding", "connection", "content-type")
        echoed = "".join(line + "\r\n" for line in request_headers if line.partition(":")[0].strip().lower() not in dropped)
        writer.write((f"HTTP/1.1 200 Good\r\n{echoed}Via: 1.1 xml-mgmt\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n"
                      f"Connection: {'Keep-Alive' if keep else 'close'}\r\n\r\n").encode("latin-1"))
        size = s.xmi_chunk or len(answer)
        limit = len(answer) // 2 if s.xmi_fault == "truncate" else len(answer)
        for start in range(0, limit, size):
            piece = answer[start:min(start + size, limit)]
            writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            if s.xmi_delay > 0:
                await writer.drain()
                await asyncio.sleep(s.xmi_delay)
        if s.xmi_fault == "truncate":
            await writer.drain()
            raise ConnectionError
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    # ---- SOMA

    def _answer(self, identity, headers, body):
        """(what was asked, the answer's XML); no answer: the connection is cut."""
        name = "xmi"
        try:
            self._log_in(identity, headers)
            request = next(e for e in ElementTree.fromstring(body).iter() if local(e) == "request")
            operation = request[0]
            name = f"xmi {local(operation)} {operation.get('class') or operation.get('name') or (local(operation[0]) if len(operation) else '')}"
            self.appliance.effect("command", identity, name, domain=request.get("domain"), mode="xmi")
            faults = self.appliance.faults.for_command(name)
            for fault, when in faults.items():
                self.appliance.faults.fired(fault)
                if when == "before":
                    return name, None
            action = getattr(self, "_" + local(operation).replace("-", "_"), None)
            if action is None:
                return name, fault_text(f"unknown operation {local(operation)}")
            content = action(identity, name, request.get("domain"), operation)
            return name, None if faults else self._response(content)
        except Refused as refused:
            return name, self._response(result(str(refused)))
        except (ElementTree.ParseError, StopIteration, IndexError):
            return name, fault_text("Internal Error (from client)")

    def _log_in(self, identity, headers):
        if self.switches.xmi_fault == "auth":
            raise Refused("Authentication failure")
        kind, _, token = headers.get("authorization", "").partition(" ")
        try:
            user, _, password = base64.b64decode(token).decode("utf-8", "replace").partition(":")
        except ValueError:
            user = password = ""
        ok, reason = self.appliance.check_login(user, password, "console") if kind.lower() == "basic" else (False, "no credentials")
        if not ok:
            self.appliance.effect("login_refused", identity, reason=reason, way="xmi")
            raise Refused("Authentication failure")

    def _response(self, content):
        stamp = "" if self.switches.xmi_no_timestamp else "<dp:timestamp>" + datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds") + "</dp:timestamp>"
        return envelope(f'<dp:response xmlns:dp="http://www.datapower.com/schemas/management">{stamp}{content}</dp:response>')

    def _ok(self):
        return result("\n  OK  \n" if self.switches.xmi_padded else "OK")

    def _here(self, domain):
        if domain not in self.appliance.domains:
            raise Refused("Authentication failure")
        return domain == self.lab.domain

    # ---- reading

    def _get_status(self, identity, name, domain, operation):
        here, kind = self._here(domain), operation.get("class")
        rows = {"GatewayPeeringStatus": self._peering_rows, "ObjectStatus": self._object_rows, "DateTimeStatus": self._time_rows,
                "DateTimeStatus2": self._time_rows, "FirmwareVersion3": self._firmware_rows, "DomainStatus": self._domain_rows}.get(kind)
        if rows is None or (not here and kind in ("GatewayPeeringStatus", "ObjectStatus")):
            return "<dp:status/>"
        return "<dp:status>" + "".join(f"<{kind} {STATUS_NAMESPACE}>{fields(row)}</{kind}>" for row in rows()) + "</dp:status>"

    def _peering_rows(self):
        headings = show.NINE if self.switches.status_columns == "9" else show.SIX
        names = dict(zip(show.NINE, ("Address", "Name", "PendingUpdates", "ReplicationOffset", "LinkStatus", "Primary", "ServicePort", "MonitorPort", "Priority")))
        for row in show.status_rows(self.lab, self.appliance, headings):
            yield [(names[h], cell) for h, cell in zip(headings, row)]

    def _object_rows(self):
        service = self.appliance.service
        state = "up" if service.op_state == "up" else "down"
        code = "0x00000000" if state == "up" else ("0x00350022" if service.state == "waiting" else "0x0034000d")
        yield [("Class", "APIConnectGatewayService"), ("OpState", state), ("AdminState", "enabled" if service.admin_enabled else "disabled"),
               ("Name", "apic-gw-service"), ("EventCode", code), ("ErrorCode", ""), ("ConfigState", "modified" if self.appliance.unsaved else "saved")]
        for peering in self.lab.peering.values():
            yield [("Class", "GatewayPeering"), ("OpState", "up"), ("AdminState", "enabled"), ("Name", peering.name), ("EventCode", "0x00000000"),
                   ("ErrorCode", ""), ("ConfigState", "saved")]
        for n in range(service.shown_collections()):
            yield [("Class", "APICollection"), ("OpState", "up"), ("AdminState", "enabled"), ("Name", f"catalog-{n + 1}"), ("EventCode", "0x00000000"),
                   ("ErrorCode", ""), ("ConfigState", "saved")]

    def _time_rows(self):
        now = time.gmtime(time.time() + self.switches.clock_offset)
        yield [("time", time.strftime("%a %b %d %H:%M:%S %Y", now)), ("timezone", "UTC"), ("uptime2", show.uptime(self.appliance.uptime_reload())),
               ("bootuptime2", show.uptime(self.appliance.uptime_reboot()))]

    def _firmware_rows(self):
        yield [("Serial", self.switches.serial), ("Version", self.switches.firmware), ("Build", "333705"), ("BuildDate", "2021/06/16 21:06:57")]

    def _domain_rows(self):
        for domain in self.appliance.domains:
            unsaved = self.appliance.unsaved and domain == self.lab.domain
            yield [("Domain", domain), ("SaveNeeded", "on" if unsaved else "off"), ("DebugEnabled", "off"), ("QuiesceState", "")]

    def _get_config(self, identity, name, domain, operation):
        if not self._here(domain):
            return "<dp:config/>"
        kind, wanted = operation.get("class"), operation.get("name")
        text = ""
        for object_name, properties in self._objects(kind):
            if wanted in (None, object_name):
                text += f"<{kind} name={quoteattr(object_name)}>{fields(properties)}</{kind}>"
        return f"<dp:config>{text}</dp:config>"

    def _objects(self, kind):
        s, service = self.switches, self.appliance.service
        if kind == "GatewayPeering":
            return [(p.name, [("mAdminState", "enabled"), ("LocalAddress", s.local_address_text or show.address_of(self.appliance)),
                              ("LocalPort", p.service_port), ("MonitorPort", p.monitor_port), ("EnablePeerGroup", "on")]
                     + [("Peers", show.address_of(m)) for m in self.lab.members if m is not self.appliance]
                     + [("Priority", p.priority[self.appliance.name]), ("EnableSSL", "on"), ("PersistenceLocation", s.persistence), ("MaxMemory", 0)])
                    for p in self.lab.peering.values()]
        if kind == "GatewayPeeringManager" and s.manager_present:
            return [("default", [("mAdminState", "enabled"), ("APIConnectGatewayService", s.gw_object)])]
        if kind == "APIConnectGatewayService":
            old = s.v5_compat or not s.manager_present
            return [("default", [("mAdminState", "enabled" if service.admin_enabled else "disabled"), ("LocalAddress", "0.0.0.0"), ("LocalPort", 3000),
                                 ("GatewayPeering", s.gw_object) if old else ("GatewayPeeringManager", "default"),
                                 ("V5CompatibilityMode", "on" if s.v5_compat else "off")])]
        if kind == "APICollection":
            return [(f"catalog-{n + 1}", [("mAdminState", "enabled")]) for n in range(service.shown_collections())]
        if kind == "LogTarget" and s.log_target == "present":
            file = os.path.basename(self.appliance.log.path)
            return [("gwd-log", [("mAdminState", "enabled"), ("Type", "file"), ("Format", "text"), ("TimestampFormat", s.log_format),
                                 ("Size", s.log_size_kb), ("LocalFile", f"logtemp:///{file}"), ("Rotate", s.log_rotate)])]
        return []

    def _get_file(self, identity, name, domain, operation):
        path = operation.get("name", "")
        log = self.appliance.log.path
        if not self._here(domain) or not path.startswith("logtemp:///"):
            raise Refused("Cannot read the specified file")
        wanted = os.path.join(os.path.dirname(log), os.path.basename(path))
        try:
            with open(wanted, "rb") as file:
                data = file.read(GET_FILE_BYTES_MAX)
        except OSError:
            raise Refused("Cannot read the specified file") from None
        if not data:
            return f"<dp:file name={quoteattr(path)}/>"
        return f"<dp:file name={quoteattr(path)}>{base64.b64encode(data).decode()}</dp:file>"

    # ---- acting

    def _modify_config(self, identity, name, domain, operation):
        target = operation[0]
        values = {local(child): (child.text or "").strip() for child in target}
        if not self._here(domain):
            self.appliance.effect("changed_elsewhere", identity, name, domain=domain, object=local(target), changes=values)
            return self._ok()
        self.appliance.unsaved = True
        if local(target) == "APIConnectGatewayService" and "mAdminState" in values:
            if local(target[0]) != "mAdminState":
                raise Refused(error_log("mAdminState must be the first property"))
            problem = self.appliance.service.set_admin(values["mAdminState"] == "enabled", identity, name)
            if problem:
                raise Refused(error_log(problem))
        else:
            self.appliance.effect("object_changed", identity, name, object=local(target), changes=values)
            if values.get("PersistenceLocation") in ("memory", "local", "raid"):
                self.switches.set("persistence", values["PersistenceLocation"])
        return self._ok()

    def _set_config(self, identity, name, domain, operation):
        self.appliance.effect("set_config", identity, name, object=local(operation[0]))
        return self._ok()

    def _do_action(self, identity, name, domain, operation):
        action = operation[0]
        kind, values = local(action), {local(child): (child.text or "").strip() for child in action}
        here = self._here(domain)
        if kind == "SaveConfig":
            self.appliance.effect("write_memory", identity, name, admin_state="enabled" if self.appliance.service.admin_enabled else "disabled")
            self.appliance.unsaved = False
            return self._ok()
        peering = self.lab.peering.get(values.get("ObjectName", "")) if here else None
        if kind == "GatewayPeeringRemoveStalePeers" and peering:
            self.appliance.effect("stale_peers_removed", identity, name, object=peering.name)
            self.switches.set("stale_rows", "")
            return self._ok()
        if kind != "GatewayPeeringSwitchPrimary" or peering is None:
            raise Refused(error_log(f"{kind}: unknown action or object"))
        if peering.is_primary(self.appliance):
            self.appliance.effect("switch_primary", identity, name, object=peering.name, already=True)
            if self.switches.already_primary_text:
                raise Refused(error_log(self.switches.already_primary_text))
        elif self.switches.switch_primary == "error":
            raise Refused(error_log(self.switches.switch_error_text))
        elif self.switches.switch_primary == "ok":
            self.lab.task(peering.request_switch(self.appliance, identity, name))
        return self._ok()


# ---- pieces of XML

def local(element):
    return element.tag.rpartition("}")[2]


def fields(pairs):
    return "".join(f"<{name}/>" if value == "" else f"<{name}>{escape(str(value))}</{name}>\n" for name, value in pairs)


def result(text):
    return f"<dp:result>{text if text.startswith('<error-log') else escape(text)}</dp:result>"


def error_log(text):
    return f'<error-log><log-event level="error">{escape(text)}</log-event></error-log>'


def envelope(content):
    return ('<?xml version="1.0" encoding="UTF-8"?>\n<env:Envelope xmlns:env="http://schemas.xmlsoap.org/soap/envelope/"><env:Body>'
            + content + "</env:Body></env:Envelope>")


def fault_text(text):
    return envelope(f"<env:Fault><faultcode>env:Client</faultcode><faultstring>{escape(text)}</faultstring></env:Fault>")
