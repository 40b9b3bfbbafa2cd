"""The XML management interface beside the command line: the same facts, the same run, and what happens when one of the two fails."""

import json
import os

from cases_refusals import by_hand
from harness import World, case, check, contains, equal

FACTS = ["appliance.firmware", "appliance.serial", "appliance.uptime_s", "appliance.domain", "appliance.unsaved", "member.address", "peering.object",
         "peering.is_primary", "peering.primary_address", "peering.quorum", "peering.persistence", "peering.rows", "service.admin_state",
         "service.op_state", "service.event_code", "collections"]
# What one of the two ways cannot tell, and why.
OTHER_PIN = "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
ONE_WAY = {"appliance.unsaved": "the CLI has no documented question for it", "service.event_code": "the CLI shows no event codes"}


def fact(status, path):
    for key in path.split("."):
        status = status[key]
    return status


def status_of(world, config):
    result = world.call(config, "status", "--json")
    equal((result.exit, result.err), (0, ""), "exit, stderr")
    return json.loads(result.out)


def same(name, cli, xmi):
    if name == "appliance.uptime_s":
        return abs(cli - xmi) <= 5
    if name == "peering.rows":     # offsets move on
        return [{k: v for k, v in row.items() if k != "replication_offset"} for row in cli] == \
               [{k: v for k, v in row.items() if k != "replication_offset"} for row in xmi]
    if name == "collections" and xmi == 0:     # no object dump at all: the CLI cannot tell none from an answer it does not know
        return cli is None
    return cli == xmi


def compare(world, member="gw1", **more):
    """Both ways, one lab state: [(fact, over the CLI, over XMI)]; Failed where they differ."""
    cli = status_of(world, world.config(member, name="cli.conf", **more))
    xmi = status_of(world, world.config(member, name="xmi.conf", xmi=True, **more))
    equal(set(cli["appliance"]["ways"].values()) - {None}, {"cli"}, "ways over the CLI alone")
    equal(set(xmi["appliance"]["ways"].values()), {"xmi"}, "ways with XMI")
    rows = []
    for name in FACTS:
        a, b = fact(cli, name), fact(xmi, name)
        if name in ONE_WAY:
            check(a is None, name, "is known over the CLI as well:", a)
        else:
            check(same(name, a, b), name, "differs:", a, "over the CLI,", b, "over XMI")
        rows.append((name, a, b))
    return rows


def table(rows):
    def shown(value):
        return f"{len(value)} rows" if isinstance(value, list) else json.dumps(value)
    lines = [f"{'FACT':<26} {'OVER THE CLI':<22} {'OVER XMI':<22} WHERE ONE IS MISSING"]
    return "\n".join(lines + [f"{n:<26} {shown(a):<22} {shown(b):<22} {ONE_WAY.get(n, '')}" for n, a, b in rows])


@case("xmi: status over the CLI and over XMI: the same facts")
def same_facts():
    with World(xmi="yes", initial_primary="gw2") as world:
        rows = compare(world)
        for name, _, value in rows:
            check(value is not None or name == "service.event_code", name, "is not known over XMI")
        return table(rows)


STATES = {
    "nine columns": {"status_columns": "9"},
    "old firmware": {"firmware_age": "old"},
    "v5 compatibility": {"v5_compat": "yes"},
    "a member is down": {"gw3__row_link": "down"},
    "persistence local": {"persistence": "local"},
    "unsaved": {"unsaved_config": "yes"},
    "awkward wire form": {"xmi_chunk": "-2", "xmi_padded": "yes", "xmi_no_timestamp": "yes"},
    "one byte at a time": {"xmi_chunk": "1"},
    "by length": {"xmi_framing": "length"},
    "until the end": {"xmi_framing": "close"},
    "rsa key": {"xmi_key": "rsa"},
}


def add_state(name, switches):
    @case(f"xmi: the same facts both ways: {name}")
    def both_ways():
        with World(xmi="yes", **switches) as world:
            compare(world)


for _name, _switches in STATES.items():
    add_state(_name, _switches)


@case("xmi: the service found disabled by somebody, both ways")
def disabled():
    with World(xmi="yes") as world:
        by_hand(world, "gw1", "switch domain " + world.lab.domain, "config", "apic-gw-service", "admin-state disabled", "exit", "exit")
        world.lab.wait_effect("admin_state", member="gw1", value="disabled", timeout=30)
        rows = dict((n, b) for n, _, b in compare(world))
        equal((rows["service.admin_state"], rows["service.event_code"]), ("disabled", "0x0034000d"), "admin_state, event code")


@case("xmi: the service waits for its registration, both ways")
def waits():
    with World(xmi="yes", initial_primary="gw1") as world:
        equal(world.call(world.config("gw1"), "run", "--steps", "flush,bounce,confirm").exit, 0, "exit of the bounce")
        compare(world)


