"""The watchdog on real daemons: appliances that reboot, and what is said and done then, for each policy.

The management server calls only where a case lets it, so that each case first shows what is lost: services that wait, no API collections.
What was done counts by the lab's record, what was said by the members' events.  With short times: heartbeat_s 5, slack_s 2, settle_s 5.
"""

import contextlib
import http.client
import http.server
import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import threading
import time
import urllib.parse
import urllib.request

from cases_coordinate import DRRCTL
from cases_group_fire import Fire, Stopped, add_manager
from daemon import state_of, wait_until
from drrlab import certificates
from drrlab.agents import Agents, find_programs
from harness import LIMIT_S, ROOT, Failed, Skipped, World, case, check, contains, equal
import fake_agent

HEARTBEAT_S, SLACK_S, SETTLE_S = 5, 2, 5
AWAY_S = 1.5                    # how long an appliance is down
ALARM_S = HEARTBEAT_S + SLACK_S + 6     # what a false alarm would need
WAITING, BACK = "waiting", "up"


class Receiver:
    """Where notify_url points to: what came, when, and with whose certificate; ANSWERS are the first answers' status."""

    def __init__(self, directory, answers=()):
        receiver = self
        self.got, self.answers = [], list(answers)
        self.news = threading.Condition()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_POST(self):
                now = time.monotonic()
                body = self.rfile.read(int(self.headers["Content-Length"]))
                peer = self.connection.getpeercert()
                with receiver.news:
                    status = receiver.answers.pop(0) if receiver.answers else 204
                    receiver.got.append({"at": now, "path": self.path, "type": self.headers["Content-Type"], "status": status, "text": body.decode(),
                                         "peer": dict(field[0] for field in peer["subject"])["commonName"] if peer else None})
                    receiver.news.notify_all()
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

        key = certificates.new_key("ecdsa")
        path = os.path.join(directory, "receiver.pem")
        certificates._write(path, 0o600, certificates._key_pem(key), certificates._pem(certificates._builder("receiver", "receiver", key, False).sign(key, certificates.hashes.SHA256())))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        context.verify_mode = ssl.CERT_OPTIONAL
        self.context = context
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.pin, self.url = certificates.pin_of(key), f"https://127.0.0.1:{self.server.server_address[1]}/hooks/drr"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def trust(self, path):
        """One of those that may show a certificate."""
        self.context.load_verify_locations(path)

    def wait(self, member, name=None, limit_s=LIMIT_S):
        """The first accepted notification (of this name), and what it says."""
        def found():
            for item in self.got:
                said = json.loads(item["text"])
                if item["status"] < 300 and said["member"] == member and name in (None, said["name"]):
                    return item, said
            return None
        with self.news:
            check(self.news.wait_for(found, limit_s), f"no notification {name} of {member}; these came:", [(g["status"], g["text"]) for g in self.got])
            return found()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class Watched(Fire):
    """A daemon beside each member, its watchdog with POLICY."""

    def __init__(self, world, policy, receiver, policies, settle_s):
        self.policy, self.receiver, self.policies, self.settle_s = policy, receiver, policies, settle_s
        super().__init__(world)
        if receiver:
            for name in self.ports:
                receiver.trust(os.path.join(world.directory, f"{name}-door.pem"))
        for name in self.ports:     # the memory of what was there before
            self.wait_watchdog(name, lambda w: w["state"] == "steady" and w["collections_before"] == 4, "steady, with four collections")

    def keys(self, name):
        keys = {"watchdog__on_reboot": self.policies.get(name, self.policy), "watchdog__heartbeat_s": HEARTBEAT_S, "watchdog__slack_s": SLACK_S,
                "watchdog__settle_s": self.settle_s, "watchdog__group_file": self.conf}
        if self.receiver:
            keys.update(watchdog__notify_url=self.receiver.url, watchdog__notify_pin=self.receiver.pin)
        return keys

    # ---- what the members say

    def ask_text(self, name, path):
        context = ssl._create_unverified_context()
        context.load_cert_chain(self.certificate, self.key)
        with urllib.request.urlopen(f"https://{self.host(name)}:{self.ports[name]}{path}", context=context, timeout=LIMIT_S) as answer:
            return answer.read().decode()

    def ask_in_vain(self, name):
        with contextlib.suppress(OSError, http.client.HTTPException):
            self.ask(name, "GET", "/v1/state?max_age_ms=0")

    def watchdog(self, name):
        return self.ask(name, "GET", "/v1/state?max_age_ms=86400000")[1]["watchdog"]

    def wait_watchdog(self, name, condition, what, limit_s=LIMIT_S):
        until = time.monotonic() + limit_s
        while True:
            with contextlib.suppress(OSError, http.client.HTTPException):
                watchdog = self.watchdog(name)
                if condition(watchdog):
                    return watchdog
                if time.monotonic() > until:
                    raise Failed(f"watchdog of {name} never became {what}: {watchdog} {self.said(name)}\n{self.story(name)}")
            time.sleep(0.2)

    def wait_verdict(self, name, verdict):
        watchdog = self.wait_watchdog(name, lambda w: w["verdict"] == verdict, verdict)
        check(watchdog["sentence"] and watchdog["next"], "a verdict says what and what next:", watchdog)
        return watchdog

    def wait_steady(self, name):
        return self.wait_watchdog(name, lambda w: w["state"] == "steady", "steady")

    def news(self, name):
        events, after = [], 0
        while True:
            page = self.ask(name, "GET", f"/v1/events?after={after}&limit=200")[1]
            events += [e for e in page["events"] if e["kind"] == "watchdog"]
            if not page["events"]:
                return events
            after = page["events"][-1]["n"]

    def said(self, name):
        return [(e["event"], e["sentence"]) for e in self.news(name)]

    def count(self, name, news):
        return len([e for e in self.news(name) if e["event"] == news])

    def wait_news(self, name, news, limit_s=LIMIT_S):
        until = time.monotonic() + limit_s
        while not (found := [e for e in self.news(name) if e["event"] == news]):
            if time.monotonic() > until:
                raise Failed(f"{name} never said {news}: {self.said(name)}\n{self.story(name)}")
            time.sleep(0.2)
        return found[-1]

    # ---- what happens to the appliances

    def service(self, name):
        service = self.world.lab.get(f"{name}.service")
        return service["admin_state"], service["state"], service["collections"]

    def reboot(self, member="all", **more):
        mark = self.world.mark()
        self.world.lab.call("reboot", member=member, seconds=more.pop("seconds", AWAY_S), **more)
        return mark

    def lost(self, mark, *names):
        """The failure: these came back without a configuration, and wait."""
        for name in names or self.ports:
            self.world.lab.wait_effect("service_state", member=name, state=WAITING, after=mark, timeout=LIMIT_S)
            equal(self.service(name), ("enabled", WAITING, 0), f"service of {name} after its reboot")

    def back(self, *names):
        for name in names or self.ports:
            self.world.lab.wait_effect("service_state", member=name, state=BACK, timeout=LIMIT_S)
            self.wait_steady(name)
            equal(self.service(name), ("enabled", BACK, 4), f"service of {name}")

    def untouched(self, mark):
        """Nobody did anything to the appliances."""
        self.world.unchanged(mark)
        equal(self.world.lab.effects("flush", after=mark), [], "flushes")


