"""drrctl audit, and the GET /v1/audit of a real daemon that it asks: the same as the one-shot audit, without standing in the way of a run."""

import json
import re
import subprocess
import threading

import fake_agent
from cases_audit import ask, config, well
from cases_coordinate import DRRCTL, Group
from cases_drrctl import ctl
from daemon import Daemon, plan_of, wait_until
from harness import LIMIT_S, case, check, contains, equal

KEYS = {"id", "severity", "member", "members", "evidence", "why", "fix", "note"}
FINDINGS = 4


def audit(conf, *arguments):
    """(exit, findings); the text form must tell the same findings with the same exit code."""
    calls = [subprocess.run([DRRCTL, "audit", "-g", conf, *arguments, *form], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_S) for form in (["--json"], [])]
    equal(calls[0].stderr, "", "stderr")
    findings = json.loads(calls[0].stdout)
    for f in findings:
        equal(set(f), KEYS, "keys")
        check(f["members"] and f["member"] == f["members"][0] and f["evidence"] and f["why"] and f["fix"], f)
        contains(calls[1].stdout, f"{f['severity']} {f['id']} ({', '.join(f['members'])})", f["why"])
    if not findings:
        contains(calls[1].stdout, "no findings")
    equal(calls[1].returncode, calls[0].returncode, "the exit codes of text and JSON")
    return calls[0].returncode, findings


def found(findings):
    return {(f["id"], " ".join(f["members"])) for f in findings}


# ---- the daemon

@case("audit by the daemon: what the one-shot audit says, of a healthy member and of sick ones")
def same_as_one_shot():
    told = []
    for preset in ("well", "small-log", "no-log-target", "equal-priorities", "link-down", "unsaved", "same-ports", "persistence-differs"):
        with well(preset, initial_primary="gw1") as world:
            for xmi in (True, False):
                with Daemon(world, config=config(world, "gw2", xmi)) as daemon:
                    by_daemon = daemon.call("GET", "/v1/audit")
                    equal(by_daemon.status, 200, str(by_daemon))
                    again = daemon.call("GET", "/v1/audit").json
                    state = daemon.state()
                _, once = ask(world, xmi=xmi, only="gw2")
                equal([{**f, "evidence": ""} for f in by_daemon.json], [{**f, "evidence": ""} for f in once], f"{preset}, xmi {xmi}")
                equal([f["id"] for f in again], [f["id"] for f in once], "asked twice")
                check(state["appliance"]["clock_ahead_ms"] is not None and abs(state["appliance"]["clock_ahead_ms"]) < 5000, "the appliance's clock:", state["appliance"])
                told += [f["id"] for f in once]
            world.unchanged()
    return ", ".join(sorted(set(told)))


@case("audit by the daemon: a gateway's doors, closed and hanging, and the daemon answers meanwhile")
def doors():
    with well(gw1__gateway_fault="500") as world, Daemon(world, config=config(world, "gw1", True)) as daemon:
        equal({f["id"] for f in daemon.call("GET", "/v1/audit").json}, {"health-failed", "init-check-failed"})
        world.lab.set("gw1.gateway_fault", "hang")
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(daemon.call("GET", "/v1/audit"))) for _ in range(12)]
        for thread in threads:
            thread.start()
        wait_until(lambda: daemon.state()["agent"]["state"] == "looking", "the audit is under way")
        for _ in range(20):
            equal(daemon.call("GET", "/livez", timeout=5).status, 200)
        for thread in threads:
            thread.join()
        equal({a.status for a in answers}, {200, 429}, "more audits than may wait")
        for answer in answers:
            contains(answer.text, "gave no answer within 15 s" if answer.status == 200 else "too-many")


@case("audit by the daemon: a run does not wait for an audit, and an audit not for a run")
def run_first():
    with well(gw1__gateway_fault="hang") as world, Daemon(world, config=config(world, "gw1", True)) as daemon:
        answers = []
        thread = threading.Thread(target=lambda: answers.append(daemon.call("GET", "/v1/audit")))
        thread.start()
        wait_until(lambda: daemon.state()["agent"]["state"] == "looking", "the audit is under way")
        daemon.done("r1", "precheck")
        thread.join()
        equal((answers[0].status, answers[0].problem), (409, "step-running"), str(answers[0]))
        contains(answers[0].text, "GET /v1/state")
        daemon.grant("r1", plan_of("gw1", ["gw1"]))
        daemon.release("r1")


@case("audit by the daemon: an appliance that does not answer")
def no_appliance():
    with well(gw1__ssh_listen="no") as world, Daemon(world, config=config(world, "gw1", False)) as daemon:
        answer = daemon.call("GET", "/v1/audit")
        equal((answer.status, answer.problem), (503, "appliance-unreachable"), str(answer))
        check(answer["next"], "no next step")
        equal(daemon.call("GET", "/v1/audit?production=1").status, 400)
        equal(daemon.call("GET", "/v1/audit?non_production=2").status, 400)


