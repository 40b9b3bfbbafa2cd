"""A DRR over the whole group of three, and what keeps two runs apart."""

from harness import World, case, check, contains, equal

MEMBERS = ("gw1", "gw2", "gw3")


def seq(effects, effect, **fields):
    for e in effects:
        if e["effect"] == effect and all(e.get(k) == v for k, v in fields.items()):
            return e["seq"]
    check(False, f"no effect {effect} {fields}")


def group_run(primary):
    """gw1 does all, then gw2 and gw3 bounce one after the other, then the management server calls."""
    with World(initial_primary=primary) as world:
        configs = {m: world.config(m) for m in MEMBERS}
        agents = {"gw1": world.begin(configs["gw1"], "run")}
        agents["gw1"].wait_line(step="confirm", state="done")
        for member in ("gw2", "gw3"):
            agents[member] = world.begin(configs[member], "run", "--steps", "bounce,confirm,await")
            agents[member].wait_line(step="confirm", state="done")
        for member in MEMBERS:
            agents[member].wait_line(step="trigger", state="started")
        world.lab.call("webhook", member="gw2")
        for member in MEMBERS:
            result = agents[member].result()
            equal(result.exit, 0, f"exit of {member}")
            equal((result.last["step"], result.last["state"], result.last["exit"]), ("run", "done", 0), "last line")
        judge_group(world, primary)
        for member in MEMBERS:
            world.closed(configs[member])


def judge_group(world, primary):
    effects = world.lab.effects()
    flushes = [e["member"] for e in effects if e["effect"] == "flush"]
    equal(flushes, ["gw1"], "flushes")
    equal([e["member"] for e in effects if e["effect"] == "switch_primary"], [] if primary == "gw1" else ["gw1"], "switches")
    equal(world.lab.primary(), "gw1", "primary")
    order = [seq(effects, "primary_changed")] if primary != "gw1" else []
    order.append(seq(effects, "flush"))
    webhook = seq(effects, "webhook")
    for member in MEMBERS:
        down = seq(effects, "admin_state", member=member, value="disabled")
        up = seq(effects, "admin_state", member=member, value="enabled")
        line = seq(effects, "log_line", member=member, code="0x88e000d7")
        order += [down, up, line]
        equal(world.count("admin_state", member=member), 2, f"changes of admin-state on {member}")
        equal(world.count("log_line", member=member, code="0x88e000d7"), 1, f"waiting lines on {member}")
        equal(world.lab.get(f"{member}.service")["state"], "up", f"service of {member}")
        equal(world.lab.get(f"{member}.service")["collections"], world.lab.collections, f"API collections of {member}")
    order += [webhook, seq(effects, "resync_start"), seq(effects, "resync_end")]
    equal(order, sorted(order), "order of the effects")


@case("group of three, primary is here")
def group_here():
    group_run("gw1")


@case("group of three, primary is elsewhere")
def group_elsewhere():
    group_run("gw2")


@case("group of three, with heartbeats and no one's help")
def group_heartbeat():
    with World(initial_primary="gw3", time_scale=0.01, heartbeat="yes") as world:
        config = world.config("gw1", limits__quiet_s=2)
        result = world.run(config, webhook=False)
        equal(result.exit, 0, "exit")
        equal((world.count("flush"), world.bounced()), (1, 1), "flushes, bounces")
        world.enabled()


@case("second run while the first is under way")
def second_run():
    with World(initial_primary="gw2") as world:
        config = world.config("gw1")
        other = world.config("gw1", name="other.conf", state_dir=world.state_dir("gw1") + "/other")
        first = world.begin(config, "run")
        first.wait_line(step="trigger", state="started")
        mark = world.mark()
        same = world.call(config, "run")
        equal(same.exit, 6, "exit with the same state_dir")
        equal(same.last["exit"], 6, "exit in the last line")
        third = world.call(other, "run")
        equal(third.exit, 3, "exit with another state_dir")
        contains(" ".join(third.sentences("precheck", "refused")), "drr-under-way")
        contains(third.last["next"], "--override-drr-under-way")
        world.unchanged(mark)
        world.lab.call("webhook", member="gw1")
        equal(first.result().exit, 0, "exit of the first")
        equal((world.count("flush"), world.bounced()), (1, 1), "flushes, bounces")
        world.enabled()


@case("override of drr-under-way is done and written down")
def override_under_way():
    with World(initial_primary="gw1") as world:
        config = world.config("gw1")
        world.lab.call("log", member="gw1", code="0x88e000d7")
        refused = world.call(config, "run", "--steps", "bounce,confirm")
        equal(refused.exit, 3, "exit without the flag")
        world.unchanged()
        result = world.run(config, "--override-drr-under-way")
        equal(result.exit, 0, "exit with the flag")
        contains(" ".join(result.sentences("precheck")), "overridden", "drr-under-way")
        begin = [r for r in world.journal(config) if r["kind"] == "begin"]
        contains(begin[-1]["data"], "overrides=drr-under-way")
        equal((world.count("flush"), world.bounced()), (1, 1), "flushes, bounces")


@case("two agents with one state_dir start at once")
def two_at_once():
    with World(members=1) as world:
        config = world.config("gw1")
        agents = [world.begin(config, "run", "--steps", "flush,bounce,confirm") for _ in range(2)]
        exits = sorted(a.result().exit for a in agents)
        check(exits in ([0, 6], [0, 3]), "exits", exits)
        equal((world.count("flush"), world.bounced()), (1, 1), "flushes, bounces")
        world.enabled()


@case("dry run changes nothing")
def dry_run():
    with World(initial_primary="gw2") as world:
        result = world.call(world.config("gw1"), "run", "--dry-run")
        equal(result.exit, 0, "exit")
        equal(result.last["step"], "run", "last step")
        contains(" ".join(result.sentences()), "would make this member primary", "would flush", "nothing was changed")
        world.unchanged()
