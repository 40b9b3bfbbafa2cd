"""The daemon when something else goes wrong: a client that goes away, a process that stands still, the disk, the jail, the appliance, the configuration."""

import os
import signal
import subprocess
import threading
import time

from cases_daemon_kill import RECORD, needs_strace
from cases_jail import POKE, kernel_can
from cases_source import cli_log, syslog_log, xmi_log
from daemon import Daemon, plan_of, trace, wait_until
from harness import Failed, Skipped, World, case, check, contains, equal

SOLO = plan_of("gw1", ["gw1"])
HOLD = {"owner": "a", "reason": "b", "until": "2099-01-02T03:04:05Z"}
OTHERS = plan_of("gw2", ["gw1", "gw2"])      # here a bounce needs no flush


def disabled(world, after=0):
    return world.lab.wait_effect("admin_state", member="gw1", value="disabled", after=after, timeout=60)


def until_bounced(daemon, run="r1"):
    daemon.grant(run, OTHERS)
    daemon.begin_step(run, "bounce")
    disabled(daemon.world)


def ends_enabled(world, daemon):
    wait_until(lambda: world.count("admin_state", value="enabled") > 0 and world.lab.get("gw1.service")["admin_state"] == "enabled", "it is enabled")
    wait_until(lambda: not daemon.state()["journal"]["open"], "the journal is closed")
    world.enabled()
    world.closed(daemon.config)


# ---- the dead-man

@case("daemon: the client goes away while the service is disabled: it is enabled", slow=True)
def client_gone():
    with World(gw1__disable_delay="1real") as world, Daemon(world) as daemon:
        until_bounced(daemon)           # and nobody asks for anything any more
        world.lab.wait_effect("admin_state", member="gw1", value="enabled", timeout=60)
        wait_until(lambda: daemon.call("GET", "/v1/steps/r1.bounce")["state"] == "done", "the bounce is done")
        world.closed(daemon.config)


@case("daemon: the service never goes down, and nobody asks: enabled at the deadline", slow=True)
def stuck_down():
    with World(gw1__disable="stuck") as world, Daemon(world, limits__bounce_deadline_s=5) as daemon:
        until_bounced(daemon)
        world.lab.wait_effect("admin_state", member="gw1", value="enabled", timeout=60)
        daemon.wait_step("r1", "bounce")
        ends_enabled(world, daemon)


@case("daemon: the service is enabled and never comes up: a stop does not wait for that", slow=True)
def stuck_up():
    with World(gw1__enable="stuck") as world:
        with Daemon(world, limits__bounce_deadline_s=5) as daemon:
            until_bounced(daemon)
            world.lab.wait_effect("admin_state", member="gw1", value="enabled", timeout=60)
        world.enabled()
        world.closed(daemon.config)


@case("daemon: the front is killed while the service is disabled: the bounce goes on", slow=True)
def front_killed():
    with World(gw1__disable_delay="1real") as world, Daemon(world) as daemon:
        until_bounced(daemon)
        old = daemon.pids()["front"]
        daemon.kill("front")
        daemon.wait_restart("front", old)
        equal(daemon.wait_step("r1", "bounce")["state"], "done", "the bounce")
        equal(world.bounced(), 1, "bounces")


@case("daemon: a front that stands still does not hold up the end", slow=True)
def front_stopped():
    with World() as world, Daemon(world) as daemon:
        daemon.kill("front", number=signal.SIGSTOP)
        daemon.stop()
        contains(daemon.log, "child did not end in time, and is killed child=front")


@case("daemon: the engine stands still for longer than the deadline: enabled, and nothing new is begun", slow=True)
def engine_stopped():
    with World(gw1__disable_delay="0.5real") as world, Daemon(world, limits__bounce_deadline_s=5) as daemon:
        until_bounced(daemon)
        daemon.kill("engine", number=signal.SIGSTOP)
        time.sleep(7)               # the point of the test: real time passes
        daemon.kill("engine", number=signal.SIGCONT)
        step = daemon.wait_step("r1", "bounce")
        check(step["state"] in ("done", "failed"), "the bounce:", step)
        ends_enabled(world, daemon)
        equal(world.bounced(), 1, "bounces")
    with World(initial_primary="gw2", gw1__switch_delay="10real") as world, Daemon(world) as daemon:
        daemon.grant("r1", SOLO)
        daemon.begin_step("r1", "primary")
        world.lab.wait_effect("switch_primary", member="gw1", timeout=60)
        daemon.kill("engine", number=signal.SIGSTOP)
        time.sleep(20)              # above RUNNER_STUNNED_MS, and what it would have waited anyway
        daemon.kill("engine", number=signal.SIGCONT)
        step = daemon.wait_step("r1", "primary")
        equal((step["state"], step["exit"]), ("failed", 4), f"the step: {step}")
        contains(" ".join(step["evidence"]), "stood still")
        equal((world.count("flush"), world.bounced()), (0, 0), "flushes, bounces")
        daemon.done("r1", "primary")        # it is not refused afterwards