@case("xmi: a run asks over XMI, switches and bounces over XMI, and flushes over the CLI", slow=True)
def whole_run():
    with World(xmi="yes", initial_primary="gw2") as world:
        config = world.config("gw1", xmi=True)
        result = world.run(config)
        equal(result.exit, 0, "exit")
        equal((world.count("flush"), world.bounced()), (1, 1), "flushes, bounces")
        switched = world.lab.effects("switch_primary", member="gw1")
        check(switched and switched[0]["command"].startswith("xmi"), "the switch did not go over XMI:", switched)
        check(all(e["command"].startswith("xmi") for e in world.lab.effects("admin_state", member="gw1")), "the bounce did not go over XMI")
        world.closed(config)


@case("xmi: refused credentials are sent once, all causes are named, and the CLI does the run")
def refused_once():
    with World(xmi="yes") as world:
        config = world.config("gw1", xmi=True, xmi__password_file=world.secret_file("n0t-it!", "password.xmi"))
        for _ in range(3):
            status = status_of(world, config)
            equal(status["appliance"]["way"], "cli", "way")
            check(status["appliance"]["xmi_trouble"], "nothing is said about XMI")
        equal(world.count("login_refused", way="xmi"), 1, "log-ins refused over XMI")
        checked = world.call(config, "check", "--connect")
        equal(checked.exit, 7, "exit of check --connect")
        result = world.run(config)
        equal((result.exit, world.count("flush")), (0, 1), "exit, flushes")
        equal(world.count("login_refused", way="xmi"), 1, "log-ins refused over XMI")


@case("xmi: refused credentials: the sentence names three causes")
def three_causes():
    with World(xmi="yes") as world:
        config = world.config("gw1", xmi=True, xmi__password_file=world.secret_file("n0t-it!", "password.xmi"))
        trouble = status_of(world, config)["appliance"]["xmi_trouble"]
        contains(trouble, "credentials", "no such domain", "this user may not")


@case("xmi: nothing listens there: the CLI does it, and it is said")
def nothing_there():
    with World(xmi="yes", xmi_acl="refuse") as world:
        config = world.config("gw1", xmi=True, xmi__pin=OTHER_PIN)
        status = status_of(world, config)
        equal(status["appliance"]["way"], "cli", "way")
        contains(world.call(config, "check", "--connect").text, "access list")
        result = world.run(config)
        equal((result.exit, world.count("flush"), world.bounced()), (0, 1, 1), "exit, flushes, bounces")
        equal(len([s for s in result.sentences() if "XML management interface is not used" in s]), 1, "how often it is said")


@case("xmi: another key than the pinned one: no password is sent")
def wrong_key():
    with World(xmi="yes") as world:
        config = world.config("gw1", xmi=True, xmi__pin=OTHER_PIN)
        status = status_of(world, config)
        equal(status["appliance"]["way"], "cli", "way")
        contains(status["appliance"]["xmi_trouble"], world.lab.member("gw1").xmi["pin"])
        check(not [e for e in world.lab.effects("command") if e.get("mode") == "xmi"], "a request was sent")


@case("xmi: check --connect without a pin shows it and sends nothing")
def shows_pin():
    with World(xmi="yes") as world:
        config = world.config("gw1", xmi=True, xmi__pin=None)
        result = world.call(config, "check", "--connect")
        contains(result.text, world.lab.member("gw1").xmi["pin"])
        check(result.exit != 0, "exit 0 without a pin")
        check(not [e for e in world.lab.effects("command") if e.get("mode") == "xmi"], "a request was sent")
        equal(world.call(config, "status").exit, 2, "exit of status without a pin")
        fixed = world.config("gw1", xmi=True)
        equal(world.call(fixed, "check", "--connect").exit, 0, "exit with the pin")


@case("xmi: TLS 1.3 only: bearssl names the remedy, mbedtls works")
def tls13():
    with World(xmi="yes", xmi_tls="1.3") as world:
        config = world.config("gw1", xmi=True)
        equal(status_of(world, config)["appliance"]["way"], "cli", "way")
        contains(world.call(config, "check", "--connect").text, "tls = mbedtls")
        status = status_of(world, world.config("gw1", xmi=True, xmi__tls="mbedtls"))
        equal(status["appliance"]["way"], "xmi", "way")


@case("xmi: a CA instead of a pin")
def by_ca():
    with World(xmi="yes", xmi_certificate="ca") as world:
        m = world.lab.member("gw1")
        for engine in ("bearssl", "mbedtls"):
            config = world.config("gw1", xmi=True, xmi__pin=None, xmi__ca_file=m.xmi["ca_file"], xmi__tls=engine)
            equal(status_of(world, config)["appliance"]["way"], "xmi", f"way with {engine}")


