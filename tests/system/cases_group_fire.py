"""A group under fire: drrctl and real daemons, with real Redis, two coordinators at once, coordinators killed anywhere, cut networks, a primary that moves.

What counts is the lab's record: one flush, every member bounced after it, never more disabled at once than allowed.  DRR_TEST_ALL=1: all repetitions.
"""

import contextlib
import ctypes
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
        """Since MARK: one flush, then each bounced; never more than MOST disabled; all enabled and configured, no grant left.  The most that were disabled."""
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


@contextlib.contextmanager
def fire(members=3, group="", time_scale=0.003, peering="model", **switches):
    """The switches' times are the appliance's: a heartbeat every 1000 s is one every 3 s with this scale.  All happens fast, and in any order."""
    with World(members=members, time_scale=time_scale, peering=peering, **{"heartbeat": "yes", "heartbeat_s": "1000", **switches}) as world:
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


@case("fire: redis, a run of seven", slow=True)
def redis_seven():
    return whole_run(7, "redis", 1, "")[2]


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


def resume_elsewhere(g, run):
    folder = elsewhere(g)
    process = subprocess.Popen([DRRCTL, "resume", run, "--json", "-g", "group.conf"], cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
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


# ---- a member is cut off

CLONE_NEWNET = 0x40000000


class Networks:
    """Two network namespaces of our own, one for the group and one for drrctl, with a bridge and a wire for each member between them.

    For the thread that enters it, and what it starts; both are gone with their last process.
    """

    def __init__(self, members):
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.members = members

    def enter(self):
        ends = []

        def make():     # a thread's namespace, kept by a descriptor
            if self.libc.unshare(CLONE_NEWNET) == 0:
                ends.append(os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC))
        thread = threading.Thread(target=make)
        thread.start()
        thread.join()
        if not ends or self.libc.unshare(CLONE_NEWNET) != 0:
            raise Skipped("no network namespaces here (root is needed)")
        self.outside = ends[0]
        try:
            self.build()
        except (Failed, FileNotFoundError) as why:      # a kernel without veth or bridge, a machine without ip
            raise Skipped(f"no virtual wires here: {why}") from why

    def build(self):
        self.ip("link", "set", "lo", "up")
        for n in range(1, self.members + 1):
            self.ip("link", "add", f"in{n}", "type", "veth", "peer", "name", f"out{n}", "netns", f"/proc/{os.getpid()}/fd/{self.outside}")
            self.ip("address", "add", self.address(n) + "/24", "dev", f"in{n}")
            self.ip("link", "set", f"in{n}", "up")
            self.ip("link", "add", f"bridge{n}", "type", "bridge", outside=True)
            self.ip("address", "add", f"10.99.{n}.1/24", "dev", f"bridge{n}", outside=True)
            self.ip("link", "set", f"bridge{n}", "up", outside=True)
            self.ip("link", "set", f"out{n}", "up", "master", f"bridge{n}", outside=True)

    @staticmethod
    def address(n):
        return f"10.99.{n}.2"

    def go_outside(self):
        """In a child that is about to run drrctl."""
        if self.libc.setns(self.outside, CLONE_NEWNET) != 0:
            os._exit(126)

    def ip(self, *words, outside=False, **more):
        done = subprocess.run(["ip", *words], capture_output=True, text=True, preexec_fn=self.go_outside if outside else None, **more)
        check(done.returncode == 0, "ip", *words, done.stderr)

    def cut(self, name):
        """The wire is pulled at the bridge: nothing is answered, nothing is refused."""
        self.ip("link", "set", "out" + name[2:], "nomaster", "down", outside=True)

    def heal(self, name):
        self.ip("link", "set", "out" + name[2:], "up", "master", "bridge" + name[2:], outside=True)


class Wired(Fire):
    """A group whose daemons are reached by drrctl over a network that can be cut; and by the case itself always."""

    def __init__(self, world, networks, group=""):
        self.networks = networks
        super().__init__(world, group + "\nconnect_timeout_s = 2\nanswer_timeout_s = 3")

    def host(self, name):
        return self.networks.address(int(name[2:]))

    def begin(self, *arguments):
        return subprocess.Popen([DRRCTL, *arguments, "--json", "-g", self.conf], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                preexec_fn=self.networks.go_outside)

    def cut(self, name):
        self.networks.cut(name)

    def heal(self, name):
        self.networks.heal(name)


