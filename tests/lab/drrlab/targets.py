"""Log targets of one member beside its main one: made by set-config, by the command line or by a test; to a file, or pushed by syslog.

A target gets exactly the events that it subscribes to: rows of category and level, and single codes.  Whether codes narrow what the rows
let through or add to it is a switch.  What was not saved is gone after a reload, and so is every file: logtemp is volatile.
"""

import os

from .log import TEXTS, LogFile, line_of, subscribed, subscriptions, timestamp
from .syslog import Sender, send_spoofed

DEFAULTS = {"mAdminState": "enabled", "Type": "file", "Format": "text", "TimestampFormat": "zulu", "Size": "500", "Rotate": "3", "LocalFile": "",
            "RemoteAddress": "", "RemotePort": "514", "SyslogFacility": "user", "RateLimit": "100"}
FILE_PREFIX = "logtemp:///"
SPOOF_PERIOD_S = 0.5


class Target:
    def __init__(self, appliance, name, domain, properties, rows, codes):
        self.appliance = appliance
        self.name = name
        self.domain = domain
        self.properties = {**DEFAULTS, **properties}
        self.rows = rows                # [(category, level)]
        self.codes = [c.lower() for c in codes]
        self.file = None
        self.sender = None
        self.processed = 0
        self.fixed = False              # made by a switch or a test, not by configuration: a reload does not forget it
        self.saved = False
        self.begin()

    def begin(self):
        p = self.properties
        if p["mAdminState"] != "enabled":
            return
        if p["Type"] == "file":
            path = os.path.join(self.appliance.log_folder(self.domain), p["LocalFile"].removeprefix(FILE_PREFIX))
            self.file = LogFile(self.appliance, path, lambda: int(p["Size"]), lambda: int(p["Rotate"]))
            self.file.open()
        elif p["Type"] in ("syslog", "syslog-tcp"):
            self.sender = Sender(self.appliance, self.name, p["Type"] == "syslog-tcp", p["RemoteAddress"], int(p["RemotePort"]),
                                 float(p["RateLimit"]), p["SyslogFacility"], bool(p.get("SSLClient")))

    def end(self):
        if self.file:
            self.file.close()
        if self.sender:
            self.sender.close()
        self.file = self.sender = None

    @property
    def up(self):
        return bool(self.file or self.sender)

    def wants(self, event):
        if self.domain not in (event.domain, "default"):
            return False
        by_row = subscribed(self.rows, event.category, event.level)
        if self.appliance.switches.log_event_codes == "add":
            return by_row or event.code.lower() in self.codes
        return by_row and (not self.codes or event.code.lower() in self.codes)

    def take(self, event):
        if not self.up or not self.wants(event):
            return
        self.processed += 1
        bracket = event.domain if self.domain != event.domain else self.appliance.switches.log_domain
        if self.file:
            stamp = timestamp(self.properties["TimestampFormat"], self.appliance.log.now())
            self.file.raw(line_of(event, stamp, bracket).encode("utf-8", "surrogateescape") + b"\n")
        else:
            self.sender.send(event, bracket)

    @property
    def dropped(self):
        return self.sender.dropped if self.sender else 0

    def state(self):
        return {"domain": self.domain, "type": self.properties["Type"], "file": self.file.path if self.file else None, "up": self.up,
                "events": [f"{c}:{p}" for c, p in self.rows], "codes": self.codes, "processed": self.processed, "dropped": self.dropped,
                "saved": self.saved or self.fixed, **(self.sender.state() if self.sender else {})}

    def config(self):
        """Its properties in the schema's order."""
        p = self.properties
        names = ["mAdminState", "Type", "Format", "TimestampFormat", "Size", "LocalFile", "Rotate"] if p["Type"] == "file" else \
                ["mAdminState", "Type", "Format", "TimestampFormat", "RemoteAddress", "RemotePort", "SyslogFacility", "RateLimit"]
        return [(n, p[n]) for n in names] + [("LogEvents", [("Class", c), ("Priority", l)]) for c, l in self.rows] + [("LogEventCode", c) for c in self.codes]


