"""`drr-agent notify` against an HTTPS server of the test's: what arrives there, what does not, and what is said about it."""

import contextlib
import http.server
import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import tempfile
import threading
import time

from drrlab import certificates
from harness import AGENT, Failed, case, check, contains, equal
import fake_agent

NEWS = json.dumps({"member": "gw1", "number": 7, "name": "verdict", "sentence": "the service waits for its registration", "evidence": "0x88e000d7 \u00e9"})
TOKEN = "T0K3N-in-the-path"
LIMIT_S = 120                   # NOTICE_LIMIT_MS


class Receiver:
    """Answers each POST with the next word of its script: a status, or what it does instead; the last one stays.  Keeps what it got."""

    def __init__(self, directory, client_ca=None, script=(200,)):
        receiver = self
        self.script, self.got, self.connections = list(script), [], 0
        self.over = threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 300

            def log_message(self, *_):
                pass

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                names = [v for part in (self.connection.getpeercert() or {}).get("subject", ()) for k, v in part if k == "commonName"]
                receiver.got.append({"path": self.path, "type": self.headers["Content-Type"], "body": body, "client": names, "at": time.monotonic(),
                                     "agent": self.headers["User-Agent"]})
                word = receiver.script.pop(0) if len(receiver.script) > 1 else receiver.script[0]
                if word == "silence":
                    receiver.over.wait(300)
                elif word == "hang up":
                    self.connection.shutdown(2)
                    self.close_connection = True
                elif word == "break off":       # a status, no length, and no close_notify
                    self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\nth")
                    self.wfile.flush()
                    self.connection.shutdown(2)
                    self.close_connection = True
                else:
                    self.send_response(word)
                    if word == 302:
                        self.send_header("Location", "https://elsewhere.example/")
                    self.send_header("Content-Length", "0")
                    self.end_headers()

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def get_request(self):
                receiver.connections += 1
                return super().get_request()

            def handle_error(self, *_):
                pass

        key = certificates.new_key("ecdsa")
        path = os.path.join(directory, "receiver.pem")
        self.ca = certificates.Authority(directory)
        self.pin = self.ca.issue(path, "ecdsa", "ca", "127.0.0.1", "localhost")
        self.other_pin = certificates.pin_of(key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        if client_ca:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(client_ca)
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self):
        self.over.set()
        self.server.shutdown()
        self.server.server_close()


