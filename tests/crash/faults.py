"""The faults.  Each is a function (slot, point) -> Outcome; a problem in it is a failed point."""

import os
import random
import resource
import shutil
import signal
import subprocess
import time
import zlib
from dataclasses import dataclass, field

import judge
from slot import ALL, SHORT, LIMIT_S

RUN = ("--run", "crash1")
ANSWER_S = 0.15             # what the appliance needs at most to answer here; when it needs more, the point is another one


@dataclass
class Outcome:
    fired: bool = True
    enabled: bool = False
    was_disabled: bool = False      # when the fault was over and before anybody repaired anything
    flushes: int = 0
    journal: str = "-"
    exits: tuple = ()
    problems: list = field(default_factory=list)
    story: str = ""
    note: str = ""


def finish(slot, outcome, *processes):
    judge.served(slot, outcome.problems)
    outcome.enabled, outcome.flushes = slot.enabled(), slot.flushes()
    outcome.exits = tuple(p.exit for p in processes if p)
    if outcome.problems:
        outcome.story = slot.story()
    return outcome


def recover_and_judge(slot, run, outcome, go_on=False):
    """Behind a process that died: recover, all checks, recover once more; then, perhaps, the command that recover named."""
    outcome.was_disabled = not slot.enabled()
    recover = slot.call("recover")
    judge.ended_recover(slot, recover, outcome.problems)
    judge.flush_told(slot, run, recover, outcome.problems)
    if outcome.was_disabled and "holds nothing open" in recover.sentence:
        outcome.problems.append("the service was disabled, and recover found nothing open")
    outcome.journal = judge.journal_state(slot, outcome.problems)
    before = len(slot.effects("admin_state"))
    again = slot.call("recover")
    if again.exit != 0 or len(slot.effects("admin_state")) != before:
        outcome.problems.append(f"a second recover ended with {again.exit}, or changed something")
    if go_on and recover.exit == 5:
        follow_advice(slot, recover, outcome)
    return finish(slot, outcome, run, recover)


def follow_advice(slot, recover, outcome):
    """L2: the command that recover names makes the run whole.  The log begins anew, as time passes between the two."""
    words = recover.last.get("next", "").split()
    if words[:2] != ["drr-agent", "run"] or "--run" not in words:
        outcome.problems.append("recover ended with 5 and named no command to go on: " + repr(recover.last.get("next")))
        return
    arguments = words[words.index("--run"):]
    process = slot.begin("run", *arguments)
    if process.wait_line("trigger", "started"):
        slot.lab.call("webhook", member="gw1")
    process.wait()
    judge.words(slot, process, outcome.problems)
    if process.exit == 3 and "drr-under-way" in process.out and "bounce" in arguments[-1]:
        outcome.note = "the advice met drr-under-way"
        process = slot.begin("run", *arguments, "--override-drr-under-way")
        if process.wait_line("trigger", "started"):
            slot.lab.call("webhook", member="gw1")
        process.wait()
    if process.exit == 5 and not slot.flushes() and judge.MAYBE in process.sentence:
        outcome.note = "the flush had not happened, and this was told"
    elif process.exit != 0:
        outcome.problems.append(f"the command that recover named ended with {process.exit}: {process.sentence}")
    judge.journal_state(slot, outcome.problems)


# ---- kill -9

def kill(slot, point, when="before", steps=SHORT, on_disk=False, go_on=False, lie=False, switches=()):
    """before: as the call is entered; after: it was done, nothing behind it; answered: and the appliance has answered."""
    slot.reset(on_disk=on_disk, switches=switches)
    what = {"before": "signal=KILL", "after": "signal=USR1", "answered": "signal=STOP"}[when]     # USR1 is not caught: it ends at the call's return
    inject = [(point.call, f"{what}:when={point.nth}")]
    if lie:
        inject += [(call, "retval=0") for call in ("fdatasync", "fsync") if call != point.call]
    run = slot.begin("run", *RUN, "--steps", steps, inject=inject)
    if "await" in steps and run.wait_line("trigger", "started"):
        slot.lab.call("webhook", member="gw1")
    if when == "answered" and run.wait_stopped():
        time.sleep(ANSWER_S)
        run.kill()
    run.wait()
    outcome = Outcome(fired=run.killed)
    if not run.killed:
        judge.ended_run(slot, run, outcome.problems, steps)
    if on_disk:
        slot.cut_power()
    if lie:
        return judge_lost(slot, run, outcome)
    return recover_and_judge(slot, run, outcome, go_on)