class Targets:
    def __init__(self, appliance):
        self.appliance = appliance
        self.lab = appliance.lab
        self.main_name = "gwd-log"
        self.table = {}                 # (domain, name) -> Target
        self.pushed_to = ""
        self._foreign_due = self._spoof_due = 0.0

    def begin(self):
        """What switches ask for, once the lab runs."""
        self.push_changed()

    # ---- events

    def take(self, event):
        for target in list(self.table.values()):
            target.take(event)

    def foreign(self, event):
        """An event of another domain: only targets of the default domain see it."""
        self.take(event._replace(domain="otherdomain"))

    # ---- configuration

    def problem(self, domain, name, properties):
        """Why this cannot be a target, or None."""
        p = {**DEFAULTS, **properties}
        if p["Type"] == "file":
            rest = p["LocalFile"].removeprefix(FILE_PREFIX)
            if not p["LocalFile"].startswith(FILE_PREFIX) or not rest or ".." in rest.split("/") or rest.endswith("/"):
                return "LocalFile must be a file in logtemp:///"
        elif p["Type"] in ("syslog", "syslog-tcp"):
            if not p["RemoteAddress"]:
                return "RemoteAddress is missing"
        else:
            return f"the type {p['Type']} is not simulated"
        return None

    def set(self, domain, name, properties, rows, codes, fixed=False):
        """set-config: it replaces what is there.  Returns whether something was replaced."""
        old = self.table.pop((domain, name), None)
        if old:
            old.end()
        target = self.table[(domain, name)] = Target(self.appliance, name, domain, properties, rows, codes)
        target.fixed = fixed
        return old is not None

    def set_main(self, properties, rows):
        """The main target's configuration is switches."""
        s = self.appliance.switches
        for name, switch in (("Size", "log_size_kb"), ("Rotate", "log_rotate"), ("TimestampFormat", "log_format")):
            if name in properties:
                s.set(switch, properties[name])
        if rows:
            s.set("log_events", ",".join(f"{c}:{level}" for c, level in rows))
        if "mAdminState" in properties:
            s.set("log_target_state", "up" if properties["mAdminState"] == "enabled" else "disabled")

    def remove(self, domain, name):
        self.table.pop((domain, name)).end()

    def find(self, domain, name):
        return self.table.get((domain, name))

    def of(self, domain):
        return [t for (d, _), t in self.table.items() if d == domain]

    def save(self):
        for target in self.table.values():
            target.saved = True

    # ---- push by syslog, by switch or by a test

    def push_changed(self):
        """The switch syslog_to: PROTOCOL:ADDRESS:PORT, PROTOCOL one of udp, tcp, tls."""
        text = self.appliance.switches.syslog_to
        if text == self.pushed_to:
            return
        self.pushed_to = text
        if text:
            self.push(*parse_push(text))
        else:
            self.unpush("syslog")

    def push(self, protocol, address, port, name="syslog", events="all:debug", codes="", domain=None, rate=100):
        properties = {"Type": "syslog" if protocol == "udp" else "syslog-tcp", "RemoteAddress": address, "RemotePort": str(port), "RateLimit": str(rate)}
        if protocol == "tls":
            properties["SSLClient"] = "lab"
        self.set(domain or self.lab.domain, name, properties, subscriptions(events), [c for c in codes.split(",") if c], fixed=True)
        self.appliance.effect("log_target_set", name=name, type=properties["Type"], to=f"{protocol}:{address}:{port}")

    def unpush(self, name):
        old = self.table.pop((self.lab.domain, name), None)
        if old:
            old.end()
        return old is not None

    def make_noise(self, seconds):
        """Lines of other domains, and of a sender that is none, in between.  Called several times a second."""
        s = self.appliance.switches
        if s.syslog_other_domains > 0:
            self._foreign_due += s.syslog_other_domains * seconds
            while self._foreign_due >= 1:
                self._foreign_due -= 1
                event = self.appliance.log.noise_event()._replace(domain="otherdomain", category="apic-gw-service", level="notice")
                for target in list(self.table.values()):
                    if target.sender and target.up:
                        target.sender.send(event, "otherdomain")
        if s.syslog_spoof:
            self._spoof_due += seconds
            if self._spoof_due >= SPOOF_PERIOD_S:
                self._spoof_due = 0.0
                self.spoof(s.syslog_spoof)

    def spoof(self, address, code="0x88e000d7", text=None, name=None):
        """A line that looks like this member's, from another address.  Returns how many receivers it went to."""
        event = self.appliance.log.make(code, text or TEXTS[code])
        count = 0
        for target in list(self.table.values()):
            if target.sender and name in (None, target.name):
                sender = target.sender
                send_spoofed(address, sender.to, sender.stream, sender.message(event, ""), self.appliance.switches.syslog_framing)
                count += 1
        self.appliance.effect("syslog_spoofed", address=address, code=code, receivers=count)
        return count

    # ---- reload and end

    def power_off(self):
        for target in self.table.values():
            target.end()
        if not self.appliance.switches.logtemp_volatile:
            return
        self.appliance.log.close()
        for folder, _, names in os.walk(self.appliance.log_folder("default")):
            for name in names:
                os.unlink(os.path.join(folder, name))
        self.appliance.effect("logtemp_emptied")

    def power_on(self):
        for key, target in list(self.table.items()):
            if target.fixed or target.saved:
                target.begin()
            else:
                del self.table[key]
                self.appliance.effect("log_target_gone", name=target.name, domain=target.domain, why="reload, not saved")
        if self.appliance.log.present:
            self.appliance.log.open()

    def close(self):
        for target in self.table.values():
            target.end()

    def state(self):
        return {t.name if d == self.lab.domain else f"{d}/{t.name}": t.state() for (d, _), t in self.table.items()}


def parse_push(text):
    """`udp:127.0.0.1:5514` -> its parts."""
    protocol, _, rest = text.partition(":")
    address, _, port = rest.rpartition(":")
    if protocol not in ("udp", "tcp", "tls") or not address or not port.isdigit():
        raise ValueError(f"{text}: udp|tcp|tls:ADDRESS:PORT")
    return protocol, address.strip("[]"), int(port)
