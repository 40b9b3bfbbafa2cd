"""A group under fire: drrctl and real daemons, with real Redis, two coordinators at once, coordinators killed anywhere, cut networks, a primary that moves.

What counts is the lab's record: one flush, every member bounced after it, never more disabled at once than allowed.  DRR_TEST_ALL=1: all repetitions.
"""

import contextlib
import ctypes
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import threading
import time

import fake_agent
from cases_coordinate import DRRCTL, Group
from harness import LIMIT_S, Failed, Skipped, World, case, check, contains, equal

ALL = os.environ.get("DRR_TEST_ALL") == "1"
SEED = int(os.environ.get("DRR_TEST_SEED", "15"))


class Fire(Group):
    """A group whose lab is used for many runs: judged from a mark on."""

    def last(self, process, out, err):
        lines = [json.loads(line) for line in out.splitlines()]
        check(lines and lines[-1]["step"] == "run", "no last line:", out, err)
        equal(lines[-1]["exit"], process.returncode, "the exit code that is told")
        return process.returncode, lines

    def finish(self, process):
        return self.last(process, *self.end(process))

    def enabled_everywhere(self):
        for name in self.ports:
            equal(self.world.lab.get(f"{name}.service")["admin_state"], "enabled", name)

    def whole(self, mark=0, most=1, bounces=1):
        """Since MARK: one flush, then each bounced; never more than MOST disabled; all enabled with their configuration, no grant left.  The most that were disabled."""
        effects = self.world.lab.effects(after=mark)
        flushes = [e for e in effects if e["effect"].startswith("flush")]
        equal([e["effect"] for e in flushes], ["flush"], "flushes")
        worst = self.worst(effects)
        check(worst <= most, worst, "members were disabled at once, allowed:", most)
        for name in self.ports:
            equal(self.world.bounced(flushes[0]["seq"], name), bounces, f"bounces of {name} after the flush")
            equal(self.world.bounced(mark, name), bounces, f"bounces of {name}")
            state = self.ask(name, "GET", "/v1/state?max_age_ms=0")[1]
            check(state["grant"] is None and not state["journal"]["open"], name, state["grant"], state["journal"])
            equal((state["service"]["admin_state"], state["collections"]), ("enabled", 4), name)
        return worst

    @staticmethod
    def worst(effects):
        down, worst = set(), 0
        for e in effects:
            if e["effect"] == "admin_state":
                (down.add if e["value"] == "disabled" else down.discard)(e["member"])
                worst = max(worst, len(down))
        return worst

    def wait_line(self, process, **fields):
        """Reads the lines of drrctl until one has these fields."""
        for line in process.stdout:
            told = json.loads(line)
            if all(told.get(k) == v for k, v in fields.items()):
                return told
        raise Failed(f"drrctl ended without a line {fields}: {process.communicate()[1]}")


@contextlib.contextmanager
def fire(members=3, group="", time_scale=0.003, peering="model", **switches):
    """The switches' times are the appliance's: 30 s of heartbeat are 0.09 s with this scale.  All happens fast, and in any order."""
    with World(members=members, time_scale=time_scale, peering=peering, **{"heartbeat": "yes", "heartbeat_s": "200", **switches}) as world:
        it = Fire(world, group)
        try:
            yield it
        finally:
            for process, _ in it.daemons.values():
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(signal.SIGCONT)
            it.close()


def table(heads, rows):
    rows = [heads] + [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(heads))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)


def tally(outcomes):
    return {outcome: outcomes.count(outcome) for outcome in sorted(set(outcomes))}


# ---- whole runs

def bounce_times(g, mark):
    """(member, disabled, enabled) in seconds from the flush."""
    effects = g.world.lab.effects(after=mark)
    zero = next(e["mono"] for e in effects if e["effect"] == "flush")
    times = {}
    for e in effects:
        if e["effect"] == "admin_state":
            times.setdefault(e["member"], []).append(e["mono"] - zero)
    return [(name, f"{down:.2f}", f"{up:.2f}") for name, (down, up) in sorted(times.items(), key=lambda item: item[1])]


def whole_run(members, peering, most, group, **switches):
    with fire(members, group, peering=peering, **switches) as g:
        began = time.monotonic()
        code, lines = g.run("run")
        equal(code, 0, lines[-1])
        worst = g.whole(most=most)
        rows = bounce_times(g, 0)
        effects = g.world.lab.effects("admin_state")
        head = f"{members} members, {peering}, {group or 'rolling'}: {time.monotonic() - began:.1f} s in all, at most {worst} of {most} disabled at once"
        return effects, worst, head + "\n" + table(["member", "disabled s after the flush", "enabled"], rows)


@case("fire: redis, a run of three", slow=True)
def redis_three():
    return whole_run(3, "redis", 1, "")[2]


@case("fire: redis, a run of three, the primary is moved to another", slow=True)
def redis_moved():
    with fire(3, peering="redis", initial_primary="gw2") as g:
        code, lines = g.run("run", "--primary", "gw3")
        equal(code, 0, lines[-1])
        equal([e["member"] for e in g.world.lab.effects("flush")], ["gw3"], "where the flush was")
        g.whole()


@case("fire: redis, the largest group it plays, rolling", slow=True)
def redis_many():
    return whole_run(5, "redis", 1, "")[2]


