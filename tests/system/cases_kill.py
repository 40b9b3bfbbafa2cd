"""Signals, kill -9, a machine that stands still, a full disk: the service ends enabled, the journal closed."""

import os
import resource
import signal
import time

from harness import Failed, World, case, check, contains, equal
from judge import heal, judge

# A run is disturbed when it printed this.
PHASES = [
    ("precheck", {"step": "precheck", "state": "started"}),
    ("primary", {"step": "primary", "state": "started"}),
    ("switch sent", {"sentence": "switch to this member sent"}),
    ("flush", {"step": "flush", "state": "started"}),
    ("flush checked", {"sentence": "primary right before the flush"}),
    ("flush accepted", {"sentence": "flush accepted"}),
    ("bounce", {"step": "bounce", "state": "started"}),
    ("disable accepted", {"sentence": "disable accepted"}),
    ("seen disabled", {"sentence": "seen disabled"}),
    ("enable accepted", {"sentence": "enable accepted"}),
    ("confirm", {"step": "confirm", "state": "started"}),
    ("trigger", {"step": "trigger", "state": "started"}),
    ("await", {"step": "await", "state": "started"}),
]
PHASE_NAMES = [name for name, _ in PHASES]


def start_until(world, config, name, *arguments):
    agent = world.begin(config, "run", *arguments)
    if name == "await":
        world.webhook_when_awaited(agent)
    agent.wait_line(**dict(PHASES)[name])
    return agent


def signal_case(number, names):
    @case(f"{signal.Signals(number).name} at: {', '.join(names)}", slow=True)
    def function():
        rows = []
        with World(initial_primary="gw2", gw1__command_delay="0.05") as world:
            for count, name in enumerate(names):
                mark = heal(world) if count else world.mark()
                world.lab.set("gw1.command_delay", "0.05")
                config = world.config("gw1", state_dir=world.state_dir("gw1") + f"/state{count}", limits__quiet_s=3, limits__confirm_timeout_s=5)
                agent = start_until(world, config, name)
                agent.signal(number)
                result = agent.result()
                try:
                    check(result.exit in (0, 4, 5), "exit", result.exit)
                    if PHASE_NAMES.index(name) >= PHASE_NAMES.index("flush accepted"):
                        equal(result.exit, 5, "exit behind the flush")
                    if PHASE_NAMES.index(name) <= PHASE_NAMES.index("flush"):
                        equal(result.exit, 4, "exit before the flush")
                    contains(result.last["sentence"], "stop") if result.exit == 4 else None
                    flushes, bounces = judge(world, result, mark, config)
                    if result.exit == 5:
                        finish(world, config, result, mark)
                except Failed as why:
                    raise Failed(f"at {name}: {why}") from why
                rows.append(f"{name:<18} flushes {flushes}  bounces {bounces}  enabled yes  exit {result.exit}")
        return "\n".join(rows)


def finish(world, config, result, mark):
    """The next command that the agent named."""
    words = result.last["next"].split()
    equal(words[:2], ["drr-agent", "run"], "next")
    flushed = world.count("flush", after=mark)
    again = world.run(config, *words[4:])
    if "--run" in words and not flushed:        # it could not know: the next step finds out, and asks for a new run
        equal(again.exit, 5, "exit of " + result.last["next"])
        contains(again.last["sentence"], "may or may not")
        check("--run" not in again.last["next"].split(";")[-1], "next:", again.last["next"])
    else:
        equal(again.exit, 0, "exit of " + result.last["next"])
        equal(world.count("flush", after=mark), max(flushed, 1), "flushes behind it")
    world.enabled()
    world.closed(config)


signal_case(signal.SIGTERM, PHASE_NAMES[:7])
signal_case(signal.SIGTERM, PHASE_NAMES[7:])
signal_case(signal.SIGINT, PHASE_NAMES[2:10:2])


