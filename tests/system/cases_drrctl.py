"""drrctl against agents that are played (fake_agent.py): what it asks of whom, in which order, and what it says; faults, resuming, holds, API Manager.

Judged by the agents' common record, and by the exit code and the lines that scripts rely on.
"""

import contextlib
import json
import os
import pty
import shutil
import signal
import subprocess
import tempfile
import time

from harness import AGENT, LIMIT_S, case, check, contains, equal
import fake_agent

DRRCTL = os.environ.get("DRRCTL") or os.path.join(os.path.dirname(AGENT), "drrctl")
BEFORE_FLUSH = ("precheck", "grant", "primary")


class Ctl:
    """A group of played agents, its group.conf, and drrctl on it."""

    def __init__(self, members=3, group="", extra="", operator="drrctl"):
        self.directory = tempfile.mkdtemp(prefix="drrctl-")
        self.fake = fake_agent.FakeGroup(members)
        self.agents = {a.name: a for a in self.fake.agents}
        self.certificate, self.key = fake_agent.client_identity(self.directory, operator)
        self.doors = [(a.name, *a.listen(self.directory, self.certificate)) for a in self.fake.agents]
        self.manager = None
        self.secrets = []
        self.processes = []
        self.write(group, extra)

    def write(self, group="", extra="", doors=None):
        self.conf = os.path.join(self.directory, "group.conf")
        text = f"[group]\nname = test\ncertificate = {self.certificate}\nkey = {self.key}\n{'' if 'patience_s' in group else 'patience_s = 5'}\n{group}\n"
        text += "".join(f"[member {name}]\nurl = {url}\npin = {pin}\n" for name, url, pin in doors or self.doors)
        with open(self.conf, "w", encoding="utf-8") as file:
            file.write(text + extra)

    def add_manager(self, keys="", on_change=lambda: None):
        self.manager = fake_agent.FakeApiManager(self.directory, on_change)
        for name, secret in (("secret", "cl13nt-s3cret"), ("password", "p\"ss\\word 1"), ("apikey", "k3y-0000")):
            path = os.path.join(self.directory, name)
            with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as file:
                file.write(secret + "\n")
            self.secrets.append(secret)
        return (f"[api_manager]\nurl = {self.manager.url}\npin = {self.manager.pin}\nclient_id = drr\nclient_secret_file = {self.directory}/secret\n"
                f"org = acme\ncatalogs = sandbox, production\n{keys}\n")

    def start(self, *arguments, **more):
        process = subprocess.Popen([DRRCTL, *arguments, "-g", self.conf], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)
        self.processes.append(process)
        return process

    def finish(self, process):
        out, err = process.communicate(timeout=LIMIT_S)
        for secret in self.secrets:
            check(secret not in out + err, "a secret is in the output")
        return process.returncode, out, err

    def call(self, *arguments):
        return self.finish(self.start(*arguments))

    def run(self, *arguments):
        """--json: (exit, the lines as objects)."""
        code, out, err = self.call(*arguments, "--json")
        lines = [json.loads(line) for line in out.splitlines()]
        check(lines, "nothing was printed:", err)
        equal(lines[-1]["step"], "run", "the last line's step")
        equal(lines[-1]["exit"], code, "the exit code that is told")
        check(code == 0 or lines[-1].get("next") or code == 4, "no next step is told:", lines[-1])
        return code, lines

    def wait_log(self, *what):
        until = time.monotonic() + LIMIT_S
        while not self.fake.count(*what):
            check(time.monotonic() < until, what, "did not happen:", self.fake.log)
            time.sleep(0.01)

    def check_whole(self):
        """One flush, before every bounce; everybody enabled, awaited and released."""
        log = self.fake.log
        equal(self.fake.count("flush") - self.fake.count("flush", self.fake.primary, "done"), 1, "flushes")
        flushed = next(i for i, entry in enumerate(log) if entry[0] == "flush")
        for name, agent in self.agents.items():
            check(agent.enabled and agent.grant is None, name, "is not as it was")
            check(("disabled", name) in log[flushed:], name, "was not bounced after the flush")
            equal(agent.steps["await"]["state"], "done", f"await of {name}")

    def worst_disabled(self):
        worst = down = 0
        for entry in self.fake.log:
            down += (entry[0] == "disabled") - (entry[0] == "enabled")
            worst = max(worst, down)
        return worst

    def close(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
        self.fake.stop()
        if self.manager:
            self.manager.stop()
        shutil.rmtree(self.directory, ignore_errors=True)


@contextlib.contextmanager
def ctl(*arguments, **more):
    it = Ctl(*arguments, **more)
    try:
        yield it
    finally:
        it.close()


# ---- runs

@case("drrctl: a run of three")
def run_of_three():
    with ctl() as c:
        code, lines = c.run("run")
        equal(code, 0, lines[-1])
        c.check_whole()
        equal(c.worst_disabled(), 1, "members disabled at once")
        equal([e[1] for e in c.fake.log if e[0] == "disabled"], ["gw1", "gw2", "gw3"], "the order of the bounces")
        first_step = next(i for i, e in enumerate(c.fake.log) if e[0] == "primary")
        equal(sum(e[0] == "grant" for e in c.fake.log[:first_step]), 3, "grants before anything is done")
        for line in lines:
            check(set(line) >= {"time", "run", "member", "step", "state", "sentence"}, line)
        for step in ("precheck", "grant", "bounce", "confirm", "await", "release"):
            equal(sorted(x["member"] for x in lines if x["step"] == step and x["state"] == "done"), ["gw1", "gw2", "gw3"], step)
        equal([x["member"] for x in lines if x["step"] == "flush" and x["state"] == "done"], ["gw1"], "flush")
        seen = len(c.fake.log)
        code, again = c.run("run", "--run", lines[-1]["run"])
        equal(code, 3, "a run's id once more")
        contains(again[-1]["sentence"], "had a run")
        equal(len(c.fake.log), seen, "what happened")


@case("drrctl: together, and a rolling pair")
def run_together():
    with ctl(members=4, group="order = together") as c:
        for agent in c.agents.values():
            agent.step_s["bounce"] = 0.5
        equal(c.run("run")[0], 0)
        c.check_whole()
        equal(c.worst_disabled(), 4, "members disabled at once")
    with ctl(members=4, group="max_unavailable = 2") as c:
        for agent in c.agents.values():
            agent.step_s["bounce"] = 0.3
        equal(c.run("run")[0], 0)
        equal(c.worst_disabled(), 2, "members disabled at once")


@case("drrctl: the primary is elsewhere, or is moved")
def run_primary():
    with ctl() as c:
        c.fake.primary = "gw2"
        equal(c.run("run")[0], 0)
        check(("flush", "gw2") in c.fake.log)
    with ctl() as c:
        equal(c.run("run", "--primary", "gw3")[0], 0)
        check(("flush", "gw3") in c.fake.log and c.fake.primary == "gw3")
        equal(c.call("run", "--primary", "gw9")[0], 2)


@case("drrctl: plan changes nothing")
def plan():
    with ctl() as c:
        code, out, err = c.call("plan")
        equal(code, 0, err)
        contains(out, "flush", "gw1", "at most 1 disabled")
        equal([e for e in c.fake.log if e[0] != "precheck"], [], "what happened")
        equal(c.run("run", "--dry-run")[0], 0)
        equal([e for e in c.fake.log if e[0] != "precheck"], [], "what happened")
        c.agents["gw2"].fails["precheck"] = [("refused", 3, "the service is disabled")]
        code, lines = c.run("plan")
        equal(code, 3)
        contains(lines[-1]["sentence"], "gw2", "the service is disabled")
        check(not any(m in ("PUT", "DELETE") for a in c.agents.values() for m, _ in a.requests), "a plan writes")


@case("drrctl: one member through its socket")
def run_local():
    with ctl(members=1) as c:
        path = os.path.join(c.directory, "api.sock")
        c.agents["gw1"].stop()
        c.agents["gw1"].listen_local(path)
        with open(c.conf, "w", encoding="utf-8") as file:
            file.write(f"[member gw1]\nurl = unix://{path}\n")
        equal(c.run("run")[0], 0)
        c.check_whole()
        c.agents["gw1"].stop()
        code, out, _ = c.call("status")
        equal(code, 8)
        contains(out, "no connection to " + path)


# ---- looking

@case("drrctl: status")
def status():
    with ctl() as c:
        code, out, _ = c.call("status")
        equal(code, 0)
        contains(out, "gw1", "10.0.0.12", "IDG.10.5.0.11", "enabled")
        c.agents["gw2"].away = True
        c.agents["gw3"].override = {"hold": {"owner": "alice", "reason": "change 4711", "until": "2030-01-02T03:04:05Z"}}
        code, out, _ = c.call("status", "--json")
        equal(code, 8)
        told = json.loads(out)
        equal([m["name"] for m in told["members"]], ["gw1", "gw2", "gw3"], "members")
        check(told["members"][0]["error"] is None and told["members"][0]["state"]["peering"]["object"] == "gwd", told["members"][0])
        check(told["members"][1]["state"] is None and told["members"][1]["error"], told["members"][1])
        equal(sorted(r["name"] for r in told["refusals"]), ["hold", "unreachable"], "refusals")
        contains(c.call("status")[1], "held by alice", "change 4711")


@case("drrctl: keys and certificates")
def trust():
    with ctl(members=2) as c:
        stranger = "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
        c.write(doors=[c.doors[0], (c.doors[1][0], c.doors[1][1], stranger)])
        code, out, _ = c.call("status")
        equal(code, 8)
        contains(out, "is not pinned", c.doors[1][2])
        equal(c.agents["gw2"].requests, [], "what a stranger was asked")
        equal(c.run("run")[0], 3)

        c.write()
        c.certificate, c.key = fake_agent.client_identity(c.directory, "other")
        c.write()
        c.agents["gw1"].requests.clear()
        code, out, _ = c.call("status")
        equal(code, 8, "a certificate that the agents do not know")
        contains(out, "our certificate")
        equal(c.agents["gw1"].requests, [], "what a stranger may ask")
    with ctl(members=2) as c:
        c.agents["gw2"].operators = ["somebody else"]
        equal(c.call("status")[0], 7)
        code, lines = c.run("run")
        equal(code, 7)
        contains(lines[-1]["next"], "operators")
        equal(c.fake.log, [], "what happened")
    with ctl(members=1) as c:
        os.chmod(c.key, 0o644)
        code, _, err = c.call("status")
        equal(code, 2)
        contains(err, "chmod o-rwx")


# ---- refusals

@case("drrctl: what the members do not agree on")
def refusals():
    cases = [
        ({"peering": {"object": "other"}}, 3, "object-differs", False), ({"appliance": {"domain": "other"}}, 3, "object-differs", False),
        ({"peering": {"primary_address": "10.0.0.13"}}, 3, "primary-differs", True), ({"peering": {"is_primary": True}}, 3, "several-primaries", True),
        ({"peering": {"quorum": False}}, 3, "no-quorum", True), ({"peering": {"persistence": "local"}}, 3, "persistence-differs", True),
        ({"appliance": {"firmware": "IDG.10.6.0.0"}}, 3, "firmware-differs", True), ({"journal": {"open": True}}, 6, "journal-open", False),
        ({"hold": {"owner": "alice", "reason": "r", "until": "2030-01-01T00:00:00Z"}}, 6, "hold", False), ({"member": {"name": "gw9"}}, 2, "name-differs", False),
        ({"member": {"address": "10.0.0.77"}}, 3, "member-missing", True),
        ({"grant": {"run": "r0", "plan": {"primary": "gw1", "order": ["gw1", "gw2"], "max_unavailable": 1}, "since": "2026-01-01T00:00:00Z", "by": "bob"}}, 6, "grant-held", False),
    ]
    with ctl(members=2) as c:
        for override, exit_code, name, optional in cases:
            c.agents["gw2"].override = override
            code, lines = c.run("run")
            equal(code, exit_code, name)
            told = [x for x in lines if x["step"] == "precheck" and x["state"] == "refused"]
            check(any(x["sentence"].startswith(name + ":") and "gw2" in x["evidence"] for x in told), name, told)
            equal(c.fake.log, [], "what happened")
            if optional:
                equal(c.run("plan", "--override-" + name)[0], 0, f"--override-{name}")
            else:
                equal(c.call("run", "--override-" + name)[0], 2, f"--override-{name}")
            c.fake.log.clear()
        c.agents["gw2"].override = {}
        c.fake.primary = "gw9"
        equal(c.run("run")[0], 3, "no primary")
        equal(c.run("run", "--primary", "gw2", "--override-no-primary")[0], 0, "no primary, and one that is to be it")
        equal([x for x in c.fake.overrides if x[1] == "precheck"][-1][2], ["no-primary"], "what the agents are told")


@case("drrctl: a member does not answer, or refuses: nothing is flushed")
def refused_members():
    with ctl() as c:
        c.agents["gw3"].away = True
        code, lines = c.run("run")
        equal(code, 3, "one of three does not answer")
        contains(lines[-1]["sentence"], "not every member answers")
        for agent in c.agents.values():
            agent.away = True
        code, lines = c.run("run")
        equal(code, 8, "nobody answers")
        contains(lines[-1]["sentence"], "not every member answers")
        equal(c.fake.log, [], "what happened")
    for op, state, exit_code in (("precheck", "refused", 3), ("primary", "failed", 4), ("flush", "refused", 3), ("flush", "failed", 4), ("primary", "failed", 7)):
        with ctl() as c:
            c.agents["gw1"].fails[op] = [(state, exit_code, "because it is so")]
            code, lines = c.run("run")
            equal(code, exit_code, op)
            contains(lines[-1]["sentence"], "because it is so", "nothing was flushed")
            check(not c.fake.count("disabled"), "a service was touched")
            check(all(a.grant is None for a in c.agents.values()), "a grant is left")
    with ctl() as c:        # gw3 goes away between the look and its grant
        c.agents["gw1"].step_s["precheck"] = 0.5
        process = c.start("run", "--json")
        c.wait_log("precheck", "gw3")
        c.agents["gw3"].away = True
        equal(c.finish(process)[0], 8)
        equal([e for e in c.fake.log if e[0] in ("flush", "disabled")], [], "what happened")
        check(c.agents["gw1"].grant is None and c.agents["gw2"].grant is None, "a grant is left")


# ---- resuming

@case("drrctl: killed at every step, and resumed")
def killed():
    points = [("precheck", "gw1"), ("grant", "gw1"), ("grant", "gw3"), ("primary", "gw1"), ("flush", "gw1"), ("disabled", "gw1"), ("enabled", "gw1"), ("bounce", "gw2"),
              ("disabled", "gw3"), ("confirm", "gw1"), ("await", "gw1"), ("await", "gw3"), ("release", "gw1")]
    for point in points:
        with ctl() as c:
            process = c.start("run", "--run", "r1", "--json")
            c.wait_log(*point)
            process.kill()
            process.communicate()
            if any(a.grant for a in c.agents.values()):
                code, lines = c.run("resume", "r1")
                over = code == 3 and not any(a.grant for a in c.agents.values())    # its last requests were still on their way when it was killed
                check(code == 0 or (over and point[0] in ("await", "release")), f"killed at {point}: {lines[-1]}")
            elif point[0] == "precheck":
                code = c.run("resume", "r1")[0]     # 0: a grant was still on its way
                check(code in (0, 3), "resume ended with", code)
                if code == 3:
                    equal(c.run("run")[0], 0)
            c.check_whole()
            equal(c.worst_disabled(), 1, "members disabled at once")
            for name in c.agents:
                equal(c.fake.count("disabled", name), 1, f"bounces of {name}")


@case("drrctl: two of them drive one run")
def two_coordinators():
    with ctl() as c:
        for agent in c.agents.values():
            agent.step_s["bounce"] = 0.2
        first = c.start("run", "--run", "r1", "--json")
        c.wait_log("grant", "gw2")
        others = [c.start("resume", "r1", "--json") for _ in range(3)]
        for process in [first] + others:
            code = c.finish(process)[0]
            check(code in (0, 3), "exit", code)     # 3: it was over when it looked
        c.check_whole()
        equal([c.fake.count("disabled", n) for n in c.agents], [1, 1, 1], "bounces")
        equal(c.worst_disabled(), 1)


@case("drrctl: another run begins right after it looked")
def overtaken():
    with ctl() as c:
        agent = c.agents["gw2"]
        answer = agent.answer

        def busy(command, path, body):
            if command == "POST" and path == "/v1/steps":       # a step of r0 is under way whenever it asks
                agent.grant = {"run": "r0", "plan": {"primary": "gw1", "order": list(c.agents), "max_unavailable": 1}, "since": "2026-01-02T03:04:05.000Z", "by": "bob"}
                raise fake_agent.Problem(409, "step-running", "a step is under way")
            return answer(command, path, body)
        agent.answer = busy
        code, lines = c.run("run", "--run", "r1")
        equal(code, 6, lines[-1])
        contains(lines[-1]["sentence"], "gw2", "run r0")
        contains(lines[-1]["next"], "drrctl resume", "r0")
        equal(c.fake.count("flush"), 0, "flushes")
        check(all(a.grant is None or a is agent for a in c.agents.values()), "a grant is left")


@case("drrctl: answers are lost")
def lost_answers():
    for every in (2, 3, 4):
        with ctl(group="patience_s = 60") as c:     # on a loaded machine five seconds can go by between two answers
            for number, agent in enumerate(c.agents.values()):
                agent.lose_every = every
                agent.requests = [None] * number    # not all in the same places
            code, lines = c.run("run")
            equal(code, 0, lines[-1])
            c.check_whole()
            equal([c.fake.count("disabled", n) for n in c.agents], [1, 1, 1], "bounces")


@case("drrctl: a bounce fails, the rest goes on, resume completes")
def bounce_fails():
    with ctl() as c:
        c.agents["gw2"].fails["bounce"] = [("failed", 4, "the appliance said no")]
        code, lines = c.run("run", "--run", "r1")
        equal(code, 5)
        contains(lines[-1]["sentence"], "gw2", "the appliance said no")
        contains(lines[-1]["next"], f"drrctl resume -g {c.conf} r1")
        equal(c.agents["gw3"].steps["await"]["state"], "done")
        check(all(a.grant for a in c.agents.values()), "the grants are gone")
        code, _, err = c.call("release", "r1")
        equal(code, 3, "giving up a group that is flushed by half")
        contains(err, "--override-flushed")
        equal(c.run("run")[0], 6, "another run meanwhile")
        equal(c.run("resume", "r1")[0], 0)
        equal(c.agents["gw2"].steps["bounce"]["attempt"], 2)
        c.check_whole()


@case("drrctl: a member may be disabled")
def may_be_disabled():
    with ctl() as c:
        c.agents["gw2"].fails["bounce"] = [("failed", 9, "enable is refused")]
        code, lines = c.run("run", "--run", "r1")
        equal(code, 9)
        contains(lines[-1]["sentence"], "gw2 may be disabled", "act now")
        contains(lines[-1]["next"], "on gw2", "drr-agent recover", f"drrctl resume -g {c.conf} r1")
        equal(c.fake.count("disabled", "gw3"), 0, "bounces of gw3")
        equal(c.call("release", "r1")[0], 6, "release while a journal is open")
        c.agents["gw2"].enabled = True
        c.fake.note("enabled", "gw2")
        equal(c.run("resume", "r1")[0], 0)
        c.check_whole()
        equal(c.worst_disabled(), 1)


@case("drrctl: it is not sure that the flush took effect")
def unsure_flush():
    with ctl() as c:
        c.agents["gw1"].fails["flush"] = [("failed", 5, "the primary moved during the flush")]
        code, lines = c.run("run")
        equal(code, 5)
        contains(lines[-1]["sentence"], "may be run again")
        equal([c.fake.count("disabled", n) for n in c.agents], [1, 1, 1], "bounces")
        check(all(a.grant is None for a in c.agents.values()), "a grant is left")


@case("drrctl: the run of somebody who is gone is adopted")
def adopts():
    with ctl() as c:
        process = c.start("run", "--run", "r1", "--json")
        c.wait_log("flush", "gw1")
        process.kill()
        process.communicate()
        time.sleep(0.3)
        code, lines = c.run("run")
        equal(code, 6)
        check(any("r1" in x.get("evidence", "") for x in lines), "the other run is not named")
        contains(lines[-1]["next"], f"drrctl resume -g {c.conf} r1")
        equal(c.run("run", "--adopt-after-s", "3600")[0], 6, "too young")
        time.sleep(1.2)
        code, lines = c.run("run", "--adopt-after-s", "1")
        equal(code, 0, lines[-1])
        equal(lines[-1]["run"], "r1")
        c.check_whole()


@case("drrctl: interrupted")
def interrupted():
    with ctl() as c:
        c.agents["gw1"].step_s["primary"] = 2
        process = c.start("run", "--run", "r1", "--json")
        c.wait_log("grant", "gw3")
        process.send_signal(signal.SIGINT)
        code, out, _ = c.finish(process)
        equal(code, 4)
        contains(json.loads(out.splitlines()[-1])["sentence"], "stopped by the operator", "nothing was flushed")
        check(all(a.grant is None for a in c.agents.values()), "a grant is left")
        equal(c.fake.count("flush"), 0, "flushes")
    with ctl() as c:
        c.agents["gw2"].step_s["bounce"] = 1
        process = c.start("run", "--run", "r1", "--json")
        c.wait_log("disabled", "gw2")
        process.send_signal(signal.SIGTERM)
        code, out, _ = c.finish(process)
        equal(code, 5)
        last = json.loads(out.splitlines()[-1])
        contains(last["sentence"], "after the flush")
        contains(last["next"], f"drrctl resume -g {c.conf} r1")
        equal(c.run("resume", "r1")[0], 0)
        c.check_whole()


# ---- hold, release

@case("drrctl: hold and unhold")
def holds():
    with ctl(members=2) as c:
        equal(c.call("hold")[0], 2, "hold without a reason")
        equal(c.call("hold", "--reason", "change 4711", "--owner", "alice", "--for-s", "600")[0], 0)
        for agent in c.agents.values():
            equal((agent.hold["owner"], agent.hold["reason"]), ("alice", "change 4711"), "the hold")
        code, lines = c.run("run")
        equal(code, 6)
        contains(str(lines), "alice", "change 4711")
        equal(c.call("unhold")[0], 0)
        check(all(a.hold is None for a in c.agents.values()), "a hold is left")
        equal(c.run("run")[0], 0)


@case("drrctl: release")
def releases():
    with ctl() as c:
        c.agents["gw1"].step_s["primary"] = 30
        process = c.start("run", "--run", "r1", "--json")
        c.wait_log("grant", "gw3")
        until = time.monotonic() + LIMIT_S
        while "primary" not in c.agents["gw1"].steps:
            check(time.monotonic() < until, "the step was not asked for")
            time.sleep(0.01)
        process.kill()
        process.communicate()
        equal(c.call("release", "r1")[0], 6, "release while a step is under way")
        c.agents["gw1"].steps["primary"]["state"] = "failed"
        c.agents["gw3"].away = True
        equal(c.call("release", "r1")[0], 8, "release while a member does not answer")
        check(c.agents["gw2"].grant, "released all the same")
        c.agents["gw3"].away = False
        code, out, _ = c.call("release", "r1")
        equal(code, 0)
        contains(out, "gw1: the grant is given back")
        check(all(a.grant is None for a in c.agents.values()), "a grant is left")
        equal(c.call("release", "r 1")[0], 2)
        equal(c.call("release")[0], 2)


# ---- API Manager

@case("drrctl: nudge")
def nudge():
    with ctl(members=1) as c:
        c.write(extra=c.add_manager(f"username = bob\nrealm = provider/default-idp-2\npassword_file = {c.directory}/password"))
        code, out, err = c.call("nudge")
        equal(code, 0, err)
        equal(c.manager.logins[-1], {"grant_type": "password", "username": "bob", "realm": "provider/default-idp-2", "password": "p\"ss\\word 1", "client_id": "drr",
                                     "client_secret": "cl13nt-s3cret"}, "the log-in")
        equal([n for n, _ in c.manager.changes], ["sandbox", "sandbox", "production", "production"], "changes")
        contains(c.manager.changes[0][1], "My catalog (drrctl 20")
        equal(c.manager.catalogs, {"sandbox": "My catalog", "production": None}, "the summaries afterwards")

        c.write(extra=c.add_manager(f"api_key_file = {c.directory}/apikey\nsummary = append"))
        equal(c.call("nudge")[0], 0)
        equal(c.call("nudge")[0], 0)
        equal(c.manager.logins[-1]["grant_type"], "api_key")
        equal(c.manager.catalogs["sandbox"].count("(drrctl"), 1, "markers in the summary")
        c.manager.refuse_change = 403
        equal(c.call("nudge")[0], 7)

        c.write(extra=c.add_manager())
        c.manager.refuse_token = 401
        code, _, err = c.call("nudge")
        equal(code, 7)
        equal(c.manager.logins[-1]["grant_type"], "client_credentials")
        contains(err, "does not let us log in", "401", "credentials in [api_manager]")
        c.manager.stop()
        equal(c.call("nudge")[0], 8)
        c.write()
        equal(c.call("nudge")[0], 2, "nudge without the section")


@case("drrctl: a run makes API Manager send an event")
def run_nudges():
    for keys, nudged in (("nudge = always", True), ("nudge = auto\nnudge_after_s = 1", True), ("nudge = never", False), ("nudge = auto\nnudge_after_s = 300", False)):
        with ctl() as c:
            c.write(extra=c.add_manager(keys, on_change=c.fake.event.set))
            for agent in c.agents.values():     # await ends after an event only
                agent.step_s["await"] = 0.3
            c.fake.event.clear()
            process = c.start("run", "--json")
            c.wait_log("confirm", "gw3")
            if not nudged:
                time.sleep(1)
                equal(c.manager.changes, [], "changes")
                c.fake.event.set()
            code, out, _ = c.finish(process)
            equal(code, 0, keys)
            equal(bool(c.manager.changes), nudged, "nudged")
            lines = [json.loads(line) for line in out.splitlines()]
            equal(lines[-1]["exit"], 0)
            check(any(x["step"] == "trigger" and x["state"] == "done" for x in lines), "no trigger is told")
    with ctl() as c:        # API Manager says no: the heartbeat is waited for
        c.write(extra=c.add_manager("nudge = always"))
        c.manager.refuse_token = 401
        for agent in c.agents.values():
            agent.step_s["await"] = 0.5
        code, lines = c.run("run")
        equal(code, 0)
        check(any(x["step"] == "trigger" and x["state"] == "failed" and "log in" in x["sentence"] for x in lines), "its refusal is not told")


@case("drrctl: the management server does not call: told, with where to look")
def no_call():
    with ctl() as c:
        for agent in c.agents.values():
            agent.fails["await"] = [("failed", 5, "no event came")]
        code, lines = c.run("run", "--run", "r1")
        equal(code, 5)
        contains(lines[-1]["sentence"], "the management server has not called", "no event came")
        contains(lines[-1]["next"], "in API Manager", "port 3000", f"drrctl nudge -g {c.conf}", f"drrctl resume -g {c.conf} r1", "never another flush")
        equal(c.run("resume", "r1")[0], 0)
        c.check_whole()
        c.agents["gw2"].fails["await"] = [("failed", 5, "it failed")]       # the others were served: it is this member
        code, lines = c.run("run", "--run", "r2")
        equal(code, 5)
        check("has not called" not in lines[-1]["sentence"], lines[-1])


@case("drrctl: API Manager is asked until every catalog is up to date")
def catalogs():
    def told(lines):
        return [(x["state"], x.get("evidence", "")) for x in lines if x["step"] == "await" and "API Manager" in x["sentence"]]
    with ctl() as c:
        c.write(extra=c.add_manager("nudge = never\nstatus_timeout_s = 30"))
        c.manager.pending = 2       # looks; there are two catalogs
        code, lines = c.run("run", "--run", "r1")
        equal((code, [state for state, _ in told(lines)]), (0, ["started", "done"]), lines)
        contains(told(lines)[0][1], "sandbox: not up to date, 0 events sent and 2 queued are outstanding, service enabled")
        contains(told(lines)[1][1], "sandbox: up to date; production: up to date")
        equal(len(c.manager.logins), 1, "log-ins")
        told_by_report = json.loads(c.call("report", "r1", "--json")[1])["api_manager"]
        equal(told_by_report, "sandbox: up to date; production: up to date")
        contains(c.call("report", "r1")[1], "API Manager now: sandbox: up to date")
        c.manager.refuse_token = 401
        contains(json.loads(c.call("report", "r1", "--json")[1])["api_manager"], "cannot be asked", "log in")
        c.write(extra=c.add_manager("status_timeout_s = 1"))
        c.manager.pending = 1000
        code, lines = c.run("run", "--run", "r2")
        equal((code, told(lines)[-1][0]), (0, "failed"), lines)
        contains(lines[-1]["sentence"], "configuration is back on all", "API Manager does not call every catalog up to date yet")
        contains(lines[-1]["next"], "gateway service", "never another flush")
        code, out, err = c.call("nudge")
        equal(code, 4, err)
        contains(err, "does not call every catalog up to date", "next:")
        contains(out, "API Manager sends an event for 2 catalogs", "queued are outstanding")
        c.write(extra=c.add_manager("status_timeout_s = 0"))
        equal(c.run("run", "--run", "r3")[0], 0)
        equal((c.manager.looks, c.manager.logins), (0, []), "it is not asked")


# ---- outputs

@case("drrctl: report")
def report():
    with ctl() as c:
        page = os.path.join(c.directory, "page.html")
        for number, agent in enumerate(c.agents.values()):
            for i in range(0, 450 * number):        # more than a page of another run's
                agent.event("r0", "bounce", f"{i}")
        c.agents["gw3"].events_gone = 10
        c.agents["gw2"].fails["confirm"] = [("failed", 5, "<script>alert(1)</script> & \"more\"")]
        equal(c.run("run", "--run", "r1")[0], 0)
        code, out, err = c.call("report", "r1", "--html", page, "--json")
        equal(code, 0, err)
        told = json.loads(out)
        equal((told["run"], told["group"], [m["name"] for m in told["members"]]), ("r1", "test", ["gw1", "gw2", "gw3"]), "the report")
        equal(told["members"][0]["steps"]["flush"]["state"], "done")
        for member in told["members"]:
            equal({e["run"] for e in member["events"]}, {"r1"}, "runs of the events")
            equal([e["event"] for e in member["events"]].count("await"), 1, "events of await of " + member["name"])
        with open(page, encoding="utf-8") as file:
            text = file.read()
        check("<script" not in text, "the members' text is taken for HTML")
        contains(text, "&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;more&quot;", 'class="bounce"', "% of flush", "</html>")
        check("http" not in text.replace('http-equiv="Content-Security-Policy"', ""), "the page wants something from elsewhere")
        c.agents["gw3"].away = True
        told = json.loads(c.call("report", "r1", "--json")[1])
        check(told["members"][2]["error"] and not told["members"][0]["error"], "who does not answer is not told")
        code, _, err = c.call("report", "r9")
        equal(code, 3)
        contains(err, "no member that answers knows of a run r9")
        equal(c.call("report", "r1", "--html", "/nonexistent/page.html")[0], 4)
        equal(c.call("report")[0], 2)


@case("drrctl: the table on a terminal")
def terminal():
    with ctl() as c:
        master, slave = pty.openpty()
        for agent in c.agents.values():
            agent.step_s["bounce"] = 0.2
        process = c.start("run", "--run", "r1", env={**os.environ, "TERM": "xterm"})
        code, _, err = c.finish(process)
        check("\x1b" not in err, "control characters on what is no terminal")
        process = subprocess.Popen([DRRCTL, "run", "-g", c.conf], stdin=subprocess.DEVNULL, stdout=slave, stderr=slave, env={**os.environ, "TERM": "xterm"})
        c.processes.append(process)
        os.close(slave)
        text = b""
        with contextlib.suppress(OSError):
            while True:
                text += os.read(master, 65536)
        os.close(master)
        equal((code, process.wait(LIMIT_S)), (0, 0), "the exit codes")
        text = text.decode()
        contains(text, "\x1b[J", "gw2", "bounce", "...", "granted")
        # what stands there at the end are the lines, not the table
        contains(text.rsplit("\x1b[J", 1)[1], "flushed, every member restarted")


@case("drrctl: usage and configuration")
def usage():
    with ctl(members=1) as c:
        for arguments in ((), ("fly",), ("run", "--fly"), ("status", "--primary", "gw1"), ("run", "extra"), ("run", "--run", "a/b"), ("hold", "--reason", "r", "--for-s", "0"),
                          ("run", "--override-unknown"), ("run", "--adopt-after-s", "x")):
            equal(subprocess.run([DRRCTL, *arguments], stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT_S).returncode, 2, arguments)
        result = subprocess.run([DRRCTL, "--help"], capture_output=True, text=True, timeout=LIMIT_S)
        equal(result.returncode, 0)
        contains(result.stdout, "drrctl resume", "exit: 0 done")
        equal(json.loads(subprocess.run([DRRCTL, "version", "--json"], capture_output=True, text=True, timeout=LIMIT_S).stdout).keys() >= {"version", "target", "linked"}, True)
        c.write(group="order = zigzag")
        code, _, err = c.call("status")
        equal(code, 2)
        contains(err, "group.conf:6: [group] order", "rolling, together")
