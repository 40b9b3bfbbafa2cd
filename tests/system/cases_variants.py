"""The same run over every way in and with every look of the appliance: the result is the same."""

import os
import subprocess
import tempfile

from harness import AGENT_ASAN, ROOT, Skipped, World, case, check, contains, equal
from judge import judge


def whole_run(world, config, *arguments, primary_elsewhere=True, **more):
    """Runs it all on gw1 and judges by the lab."""
    result = world.run(config, *arguments, **more)
    equal(result.exit, 0, "exit")
    equal(result.last["exit"], 0, "exit in the last line")
    equal((world.count("flush"), world.count("flush", member="gw1")), (1, 1), "flushes, and on gw1")
    equal(world.bounced(), 1, "bounces")
    equal(world.count("admin_state", member="gw1"), 2, "changes of admin-state")
    equal(world.count("switch_primary"), 1 if primary_elsewhere else 0, "switches of the primary")
    check(world.count("flush_on_replica") == 0, "a replica was flushed")
    equal(world.lab.get("gw1.service")["state"], "up", "the service")
    equal(world.lab.get("gw1.service")["collections"], world.lab.collections, "API collections")
    world.closed(config)
    return result


def variant(name, transport="ssh", config=None, slow=False, time_scale=0.003, **switches):
    """One case: switches of gw1 (or lab.*), and configuration keys."""
    def function():
        with World(initial_primary="gw2", time_scale=time_scale, **switches) as world:
            whole_run(world, world.config("gw1", transport, **(config or {})))
    case("same result: " + name, slow)(function)


variant("SSH, in-band log-in")
variant("SSH password, nothing asked behind it", gw1__ssh_au_method="password")
variant("SSH password, asked again in the channel", gw1__ssh_au_method="password", gw1__ssh_after_auth="ask")
variant("SSH keyboard-interactive", gw1__ssh_au_method="keyboard-interactive")
variant("SSH keyboard-interactive, asked again", gw1__ssh_au_method="keyboard-interactive", gw1__ssh_after_auth="ask")
variant("SSH password or keyboard-interactive", gw1__ssh_au_method="password+keyboard-interactive")
variant("SSH, ssh-rsa (SHA-1) host key only", gw1__hostkeys="rsa-sha1")
variant("SSH, RSA host key only", gw1__hostkeys="rsa")
variant("SSH, ECDSA host key only", gw1__hostkeys="ecdsa")
variant("SSH without a pty", gw1__ssh_pty="no")
variant("SSH without a pty, echo all the same", gw1__ssh_pty="no", gw1__echo_no_pty="yes")
variant("SSH without a pty, bare line ends", gw1__ssh_pty="no", gw1__newline_without_echo="yes")
variant("SSH with small packets and re-keying", gw1__ssh_window="4096", gw1__ssh_max_packet="512", gw1__ssh_rekey_bytes="8192")
variant("SSH with log lines in the output", gw1__ssh_mix_log="yes", gw1__ssh_noise_rate="50")
variant("telnet with log lines in the output", "telnet", gw1__telnet_noise_rate="50")
variant("telnet with a log line behind each prompt", "telnet", gw1__noise_after_prompt="yes", gw1__telnet_noise_rate="20")
variant("telnet, prompt printed again behind log lines", "telnet", gw1__telnet_noise_rate="20", gw1__prompt_redrawn="yes")
variant("telnet without negotiation", "telnet", gw1__telnet_iac="no")
variant("exec, the console", "exec")
variant("exec with log lines in the output", "exec", gw1__telnet_noise_rate="30", gw1__noise_after_prompt="yes")
variant("prompt with blanks and #, banner with # and Password:", gw1__prompt_prefix="dp # prod 01:", gw1__banner_before="sample",
        gw1__banner_after="sample")
variant("the same over telnet", "telnet", gw1__prompt_prefix="dp # prod 01:", gw1__banner_before="sample", gw1__banner_after="sample",
        gw1__telnet_noise_rate="20")
