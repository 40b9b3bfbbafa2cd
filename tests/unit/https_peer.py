#!/usr/bin/python3
"""The other side for test_https.c: makes certificates, and is every kind of client. A client prints one line for each thing that it saw.

  https_peer.py make FOLDER
  https_peer.py CASE FOLDER PORT [ARGUMENTS]     see the functions case_*"""
import base64
import datetime
import math
import os
import signal
import socket
import ssl
import struct
import sys
import threading
import time

LIMIT_S = 25


# --- certificates

def make(folder):
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    now, day = datetime.datetime.utcnow(), datetime.timedelta(days=1)
    client, server = [ExtendedKeyUsageOID.CLIENT_AUTH], [ExtendedKeyUsageOID.SERVER_AUTH]

    def key_of(kind="ec"):
        return rsa.generate_private_key(65537, 2048) if kind == "rsa" else ec.generate_private_key(ec.SECP256R1())

    def costly_key():  # its public exponent has 66 bits
        numbers = rsa.generate_private_key(65537, 2048).private_numbers()
        phi, e = (numbers.p - 1) * (numbers.q - 1), 2 ** 65 + 1
        while math.gcd(e, phi) != 1:
            e += 2
        d = pow(e, -1, phi)
        return rsa.RSAPrivateNumbers(numbers.p, numbers.q, d, d % (numbers.p - 1), d % (numbers.q - 1), numbers.iqmp,
                                     rsa.RSAPublicNumbers(e, numbers.public_numbers.n)).private_key()

    def certificate(subject, key, issuer, issuer_key, names=(), ca=False, start=now - day, end=now + 30 * day, usage=()):
        title = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, n) for n in subject])
        builder = (x509.CertificateBuilder().subject_name(title).issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
                   .public_key(key.public_key()).serial_number(x509.random_serial_number()).not_valid_before(start).not_valid_after(end)
                   .add_extension(x509.BasicConstraints(ca, None), critical=True))
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(
                [x509.UniformResourceIdentifier(n) if "//" in n else x509.DNSName(n) for n in names]), critical=False)
        if usage:
            builder = builder.add_extension(x509.ExtendedKeyUsage(usage), critical=False)
        return builder.sign(issuer_key, hashes.SHA256())

    def version_1(certificate, key):  # the same without the version in front and the extensions behind, signed again
        def parts(der):
            while der:
                size, head = der[1], 2
                if size > 127:
                    head = 2 + (size & 127)
                    size = int.from_bytes(der[2:head], "big")
                yield der[:head + size]
                der = der[head + size:]

        def sequence(*inner, tag=0x30):
            whole = b"".join(inner)
            size = bytes([len(whole)]) if len(whole) < 128 else bytes([0x81, len(whole)]) if len(whole) < 256 else b"\x82" + len(whole).to_bytes(2, "big")
            return bytes([tag]) + size + whole

        def inside(der):
            return der[2 + (der[1] & 127 if der[1] > 127 else 0):]

        tbs, algorithm, _ = parts(inside(certificate.public_bytes(serialization.Encoding.DER)))
        tbs = sequence(*list(parts(inside(tbs)))[1:-1])
        signature = key.sign(tbs, ec.ECDSA(hashes.SHA256()))
        return x509.load_der_x509_certificate(sequence(tbs, algorithm, sequence(b"\0", signature, tag=0x03)))

    def pem(*certificates):
        return b"".join(c.public_bytes(serialization.Encoding.PEM) for c in certificates)

    def write(name, certificates, key=None):
        with open(os.path.join(folder, name + ".pem"), "wb") as file:
            file.write(pem(*certificates))
        if key:
            with open(os.path.join(folder, name + ".key"), "wb") as file:
                file.write(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))

    ca_key, other_key, key, rsa_key, self_key = key_of(), key_of(), key_of(), key_of("rsa"), key_of()
    ca = certificate(["clients CA"], ca_key, "clients CA", ca_key, ca=True)
    other = certificate(["other CA"], other_key, "other CA", other_key, ca=True)
    own = certificate(["alone"], self_key, "alone", self_key)
    good = certificate(["ops"], key, "clients CA", ca_key, usage=client)
    write("ca", [ca])
    write("other-ca", [other])
    old_key = key_of()
    old = version_1(certificate(["old"], old_key, "old", old_key), old_key)
    write("old", [old], old_key)
    write("cas", [ca, own, old])
    write("by-old", [certificate(["ops"], key, "old", old_key, usage=client)], key)
    write("good", [good], key)
    write("names", [certificate(["one", "two"], key, "clients CA", ca_key, ["gw1.example", "spiffe://drr/op"], usage=client)], key)
    write("hostile-names", [certificate(["a\nb", "c\x00d", "\u00fc", "fine"], key, "clients CA", ca_key, usage=client)], key)
    write("many-names", [certificate(["n%02d" % i for i in range(40)], key, "clients CA", ca_key)], key)
    write("rsa", [certificate(["ops"], rsa_key, "clients CA", ca_key)], rsa_key)
    write("alone", [own], self_key)
    costly = costly_key()
    write("costly", [certificate(["ops"], key, "costly CA", costly), certificate(["costly CA"], costly, "costly CA", costly, ca=True)], key)
    write("for-servers", [certificate(["ops"], key, "clients CA", ca_key, usage=server)], key)
    write("expired", [certificate(["ops"], key, "clients CA", ca_key, start=now - 9 * day, end=now - day)], key)
    write("future", [certificate(["ops"], key, "clients CA", ca_key, start=now + day)], key)
    write("foreign", [certificate(["ops"], key, "other CA", other_key)], key)
    write("pretender", [certificate(["ops"], key, "clients CA", other_key)], key)
    write("foreign-alone", [certificate(["alone"], key, "alone", key)], key)
    write("by-leaf", [certificate(["ops"], rsa_key, "ops", key), good], rsa_key)
    write("other-good", [certificate(["ops"], key, "other CA", other_key)], key)
    # Who has the certificate, but not its key. OpenSSL compares only the public halves.
    scalar = key.private_numbers().private_value.to_bytes(32, "big")
    der = key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    write("stolen", [good])
    with open(os.path.join(folder, "stolen.key"), "w") as file:
        file.write("-----BEGIN PRIVATE KEY-----\n" + base64.encodebytes(der.replace(scalar, bytes(31) + b"\x07")).decode() + "-----END PRIVATE KEY-----\n")
    end = datetime.datetime(2030, 3, 1, 12, 0, 1)
    write("server", [certificate(["gw1"], key, "other CA", other_key, ["localhost"], end=end)], key)
    write("server-rsa", [certificate(["gw1"], rsa_key, "other CA", other_key, ["localhost"])], rsa_key)
    write("long", [certificate(["gw1"], key, "other CA", other_key, ["host-%04d.example" % i for i in range(300)])], key)
    with open(os.path.join(folder, "garbage.pem"), "w") as file:
        file.write("-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgI=\n-----END CERTIFICATE-----\n")
    with open(os.path.join(folder, "half.pem"), "wb") as file:
        file.write(pem(ca) + b"-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgI=\n-----END CERTIFICATE-----\n")
    with open(os.path.join(folder, "empty.pem"), "w"):
        pass


