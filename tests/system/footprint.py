"""What a daemon costs, from /proc: times it was woken, processor time, memory; and a daemon with an HTTPS endpoint, made as an operator makes it (`drr-agent cert`)."""

import contextlib
import http.client
import json
import os
import re
import socket
import ssl
import subprocess
import sys

from daemon import Answer, Daemon, plan_of
from harness import AGENT, LIMIT_S, check, equal

HERE = os.path.dirname(os.path.abspath(__file__))
ELSEWHERE = "127.0.0.200"       # where our own clients come from: none of the addresses of flood.py


def free_port():
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def cert(*arguments):
    done = subprocess.run([AGENT, "cert", "init", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    check(done.returncode == 0, "cert init", *arguments, done.stdout + done.stderr)


class Door:
    """The HTTPS endpoint of a member: its keys of the configuration, its files, and a client that is let in."""

    def __init__(self, world, member="gw1"):
        self.folder = os.path.join(world.directory, member + "-door")
        os.makedirs(self.folder, mode=0o700)
        self.port = free_port()
        self.client = [os.path.join(self.folder, "drrctl." + end) for end in ("pem", "key")]
        self.server = [os.path.join(self.folder, "https." + end) for end in ("pem", "key")]
        self.keys = {"https__listen": f"127.0.0.1:{self.port}", "https__certificate": self.server[0], "https__key": self.server[1],
                     "https__client_ca": self.client[0], "https__operators": "drrctl"}

    def make(self, config):
        cert("-c", config)
        cert("--client", "drrctl", "--out", self.folder)

    def connect(self, source=ELSEWHERE, timeout=LIMIT_S):
        """As the client that is let in; it takes any server, as whose it is does not matter here."""
        context = ssl._create_unverified_context()      # pylint: disable=protected-access
        context.load_cert_chain(*self.client)
        return http.client.HTTPSConnection("127.0.0.1", self.port, context=context, source_address=(source, 0), timeout=timeout)

    def foreign(self):
        """A certificate and its key, in one file, that are not let in."""
        folder, path = os.path.join(self.folder, "foreign"), os.path.join(self.folder, "foreign.both")
        if os.path.exists(path):
            return path
        cert("--client", "mallory", "--out", folder)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as both:
            for end in ("pem", "key"):
                with open(os.path.join(folder, "mallory." + end), encoding="ascii") as part:
                    both.write(part.read())
        return path

    def flood(self, count, a_second, at_once, hold_s=20):
        """flood.py; its end is told by flood_end()."""
        numbers = [str(n) for n in (self.port, count, a_second, at_once, hold_s)]
        return subprocess.Popen([sys.executable, os.path.join(HERE, "flood.py"), *numbers, self.foreign()], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)


def flood_end(process):
    text = process.communicate(timeout=LIMIT_S)[0]
    equal(process.returncode, 0, "exit of flood.py")
    return json.loads(text)


def ask(connection, method, path, body=None):
    connection.request(method, path, None if body is None else json.dumps(body), {} if body is None else {"Content-Type": "application/json"})
    response = connection.getresponse()
    return Answer(response.status, response.headers, response.read().decode())


class Remote(Daemon):
    """A daemon that is asked over HTTPS, a connection for each request."""

    def __init__(self, world, member="gw1", env=None, **more):
        self.door = Door(world, member)
        self.lost = []      # what ended requests without an answer
        config = world.config(member, **self.door.keys, **more)
        self.door.make(config)
        super().__init__(world, member, config=config, env=env)

    def call(self, method, path, body=None, timeout=LIMIT_S):
        connection = self.door.connect(timeout=timeout)
        with contextlib.closing(connection):
            try:
                return ask(connection, method, path, body)
            except (OSError, http.client.HTTPException) as why:
                self.lost.append(f"{method} {path}: {why!r}")
                raise

    def whole_run(self, run):
        """On a group of one: each step must succeed."""
        self.grant(run, plan_of(self.member, [self.member]))
        for op in ("precheck", "primary", "flush", "bounce", "confirm"):
            self.done(run, op)
        self.begin_step(run, "await")
        self.webhook(run)
        equal(self.wait_step(run, "await")["state"], "done", "await")
        self.release(run)


# ---- from /proc

def _read(pid, *names):
    with open(os.path.join("/proc", str(pid), *names), encoding="ascii", errors="replace") as file:
        return file.read()


def wakeups(pids):
    """How often each thread was put on a processor again after it waited, by (role, number of the thread).  PIDS: role: pid."""
    found = {}
    for role, pid in pids.items():
        for tid in os.listdir(f"/proc/{pid}/task"):
            found[role, int(tid)] = int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", _read(pid, "task", tid, "status"), re.M).group(1))
    return found


def _rollup(pid, key):
    return int(re.search(rf"^{key}:\s+(\d+) kB", _read(pid, "smaps_rollup"), re.M).group(1))


def own_kib(pids):
    """What each has for itself, by role: written pages."""
    return {role: _rollup(pid, "Anonymous") for role, pid in pids.items()}


def together_kib(pids):
    """Their proportional memory as if nobody else ran this executable: what each has for itself, and once what they share, which is the executable."""
    return sum(own_kib(pids).values()) + max(_rollup(pid, "Rss") - _rollup(pid, "Anonymous") for pid in pids.values())


def cpu_ns(pids):
    """Processor time of all threads, by role."""
    return {role: sum(int(_read(pid, "task", tid, "schedstat").split()[0]) for tid in os.listdir(f"/proc/{pid}/task")) for role, pid in pids.items()}


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))
