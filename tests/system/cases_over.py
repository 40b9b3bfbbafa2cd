"""The watchdog in the engine: what it is fed with, what it keeps over a kill, its own bounce, and the programs that are started for it.

The larger stories, one for each kind of restart, are in cases_watchdog.py; what is decided when, in tests/unit/test_watchdog*.c.
"""

import json
import os
import signal
import time

from cases_daemon_kill import needs_strace
from cases_notify import Receiver
from daemon import Daemon, is_gone, plan_of, trace, wait_until
from harness import Failed, World, case, check, contains, equal

SOLO = plan_of("gw1", ["gw1"])
QUICK = {"watchdog__heartbeat_s": 5, "watchdog__slack_s": 0, "watchdog__settle_s": 5}


def dog(daemon):
    return daemon.state()["watchdog"]


def news(daemon, after=0):
    """Names of the watchdog's events, in their order."""
    return [e["event"] for e in daemon.events(after) if e["kind"] == "watchdog"]


def wait_state(daemon, *states, **fields):
    """Until the watchdog is in one of STATES, with these fields."""
    def there():
        now = dog(daemon)
        return now if now["state"] in states and all(now[k] == v for k, v in fields.items()) else None
    try:
        return wait_until(there, f"the watchdog in {states} {fields}")
    except Exception as why:
        raise type(why)(f"{why}\n{dog(daemon)}\n" + "\n".join(str(e) for e in daemon.events() if e["kind"] == "watchdog")) from why


def wait_news(daemon, name, count=1):
    wait_until(lambda: news(daemon).count(name) >= count, f"{count} of the news {name}")


def wait_known(daemon):
    """Until the first look is over and its result kept: what comes after a restart is compared with that."""
    wait_state(daemon, "steady", collections_before=int(daemon.world.lab.get("gw1.service")["collections"]))
    wait_until(lambda: os.path.exists(os.path.join(daemon.state_dir, "watchdog")), "its memory is kept")


def lose(daemon):
    """The appliance reloads and, as it is alone and keeps its store in memory, comes back without a configuration."""
    daemon.world.lab.call("reload", member="gw1")
    daemon.world.lab.wait_effect("service_state", member="gw1", state="waiting", timeout=60)


def alone(**more):
    return World(members=1, persistence="memory", **more)


# ---- what it sees, and what it keeps

@case("over: a reload with local persistence is told, and that all is back", slow=True)
def recovers():
    with World(members=1, persistence="local") as world, Daemon(world, **QUICK) as daemon:
        wait_known(daemon)
        world.lab.call("reload", member="gw1")
        wait_news(daemon, "restarted")
        wait_state(daemon, "steady", restarts=1, verdict="none")
        told = news(daemon)
        equal((told[-1], told.count("restarted"), told.count("verdict")), ("recovered", 1, 0), f"news: {told}")
        contains(daemon.wait_log("kind=watchdog", "event=restarted"), "warning engine", " next=")
        contains(daemon.wait_log("kind=watchdog", "event=recovered"), "info engine", "all is back")
        metrics = daemon.call("GET", "/metrics").text
        contains(metrics, 'drr_watchdog_state{drr_watchdog_state="steady"} 1\n', "drr_watchdog_restarts_total 1\n", "drr_watchdog_last_restart_time_seconds ")
        world.unchanged()