@contextlib.contextmanager
def watched(policy="observe", peering="model", notify=False, answers=(), policies=None, settle_s=SETTLE_S, **switches):
    """A time scale of 0.003: a start of the service takes 60 ms, a re-synchronisation 120 ms.  The management server does not call by itself."""
    switches = {"initial_primary": "gw1", "heartbeat": "never", "heartbeat_s": "1000", "down_after": "60real", **switches}
    with World(members=3, time_scale=0.003, peering=peering, **switches) as world:
        receiver = Receiver(world.directory, answers) if notify else None
        group = None
        try:
            group = Watched(world, policy, receiver, policies or {}, settle_s)
            yield group
        finally:
            if group:
                for process, _ in group.daemons.values():
                    with contextlib.suppress(ProcessLookupError):
                        process.send_signal(signal.SIGCONT)
                group.close()
            if receiver:
                receiver.stop()


# ---- all at once

@case("watchdog: redis, all three reboot within a second, run: one run, one flush, the group whole, the others say who did it", slow=True)
def all_reboot_run():
    with watched("run", peering="redis", settle_s=15, reload_reverts="yes") as g:
        mark = g.reboot(seconds=2, within=1)
        g.lost(mark)
        begun = [e["mono"] for e in g.world.lab.effects("reload", after=mark)]
        check(len(begun) == 3 and max(begun) - min(begun) < 1.2, "reboots", begun)
        g.world.lab.wait_effect("flush", after=mark, timeout=LIMIT_S)
        g.world.lab.set("heartbeat", "yes")         # the management server is well again: a run waits for its event
        g.back()
        g.whole(mark)
        runs = {e["run"] for name in g.ports for e in g.world.journal(g.daemons[name][1]) if e["kind"] == "begin"}
        equal(len(runs), 1, f"runs in the journals: {runs}")
        run = runs.pop()
        actor = re.match(r"wd-(gw\d)-", run)
        check(actor, "the run's id names its member:", run)
        for name in g.ports:
            g.wait_news(name, "recovered")
            check(any(run in sentence for _, sentence in g.said(name)), name, "does not say who did it:", run, g.said(name))
            if name == actor.group(1):
                equal(g.count(name, "action"), 1, f"actions of {name}")
            else:       # it may have asked at the same moment; then it was refused, and stood back
                check(g.count(name, "action") <= g.count(name, "standback"), f"actions of {name}:", g.said(name))
        equal(g.world.count("flush", after=mark), 1, "flushes in the end")
        return f"{run}: " + "; ".join(f"{name} {[news for news, _ in g.said(name)]}" for name in g.ports)


