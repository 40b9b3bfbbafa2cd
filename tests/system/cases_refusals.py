"""Every refusal by itself: exit 3, its name, its evidence, nothing changed; and its override."""

import socket
import time

from harness import World, case, check, contains, equal


def by_hand(world, member, *lines):
    """What a person types over telnet."""
    m = world.lab.member(member)
    with socket.create_connection((m.telnet_host, m.telnet_port), 10) as sock:
        sock.settimeout(20)
        sock.sendall("\r\n".join([world.lab.user, world.lab.password, *lines, "exit", ""]).encode())
        try:
            while sock.recv(4096):
                pass
        except socket.timeout:
            pass


def refusal(name, evidence, switches, steps="bounce", config=None, prepare=None, override_exit=0, alone=True):
    @case("refused: " + name + (" (" + evidence[0] + ")" if not alone else ""))
    def function():
        with World(**{"initial_primary": "gw1", **switches}) as world:
            if prepare:
                prepare(world)
            mark = world.mark()
            settings = config(world) if config else {}
            path = world.config("gw1", limits__confirm_timeout_s=5, **settings)
            for dry in ([], ["--dry-run"]):
                result = world.call(path, "run", "--steps", steps, *dry)
                equal(result.exit, 3, "exit")
                told = [line for line in result.lines if line["step"] == "precheck" and line["state"] == "refused" and line["sentence"].startswith(name)]
                equal(len(told), 1, "lines that name it")
                contains(told[0].get("evidence", ""), *evidence)
                contains(result.last["next"], "--override-")
                world.unchanged(mark)
            names = {line["sentence"].split(":")[0] for line in result.lines if line["state"] == "refused" and line["step"] == "precheck"} - {"declined"}
            if alone:
                equal(names, {name}, "refusals")
            else:
                check(name in names, names)
            text = world.call(path, "run", "--steps", steps, json_output=False)
            contains(text.err, name, "next:")
            result = world.call(path, "run", "--steps", steps, *["--override-" + n for n in names])
            if override_exit is not None:
                equal(result.exit, override_exit, "exit with the override")
            contains(" ".join(result.sentences("precheck")), f"overridden: {name}")
            begin = [r for r in world.journal(path) if r["kind"] == "begin"]
            check(begin and name in begin[-1]["data"].split("overrides=")[1], "not in the journal")
            world.closed(path)
            world.enabled()


refusal("no-primary", ["0 of 3", "127.77."], {"initial_primary": "gw2", "gw2__row_primary": "no"})
refusal("several-primaries", ["2 of 3"], {"gw3__claims_primary": "yes"})
refusal("several-primaries", ["3 of 3"], {"cluster_mode": "yes"}, alone=False)
refusal("no-quorum", ["1 of 3"], {"gw2__row_link": "down", "gw3__row_link": "down"})
refusal("no-quorum", ["down"], {"gw1__peering_link": "down"}, alone=False, override_exit=None)
refusal("not-in-table", ["elsewhere"], {"gw1__local_address_text": "elsewhere"})
refusal("peering-down", ["2 of 3"], {"status_columns": "9", "gw1__row_priority": "-1"}, alone=False)
refusal("service-disabled", ["disabled"], {}, prepare=lambda w: (
    by_hand(w, "gw1", "switch domain " + w.lab.domain, "config", "apic-gw-service", "admin-state disabled", "exit", "exit"),
    w.lab.wait_effect("admin_state", member="gw1", value="disabled", timeout=30)))
refusal("drr-under-way", ["waiting line"], {}, prepare=lambda w: w.lab.call("log", member="gw1", code="0x88e000d7"))
refusal("drr-under-way", ["accepted event"], {}, prepare=lambda w: w.lab.call("log", member="gw1", code="0x88e00210"), alone=False)
refusal("no-log", ["log"], {"gw1__log_target": "missing"}, steps="bounce,confirm", override_exit=4)


@case("refused: no-diag")
def no_diag():
    with World(members=1) as world:
        path = world.secret_file(world.lab.other_password)
        config = world.config("gw1", cli__user=world.lab.other_user, cli__password_file=path)
        result = world.call(config, "run")
        equal(result.exit, 3, "exit")
        contains(" ".join(result.sentences("precheck", "refused")), "no-diag")
        world.unchanged()
        result = world.call(config, "run", "--override-no-diag")
        equal(result.exit, 7, "exit with the override")
        equal((world.count("flush"), world.bounced()), (0, 0), "flushes, bounces")
        world.closed(config)
        result = world.call(config, "run", "--steps", "bounce")
        equal(result.exit, 0, "exit without the flush")


@case("an old waiting line is no DRR under way")
def old_waiting():
    with World(members=1) as world:
        old = time.strftime("%Y%m%dT%H%M%S", time.gmtime(time.time() - 7200))
        now = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
        text = "{}.000Z [{}][apic-gw-service][notice] apic-gw-service(default): tid(1): {}"
        world.lab.call("log", member="gw1", raw=text.format(old, "0x88e000d7", "Waiting for gateway service registration.") + "\\n")
        world.lab.call("log", member="gw1", raw=text.format(now, "0x80e0084c", "debug") + "\\n")
        equal(world.call(world.config("gw1"), "run", "--steps", "bounce").exit, 0, "exit")


@case("a completed transaction ends a DRR under way; another domain's is not ours")
def completed():
    with World(members=1) as world:
        config = world.config("gw1")
        world.lab.call("log", member="gw1", code="0x88e000d7")
        world.lab.call("log", member="gw1", code="0x88e000ac")
        world.lab.set("gw1.log_domain", "otherdomain")
        world.lab.call("log", member="gw1", code="0x88e000d7")
        world.lab.set("gw1.log_domain", "")
        equal(world.call(config, "run", "--steps", "bounce").exit, 0, "exit")


@case("no log configured, overridden: does not wait for lines that cannot come")
def no_log():
    with World(initial_primary="gw1") as world:
        config = world.config("gw1", log__source="none", log__file=None)
        equal(world.call(config, "run").exit, 3, "exit")
        world.unchanged()
        result = world.call(config, "run", "--override-no-log")
        equal(result.exit, 5, "exit with the override")
        equal((world.count("flush"), world.bounced()), (1, 1), "flushes, bounces")
        contains(" ".join(result.sentences("confirm")), "second evidence")
        world.closed(config)
