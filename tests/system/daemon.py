"""`drr-agent serve` under test: its three processes, its Unix socket, its word to systemd; and a client that drives a run and resumes it."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time

from harness import LIMIT_S, Failed, check, equal

ROLES = ("serve", "engine", "front")
OPS = ("primary", "flush", "bounce", "confirm", "await")
AGAIN = (429, 503)              # ask again; the third is 409 step-running


class Socket(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("agent", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Answer:
    def __init__(self, status, headers, text):
        self.status, self.headers, self.text = status, headers, text
        self.json = json.loads(text) if "json" in (headers.get("Content-Type") or "") else None

    def __getitem__(self, key):
        return self.json[key]

    @property
    def problem(self):
        """The last word of the problem's type; None when it is no problem."""
        if (self.headers.get("Content-Type") or "") != "application/problem+json":
            return None
        equal(self.json["status"], self.status, "status in the problem")
        return self.json["type"].rsplit(":", 1)[-1]

    def __str__(self):
        return f"{self.status} {self.text[:600]}"


class Systemd(threading.Thread):
    """The other end of NOTIFY_SOCKET."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.words = []
        self.news = threading.Condition()
        self.ended = False
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        self.start()

    def run(self):
        while True:
            text = self.socket.recv(4096).decode()
            if text == "over":
                return
            with self.news:
                self.words.append(text)
                self.news.notify_all()

    def said(self, word):
        return any(word in text.split("\n") for text in self.words)

    def close(self, path):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as own:
            own.sendto(b"over", path)
        self.join()
        self.socket.close()
        os.unlink(path)


def plan_of(primary, order, max_unavailable=1):
    return {"primary": primary, "order": list(order), "max_unavailable": max_unavailable}


def wait_until(condition, what, limit_s=LIMIT_S):
    """What CONDITION gave when it gave something."""
    deadline = time.monotonic() + limit_s
    while not (got := condition()):
        if time.monotonic() > deadline:
            raise Failed(f"waited {limit_s:.0f} s in vain: {what}")
        time.sleep(0.01)
    return got


def children_of(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return []


def verb_of(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read().split(b"\0")
        return words[1].decode() if len(words) > 1 else ""
    except OSError:
        return ""


def state_of(pid):
    """R, S, T, t, Z, ...; "" gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rsplit(") ", 1)[1][0]
    except OSError:
        return ""


def is_gone(pid):
    return state_of(pid) in ("", "Z", "X")