# ---- the group, real daemons

def lab_group(**switches):
    return well(initial_primary="gw1", **switches)


@case("drrctl audit: a real group, healthy, then sick")
def real_group():
    with lab_group() as world:
        group = Group(world)
        try:
            equal(audit(group.conf), (0, []), "healthy")
            world.lab.set("persistence", "local")
            world.lab.set("gw2.persistence", "memory")
            world.lab.set("gw3.clock_offset", "90")
            code, findings = audit(group.conf)
            equal(code, FINDINGS)
            equal(found(findings), {("persistence-disagrees", "gw1 gw2 gw3"), ("clock-skew", "gw1 gw2 gw3")}, findings)
            contains(json.dumps(findings), "gw2: memory")
            check(re.search(r"gw3 \+(89|90|91)\.", json.dumps(findings)), findings)
            group.daemons["gw2"][0].terminate()
            group.daemons["gw2"][0].wait()
            code, findings = audit(group.conf)
            equal(code, 8)
            contains(str(found(findings)), "('agent-unreachable', 'gw2')", "('clock-skew', 'gw1 gw3')")
        finally:
            group.close()


@case("drrctl audit: what all members see is one finding that names them")
def real_duplicates():
    with lab_group(status_columns="9") as world:
        group = Group(world)
        try:
            for member in world.lab.members:
                world.lab.set(f"{member.name}.priority", "100")
            code, findings = audit(group.conf)
            equal((code, found(findings)), (FINDINGS, {("priority-not-distinct", "gw1 gw2 gw3")}), findings)
        finally:
            group.close()


# ---- the group, played

def finding(name, severity="warning", **more):
    return {"id": name, "severity": severity, "member": "x", "subject": None, "evidence": f"evidence of {name}", "why": "because", "fix": ["mend it"], "note": None, **more}


@case("drrctl audit: members that cannot be audited are told, and the others' findings")
def played():
    with ctl() as c:
        for agent in c.agents.values():
            agent.findings = [finding("log-target-missing")]
        code, findings = audit(c.conf)
        # the played agents all call their priority 100
        equal((code, found(findings)), (FINDINGS, {("log-target-missing", "gw1 gw2 gw3"), ("priority-not-distinct", "gw1 gw2 gw3")}), findings)
        for agent in c.agents.values():
            agent.override["peering"] = {"priority": 90 + int(agent.name[2:])}
            agent.findings = []
        equal(audit(c.conf), (0, []))
        c.agents["gw1"].findings = [finding("cluster-mode", "info")]
        equal(audit(c.conf)[0], 0, "a finding of severity info")
        c.agents["gw2"].findings = fake_agent.Problem(409, "step-running", "a step is under way", next="wait for it")
        code, findings = audit(c.conf)
        equal((code, found(findings)), (6, {("not-audited", "gw2"), ("cluster-mode", "gw1")}), findings)
        contains(json.dumps(findings), "a step is under way", "wait for it")
        c.agents["gw2"].findings = fake_agent.Problem(404, "not-found", "there is no /v1/audit")
        contains(json.dumps(audit(c.conf)), "older than this drrctl")
        c.agents["gw2"].operators = []
        equal(audit(c.conf)[0], 7)
        c.agents["gw3"].away = True
        code, findings = audit(c.conf)
        equal(code, 8)
        equal({f["id"]: f["severity"] for f in findings}["agent-unreachable"], "critical")
        c.agents["gw3"].away = False
        c.agents["gw2"].operators = ["drrctl"]
        c.agents["gw2"].findings = {"not": "an array"}
        contains(json.dumps(audit(c.conf)), "not what this version expects")


@case("drrctl audit: two members, and one for all groups")
def few():
    with ctl(members=2) as c:
        for agent in c.agents.values():
            agent.override["peering"] = {"priority": 90 + int(agent.name[2:])}
        code, findings = audit(c.conf)
        equal((code, found(findings)), (FINDINGS, {("fewer-than-three-gateways", "gw1 gw2")}))
        equal(audit(c.conf, "--non-production"), (0, []))
        check(any("non_production=1" in target for _, target in c.agents["gw1"].requests), "the agents were not told:", c.agents["gw1"].requests)
        result = subprocess.run([DRRCTL, "audit", "-g", c.conf, "-g", c.conf, "--json"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_S)
        equal((result.returncode, len(json.loads(result.stdout))), (FINDINGS, 2), result.stderr)
        equal(c.call("status", "--non-production")[0], 2)
