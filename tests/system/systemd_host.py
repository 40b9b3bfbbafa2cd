"""A host of its own with a real systemd, in namespaces over this host's files; the daemon as `make install` puts it there."""

import os
import shutil
import subprocess
import tempfile
import threading
import time

from daemon import children_of, wait_until
from harness import LIMIT_S, ROOT, Failed, Skipped, equal

HERE = os.path.dirname(os.path.abspath(__file__))
BOOT_S = 20
INSTALLING = threading.Lock()


def needs_systemd():
    if os.geteuid() != 0:
        return "root is needed for namespaces and an overlay"
    if not os.access("/lib/systemd/systemd", os.X_OK):
        return "this host has no systemd"
    return None


def name_of(pid):
    try:
        with open(f"/proc/{pid}/comm", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


class Host:
    """CONFIGS: text by name of the instance ("agent": the plain unit). DROP_IN goes to both units. The password is /etc/drr-agent/password of the agent's user,
    or, with CREDENTIAL, of root, and given to the service by LoadCredential."""

    def __init__(self, world, configs, drop_in="", credential=False):
        drop_in += "LoadCredential=password:/etc/drr-agent/password\n" if credential else ""
        self.world = world
        self.stage = tempfile.mkdtemp(prefix="stage-", dir=world.directory)
        self.log_path = os.path.join(world.directory, "systemd.log")
        self.init = None
        self.install(configs, drop_in)
        os.chmod(world.lab.directory, 0o755)
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(["unshare", "--mount", os.path.join(HERE, "systemd-boot"), self.stage, world.lab.directory], stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL)
        self.wait_booted()
        equal(self.call("systemd-sysusers").returncode, 0, "systemd-sysusers")
        equal(self.call("chown", "root" if credential else "drr-agent", "/etc/drr-agent/password").returncode, 0, "chown")

    def install(self, configs, drop_in):
        with INSTALLING:                # two at once would build at once
            made = subprocess.run(["make", "--no-print-directory", "install", f"DESTDIR={self.stage}"], cwd=ROOT, capture_output=True, text=True, check=False,
                                  env={k: v for k, v in os.environ.items() if not k.startswith("MAKE") and k != "MFLAGS"})
        equal(made.returncode, 0, "make install: " + made.stderr)
        for name, text in configs.items():
            self.write(f"etc/drr-agent/{name}.conf", text)
        shutil.copy(self.world.lab.password_file, os.path.join(self.stage, "etc/drr-agent/password"))
        for unit in ("drr-agent.service", "drr-agent@.service"):
            self.write(f"etc/systemd/system/{unit}.d/test.conf", "[Service]\n" + drop_in)

    def write(self, path, text):
        path = os.path.join(self.stage, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    @property
    def log(self):
        """What systemd and the daemon said."""
        if self.init:
            return self.call("journalctl", "--no-pager", "-o", "cat").stdout
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def wait_booted(self):
        deadline = time.monotonic() + BOOT_S
        while self.process.poll() is None and time.monotonic() < deadline:
            self.init = next((pid for pid in children_of(self.process.pid) if "systemd" in name_of(pid)), None)
            if self.init and self.call("systemctl", "is-active", "test.target").stdout.strip() == "active":
                return
            time.sleep(0.05)
        self.close()
        raise Skipped("systemd does not boot in namespaces here: " + " / ".join(self.log.splitlines()[-3:]))

    def call(self, *command, text=None):
        return subprocess.run(["nsenter", f"--target={self.init}", "--mount", "--pid", "--uts", "--ipc", "--cgroup", "--root", "--wd=/", *command], input=text,
                              capture_output=True, text=True, timeout=LIMIT_S, check=False)

    def systemctl(self, *arguments, exit_code=0):
        done = self.call("systemctl", "--no-pager", *arguments)
        equal(done.returncode, exit_code, f"systemctl {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    def show(self, name, unit="drr-agent"):
        return self.systemctl("show", "-P", name, unit).strip()

    def wait(self, name, value, unit="drr-agent"):
        wait_until(lambda: self.show(name, unit) == value, f"{name} of {unit} is {value}", 60)

    def ask(self, method, path, body=None, socket="/var/lib/drr-agent/api.sock"):
        """By curl over the Unix socket; status and body."""
        more = [] if body is None else ["-H", "Content-Type: application/json", "--data-binary", body]
        done = self.call("curl", "-sS", "-X", method, "--unix-socket", socket, "-w", "\n%{http_code}", *more, f"http://agent{path}")
        equal(done.returncode, 0, f"curl {path}: {done.stderr}")
        text, _, status = done.stdout.rpartition("\n")
        return int(status), text

    def pids(self, unit="drr-agent"):
        """By role, as this host's own numbers: those in the cgroup whose verb it is."""
        listed = self.call("sh", "-c", f"for p in $(cat /sys/fs/cgroup/system.slice/*{unit}*.service/cgroup.procs /sys/fs/cgroup/system.slice/*/{unit}*.service/cgroup.procs 2>/dev/null); do "
                           "echo $p $(tr '\\0' ' ' </proc/$p/cmdline); done").stdout
        return {words[2]: words[0] for line in listed.splitlines() if len(words := line.split()) > 2}

    def kill(self, number, *roles, unit="drr-agent"):
        found = self.pids(unit)
        self.call("kill", f"-{number}", *(found[role] for role in roles))

    def close(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.stage, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        log = self.log[-3000:] if kind else ""
        self.close()
        if kind and issubclass(kind, Failed):
            raise Failed(f"{value}\nthe journal: {log}") from value