@case("over: an engine that is killed in an episode goes on with it; what waits is told with the command that helps", slow=True)
def killed():
    with alone() as world, Daemon(world, **{**QUICK, "watchdog__heartbeat_s": 20}) as daemon:
        wait_known(daemon)
        lose(daemon)
        before = wait_state(daemon, "event")
        old = daemon.pids()["engine"]
        daemon.kill("engine")
        daemon.wait_restart("engine", old)
        after = dog(daemon)
        equal([after[k] for k in ("state", "episode_since", "cause", "restarts")], [before[k] for k in ("state", "episode_since", "cause", "restarts")], "as before the kill")
        verdict = wait_state(daemon, "verdict", verdict="waits")
        check(verdict["next"], "no next command:", verdict)
        contains(daemon.wait_log("kind=watchdog", "event=verdict"), " next=")
        told = news(daemon)
        equal((told.count("restarted"), told.count("verdict"), told.count("action")), (1, 1, 0), f"news: {told}")
        kept = world.call(daemon.config, "status", "--json")
        equal(kept.exit, 0, kept.text)
        equal(json.loads(kept.out)["watchdog"]["verdict"], "waits", "in what status prints")
        contains(world.call(daemon.config, "status").out, "watchdog   verdict since ", "on_reboot = observe")
        world.unchanged()
        world.lab.call("webhook", member="gw1")
        wait_state(daemon, "steady", verdict="none")
        equal(news(daemon)[-1], "recovered", "the last of the news")


@case("over: an appliance that restarts while no daemon runs", slow=True)
def while_down():
    with alone() as world:
        with Daemon(world, **QUICK) as daemon:
            wait_known(daemon)
        lose(daemon)
        with Daemon(world, config=daemon.config) as daemon:
            wait_state(daemon, "verdict", verdict="waits", restarts=1)
            equal(news(daemon).count("restarted"), 1, f"news: {news(daemon)}")


