"""The events of one member, as lines; the main log target's file, and everything that makes a log hard to follow.

The main target (gwd-log) is described by switches; other targets, made while the lab runs, stand in targets.py.
"""

import os
import time
from collections import namedtuple

LEVELS = ["emerg", "alert", "critic", "error", "warn", "notice", "info", "debug"]

TEXTS = {
    "0x88e000d7": "Waiting for gateway service registration.",
    "0x88e00210": "Webhook event accepted: {detail}",
    "0x88e0007d": "Webhook event queued: {detail}",
    "0x88e0028e": "Batch event validation start",
    "0x88e0028f": "Batch event validation end",
    "0x88e000a6": "Refresh request sent",
    "0x88e000a7": "Refresh request processed",
    "0x88e000ac": "Transaction completed in {detail} ms, snapshot ID: {snapshot}",
    "0x88e001ef": "Configuration not complete after 10 minutes",
    "0x88e001f0": "Configuration is tried again",
    "0x88e001f1": "Configuration not complete after 20 more minutes",
}


Event = namedtuple("Event", "code category level log_class tid text domain")     # tid: `tid(N)...` with more brackets, or empty


class LogFile:
    """A file that lines are appended to, with its rotations and accidents."""

    def __init__(self, appliance, path, limit_kb, keep):
        """limit_kb and keep are functions: they may change while the file is open."""
        self.appliance = appliance
        self.path = path
        self.directory = os.path.dirname(path)
        self._limit_kb = limit_kb
        self._keep = keep
        self._fd = -1
        self._old_until = 0.0       # rename + create: the writer keeps to the old file until then
        self._old_fd = -1

    def raw(self, data):
        if self._old_fd >= 0:
            if time.monotonic() < self._old_until:
                os.write(self._old_fd, data)
                return
            os.close(self._old_fd)
            self._old_fd = -1
        if self._fd < 0:
            self.open()
        os.write(self._fd, data)
        size = os.fstat(self._fd).st_size
        if size >= self._limit_kb() * 1024:
            self.rotate()

    def append_bulk(self, data):
        """Much at once, without a rotation."""
        if self._fd < 0:
            self.open()
        with open(self.path, "ab") as file:
            file.write(data)

    def open(self):
        if self._fd < 0:
            os.makedirs(self.directory, exist_ok=True)
            self._fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)

    def close(self):
        for fd in (self._fd, self._old_fd):
            if fd >= 0:
                os.close(fd)
        self._fd = self._old_fd = -1

    # ---- rotation and other accidents

    def rotate(self, keep_old_s=0.0):
        """gwd-log.log -> .1 -> .2 ...: rename, then a new file."""
        keep = max(self._keep(), 1)
        for n in range(keep, 1, -1):
            if os.path.exists(f"{self.path}.{n - 1}"):
                os.rename(f"{self.path}.{n - 1}", f"{self.path}.{n}")
        if os.path.exists(self.path):
            os.rename(self.path, f"{self.path}.1")
        if keep_old_s > 0 and self._fd >= 0:
            self._old_fd, self._old_until = self._fd, time.monotonic() + keep_old_s
        elif self._fd >= 0:
            os.close(self._fd)
        self._fd = -1
        self.open()
        self.appliance.effect("log_rotated", file=self.path)

    def copytruncate(self):
        with open(self.path, "rb") as source, open(self.path + ".1", "wb") as target:
            target.write(source.read())
        os.truncate(self.path, 0)
        self.appliance.effect("log_copytruncated", file=self.path)

    def truncate(self, size=0):
        os.truncate(self.path, size)
        self.appliance.effect("log_truncated", file=self.path)

    def recreate(self):
        """Delete and create: the new file often gets the same inode."""
        self.close()
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.open()
        self.appliance.effect("log_recreated", file=self.path)


def timestamp(form, now):
    if form == "numeric":
        return str(int(now))
    utc = time.gmtime(now)
    if form == "syslog":
        return time.strftime("%b %d %H:%M:%S", utc)
    return time.strftime("%Y%m%dT%H%M%S", utc) + f".{int(now % 1 * 1000):03d}Z"


def line_of(event, stamp, bracket=""):
    """One event as a line of a target; `bracket` is the domain in front, where one stands."""
    parts = [f"{event.log_class}:"] if event.log_class else []
    if event.tid:
        parts.append(f"{event.tid}:")
    prefix = (stamp + " " if stamp else "") + (f"[{bracket}]" if bracket else "")
    return f"{prefix}[{event.code}][{event.category}][{event.level}] " + " ".join(parts + [event.text])


def subscriptions(text):
    """`apic-gw-service:debug,mgmt:notice` -> rows of (category, level)."""
    rows = []
    for item in text.split(","):
        category, _, level = item.strip().partition(":")
        if category:
            rows.append((category, level or "notice"))
    return rows


def subscribed(rows, category, level):
    return any(c in (category, "all") and LEVELS.index(level) <= LEVELS.index(limit) for c, limit in rows)