# ---- in the middle of a bounce

def reboot_in_bounce(reverts):
    """gw2 is disabled by a run when it reboots; the end of that run, and gw2's state right after the reboot."""
    with watched("observe", reload_reverts=reverts, gw2__disable_delay="1real", down_after="60real") as g:
        process = g.begin("run", "--run", "r1")
        g.wait_effect("admin_state", member="gw2", value="disabled")
        equal(g.service("gw2")[0], "disabled", "in the middle of the bounce")
        mark = g.reboot("gw2", seconds=1)
        g.world.lab.wait_effect("reloaded", member="gw2", after=mark, timeout=LIMIT_S)
        after = g.service("gw2")[0]
        g.world.lab.set("heartbeat", "yes")
        code, lines = g.finish(process)
        g.world.lab.wait_effect("admin_state" if not reverts == "yes" else "service_state", member="gw2", after=mark, timeout=LIMIT_S)
        for name in g.ports:
            until = time.monotonic() + LIMIT_S
            while g.service(name)[0] != "enabled" or g.ask(name, "GET", "/v1/state?max_age_ms=0")[1]["journal"]["open"]:
                check(time.monotonic() < until, name, g.service(name), g.story(name))
                time.sleep(0.2)
        check(code in (0, 5), "exit", code, lines[-1])
        if code == 5:       # it says that it is not complete, and the command that completes it
            contains(lines[-1]["next"], "resume")
            equal(g.finish(g.begin("resume", "r1"))[0], 0, "resume")
        equal(g.world.count("flush"), 1, "flushes")
        g.back()
        for name in g.ports:
            state = g.ask(name, "GET", "/v1/state?max_age_ms=0")[1]
            check(state["grant"] is None and not state["journal"]["open"], name, state["grant"], state["journal"])
        return after, f"exit {code}: {lines[-1]['sentence']}"