@case("daemon: the appliance reloads while the service is disabled: enabled", slow=True)
def reload():
    with World(gw1__disable_delay="1real") as world, Daemon(world) as daemon:
        until_bounced(daemon)
        world.lab.call("reload", member="gw1")
        world.lab.wait_effect("reloaded", member="gw1", timeout=60)
        daemon.wait_step("r1", "bounce")
        ends_enabled(world, daemon)
        daemon.release("r1")


# ---- the disk

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")      # a tmpfs gives whole pages
GRANT_BYTES = 69 + 115                      # an unhold, and this grant


class SmallDisk:
    """A tmpfs that can be filled, and made read-only."""

    def __init__(self, world, size_kb=128):
        if os.getuid() != 0:
            raise Skipped("only root may mount")
        self.path = os.path.join(world.directory, "disk")
        self.size_kb = size_kb
        os.mkdir(self.path)

    def __enter__(self):
        command = ["mount", "-t", "tmpfs", "-o", f"size={self.size_kb}k,mode=700", "none", self.path]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        if done.returncode != 0:
            raise Skipped("no tmpfs: " + done.stderr.strip())
        self.state_dir = os.path.join(self.path, "state")
        os.mkdir(self.state_dir, 0o700)
        return self

    def __exit__(self, kind, value, trace_):
        subprocess.run(["umount", "-l", self.path], check=False, timeout=60)

    def fill(self):
        """All but what is left in the last pages of its files."""
        with open(os.path.join(self.path, "filler"), "wb", buffering=0) as file:
            try:
                while file.write(b"x" * PAGE_BYTES):
                    pass
            except OSError:
                pass

    def empty(self):
        os.unlink(os.path.join(self.path, "filler"))

    def remount(self, how):
        subprocess.run(["mount", "-o", "remount," + how, self.path], check=True, timeout=60)


def refuses(daemon, words):
    """Nothing is begun: said to whoever asks, and by /readyz."""
    answers = []
    for method, path, body in (("POST", "/v1/steps", {"run": "r1", "op": "bounce"}), ("PUT", "/v1/hold", HOLD), ("DELETE", "/v1/grant/r1", None)):
        answer = daemon.patient(method, path, body)
        answers.append(answer.status)
        check(answer.status in (404, 409, 500), method, path, answer)
        if answer.status == 500:
            contains(answer["detail"] + answer["next"], *words)
    check(500 in answers, "nobody is told: ", answers)
    ready = daemon.call("GET", "/readyz")
    equal((ready.status, ready["status"]), (503, "failing"), "readyz")
    equal([c["ok"] for c in ready["checks"] if c["name"] == "journal"], [False], "the journal's check")
    check(daemon.state()["agent"]["journal_broken"], "journal_broken in the state")


def fill_up(disk, daemon):
    """The journal's last page is used up by what is written until it cannot be."""
    disk.fill()
    for number in range(200):
        answer = daemon.call("PUT", "/v1/grant/x" + str(number), SOLO)
        if answer.status == 200:
            answer = daemon.call("DELETE", "/v1/grant/x" + str(number))
        if answer.status == 500:
            return answer
    raise Failed("the disk is not full")


