"""kill -9 of the daemon's processes at the writes of its journal; then what systemd does, then what a coordinator does.

A sample of the points; DRR_TEST_ALL=1: all of them.  DRR_TEST_SEED: another sample.
"""

import functools
import os
import random
import re
import shutil
import signal
import threading
import time

from daemon import OPS, Daemon, plan_of, trace
from harness import Failed, Skipped, World, case, check, equal
from judge import heal

SOLO = plan_of("gw1", ["gw1"])
CALL = re.compile(r"^(?:\d+ +)?(write|fdatasync)\(")
RECORD = re.compile(r'"DRR1 \d+ [0-9a-f]+ \d+ \S+ (\w+) \S+ (\S+?)(?: |\\n|")')
AROUND = ("begin", "intent flush", "intent disable", "outcome disable", "intent enable", "outcome enable", "mark")
STOPPED, KILLED = "stopped by SIGSTOP", "killed by SIGKILL"
LIMITS = {"limits__quiet_s": 1, "limits__confirm_timeout_s": 5, "limits__bounce_deadline_s": 20}


def needs_strace():
    if os.getuid() != 0 or not shutil.which("strace"):
        raise Skipped("needs root, and strace (Debian package strace)")


def read(path):
    try:
        with open(path, encoding="utf-8", errors="backslashreplace") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def new_world():
    return World(initial_primary="gw2")


def new_daemon(world, number):
    config = world.config("gw1", transport="telnet", state_dir=os.path.join(world.state_dir("gw1"), f"state{number}"), **LIMITS)
    return Daemon(world, config=config)


_points_lock = threading.Lock()


@functools.lru_cache(maxsize=1)
def find_points():
    """(call, nth, the journal's record that it writes) of a run that nothing happens to."""
    with new_world() as world, new_daemon(world, 0) as daemon:
        path = os.path.join(world.directory, "trace")
        tracer = trace(daemon.pids()["engine"], path, os.path.join(daemon.state_dir, "journal"))
        daemon.grant("r1", SOLO)
        told = daemon.resume("r1")
        equal([told[op]["state"] for op in OPS], ["done"] * len(OPS), "steps")
        daemon.release("r1")
        tracer.terminate()
        tracer.wait()
        lines = read(path).splitlines()
    points, counts, record = [], {}, ""
    for line in lines:
        call = CALL.match(line)
        if not call:
            continue
        counts[call[1]] = counts.get(call[1], 0) + 1
        found = RECORD.search(line)
        record = f"{found[1]} {found[2]}".removesuffix(" -") if found else record
        points.append((call[1], counts[call[1]], record))
    check(len(points) > 40 and len(points) % 2 == 0, "points", points)
    return points


def points():
    with _points_lock:
        return find_points()


def chosen(who):
    every = points()
    if os.environ.get("DRR_TEST_ALL"):
        return every
    near = [p for p in every if p[2] in AROUND[1:]]
    far = [p for p in every if p not in near]
    pick = random.Random(f"{os.environ.get('DRR_TEST_SEED', '1')} {who}")
    return sorted(pick.sample(near, 4) + pick.sample(far, 3), key=every.index)


class Strike(threading.Thread):
    """Kills WHO when the engine comes to POINT."""

    def __init__(self, daemon, who, point, path):
        super().__init__(daemon=True)
        self.daemon_, self.who, self.path = daemon, who, path
        self.struck = self.over = False
        call, nth, _ = point
        daemon.pids()
        self.engine = daemon.seen["engine"]
        what = "KILL" if who == "engine" else "STOP"
        self.tracer = trace(self.engine, path, os.path.join(daemon.state_dir, "journal"), [(call, f"signal={what}:when={nth}")])
        self.start()

    def run(self):
        word = KILLED if self.who == "engine" else STOPPED
        while not self.over and word not in read(self.path):
            time.sleep(0.002)
        self.struck = word in read(self.path)
        if self.struck and self.who != "engine":
            self.daemon_.kill(*(("serve", "front", "engine") if self.who == "all" else (self.who,)))     # the supervisor first: it starts nobody any more
        self.tracer.terminate()
        self.tracer.wait()
        if self.struck and self.who in ("front", "serve"):
            os.kill(self.engine, signal.SIGCONT)

    def end(self):
        self.over = True
        self.join()
        return self.struck


