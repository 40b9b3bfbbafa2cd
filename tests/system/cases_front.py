"""The front process of the daemon, alone: this file is its supervisor and its engine, curl is the world."""

import concurrent.futures
import contextlib
import datetime
import fcntl
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import warnings

from frames import pair
from harness import AGENT, LIMIT_S, ROOT, Failed, Skipped, case, check, contains, equal

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

METRICS_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
LONG_POLLS = 4
FORBIDDEN = {"status": 403, "type": "application/problem+json", "body": '{"type":"urn:drr:problem:forbidden","title":"x","status":403}'}
DAY = datetime.timedelta(days=1)


# ---- certificates: each stands for itself

class Person:
    def __init__(self, directory, name, days=30):
        self.name = name
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.datetime.utcnow().replace(microsecond=0)
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        self.until = now + days * DAY
        certificate = (x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key()).serial_number(x509.random_serial_number())
                       .not_valid_before(now - DAY).not_valid_after(self.until)
                       .add_extension(x509.SubjectAlternativeName([x509.DNSName(name + ".example")]), critical=False).sign(key, hashes.SHA256()))
        self.certificate = certificate.public_bytes(serialization.Encoding.PEM).decode()
        self.key = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
        self.path = os.path.join(directory, name + ".pem")
        with open(self.path, "w", encoding="ascii") as file:
            file.write(self.certificate + self.key)


# ---- the engine

class Engine(threading.Thread):
    """Answers what comes with what `replies` has for its path, else with 200 and {}; a path in `silent` is not answered."""

    def __init__(self):
        super().__init__(daemon=True)
        self.channel, self.theirs = pair()
        self.requests, self.replies, self.silent = [], {}, set()
        self.news = threading.Condition()
        self.gone = False

    def run(self):
        with contextlib.suppress(OSError, ValueError):
            while True:
                frame = self.channel.receive(None)
                if frame is None:
                    break
                with self.news:
                    self.requests.append(frame)
                    self.news.notify_all()
                path = frame.target.partition("?")[0]
                if path not in self.silent or "wait_s=0" in frame.target:
                    self.reply(frame, **self.replies.get(path, {}))
        with self.news:
            self.gone = True
            self.news.notify_all()

    def reply(self, frame, status=200, **fields):
        self.channel.send("reply", frame.number, status, **{"type": "application/json", "body": "{}", **fields})

    def await_requests(self, count):
        """The first COUNT requests, when they are there."""
        with self.news:
            if not self.news.wait_for(lambda: len(self.requests) >= count, LIMIT_S):
                raise Failed(f"{count} requests should have come to the engine: {self.requests}")
            return self.requests[:count]

    def end(self):
        """As a process that died."""
        self.channel.sock.shutdown(socket.SHUT_RDWR)
        self.join(LIMIT_S)
        self.channel.close()


# ---- the front

