"""Where a run can be hit: a dry run under strace, its system calls that act on the world or on the disk, and the journal record before each."""

import re
from dataclasses import dataclass

# What is looked at; those that this machine's libc does not use simply never occur.
NETWORK = ("connect", "sendto", "sendmsg", "send")
DISK = ("open", "openat", "write", "pwrite64", "fdatasync", "fsync", "ftruncate", "rename", "renameat", "renameat2", "unlink", "unlinkat", "mkdir", "flock")
OUTPUT = ("writev", "exit_group")
CALLS = NETWORK + DISK + OUTPUT
CALL = re.compile(r"^\d+ +([a-z0-9_]+)\((.*)$")
RECORD = re.compile(r'"DRR1 \d+ [0-9a-f]+ \d+ \S+ (\w+) \S+ (\S+?)(?: |\\n|")')


@dataclass(frozen=True)
class Point:
    call: str
    nth: int
    phase: str      # the journal's last record before it
    note: str = ""

    @property
    def name(self):
        return f"{self.call}#{self.nth} behind {self.phase}"


def known_calls():
    """The calls that the strace of this machine knows, with a ? for the others (arm64 has no open)."""
    return tuple("?" + call for call in CALLS)


def parse(trace, state_dir):
    """The points of one traced process, in their order."""
    counts, points, phase = {}, [], "start"
    for line in trace.splitlines():
        found = CALL.match(line)
        if not found or found[1] not in CALLS:
            continue
        call, rest = found[1], found[2]
        counts[call] = counts.get(call, 0) + 1
        note = rest[:200]
        if call in ("open", "openat") and state_dir not in rest:
            continue    # reads something that is not ours
        points.append(Point(call, counts[call], phase, note))
        record = RECORD.search(rest) if call == "write" else None
        if record:
            phase = record[1] if record[2] == "-" else f"{record[1]} {record[2]}"
    return points


def dry_run(slot, verb, *arguments):
    """(process, points) of a process that nothing happens to."""
    process = slot.call(verb, *arguments, inject=[(",".join(known_calls()), "")])
    return process, parse(process.trace, slot.state_dir)
