"""audit: silent on a healthy group, and the sickness by its name on every sick one; and its one repair."""

import json
import os
import pty
import selectors
import signal
import subprocess
import time

from harness import LIMIT_S, ROOT, World, case, check, contains, equal

MEMBERS = ("gw1", "gw2", "gw3")
KEYS = {"id", "severity", "member", "subject", "evidence", "why", "fix", "note"}
FINDINGS = 4


def well(*sicknesses, members=3, **switches):
    """A group as it should be, with some sicknesses."""
    return World(members=members, preset=",".join(("well",) + sicknesses), gateway_listen="yes", **switches)


def config(world, member, xmi, doors=True, **more):
    m = world.lab.member(member)
    if doors:
        more = {"appliance__gateway_mgmt_url": f"https://{m.address}:3000", "appliance__gateway_api_url": f"https://{m.address}:9443/", **more}
    return world.config(member, xmi=xmi, **more)


def group(world, xmi, **more):
    """Arguments for all members."""
    paths = [config(world, m.name, xmi, **more) for m in world.lab.members]
    return [a for path in paths[1:] for a in ("-c", path)], paths[0]


def ask(world, xmi=True, only=None, arguments=(), **more):
    """(result, findings) of the whole group, or of ONLY one member."""
    more_paths, first = ([], config(world, only, xmi, **more)) if only else group(world, xmi, **more)
    result = world.call(first, "audit", "--json", *more_paths, *arguments, json_output=False)
    equal(result.out[:1], "[", "first character of " + repr(result.out) + result.err)
    findings = json.loads(result.out)
    for f in findings:
        equal(set(f), KEYS, "keys")
        check(f["severity"] in ("critical", "warning", "info") and f["evidence"] and f["why"], f)
        check(f["fix"] and all(isinstance(line, str) and line for line in f["fix"]), f)
        check(f["id"] == "unsaved-configuration" or "write mem" not in " ".join(f["fix"]), "a fix that saves:", f)
    order = [("critical", "warning", "info").index(f["severity"]) for f in findings]
    equal(order, sorted(order), "order of severities")
    equal(result.exit, FINDINGS if any(f["severity"] != "info" for f in findings) else 0, "exit; stderr: " + result.err)
    return result, findings


def sick(world, *ids, evidence=(), member=None, **more):
    """Exactly these findings."""
    mark = world.mark()
    _, findings = ask(world, **more)
    equal(sorted({f["id"] for f in findings}), sorted(ids), "\n".join(f"{f['id']}: {f['evidence']}" for f in findings) + "\nids")
    for f in findings:
        contains(f["evidence"], *evidence)
        if member:
            equal(f["member"], member, "member of " + f["id"])
    world.unchanged(mark)
    return findings


# ---- healthy

@case("audit: a healthy group is silent, over both ways, from one member and from all")
def healthy():
    for memory in (False, True):
        with well(*(["memory"] if memory else [])) as world:
            for xmi in (False, True):
                more_paths, first = group(world, xmi)
                for paths in (more_paths, []):
                    result = world.call(first, "audit", *paths)
                    equal((result.exit, result.out, result.err), (0, "", ""), "exit, stdout, stderr")
                equal(ask(world, xmi=xmi)[1], [], "findings")
            contains(world.call(first, "audit", "-v").err, "1 of 1 members asked, 0 findings")
            world.unchanged()


# ---- one sickness each

BOTH, XMI = (True, False), (True,)      # what only XMI tells is not known over the CLI, and nothing is said then


def of_preset(preset, *ids, evidence=(), member=None, ways=BOTH, only=None, **switches):
    @case(f"audit of a sick group: {preset if preset != 'well' else ids[0]}{' seen by ' + only if only else ''}")
    def one():
        with well(preset, initial_primary="gw1", **switches) as world:
            for xmi in ways:
                sick(world, *ids, evidence=evidence, member=member, xmi=xmi, only=only)
            if ways == XMI:
                sick(world, xmi=False, only=only)