def power(slot, point, steps=SHORT):
    return kill(slot, point, steps=steps, on_disk=True)


def judge_lost(slot, run, outcome):
    """A disk that says "synced" and forgets: nobody can know what was disabled.  No second flush, nothing claimed that is not so."""
    outcome.was_disabled = not slot.enabled()
    recover = slot.call("recover")
    judge.words(slot, recover, outcome.problems)
    outcome.journal = judge.journal_state(slot, outcome.problems, expect_closed=False)
    again = slot.call("run", "--steps", "bounce", "--dry-run")
    judge.words(slot, again, outcome.problems)
    outcome.enabled, outcome.flushes, outcome.exits = slot.enabled(), slot.flushes(), (run.exit, recover.exit, again.exit)
    if not outcome.enabled:
        if again.exit != 3 or "service-disabled" not in again.out:
            outcome.problems.append(f"the service is disabled, and a run ended with {again.exit}: {again.sentence}")
        outcome.note = "lost with the journal; the next run refuses and says so"
    if outcome.flushes > 1:
        outcome.problems.append(f"{outcome.flushes} flushes")
    if outcome.problems:
        outcome.story = slot.story()
    return outcome


def kill_recover(slot, point, inject_what="signal=KILL", prepared=None):
    """The service is disabled, and recover itself dies; the next one repairs."""
    slot.reset()
    run = disabled_run(slot, prepared)
    outcome = Outcome()
    if run.killed and slot.enabled():
        outcome.problems.append("the run to be recovered from did not disable the service")
    first = slot.call("recover", inject=[(point.call, f"{inject_what}:when={point.nth}")])
    outcome.fired = first.killed
    if not first.killed:
        judge.ended_recover(slot, first, outcome.problems, allowed=(0, 5))
    return recover_and_judge(slot, first, outcome)


def disabled_run(slot, prepared):
    """A run that dies when the service is disabled, and the journal knows it."""
    return slot.call("run", *RUN, "--steps", SHORT, inject=[(prepared.call, f"signal=KILL:when={prepared.nth}")])


# ---- errors of the disk

def disk_error(slot, point, error="EIO", rest=None):
    """One call fails; or, with REST, that and all that writes from there on.  The agent is alive and has to bring the service back by itself."""
    slot.reset()
    inject = [(point.call, f"error={error}:when={point.nth}" + ("" if rest is None else "+"))]
    inject += [(call, f"error={error}:when={nth}+") for call, nth in rest or ()]
    return judge_disk(slot, slot.call("run", *RUN, "--steps", SHORT, inject=inject))


def judge_disk(slot, run):
    outcome = Outcome(fired=run.fired, was_disabled=not slot.enabled())
    judge.ended_run(slot, run, outcome.problems)
    state = judge.journal_state(slot, outcome.problems, expect_closed=False)
    told = "journal" in run.out or "journal" in run.err
    if state != "closed" and not told:
        outcome.problems.append(f"the journal is {state}, and the run said nothing of it: exit {run.exit} {run.sentence}")
    if state != "closed" and run.exit == 0:
        outcome.problems.append("exit 0 with a journal that is open")
    if outcome.problems:
        return finish(slot, outcome, run)
    before = outcome.was_disabled
    result = recover_and_judge(slot, run, outcome)
    result.was_disabled = before
    if result.journal == "closed" and state == "open":
        result.journal = "open, then closed"
    return result


def recover_error(slot, point, error="EIO", prepared=None):
    """The service is disabled, and the disk fails under recover: it enables all the same, or says that somebody has to."""
    slot.reset()
    disabled_run(slot, prepared)
    outcome = Outcome(was_disabled=not slot.enabled())
    lasting = "" if point.call.startswith("open") else "+"      # who can open nothing at all, has no random numbers either
    recover = slot.call("recover", inject=[(point.call, f"error={error}:when={point.nth}{lasting}")])
    outcome.fired = recover.fired
    judge.words(slot, recover, outcome.problems)
    if not slot.enabled() and recover.exit == 1 and "/journal" in recover.sentence and "O_RDONLY" in point.note:
        outcome.note = "the journal cannot even be read: exit 1, and it says so"
    elif not slot.enabled() and recover.exit != 9:
        outcome.problems.append(f"recover ended with {recover.exit} and left the service disabled: {recover.sentence}")
    elif not slot.enabled():
        outcome.note = "exit 9: act now"
    if recover.exit == 0 and judge.journal_state(slot, outcome.problems, expect_closed=False) != "closed":
        outcome.problems.append("exit 0 with a journal that is open: " + recover.sentence)
    again = recover_and_judge(slot, recover, outcome)
    again.was_disabled = True
    return again


