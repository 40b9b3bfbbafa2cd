"""What the supervisor starts on the engine's order, under its real jail: the test takes the engine's place on the control channel."""

import contextlib
import ctypes
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time

from cases_drrctl import DRRCTL, Ctl
from cases_jail import kernel_can, poke, status_of
from cases_notify import NEWS, hosted
from daemon import Daemon, children_of, is_gone, verb_of, wait_until
from fake_agent import free_port
from frames import Channel
from harness import AGENT, LIMIT_S, Skipped, World, case, check, contains, equal

PIDFD_OPEN, PIDFD_GETFD = 434, 438
CONTROL_FD = 3
NOT_STARTED = 0xffff
KEPT = {"PATH", "HOME", "USER", "LOGNAME", "LANG", "TZ", "CREDENTIALS_DIRECTORY", "ASAN_OPTIONS", "UBSAN_OPTIONS"}

libc = ctypes.CDLL(None, use_errno=True)


class Orders:
    """The engine of a daemon is stopped, and its end of the control channel is ours."""

    def __init__(self, daemon):
        self.engine = daemon.pids()["engine"]
        os.kill(self.engine, signal.SIGSTOP)
        pid_fd = libc.syscall(PIDFD_OPEN, self.engine, 0)
        fd = libc.syscall(PIDFD_GETFD, pid_fd, CONTROL_FD, 0) if pid_fd >= 0 else -1
        if fd < 0:
            os.kill(self.engine, signal.SIGCONT)
            raise Skipped("pidfd_getfd(2): " + os.strerror(ctypes.get_errno()))
        os.close(pid_fd)
        self.channel = Channel(socket.socket(fileno=fd))

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.resume()

    def resume(self):
        self.channel.close()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.engine, signal.SIGCONT)

    def start(self, job, argument="", number=7, body=None):
        """Our end of its standard input and output."""
        own, given = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self.channel.send("start", number=number, passed=given.fileno(), job=job, argument=argument)
        given.close()
        if body is not None:
            own.sendall(body.encode())
            own.shutdown(socket.SHUT_WR)
        own.settimeout(LIMIT_S)
        return own

    def finish(self, own):
        """What it printed, and FRAME_FINISHED."""
        out = b""
        while piece := own.recv(65536):
            out += piece
        own.close()
        while (frame := self.channel.receive()) is not None and frame.kind == "stop":
            pass                # the daemon ends meanwhile
        check(frame is not None and frame.kind == "finished", "finished should have come, and not", frame)
        return out.decode(), frame


def beside():
    if not os.access(DRRCTL, os.X_OK) or os.path.dirname(DRRCTL) != os.path.dirname(AGENT):
        raise Skipped("drrctl does not lie beside drr-agent")


def job_of(daemon, verb):
    return wait_until(lambda: next((pid for pid in children_of(daemon.agent.process.pid) if verb_of(pid) == verb), None), f"a process of {verb}")


@case("jobs: drrctl status, run and nudge under the daemon, in its jail")
def drrctl():
    beside()
    c = Ctl()
    c.write(extra=c.add_manager("username = admin\nrealm = provider/default-idp-2\npassword_file = " + os.path.join(c.directory, "password") + "\n",
                                on_change=c.fake.event.set))
    try:
        with World(members=1) as world, Daemon(world, watchdog__group_file=c.conf) as daemon, Orders(daemon) as orders:
            out, end = orders.finish(orders.start("status"))
            equal((end.number, end.status, end.job, end.sentence), (7, 0, "status", "exit status 0"), "status ended: " + out + daemon.log)
            equal([m["name"] for m in json.loads(out)["members"]], ["gw1", "gw2", "gw3"], "members")
            own = orders.start("run", "wd-gw1-20261123T170000Z", number=8)
            pid = job_of(daemon, "run")
            with open(f"/proc/{pid}/cmdline", encoding="utf-8") as file:
                equal(file.read().split("\0")[:-1], ["drrctl", "run", "--json", "--run", "wd-gw1-20261123T170000Z", "-g", c.conf], "its command line")
            with open(f"/proc/{pid}/environ", encoding="utf-8") as file:
                names = {entry.split("=")[0] for entry in file.read().split("\0") if entry}
            check("PATH" in names and names <= KEPT, "environment:", names)
            fds = sorted(int(fd) for fd in os.listdir(f"/proc/{pid}/fd"))
            check(os.readlink(f"/proc/{pid}/fd/0") == os.readlink(f"/proc/{pid}/fd/1") != os.readlink(f"/proc/{pid}/fd/2"), "descriptors:", fds)
            equal(status_of(pid, "NoNewPrivs"), "1", "no_new_privs")
            if "seccomp=yes" in daemon.log:
                equal(status_of(pid, "Seccomp"), "2", "seccomp")
            out, end = orders.finish(own)
            equal((end.number, end.status), (8, 0), "run ended: " + out + daemon.log)
            lines = [json.loads(line) for line in out.splitlines()]
            equal((lines[-1]["step"], lines[-1]["exit"], lines[-1]["run"]), ("run", 0, "wd-gw1-20261123T170000Z"), "last line")
            c.check_whole()
            out, end = orders.finish(orders.start("nudge", number=9))
            equal((end.number, end.status), (9, 0), "nudge ended: " + out + daemon.log)
            check(c.manager.changes, "API Manager was not changed")
            out, end = orders.finish(orders.start("resume", number=10))
            equal((out, end.status, end.sentence), ("", NOT_STARTED, "there is no job of that name"), "an order that is none")
            daemon.wait_log("job started", "job=run", "run=wd-gw1-20261123T170000Z")
    finally:
        c.close()


