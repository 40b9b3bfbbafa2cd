"""SOMA: what the operations of the XML management interface answer, and do.  Transport is xmi.py, validation is soma_schema.py."""

import base64
import datetime
import os
import time
import xml.etree.ElementTree as ElementTree
from xml.sax.saxutils import escape, quoteattr

from . import peering_config, show, soma_schema
from .peering import PeeringError
from .soma_schema import local

STATUS_NAMESPACE = ' xmlns:env="http://www.w3.org/2003/05/soap-envelope"'
GET_FILE_BYTES_MAX = 96 << 20
AUTHENTICATION = "Authentication failure"
BOX_CLASSES = ("DateTimeStatus", "DateTimeStatus2", "FirmwareVersion3", "DomainStatus")
TEXTS = {"0x00000000": "", "0x00350015": "operational state down", "0x0034000d": "object is disabled", "0x00350022": "has not processed any configuration",
         "0x0036000e": "required referenced object not up", "0x00360001": "pending"}


class Refused(Exception):
    """The content of dp:result, in an HTTP 200; `xml` where it is not plain text."""

    def __init__(self, text, xml=None, why=None):
        super().__init__(text)
        self.xml = xml
        self.why = why or text


class Soma:
    def __init__(self, appliance):
        self.appliance = appliance
        self.lab = appliance.lab
        self.switches = appliance.switches

    # ---- one document

    def parse(self, body):
        """(name for the effects, domain, operation, problem).  The name is told even of what is refused."""
        try:
            envelope = ElementTree.fromstring(body)
        except ElementTree.ParseError as error:
            return "xmi (no XML)", None, None, f"not well-formed: {error}"
        found = next((e for e in envelope.iter() if local(e) == "request"), None)
        operation = found[0] if found is not None and len(found) else None
        name = "xmi"
        if operation is not None:
            what = operation.get("class") or operation.get("name") or operation.get("location") or (local(operation[0]) if len(operation) else "")
            name = f"xmi {local(operation)} {what}".rstrip()
        try:
            request = soma_schema.request_of(envelope)
            soma_schema.check_operation(request[0], [w.strip() for w in self.switches.xmi_unknown_classes.split(",")])
        except soma_schema.Invalid as problem:
            return name, found.get("domain") if found is not None else None, operation, str(problem)
        return name, request.get("domain", "default"), request[0], None

    def run(self, identity, user, name, domain, operation):
        """The content of dp:response."""
        self._check_rights(user, domain, operation)
        if domain not in self.appliance.domains:
            raise Refused(AUTHENTICATION, why=f"unknown domain {domain}")
        if self.switches.xmi_log_noise:
            self.appliance.log.event("0x8100001f", category="mgmt", level="info", text=f"saml-artifact session for {local(operation)}", log_class="xml-mgmt")
        return getattr(self, "_" + local(operation).replace("-", "_"))(identity, name, domain, operation)

    def _check_rights(self, user, domain, operation):
        lacks = [w.strip() for w in self.switches.xmi_user_lacks.split(",") if w.strip()]
        if user == "admin" or not lacks:
            return
        child = operation[0] if len(operation) else None
        what = {local(operation), operation.get("class"), local(child) if child is not None else None}
        if domain == "default":
            what.add("default-domain")
        missing = what & set(lacks)
        if missing:
            raise Refused(AUTHENTICATION, why=f"{user} has no right to {', '.join(sorted(missing))}")

    def response(self, content):
        s = self.switches
        zone = datetime.timezone(datetime.timedelta(minutes=s.timezone_min))
        now = datetime.datetime.fromtimestamp(self.appliance.log.now(), zone)
        stamp = "" if s.xmi_no_timestamp else f"<dp:timestamp>{now.isoformat(timespec='seconds')}</dp:timestamp>"
        if s.xmi_markup:
            content = f"<!-- > a <dp:result> in a comment --><?pi?>{content}<!---->"
        return envelope(f'<dp:response xmlns:dp="{soma_schema.MANAGEMENT}">{stamp}{content}</dp:response>')

    def ok(self):
        return self.result("\n  OK  \r\n" if self.switches.xmi_padded else "OK")

    def result(self, text):
        return f"<dp:result>{self.text(text)}</dp:result>"

    def failed(self, text, why=None):
        """A failed action's log lines: `log-event` in no namespace, from about 2023 on in the management namespace."""
        tag = "dp:log-event" if self.switches.xmi_error_log == "dp" else "log-event"
        return Refused(text, why=why, xml=f'<dp:result><error-log><{tag} level="error">{self.text(text)}</{tag}></error-log></dp:result>')

    def text(self, value):
        value = str(value)
        if not self.switches.xmi_markup or not value:
            return escape(value)
        return f"&#x{ord(value[0]):x};<!-- -->" + (f"<![CDATA[{value[1:]}]]>" if value[1:] else "")

    def rows(self, kind, items):
        stray = STATUS_NAMESPACE if self.switches.xmi_stray_env else ""
        return "".join(f"<{kind}{stray}>\n{self.fields(row)}</{kind}>\n" for row in items)

    def fields(self, pairs):
        parts = []
        for name, value in pairs:
            if isinstance(value, list):
                value = "\n" + self.fields(value)
            elif value == "":
                parts.append(f"<{name}/>\n")
                continue
            else:
                value = self.text(value)
            parts.append(f"<{name}>{value}</{name}>\n")
        return "".join(parts)

    # ---- reading: status

    def _get_status(self, identity, name, domain, operation):
        kind, here = operation.get("class"), domain == self.lab.domain
        if kind in BOX_CLASSES and domain != "default":
            if self.switches.xmi_box_elsewhere == "auth":
                raise Refused(AUTHENTICATION, why=f"{kind} asked in {domain}")
            here = self.switches.xmi_box_elsewhere == "rows"
        elif kind in BOX_CLASSES:
            here = True
        items = {"GatewayPeeringStatus": self._peering_rows, "ObjectStatus": self._object_rows, "DateTimeStatus": self._time_rows, "DateTimeStatus2": self._time_rows,
                 "FirmwareVersion3": self._firmware_rows, "DomainStatus": self._domain_rows, "LogTargetStatus": self._target_rows}[kind]
        items = list(items(domain)) if here or kind == "LogTargetStatus" else []
        if items:
            return f"<dp:status>{self.rows(kind, items)}</dp:status>"
        return "<dp:status/>" if self.switches.xmi_empty_status == "element" else ""

    def _peering_rows(self, domain):
        headings = show.NINE if self.switches.status_columns == "9" else show.SIX
        names = dict(zip(show.NINE, ("Address", "Name", "PendingUpdates", "ReplicationOffset", "LinkStatus", "Primary", "ServicePort", "MonitorPort", "Priority")))
        for row in show.status_rows(self.lab, self.appliance, headings):
            yield [(names[h], cell) for h, cell in zip(headings, row)]

    def _object(self, kind, name, op_state="up", admin="enabled", code="0x00000000", config="saved"):
        return [("Class", kind), ("OpState", op_state), ("AdminState", admin), ("Name", name), ("EventCode", code), ("ErrorCode", TEXTS[code]), ("ConfigState", config)]

    def service_state(self):
        """(OpState, EventCode) of the gateway service."""
        service = self.appliance.service
        if self.switches.xmi_pending_states and service.state in ("starting", "stopping"):
            return {"starting": "PendingUp", "stopping": "PendingDown"}[service.state], "0x00360001"
        if service.op_state == "up":
            return "up", "0x00000000"
        if not service.admin_enabled:
            return "down", "0x0034000d"
        if not self.switches.peering_admin:
            return "down", "0x0036000e"
        return "down", {"waiting": "0x00350022", "starting": "0x00360001"}.get(service.state, "0x00350015")

    def _object_rows(self, domain):
        s, appliance = self.switches, self.appliance
        op_state, code = self.service_state()
        found = [self._object("APIConnectGatewayService", s.object_status_name, op_state, "enabled" if appliance.service.admin_enabled else "disabled", code,
                              "modified" if appliance.unsaved else "saved")]
        for peering in self.lab.peering.values():
            up = peering.name != "gwd" or s.peering_admin
            found.append(self._object("GatewayPeering", peering.name, "up" if up else "down", "enabled" if up else "disabled", "0x00000000" if up else "0x0034000d"))
        if s.manager_present:
            found.append(self._object("GatewayPeeringManager", "default"))
        for name, state in self._target_states(domain):
            found.append(self._object("LogTarget", name, "up" if state == "up" else "down", "disabled" if state == "disabled" else "enabled",
                                      {"up": "0x00000000", "down": "0x00350015", "disabled": "0x0034000d"}[state]))
        found += [self._object("APICollection", f"catalog-{n + 1}") for n in range(appliance.service.shown_collections())]
        scenery = [self._object("AssemblyActionXSLT", f"catalog_{n}_1.0.0_transform_{n % 7}") for n in range(max(0, s.object_status_rows - len(found)))]
        return scenery[:len(scenery) // 2] + found + scenery[len(scenery) // 2:]

    def _time_rows(self, domain):
        zone = self.switches.timezone_min
        now = time.gmtime(self.appliance.log.now() + 60 * zone)
        row = [("time", time.strftime("%a %b %d %H:%M:%S %Y", now)), ("timezone", "UTC" if zone == 0 else "LOC"), ("tzspec", "")]
        reload, boot = self.appliance.uptime_reload(), self.appliance.uptime_reboot()
        if self.switches.uptime_forms in ("both", "2"):
            row += [("uptime2", show.uptime(reload)), ("bootuptime2", show.uptime(boot))]
        if self.switches.uptime_forms in ("both", "3"):
            row += [("uptime3", show.uptime_iso(reload)), ("bootuptime3", show.uptime_iso(boot))]
        yield row

    def _firmware_rows(self, domain):
        yield [("Serial", self.switches.serial), ("Version", self.switches.firmware), ("Build", "333705"), ("BuildDate", "2021/06/16 21:06:57")]

    def _domain_rows(self, domain):
        for name in self.appliance.domains:
            yield [("Domain", name), ("SaveNeeded", "on" if self.appliance.save_needed(name) else "off"), ("TraceEnabled", "off"), ("DebugEnabled", "off"),
                   ("ProbeEnabled", "off"), ("DiagEnabled", "off"), ("CurrentCommand", ""), ("QuiesceState", "")]

    def _target_states(self, domain):
        """(name, up|down|disabled) of the domain's log targets."""
        if domain == self.lab.domain and self.switches.log_target == "present":
            yield self.appliance.targets.main_name, self.switches.log_target_state
        for target in self.appliance.targets.of(domain):
            yield target.name, "up" if target.up else "disabled"

    def _target_rows(self, domain):
        s = self.switches
        for name, state in self._target_states(domain):
            target = self.appliance.targets.find(domain, name)
            main = target is None
            status = (s.log_target_status if main else "") or ("active" if state == "up" else "suspended")
            error = s.log_error_info if main else (target.sender.error if target.sender else "")
            yield [("LogTarget", name), ("Status", status), ("EventsProcessed", 1000 if main else target.processed),
                   ("EventsDropped", s.log_events_dropped if main else target.dropped), ("EventsPending", 0), ("ErrorInfo", error)]

    # ---- reading: configuration and files

    def _get_config(self, identity, name, domain, operation):
        text = ""
        wanted = operation.get("name")
        for kind in [operation.get("class")] if operation.get("class") else soma_schema.CONFIG_CLASSES:
            for object_name, properties in self._objects(kind, domain):
                if wanted in (None, object_name):
                    stray = STATUS_NAMESPACE if self.switches.xmi_stray_env else ""
                    text += f"<{kind}{stray} name={quoteattr(object_name)}>\n{self.fields(properties)}</{kind}>\n"
        return f"<dp:config>{text}</dp:config>" if text else "<dp:config/>"

    def _objects(self, kind, domain):
        s, service, here = self.switches, self.appliance.service, domain == self.lab.domain
        if kind == "LogTarget":
            main = [(self.appliance.targets.main_name, self._main_target())] if here and s.log_target == "present" else []
            return main + [(t.name, t.config()) for t in self.appliance.targets.of(domain)]
        if not here:
            return []
        if kind == "GatewayPeering":
            return [(p.name, peering_config.properties(self.appliance, p)) for p in self.lab.peering.values()]
        if kind == "GatewayPeeringGroup":
            return peering_config.groups(self.appliance)
        if kind == "GatewayPeeringManager" and s.manager_present:
            return [("default", [("mAdminState", "enabled"), ("APIConnectGatewayService", s.gw_object), ("RateLimit", "tms"), ("Subscription", "subs")])]
        if kind == "APIConnectGatewayService":
            old = s.v5_compat or not s.manager_present
            return [(s.service_object_name, [
                ("mAdminState", "enabled" if service.admin_enabled else "disabled"), ("LocalAddress", "0.0.0.0"), ("LocalPort", 3000), ("SSLClient", "gwd_client"),
                ("SSLServer", "gwd_server"), ("APIGatewayAddress", "0.0.0.0"), ("APIGatewayPort", 9443),
                ("GatewayPeering", s.gw_object) if old else ("GatewayPeeringManager", "default"), ("V5CompatibilityMode", "on" if s.v5_compat else "off")])]
        if kind == "APICollection":
            return [(f"catalog-{n + 1}", [("mAdminState", "enabled")]) for n in range(service.shown_collections())]
        return []

    def _main_target(self):
        s, log = self.switches, self.appliance.log
        return [("mAdminState", "disabled" if s.log_target_state == "disabled" else "enabled"), ("Type", "file"), ("Format", "text"),
                ("TimestampFormat", s.log_format), ("Size", s.log_size_kb), ("LocalFile", f"logtemp:///{os.path.basename(log.path)}"), ("Rotate", s.log_rotate)] \
            + [("LogEvents", [("Class", c), ("Priority", level)]) for c, level in log.rows()]

    def _get_file(self, identity, name, domain, operation):
        path = operation.get("name")
        cannot = Refused("Cannot read the specified file")
        parts = path.removeprefix("logtemp:///").split("/")
        if not path.startswith("logtemp:///") or ".." in parts:
            raise cannot
        try:
            with open(os.path.join(self.appliance.log_folder(domain), *parts), "rb") as file:
                data = file.read(GET_FILE_BYTES_MAX)
        except OSError:
            raise cannot from None
        if not data:
            return f"<dp:file name={quoteattr(path)}/>"
        text = base64.b64encode(data).decode()
        width = self.switches.xmi_wrap
        if width > 0:
            text = "\n" + "\n".join(text[i:i + width] for i in range(0, len(text), width)) + "\n"
        return f"<dp:file name={quoteattr(path)}>{text}</dp:file>"

    def _get_filestore(self, identity, name, domain, operation):
        if self.switches.xmi_filestore == "refuse":
            raise Refused(AUTHENTICATION, why="get-filestore")
        location = operation.get("location")
        only, flat = operation.get("layout-only") == "true", operation.get("no-subdirectories") == "true"
        listing = self._listing(self.appliance.log_folder(domain), location, only, flat, domain) if location == "logtemp:" else ""
        return f"<dp:filestore><location name={quoteattr(location)}>{listing}</location></dp:filestore>"

    def _listing(self, folder, name, layout_only, flat, domain, depth=0):
        text = ""
        others = set(self.appliance.domains) if domain == "default" and depth == 0 else set()      # other domains' folders lie in default's
        for entry in sorted(os.scandir(folder), key=lambda e: e.name) if os.path.isdir(folder) else []:
            if entry.is_dir() and entry.name not in others and not (flat and depth):
                inner = f"{name}/{entry.name}"
                text += f"<directory name={quoteattr(inner)}>{'' if flat else self._listing(entry.path, inner, layout_only, flat, domain, depth + 1)}</directory>"
            elif entry.is_file() and not layout_only:
                about = entry.stat()
                modified = time.strftime(self.switches.filestore_time, time.gmtime(about.st_mtime + self.switches.clock_offset + 60 * self.switches.timezone_min))
                text += f"<file name={quoteattr(entry.name)}><size>{about.st_size}</size><modified>{escape(modified)}</modified></file>"
        return text

    # ---- acting

    def _values(self, element):
        """Single properties, rows of LogEvents, codes."""
        values = {local(e): (e.text or "").strip() for e in element if not len(e) and local(e) != "LogEventCode"}
        rows = [({local(p): (p.text or "").strip() for p in e}) for e in element if local(e) == "LogEvents"]
        codes = [(e.text or "").strip() for e in element if local(e) == "LogEventCode"]
        return values, [(r["Class"], r["Priority"]) for r in rows], codes

    def _modify_config(self, identity, name, domain, operation):
        target, kind = operation[0], local(operation[0])
        values, rows, codes = self._values(target)
        if kind == "LogTarget":
            return self._modify_target(identity, name, domain, target.get("name"), values, rows, codes)
        if domain != self.lab.domain:
            self.appliance.effect("changed_elsewhere", identity, name, domain=domain, object=kind, changes=values)
            return self.ok()
        if target.get("name") not in [n for n, _ in self._objects(kind, domain)]:
            raise self.failed(self.switches.unknown_object_text, f"there is no {kind} {target.get('name')}")
        self.appliance.unsaved = True
        problem = None
        if kind == "APIConnectGatewayService":
            if values.keys() - {"mAdminState"}:
                self.appliance.effect("object_changed", identity, name, object=kind, changes=values)
            if "mAdminState" in values:
                problem = self.appliance.service.set_admin(values["mAdminState"] == "enabled", identity, name)
        elif kind == "GatewayPeering":
            problem = peering_config.change(self.appliance, target.get("name"), values, identity, name)
        else:
            self.appliance.effect("object_changed", identity, name, object=kind, changes=values)
        if problem:
            raise self.failed(problem)
        return self.ok()

    def _modify_target(self, identity, name, domain, target_name, values, rows, codes):
        targets = self.appliance.targets
        if target_name == targets.main_name and domain == self.lab.domain and self.switches.log_target == "present":
            targets.set_main(values, rows)
        else:
            old = targets.find(domain, target_name)
            if old is None:
                raise self.failed(self.switches.unknown_object_text, f"there is no LogTarget {target_name}")
            merged = {**old.properties, **values}
            problem = targets.problem(domain, target_name, merged)
            if problem:
                raise self.failed(problem)
            targets.set(domain, target_name, merged, rows or old.rows, codes or old.codes)
        self.appliance.unsaved = True
        self.appliance.effect("log_target_changed", identity, name, name=target_name, changes=values, events=rows, codes=codes)
        return self.ok()

    def _set_config(self, identity, name, domain, operation):
        target, kind = operation[0], local(operation[0])
        if kind != "LogTarget":
            # It would put everything that is not named back to its default: nobody here has a reason to.
            self.appliance.effect("set_config", identity, name, object=kind, forbidden=True)
            raise Refused(AUTHENTICATION, why=f"set-config of {kind}")
        targets, target_name = self.appliance.targets, target.get("name")
        values, rows, codes = self._values(target)
        problem = targets.problem(domain, target_name, values)
        if problem:
            raise self.failed(problem)
        self.appliance.unsaved = True
        if target_name == targets.main_name and domain == self.lab.domain and self.switches.log_target == "present":
            targets.set_main(values, rows)
            replaced = True
        else:
            replaced = targets.set(domain, target_name, values, rows, codes)
        self.appliance.effect("log_target_set", identity, name, name=target_name, domain=domain, replaced=replaced, type=values.get("Type", "file"),
                              local_file=values.get("LocalFile"), events=rows, codes=codes, changes=values)
        return self.ok()

    def _do_action(self, identity, name, domain, operation):
        action = operation[0]
        kind, wanted = local(action), (action[0].text or "").strip() if len(action) else ""
        if kind == "SaveConfig":
            self.appliance.save(identity, name)
            return self.ok()
        peering = self.lab.peering.get(wanted) if domain == self.lab.domain else None
        if peering is None:
            raise self.failed(self.switches.unknown_object_text, f"there is no GatewayPeering {wanted} in {domain}")
        if kind == "GatewayPeeringRemoveStalePeers":
            self.appliance.effect("stale_peers_removed", identity, name, object=peering.name, rows=self.switches.stale_rows)
            self.switches.set("stale_rows", "")
            return self.ok()
        return self._switch_primary(identity, name, peering)

    def _switch_primary(self, identity, name, peering):
        s = self.switches
        if peering.is_primary(self.appliance):
            self.appliance.effect("switch_primary", identity, name, object=peering.name, already=True)
            if s.already_primary_text:
                raise self.failed(s.already_primary_text)
        elif s.switch_primary == "error":
            raise self.failed(s.switch_error_text)
        elif s.switch_primary == "ignored":
            self.appliance.effect("switch_ignored", identity, name, object=peering.name)
        else:
            self.lab.task(self._ask_switch(identity, name, peering))
        return self.ok()

    async def _ask_switch(self, identity, name, peering):
        try:
            problem = await peering.request_switch(self.appliance, identity, name)
        except PeeringError as error:
            problem = str(error)
        if problem:
            self.appliance.effect("switch_failed", identity, name, object=peering.name, text=problem)


# ---- pieces of XML

def envelope(content):
    return ('<?xml version="1.0" encoding="UTF-8"?>\n<env:Envelope xmlns:env="http://schemas.xmlsoap.org/soap/envelope/"><env:Body>'
            + content + "</env:Body></env:Envelope>")


def fault_text(text):
    return envelope(f"<env:Fault><faultcode>env:Client</faultcode><faultstring>{escape(text)}</faultstring></env:Fault>")
