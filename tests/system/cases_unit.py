"""The systemd unit: what it forbids is not what whole runs need."""

import glob
import os
import re
import subprocess

from harness import ROOT, World, case, check, contains, equal

ALWAYS = "@default"


def groups():
    """The system calls of each of systemd's groups, groups within groups put in."""
    sets, name = {}, None
    said = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager"], capture_output=True, text=True, check=True).stdout
    for line in said.splitlines():
        word = line.strip()
        if line.startswith("@"):
            name = word
            sets[name] = set()
        elif name and word and not word.startswith("#"):
            sets[name].add(word)

    def whole(group):
        return set().union(*(whole(w) if w.startswith("@") else {w} for w in sets[group]))
    return {group: whole(group) for group in sets}


def allowed_by(unit):
    """SystemCallFilter= as systemd reads it: line by line, ~ takes away; @default is always there."""
    known = groups()
    allowed = set()
    with open(os.path.join(ROOT, "conf", "systemd", unit), encoding="utf-8") as file:
        lines = re.findall(r"^SystemCallFilter=(~?)(.*)$", file.read(), re.M)
    check(lines, unit, "has no SystemCallFilter")
    for sign, words in lines:
        named = set().union(*(known[w] if w.startswith("@") else {w} for w in words.split()))
        allowed = allowed - named if sign else allowed | named
    return allowed | known[ALWAYS]


@case("unit: its system calls suffice for whole runs over ssh, telnet, a pty and XMI", slow=True)
def unit_system_calls():
    with World(members=1, xmi="yes") as world:
        trace = os.path.join(world.directory, "trace")
        wrapper = os.path.join(world.directory, "traced")
        with open(wrapper, "w", encoding="utf-8") as file:
            file.write(f'#!/bin/sh\nexec strace -f -qq -e signal=none -e abbrev=all -s 0 -o {trace}.$$ {world.exe} "$@"\n')
        os.chmod(wrapper, 0o755)
        world.exe = wrapper
        for transport, more in (("ssh", {"xmi": True}), ("telnet", {"log__source": "cli", "log__file": None}), ("exec", {})):
            equal(world.run(world.config("gw1", transport=transport, **more)).exit, 0, f"exit over {transport}")
        equal(world.call(world.config("gw1"), "recover").exit, 0, "exit of recover")
        used = set()
        for path in glob.glob(trace + ".*"):
            with open(path, encoding="ascii") as file:
                used |= set(re.findall(r"^\d+ +(\w+)\(", file.read(), re.M))
        contains(" ".join(used), "connect", "fdatasync", "execve")
        for unit in ("drr-agent.service", "drr-agent@.service"):
            equal(used - allowed_by(unit), set(), f"used and forbidden by {unit}")
