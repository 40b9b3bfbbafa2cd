"""What the README shows works as it stands there: the commands are taken out of it and run in tests/lab/group; judged by the lab's record."""

import json
import os
import re
import signal
import subprocess
import tempfile

from cases_daemon import most_disabled
from harness import AGENT, LIMIT_S, ROOT, case, check, contains, equal

# Behind the README's commands: what really happened, and what every agent says of it.
AFTER = """
lab ctl --dir "$LAB" effects >"$OUT/effects"
for gw in "$GW1" "$GW2" "$GW3"; do ask "$gw/v1/state?max_age_ms=0"; echo; done >"$OUT/states"
"""


def commands(marker):
    """The indented lines between <!-- MARKER --> and <!-- /MARKER -->."""
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
        found = re.search(f"^<!-- {marker} -->$(.*?)^<!-- /{marker} -->$", file.read(), re.M | re.S)
    check(found, "README.md has no part", marker)
    lines = [line[4:] for line in found.group(1).split("\n") if line.startswith("    ")]
    check(lines, "there are no commands in the part", marker)
    return "\n".join(lines) + "\n"


def lab_tool(name, *arguments, **environment):
    return subprocess.run([os.path.join(ROOT, "tests", "lab", name), *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          env={**os.environ, "DRR_AGENT": AGENT, **environment}, timeout=2 * LIMIT_S)


def in_folder(pid, folder):
    """Whether a process works in FOLDER, or has a file there open."""
    try:
        return any(os.readlink(f"/proc/{pid}/{link}").startswith(folder) for link in ["cwd"] + [f"fd/{fd}" for fd in os.listdir(f"/proc/{pid}/fd")])
    except OSError:
        return False


class Recorded:
    """The lab is over; its effects are as most_disabled() wants them."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            self.all = [json.loads(line) for line in file]
        self.lab = self

    def effects(self, effect, after=0):
        return [e for e in self.all if e["effect"] == effect and e["seq"] > after]


@case("README: a DRR of three with curl alone", slow=True)
def with_curl_alone():
    script = commands("curl")
    contains(script, "cert init --client", "/v1/state", "/v1/grant/", "/v1/steps", "flush", "bounce", "confirm", "await", "-X DELETE")
    with tempfile.TemporaryDirectory() as out:
        done = lab_tool("group", "sh", "-eu", "-c", script + AFTER, OUT=out)
        equal(done.returncode, 0, "exit of the commands:\n" + done.stdout + done.stderr + "\n")
        record = Recorded(os.path.join(out, "effects"))
        with open(os.path.join(out, "states"), encoding="utf-8") as file:
            states = [json.loads(line) for line in file if line.strip()]
    equal([e["member"] for e in record.effects("flush")], ["gw2"], "who flushed")
    equal(most_disabled(record), (1, ["gw1", "gw2", "gw3"]), "disabled at once, and their order")
    flushed = record.effects("flush")[0]["seq"]
    for name in ("gw1", "gw2", "gw3"):
        equal([e["value"] for e in record.effects("admin_state", after=flushed) if e["member"] == name], ["disabled", "enabled"], f"admin-state of {name}")
    equal(record.effects("write_memory"), [], "what was saved")
    for state in states:
        equal((state["grant"], state["journal"]["open"], state["service"]["admin_state"], state["collections"]), (None, False, "enabled", 4), state["member"]["name"])
        equal({op: s["state"] for op, s in state["run"]["steps"].items() if op in ("bounce", "confirm", "await")}, {"bounce": "done", "confirm": "done", "await": "done"},
              f"what {state['member']['name']} says")
    equal(len(states), 3, "agents that answered")


@case("README: make demo, with real Redis and Sentinel", slow=True)
def the_demo():
    done = lab_tool("demo")
    equal(done.returncode, 0, "exit of the demo:\n" + done.stdout + done.stderr + "\n")
    contains(done.stdout, "gw1 0, gw2 0, gw3 0", "waiting line 0x88e000d7", "One flush, three bounces")


@case("README: the demo fails when something is not as it says")
def the_demo_fails():
    """An agent that does nothing and says that all is well is found out."""
    with tempfile.TemporaryDirectory() as folder:
        os.symlink(AGENT, os.path.join(folder, "drr-agent"))
        real = os.path.join(os.path.dirname(AGENT), "drrctl")
        with open(os.open(os.path.join(folder, "drrctl"), os.O_WRONLY | os.O_CREAT, 0o755), "w", encoding="utf-8") as file:
            file.write(f'#!/bin/sh\n[ "$1" != run ] || exit 0\nexec {real} "$@"\n')
        done = lab_tool("demo", "--peering", "model", DRR_AGENT=os.path.join(folder, "drr-agent"))
    equal(done.returncode, 1, "exit of the demo:\n" + done.stdout + done.stderr + "\n")
    contains(done.stderr, "NOT as it should be", "0 flushes", "gw3: 0 times a waiting line")


@case("README: the demo, ended in its middle, leaves nothing behind", slow=True)
def the_demo_ended():
    with tempfile.TemporaryDirectory() as folder:
        demo = subprocess.Popen([os.path.join(ROOT, "tests", "lab", "demo")], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                start_new_session=True, env={**os.environ, "DRR_AGENT": AGENT, "TMPDIR": folder})
        try:
            for line in demo.stdout:
                if "bounce   started" in line:      # a service is, or soon will be, disabled
                    break
            members = [name for name in os.listdir(folder) if name.startswith("drr-demo-")]
            equal(len(members), 1, "folders of the demo")
            pids = [pid for pid in os.listdir("/proc") if pid.isdigit() and in_folder(pid, folder)]
            check(len(pids) >= 16, "the demo's processes were not found:", pids)     # 3 x 3 of the agents, 3 x 2 of the peering, the lab
            os.killpg(demo.pid, signal.SIGINT)
            said = demo.communicate(timeout=LIMIT_S)[0]
        finally:
            if demo.poll() is None:
                os.killpg(demo.pid, signal.SIGTERM)
                demo.communicate()
        equal(demo.returncode, 1, "exit:\n" + said)
        contains(said, "everything that it started has ended")
        equal([pid for pid in pids if in_folder(pid, folder)], [], "processes that are left")
        equal(os.listdir(folder), [], "files that are left")