FAULTS = ["soap-fault", "http500", "reset-before", "close-before", "reset-after", "close-after", "short-length", "long-length", "not-xml", "empty-body",
          "bitflip", "truncate"]


def add_fault(fault):
    @case(f"xmi: {fault} in every answer: the CLI does the run, enabled in the end", slow=True)
    def faulty():
        with World(xmi="yes", xmi_fault=fault) as world:
            result = world.run(world.config("gw1", xmi=True, xmi__timeout_s=3))
            check(result.exit in (0, 5), "exit", result.exit)
            check(world.count("flush") <= 1, "flushes", world.count("flush"))
            world.enabled()


for _fault in FAULTS:
    add_fault(_fault)


def add_cut(which, when):
    @case(f"xmi: the session is reset {when} {which} acted: seen, put right, one flush", slow=True)
    def cut():
        at = "modify-config APIConnectGatewayService"
        with World(xmi="yes", xmi_fault=f"reset-{when}", xmi_fault_at=at, xmi_fault_once="yes") as world:
            config = world.config("gw1", xmi=True)
            result = world.run(config)
            equal(result.exit, 0, "exit")
            equal(world.count("flush"), 1, "flushes")
            check(world.bounced() >= 1, "never bounced")
            world.enabled()
            world.closed(config)


for _when in ("before", "after"):
    add_cut("the disable", _when)


@case("xmi: a user that may only look: the CLI changes, XMI looks")
def looks_only():
    with World(xmi="yes", xmi_user_lacks="modify-config,do-action", initial_primary="gw2") as world:
        config = world.config("gw1", xmi=True)
        result = world.run(config)
        equal((result.exit, world.count("flush"), world.bounced()), (0, 1, 1), "exit, flushes, bounces")
        equal(status_of(world, config)["appliance"]["way"], "xmi", "way")


@case("xmi: a user without the default domain: identity over the CLI, the rest over XMI")
def no_default_domain():
    with World(xmi="yes", xmi_user_lacks="default-domain") as world:
        status = status_of(world, world.config("gw1", xmi=True))
        equal((status["appliance"]["ways"]["peering"], status["appliance"]["ways"]["service"]), ("xmi", "xmi"), "ways")
        check(status["appliance"]["firmware"], "no firmware")


@case("xmi: 1,619 rows of a status, a megabyte of answer: right, and in little memory")
def many_rows():
    with World(xmi="yes", object_status_rows=1619) as world:
        agent = world.begin(world.config("gw1", xmi=True), "status", "--json", json_output=False)
        peak = agent.peak_kb()
        result = agent.result()
        equal(result.exit, 0, "exit")
        equal(json.loads(result.out)["service"]["admin_state"], "enabled", "admin_state")
        check(0 < peak < 4096, "peak resident KiB", peak)
        return f"peak resident {peak} KiB"


@case("xmi: --verbose shows no header and no password")
def verbose():
    with World(xmi="yes", xmi_echo_headers="yes") as world:
        result = world.call(world.config("gw1", xmi=True), "status", "--verbose", json_output=False)
        equal(result.exit, 0, "exit")
        check("uthorization" not in result.text and "Basic " not in result.text, "a header is shown:", result.text)


@case("xmi: a log of 10 MB is read through XMI in little memory", slow=True)
def big_log():
    with World(xmi="yes", log_size_kb="50000") as world:
        world.lab.call("bulk", member="gw1", mb=10)
        check(os.path.getsize(world.lab.member("gw1").log_file) >= 9_990_000, "the log is not that long")
        config = world.config("gw1", xmi=True, log__source="xmi", log__file=None)
        agent = world.begin(config, "status", json_output=False)
        peak = agent.peak_kb()
        result = agent.result()
        equal(result.exit, 0, "exit")
        contains(result.out, "log        ")
        check("cannot be read" not in result.out, result.out)
        check(0 < peak < 4096, "peak resident KiB", peak)
        return f"peak resident {peak} KiB"


@case("xmi: PendingDown is not down: the enable waits until the service has stopped")
def _():
    with World(xmi="yes", xmi_pending_states="yes", gw1__disable_delay="2real") as w:
        result = w.call(w.config("gw1", xmi=True), "run", "--steps", "bounce")
        equal(result.exit, 0, "exit")
        states = [e["state"] for e in w.lab.effects("service_state", member="gw1")]
        equal(states[:3], ["stopping", "down", "starting"], "what the service went through")
        order = [(e["effect"], e.get("value") or e.get("state")) for e in w.lab.effects(member="gw1") if e["effect"] in ("admin_state", "service_state")]
        check(order.index(("service_state", "down")) < order.index(("admin_state", "enabled")), "it was enabled before it was down:", order)
