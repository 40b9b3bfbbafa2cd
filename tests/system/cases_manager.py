"""API Manager's REST side of the lab, and drrctl with the real daemons: the event that a changed summary sends, tokens that expire, the state of the catalogs behind a run."""

import contextlib
import json
import signal
import time

from cases_group_fire import fire
from harness import case, check, contains, equal

PASSWORD, API_KEY, CLIENT = "password", "api_key", "client_credentials"


@contextlib.contextmanager
def managed(keys="", login=PASSWORD, **switches):
    """A group with [api_manager]; the management server calls only when a summary is changed."""
    with fire(**{"manager": "yes", "heartbeat": "never", "initial_primary": "gw1", **switches}) as g:
        m = g.world.lab.api_manager
        credentials = {PASSWORD: f"username = {m['username']}\npassword_file = {m['password_file']}\nrealm = {m['realm']}\n", API_KEY: f"api_key_file = {m['api_key_file']}\n", CLIENT: ""}
        with open(g.conf, "a", encoding="utf-8") as file:
            file.write(f"[api_manager]\nurl = {m['url']}\npin = {m['pin']}\norg = {m['org']}\ncatalogs = {', '.join(m['catalogs'])}\nclient_id = {m['client_id']}\n"
                       f"client_secret_file = {m['client_secret_file']}\n{credentials[login]}{keys}\n")
        yield g


def logins(g):
    return [(e["grant_type"], e["good"]) for e in g.world.lab.effects("manager_login")]


def requests(g, status):
    return [e for e in g.world.lab.effects("manager_request") if e["status"] == status]


def of_catalogs(lines):
    """What was told of API Manager behind the run."""
    return [(line["state"], line.get("evidence", "")) for line in lines if line["step"] == "await" and "API Manager" in line["sentence"]]


def secrets_of(g):
    m = g.world.lab.api_manager
    found = []
    for name in ("client_secret_file", "password_file", "api_key_file"):
        with open(m[name], encoding="ascii") as file:
            found.append(file.read().strip())
    return found


@case("manager: a run makes it call, and asks until every catalog is up to date, with each kind of credentials", slow=True)
def run_nudges():
    for login in (PASSWORD, API_KEY, CLIENT):
        with managed("nudge = always\nstatus_timeout_s = 60", login) as g:
            code, lines = g.run("run", "--run", "r1")
            equal(code, 0, lines[-1])
            g.whole()
            equal(logins(g), [(login, True)], "log-ins")
            equal(of_catalogs(lines)[-1][0], "done", lines)
            contains(of_catalogs(lines)[-1][1], "sandbox: up to date", "production: up to date")
            equal([e["summary"] for e in g.world.lab.effects("summary")][1::2], [None, None], "the summaries afterwards")
            check(any("catalog" in e["why"] for e in g.world.lab.effects("webhook")), "no event was sent for a summary")
            for secret in secrets_of(g):
                check(secret not in json.dumps(lines), "a secret is told")


@case("manager: a token that expires is replaced once, and refused credentials are not tried again", slow=True)
def tokens():
    with managed("nudge = always\nstatus_timeout_s = 60", resync_time="3real") as g:
        process = g.begin("run", "--run", "r1")
        g.wait_effect("summary")
        g.wait_effect("manager_request", method="PATCH")
        time.sleep(0.5)
        g.world.lab.call("expire")
        code, lines = g.finish(process)
        equal(code, 0, lines[-1])
        g.whole()
        equal(logins(g), [(PASSWORD, True)] * 2, "log-ins")
        check(len(requests(g, 401)) >= 1, "no request met an expired token")
        equal(of_catalogs(lines)[-1][0], "done", lines)
    with managed("nudge = always\nstatus_timeout_s = 60", manager_token_s="0") as g:    # a token that is never good: one is asked for, and no other
        process = g.begin("run", "--run", "r1")
        g.wait_effect("manager_request", status=401)
        g.world.lab.call("webhook", member="gw1")
        code, lines = g.finish(process)
        equal(code, 0, lines[-1])
        equal(len(logins(g)), 1, "log-ins")
        equal(of_catalogs(lines)[-1][0], "failed", lines)
        contains(lines[-1]["sentence"], "could not be asked")
    with managed("nudge = always\nstatus_timeout_s = 60", manager_fault="refuse") as g:
        process = g.begin("run", "--run", "r1")
        g.wait_effect("manager_login")
        g.world.lab.call("webhook", member="gw1")
        code, lines = g.finish(process)
        equal(code, 0, lines[-1])
        g.whole()
        equal(logins(g), [(PASSWORD, False)], "log-ins")
        check(any(line["step"] == "trigger" and line["state"] == "failed" for line in lines), lines)


@case("manager: it does not call: said so, with where to look, and nothing is flushed again", slow=True)
def does_not_call():
    with managed("nudge = always\nstatus_timeout_s = 5", manager_fault="quiet", resync="never") as g:
        for process, path in g.daemons.values():
            with open(path, encoding="utf-8") as file:
                text = file.read()
            with open(path, "w", encoding="utf-8") as file:
                file.write(text.replace("[watchdog]\n", "[watchdog]\nheartbeat_s = 30\nslack_s = 0\n", 1))
            process.send_signal(signal.SIGHUP)
        time.sleep(1)
        code, lines = g.run("run", "--run", "r1")
        equal(code, 5, lines[-1])
        contains(lines[-1]["sentence"], "the management server has not called")
        contains(lines[-1]["next"], "gateway service", "port 3000", "drrctl nudge", "drrctl resume", "never another flush")
        equal(of_catalogs(lines)[-1][0], "failed", lines)
        contains(of_catalogs(lines)[-1][1], "not up to date", "queued")
        g.world.lab.set("manager_fault", "none")
        g.world.lab.set("resync", "ok")
        process = g.begin("resume", "r1")
        time.sleep(1)
        g.world.lab.call("webhook", member="gw1")
        code, lines = g.finish(process)
        equal(code, 0, lines[-1])
        g.whole()


@case("manager: answers of 500, and a silent one, do not change what the members said", slow=True)
def broken():
    for fault, words in (("500", "HTTP 500"), ("silent", "no answer")):
        with managed("nudge = never\nstatus_timeout_s = 3\n", manager_fault=fault, heartbeat="yes") as g:
            with open(g.conf, encoding="utf-8") as file:
                text = file.read()
            with open(g.conf, "w", encoding="utf-8") as file:
                file.write(text.replace("[group]\n", "[group]\nanswer_timeout_s = 3\n", 1))
            code, lines = g.run("run", "--run", "r1")
            equal(code, 0, lines[-1])
            g.whole()
            contains(json.dumps(of_catalogs(lines)), words)
            contains(lines[-1]["sentence"], "could not be asked")
            contains(lines[-1]["next"], "drrctl nudge")
