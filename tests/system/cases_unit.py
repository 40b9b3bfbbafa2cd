"""The systemd unit: what it forbids is not what whole runs need."""

import glob
import os
import re
import subprocess

from cases_drrctl import DRRCTL, ctl
from cases_notify import hosted
from harness import LIMIT_S, ROOT, World, case, check, contains, equal

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


STRACE = ["strace", "-f", "-qq", "-e", "signal=none", "-e", "abbrev=all", "-s", "0", "-o"]


def check_calls(trace):
    """The system calls in the files TRACE.*: all of them, and none that a unit forbids."""
    used = set()
    for path in glob.glob(trace + ".*"):
        with open(path, encoding="ascii") as file:
            used |= set(re.findall(r"^\d+ +(\w+)\(", file.read(), re.M))
    for unit in ("drr-agent.service", "drr-agent@.service"):
        equal(used - allowed_by(unit), set(), f"used and forbidden by {unit}")
    return " ".join(used)


@case("unit: its system calls suffice for whole runs over ssh, telnet, a pty and XMI", slow=True)
def unit_system_calls():
    with World(members=1, xmi="yes") as world:
        trace = os.path.join(world.directory, "trace")
        wrapper = os.path.join(world.directory, "traced")
        with open(wrapper, "w", encoding="utf-8") as file:
            file.write(f'#!/bin/sh\nexec {" ".join(STRACE)} {trace}.$$ {world.exe} "$@"\n')
        os.chmod(wrapper, 0o755)
        world.exe = wrapper
        for transport, more in (("ssh", {"xmi": True}), ("telnet", {"log__source": "cli", "log__file": None}), ("exec", {})):
            equal(world.run(world.config("gw1", transport=transport, **more)).exit, 0, f"exit over {transport}")
        equal(world.call(world.config("gw1"), "recover").exit, 0, "exit of recover")
        contains(check_calls(trace), "connect", "fdatasync", "execve")


@case("unit: its system calls suffice for what the daemon starts")
def unit_jobs():
    with ctl() as c, hosted(https=True) as host:
        c.write(extra=c.add_manager("username = admin\nrealm = provider/default-idp-2\npassword_file = " + os.path.join(c.directory, "password") + "\n",
                                    on_change=c.fake.event.set))
        trace = os.path.join(c.directory, "trace")
        for number, words in enumerate((["status", "--json"], ["run", "--json", "--run", "r1"], ["nudge"])):
            done = subprocess.run([*STRACE, f"{trace}.{number}", DRRCTL, *words, "-g", c.conf], capture_output=True, text=True, timeout=LIMIT_S, check=False)
            equal(done.returncode, 0, f"exit of {words}: {done.stdout} {done.stderr}")
        equal(host.notify(wrapper=[*STRACE, trace + ".notify"]), (0, ""), "exit of notify, log")
        contains(check_calls(trace), "connect", "execve")