# --- clients

def end_of(sock):
    try:
        return "closed" if sock.recv(100) == b"" else "bytes"
    except (ConnectionResetError, ssl.SSLEOFError):
        return "closed"


class Peer:
    def __init__(self, folder, port):
        self.folder, self.port = folder, port

    def context(self, certificate="good", version="1.3"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.minimum_version = context.maximum_version = {"1.1": ssl.TLSVersion.TLSv1_1, "1.2": ssl.TLSVersion.TLSv1_2,
                                                             "1.3": ssl.TLSVersion.TLSv1_3}[version]
        if version == "1.1":
            context.set_ciphers("ALL:@SECLEVEL=0")
        if certificate != "none":
            path = os.path.join(self.folder, certificate)
            context.load_cert_chain(path + ".pem", path + ".key")
        return context

    def plain(self, source=""):
        if isinstance(self.port, str):
            sock = socket.socket(socket.AF_UNIX)
            sock.settimeout(LIMIT_S)
            sock.connect(self.port)
            return sock
        return socket.create_connection(("127.0.0.1", self.port), LIMIT_S, (source, 0) if source else None)

    def tls(self, certificate="good", version="1.3", source="", context=None):
        return (context or self.context(certificate, version)).wrap_socket(self.plain(source), server_hostname="localhost")

    def get(self, sock, path="/echo", method="GET", headers="", body=b"", protocol="HTTP/1.1"):
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        sock.sendall(f"{method} {path} {protocol}\r\nHost: localhost\r\n{length}{headers}\r\n".encode() + body)
        return self.answer(sock, method == "HEAD")

    def answer(self, sock, bodiless=False):
        """STATUS and body of the next response; "closed" when there is none."""
        data = b""
        while b"\r\n\r\n" not in data:
            more = sock.recv(65536)
            if not more:
                return "closed" if not data else "cut"
            data += more
        head, _, rest = data.partition(b"\r\n\r\n")
        fields = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head.decode().split("\r\n")[1:])}
        status = int(head.split()[1])
        length = 0 if bodiless or status in (100, 204, 304) else int(fields.get("content-length", "0"))
        while len(rest) < length:
            more = sock.recv(65536)
            if not more:
                return "cut"
            rest += more
        self.head, self.fields, self.rest = head, fields, rest[length:]
        return f"{status} {rest[:length].decode()}".strip()

    def try_get(self, *arguments, **named):
        try:
            with self.tls(*arguments, **named) as sock:
                return self.get(sock)
        except ssl.SSLError as error:
            return "refused " + (error.reason or "")
        except OSError:
            return "refused"


