"""What tests/bench/run and tests/bench/truth share: the four ways of doing a DRR on a member of the lab, what they cost, and what
really happened according to the lab's own record."""

import os
import subprocess
import sys
import tempfile
import threading
import time
from types import SimpleNamespace

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests", "lab"))
from drrlab.client import Lab, LabError     # noqa: E402

TARGET = os.uname().machine.replace("ppc64le", "powerpc64le") + "-linux-musl"
OUT = os.path.join(ROOT, os.environ.get("O", "out"), TARGET)
AGENT = os.environ.get("DRR_AGENT") or os.path.join(OUT, "drr-agent")
PACKAGES = {"expect": "expect", "ansible": "ansible-core", "ssh": "openssh-client"}     # command: Debian package
LIMIT_S = 120
OBJECT = "gwd"

# ---- how people do it today

# The lines of the published procedure, log-in included, as they are sent to `ssh -T`.
BLIND = """{user}
{password}
switch domain {domain}
config
gateway-peering-switch-primary {object}
exit
diag
gateway-peering-flush {object}
y
exit
config
apic-gw-service
admin-state disabled
exit
apic-gw-service
admin-state enabled
exit
exit
exit
"""

SSH_OPTIONS = ["-T", "-o", "UserKnownHostsFile={known}", "-o", "StrictHostKeyChecking=yes", "-o", "LogLevel=ERROR", "-p", "{port}", "{user}@{host}"]

EXPECT = r"""#!/usr/bin/expect -f
# usage: drr.exp HOST PORT USER PASSWORDFILE DOMAIN OBJECT KNOWNHOSTS ADDRESS
lassign $argv host port user passfile domain object known address
set f [open $passfile]; gets $f password; close $f
set timeout 30
set prompt {\r?\n?[^\r\n]*# $}
proc run {command} {
    global prompt
    send -- "$command\r"
    expect {
        -re {Yes/No \[y/n\]: $} { send "y\r"; exp_continue }
        -re {Unknown command[^\r\n]*} { puts stderr "failed: $command"; exit 1 }
        -re {\n% [^\r\n]*}            { puts stderr "failed: $command"; exit 1 }
        -re $prompt                   {}
        timeout                       { puts stderr "timeout: $command"; exit 1 }
        eof                           { puts stderr "lost: $command"; exit 1 }
    }
    return $expect_out(buffer)
}
spawn ssh -o UserKnownHostsFile=$known -o StrictHostKeyChecking=yes -p $port $user@$host
expect "login: ";    send -- "$user\r"
expect "Password: "; send -- "$password\r"
expect -re $prompt
run "switch domain $domain"
run "config"
run "gateway-peering-switch-primary $object"
run "exit"
for {set i 0} {$i < 30} {incr i} {
    if {[regexp "$address +$object +\[^\n\]* yes " [run "show gateway-peering-status"]]} break
    sleep 1
}
run "diag"
run "gateway-peering-flush $object"
run "exit"
run "config"
foreach state {disabled enabled} {
    run "apic-gw-service"
    run "admin-state $state"
    run "exit"
}
run "exit"
send "exit\r"
expect eof
"""

# raw needs the exec channel, which the appliance refuses; so every task is a raw task on this machine that types lines into `ssh -T`.
PLAYBOOK = """- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - name: make this member primary
      raw: "{ssh} < {dir}/primary"
    - name: wait until it is
      raw: "{ssh} < {dir}/status"
      register: table
      until: table.stdout is search('{address} +{object} .* yes ')
      retries: 30
      delay: 1
    - name: flush
      raw: "{ssh} < {dir}/flush"
      register: flush
      failed_when: flush.rc != 0 or flush.stdout is search('Unknown command|\\n% ')
    - name: bounce
      raw: "{ssh} < {dir}/bounce"
    - name: wait for the waiting line
      raw: "tail -n 50 {log} | grep -q 0x88e000d7"
      register: waiting
      until: waiting.rc == 0
      retries: 30
      delay: 1
"""
LOGIN = "{user}\n{password}\nswitch domain {domain}\n"
PARTS = {
    "primary": LOGIN + "config\ngateway-peering-switch-primary {object}\nexit\nexit\n",
    "status": LOGIN + "show gateway-peering-status\nexit\n",
    "flush": LOGIN + "diag\ngateway-peering-flush {object}\ny\nexit\nexit\n",
    "bounce": LOGIN + "config\napic-gw-service\nadmin-state disabled\nexit\napic-gw-service\nadmin-state enabled\nexit\nexit\nexit\n",
}


