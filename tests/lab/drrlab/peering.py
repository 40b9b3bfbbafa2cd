"""The peering engine underneath gateway-peering: a primary, its replicas, and each member's own view of them.

The real engine is Redis with Sentinel.  What matters to a DRR is modelled: who is primary, whose store has what, that a
flush of the primary empties every *connected* member, that a replica refuses to write, that a member which comes
back is synchronised from the primary (so an empty primary empties everybody), that memory persistence forgets, that two members call
themselves primary for a while after each change, that a switch asks nobody.  tests/lab/selftest holds it against the real one.

Both forms, this model and redis_peering.RedisPeering, answer the same calls: what only reads (row, is_primary, stores, info) works on
what refresh() saw last; here that is always the truth.
"""

from dataclasses import dataclass

PRIORITY = 100


class PeeringError(Exception):
    """The engine did not do it; str() is its own text."""


@dataclass
class Row:
    """One member in another one's table."""
    link: bool
    primary: bool
    offset: int
    pending: int
    priority: int


class PeeringObject:
    """One gateway-peering object (gwd, tms, subs) over all members."""

    def __init__(self, lab, name, members, primary, ports):
        self.lab = lab
        self.name = name
        self.members = members                      # appliances, in order
        self.primary = primary                      # the appliance that really is primary
        self.also_primary = set()                   # appliances that call themselves primary as well, for a while
        self.service_port, self.monitor_port = ports
        self.stores = {m.name: {} for m in members}
        self.offset = lab.random.randrange(10**8, 6 * 10**9)
        self._offset_time = lab.loop.time()
        self._lag = {m.name: lab.random.randrange(0, 3000) for m in members}
        self.priority = {m.name: PRIORITY for m in members}
        self._failover = None
        self._alone = set()                         # cut off and made primary by a switch there

    # ---- what the Redis form needs and this one does not

    async def start(self):
        pass

    def stop(self):
        pass

    async def refresh(self, viewer=None):
        """Before a look: read what `viewer` (default: everybody) sees now."""

    async def persistence_changed(self, member):
        pass

    async def pace_changed(self):
        pass

    # ---- reachability

    def connected(self, a, b):
        """Whether members a and b reach each other's engine."""
        return a is b or (a.peering_alive and b.peering_alive)

    def is_primary(self, member):
        """Whether its engine takes writes.  A primary that was cut off from its peers goes on taking them."""
        if not member.peering_alive and self.name in member.frozen_view:
            return member in member.frozen_view[self.name]
        return member is self.primary or member in self.also_primary

    def seen_primaries(self, viewer):
        """Who is primary in this member's own view."""
        seen = {self.primary} | self.also_primary | {m for m in self.members if m.switches.claims_primary}
        if not viewer.peering_alive:
            # Alone, it knows what it knew: the view of the moment when its link went down.
            return viewer.frozen_view.get(self.name, seen)
        if viewer.switches.cluster_mode:
            seen |= set(self.members[:3])
        return seen

    def row(self, viewer, member):
        """`member` in the table of `viewer`; None: it is not there."""
        reached = member.running and self.connected(viewer, member)
        primaries = self.seen_primaries(viewer)
        # A replica's link is the one to its primary: it is down on all that have lost it, the viewer included.
        link = reached and (member in primaries or any(p.running and self.connected(member, p) for p in primaries))
        return Row(link=link, primary=member in primaries, offset=self.offset_of(member),
                   pending=0 if reached else 17 + len(member.name), priority=self.priority[member.name] if reached else -1)

    async def tables(self):
        """What each member sees, in short: {viewer: {member: "ok primary"}}."""
        await self.refresh()
        return {viewer.name: {m.name: in_short(row) for m in self.members if (row := self.row(viewer, m))} for viewer in self.members}

    # ---- data

    def grow(self):
        now = self.lab.loop.time()
        self.offset += int((now - self._offset_time) * 700) + 1
        self._offset_time = now

    def offset_of(self, member):
        self.grow()
        if not member.peering_alive and member is not self.primary:
            return member.frozen_offset.get(self.name, self.offset)
        return self.offset - (0 if member is self.primary else self._lag[member.name])

    async def fill(self, data, writer=None):
        """The primary (that `writer` knows) is written to; replication carries it on."""
        self.set_data(data)

    def set_data(self, data):
        self.stores[self.primary.name] = dict(data)
        self.replicate()

    def replicate(self):
        for member in self.members:
            if member is not self.primary and member.running and self.connected(member, self.primary) and member not in self.also_primary:
                if self.stores[member.name] and not self.stores[self.primary.name]:
                    self.lab.effects.add("store_emptied", member.name, object=self.name, why="replication")
                self.stores[member.name] = dict(self.stores[self.primary.name])

    async def put(self, member, data):
        """One member's store, as after a loss that no command caused."""
        self.stores[member.name] = dict(data)

    async def lose(self):
        for member in self.members:
            self.stores[member.name] = {}

    async def flush(self, member, session, command):
        """FLUSHALL on one member.  Returns False on a replica, which does not write."""
        if not self.is_primary(member):
            return False
        effects = self.lab.effects
        keys = len(self.stores[member.name])
        effects.add("flush", member.name, session, command, object=self.name, keys=keys)
        targets = [member]
        if member is self.primary:
            targets += [m for m in self.members if m is not member and m.running and self.connected(m, member)
                        and m not in self.also_primary]
        for target in targets:
            self.stores[target.name] = {}
            effects.add("store_emptied", target.name, session, command, object=self.name)
        return True

    # ---- change of the primary

    def set_primary(self, member, why, session=None, command=None, overlap=0.0):
        if member is self.primary:
            return
        old, self.primary = self.primary, member
        self.also_primary.discard(member)
        self.lab.effects.add("primary_changed", member.name, session, command, object=self.name, old=old.name, why=why)
        if overlap > 0:
            self.also_primary.add(old)
            self.lab.later(overlap, self._end_overlap, old)
        self.replicate()

    def _end_overlap(self, old):
        if old in self.also_primary:
            self.also_primary.discard(old)
            self.lab.effects.add("primary_demoted", old.name, object=self.name)
            self.replicate()

    async def request_switch(self, member, session, command):
        """gateway-peering-switch-primary arrived on `member`; the table follows with a delay.  Returns why not, or None."""
        self.lab.effects.add("switch_primary", member.name, session, command, object=self.name)

        def done():
            if not member.running:
                self.lab.effects.add("switch_failed", member.name, session, command, object=self.name)
            elif not member.peering_alive:
                # Nobody is asked for an agreement: cut off, it becomes a primary for itself.
                member.frozen_view[self.name] = {member}
                self._alone.add(member)
                self.lab.effects.add("primary_alone", member.name, session, command, object=self.name)
            else:
                self.set_primary(member, "switch", session, command, member.switches.switch_overlap)
        self.lab.later(member.switches.switch_delay, done)

    async def order_primary(self, member, overlap=0.0):
        """The primary moves by itself, now."""
        self.set_primary(member, "ordered", overlap=overlap)

    async def move_away(self):
        """The primary moves by itself, to no member in particular."""
        self.move_by_itself(self.primary, "by itself")

    def move_by_itself(self, away_from, why):
        """A failover: to the next member that can take it."""
        index = self.members.index(away_from)
        for step in range(1, len(self.members)):
            candidate = self.members[(index + step) % len(self.members)]
            if candidate.running and candidate.peering_alive:
                self.set_primary(candidate, why)
                return candidate
        return None

    # ---- members come and go

    def link_lost(self, member):
        member.frozen_view[self.name] = {self.primary} | self.also_primary
        member.frozen_offset[self.name] = self.offset
        if member is self.primary:
            self._failover = self.lab.later(self.lab.switches.down_after, self._failover_if_lost, member)

    def _failover_if_lost(self, lost):
        survivors = [m for m in self.members if m.running and m.peering_alive]
        if lost is self.primary and not lost.peering_alive and len(survivors) >= len(self.members) // 2 + 1:
            self.move_by_itself(lost, "failover")

    def power_off(self, member):
        """The member's appliance goes down."""
        if member.switches.persistence == "memory" and self.stores[member.name]:
            self.stores[member.name] = {}
            member.effect("store_emptied", object=self.name, why="restart with memory persistence")

    async def power_on(self, member):
        if member is self.primary and member.switches.persistence == "memory":
            self.offset = 0     # a new history

    def link_back(self, member):
        view = member.frozen_view.pop(self.name, set())
        if member in self._alone:
            self._alone.discard(member)
            self.set_primary(member, "switch", overlap=self.lab.switches.rejoin_overlap)    # its change is the newer one, and wins
        elif member in view and member is not self.primary and self.lab.switches.rejoin_overlap > 0:
            self.also_primary.add(member)
            self.lab.later(self.lab.switches.rejoin_overlap, self._end_overlap, member)
        if not self.primary.peering_alive:      # it was lost when there was no quorum to replace it
            self._failover = self.lab.later(self.lab.switches.down_after, self._failover_if_lost, self.primary)
        self.replicate()

    async def make_healthy(self):
        self.also_primary.clear()
        self.set_data(self.lab.healthy_store())

    # ---- gateway-peering-diag

    def info(self, member):
        lines = ["# Server", "redis_version:6.2.6", "tcp_port:%d" % self.service_port, "", "# Replication"]
        if self.is_primary(member):
            replicas = [m for m in self.members if m is not member and m.running and self.connected(member, m)]
            lines += ["role:master", f"connected_slaves:{len(replicas)}"]
            lines += [f"slave{i}:ip={m.address},port={self.service_port},state=online,offset={self.offset_of(m)},lag=0" for i, m in enumerate(replicas)]
        else:
            status = "up" if member.peering_alive else "down"
            lines += ["role:slave", f"master_host:{self.primary.address}", f"master_port:{self.service_port}", f"master_link_status:{status}"]
        lines += [f"master_repl_offset:{self.offset_of(member)}", "", "# Keyspace"]
        if self.stores[member.name]:
            lines.append(f"db0:keys={len(self.stores[member.name])},expires=0,avg_ttl=0")
        return "\n".join(lines) + "\n\n"

    def sentinel_info(self, member):
        primary = sorted(self.seen_primaries(member), key=lambda m: m is not self.primary)[0]
        others = [m for m in self.members if m is not primary and self.connected(member, m) and m.running]
        return (f"# Sentinel\nsentinel_masters:1\nsentinel_tilt:0\nsentinel_running_scripts:0\n"
                f"master0:name={self.name},status=ok,address={primary.address}:{self.service_port},slaves={len(others)},"
                f"sentinels={len(others) + 1}\n\n")


def in_short(row):
    return ("ok" if row.link else "down") + (" primary" if row.primary else "")


def healthy_store(lab):
    """What the store of a configured group holds."""
    data = {"snapshot": lab.snapshot_id}
    for n in range(lab.switches.collections):
        data[f"collection:{n + 1}"] = f"catalog-{n + 1}"
    data.update({"gateway-service": "registered", "webhook": "subscribed", "tls-profile:default": "x"})
    return data