class Answer:
    def __init__(self, status, head, body):
        self.status, self.body = status, body
        self.head = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head.splitlines()) if v}

    @property
    def json(self):
        return json.loads(self.body)

    def is_problem(self, status, name):
        equal((self.status, self.head.get("content-type")), (status, "application/problem+json"), f"status and type of {self.body}")
        equal((self.json["type"], self.json["status"]), ("urn:drr:problem:" + name, status), "problem")
        equal("retry-after" in self.head, status in (409, 429, 503), "Retry-After")


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class Front:
    def __init__(self, https=True, level="info", form="text", port=None):
        self.directory = tempfile.mkdtemp(prefix="drr-front-")
        self.https, self.port = https, port or free_port()
        self.server, self.alice, self.mallory = (Person(self.directory, name) for name in ("server", "alice", "mallory"))
        self.control, theirs = pair()
        self.engine = Engine()
        self.config = os.path.join(self.directory, "agent.conf")
        self.socket = os.path.join(self.directory, "state", "api.sock")
        os.mkdir(os.path.join(self.directory, "state"), 0o700)
        with open(self.config, "w", encoding="ascii") as file:
            file.write(f"[agent]\nname = gw1\nstate_dir = {self.directory}/state\nlog_level = {level}\nlog_format = {form}\n[appliance]\ndomain = apiconnect\n"
                       f"[cli]\nhost = 127.0.0.1\npassword_file = {self.directory}/none\nhost_key = SHA256:{'A' * 43}\n")
            if https:
                file.write(f"[https]\nlisten = 127.0.0.1:{self.port}\ncertificate = /nowhere\nkey = /nowhere\nclient_ca = /nowhere\noperators = alice\n")
        self.log_path = os.path.join(self.directory, "stderr")
        self.exit = None
        self.pid = self.spawn(theirs, self.engine.theirs)
        self.engine.start()

    def spawn(self, control, engine):
        """The channels become descriptors 3 and 4, everything else of ours is closed in the child."""
        high = [fcntl.fcntl(sock.fileno(), fcntl.F_DUPFD_CLOEXEC, 100) for sock in (control, engine)]
        with open(self.log_path, "wb") as log:
            log_fd = fcntl.fcntl(log.fileno(), fcntl.F_DUPFD_CLOEXEC, 100)
        actions = [(os.POSIX_SPAWN_DUP2, high[0], 3), (os.POSIX_SPAWN_DUP2, high[1], 4), (os.POSIX_SPAWN_DUP2, log_fd, 1), (os.POSIX_SPAWN_DUP2, log_fd, 2)]
        pid = os.posix_spawn(AGENT, [AGENT, "front", "-c", self.config], os.environ, file_actions=actions)
        for fd in (*high, log_fd):
            os.close(fd)
        control.close()
        engine.close()
        return pid

    def identity(self, server, *clients):
        self.control.send("identity", certificate=server.certificate, key=server.key, client_ca="".join(c.certificate for c in clients))
        return self.control.expect("taken", LIMIT_S)

    def ready(self):
        if self.https:
            taken = self.identity(self.server, self.alice)
            equal((taken.status, taken.sentence), (0, ""), "FRAME_TAKEN")
        self.control.expect("ready", LIMIT_S)
        return self

    def __enter__(self):
        try:
            return self.ready()
        except (ValueError, OSError) as error:
            story = self.log()
            self.__exit__(None, None, None)
            raise Failed(f"{error}\n{story}") from error

    def __exit__(self, kind, value, trace):
        if self.exit is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        log = self.log()
        self.control.close()
        shutil.rmtree(self.directory, ignore_errors=True)
        check("PRIVATE KEY" not in log and not any(line in log for p in (self.server, self.alice) for line in p.key.splitlines()[1:3]), "a key is in the log:", log)
        if kind and issubclass(kind, (Failed, ValueError, KeyError, OSError)):
            raise Failed(f"{kind.__name__}: {value}\n{log}") from value

    def ended(self):
        """The exit code, when it has ended by itself."""
        deadline = time.monotonic() + LIMIT_S
        while time.monotonic() < deadline:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.exit = os.waitstatus_to_exitcode(status)
                return self.exit
            time.sleep(0.01)
        raise Failed("the front does not end\n" + self.log())

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="backslashreplace") as file:
            return file.read()

    def call(self, method, target, *more, person=None, body=None):
        """By curl: over the Unix socket, or as PERSON over TLS. None: no answer came."""
        work = tempfile.mkdtemp(dir=self.directory)
        head_path, body_path = os.path.join(work, "head"), os.path.join(work, "body")
        command = ["curl", "-sS", "--path-as-is", "--max-time", str(int(LIMIT_S)), "-D", head_path, "-o", body_path, "-w", "%{http_code}"]
        command += ["-I"] if method == "HEAD" else ["-X", method]
        if body is not None:
            command += ["-H", "Content-Type: application/json", "--data-binary", "@-"]
        if person:
            command += ["--cacert", self.server.path, "--cert", person.path, "--resolve", f"server.example:{self.port}:127.0.0.1"]
            command += [f"https://server.example:{self.port}{target}"]
        else:
            command += ["--unix-socket", self.socket, f"http://localhost{target}"]
        done = subprocess.run(command + list(more), input=(body or "").encode(), capture_output=True, check=False)
        if done.returncode:
            return None
        with open(head_path, encoding="latin-1") as head:
            path = body_path if os.path.exists(body_path) and method != "HEAD" else os.devnull      # curl -I writes the head there, too
            with open(path, encoding="utf-8") as file:
                return Answer(int(done.stdout), head.read(), file.read())


