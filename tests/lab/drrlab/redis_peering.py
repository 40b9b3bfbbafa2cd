"""The peering engine for real: Redis and Sentinel for each member, for small groups.

The table of `show gateway-peering-status` is the member's own Sentinel's view, so the members' tables differ whenever their Sentinels do.
A row is primary when this Sentinel takes the instance for the primary, or when the instance answers and reports that role; its link is ok
when the Sentinel reaches it and, for a replica, its link to the primary is up.

What really happened is seen by asking every process over its own socket, again and again, past the members' network: changes
of roles and stores are effects (engine_role, store_emptied, store_copied, primary_changed), and so is what a Sentinel holds for down
(seen_down, seen_up); a link in the table is also down for a moment whenever a Sentinel connects anew.
"""

import asyncio
import secrets
from collections import Counter

from . import resp
from .peering import PRIORITY, PeeringError, Row, in_short
from .redis_engine import KINDS, LOOK_TIMEOUT_S, Engine, missing_program
from .relay import Relay

OBSERVE_PERIOD_S = 0.15
POLL_S = 0.05
START_S = 60
SETTLED_S = 0.8
SWITCH_TRIES = 3
DOWN_AFTER_MIN_S = 3.0      # less, and a busy machine alone would cause fail-overs
DOWN_AFTER_STEP_S = 0.7
DOWN_FLAGS = {"s_down", "o_down", "disconnected"}
# Sentinel's periods in milliseconds.  A returning primary is made a replica after 4 publish periods; a replica can only
# be chosen when it was heard of within 5 ping periods, and in a fail-over it is asked once a second, whatever the info period.
# So 4 publish periods must be well over a second, or a Sentinel that has not heard of a fail-over undoes it.
PACES = {
    "fast": {"info-period": 200, "publish-period": 600, "ping-period": 400},
    "normal": {"info-period": 10000, "publish-period": 2000, "ping-period": 1000},
    "held": {"info-period": 200, "publish-period": 3600000, "ping-period": 400},
}
COMMON_PACE = {"ask-period": 1000, "tilt-trigger": 15000, "tilt-period": 1000, "min-link-reconnect-period": 1000}


class Look:
    """What one member's two processes said.  None, or empty, where they did not answer."""

    def __init__(self):
        self.info_text = self.sentinel_text = self.store = None
        self.info = {}
        self.primary_address = None
        self.flags = set()
        self.others = 0             # Sentinels that it knows beside itself
        self.entries = {}           # address -> Sentinel's fields

    @property
    def role(self):
        return self.info.get("role")

    @property
    def lost(self):
        """Addresses that its Sentinel holds for down."""
        return {a for a, e in self.entries.items() if "s_down" in e["flags"].split(",")}

    def take_redis(self, replies):
        info, keys = replies
        if isinstance(info, Exception):
            return
        self.info_text = info
        self.info = dict(line.split(":", 1) for line in info.splitlines() if ":" in line)
        if not isinstance(keys, Exception):
            self.store = dict.fromkeys(keys, "")

    def take_sentinel(self, replies):
        master, replicas, info = replies
        if any(isinstance(r, Exception) for r in replies):
            return
        master = resp.pairs(master)
        self.sentinel_text = info
        self.primary_address, self.flags = master["ip"], set(master["flags"].split(","))
        self.others = int(master["num-other-sentinels"])
        self.entries = {e["ip"]: e for e in (resp.pairs(r) for r in replicas)}
        self.entries[self.primary_address] = master