@case("watchdog: reboot in a bounce, it comes back disabled: the journal enables it, the run ends truthfully", slow=True)
def reboot_in_bounce_disabled():
    after, note = reboot_in_bounce("no")
    equal(after, "disabled", "right after the reboot")
    return note


@case("watchdog: reboot in a bounce, it comes back as it was saved, enabled: the run ends truthfully", slow=True)
def reboot_in_bounce_reverted():
    after, note = reboot_in_bounce("yes")
    equal(after, "enabled", "right after the reboot")
    return note


# ---- the four policies

@case("watchdog: observe: what did not come back is told with the command that helps, and nothing is done", slow=True)
def observe():
    with watched("observe") as g:
        mark = g.reboot("gw1")      # the primary, quicker than its peers notice: every store is empty, the others hide it
        g.lost(mark, "gw1")
        verdict = g.wait_verdict("gw1", "waits-alone")
        contains(verdict["next"], "drrctl nudge")
        equal((verdict["policy"], verdict["cause"], verdict["last_action"], verdict["restarts"]), ("observe", "reboot", None, 1), "GET /v1/state")
        time.sleep(3)
        equal((g.count("gw1", "verdict"), g.count("gw1", "action")), (1, 0), "said and done")
        g.untouched(mark)
        equal(g.said("gw2"), [], "gw2 has nothing to say")
        equal(g.world.lab.call("webhook", member="gw1"), "550")
        g.back("gw1")
        g.wait_news("gw1", "recovered")
        return verdict["sentence"]


@case("watchdog: nudge: API Manager is told once, and the configuration comes back", slow=True)
def nudge():
    with watched(policies={"gw1": "nudge"}) as g:
        manager = add_manager(g, "summary = append", lambda: g.world.lab.call("webhook", member="gw1"))
        try:
            mark = g.reboot("gw1")
            g.lost(mark, "gw1")
            g.back("gw1")
            action = g.wait_watchdog("gw1", lambda w: w["last_action"] and w["last_action"]["exit"] is not None, "acted")["last_action"]
            equal(action["exit"], 0, f"exit of the action {action}")
            time.sleep(ALARM_S)
            equal(sorted(catalog for catalog, _ in manager.changes), ["production", "sandbox"], "changed catalogs")
            equal(len(manager.logins), 1, "log-ins at API Manager")
            equal((g.count("gw1", "action"), g.count("gw1", "recovered")), (1, 1), f"said: {g.said('gw1')}")
            g.untouched(mark)
        finally:
            manager.stop()


@case("watchdog: bounce: a service that waits beside a full store is restarted once, under a grant, without a flush", slow=True)
def bounce():
    with watched(policies={"gw2": "bounce"}, gw2__after_restart="waits") as g:
        mark = g.reboot("gw2")
        g.lost(mark, "gw2")
        check(g.world.lab.get("gw2.peering")["gwd"]["keys"], "its store has the configuration")
        g.back("gw2")
        g.wait_news("gw2", "recovered")
        time.sleep(3)
        equal({name: g.world.bounced(mark, name) for name in g.ports}, {"gw1": 0, "gw2": 1, "gw3": 0}, "bounces")
        equal((g.world.count("flush", after=mark), g.count("gw2", "action")), (0, 1), "flushes, actions")
        state = g.ask("gw2", "GET", "/v1/state?max_age_ms=0")[1]
        check(state["grant"] is None and not state["journal"]["open"], state["grant"], state["journal"])
        action = g.watchdog("gw2")["last_action"]
        equal(action["exit"], 0, f"the action {action}")
        begun = [e["run"] for e in g.world.journal(g.daemons["gw2"][1]) if e["kind"] == "begin"]
        equal(begun, [action["run"]], "runs in its journal")