# ---- cases

@case("front: requests and answers pass whole, over TLS and the Unix socket")
def passes_on():
    with Front() as front:
        front.engine.replies["/v1/steps"] = {"status": 202, "location": "/v1/steps/r1.flush", "body": '{"id":"r1.flush"}'}
        front.engine.replies["/v1/grant/r2"] = {"status": 409, "type": "application/problem+json", "retry": "7",
                                                "body": '{"type":"urn:drr:problem:grant-held","title":"x","status":409}'}
        front.engine.replies["/v1/hold"] = {"status": 204, "body": "", "type": ""}
        step = front.call("POST", "/v1/steps", person=front.alice, body='{"run":"r1","op":"flush"}')
        equal((step.status, step.head["location"], step.head["content-type"], step.body),
              (202, "/v1/steps/r1.flush", "application/json", '{"id":"r1.flush"}'), "POST")
        held = front.call("PUT", "/v1/grant/r%32?", body='{"primary":"gw1"}')
        held.is_problem(409, "grant-held")
        equal(held.head["retry-after"], "7", "Retry-After")
        gone = front.call("DELETE", "/v1/hold")
        equal((gone.status, gone.body, "content-type" in gone.head), (204, "", False), "DELETE")
        equal(front.call("GET", "/v1/events?limit=5&after=%31").status, 200, "GET")
        head = front.call("HEAD", "/v1/state")
        equal((head.status, head.body), (200, ""), "HEAD")
        seen = [(f.method, f.target, f.names, f.channel, f.body) for f in front.engine.await_requests(5)]
        equal(seen, [("POST", "/v1/steps", "alice\nalice.example", "tls", '{"run":"r1","op":"flush"}'), ("PUT", "/v1/grant/r2", "", "unix", '{"primary":"gw1"}'),
                     ("DELETE", "/v1/hold", "", "unix", ""), ("GET", "/v1/events?after=1&limit=5&wait_s=0", "", "unix", ""),
                     ("GET", "/v1/state?max_age_ms=5000", "", "unix", "")],
              "requests at the engine")
        equal(len({f.number for f in front.engine.requests}), 5, "numbers")
        front.engine.replies["/v1/state"] = {"body": '"' + "x" * (120 * 1024 - 2) + '"'}
        equal(len(front.call("GET", "/v1/state", person=front.alice).body), 120 * 1024, "the largest answer")


@case("front: what no route has never reaches the engine")
def refuses():
    with Front() as front:
        for method, target, status, name in (("GET", "/", 404, "not-found"), ("GET", "/v1/state/", 404, "not-found"), ("GET", "/v1/st%61te", 404, "not-found"),
                                             ("GET", "/v1/steps/r%2f1", 400, "bad-request"), ("GET", "/v1/state?max_age_ms=x", 400, "bad-request"),
                                             ("GET", "/v1/events?wait_s=61", 400, "bad-request"), ("GET", "/v1/state?a=1", 400, "bad-request")):
            for person in (None, front.alice):
                front.call(method, target, person=person).is_problem(status, name)
        for method, target, allow in (("POST", "/v1/state", "GET, HEAD"), ("GET", "/v1/steps", "POST"), ("GET", "/v1/grant/r1", "PUT, DELETE"),
                                      ("DELETE", "/metrics", "GET, HEAD")):
            answer = front.call(method, target)
            answer.is_problem(405, "method-not-allowed")
            equal(answer.head["allow"], allow, "Allow")
        front.call("POST", "/v1/steps", person=front.alice, body="x" * 16385).is_problem(413, "body-too-large")
        front.call("GET", "/v1/state", "-H", "X: " + "y" * 9000).is_problem(431, "header-too-large")
        front.call("GET", "/v1/state", body="{}").is_problem(400, "bad-request")
        equal(front.engine.requests, [], "requests at the engine")
        equal(front.call("POST", "/v1/steps", body="x" * 16384).status, 200, "a body of the largest size")
        equal(len(front.engine.requests[0].body), 16384, "its size at the engine")


