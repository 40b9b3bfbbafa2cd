"""What scripts and people read: JSON, texts, exit codes, sizes."""

import json
import os
import re
import time

from harness import AGENT, ROOT, World, case, check, contains, equal

STEPS = {"precheck", "grant", "release", "primary", "flush", "bounce", "confirm", "trigger", "await", "run", "recover"}
STATES = {"started", "done", "refused", "failed", "skipped"}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")


def check_lines(lines):
    check(lines, "no lines")
    runs = set()
    for line in lines:
        check(line["step"] in STEPS, "step", line)
        check(line["state"] in STATES, "state", line)
        check(TIME.match(line["time"]), "time", line)
        check(line["sentence"] and line["member"], "sentence, member", line)
        check(set(line) <= {"time", "run", "member", "step", "state", "sentence", "evidence", "exit", "next"}, "keys", line)
        equal("exit" in line, line is lines[-1], f"exit stands in the last line only: {line}")
        runs.add(line["run"])
    equal(len(runs), 1, f"run ids {runs}")
    equal(lines[-1]["step"], "run", "last step")


@case("run --json: every line, every key")
def run_json():
    with World(initial_primary="gw2") as world:
        config = world.config("gw1", limits__confirm_timeout_s=5)
        result = world.run(config, "--run", "my-run.1")
        equal(result.err, "", "stderr")
        check_lines(result.lines)
        equal(result.last["run"], "my-run.1", "run")
        told = [(line["step"], line["state"]) for line in result.lines]
        for step in ("precheck", "primary", "flush", "bounce", "confirm", "trigger", "await"):
            check((step, "started") in told and (step, "done") in told, step, "is not told from start to end:", told)
        contains(" ".join(line["evidence"] for line in result.lines if line["step"] == "confirm" and "evidence" in line), "0x88e000d7")
        for record in world.journal(config):
            equal(set(record), {"seq", "time", "run", "kind", "step", "data"}, "keys of the journal")
        for steps in ("bounce", "bounce,confirm"):
            check_lines(world.call(config, "run", "--steps", steps, "--override-drr-under-way").lines)
        check_lines(world.call(config, "run", "--dry-run").lines)
        world.lab.set("gw1.claims_primary", "yes")
        world.lab.set("gw2.claims_primary", "yes")
        refused = world.call(config, "run")
        check_lines(refused.lines)
        equal((refused.last["state"], refused.last["exit"]), ("refused", 3), "state, exit")


@case("status --json: the keys of the contract, and what the lab says")
def status_json():
    for columns in ("6", "9"):
        with World(initial_primary="gw2", status_columns=columns, gw3__row_empty="Pending updates") as world:
            config = world.config("gw1")
            result = world.call(config, "status", "--json")
            equal((result.exit, result.err), (0, ""), "exit, stderr")
            s = json.loads(result.out)
            m = world.lab.member("gw1")
            equal(s["member"], {"name": "gw1", "address": m.address}, "member")
            equal((s["appliance"]["firmware"], s["appliance"]["serial"], s["appliance"]["domain"], s["appliance"]["way"]),
                  ("IDG.10.5.0.11", "0000001", world.lab.domain, "cli"), "appliance")
            check(300000 <= s["appliance"]["uptime_s"] < 301000, "uptime_s", s["appliance"])
            p = s["peering"]
            equal((p["object"], p["is_primary"], p["primary_address"], p["quorum"]), ("gwd", False, world.lab.member("gw2").address, True), "peering")
            equal([r["address"] for r in p["rows"]], [x.address for x in world.lab.members], "rows")
            equal([r["primary"] for r in p["rows"]], ["no", "yes", "no"], "primary")
            equal([r["link"] for r in p["rows"]], ["ok"] * 3, "link")
            equal([r["pending_updates"] for r in p["rows"]], [0, 0, None], "pending_updates")
            equal([r["priority"] for r in p["rows"]], [100] * 3 if columns == "9" else [None] * 3, "priority")
            check(all(isinstance(r["replication_offset"], int) and r["object"] == "gwd" for r in p["rows"]), p["rows"])
            equal((s["service"]["admin_state"], s["service"]["op_state"]), ("enabled", "up"), "service")
            equal(s["collections"], 4, "collections")
            for key in ("grant", "hold", "run"):
                check(key in s and s[key] is None, key, "is not null:", s.get(key))
            equal((s["log"]["source"], s["log"]["last_event"], s["log"]["last_event_time"], s["log"]["lag_s"]), ("file", None, None, None), "log")
            equal(s["journal"]["open"], False, "journal")
            check(isinstance(s["age_ms"], int) and s["as_of"].endswith("Z"), "as_of, age_ms")
            equal(world.run(config).exit, 0, "exit of run")
            s = json.loads(world.call(config, "status", "--json").out)
            equal((s["log"]["last_event"], s["peering"]["is_primary"]), ("0x88e000ac", True), "last event, primary")
            check(TIME.match(s["log"]["last_event_time"]), s["log"])
            equal((s["run"]["exit"], s["run"]["open"], s["run"]["flush_done"], s["run"]["await_done"]), (0, False, True, True), "run")
            text = world.call(config, "status").out
            contains(text, m.address, "enabled", "0x88e000ac", "one primary")


