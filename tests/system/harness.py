"""What the system tests stand on: a lab, agents beside its members, cases that run several at a time.

A case is a function with the decorator @case.  It judges by the lab's own record (lab.effects()), and only then by what the
agent says.  World.close() checks what must hold in every test: the lab has nothing to complain about, nothing was saved
or changed in another domain, and no password is in anything that an agent printed or stored.
"""

import concurrent.futures
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests", "lab"))
from drrlab.client import Lab, LabError     # noqa: E402

OUT = os.path.join(ROOT, os.environ.get("O", "out"))
AGENT = os.environ.get("DRR_AGENT") or os.path.join(OUT, os.uname().machine.replace("ppc64le", "powerpc64le") + "-linux-musl", "drr-agent")
AGENT_ASAN = os.environ.get("DRR_AGENT_ASAN") or os.path.join(OUT, "asan", "drr-agent")
LIMIT_S = float(os.environ.get("DRR_TEST_LIMIT_S", "120"))     # a hang is found, a slow machine is not

WORK = ("switch_primary", "primary_changed", "flush", "flush_on_replica", "flush_refused", "admin_state", "object_changed", "write_memory",
        "changed_elsewhere")


# ---- judging

class Failed(Exception):
    pass


def check(condition, *what):
    if not condition:
        raise Failed(" ".join(str(w) for w in what))


def equal(got, wanted, what=""):
    check(got == wanted, what, "is", repr(got), "and should be", repr(wanted))


def contains(text, *words):
    for word in words:
        check(word in text, f"{word!r} is missing in: {text!r}")


# ---- one agent process

class Result:
    def __init__(self, process, out, err, json_lines):
        self.exit = process
        self.out, self.err = out, err
        self.lines = json_lines

    @property
    def text(self):
        return self.out + self.err

    @property
    def last(self):
        check(self.lines, "no JSON line was printed; stderr:", self.err)
        return self.lines[-1]

    def sentences(self, step=None, state=None):
        return [line["sentence"] for line in self.lines if step in (None, line["step"]) and state in (None, line["state"])]


