"""Which points are tried: from dry runs, all or a choice.  The choice has every point around an effect, and some of the others."""

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import partial
from typing import Callable

import faults
import points
from faults import RUN, choose
from slot import ALL, LIMIT_S, SHORT, Trouble

# Behind these records a command with effect goes out, or its outcome is not known yet.
AROUND = ("intent flush", "intent disable", "outcome disable", "intent enable")
WRITES = ("write", "fdatasync", "fsync", "ftruncate", "pwrite64", "rename", "unlink")
KEEPS = ("write", "fdatasync", "fsync", "open", "openat")


@dataclass
class Job:
    fault: str
    name: str
    perform: Callable
    seconds: float = 2


class Plan:
    def __init__(self, seed, everything):
        self.seed, self.everything, self.jobs = seed, everything, []

    def add(self, fault, chosen, function, seconds=2, **arguments):
        for point in chosen:
            self.jobs.append(Job(fault, point.name, partial(function, point=point, **arguments), seconds))

    def one(self, fault, name, function, seconds=2, **arguments):
        self.jobs.append(Job(fault, name, partial(function, **arguments), seconds))

    def some(self, items, count, salt):
        return list(items) if self.everything else choose(f"{self.seed} {salt}", items, count)


_disk = None


def disk_works():
    """Is there a loop device, and does ext4 lose power on request?"""
    global _disk
    if _disk is None:
        _disk = try_disk()
    return _disk == ""


def try_disk():
    if os.geteuid() != 0:
        return "not root"
    with tempfile.TemporaryDirectory(prefix="drr-crash-") as directory:
        image = os.path.join(directory, "image")
        with open(image, "wb") as file:
            file.truncate(1 << 20)
        os.mkdir(os.path.join(directory, "disk"))
        for command in (["mkfs.ext4", "-q", "-F", image], ["mount", "-o", "loop", image, os.path.join(directory, "disk")],
                        ["umount", os.path.join(directory, "disk")]):
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_S)
            if done.returncode != 0:
                return f"{command[0]}: {done.stderr.strip()}"
    return ""


def disk_note():
    return "power cuts on ext4 over a loop device" if disk_works() else f"NO POWER CUTS HERE ({_disk}): the journal's last record is cut instead"


def make(slot, seed, everything):
    plan = Plan(seed, everything)
    slot.reset()
    dry, run = points.dry_run(slot, "run", *RUN, "--steps", SHORT)
    if dry.exit != 0:
        raise Trouble("the dry run failed\n" + dry.story())
    around = [p for p in run if p.phase in AROUND]
    others = [p for p in run if p.phase not in AROUND]
    prepared = next(p for p in run if p.call == "write" and p.phase == "outcome disable")
    add_kills(plan, slot, run, around, others)
    add_recover(plan, slot, prepared)
    add_disk(plan, run, prepared)
    add_power(plan, run, prepared)
    add_time(plan, run, around)
    add_rotate(plan, slot)
    return plan.jobs


def add_kills(plan, slot, run, around, others):
    network = [p for p in run if p.call in points.NETWORK]
    near = [p for p in around if p.call in points.NETWORK]
    chosen = [p for p in around if p.call != "writev"] + plan.some(others, 6, "kill")
    plan.add("kill -9, before the call", run if plan.everything else chosen, faults.kill)
    plan.add("kill -9, after the call", network if plan.everything else plan.some(near, 6, "after"), faults.kill, when="after")
    plan.add("kill -9, call answered by the appliance", network if plan.everything else near, faults.kill, when="answered")
    behind = [p for p in run if p.phase in AROUND + ("outcome flush", "mark -", "mark", "outcome enable")]
    plan.add("kill -9, then what recover advises", plan.some(behind, 4, "advice") if not plan.everything else choose(plan.seed, behind, 40),
             faults.kill, seconds=6, go_on=True)
    if plan.everything:
        slot.reset()
        process = slot.begin("run", *RUN, "--steps", ALL, inject=[(",".join(points.known_calls()), "")])
        if process.wait_line("trigger", "started"):
            slot.lab.call("webhook", member="gw1")
        process.wait()
        whole = points.parse(process.trace, slot.state_dir)
        late = whole[next(n for n, p in enumerate(whole) if p.phase == "outcome enable"):]
        plan.add("kill -9 in await, then what recover advises", late, faults.kill, seconds=8, steps=ALL, go_on=True)
    else:
        plan.add("kill -9 of a run with all steps", choose(plan.seed, run, 3), faults.kill, seconds=5, steps=ALL)


def add_recover(plan, slot, prepared):
    slot.reset()
    faults.disabled_run(slot, prepared)
    _, recover = points.dry_run(slot, "recover")
    chosen = plan.some(recover, 8, "recover")
    plan.add("kill -9 of recover", chosen, faults.kill_recover, seconds=3, prepared=prepared)
    network = [p for p in recover if p.call in points.NETWORK]
    plan.add("kill -9 of recover, after the call", plan.some(network, 4, "recover after"), faults.kill_recover, seconds=3, prepared=prepared,
             inject_what="signal=USR1")
    for error in ("ENOSPC", "EIO", "EROFS"):
        keeps = [p for p in recover if p.call in KEEPS]
        plan.add(f"{error} for recover, from the call on", plan.some(keeps, 5, "recover " + error), faults.recover_error, seconds=3, error=error,
                 prepared=prepared)