@case("daemon: a full disk: nothing is begun, and this is said; with room and a restart it goes on", slow=True)
def disk_full():
    with World() as world, SmallDisk(world) as disk:
        with Daemon(world, state_dir=disk.state_dir) as daemon:
            daemon.done("r0", "precheck")
            answer = fill_up(disk, daemon)
            contains(answer["detail"] + answer["next"], "journal", "state_dir")
            refuses(daemon, ["journal"])
            daemon.done("r2", "precheck")           # reads only
            world.unchanged()
            disk.empty()
            refuses(daemon, ["journal"])            # what is on it is not known: it has to be read again
            contains(daemon.call("PUT", "/v1/hold", HOLD)["next"], "restart")
        with Daemon(world, config=daemon.config) as daemon:
            granted = daemon.state()["grant"]
            if granted:
                daemon.release(granted["run"])
            daemon.grant("r9", OTHERS)
            daemon.done("r9", "bounce")
            equal(daemon.call("GET", "/readyz").status, 200, "readyz")
            daemon.release("r9")
        world.enabled()
        world.closed(daemon.config)


@case("daemon: the disk is full when the outcome of the disable is to be written: enabled", slow=True)
def disk_full_between():
    with World(gw1__disable_delay="1real") as world, SmallDisk(world) as disk:
        with Daemon(world, state_dir=disk.state_dir) as daemon:
            journal = os.path.join(disk.state_dir, "journal")
            hold = dict(HOLD)
            # begin, precheck, mark and intent fit into its last page, the outcome does not
            while not 640 < PAGE_BYTES - os.path.getsize(journal) % PAGE_BYTES - GRANT_BYTES < 750:
                hold["reason"] = "b" * (len(hold["reason"]) % 23 + 1)
                equal(daemon.call("PUT", "/v1/hold", hold).status, 200, "hold")
            equal(daemon.call("DELETE", "/v1/hold").status, 204, "unhold")
            before = os.path.getsize(journal)
            daemon.grant("r1", OTHERS)
            disk.fill()
            daemon.begin_step("r1", "bounce")
            disabled(world)
            step = daemon.wait_step("r1", "bounce")
            world.lab.wait_effect("admin_state", member="gw1", value="enabled", timeout=60)
            world.enabled()
            equal(step["state"], "failed", f"the bounce, journal {before} bytes: {step}")
            contains(str(step), "journal")
            contains(step["next"], "restart")
            refuses(daemon, ["journal"])
            disk.empty()
            last = daemon.journal()[-1]
            equal((last["kind"], last["step"]), ("intent", "disable"), "the last record that went to the disk")
            daemon.stop(exit_code=1)        # it was seen enabled, but the journal says otherwise
        contains(daemon.log, "drr-agent recover")
        with Daemon(world, config=daemon.config) as daemon:
            ends_enabled(world, daemon)
            equal(daemon.state()["grant"]["run"], "r1", "the grant")
            daemon.done("r1", "bounce")
            daemon.release("r1")


@case("daemon: started on a read-only state_dir with a service that it had disabled: enabled, and ended loudly", slow=True)
def read_only_start():
    with World(gw1__disable_delay="1real") as world, SmallDisk(world) as disk:
        with Daemon(world, state_dir=disk.state_dir) as daemon:
            until_bounced(daemon)
            daemon.crash()
        equal(world.lab.get("gw1.service")["admin_state"], "disabled", "behind the crash")
        disk.remount("ro")
        again = Daemon(world, config=daemon.config, wait=False)
        again.ended(1)
        world.enabled()
        contains(again.log, "drr-agent recover")
        disk.remount("rw")
        check(world.call(daemon.config, "recover").exit in (0, 5), "recover")
        world.closed(daemon.config)


def injected_at(path):
    """The record whose write or sync failed, by the trace at PATH."""
    record = ""
    with open(path, encoding="utf-8", errors="backslashreplace") as file:
        for line in file:
            found = RECORD.search(line)
            record = f"{found[1]} {found[2]}".removesuffix(" -") if found else record
            if "(INJECTED)" in line:
                return record
    return "none"


