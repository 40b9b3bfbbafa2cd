"""What must be true at the end of any run that was disturbed, by the lab's own record."""

import time

from harness import check, contains, equal

SURE = (" the flush was accepted", "all steps are done")


def judge(world, result, after, config, member="gw1"):
    """After one disturbed run (and nothing else since effect number AFTER). Returns (flushes, bounces)."""
    flushes = world.count("flush", after=after)
    bounces = world.bounced(after=after, member=member)
    sentence, told = result.last["sentence"], result.exit
    equal(result.last["step"], "run", "step of the last line")
    equal(result.last["exit"], told, "exit in the last line")
    world.enabled(member)
    check(flushes <= 1, flushes, "flushes")
    check(told in (0, 4, 5, 7, 8), "exit", told, sentence)
    if told == 0:
        check(flushes == 1 and bounces >= 1, "exit 0 with", flushes, "flushes and", bounces, "bounces:", sentence)
        order = [e["effect"] for e in world.lab.effects(after=after) if e["effect"] == "flush" or (e["effect"] == "admin_state" and e["value"] == "enabled")]
        equal(order[-1], "admin_state", "what came last of flush and enable")
        equal(world.lab.get(f"{member}.service")["state"], "up", "exit 0, and the service")
        check("next" not in result.last, "exit 0 and yet:", result.last)
    if told in (4, 7, 8):
        equal(flushes, 0, f"exit {told}: flushes")
        check(result.last.get("next"), "no next command:", result.last)
    if told == 5:
        check(flushes == 1 or "may or may not" in sentence, "exit 5 without a flush:", sentence)
        contains(result.last["next"], "drr-agent")
    if "nothing was changed" in sentence:
        world.unchanged(after)
    if "nothing was flushed" in sentence:
        equal(flushes, 0, sentence)
    if any(s in sentence for s in SURE):
        equal(flushes, 1, sentence)
    records = world.journal(config)
    if records:
        world.closed(config)
        intents = [r for r in records if r["kind"] == "intent" and r["step"] == "flush"]
        check(len(intents) >= flushes, "a flush without an intent in the journal")
    return flushes, bounces


def heal(world, primary="gw2"):
    """The group as it was at the start, for the next point of a sweep."""
    for _ in range(200):
        if not world.lab.state()["resync_running"]:
            break
        time.sleep(0.05)
    world.lab.call("reset")
    world.lab.call("primary", member=primary)
    world.lab.call("truncate", member="all")
    return world.mark()
