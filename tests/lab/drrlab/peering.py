"""The peering engine underneath gateway-peering: a primary, its replicas, and each member's own view of them.

The real engine is Redis with Sentinel.  What matters to a DRR is modelled: who is primary, whose store has what, that a
flush of the primary empties every *connected* member, that a replica refuses to write, that a member which comes
back is synchronised from the primary (so an empty primary empties everybody), that memory persistence forgets.
"""


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
        self.priority = {m.name: 100 for m in members}
        self._failover = None

    # ---- reachability

    def connected(self, a, b):
        """Whether members a and b reach each other's engine."""
        return a is b or (a.peering_alive and b.peering_alive)

    def has_quorum(self, viewer):
        reached = sum(1 for m in self.members if self.connected(viewer, m) and m.running)
        return reached >= len(self.members) // 2 + 1

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

    def fill(self, data):
        """The primary is written to; replication carries it on."""
        self.stores[self.primary.name] = dict(data)
        self.replicate()

    def replicate(self):
        for member in self.members:
            if member is not self.primary and member.running and self.connected(member, self.primary) and member not in self.also_primary:
                if self.stores[member.name] and not self.stores[self.primary.name]:
                    self.lab.effects.add("store_emptied", member.name, object=self.name, why="replication")
                self.stores[member.name] = dict(self.stores[self.primary.name])

    def flush(self, member, session, command):
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

    def request_switch(self, member, session, command):
        """gateway-peering-switch-primary arrived on `member`; the table follows with a delay."""
        self.lab.effects.add("switch_primary", member.name, session, command, object=self.name)

        def done():
            if not (member.running and self.has_quorum(member)):
                self.lab.effects.add("switch_failed", member.name, session, command, object=self.name)
                return
            self.set_primary(member, "switch", session, command, member.switches.switch_overlap)
        self.lab.later(member.switches.switch_delay, done)

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

    def link_back(self, member):
        view = member.frozen_view.pop(self.name, set())
        if member in view and member is not self.primary and self.lab.switches.rejoin_overlap > 0:
            self.also_primary.add(member)
            self.lab.later(self.lab.switches.rejoin_overlap, self._end_overlap, member)
        self.replicate()


def healthy_store(lab):
    """What the store of a configured group holds."""
    data = {"snapshot": lab.snapshot_id}
    for n in range(lab.switches.collections):
        data[f"collection:{n + 1}"] = f"catalog-{n + 1}"
    data.update({"gateway-service": "registered", "webhook": "subscribed", "tls-profile:default": "x"})
    return data