@case("over: what was kept and is damaged is said, and a new memory begins")
def damaged():
    with World(members=1) as world:
        with Daemon(world, **QUICK) as daemon:
            wait_known(daemon)
        path = os.path.join(daemon.state_dir, "watchdog")
        with open(path, "r+b") as file:
            text = file.read()
            check(len(text) <= 2048, "it is larger than it may be:", len(text))
            file.seek(len(text) // 2)
            file.write(b"\0" if text[len(text) // 2] != 0 else b"1")
        with Daemon(world, config=daemon.config) as daemon:
            daemon.wait_log("the watchdog begins without a memory", path)
            wait_known(daemon)
            equal(news(daemon), [], "news")


@case("over: a password that was refused is not tried again by the watchdog's looks", slow=True)
def refused():
    with World(members=1) as world:
        wrong = world.secret_file("wrong-password-1", "password-wrong")
        with Daemon(world, **QUICK, cli__password_file=wrong) as daemon:
            wait_until(lambda: daemon.state()["agent"]["trouble"], "the first look")
            before = world.lab.state()["members"]["gw1"]["failures"]
            wait_state(daemon, "away")
            time.sleep(12)
            equal(world.lab.state()["members"]["gw1"]["failures"], before, "refused log-ins")
            check(world.call(daemon.config, "status").exit == 7, "a wrong password is accepted")
            equal(world.lab.state()["members"]["gw1"]["failures"], before, "refused log-ins")


# ---- its own bounce

def check_bounced(daemon, times=(1,)):
    world = daemon.world
    check(world.bounced() in times, "bounces:", world.bounced())
    equal(world.count("flush"), 0, "flushes")
    grants = [(e["event"], e["run"]) for e in daemon.events() if e["kind"] == "grant"]
    run = dog(daemon)["last_action"]["run"]
    check(run.startswith("wd-gw1-"), "run", run)
    equal(grants, [("granted", run), ("released", run)], "grants")
    equal(daemon.state()["grant"], None, "grant")
    world.enabled()
    world.closed(daemon.config)


@case("over: on_reboot = bounce: once, under a grant of its own", slow=True)
def bounces():
    with alone() as world, Daemon(world, watchdog__on_reboot="bounce", **QUICK) as daemon:
        wait_known(daemon)
        lose(daemon)
        wait_news(daemon, "action-ended")
        equal(dog(daemon)["last_action"]["exit"], 0, "exit of the action")
        contains([e for e in daemon.events() if e["kind"] == "grant"][0]["sentence"], "watchdog")
        wait_news(daemon, "verdict", 2)     # it still waits: nothing is done again
        time.sleep(3)
        check_bounced(daemon)
        equal(news(daemon).count("action"), 1, "actions")
        contains(daemon.call("GET", "/metrics").text, "drr_watchdog_actions_total 1\n")
        world.lab.call("webhook", member="gw1")
        wait_state(daemon, "steady", verdict="none")
        check_bounced(daemon)


@case("over: on_reboot = bounce: not under a hold, and not before another run's grant is given back", slow=True)
def stands_back():
    with alone() as world, Daemon(world, watchdog__on_reboot="bounce", **QUICK) as daemon:
        wait_known(daemon)
        equal(daemon.call("PUT", "/v1/hold", {"owner": "ops", "reason": "work on the network", "until": "2999-01-01T00:00:00Z"}).status, 200, "hold")
        lose(daemon)
        contains(str(wait_state(daemon, "standback")), "ops")
        time.sleep(3)
        world.unchanged()
        equal(daemon.call("DELETE", "/v1/hold").status, 204, "the hold is lifted")
        wait_news(daemon, "action-ended")
        check_bounced(daemon)


@case("over: on_reboot = bounce: an engine that is killed in the middle of it does not bounce again", slow=True)
def killed_in_bounce():
    with alone(disable_delay="1real") as world, Daemon(world, watchdog__on_reboot="bounce", **QUICK) as daemon:
        wait_known(daemon)
        mark = world.mark()
        lose(daemon)
        world.lab.wait_effect("admin_state", member="gw1", after=mark, timeout=60, value="disabled")
        old = daemon.pids()["engine"]
        daemon.kill("engine")
        daemon.wait_restart("engine", old)
        wait_news(daemon, "action-ended")
        wait_state(daemon, "verdict", "event", "peering", "service")
        time.sleep(7)
        check_bounced(daemon)
        equal(news(daemon).count("action"), 1, "actions")


def killed_at(nth):
    """... at the NTH record that its bounce writes into the journal.  False: there are not so many."""
    with alone() as world, Daemon(world, watchdog__on_reboot="bounce", **QUICK) as daemon:
        wait_known(daemon)
        old = daemon.pids()["engine"]
        path = os.path.join(world.directory, "trace")
        tracer = trace(old, path, os.path.join(daemon.state_dir, "journal"), [("write", f"signal=KILL:when={nth}")])
        try:
            lose(daemon)
            wait_until(lambda: is_gone(old) or "action-ended" in news(daemon), "the end of the engine, or of the bounce")
            struck = is_gone(old)
        finally:
            tracer.terminate()
            tracer.wait()
        if struck:
            daemon.wait_restart("engine", old)
        wait_news(daemon, "action-ended")
        wait_state(daemon, "verdict", "event", "peering")
        time.sleep(7)       # heartbeat_s and more: the next verdict
        check_bounced(daemon, (0, 1) if nth in (5, 6) else (1,))    # 5, 6: around the disable, which the recovery may keep from going out
        equal((news(daemon).count("action"), news(daemon).count("action-ended")), (1, 1), "actions")
        return struck


@case("over: on_reboot = bounce: killed at the journal's writes: one bounce, whatever was written already", slow=True)
def killed_at_writes():
    needs_strace()
    every = range(1, 40) if os.environ.get("DRR_TEST_ALL") else (1, 2, 5)
    struck = []
    for nth in every:
        try:
            if not killed_at(nth):
                break
        except Failed as why:
            raise Failed(f"at write {nth}: {why}") from why
        struck.append(nth)
    check(len(struck) >= 3, "killed at", struck)
    return f"killed at the writes {struck}"


@case("over: on_reboot = bounce: killed in the middle of it, and what was kept is lost: enabled, and the grant is given back", slow=True)
def forgotten():
    with alone(disable_delay="1real") as world:
        daemon = Daemon(world, watchdog__on_reboot="bounce", **QUICK)
        wait_known(daemon)
        mark = world.mark()
        lose(daemon)
        world.lab.wait_effect("admin_state", member="gw1", after=mark, timeout=60, value="disabled")
        daemon.crash()
        os.unlink(os.path.join(daemon.state_dir, "watchdog"))
        with Daemon(world, config=daemon.config) as again:
            wait_until(lambda: again.state()["grant"] is None, "the grant is given back")
            wait_until(lambda: world.lab.get("gw1.service")["admin_state"] == "enabled", "it is enabled")
            check(world.bounced() <= 1, "bounces:", world.bounced())
            equal([e["event"] for e in again.events() if e["kind"] == "grant"], ["granted", "released"], "grants")
            world.closed(daemon.config)


@case("over: what cannot be written down first is not done", slow=True)
def unwritable():
    with alone() as world, Daemon(world, watchdog__on_reboot="bounce", **{**QUICK, "watchdog__heartbeat_s": 8}) as daemon:
        wait_known(daemon)
        lose(daemon)
        wait_state(daemon, "event")
        block = os.path.join(daemon.state_dir, "watchdog.new")
        os.mkdir(block)
        wait_news(daemon, "not-begun")
        time.sleep(3)
        world.unchanged()
        equal((news(daemon).count("action"), dog(daemon)["last_action"], daemon.state()["grant"]), (0, None, None), "actions")
        os.rmdir(block)
        wait_news(daemon, "action-ended")
        equal(news(daemon).count("not-begun"), 1, "how often that was told")
        check_bounced(daemon)


@case("over: a service that somebody has disabled is told, and not touched", slow=True)
def disabled_by_hand():
    with alone() as world, Daemon(world, watchdog__on_reboot="bounce", **QUICK) as daemon:
        wait_known(daemon)
        world.lab.call("admin", member="gw1", value="disabled")
        mark = world.mark()
        world.lab.call("reload", member="gw1")
        wait_state(daemon, "verdict", verdict="service-disabled")
        time.sleep(3)
        world.unchanged(after=mark)
        equal((news(daemon).count("action"), daemon.state()["grant"]), (0, None), "actions, grant")


@case("over: a run of others is no episode", slow=True)
def others_at_work():
    with alone() as world, Daemon(world, watchdog__on_reboot="bounce", **QUICK) as daemon:
        wait_known(daemon)
        daemon.grant("r1", SOLO)
        for op in ("primary", "flush", "bounce", "confirm"):
            daemon.done("r1", op)
        daemon.begin_step("r1", "await")
        time.sleep(7)       # longer than heartbeat_s
        daemon.webhook("r1")
        daemon.wait_step("r1", "await")
        daemon.release("r1")
        time.sleep(3)
        equal((dog(daemon)["state"], news(daemon)), ("steady", []), "state, news")
        equal((world.bounced(), world.count("flush")), (1, 1), "bounces, flushes")


# ---- programs

def group_of_one(world, name="group.conf"):
    """This member alone, by its Unix socket."""
    path = os.path.join(world.directory, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"[member gw1]\nurl = unix://{os.path.join(world.state_dir('gw1'), 'state', 'api.sock')}\n")
    return path


@case("over: the others are asked: a group that waits as a whole, and a server that calls nobody", slow=True)
def asks_others():
    with alone() as world, Daemon(world, watchdog__group_file=group_of_one(world), **QUICK) as daemon:
        wait_known(daemon)
        lose(daemon)
        told = wait_state(daemon, "verdict", verdict="server-silent")
        contains(told["next"], "drrctl nudge")
        world.unchanged()


@case("over: on_reboot = run: the whole of drrctl run, by the run's own id, and what it said last", slow=True)
def runs():
    with alone() as world, Daemon(world, watchdog__on_reboot="run", watchdog__group_file=group_of_one(world), **QUICK) as daemon:
        wait_known(daemon)
        lose(daemon)
        wait_news(daemon, "action")
        run = dog(daemon)["last_action"]["run"]
        wait_until(lambda: any(e.get("run") == run and e["event"] == "await-asked" for e in daemon.events()), "its await")
        old = daemon.pids()["engine"]
        daemon.kill("engine")       # drrctl goes on, and the next engine hears of its end
        daemon.wait_restart("engine", old)
        equal((dog(daemon)["state"], dog(daemon)["last_action"]["exit"]), ("acting", None), "state, exit")
        daemon.webhook(run)
        wait_news(daemon, "action-ended")
        equal(dog(daemon)["last_action"], {"run": run, "time": dog(daemon)["last_action"]["time"], "exit": 0}, "the action")
        wait_state(daemon, "steady", verdict="none")
        equal((world.count("flush"), world.bounced(), news(daemon).count("action")), (1, 1, 1), "flushes, bounces, actions")
        world.closed(daemon.config)


@case("over: on_reboot = nudge without an API Manager: the exit code is told, and nothing else is done", slow=True)
def nudge_fails():
    with alone() as world, Daemon(world, watchdog__on_reboot="nudge", watchdog__group_file=group_of_one(world), **QUICK) as daemon:
        wait_known(daemon)
        lose(daemon)
        wait_news(daemon, "action-ended")
        equal(dog(daemon)["last_action"]["exit"], 2, "exit")
        time.sleep(7)
        equal(news(daemon).count("action"), 1, "actions")
        contains(daemon.log, "[api_manager] is missing")
        world.unchanged()


@case("over: notifications: one after the other, each with its event's number; a server that refuses is counted", slow=True)
def notifies():
    with alone() as world:
        receiver = Receiver(world.directory, script=(200, 404, 200))
        try:
            with Daemon(world, watchdog__notify_url=f"https://127.0.0.1:{receiver.port}/news", watchdog__notify_pin=receiver.pin, **QUICK) as daemon:
                wait_known(daemon)
                lose(daemon)
                wait_state(daemon, "verdict", verdict="waits")
                world.lab.call("webhook", member="gw1")
                wait_state(daemon, "steady", verdict="none")
                wait_until(lambda: any(json.loads(one["body"])["name"] == "recovered" for one in list(receiver.got)), "the last is sent")
                got = [json.loads(one["body"]) for one in receiver.got]
                by_number = {e["n"]: e for e in daemon.events()}
                for one in got:
                    event = by_number[one["number"]]
                    equal((one["name"], one["sentence"], one["member"]), (event["event"], event["sentence"], "gw1"), f"{one}")
                equal([one["number"] for one in got], sorted(one["number"] for one in got), "their order")
                names = [one["name"] for one in got]
                check("verdict" in names and names[-1] == "recovered", "news sent:", names)
                equal((got[-1]["state"], got[-1]["verdict"]), ("steady", "none"), "state and verdict of the last")
                check(next(one for one in got if one["name"] == "verdict")["next"], "no next command in the verdict")
                wait_until(lambda: f'result="sent"}} {len(got) - 1}\n' in daemon.call("GET", "/metrics").text, "they are counted")
                contains(daemon.call("GET", "/metrics").text, 'drr_watchdog_notifications_total{result="failed"} 1\n', 'result="dropped"} 0\n')
                daemon.wait_log("a notification was not sent", "exit status 4")
        finally:
            receiver.stop()


# ---- settings

@case("over: a reload of the configuration takes the new policy", slow=True)
def reload():
    with alone() as world, Daemon(world, **QUICK) as daemon:
        wait_known(daemon)
        equal(dog(daemon)["policy"], "observe", "policy")
        with open(daemon.config, encoding="utf-8") as file:
            text = file.read()
        with open(daemon.config, "w", encoding="utf-8") as file:
            file.write(text.replace("[watchdog]\n", "[watchdog]\non_reboot = bounce\n"))
        daemon.agent.signal(signal.SIGHUP)
        daemon.wait_log("configuration taken")
        equal(dog(daemon)["policy"], "bounce", "policy")
        lose(daemon)
        wait_news(daemon, "action-ended")
        check_bounced(daemon)
