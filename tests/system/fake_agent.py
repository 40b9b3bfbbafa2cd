"""Agents as drrctl meets them, without appliances: the HTTPS interface of one member each (state, grants, steps, hold), with client certificates, and with faults.

A FakeGroup holds what the members share (the store that is flushed) and writes down what happened, in order, so that a test can judge by it:
    ("flush", "gw1"), ("disabled", "gw2"), ("enabled", "gw2"), ("grant", "gw1", run), ("release", ...), ("precheck", ...), ...
"""

import datetime
import http.server
import json
import os
import socket
import socketserver
import ssl
import threading
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from drrlab import certificates

OPS = ("precheck", "primary", "flush", "bounce", "confirm", "await")


def now_text():
    return datetime.datetime.utcnow().strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def client_identity(directory, name):
    """A self-issued client certificate; (certificate file, key file)."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.utcnow()
    certificate = (x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
                   .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
                   .not_valid_after(now + datetime.timedelta(days=30))
                   .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).sign(key, hashes.SHA256()))
    paths = os.path.join(directory, name + ".pem"), os.path.join(directory, name + ".key")
    with open(paths[0], "wb") as file:
        file.write(certificate.public_bytes(serialization.Encoding.PEM))
    with open(os.open(paths[1], os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
        file.write(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return paths


class Problem(Exception):
    def __init__(self, status, kind, detail, **more):
        super().__init__(detail)
        self.status, self.body = status, {"type": "urn:drr:problem:" + kind, "title": kind, "status": status, "detail": detail, **more}


class FakeAgent:
    def __init__(self, group, index):
        self.group, self.name = group, f"gw{index + 1}"
        self.address = f"10.0.0.{11 + index}"
        self.grant = self.hold = None
        self.last_released = None
        self.run, self.steps = None, {}
        self.enabled = True
        self.flush_done = self.flush_unknown = False
        self.last_event = "0x88e000ac"
        self.step_s = {op: 0.05 for op in OPS}
        self.fails = {}             # op: [(state, exit, sentence), ...] for the attempts to come
        self.override = {}          # what its state says instead: {"peering": {"object": "other"}}
        self.operators = ["drrctl"]
        self.lose_every = 0         # every so many requests one is served and then not answered
        self.away = False           # connections are closed before anything is read
        self.requests = []
        self.events, self.events_gone = [], 0
        self.findings = []          # of GET /v1/audit; a Problem is raised
        self.server = None

    # ---- what it does

    def act(self, op, attempt):
        """Runs in a thread of its own; the step is under way."""
        step = self.steps[op]
        fault = self.fails[op].pop(0) if self.fails.get(op) else None
        if op == "bounce":
            self.group.note("disabled", self.name)
            self.enabled = False
        if op == "await":
            self.group.event.wait(self.step_s["await"] * 200)
        time.sleep(self.step_s[op])
        with self.group.lock:
            if op == "bounce":
                self.enabled = not (fault and fault[1] == 9)
                if self.enabled:
                    self.group.note("enabled", self.name)
            elif op == "flush" and (not fault or fault[1] == 5):
                self.flush_done, self.flush_unknown = not fault, bool(fault)
                self.group.note("flush", self.name)
            elif op == "primary" and not fault:
                self.group.primary = self.name
            if op == "confirm" and not fault:
                self.last_event = "0x88e000d7"
            if op == "await" and not fault:
                self.last_event = "0x88e000ac"
            state, code, sentence = fault or ("done", 0, f"{op} is done")
            step.update(state=state, exit=code, sentence=sentence, ended=now_text(), evidence=[f"evidence of {op}"])
            if op == "bounce":
                step["disabled_ms"] = int(self.step_s[op] * 1000)
            self.event(step["run"], op, sentence)
            self.group.note(op, self.name, state)
            self.group.news.notify_all()

    def event(self, run, name, sentence):
        self.events.append({"n": len(self.events) + 1, "time": now_text(), "kind": "run", "event": name, "code": None, "run": run, "sentence": sentence,
                            "evidence": f"% of {name}"})

    # ---- what it answers

    def state(self):
        peering = {"object": "gwd", "is_primary": self.group.primary == self.name, "quorum": True, "persistence": "memory", "priority": 100,
                   "primary_address": self.group.address_of(self.group.primary),
                   "rows": [{"address": a.address, "object": o, "pending_updates": 0, "replication_offset": 1, "link": "ok",
                             "primary": "yes" if a.name == self.group.primary else "no", "priority": 100}
                            for o in ("gwd", "tms") for a in self.group.agents]}
        running = [s for s in self.steps.values() if s["state"] == "running"]
        run = None
        if self.run:
            last = list(self.steps)[-1] if self.steps else None
            run = {"id": self.run, "open": bool(running), "exit": 0, "last_step": last, "flush_done": self.flush_done, "flush_unknown": self.flush_unknown,
                   **{f"{op}_done": self.steps.get(op, {}).get("state") == "done" for op in ("bounce", "confirm", "await")}, "steps": self.steps}
        body = {"member": {"name": self.name, "address": self.address},
                "appliance": {"firmware": "IDG.10.5.0.11", "serial": "0000001", "uptime_s": 300000, "domain": "apiconnect", "way": "xmi"},
                "peering": peering, "service": {"admin_state": "enabled" if self.enabled else "disabled", "op_state": "up" if self.enabled else "down"},
                "collections": 4, "log": {"source": "file", "last_event": self.last_event, "last_event_time": now_text(), "lag_s": 0},
                "journal": {"open": bool(running) or not self.enabled}, "grant": self.grant, "hold": self.hold, "run": run, "step": running[0] if running else None,
                "agent": {"version": "0.1.0", "started": now_text(), "events_newest": len(self.events)}, "as_of": now_text(), "age_ms": 3}
        for part, values in self.override.items():
            if isinstance(values, dict) and isinstance(body.get(part), dict):
                body[part].update(values)
            else:
                body[part] = values
        return 200, body

    def put_grant(self, run, plan):
        if self.hold:
            raise Problem(409, "hold", "held by " + self.hold["owner"], hold=self.hold)
        if self.grant and self.grant["run"] != run:
            raise Problem(409, "grant-held", f"the run {self.grant['run']} holds this member", holder=self.grant, next=f"drrctl release {self.grant['run']}")
        if self.grant and self.grant["plan"] != plan:
            raise Problem(409, "plan-differs", "another plan")
        if self.name not in plan["order"] or plan["primary"] not in plan["order"] or plan["max_unavailable"] < 1:
            raise Problem(422, "bad-plan", "no plan for this member")
        if not self.grant:
            self.grant = {"run": run, "plan": plan, "since": now_text(), "by": "drrctl"}
            if self.run != run:
                self.run, self.flush_done, self.flush_unknown = run, False, False
                self.steps = {k: v for k, v in self.steps.items() if v["run"] == run}
            self.group.note("grant", self.name)
        return 200, self.grant

    def delete_grant(self, run):
        if not self.grant and run == self.last_released:
            return 204, None
        if not self.grant:
            raise Problem(404, "not-held", "nobody holds it")
        if self.grant["run"] != run:
            raise Problem(409, "grant-held", "another run", holder=self.grant)
        if not self.enabled or any(s["state"] == "running" for s in self.steps.values()):
            raise Problem(409, "journal-open", "something is open")
        self.grant, self.last_released = None, run
        self.group.note("release", self.name)
        return 204, None

    def post_step(self, body):
        run, op = body["run"], body["op"]
        unknown = set(body) - {"run", "op", "attempt", "overrides"}
        if op not in OPS or unknown:
            raise Problem(400, "bad-request", f"{op} {unknown}")
        if op != "precheck" and (not self.grant or self.grant["run"] != run):
            raise Problem(409, "not-granted", "this run does not hold the grant")
        if op in ("primary", "flush") and self.grant["plan"]["primary"] != self.name:
            raise Problem(409, "not-primary-of-plan", "elsewhere")
        if op == "bounce" and self.grant["plan"]["primary"] == self.name and not (self.flush_done or self.flush_unknown):
            raise Problem(409, "flush-first", "flush first")
        step = self.steps.get(op)
        if step and step["run"] != run:
            step = None
        again = step and (step["state"] in ("running", "done") or step["attempt"] >= body.get("attempt", step["attempt"] + 1)
                          or (op == "flush" and self.flush_unknown))
        if not again:
            if any(s["state"] == "running" for s in self.steps.values()):
                raise Problem(409, "step-running", "another step is under way")
            attempt = step["attempt"] + 1 if step else 1
            step = {"id": f"{run}.{op}", "run": run, "op": op, "state": "running", "exit": 0, "sentence": f"{op} is under way", "next": "", "evidence": [],
                    "started": now_text(), "ended": None, "attempt": attempt, "disabled_ms": None}
            self.steps[op] = step
            self.run = run if op != "precheck" or not self.run else self.run
            self.group.overrides.append((self.name, op, body.get("overrides", [])))
            threading.Thread(target=self.act, args=(op, attempt), daemon=True).start()
        return 202, step

    def get_step(self, name, wait_s):
        step = self.steps.get(name.rsplit(".", 1)[1])
        if not step or step["id"] != name:
            raise Problem(404, "not-found", "no such step")
        until = time.monotonic() + wait_s
        while step["state"] == "running" and time.monotonic() < until:
            self.group.news.wait(max(0.0, until - time.monotonic()))
        return 200, step

    def answer(self, method, target, body):
        path, _, query = target.partition("?")
        values = dict(part.split("=", 1) for part in query.split("&") if part)
        with self.group.lock:
            self.requests.append((method, target))
            if (method, path) == ("GET", "/v1/state"):
                return self.state()
            if (method, path) == ("GET", "/v1/audit"):
                if isinstance(self.findings, Problem):
                    raise self.findings
                return 200, self.findings
            if path.startswith("/v1/grant/") and method in ("PUT", "DELETE"):
                run = path.rsplit("/", 1)[1]
                return self.put_grant(run, body) if method == "PUT" else self.delete_grant(run)
            if (method, path) == ("POST", "/v1/steps"):
                return self.post_step(body)
            if method == "GET" and path.startswith("/v1/steps/"):
                return self.get_step(path.rsplit("/", 1)[1], float(values.get("wait_s", 0)))
            if (method, path) == ("GET", "/v1/events"):
                after = int(values["after"])
                if after < self.events_gone:
                    raise Problem(410, "events-gone", "gone", oldest=self.events_gone + 1)
                return 200, {"events": self.events[after:after + int(values["limit"])], "oldest": self.events_gone + 1, "newest": len(self.events)}
            if path == "/v1/hold" and method == "PUT":
                if self.grant:
                    raise Problem(409, "grant-held", "a run is under way", holder=self.grant)
                self.hold = {**body, "since": now_text()}
                return 200, self.hold
            if path == "/v1/hold" and method == "DELETE":
                self.hold = None
                return 204, None
        raise Problem(404, "not-found", path)

    # ---- its doors

    def handler(agent):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 120
            disable_nagle_algorithm = True

            def log_message(self, *_):
                pass

            def serve(self):
                length = int(self.headers.get("Content-Length", 0))
                body = json.loads(self.rfile.read(length)) if length else None
                names = [v for part in (self.connection.getpeercert() or {}).get("subject", ()) for k, v in part if k == "commonName"] \
                    if hasattr(self.connection, "getpeercert") else ["drrctl"]
                try:
                    if agent.away:
                        self.close_connection = True
                        return
                    if not set(names) & set(agent.operators):
                        raise Problem(403, "forbidden", f"{names} may not do that")
                    status, answer = agent.answer(self.command, self.path, body)
                except Problem as problem:
                    status, answer = problem.status, problem.body
                if agent.lose_every and len(agent.requests) % agent.lose_every == 0:
                    self.close_connection = True
                    return
                data = json.dumps(answer).encode() if answer is not None else b""
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                if status != 204:
                    self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_PUT = do_POST = do_DELETE = serve

        return Handler

    def listen(self, directory, client_ca):
        """TLS on a port of its own; (url, pin)."""
        key = certificates.new_key("ecdsa")
        path = os.path.join(directory, self.name + "-agent.pem")
        certificate = certificates._builder(self.name, self.name, key, False).sign(key, hashes.SHA256())
        certificates._write(path, 0o600, certificates._key_pem(key), certificates._pem(certificate))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(client_ca)

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def get_request(self):
                connection, peer = super().get_request()
                return context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), peer

            def handle_error(self, *_):     # clients that hang up are no error
                pass

        self.server = Server(("127.0.0.1", 0), self.handler())
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return f"https://127.0.0.1:{self.server.server_address[1]}", certificates.pin_of(key)

    def listen_local(self, path):
        class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
            daemon_threads = True

            def get_request(self):
                connection, _ = super().get_request()
                return connection, ("local", 0)

            def handle_error(self, *_):
                pass

        handler = self.handler()
        handler.disable_nagle_algorithm = False
        self.server = Server(path, handler)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self):
        if self.server:
            self.server.shutdown()
            self.server.server_close()


class FakeGroup:
    def __init__(self, count):
        self.lock = threading.RLock()
        self.news = threading.Condition(self.lock)
        self.log, self.overrides = [], []
        self.event = threading.Event()      # the management server has sent one
        self.event.set()
        self.primary = "gw1"
        self.agents = [FakeAgent(self, i) for i in range(count)]

    def note(self, *what):
        with self.lock:
            self.log.append(what)

    def address_of(self, name):
        return next((a.address for a in self.agents if a.name == name), "10.0.0.99")

    def count(self, *what):
        return sum(1 for entry in self.log if entry[:len(what)] == what)

    def stop(self):
        for agent in self.agents:
            agent.stop()


class FakeApiManager:
    """POST /api/token, GET and PATCH /api/catalogs/ORG/CATALOG; with the credentials of `want`."""

    def __init__(self, directory, on_change=lambda: None):
        manager = self
        self.catalogs = {"sandbox": "My catalog", "production": None}
        self.changes, self.tokens, self.logins = [], [], []
        self.refuse_token = self.refuse_change = 0
        self.pending = 0            # so many looks until the catalogs are up to date
        self.looks = 0

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def reply(self, status, body):
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def serve(self):
                length = int(self.headers.get("Content-Length", 0))
                body = json.loads(self.rfile.read(length)) if length else None
                if self.path == "/api/token":
                    manager.logins.append(body)
                    if manager.refuse_token:
                        return self.reply(manager.refuse_token, {"status": manager.refuse_token, "message": ["Invalid credentials"]})
                    manager.tokens.append(f"token-{len(manager.tokens)}-" + "x" * 1500)
                    return self.reply(200, {"access_token": manager.tokens[-1], "token_type": "Bearer", "expires_in": 28800})
                path, _, query = self.path.partition("?")
                asks = path.endswith("/configured-gateway-services")
                name = path.removesuffix("/configured-gateway-services").rsplit("/", 1)[1]
                if self.headers.get("Authorization") not in ["Bearer " + t for t in manager.tokens]:
                    return self.reply(401, {"message": "no token"})
                if asks and path.startswith("/api/catalogs/acme/"):
                    manager.looks += 1
                    left = max(0, manager.pending + 1 - manager.looks)
                    if query != "fields=add(gateway_processing_status,events)":
                        return self.reply(400, {"message": "fields"})
                    return self.reply(200, {"total_results": 1, "results": [{"name": "gws", "gateway_processing_status": {
                        "number_of_outstanding_sent_events": 0, "number_of_outstanding_queued_events": left, "service_up_to_date": left == 0}, "service_state": "enabled"}]})
                if not path.startswith("/api/catalogs/acme/") or name not in manager.catalogs:
                    return self.reply(404, {"message": "no such catalog"})
                if self.command == "PATCH":
                    if manager.refuse_change:
                        return self.reply(manager.refuse_change, {"message": "not allowed"})
                    manager.catalogs[name] = body["summary"]
                    manager.changes.append((name, body["summary"]))
                    on_change()
                return self.reply(200, {"name": name, "summary": manager.catalogs[name]})

            do_GET = do_PATCH = do_POST = serve

        key = certificates.new_key("ecdsa")
        path = os.path.join(directory, "manager.pem")
        certificates._write(path, 0o600, certificates._key_pem(key),
                            certificates._pem(certificates._builder("manager", "manager", key, False).sign(key, hashes.SHA256())))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.server.daemon_threads = True
        self.pin, self.url = certificates.pin_of(key), f"https://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def free_port():
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
