"""The description of the HTTPS interface and the running daemon, held against each other, both ways: what is answered is described, and what is described is answered."""

import json
import os
import re

from daemon import Daemon, plan_of
from harness import ROOT, World, case, check, equal

METHODS = ("GET", "PUT", "POST", "DELETE")


class Described:
    """Calls a daemon, and fails when an answer is not as the description says."""

    def __init__(self, daemon):
        import jsonschema
        self.validator = jsonschema.Draft202012Validator
        with open(os.path.join(ROOT, "conf", "openapi.json"), encoding="utf-8") as file:
            self.whole = json.load(file)
        self.daemon = daemon
        self.seen = set()       # (method, path of the description, status)

    def path_of(self, target):
        """The path of the description that TARGET belongs to."""
        for path in self.whole["paths"]:
            if re.fullmatch(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path)), target.split("?")[0]):
                return path
        return None

    def look_up(self, node):
        if "$ref" not in node:
            return node
        found = self.whole
        for key in node["$ref"].split("/")[1:]:
            found = found[key]
        return self.look_up(found)

    def call(self, method, target, body=None):
        path = self.path_of(target)
        answer = self.daemon.call(method, target, body)
        operation = self.whole["paths"][path][method.lower()]
        responses = operation["responses"]
        described = self.look_up(responses.get(str(answer.status)) or responses["default"])
        if str(answer.status) not in responses:
            check(answer.status >= 400, method, target, "answers", answer.status, "which is not described")
        self.seen.add((method, path, answer.status))
        self.check_body(f"{method} {target}: {answer}", answer, described.get("content", {}))
        return answer

    def check_body(self, what, answer, content):
        kind = (answer.headers.get("Content-Type") or "").split(";")[0]
        if not content:
            equal(answer.text, "", what)
            return
        check(kind in content, what, "is of type", kind, "and not one of", sorted(content))
        if answer.json is None:
            return
        schema = {"$ref": "#/schema", "schema": content[kind]["schema"], "components": self.whole["components"]}
        faults = [f"{'/'.join(map(str, f.absolute_path))}: {f.message[:200]}" for f in self.validator(schema).iter_errors(answer.json)]
        check(not faults, what, "is not as described:", "; ".join(faults[:5]))


def use_everything(d, lab):
    plan = plan_of("gw1", ["gw1"])
    d.call("GET", "/v1/state?max_age_ms=0")
    d.call("GET", "/v1/audit")
    d.call("GET", "/v1/audit?non_production=2")
    d.call("POST", "/v1/steps", {"run": "r1", "op": "precheck"})
    d.call("GET", "/v1/steps/r1.precheck?wait_s=60")
    d.call("POST", "/v1/steps", {"run": "r1", "op": "bounce"})
    d.call("PUT", "/v1/grant/r1", {"primary": "gw9", "order": ["gw9"], "max_unavailable": 1})
    d.call("PUT", "/v1/grant/r1", {"nonsense": 1})
    d.call("PUT", "/v1/grant/r1", plan)
    d.call("PUT", "/v1/grant/r2", plan)
    d.call("PUT", "/v1/grant/r1", plan_of("gw1", ["gw1", "gw2"]))
    d.call("PUT", "/v1/hold", {"owner": "o", "reason": "r", "until": "2999-01-01T00:00:00Z"})
    for op in ("primary", "bounce", "flush", "bounce", "confirm"):
        d.call("POST", "/v1/steps", {"run": "r1", "op": op})
        d.call("DELETE", "/v1/grant/r1")
        d.call("GET", "/v1/state")
        d.call("GET", f"/v1/steps/r1.{op}?wait_s=60")
    lab.call("webhook", member="gw1")
    d.call("POST", "/v1/steps", {"run": "r1", "op": "await"})
    d.call("GET", "/v1/steps/r1.await?wait_s=60")
    d.call("GET", "/v1/state")
    d.call("DELETE", "/v1/grant/r0")
    d.call("DELETE", "/v1/grant/r1")
    d.call("DELETE", "/v1/grant/r9")
    d.call("PUT", "/v1/hold", {"owner": "o", "reason": "r", "until": "yesterday"})
    d.call("PUT", "/v1/hold", {"owner": "o", "reason": "r", "until": "2999-01-01T00:00:00Z"})
    d.call("PUT", "/v1/grant/r3", plan)
    d.call("GET", "/v1/state")
    d.call("DELETE", "/v1/hold")
    d.call("GET", "/v1/steps/r7.flush")
    d.call("GET", "/v1/events?after=0&limit=200")
    d.call("GET", "/v1/events?after=3&limit=2")
    d.call("GET", "/v1/events?limit=9999")
    for path in ("/metrics", "/livez", "/readyz", "/readyz?verbose", "/v1/openapi.json"):
        d.call("GET", path)


def check_methods(d):
    """What is not described is not there; what is described is all there is."""
    for path, item in d.whole["paths"].items():
        target = path.replace("{run}", "r1").replace("{id}", "r1.flush")
        allowed = {m.upper() for m in item if m.upper() in METHODS}
        for method in METHODS:
            if method in allowed:
                continue
            answer = d.daemon.call(method, target)
            equal((answer.status, answer.problem), (405, "method-not-allowed"), f"{method} {target}")
            equal({m.strip() for m in answer.headers["Allow"].split(",")} - {"HEAD"}, allowed, f"Allow of {target}")
    for target in ("/", "/v1", "/v1/", "/v1/states", "/v1/state/", "/v1/grant", "/v1/grants/r1", "/v2/state", "/openapi.json", "/metrics/x"):
        equal(d.daemon.call("GET", target).status, 404, target)


@case("openapi: what the daemon answers is described, and what is described is answered")
def both_ways():
    with World(members=1) as world, Daemon(world) as daemon:
        d = Described(daemon)
        use_everything(d, world.lab)
        check_methods(d)
        described = {(m.upper(), path) for path, item in d.whole["paths"].items() for m in item if m.upper() in METHODS}
        good = {(m, path) for m, path, status in d.seen if status < 300}
        equal(sorted(described - good), [], "described, and never answered well")
        served = d.daemon.call("GET", "/v1/openapi.json").json
        equal(sorted(served["paths"]), sorted(d.whole["paths"]), "paths of the description that is served")
        bad = sorted({status for _, _, status in d.seen if status >= 400})
        check({400, 404, 409, 422} <= set(bad), "refusals seen:", bad)
        return f"{len(d.seen)} different answers, statuses {sorted({s for _, _, s in d.seen})}"