@case("watchdog: run: another's hold is respected: it stands back, and acts when the hold is over", slow=True)
def hold():
    with watched(policies={"gw1": "run"}) as g:
        equal(subprocess.run([DRRCTL, "hold", "--reason", "change 4711", "--owner", "anna", "-g", g.conf], capture_output=True, check=False).returncode,
              0, "hold")
        mark = g.reboot("gw1")
        g.lost(mark, "gw1")
        contains(g.wait_news("gw1", "standback")["sentence"], "anna")
        time.sleep(3)
        g.untouched(mark)
        equal(subprocess.run([DRRCTL, "unhold", "-g", g.conf], capture_output=True, check=False).returncode, 0, "unhold")
        g.world.lab.wait_effect("flush", after=mark, timeout=LIMIT_S)
        g.world.lab.set("heartbeat", "yes")
        g.back()
        g.whole(mark)
        equal(g.count("gw1", "action"), 1, f"actions: {g.said('gw1')}")


# ---- told apart, and named

@case("watchdog: a service that somebody disabled is told, and never touched", slow=True)
def disabled_by_others():
    with watched("run") as g:
        g.world.lab.call("admin", member="gw1", value="disabled")
        mark = g.reboot("gw1")
        g.world.lab.wait_effect("reloaded", member="gw1", after=mark, timeout=LIMIT_S)
        equal(g.service("gw1"), ("disabled", "down", 0), "after the reboot")
        verdict = g.wait_verdict("gw1", "service-disabled")
        contains(verdict["next"], "admin-state enabled")
        time.sleep(ALARM_S)
        g.untouched(mark)
        equal((g.service("gw1")[0], g.count("gw1", "action")), ("disabled", 0), "still")
        g.world.lab.call("admin", member="gw1", value="enabled")
        g.world.lab.call("webhook", member="gw1")
        g.world.lab.wait_effect("service_state", member="gw1", state=WAITING, after=mark, timeout=LIMIT_S)
        g.world.lab.call("webhook", member="gw1")
        g.back("gw1")


@case("watchdog: a split peering is named, and nothing is done about it", slow=True)
def split_peering():
    with watched("run", persistence="local") as g:
        g.world.lab.set("gw2.claims_primary", "yes")
        mark = g.reboot("gw3")
        g.world.lab.wait_effect("reloaded", member="gw3", after=mark, timeout=LIMIT_S)
        verdict = g.wait_verdict("gw3", "split-peering")
        g.untouched(mark)
        equal(g.count("gw3", "action"), 0, "actions")
        g.world.lab.set("gw2.claims_primary", "no")
        time.sleep(2)       # a look that began before is over
        g.ask("gw3", "GET", "/v1/state?max_age_ms=0")       # somebody looks: sooner than the watchdog, which does once a minute now
        g.back("gw3")
        return verdict["sentence"]


@case("watchdog: a management server that calls nobody is named, and not answered with a bounce", slow=True)
def server_silent():
    with watched("bounce") as g:
        mark = g.reboot()
        g.lost(mark)
        verdicts = [g.wait_verdict(name, "server-silent") for name in g.ports]
        time.sleep(2)
        g.untouched(mark)
        equal([g.count(name, "action") for name in g.ports], [0, 0, 0], "actions")
        g.world.lab.set("heartbeat", "yes")
        g.back()
        equal([g.count(name, "recovered") for name in g.ports], [1, 1, 1], "recovered")
        return verdicts[0]["sentence"] + " / " + verdicts[0]["next"]


@case("watchdog: a member that waits alone and a group that waits are told apart", slow=True)
def alone_or_group():
    with watched("observe", gw3__after_restart="waits") as g:
        mark = g.reboot("gw3")
        g.lost(mark, "gw3")
        alone = g.wait_verdict("gw3", "waits-alone")
        mark = g.reboot("gw1,gw2")
        g.lost(mark, "gw1", "gw2")
        group = g.wait_verdict("gw1", "server-silent")
        check(alone["sentence"] != group["sentence"], alone, group)
        g.world.lab.set("heartbeat", "yes")
        g.back()
        return f"{alone['sentence']} / {group['sentence']}"