of_preset("persistence-differs", "persistence-disagrees", evidence=("gw1: local", "gw2: memory"))
of_preset("equal-priorities", "priority-not-distinct", evidence=("100",))
of_preset("equal-priorities", "priority-not-distinct", evidence=("100",), only="gw2", status_columns="9")
of_preset("no-primary", "no-primary", evidence=("none of 3 members",), member="gw1")
of_preset("two-primaries", "several-primaries", evidence=("2 of 3 members",), member="gw1")
of_preset("link-down", "link-down", evidence=("link down",), member="gw1")
of_preset("link-down", "no-quorum", "link-down", only="gw3")
of_preset("member-missing", "member-missing", member="gw1")
of_preset("stale-peer", "stale-member", evidence=("192.0.2.9",), member="gw1", status_columns="9")
of_preset("quorum-lost", "no-quorum", "stale-member", status_columns="9")
of_preset("no-log-target", "log-target-missing", evidence=("it has none",))
of_preset("wrong-events", "log-target-missing", evidence=("mgmt error",), member="gw1")
of_preset("log-down", "log-target-down", evidence=("gwd-log",), member="gw1")
of_preset("log-disabled", "log-target-down", evidence=("gwd-log", "disabled"), member="gw1")
of_preset("small-log", "log-target-small", evidence=("size 500 KB with apic-gw-service debug",))
of_preset("events-dropped", "log-events-dropped", evidence=("4711",), member="gw1", ways=XMI)
of_preset("same-ports", "peering-port-conflict", evidence=("gwd and tms both use port 16380",), member="gw1")
of_preset("well", "default-password", evidence=("password-alias",), member="gw1", gw1__password_alias="empty")
of_preset("object-down", "peering-object-down", evidence=("gateway-peering gwd is down",), member="gw1")
of_preset("unsaved", "unsaved-configuration", member="gw1", ways=XMI)
of_preset("cluster", "cluster-mode")


@case("audit of a sick group: one clock is ahead")
def clock():
    with well("clock-skew") as world:
        for member in MEMBERS:
            world.lab.call("log", member=member, code="0x88e000ac")
        for xmi in BOTH:
            sick(world, "clock-skew", evidence=("gw2 +90.0 s",), xmi=xmi)
            sick(world, xmi=xmi, only="gw2")        # nobody to compare with


@case("audit of a sick group: two gateways, and one")
def small_groups():
    for members, persistence, ids, not_production in (
            (2, "local", ["fewer-than-three-gateways"], []),
            (2, "memory", ["fewer-than-three-gateways", "memory-persistence"], []),
            (1, "local", ["fewer-than-three-gateways"], []),
            (1, "memory", ["fewer-than-three-gateways", "single-gateway-without-persistence"], ["single-gateway-without-persistence"])):
        with well(members=members, persistence=persistence) as world:
            for xmi in BOTH:
                sick(world, *ids, xmi=xmi)
                sick(world, *not_production, xmi=xmi, arguments=("--non-production",))


@case("audit of a sick group: the service is disabled, down, without configuration")
def service():
    with well("memory", start_delay="1") as world:
        world.lab.call("admin", member="gw1", value="disabled")
        time.sleep(0.2)
        for xmi in BOTH:
            sick(world, "service-disabled", evidence=("admin-state disabled",), member="gw1", xmi=xmi, doors=False)
            sick(world, "service-disabled", "health-failed", "init-check-failed", member="gw1", xmi=xmi)
    with well("memory", gw1__enable="stuck") as world:
        world.lab.call("admin", member="gw1", value="disabled")
        time.sleep(0.2)
        world.lab.call("admin", member="gw1", value="enabled")
        for xmi in BOTH:
            sick(world, "service-down", member="gw1", xmi=xmi, doors=False)
    with well("memory") as world:
        world.lab.call("lose")
        world.lab.wait_effect("log_line", member="gw3", code="0x88e000d7")
        time.sleep(0.2)
        findings = sick(world, "no-configuration", xmi=True, doors=False)
        equal({f["member"] for f in findings}, set(MEMBERS), "members")
        sick(world, "no-configuration", "init-check-failed", xmi=True)


@case("audit of a sick group: addresses that do not answer, or answer wrong")
def addresses():
    both = ("health-failed", "init-check-failed")
    for switches, ids, evidence in (({"gw2__gateway_fault": "refuse"}, both, ("refused",)),
                                    ({"gw2__gateway_fault": "500"}, both, ("500", "certificate not checked")),
                                    ({"gw2__gateway_fault": "reset"}, both, ()),
                                    ({"gw2__health_text": '{"status":"starting"}'}, ("health-failed",), ("200", "starting"))):
        with well(**switches) as world:
            sick(world, *ids, evidence=evidence + (world.lab.member("gw2").address,), member="gw2", xmi=False)


