"""Passwords and host keys: one try, one place, no trace."""

import os

from harness import World, case, check, contains, equal


def attempts(world):
    """Wrong passwords that reached the appliance."""
    return world.count("login_refused")


def wrong_password(name, transport="ssh", **switches):
    @case("wrong password reaches the appliance once: " + name)
    def function():
        with World(**switches) as world:
            path = world.secret_file("not-the-Password-1")
            config = world.config("gw1", transport, cli__password_file=path)
            for number, (verb, more) in enumerate((("run", []), ("run", ["-v"]), ("status", ["-v"]), ("check", ["--connect"]), ("run", ["--dry-run"]))):
                result = world.call(config, verb, *more)
                equal(result.exit, 7, f"exit of {verb}, call {number}")
                contains(result.text, "password_file")
                equal(attempts(world), 1, f"attempts behind {verb}, call {number}")
            world.unchanged()
            world.secret_file("not-the-Password-2-either")
            equal(world.call(config, "status").exit, 7, "exit with another wrong one")
            equal(attempts(world), 2, "attempts after the file changed")
            world.secret_file(world.lab.password)
            equal(world.call(config, "status").exit, 0, "exit with the right one")
            equal(world.call(config, "status").exit, 0, "exit with the right one, again")
            equal(attempts(world), 2, "attempts in the end")
    return function


wrong_password("in-band")
wrong_password("in-band, and the session is closed behind it", gw1__login_tries="1")
wrong_password("in-band over telnet", "telnet")
wrong_password("over telnet, closed behind it", "telnet", gw1__login_tries="1")
wrong_password("over telnet, log lines in between", "telnet", gw1__telnet_noise_rate="20")
wrong_password("SSH password", gw1__ssh_au_method="password")
wrong_password("SSH keyboard-interactive", gw1__ssh_au_method="keyboard-interactive")
wrong_password("SSH password or keyboard-interactive", gw1__ssh_au_method="password+keyboard-interactive")
wrong_password("SSH publickey or password, no key", gw1__ssh_au_method="password+publickey")
wrong_password("in-band, no text behind it", gw1__wrong_password_text="")


@case("account locked, admin restricted, password to be changed: one try, clear words")
def special_refusals():
    for switch, words in (("restrict_admin", ["restrict-admin"]), ("force_password_change", ["new password"])):
        with World(members=1, **{"gw1__" + switch: "yes"}) as world:
            config = world.config("gw1")
            for _ in range(2):
                result = world.call(config, "run")
                equal(result.exit, 7, "exit with " + switch)
            contains(world.told[0][1].text, *words)
            check(world.count("login_refused") + world.count("login") <= 1, "several log-ins with", switch)
    with World(members=1, gw1__max_login_failure="1") as world:
        path = world.secret_file("wrong-1")
        config = world.config("gw1", cli__password_file=path)
        equal(world.call(config, "run").exit, 7, "exit")
        world.secret_file(world.lab.password)
        result = world.call(config, "run")
        equal(result.exit, 7, "exit while locked")
        contains(result.text, "locked")
        equal(world.count("login_refused"), 2, "attempts")
        equal(world.call(config, "run").exit, 7, "exit, not tried again")
        equal(world.count("login_refused"), 2, "attempts")


@case("changed host key: no byte of the password leaves")
def changed_key():
    for method in ("none", "password", "keyboard-interactive"):
        with World(members=1, gw1__ssh_au_method=method) as world:
            config = world.config("gw1")
            equal(world.call(config, "status").exit, 0, "exit with the right key")
            old = world.lab.member("gw1").host_keys
            auth = world.lab.get("gw1.auth")
            logins = world.count("login")
            world.lab.call("rekey", member="gw1")
            world.lab.refresh()
            new = world.lab.member("gw1").host_keys
            for verb, more in (("run", []), ("status", []), ("check", ["--connect"])):
                result = world.call(config, verb, *more)
                equal(result.exit, 7, f"exit of {verb}")
                check(any(k in result.text for k in new.values()), "the new fingerprint is missing:", result.text)
                check(any(k in result.text for k in old.values()), "the old fingerprint is missing:", result.text)
            now = world.lab.get("gw1.auth")
            equal(now["auth_requests"], auth["auth_requests"], "authentication requests")
            equal(now["password_received"], auth["password_received"], "passwords received")
            equal(world.count("login"), logins, "log-ins")


