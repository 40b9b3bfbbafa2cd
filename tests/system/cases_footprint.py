"""What the daemon costs when nothing is asked of it, what it stands, and what it forgets.  Figures that depend on the machine's speed are in tests/bench/daemon."""

import base64
import contextlib
import os
import re
import signal
import socket
import time

from daemon import plan_of, wait_until
from footprint import Remote, ask, cpu_ns, descriptors, flood_end, own_kib, together_kib, wakeups
from harness import LIMIT_S, Skipped, World, case, check, equal

SOLO = plan_of("gw1", ["gw1"])
IDLE_S = 30
WATCHDOG_S = 20                 # so a sign of life every 10 s
SLACK_KIB = 64                  # of memory that is "the same": what a worker has not touched before
WARM = 30                       # rounds of requests, so that each of the front's eight workers had one
TOGETHER_MAX_KIB = 2048


def need_root():
    """The processes hide what they are from everybody else."""
    if os.geteuid() != 0:
        raise Skipped("needs root")


def work(daemon):
    """A state request that asks the appliance, and a finished step."""
    equal(daemon.call("GET", "/v1/state?max_age_ms=0").status, 200, "state")
    daemon.grant("r1", SOLO)
    daemon.done("r1", "primary")
    daemon.release("r1")


def ask_all(daemon, rounds):
    for _ in range(rounds):
        for path in ("/v1/state?max_age_ms=0", "/v1/events?limit=200", "/metrics"):
            equal(daemon.call("GET", path).status, 200, path)


def difference(before, after):
    return {key: after[key] - before.get(key, 0) for key in after if after[key] != before.get(key, 0)}


@case("footprint: idle, nothing wakes any of the three processes; with a watchdog only its signs of life do", slow=True)
def idle():
    need_root()
    with World(members=2) as world, Remote(world) as quiet, Remote(world, "gw2", env={"WATCHDOG_USEC": str(WATCHDOG_S * 1000000)}) as watched:
        pids = {daemon: daemon.pids() for daemon in (quiet, watched)}
        time.sleep(3)           # the watchdog's first look is over
        for daemon in pids:
            equal(daemon.call("GET", "/v1/state?max_age_ms=0").status, 200, "state")
        asked = {daemon: descriptors(pids[daemon]["engine"]) for daemon in pids}
        for daemon in pids:     # the session with the appliance is closed after 30 s
            wait_until(lambda one=daemon: descriptors(pids[one]["engine"]) < asked[one], "the session is closed")
        time.sleep(1)
        before = {daemon: (wakeups(pids[daemon]), cpu_ns(pids[daemon])) for daemon in pids}
        time.sleep(IDLE_S)
        woken = {daemon: difference(before[daemon][0], wakeups(pids[daemon])) for daemon in pids}
        equal((woken[quiet], difference(before[quiet][1], cpu_ns(pids[quiet]))), ({}, {}), f"wake-ups and processor time in {IDLE_S} s, by thread")
        pings = IDLE_S // (WATCHDOG_S // 2) + 1
        equal({role for role, _ in woken[watched]}, {"serve", "engine"}, "who is woken for the watchdog")
        check(len(woken[watched]) == 2 and all(0 < count <= pings for count in woken[watched].values()), f"more than {pings} wake-ups for {pings} signs of life:",
              woken[watched])


@case("footprint: the three processes take at most 2 MiB together, and not more with each request")
def memory():
    need_root()
    with World(members=1) as world, Remote(world) as daemon:
        pids = daemon.pids()
        work(daemon)
        ask_all(daemon, WARM)
        before, took = own_kib(pids), together_kib(pids)
        check(took <= TOGETHER_MAX_KIB, "together they take", took, "KiB:", before)
        ask_all(daemon, WARM)
        grown = difference(before, own_kib(pids))
        check(all(kib <= SLACK_KIB for kib in grown.values()), 3 * WARM, "requests made them larger by KiB", grown)


def written_memory(pid):
    """All that the process PID has written, or may write."""
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for begin, end in re.findall(r"^([0-9a-f]+)-([0-9a-f]+) rw", maps.read(), re.M):
            memory.seek(int(begin, 16))
            yield memory.read(int(end, 16) - int(begin, 16))


