"""One-shot verbs where the daemon runs: they ask it over its socket, and it does the work."""

import json
import os
import signal

from cases_output import check_lines
from daemon import Daemon, plan_of, wait_until
from harness import World, case, check, contains, equal

RUN_STEPS = ("precheck", "grant", "primary", "flush", "bounce", "confirm", "trigger", "await", "release")


def told(result):
    return [(line["step"], line["state"]) for line in result.lines]


def free(daemon):
    state = daemon.state()
    equal((state["grant"], state["journal"]["open"]), (None, False), "grant, open journal")


@case("daemon asked: a whole run, with the lines and the exit code of one without a daemon")
def whole_run():
    with World(initial_primary="gw2") as world, Daemon(world) as daemon:
        result = world.run(daemon.config, "--run", "my-run.1")
        equal((result.exit, result.err), (0, ""), "exit, stderr")
        check_lines(result.lines)
        equal(result.last["run"], "my-run.1", "run")
        for step in RUN_STEPS:
            check((step, "done") in told(result), step, "is not told to be done:", told(result))
        equal(told(result).count(("precheck", "done")), 1, "prechecks told")
        contains(" ".join(result.sentences()), "flush accepted", "re-registered", "all steps are done")
        contains(" ".join(line["evidence"] for line in result.lines if line["step"] == "confirm" and "evidence" in line), "0x88e000d7")
        equal((world.count("flush"), world.bounced(), world.count("switch_primary", member="gw1")), (1, 1, 1), "flushes, bounces, switches")
        free(daemon)
        equal(daemon.state()["run"]["id"], "my-run.1", "the daemon's last run")
        again = world.call(daemon.config, "run", "--run", "my-run.1")
        equal(again.exit, 6, f"a run's name serves once: {again.last}")
        equal(world.count("flush"), 1, "flushes")


@case("daemon asked: dry run, refusals, overrides, single steps")
def parts():
    with World(initial_primary="gw2") as world, Daemon(world) as daemon:
        dry = world.call(daemon.config, "run", "--dry-run")
        equal(dry.exit, 0, "exit of the dry run")
        check_lines(dry.lines)
        contains(" ".join(dry.sentences(state="skipped")), "would flush the peering object here", "would make this member primary")
        world.unchanged()
        world.lab.call("log", member="gw1", code="0x88e000d7", text="Waiting for gateway service registration.")
        refused = world.call(daemon.config, "run", "--steps", "bounce")
        equal((refused.exit, refused.last["state"]), (3, "refused"), "exit, state")
        contains(refused.last["sentence"] + refused.last["next"], "drr-under-way", "--override-drr-under-way")
        world.unchanged()
        free(daemon)
        bounced = world.call(daemon.config, "run", "--steps", "bounce", "--override-drr-under-way")
        equal(bounced.exit, 0, f"exit with the override: {bounced.last}")
        check_lines(bounced.lines)
        equal((world.bounced(), world.count("flush"), world.count("switch_primary")), (1, 0, 0), "bounces, flushes, switches")
        check(not [line for line in bounced.lines if line["step"] in ("flush", "await", "primary", "confirm")], "steps that were not asked for", told(bounced))
        free(daemon)


@case("daemon asked: the grant of another run, or a hold, is in the way")
def in_the_way():
    with World(members=1) as world, Daemon(world) as daemon:
        daemon.grant("r1", plan_of("gw1", ["gw1"]))
        result = world.call(daemon.config, "run")
        equal((result.exit, result.last["state"]), (6, "refused"), "exit, state beside a grant")
        contains(result.last["sentence"], "r1", "local")
        contains(result.last["next"], "drrctl release r1")
        daemon.release("r1")
        equal(daemon.call("PUT", "/v1/hold", {"owner": "alice", "reason": "change 4711", "until": "2999-01-01T00:00:00Z"}).status, 200, "hold")
        result = world.call(daemon.config, "run")
        equal(result.exit, 6, "exit beside a hold")
        contains(result.last["sentence"], "alice", "change 4711")
        text = world.call(daemon.config, "status").out
        contains(text, "alice", "change 4711", "agent ")
        world.unchanged()