@case("jobs: a daemon that stops ends drrctl, which leaves a run that can be resumed")
def stops():
    beside()
    c = Ctl()
    for agent in c.agents.values():
        agent.step_s["bounce"] = 5
    try:
        with World(members=1) as world, Daemon(world, watchdog__group_file=c.conf) as daemon, Orders(daemon) as orders:
            own = orders.start("run", "r1")
            pid = job_of(daemon, "run")
            wait_until(lambda: c.fake.count("disabled"), "a bounce")
            daemon.agent.signal(signal.SIGTERM)
            out, end = orders.finish(own)
            check(end.status == 5 and is_gone(pid), "how drrctl ended:", end, daemon.log)
            contains(json.loads(out.splitlines()[-1])["next"], "drrctl resume", "r1")
            orders.resume()
            os.kill(orders.engine, signal.SIGTERM)      # the frame that told it to stop was read here
            equal(daemon.ended().exit, 0, "exit of the daemon")
            equal(c.call("resume", "r1")[0], 0, "exit of drrctl resume")
            c.check_whole()
    finally:
        c.close()


@case("jobs: drrctl that is not there, or may not be executed, is said, and the daemon goes on")
def missing():
    with World(members=1) as world:
        folder = os.path.join(world.directory, "bin")
        os.mkdir(folder)
        exe = shutil.copy(AGENT, folder)
        with Daemon(world, exe=exe, watchdog__group_file="/nowhere/group.conf") as daemon, Orders(daemon) as orders:
            out, end = orders.finish(orders.start("status"))
            equal((out, end.status), ("", NOT_STARTED), "drrctl that is missing: " + end.sentence)
            contains(end.sentence, "cannot start drrctl", "No such file")
            contains(daemon.wait_log("a job is not started"), "install drrctl beside drr-agent")
            shutil.copy(AGENT, os.path.join(folder, "drrctl"))      # it came later than the jail
            out, end = orders.finish(orders.start("status"))
            if "landlock=yes" in daemon.log:
                contains(end.sentence, "Permission denied")
            equal(daemon.pids()["engine"], orders.engine, "the engine")


def give_away(directory, uid):
    os.chown(directory, uid, uid)
    for folder, folders, files in os.walk(directory):
        for name in folders + files:
            os.chown(os.path.join(folder, name), uid, uid)