def add_disk(plan, run, prepared):
    keeps = [p for p in run if p.call in KEEPS]
    for error in ("ENOSPC", "EIO"):
        plan.add(f"{error} once", plan.some(keeps, 6, error), faults.disk_error, error=error)
        for point in plan.some([p for p in keeps if p.call not in ("open", "openat")], 4, error + " lasting"):
            behind = run[run.index(point) + 1:]
            rest = {}
            for p in behind:
                if p.call in WRITES and p.call != point.call:
                    rest.setdefault(p.call, p.nth)
            plan.one(f"{error} from the call on", point.name, faults.disk_error, point=point, error=error, rest=list(rest.items()))
    sizes = [0, 1, 7, 100, 154, 155, 300, 500, 600, 640, 700, 760, 800, 850, 900, 950, 1000, 1050, 1100, 1150, 1200, 1300, 1400, 1600]
    for size in plan.some(sizes, 4, "short"):
        plan.one("short write, then an error", f"the file ends at byte {size}", faults.short_write, size=size)
    if disk_works():        # who may mount
        plan.one("short write, then room again", "tmpfs", faults.short_then_room, seconds=12)
    writes = [p for p in run if p.call == "write"]
    for point in plan.some(writes, 3, "lying write"):
        for taken in (0, 5) if plan.everything else (5,):
            plan.one("short write that took nothing", f"{point.name}, {taken} bytes", faults.lying_write, point=point, taken=taken)
    sync = [p for p in run if p.call in ("write", "fdatasync", "sendto", "writev", "exit_group")]
    plan.add("fsync that lies, kill -9", plan.some(sync, 5, "lying sync"), faults.lying_sync)


def add_power(plan, run, prepared):
    if disk_works():
        mine = [p for p in run if p.call in WRITES or p.phase in AROUND]
        local = [p for p in run if p.call in WRITES]
        chosen = run if plan.everything else choose(plan.seed, local, 10) + choose(plan.seed, [p for p in mine if p not in local], 6)
        plan.add("power cut of the journal's disk", list(dict.fromkeys(chosen)), faults.power)
        plan.add("power cut, all steps", choose(plan.seed, run, 30 if plan.everything else 2), faults.power, seconds=5, steps=ALL)
        plan.add("power cut of a disk whose fsync lies", plan.some(mine, 4, "power lie"), faults.kill, seconds=4, on_disk=True, lie=True)
    lengths = [(n, z) for n in (0, 1, 5, 14, 15, 40, 80, 999) for z in (False, True)]
    for length, zeros in plan.some(lengths, 3 if disk_works() else 10, "torn"):
        plan.one("last record torn", f"{length} bytes of it{', then NULs' if zeros else ''}", faults.torn, prepared=prepared,
                 lengths=[(length, zeros)])


def add_time(plan, run, around):
    network = [p for p in run if p.call in points.NETWORK]
    near = [p for p in around if p.call in points.NETWORK]
    short = {"bounce_deadline_s": 5, "confirm_timeout_s": 5, "connect_timeout_s": 3, "command_timeout_s": 3}
    plan.add("SIGSTOP 7 s, deadlines of 3 to 5 s", network[::2] if plan.everything else choose(plan.seed, near, 4), faults.stop, seconds=10,
             still_s=7, **short)
    plan.add("SIGSTOP 7 s, the session cut meanwhile", network[1::2] if plan.everything else choose(plan.seed + 1, near, 3), faults.stop, seconds=10,
             still_s=7, cut=True, **short)
    plan.add("SIGSTOP 17 s: a machine that stood still", choose(plan.seed, network if plan.everything else near, 20 if plan.everything else 2),
             faults.stop, seconds=20, still_s=17)
    for step in ("confirm", "trigger", "await"):
        plan.one("SIGSTOP 7 s while it waits for the log", step, faults.stop_in_wait, seconds=14, step=step, still_s=7, confirm_timeout_s=5)
    if plan.everything:
        plan.add("SIGSTOP 63 s, deadlines as they are", choose(plan.seed, near, 10) + choose(plan.seed, network, 6), faults.stop, seconds=66,
                 still_s=63)
    plan.add("appliance reloads, the agent lives", plan.some(near, 5, "reload"), faults.reload, seconds=4)
    plan.add("appliance reboots and the agent dies", plan.some(near, 5, "reboot"), faults.reload, seconds=4, killed=True, reboot=True)
    if plan.everything:
        plan.add("appliance is away for 3 s, the agent lives", choose(plan.seed, network, 20), faults.reload, seconds=8, away_s=3)


def add_rotate(plan, slot):
    template = os.path.join(slot.directory, "large-journal")
    faults.large_journal(template)
    slot.reset()
    shutil.copyfile(template, os.path.join(slot.state_dir, "journal"))
    _, run = points.dry_run(slot, "run", "--run", "crash9", "--steps", SHORT)
    renames = [n for n, p in enumerate(run) if p.call.startswith("rename")]
    if not renames:
        raise Trouble("a large journal was not set aside")
    chosen = run[max(0, renames[0] - 4):renames[0] + 8]
    plan.add("kill -9 while a large journal is set aside", chosen if plan.everything else chosen[2:8], faults.rotate, template=template)
    if disk_works():
        plan.add("power cut while a large journal is set aside", chosen if plan.everything else chosen[2:8], faults.rotate, template=template,
                 on_disk=True)