@case("audit: certificates of the addresses are checked where a CA is given")
def addresses_checked():
    with well(xmi_certificate="ca") as world:
        sick(world, appliance__gateway_ca_file=world.lab.ca_file)
    with well() as world:
        sick(world, "health-failed", "init-check-failed", only="gw1", evidence=("ertificate",), appliance__gateway_ca_file=world.lab.ca_file)


@case("audit of a sick group: the XML management interface does not answer")
def xmi_off():
    for switch, value, words in (("xmi_acl", "refuse", "xml-mgmt; admin-state enabled"), ("xmi_fault", "auth", "")):
        with well() as world:
            more_paths, first = group(world, True)
            world.lab.set(f"gw1.{switch}", value)
            result = world.call(first, "audit", "--json", *more_paths, json_output=False)
            findings = json.loads(result.out)
            equal((result.exit, [(f["id"], f["member"]) for f in findings]), (FINDINGS, [("xmi-off", "gw1")]), "exit, findings")
            contains(" ".join(findings[0]["fix"]), words)
            world.unchanged()


@case("audit: a member that cannot be asked")
def unreachable():
    with well("unreachable") as world:
        more_paths, first = group(world, False, doors=False)
        for paths, member in ((more_paths, first), ([], config(world, "gw3", False))):
            result = world.call(member, "audit", "--json", *paths, json_output=False)
            equal(result.exit, 8, "exit")
            contains(result.err, world.lab.member("gw3").address, "next: ")
            equal(result.out.strip(), "[]" if paths else "", "stdout")
        with_typo = world.config("gw2", name="typo.conf", limits__quiet="1")
        result = world.call(first, "audit", "-c", with_typo)
        equal((result.exit, result.out), (2, ""), "exit, stdout")


@case("audit: the text, with evidence, why, commands, and who saves")
def text():
    with well("small-log:gw1", password_alias="empty") as world:
        result = world.call(config(world, "gw1", True), "audit")
        equal((result.exit, result.err), (FINDINGS, ""), "exit, stderr")
        contains(result.out, "warning log-target-small (member gw1)", "  found  log target gwd-log: size 500 KB", "  why    a re-synchronisation",
                 "  fix    top; configure; switch domain apiconnect; logging target gwd-log; size 50000; rotate 3; exit", "operator's decision",
                 "warning default-password (member gw1)", "  fix    top; configure; switch domain apiconnect; crypto; password-map")
        world.unchanged()


# ---- the repair

def paste(world, member, lines):
    """An operator types LINES at the console of MEMBER."""
    with open(world.lab.password_file, encoding="utf-8") as file:
        typed = [world.lab.user, file.read().strip()] + lines + ["top", "exit", ""]
    command = [os.path.join(ROOT, "tests", "lab", "lab"), "pty", "--dir", world.lab.directory, "--member", member]
    out = subprocess.run(command, input="\n".join(typed), capture_output=True, text=True, timeout=LIMIT_S, check=False).stdout
    check("Unknown command" not in out and "\n%" not in out, "the appliance does not take", lines, out)


@case("audit: the commands of a finding repair it, and then there is something to save")
def commands():
    for preset, member in (("small-log:gw1", "gw1"), ("log-disabled", "gw1"), ("wrong-events", "gw1"), ("no-log-target:gw1", "gw1"), ("persistence-differs", "gw2")):
        with well(preset) as world:
            finding, = ask(world)[1]
            paste(world, member, finding["fix"])
            _, left = ask(world)
            equal([(f["id"], f["member"]) for f in left], [("unsaved-configuration", member)], f"left of {preset}")
            equal(ask(world, xmi=False)[1], [], "findings over the CLI")
            equal(world.count("write_memory"), 0, "saved")