variant("domain prompt", gw1__domain_prompt="yes")
variant("domain prompt over telnet", "telnet", gw1__domain_prompt="yes")
variant("9 columns", status_columns="9")
variant("9 columns and stale members", status_columns="9", stale_rows="127.77.9.8")
variant("flush without confirmation", gw1__flush_confirm="no")
variant("flush and switch with words of their own", gw1__flush_text="Flushed.", gw1__switch_text="Switching.", gw1__diag_text="Diagnostics\\n",
        gw1__flush_confirm_text="Sure?\\nReally sure? ")
variant("switch of the primary takes ten seconds", gw1__switch_delay="10real", slow=True)
variant("two primaries for a while behind the switch", gw1__switch_overlap="2real")
variant("log rotates before the waiting line", gw1__rotate_on="0x88e000d7")
variant("log rotates inside the waiting line", gw1__rotate_on="0x88e000d7:inside")
variant("log rotates before the accepted event", gw1__rotate_on="0x88e00210")
variant("log rotates before a completed transaction", gw1__rotate_on="0x88e000ac")
variant("output in random pieces", gw1__split_output="-1")
variant("output in random pieces over telnet", "telnet", gw1__split_output="-1", gw1__telnet_noise_rate="10")
variant("output byte by byte", gw1__split_output="1")
variant("output drips", gw1__drip_bps="6000", slow=True)
variant("texts up to 7.7", gw1__config_text="Global configuration mode", gw1__delivery_type="no")
variant("2018.4 without a peering manager", gw1__manager_present="no", gw1__firmware="IDG.2018.4.1.9", gw1__peering_diag="no")
variant("v5 compatibility", gw1__v5_compat="yes")
variant("line ends LF", gw1__newline="lf")
variant("no blank lines around show", gw1__blank_around_show="no")
variant("%<TAB>Pending behind a change", gw1__pending_line="yes")
variant("no abbreviations, only `switch domain`", gw1__abbreviations="no", gw1__switch_forms="domain")
variant("objects are (modified)", gw1__object_modified="gwd,apic-gw-service,gateway-peering-manager")
variant("singleton header with default", gw1__singleton_header="default")
variant("singleton header with its own name", gw1__singleton_header="name")
variant("op-state down while waiting", gw1__waiting_op_state="down", slow=True)
variant("syslog log times", gw1__log_format="syslog")
variant("numeric log times", gw1__log_format="numeric")
variant("log class with blanks, no tid, domain bracket", gw1__log_class="apic-gw-service(my service)", gw1__log_tid="no", gw1__log_domain="apiconnect")
variant("log class empty, more brackets", gw1__log_class="", gw1__log_extra="[request][10.0.0.1] gtid(5d)")
variant("look-alike lines", gw1__lookalike="all", gw1__binary_noise="yes", gw1__multiline="yes")
variant("long line before the waiting line", gw1__long_line_kb="300")
variant("waiting line in two halves", gw1__partial_pause="1.5")
variant("waiting line twice", gw1__waiting_line="duplicated")
variant("waiting line late", gw1__waiting_late="2real")
variant("log full of noise", gw1__noise_mb_s="2")
variant("service takes its time", gw1__disable_delay="2real", gw1__start_delay="2real")
variant("mgmt lines in the log, too", gw1__service_mgmt_lines="yes")
variant("commands take their time", gw1__command_delay="0.1", slow=True)
variant("clock of the appliance is ahead", gw1__clock_offset="86400")
variant("welcome asks a while later, other prompts", gw1__login_prompt="login: ", gw1__password_echo="none")


@case("same result: IPv6 address in the table")
def ipv6():
    with World(initial_primary="gw2", gw1__row_alias="2001:db8::11") as world:
        whole_run(world, world.config("gw1", appliance__address="2001:db8::11"))


@case("same result: host alias, found through local-address")
def alias_found():
    with World(initial_primary="gw2", gw1__row_alias="peer-self") as world:
        whole_run(world, world.config("gw1"))