# ---- what is no restart, and what is one although nobody saw it

@case("watchdog: an agent that was down when the appliance rebooted finds it at its start", slow=True)
def agent_was_down():
    with watched("observe") as g:
        process, config = g.daemons["gw1"]
        process.send_signal(signal.SIGTERM)
        equal(process.wait(LIMIT_S), 0, "end of the daemon")
        mark = g.reboot("gw1")
        g.lost(mark, "gw1")
        time.sleep(1)
        g.start("gw1", config)
        g.wait_ready("gw1")
        equal(g.wait_watchdog("gw1", lambda w: w["cause"] == "reboot", "aware of the reboot")["restarts"], 1, "restarts")
        equal(g.watchdog("gw1")["collections_before"], 4, "collections before, from the disk")
        g.wait_verdict("gw1", "waits-alone")
        g.untouched(mark)
        process, config = g.daemons["gw1"]      # and it is told once, whoever starts again
        process.send_signal(signal.SIGTERM)
        process.wait(LIMIT_S)
        g.start("gw1", config)
        g.wait_ready("gw1")
        time.sleep(5)
        equal((g.watchdog("gw1")["restarts"], g.count("gw1", "restarted")), (1, 1), f"restarts: {g.said('gw1')}")


@case("watchdog: a reboot that loses nothing is told, and is no alarm", slow=True)
def nothing_lost():
    with watched("run", persistence="local", gw3__after_restart="line") as g:
        mark = g.reboot(within=1)
        for name in g.ports:
            g.world.lab.wait_effect("service_state", member=name, state=BACK, after=mark, timeout=LIMIT_S)
            g.wait_news(name, "recovered")
            equal((g.count(name, "verdict"), g.count(name, "action")), (0, 0), f"{name} said: {g.said(name)}")
            equal(g.watchdog(name)["restarts"], 1, f"restarts of {name}")
        contains((g.world.lab.effects("log_line", member="gw3", after=mark) or [{}])[-1]["code"], "0x88e000d7")
        g.untouched(mark)


@case("watchdog: the agent's host is suspended, the appliance is stunned: no false alarm", slow=True)
def suspended():
    with watched("run") as g:
        mark = g.world.mark()
        family = Stopped.family(g, "gw1")
        for pid in family:
            os.kill(pid, signal.SIGSTOP)
        try:
            g.world.lab.call("stun", member="gw2", what="appliance", seconds=ALARM_S)
            looks = threading.Thread(target=g.ask_in_vain, args=("gw2",), daemon=True)
            looks.start()       # its agent looks just then
            wait_until(lambda: all(state_of(pid) == "T" for pid in family), "the agent sleeps")
            time.sleep(ALARM_S)
        finally:
            for pid in family:
                os.kill(pid, signal.SIGCONT)
        g.world.lab.wait_effect("woken", member="gw2", timeout=LIMIT_S)
        looks.join(LIMIT_S)
        for name in ("gw1", "gw2"):     # they look, and see
            equal(g.ask(name, "GET", "/v1/state?max_age_ms=0")[0], 200, f"an answer of {name}")
        time.sleep(ALARM_S)
        for name in g.ports:
            equal(([n for n, _ in g.said(name) if n != "gap"], g.watchdog(name)["state"]), ([], "steady"), name)
        g.untouched(mark)


# ---- whoever is told

def notified_after(g, mark):
    """From the line in the appliance's log to the notification: seconds, by one clock."""
    line = g.world.lab.wait_effect("log_line", member="gw1", after=mark, timeout=LIMIT_S, code="0x80e0085f")
    item, said = g.receiver.wait("gw1")
    return item["at"] - line["mono"], item, said