class Agent(threading.Thread):
    """A drr-agent process whose output is read as it comes."""

    def __init__(self, world, name, arguments, json_output, exe, env=None, preexec=None):
        super().__init__(daemon=True)
        self.world, self.name_, self.json_output = world, name, json_output
        self.command = [exe] + arguments
        self.out, self.err, self.lines = [], [], []
        self.usage = None
        self._news = threading.Condition()
        self._ended = False
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        errors="backslashreplace", env={**os.environ, **(env or {})}, preexec_fn=preexec)
        self._reader_err = threading.Thread(target=self._read_err, daemon=True)
        self._reader_err.start()
        self.start()

    def _read_err(self):
        for line in self.process.stderr:
            with self._news:
                self.err.append(line)
                self._news.notify_all()

    def run(self):
        for line in self.process.stdout:
            with self._news:
                self.out.append(line)
                if self.json_output:
                    try:
                        self.lines.append(json.loads(line))
                    except ValueError:      # the cases of the output look for this
                        self.lines.append({"step": "(no JSON)", "state": "", "sentence": line})
                self._news.notify_all()
        self._reader_err.join()
        _, status, self.usage = os.wait4(self.process.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        with self._news:
            self._ended = True
            self._news.notify_all()

    def wait_line(self, timeout=LIMIT_S, **fields):
        """The first JSON line with these fields; Failed when the agent ends without it."""
        seen = 0
        deadline = time.monotonic() + timeout
        with self._news:
            while True:
                for line in self.lines[seen:]:
                    if all(line.get(k) == v for k, v in fields.items()):
                        return line
                seen = len(self.lines)
                if self._ended:
                    raise Failed(f"the agent ended without a line {fields}\n" + self.story())
                if not self._news.wait(max(0.0, deadline - time.monotonic())) and time.monotonic() >= deadline:
                    raise Failed(f"no line {fields} within {timeout} s\n" + self.story())

    def signal(self, number):
        self.process.send_signal(number)

    def peak_kb(self, each=lambda: None):
        """Waits for the end; the peak of the resident memory. VmHWM only grows; ru_maxrss would count the process that started it, too."""
        peak = 0
        while self.is_alive():
            try:
                with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
                    found = re.search(r"VmHWM:\s+(\d+) kB", file.read())
                peak = max(peak, int(found.group(1)) if found else 0)
            except OSError:
                break
            each()
            time.sleep(0.003)
        return peak

    def result(self, timeout=LIMIT_S):
        self.join(timeout)
        if self.is_alive():
            self.process.kill()
            self.join(10)
            raise Failed(f"the agent did not end within {timeout} s\n" + self.story())
        result = Result(self.process.returncode, "".join(self.out), "".join(self.err), self.lines)
        self.world.keep(self, result)
        return result

    def story(self):
        return "$ " + " ".join(self.command) + "\n" + "".join(self.out[-40:]) + "".join(self.err[-60:])


# ---- a lab and its agents

class World:
    def __init__(self, members=3, time_scale=0.003, peering="model", **switches):
        settings = {"heartbeat": "never"}
        settings.update({k.replace("__", "."): v for k, v in switches.items()})
        self.directory = tempfile.mkdtemp(prefix="drr-system-")
        self.lab = Lab.start(members=members, time_scale=time_scale, switches=settings, peering=peering)
        self.told = []          # (agent, result) of every process, for secrets and for the story
        self.secrets = {self.lab.password, self.lab.other_password}
        self.peak_kb = 0
        self.exe = AGENT

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        try:
            if kind is None:
                self.close_checks()
            elif issubclass(kind, (Failed, LabError, KeyError, OSError, ValueError, subprocess.SubprocessError, json.JSONDecodeError)):
                raise Failed(f"{kind.__name__}: {value}\n{self.story()}") from value
        finally:
            for agent, _ in self.told:
                if agent.is_alive():
                    agent.process.kill()
            self.lab.stop()
            shutil.rmtree(self.directory, ignore_errors=True)

    def story(self):
        text = "".join(agent.story() + f"exit {result.exit}\n" for agent, result in self.told[-4:])
        effects = [self.show(e) for e in self.lab.effects()[-60:]]
        return text + "effects:\n  " + "\n  ".join(effects) + "\n" + self.lab.errors()

    @staticmethod
    def show(effect):
        return " ".join(f"{k}={v}" for k, v in effect.items() if k not in ("time", "mono", "session") and v is not None)

    def close_checks(self):
        equal(self.lab.errors(), "", "the lab's stderr")
        for effect in self.lab.effects():
            check(effect["effect"] not in ("write_memory", "changed_elsewhere", "password_as_command", "password_change_attempt", "lab_error"),
                  "seen in the lab:", self.show(effect))
        self.check_secrets()

    def check_secrets(self):
        for agent, result in self.told:
            for secret in self.secrets:
                check(secret not in result.text, "a password is in what this printed:", " ".join(agent.command))
        for folder, _, files in os.walk(self.directory):
            for name in files:
                path = os.path.join(folder, name)
                if name.startswith(("password", "id_")) or not os.path.isfile(path):
                    continue
                with open(path, "rb") as file:
                    content = file.read()
                for secret in self.secrets:
                    check(secret.encode() not in content, "a password is in", path)

    def keep(self, agent, result):
        if not any(a is agent for a, _ in self.told):
            self.told.append((agent, result))

    # ---- configuration

    def state_dir(self, member, fresh=False):
        path = os.path.join(self.directory, member)
        if fresh:
            shutil.rmtree(path, ignore_errors=True)
        os.makedirs(path, exist_ok=True)
        os.chmod(path, 0o700)
        return path

    def secret_file(self, text, name="password"):
        path = os.path.join(self.directory, name)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(text + "\n")
        self.secrets.add(text)
        return path

    def config(self, member="gw1", transport="ssh", name="agent.conf", state_dir=None, xmi=False, **more):
        """Writes a configuration; keys as section__key=value, None takes a key away. XMI: with that section, for the user with fewer rights."""
        m = self.lab.member(member)
        values = {
            "agent": {"name": member, "state_dir": state_dir or os.path.join(self.state_dir(member), "state")},
            "appliance": {"domain": self.lab.domain},
            "cli": {"transport": transport, "user": self.lab.user, "password_file": self.lab.password_file},
            "log": {"source": "file", "file": m.log_file},
            "watchdog": {},
            "limits": {"quiet_s": "1"},
        }
        cli = values["cli"]
        if transport == "ssh":
            cli.update(host=m.ssh_host, port=m.ssh_port, host_key=m.host_keys["ecdsa"] + "," + m.host_keys["rsa"])
        elif transport == "telnet":
            cli.update(host=m.telnet_host, port=m.telnet_port)
        else:
            cli["command"] = f"{os.path.join(ROOT, 'tests', 'lab', 'lab')} pty --dir {self.lab.directory} --member {member}"
        if xmi:
            self.lab.refresh()
            self.secrets.add(self.lab.xmi_password)
            values["xmi"] = {"url": m.xmi["url"], "user": self.lab.xmi_user, "password_file": self.lab.xmi_password_file, "pin": m.xmi["pin"]}
        for key, value in more.items():
            section, key = key.split("__")
            values.setdefault(section, {})[key] = value
        os.makedirs(values["agent"]["state_dir"], mode=0o700, exist_ok=True)
        path = os.path.join(self.state_dir(member), name)
        with open(path, "w", encoding="utf-8") as file:
            for section, keys in values.items():
                file.write(f"[{section}]\n" + "".join(f"{k} = {v}\n" for k, v in keys.items() if v is not None))
        return path

    # ---- running

    def begin(self, config, verb, *arguments, json_output=None, exe=None, env=None, preexec=None):
        """Starts `drr-agent VERB`; run and recover print JSON lines unless told otherwise."""
        arguments = list(arguments)
        json_output = verb in ("run", "recover") if json_output is None else json_output
        line = [verb] + (["-c", config] if config else []) + arguments + (["--json"] if json_output and "--json" not in arguments else [])
        return Agent(self, verb, line, "--json" in line and verb in ("run", "recover", "journal"), exe or self.exe, env, preexec)

    def call(self, config, verb, *arguments, **more):
        return self.begin(config, verb, *arguments, **more).result(LIMIT_S)

    def run(self, config, *arguments, webhook=True, member="gw1", **more):
        """A whole `run`; the management server calls as soon as the agent waits for it."""
        agent = self.begin(config, "run", *arguments, **more)
        if webhook:
            self.webhook_when_awaited(agent, member)
        return agent.result(LIMIT_S)

    def webhook_when_awaited(self, agent, member="gw1"):
        try:
            agent.wait_line(step="trigger", state="started")
        except Failed:
            return
        self.lab.call("webhook", member=member)

    def journal(self, config):
        return self.call(config, "journal", "--json").lines

    # ---- what the lab saw

    def count(self, effect, after=0, member=None, **fields):
        return len([e for e in self.lab.effects(effect, member=member, after=after) if all(e.get(k) == v for k, v in fields.items())])

    def mark(self):
        return len(self.lab.effects())

    def changes(self, after=0):
        """What somebody did; a fail-over is the group's own doing."""
        return [e for e in self.lab.effects(after=after) if e["effect"] in WORK and e.get("why") != "failover"]

    def unchanged(self, after=0):
        check(not self.changes(after), "something was changed:", [self.show(e) for e in self.changes(after)])

    def enabled(self, member="gw1"):
        equal(self.lab.get(f"{member}.service")["admin_state"], "enabled", f"admin-state of {member}")

    def closed(self, config):
        """The journal holds nothing open."""
        records = self.journal(config)
        check(records, "the journal is empty")
        began = [r["run"] for r in records if r["kind"] == "begin"]
        for run in began:
            last = [r["kind"] for r in records if r["run"] == run]
            check("end" in last, f"run {run} is open in the journal:", [(r["kind"], r["step"], r["data"]) for r in records])

    def bounced(self, after=0, member="gw1"):
        """How many times the service was really disabled and then enabled again."""
        pairs, down = 0, False
        for e in self.lab.effects("admin_state", member=member, after=after):
            if e["value"] == "disabled":
                down = True
            elif down:
                pairs, down = pairs + 1, False
        return pairs


# ---- cases

CASES = []


def case(name, slow=False, once=None):
    """once(): a reason to skip, or None."""
    def wrap(function):
        CASES.append((name, function, slow, once))
        return function
    return wrap


class Skipped(Exception):
    pass


class Runner:
    def __init__(self, workers):
        self.workers = workers
        self.passed = self.failed = self.skipped = 0
        self._lock = threading.Lock()

    def one(self, name, function):
        began = time.monotonic()
        try:
            note = function() or ""
            status, text = "ok", note
        except Skipped as why:
            status, text = "skip", str(why)
        except Failed as why:
            status, text = "not ok", str(why)
        except Exception:       # a broken test is a failed test
            status, text = "not ok", traceback.format_exc()
        with self._lock:
            seconds = time.monotonic() - began
            if status == "ok":
                self.passed += 1
                print(f"ok {name} ({seconds:.1f} s)")
            elif status == "skip":
                self.skipped += 1
                print(f"skipped {name}: {text}")
                text = ""
            else:
                self.failed += 1
                print(f"not ok {name} ({seconds:.1f} s)")
            for line in text.splitlines():
                print("    " + line)
            sys.stdout.flush()

    def run(self, wanted):
        chosen = [c for c in CASES if not wanted or any(w in c[0] for w in wanted)]
        chosen.sort(key=lambda c: not c[2])     # the long ones first: the end is not spent waiting for one
        with concurrent.futures.ThreadPoolExecutor(self.workers) as pool:
            for future in [pool.submit(self.one, name, function) for name, function, _, _ in chosen]:
                future.result()
        return self.failed
