"""One member's redis-server and Sentinel: two processes with configuration files of their own, under DIR/MEMBER/engine.

They die with the lab, however it ends: the kernel kills them when their parent is gone (PR_SET_PDEATHSIG, by setpriv).
They listen on Unix sockets; relay.py gives them their address and port.
"""

import os
import shutil
import signal
import subprocess

from . import resp

LOOK_TIMEOUT_S = 1.0
WORK_TIMEOUT_S = 10.0
KINDS = ("redis", "sentinel")


def missing_program():
    """What to install, or None."""
    for program, package in (("redis-server", "redis-server"), ("setpriv", "util-linux")):
        if shutil.which(program) is None:
            return f"there is no {program}: apt-get install {package}"
    return None


class Engine:
    def __init__(self, directory, member, ports, password, died):
        """died(engine, kind): called when a process ended that nobody killed."""
        self.member = member
        self.ports = dict(zip(KINDS, ports))
        self._password = password
        self._died = died
        self._processes = {}
        self._folder = os.path.join(directory, member.name, "engine")
        shutil.rmtree(self._folder, ignore_errors=True)     # of an earlier lab
        os.makedirs(self._folder, mode=0o700)
        self._fd = os.open(self._folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def socket(self, kind):
        """A path that is short, however long the lab's directory is."""
        return f"/proc/self/fd/{self._fd}/{kind}.sock"

    async def ask(self, kind, *commands, timeout=WORK_TIMEOUT_S):
        """Replies, errors among them; a role change makes Sentinel cut all clients of a redis, so a cut is tried once more."""
        if not self.alive(kind):
            raise OSError(f"no {kind} runs")
        try:
            return await resp.ask(self.socket(kind), self._password, commands, timeout)
        except (ConnectionError, FileNotFoundError):
            return await resp.ask(self.socket(kind), self._password, commands, timeout)

    # ---- configuration files; the processes rewrite them later

    def _write(self, kind, lines):
        address, port = self.member.address, self.ports[kind]
        lines = ["port 0", f"unixsocket {kind}.sock", "unixsocketperm 700", f"bind-source-addr {address}", f"requirepass {self._password}",
                 f"logfile {kind}.log", "daemonize no"] + [line.format(address=address, port=port, password=self._password) for line in lines]
        path = os.path.join(self._folder, f"{kind}.conf")
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
            file.write("\n".join(lines) + "\n")

    def configure(self, primary_address, name, quorum, down_after_ms, append_only):
        self._write("redis", ["masterauth {password}", 'save ""', f"appendonly {'yes' if append_only else 'no'}", "databases 1",
                              "replica-announce-ip {address}", "replica-announce-port {port}", "repl-diskless-sync-delay 0",
                              "repl-ping-replica-period 1", "repl-timeout 4", "stop-writes-on-bgsave-error no",
                              # Else a replica keeps the file of its last synchronisation, and loads it when it is restarted.
                              "rdb-del-sync-files yes"]
                    + ([f"replicaof {primary_address} {self.ports['redis']}"] if primary_address != self.member.address else []))
        self._write("sentinel", ["sentinel sentinel-pass {password}", "sentinel announce-ip {address}", "sentinel announce-port {port}",
                                 f"sentinel monitor {name} {primary_address} {self.ports['redis']} {quorum}",
                                 f"sentinel auth-pass {name} {self._password}", f"sentinel down-after-milliseconds {name} {down_after_ms}",
                                 f"sentinel failover-timeout {name} 4000", f"sentinel parallel-syncs {name} 4"])

    # ---- processes

    def alive(self, kind):
        return kind in self._processes

    def start(self, kind, loop):
        if self.alive(kind):
            return
        command = ["setpriv", "--pdeathsig", "KILL", "redis-server", f"{kind}.conf"] + (["--sentinel"] if kind == "sentinel" else [])
        with open(os.path.join(self._folder, f"{kind}.err"), "ab") as errors:
            process = subprocess.Popen(command, cwd=self._folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors)
        handle = os.pidfd_open(process.pid)
        self._processes[kind] = (process, handle, loop)
        loop.add_reader(handle, self._ended, kind)

    def _forget(self, kind):
        process, handle, loop = self._processes.pop(kind)
        loop.remove_reader(handle)
        os.close(handle)
        process.wait()

    def _ended(self, kind):
        self._forget(kind)
        self._died(self, kind)

    def kill(self, kind):
        if self.alive(kind):
            self._processes[kind][0].kill()
            self._forget(kind)

    def signal(self, kind, number):
        if self.alive(kind):
            self._processes[kind][0].send_signal(number)

    def stun(self, kind):
        self.signal(kind, signal.SIGSTOP)

    def wake(self, kind):
        self.signal(kind, signal.SIGCONT)

    def stop(self):
        for kind in KINDS:
            self.kill(kind)
        os.close(self._fd)
