"""`drrctl report` on a lab of three with the real daemons: what it tells is measured by the lab's own record."""

import json
import os
import subprocess
import time

from cases_coordinate import DRRCTL, Group
from daemon import Daemon, plan_of
from harness import LIMIT_S, World, case, check, contains, equal


def report(group, *arguments, run="r1"):
    """(exit, standard output, standard error); no password in any of it."""
    result = subprocess.run([DRRCTL, "report", run, "-g", group.conf, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_S)
    for secret in group.world.secrets:
        check(secret not in result.stdout + result.stderr, "a password is in the report")
    return result.returncode, result.stdout, result.stderr


def as_json(group, **more):
    code, out, err = report(group, "--json", **more)
    check(out, err)
    return code, json.loads(out)


def wait_events(group, member, name):
    """Until the agent of MEMBER has told an event of this name."""
    until = time.monotonic() + LIMIT_S
    while not any(e["event"] == name for e in group.ask(member, "GET", "/v1/events?after=0&limit=200")[1]["events"]):
        check(time.monotonic() < until, name, "was not told")
        time.sleep(0.05)


def check_members(world, told):
    """Each member's account beside what its appliance recorded."""
    effects = world.lab.effects()
    for member in told["members"]:
        name = member["name"]
        flips = [e for e in effects if e["effect"] == "admin_state" and e["member"] == name]
        equal([e["value"] for e in flips], ["disabled", "enabled"], "the record of " + name)
        equal(len(member["outages"]), 1, "outages of " + name)
        outage = member["outages"][0]
        measured = (flips[1]["mono"] - flips[0]["mono"]) * 1000
        check(outage["ms"] >= measured - 50, "told", outage, "measured", measured)    # from before the disable to behind the enable
        sent = [e["sentence"] for e in member["events"] if e["event"] == "command"]
        contains(" ".join(sent), "admin-state disabled", "admin-state enabled", "show gateway-peering-status")
        equal(any("gateway-peering-flush" in s for s in sent), name == told["plan"]["primary"], "a flush by " + name)
        for which in ("peering_before", "peering_after"):
            equal(len(member[which]["rows"]), 3, which)
            equal([r["primary"] for r in member[which]["rows"]].count("yes"), 1, which)
        check(any(e["code"] == "0x88e000d7" for e in member["events"]), "no waiting line of", name)
        equal([s["state"] for s in member["attempts"] if s["op"] in ("bounce", "confirm", "await")], ["done"] * 3, "steps of " + name)


@case("report: during a run, after it, and without a member")
def reports():
    with World() as world:
        group = Group(world)
        try:
            process = group.begin("run", "--run", "r1")
            group.wait_effect("admin_state", value="enabled", member="gw3")
            wait_events(group, "gw3", "trigger-started")
            code, told = as_json(group)
            equal((code, told["outcome"]), (0, "under-way"), "during it")
            equal(told["members"][0]["steps"]["await"]["state"], "running", "the await step")
            for member in group.ports:
                world.lab.call("webhook", member=member)
            group.end(process)
            equal(process.returncode, 0, "the run")

            code, told = as_json(group)
            equal((code, told["outcome"], told["lacks"]), (0, "done", []), "after it")
            check_members(world, told)
            equal(told["outage"]["members_at_once"], 1, "disabled at once")
            equal(told["outage"]["ms"], sum(m["disabled_ms"] for m in told["members"]), "disabled in all: one behind the other")
            asked = [(a["member"], a["event"]) for a in told["asked"]]
            check(("gw2", "bounce-asked") in asked and ("gw2", "granted") in asked and ("gw2", "released") in asked, asked)
            check(all("drrctl" in a["sentence"] + (a["evidence"] or "") for a in told["asked"]), told["asked"])
            code, out, _ = report(group)
            equal(code, 0)
            contains(out, "run r1 of", "flushed, every member bounced", "at most 1 at once", "0x88e000d7")
            page = os.path.join(world.directory, "report.html")
            equal(report(group, "--html", page)[0:2], (0, ""), "the page")
            with open(page, encoding="utf-8") as file:
                contains(file.read(), "<!DOCTYPE html>", "DRR run r1", "<svg", "admin-state disabled", "</html>")
            equal(report(group, "--html", "/no/such/folder/page")[0], 4, "a page that cannot be written")
            equal(json.loads(report(group, "--html", page, "--json")[1])["outcome"], "done", "both")
            equal(report(group, run="r9")[0], 3, "a run that nobody knows")

            group.daemons["gw2"][0].terminate()
            group.daemons["gw2"][0].wait(LIMIT_S)
            code, told = as_json(group)
            equal((code, told["outcome"]), (8, "not-known"), "without gw2")
            contains(told["lacks"][0], "gw2", "Connection refused")
            contains(report(group)[2], "gw2 did not tell everything")
            group.start("gw2", group.daemons["gw2"][1])
            group.wait_ready("gw2")
            equal(as_json(group)[1]["outcome"], "done", "it is on disk: a restart forgets nothing")
        finally:
            group.close()


@case("report: a run that is declined")
def reports_declined():
    with World() as world:
        group = Group(world)
        try:
            world.lab.call("log", member="gw1", code="0x88e000d7")
            wait_events(group, "gw1", "waiting")
            equal(group.run("run", "--run", "r1")[0], 3, "the run")
            code, told = as_json(group)
            equal((code, told["outcome"], told["outage"]["from"]), (0, "nothing-flushed", None))
            equal([(op, s["state"]) for op, s in told["members"][0]["steps"].items()], [("precheck", "refused")], "steps of gw1")
            contains(json.dumps(told["members"][0]["events"]), "drr-under-way")
        finally:
            group.close()


@case("report: what is asked over XMI is told, too")
def reports_xmi():
    with World(members=1, xmi="yes") as world, Daemon(world, xmi=True) as daemon:
        daemon.grant("r1", plan_of("gw1", ["gw1"]))
        for op in ("primary", "flush", "bounce"):
            daemon.done("r1", op, overrides=["no-log"] if op == "flush" else [])
        told = [e for e in daemon.events() if e["kind"] == "run"]
        sent = [e["sentence"] for e in told if e["event"] == "command"]
        contains(" ".join(sent), "xmi: disable", "xmi: enable", "xmi: ask-peering", "cli: gateway-peering-flush gwd")
        equal([e["event"] for e in told if e["event"] in ("disabled", "enabled")], ["disabled", "enabled"], "the outage")
        contains([e["evidence"] for e in told if e["event"] == "flush-asked"][0], "no-log")
        contains([e["sentence"] for e in told if e["event"] == "flush-asked"][0], "attempt 1, asked for by local")
        tables = [e["evidence"] for e in told if e["event"] == "peering"]
        check(len(tables) == 3 and all(t.startswith("primary=yes link=ok") for t in tables), tables)
        questions = [(e["sentence"], e.get("evidence")) for e in told if e["event"] == "command" and e["sentence"].startswith("cli: show")]
        equal(len(questions), len(set(questions)), "a question with the same answer is told once")
