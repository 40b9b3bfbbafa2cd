"""The lab from a Python test:

    from drrlab.client import Lab
    with Lab.start(members=3, time_scale=0.01, switches={"gw1.flush_confirm": "no"}) as lab:
        gw1 = lab.members[0]            # .name .address .ssh_port .telnet_port .host_keys["rsa"] .log_file .xmi["url"] .xmi["pin"]
        lab.set("gw2.switch_delay", "10real")
        lab.wait_effect("flush", member="gw1", timeout=5)

Needs nothing but the standard library, and any Python 3.9 or later: the lab itself runs in its own process.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from types import SimpleNamespace

LAB = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lab")


class LabError(Exception):
    pass


def connect_unix(directory, name):
    """A stream to a socket in a directory of any length."""
    fd = os.open(directory, os.O_PATH | os.O_DIRECTORY)
    try:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.connect(f"/proc/self/fd/{fd}/{name}")
        return sock
    finally:
        os.close(fd)


class ControlClient:
    def __init__(self, directory):
        self._sock = connect_unix(directory, "control")
        self._file = self._sock.makefile("rwb")

    def call(self, do, **arguments):
        self._file.write(json.dumps({"do": do, **arguments}).encode() + b"\n")
        self._file.flush()
        line = self._file.readline()
        if not line:
            raise LabError("the lab is gone")
        answer = json.loads(line)
        if not answer["ok"]:
            raise LabError(answer["error"])
        return answer["result"]

    def close(self):
        self._file.close()
        self._sock.close()


class Lab:
    """A running lab.  Every key of lab.json is an attribute: user, password, password_file, domain, peering_object, seed, xmi_user, xmi_password, xmi_password_file, ca_file, ..."""

    def __init__(self, directory, process=None, temporary=False):
        self._process = process
        self._temporary = temporary
        self.directory = directory
        self.refresh()
        for name, value in self.info.items():
            if name != "members":
                setattr(self, name, value)
        self._control = ControlClient(directory)

    def refresh(self):
        """Read lab.json again: host keys and pins change with `rekey` and with the switch `xmi`."""
        with open(os.path.join(self.directory, "lab.json"), encoding="utf-8") as file:
            self.info = json.load(file)
        self.members = [SimpleNamespace(**m) for m in self.info["members"]]

    @classmethod
    def start(cls, members=3, time_scale=0.01, switches=None, seed=None, directory=None, extra=(), peering="model", keys=None):
        """KEYS: a folder for the cache of host keys instead of the user's own."""
        temporary = directory is None
        directory = directory or tempfile.mkdtemp(prefix="drrlab-")
        command = [LAB, "start", "--dir", directory, "--members", str(members), "--time-scale", str(time_scale), "--foreground",
                   "--exit-with-parent", "--peering", peering]
        if seed is not None:
            command += ["--seed", str(seed)]
        for name, value in (switches or {}).items():
            if isinstance(value, bool):
                value = "yes" if value else "no"
            command += ["--set", f"{name}={value}"]
        log = open(os.path.join(directory, "lab.err"), "wb")
        process = subprocess.Popen(command + list(extra), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
                                   env={**os.environ, "XDG_CACHE_HOME": keys} if keys else None,
                                   start_new_session=True)     # a Ctrl-C is for those who use the lab; what they must put right needs it a little longer
        log.close()
        try:
            cls._wait_started(process, directory)
            return cls(directory, process, temporary)
        except BaseException:       # a Ctrl-C, too
            cls._end(process, directory, temporary)
            raise

    @staticmethod
    def _wait_started(process, directory):
        text = b""
        while not text.endswith(b"\n}\n"):
            line = process.stdout.readline()
            if not line:
                process.wait()
                with open(os.path.join(directory, "lab.err"), encoding="utf-8", errors="replace") as file:
                    raise LabError("the lab did not start: " + file.read())
            text += line
        process.stdout.close()

    @staticmethod
    def _end(process, directory, temporary):
        if process:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if temporary:
            shutil.rmtree(directory, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.stop()

    def member(self, name):
        return next(m for m in self.members if m.name == name)

    def call(self, do, **arguments):
        """Any ctl action: lab.call("rotate", member="gw1")."""
        return self._control.call(do, **arguments)

    def set(self, name, value):
        result = self.call("set", name=name, value=value)
        self.refresh()
        return result

    def get(self, name):
        return self.call("get", name=name)

    def state(self):
        return self.call("state")

    def effects(self, effect=None, member=None, after=0):
        """The effects so far, in order; filtered when asked."""
        return [e for e in self.call("effects", after=after) if effect in (None, e["effect"]) and member in (None, e["member"])]

    def wait_effect(self, effect, member=None, after=0, timeout=10.0, **fields):
        """The first such effect with seq > after; LabError when it does not come."""
        deadline = time.monotonic() + timeout
        while True:
            for item in self.effects(after=after):
                after = item["seq"]
                if effect == item["effect"] and member in (None, item["member"]) and all(item.get(k) == v for k, v in fields.items()):
                    return item
            if time.monotonic() > deadline:
                raise LabError(f"no effect {effect} {member or ''} {fields or ''} within {timeout} s")
            time.sleep(0.01)

    def settle(self, seconds=60):
        """Real Redis: wait until all members see the same one primary, with every link ok."""
        return self.call("settle", seconds=seconds)

    def wait_tables(self, wanted, timeout=60.0):
        """Until wanted(tables) is true; the tables."""
        deadline = time.monotonic() + timeout
        while not wanted(tables := self.call("tables")):
            if time.monotonic() > deadline:
                raise LabError(f"not within {timeout} s; the tables are {tables}")
            time.sleep(0.05)
        return tables

    def primary(self, object="gwd"):
        return self.state()["primary"][object]

    def errors(self):
        """What the lab said on stderr, and its own failures: a test should find nothing."""
        with open(os.path.join(self.directory, "lab.err"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def stop(self):
        try:
            self._control.close()
        except OSError:
            pass
        self._end(self._process, self.directory, self._temporary)