def error_case(call, record, error):
    @case(f"daemon: {error} at the {call} of the journal's {record}", slow=True)
    def function():
        needs_strace()
        nth = {"begin": 2, "intent disable": 5, "outcome disable": 6, "intent enable": 7, "outcome enable": 8}[record]       # grant, begin, precheck, mark, ...
        with World() as world:
            with Daemon(world) as daemon:
                path = os.path.join(world.directory, "trace")
                tracer = trace(daemon.pids()["engine"], path, os.path.join(daemon.state_dir, "journal"), [(call, f"error={error}:when={nth}")])
                daemon.grant("r1", OTHERS)
                step = daemon.step("r1", "bounce")
                check(step["state"] in ("failed", "done"), "the bounce:", step)
                world.enabled()
                if record in ("begin", "intent disable"):
                    world.unchanged()
                    equal(step["state"], "failed", f"the bounce: {step}")
                contains(str(step) + daemon.log, "journal")
                refuses(daemon, ["journal"])
                tracer.terminate()
                tracer.wait()
                equal(injected_at(path), record, "the record that could not be written")
                open_ = daemon.state()["journal"]["disable_open"]
                daemon.stop(exit_code=1 if open_ else 0)
                check(not open_ or "the journal could not be told" in daemon.log, "it does not say that it is enabled again:", daemon.log)
            with Daemon(world, config=daemon.config) as daemon:
                wait_until(lambda: not daemon.state()["journal"]["open"], "the journal is closed")
                world.enabled()
                daemon.done("r1", "bounce")
                daemon.release("r1")
            world.closed(daemon.config)


for _record in ("begin", "intent disable", "outcome disable", "intent enable", "outcome enable"):
    error_case("fdatasync", _record, "EIO")
    error_case("write", _record, "ENOSPC")


# ---- the jail

@case("daemon: each process that makes a forbidden system call is killed; what runs ends enabled", slow=True)
def jail():
    kernel_can()
    with World(gw1__disable_delay="1real") as world:
        with Daemon(world) as daemon:
            for number, role in enumerate(("engine", "front")):
                mark = world.mark()
                daemon.grant(f"r{number}", OTHERS)
                daemon.begin_step(f"r{number}", "bounce")
                disabled(world, mark)
                old = daemon.pids()[role]
                poke(old)
                daemon.wait_restart(role, old)
                contains(daemon.wait_log("child ended", f"child={role}"), "signal 31")
                daemon.done(f"r{number}", "bounce")
                world.enabled()
                daemon.release(f"r{number}")
            mark = world.mark()
            daemon.grant("r2", OTHERS)
            daemon.begin_step("r2", "bounce")
            disabled(world, mark)
            poke(daemon.pids()["serve"])
            daemon.ended(-signal.SIGSYS)
        check(world.call(daemon.config, "recover").exit in (0, 5), "recover")
        world.enabled()
        world.closed(daemon.config)


def poke(pid, *number, told="killed by signal 31\n"):
    done = subprocess.run([POKE, str(pid), *number], capture_output=True, text=True, check=False, timeout=60)
    equal(done.stdout, told, "poke " + done.stderr)


# x86_64: socket, connect, openat, open, execve, fork, kill, ptrace
@case("daemon: the front cannot open, connect, start or signal anything, even when told to", slow=True)
def front_jail():
    kernel_can()
    if os.uname().machine != "x86_64":
        raise Skipped("the numbers are those of x86_64")
    with World(members=1) as world:
        for numbers in ((41, 42, 257, 2), (59, 57, 62, 101)):       # four at a time: the fifth restart would be one too many
            with Daemon(world) as daemon:
                for number in numbers:
                    old = daemon.pids()["front"]
                    poke(old, str(number))
                    daemon.wait_restart("front", old)


# ---- signals and the configuration

@case("daemon: SIGTERM in the middle of a bounce: enabled, then exit 0", slow=True)
def terminated():
    for number in (signal.SIGTERM, signal.SIGINT):
        with World(gw1__disable_delay="1real") as world:
            with Daemon(world) as daemon:
                until_bounced(daemon)
                daemon.stop(number)
            world.enabled()
            world.closed(daemon.config)
            with Daemon(world, config=daemon.config) as daemon:
                equal(daemon.state()["grant"]["run"], "r1", "the grant")
                step = daemon.wait_step("r1", "bounce")
                check(step["state"] == "done" or step["next"] == "drrctl resume r1", "the next command of", step)
                daemon.done("r1", "bounce")
                daemon.release("r1")


def rewrite(config, old, new):
    with open(config, encoding="utf-8") as file:
        text = file.read()
    contains(text, old)
    with open(config, "w", encoding="utf-8") as file:
        file.write(text.replace(old, new))