@case("daemon: the key, as its file has it, stays in no process's memory")
def key_is_forgotten():
    need_root()
    with World(members=1) as world, Remote(world) as daemon:
        with open(daemon.door.server[1], "rb") as file:
            lines = file.read().split(b"\n")[1:-2]
        scalar = base64.b64decode(b"".join(lines))[7:39]     # SEC 1, 3.4: behind version 1, an octet string of 32 bytes
        for again in (False, True):
            if again:
                daemon.agent.signal(signal.SIGHUP)
                daemon.wait_log("configuration taken")
            equal(daemon.call("GET", "/livez").status, 200, "livez")
            for role, pid in daemon.pids().items():
                for part in written_memory(pid):
                    for line in lines:
                        check(line not in part, "a line of the key's file is in the memory of", role)
                    check(scalar not in part, "the key is in the memory of", role)
        with open(daemon.config, "rb") as file:      # that a text is found where there is one
            state_dir = re.search(rb"^state_dir = (.*)$", file.read(), re.M).group(1)
        check(any(state_dir in part for part in written_memory(daemon.pids()["front"])), "nothing at all was found")


def https_samples(text):
    """drr_https_* by name and label."""
    return {found.group(1): float(found.group(2)) for found in re.finditer(r"^(drr_https_\S+) (\S+)$", text, re.M)}


@case("footprint: connections that do nothing cost nothing", slow=True)
def idle_connections():
    need_root()
    with World(members=1) as world, Remote(world) as daemon, contextlib.ExitStack() as stack:
        pids = {"front": daemon.pids()["front"]}
        equal(daemon.call("GET", "/livez").status, 200, "livez")
        # silent ones: a wake-up when one comes, at most one more when it is ended
        before = wakeups(pids)
        silent = [stack.enter_context(socket.create_connection(("127.0.0.1", daemon.door.port))) for _ in range(40)]
        for one in silent:
            one.settimeout(LIMIT_S)
            equal(one.recv(1), b"", "what a silent connection is told")
        woken = sum(difference(before, wakeups(pids)).values())
        check(woken <= 2 * len(silent) + 2, len(silent), "silent connections woke the front", woken, "times")
        # idle ones, whose certificate was verified
        idle_ones = [stack.enter_context(contextlib.closing(daemon.door.connect())) for _ in range(40)]
        for one in idle_ones:
            equal(ask(one, "GET", "/livez").status, 200, "livez")
        time.sleep(0.5)
        before, cpu = wakeups(pids), cpu_ns(pids)
        time.sleep(5)
        equal((difference(before, wakeups(pids)), difference(cpu, cpu_ns(pids))), ({}, {}), "wake-ups and processor time of the front in 5 s")
        equal({ask(one, "GET", "/livez").status for one in idle_ones}, {200}, "livez on the same connections")


@case("footprint: hostile connections during a run: it succeeds, other clients are served, and nothing is left of them", slow=True)
def hostile():
    need_root()
    with World(members=1, time_scale=0.01, gw1__disable_delay="2real") as world, Remote(world) as daemon:
        front = {"front": daemon.pids()["front"]}
        daemon.whole_run("r1")
        ask_all(daemon, WARM)
        memory_before, open_before = own_kib(front)["front"], descriptors(front["front"])
        flood = daemon.door.flood(600, 150, 300)
        daemon.whole_run("r2")
        told = flood_end(flood)
        equal(daemon.lost, [], "requests of a client at another address that got no answer")
        equal((sum(told["made"].values()), told["ended"], told["answered"]), (600, told["made"], []), "hostile connections: all made, all ended by the front, none answered")
        samples = https_samples(daemon.call("GET", "/metrics").text)
        for reason in ("timeout", "no-certificate", "bad-certificate", "handshake"):
            check(samples[f'drr_https_refused_total{{reason="{reason}"}}'] > 0, "nobody was refused for", reason, samples)
        equal({key for key, count in samples.items() if "requests_total" in key and count and 'code="2' not in key}, set(), "answers that are none of success")
        wait_until(lambda: descriptors(front["front"]) <= open_before, "its descriptors are as before")
        grown = own_kib(front)["front"] - memory_before
        check(grown <= SLACK_KIB, "the front is larger by KiB", grown)
        equal((world.count("flush"), world.bounced()), (2, 2), "flushes, bounces")
        world.enabled()
        world.closed(daemon.config)