def kill_case(names, verb):
    @case(f"kill -9, then {verb}: {', '.join(names)}", slow=True)
    def function():
        rows = []
        with World(initial_primary="gw2", gw1__command_delay="0.02") as world:
            for count, name in enumerate(names):
                mark = heal(world) if count else world.mark()
                world.lab.set("gw1.command_delay", "0.02")
                config = world.config("gw1", state_dir=world.state_dir("gw1") + f"/state{count}", limits__quiet_s=2, limits__confirm_timeout_s=5)
                agent = start_until(world, config, name)
                agent.signal(signal.SIGKILL)
                equal(agent.result().exit, -9, "exit of the killed")
                try:
                    (after_kill_recover if verb == "recover" else after_kill_run)(world, config, name, mark)
                except Failed as why:
                    raise Failed(f"at {name}: {why}") from why
                rows.append(f"{name:<18} flushes {world.count('flush', after=mark)}  bounces {world.bounced(mark)}  enabled yes")
        return "\n".join(rows)


def after_kill_recover(world, config, name, mark):
    result = world.call(config, "recover")
    check(result.exit in (0, 5), "exit of recover", result.exit, result.last)
    world.enabled()
    flushes = world.count("flush", after=mark)
    check(flushes <= 1, flushes, "flushes")
    if flushes:
        equal(result.exit, 5, "exit of recover behind a flush")
    if world.journal(config):
        world.closed(config)
    if result.exit == 5:
        contains(result.last["next"], "--run")
        finish(world, config, result, mark)
        check(world.count("flush", after=mark) == flushes, "flushed again")
    again = world.call(config, "recover")
    equal(again.exit, 0, "exit of a second recover")


def after_kill_run(world, config, name, mark):
    """A new run recovers first.  It is a run of its own: it may flush, or find that a DRR is under way."""
    result = world.run(config, "--override-drr-under-way")
    equal(result.exit, 0, "exit")
    if PHASE_NAMES.index(name) >= PHASE_NAMES.index("primary"):
        check(any(line["step"] == "recover" for line in result.lines), "no word about the recovery")
    world.enabled()
    for run in {e["run"] for e in world.journal(config)}:
        steps = [r for r in world.journal(config) if r["run"] == run and r["kind"] == "intent" and r["step"] == "flush"]
        check(len(steps) <= 1, "run", run, "flushed twice")
    world.closed(config)


kill_case(PHASE_NAMES[:6], "recover")
kill_case(PHASE_NAMES[6:], "recover")
kill_case(["flush accepted", "disable accepted", "seen disabled", "trigger"], "run")


@case("recover has nothing to do")
def recover_nothing():
    with World(members=1) as world:
        config = world.config("gw1")
        result = world.call(config, "recover")
        equal((result.exit, result.last["state"]), (0, "done"), "exit, state")
        equal(world.lab.get("gw1.auth")["connections"], 0, "connections")


@case("recover does not enable what somebody else disabled")
def recover_not_ours():
    from cases_refusals import by_hand
    with World(members=1) as world:
        config = world.config("gw1")
        equal(world.call(config, "run", "--steps", "bounce").exit, 0, "exit")
        by_hand(world, "gw1", "switch domain " + world.lab.domain, "config", "apic-gw-service", "admin-state disabled", "exit", "exit")
        world.lab.wait_effect("admin_state", member="gw1", value="disabled", after=world.lab.effects("admin_state")[1]["seq"], timeout=30)
        equal(world.call(config, "recover").exit, 0, "exit")
        equal(world.lab.get("gw1.service")["admin_state"], "disabled", "admin-state")


@case("recover while the appliance is away: exit 9 with the commands, or when it is back: enabled", slow=True)
def recover_denied():
    with World(members=1, gw1__disable_delay="3real") as world:
        config = world.config("gw1")
        agent = start_until(world, config, "disable accepted", "--steps", "flush,bounce,confirm")
        agent.signal(signal.SIGKILL)
        agent.result()
        equal(world.lab.get("gw1.service")["admin_state"], "disabled", "admin-state behind the kill")
        world.lab.set("gw1.restrict_admin", "yes")
        result = world.call(config, "recover")
        equal(result.exit, 9, "exit while nobody is let in")
        contains(result.last["next"], "admin-state enabled", "drr-agent recover", world.lab.domain)
        result = world.call(config, "run", "--steps", "bounce")
        equal(result.exit, 9, "exit of run while nobody is let in")
        world.lab.set("gw1.restrict_admin", "no")
        os.utime(world.lab.password_file)       # the same password may be tried again
        result = world.call(config, "recover")
        equal(result.exit, 5, "exit")
        world.enabled()
        world.closed(config)