class Daemon:
    """One start of `drr-agent serve`, and all that comes of it.  As a context: ended in order, and this must be exit 0."""

    def __init__(self, world, member="gw1", config=None, wait=True, env=None, preexec=None, exe=None, **more):
        self.world, self.member = world, member
        self.config = config or world.config(member, **more)
        with open(self.config, encoding="utf-8") as file:
            self.state_dir = re.search(r"^state_dir = (.*)$", file.read(), re.M).group(1)
        self.notify_path = os.path.join(world.directory, f"notify-{member}-{time.monotonic_ns()}")
        self.systemd = Systemd(self.notify_path)
        self.agent = world.begin(self.config, "serve", json_output=False, env={"NOTIFY_SOCKET": self.notify_path, **(env or {})}, preexec=preexec, exe=exe)
        self.seen = {"serve": self.agent.process.pid}
        self.over = None
        if wait:
            self.wait_ready()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is None and self.over is None:
            equal(self.stop().exit, 0, "exit of the daemon")
        elif self.over is None:
            self.kill(*ROLES)
            self.ended(-signal.SIGKILL)

    # ---- processes

    def wait_ready(self):
        wait_until(lambda: self.systemd.said("READY=1") or not self.agent.is_alive(), "READY=1")
        check(self.systemd.said("READY=1"), "the daemon ended before it was ready:\n" + self.agent.story())
        self.pids()

    def pids(self):
        """Of those that live, by role; `seen` keeps the last known ones, as a supervisor that was killed has no children any more."""
        found = {"serve": self.agent.process.pid}
        for pid in children_of(self.agent.process.pid):
            if verb_of(pid) in ROLES[1:] and not is_gone(pid):
                found[verb_of(pid)] = pid
        self.seen.update(found)
        return found

    def kill(self, *roles, number=signal.SIGKILL):
        self.pids()
        for role in roles:
            try:
                os.kill(self.seen[role], number)
            except (KeyError, ProcessLookupError):
                pass

    def wait_restart(self, role, old):
        """Until the supervisor has started another ROLE, and it answers."""
        wait_until(lambda: self.pids().get(role, old) != old or not self.agent.is_alive(), f"another {role}")
        check(self.agent.is_alive(), "the daemon ended:\n" + self.agent.story())
        self.wait_answers()

    def wait_answers(self):
        wait_until(lambda: self.try_call("GET", "/livez") == 200, "an answer of the engine")

    def try_call(self, method, path):
        try:
            return self.call(method, path, timeout=5).status
        except OSError:
            return None
        except http.client.HTTPException:
            return None

    def ended(self, exit_code=0):
        """Waits for the end of all three; the result."""
        self.over = self.agent.result(LIMIT_S)
        wait_until(lambda: all(is_gone(pid) for pid in self.seen.values()), "all three are gone")
        self.systemd.close(self.notify_path)
        equal(self.over.exit, exit_code, "exit of the daemon:\n" + self.agent.story() + "\n")
        return self.over

    def stop(self, number=signal.SIGTERM, exit_code=0):
        self.agent.signal(number)
        return self.ended(exit_code)

    def crash(self):
        """kill -9 of all three at once, as far as that goes: none of them sees another one's end."""
        self.pids()
        for role in ROLES:
            if role in self.seen:
                os.kill(self.seen[role], signal.SIGSTOP)
        self.kill(*ROLES)
        return self.ended(-signal.SIGKILL)

    @property
    def log(self):
        return "".join(self.agent.err)

    def wait_log(self, *words):
        """The first line of its log that has all these words."""
        def found():
            for line in list(self.agent.err):
                if all(word in line for word in words):
                    return line
            return "" if self.agent.is_alive() else "ended"
        line = wait_until(found, f"a line of the log with {words}")
        if line == "ended":
            line = next((entry for entry in self.agent.err if all(word in entry for word in words)), "")
            check(line, f"the daemon ended without a line with {words}:\n" + self.agent.story())
        return line

    # ---- asking

    def call(self, method, path, body=None, timeout=LIMIT_S, **headers):
        connection = Socket(os.path.join(self.state_dir, "api.sock"), timeout)
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, path, body=text, headers=headers if body is None else {"Content-Type": "application/json", **headers})
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read().decode())
        finally:
            connection.close()

    def patient(self, method, path, body=None):
        """As a client does: asked again while a process is being restarted, or another step runs."""
        answers = []

        def ask():
            try:
                answer = self.call(method, path, body)
            except (OSError, http.client.HTTPException) as why:
                if not self.agent.is_alive():
                    raise Failed(f"{method} {path}: the daemon is gone: {why}\n" + self.agent.story()) from why
                return None
            answers.append(answer)
            return None if answer.status in AGAIN and answer.problem != "stopping" or answer.problem == "step-running" else answer
        try:
            return wait_until(ask, f"an answer to {method} {path}")
        except Failed as why:
            raise Failed(f"{why}; the last one: {answers[-1] if answers else 'none'}") from why

    def state(self, max_age_ms=None):
        return self.patient("GET", "/v1/state" + ("" if max_age_ms is None else f"?max_age_ms={max_age_ms}")).json

    def events(self, after=0):
        """All behind AFTER, which must follow one another without a gap."""
        found = []
        while True:
            answer = self.patient("GET", f"/v1/events?after={after}&limit=200")
            equal(answer.status, 200, f"events after {after}: {answer}")
            for event in answer["events"]:
                check(not found or event["n"] == found[-1]["n"] + 1, "gap in the events:", found[-1]["n"] if found else 0, event["n"])
                found.append(event)
            if not answer["events"] or found[-1]["n"] == answer["newest"]:
                return found
            after = found[-1]["n"]

    def journal(self):
        return self.world.journal(self.config)

    # ---- a run

    def grant(self, run, plan):
        answer = self.patient("PUT", f"/v1/grant/{run}", plan)
        equal(answer.status, 200, f"grant of {run}: {answer}")
        equal((answer["run"], answer["plan"]), (run, plan), "what was granted")
        return answer

    def release(self, run):
        answer = self.patient("DELETE", f"/v1/grant/{run}")
        equal(answer.status, 204, f"release of {run}: {answer}")

    def post(self, run, op, **more):
        return self.patient("POST", "/v1/steps", {"run": run, "op": op, **more})

    def wait_step(self, run, op):
        """Its end, whoever is restarted meanwhile.  None: nobody knows it (any more)."""
        while True:
            answer = self.patient("GET", f"/v1/steps/{run}.{op}?wait_s=20")
            if answer.status == 404:
                return None
            equal(answer.status, 200, f"step {op}: {answer}")
            if answer["state"] != "running":
                return answer.json

    def begin_step(self, run, op, **more):
        answer = self.post(run, op, **more)
        equal(answer.status, 202, f"{op} of {run} on {self.member}: {answer}")
        equal(answer.headers["Location"], f"/v1/steps/{run}.{op}", "Location")
        return answer

    def step(self, run, op, **more):
        self.begin_step(run, op, **more)
        return self.wait_step(run, op)

    def done(self, run, op, twice=False, **more):
        """A step that must succeed.  TWICE: each request is made twice, before and behind."""
        if twice:
            self.begin_step(run, op, **more)
        step = self.step(run, op, **more)
        equal((step["state"], step["exit"]), ("done", 0), f"{op} on {self.member}: {step}\n")
        if twice:
            equal(self.step(run, op, **more), step, f"{op}, asked for again")
        return step

    def resume(self, run, ops=OPS, attempts=4):
        """Drives what is left of RUN as a coordinator does that knows nothing but what the member says.  The last step's story, by op."""
        told = {}
        for op in ops:
            for _ in range(attempts):
                if op == "await":
                    self.begin_step(run, op)
                    self.webhook(run)
                step = told[op] = self.step(run, op)
                if step and step["state"] == "done":
                    break
                known = self.state()["run"] or {}
                if (op == "flush" and known.get("flush_done")) or (op in ("flush", "confirm") and known.get("flush_unknown")):
                    break       # never sent again: the bounce and the evidence behind it decide
            else:
                raise Failed(f"{op} of {run} did not succeed: {told[op]}")
            if op == "confirm" and step["state"] != "done":
                break
        return told

    def webhook(self, run):
        """The management server calls once the await step watches, and again for one that is asked for once more."""
        def watching():
            answer = self.patient("GET", f"/v1/steps/{run}.await")
            return answer.status == 404 or answer["state"] != "running" or answer.json.get("phase") in ("trigger", "await")
        wait_until(watching, "the await step watches")
        self.world.lab.call("webhook", member=self.member)


def trace(pid, path, journal, inject=()):
    """strace on the process PID: its writes and syncs of the file JOURNAL go to PATH.  Returns when it is attached.

    INJECT: (call, what), as in strace -e inject=CALL:WHAT.
    """
    command = ["strace", "-p", str(pid), "-qq", "-s", "200", "-o", path, "-P", journal, "-e", "trace=write,fdatasync"]
    for call, what in inject:
        command += ["-e", f"inject={call}:{what}"]
    tracer = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def attached():
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            return f"TracerPid:\t{tracer.pid}\n" in file.read() or tracer.poll() is not None
    wait_until(attached, "strace is attached")
    check(tracer.poll() is None, "strace:", tracer.stderr.read() if tracer.poll() is not None else "")
    return tracer