class Case:
    """A member of a fresh lab, with everything on disk that the four ways need."""

    def __init__(self, lab, member="gw1", password=None, limits=None):
        self.lab, self.member = lab, lab.member(member)
        self.directory = tempfile.mkdtemp(prefix="drr-bench-")
        with open(lab.password_file, encoding="utf-8") as file:
            self.password = password or file.read().strip()
        self.limits = {"quiet_s": 1, **(limits or {})}
        self.password_file = self.write("password", self.password + "\n")
        self.known = self.write("known_hosts", "")
        with open(self.known, "wb") as file:
            subprocess.run(["ssh-keyscan", "-p", str(self.member.ssh_port), self.member.ssh_host], stdout=file, stderr=subprocess.DEVNULL, check=True)

    def write(self, name, text, mode=0o600):
        path = os.path.join(self.directory, name)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def lines(self, text):
        return text.format(user=self.lab.user, password=self.password, domain=self.lab.domain, object=OBJECT)

    def ssh(self):
        values = {"known": self.known, "port": self.member.ssh_port, "user": self.lab.user, "host": self.member.ssh_host}
        return ["ssh"] + [word.format(**values) for word in SSH_OPTIONS]

    # Each returns (command, file for its standard input or None).

    def blind(self):
        return self.ssh(), self.write("commands", self.lines(BLIND))

    def expect(self):
        m = self.member
        return (["expect", "-f", self.write("drr.exp", EXPECT), m.ssh_host, str(m.ssh_port), self.lab.user, self.password_file, self.lab.domain,
                 OBJECT, self.known, m.address], None)

    def ansible_raw(self):
        """The least that Ansible can do: its raw module starts the blind script here."""
        self.blind()
        return ["ansible", "localhost", "-c", "local", "-m", "raw", "-a", f"{' '.join(self.ssh())} < {self.directory}/commands"], None

    def ansible_playbook(self):
        for name, text in PARTS.items():
            self.write(name, self.lines(text))
        text = PLAYBOOK.format(ssh=" ".join(self.ssh()), dir=self.directory, address=self.member.address, object=OBJECT, log=self.member.log_file)
        return ["ansible-playbook", "-i", "localhost,", self.write("drr.yml", text)], None

    def ansible_direct(self):
        """What one would write first: raw over Ansible's own SSH connection."""
        m = self.member
        inventory = self.write("hosts", f"gw1 ansible_host={m.ssh_host} ansible_port={m.ssh_port} ansible_user={self.lab.user} "
                                        f"ansible_ssh_common_args='-o UserKnownHostsFile={self.known} -o ControlMaster=no'\n")
        return ["ansible", "-i", inventory, "gw1", "-m", "raw", "-a", "show gateway-peering-status"], None

    def agent(self, *arguments):
        m = self.member
        state = os.path.join(self.directory, "state")
        os.makedirs(state, mode=0o700, exist_ok=True)
        limits = "".join(f"{k} = {v}\n" for k, v in self.limits.items())
        keys = m.host_keys["ecdsa"] + "," + m.host_keys["rsa"]
        config = self.write("agent.conf", f"[agent]\nname = {m.name}\nstate_dir = {state}\n[appliance]\ndomain = {self.lab.domain}\n"
                                          f"[cli]\ntransport = ssh\nhost = {m.ssh_host}\nport = {m.ssh_port}\nuser = {self.lab.user}\n"
                                          f"password_file = {self.password_file}\nhost_key = {keys}\n[log]\nsource = file\nfile = {m.log_file}\n"
                                          f"[watchdog]\nheartbeat_s = 30\nslack_s = 10\n[limits]\n{limits}")
        return [AGENT, "run", "-c", config, *arguments], None


def run(case, command, stdin=None, cost=None, timeout=LIMIT_S):
    """Runs to the end: .exit .out .began .ended (CLOCK_MONOTONIC, s), and with cost (the launcher's path) .cpu_ms .wall_s .peak_kb."""
    line = list(command)
    report = os.path.join(case.directory, "cost.txt")
    if cost:
        line = [cost, report] + line
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "ANSIBLE_LOCAL_TEMP": case.directory, "ANSIBLE_NOCOLOR": "1", "TERM": "dumb"}
    began = time.monotonic()
    with open(stdin or os.devnull, "rb") as given:
        done = subprocess.run(line, stdin=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout, check=False, env=environment)
    result = SimpleNamespace(exit=done.returncode, out=done.stdout.decode(errors="replace"), began=began, ended=time.monotonic())
    if cost:
        with open(report, encoding="ascii") as file:
            code, wall, user, system, peak = (int(word) for word in file.read().split())
        result.exit, result.wall_s, result.cpu_ms, result.peak_kb = code, wall / 1e6, (user + system) / 1e3, peak
        result.ended = result.began + result.wall_s
    return result