@case("front: whoever has no certificate that is known gets nothing")
def no_certificate():
    with Front() as front:
        check(front.call("GET", "/v1/state", person=front.mallory) is None, "a foreign certificate was let in")
        done = subprocess.run(["curl", "-sk", f"https://127.0.0.1:{front.port}/v1/state"], capture_output=True, check=False)
        check(done.returncode != 0 and not done.stdout, "somebody without a certificate was let in:", done.stdout)
        equal(front.engine.requests, [], "requests at the engine")
        equal(front.call("GET", "/v1/state", person=front.alice).status, 200, "a known certificate")


@case("front: at most four long polls wait, the next is answered at once")
def long_polls():
    with Front() as front, concurrent.futures.ThreadPoolExecutor(LONG_POLLS) as pool:
        front.engine.silent.add("/v1/events")
        waiting = [pool.submit(front.call, "GET", f"/v1/events?after={i}&wait_s=60") for i in range(LONG_POLLS)]
        polls = front.engine.await_requests(LONG_POLLS)
        check(all(f.target.endswith("wait_s=60") for f in polls), "long polls:", polls)
        answer = front.call("GET", "/v1/events?after=9&wait_s=60", person=front.alice)
        equal((answer.status, front.engine.requests[LONG_POLLS].target), (200, "/v1/events?after=9&limit=100&wait_s=0"), "the fifth")
        equal(front.call("GET", "/livez").status, 200, "something else meanwhile")
        for poll in reversed(polls):
            front.engine.reply(poll, body=json.dumps({"newest": poll.target}))
        bodies = {w.result().json["newest"] for w in waiting}
        equal(bodies, {f.target for f in polls}, "each got its own")
        front.engine.silent.clear()
        equal(front.call("GET", "/v1/events?wait_s=60").status, 200, "another one")
        check(front.engine.requests[-1].target.endswith("wait_s=60"), "a place is free again:", front.engine.requests[-1])


@case("front: an engine that ends, and the next one")
def engine_restarts():
    with Front() as front, concurrent.futures.ThreadPoolExecutor(1) as pool:
        front.engine.silent.add("/v1/steps/r1.bounce")
        waiting = pool.submit(front.call, "GET", "/v1/steps/r1.bounce?wait_s=60", person=front.alice)
        front.engine.await_requests(1)
        front.engine.end()
        answer = waiting.result()
        answer.is_problem(503, "engine-restarting")
        equal(answer.head["retry-after"], "2", "Retry-After")
        front.call("GET", "/v1/state").is_problem(503, "engine-restarting")
        front.call("GET", "/nothing").is_problem(404, "not-found")
        for _ in range(2):      # the second time the old one still lives
            engine = Engine()
            engine.start()
            front.control.send("channel", passed=engine.theirs.fileno())
            engine.theirs.close()
            deadline = time.monotonic() + LIMIT_S
            while front.call("GET", "/livez").status != 200 or not engine.requests:
                check(time.monotonic() < deadline, "the new engine is not asked")
            front.engine = engine
        contains(front.log(), "the engine is gone", "there is a new engine")


@case("front: an engine that closes its end and sends no other one: it ends, to be joined again", slow=True)
def engine_stays_away():
    with Front() as front:
        front.engine.end()
        front.call("GET", "/v1/state").is_problem(503, "engine-restarting")
        equal(front.ended(), 1, "exit code")
        contains(front.log(), "the engine is gone", "the front ends", "the supervisor starts the front again")


