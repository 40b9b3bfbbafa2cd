"""One lab with one agent beside its member gw1, used for one point after the other; and how a process is run and made to fail."""

import ctypes
import fcntl
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests", "lab"))
from drrlab.client import Lab           # noqa: E402

LIMIT_S = float(os.environ.get("DRR_TEST_LIMIT_S", "120"))      # a hang is found, a slow machine is not
SHORT = "primary,flush,bounce,confirm"
ALL = SHORT + ",await"
STOPPED = "--- stopped by SIGSTOP ---"
LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_CHILD_SUBREAPER, CLONE_NEWNS, MS_REC, MS_PRIVATE = 36, 0x20000, 0x4000, 0x40000
EXT4_IOC_SHUTDOWN, NO_LOG_FLUSH = 0x8004587d, 2     # linux/fs/ext4/ext4.h: what was not synced is lost
DISK_MB = 4


class Trouble(Exception):
    """The test itself cannot go on."""


def leave_nothing():
    """The tracer is a grandchild (strace -D): it comes to us when its child dies.  Mounts are ours alone, and gone when we are."""
    LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    if os.geteuid() == 0 and LIBC.unshare(CLONE_NEWNS) == 0:
        LIBC.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None)


class Process:
    """drr-agent, perhaps with one fault.  `inject` is (call, what), what as in strace -e inject=CALL:WHAT."""

    def __init__(self, slot, verb, arguments, inject=(), preexec=None):
        self.slot, self.verb, self.inject = slot, verb, list(inject)
        self.exit, self.out, self.err, self.trace, self.pipe = None, "", "", "", None
        self.base = slot.path(f"{verb}-{slot.count()}")
        self.began = len(slot.lab.effects())
        self.command = [slot.agent, verb, "-c", slot.config_path, *arguments]
        tracer = []
        if self.inject:
            tracer = ["strace", "-D", "-f", "-qq", "-s", "300", "-o", self.base + ".trace",
                      "-e", "trace=" + ",".join(dict.fromkeys(call for call, _ in self.inject))]
            for call, what in self.inject:
                if what:
                    tracer += ["-e", f"inject={call}:{what}"]
        with open(self.base + ".out", "wb") as out, open(self.base + ".err", "wb") as err:
            if preexec:     # a limit for its files is not to be one for what it says
                self.pipe = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=out)
                out = self.pipe.stdin
            self.process = subprocess.Popen(tracer + self.command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True,
                                            preexec_fn=preexec)
            if preexec:
                out.close()
        slot.processes.append(self)

    def read(self, kind):
        try:
            with open(f"{self.base}.{kind}", encoding="utf-8", errors="backslashreplace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def wait(self):
        try:
            self.exit = self.process.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            self.end()
            raise Trouble(f"{' '.join(self.command)} did not end within {LIMIT_S:.0f} s\n{self.story()}") from None
        self.end()
        return self

    def end(self):
        """Nothing of its process group stays."""
        group = self.process.pid
        deadline = time.monotonic() + 5
        if self.process.poll() is None:
            os.killpg(group, signal.SIGKILL)
            self.exit = self.process.wait()
        while True:
            try:
                if os.waitpid(-group, os.WNOHANG)[0] == 0:
                    if time.monotonic() > deadline:
                        os.killpg(group, signal.SIGKILL)
                    time.sleep(0.001)
            except ChildProcessError:
                break
        if self.pipe:
            self.pipe.wait(LIMIT_S)
        self.out, self.err, self.trace = self.read("out"), self.read("err"), self.read("trace")

    def wait_for(self, seen):
        """True when seen() before it ended."""
        deadline = time.monotonic() + LIMIT_S
        while time.monotonic() < deadline:
            if seen():
                return True
            if self.process.poll() is not None:
                return seen()
            time.sleep(0.004)
        return False

    def wait_stopped(self):
        return self.wait_for(lambda: STOPPED in self.read("trace"))

    def wait_line(self, step, state):
        return self.wait_for(lambda: any(line["step"] == step and line["state"] == state for line in parse_lines(self.read("out"))))

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()

    @property
    def killed(self):
        return self.exit is not None and self.exit < 0

    @property
    def fired(self):
        """Did the fault happen?"""
        return self.killed or "(INJECTED)" in self.trace or "(DELAYED)" in self.trace or STOPPED in self.trace

    @property
    def lines(self):
        return parse_lines(self.out)

    @property
    def last(self):
        """The line that says how it ended; {} when there is none."""
        lines = self.lines
        return lines[-1] if lines and "exit" in lines[-1] else {}

    @property
    def sentence(self):
        return self.last.get("sentence", self.err.strip())

    def story(self):
        inject = " ".join(f"{call}:{what}" for call, what in self.inject)
        return f"$ {' '.join(self.command[1:])}   [{inject}]\n{self.out}{self.err}exit {self.exit}\n"


def parse_lines(text):
    lines = []
    for line in text.splitlines():
        try:
            lines.append(json.loads(line))
        except ValueError:
            pass        # the last one of a killed process
    return lines


class Slot:
    def __init__(self, number, agent, directory):
        self.agent = agent
        self.directory = os.path.join(directory, f"slot{number}")
        os.makedirs(self.directory)
        self.lab = Lab.start(members=3, time_scale=0.001, switches={"heartbeat": "never", "initial_primary": "gw2", "resync_time": 30})
        self.member = self.lab.member("gw1")
        self.processes = []
        self.counter = 0
        self.point_path = self.directory
        self.disk = None
        self.began = 0

    def close(self):
        for process in self.processes:
            process.end()
        self.drop_disk()
        self.lab.stop()

    def count(self):
        self.counter += 1
        return self.counter

    def path(self, name):
        return os.path.join(self.point_path, name)

    # ---- a point begins

    def reset(self, on_disk=False, switches=(), **limits):
        """Everything as at the beginning: an appliance in health whose primary is elsewhere, and an agent that has no past."""
        self.drop_disk()
        shutil.rmtree(self.point_path if self.point_path != self.directory else self.path("none"), ignore_errors=True)
        self.processes = []
        self.point_path = os.path.join(self.directory, f"p{self.count()}")
        os.makedirs(self.point_path)
        self.wait_running()
        self.lab.call("cut", member="all")
        self.wait_until(lambda: not any(m["sessions"] for m in self.lab.state()["members"].values()), "the lab's sessions end")
        self.lab.call("reset")
        self.lab.call("recreate", member="gw1")
        self.lab.call("primary", member="gw2")
        for name, value in switches:
            self.lab.set(name, value)
        self.state_dir = self.path("state")
        if on_disk:
            self.make_disk()
            self.state_dir = os.path.join(self.disk, "state")
        os.mkdir(self.state_dir, 0o700)
        if on_disk:
            os.sync()
        self.write_config(**limits)
        self.began = len(self.lab.effects())

    def wait_until(self, condition, what):
        deadline = time.monotonic() + LIMIT_S
        while not condition():
            if time.monotonic() > deadline:
                raise Trouble("waited in vain: " + what)
            time.sleep(0.005)

    def wait_running(self):
        self.wait_until(lambda: all(m["running"] for m in self.lab.state()["members"].values()), "the appliance is back")

    def write_config(self, **limits):
        m = self.member
        timeouts = {k: limits.pop(k) for k in list(limits) if k.endswith(("connect_timeout_s", "command_timeout_s"))}
        sections = {
            "agent": {"name": "gw1", "state_dir": self.state_dir},
            "appliance": {"domain": self.lab.domain},
            "cli": {"host": m.ssh_host, "port": m.ssh_port, "user": self.lab.user, "password_file": self.lab.password_file,
                    "host_key": m.host_keys["ecdsa"] + "," + m.host_keys["rsa"], **timeouts},
            "log": {"source": "file", "file": m.log_file},
            "limits": {"quiet_s": 1, **limits},
        }
        self.config_path = self.path("agent.conf")
        with open(self.config_path, "w", encoding="utf-8") as file:
            for section, keys in sections.items():
                file.write(f"[{section}]\n" + "".join(f"{k} = {v}\n" for k, v in keys.items()))

    # ---- the file system that loses power

    def make_disk(self):
        image = self.path("disk.img")
        with open(image, "wb") as file:
            file.truncate(DISK_MB << 20)
        self.disk = self.path("disk")
        os.makedirs(self.disk, exist_ok=True)
        for command in (["mkfs.ext4", "-q", "-F", image], ["mount", "-o", "loop", image, self.disk]):
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_S)
            if done.returncode != 0:
                self.disk = None
                raise Trouble(" ".join(command) + ": " + done.stderr.strip())

    def cut_power(self):
        """All that was not synced is gone; then the machine is up again."""
        fd = os.open(self.disk, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(fd, EXT4_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(fd)
        for command in (["umount", self.disk], ["mount", "-o", "loop", self.path("disk.img"), self.disk]):
            subprocess.run(command, stdin=subprocess.DEVNULL, check=True, timeout=LIMIT_S, capture_output=True)

    def drop_disk(self):
        if self.disk:
            subprocess.run(["umount", self.disk], stdin=subprocess.DEVNULL, timeout=LIMIT_S, capture_output=True)
            self.disk = None

    # ---- the agent

    def begin(self, verb, *arguments, inject=(), preexec=None):
        return Process(self, verb, [*arguments, "--json"], inject, preexec)

    def call(self, verb, *arguments, inject=(), preexec=None):
        return self.begin(verb, *arguments, inject=inject, preexec=preexec).wait()

    def journal(self):
        """The records as the agent prints them."""
        return self.call("journal").lines

    # ---- what the lab saw

    def effects(self, effect=None, after=None, **fields):
        found = self.lab.effects(effect, after=self.began if after is None else after)
        return [e for e in found if all(e.get(k) == v for k, v in fields.items())]

    def flushes(self):
        return len(self.effects("flush"))

    def enabled(self):
        return self.lab.get("gw1.service")["admin_state"] == "enabled"

    def story(self):
        shown = ("switch_primary", "primary_changed", "flush", "flush_on_replica", "flush_refused", "admin_state", "service_state", "reload",
                 "reloaded", "session_cut", "login", "login_refused", "command")
        effects = [" ".join(f"{k}={v}" for k, v in e.items() if k not in ("time", "mono", "session") and v is not None)
                   for e in self.effects() if e["effect"] in shown]
        return "".join(p.story() for p in self.processes[-6:]) + "effects:\n  " + "\n  ".join(effects[-60:]) + "\n"
