"""Whole runs whose log comes from the XML management interface, from syslog or from the command line."""

import os
import socket
import subprocess
import time

from harness import World, case, check, contains, equal

PATH = "logtemp:///gwd-log.log"


def xmi_log(world, member="gw1", **more):
    return world.config(member, xmi=True, log__source="xmi", log__file=None, log__poll_ms="200", **more)


def cli_log(world, member="gw1", **more):
    return world.config(member, log__source="cli", log__file=None, log__poll_ms="200", **more)


def free_port(kind):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def syslog_log(world, kind, member="gw1", **more):
    """The agent listens; the member sends, from its own address."""
    port = free_port(kind)
    if kind == "tls":
        folder = world.state_dir("certificate")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=agent",
                        "-days", "2", "-keyout", f"{folder}/key", "-out", f"{folder}/certificate"], check=True, capture_output=True)
        more.update(log__certificate=f"{folder}/certificate", log__key=f"{folder}/key")
    config = world.config(member, log__source="syslog", log__file=None, log__listen=f"{kind}://127.0.0.1:{port}", **more)
    return config, f"{kind}:127.0.0.1:{port}"


def whole(world, result):
    """The run did everything, and saw the lines that it waits for."""
    equal(result.exit, 0, "exit")
    equal((world.count("flush"), world.bounced()), (1, 1), "flushes, bounces")
    contains(" ".join(line.get("evidence") or "" for line in result.lines), "0x88e000d7", "0x88e000ac")


@case("source xmi: a whole run")
def xmi_whole():
    with World(xmi="yes") as world:
        whole(world, world.run(xmi_log(world)))


@case("source xmi: rotation while it waits", slow=True)
def xmi_rotation():
    with World(xmi="yes") as world:
        agent = world.begin(xmi_log(world), "run")
        agent.wait_line(step="trigger", state="started")
        world.lab.call("rotate", member="gw1")
        world.lab.call("log", member="gw1", raw="noise")
        world.lab.call("webhook", member="gw1")
        whole(world, agent.result())


@case("source xmi: the appliance refuses the listing: whole files are read", slow=True)
def xmi_no_listing():
    with World(xmi="yes", xmi_filestore="refuse") as world:
        whole(world, world.run(xmi_log(world)))


@case("source xmi: our own log target is made once, and used again")
def xmi_own_target():
    with World(xmi="yes", log_target="missing") as world:
        config = xmi_log(world, log__manage_target="yes")
        whole(world, world.run(config))
        equal(world.count("log_target_set"), 1, "targets made")
        again = world.call(config, "run", "--dry-run")
        check(again.exit in (0, 3), "exit of a dry run", again.exit)
        equal(world.count("log_target_set"), 1, "targets made, after a dry run")


@case("source xmi: wrong credentials are tried once")
def xmi_credentials():
    with World(xmi="yes") as world:
        config = xmi_log(world, xmi__password_file=world.secret_file("not-the-password"))
        for verb in (["run", "--dry-run"], ["status"], ["run", "--dry-run"]):
            world.call(config, *verb, json_output=False)
        equal(world.count("login_refused", way="xmi"), 1, "attempts")


SYSLOG = {
    "udp": ("udp", {}),
    "udp, rfc5424": ("udp", {"syslog_header": "rfc5424", "syslog_body": "line"}),
    "udp, bare": ("udp", {"syslog_header": "bare"}),
    "udp, the line's own time as well": ("udp", {"syslog_body": "line"}),
    "tcp, newlines": ("tcp", {}),
    "tcp, octets, split anywhere": ("tcp", {"syslog_framing": "octet", "syslog_split": "-1"}),
    "tls": ("tls", {}),
    "tls, octets, each line twice": ("tls", {"syslog_framing": "octet", "syslog_duplicate": "1"}),
    "udp, other domains between": ("udp", {"syslog_other_domains": "50", "syslog_bracket": "yes"}),
}