@case("front: who is refused for a certificate is in the log, with the reason, and not once for each")
def refused_in_log():
    with Front() as front:
        for _ in range(3):
            check(front.call("GET", "/livez", person=front.mallory) is None, "mallory was answered")
        deadline = time.monotonic() + LIMIT_S
        while "a client was refused" not in front.log():
            check(time.monotonic() < deadline, "nothing in the log:", front.log())
        contains(front.log(), "warning front a client was refused peer=127.0.0.1 why=\"nothing in client_ca knows its certificate\" next=\"drr-agent cert show\"")


@case("front: replies that are none")
def bad_replies():
    with Front() as front:
        for reply in ({"status": 100}, {"status": 0}, {"type": "a\r\nb: c"}, {"location": "/x\r\ny: z"}, {"retry": "soon"}):
            front.engine.replies["/livez"] = reply
            front.call("GET", "/livez").is_problem(500, "internal")
        front.engine.replies.clear()
        front.engine.channel.send("reply", 4711, 200, body="nobody asked")
        front.engine.channel.send("stop")
        front.engine.channel.sock.send(b"hello")
        front.control.send("reload")
        front.control.sock.send(b"hello")
        equal(front.call("GET", "/livez").status, 200, "afterwards")
        contains(front.log(), "a reply that nobody waits for", "is no reply", "is not for the front", "is no frame")


@case("front: a new certificate, and one that is none")
def reload_identity():
    with Front() as front:
        old, new = front.server, Person(front.directory, "server", days=90)
        for wrong in ("", "nonsense", old.certificate):
            front.control.send("identity", certificate=wrong, key=new.key, client_ca=front.alice.certificate)
            taken = front.control.expect("taken")
            check(taken.status == 1 and taken.sentence, "FRAME_TAKEN:", taken)
        front.server = old
        with open(old.path, "w", encoding="ascii") as file:
            file.write(old.certificate)
        equal(front.call("GET", "/livez", person=front.alice).status, 200, "with the old certificate")
        equal(front.identity(new, front.mallory).status, 0, "FRAME_TAKEN")
        check(front.call("GET", "/livez", person=front.alice) is None, "the old certificate still holds")
        with open(new.path, "w", encoding="ascii") as file:
            file.write(new.certificate)
        check(front.call("GET", "/livez", person=front.alice) is None, "who is no longer known is let in")
        equal(front.call("GET", "/livez", person=front.mallory).status, 200, "who is known now")


@case("front: told to stop, it says so to those who wait; without a supervisor it ends")
def stops():
    with Front() as front, concurrent.futures.ThreadPoolExecutor(2) as pool:
        front.engine.silent.add("/v1/events")
        waiting = [pool.submit(front.call, "GET", "/v1/events?wait_s=60", person=person) for person in (None, front.alice)]
        front.engine.await_requests(2)
        front.control.send("stop")
        for answer in waiting:
            answer.result().is_problem(503, "stopping")
        equal(front.ended(), 0, "exit")
        contains(front.log(), "the front ends, as told")
    with Front() as front:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):      # a terminal's Ctrl-C reaches all processes; the supervisor says what happens
            os.kill(front.pid, number)
        equal(front.call("GET", "/livez").status, 200, "after signals")
        front.control.close()
        equal(front.ended(), 0, "exit")
        contains(front.log(), "as the supervisor is gone")


@case("front: it is locked in when it is at work")
def locked_in():
    with Front() as front:
        with open(f"/proc/{front.pid}/status", encoding="ascii") as file:
            status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
        equal(status["NoNewPrivs"], "1", "NoNewPrivs")
        contains(front.log(), "the front is locked in")
        if "seccomp=no" in front.log():
            raise Skipped("no seccomp here")
        equal(status["Seccomp"], "2", "Seccomp")


