"""A daemon beside each member of a lab, set up as a user would: certificates by `drr-agent cert`, agent.conf, group.conf, `drr-agent serve`.

In FOLDER: gw1/agent.conf, gw1/https.pem, gw1/clients.pem, gw1/state, gw1/agent.log, ..., drrctl.pem, drrctl.key, group.conf.
The endpoints are on the members' own addresses, port 8443.
"""

import contextlib
import http.client
import os
import re
import signal
import socket
import subprocess
import time

PORT = 8443
READY_S = 60
END_S = 60          # a daemon that ends enables first what it has disabled
OPERATORS = ("drrctl", "me")


class AgentsError(Exception):
    pass


class _Door(http.client.HTTPConnection):
    """A daemon's Unix socket."""

    def __init__(self, path):
        super().__init__("agent", timeout=5)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Agents:
    """As a context: the daemons run inside; behind it all of them have ended."""

    def __init__(self, lab, folder, programs, heartbeat_s=None, tell=lambda command, said: None):
        """PROGRAMS: the folder with drr-agent and drrctl. TELL gets each command of the set-up, and what it printed."""
        self.lab, self.folder, self.programs, self.heartbeat_s, self.tell = lab, folder, programs, heartbeat_s, tell
        self.processes = {}
        self.pins = {}
        self.complaints = []        # what was not as it should be when they ended

    def url(self, member):
        return f"https://{member.address}:{PORT}"

    def __enter__(self):
        try:
            self._set_up()
            for member in self.lab.members:
                self._start(member)
            for member in self.lab.members:
                self._wait_ready(member)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind, value, trace):
        self.stop()

    # ---- set-up

    def call(self, *command):
        """One of the two programs, in the folder; what it printed."""
        done = subprocess.run([os.path.join(self.programs, command[0]), *command[1:]], cwd=self.folder, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode != 0:
            raise AgentsError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        self.tell(" ".join(command), done.stdout)
        return done.stdout

    def _write(self, name, text):
        with open(os.path.join(self.folder, name), "w", encoding="utf-8") as file:
            file.write(text)

    def _set_up(self):
        for member in self.lab.members:
            os.makedirs(os.path.join(self.folder, member.name, "state"), mode=0o700)
            self._write(f"{member.name}/agent.conf", self._agent_conf(member))
            said = self.call("drr-agent", "cert", "init", "-c", f"{member.name}/agent.conf")
            self.pins[member.name] = re.search(r"^pin (sha256//\S+)$", said, re.M).group(1)
        self.call("drr-agent", "cert", "init", "--client", "drrctl", "--out", ".")
        with open(os.path.join(self.folder, "drrctl.pem"), encoding="utf-8") as file:
            certificate = file.read()
        for member in self.lab.members:
            self._write(f"{member.name}/clients.pem", certificate)
        self._write("group.conf", f"[group]\nname = demo\ncertificate = {self.folder}/drrctl.pem\nkey = {self.folder}/drrctl.key\n"
                    + "".join(f"[member {m.name}]\nurl = {self.url(m)}\npin = {self.pins[m.name]}\n" for m in self.lab.members))

    def _agent_conf(self, member):
        folder = os.path.join(self.folder, member.name)
        watchdog = f"[watchdog]\nheartbeat_s = {max(30, self.heartbeat_s)}\n" if self.heartbeat_s else ""
        return (f"[agent]\nname = {member.name}\nstate_dir = {folder}/state\n"
                f"[appliance]\ndomain = {self.lab.domain}\n"
                f"[cli]\ntransport = ssh\nhost = {member.ssh_host}\nport = {member.ssh_port}\nuser = {self.lab.user}\n"
                f"password_file = {self.lab.password_file}\nhost_key = {member.host_keys['ecdsa']}\n"
                f"[log]\nsource = file\nfile = {member.log_file}\n"
                f"[https]\nlisten = {member.address}:{PORT}\ncertificate = {folder}/https.pem\nkey = {folder}/https.key\n"
                f"client_ca = {folder}/clients.pem\noperators = {', '.join(OPERATORS)}\n"
                f"{watchdog}[limits]\nquiet_s = 3\n")

    # ---- the daemons

    def _start(self, member):
        """Out of reach of the terminal's Ctrl-C, which is for us; the kernel ends it when we are gone."""
        command = ["setpriv", "--pdeathsig", "TERM", os.path.join(self.programs, "drr-agent"), "serve", "-c", f"{member.name}/agent.conf"]
        with open(os.path.join(self.folder, member.name, "agent.log"), "wb") as log:
            self.processes[member.name] = subprocess.Popen(command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    def _is_ready(self, member):
        # The path of a Unix socket may have 107 bytes; a folder's descriptor makes it short.
        fd = os.open(os.path.join(self.folder, member.name, "state"), os.O_PATH | os.O_DIRECTORY)
        try:
            with contextlib.closing(_Door(f"/proc/self/fd/{fd}/api.sock")) as door:
                door.request("GET", "/readyz")
                return door.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            os.close(fd)

    def _wait_ready(self, member):
        deadline = time.monotonic() + READY_S
        while not self._is_ready(member):
            if self.processes[member.name].poll() is not None or time.monotonic() > deadline:
                raise AgentsError(f"the daemon of {member.name} is not ready:\n{self.log(member.name)}")
            time.sleep(0.1)

    def log(self, name):
        with open(os.path.join(self.folder, name, "agent.log"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def stop(self):
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        for name, process in self.processes.items():
            try:
                code = process.wait(END_S)
            except subprocess.TimeoutExpired:
                process.kill()
                code = process.wait()
            if code != 0:
                self.complaints.append(f"{name}: drr-agent serve ended with {code}: {self.log(name)[-1500:]}")
        self.processes = {}


def find_programs():
    """The folder with drr-agent and drrctl: of $DRR_AGENT, or where make puts them."""
    machine = os.uname().machine.replace("ppc64le", "powerpc64le")
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    folder = os.path.dirname(os.path.abspath(os.environ.get("DRR_AGENT") or os.path.join(root, os.environ.get("O", "out"), f"{machine}-linux-musl", "drr-agent")))
    for program in ("drr-agent", "drrctl"):
        if not os.access(os.path.join(folder, program), os.X_OK):
            raise AgentsError(f"there is no {os.path.join(folder, program)}; build it first: make")
    return folder
