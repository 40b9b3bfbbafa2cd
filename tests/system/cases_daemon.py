"""The daemon: `drr-agent serve`, three processes and their interface, driven over the Unix socket.

What else may go wrong is in cases_daemon_faults.py, kill -9 at the journal's writes in cases_daemon_kill.py.
"""

import json
import os
import threading
import time
import zlib

from daemon import OPS, Daemon, plan_of, wait_until
from harness import Failed, World, case, check, contains, equal

SOLO = plan_of("gw1", ["gw1"])


class Group:
    """A daemon beside each member."""

    def __init__(self, world, names=("gw1", "gw2", "gw3"), **more):
        self.world, self.names, self.more = world, names, more
        self.daemons = {}

    def __enter__(self):
        for name in self.names:
            self.daemons[name] = Daemon(self.world, name, wait=False, **self.more).__enter__()
        for daemon in self.daemons.values():
            daemon.wait_ready()
        return self.daemons

    def __exit__(self, kind, value, trace):
        for daemon in self.daemons.values():
            daemon.__exit__(kind, value, trace)


def most_disabled(world, after=0):
    """How many members were disabled at the same time, at most; and the order in which each was disabled first."""
    down, most, order = set(), 0, []
    for e in world.lab.effects("admin_state", after=after):
        if e["value"] == "disabled":
            down.add(e["member"])
            if e["member"] not in order:
                order.append(e["member"])
        else:
            down.discard(e["member"])
        most = max(most, len(down))
    return most, order


# ---- a whole run

@case("daemon: a DRR of three members, every request twice", slow=True)
def whole_run():
    order = ["gw3", "gw1", "gw2"]
    plan = plan_of("gw3", order)
    with World(initial_primary="gw1") as world, Group(world) as group:
        for daemon in group.values():
            daemon.done("r1", "precheck", twice=True)
            check(daemon.state()["service"]["admin_state"] == "enabled", "the state knows the service")
        world.unchanged()
        for daemon in group.values():
            daemon.grant("r1", plan)
            daemon.grant("r1", plan)
        group["gw3"].done("r1", "primary", twice=True)
        group["gw3"].done("r1", "flush", twice=True)
        for name in order:
            disabled = group[name].done("r1", "bounce", twice=True)
            check(disabled["disabled_ms"] is not None, "disabled_ms of a bounce")
        for name in order:
            contains(" ".join(group[name].done("r1", "confirm", twice=True)["evidence"]), "0x88e000d7")
        for daemon in group.values():
            equal(daemon.call("DELETE", "/v1/grant/r2").problem, "grant-held", "another run's release")
            daemon.begin_step("r1", "await")
        world.lab.call("webhook")
        for name in order:
            group[name].webhook("r1") if world.lab.get(f"{name}.service")["state"] == "waiting" else None
            group[name].done("r1", "await", twice=True)
        for daemon in group.values():
            daemon.release("r1")
            daemon.release("r1")
            state = daemon.state()
            equal((state["grant"], state["step"], state["journal"]["open"]), (None, None, False), "grant, step, journal behind the run")
            equal({op: s["state"] for op, s in state["run"]["steps"].items()},
                  {op: "done" for op in (OPS if daemon.member == "gw3" else OPS[2:])}, "the run's steps on " + daemon.member)
        equal([e["member"] for e in world.lab.effects("flush")], ["gw3"], "who flushed")
        equal(world.count("flush_on_replica"), 0, "flushes on a replica")
        equal([world.bounced(member=name) for name in order], [1, 1, 1], "bounces")
        equal(most_disabled(world), (1, order), "disabled at once, and their order")
        flushed = world.lab.effects("flush")[0]["seq"]
        check(all(e["seq"] > flushed for e in world.lab.effects("admin_state")), "a bounce before the flush")
        for name in order:
            equal(world.lab.get(f"{name}.service")["state"], "up", name)
            world.closed(group[name].config)


