"""What the README shows works as it stands there: the commands are taken out of it and run in tests/lab/group; judged by the lab's record."""

import json
import os
import re
import subprocess
import tempfile

from cases_daemon import most_disabled
from harness import AGENT, LIMIT_S, ROOT, case, check, contains, equal

# Behind the README's commands: what really happened, and what every agent says of it.
AFTER = """
lab ctl --dir "$LAB" effects >"$OUT/effects"
for gw in "$GW1" "$GW2" "$GW3"; do ask "$gw/v1/state"; echo; done >"$OUT/states"
"""


def commands(marker):
    """The indented lines between <!-- MARKER --> and <!-- /MARKER -->."""
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
        found = re.search(f"^<!-- {marker} -->$(.*?)^<!-- /{marker} -->$", file.read(), re.M | re.S)
    check(found, "README.md has no part", marker)
    lines = [line[4:] for line in found.group(1).split("\n") if line.startswith("    ")]
    check(lines, "there are no commands in the part", marker)
    return "\n".join(lines) + "\n"


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
        done = subprocess.run([os.path.join(ROOT, "tests", "lab", "group"), "sh", "-eu", "-c", script + AFTER], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              env={**os.environ, "OUT": out, "DRR_AGENT": AGENT}, timeout=2 * LIMIT_S)
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