@case("front: no [https], no listener")
def unix_only():
    with Front(https=False) as front:
        equal(front.call("GET", "/v1/state").status, 200, "over the Unix socket")
        taken = front.identity(front.server, front.alice)
        equal((taken.status, taken.next), (1, "systemctl restart drr-agent"), "FRAME_TAKEN")
        with socket.socket() as sock:
            check(sock.connect_ex(("127.0.0.1", front.port)) != 0, "something listens")
        text = front.call("GET", "/metrics").body
        check("certificate_expiry" not in text, text)
        mode = os.stat(front.socket).st_mode & 0o777
        equal(oct(mode), oct(0o660), "mode of the socket")


@case("front: it says why it cannot start")
def cannot_start():
    with contextlib.closing(socket.socket()) as taken_by_us:
        taken_by_us.bind(("127.0.0.1", 0))
        taken_by_us.listen()
        front = Front(port=taken_by_us.getsockname()[1])
        try:
            taken = front.identity(front.server, front.alice)
            check(taken.status == 1 and str(front.port) in taken.sentence, "FRAME_TAKEN:", taken)
            equal(front.ended(), 2, "exit")
        finally:
            front.__exit__(None, None, None)
    front = Front()
    try:
        front.control.send("identity", certificate=front.server.certificate, key=front.alice.key, client_ca=front.alice.certificate)
        equal(front.control.expect("taken").status, 1, "FRAME_TAKEN with another's key")
        equal(front.ended(), 2, "exit")
    finally:
        front.__exit__(None, None, None)
    front = Front()
    try:
        front.control.send("stop")
        equal(front.ended(), 0, "exit when told to stop before the certificate came")
    finally:
        front.__exit__(None, None, None)


def samples(families, name):
    return {tuple(s.labels.values()): s.value for f in families for s in f.samples if s.name == name}


@case("front: metrics are OpenMetrics, and count what happened")
def metrics():
    from prometheus_client.openmetrics.parser import text_string_to_metric_families
    with Front() as front:
        front.engine.replies["/metrics"] = {"type": METRICS_TYPE, "body": "# TYPE drr_up gauge\n# HELP drr_up It is.\ndrr_up 1\n"}
        for _ in range(3):
            front.call("GET", "/livez", person=front.alice)
        front.call("GET", "/nothing")
        front.call("POST", "/v1/steps", body="x" * 16385)
        front.call("GET", "/livez", person=front.mallory)
        deadline = time.monotonic() + LIMIT_S
        while True:
            answer = front.call("GET", "/metrics", "-H", "Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5", person=front.alice)
            equal((answer.status, answer.head["content-type"]), (200, METRICS_TYPE), "status, type")
            families = list(text_string_to_metric_families(answer.body))
            refused = samples(families, "drr_https_refused_total")
            if refused[("bad-certificate",)] + refused[("handshake",)] >= 1:
                break
            check(time.monotonic() < deadline, "nobody was refused:", answer.body)
        check(answer.body.endswith("\n# EOF\n"), "end:", answer.body[-40:])
        equal([f.name for f in families][:2], ["drr_up", "drr_https_connections"], "the engine's first")
        requests = samples(families, "drr_https_requests_total")
        check(requests[("200",)] >= 3 and requests[("404",)] == 1 and requests[("413",)] == 1 and requests[("500",)] == 0, "requests:", requests)
        equal(refused[("oversize",)], 1, "refused as too large")
        equal(samples(families, "drr_https_certificate_expiry_seconds")[()], front.server.until.replace(tzinfo=datetime.timezone.utc).timestamp(), "expiry")
        check(samples(families, "drr_https_connections")[()] >= 1, "connections:", answer.body)
        # Who does not ask for OpenMetrics gets the older format, which is promtool's.
        older = front.call("GET", "/metrics", person=front.alice)
        equal(older.head["content-type"], "text/plain; version=0.0.4; charset=utf-8", "type")
        check("# TYPE drr_https_requests_total counter\n" in older.body and "# EOF" not in older.body, "the older format:", older.body)
        lint = subprocess.run(["promtool", "check", "metrics"], input=older.body, capture_output=True, text=True, check=False)
        equal((lint.returncode, lint.stdout + lint.stderr), (0, ""), "promtool check metrics")
        front.engine.replies["/metrics"] = FORBIDDEN
        front.call("GET", "/metrics").is_problem(403, "forbidden")