@case("jobs: a daemon of root's with another user starts them as that one; the key of [https] may be root's")
def other_user():
    beside()
    uid = pwd.getpwnam("nobody").pw_uid
    if os.getuid() != 0 or subprocess.run(["test", "-x", DRRCTL], user=uid, check=False).returncode != 0:
        raise Skipped("not root, or drrctl is out of reach for nobody")
    c = Ctl()
    for agent in c.agents.values():
        agent.step_s["precheck"] = 2
    try:
        with World(members=1) as world, hosted(script=("silence",), https=True) as host:
            password = world.secret_file("of-no-use-here-1")
            config = world.config(agent__user="nobody", cli__password_file=password, watchdog__group_file=c.conf, https__listen=f"127.0.0.1:{free_port()}",
                                  https__certificate=host.certificate, https__key=host.key, https__client_ca=host.certificate, https__operators="gw1",
                                  watchdog__notify_url=f"https://localhost:{host.receiver.port}/x", watchdog__notify_pin=host.receiver.pin)
            give_away(c.directory, uid)
            give_away(world.directory, uid)
            os.chmod(host.directory, 0o755)
            with Daemon(world, config=config) as daemon, Orders(daemon) as orders:
                own = orders.start("run", "r1")
                pid = job_of(daemon, "run")
                equal(status_of(pid, "Uid"), str(uid), "user of drrctl")
                equal(orders.finish(own)[1].status, 0, "exit of drrctl: " + daemon.log)
                own = orders.start("notify", body=NEWS)
                wait_until(lambda: host.receiver.got, "the notification")
                pid = job_of(daemon, "notify")
                equal((status_of(pid, "Uid"), host.receiver.got[0]["client"]), (str(uid), ["gw1"]), "user, whose certificate")
                os.kill(pid, signal.SIGTERM)
                equal(orders.finish(own)[1].status, 8, "exit when told to end")
    finally:
        c.close()


@case("jobs: check says what drrctl lacks")
def checked():
    with World(members=1) as world:
        result = world.call(world.config(watchdog__group_file="/nowhere/group.conf"), "check")
        equal(result.exit, 2, "exit")
        contains(result.err, "group_file /nowhere/group.conf cannot be read: No such file", "next: ")
        folder = os.path.join(world.directory, "bin")
        os.mkdir(folder)
        exe = shutil.copy(AGENT, folder)
        config = world.config(watchdog__group_file="/etc/passwd")
        result = world.call(config, "check", exe=exe)
        equal(result.exit, 2, "exit without drrctl")
        contains(result.err, folder + "/drrctl cannot be executed", "install drrctl beside drr-agent")
        shutil.copy(AGENT, os.path.join(folder, "drrctl"))
        equal(world.call(config, "check", exe=exe).exit, 0, "exit with both")


@case("jobs: a notification from the order to its arrival")
def notification():
    with World(members=1) as world, hosted(https=False) as host:
        keys = {"watchdog__notify_url": f"https://localhost:{host.receiver.port}/x", "watchdog__notify_pin": host.receiver.pin}
        with Daemon(world, **keys) as daemon, Orders(daemon) as orders:
            took = []
            for number in range(1, 6):
                began = time.monotonic()
                out, end = orders.finish(orders.start("notify", number=number, body=NEWS))
                equal((out, end.number, end.status), ("", number, 0), "notify ended: " + daemon.log)
                took.append(host.receiver.got[-1]["at"] - began)
            equal([g["body"] for g in host.receiver.got], [NEWS] * 5, "what came")
            host.receiver.script = [400]
            equal(orders.finish(orders.start("notify", body=NEWS))[1].status, 4, "exit when refused")
        return f"{min(took) * 1000:.0f} to {max(took) * 1000:.0f} ms"


@case("jobs: a notification that does what it must not is ended, and the daemon goes on")
def violation():
    kernel_can()
    with World(members=1) as world, hosted(script=("silence",)) as host:
        keys = {"watchdog__notify_url": f"https://localhost:{host.receiver.port}/x", "watchdog__notify_pin": host.receiver.pin}
        with Daemon(world, **keys) as daemon:
            if "seccomp=yes" not in daemon.log:
                raise Skipped("this build has no seccomp")
            with Orders(daemon) as orders:
                for number in FORBIDDEN[os.uname().machine]:
                    seen = len(host.receiver.got)
                    own = orders.start("notify", body=NEWS)
                    wait_until(lambda: len(host.receiver.got) > seen, "its request")
                    done = poke(job_of(daemon, "notify"), number)
                    equal((done.returncode, done.stdout), (0, "killed by signal 31\n"), f"poke with {number}: " + done.stderr)
                    out, end = orders.finish(own)
                    equal((out, end.status), ("", 128 + signal.SIGSYS), f"end after system call {number}")
                daemon.wait_log("job ended", "job=notify", "signal 31")


# What the engine may, and a notification may not: listen, timerfd_create, renameat, inotify_init1.
FORBIDDEN = {"x86_64": (50, 283, 264, 294), "aarch64": (201, 85, 38, 26)}