@case("nobody is let in between disable and enable: exit 9, act now")
def denied_between():
    with World(members=1, gw1__disable_delay="3real", gw1__command_delay="0.05") as world:
        config = world.config("gw1")
        agent = start_until(world, config, "disable accepted")
        world.lab.set("gw1.restrict_admin", "yes")
        world.lab.call("cut", member="gw1")
        result = agent.result()
        equal(result.exit, 9, "exit")
        contains(result.last["sentence"], "act now")
        contains(result.last["next"], "switch domain " + world.lab.domain, "admin-state enabled", "recover -c " + config)
        check(world.lab.get("gw1.service")["admin_state"] == "disabled", "the lab says enabled")
        records = world.journal(config)
        check(records[-1]["kind"] != "end", "what may be disabled stays open in the journal")
        status = world.call(config, "status")
        check(status.exit == 7, "exit of status", status.exit)


@case("disable gets no answer: enabled at its deadline", slow=True)
def disable_hangs():
    with World(members=1, gw1__hang_at="admin-state disabled:after") as world:
        config = world.config("gw1", limits__bounce_deadline_s=5, cli__command_timeout_s=60)
        result = world.call(config, "run")
        equal(result.exit, 5, "exit")
        judge(world, result, 0, config)


@case("disable takes effect and its answer never comes: enabled at its deadline", slow=True)
def disable_exit_hangs():
    with World(members=1) as world:
        config = world.config("gw1", limits__bounce_deadline_s=5, cli__command_timeout_s=60)
        agent = start_until(world, config, "flush accepted")
        world.lab.set("gw1.hang_at", "exit:after:2")
        world.webhook_when_awaited(agent)
        result = agent.result()
        check(result.exit in (0, 5), "exit", result.exit)
        judge(world, result, 0, config)


@case("disable that the appliance ignores, refuses, or never completes", slow=True)
def disable_faults():
    for fault, exits in (("ignored", (5,)), ("error", (5,)), ("stuck", (5,))):
        with World(members=1, gw1__disable=fault) as world:
            config = world.config("gw1", limits__bounce_deadline_s=5)
            result = world.call(config, "run")
            check(result.exit in exits, "exit", result.exit, "disable", fault)
            judge(world, result, 0, config)


@case("enable that is refused for a while: tried until it works", slow=True)
def enable_faults():
    for fault in ("error", "ignored"):
        with World(members=1, gw1__enable=fault) as world:
            config = world.config("gw1", limits__bounce_deadline_s=5)
            agent = start_until(world, config, "seen disabled")
            seen = 0
            for _ in range(3):
                seen = world.lab.wait_effect("command", member="gw1", command="admin-state enabled", after=seen, timeout=60)["seq"]
            world.lab.set("gw1.enable", "ok")
            world.webhook_when_awaited(agent)
            result = agent.result()
            check(result.exit in (0, 5), "exit", result.exit)
            judge(world, result, 0, config)


@case("sessions are reset again and again while it is disabled", slow=True)
def resets():
    with World(members=1) as world:
        config = world.config("gw1", limits__bounce_deadline_s=5)
        agent = start_until(world, config, "disable accepted")
        world.lab.set("gw1.reset_on_connect", "3")
        world.lab.call("cut", member="gw1")
        world.webhook_when_awaited(agent)
        result = agent.result()
        check(result.exit in (0, 5), "exit", result.exit)
        equal(world.count("connect_reset"), 3, "resets")
        judge(world, result, 0, config)


@case("stopped for longer than the deadline while it is disabled", slow=True)
def stopped():
    with World(members=1, gw1__command_delay="0.05") as world:
        config = world.config("gw1", limits__bounce_deadline_s=5)
        agent = start_until(world, config, "disable accepted")
        agent.signal(signal.SIGSTOP)
        time.sleep(7)       # the point of the test: real time passes
        agent.signal(signal.SIGCONT)
        world.webhook_when_awaited(agent)
        result = agent.result()
        check(result.exit in (0, 5), "exit", result.exit)
        judge(world, result, 0, config)