def last_words(text):
    lines = [line.strip() for line in text.replace("\r", "\n").split("\n") if line.strip()]
    return lines[-1] if lines else ""


class WebhookWhenWaiting(threading.Thread):
    """The management server calls a member a moment after it began to wait: the same for every tool, so that none waits for a heartbeat."""

    def __init__(self, lab, member):
        super().__init__(daemon=True)
        self.lab, self.member = Lab(lab.directory), member      # a connection of its own: one serves one thread
        self.start()

    def run(self):
        try:
            self.lab.wait_effect("service_state", member=self.member, state="waiting", timeout=LIMIT_S)
            time.sleep(0.2)
            self.lab.call("webhook", member=self.member)
        except (LabError, OSError, ValueError):
            pass        # the lab is gone: the test is over


# ---- what really happened

def truth(lab, member, after=0):
    """From the lab's record behind effect number AFTER."""
    effects = lab.effects(after=after)
    mine = [e for e in effects if e["member"] == member]
    admin = [e["value"] for e in mine if e["effect"] == "admin_state"]
    flush = [e for e in effects if e["effect"] == "flush" and e["object"] == OBJECT]
    bounced = "disabled" in admin and "enabled" in admin[admin.index("disabled"):]
    service = lab.get(f"{member}.service")
    return SimpleNamespace(
        flushes=len(flush), flushed_by=[e["member"] for e in flush],
        refused=[e["effect"] for e in mine if e["effect"] in ("flush_on_replica", "flush_refused", "flush_ignored")],
        admin=admin, bounced=bounced,
        bounced_after_flush=bool(flush) and any(e["effect"] == "admin_state" and e["value"] == "disabled" and e["seq"] > flush[-1]["seq"] for e in mine),
        enabled=service["admin_state"] == "enabled", state=service["state"],
        registered=service["state"] == "up" and any(e["effect"] == "store_filled" for e in effects),
        disturbed=any(e["effect"] == "restarted_during_resync" for e in mine),
        switched=any(e["effect"] == "primary_changed" for e in effects),
        primary=lab.primary())


def waited_s(lab, member, began, ended):
    """How long the appliance and the management server themselves were at work between the two times: the union of primary switch, stop,
    start, and re-synchronisation, from the lab's record."""
    spans, open_at = [], {}
    ends = {"switch": ("primary_changed",), "service": (), "resync": ("resync_end", "resync_failed")}
    for e in lab.effects():
        if e["member"] == member and e["effect"] == "switch_primary" and not e.get("already"):
            open_at.setdefault("switch", e["mono"])
        if e["effect"] == "resync_start":
            open_at.setdefault("resync", e["mono"])
        if e["member"] == member and e["effect"] == "service_state":
            if e["state"] in ("stopping", "starting"):
                open_at.setdefault("service", e["mono"])
            elif "service" in open_at:
                spans.append((open_at.pop("service"), e["mono"]))
        for name, words in ends.items():
            if e["effect"] in words and name in open_at:
                spans.append((open_at.pop(name), e["mono"]))
    total, at = 0.0, began
    for start, end in sorted(spans):
        start, end = max(start, at), min(end, ended)
        if end > start:
            total, at = total + end - start, end
    return total


def show(command, case):
    """The command as a person would type it, without this machine's temporary folders."""
    text = " ".join(command).replace(case.directory, "DIR").replace(AGENT, "drr-agent")
    return text.replace(str(case.member.ssh_port), "PORT").replace(case.member.ssh_host, "HOST")


def missing_packages():
    from shutil import which
    return [package for command, package in PACKAGES.items() if not which(command)]


def require():
    """Everything there?  As root the missing Debian packages are installed, else they are named."""
    missing = missing_packages()
    if missing and os.geteuid() == 0:
        env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        print("installing", *missing, file=sys.stderr)
        for words in (["update"], ["-y", "install", "--no-install-recommends", *missing]):
            subprocess.run(["apt-get", "-q", *words], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=env, check=True)
    elif missing:
        sys.exit("bench: missing packages: " + " ".join(missing) + "\n  next: as root, apt-get install --no-install-recommends " + " ".join(missing))
    if not os.access(AGENT, os.X_OK):
        sys.exit(f"bench: there is no {AGENT}\n  next: make")