@case("daemon: three coordinators drive one run at once", slow=True)
def coordinators():
    with World(initial_primary="gw2") as world, Daemon(world) as daemon:
        failed = []

        def drive():
            try:
                daemon.grant("r1", SOLO)
                told = daemon.resume("r1")
                equal([told[op]["state"] for op in OPS], ["done"] * len(OPS), "steps")
            except Failed as why:
                failed.append(why)
        threads = [threading.Thread(target=drive) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failed:
            raise failed[0]
        daemon.release("r1")
        equal((world.count("flush"), world.bounced()), (1, 1), "flushes, bounces")
        equal({op: step["attempt"] for op, step in daemon.state()["run"]["steps"].items()}, {op: 1 for op in OPS}, "attempts")
        world.closed(daemon.config)


@case("daemon: ready, status and stop are told to systemd")
def systemd_words():
    with World(members=1) as world:
        daemon = Daemon(world)
        equal(len(daemon.pids()), 3, "processes")
        daemon.stop()
        words = daemon.systemd.words
        check(any("STATUS=" in text for text in words), "no STATUS:", words)
        check(words.index(next(t for t in words if "READY=1" in t)) < words.index(next(t for t in words if "STOPPING=1" in t)), "READY, then STOPPING:", words)


# ---- grants

@case("daemon: grants")
def grants():
    plan = plan_of("gw2", ["gw1", "gw2"])
    with World() as world:
        with Daemon(world) as daemon:
            refused = daemon.call("PUT", "/v1/grant/r1", plan_of("gw2", ["gw2", "gw3"]))
            equal((refused.status, refused.problem), (422, "bad-plan"), "this member is not in the order")
            for bad in (plan_of("gw3", ["gw1", "gw2"]), plan_of("gw1", ["gw1"], 0), plan_of("gw1", ["gw1", "gw1"]), plan_of("gw1", []),
                        plan_of("gw1", ["gw1"] + [f"m{i}" for i in range(32)]), plan_of("gw1", ["gw1", "x" * 64])):
                equal(daemon.call("PUT", "/v1/grant/r1", bad).problem, "bad-plan", f"plan {bad}")
            for bad in ({}, {"primary": "gw1"}, [], {**plan, "more": 1}):
                check(daemon.call("PUT", "/v1/grant/r1", bad).problem in ("bad-plan", "bad-request"), "body", bad)
            equal(daemon.call("DELETE", "/v1/grant/r1").problem, "not-held", "release of nothing")
            equal(daemon.state()["grant"], None, "grant")
            daemon.grant("r1", plan)
            check_held(daemon, plan)
        with Daemon(world, config=daemon.config) as daemon:     # over a stop in order
            check_held(daemon, plan)
            daemon.crash()
        with Daemon(world, config=daemon.config) as daemon:     # and over kill -9 of everything
            check_held(daemon, plan)
            for role in ("engine", "front"):
                old = daemon.pids()[role]
                daemon.kill(role)
                daemon.wait_restart(role, old)
                check_held(daemon, plan)
            daemon.release("r1")
            daemon.release("r1")
            equal(daemon.call("DELETE", "/v1/grant/r2").problem, "not-held", "release by another run")
            daemon.grant("r2", SOLO)
        world.unchanged()


def check_held(daemon, plan):
    equal(daemon.state()["grant"]["run"], "r1", "holder")
    equal(daemon.state()["grant"]["plan"], plan, "its plan")
    other = daemon.call("PUT", "/v1/grant/r2", plan)
    equal((other.status, other.problem, other["holder"]["run"]), (409, "grant-held", "r1"), "another run")
    check(other.headers["Retry-After"], "409 without Retry-After")
    contains(other["next"], "drrctl")
    for differs in (plan_of("gw1", ["gw1", "gw2"]), plan_of("gw2", ["gw2", "gw1"]), plan_of("gw2", ["gw1", "gw2"], 2)):
        equal(daemon.call("PUT", "/v1/grant/r1", differs).problem, "plan-differs", f"another plan {differs}")
    daemon.grant("r1", plan)


@case("daemon: no release while a step is open, nor one behind a crash before the service is enabled", slow=True)
def release_while_open():
    with World(gw1__disable_delay="1real") as world:
        with Daemon(world) as daemon:
            daemon.grant("r1", plan_of("gw2", ["gw2", "gw1"]))
            daemon.begin_step("r1", "bounce")
            world.lab.wait_effect("admin_state", member="gw1", value="disabled", timeout=60)
            open_ = daemon.call("DELETE", "/v1/grant/r1")
            equal((open_.status, open_.problem), (409, "journal-open"), "release while it is disabled")
            other = daemon.call("POST", "/v1/steps", {"run": "r1", "op": "confirm"})
            equal((other.status, other.problem, other.headers["Retry-After"]), (409, "step-running", "1"), "another step")
            equal(daemon.call("POST", "/v1/steps", {"run": "r9", "op": "precheck"}).problem, "step-running", "another run's precheck")
            equal(daemon.call("POST", "/v1/steps", {"run": "r1", "op": "bounce"}).status, 202, "the same step")
            daemon.crash()
        equal(world.lab.get("gw1.service")["admin_state"], "disabled", "behind the crash")
        world.lab.set("gw1.command_delay", "0.05")
        with Daemon(world, config=daemon.config) as daemon:
            answer = daemon.call("DELETE", "/v1/grant/r1")
            if world.count("admin_state", value="enabled") == 0:
                equal(answer.problem, "journal-open", "release during the recovery")
            equal(daemon.step("r1", "bounce")["state"], "done", "the bounce, again")
            equal(daemon.state()["grant"]["run"] if answer.status != 204 else "r1", "r1", "the grant sticks")
            daemon.release("r1")
        world.enabled()
        world.closed(daemon.config)
        equal((world.count("flush"), world.bounced()), (0, 2), "flushes, bounces")


# ---- holds

def until(seconds):
    at = time.time() + seconds
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) + f".{int(at % 1 * 1000):03d}Z"