class Stopped(Fire):
    """Cut off by stopping the three processes of a daemon: connections are taken by the kernel and never answered; and the daemon itself stands still."""

    def __init__(self, world, _, group=""):
        super().__init__(world, group + "\nconnect_timeout_s = 2\nanswer_timeout_s = 3")
        self.pids = {}

    def family(self, name):
        pid = self.daemons[name][0].pid
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [pid] + [int(p) for p in file.read().split()]

    def cut(self, name):
        self.pids[name] = self.family(name)
        for pid in self.pids[name]:
            os.kill(pid, signal.SIGSTOP)

    def heal(self, name):
        for pid in self.pids.pop(name):
            os.kill(pid, signal.SIGCONT)


def in_own_thread(function, *arguments, **more):
    """Its namespace is gone with it."""
    result, thrown = [], []

    def work():
        try:
            result.append(function(*arguments, **more))
        except BaseException as what:       # is the case's
            thrown.append(what)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if thrown:
        raise thrown[0]
    return result[0]


@contextlib.contextmanager
def cuttable(kind, **switches):
    networks = Networks(3)
    if kind is Wired:
        networks.enter()
    # the primary is gw1, the order of the bounces gw1, gw2, gw3; patience is short, so that a member is given up soon
    with World(members=3, time_scale=0.003, **{"heartbeat": "yes", "heartbeat_s": "1000", "initial_primary": "gw1", **switches}) as world:
        it = kind(world, networks, "patience_s = 5")
        try:
            yield it
        finally:
            for name in list(getattr(it, "pids", {})):
                it.heal(name)
            it.close()
            if kind is Wired:
                os.close(networks.outside)


def cut_before(kind):
    with cuttable(kind) as g:
        g.cut("gw3")
        code, lines = g.finish(g.begin("run", "--run", "r1"))
        g.world.unchanged()
        equal(code, 3, lines[-1])
        contains(json.dumps(lines), "gw3", "not every member answers")
        g.heal("gw3")
        equal(g.finish(g.begin("run", "--run", "r2"))[0], 0)
        g.whole()
        return ("before the run", "gw3", code, 0)


def cut_at(kind, when, member, event, code, primary=None, **switches):
    """MEMBER is cut off when EVENT is seen in the lab, drrctl ends with CODE, and a resume after healing completes it."""
    with cuttable(kind, **switches) as g:
        process = g.begin("run", "--run", "r1", *(["--primary", primary] if primary else []))
        g.wait_effect(event[0], **event[1])
        g.cut(member)
        got, lines = g.finish(process)
        equal(got, code, f"{member} cut off {when}: {lines[-1]}")
        check(g.worst(g.world.lab.effects()) <= 1, "more than one was disabled")
        contains(lines[-1]["next"], "resume", "r1")
        contains(lines[-1]["sentence"], member)
        g.heal(member)
        again, lines = g.finish(g.begin("resume", "r1"))
        equal(again, 0, f"resume after {member} was cut off {when}: {lines[-1]}")
        g.whole()
        return (when, member, got, again)


def cut_table(kind, points):
    rows = [in_own_thread(cut_before, kind)]
    for *point, switches in points:
        rows.append(in_own_thread(cut_at, kind, *point, **switches))
    return table(["cut off", "member", "exit", "resume"], rows)


SLOW = {"gw1__command_delay": "0.3"}      # there is time to cut it off while it flushes


@case("fire: a member is cut off before, during and after the flush", slow=True)
def wire_cut():
    """Before the run: 3, refused. From the flush on 5; and 9 in the middle of its own bounce, as nobody can see whether it is enabled."""
    down = "admin_state"
    points = [("during the flush", "gw1", ("flush", {}), 5, SLOW),
              ("in its bounce", "gw2", (down, {"member": "gw2", "value": "disabled"}), 9, {})]
    if ALL:
        points += [("during the flush", "gw3", ("flush", {}), 5, SLOW),
                   ("while the primary moves", "gw3", ("switch_primary", {}), 5, {"initial_primary": "gw2", "primary": "gw1", "switch_delay": "2real"}),
                   ("before its bounce", "gw2", (down, {"member": "gw1", "value": "disabled"}), 5, {}),
                   ("before its bounce", "gw3", (down, {"member": "gw2", "value": "disabled"}), 5, {}),
                   ("after its bounce", "gw1", (down, {"member": "gw2", "value": "disabled"}), 5, {}),
                   ("after its bounce", "gw2", (down, {"member": "gw3", "value": "disabled"}), 5, {})]
    else:
        points += [("after its bounce", "gw1", (down, {"member": "gw3", "value": "disabled"}), 5, {})]
    return cut_table(Wired, points)