def case_matrix(peer):
    for name in sys.argv[4:]:
        for version in ("1.2", "1.3"):
            print(name, version, peer.try_get(name, version))


def case_versions(peer):
    print("1.1", peer.try_get("good", "1.1"))
    for suite in ("ECDHE-ECDSA-AES128-SHA256", "AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-SHA", "DHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-CCM"):
        context = peer.context(version="1.2")
        context.set_ciphers(suite + ":@SECLEVEL=0")
        print(suite, peer.try_get(context=context).split()[0])
    context = peer.context(version="1.2")
    context.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384")
    with peer.tls(context=context) as sock:
        print(sock.cipher()[0])
    # A second session with what the first one left: nothing to resume.
    for version in ("1.2", "1.3"):
        context = peer.context(version=version)
        with peer.tls(context=context) as sock:
            peer.get(sock)
            session = sock.session
        with context.wrap_socket(peer.plain(), server_hostname="localhost", session=session) as sock:
            print(version, peer.get(sock).split()[0], "resumed" if sock.session_reused else "not resumed")


def case_requests(peer):
    with peer.tls() as sock:
        print(peer.get(sock, "/echo/a%20b?x=%20y"))
        print(peer.get(sock, "/echo/../echo/./b"))
        print(peer.get(sock, "/echo", "POST", body=b"x" * 16384))
        print(peer.get(sock, "/echo", "PUT", body=b"abc"))
        print(peer.get(sock, "/echo", "DELETE"))
        print(peer.get(sock, "/echo", "HEAD"), peer.fields["content-length"])
        print(peer.get(sock, "/empty"), peer.fields.get("content-length"))
        print(peer.get(sock, "/none"))
        print(peer.get(sock, "/extras"), peer.fields["retry-after"], peer.fields["location"], peer.fields["allow"], peer.fields["content-type"])
        print(peer.get(sock, "/split"), peer.fields.get("location"), peer.fields.get("evil"))
        print(" ".join(sorted(peer.fields)))
        print(len(peer.get(sock, "/big?1000000")))
        print(peer.get(sock, "/toobig"))
        # two at once, and one in single bytes
        sock.sendall(b"GET /echo/1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /echo/2 HTTP/1.1\r\nContent-Length: 2\r\n\r\nabGET /echo/3 HTTP/1.1\r\n\r\n")
        for _ in range(3):
            print(peer.answer(sock))
        for byte in b"POST /echo HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc":
            sock.sendall(bytes([byte]))
        print(peer.answer(sock))
        # who waits for leave to send its body
        sock.sendall(b"POST /echo HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        print(peer.answer(sock))
        sock.sendall(b"abc")
        print(peer.answer(sock))
        print(peer.get(sock, headers="Connection: close\r\n"), peer.answer(sock))
    with peer.tls() as sock:
        print(peer.get(sock, protocol="HTTP/1.0"), peer.answer(sock))


def case_bad_requests(peer):
    many = b"X: " + b"y" * 100 + b"\r\n"
    for name, data in (
            ("head of 8192", b"GET /echo HTTP/1.1\r\nX: " + b"y" * (8192 - 27) + b"\r\n\r\n"),
            ("head of 8193", b"GET /echo HTTP/1.1\r\nX: " + b"y" * (8193 - 27) + b"\r\n\r\n"),
            ("endless head", b"GET /echo HTTP/1.1\r\n" + many * 1000),
            ("endless line", b"G" * 100000),
            ("body of 16385", b"POST /echo HTTP/1.1\r\nContent-Length: 16385\r\n\r\n" + b"x" * 16385),
            ("body of 9 EB", b"POST /echo HTTP/1.1\r\nContent-Length: 9223372036854775808\r\n\r\n"),
            ("chunks", b"POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
            ("folded chunks", b"POST /echo HTTP/1.1\r\nX: y\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            ("folded length", b"POST /echo HTTP/1.1\r\n\tContent-Length: 3\r\n\r\nabc"),
            ("blank before colon", b"POST /echo HTTP/1.1\r\nContent-Length : 3\r\n\r\nabc"),
            ("no name", b"GET /echo HTTP/1.1\r\n: y\r\n\r\n"),
            ("two lengths", b"POST /echo HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"),
            ("length -1", b"POST /echo HTTP/1.1\r\nContent-Length: -1\r\n\r\n"),
            ("length +1", b"POST /echo HTTP/1.1\r\nContent-Length: +1\r\n\r\na"),
            ("length 1,1", b"POST /echo HTTP/1.1\r\nContent-Length: 1,1\r\n\r\na"),
            ("length empty", b"POST /echo HTTP/1.1\r\nContent-Length:\r\n\r\na"),
            ("expects more", b"POST /echo HTTP/1.1\r\nContent-Length: 1\r\nExpect: miracles\r\n\r\na"),
            ("a NUL", b"GET /ec\0ho HTTP/1.1\r\n\r\n"),
            ("HTTP/2.0", b"GET /echo HTTP/2.0\r\n\r\n"),
            ("HTTP/0.9", b"GET /echo\r\n\r\n"),
            ("no method", b"/echo HTTP/1.1\r\n\r\n"),
            ("other method", b"BREW /echo HTTP/1.1\r\n\r\n"),
            ("asterisk", b"OPTIONS * HTTP/1.1\r\n\r\n"),
            ("no slash", b"GET echo HTTP/1.1\r\n\r\n"),
            ("absolute", b"GET http://elsewhere.example/echo HTTP/1.1\r\n\r\n"),
            ("above the root", b"GET /../../etc/passwd HTTP/1.1\r\n\r\n"),
            ("upgrade", b"GET /echo HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n"),
            ("200 fields", b"GET /echo HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n")):
        try:
            with peer.tls() as sock:
                sock.sendall(data)
                print(name + ":", peer.answer(sock))
        except OSError as error:
            print(name + ":", type(error).__name__)


def case_slow(peer):
    """Everything that is too slow, at the same time: each must come to its end."""
    lines = []

    def run(name, function):
        try:
            lines.append(f"{name}: {function()}")
        except OSError as error:
            lines.append(f"{name}: {type(error).__name__}")

    def dribble(sock, data, pause):
        for byte in data:
            try:
                sock.sendall(bytes([byte]))
            except OSError:
                break
            time.sleep(pause)
        return sock

    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500)
    jobs = {
        "silent": lambda: end_of(peer.plain()),
        "half a hello": lambda: end_of(dribble(peer.plain(), hello[:20], 0)),
        "slow hello": lambda: end_of(dribble(peer.plain(), hello[:100], 0.1)),
        "slow head": lambda: peer.answer(dribble(peer.tls(), b"GET /echo HTTP/1.1\r\nX: " + b"y" * 100, 0.1)),
        "no end of head": lambda: peer.answer(dribble(peer.tls(), b"GET /echo HTTP/1.1\r\n", 0)),
        "no body": lambda: peer.answer(dribble(peer.tls(), b"POST /echo HTTP/1.1\r\nContent-Length: 10\r\n\r\n", 0)),
        "slow body": lambda: peer.answer(dribble(peer.tls(), b"POST /echo HTTP/1.1\r\nContent-Length: 1000\r\n\r\n" + b"x" * 100, 0.1)),
        "no request": lambda: end_of(peer.tls()),
        "after a request": lambda: (lambda sock: (peer.get(sock), end_of(sock))[1])(peer.tls()),
        "takes nothing": lambda: takes_nothing(peer),
    }
    threads = [threading.Thread(target=run, args=job) for job in jobs.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print("\n".join(sorted(lines)))


def takes_nothing(peer):
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    plain.settimeout(LIMIT_S)
    plain.connect(("127.0.0.1", peer.port))
    sock = peer.context().wrap_socket(plain)
    sock.sendall(b"GET /big?1000000 HTTP/1.1\r\n\r\n" * 8)
    time.sleep(12)
    got = 0
    try:
        while True:
            more = len(sock.recv(65536))
            got += more
            if more == 0:
                break
    except OSError:
        pass
    return "cut" if got < 8000000 else "all"


def case_keep(peer):
    """One connection over what the test does between the lines that it sends; "new" makes another one."""
    sock = peer.tls()
    for line in sys.stdin:
        try:
            if line.strip() == "new":
                sock = peer.tls()
            der = sock.getpeercert(True)
            status = peer.get(sock).split()[0]
            print("refused" if status == "closed" else status + (" rsa" if len(der) > 480 else " ec"), flush=True)
        except ssl.SSLError:
            print("refused", flush=True)
        except OSError:
            print("refused", flush=True)


def case_full(peer):
    """connections_max is 2."""
    one, two, three = peer.tls(), peer.tls(), None
    print(peer.get(one).split()[0], peer.get(two).split()[0])
    three = peer.tls()
    print(peer.get(three).split()[0], peer.get(two).split()[0])
    print(one.recv(10) == b"")
    for sock in (two, three):
        sock.sendall(b"GET /wait HTTP/1.1\r\n\r\n")
    print("waiting", flush=True)
    sys.stdin.readline()
    with peer.tls() as four:
        print(peer.answer(four).split()[0], peer.fields["retry-after"])
    print("full", flush=True)
    sys.stdin.readline()
    print(peer.answer(two), peer.answer(three))


def case_waiters(peer):
    waiting = [peer.tls() for _ in range(4)]
    for sock in waiting:
        sock.sendall(b"GET /wait HTTP/1.1\r\n\r\n")
    print("waiting", flush=True)
    sys.stdin.readline()
    with peer.tls() as sock:
        print(peer.get(sock, "/wait"), peer.get(sock).split()[0], flush=True)
    sys.stdin.readline()
    print(" ".join(peer.answer(sock) for sock in waiting))


def case_wait(peer):
    """Long polls that nobody answers: what happens to them when the server stops."""
    socks = [peer.tls() for _ in range(3)]
    socks[0].sendall(b"GET /wait HTTP/1.1\r\n\r\n")
    print("waiting", flush=True)
    for sock in socks[1:]:
        print(end_of(sock), flush=True)


def case_flood(peer):
    """All kinds of hostile connections from one address, as many as we can hold; and a client from the same, and one from another."""
    stop = threading.Event()
    counts = [0]

    def hostile(kind):
        held = []
        context = peer.context("foreign")
        while not stop.is_set():
            try:
                sock = peer.plain()
                counts[0] += 1
                if kind == "hello":
                    sock.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
                elif kind == "plain":
                    sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
                elif kind == "foreign":
                    sock = context.wrap_socket(sock)
                elif kind == "reset":
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    sock.close()
                    continue
                held.append(sock)
                if len(held) > 150:
                    held.pop(0).close()
            except OSError:
                pass

    threads = [threading.Thread(target=hostile, args=(kind,), daemon=True) for kind in ("silent", "hello", "plain", "foreign", "reset")]
    for thread in threads:
        thread.start()
    served = {"same": 0, "other": 0}
    for source, name in (("", "same"), ("127.0.0.2", "other")):
        for _ in range(20):
            for _ in range(5):  # a client tries again
                if peer.try_get(source=source).startswith("200"):
                    served[name] += 1
                    break
    stop.set()
    for thread in threads:
        thread.join(5)
    print("many" if counts[0] > 600 else "few", "most" if served["same"] > 10 else served["same"], served["other"])
    print(f"{counts[0]} hostile connections, served {served}", file=sys.stderr)


def case_strangers(peer):
    """Each ends at once, without an answer."""
    for name, data in (("plain", b"GET / HTTP/1.1\r\n\r\n"), ("noise", bytes(range(255, 0, -1))), ("record", b"\x16\x03\x01\x00\x05\x02\x00\x00\x01\x00")):
        sock = peer.plain()
        sock.sendall(data)
        try:
            while True:
                got = sock.recv(100)
                if b"HTTP" in got or not got:
                    break
            print(name, "closed" if not got else "answered")
        except ConnectionResetError:
            print(name, "closed")


def case_unix(peer):
    with peer.plain() as sock:
        print(peer.get(sock))
        print(peer.get(sock, "/echo", "POST", body=b"abc"))
        print(len(peer.get(sock, "/big?1000000")))


def main():
    signal.alarm(60)
    if sys.argv[1] == "make":
        make(sys.argv[2])
        return
    port = sys.argv[3]
    globals()["case_" + sys.argv[1]](Peer(sys.argv[2], int(port) if port.isdigit() else port))


main()