@case("daemon: SIGHUP with good, bad and changed configuration, also while a step runs", slow=True)
def reloads():
    with World(gw1__disable_delay="1real") as world, Daemon(world) as daemon:
        taken = "configuration taken"

        def hup(*words):
            seen = len(daemon.agent.err)
            daemon.agent.signal(signal.SIGHUP)
            wait_until(lambda: any(all(w in line for w in words) for line in daemon.agent.err[seen:]), f"{words} behind SIGHUP")
        hup(taken)
        until_bounced(daemon)
        hup("engine", "will be read again when what is under way is over")
        equal(daemon.wait_step("r1", "bounce")["state"], "done", "the bounce")
        wait_until(lambda: sum(taken in line for line in daemon.agent.err) == 2, "the second one is taken")
        rewrite(daemon.config, "quiet_s = 1\n", "quiet_s = 1\nnonsense = 7\n")
        hup("the new configuration is not taken", "nonsense")
        daemon.done("r1", "precheck")
        rewrite(daemon.config, "nonsense = 7\n", "confirm_timeout_s = 5\n")
        hup(taken)
        rewrite(daemon.config, "[agent]\nname = gw1\n", "[agent]\nname = other\n")
        hup("the new configuration is not taken", "restart")
        equal(daemon.state()["member"]["name"], "gw1", "the name")
        rewrite(daemon.config, "name = other\n", "name = gw1\n")
        hup(taken)
        daemon.done("r1", "bounce")
        daemon.release("r1")
        equal(len(daemon.pids()), 3, "processes")
        check(sum("RELOADING=1" in text for text in daemon.systemd.words) >= 4, "RELOADING=1 is told", daemon.systemd.words)


@case("daemon: a refused password is sent once, whoever asks; a new one is taken", slow=True)
def refused_password():
    with World(members=1) as world:
        secret = world.secret_file("wrong-Secret-1", "password-new")
        with Daemon(world, cli__password_file=secret) as daemon:
            for _ in range(4):
                state = daemon.state(max_age_ms=0)
                check(state["agent"]["trouble"] and state["peering"]["is_primary"] is None, "the state:", state["agent"])
            equal(daemon.call("GET", "/readyz").status, 503, "readyz")
            step = daemon.step("r1", "precheck")
            equal((step["state"], step["exit"]), ("failed", 7), f"a step: {step}")
            wait_until(lambda: "is not tried again" in (daemon.state(max_age_ms=0)["agent"]["trouble"] or ""), "a second look says why there is none")
            equal(world.count("login_refused"), 1, "attempts")
            old = daemon.pids()["engine"]
            daemon.kill("engine")
            daemon.wait_restart("engine", old)
            daemon.state(max_age_ms=0)
            equal(world.count("login_refused"), 1, "attempts of another engine")
            with open(world.lab.password_file, encoding="utf-8") as file:
                world.secret_file(file.read().strip(), "password-new")
            daemon.agent.signal(signal.SIGHUP)
            wait_until(lambda: daemon.state(max_age_ms=0)["agent"]["trouble"] is None, "the new password is used")
            equal(daemon.state()["peering"]["is_primary"], True, "is_primary")
            equal(world.count("login_refused"), 1, "attempts")


@case("daemon: a child that dies again and again ends it loudly, and the service is enabled", slow=True)
def restart_budget():
    for role in ("front", "engine"):
        with World(gw1__disable_delay="1real") as world:
            with Daemon(world) as daemon:
                for _ in range(5):
                    old = daemon.pids()[role]
                    daemon.kill(role)
                    daemon.wait_restart(role, old)
                until_bounced(daemon)
                daemon.kill(role)
                daemon.ended(1)
                contains(daemon.log, "given up", "drr-agent recover")
                check(any("STOPPING=1" in text for text in daemon.systemd.words), "STOPPING=1 is told")
            check(world.call(daemon.config, "recover").exit in (0, 5), "recover")
            world.enabled()
            world.closed(daemon.config)


# ---- sources of the log

