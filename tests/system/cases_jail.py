"""The jail: a violation ends the process, and what the jail has to leave open works."""

import os
import re
import signal
import subprocess

from harness import ROOT, Skipped, World, case, check, contains, equal

POKE = os.path.join(ROOT, "tests", "jail", "poke")


def kernel_can():
    """Root, and a kernel with seccomp: else there is nothing to be seen."""
    with open("/proc/self/status", encoding="ascii") as file:
        if os.getuid() != 0 or "Seccomp:" not in file.read():
            raise Skipped("only root may poke, and only seccomp kills")


def status_of(pid, field):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return re.search(rf"^{field}:\s+(\S+)", file.read(), re.M).group(1)


def poke(pid, *number):
    return subprocess.run([POKE, str(pid), *(str(n) for n in number)], capture_output=True, text=True, check=False, timeout=60)


def poked(world, config, verb, **line):
    """A process that waits, made to call ptrace(2)."""
    agent = world.begin(config, verb)
    agent.wait_line(**line)
    pid = agent.process.pid
    equal((status_of(pid, "NoNewPrivs"), status_of(pid, "Seccomp")), ("1", "2"), "no_new_privs, seccomp")
    done = poke(pid)
    equal((done.returncode, done.stdout), (0, "killed by signal 31\n"), "poke " + done.stderr)
    equal(agent.result().exit, -signal.SIGSYS, "exit")


@case("jail: a run that makes a forbidden system call is ended, and recover closes it")
def violation():
    kernel_can()
    with World() as world:
        config = world.config()
        poked(world, config, "run", step="trigger", state="started")
        world.enabled()
        check(world.call(config, "recover").exit in (0, 5), "recover")
        world.closed(config)


@case("jail: a command on a pty may do what it wants, but not everything")
def command():
    kernel_can()
    with World() as world:
        config = world.config(transport="exec")
        agent = world.begin(config, "run")
        agent.wait_line(step="trigger", state="started")
        equal((status_of(agent.process.pid, "NoNewPrivs"), status_of(agent.process.pid, "Seccomp")), ("1", "2"), "no_new_privs, seccomp")
        done = poke(agent.process.pid)
        equal((done.returncode, done.stdout), (1, "lives, the call gave -1\n"), "poke " + done.stderr)
        equal(agent.result().exit, 1, "exit")      # its wait failed
        world.enabled()


@case("jail: names are resolved in it, from the file and by asking")
def names():
    with World() as world:
        for host, sentence in (("localhost", "no connection to localhost"), ("no-such-host.invalid", "cannot resolve")):
            result = world.call(world.config(cli__host=host), "status")
            equal(result.exit, 8, "exit")
            contains(result.text, sentence)


@case("jail: a new password in a new file of the old name is read")
def replaced():
    with World() as world:
        secret = world.secret_file("wrong-Secret-1", "password")
        config = world.config(cli__password_file=secret)
        equal(world.call(config, "status").exit, 7, "exit with a wrong password")
        os.unlink(secret)
        world.secret_file(open(world.lab.password_file, encoding="utf-8").read().strip(), "password")
        equal(world.call(config, "status").exit, 0, "exit with the right one")


@case("jail: -v says what the kernel had")
def told():
    kernel_can()
    with World() as world:
        contains(world.call(world.config(), "status", "-v").err, "system calls are restricted")
