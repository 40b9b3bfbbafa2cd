"""What the demos print, and how they find it in the lab's record."""

import os
import sys
import threading
import time

_lock = threading.Lock()
_colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
STATE_COLOURS = {"done": "32", "failed": "31", "refused": "31", "skipped": "2", "started": "2"}


def say(text=""):
    with _lock:
        print(text, flush=True)


def paint(text, code):
    return f"\033[{code}m{text}\033[0m" if _colour and code else text


def heading(text):
    say("\n" + paint(f"== {text}", "1"))


def clock(effect):
    """HH:MM:SS.mmm of an effect, UTC; - for None."""
    return time.strftime("%H:%M:%S", time.gmtime(effect["time"])) + f".{int(effect['time'] * 1000) % 1000:03d}" if effect else "-"


def table(rows):
    """Columns as wide as they must be."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        say("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def matching(effects, member, effect, **fields):
    return [e for e in effects if e["member"] == member and e["effect"] == effect and all(e.get(k) == v for k, v in fields.items())]


def first(effects, member, effect, **fields):
    found = matching(effects, member, effect, **fields)
    return found[0] if found else None


def stores(lab):
    return ", ".join(f"{name} {m['peering']['gwd']['keys']}" for name, m in lab.state()["members"].items())


def lose_data(lab):
    """What a reboot of the primary does to a group with memory persistence, when it is back before anybody misses it."""
    primary = lab.primary()
    say(f"Keys in the members' stores: {stores(lab)}.\nThe redis of {primary}, the primary, is killed (SIGKILL) and started again at once.")
    lab.set("down_after", "60real")     # faster than a fail-over, on a slow machine as well
    lab.call("kill", member=primary, restart="yes")
    for member in lab.members:
        lab.wait_effect("store_emptied", member=member.name, timeout=60)
    lab.settle()
    lab.set("down_after", "30")
    mark = len(lab.effects())
    say(f"Keys in the members' stores: {stores(lab)}. The primary is still {lab.primary()}: it came back empty, and the others copied that.\n"
        f"The management server's next event is answered {lab.call('webhook')}: the services run on what they had loaded, and hide the loss until they restart.")
    lab.wait_effect("log_line", code="0x88e000ac", after=mark, timeout=60)
