"""The session is cut, falls silent or drips at every line of a run: the service ends enabled, never two flushes, and what is said is true."""

from harness import Failed, World, case, check, contains, equal
from judge import heal, judge

LINES = 38          # input lines of the first session of a whole run, with one to spare
GROUP = 5           # points a case: they share a lab


def sweep(points, config_more, prepare=None, **switches):
    """points: [(name, {switch: value})]. One whole run for each; returns the table."""
    rows = []
    with World(initial_primary="gw2", **switches) as world:
        for number, (name, settings) in enumerate(points):
            mark = heal(world) if number else world.mark()
            state = world.state_dir(f"gw1") + f"/state{number}"
            config = world.config("gw1", state_dir=state, limits__confirm_timeout_s=5, limits__bounce_deadline_s=20, **config_more)
            for switch, value in settings.items():
                world.lab.set("gw1." + switch, value)
            result = world.run(config)
            met = world.count("session_cut", after=mark) + world.count("session_hangs", after=mark)
            try:
                flushes, bounces = judge(world, result, mark, config)
                follow(world, config, result, mark)
            except Failed as why:
                raise Failed(f"point {name}: {why}") from why
            rows.append(f"{name:<44} met {met}  flushes {flushes}  bounces {bounces}  enabled yes  exit {result.exit}")
            if result.exit == 0 and len(world.told) > 3:
                world.check_secrets()
                del world.told[:-3]
    return "\n".join(rows)


def follow(world, config, result, mark):
    """Where the agent says how to go on with this run, that works, and does not flush again."""
    if result.exit != 5 or "--run" not in result.last["next"]:
        return
    words = result.last["next"].split()
    equal(words[:2], ["drr-agent", "run"], "next")
    world.lab.set("gw1.cut_at", "")
    flushed = world.count("flush", after=mark)
    again = world.run(config, *words[4:])
    equal(world.count("flush", after=mark), flushed, "flushes behind the next command")
    if flushed:
        equal(again.exit, 0, "exit of the next command")
    world.enabled()


def cut_case(when, first):
    numbers = range(first, min(first + GROUP, LINES + 1))

    @case(f"cut {when} lines {numbers[0]} to {numbers[-1]}", slow=True)
    def function():
        return sweep([(f"line {k} {when}", {"cut_at": f"#{k}:{when}"}) for k in numbers], {})


for _when in ("before", "after"):
    for _first in range(1, LINES + 1, GROUP):
        cut_case(_when, _first)


@case("cut around the flush, its question and its answer", slow=True)
def cut_flush():
    points = [(f"flush {w}", {"cut_at": f"gateway-peering-flush:{w}"}) for w in ("before", "confirm", "confirmed", "after")]
    points += [("flush after, with FIN", {"cut_at": "gateway-peering-flush:after", "cut_kind": "fin"})]
    return sweep(points, {})


@case("cut around the flush without a question", slow=True)
def cut_flush_plain():
    return sweep([(f"flush {w}, no confirmation", {"cut_at": f"gateway-peering-flush:{w}"}) for w in ("before", "after")], {},
                 gw1__flush_confirm="no")


@case("cut in the last look", slow=True)
def cut_after():
    with World(initial_primary="gw1") as world:
        for when in ("before", "after"):
            for line in range(1, 7):
                mark = heal(world, "gw1")
                config = world.config("gw1", state_dir=world.state_dir("gw1") + f"/state-{when}{line}", limits__confirm_timeout_s=5)
                agent = world.begin(config, "run")
                agent.wait_line(step="trigger", state="started")
                world.lab.call("cut", member="gw1")      # the session that was kept for this look
                world.lab.set("gw1.cut_at", f"#{line}:{when}")
                world.lab.call("webhook", member="gw1")
                result = agent.result()
                equal(result.exit, 0, f"exit, line {line} {when}")
                judge(world, result, mark, config)
                check(world.count("session_cut", after=mark) == 2, "the cut was not met")


@case("the kept session is cut at the last look", slow=True)
def cut_kept():
    with World(initial_primary="gw1") as world:
        for command in ("show gateway-peering-status", "show apic-gw-service"):
            for when in ("before", "after"):
                mark = heal(world, "gw1")
                config = world.config("gw1", state_dir=world.state_dir("gw1") + f"/state-{when}-{command[5:9]}", limits__confirm_timeout_s=5)
                agent = world.begin(config, "run")
                agent.wait_line(step="trigger", state="started")
                world.lab.set("gw1.cut_at", f"{command}:{when}")
                world.lab.call("webhook", member="gw1")
                result = agent.result()
                equal(result.exit, 0, f"exit, {command} {when}")
                judge(world, result, mark, config)
                check(world.count("session_cut", after=mark) == 1, "the cut was not met")


@case("silence at lines of a run", slow=True)
def hang():
    return sweep([(f"silence {w} line {k}", {"hang_at": f"#{k}:{w}"}) for k, w in
                  ((2, "before"), (4, "after"), (9, "before"), (14, "after"), (19, "before"), (26, "after"))],
                 {"cli__command_timeout_s": 1})


@case("silence at the commands that change something", slow=True)
def hang_commands():
    points = [("silence " + at, {"hang_at": at}) for at in
              ("gateway-peering-switch-primary:before", "gateway-peering-switch-primary:after", "gateway-peering-flush:confirm",
               "gateway-peering-flush:after", "admin-state disabled:after", "exit:before:4", "admin-state enabled:before", "admin-state enabled:after")]
    return sweep(points, {"cli__command_timeout_s": 1})


@case("cuts while the output drips", slow=True)
def drip():
    points = [(f"line {k} after, dripping", {"cut_at": f"#{k}:after", "drip_bps": "8000"}) for k in (6, 17, 24, 28, 33)]
    return sweep(points, {"cli__command_timeout_s": 5})


@case("cuts inside the output", slow=True)
def cut_bytes():
    return sweep([(f"cut after {n} bytes of output", {"cut_out_bytes": str(n)}) for n in (1, 30, 300, 1500, 2900, 3600, 4000)], {})


def again(name, at, exits, **more):
    """The cut stays armed until it was met four times."""
    @case(f"cut again and again: {name}", slow=True)
    def function():
        with World(initial_primary="gw2", gw1__cut_at=at, gw1__cut_again="yes") as world:
            config = world.config("gw1", limits__confirm_timeout_s=5, limits__bounce_deadline_s=20)
            agent = world.begin(config, "run")
            seen = 0
            for _ in range(4):
                cut = world.lab.wait_effect("session_cut", member="gw1", after=seen, timeout=60)
                seen = cut["seq"]
            world.lab.set("gw1.cut_at", "")
            world.webhook_when_awaited(agent)
            result = agent.result()
            check(result.exit in exits, "exit", result.exit, result.last)
            judge(world, result, 0, config)


again("before the switch", "gateway-peering-switch-primary:before", (0,))
again("before the disable", "admin-state disabled:before", (0,))
again("before the enable", "admin-state enabled:before", (0,))
again("behind the enable", "admin-state enabled:after", (0,))


@case("cut again and again before the disable, to the deadline", slow=True)
def disable_never():
    with World(initial_primary="gw1", gw1__cut_at="admin-state disabled:before", gw1__cut_again="yes") as world:
        config = world.config("gw1", limits__bounce_deadline_s=5)
        result = world.call(config, "run")
        equal(result.exit, 5, "exit")
        contains(result.last["sentence"], "enabled", "not completed")
        equal(world.count("admin_state", value="disabled"), 0, "disables")
        judge(world, result, 0, config)
        world.lab.set("gw1.cut_at", "")
        follow(world, config, result, 0)