def source_case(name, configure, switches):
    @case(f"daemon: source {name}: a waiting line between the bounce and its confirmation is not missed", slow=True)
    def function():
        with World(initial_primary="gw1", **switches) as world:
            config, to = configure(world)
            if to:
                world.lab.set("gw1.syslog_to", to)
            for number, killed in enumerate((None, "engine", "all")):
                run = f"r{number}"
                daemon = Daemon(world, config=config)
                with daemon:
                    daemon.grant(run, SOLO)
                    daemon.done(run, "primary")
                    daemon.done(run, "flush", overrides=["drr-under-way"])
                    mark = world.mark()
                    world.lab.set("gw1.waiting_late", "0.5real")
                    daemon.done(run, "bounce")
                    world.lab.wait_effect("log_line", member="gw1", code="0x88e000d7", after=mark, timeout=60)
                    if name.startswith("syslog"):       # told only once: as soon as it is heard, it is kept
                        wait_until(lambda: any(e.get("code") == "0x88e000d7" and e["n"] for e in daemon.events()[-6:]), "the line was heard")
                    if killed == "engine":
                        old = daemon.pids()["engine"]
                        daemon.kill("engine")
                        daemon.wait_restart("engine", old)
                    elif killed == "all":
                        daemon.crash()
                        daemon = Daemon(world, config=config)
                with daemon if daemon.over is None else Daemon(world, config=config) as daemon:
                    step = daemon.done(run, "confirm")
                    contains(" ".join(step["evidence"]), "0x88e000d7")
                    daemon.begin_step(run, "await")
                    daemon.webhook(run)
                    daemon.done(run, "await")
                    daemon.release(run)
                    told = {e["sentence"] for e in daemon.events() if e.get("code") == "0x88e000d7"}
                    equal(len(told), number + 1, "waiting lines that were told")
            equal((world.count("flush"), world.bounced()), (3, 3), "flushes, bounces")


source_case("file", lambda world: (world.config("gw1"), None), {})
source_case("xmi", lambda world: (xmi_log(world), None), {"xmi": "yes"})
source_case("cli", lambda world: (cli_log(world), None), {})
for _kind in ("udp", "tcp"):
    source_case("syslog, " + _kind, lambda world, kind=_kind: syslog_log(world, kind, log__from=world.lab.member("gw1").address), {})


# ---- the appliance

@case("daemon: the appliance cannot be reached at the start, and comes back", slow=True)
def unreachable():
    with World(gw1__ssh_listen="no") as world, Daemon(world) as daemon:
        state = daemon.state()
        equal((state["peering"]["is_primary"], state["peering"]["quorum"], state["service"]["admin_state"], state["age_ms"]), (None, None, None, None), "facts")
        check(state["agent"]["trouble"], "no trouble is told")
        ready = daemon.call("GET", "/readyz")
        equal(ready.status, 503, "readyz")
        equal([c["ok"] for c in ready["checks"] if c["name"] == "appliance"], [False], "the appliance's check")
        equal(daemon.call("GET", "/livez").status, 200, "livez")
        step = daemon.step("r1", "precheck")
        equal((step["state"], step["exit"]), ("failed", 8), f"precheck: {step}")
        daemon.grant("r1", SOLO)
        equal(daemon.step("r1", "primary")["exit"], 8, "a step")
        world.lab.set("gw1.ssh_listen", "yes")
        wait_until(lambda: daemon.state()["agent"]["trouble"] is None, "it is back")
        state = daemon.state(max_age_ms=0)
        equal((state["service"]["admin_state"], state["peering"]["quorum"]), ("enabled", True), "facts")
        equal(daemon.call("GET", "/readyz").status, 200, "readyz")
        daemon.done("r1", "primary")
        daemon.release("r1")


@case("daemon: an appliance that says nothing any more holds up neither a step nor other requests", slow=True)
def silent():
    with World(gw1__hang_at="show gateway-peering-status:before") as world, Daemon(world) as daemon:
        got = []
        asker = threading.Thread(target=lambda: got.append(daemon.call("GET", "/v1/state?max_age_ms=0")))
        asker.start()
        world.lab.wait_effect("command", member="gw1", command="show gateway-peering-status", timeout=60)
        equal(daemon.call("GET", "/livez").status, 200, "livez")
        daemon.grant("r1", OTHERS)
        daemon.done("r1", "bounce")
        asker.join()
        equal(got[0].status, 200, "the state that was waited for")
        equal(world.bounced(), 1, "bounces")
        daemon.release("r1")


# ---- one-shot verbs beside it

@case("daemon: a second one beside it is busy, and journal works", slow=True)
def beside():
    with World() as world, Daemon(world) as daemon:
        equal(world.call(daemon.config, "journal").exit, 0, "exit of journal")
        second = Daemon(world, config=daemon.config, wait=False)
        second.ended(6)
        contains(second.log, "another drr-agent")
        equal(daemon.call("GET", "/livez").status, 200, "the first one")
        world.unchanged()
