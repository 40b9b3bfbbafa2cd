"""Control over DIR/control: one JSON object a line in, one out.  `lab ctl` and client.Lab both speak it."""

import asyncio
import json
import os

from . import switches
from .peering import PeeringError
from .redis_peering import RedisPeering
from .switches import SwitchError
from .targets import parse_push


class ControlError(Exception):
    pass


class Control:
    def __init__(self, lab):
        self.lab = lab
        self.actions = {
            "set": self.set, "get": self.get, "state": self.state, "effects": self.effects, "reset": self.reset, "webhook": self.webhook, "expire": self.lab.api_manager.expire,
            "rekey": self.rekey, "reload": self.reload, "reboot": self.reboot, "link": self.link, "primary": self.primary, "rotate": self.rotate,
            "copytruncate": self.copytruncate, "truncate": self.truncate, "recreate": self.recreate, "log": self.log, "store": self.store,
            "admin": self.admin, "recert": self.recert, "bulk": self.bulk, "push": self.push, "unpush": self.unpush, "syslog_break": self.syslog_break, "spoof": self.spoof,
            "lose": self.lose, "cut": self.cut, "kill": self.kill, "revive": self.revive, "stun": self.stun, "wake": self.wake,
            "partition": self.partition, "heal": self.heal, "forget": self.forget, "settle": self.settle, "tables": self.tables, "stop": self.stop, "switches": self.list_switches,
        }

    async def handle(self, reader, writer):
        try:
            while line := await reader.readline():
                writer.write(json.dumps(await self.answer(line)).encode() + b"\n")
                await writer.drain()
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def answer(self, line):
        try:
            request = json.loads(line)
            action = self.actions.get(request.pop("do", None))
            if action is None:
                return {"ok": False, "error": "do: one of " + " ".join(sorted(self.actions))}
            result = action(**request)
            if asyncio.iscoroutine(result):
                result = await result
            return {"ok": True, "result": result}
        except (ControlError, SwitchError, PeeringError, TypeError, ValueError, KeyError, OSError) as error:
            return {"ok": False, "error": f"{type(error).__name__}: {error}"}

    def members(self, name):
        """`gw1`, `gw1,gw2` or `all`."""
        if name in ("all", "*", None):
            return self.lab.members
        found = [m for m in self.lab.members if m.name in name.split(",")]
        if not found:
            raise ControlError(f"no member {name}")
        return found

    def one(self, name):
        return self.members(name)[0]

    # ---- switches and state

    async def set(self, name, value):
        scope, _, switch = name.rpartition(".")
        if switch in switches.LAB_TABLE and scope in ("", "lab"):
            self.lab.switches.set(switch, value)
            if switch in ("heartbeat_s", "heartbeat"):
                self.lab.manager.heartbeat_changed()
            elif switch in ("down_after", "redis_pace"):
                await self.lab.peering["gwd"].pace_changed()
            self.lab.effects.add("set", None, name=switch, value=self.lab.switches.raw(switch))
            return self.lab.switches.raw(switch)
        for member in self.members(scope or "all"):
            member.switches.set(switch, value)
            member.effect("set", name=switch, value=member.switches.raw(switch))
            await self.lab.switch_changed(member, switch)
        return value

    async def get(self, name):
        scope, _, item = name.rpartition(".")
        if scope in ("", "lab") and item in switches.LAB_TABLE:
            return self.lab.switches.raw(item)
        member = self.one(scope or item)
        await member.own_peering().refresh(member)
        state = member.state()
        if item in state:
            return state[item]
        if item in switches.MEMBER_TABLE:
            return member.switches.raw(item)
        if item == member.name:
            return state
        raise ControlError(f"{name}: no switch, and none of {', '.join(state)}")

    def state(self):
        return self.lab.state()

    def effects(self, after=0):
        return self.lab.effects.items[int(after):]

    async def reset(self):
        """All switches back to what the lab was started with; peering, service and stores healthy."""
        await self.lab.make_healthy()
        return None

    def list_switches(self):
        return switches.listing()

    # ---- things that happen

    def webhook(self, member=None):
        return self.lab.manager.webhook("ordered", self.one(member) if member else None)

    async def rekey(self, member):
        for m in self.members(member):
            m.servers.rekey()
            await m.servers.relisten()      # the TLS listener holds the key that it began with
        self.lab.write_description()
        return {m.name: self.lab.describe_member(m)["host_keys"] for m in self.members(member)}

    def reload(self, member, seconds=None):
        for m in self.members(member):
            self.lab.task(m.reload(None if seconds is None else float(seconds)))

    def reboot(self, member, seconds=None, within=0):
        """Each at a moment of its own WITHIN so many seconds, down for SECONDS; both uptimes go back."""
        for m in self.members(member):
            self.lab.task(m.reload(None if seconds is None else float(seconds), True, self.lab.random.uniform(0, float(within))))

    def admin(self, member, value):
        """The service's admin state, as if an administrator had set it: value=disabled|enabled."""
        for m in self.members(member):
            m.service.set_admin(value == "enabled")

    def link(self, member, value):
        for m in self.members(member):
            m.switches.set("peering_link", value)
            m.set_link(value == "ok")

    async def primary(self, member, object="gwd", overlap=0):
        """The primary moves by itself, now."""
        await self.lab.peering[object].order_primary(self.one(member), overlap=float(overlap))

    async def store(self, member, action="empty", object="gwd"):
        """Empty or fill one member's store, as after a loss that no command caused."""
        for m in self.members(member):
            await self.lab.peering[object].put(m, {} if action == "empty" else self.lab.healthy_store())

    async def lose(self):
        """The group has lost its configuration: stores empty, every service waits, as after a power cut of the site."""
        for peering in self.lab.peering.values():
            await peering.lose()
        for m in self.lab.members:
            m.service.power_off()
            m.service.start()

    def cut(self, member):
        """End all CLI sessions of a member now."""
        for m in self.members(member):
            for session in list(m.sessions):
                session.cut("ordered")

    # ---- real Redis and Sentinel (--peering redis)

    def engine(self):
        peering = self.lab.peering["gwd"]
        if not isinstance(peering, RedisPeering):
            raise ControlError("this lab was not started with --peering redis")
        return peering

    async def kill(self, member, what="redis", restart="no"):
        """kill -9 of a member's redis, sentinel or both; restart=yes: and at once started again."""
        for m in self.members(member):
            await self.engine().kill(m, what, str(restart).lower() in ("yes", "true"))

    async def revive(self, member):
        """Start again what was killed; it begins with what its configuration file and its persistence left."""
        for m in self.members(member):
            await self.engine().revive(m)

    def stun(self, member, what="redis", seconds=None):
        """SIGSTOP; what=appliance: all of it, for SECONDS or until it is woken."""
        for m in self.members(member):
            if what == "appliance":
                m.stun(None if seconds is None else float(seconds))
            else:
                self.engine().signal(m, what, stop=True)

    def wake(self, member, what="both"):
        """SIGCONT"""
        for m in self.members(member):
            if what == "appliance":
                m.wake()
            else:
                self.engine().signal(m, what, stop=False)

    def partition(self, member, peer="all"):
        """Nothing passes between their engines any more; what is sent is held back."""
        for m in self.members(member):
            for other in self.members(peer):
                self.engine().cut(m, other)

    def heal(self):
        """All partitions and links."""
        self.engine().heal()
        self.link("all", "ok")

    async def forget(self, member):
        """SENTINEL RESET: this member's Sentinel forgets all replicas that it does not meet again."""
        for m in self.members(member):
            await self.engine().forget(m)

    async def settle(self, seconds=60):
        """Returns when all members see the same one primary and every link is ok; the table."""
        return await self.engine().settle(float(seconds))

    async def tables(self):
        """Per member, what it sees: {viewer: {member: "ok primary"}}; an engine that does not answer sees nothing."""
        return await self.lab.peering["gwd"].tables()

    # ---- the log

    def files(self, member, target=None):
        """The members' main log files, or those of another target, NAME or DOMAIN/NAME."""
        found = []
        for m in self.members(member):
            if target in (None, "", m.targets.main_name):
                found.append(m.log)
                continue
            domain, _, name = target.rpartition("/")
            other = m.targets.find(domain or self.lab.domain, name)
            if other is None or other.file is None:
                raise ControlError(f"{m.name} has no log file of a target {target}")
            found.append(other.file)
        return found

    def rotate(self, member, keep_old_s=0, target=None):
        for file in self.files(member, target):
            file.rotate(float(keep_old_s))

    def copytruncate(self, member, target=None):
        for file in self.files(member, target):
            file.copytruncate()

    def truncate(self, member, size=0, target=None):
        for file in self.files(member, target):
            file.truncate(int(size))

    def recreate(self, member, target=None):
        for file in self.files(member, target):
            file.recreate()

    def bulk(self, member, mb=10, target=None):
        """The file grows to so many MB, at once and without a rotation."""
        for m, file in zip(self.members(member), self.files(member, target)):
            block = b"".join(m.log.noise_line().encode() + b"\n" for _ in range(2000))
            file.open()
            missing = int(float(mb) * 1e6) - os.path.getsize(file.path)
            if missing > 0:
                data = block * (missing // len(block) + 1)
                file.append_bulk(data[:data.rfind(b"\n", 0, missing) + 1])

    def log(self, member, code=None, text=None, raw=None, level="notice", category="apic-gw-service", target=None):
        """An event line, or raw text (escapes \\n \\r \\0 known) into one file."""
        if raw is not None:
            for file in self.files(member, target):
                file.raw(raw.encode("utf-8", "surrogateescape").replace(b"\\n", b"\n").replace(b"\\r", b"\r").replace(b"\\0", b"\0"))
            return
        for m in self.members(member):
            m.log.event(code, text=text, level=level, category=category)

    # ---- certificates and log targets that push

    def recert(self, member):
        """Another key and certificate for the HTTPS doors, from the next connection on."""
        return self.lab.recert(self.members(member))

    def push(self, member, to, name="syslog", events="all:debug", codes="", domain=None, rate=100):
        """A target of type syslog: to=udp|tcp|tls:ADDRESS:PORT."""
        for m in self.members(member):
            m.targets.push(*parse_push(to), name=name, events=events, codes=codes, domain=domain, rate=float(rate))

    def unpush(self, member, name="syslog"):
        return [m.targets.unpush(name) for m in self.members(member)]

    def syslog_break(self, member):
        """The connections of targets that push break now."""
        for m in self.members(member):
            for target in m.targets.table.values():
                if target.sender:
                    target.sender.break_off()

    def spoof(self, member, address, code="0x88e000d7", text=None, target=None):
        """A line as from this member, to its receivers, from another address (127.x)."""
        return sum(m.targets.spoof(address, code, text, target) for m in self.members(member))

    def stop(self):
        self.lab.loop.call_later(0.02, self.lab.stopping.set)