class LogWriter(LogFile):
    """The source of the member's events, and its main target's file."""

    def __init__(self, appliance, directory, file_name):
        s = self.switches = appliance.switches
        super().__init__(appliance, os.path.join(directory, file_name), lambda: s.log_size_kb, lambda: s.log_rotate)
        self._held = None           # lines that wait behind a half-written one
        os.makedirs(directory, exist_ok=True)
        if self.present:
            self.open()

    @property
    def present(self):
        """Whether the target is there and takes lines."""
        return self.switches.log_target == "present" and self.switches.log_target_state == "up"

    # ---- lines

    def now(self):
        return time.time() + self.switches.clock_offset

    def timestamp(self):
        return timestamp(self.switches.log_format, self.now())

    def make(self, code, text, category="apic-gw-service", level="notice", log_class=None):
        s = self.switches
        tid = f"tid({self.appliance.lab.random.randrange(100, 99999)}){s.log_extra}" if s.log_tid else ""
        return Event(code, category, level, s.log_class if log_class is None else log_class, tid, text, self.appliance.lab.domain)

    def line(self, event, domain=None):
        return line_of(event, self.timestamp(), self.switches.log_domain if domain is None else domain)

    def format(self, code, text, category="apic-gw-service", level="notice", log_class=None, domain=None):
        return self.line(self.make(code, text, category, level, log_class), domain)

    def event(self, code, detail="", category="apic-gw-service", level="notice", text=None, log_class=None, record=True, more=None):
        """One event of the appliance: to the file, to consoles that show log lines, and to the effects."""
        if not self.appliance.awake.is_set():
            self.appliance.when_awake(self.event, code, detail, category, level, text, log_class, record, more)
            return
        text = text or TEXTS[code]
        text = text.replace("{detail}", str(detail)).replace("{snapshot}", self.appliance.lab.snapshot_id)
        event = self.make(code, text, category, level, log_class)
        line = self.line(event)
        written = self._wanted(event)
        rotate_code, _, inside = self.switches.rotate_on.partition(":")
        rotate = bool(rotate_code) and rotate_code == code
        if rotate:
            self.switches.set("rotate_on", "")
            if not inside:
                self.rotate()
        if record:
            self.appliance.effect("log_line", code=code, written=written, text=text, file=self.path if written else None, **(more or {}))
        if written:
            data = line.encode("utf-8", "surrogateescape") + b"\n"
            if rotate and inside:
                self.raw(data[:len(data) // 2])
                self.rotate()
                self.raw(data[len(data) // 2:])
            elif code == "0x88e000d7" and self.switches.partial_pause > 0:
                self._write_in_halves(data)
            else:
                self.raw(data)
        self.appliance.targets.take(event)
        self.appliance.show_on_consoles(line)

    def _wanted(self, event):
        if not self.present:
            return False
        if self.switches.log_events:
            return subscribed(self.rows(), event.category, event.level)
        return LEVELS.index(event.level) <= LEVELS.index(self.switches.log_level)

    def rows(self):
        """What the main target is subscribed to, as its configuration says it."""
        s = self.switches
        if s.log_events:
            return subscriptions(s.log_events)
        return [("apic-gw-service", s.log_level), ("apigw", s.log_level)] + ([("mgmt", s.log_level)] if s.service_mgmt_lines else [])

    # ---- bytes

    def raw(self, data):
        if not self.present:
            return
        if self._held is not None:
            self._held.append(data)
            return
        super().raw(data)

    def _write_in_halves(self, data):
        half = len(data) // 2
        self.raw(data[:half])
        self._held = []

        def finish():
            held, self._held = self._held or [], None
            if self.switches.partial_end == "finish":
                self.raw(data[half:])
            for item in held:
                self.raw(item)
        self.appliance.lab.later(self.switches.partial_pause, finish)

    # ---- noise

    def noise_event(self):
        r = self.appliance.lab.random
        return self.make(f"0x80e{r.randrange(0x10000):05x}", f"Processing item {r.randrange(10**6)} of the gateway director queue",
                         r.choice(["apic-gw-service", "apigw", "mgmt", "network"]), r.choice(["notice", "info", "warn"]),
                         r.choice(["apic-gw-service(default)", "apigw(apiconnect)", "", "source-https(my front side)"]))

    def noise_line(self):
        return self.line(self.noise_event())

    def before_waiting_line(self):
        """What the switches put in the way of a reader that waits for 0x88e000d7."""
        s = self.switches
        kind = s.lookalike
        waiting = TEXTS["0x88e000d7"]
        if kind in ("code", "all"):
            self.event("0x88e000d8", text=waiting, record=False)
        if kind in ("text", "all"):
            self.event("0x80e0084c", text=f"debug: [0x88e000d7][apic-gw-service][notice] {waiting}", record=False)
        if kind in ("domain", "all"):
            event = self.make("0x88e000d7", waiting)
            self.raw(self.line(event, "otherdomain").encode() + b"\n")
            self.appliance.targets.foreign(event)
        if s.multiline:
            self.event("0x88e00127", text="Unhandled rejection: Error: 0x88e000d7", level="error", record=False)
            self.raw(b"    at waitForRegistration (/isam/apic-gw-service.js:88:14)\n    at <anonymous>\n\n")
        if s.binary_noise:
            self.raw(b"\x00\x00\x1b[2J\x1b]0;owned\x07 \xff\xfe[0x88e000d7\r\n\r\n")
        if s.long_line_kb > 0:
            self.raw(self.format("0x80e0084c", "x" * (s.long_line_kb * 1024), level="notice").encode() + b"\n")