def at_terminal(world, arguments, answer):
    """(exit, output) of an audit whose standard input is a terminal where ANSWER (None: SIGINT) comes when it asks."""
    master, slave = pty.openpty()
    process = subprocess.Popen([world.exe, "audit", *arguments], stdin=slave, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    os.close(slave)
    out, typed, deadline = b"", False, time.monotonic() + LIMIT_S
    watch = selectors.PollSelector()        # select() ends at descriptor 1023, and many cases run at once
    watch.register(process.stdout, selectors.EVENT_READ)
    try:
        while time.monotonic() < deadline:
            ready = watch.select(1)
            piece = os.read(process.stdout.fileno(), 4096) if ready else None
            if piece == b"":
                break
            out += piece or b""
            if not typed and b"Type yes" in out:
                typed = True
                if answer:
                    os.write(master, answer)
                else:
                    process.send_signal(signal.SIGINT)
        code = process.wait(10)
    finally:
        process.kill()
        process.stdout.close()
        os.close(master)
    output = out.decode("utf-8", "backslashreplace")
    for secret in world.secrets:
        check(secret not in output, "a password is in the output")
    return code, output


def persistence(world, member="gw1"):
    return world.lab.get(f"{member}.persistence")


@case("audit --fix persistence: asks, does it, verifies, and leaves saving to the operator")
def fix_yes():
    for xmi in BOTH:
        with well(members=1, persistence="memory") as world:
            path = config(world, "gw1", xmi)
            code, out = at_terminal(world, ["--fix", "persistence", "-c", path], b"yes\n")
            equal(code, 0, "exit; " + out)
            contains(out, "from memory to local", "top; configure; switch domain apiconnect; gateway-peering gwd; persistence local; exit",
                     "Peering of this member can be interrupted", "read back", "running configuration only", "write memory")
            equal((persistence(world), world.count("object_changed"), world.count("write_memory")), ("local", 1, 0), "persistence, changes, saved")
            if xmi:
                equal([f["id"] for f in ask(world, arguments=("--non-production",))[1]], ["unsaved-configuration"], "findings afterwards")
            again = world.call(path, "audit", "--fix", "persistence", "--yes")
            equal(again.exit, 3, "exit when it is so already")
            contains(again.err, "already")
            raid = world.call(path, "audit", "--fix", "persistence", "--to", "raid", "--yes")
            equal((raid.exit, persistence(world)), (0, "raid"), "exit, persistence; " + raid.text)


@case("audit --fix persistence: anything but yes changes nothing")
def fix_no():
    with well(members=1, persistence="memory") as world:
        path = config(world, "gw1", False)
        for answer in (b"no\n", b"\n", b"y\n", b"\x04"):
            code, out = at_terminal(world, ["--fix", "persistence", "-c", path], answer)
            equal(code, 3, f"exit after {answer}; " + out)
            contains(out, "nothing was changed")
        code, out = at_terminal(world, ["--fix", "persistence", "-c", path], None)
        equal(code, 3, "exit after SIGINT; " + out)
        result = world.call(path, "audit", "--fix", "persistence")
        equal(result.exit, 2, "exit without a terminal")
        contains(result.err, "no terminal", f"next: drr-agent audit --fix persistence --to local --yes -c {path}")
        for arguments in (("--fix", "password"), ("--fix", "persistence", "--to", "memory", "--yes"), ("--fix", "persistence", "--yes", "-c", path),
                          ("--fix", "persistence", "--yes", "--json")):
            equal(world.call(path, "audit", *arguments, json_output=False).exit, 2, f"exit with {arguments}")
        world.unchanged()
        equal(persistence(world), "memory", "persistence")


@case("audit --fix persistence: not while a run is under way, and not before it is recovered")
def fix_refused():
    with well(members=1, persistence="memory") as world:
        path = config(world, "gw1", False)
        run = world.begin(path, "run")
        run.wait_line(step="trigger", state="started")
        mark = world.mark()
        busy = world.call(path, "audit", "--fix", "persistence", "--yes")
        equal(busy.exit, 6, "exit while a run holds the lock; " + busy.text)
        run.process.kill()
        run.result()
        open_run = world.call(path, "audit", "--fix", "persistence", "--yes")
        equal(open_run.exit, 3, "exit while the journal is open; " + open_run.text)
        contains(open_run.err, "drr-agent recover -c")
        equal(world.count("object_changed", after=mark), 0, "changes")


@case("audit --fix persistence: an appliance that does not do it")
def fix_ignored():
    with well(members=1, persistence="memory", cut_at="persistence local:after") as world:
        result = world.call(config(world, "gw1", False), "audit", "--fix", "persistence", "--yes")
        equal(result.exit, 4, "exit; " + result.text)
        contains(result.err, "the persistence is memory still")
        equal(persistence(world), "memory", "persistence")