@case("same result: host alias, named in the configuration")
def alias_named():
    with World(initial_primary="gw2", gw1__local_address_text="some-alias") as world:
        config = world.config("gw1")
        refused = world.call(config, "run")
        equal(refused.exit, 3, "exit without address")
        contains(" ".join(refused.sentences("precheck", "refused")), "not-in-table")
        world.unchanged()
        whole_run(world, world.config("gw1", appliance__address=world.lab.member("gw1").address))


@case("same result: peering object named in the configuration")
def object_named():
    with World(initial_primary="gw2") as world:
        whole_run(world, world.config("gw1", appliance__peering_object="gwd"))


def key_case(kind, arguments):
    @case(f"same result: SSH publickey, {kind}")
    def function():
        folder = tempfile.mkdtemp(prefix="drr-key-")
        path = os.path.join(folder, "id_test")
        subprocess.run(["ssh-keygen", "-q", "-N", "", "-f", path] + arguments, check=True, stdin=subprocess.DEVNULL)
        with World(initial_primary="gw2", gw1__ssh_au_method="publickey", gw1__authorized_keys=path + ".pub") as world:
            whole_run(world, world.config("gw1", cli__key_file=path, cli__password_file=None))
            equal(world.lab.get("gw1.auth")["password_received"], 0, "passwords received")
        subprocess.run(["rm", "-rf", folder], check=True)


key_case("RSA, PEM", ["-t", "rsa", "-b", "2048", "-m", "PEM"])
key_case("ECDSA, PEM", ["-t", "ecdsa", "-b", "256", "-m", "PEM"])


@case("second evidence where the waiting line is suppressed", slow=True)
def second_evidence():
    with World(initial_primary="gw2", gw1__waiting_line="suppressed") as world:
        result = whole_run(world, world.config("gw1", limits__confirm_timeout_s=5))
        contains(" ".join(result.sentences("confirm")), "second evidence")


@case("no evidence at all: incomplete, and it says so", slow=True)
def no_evidence():
    with World(initial_primary="gw2", gw1__waiting_line="suppressed", gw1__peering_diag="no") as world:
        config = world.config("gw1", limits__confirm_timeout_s=5)
        result = world.run(config, webhook=False)
        equal(result.exit, 5, "exit")
        contains(result.last["sentence"], "no evidence", "enabled")
        check("--steps confirm,await" in result.last["next"], "next:", result.last["next"])
        equal((world.count("flush"), world.bounced()), (1, 1), "flushes, bounces")
        world.enabled()
        world.closed(config)


@case("a waiting line of another domain or code is no confirmation", slow=True)
def lookalike_only():
    with World(initial_primary="gw2", gw1__waiting_line="suppressed", gw1__lookalike="all", gw1__peering_diag="no") as world:
        result = world.run(world.config("gw1", limits__confirm_timeout_s=5), "--steps", "primary,flush,bounce,confirm")
        equal(result.exit, 5, "exit")
        world.enabled()


@case("an old waiting line before the mark is no confirmation", slow=True)
def old_line():
    with World(initial_primary="gw2", gw1__waiting_line="suppressed", gw1__peering_diag="no") as world:
        world.lab.call("log", member="gw1", code="0x88e000d7")
        world.lab.call("log", member="gw1", code="0x88e000ac")
        result = world.run(world.config("gw1", limits__confirm_timeout_s=5), "--steps", "primary,flush,bounce,confirm")
        equal(result.exit, 5, "exit")
        world.enabled()


@case("flush that the appliance refuses")
def flush_refused():
    with World(members=1, gw1__flush="refused", gw1__flush_confirm="no") as world:
        config = world.config("gw1")
        result = world.call(config, "run")
        equal(result.exit, 4, "exit")
        contains(result.last["sentence"], "nothing was flushed")
        equal((world.count("flush"), world.bounced()), (0, 0), "flushes, bounces")
        judge(world, result, 0, config)