@case("daemon: hold")
def holds():
    hold = {"owner": "alice", "reason": "change 4711", "until": until(3600)}
    with World(members=1) as world:
        with Daemon(world) as daemon:
            for bad in ({**hold, "until": until(-5)}, {**hold, "until": "tomorrow"}, {**hold, "owner": ""}, {"owner": "a"}, {**hold, "x": 1},
                        {**hold, "reason": "x" * 4000}):
                equal(daemon.call("PUT", "/v1/hold", bad).problem, "bad-request", f"hold {bad}")
            equal(daemon.call("PUT", "/v1/hold", hold).status, 200, "hold")
            daemon.crash()
        with Daemon(world, config=daemon.config) as daemon:
            equal({k: daemon.state()["hold"][k] for k in hold}, hold, "the hold behind a crash")
            refused = daemon.call("PUT", "/v1/grant/r1", SOLO)
            equal((refused.status, refused.problem, refused["hold"]["owner"]), (409, "hold", "alice"), "a grant")
            equal(daemon.post("r1", "flush").problem, "not-granted", "a step")
            daemon.done("r1", "precheck")       # reads only
            equal([daemon.call("DELETE", "/v1/hold").status for _ in range(2)], [204, 204], "lifted")
            daemon.grant("r1", SOLO)
            held = daemon.call("PUT", "/v1/hold", hold)
            equal((held.status, held.problem), (409, "grant-held"), "a hold while a run holds the grant")
            daemon.release("r1")
            equal(daemon.call("PUT", "/v1/hold", {**hold, "until": until(1.5)}).status, 200, "a short hold")
            equal(daemon.call("PUT", "/v1/grant/r2", SOLO).problem, "hold", "a grant")
            wait_until(lambda: daemon.call("PUT", "/v1/grant/r2", SOLO).status == 200, "the hold ends by time")
            equal(daemon.state()["hold"], None, "hold")
        world.unchanged()