@case("daemon asked: interrupted, it says where things stand; the daemon goes on, and so does the command that it names")
def interrupted():
    with World(initial_primary="gw1", gw1__disable_delay="0.5real") as world, Daemon(world) as daemon:
        agent = world.begin(daemon.config, "run")
        wait_until(lambda: world.lab.get("gw1.service")["admin_state"] == "disabled", "it is disabled")
        agent.signal(signal.SIGINT)
        result = agent.result()
        equal((result.exit, result.last["state"]), (5, "failed"), "exit, state")
        contains(result.last["sentence"], "interrupted", "bounce", "leaves nothing disabled")
        wait_until(lambda: world.bounced() == 1, "the daemon enables it")
        words = result.last["next"].split()
        equal(words[:2], ["drr-agent", "run"], "next")
        contains(result.last["next"], "--steps bounce,confirm,await", "--run " + result.last["run"])
        busy = world.call(daemon.config, "run")
        equal(busy.exit, 6, "another run meanwhile")
        contains(busy.last["sentence"], result.last["run"])
        rest = world.run(daemon.config, *words[4:])
        equal(rest.exit, 0, f"exit of the rest: {rest.last}")
        check_lines(rest.lines)
        equal((world.count("flush"), world.bounced()), (1, 1), "flushes, bounces")
        free(daemon)


@case("daemon asked: its engine is killed in the middle of a run", slow=True)
def engine_killed():
    with World(initial_primary="gw1", gw1__disable_delay="0.5real") as world, Daemon(world) as daemon:
        agent = world.begin(daemon.config, "run")
        wait_until(lambda: world.lab.get("gw1.service")["admin_state"] == "disabled", "it is disabled")
        daemon.kill("engine")
        result = agent.result()
        equal(result.exit, 5, f"exit: {result.last}")
        world.enabled()
        equal(world.count("flush"), 1, "flushes")
        rest = world.run(daemon.config, *result.last["next"].split()[4:])
        equal(rest.exit, 0, f"exit of the rest: {rest.last}")
        equal((world.count("flush"), world.lab.get("gw1.service")["admin_state"]), (1, "enabled"), "flushes, admin-state")
        free(daemon)


@case("daemon asked: recover waits for what the daemon does by itself")
def recover():
    with World(initial_primary="gw1", gw1__disable_delay="0.5real") as world:
        with Daemon(world) as daemon:
            nothing = world.call(daemon.config, "recover")
            equal((nothing.exit, len(nothing.lines)), (0, 1), "exit, lines with nothing open")
            contains(nothing.last["sentence"], "nothing open")
            daemon.grant("r1", plan_of("gw2", ["gw1", "gw2"]))
            daemon.begin_step("r1", "bounce")
            wait_until(lambda: world.lab.get("gw1.service")["admin_state"] == "disabled", "it is disabled")
            busy = world.begin(daemon.config, "recover")
            daemon.kill("engine")
            result = busy.result()
            equal(result.exit, 0, f"exit: {result.last}")
            check_lines(result.lines)
            world.enabled()
            check(world.count("admin_state", value="enabled") >= 1, "it was enabled")
            daemon.wait_answers()
            daemon.release("r1")
            daemon.crash()
        check(os.path.exists(os.path.join(daemon.state_dir, "api.sock")), "the socket's file is left over")
        alone = world.call(daemon.config, "recover")
        equal(alone.exit, 0, "exit without a daemon")


@case("daemon asked: status is the daemon's, without a log-in of its own; who may not ask is told whom to ask")
def status():
    with World(members=1) as world, Daemon(world) as daemon:
        daemon.state(max_age_ms=0)
        logins = world.count("login")
        result = world.call(daemon.config, "status", "--json")
        equal((result.exit, result.err), (0, ""), "exit, stderr")
        shown, known = json.loads(result.out), daemon.state()
        equal(set(shown), set(known), "keys")
        equal(shown["member"], known["member"], "member")
        check(shown["age_ms"] < 5000 and shown["agent"]["state"] == "idle", "age, agent:", shown["age_ms"], shown["agent"])
        text = world.call(daemon.config, "status")
        equal(text.exit, 0, "exit of the table")
        contains(text.out, world.lab.member("gw1").address, "enabled", "one primary", "agent ", "as of ")
        equal(world.count("login"), logins, "log-ins")
        os.chmod(world.directory, 0o711)        # the configuration may be read by everybody, the state may not
        os.chmod(os.path.dirname(daemon.config), 0o711)
        os.chmod(daemon.config, 0o644)
        for verb in ("status", "run", "recover"):
            denied = world.call(daemon.config, verb, preexec=lambda: os.setresuid(65534, 65534, 65534))
            equal(denied.exit, 7, f"exit of {verb} for a user of another group: {denied.text}")
            contains(denied.text, "group root", "usermod")
        world.unchanged()


@case("daemon asked: status says what the daemon cannot learn now")
def status_without_appliance():
    with World(members=1, gw1__ssh_listen="no") as world, Daemon(world) as daemon:
        result = world.call(daemon.config, "status")
        equal(result.exit, 8, f"exit: {result.text}")
        contains(result.out, "trouble", "as of")