METHODS = ("GET", "PUT", "POST", "DELETE", "PATCH")


@case("front: openapi.json is whole, and says what the front does")
def openapi():
    with open(os.path.join(ROOT, "conf", "openapi.json"), encoding="ascii") as file:
        lines = [line for line in file.read().splitlines() if not re.match(r'\s*"(description|operationId)": ".*",$', line)]
    with Front() as front:
        answer = front.call("GET", "/v1/openapi.json", person=front.alice)
        equal((answer.status, answer.head["content-type"]), (200, "application/json"), "status, type")
        document = answer.json
        equal(document, json.loads("\n".join(lines)), "the document")
        check(len(answer.body) < 14 * 1024, "size", len(answer.body))
        for path, item in document["paths"].items():
            target = path.replace("{run}", "r1").replace("{id}", "r1.flush")
            for method in METHODS:
                status = front.call(method, target).status
                equal(status == 405, method.lower() not in item, f"{method} {target}: {status}")
                check(status in (200, 405), method, target, "is", status)
                for parameter in item.get(method.lower(), {}).get("parameters", []):
                    parameter = resolve(document, parameter)
                    if parameter["in"] == "query":
                        check_limits(front, method, target, parameter)
        for node in walk(document):
            if "$ref" in node:
                resolve(document, node)
            if "responses" in node and "get" not in node:
                for response in node["responses"].values():
                    if isinstance(response, dict):
                        check("description" in resolve(document, response), "a response without description:", response)
        front.engine.replies["/v1/openapi.json"] = FORBIDDEN
        front.call("GET", "/v1/openapi.json").is_problem(403, "forbidden")


def walk(node):
    if isinstance(node, dict):
        yield node
        for child in node.values():
            yield from walk(child)
    elif isinstance(node, list):
        for child in node:
            yield from walk(child)


def resolve(document, node):
    while "$ref" in node:
        target = node["$ref"]
        node = document
        for key in target[2:].split("/"):
            node = node[key]
    return node


def check_limits(front, method, target, parameter):
    """The limits of the document are those of the front."""
    schema, name = parameter["schema"], parameter["name"]
    good = schema.get("enum") or [schema["minimum"], schema["maximum"]]
    bad = ["2"] if "enum" in schema else [schema["minimum"] - 1, schema["maximum"] + 1]
    for values, status in ((good, 200), (bad, 400)):
        for value in values:
            equal(front.call(method, f"{target}?{name}={value}").status, status, f"{target}?{name}={value}")


@case("front: the access log has a line for each request, and no body")
def access_log():
    for form in ("text", "json"):
        with Front(form=form) as front:
            front.call("POST", "/v1/steps", "-H", "X-Secret: tell-nobody", person=front.alice, body="tell-nobody")
            front.call("GET", "/a%20b?c=d%1b&e='=")
            log = front.log()
            check("tell-nobody" not in log, "the log tells too much:", log)
            lines = [line for line in log.splitlines() if "request answered" in line]
            equal(len(lines), 2, "lines")
            if form == "text":
                check(re.match(r"[-0-9]{10}T[:0-9]{8}\.\d{3}Z info front request answered method=POST path=/v1/steps status=200 ms=\d+ peer=127\.0\.0\.1 name=alice$",
                               lines[0]), "line:", lines[0])
                contains(lines[1], "path=/a%20b query=\"c=d%1b&e='=\" status=404")
            else:
                first, second = (json.loads(line) for line in lines)
                equal((first["process"], first["level"], first["method"], first["path"], first["status"], first["name"]),
                      ("front", "info", "POST", "/v1/steps", "200", "alice"), "line")
                equal((second["path"], second["query"], second["status"]), ("/a%20b", "c=d%1b&e='=", "404"), "line")
    with Front(level="warning") as front:
        front.call("GET", "/livez")
        check("request answered" not in front.log() and " info " not in front.log(), "log at warning:", front.log())
