"""A lab as one asyncio process: members, peering, management server, doors, control."""

import asyncio
import errno
import json
import os
import random
import secrets
import shutil
import signal
import socket
import time

from . import peering as peering_model
from .api_manager import ApiManager
from .appliance import Appliance
from .certificates import Authority
from .control import Control
from .effects import Effects
from .manager import ManagementServer
from .presets import expand
from .redis_peering import RedisPeering
from .servers import Servers, listen_unix
from .switches import LAB_TABLE, MEMBER_TABLE, Switches

NOISE_PERIOD_S = 0.05
MEMBERS_MAX = 200
LISTENING = ("ssh_listen", "telnet_listen", "xmi", "xmi_acl", "xmi_tls", "xmi_key", "xmi_certificate", "gateway_listen", "gateway_fault")
REDIS_MEMBERS_MAX = 7


class Lab:
    def __init__(self, directory, members=3, seed=None, time_scale=0.01, settings=(), group=None, ssh_port=2222, telnet_port=2200,
                 port_base=None, domain="apiconnect", log_name="gwd-log.log", peering="model"):
        if not 1 <= members <= MEMBERS_MAX:
            raise ValueError(f"--members: 1 to {MEMBERS_MAX}")
        if peering == "redis" and members > REDIS_MEMBERS_MAX:
            raise ValueError(f"--peering redis: at most {REDIS_MEMBERS_MAX} members")
        self.directory = os.path.abspath(directory)
        self.peering_form = peering
        self.count = members
        self.seed = secrets.randbelow(2**31) if seed is None else seed
        self.random = random.Random(self.seed)
        self.authority = Authority(self.directory)
        self.time_scale = time_scale
        self.settings = list(settings)
        self.group = group
        self.ports = (ssh_port, telnet_port)
        self.port_base = port_base
        self.domain = domain
        self.log_name = log_name
        self.switches = Switches(LAB_TABLE, time_scale)
        self.users = {}
        self.members = []
        self.peering = {}
        self.snapshot_id = ""
        self.started_at = time.monotonic()
        self.loop = None
        self.effects = None
        self.stopping = None
        self._tasks = set()
        self._sessions = 0

    # ---- small services for the rest

    def later(self, delay, action, *args):
        return self.loop.call_later(max(0.0, delay), action, *args)

    def task(self, coroutine):
        task = self.loop.create_task(coroutine)
        self._tasks.add(task)       # asyncio itself keeps only a weak reference
        task.add_done_callback(self._task_done)
        return task

    def adopt(self, task):
        """A task that a stream server began: it ends with the lab."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _task_done(self, task):
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self.loop.call_exception_handler({"message": "task failed", "exception": task.exception(), "task": task})
            self.effects.add("lab_error", text=repr(task.exception()))

    async def sleep(self, seconds):
        await asyncio.sleep(max(0.0, seconds))

    def new_session_id(self, way):
        self._sessions += 1
        return f"{way}-{self._sessions}"

    def new_snapshot(self):
        self.snapshot_id = f"{self.random.randrange(16**12):012x}"

    def healthy_store(self):
        return peering_model.healthy_store(self)

    # ---- start

    async def start(self):
        self.loop = asyncio.get_running_loop()
        self.stopping = asyncio.Event()
        os.makedirs(self.directory, exist_ok=True)
        self.effects = Effects(os.path.join(self.directory, "effects.jsonl"))
        try:
            await self._start()
        except BaseException:
            for peering in self.peering.values():
                peering.stop()
            raise

    async def _start(self):
        self._apply_lab_settings()
        self._make_users()
        self.settings = expand(self.switches.preset, self.count) + self.settings
        self._apply_lab_settings()
        self.new_snapshot()
        self.authority.begin()
        if self.group is None:
            self.group = self._free_group()
        for n in range(1, self.count + 1):
            member = Appliance(self, f"gw{n}", f"127.77.{self.group}.{n}", Switches(MEMBER_TABLE, self.time_scale))
            shutil.rmtree(os.path.join(self.directory, member.name, "log"), ignore_errors=True)     # of an earlier lab
            self.members.append(member)
        self._apply_member_settings()
        await self._make_peering()
        for n, member in enumerate(self.members):
            member.set_up(self.log_name)
            ssh, telnet = self.ports
            if self.port_base is not None:
                ssh, telnet = (self.port_base + 2 * n, self.port_base + 2 * n + 1) if self.port_base else (0, 0)
            member.servers = Servers(member, n, ssh, telnet)
            await member.servers.start_listening()
            member.targets.begin()
            if member.switches.peering_link == "down":
                member.set_link(False)
        self.manager = ManagementServer(self)
        self.manager.start()
        self.api_manager = ApiManager(self)
        await self.api_manager.start()
        self.control = Control(self)
        self._control_server = await listen_unix(self.loop, self._control_protocol, self.directory, "control")
        self.task(self._make_noise())
        self.effects.add("lab_start", seed=self.seed, members=self.count, time_scale=self.time_scale)
        self.write_description()

    def _control_protocol(self):
        reader = asyncio.StreamReader(limit=1 << 20, loop=self.loop)
        return asyncio.StreamReaderProtocol(reader, self.control.handle, loop=self.loop)

    def _make_users(self):
        """Not from the seed: a password that anyone can work out is none."""
        self.users = {"admin": secrets.token_urlsafe(12), "operator": secrets.token_urlsafe(12)}
        self.users[self.switches.xmi_user] = self.switches.xmi_password or secrets.token_urlsafe(12)
        for name, user in (("password", "admin"), ("xmi_password", self.switches.xmi_user)):
            path = os.path.join(self.directory, name)
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
                file.write(self.users[user] + "\n")
            os.chmod(path, 0o600)

    def _apply_lab_settings(self):
        for name, value in self.settings:
            scope, _, switch = name.rpartition(".")
            if switch in LAB_TABLE and scope in ("", "lab"):
                self.switches.set(switch, value)
            elif switch not in MEMBER_TABLE:
                raise ValueError(f"no switch {name}; `lab switches` lists them")

    def _apply_member_settings(self):
        names = {m.name: m for m in self.members}
        for name, value in self.settings:
            scope, _, switch = name.rpartition(".")
            if switch not in MEMBER_TABLE:
                continue
            if scope not in ("", "all", "*") and scope not in names:
                raise ValueError(f"no member {scope}")
            for member in self.members if scope in ("", "all", "*") else [names[scope]]:
                member.switches.set(switch, value)

    async def _make_peering(self):
        """gwd, and two other objects beside it whose primaries are elsewhere.  Real Redis is for gwd only: the others are scenery."""
        first = self.random.randrange(self.count)
        names = [m.name for m in self.members]
        if self.switches.initial_primary:
            first = names.index(self.switches.initial_primary)
        for n, (name, ports) in enumerate((("gwd", (16380, 26380)), ("subs", (16384, 26384)), ("tms", (16382, 26382)))):
            primary = self.members[(first + n) % self.count]
            form = RedisPeering if self.peering_form == "redis" and name == "gwd" else peering_model.PeeringObject
            self.peering[name] = form(self, name, self.members, primary, ports)
        for peering in self.peering.values():
            await peering.start()
            await peering.fill(self.healthy_store())

    def _free_group(self):
        """A G for 127.77.G.x that no other lab has.  The lock is a socket name that the kernel frees when the process ends."""
        first = os.getpid() % 250
        for n in range(250):
            group = 1 + (first + n) % 250
            self._group_lock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
            try:
                self._group_lock.bind(f"\0drrlab-127.77.{group}")
                with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind((f"127.77.{group}.1", self.ports[0]))
                    probe.listen(1)     # fails where somebody else, not a lab, listens
                return group
            except OSError as error:
                self._group_lock.close()
                if error.errno != errno.EADDRINUSE:
                    raise
        raise OSError("no free 127.77.G.1")

    async def _make_noise(self):
        while True:
            await asyncio.sleep(NOISE_PERIOD_S)
            for member in self.members:
                if member.running and member.awake.is_set():
                    member.make_noise(NOISE_PERIOD_S)

    # ---- what a client needs

    def describe_member(self, member):
        servers = member.servers
        return {"name": member.name, "address": member.address, "ssh_host": member.address, "ssh_port": servers.ssh_port,
                "telnet_host": member.address, "telnet_port": servers.telnet_port, "console": os.path.join(self.directory, servers.console_name),
                "host_keys": {"rsa": servers.rsa.get_fingerprint(), "ecdsa": servers.ecdsa.get_fingerprint()},
                "xmi": {"url": f"https://{member.address}:{servers.xmi.port}", "path": "/service/mgmt/current", "pin": servers.xmi.pin,
                        "certificate": servers.xmi.certificate, "ca_file": self.authority.path, "host_name": servers.xmi.host_name},
                "gateway": {"mgmt_url": f"https://{member.address}:3000", "api_url": f"https://{member.address}:9443", "pin": servers.gateway.pin},
                "log_file": member.log.path}

    def describe(self):
        return {"dir": self.directory, "pid": os.getpid(), "seed": self.seed, "time_scale": self.time_scale, "domain": self.domain,
                "peering": self.peering_form, "peering_object": "gwd", "user": "admin", "password": self.users["admin"],
                "password_file": os.path.join(self.directory, "password"), "other_user": "operator", "other_password": self.users["operator"],
                "xmi_user": self.switches.xmi_user, "xmi_password": self.users[self.switches.xmi_user],
                "xmi_password_file": os.path.join(self.directory, "xmi_password"), "ca_file": self.authority.path,
                "api_manager": self.api_manager.describe(), "collections": self.switches.collections, "initial_primary": self.peering["gwd"].primary.name,
                "effects_file": os.path.join(self.directory, "effects.jsonl"), "control_socket": os.path.join(self.directory, "control"),
                "members": [self.describe_member(m) for m in self.members]}

    def write_description(self):
        path = os.path.join(self.directory, "lab.json")
        with open(os.open(path + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            json.dump(self.describe(), file, indent=1)
            file.write("\n")
        os.rename(path + ".new", path)

    async def state(self):
        await self.peering["gwd"].refresh()
        return {"seed": self.seed, "time_scale": self.time_scale, "group": self.group,
                "primary": {n: p.primary.name for n, p in self.peering.items()},
                "also_primary": {n: sorted(m.name for m in p.also_primary) for n, p in self.peering.items()},
                "resync_running": self.manager.resync_running, "switches": self.switches.changed(), "effects": len(self.effects.items),
                "members": {m.name: m.state() for m in self.members}}

    # ---- changes while it runs

    async def recert(self, members):
        for member in members:
            for door in (member.servers.xmi, member.servers.gateway):
                if door.pin:
                    door.ready_certificate(again=True)
            await member.servers.relisten()
            member.effect("recert", pin=member.servers.xmi.pin)
        self.write_description()

    async def switch_changed(self, member, switch):
        """Some switches act at once."""
        if switch == "peering_link":
            member.set_link(member.switches.peering_link == "ok")
        elif switch == "persistence":
            await self.peering["gwd"].persistence_changed(member)
        elif switch == "syslog_to":
            member.targets.push_changed()
        elif switch in LISTENING:
            await member.servers.relisten()
            self.write_description()

    async def make_healthy(self):
        self.switches.reset()
        self._apply_lab_settings()
        for member in self.members:
            member.switches.reset()
        self._apply_member_settings()
        for member in self.members:
            member.wake()
            member.set_link(member.switches.peering_link == "ok")
            member.failures.clear()
            member.locked_until.clear()
            member.targets.push_changed()
            await member.servers.relisten()
        for peering in self.peering.values():
            await peering.make_healthy()
        for member in self.members:
            service = member.service
            service.power_off()
            service.spoiled, service.admin_enabled = False, True
            await service.configured()
        self.write_description()
        self.effects.add("reset")

    # ---- end

    async def run(self, ready, parent=None):
        """Until SIGTERM, SIGINT, `lab stop`, or the death of `parent` (a pid)."""
        await self.start()
        for number in (signal.SIGTERM, signal.SIGINT):
            self.loop.add_signal_handler(number, self.stopping.set)
        if parent is not None:
            self._watch_parent(parent)
        ready(self.describe())
        await self.stopping.wait()
        await self.stop()

    def _watch_parent(self, parent):
        try:
            fd = os.pidfd_open(parent)
        except ProcessLookupError:
            self.stopping.set()
            return
        self.loop.add_reader(fd, self.stopping.set)

    async def stop(self):
        for member in self.members:
            member.servers.stop_listening()
        self._control_server.close()
        self.api_manager.stop()
        for task in list(self._tasks):
            task.cancel()
        for peering in self.peering.values():
            peering.stop()
        for member in self.members:
            member.log.close()
            member.targets.close()
        self.effects.add("lab_stop")
        self.effects.close()
        for name in ["control"] + [m.servers.console_name for m in self.members]:
            try:
                os.unlink(os.path.join(self.directory, name))
            except OSError:
                pass
