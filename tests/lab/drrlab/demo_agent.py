"""tests/lab/demo --agent: a DRR without daemons, `drr-agent run` for each member, over SSH.

What the agents say is printed as it happens; at the end it is held against the lab's own record of what really happened.
The primary is gw2, and the DRR is started on gw1, so that the switch can be seen; gw2 and gw3 do their part when the one
before them is up and waits for its registration. Time runs faster than in life: the heartbeat comes every 30 s, not every 300 s.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading

from .client import Lab
from .told import STATE_COLOURS, clock, first, lose_data, paint, say, stores, table

TIME_SCALE = 0.05
HEARTBEAT_S = 600  # of the lab's time: 30 s here
PART_TIMEOUT_S = 180


def write_config(lab, member, folder):
    state = os.path.join(folder, member.name)
    os.mkdir(state, 0o700)
    path = os.path.join(folder, f"{member.name}.conf")
    with open(path, "w", encoding="utf-8") as file:
        file.write(
            f"[agent]\nname = {member.name}\nstate_dir = {state}\n"
            f"[appliance]\ndomain = {lab.domain}\n"
            f"[cli]\ntransport = ssh\nhost = {member.ssh_host}\nport = {member.ssh_port}\nuser = {lab.user}\n"
            f"password_file = {lab.password_file}\nhost_key = {member.host_keys['ecdsa']}\n"
            f"[log]\nsource = file\nfile = {member.log_file}\n"
            f"[limits]\nquiet_s = 3\n")
    return path


class Part:
    """One member's `drr-agent run`, followed line by line."""

    def __init__(self, agent, member, config, steps):
        self.member, self.lines = member, []
        self.arguments = [agent, "run", "-c", config, "--steps", steps, "--json"]
        self.confirmed = threading.Event()
        self.thread = threading.Thread(target=self._follow, daemon=True)
        self.exit = None

    def start(self):
        say("\n$ drr-agent " + " ".join(self.arguments[1:]))
        self.thread.start()

    def _follow(self):
        with subprocess.Popen(self.arguments, stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout:
                record = json.loads(line)
                self.lines.append(record)
                self._show(record)
                if (record["step"], record["state"]) == ("confirm", "done"):
                    self.confirmed.set()
            self.exit = process.wait()
        self.confirmed.set()

    def _show(self, record):
        if record["state"] == "started" and not (record["step"] == "await" and record.get("evidence")):
            return  # what is begun is told when it is done
        state = paint(f"{record['state']:8}", STATE_COLOURS.get(record["state"]))
        evidence = "\n" + paint(" " * 36 + record["evidence"][:150], "2") if record.get("evidence") else ""
        say(f"{record['time'][11:23]}  {record['member']}  {record['step']:9}{state} {record['sentence']}{evidence}")


def print_record(lab, members, parts, mark):
    """The lab's own record, from `mark` on, as a table; returns what is wrong with it."""
    effects = lab.effects(after=mark)
    rows, wrong = [], []
    for member in members:
        name = member.name
        off, on = first(effects, name, "admin_state", value="disabled"), first(effects, name, "admin_state", value="enabled")
        waiting = first(effects, name, "log_line", code="0x88e000d7")
        accepted = first(effects, name, "log_line", code="0x88e00210")
        done = [e for e in effects if e["member"] == name and e["effect"] == "log_line" and e["code"] == "0x88e000ac"]
        flush = first(effects, name, "flush")
        rows.append([name, "switched" if first(effects, name, "switch_primary") else "-", clock(flush), clock(off), clock(on), clock(waiting),
                     clock(accepted), clock(done[-1] if done else None), str(parts[name].exit)])
        seen = [e["seq"] for e in (flush, off, on, waiting, accepted) if e]
        if not (off and on and waiting and accepted and done):
            wrong.append(f"{name}: something is missing")
        elif seen != sorted(seen):
            wrong.append(f"{name}: wrong order")
        if parts[name].exit != 0:
            wrong.append(f"{name}: drr-agent ended with {parts[name].exit}")
    heads = ["member", "primary", "flush", "disabled", "enabled", "waiting line", "event accepted", "last transaction", "exit"]
    table([heads] + rows)
    flushes = [e for e in effects if e["effect"] == "flush"]
    if len(flushes) != 1:
        wrong.append(f"{len(flushes)} flushes")
    if any(e["effect"] == "write_memory" for e in effects):
        wrong.append("the configuration was saved")
    return wrong + ([lab.errors()] if lab.errors() else [])


def demo(agent, peering, lose):
    """Ends the process with a sentence when anything was not as it should be."""
    switches = {"initial_primary": "gw2", "lab.heartbeat_s": str(HEARTBEAT_S)}
    with Lab.start(members=3, time_scale=TIME_SCALE, switches=switches, peering=peering) as lab, tempfile.TemporaryDirectory() as folder:
        configs = {m.name: write_config(lab, m, folder) for m in lab.members}
        say(f"Three simulated gateways on {', '.join(m.address for m in lab.members)}; the primary is {lab.primary()}.")
        if lose:
            say()
            lose_data(lab)
        mark = len(lab.effects())
        say(f"\n$ drr-agent status -c {configs['gw1']}")
        subprocess.run([agent, "status", "-c", configs["gw1"]], check=True)
        parts = {m.name: Part(agent, m, configs[m.name], "primary,flush,bounce,confirm,await" if m.name == "gw1" else "bounce,confirm,await")
                 for m in lab.members}
        for part in parts.values():
            part.start()
            part.confirmed.wait(PART_TIMEOUT_S)
        say(f"\nAll members wait for their registration. The management server's heartbeat comes within {HEARTBEAT_S * TIME_SCALE:.0f} s.\n")
        for part in parts.values():
            part.thread.join(PART_TIMEOUT_S)
        say("\nThe lab's own record (what really happened on the simulated appliances):\n")
        wrong = print_record(lab, lab.members, parts, mark)
        if peering == "redis":
            say(f"\nKeys in the members' stores: {stores(lab)}.")
        state = lab.state()
    if wrong:
        sys.exit("\nNOT as it should be: " + "; ".join(wrong))
    collections = ", ".join(f"{name} {m['service']['collections']}" for name, m in state["members"].items())
    say("\nOne switch of the primary, one flush, three bounces, three waiting lines, re-registered after the heartbeat;\n"
        f"API collections: {collections}. Try it by hand: tests/lab/lab --help")