def short_write(slot, size):
    """The file may grow to SIZE bytes only: a true short write, then an error (RLIMIT_FSIZE, as with a quota)."""
    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    slot.reset()
    run = slot.call("run", *RUN, "--steps", SHORT, preexec=limit)
    outcome = judge_disk(slot, run)
    outcome.fired = run.exit != 0
    return outcome


def short_then_room(slot):
    """The file system is full in the middle of a record; when the rest is to be written there is room again."""
    slot.reset()
    tmpfs = slot.path("tmpfs")
    os.mkdir(tmpfs)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8k", "none", tmpfs], check=True, timeout=LIMIT_S)
    try:
        slot.state_dir = os.path.join(tmpfs, "state")
        os.mkdir(slot.state_dir, 0o700)
        slot.write_config()
        # Nearly the first page of two; the other is the lock's.
        write_records(os.path.join(slot.state_dir, "journal"), ["begin r0 - steps=confirm", *["step r0 confirm sentence=" + "x" * 840] * 4, "end r0 - exit=0"])
        run = slot.begin("run", *RUN, "--steps", SHORT, inject=[("write", "delay_enter=700000:when=2+")])
        room = run.wait_for(lambda: torn_length(slot) > 0)
        subprocess.run(["mount", "-o", "remount,size=64k", tmpfs], check=True, timeout=LIMIT_S)
        run.wait()
        outcome = Outcome(fired=room)
        judge.ended_run(slot, run, outcome.problems)
        if run.exit != 0:
            outcome.problems.append(f"the record was not completed: exit {run.exit} {run.sentence}")
        return recover_and_judge(slot, run, outcome)
    finally:
        slot.processes[-1].end()
        subprocess.run(["umount", tmpfs], timeout=LIMIT_S, check=False)


def write_records(path, contents):
    """A journal of these records (KIND RUN STEP DATA), all of one moment."""
    with open(path, "wb") as file:
        for sequence, content in enumerate(contents, 1):
            payload = f"{sequence} 2026-01-02T03:04:05.678Z {content}".encode()
            file.write(b"DRR1 %04d %08x " % (len(payload), zlib.crc32(payload)) + payload + b"\n")


def torn_length(slot):
    """Bytes behind the journal's last line end."""
    try:
        with open(os.path.join(slot.state_dir, "journal"), "rb") as file:
            content = file.read()
    except FileNotFoundError:
        return 0
    return len(content) - content.rfind(b"\n") - 1


def lying_write(slot, point, taken):
    """The kernel says that it took TAKEN bytes and took none: the journal is damaged where nobody sees it until it is read again."""
    slot.reset()
    run = slot.call("run", *RUN, "--steps", SHORT, inject=[(point.call, f"retval={taken}:when={point.nth}")])
    outcome = Outcome(fired=run.fired)
    judge.ended_run(slot, run, outcome.problems)
    outcome.journal = judge.journal_state(slot, outcome.problems, expect_closed=False)
    recover = slot.call("recover")
    judge.words(slot, recover, outcome.problems)
    if outcome.journal == "damaged" and recover.exit == 0:
        outcome.problems.append("recover ended with 0 on a damaged journal")
    return finish(slot, outcome, run, recover)


def lying_sync(slot, point):
    """fsync says yes and does nothing; the process dies, the machine does not: nothing is lost."""
    slot.reset()
    inject = [(call, "retval=0") for call in ("fdatasync", "fsync") if call != point.call] + [(point.call, f"signal=KILL:when={point.nth}")]
    run = slot.call("run", *RUN, "--steps", SHORT, inject=inject)
    return recover_and_judge(slot, run, Outcome(fired=run.killed))


def torn(slot, prepared, lengths):
    """The last record cut to LENGTHS bytes, one after the other, as a power cut may leave it; without a disk of our own."""
    outcome = Outcome()
    for length, zeros in lengths:
        slot.reset()
        run = disabled_run(slot, prepared)
        path = os.path.join(slot.state_dir, "journal")
        with open(path, "rb") as file:
            content = file.read()
        start = content[:-1].rfind(b"\n") + 1
        keep = start + min(length, len(content) - start - 1)
        with open(path, "wb") as file:
            file.write(content[:keep] + (b"\0" * (len(content) - keep) if zeros else b""))
        # The last record is the intent to enable, or what was seen: the disable stands before it.
        recover_and_judge(slot, run, outcome)
        if outcome.problems:
            break
    return outcome


# ---- standing still, and the appliance reloading