def big_journal(path):
    """More than half of what it may hold, of runs that are over."""
    with open(path, "wb") as file:
        sequence = 0
        while file.tell() < 600 * 1024:
            for content in (f"begin r{sequence} - steps=confirm", f"step r{sequence} confirm sentence=" + "x" * 800, f"end r{sequence} - exit=0"):
                sequence += 1
                payload = f"{sequence} 2026-01-02T03:04:05.678Z {content}".encode()
                file.write(b"DRR1 %04d %08x " % (len(payload), zlib.crc32(payload)) + payload + b"\n")


@case("daemon: holds that come and go do not fill the journal")
def hold_journal():
    with World(members=1) as world:
        config = world.config("gw1")
        state_dir = os.path.join(world.state_dir("gw1"), "state")
        big_journal(os.path.join(state_dir, "journal"))
        hold = {"owner": "alice", "reason": "change 4711", "until": until(3600)}
        with Daemon(world, config=config) as daemon:
            equal([daemon.call("PUT", "/v1/hold", hold).status for _ in range(3)], [200] * 3, "a hold, again and again")
            daemon.crash()
        equal([r["kind"] for r in world.journal(config)], ["hold"], "the journal, which was set aside")
        with Daemon(world, config=config) as daemon:
            equal(daemon.state()["hold"]["owner"], "alice", "the hold behind a crash")
            equal(daemon.call("DELETE", "/v1/hold").status, 204, "lifted")


# ---- steps

@case("daemon: steps that may not begin, and overrides", slow=True)
def step_refusals():
    with World(initial_primary="gw2") as world, Group(world, ("gw1", "gw2")) as group:
        gw1, gw2 = group["gw1"], group["gw2"]
        plan = plan_of("gw2", ["gw1", "gw2"])
        for op in OPS:
            equal((gw1.post("r1", op).status, gw1.post("r1", op).problem), (409, "not-granted"), op)
        for daemon in group.values():
            daemon.grant("r1", plan)
            equal(daemon.post("r2", "bounce").problem, "grant-held", "a step of another run")
        for op in ("primary", "flush"):
            equal(gw1.post("r1", op).problem, "not-primary-of-plan", op)
        equal(gw2.post("r1", "bounce").problem, "flush-first", "bounce of the primary")
        for bad in ({}, {"run": "r1"}, {"run": "r1", "op": "nothing"}, {"run": "r/1", "op": "flush"}, {"run": "x" * 64, "op": "flush"},
                    {"run": "r1", "op": "flush", "more": 1}, {"run": "r1", "op": "flush", "overrides": ["force"]}, {"run": "r1", "op": "flush", "overrides": "drr-under-way"}):
            equal(gw2.call("POST", "/v1/steps", bad).problem, "bad-request", f"body {bad}")
        world.unchanged()
        for op in ("confirm", "await"):
            step = gw1.step("r1", op)
            equal((step["state"], step["exit"]), ("refused", 3), f"{op} before the bounce: {step}")
        # a DRR under way, by the log, is refused, unless it is overridden
        world.lab.call("log", member="gw2", code="0x88e000d7", text="Waiting for gateway service registration.")
        step = gw2.step("r1", "flush")
        equal((step["state"], step["exit"]), ("refused", 3), f"flush under way: {step}")
        contains(step["next"] + " ".join(step["evidence"]), "drr-under-way")
        world.unchanged()
        again = gw2.step("r1", "flush", overrides=["drr-under-way"])
        equal((again["state"], again["attempt"]), ("done", 2), f"with the override: {again}")
        contains(json.dumps(gw2.journal()), "drr-under-way")
        gw2.done("r1", "bounce")
        gw1.done("r1", "bounce")
        equal((world.count("flush"), world.bounced(), world.bounced(member="gw2")), (1, 1, 1), "flushes, bounces")
        for daemon in group.values():
            daemon.release("r1")
        equal(gw2.post("r1", "flush").status, 202, "the flush of a run that is over")       # told, not done
        equal(gw1.post("r1", "await").problem, "not-granted", "a step behind the release")
        equal(world.count("flush"), 1, "flushes")


