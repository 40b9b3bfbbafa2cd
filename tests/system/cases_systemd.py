"""The units under a real systemd: started, watched, reloaded, crashed, stopped; on a host of its own (systemd_host.py)."""

import json
import time

from daemon import plan_of, wait_until
from harness import World, case, contains, equal
from systemd_host import Host, needs_systemd

PLAN = json.dumps(plan_of("gw2", ["gw1", "gw2"]))      # here a bounce needs no flush


def config(world, member="gw1", state_dir="/var/lib/drr-agent", password="/etc/drr-agent/password"):
    m = world.lab.member(member)
    log = m.log_file.replace(world.lab.directory, "/srv/lab")
    return (f"[agent]\nname = {member}\nstate_dir = {state_dir}\n[appliance]\ndomain = {world.lab.domain}\n"
            f"[cli]\nhost = {m.ssh_host}\nport = {m.ssh_port}\nuser = {world.lab.user}\npassword_file = {password}\nhost_key = {m.host_keys['ecdsa']}\n"
            f"[log]\nsource = file\nfile = {log}\n[limits]\nquiet_s = 1\n")


def state(host):
    status, text = host.ask("GET", "/v1/state?max_age_ms=0")
    equal(status, 200, text)
    return json.loads(text)


def until_disabled(world, host, run="r1"):
    equal(host.ask("PUT", f"/v1/grant/{run}", PLAN)[0], 200, "status of the grant")
    equal(host.ask("POST", "/v1/steps", json.dumps({"run": run, "op": "bounce"}))[0], 202, "status of the step")
    world.lab.wait_effect("admin_state", member="gw1", value="disabled", timeout=60)


def ends_enabled(world):
    wait_until(lambda: world.lab.get("gw1.service")["admin_state"] == "enabled", "it is enabled")


@case("systemd: the unit starts, works as its own user with a credential, and stops", slow=True, once=needs_systemd)
def started():
    with World(members=2) as world, Host(world, {"agent": config(world, password="password"), "gw2": config(world, "gw2", "/var/lib/drr-agent/gw2", "password")},
                                          credential=True) as host:
        host.systemctl("start", "drr-agent")
        equal((host.show("ActiveState"), host.show("SubState")), ("active", "running"), "state of the unit")
        equal(set(host.pids()), {"serve", "engine", "front"}, "processes")
        users = host.call("ps", "-o", "user=", "-p", ",".join(host.pids().values())).stdout.split()
        equal(set(users), {"drr-agent"}, "their user")
        equal(host.call("stat", "-c", "%a %U", "/var/lib/drr-agent").stdout.strip(), "710 drr-agent", "mode and owner of state_dir")
        equal(state(host)["service"]["admin_state"], "enabled", "what the appliance says, by the password from the credential")
        contains(host.show("StatusText"), "at work")
        equal(host.call("setpriv", "--reuid=nobody", "--clear-groups", "curl", "-sS", "--unix-socket", "/var/lib/drr-agent/api.sock", "http://agent/livez").returncode, 7,
              "exit of a stranger's curl")
        host.systemctl("start", "drr-agent@gw2")            # one host, two appliances
        equal(host.ask("GET", "/livez", socket="/var/lib/drr-agent/gw2/api.sock")[0], 200, "status of the second one's answer")
        host.systemctl("stop", "drr-agent", "drr-agent@gw2")
        equal((host.show("ActiveState"), host.show("Result")), ("inactive", "success"), "state of the unit")


@case("systemd: stopped in the middle of a bounce: it ends when the service is enabled", slow=True, once=needs_systemd)
def stopped():
    with World(members=2, gw1__disable_delay="1real") as world, Host(world, {"agent": config(world)}) as host:
        host.systemctl("start", "drr-agent")
        until_disabled(world, host)
        host.systemctl("stop", "drr-agent")
        equal(world.lab.get("gw1.service")["admin_state"], "enabled", "admin-state when systemctl stop returns")
        equal(host.show("Result"), "success", "result of the unit")


@case("systemd: all processes killed while the service is disabled: ExecStopPost enables it, and the unit starts again", slow=True, once=needs_systemd)
def killed():
    with World(members=2, gw1__disable_delay="2real") as world, Host(world, {"agent": config(world)}, "RestartSec=1\n") as host:
        host.systemctl("start", "drr-agent")
        until_disabled(world, host)
        host.systemctl("kill", "--signal=STOP", "drr-agent")    # or the engine enables in the instant between two kills
        host.systemctl("kill", "--signal=KILL", "drr-agent")
        equal(world.lab.get("gw1.service")["admin_state"], "disabled", "admin-state right after")
        ends_enabled(world)
        host.wait("ActiveState", "active")
        equal(host.show("NRestarts"), "1", "restarts")
        wait_until(lambda: not state(host)["journal"]["open"], "the journal is closed")
        equal(state(host)["grant"]["run"], "r1", "who holds the grant")


@case("systemd: an engine that hangs while the service is disabled is found by the watchdog; enabled, and at work again", slow=True, once=needs_systemd)
def hung():
    with World(members=2, gw1__disable_delay="2real") as world, Host(world, {"agent": config(world)}, "RestartSec=1\nWatchdogSec=2\n") as host:
        host.systemctl("start", "drr-agent")
        until_disabled(world, host)
        host.kill("STOP", "engine")
        ends_enabled(world)
        contains(host.log, "Watchdog timeout")
        host.wait("ActiveState", "active")
        wait_until(lambda: not state(host)["journal"]["open"], "the journal is closed")


@case("systemd: reload takes a good configuration, a bad one changes nothing; a bad one at the start is not tried again", slow=True, once=needs_systemd)
def reloaded():
    with World(members=2) as world, Host(world, {"agent": config(world)}, "RestartSec=1\n") as host:
        host.systemctl("start", "drr-agent")
        before = host.pids()
        host.systemctl("reload", "drr-agent")
        host.wait("ActiveState", "active")
        wait_until(lambda: "the configuration was read again" in host.log, "the engine says so")
        host.call("sh", "-c", "echo nonsense >>/etc/drr-agent/agent.conf")
        host.systemctl("reload", "drr-agent")
        wait_until(lambda: "the old one stays" in host.log, "the supervisor says so")
        host.wait("ActiveState", "active")
        equal((host.pids(), host.ask("GET", "/livez")[0]), (before, 200), "processes, and their answer")
        host.systemctl("restart", "drr-agent", exit_code=1)
        host.wait("ActiveState", "failed")
        time.sleep(2)                   # longer than RestartSec
        equal((host.show("NRestarts"), host.show("ExecMainStatus")), ("0", "2"), "restarts, exit status")