def after_supervisor(world, daemon, who):
    """What systemd does: all that is left of it ended (by itself here, if it is alive), ExecStopPost, then a new start."""
    daemon.ended(-signal.SIGKILL)
    recover = world.call(daemon.config, "recover")
    check(recover.exit in (0, 5), "exit of recover", recover.exit, recover.text)
    world.enabled()
    if world.journal(daemon.config):
        world.closed(daemon.config)
    return Daemon(world, config=daemon.config)


def drive(daemon):
    """All of a coordinator's requests, from the first on: what was done already is only told again."""
    daemon.grant("r1", SOLO)
    told = daemon.resume("r1")
    daemon.release("r1")
    return told


def one_point(world, who, point, number):
    mark = heal(world) if number else world.mark()
    daemon = new_daemon(world, number)
    strike = Strike(daemon, who, point, os.path.join(world.directory, f"trace{number}"))
    told = {}
    try:
        with daemon:
            try:
                told = drive(daemon)
            except Failed:
                if who not in ("serve", "all") or not strike.end():
                    raise
            struck = strike.end()
            if who in ("serve", "all") and struck:
                daemon = after_supervisor(world, daemon, who)
        if who in ("serve", "all") and struck:
            with daemon:
                told = resume(world, daemon, point)
    finally:
        strike.end()
    return judge(world, daemon, point, told, mark, struck)


def resume(world, daemon, point):
    granted = daemon.state()["grant"]
    check(granted is None or granted["run"] == "r1", "the grant:", granted)
    released = point[2] == "release"
    if granted is None and not released:
        check(point[2] == "grant", "the grant is lost behind", point)
    if granted is None and released:
        return {op: daemon.wait_step("r1", op) for op in OPS}
    return drive(daemon)


def judge(world, daemon, point, told, mark, struck):
    flushes = world.count("flush", after=mark)
    world.enabled()
    check(flushes <= 1, flushes, "flushes")
    equal(world.count("flush_on_replica", after=mark), 0, "flushes on a replica")
    world.closed(daemon.config)
    ends = {op: told[op]["state"] for op in told}
    whole = all(ends.get(op) == "done" for op in OPS if op != "flush") and (ends.get("flush") == "done" or flushes == 1)
    if not whole:       # the one way: nobody knows whether it flushed, and it did not
        check(ends.get("flush") == "failed", "the run is not whole:", told)
        check("may or may not" in told["flush"]["sentence"] + told.get("confirm", {}).get("sentence", ""), "the flush was not unknown:", told)
    if whole or flushes:
        equal(flushes, 1, "flushes of a run that is whole")
        check(told["confirm"]["state"] == "done" and told["await"]["state"] == "done", "flushed, and not completed:", told)
        flushed = world.lab.effects("flush", after=mark)[0]["seq"]
        check(world.bounced(after=flushed) >= 1, "no bounce behind the flush")
        equal(world.lab.get("gw1.service")["state"], "up", "the service")
    return {"struck": struck, "flushes": flushes, "bounces": world.bounced(after=mark), "whole": whole}


def kill_case(who, words):
    @case(f"daemon: kill -9 of {words} at the journal's writes", slow=True)
    def function():
        needs_strace()
        rows, results = [], []
        with new_world() as world:
            for number, point in enumerate(chosen(who)):
                try:
                    result = one_point(world, who, point, number)
                except Failed as why:
                    raise Failed(f"at {point}: {why}") from why
                results.append(result)
                rows.append(f"{words:<15} {point[0] + '#' + str(point[1]):<13} {point[2]:<18} {'killed' if result['struck'] else 'not reached':<12} "
                            f"enabled yes  flushes {result['flushes']}  bounces {result['bounces']}  {'whole' if result['whole'] else 'not whole: flush unknown'}")
        struck = sum(r["struck"] for r in results)
        check(struck >= 0.75 * len(results), "only", struck, "of", len(results), "points were reached")
        return "\n".join(rows)


kill_case("engine", "engine")
kill_case("front", "front")
kill_case("serve", "supervisor")
kill_case("all", "all three")
