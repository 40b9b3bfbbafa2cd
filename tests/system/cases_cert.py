"""drr-agent cert: what a new operator does, what is refused, and that OpenSSL and curl can work with what it makes."""

import base64
import datetime
import hashlib
import json
import os
import shutil
import socket
import stat
import subprocess
import tempfile
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from harness import AGENT, LIMIT_S, Failed, Skipped, case, check, contains, equal

NOBODY = 65534


class Host:
    """A folder with a configuration, and commands run in it."""

    def __init__(self, https=True, **https_keys):
        self.directory = tempfile.mkdtemp(prefix="drr-cert-")
        os.chmod(self.directory, 0o755)
        for name in ("etc", "state", "co"):
            os.mkdir(self.path(name), 0o755)
        self.config = self.path("etc", "agent.conf")
        self.key, self.certificate, self.clients = self.path("etc", "https.key"), self.path("etc", "https.pem"), self.path("etc", "clients.pem")
        keys = {"listen": "127.0.0.1:8443", "certificate": self.certificate, "key": self.key, "client_ca": self.clients, "operators": "drrctl", **https_keys}
        section = "[https]\n" + "".join(f"{k} = {v}\n" for k, v in keys.items()) if https else ""
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(f"[agent]\nname = gw1\nstate_dir = {self.path('state')}\n[appliance]\ndomain = d\n"
                       f"[cli]\nhost = 192.0.2.11\npassword_file = /nowhere/password\n{section}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.directory, ignore_errors=True)

    def path(self, *names):
        return os.path.join(self.directory, *names)

    def cert(self, *arguments, exit=0, config=True, user=None):
        """Runs drr-agent cert; never a byte of a private key in what it prints."""
        exe = AGENT
        if user is not None:    # who may not reach ours
            exe = self.path("drr-agent")
            shutil.copy(AGENT, exe)
        line = [exe, "cert", *arguments] + (["-c", self.config] if config else [])
        result = subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_S, check=False, user=user, group=user)
        text = result.stdout + result.stderr
        equal(result.returncode, exit, f"exit of {' '.join(line)}\n{text}")
        check("PRIVATE" not in text, "a private key is in what it printed:", text)
        for folder in ("etc", "co"):
            for name in os.listdir(self.path(folder)):
                if name.endswith(".key") and os.access(self.path(folder, name), os.R_OK):
                    with open(self.path(folder, name), encoding="utf-8") as file:
                        for secret in file.read().splitlines()[1:-1]:
                            check(secret not in text, "a private key is in what it printed")
        if exit:
            contains(result.stderr, "next: ")
        return result

    def client(self, name="drrctl", *more):
        """A client on its own machine, then its certificate appended here, as the output says."""
        self.cert("init", "--client", name, "--out", self.path("co"), *more, config=False)
        self.trust(self.path("co", name + ".pem"))

    def trust(self, path):
        with open(path, encoding="ascii") as source, open(self.clients, "a", encoding="ascii") as target:
            target.write(source.read())

    def show(self, exit=0):
        return json.loads(self.cert("show", "--json", exit=exit).stdout)


def openssl(*arguments, **more):
    result = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False, **more)
    check(result.returncode == 0, "openssl", *arguments, result.stdout, result.stderr)
    return result.stdout


def read(path):
    with open(path, "rb") as file:
        return file.read()


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def pin_of(path):
    public = x509.load_pem_x509_certificate(read(path)).public_key()
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return "sha256//" + base64.b64encode(hashlib.sha256(der).digest()).decode()