class RedisPeering:
    """The gateway-peering object gwd; answers what peering.PeeringObject answers."""

    def __init__(self, lab, name, members, primary, ports):
        self.lab = lab
        self.name = name
        self.members = members
        self.primary = primary
        self.service_port, self.monitor_port = ports
        self.priority = {m.name: PRIORITY for m in members}
        self.relay = Relay()
        self.looks = {m.name: Look() for m in members}
        self.stores = {m.name: None for m in members}
        self.engines = {}
        self._password = secrets.token_urlsafe(12)
        self._flushing = False
        self._asked = (None, None)      # (member, why) of the last switch that was asked for
        self._begun = False
        self._known = {}                # each member's store when it last answered

    # ---- start and end

    async def start(self):
        problem = missing_program()
        if problem:
            raise OSError(f"--peering redis: {problem}")
        for m in self.members:
            self.engines[m.name] = engine = Engine(self.lab.directory, m, (self.service_port, self.monitor_port), self._password, self._died)
            engine.configure(self.primary.address, self.name, len(self.members) // 2 + 1, self._down_after_ms(m), m.switches.persistence != "memory")
            for kind in KINDS:
                await self.relay.listen(m.address, engine.ports[kind], engine.socket(kind))
        for m in self.members:
            self.engines[m.name].start("redis", self.lab.loop)
        for m in self.members:
            await self._ready(m, "redis")
            await self._start_sentinel(m)
        await self.settle(START_S)
        self._begun = True
        self.lab.task(self._observe())

    async def _start_sentinel(self, member):
        self.engines[member.name].start("sentinel", self.lab.loop)
        await self._ready(member, "sentinel")
        await self._set_pace(member)

    async def _ready(self, member, kind):
        """It answers, and has loaded what it had on disk."""
        async def answers():
            try:
                return await self.engines[member.name].ask(kind, ("PING",), timeout=LOOK_TIMEOUT_S) == ["PONG"]
            except OSError:
                return False
        await self._until(answers, START_S, f"{kind} of {member.name} does not answer")
        if kind == "redis":     # Sentinel may have had the file rewritten in the middle of a switch
            await self._ask(member, kind, ("CONFIG", "SET", "replica-priority", PRIORITY))

    def stop(self):
        self.relay.close()
        for engine in self.engines.values():
            engine.stop()

    def _died(self, engine, kind):
        engine.member.effect("lab_error", text=f"{kind} ended by itself: see engine/{kind}.log")

    # ---- periods

    def _down_after_ms(self, member):
        """Not the same for all: Sentinels that find a primary down at the same moment split the votes, and try again only much later."""
        return int(1000 * (max(DOWN_AFTER_MIN_S, self.lab.switches.down_after) + DOWN_AFTER_STEP_S * self.members.index(member)))

    async def _set_pace(self, member):
        periods = {**PACES[self.lab.switches.redis_pace], **COMMON_PACE}
        await self._ask(member, "sentinel", ("SENTINEL", "DEBUG", *[str(x) for p in periods.items() for x in p]),
                        ("SENTINEL", "SET", self.name, "down-after-milliseconds", self._down_after_ms(member)))

    async def pace_changed(self):
        for m in self.members:
            if self.engines[m.name].alive("sentinel"):
                await self._set_pace(m)

    async def persistence_changed(self, member):
        if self.engines[member.name].alive("redis"):
            await self._ask(member, "redis", ("CONFIG", "SET", "appendonly", "no" if member.switches.persistence == "memory" else "yes"),
                            ("CONFIG", "REWRITE"))

            async def on_disk():
                return "aof_rewrite_in_progress:0\r\naof_rewrite_scheduled:0" in (await self._ask(member, "redis", ("INFO", "persistence")))[0]
            await self._until(on_disk, 30, "the append-only file is not written")

    # ---- asking

    async def _ask(self, member, kind, *commands):
        """Replies; PeeringError with the engine's own text when one is an error or none comes."""
        try:
            replies = await self.engines[member.name].ask(kind, *commands)
        except OSError as error:
            raise PeeringError(f"{kind} of {member.name}: {error}") from None
        for reply in replies:
            if isinstance(reply, resp.ReplyError):
                raise PeeringError(str(reply))
        return replies

    async def _until(self, condition, seconds, otherwise):
        end = self.lab.loop.time() + seconds
        while not await condition():
            if self.lab.loop.time() > end:
                raise PeeringError(f"{otherwise} ({seconds:.0f} s)")
            await asyncio.sleep(POLL_S)

    async def refresh(self, viewer=None):
        await asyncio.gather(*[self._look(m) for m in ([viewer] if viewer else self.members)])

    async def _look(self, member):
        engine, look = self.engines[member.name], Look()

        async def one(kind, take, *commands):
            try:
                take(await engine.ask(kind, *commands, timeout=LOOK_TIMEOUT_S))
            except OSError:
                pass
        await asyncio.gather(one("redis", look.take_redis, ("INFO",), ("KEYS", "*")),
                             one("sentinel", look.take_sentinel, ("SENTINEL", "MASTER", self.name), ("SENTINEL", "REPLICAS", self.name), ("INFO",)))
        self._note(member, look)

    def _note(self, member, look):
        """Keeps it, and records what is new."""
        if self._flushing and self.stores[member.name]:
            return      # the flush is recorded first
        old, self.looks[member.name] = self.looks[member.name], look
        self.stores[member.name] = look.store
        if self._begun:
            if look.role != old.role and look.role:
                member.effect("engine_role", object=self.name, role=look.role)
            if look.store is not None:
                self._note_store(member, look.store)
            if look.entries and old.entries:
                for peer in self.members:
                    if (peer.address in look.lost) != (peer.address in old.lost):
                        member.effect("seen_down" if peer.address in look.lost else "seen_up", object=self.name, peer=peer.name)
        if look.store is not None:
            self._known[member.name] = look.store
        self._note_primary()

    def _note_store(self, member, store):
        known = self._known.get(member.name)
        if known and not store:
            member.effect("store_emptied", object=self.name, keys=len(known))
        elif store and not known:
            member.effect("store_copied", object=self.name, keys=len(store))

    def _note_primary(self):
        """The primary is whom most Sentinels take for it."""
        votes = Counter(look.primary_address for look in self.looks.values() if look.primary_address)
        address, count = votes.most_common(1)[0] if votes else (None, 0)
        if count < len(self.members) // 2 + 1 or address == self.primary.address:
            return
        old, self.primary = self.primary, next(m for m in self.members if m.address == address)
        why = self._asked[1] if self._asked[0] is self.primary else "failover"
        self.lab.effects.add("primary_changed", self.primary.name, object=self.name, old=old.name, why=why)

    async def _observe(self):
        while True:
            await self.refresh()
            await asyncio.sleep(OBSERVE_PERIOD_S)

    # ---- what was seen

    @property
    def also_primary(self):
        return {m for m in self.members if self.is_primary(m) and m is not self.primary}

    def is_primary(self, member):
        return self.looks[member.name].role == "master"

    def row(self, viewer, member):
        look = self.looks[viewer.name]
        entry = look.entries.get(member.address)
        if entry is None:
            return None
        up = not DOWN_FLAGS & set(entry["flags"].split(","))
        leads = member.address == look.primary_address
        own_offset = int(look.info.get("master_repl_offset", 0))
        return Row(link=up and (leads or entry.get("master-link-status") == "ok" or entry["role-reported"] == "master"),
                   primary=leads or (up and entry["role-reported"] == "master") or member.switches.claims_primary,
                   offset=own_offset if leads or member is viewer else int(entry.get("slave-repl-offset", 0)),
                   pending=int(entry["link-pending-commands"]),
                   priority=-1 if not up else PRIORITY if leads else int(entry.get("slave-priority", PRIORITY)))

    async def tables(self):
        await self.refresh()
        return self._tables()

    def _tables(self):
        return {viewer.name: {m.name: in_short(row) for m in self.members if (row := self.row(viewer, m))} for viewer in self.members}

    def _settled(self):
        tables, looks = self._tables(), self.looks.values()
        return (all(t == tables[self.members[0].name] for t in tables.values())
                and sorted(tables[self.members[0].name].values()) == ["ok"] * (len(self.members) - 1) + ["ok primary"]
                and sorted(look.role or "" for look in looks) == ["master"] + ["slave"] * (len(self.members) - 1)
                and all(look.role == "master" or look.info["master_link_status"] == "up" for look in looks)
                and all(look.others == len(self.members) - 1 and "failover_in_progress" not in look.flags for look in looks))

    async def settle(self, seconds):
        """One primary in every table, every link ok, and it stays so: what Sentinel knows is some periods old."""
        since = None

        async def for_long_enough():
            nonlocal since
            await self.refresh()
            now = self.lab.loop.time()
            since = (since or now) if self._settled() else None
            return since is not None and now - since >= SETTLED_S
        try:
            await self._until(for_long_enough, seconds, "the group does not settle")
        except PeeringError as error:
            raise PeeringError(f"{error}: {self._tables()}") from None
        return self._tables()

    def info(self, member):
        return (self.looks[member.name].info_text or "Could not connect to Redis\r\n").replace("\r\n", "\n") + "\n"

    def sentinel_info(self, member):
        return (self.looks[member.name].sentinel_text or "Could not connect to Redis\r\n").replace("\r\n", "\n") + "\n"

    # ---- data

    async def fill(self, data, writer=None):
        """Written to the primary that `writer` knows, and seen by its replicas."""
        known = self.looks[writer.name].primary_address if writer else None
        target = next((m for m in self.members if m.address == known), self.primary)
        if writer and not self.relay.passes(writer.address, target.address):
            raise PeeringError(f"{writer.name} does not reach {target.name}")
        replies = await self._ask(target, "redis", ("MSET", *[x for pair in data.items() for x in pair]), ("INFO", "replication"))
        replicas = replies[1].count("state=online")
        await self._ask(target, "redis", ("WAIT", replicas, 3000))
        await self.refresh()

    async def put(self, member, data):
        """One member's store behind everybody's back; a replica is made writable for it."""
        fill = [("MSET", *[x for pair in data.items() for x in pair])] if data else []
        await self._ask(member, "redis", ("CONFIG", "SET", "replica-read-only", "no"), ("FLUSHALL",), *fill, ("CONFIG", "SET", "replica-read-only", "yes"))
        await self.refresh()

    async def lose(self):
        for m in sorted(self.members, key=lambda m: m is not self.primary):
            await self.put(m, {})

    async def flush(self, member, session, command):
        """FLUSHALL on the member's own redis.  False: it is a replica, which answers READONLY."""
        await self.refresh(member)
        keys = len(self.stores[member.name] or {})
        self._flushing = True
        try:
            await self._ask(member, "redis", ("FLUSHALL",))
            self.lab.effects.add("flush", member.name, session, command, object=self.name, keys=keys)
        except PeeringError as error:
            if str(error).startswith("READONLY"):
                return False
            raise
        finally:
            self._flushing = False
        return True

    # ---- change of the primary

    async def request_switch(self, member, session, command):
        """What is refused at once is returned; the rest takes its time, and effects tell."""
        self.lab.effects.add("switch_primary", member.name, session, command, object=self.name)
        await self.refresh(member)
        look = self.looks[member.name]
        problem = None
        if look.primary_address is None:
            problem = "Could not connect to Redis"
        elif "failover_in_progress" in look.flags:
            problem = "INPROG Failover already in progress"
        if problem:
            self.lab.effects.add("switch_failed", member.name, session, command, object=self.name, text=problem)
            return problem
        self.lab.task(self._switch(member, "switch", session, command))
        return None

    async def _switch(self, member, why, session=None, command=None):
        """The member's own Sentinel is told to fail over when it knows that no other member is to be chosen.  True: it is primary."""
        self._asked = (member, why)
        try:
            await self._set_priorities(member, others=0)
            before = self.looks[member.name].primary_address
            for _ in range(SWITCH_TRIES):
                if await self._fail_over(member) or self.looks[member.name].primary_address != before:
                    break
            if not self.is_primary(member):
                raise PeeringError("another member became primary, or none")
        except PeeringError as error:
            self.lab.effects.add("switch_failed", member.name, session, command, object=self.name, text=str(error))
            return False
        finally:
            try:
                await self._set_priorities(member, others=PRIORITY)
            except PeeringError:
                pass        # killed meanwhile: set when it is started again
        return True

    async def _fail_over(self, member):
        """Once; True: the member takes itself for the primary.  Sentinel gives it up when the replica was not heard of lately."""
        async def taken():
            try:
                await self._ask(member, "sentinel", ("SENTINEL", "FAILOVER", self.name))
            except PeeringError as error:
                if not str(error).startswith("NOGOODSLAVE"):
                    raise
                return False
            return True
        await self._until(taken, 30, "Sentinel finds no suitable replica")

        async def over():
            await self.refresh(member)
            return self.is_primary(member) or "failover_in_progress" not in self.looks[member.name].flags
        await self._until(over, 30, "the fail-over does not end")
        return self.is_primary(member)

    async def _set_priorities(self, member, others):
        """1 for the member, and its Sentinel has read them; 0 is never chosen."""
        reached = [m for m in self.members if self.engines[m.name].alive("redis") and self.relay.passes(member.address, m.address)]
        wanted = {m.address: str(others) for m in reached} | {member.address: "1" if others == 0 else str(PRIORITY)}
        for m in reached:
            await self._ask(m, "redis", ("CONFIG", "SET", "replica-priority", wanted[m.address]))

        async def known():
            await self.refresh(member)
            entries = self.looks[member.name].entries
            return all(entries[a].get("slave-priority", value) == value for a, value in wanted.items() if a in entries)
        if others == 0:
            await self._until(known, 30, "Sentinel does not see the priorities")

    async def order_primary(self, member, overlap=0.0):
        await self._move(member, "ordered")

    async def move_away(self):
        others = [m for m in self.members if m is not self.primary and self.engines[m.name].alive("redis")
                  and self.relay.passes(m.address, self.primary.address)]
        if others:
            await self._move(others[0], "by itself")

    async def _move(self, member, why):
        """Until it takes itself for the primary; the old one still does as well."""
        await self.refresh(member)
        if not self.is_primary(member):
            await self._switch(member, why)

    # ---- processes, links

    async def kill(self, member, what, restart):
        await self.refresh(member)
        for kind in self._kinds(what):
            self.engines[member.name].kill(kind)
            member.effect("engine_killed", kind=kind, role=self.looks[member.name].role if kind == "redis" else None)
            if restart:
                await self._start(member, kind)

    async def _start(self, member, kind):
        if kind == "sentinel":
            await self._start_sentinel(member)
        else:
            self.engines[member.name].start("redis", self.lab.loop)
            await self._ready(member, "redis")
        member.effect("engine_started", kind=kind)
        code, text = ("0x80e0085f", "Gateway peering server restarted") if kind == "redis" else ("0x80e00860", "Gateway peering monitor restarted")
        member.log.event(code, category="apigw", text=text, log_class=f"gateway-peering({self.name})")

    async def revive(self, member):
        for kind in KINDS:
            if not self.engines[member.name].alive(kind):
                await self._start(member, kind)

    @staticmethod
    def _kinds(what):
        if what not in KINDS + ("both",):
            raise PeeringError(f"what: {' '.join(KINDS)} both")
        return KINDS if what == "both" else (what,)

    def signal(self, member, what, stop):
        for kind in self._kinds(what):
            (self.engines[member.name].stun if stop else self.engines[member.name].wake)(kind)
            member.effect("engine_stunned" if stop else "engine_woken", kind=kind)

    def cut(self, a, b):
        self.relay.cut(a.address, b.address)

    def heal(self):
        for a in self.members:
            for b in self.members:
                self.relay.heal(a.address, b.address)

    async def forget(self, member):
        await self._ask(member, "sentinel", ("SENTINEL", "RESET", self.name))

    def link_lost(self, member):
        for other in self.members:
            self.cut(member, other)

    def link_back(self, member):
        for other in self.members:
            if other is not member:
                self.relay.heal(member.address, other.address)

    def power_off(self, member):
        for kind in KINDS:
            self.engines[member.name].kill(kind)

    async def power_on(self, member):
        """Its service reads the store when the engine has what the group has, or a while later."""
        self.engines[member.name].start("redis", self.lab.loop)
        await self._ready(member, "redis")
        await self._start_sentinel(member)

        async def in_step():
            await self.refresh(member)
            return self.is_primary(member) or self.looks[member.name].info.get("master_link_status") == "up"
        try:
            await self._until(in_step, 10, "alone")
        except PeeringError:
            pass

    async def make_healthy(self):
        self.heal()
        for m in self.members:
            self.signal(m, "both", stop=False)
            await self.revive(m)
        await self.pace_changed()
        await self.settle(START_S)
        await self.fill(self.lab.healthy_store())