@case("check: valid, with --connect, and what it finds")
def check_verb():
    with World(initial_primary="gw1") as world:
        config = world.config("gw1")
        result = world.call(config, "check")
        equal(result.exit, 0, "exit")
        contains(result.out, "valid")
        equal(world.lab.get("gw1.auth")["connections"], 0, "connections")
        result = world.call(config, "check", "--connect")
        equal(result.exit, 0, "exit")
        contains(result.out, "SHA256:", "IDG.10.5.0.11", "gwd", "diag", "readable")
        world.unchanged()
        missing = world.config("gw1", log__file=world.directory + "/none.log")
        equal(world.call(missing, "check", "--connect").exit, 2, "exit without the log file")


@case("explain and version")
def explain():
    with World(members=1) as world:
        text = world.call(None, "explain")
        equal(text.exit, 0, "exit")
        contains(text.out, "precheck", "--override-no-quorum", "RUN_RESCUE_LIMIT_MS")
        mermaid = world.call(None, "explain", "--mermaid").out
        check(mermaid.startswith("stateDiagram-v2"), mermaid[:60])
        table = json.loads(world.call(None, "explain", "--json").out)
        check(all(r["sentence"] and r["state"] and r["event"] and r["next"] for r in table["rows"]), "a row without a sentence")
        check(len(table["states"]) > 10 and table["limits"]["RUN_POLL_MS"] > 0 and len(table["refusals"]) == 9, "states, limits, refusals")
        told = world.call(None, "explain", "watchdog")
        equal(told.exit, 0, "exit of explain watchdog")
        table = json.loads(world.call(None, "explain", "watchdog", "--json").out)
        check([s["name"] for s in table["states"]] == "steady away peering service event config standback acting verdict".split(), table["states"])
        check([v["name"] for v in table["verdicts"]] == ("unreachable no-primary split-peering no-quorum service-disabled service-down waits waits-alone "
                                                        "group-waits server-silent not-back").split(), table["verdicts"])
        check([v["name"] for v in table["verdicts"] if v["acts"] == ["nudge", "run"]] == ["server-silent"], "where a bounce does not help")
        check(not any(v["acts"] for v in table["verdicts"][:6]), "acts on what it must not touch")
        contains(told.out, *[s["name"] + ": " for s in table["states"]], *[v[key] for v in table["verdicts"] for key in ("name", "sentence", "next")],
                 *[c["sentence"] for c in table["causes"]], *[r["sentence"] for r in table["rows"]], *table["limits"])
        mermaid = world.call(None, "explain", "watchdog", "--mermaid").out
        contains(mermaid, "stateDiagram-v2", "[*] --> steady", "verdict --> acting: begin", "away --> verdict: deadline", "config --> steady: whole")
        version = json.loads(world.call(None, "version", "--json").out)
        check(version["version"] and version["target"] and version["linked"], version)
        contains(world.call(None, "version").out, "drr-agent " + version["version"])
        helped = world.call(None, "--help")
        equal(helped.exit, 0, "exit of --help")
        contains(helped.out, "usage", "recover")


@case("wrong usage: exit 2 and the next command")
def usage():
    with World(members=1) as world:
        config = world.config("gw1")
        for words in ([], ["fly"], ["run", "--steps", "fly"], ["run", "--steps", ""], ["run", "--steps", "flush,flush"], ["run", "--force"], ["run", "extra"],
                      ["run", "--run", "a/b"], ["run", "--run", ""], ["run", "-c"], ["run", "--override-everything"], ["status", "--dry-run"],
                      ["explain", "-c", config], ["explain", "fly"], ["explain", "run", "watchdog"], ["check", "--json"], ["version", "--mermaid"]):
            result = world.call(None, *words, json_output=False) if words else world.begin(None, "").result()
            equal(result.exit, 2, f"exit of {words}")
            equal(result.out, "", f"stdout of {words}")
            contains(result.err, "drr-agent")
        equal(world.lab.get("gw1.auth")["connections"], 0, "connections")