def make(path, name="gw1", days=(-2, 2), key=None, key_path=None, uses=(ExtendedKeyUsageOID.SERVER_AUTH,)):
    """A self-signed certificate that drr-agent would not make."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    built = (x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key()).serial_number(7)
             .not_valid_before(now + datetime.timedelta(days=days[0])).not_valid_after(now + datetime.timedelta(days=days[1]))
             .add_extension(x509.ExtendedKeyUsage(uses), False).sign(key, hashes.SHA256()))
    with open(path, "wb") as file:
        file.write(built.public_bytes(serialization.Encoding.PEM))
    if key_path:
        with open(os.open(key_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))


@case("cert: one command on each side")
def cert_both_sides():
    with Host() as host:
        out = host.cert("init").stdout
        pin = pin_of(host.certificate)
        contains(out, f"pin {pin}\n", f"  pin = {pin}\n", "  url = https://127.0.0.1:8443\n", "CN=gw1, DNS:gw1", "IP:127.0.0.1", host.clients)
        equal((mode(host.key), mode(host.certificate)), (0o600, 0o644), "modes")
        equal(sorted(os.listdir(host.path("etc"))), ["agent.conf", "https.key", "https.pem"], "files")
        # Before there is a client, show says what is missing; then all is well.
        contains(host.cert("show", exit=2).stdout, "no certificate in client_ca is drrctl's", "cert init --client drrctl")
        out = host.cert("init", "--client", "drrctl", "--out", host.path("new"), config=False).stdout
        contains(out, f"{host.path('new')}/drrctl.pem", "operators = drrctl", "client_ca")
        equal((mode(host.path("new", "drrctl.key")), mode(host.path("new", "drrctl.pem"))), (0o600, 0o644), "modes of the client's")
        host.trust(host.path("new", "drrctl.pem"))
        contains(host.cert("show").stdout, "CN=gw1", "824 days left", "server, client", pin, "belongs to the certificate", "role       operator")
        shown = host.show()
        equal(shown["problems"], [], "problems")
        equal(shown["certificate"]["chain"][0]["pin"], pin, "pin")
        equal((shown["certificate"]["chain"][0]["days_left"], shown["key"]["usable"]), (824, True), "days left, key")
        equal([(c["name"], c["role"], c["client"], c["server"], c["ca"]) for c in shown["clients"]], [("drrctl", "operator", True, False, False)], "clients")


def serve(host, version, port):
    return subprocess.Popen(["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", host.certificate, "-key", host.key, "-CAfile", host.clients,
                             "-Verify", "1", "-verify_return_error", "-www", "-quiet", version], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT)


def listening(port):
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port)):
                return
        except OSError:
            time.sleep(0.05)
    raise Failed("openssl s_server does not listen")


@case("cert: curl and OpenSSL, TLS 1.2 and 1.3, with the certificate and with the pin")
def cert_curl():
    with Host() as host:
        host.cert("init")
        host.client()
        host.client("stranger")
        os.truncate(host.clients, len(read(host.path("co", "drrctl.pem"))))     # only drrctl is trusted
        for version in ("-tls1_2", "-tls1_3"):
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
            server = serve(host, version, port)
            try:
                listening(port)

                def curl(*arguments, who="drrctl", name="127.0.0.1"):
                    own = ["--cert", host.path("co", who + ".pem"), "--key", host.path("co", who + ".key")] if who else []
                    return subprocess.run(["curl", "-sS", "--max-time", "60", *own, *arguments, f"https://{name}:{port}/"], capture_output=True, text=True,
                                          check=False)

                by_name = ["--resolve", f"gw1:{port}:127.0.0.1", "--cacert", host.certificate]
                for good in (curl("--cacert", host.certificate), curl(*by_name, name="gw1"), curl("-k", "--pinnedpubkey", pin_of(host.certificate))):
                    equal(good.returncode, 0, f"curl {version}: {good.stderr}")
                    contains(good.stdout, "CN = drrctl" if "CN = drrctl" in good.stdout else "CN=drrctl")
                check(curl("--cacert", host.certificate, who=None).returncode != 0, "no client certificate, and yet", version)
                check(curl("--cacert", host.certificate, who="stranger").returncode != 0, "a stranger's certificate, and yet", version)
                check(curl("--cacert", host.path("co", "drrctl.pem")).returncode == 60, "another ca_file")
                check(curl("-k", "--pinnedpubkey", pin_of(host.path("co", "drrctl.pem"))).returncode == 90, "another pin")
            finally:
                server.kill()
                server.communicate()


@case("cert init: nothing is overwritten; --renew keeps the key and the pin")
def cert_overwrite():
    with Host() as host:
        contains(host.cert("init", "--renew", exit=3).stderr, "no key", f"next: drr-agent cert init -c {host.config}")
        host.cert("init")
        before = read(host.key), read(host.certificate)
        contains(host.cert("init", exit=3).stderr, "not overwritten", f"next: drr-agent cert init --renew -c {host.config}")
        equal((read(host.key), read(host.certificate)), before, "the files")
        contains(host.cert("init", "--renew", "--names", "gw1.example.org,10.9.8.7,2001:db8::9").stdout, "kept the key", f"pin {pin_of(host.certificate)}\n")
        equal(read(host.key), before[0], "the key")
        check(read(host.certificate) != before[1], "the certificate is not a new one")
        contains(openssl("x509", "-in", host.certificate, "-noout", "-ext", "subjectAltName"), "DNS:gw1.example.org", "IP Address:10.9.8.7", "2001:DB8:0:0:0:0:0:9")
        equal(mode(host.certificate), 0o644, "mode")
        os.unlink(host.key)
        contains(host.cert("init", exit=3).stderr, "not overwritten", f"next: mv {host.certificate} {host.certificate}.old")
        check(not os.path.exists(host.key), "a key was made")
        client = ["init", "--client", "drrctl", "--out", host.path("co")]
        host.cert(*client, config=False)
        before = read(host.path("co", "drrctl.key"))
        contains(host.cert(*client, config=False, exit=3).stderr, f"next: drr-agent cert init --renew --client drrctl --out {host.path('co')}")
        host.cert(*client, "--renew", config=False)
        equal(read(host.path("co", "drrctl.key")), before, "the client's key")


@case("cert csr: signed by a CA, installed, shown, and not replaced")
def cert_csr():
    with Host(observers="watcher") as host:
        request = host.cert("csr", "--names", "vip.example.org")
        contains(request.stderr, "made the key", host.certificate)
        equal(mode(host.key), 0o600, "mode")
        key = read(host.key)
        with open(host.path("gw.csr"), "w", encoding="ascii") as file:
            file.write(request.stdout)
        contains(host.cert("csr").stderr, "for the key")
        equal(read(host.key), key, "the key")
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/O=Example/CN=the CA", "-days", "9",
                "-keyout", host.path("ca.key"), "-out", host.path("ca.pem"))
        sign = ["x509", "-req", "-CA", host.path("ca.pem"), "-CAkey", host.path("ca.key"), "-CAcreateserial", "-copy_extensions", "copyall", "-days", "9"]
        openssl(*sign, "-in", host.path("gw.csr"), "-out", host.certificate)
        openssl("verify", "-purpose", "sslserver", "-verify_hostname", "vip.example.org", "-CAfile", host.path("ca.pem"), host.certificate)
        host.trust(host.path("ca.pem"))         # and the CA signs the clients'
        text = host.cert("show").stdout
        contains(text, "CN=gw1", "O=Example, CN=the CA", "DNS:vip.example.org", "belongs to the certificate", "role       CA")
        shown = host.show()["certificate"]["chain"][0]
        equal((shown["self_signed"], shown["server"], shown["client"]), (False, True, True), "signed, for server and client")
        check(shown["days_left"] in (8, 9), "days left", shown["days_left"])
        contains(text, "renew it soon")
        before = read(host.certificate)
        contains(host.cert("init", "--renew", exit=3).stderr, "of a CA", f"next: drr-agent cert csr -c {host.config}")
        equal(read(host.certificate), before, "the certificate")
        request = host.cert("csr", "--client", "watcher", "--out", host.path("co"), config=False)
        openssl("req", "-verify", "-noout", input=request.stdout)
        contains(openssl("req", "-noout", "-subject", input=request.stdout), "watcher")


@case("cert show: expired, not yet valid, another key, open key, not for a server, not readable")
def cert_show_problems():
    with Host(observers="watcher") as host:
        host.cert("init")
        host.client()
        host.client("watcher")
        host.cert("show")
        good = read(host.certificate), read(host.key)

        def problem(what, following, count=1):
            result = host.cert("show", exit=2)
            contains(result.stdout, what)
            contains(result.stderr, "next: " + following)
            found = host.show(exit=2)["problems"]
            equal(len(found), count, f"problems {found}")
            contains(found[0]["what"], what)

        make(host.certificate, days=(-9, -1), key_path=host.key)
        problem("the certificate of CN=gw1 has expired", f"drr-agent cert init --renew -c {host.config}")
        check(host.show(exit=2)["certificate"]["chain"][0]["days_left"] in (-1, -2), "days left")
        host.cert("init", "--renew")            # what it said mends it
        host.cert("show")
        make(host.certificate, days=(1, 9), key_path=host.key)
        problem("is not valid yet", "drr-agent cert init --renew")
        make(host.certificate, key_path=host.key, uses=(ExtendedKeyUsageOID.CLIENT_AUTH,))
        problem("is not for a server", "drr-agent cert init --renew")
        make(host.certificate)
        problem("is not the one of the certificate", "")
        equal(host.show(exit=2)["key"]["usable"], False, "usable")
        for path, content in ((host.certificate, good[0]), (host.key, good[1])):
            with open(path, "wb") as file:
                file.write(content)
        os.chmod(host.key, 0o644)
        problem("is open to other users", f"chmod o-rwx {host.key}")
        os.chmod(host.key, 0o600)
        host.cert("show")
        # The clients: one has expired, one is nobody, one is missing.
        os.unlink(host.clients)
        for name, days in (("drrctl", (-9, -1)), ("guest", (-1, 9))):
            make(host.path("x.pem"), name, days, uses=(ExtendedKeyUsageOID.CLIENT_AUTH,))
            host.trust(host.path("x.pem"))
        problem("the certificate of CN=drrctl has expired", "on its host: drr-agent cert init --renew --client", 2)
        contains(host.cert("show", exit=2).stdout, "neither in operators nor in observers", "no certificate in client_ca is watcher's")
        equal([c["role"] for c in host.show(exit=2)["clients"]], ["operator", "none"], "roles")
        with open(host.clients, "w", encoding="ascii") as file:
            file.write("garbage\n")
        problem("cannot be read", "openssl x509", 3)


@case("cert show: a client's certificate that can sign others is found")
def client_is_ca():
    with Host(observers="watcher") as host:
        host.cert("init")
        host.client()
        key, pem = host.path("x.key"), host.path("x.pem")
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=watcher", "-keyout", key, "-out", pem)
        host.trust(pem)
        found = host.show(exit=2)["problems"]
        equal([p["what"] for p in found], ["the certificate of watcher is a client's and a CA's: its owner can make certificates for any operator's name"], "problems")


@case("cert: usage, and what the configuration lacks")
def cert_usage():
    with Host(https=False) as host:
        contains(host.cert("init", exit=2).stderr, "no section [https]", host.config)
        for line, what in ((("init", "--client", "x"), "--client and --out"), (("init", "--out", "/tmp"), "--client and --out"),
                           (("show", "--names", "x"), "cert show takes"), (("csr", "--renew"), "--renew belongs"), (("init", "--json"), "--json belongs"),
                           ((), "init, csr, show"), (("make",), "init, csr, show"), (("init", "more"), "unexpected argument more"),
                           (("init", "--steps", "await"), "does not take that option")):
            contains(host.cert(*line, exit=2).stderr, what)
        for name in ("", "a/b", "../x", ".x", "-x", "a b", "x" * 64, "\u00fc"):
            contains(host.cert("init", f"--client={name}", "--out", host.path("co"), config=False, exit=2).stderr, "a client's name is")
        equal(os.listdir(host.path("co")), [], "files")
        host.cert("init", "--client", "x" * 63, "--out", host.path("co"), config=False)
    with Host() as host:
        for names in ("a b", "gw1,,x", "x,", "*.example.org", "-x", ",".join(f"n{i}" for i in range(17))):
            contains(host.cert("init", "--names", names, exit=2).stderr, "--names takes host names and IP addresses")
        equal(os.listdir(host.path("etc")), ["agent.conf"], "files")
    with Host(key="/nowhere/here/https.key") as host:
        contains(host.cert("init", exit=2).stderr, "no folder for /nowhere/here/https.key", "next: install -d")
    with Host(certificate="/tmp/one.pem", key="/tmp/one.pem") as host:
        for more in ((), ("--renew",)):
            contains(host.cert("init", *more, exit=2).stderr, "one would overwrite the other")
        check(not os.path.exists("/tmp/one.pem"), "the file was made")
    with Host(listen="*:8443") as host:
        contains(host.cert("init").stdout, "note: listen = *:8443")


@case("cert init: root makes the key for the user that owns state_dir; others need the folder")
def cert_users():
    if os.geteuid() != 0:
        raise Skipped("needs root")
    with Host() as host:
        os.chown(host.path("state"), NOBODY, NOBODY)
        contains(host.cert("init", user=NOBODY, exit=7).stderr, "cannot write to", "next: run the command as root")
        equal(os.listdir(host.path("etc")), ["agent.conf"], "files")
        host.cert("init")
        equal((os.stat(host.key).st_uid, mode(host.key), os.stat(host.certificate).st_uid), (NOBODY, 0o600, 0), "owner, mode, owner of the certificate")
        host.client()
        host.cert("show", user=NOBODY)
    with Host() as host:
        os.rmdir(host.path("state"))
        contains(host.cert("init").stdout, f"note: there is no {host.path('state')} yet", f"chown {host.key}")