@case("daemon: requests that are none")
def bad_requests():
    with World(members=1) as world, Daemon(world) as daemon:
        for method, path, status, problem in (("GET", "/v1/nothing", 404, "not-found"), ("POST", "/v1/state", 405, "method-not-allowed"),
                                              ("GET", "/v1/steps/r1.flush", 404, "not-found"),
                                              ("GET", "/v1/steps/r1", 404, "not-found"), ("GET", "/v1/events?limit=0", 400, "bad-request"),
                                              ("GET", "/v1/events?after=-1", 400, "bad-request"), ("GET", "/v1/steps/r1.flush?wait_s=61", 400, "bad-request"),
                                              ("PUT", "/v1/grant/a%2Fb", 404, "not-found"), ("DELETE", "/v1/grant/none", 404, "not-held")):
            answer = daemon.call(method, path, {} if method in ("PUT", "POST") else None)
            check((answer.status, answer.problem) == (status, problem) or (answer.status, problem) == (400, "not-found"), method, path, "gave", answer)
        check(daemon.call("PUT", "/v1/grant/r1", {"primary": "x" * 20000}).problem == "body-too-large", "a large body")
        contains(daemon.call("POST", "/v1/state").headers["Allow"], "GET")
        contains(daemon.call("GET", "/metrics").text, "drr_engine_state", "drr_https_requests_total")
        metrics = daemon.call("GET", "/metrics", Accept="application/openmetrics-text; version=1.0.0")
        check(metrics.text.endswith("# EOF\n"), "the metrics' end:", metrics.text[-200:])
        check("paths" in daemon.call("GET", "/v1/openapi.json").json, "openapi.json")
        equal((daemon.call("GET", "/livez").status, daemon.call("GET", "/readyz?verbose").status), (200, 200), "livez, readyz")


# ---- waiting, and events

@case("daemon: long polls end with what they wait for", slow=True)
def long_polls():
    with World(initial_primary="gw1", gw1__disable_delay="0.5real") as world, Daemon(world) as daemon:
        daemon.grant("r1", plan_of("gw2", ["gw1", "gw2"]))
        newest = daemon.state()["agent"]["events_newest"]
        got = {}

        def wait(name, path):
            got[name] = daemon.call("GET", path)
        daemon.begin_step("r1", "bounce")
        waiters = [threading.Thread(target=wait, args=args) for args in (("step", "/v1/steps/r1.bounce?wait_s=60"), ("step again", "/v1/steps/r1.bounce?wait_s=60"),
                                                                          ("event", f"/v1/events?after={newest + 3}&wait_s=60"))]
        for waiter in waiters:
            waiter.start()
        equal(daemon.call("GET", "/livez").status, 200, "livez meanwhile")
        for waiter in waiters:
            waiter.join()
        equal([got[name]["state"] for name in ("step", "step again")], ["done", "done"], "the step, at the ends of the waits")
        check(got["event"]["events"][0]["n"] == newest + 4, "the event that was waited for:", got["event"])
        late = daemon.call("GET", f"/v1/events?after={daemon.state()['agent']['events_newest']}&wait_s=1")
        equal((late.status, late["events"]), (200, []), "a wait that nothing ended")
        equal(daemon.call("GET", "/v1/steps/r1.bounce?wait_s=60")["state"], "done", "a wait for what is over")
        waiter = threading.Thread(target=wait, args=("ended", f"/v1/events?after={daemon.state()['agent']['events_newest'] + 1000}&wait_s=60"))
        waiter.start()
        wait_until(lambda: daemon.call("GET", "/livez").status == 200, "it serves")
        daemon.stop()
        waiter.join()
        check(got["ended"].status in (200, 503), "a wait at the daemon's end:", got["ended"])