class Host:
    """A configuration, and `drr-agent notify` with it."""

    def __init__(self, script=(200,), https=False, **keys):
        self.directory = tempfile.mkdtemp(prefix="drr-notify-")
        self.certificate, self.key = fake_agent.client_identity(self.directory, "gw1")
        self.receiver = Receiver(self.directory, self.certificate if https else None, script)
        section = {"notify_url": f"https://localhost:{self.receiver.port}/hooks/{TOKEN}", "notify_pin": self.receiver.pin}
        section.update(keys)
        text = ("[agent]\nname = gw1\n[appliance]\ndomain = apiconnect\n[cli]\ntransport = telnet\nhost = 127.0.0.1\npassword_file = /nowhere/password\n"
                "[watchdog]\n" + "".join(f"{k} = {v}\n" for k, v in section.items() if v is not None))
        if https:
            text += f"[https]\nlisten = 127.0.0.1:9\ncertificate = {self.certificate}\nkey = {self.key}\nclient_ca = {self.certificate}\noperators = a\n"
        self.config = os.path.join(self.directory, "agent.conf")
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(text)

    def begin(self, wrapper=()):
        return subprocess.Popen([*wrapper, AGENT, "notify", "-c", self.config], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def notify(self, text=NEWS, limit_s=60, stop_after_s=None, wrapper=()):
        process = self.begin(wrapper)
        if stop_after_s is not None:
            threading.Timer(stop_after_s, process.send_signal, (signal.SIGTERM,)).start()
        try:
            out, err = process.communicate(text, timeout=limit_s)
        except subprocess.TimeoutExpired:
            process.kill()
            raise Failed("does not end:\n" + process.communicate()[1]) from None
        equal(out, "", "standard output")
        for word in (TOKEN, "0x88e000d7", "POST", "User-Agent"):
            check(word not in err, word, "is in the log:", err)
        return process.returncode, err


@contextlib.contextmanager
def hosted(*arguments, **more):
    host = Host(*arguments, **more)
    try:
        yield host
    finally:
        host.receiver.stop()
        shutil.rmtree(host.directory, ignore_errors=True)


@case("notify: sent as it came, with our certificate, by a pinned key or a CA")
def sent():
    for keys in ({}, {"notify_pin": None, "notify_ca_file": "CA"}):
        with hosted(https=True, **keys) as host:
            if keys:
                with open(host.config, encoding="utf-8") as file:
                    text = file.read().replace("= CA\n", f"= {host.receiver.ca.path}\n")
                with open(host.config, "w", encoding="utf-8") as file:
                    file.write(text)
            equal(host.notify(), (0, ""), "exit, log")
            equal(len(host.receiver.got), 1, "how often it came")
            got = host.receiver.got[0]
            equal((got["path"], got["type"], got["client"]), ("/hooks/" + TOKEN, "application/json", ["gw1"]), "path, type, whose certificate")
            equal(got["body"], NEWS, "body")
            check(got["agent"].startswith("drr/"), got["agent"])


@case("notify: without [https] there is no certificate of ours; and a server that wants one is told of")
def no_certificate():
    with hosted() as host:
        equal(host.notify(), (0, ""), "exit, log")
        equal(host.receiver.got[0]["client"], [], "client certificate")
    with hosted(https=True) as host:
        with open(host.config, encoding="utf-8") as file:
            text = file.read().split("[https]")[0]
        with open(host.config, "w", encoding="utf-8") as file:
            file.write(text)
        code, err = host.notify(stop_after_s=2)
        equal((code, host.receiver.got), (8, []), "exit, what came: " + err)
        contains(err, "does not accept our certificate", "tried again")


@case("notify: another key is sent nothing, and not asked again")
def wrong_pin():
    with hosted() as host:
        with open(host.config, encoding="utf-8") as file:
            text = file.read().replace(host.receiver.pin, host.receiver.other_pin)
        with open(host.config, "w", encoding="utf-8") as file:
            file.write(text)
        code, err = host.notify()
        equal((code, host.receiver.got, host.receiver.connections), (7, [], 1), "exit, what came, connections: " + err)
        contains(err, f"notify_pin = {host.receiver.pin} in [watchdog]")


@case("notify: 503 and a connection that breaks are tried again, a second later, then two")
def again():
    with hosted(script=(503, 500, 200)) as host:
        code, err = host.notify()
        equal((code, len(host.receiver.got)), (0, 3), "exit, how often it came: " + err)
        equal([g["body"] for g in host.receiver.got], [NEWS] * 3, "bodies")
        times = [g["at"] for g in host.receiver.got]
        check(times[1] - times[0] > 0.9 and times[2] - times[1] > 1.9, "back-off:", times)
        equal(re.findall(r"attempt=(\d) wait_ms=(\d+)", err), [("1", "1000"), ("2", "2000")], "the log: " + err)
        contains(err, "HTTP status 503")
    for status in (408, 425, 429, "hang up"):
        with hosted(script=(status, 204)) as host:
            equal((host.notify()[0], len(host.receiver.got)), (0, 2), f"exit, how often: {status}")


@case("notify: 4xx and a redirect are for good")
def refused():
    for status in (400, 401, 404, 413, 302):
        with hosted(script=(status, 200)) as host:
            code, err = host.notify()
            equal((code, len(host.receiver.got)), (4, 1), f"exit, how often it came: {status} " + err)
            contains(err, f"HTTP status {status}")


@case("notify: an answer that breaks off behind its status counts")
def broken_answer():
    with hosted(script=("break off", 400)) as host:
        equal((host.notify(), len(host.receiver.got)), ((0, ""), 1), "exit, log, how often")


@case("notify: told to end, it ends; a server that is not there is named")
def ended():
    with hosted(script=("silence",)) as host:
        began = time.monotonic()
        code, err = host.notify(stop_after_s=1)
        check(code == 8 and time.monotonic() - began < 10, code, err)
    with hosted() as host:
        host.receiver.stop()
        code, err = host.notify(stop_after_s=1.5)
        equal(code, 8, "exit: " + err)
        contains(err, "[watchdog]", "localhost", "check notify_url in [watchdog]")


@case("notify: silence is bounded", slow=True)
def silence():
    with hosted(script=("silence",)) as host:
        began = time.monotonic()
        code, err = host.notify(limit_s=LIMIT_S + 30)
        took = time.monotonic() - began
        equal(code, 8, "exit: " + err)
        check(len(host.receiver.got) >= 3 and took < LIMIT_S + 5, "attempts, seconds:", len(host.receiver.got), took, err)
        contains(err, "no answer within 15 s")
        return f"{len(host.receiver.got)} attempts in {took:.0f} s"


@case("notify: nothing, too much, and no end on standard input")
def standard_input():
    with hosted() as host:
        for text in ("", "x" * (12 * 1024 + 1), "{}\0"):
            equal((host.notify(text)[0], host.receiver.connections), (2, 0), f"exit, connections, with {len(text)} bytes")
        text = json.dumps({"sentence": "x" * (12 * 1024 - 20)})
        equal((host.notify(text)[0], host.receiver.got[0]["body"] == text), (0, True), "exit, body")
        process = host.begin()
        try:
            equal(process.wait(60), 2, "exit without an end")
        finally:
            process.kill()
            process.communicate()


@case("notify: what is wrong with the configuration is said")
def configuration():
    with hosted(notify_url=None, notify_pin=None) as host:
        code, err = host.notify()
        equal(code, 2, "exit: " + err)
        contains(err, "notify_url is not set", "next=")
    with hosted(notify_pin=None, notify_ca_file="/nowhere/ca.pem") as host:
        code, err = host.notify()
        equal((code, err.count("\n")), (2, 1), "exit, lines: " + err)
        contains(err, "/nowhere/ca.pem")
