"""drrctl and the real daemons together, over HTTPS, on a lab of three: what the appliances record is what counts."""

import contextlib
import http.client
import json
import os
import signal
import ssl
import subprocess
import time

from drrlab import certificates
from harness import AGENT, LIMIT_S, Failed, World, case, check, contains, equal
import fake_agent

DRRCTL = os.environ.get("DRRCTL") or os.path.join(os.path.dirname(AGENT), "drrctl")


class Group:
    """A daemon beside each member of a lab, and drrctl with a certificate that they know."""

    def __init__(self, world, group=""):
        self.world, self.daemons, self.ports, self.logs = world, {}, {}, []
        self.conf = os.path.join(world.directory, "group.conf")
        configs = {}
        self.certificate, self.key = fake_agent.client_identity(world.directory, "drrctl")
        text = f"[group]\ncertificate = {self.certificate}\nkey = {self.key}\n{'' if 'patience_s' in group else 'patience_s = 60'}\n{group}\n"
        for member in world.lab.members:
            configs[member.name], pin = self.add(member.name)
            text += f"[member {member.name}]\nurl = https://{self.host(member.name)}:{self.ports[member.name]}\npin = {pin}\n"
        with open(self.conf, "w", encoding="utf-8") as file:
            file.write(text)
        for name, config in configs.items():
            self.start(name, config)
        for name in self.ports:
            self.wait_ready(name)

    def host(self, _name):
        return "127.0.0.1"

    def keys(self, _name):
        """More of a member's configuration."""
        return {}

    def add(self, name):
        key = certificates.new_key("ecdsa")
        paths = [os.path.join(self.world.directory, f"{name}-door.{end}") for end in ("pem", "key")]
        certificates._write(paths[0], 0o644, certificates._pem(certificates._builder(name, name, key, False).sign(key, certificates.hashes.SHA256())))
        certificates._write(paths[1], 0o600, certificates._key_pem(key))
        self.ports[name] = next(port for port in iter(fake_agent.free_port, 0) if port not in self.ports.values())
        config = self.world.config(name, https__listen=f"{self.host(name)}:{self.ports[name]}", https__certificate=paths[0], https__key=paths[1],
                                   https__client_ca=self.certificate, https__operators="drrctl", limits__bounce_deadline_s="10", limits__confirm_timeout_s="8", **self.keys(name))
        return config, certificates.pin_of(key)

    def start(self, name, config):
        log = open(os.path.join(self.world.directory, name + "-daemon.log"), "a", encoding="utf-8")
        self.logs.append(log)
        self.daemons[name] = (subprocess.Popen([AGENT, "serve", "-c", config], stdin=subprocess.DEVNULL, stdout=log, stderr=log), config)

    def ask(self, name, method, path, body=None):
        context = ssl._create_unverified_context()      # drrctl checks the pins; here only the answers matter
        context.load_cert_chain(self.certificate, self.key)
        connection = http.client.HTTPSConnection(self.host(name), self.ports[name], context=context, timeout=LIMIT_S)
        with contextlib.closing(connection):
            connection.request(method, path, json.dumps(body) if body else None)
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if text else None

    def is_up(self, name):
        with contextlib.suppress(OSError, http.client.HTTPException):
            status, state = self.ask(name, "GET", "/v1/state?max_age_ms=0")
            return status == 200 and state["peering"]["is_primary"] is not None
        return False

    def wait_ready(self, name):
        until = time.monotonic() + LIMIT_S
        while not self.is_up(name):
            check(self.daemons[name][0].poll() is None and time.monotonic() < until, "the daemon of", name, "does not answer:\n" + self.story(name))
            time.sleep(0.1)

    def story(self, name):
        with open(os.path.join(self.world.directory, name + "-daemon.log"), encoding="utf-8") as file:
            return file.read()[-4000:]

    def begin(self, *arguments):
        return subprocess.Popen([DRRCTL, *arguments, "--json", "-g", self.conf], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def end(self, process):
        self.process = process
        try:
            return process.communicate(timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            states = {n: {k: v for k, v in self.ask(n, "GET", "/v1/state")[1].items() if k in ("run", "step", "grant", "journal", "service")} for n in self.ports}
            raise Failed("drrctl does not end:\n" + out + err + json.dumps(states, indent=1)) from None

    def run(self, *arguments):
        out, err, process = *self.end(self.begin(*arguments)), self.process
        check(out, err)
        lines = [json.loads(line) for line in out.splitlines()]
        equal(lines[-1]["exit"], process.returncode, "the exit code that is told")
        return process.returncode, lines

    def wait_effect(self, effect, **fields):
        until = time.monotonic() + LIMIT_S
        while not any(all(e.get(k) == v for k, v in fields.items()) for e in self.world.lab.effects(effect)):
            check(time.monotonic() < until, effect, fields, "did not happen")
            time.sleep(0.02)

    def check_whole(self, bounces=1):
        """By the lab's record: one flush, then each service disabled and enabled, never two at once; and no grant is left."""
        effects = self.world.lab.effects()
        equal([e["effect"] for e in effects if e["effect"].startswith("flush")], ["flush"], "flushes")
        flushed = next(e["seq"] for e in effects if e["effect"] == "flush")
        down = set()
        for e in effects:
            if e["effect"] == "admin_state":
                (down.add if e["value"] == "disabled" else down.discard)(e["member"])
                check(len(down) <= 1, "disabled at once:", down)
        for name in self.ports:
            equal(self.world.bounced(after=flushed, member=name), bounces, f"bounces of {name} after the flush")
            state = self.ask(name, "GET", "/v1/state?max_age_ms=0")[1]
            check(state["grant"] is None and not state["journal"]["open"], name, state["grant"], state["journal"])
            equal((state["service"]["admin_state"], state["collections"]), ("enabled", 4), name)

    def close(self):
        for process, _ in self.daemons.values():
            process.send_signal(signal.SIGTERM)
        for process, _ in self.daemons.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(15)
            process.kill()
            process.wait()
        for log in self.logs:
            log.close()


@contextlib.contextmanager
def coordinated(group="", **switches):
    switches = {"heartbeat": "yes", "time_scale": 0.03, **switches}
    with World(members=3, **switches) as world:
        it = Group(world, group)
        try:
            yield it
        finally:
            it.close()


@case("coordinate: a DRR of three over HTTPS", slow=True)
def run_of_three():
    with coordinated() as g:
        code, lines = g.run("run")
        equal(code, 0, lines[-1])
        g.check_whole()
        told = subprocess.run([DRRCTL, "report", lines[-1]["run"], "--json", "-g", g.conf], capture_output=True, text=True, timeout=LIMIT_S)
        equal(told.returncode, 0, told.stderr)
        for member in json.loads(told.stdout)["members"]:
            check(set(member["steps"]) >= {"bounce", "confirm", "await"} and member["events"], "what is reported of", member["name"], told.stdout)


@case("coordinate: the primary is moved", slow=True)
def run_primary():
    with coordinated() as g:
        code, lines = g.run("run", "--primary", "gw3")
        equal(code, 0, lines[-1])
        equal([e["member"] for e in g.world.lab.effects("flush")], ["gw3"], "where the flush was")
        g.check_whole()


@case("coordinate: drrctl killed, and resumed", slow=True)
def killed():
    for effect, fields in (("flush", {}), ("admin_state", {"member": "gw2", "value": "disabled"}), ("admin_state", {"member": "gw3", "value": "enabled"})):
        with coordinated() as g:
            process = g.begin("run", "--run", "r1")
            g.wait_effect(effect, **fields)
            process.kill()
            process.communicate()
            code, lines = g.run("run")
            equal(code, 6, "another run meanwhile")
            code, lines = g.run("resume", "r1")
            equal(code, 0, lines[-1])
            g.check_whole()


@case("coordinate: an agent killed in the middle of its bounce", slow=True)
def agent_killed():
    with coordinated() as g:
        process = g.begin("run", "--run", "r1")
        g.wait_effect("admin_state", member="gw2", value="disabled")
        daemon, config = g.daemons["gw2"]
        daemon.kill()       # the supervisor; its children notice
        daemon.wait()
        until = time.monotonic() + LIMIT_S
        while not g.is_up("gw2"):       # as systemd does: what is left of the old one may hold the state for a moment
            check(time.monotonic() < until, "the daemon of gw2 does not come back:\n" + g.story("gw2"))
            if g.daemons["gw2"][0].poll() is not None:
                g.start("gw2", config)
            time.sleep(0.2)
        out, err = g.end(process)
        last = json.loads(out.splitlines()[-1])
        check(process.returncode in (0, 5), process.returncode, last, err)
        if process.returncode == 5:
            contains(last["next"], f"drrctl resume -g {g.conf} r1")
            g.wait_ready("gw2")
            code, lines = g.run("resume", "r1")
            equal(code, 0, lines[-1])
        for name in g.ports:
            equal(g.ask(name, "GET", "/v1/state?max_age_ms=0")[1]["service"]["admin_state"], "enabled", name)
        flushed = next(e["seq"] for e in g.world.lab.effects("flush"))
        check(all(g.world.bounced(after=flushed, member=n) >= 1 for n in g.ports), "somebody was not bounced after the flush")


@case("coordinate: an attempt is made once, however often it is asked for", slow=True)
def attempts():
    with coordinated(disable="error") as g:
        plan = {"primary": "gw1", "order": ["gw1", "gw2", "gw3"], "max_unavailable": 1}
        equal(g.ask("gw1", "PUT", "/v1/grant/r1", plan)[0], 200)

        def step(op, **more):
            status, answer = g.ask("gw1", "POST", "/v1/steps", {"run": "r1", "op": op, **more})
            equal(status, 202, answer)
            return g.ask("gw1", "GET", f"/v1/steps/r1.{op}?wait_s=60")[1]

        equal(step("primary", attempt=1)["state"], "done")
        equal(step("flush", attempt=1)["state"], "done")
        first = step("bounce", attempt=1)
        equal((first["state"], first["attempt"]), ("failed", 1), first)
        equal(step("bounce", attempt=1), first, "the same attempt again")
        equal(step("bounce", attempt=2)["attempt"], 2)
        equal(step("bounce", attempt=1)["attempt"], 2, "a late request for the first")
        equal(step("bounce")["attempt"], 3, "without a number a failed step is done again")
        for bad in (0, "1", -1, 1.5):
            equal(g.ask("gw1", "POST", "/v1/steps", {"run": "r1", "op": "bounce", "attempt": bad})[0], 400, bad)
        equal(len(g.world.lab.effects("flush")), 1, "flushes")


@case("coordinate: a flush without effect is not called a DRR", slow=True)
def no_effect():
    for switch in ("refused", "ignored"):
        with coordinated(flush=switch) as g:
            code, lines = g.run("run")
            check(code in (4, 5), "exit", code, lines[-1])
            equal(g.world.lab.effects("flush"), [], "flushes")


@case("coordinate: hold, refusals of one member", slow=True)
def holds():
    with coordinated() as g:
        equal(subprocess.run([DRRCTL, "hold", "--reason", "change 4711", "-g", g.conf], capture_output=True, timeout=LIMIT_S).returncode, 0)
        code, lines = g.run("run")
        equal(code, 6)
        contains(str(lines), "change 4711")
        equal(subprocess.run([DRRCTL, "unhold", "-g", g.conf], capture_output=True, timeout=LIMIT_S).returncode, 0)
        equal(g.run("plan")[0], 0)
        equal(g.world.lab.effects("admin_state"), [], "what a plan changed")