@case("no host key configured: nothing but check --connect, which shows it")
def no_key():
    with World(members=1) as world:
        config = world.config("gw1", cli__host_key=None)
        for verb in ("run", "recover", "status"):
            result = world.call(config, verb, json_output=False)
            equal(result.exit, 2, f"exit of {verb}")
            contains(result.text, "host_key", "check", "--connect")
        equal(world.lab.get("gw1.auth")["connections"], 0, "connections")
        result = world.call(config, "check", "--connect")
        check(result.exit in (2, 7), "exit of check --connect", result.exit)
        keys = world.lab.member("gw1").host_keys
        check(any(f"host_key = {k}" in result.text for k in keys.values()), "the line to paste is missing:", result.text)
        equal(world.lab.get("gw1.auth")["auth_requests"], 0, "authentication requests")
        pasted = next(k for k in keys.values() if f"host_key = {k}" in result.text)
        equal(world.call(world.config("gw1", cli__host_key=pasted), "check", "--connect").exit, 0, "exit with that line")


@case("password file that others can read, or is missing")
def password_file():
    with World(members=1) as world:
        path = world.secret_file(world.lab.password)
        config = world.config("gw1", cli__password_file=path)
        os.chmod(path, 0o644)
        result = world.call(config, "run")
        equal(result.exit, 2, "exit")
        contains(result.text, path)
        os.unlink(path)
        equal(world.call(config, "run").exit, 2, "exit without the file")
        equal(world.lab.get("gw1.auth")["connections"], 0, "connections")


@case("-v shows the dialogue and never the password")
def verbose():
    for transport, more in (("ssh", {}), ("telnet", {"gw1__password_echo": "none"}), ("ssh", {"gw1__ssh_au_method": "password"})):
        with World(members=1, **more) as world:
            config = world.config("gw1", transport)
            for arguments in (["-v"], ["-v", "--json"]):
                result = world.call(config, "run", *arguments, "--steps", "bounce", json_output="--json" in arguments)
                equal(result.exit, 0, "exit")
                contains(result.text, "show gateway-peering-status", "admin-state enabled")
            result = world.call(config, "status", "-v")
            contains(result.text, "show apic-gw-service")


@case("nobody is there: unreachable")
def unreachable():
    with World(members=1, gw1__ssh_listen="no") as world:
        config = world.config("gw1", cli__connect_timeout_s=2)
        for verb in ("run", "status"):
            result = world.call(config, verb)
            equal(result.exit, 8, f"exit of {verb}")
        config = world.config("gw1", cli__host="127.77.0.1", cli__port=1, cli__connect_timeout_s=2)
        equal(world.call(config, "run").exit, 8, "exit with a wrong port")
        world.unchanged()


@case("a domain that is not there")
def no_domain():
    with World(members=1) as world:
        result = world.call(world.config("gw1", appliance__domain="nowhere"), "run")
        equal(result.exit, 7, "exit")
        contains(result.text, "nowhere", "domain")
        world.unchanged()


@case("two configurations with one state_dir: each refused password is sent once")
def two_refused():
    with World() as world:
        wrong = world.secret_file("n0t-it!", "password.wrong")
        shared = world.state_dir("shared")
        configs = [world.config(member, state_dir=shared, cli__password_file=wrong) for member in ("gw1", "gw2")]
        for _ in range(2):
            for config in configs:
                equal(world.call(config, "status").exit, 7, "exit")
        for member in ("gw1", "gw2"):
            equal(world.count("login_refused", member=member), 1, f"log-ins that {member} refused")