@case("fire: a daemon stands still before and after the flush", slow=True)
def stopped():
    down = "admin_state"
    return cut_table(Stopped, [("during the flush", "gw3", ("flush", {}), 5, SLOW),
                               ("before its bounce", "gw3", (down, {"member": "gw1", "value": "disabled"}), 5, {})])


# ---- the primary moves by itself

def moved(switch):
    """Exit, where the flush was, what the run said; then another run completes."""
    with fire(initial_primary="gw1", **switch) as g:
        process = g.begin("run", "--run", "r1")
        code, lines = g.finish(process)
        flushes = [(e["effect"], e["member"]) for e in g.world.lab.effects() if e["effect"].startswith("flush")]
        told = [x for x in lines if x["step"] == "flush" and x["state"] in ("failed", "refused")]
        check(code in (4, 5), "exit", code, "when the primary has moved:", lines[-1])
        check(told, "the step flush does not tell that it is not sure:", lines)
        check(len(flushes) <= 1, flushes)
        if code == 5:
            contains(lines[-1]["sentence"], "may be run again")
        g.enabled_everywhere()
        mark = g.world.mark()
        again, lines = g.run("run", "--run", "r2")
        equal(again, 0, lines[-1])
        g.whole(mark)
        return (" ".join(switch.values()), code, flushes, told[0]["sentence"][:80])


@case("fire: the primary moves by itself between check and flush", slow=True)
def primary_moves():
    rows = [moved({"gw1__primary_moves_on": "gateway-peering-flush:before"}), moved({"gw1__primary_moves_on": "gateway-peering-flush:after"})]
    return table(["moved at", "exit", "flushed", "the step says"], rows)


# ---- an event comes too early

def add_manager(g, nudge, on_change):
    manager = fake_agent.FakeApiManager(g.world.directory, on_change)
    secret = g.world.secret_file("cl13nt-s3cret", "manager-secret")
    key = g.world.secret_file("k3y-0000", "manager-key")
    for path, name in ((secret, "password-manager"), (key, "password-manager-key")):     # the check for secrets leaves files of this name out
        os.rename(path, os.path.join(g.world.directory, name))
    with open(g.conf, "a", encoding="utf-8") as file:
        file.write(f"[api_manager]\nurl = {manager.url}\npin = {manager.pin}\nclient_id = drr\nclient_secret_file = {g.world.directory}/password-manager\n"
                   f"api_key_file = {g.world.directory}/password-manager-key\norg = acme\ncatalogs = sandbox, production\n{nudge}\n")
    return manager


def early(story, nudge):
    """STORY: (effect's fields, member that gets the event, its answer) while the bounces roll; then the heartbeat goes on, or API Manager is nudged."""
    with fire(initial_primary="gw1", heartbeat="never", start_delay="30") as g:
        manager = add_manager(g, "nudge = auto\nnudge_after_s = 1", lambda: g.world.lab.call("webhook")) if nudge else None
        process = g.begin("run", "--run", "r1")
        for fields, member, answer in story:
            g.wait_effect(**fields)
            equal(g.world.lab.call("webhook", member=member), answer, f"the answer of {member}")
        if not nudge:
            g.wait_effect("admin_state", member="gw3", value="enabled")
            g.world.lab.set("heartbeat", "yes")
        code, lines = g.finish(process)
        equal(code, 0, lines[-1])
        g.whole()
        unsure = sorted(x["member"] for x in lines if x["step"] == "confirm" and x["state"] == "failed")
        nudges = len(manager.changes) if manager else 0
        if manager:
            manager.stop()
        return (", ".join(f"{m} {a}" for _, m, a in story), "API Manager, %d changes" % nudges if nudge else "heartbeat", code, " ".join(unsure) or "-")


WAITS1 = {"effect": "log_line", "member": "gw1", "code": "0x88e000d7"}
DOWN2 = {"effect": "admin_state", "member": "gw2", "value": "disabled"}
DOWN3 = {"effect": "admin_state", "member": "gw3", "value": "disabled"}


@case("fire: an event in the middle of a rolling bounce, a stale member answers 202", slow=True)
def early_event():
    stale = [(WAITS1, "gw3", "202")]
    resync = [(DOWN2, "gw1", "550")]
    stories = [(stale + resync, False), (stale + resync, True)]
    if ALL:
        stories += [(stale, False), (stale, True), ([(DOWN3, "gw1", "550")], False), ([(DOWN3, "gw1", "550")], True), ([(DOWN3, "gw2", "550")], True)]
    return table(["events", "then", "exit", "not seen to wait"], [early(*s) for s in stories])