@case("fire: seven, rolling in pairs", slow=True)
def seven_pairs():
    effects, worst, note = whole_run(7, "model", 2, "max_unavailable = 2")
    equal(worst, 2, "members disabled at once")
    return note


@case("fire: seven together: all are bounced within the time of the slowest", slow=True)
def seven_together():
    # gw4 takes much longer than the others to be disabled: all others begin and end meanwhile
    effects, worst, note = whole_run(7, "model", 7, "order = together", gw4__disable_delay="3real")
    slow = [e["seq"] for e in effects if e["member"] == "gw4"]
    others = [e["seq"] for e in effects if e["member"] != "gw4"]
    check(max(others) < slow[1], "the others were bounced before the slowest was enabled again:", note)
    return note


@case("fire: together and max_unavailable exclude each other")
def together_and_most():
    with fire(3, "order = together\nmax_unavailable = 2") as g:
        process = subprocess.run([DRRCTL, "run", "-g", g.conf], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_S)
        equal(process.returncode, 2)
        contains(process.stderr, "max_unavailable", "together")
        g.world.unchanged()


# ---- two coordinators

def race(g, number, offset, same):
    """Two coordinators, OFFSET seconds apart; what came of it."""
    mark, names = g.world.mark(), [f"a{number}", f"a{number}" if same else f"b{number}"]
    first = g.begin("run", "--run", names[0])
    time.sleep(offset)
    second = g.begin("run", "--run", names[1])
    ends = [g.finish(first), g.finish(second)]
    codes = tuple(code for code, _ in ends)
    g.whole(mark)
    if same:        # both drive it; or it had begun when the second looked
        check(codes in ((0, 0), (0, 3), (3, 0)), "exits", codes, [lines[-1] for _, lines in ends])
        return codes
    equal(sorted(codes), [0, 6], f"exits of two runs {offset:.3f} s apart: {[lines[-1] for _, lines in ends]}")
    winner = names[codes.index(0)]
    loser = ends[codes.index(6)][1]
    contains(json.dumps(loser), f"run {winner}")
    return codes


@case("fire: two coordinators at the same moment, one acts and the other names it", slow=True)
def two_at_once():
    source = random.Random(SEED)
    count, outcomes = 200 if ALL else 6, []
    with fire() as g:
        for number in range(count):
            offset = source.choice((0.0, source.uniform(0, 0.05), source.uniform(0, 0.6)))
            outcomes.append(race(g, number, offset, False))
    return f"{count} races, seed {SEED}, exits (first, second): {tally(outcomes)}"


@case("fire: two coordinators of the same run drive it together", slow=True)
def two_of_one():
    source = random.Random(SEED + 1)
    count, outcomes = 50 if ALL else 4, []
    with fire() as g:
        for number in range(count):
            outcomes.append(race(g, number, source.choice((0.0, source.uniform(0, 0.3))), True))
    return f"{count} races, seed {SEED + 1}, exits (first, second): {tally(outcomes)}"


# ---- a coordinator killed anywhere

def elsewhere(g):
    """The operator's files on another machine: another folder, other paths; nothing of the first coordinator is there."""
    folder = os.path.join(g.world.directory, "elsewhere")
    os.makedirs(folder, exist_ok=True)
    with open(g.conf, encoding="utf-8") as file:
        text = file.read()
    for path, name in ((g.certificate, "cert.pem"), (g.key, "cert.key")):
        shutil.copy(path, os.path.join(folder, name))
        text = text.replace(path, os.path.join(folder, name))
    with open(os.path.join(folder, "group.conf"), "w", encoding="utf-8") as file:
        file.write(text)
    return folder


def resume_elsewhere(g, run, verb=("resume",)):
    folder = elsewhere(g)
    process = subprocess.Popen([DRRCTL, *verb, *([run] if run else []), "--json", "-g", "group.conf"], cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    return g.finish(process)


def kill_and_resume(g, run, after_s):
    mark = g.world.mark()
    process = g.begin("run", "--run", run)
    time.sleep(after_s)
    process.kill()
    process.communicate()
    held = [n for n in g.ports if (g.ask(n, "GET", "/v1/state")[1]["grant"] or {}).get("run") == run]
    code, lines = resume_elsewhere(g, run)
    if code == 3:       # there was nothing to complete: before the first grant, or after the last
        check("no member holds" in lines[-1]["sentence"] and not held, lines[-1], held)
        if not g.world.lab.effects("flush", after=mark):
            equal(g.world.lab.effects("admin_state", after=mark), [], "bounces without a flush")
            equal(g.run("run", "--run", run + "b")[0], 0, "another run")
    else:
        equal(code, 0, f"killed after {after_s:.2f} s: {lines[-1]}")
    g.whole(mark)
    return f"{len(held)} of 3 granted, resume {code}"


@case("fire: the coordinator killed at any instant, resumed from another machine", slow=True)
def killed_anywhere():
    source = random.Random(SEED + 2)
    count, outcomes = 100 if ALL else 5, []
    with fire() as g:
        began = time.monotonic()
        equal(g.run("run")[0], 0)
        spent = time.monotonic() - began
        for number in range(count):
            outcomes.append(kill_and_resume(g, f"k{number}", source.uniform(0, spent)))
    return f"{count} kills within {spent:.1f} s, seed {SEED + 2}: {tally(outcomes)}"