def stop(slot, point, still_s, cut=False, **limits):
    """SIGSTOP for longer than the deadlines, then SIGCONT: it ends by itself and honestly."""
    slot.reset(**limits)
    run = slot.begin("run", *RUN, "--steps", SHORT, inject=[(point.call, f"signal=STOP:when={point.nth}")])
    stopped = run.wait_stopped()
    if stopped:
        disabled = not slot.enabled()
        if cut:
            slot.lab.call("cut", member="gw1")
        time.sleep(still_s)
        run.signal(signal.SIGCONT)
    run.wait()
    outcome = Outcome(fired=stopped, was_disabled=stopped and disabled)
    judge.ended_run(slot, run, outcome.problems)
    if run.exit == 9:
        outcome.problems.append(f"exit 9, and the appliance could be reached: {run.sentence}")
    result = recover_and_judge(slot, run, outcome)
    result.was_disabled = stopped and disabled
    return result


def stop_in_wait(slot, step, still_s, **limits):
    """The same while it waits for the log: nothing is sent there that could be injected."""
    late = {"confirm": [("gw1.waiting_late", "0.8real")]}.get(step, [])
    slot.reset(switches=late, **limits)
    run = slot.begin("run", *RUN, "--steps", ALL)
    if step == "await" and run.wait_line("trigger", "started"):
        slot.lab.call("webhook", member="gw1")
    fired = run.wait_line(step, "started")
    run.signal(signal.SIGSTOP)
    if step == "trigger":
        slot.lab.call("webhook", member="gw1")
    time.sleep(still_s)
    run.signal(signal.SIGCONT)
    if step == "confirm" and run.wait_line("trigger", "started"):
        slot.lab.call("webhook", member="gw1")
    run.wait()
    outcome = Outcome(fired=fired)
    judge.ended_run(slot, run, outcome.problems, ALL)
    if run.exit != 0:
        outcome.problems.append(f"what was logged in time no longer counted: exit {run.exit} {run.sentence}")
    return recover_and_judge(slot, run, outcome)


def reload(slot, point, killed=False, away_s=0.4, reboot=False):
    """The appliance reloads at this point; the agent lives on, or dies and recover meets an appliance that is away."""
    slot.reset()
    run = slot.begin("run", *RUN, "--steps", SHORT, inject=[(point.call, f"signal=STOP:when={point.nth}")])
    fired = run.wait_stopped()
    outcome = Outcome(fired=fired)
    if fired:
        slot.lab.call("reboot" if reboot else "reload", member="gw1", seconds=away_s)
        time.sleep(0.02)
        if killed:
            run.kill()
        else:
            run.signal(signal.SIGCONT)
    run.wait()
    if not run.killed:
        judge.ended_run(slot, run, outcome.problems)
        slot.wait_running()
    return recover_reloading(slot, run, outcome)


def recover_reloading(slot, run, outcome):
    outcome.was_disabled = not slot.enabled()
    recover = slot.call("recover")
    judge.ended_recover(slot, recover, outcome.problems)
    judge.flush_told(slot, run, recover, outcome.problems)
    slot.wait_running()
    outcome.journal = judge.journal_state(slot, outcome.problems)
    return finish(slot, outcome, run, recover)


# ---- the large journal

def large_journal(path):
    """A closed journal beyond half its limit."""
    write_records(path, ["begin r0 - steps=confirm", *["step r0 confirm sentence=" + "x" * 900] * 600, "end r0 - exit=0"])


def rotate(slot, point, on_disk=False, template=None):
    """A run that first sets its large journal aside dies at that."""
    slot.reset(on_disk=on_disk)
    shutil.copyfile(template, os.path.join(slot.state_dir, "journal"))
    if on_disk:
        os.sync()
    run = slot.call("run", *RUN, "--steps", SHORT, inject=[(point.call, f"signal=KILL:when={point.nth}")])
    if on_disk:
        slot.cut_power()
    outcome = Outcome(fired=run.killed)
    names = os.listdir(slot.state_dir)
    if not os.path.exists(os.path.join(slot.state_dir, "journal.1")) and \
            os.path.getsize(os.path.join(slot.state_dir, "journal")) < os.path.getsize(template):
        outcome.problems.append(f"the old journal is lost; there are {names}")
    return recover_and_judge(slot, run, outcome)


def choose(seed, items, count):
    """COUNT of ITEMS, the same for the same seed, in their order."""
    if len(items) <= count:
        return list(items)
    picked = set(random.Random(seed).sample(range(len(items)), count))
    return [item for n, item in enumerate(items) if n in picked]