@case("a machine that stood still starts nothing new", slow=True)
def stunned():
    with World(initial_primary="gw2", gw1__switch_delay="3real") as world:
        config = world.config("gw1")
        agent = start_until(world, config, "switch sent")
        agent.signal(signal.SIGSTOP)
        time.sleep(17)      # above RUNNER_STUNNED_MS
        agent.signal(signal.SIGCONT)
        result = agent.result()
        equal(result.exit, 4, "exit")
        contains(" ".join(str(line.get("evidence")) for line in result.lines), "stood still")
        equal((world.count("flush"), world.bounced()), (0, 0), "flushes, bounces")
        judge(world, result, 0, config)


@case("resume: killed in the wait, then --run ID --steps confirm,await")
def resume():
    with World(initial_primary="gw1", gw1__waiting_late="3real") as world:
        config = world.config("gw1")
        agent = start_until(world, config, "confirm", "--run", "night-1")
        agent.signal(signal.SIGKILL)
        agent.result()
        mark = world.mark()
        world.lab.wait_effect("log_line", code="0x88e000d7", timeout=60)       # logged while nobody looked
        result = world.call(config, "run", "--run", "night-1", "--steps", "flush,bounce")
        equal(result.exit, 3, "exit of a second flush")
        contains(result.last["sentence"], "never flushes twice")
        result = world.run(config, "--run", "night-1", "--steps", "confirm,await")
        equal(result.exit, 0, "exit")
        contains(" ".join(str(line.get("evidence")) for line in result.lines if line["step"] == "confirm"), "0x88e000d7")
        check(not [e for e in world.changes(mark) if e["member"] == "gw1"], "something was done again")
        result = world.call(config, "run", "--run", "night-1")
        equal(result.exit, 3, "exit of the same run id")
        equal(world.count("flush"), 1, "flushes")
        world.closed(config)


@case("resume: killed in the await, the log has rotated since")
def resume_rotated():
    with World(initial_primary="gw1") as world:
        config = world.config("gw1")
        agent = start_until(world, config, "trigger")
        agent.signal(signal.SIGKILL)
        agent.result()
        world.lab.call("rotate", member="gw1")
        result = world.run(config, "--steps", "confirm,await")
        equal(result.exit, 0, "exit")
        equal((world.count("flush"), world.bounced()), (1, 1), "flushes, bounces")
        world.closed(config)


@case("confirm or await without a bounce is refused")
def nothing_to_watch():
    with World(members=1) as world:
        config = world.config("gw1")
        for steps in ("confirm", "await", "confirm,await"):
            result = world.call(config, "run", "--steps", steps)
            equal(result.exit, 3, "exit of " + steps)
            contains(result.last["next"], "bounce")
        world.unchanged()


# ---- the disk

def limited(limit):
    def apply():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)       # then a write that reaches the limit is cut short, and the next one fails
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    return apply


@case("the journal cannot grow any more, at any record", slow=True)
def disk_full():
    rows = []
    with World(initial_primary="gw2") as world:
        for number, limit in enumerate((0, 60, 200, 450, 700, 800, 900, 1000, 1100, 1200, 1300, 1400, 1500, 1700, 1900)):
            mark = heal(world) if number else world.mark()
            config = world.config("gw1", state_dir=world.state_dir("gw1") + f"/state{number}", limits__bounce_deadline_s=20, limits__confirm_timeout_s=5)
            result = world.run(config, preexec=limited(limit))
            world.enabled()
            flushes = world.count("flush", after=mark)
            check(flushes <= 1, flushes, "flushes")
            size = os.path.getsize(os.path.join(world.state_dir("gw1"), f"state{number}", "journal"))
            check(size <= limit, "the journal has", size, "bytes, the limit is", limit)
            if result.exit == 0:
                check(flushes == 1 and world.bounced(mark) == 1, "exit 0 with flushes", flushes)
            else:
                check(result.exit in (1, 4, 5), "exit", result.exit, result.last)
                equal(result.exit == 5, flushes == 1, f"limit {limit}: exit 5 and a flush")
                contains(" ".join(str(line) for line in result.lines), "journal")
            rows.append(f"limit {limit:>5}  flushes {flushes}  disables {world.count('admin_state', after=mark, value='disabled')}  enabled yes  exit {result.exit}")
            recovered = world.call(config, "recover")
            check(recovered.exit in (0, 5), "exit of recover", recovered.exit, recovered.last)
            world.enabled()
            if world.journal(config):
                world.closed(config)
    return "\n".join(rows)
