"""conf/ansible with ansible-core: the role installs and configures, the playbook runs drrctl and says what it says. Skipped where there is no ansible-playbook."""

import hashlib
import json
import os
import re
import shutil
import subprocess

from cases_drrctl import DRRCTL, ctl
from harness import AGENT, LIMIT_S, ROOT, World, case, check, contains, equal

PLAYBOOKS = os.path.join(ROOT, "conf", "ansible")
WHY_NOT = None if shutil.which("ansible-playbook") else "ansible-playbook is not installed"


def play(directory, playbook, variables, *arguments):
    """(exit, output, {"ok": n, "changed": n, "failed": n, ...})"""
    path = os.path.join(directory, "variables.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"ansible_python_interpreter": "/usr/bin/python3", **variables}, file)
    environment = {**os.environ, "ANSIBLE_ROLES_PATH": os.path.join(PLAYBOOKS, "roles"), "ANSIBLE_LOCALHOST_WARNING": "False", "ANSIBLE_NOCOLOR": "1", "ANSIBLE_LOCAL_TEMP": directory,
                   "ANSIBLE_REMOTE_TEMP": os.path.join(directory, "remote"), "HOME": directory, "LC_ALL": "C.UTF-8"}
    result = subprocess.run(["ansible-playbook", "-i", "localhost,", "-c", "local", "-e", "@" + path, playbook, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                            timeout=2 * LIMIT_S, env=environment)
    recap = re.search(r"^localhost +: (.*)$", result.stdout, re.M)
    check(recap, "no recap:\n" + result.stdout + result.stderr)
    return result.returncode, result.stdout, {k: int(v) for k, v in re.findall(r"(\w+)=(\d+)", recap.group(1))}


@case("ansible: drrctl's exit codes as changed and failed", slow=True, once=lambda: WHY_NOT)
def runs():
    playbook = os.path.join(PLAYBOOKS, "drr.yml")
    with ctl(members=2) as c:
        variables = {"drr_drrctl": DRRCTL, "drr_group_file": c.conf}
        code, out, sums = play(c.directory, playbook, variables, "--check")
        equal((code, sums["changed"], sums["failed"]), (0, 0, 0), out)
        equal([e for e in c.fake.log if e[0] != "precheck"], [], "what a check does")
        code, out, sums = play(c.directory, playbook, variables)
        equal((code, sums["changed"], sums["failed"]), (0, 1, 0), out)
        contains(out, "flushed, every member restarted")
        c.check_whole()

        c.agents["gw1"].hold = {"owner": "alice", "reason": "change 4711", "until": "2030-01-02T03:04:05Z"}
        code, out, sums = play(c.directory, playbook, variables)
        equal((code, sums["changed"], sums["failed"]), (2, 0, 1), out)
        contains(out, "drrctl says 6 (busy", "next: ")
        c.agents["gw1"].hold = None
        c.agents["gw2"].fails["bounce"] = [("failed", 4, "the appliance said no")]
        code, out, sums = play(c.directory, playbook, {**variables, "drr_arguments": ["--run", "r1"]})
        equal((code, sums["changed"], sums["failed"]), (2, 1, 1), out)
        contains(out, "drrctl says 5 (incomplete", "the appliance said no", "drrctl resume -g ")
        code, out, sums = play(c.directory, playbook, {**variables, "drr_group_file": "/no/such/file"})
        equal((code, sums["changed"]), (2, 0), out)
        contains(out, "drrctl says 2 (usage or configuration)", "/no/such/file")
        code, out, sums = play(c.directory, playbook, {**variables, "drr_drrctl": "/no/such/program"})
        equal((code, sums["changed"]), (2, 0), out)
        contains(out, "No such file", "/no/such/program")


def pack(directory):
    """An archive as `make dist` makes it, of the programs under test; (path, SHA-256)."""
    name = "drr-agent-0-test"
    subprocess.run([os.path.join(ROOT, "cross", "dist"), directory, name, AGENT, DRRCTL], check=True, env={**os.environ, "SOURCE_DATE_EPOCH": "1735689600"})
    path = os.path.join(directory, name + ".tar.gz")
    with open(path, "rb") as file:
        return path, hashlib.sha256(file.read()).hexdigest()


@case("ansible: the role installs and configures", slow=True, once=lambda: WHY_NOT)
def role():
    with World(members=1) as world:
        archive, digest = pack(world.directory)
        at = os.path.join(world.directory, "host")
        member = world.lab.members[0]
        config = {"agent": {"name": "gw1", "state_dir": at + "/state"}, "appliance": {"domain": world.lab.domain},
                  "cli": {"transport": "ssh", "host": member.ssh_host, "port": member.ssh_port, "user": world.lab.user, "password_file": at + "/etc/password-cli",
                          "host_key": [member.host_keys["ecdsa"], member.host_keys["rsa"]]},
                  "log": {"source": "file", "file": member.log_file}, "limits": {"quiet_s": 1}}
        with open(world.lab.password_file, encoding="utf-8") as file:
            password = file.read().strip()
        os.makedirs(at + "/units")
        variables = {"drr_agent_archive": archive, "drr_agent_sha256": digest, "drr_agent_config": config, "drr_agent_prefix": at + "/usr", "drr_agent_directory": at + "/opt",
                     "drr_agent_config_directory": at + "/etc", "drr_agent_state_directory": at + "/state", "drr_agent_unit_directory": at + "/units", "drr_agent_user": "",
                     "drr_agent_secrets": [{"path": at + "/etc/password-cli", "content": password}], "drr_agent_check_connect": True, "drr_agent_service": False}
        playbook = os.path.join(world.directory, "install.yml")
        with open(playbook, "w", encoding="utf-8") as file:
            file.write("- hosts: localhost\n  gather_facts: false\n  roles: [drr_agent]\n")

        def install(*arguments, **more):
            path = os.path.join(world.directory, "password-play")       # ansible's own files hold the secret: not searched, and removed
            os.makedirs(path, exist_ok=True)
            try:
                return play(path, playbook, {**variables, **more}, *arguments)
            finally:
                shutil.rmtree(path)

        code, out, sums = install(drr_agent_sha256="0" * 64)
        equal((code, sums["failed"], os.path.exists(at + "/usr/bin/drr-agent")), (2, 1, False), "another archive than the wanted one")
        contains(out, "nothing is installed")
        code, out, sums = install()
        equal((code, sums["failed"]), (0, 0), out)
        check(sums["changed"] > 3 and password not in out, out)
        equal(os.stat(at + "/etc/password-cli").st_mode & 0o777, 0o600)
        with open(at + "/units/drr-agent.service", encoding="utf-8") as file:
            contains(file.read(), f"ExecStart={at}/usr/bin/drr-agent serve -c {at}/etc/agent.conf")
        status = subprocess.run([at + "/usr/bin/drr-agent", "status", "-c", at + "/etc/agent.conf", "--json"], capture_output=True, text=True, timeout=LIMIT_S)
        equal((status.returncode, json.loads(status.stdout)["member"]["name"]), (0, "gw1"), status.stderr)
        equal(install()[2]["changed"], 0, "changes of a second time")

        with open(at + "/etc/agent.conf", encoding="utf-8") as file:
            before = file.read()
        code, out, _ = install(drr_agent_config={**config, "agent": {**config["agent"], "log_levle": "info"}})
        equal(code, 2, "a configuration with a mistake")
        contains(out, "log_levle")
        with open(at + "/etc/agent.conf", encoding="utf-8") as file:
            equal(file.read(), before, "what is there")
