"""What must be true behind every fault.  The lab's own record decides; what the agent says is compared with it."""

import json

from slot import SHORT

NOT_FLUSHED = "nothing was flushed"      # words of the agent's sentences
NOT_CHANGED = "nothing was changed"
NOT_DISABLED = "nothing was disabled"
ACCEPTED = "the flush was accepted"
MAYBE = "may or may not have happened"


def served(slot, problems):
    """L1, S1, S2: enabled at the end, one flush, on the primary."""
    if not slot.enabled():
        problems.append("the service ended disabled")
    if slot.flushes() > 1:
        problems.append(f"{slot.flushes()} flushes")
    if slot.effects("flush_on_replica"):
        problems.append("a flush on a member that is not primary")
    for effect in ("write_memory", "changed_elsewhere", "password_as_command", "lab_error"):
        if slot.effects(effect):
            problems.append("the lab saw " + effect)


def bounced_after_flush(slot):
    down = up = flushed = False
    for e in slot.effects():
        if e["effect"] == "flush":
            down, up, flushed = False, False, True
        elif e["effect"] == "admin_state":
            down = down or e["value"] == "disabled"
            up = down and e["value"] == "enabled"
    return flushed and down and up


def words(slot, process, problems):
    """Sentences are compared with what happened: what it did not do, since it began; what the run did, since that began."""
    text = process.sentence + " " + process.last.get("next", "")
    mine = [e["effect"] for e in slot.effects(after=process.began)]
    claims = (
        (NOT_FLUSHED, "flush" not in mine), (NOT_CHANGED, not {"admin_state", "flush", "switch_primary"} & set(mine)),
        (NOT_DISABLED, not slot.effects("admin_state", after=process.began, value="disabled")), (ACCEPTED, slot.flushes() == 1),
        ("is enabled", slot.enabled() or "is enabled as far as" in text),
    )
    for claim, true in claims:
        if claim in text and not true:
            problems.append(f"{process.verb} said \"{claim}\", and it is not so: {process.sentence}")
    if "Assertion" in process.err or "AddressSanitizer" in process.err or process.killed:
        problems.append(f"{process.verb} died: exit {process.exit} {process.err}")
    if process.exit != 0 and not process.sentence:
        problems.append(f"{process.verb} ended with {process.exit} and said nothing")
    if process.last and process.last["exit"] != process.exit:
        problems.append(f"{process.verb} said exit {process.last['exit']} and ended with {process.exit}")


def ended_run(slot, run, problems, steps=SHORT):
    """A run that came to its own end."""
    flushes = slot.flushes()
    words(slot, run, problems)
    if run.exit == 0 and not (flushes == 1 and bounced_after_flush(slot)):
        problems.append(f"exit 0 without flush and bounce ({steps})")
    if run.exit == 3 and (flushes or slot.effects("admin_state")):
        problems.append("exit 3 and something was changed")
    if run.exit in (1, 2, 4, 6, 7, 8) and flushes:
        problems.append(f"exit {run.exit}, and it flushed")
    if run.exit in (0, 3, 4, 5, 7, 8) and not slot.enabled():
        problems.append(f"exit {run.exit}, and the service is disabled")
    if run.exit not in (0, 9) and not slot.enabled():
        problems.append(f"exit {run.exit} instead of 9: the service is disabled")


def ended_recover(slot, recover, problems, allowed=(0, 5)):
    """Recover, or the first look behind a fault."""
    words(slot, recover, problems)
    if recover.exit not in allowed:
        problems.append(f"recover ended with {recover.exit}: {recover.sentence}")


def journal_state(slot, problems, expect_closed=True):
    """("closed" | "open" | "damaged"); what status says and what the records say must be the same."""
    status = slot.call("status")
    records = slot.call("journal")
    if records.exit != 0:
        return "damaged"
    kinds = [(r["kind"], r["run"]) for r in records.lines]
    begun = [run for kind, run in kinds if kind == "begin"]
    open_runs = [run for run in begun if [k for k, r in kinds if r == run][-1] != "end"]
    try:
        journal = json.loads(status.out)["journal"]
    except (ValueError, KeyError):
        problems.append("status --json is no JSON: " + status.out[:200] + status.err[:200])
        return "damaged"
    if journal["open"] is None:
        return "damaged"
    if bool(open_runs) and not journal["open"]:
        problems.append(f"the journal's records have an open run, status says closed: {kinds}")
    state = "open" if journal["open"] else "closed"
    if expect_closed and state != "closed":
        problems.append(f"the journal is {state}: {kinds}")
    return state


def flush_told(slot, run, recover, problems):
    """Who flushed must not be told that all is well."""
    if not slot.flushes() or (run.last and run.exit is not None and not run.killed):
        return
    ended = [r for r in slot.journal() if r["kind"] == "end"]
    if recover.exit == 0 and "holds nothing open" in recover.sentence and ended:
        return      # the run had come to its end in the journal
    if recover.exit == 0 and any(r["kind"] == "step" and r["step"] == "await" for r in slot.journal()):
        return      # the configuration was back
    if recover.exit != 5:
        problems.append(f"it flushed, and recover ended with {recover.exit}: {recover.sentence}")
