"""apic-gw-service on one member: it loads its configuration from its peering store, or waits to be registered."""

STORE_RETRY_S = 0.1


class GatewayService:
    """States: `down` (disabled), `starting`, `up` (configured), `waiting` (for registration), `stopping`."""

    def __init__(self, appliance):
        self.appliance = appliance
        self.lab = appliance.lab
        self.admin_enabled = True
        self.state = "up"
        self.collections = self.lab.switches.collections
        self.resyncing = False
        self.spoiled = False            # restarted during a DRR on firmware with the defect
        self._timer = None
        self._starts = 0
        self._after_restart = "store"   # how this start, the appliance's own, goes; the switch after_restart

    @property
    def op_state(self):
        if self.state in ("up", "stopping"):
            return "up"
        return self.appliance.switches.waiting_op_state if self.state == "waiting" else "down"

    @property
    def listening(self):
        """Whether its port 3000 answers."""
        return self.appliance.running and self.appliance.awake.is_set() and self.appliance.switches.reachable_3000 and self.state in ("up", "waiting")

    def shown_collections(self):
        if self.appliance.switches.collections_source == "fixed":
            return self.lab.switches.collections
        return self.collections

    def _go(self, state, session=None, command=None):
        self.state = state
        self.appliance.effect("service_state", session, command, state=state, op_state=self.op_state, collections=self.collections)

    def _after(self, delay, action, *args):
        if self._timer:
            self._timer.cancel()
        self._timer = self.lab.later(delay, self.appliance.when_awake, action, *args)

    # ---- what the CLI does

    def set_admin(self, enabled, session=None, command=None):
        """The change of admin-state was applied.  Returns an error text or None."""
        s = self.appliance.switches
        behaviour = s.enable if enabled else s.disable
        if behaviour == "error":
            return "Cannot apply the change"
        if behaviour == "ignored":
            return None
        was, self.admin_enabled = self.admin_enabled, enabled
        self.appliance.effect("admin_state", session, command, value="enabled" if enabled else "disabled", was="enabled" if was else "disabled")
        if s.service_mgmt_lines:
            self.appliance.log.event("0x8100003f", category="mgmt", text="Domain configuration has been modified.")
        if was == enabled or behaviour == "stuck":
            return None
        if enabled:
            self.start(session, command)
        else:
            if self.resyncing and s.restart_defect:
                self.spoiled = True
                self.appliance.effect("restarted_during_resync", session, command)
            self._go("stopping", session, command)
            self._after(s.disable_delay, self._stopped, session, command)
        return None

    def _stopped(self, session, command):
        self.collections = 0
        self._go("down", session, command)
        if self.appliance.switches.service_mgmt_lines:
            self.appliance.log.event("0x00350015", category="mgmt", text="Operational state down")

    def start(self, session=None, command=None, after_restart="store"):
        """From admin-state enabled, or from the start of the appliance."""
        if self.state == "stopping":
            self._stopped(session, command)
        self._after_restart = after_restart
        self._go("starting", session, command)
        self._after(self.appliance.switches.start_delay, self._started, session, command)

    def _started(self, session, command):
        self._starts += 1
        self.lab.task(self._read_store(session, command, self._starts))

    async def _read_store(self, session, command, start):
        """It starts when its own peering engine answers."""
        peering = self.appliance.own_peering()
        await peering.refresh(self.appliance)
        while peering.stores[self.appliance.name] is None and start == self._starts and self.state == "starting":
            await self.lab.sleep(STORE_RETRY_S)
            await peering.refresh(self.appliance)
        if start == self._starts and self.state == "starting":
            self._start_with(peering.stores[self.appliance.name], session, command)

    def _start_with(self, store, session, command):
        s = self.appliance.switches
        if not s.peering_admin:
            self.appliance.log.event("0x04f30005", category="mgmt", level="error", text="The effective gateway peering object is down")
            self._go("down", session, command)
            return
        if s.service_mgmt_lines:
            self.appliance.log.event("0x00350014", category="mgmt", text="Operational state up")
        if store and not self.spoiled and self._after_restart != "waits":
            if self._after_restart == "line":
                self._say_waiting()
            self.load(store)
            self._go("up", session, command)
            return
        self.collections = 0
        self._go("waiting", session, command)
        self.appliance.log.before_waiting_line()
        if s.waiting_line == "suppressed":
            return
        if s.waiting_late > 0:
            self._after(s.waiting_late, self._say_waiting)
        else:
            self._say_waiting()

    def _say_waiting(self):
        s = self.appliance.switches
        for _ in range(2 if s.waiting_line == "duplicated" else 1):
            self.appliance.log.event("0x88e000d7", level=s.waiting_level)

    # ---- configuration

    def load(self, store):
        self.collections = sum(1 for key in store if key.startswith("collection:"))

    async def configured(self):
        """The end of a resynchronisation: the configuration is in its own store, or it goes on waiting."""
        peering = self.appliance.own_peering()
        await peering.refresh(self.appliance)
        store = peering.stores[self.appliance.name]
        if store:
            self.load(store)
            self._go("up")
        else:
            self.appliance.effect("not_configured", store="unreachable" if store is None else "empty")

    def power_off(self):
        if self._timer:
            self._timer.cancel()
        self.collections = 0
        self.resyncing = False
        self._go("down")