@case("bad configuration: exit 2 with file, line and what is allowed")
def bad_config():
    with World(members=1) as world:
        for key, value, words in (("cli__transport", "pigeon", ["transport", "ssh"]), ("cli__prot", "22", ["prot", "port"]),
                                  ("limits__quiet_s", "0", ["quiet_s", "600"]), ("limits__await_timeout_s", "soon", ["await_timeout_s"]),
                                  ("appliance__domain", None, ["domain"]), ("cli__host_key", "MD5:aa", ["host_key", "SHA256"]),
                                  ("log__file", "relative.log", ["file"]), ("agent__user", "d rr", ["user"]),
                                  ("agent__log_level", "loud", ["log_level", "debug"]), ("https__listen", "gw1:8443", ["listen", "ADDRESS:PORT"]),
                                  ("https__key", "/k", ["listen", "missing"]), ("watchdog__on_reboot", "nudge", ["on_reboot"])):
            config = world.config("gw1", **{key: value})
            for verb in ("run", "status", "check", "journal", "recover"):
                result = world.call(config, verb, json_output=False)
                equal(result.exit, 2, f"exit of {verb} with {key} = {value}")
                contains(result.err, *words)
                contains(result.err, "agent.conf", "next:")
        equal(world.call(world.directory + "/none.conf", "check").exit, 2, "exit without a file")
        equal(world.lab.get("gw1.auth")["connections"], 0, "connections")


@case("journal: damaged is refused, torn is cut")
def journal():
    with World(members=1) as world:
        config = world.config("gw1")
        path = os.path.join(world.state_dir("gw1"), "state", "journal")
        equal(world.call(config, "run", "--steps", "bounce").exit, 0, "exit")
        with open(path, "rb") as file:
            whole = file.read()
        with open(path, "ab") as file:
            file.write(whole.splitlines(True)[0][:25])
        result = world.call(config, "recover")
        equal(result.exit, 0, "exit with a torn tail")
        contains(" ".join(result.sentences()), "cut off")
        with open(path, "rb") as file:
            equal(file.read(), whole, "the journal behind it")
        with open(path, "wb") as file:
            file.write(whole[:40] + b"X" + whole[41:])
        mark = world.mark()
        for verb in ("run", "recover", "journal"):
            result = world.call(config, verb)
            check(result.exit == 1, f"exit of {verb} with a damaged journal:", result.exit)
            contains(result.text, "journal")
        world.unchanged(mark)


@case("text output: what people read, sanitised")
def text_output():
    with World(initial_primary="gw2", gw1__log_class="apic-gw-service(\x1b[31mred)") as world:
        agent = world.begin(world.config("gw1"), "run", json_output=False)
        world.lab.wait_effect("log_line", code="0x88e000d7", timeout=60)
        deadline = time.monotonic() + 60
        while "trigger" not in "".join(agent.err) and time.monotonic() < deadline:
            time.sleep(0.02)
        world.lab.call("webhook", member="gw1")
        result = agent.result()
        equal((result.exit, result.out), (0, ""), "exit, stdout")
        check("\x1b" not in result.err, "an escape sequence of the log came through")
        contains(result.err, "flush accepted", "0x88e000d7", "re-registered", "all steps are done")


@case("memory and size of the shipped executable")
def resources():
    size = os.path.getsize(AGENT)
    check(size <= 992 * 1024, "the executable has", size, "bytes")
    peaks = []
    for transport in ("ssh", "telnet"):
        with World(initial_primary="gw2", gw1__noise_mb_s="2") as world:
            agent = world.begin(world.config("gw1", transport), "run")
            triggered = []

            def trigger():
                if not triggered and any(line["step"] == "trigger" for line in agent.lines):
                    triggered.append(world.lab.call("webhook", member="gw1"))

            peak = agent.peak_kb(trigger)
            equal(agent.result().exit, 0, "exit")
            check(0 < peak < 4096, transport, "peak", peak, "kB")
            peaks.append(f"{transport}: {peak} kB at most; {size} bytes in {os.path.relpath(AGENT, ROOT)}")
    return "\n".join(peaks)