def line_of(number, size=240):
    return json.dumps({"n": number, "time": "2026-01-02T03:04:05.678Z", "kind": "log", "event": "waiting", "sentence": "x" * size}, separators=(",", ":")) + "\n"


@case("daemon: events follow one another over restarts and rotations; old ones are gone, and this is said", slow=True)
def events():
    with World(members=1) as world:
        with Daemon(world) as daemon:
            daemon.grant("r1", SOLO)
            before = daemon.events()
            equal(before[0]["n"], 1, "the first event")
            daemon.crash()
        with Daemon(world, config=daemon.config) as daemon:
            for role in ("engine", "front"):
                old = daemon.pids()[role]
                daemon.kill(role)
                daemon.wait_restart(role, old)
            daemon.release("r1")
            after = daemon.events()
            equal(after[:len(before)], before, "the events before the crash")
            equal([e["event"] for e in after if e["kind"] == "grant"], ["granted", "released"], "grants")
            check(sum(e["event"] == "started" for e in after) >= 3, "a start for each engine", after)
        path = os.path.join(daemon.state_dir, "events")
        with open(path, "r+", encoding="utf-8") as file:         # until one more does not fit
            number = json.loads(file.readlines()[-1])["n"]
            while file.tell() < 256 * 1024 - 700:
                number += 1
                file.write(line_of(number))
        with Daemon(world, config=daemon.config) as daemon:
            for i in range(6):
                daemon.grant(f"s{i}", SOLO)
                daemon.release(f"s{i}")
            check(os.path.exists(path + ".1"), "no rotation")
            whole = daemon.events()
            equal(whole[0]["n"], 1, "the first event is still there")
            equal(whole[:len(after)], after, "the events before the rotation")
            equal(len(daemon.call("GET", "/v1/events?after=5&limit=7")["events"]), 7, "limit")
        with open(path, "w", encoding="utf-8") as file:         # and once more: the oldest file goes
            number = whole[-1]["n"]
            with open(path + ".1", "w", encoding="utf-8") as old:
                for n in range(number - 100, number + 1):
                    old.write(line_of(n))
            while file.tell() < 256 * 1024 - 700:
                number += 1
                file.write(line_of(number))
        with Daemon(world, config=daemon.config) as daemon:
            for i in range(6):
                daemon.grant(f"t{i}", SOLO)
                daemon.release(f"t{i}")
            gone = daemon.call("GET", "/v1/events?after=5")
            equal((gone.status, gone.problem), (410, "events-gone"), "old events")
            rest = daemon.events(after=gone["oldest"] - 1)
            equal(rest[0]["n"], gone["oldest"], "the oldest")
            check(gone["oldest"] > whole[-1]["n"], "the first file is gone")
            daemon.events()         # 0: from the oldest on


@case("daemon: its grants and holds count for a run by hand, too")
def run_by_hand():
    with World(members=1) as world:
        config = world.config("gw1")
        with Daemon(world, config=config) as daemon:
            daemon.grant("r1", plan_of("gw1", ["gw1"]))
            daemon.stop()
        mark = world.mark()
        result = world.call(config, "run")
        equal(result.exit, 6, "exit beside a grant")
        contains(result.last["sentence"], "r1", "grant")
        contains(result.last["next"], "drrctl release r1")
        world.unchanged(mark)
        equal(world.call(config, "run", "--run", "r1", "--steps", "bounce").exit, 0, "exit of the run that holds it")
        with Daemon(world, config=config) as daemon:
            daemon.release("r1")
            equal(daemon.call("PUT", "/v1/hold", {"owner": "alice", "reason": "change 4711", "until": "2999-01-01T00:00:00Z"}).status, 200, "hold")
            daemon.stop()
        mark = world.mark()
        result = world.call(config, "run")
        equal(result.exit, 6, "exit beside a hold")
        contains(result.last["sentence"], "alice", "change 4711")
        world.unchanged(mark)