def add_syslog(name, kind, switches):
    @case(f"source syslog: a whole run: {name}", slow=name != "udp")
    def whole_run():
        with World(**{f"gw1__{key}": value for key, value in switches.items()}) as world:
            member = world.lab.member("gw1")
            config, to = syslog_log(world, kind, log__from=member.address)
            world.lab.set("gw1.syslog_to", to)
            whole(world, world.run(config))


for _name, (_kind, _switches) in SYSLOG.items():
    add_syslog(_name, _kind, _switches)


@case("source syslog: a forged waiting line is not heard", slow=True)
def syslog_forged():
    with World() as world:
        member = world.lab.member("gw1")
        config, to = syslog_log(world, "udp", log__from=member.address, limits__confirm_timeout_s="5",
                                watchdog__heartbeat_s="30", watchdog__slack_s="0")
        agent = world.begin(config, "run")
        agent.wait_line(step="confirm", state="started")
        host, port = to.split(":")[1:]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as forger:
            forger.bind(("127.0.0.1", 0))
            forger.sendto(b"<133>Jun 18 23:23:39 gw1 [0x88e000d7][apic-gw-service][notice] apic-gw-service(default): tid(1): Waiting", (host, int(port)))
        result = agent.result()
        check("tid(1)" not in result.text, "a forged line was believed")


@case("source cli: a whole run over ssh")
def cli_ssh():
    with World() as world:
        whole(world, world.run(cli_log(world)))


@case("source cli: over telnet, under a heading", slow=True)
def cli_telnet():
    with World(show_logging="header") as world:
        whole(world, world.run(cli_log(world, transport="telnet")))


@case("source cli: only the last lines are shown", slow=True)
def cli_slides():
    with World(show_logging_kb="2") as world:
        whole(world, world.run(cli_log(world)))


def add_cli_refused(how, words):
    @case(f"source cli: show logging {how}: declined with the reason", slow=True)
    def declined():
        with World(show_logging=how) as world:
            world.lab.call("log", member="gw1", code="0x88e000ac", text="Transaction completed in 5 ms")
            result = world.call(cli_log(world), "run")
            equal(result.exit, 3, "exit")
            contains(result.text, *words)
            world.unchanged()


for _how, _words in {"refused": ["show logging gwd-log"], "unknown": ["show logging gwd-log"], "plain": ["can be read as a log line"]}.items():
    add_cli_refused(_how, _words)


# ---- an old waiting line, in a target that shows nothing else since

def old_waiting(name, configure, switches, age_s, code):
    @case(f"source {name}: a waiting line of {age_s} s ago in a quiet log", slow=age_s < 3600)
    def quiet():
        with World(members=1, **switches) as world:
            # The appliance's clock is another one; only its own counts.
            world.lab.set("gw1.clock_offset", "-90000")
            old = time.strftime("%Y%m%dT%H%M%S", time.gmtime(time.time() - 90000 - age_s))
            line = f"{old}.000Z [0x88e000d7][apic-gw-service][notice] apic-gw-service(default): tid(1): Waiting for gateway service registration."
            world.lab.call("log", member="gw1", raw=line + "\\n")
            equal(world.call(configure(world), "run", "--steps", "bounce").exit, code, "exit")


for _name, _configure, _switches in (("xmi", xmi_log, {"xmi": "yes"}), ("xmi, responses without a time", xmi_log, {"xmi": "yes", "xmi_no_timestamp": "yes"}), ("cli", cli_log, {})):
    old_waiting(_name, _configure, _switches, 7200, 0)
    old_waiting(_name, _configure, _switches, 30, 3)


# ---- every source, disturbed in the middle of the wait

def file_log(world):
    return world.config("gw1"), None


def by_syslog(kind):
    def configure(world):
        return syslog_log(world, kind, log__from=world.lab.member("gw1").address)
    return configure


