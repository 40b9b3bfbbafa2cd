"""One simulated appliance: its switches, users, domains, service, log, and what happens when it reloads."""

import asyncio
import os
import time

from .faults import Faults
from .log import LogWriter
from .service import GatewayService
from .targets import Targets


class Appliance:
    def __init__(self, lab, name, address, switches):
        self.lab = lab
        self.name = name
        self.address = address
        self.switches = switches
        self.running = True
        self.awake = asyncio.Event()     # clear: stunned
        self.awake.set()
        self._delayed = []               # what its timers would have done meanwhile
        self.peering_alive = True
        self.frozen_view = {}            # object -> the primaries it knew when it lost its peers
        self.frozen_offset = {}
        self.saved_admin = True
        self.unsaved = False             # the running configuration differs from the saved one
        self.faults = Faults(switches)
        self.sessions = set()
        self.connections = 0
        self.failures = {}               # user -> wrong passwords in a row
        self.locked_until = {}
        self.reloaded_at = self.booted_at = time.monotonic()
        self.reloads = self.reboots = 0
        self.auth = {"connections": 0, "kex_done": 0, "auth_requests": 0, "password_received": 0}
        self.domains = list(dict.fromkeys(["default", lab.domain, "otherdomain"]))
        self.log = None
        self.targets = None
        self.service = None
        self.servers = None
        self._noise_due = 0.0

    def set_up(self, file_name):
        """The rest, once the lab's peering exists."""
        self.log = LogWriter(self, self.log_folder(self.lab.domain), file_name)
        self.targets = Targets(self)
        self.service = GatewayService(self)

    def log_folder(self, domain):
        """logtemp: of a domain.  The default domain's files lie directly in log/."""
        return os.path.join(self.lab.directory, self.name, "log", "" if domain == "default" else domain).rstrip("/")

    def save_needed(self, domain):
        return domain == self.lab.domain and (self.unsaved or self.switches.unsaved_config)

    def save(self, session, command):
        """write memory"""
        self.effect("write_memory", session, command, admin_state="enabled" if self.service.admin_enabled else "disabled")
        self.unsaved = False
        self.saved_admin = self.service.admin_enabled
        self.targets.save()

    def effect(self, effect, session=None, command=None, **more):
        return self.lab.effects.add(effect, self.name, session, command, **more)

    def own_peering(self):
        """The object that really serves apic-gw-service, whatever a faulty dump says."""
        return self.lab.peering["gwd"]

    # ---- users

    def users(self):
        return self.lab.users

    def check_login(self, user, password, way):
        """Returns (ok, reason).  `way` is ssh, telnet or console."""
        now = time.monotonic()
        s = self.switches
        if self.locked_until.get(user, 0) > now:
            return False, "locked"
        if s.restrict_admin and user == "admin" and way != "console":
            return False, "restricted"
        if self.users().get(user) != password or password is None:
            self.failures[user] = self.failures.get(user, 0) + 1
            if s.max_login_failure and self.failures[user] >= s.max_login_failure:
                self.locked_until[user] = now + s.lockout_duration
                self.effect("locked_out", user=user)
            return False, "wrong password"
        self.failures[user] = 0
        return True, ""

    # ---- time and log

    def uptime_reload(self):
        """Seconds; a lab that just started looks as if it had been up for long."""
        return time.monotonic() - self.reloaded_at + (0 if self.reloads else self.switches.uptime_start)

    def uptime_reboot(self):
        return time.monotonic() - self.booted_at + (0 if self.reboots else self.switches.uptime_start + 61)

    def show_on_consoles(self, line):
        for session in list(self.sessions):
            session.log_line(line)

    def make_noise(self, seconds):
        """Called by the lab several times a second."""
        s = self.switches
        if s.noise_rate > 0:
            self._noise_due += s.noise_rate * seconds
            while self._noise_due >= 1:
                self._noise_due -= 1
                event = self.log.noise_event()
                self.log.raw(self.log.line(event).encode() + b"\n")
                self.targets.take(event)
        self.targets.make_noise(seconds)
        if s.noise_mb_s > 0:
            block = b"".join(self.log.noise_line().encode() + b"\n" for _ in range(50))
            for _ in range(max(1, int(s.noise_mb_s * 1e6 * seconds / len(block)))):
                self.log.raw(block)

    # ---- link and reload

    def set_link(self, alive):
        if alive == self.peering_alive:
            return
        if not alive:
            for peering in self.lab.peering.values():
                peering.link_lost(self)
            self.peering_alive = False
        else:
            self.peering_alive = True
            for peering in self.lab.peering.values():
                peering.link_back(self)
        self.effect("peering_link", value="ok" if alive else "down")

    # ---- stunned: all of it stands still, as a virtual machine does that is moved or whose disk is copied

    def when_awake(self, action, *args):
        if self.awake.is_set():
            action(*args)
        else:
            self._delayed.append((action, args))

    def stun(self, seconds=None):
        """Connections are taken by the kernel and not answered; the peers lose it; nothing of its own happens."""
        if self.running and self.awake.is_set():
            self.effect("stunned", seconds=seconds)
            self.awake.clear()
            self.servers.pause()
            self.set_link(False)
        if seconds is not None:
            self.lab.later(seconds, self.wake)

    def wake(self):
        if self.awake.is_set():
            return
        self.effect("woken")
        self.awake.set()
        self.set_link(self.switches.peering_link == "ok")
        delayed, self._delayed = self._delayed, []
        for action, args in delayed:
            action(*args)
        self.servers.resume()

    async def reload(self, seconds=None, reboot=False, wait=0.0):
        """The appliance reloads: sessions end, memory is forgotten, the peers may choose another primary meanwhile.  One that is down already stays so."""
        if wait > 0:
            await self.lab.sleep(wait)
        if not self.running:
            return
        self.wake()
        self.effect("reload", reboot=reboot)
        seconds = self.switches.reload_time if seconds is None else seconds
        self.running = False
        self.servers.stop_listening()
        self.targets.power_off()
        dead = self._end_sessions()
        self.servers.cut_all()
        self.set_link(False)
        self.service.power_off()
        for peering in self.lab.peering.values():
            peering.power_off(self)
        await self.lab.sleep(seconds)
        self.reloaded_at = time.monotonic()
        self.reloads += 1
        if reboot:
            self.booted_at, self.reboots = self.reloaded_at, self.reboots + 1
        self.running = True
        if self.switches.reload_reverts:
            self.service.admin_enabled = self.saved_admin
        self.unsaved = False if self.switches.reload_reverts else self.unsaved
        self.targets.power_on()
        self.log.event("0x80e0085f", category="apigw", text="Gateway peering server restarted", log_class="gateway-peering(gwd)")
        self.log.event("0x80e00860", category="apigw", text="Gateway peering monitor restarted", log_class="gateway-peering(gwd)")
        if self.switches.peering_link == "ok":
            # Coming back as primary without a failover, its (possibly empty) store is what the others copy.
            self.set_link(True)
        for peering in self.lab.peering.values():
            await peering.power_on(self)
        for session in dead:
            session.transport.abort(True)
        await self.servers.start_listening()
        if self.service.admin_enabled:
            self.service.start(after_restart=self.switches.after_restart)
        self.effect("reloaded")

    def _end_sessions(self):
        """Those whose clients do not know yet that they have ended."""
        how, sessions = self.switches.restart_ends, list(self.sessions)
        for session in sessions:
            if how == "silent":
                session.lost()
            else:
                session.cut("reload", how)
        return sessions if how == "silent" else []

    # ---- state, for tests

    def state(self):
        return {
            "address": self.address, "running": self.running, "stunned": not self.awake.is_set(), "peering_link": "ok" if self.peering_alive else "down",
            "service": {"admin_state": "enabled" if self.service.admin_enabled else "disabled", "op_state": self.service.op_state,
                        "state": self.service.state, "collections": self.service.shown_collections(), "resyncing": self.service.resyncing},
            "peering": {n: {"is_primary": p.is_primary(self), "keys": None if p.stores[self.name] is None else len(p.stores[self.name])} for n, p in self.lab.peering.items()},
            "xmi": self.servers.xmi.state(), "log_targets": self.targets.state(), "unsaved": self.unsaved or self.switches.unsaved_config,
            "sessions": len(self.sessions), "auth": dict(self.auth), "failures": dict(self.failures),
            "switches": self.switches.changed(),
        }