@case("watchdog: notifications: begin, verdict and end arrive as JSON, with the agent's certificate, again after a 503, and not what is refused", slow=True)
def notifications():
    with watched("observe", notify=True, answers=(503,)) as g:
        mark = g.reboot("gw1")
        g.lost(mark, "gw1")
        took, item, said = notified_after(g, mark)
        equal([got["status"] for got in g.receiver.got[:2]], [503, 204], "it was sent again")
        equal((item["path"], item["peer"]), ("/hooks/drr", "gw1"), "where to, and who")
        contains(item["type"], "application/json")
        equal(set(said), {"member", "number", "time", "name", "sentence", "next", "evidence", "state", "verdict"}, "keys")
        check(said["sentence"] and said["next"], said)
        verdict = g.receiver.wait("gw1", "verdict")[1]
        equal((verdict["verdict"], verdict["state"]), ("waits-alone", "verdict"), "the verdict")
        g.world.lab.call("webhook", member="gw1")
        g.back("gw1")
        g.receiver.wait("gw1", "recovered")
        numbers = [json.loads(got["text"])["number"] for got in g.receiver.got if got["status"] == 204]
        check(numbers == sorted(numbers) and len(set(numbers)) == len(numbers), "each once, in order:", numbers)
        for number in numbers:
            check(number is None or any(e["n"] == number for e in g.news("gw1")), number, "is no event")
        with g.receiver.news:
            g.receiver.answers[:] = [403]
        seen = len(g.receiver.got)
        g.reboot("gw1", seconds=0.5)
        g.wait_watchdog("gw1", lambda w: w["restarts"] == 2, "restarted again")
        with g.receiver.news:
            check(g.receiver.news.wait_for(lambda: len(g.receiver.got) > seen, LIMIT_S), "nothing came")
        refused = g.receiver.got[seen]
        time.sleep(3)
        equal((refused["status"], [got["text"] for got in g.receiver.got].count(refused["text"])), (403, 1), "a refusal is final")
        text = g.ask_text("gw1", "/metrics")
        check(re.search(r'^drr_watchdog_notifications_total\{result="failed"\} 1$', text, re.M), "drr_watchdog_notifications_total:", re.findall(r"^drr_watchdog_notif.*", text, re.M))
        return f"{took * 1e3:.0f} ms from the line to the notification, the first attempt answered 503"


@case("watchdog: from the line in the log to the notification", slow=True)
def line_to_notification():
    with watched("observe", notify=True, persistence="local") as g:
        took, _, _ = notified_after(g, g.reboot("gw1"))
        g.receiver.wait("gw1", "recovered")
        return f"{took * 1e3:.0f} ms"


# ---- metrics, rules, dashboard

def metrics_named():
    """In the alert rules and the dashboard: {metric: where}."""
    with open(os.path.join(ROOT, "conf", "prometheus", "drr-agent.rules.yml"), encoding="utf-8") as file:
        rules = "\n".join(re.split(r"^ *(?:for|labels|annotations|- alert):", part, maxsplit=1, flags=re.M)[0] for part in file.read().split(" expr: ")[1:])
    with open(os.path.join(ROOT, "conf", "grafana", "drr-agent.json"), encoding="utf-8") as file:
        board = json.load(file)
    queries = [t["expr"] for p in board["panels"] for t in p.get("targets", ())] + [a["expr"] for a in board["annotations"]["list"]] + [v["query"] for v in board["templating"]["list"]]
    named = {}
    for where, text in (("rules", rules), *(("dashboard", query) for query in queries)):
        for name in re.findall(r"\bdrr_[a-z_]+\b", text):
            named.setdefault(name, where)
    return named