@case("flush that the appliance refuses behind our yes, or ignores", slow=True)
def flush_refused_late():
    for what in ("refused", "ignored"):
        with World(members=1, gw1__flush=what) as world:
            config = world.config("gw1", limits__confirm_timeout_s=5)
            result = world.call(config, "run")
            equal(result.exit, 5, "exit, flush " + what)
            world.enabled()
            world.closed(config)


@case("primary moves away between check and flush")
def primary_moves_before():
    with World(initial_primary="gw1", gw1__primary_moves_on="gateway-peering-flush:before") as world:
        config = world.config("gw1", limits__confirm_timeout_s=5)
        result = world.call(config, "run")
        equal((world.count("flush"), world.bounced()), (0, 0), "flushes, bounces")
        check(result.exit in (4, 5), "exit", result.exit)
        world.enabled()
        world.closed(config)


@case("primary moves away right after the flush")
def primary_moves_after():
    with World(initial_primary="gw1", gw1__primary_moves_on="gateway-peering-flush:after") as world:
        config = world.config("gw1")
        result = world.call(config, "run")
        equal(result.exit, 5, "exit")
        contains(result.last["sentence"], "incomplete")
        check("--run" not in result.last["next"], "a new run is needed:", result.last["next"])
        world.enabled()
        world.closed(config)


@case("switch of the primary that the appliance refuses", slow=True)
def switch_refused():
    with World(initial_primary="gw2", gw1__switch_primary="error") as world:
        agent = world.begin(world.config("gw1"), "run")
        agent.wait_line(step="primary", state="started")
        world.lab.wait_effect("command", member="gw1", command="gateway-peering-switch-primary gwd", timeout=60)
        agent.signal(15)
        result = agent.result()
        equal(result.exit, 4, "exit")
        equal((world.count("flush"), world.bounced()), (0, 0), "flushes, bounces")


@case("already primary, with an error text for it")
def already_primary_text():
    with World(initial_primary="gw1", gw1__already_primary_text="Already primary") as world:
        whole_run(world, world.config("gw1"), primary_elsewhere=False)


def asan(name, transport="ssh", **switches):
    @case("sanitizers: " + name)
    def function():
        if not os.access(AGENT_ASAN, os.X_OK):
            raise Skipped(f"there is no {os.path.relpath(AGENT_ASAN, ROOT)}")
        with World(initial_primary="gw2", **switches) as world:
            world.exe = AGENT_ASAN
            config = world.config("gw1", transport)
            equal(world.call(config, "check", "--connect").exit, 0, "exit of check")
            equal(world.call(config, "status", "--json").exit, 0, "exit of status")
            whole_run(world, config)
            for _, result in world.told:
                check("Sanitizer" not in result.err and "runtime error" not in result.err, result.err)


asan("SSH")
asan("telnet with noise", "telnet", gw1__telnet_noise_rate="30", gw1__prompt_prefix="dp # prod 01:", gw1__banner_before="sample")
asan("exec", "exec")
asan("SSH password, pieces", gw1__ssh_au_method="password", gw1__split_output="-1", gw1__status_columns="9")


@case("connection reset at first: unreachable, then the same result")
def reset_at_first():
    with World(initial_primary="gw2", gw1__reset_on_connect="1") as world:
        config = world.config("gw1")
        result = world.call(config, "run")
        equal(result.exit, 8, "exit")
        world.unchanged()
        whole_run(world, config)


@case("switch of the primary that is accepted and ignored at first: sent again", slow=True)
def switch_ignored():
    with World(initial_primary="gw2", gw1__switch_primary="ignored") as world:
        config = world.config("gw1")
        agent = world.begin(config, "run", "--steps", "primary,flush,bounce,confirm")
        world.lab.wait_effect("switch_ignored", member="gw1", timeout=60)
        world.lab.set("gw1.switch_primary", "ok")
        result = agent.result()
        equal(result.exit, 0, "exit")
        contains(" ".join(result.sentences("primary")), "sent again")
        equal((world.count("flush"), world.bounced()), (1, 1), "flushes, bounces")
