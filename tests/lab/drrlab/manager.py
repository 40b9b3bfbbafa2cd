"""The management server: heartbeats, webhooks to one member at a time, and the resynchronisation of a group that lost all.

A service that still has its configuration in memory answers 202 and hides that the store behind it is empty; only a
member that waits for registration makes the server resynchronise.
"""

import asyncio

from .peering import PeeringError


class ManagementServer:
    def __init__(self, lab):
        self.lab = lab
        self.switches = lab.switches
        self.resync_running = False
        self.under_way = 0      # events that were accepted and are not done
        self._next = 0
        self._beat = None
        self._task = None

    def start(self):
        self._schedule()

    def _schedule(self):
        self._beat = self.lab.later(self.switches.heartbeat_s, self._heartbeat)

    def heartbeat_changed(self):
        """A test changed heartbeat_s: the new interval counts from now."""
        if self._beat:
            self._beat.cancel()
        self._schedule()

    def _heartbeat(self):
        self._schedule()
        if self.switches.heartbeat == "yes":
            self.lab.task(self.webhook("heartbeat"))

    def _pick(self):
        ready = [m for m in self.lab.members if m.service.listening]
        if not ready:
            return None
        if self.switches.lb == "random":
            return self.lab.random.choice(ready)
        if self.switches.lb == "sticky":
            return ready[0]
        member = ready[self._next % len(ready)]
        self._next += 1
        return member

    async def webhook(self, why, member=None):
        """One event to one member.  Returns the answer, as the server sees it."""
        member = member or self._pick()
        if member is None or not member.service.listening:
            self.lab.effects.add("webhook", member.name if member else None, answer="unreachable", why=why)
            return "unreachable"
        if member.service.state == "waiting":
            self.lab.effects.add("webhook", member.name, answer="550", text=self.switches.refused_text, why=why)
            self._start_resync(member)
            return "550"
        await member.own_peering().refresh(member)
        self.lab.effects.add("webhook", member.name, answer="202", why=why,
                             store_empty=not member.own_peering().stores[member.name])
        member.log.event("0x88e00210", detail=why)
        member.log.event("0x88e0007d", detail=why)
        spent = int(self.switches.event_time * 1000)
        self.under_way += 1
        self.lab.later(self.switches.event_time, self._event_done, member, spent)
        return "202"

    def _event_done(self, member, spent):
        self.under_way -= 1
        if member.service.listening:
            member.log.event("0x88e000ac", detail=spent)

    # ---- resynchronisation

    def _start_resync(self, first):
        if self.resync_running or self.switches.resync == "never":
            return
        self.resync_running = True
        self.lab.effects.add("resync_start", first.name)
        self._task = self.lab.task(self._resync())

    async def _resync(self):
        waiting = []
        try:
            waiting = [m for m in self.lab.members if m.service.state == "waiting" and m.service.listening]
            if self.switches.resync == "fail":
                await self._fail(waiting)
            else:
                await self._succeed(waiting)
        finally:
            for member in waiting:
                member.service.resyncing = False
            self.resync_running = False

    def _still(self, members):
        return [m for m in members if m.service.state == "waiting" and m.service.resyncing]

    async def _succeed(self, waiting):
        """The real order of lines: accepted, batch validation, refresh, transaction(s); then the collections are back."""
        total = self.switches.resync_time * (5 if self.switches.resync == "slow" else 1)
        steps = self.switches.resync_transactions + 4
        pause = total / steps
        for member in waiting:
            member.service.resyncing = True
            member.log.event("0x88e00210", detail="resynchronisation")
            member.log.event("0x88e0028e")
        await asyncio.sleep(pause)
        for member in self._still(waiting):
            member.log.event("0x88e0028f")
        await asyncio.sleep(pause)
        for member in self._still(waiting):
            member.log.event("0x88e000a6")
        await asyncio.sleep(pause)
        left = self._still(waiting)
        if not left:
            self.lab.effects.add("resync_abandoned")
            return
        self.lab.new_snapshot()
        peering = left[0].own_peering()
        try:
            await peering.fill(self.lab.healthy_store(), left[0])
        except PeeringError as problem:
            self.lab.effects.add("resync_abandoned", text=str(problem))
            return
        self.lab.effects.add("store_filled", peering.primary.name, object=peering.name, snapshot=self.lab.snapshot_id)
        for member in left:
            member.log.event("0x88e000a7")
        for number in range(self.switches.resync_transactions):
            await asyncio.sleep(pause)
            for member in self._still(waiting):
                if number == self.switches.resync_transactions - 1 and not member.service.spoiled:
                    await member.service.configured()
                member.log.event("0x88e000ac", detail=int(total * 1000))
        # Members that began to wait meanwhile are taken along: the group's configuration is in the store.
        for member in self.lab.members:
            if member not in waiting and member.service.state == "waiting" and not member.service.spoiled:
                member.log.event("0x88e00210", detail="resynchronisation")
                await member.service.configured()
                member.log.event("0x88e000ac", detail=int(total * 1000))
        self.lab.effects.add("resync_end")

    async def _fail(self, waiting):
        for member in waiting:
            member.service.resyncing = True
            member.log.event("0x88e00210", detail="resynchronisation")
            member.log.event("0x88e0028e")
        await asyncio.sleep(self.switches.resync_first_timeout)
        for member in self._still(waiting):
            member.log.event("0x88e001ef", level="error")
            member.log.event("0x88e001f0", level="warn")
        await asyncio.sleep(self.switches.resync_second_timeout)
        for member in self._still(waiting):
            member.log.event("0x88e001f1", level="error")
        self.lab.effects.add("resync_failed")