def scrape_configuration(agents, folder):
    """What the README says, with our addresses: an observer of the agents, and their certificates."""
    with open(os.path.join(ROOT, "conf", "prometheus", "README.md"), encoding="utf-8") as file:
        text = re.search(r"^    (rule_files:.*?)^    promtool", file.read(), re.M | re.S).group(1)
    text = re.sub(r"^    ", "", text, flags=re.M).rstrip() + "\n"
    addresses = ", ".join("'" + agents.url(m).removeprefix("https://") + "'" for m in agents.lab.members)
    text = re.sub(r"targets: \[.*\]", f"targets: [{addresses}]", text).replace("scrape_interval: 15s", "scrape_interval: 1s")
    os.makedirs(os.path.join(folder, "drr-agent"))
    agents.call("drr-agent", "cert", "init", "--client", "prometheus", "--out", os.path.join(folder, "drr-agent"))
    with open(os.path.join(folder, "drr-agent", "prometheus.pem"), encoding="ascii") as file:
        client = file.read()
    for member in agents.lab.members:
        own = os.path.join(agents.folder, member.name)
        with open(os.path.join(own, "clients.pem"), "a", encoding="ascii") as file:
            file.write(client)
        with open(os.path.join(own, "agent.conf"), "r+", encoding="utf-8") as file:
            changed = file.read().replace("\noperators =", "\nobservers = prometheus\noperators =")
            file.seek(0)
            file.write(changed)
        with open(os.path.join(own, "https.pem"), encoding="ascii") as file, open(os.path.join(folder, "drr-agent", "agents.pem"), "a", encoding="ascii") as together:
            together.write(file.read())
        agents.processes[member.name].send_signal(signal.SIGHUP)
    with open(os.path.join(folder, "prometheus.yml"), "w", encoding="utf-8") as file:
        file.write(text)
    shutil.copy(os.path.join(ROOT, "conf", "prometheus", "drr-agent.rules.yml"), folder)


@case("watchdog: metrics of rules and dashboard: a Prometheus that is set up as conf/prometheus says reads each of them from the daemons", slow=True)
def metrics_exist():
    if not shutil.which("prometheus"):
        raise Skipped("no prometheus: apt-get install prometheus")
    named = metrics_named()
    check(len(named) > 40, "metrics in rules and dashboard:", sorted(named))
    with World(members=3, time_scale=0.003, heartbeat="yes", heartbeat_s="4000", initial_primary="gw1", down_after="60real") as world, \
            Agents(world.lab, os.path.join(world.directory, "agents"), find_programs()) as agents:
        agents.call("drrctl", "run", "-g", "group.conf")        # so that its times are there
        world.lab.call("reboot", member="gw1", seconds=AWAY_S)
        world.lab.wait_effect("service_state", member="gw1", state=WAITING, timeout=LIMIT_S)
        folder = os.path.join(world.directory, "prometheus")
        scrape_configuration(agents, folder)
        done = subprocess.run(["promtool", "check", "config", os.path.join(folder, "prometheus.yml")], capture_output=True, text=True, check=False)
        equal(done.returncode, 0, f"promtool check config: {done.stdout}{done.stderr}")
        port = fake_agent.free_port()
        with open(os.path.join(folder, "log"), "w", encoding="utf-8") as log:
            prometheus = subprocess.Popen(["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
                                           f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            wait_scraped(port, named, folder)
        finally:
            prometheus.terminate()
            prometheus.wait(LIMIT_S)
    return f"{len(named)} metrics"


def wait_scraped(port, named, folder):
    until = time.monotonic() + 30
    names, up = set(), 0
    while not (set(named) <= names and up == 3):
        with open(os.path.join(folder, "log"), encoding="utf-8") as log:
            check(time.monotonic() < until, "Prometheus has not:", [f"{name} ({named[name]})" for name in sorted(set(named) - names)], "up:", up, log.read()[-2000:])
        time.sleep(0.3)
        with contextlib.suppress(OSError, ValueError):
            def get(path, **query):
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/{path}?{urllib.parse.urlencode(query)}", timeout=5) as answer:
                    return json.load(answer)["data"]
            names = set(get("label/__name__/values"))
            up = sum(int(r["value"][1]) for r in get("query", query='up{job="drr-agent"}')["result"])