SOURCES = {
    "file": (file_log, {}),
    "xmi": (lambda world: (xmi_log(world), None), {"xmi": "yes"}),
    "xmi, own target": (lambda world: (xmi_log(world, log__manage_target="yes"), None), {"xmi": "yes"}),
    "syslog, udp": (by_syslog("udp"), {}),
    "syslog, tcp": (by_syslog("tcp"), {}),
    "cli": (lambda world: (cli_log(world), None), {}),
}


def rotate(world):
    world.lab.call("rotate", member="gw1")
    world.lab.call("log", member="gw1", raw="noise")


def reset(world):
    """The appliance reloads: sessions end, logtemp is empty, and what was not saved (a log target of ours) is gone."""
    world.lab.call("reload", member="gw1")
    world.lab.wait_effect("reloaded", member="gw1", timeout=60)
    deadline = time.monotonic() + 60
    while world.lab.get("gw1.service")["state"] != "waiting":
        check(time.monotonic() < deadline, "the service did not come back")
        time.sleep(0.05)


def add_disturbed(name, configure, switches, what, disturb):
    @case(f"source {name}: {what} in the middle of the wait: still right", slow=True)
    def disturbed():
        with World(initial_primary="gw1", **switches) as world:
            config, to = configure(world)
            if to:
                world.lab.set("gw1.syslog_to", to)
            agent = world.begin(config, "run")
            agent.wait_line(step="trigger", state="started")
            mark = world.mark()
            disturb(world)
            if name == "xmi, own target" and disturb is reset:     # it is made again
                world.lab.wait_effect("log_target_set", member="gw1", after=mark, timeout=60)
            world.lab.call("webhook", member="gw1")
            whole(world, agent.result())
            world.enabled()


for _name, (_configure, _switches) in SOURCES.items():
    for _what, _disturb in (("the log is rotated", rotate), ("the appliance is reset", reset)):
        add_disturbed(_name, _configure, _switches, _what, _disturb)


@case("source xmi: a declined run and a dry run make no log target")
def xmi_no_target_before():
    with World(xmi="yes", log_target="missing", gw2__row_link="down", gw3__row_link="down") as world:
        config = xmi_log(world, log__manage_target="yes")
        equal(world.call(config, "run").exit, 3, "exit")
        equal(world.count("log_target_set"), 0, "targets made by a declined run")
    with World(xmi="yes", log_target="missing") as world:
        config = xmi_log(world, log__manage_target="yes")
        equal(world.call(config, "run", "--dry-run").exit, 0, "exit of a dry run on a fresh appliance")
        equal(world.count("log_target_set"), 0, "targets made by a dry run")


@case("source xmi: a log that cannot be read for a while is told once", slow=True)
def xmi_trouble_told_once():
    with World(initial_primary="gw1", xmi="yes") as world:
        agent = world.begin(xmi_log(world), "run")
        agent.wait_line(step="trigger", state="started")
        world.lab.set("gw1.xmi_fault", "reset-before")
        time.sleep(4)                       # several looks
        world.lab.set("gw1.xmi_fault", "none")
        time.sleep(4)
        world.lab.call("webhook", member="gw1")
        result = agent.result()
        whole(world, result)
        equal(sum("the log cannot be read at the moment" in line["sentence"] for line in result.lines), 1, "lines that tell it")


@case("source syslog: what is no log line is told once", slow=True)
def syslog_foreign_told():
    with World(initial_primary="gw1") as world:
        member = world.lab.member("gw1")
        config, to = syslog_log(world, "udp", log__from=member.address)
        world.lab.set("gw1.syslog_to", to)
        agent = world.begin(config, "run")
        agent.wait_line(step="trigger", state="started")
        host, port = to.split(":")[1:]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.bind(("127.0.0.1", 0))
            for _ in range(3):
                stranger.sendto(b"<133>Jun 18 23:23:39 gw1 no log line", (host, int(port)))
                time.sleep(0.1)
        world.lab.call("webhook", member="gw1")
        result = agent.result()
        whole(world, result)
        equal(sum("are not heard" in line["sentence"] for line in result.lines), 1, "lines that tell it")
