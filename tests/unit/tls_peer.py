#!/usr/bin/python3
"""The other side for test_tls.c and test_xmi_link.c.

  tls_peer.py make FOLDER      makes keys and certificates; prints "NAME PIN" for each key
  tls_peer.py serve OPTIONS    a TLS server on 127.0.0.1; prints its port
  tls_peer.py xmi OPTIONS      an XML management interface; each path behaves in its own way (see Xmi); tells what it meets
  tls_peer.py renegotiate OPTIONS  the same by OpenSSL's own server; a line "R" makes it ask for another handshake
  tls_peer.py connect OPTIONS  a TLS client; prints "VERSION LINE", what the server said to its own line

A server obeys the first line that it gets: sni; echo; send N; cut N; take N. It ends when its standard input does, or after a minute."""
import argparse
import base64
import datetime
import hashlib
import ipaddress
import os
import random
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

VERSIONS = {"1.1": ssl.TLSVersion.TLSv1_1, "1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
PIECE = 8192


def pattern(count):
    return b"".join(b"%07d\n" % i for i in range((count + 7) // 8))[:count]


# --- certificates

def make(folder):
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID

    now = datetime.datetime.utcnow()
    day = datetime.timedelta(days=1)

    def named(name):
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])

    def key_of(kind):
        return rsa.generate_private_key(65537, 2048) if kind == "rsa" else ec.generate_private_key(ec.SECP256R1() if kind == "ec" else ec.SECP384R1())

    def certificate(subject, key, issuer, issuer_key, names=(), ca=False, start=now - day, end=now + 30 * day, uses=(), raw_names=None, hashed=hashes.SHA256()):
        builder = (x509.CertificateBuilder().subject_name(named(subject)).issuer_name(named(issuer)).public_key(key.public_key())
                   .serial_number(x509.random_serial_number()).not_valid_before(start).not_valid_after(end)
                   .add_extension(x509.BasicConstraints(ca, None), critical=True))
        if names:
            general = [x509.IPAddress(ipaddress.ip_address(n[3:])) if n.startswith("ip:") else x509.DNSName(n) for n in names]
            builder = builder.add_extension(x509.SubjectAlternativeName(general), critical=False)
        if raw_names:
            builder = builder.add_extension(x509.UnrecognizedExtension(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, raw_names), critical=False)
        if uses:
            builder = builder.add_extension(x509.ExtendedKeyUsage(uses), critical=False)
        return builder.sign(issuer_key, hashed)

    def write(name, certificates, key=None):
        with open(os.path.join(folder, name + ".pem"), "wb") as file:
            file.write(b"".join(c.public_bytes(serialization.Encoding.PEM) for c in certificates))
        if key:
            descriptor = os.open(os.path.join(folder, name + ".key"), os.O_WRONLY | os.O_CREAT, 0o600)
            os.write(descriptor, key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
            os.close(descriptor)
            spki = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
            print(name, "sha256//" + base64.b64encode(hashlib.sha256(spki).digest()).decode())

    keys = {kind: key_of(kind) for kind in ("ec", "ec384", "rsa")}
    ca_key, middle_key, other_key = key_of("ec"), key_of("rsa"), key_of("ec")
    ca = certificate("lab CA", ca_key, "lab CA", ca_key, ca=True)
    middle = certificate("lab middle CA", middle_key, "lab CA", ca_key, ca=True)
    other = certificate("other CA", other_key, "other CA", other_key, ca=True)
    local = ["localhost", "ip:127.0.0.1"]

    write("ca", [ca])
    write("other-ca", [other])
    write("two-cas", [other, ca])
    write("many-cas", [other] * 17)
    with open(os.path.join(folder, "nul-ca.pem"), "wb") as file:
        file.write(b"\0".join(c.public_bytes(serialization.Encoding.PEM) for c in (ca, other)))
    write("ec", [certificate("appliance", keys["ec"], "lab CA", ca_key, local)], keys["ec"])
    for name, hashed in (("sha384", hashes.SHA384()), ("sha512", hashes.SHA512())):
        write(name, [certificate("appliance", keys["ec"], "lab CA", ca_key, local, hashed=hashed)], keys["ec"])
    genuine = certificate("appliance", keys["ec"], "lab CA", ca_key, local).public_bytes(serialization.Encoding.DER)
    write("forged", [x509.load_der_x509_certificate(genuine[:-1] + bytes([genuine[-1] ^ 1]))], keys["ec"])
    write("ec384", [certificate("appliance", keys["ec384"], "lab CA", ca_key, local)], keys["ec384"])
    write("rsa", [certificate("appliance", keys["rsa"], "lab middle CA", middle_key, local), middle], keys["rsa"])
    write("self", [certificate("appliance", keys["rsa"], "appliance", keys["rsa"])], keys["rsa"])
    write("own", [certificate("appliance", keys["rsa"], "appliance", keys["rsa"], local)], keys["rsa"])
    write("expired", [certificate("appliance", keys["ec"], "lab CA", ca_key, local, start=now - 9 * day, end=now - day)], keys["ec"])
    write("future", [certificate("appliance", keys["ec"], "lab CA", ca_key, local, start=now + day)], keys["ec"])
    write("elsewhere", [certificate("appliance", keys["ec"], "lab CA", ca_key, ["other.example", "ip:192.0.2.1"])], keys["ec"])
    old_ca = certificate("lab CA", ca_key, "lab CA", ca_key, ca=True, start=now - 9 * day, end=now - day)
    write("old-ca", [old_ca])
    write("future-ca", [certificate("lab CA", ca_key, "lab CA", ca_key, ca=True, start=now + day)])
    write("old-and-ca", [old_ca, ca])
    write("for-clients", [certificate("appliance", keys["ec"], "lab CA", ca_key, local, uses=[ExtendedKeyUsageOID.CLIENT_AUTH])], keys["ec"])
    write("for-both", [certificate("appliance", keys["ec"], "lab CA", ca_key, local,
                                   uses=[ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH])], keys["ec"])
    write("for-any", [certificate("appliance", keys["ec"], "lab CA", ca_key, local, uses=[ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE])], keys["ec"])
    nul_name = b"localhost\0.example"
    write("nul-name", [certificate("appliance", keys["ec"], "lab CA", ca_key,
                                   raw_names=bytes([0x30, len(nul_name) + 2, 0x82, len(nul_name)]) + nul_name)], keys["ec"])
    write("six", [certificate("appliance", keys["ec"], "lab CA", ca_key, ["ip:::1"])], keys["ec"])
    write("nameless", [certificate("appliance", keys["ec"], "lab CA", ca_key, ["localhost"])], keys["ec"])
    write("by-leaf", [certificate("appliance", keys["ec"], "appliance", keys["rsa"], local),
                      certificate("appliance", keys["rsa"], "lab CA", ca_key)], keys["ec"])
    write("long", [certificate("appliance", keys["ec"], "lab CA", ca_key, ["host-%04d.example" % i for i in range(300)])], keys["ec"])
    write("longer", [certificate("appliance", keys["ec"], "lab CA", ca_key, ["host-%04d.example" % i for i in range(1000)])], keys["ec"])
    # Somebody who has the pinned certificate, which is public, but not its key: OpenSSL only compares the public halves.
    scalar = keys["ec"].private_numbers().private_value.to_bytes(32, "big")
    der = keys["ec"].private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    wrong = base64.encodebytes(der.replace(scalar, bytes(31) + b"\x07")).decode()
    os.link(os.path.join(folder, "ec.pem"), os.path.join(folder, "stolen.pem"))
    with open(os.path.join(folder, "stolen.key"), "w") as file:
        file.write("-----BEGIN PRIVATE KEY-----\n" + wrong + "-----END PRIVATE KEY-----\n")
    with open(os.path.join(folder, "garbage.pem"), "w") as file:
        file.write("-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgI=\n-----END CERTIFICATE-----\n")
    with open(os.path.join(folder, "empty.pem"), "w") as file:
        file.write("nothing here\n")


# --- the server

def context_of(options, side):
    context = ssl.SSLContext(side)
    context.minimum_version = VERSIONS[options.min]
    context.maximum_version = VERSIONS[options.max]
    if options.ciphers:
        context.set_ciphers(options.ciphers + ":@SECLEVEL=0")
    return context


def obey(tls):
    line = b""
    while not line.endswith(b"\n"):
        byte = tls.recv(1)
        if not byte:
            return "end"
        line += byte
    word, _, rest = line.decode().strip().partition(" ")
    if word == "sni":
        tls.sendall((getattr(tls, "asked_name", None) or "-").encode() + b"\n")
    elif word == "echo":
        while True:
            data = tls.recv(PIECE)
            if not data:
                break
            tls.sendall(data)
    elif word in ("send", "cut"):
        tls.sendall(pattern(int(rest)))
    elif word == "take":
        got = b""
        while len(got) < int(rest):
            got += tls.recv(PIECE)
        tls.sendall(b"good\n" if got == pattern(int(rest)) else b"bad\n")
    return word


def relay(outside, inside, options):
    """Between the network and the TLS server: only the first so many bytes of the server, or all of them in small pieces."""
    left = options.bytes
    sent = 0

    def inward():
        try:
            while True:
                data = outside.recv(PIECE)
                if not data:
                    break
                inside.sendall(data)
            inside.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    threading.Thread(target=inward, daemon=True).start()
    outside.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while left != 0:
        if options.hangup:
            time.sleep(0.05)  # so that the end of the handshake and of the session go out together
        data = inside.recv(random.randrange(1, 8) if options.dribble else PIECE)
        if not data:
            break
        if left > 0:
            data = data[:left]
            left -= len(data)
        if sent <= options.flip < sent + len(data):
            data = bytearray(data)
            data[options.flip - sent] ^= 0x10
        sent += len(data)
        outside.sendall(data)
    if options.hold:
        time.sleep(60)
    outside.shutdown(socket.SHUT_RDWR)
    outside.close()


def serve_one(plain, context, options):
    try:
        if options.bytes >= 0 or options.flip >= 0 or options.dribble or options.hangup:
            inside, mine = socket.socketpair()
            threading.Thread(target=relay, args=(plain, mine, options), daemon=True).start()
            plain = inside
        if options.buffer:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, options.buffer)
        tls = context.wrap_socket(plain, server_side=True)
        word = "" if options.hangup else obey(tls)
        if word == "cut":
            tls.shutdown(socket.SHUT_WR)
            tls.close()
            return
        tls.unwrap().close()
    except (OSError, ValueError):
        plain.close()


def serve(options):
    context = context_of(options, ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(options.certificate + ".pem", options.certificate + ".key")

    def asked(tls, name, _):
        tls.asked_name = name

    context.sni_callback = asked
    if options.want_client:
        context.verify_mode = ssl.CERT_OPTIONAL
        context.load_verify_locations(options.certificate + ".pem")
    listener = socket.create_server((options.host, 0), family=socket.AF_INET6 if ":" in options.host else socket.AF_INET)
    if options.buffer:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, options.buffer)
    print(listener.getsockname()[1], flush=True)

    def accept():
        while True:
            plain, _ = listener.accept()
            threading.Thread(target=serve_one, args=(plain, context, options), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    sys.stdin.read()


class Xmi:
    """One connection. Tells "N connect", "N request PATH CREDENTIALS" and how it ended: "N end" in order, "N cut", "N reset"."""
    def __init__(self, number, plain, context):
        self.number = number
        self.raw = plain.dup()
        self.tell("connect")
        try:
            self.tls = context.wrap_socket(plain, server_side=True, suppress_ragged_eofs=False)
            asked = 0
            while self.serve(asked):
                asked += 1
        except ConnectionResetError:
            self.tell("reset")
        except OSError:
            self.tell("cut")

    def tell(self, words):
        os.write(sys.stdout.fileno(), f"{self.number} {words}\n".encode())  # whole lines: print() of two threads comes in pieces

    def wait_for_end(self):
        self.raw.recv(1, socket.MSG_PEEK)  # TLS says of a reset only that the session has not ended
        while self.tls.recv(PIECE):
            pass
        self.tell("end")
        self.tls.unwrap()

    def answer(self, content, head=""):
        body = ('<env:Envelope xmlns:env="http://schemas.xmlsoap.org/soap/envelope/"><env:Body>'
                '<dp:response xmlns:dp="http://www.datapower.com/schemas/management">' + content + "</dp:response></env:Body></env:Envelope>")
        self.tls.sendall(f"HTTP/1.1 200 Good\r\n{head}Transfer-Encoding: chunked\r\n\r\n{len(body):x}\r\n{body}\r\n0\r\n\r\n".encode())

    def serve(self, asked):
        data = b""
        while b"\r\n\r\n" not in data:
            more = self.tls.recv(PIECE)
            if not more:
                self.tell("end")
                self.tls.unwrap()
                return False
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        while len(body) < int(fields["content-length"]):
            body += self.tls.recv(PIECE)
        path = lines[0].split()[1]
        self.tell(f"request {path} {base64.b64decode(fields['authorization'].split()[1]).decode()}")
        done = "<dp:result>OK</dp:result>" if b"modify-config" in body else "<dp:status/>"
        if path == "/deny":
            done = "<dp:result>Authentication failure</dp:result>"
        if path == "/silent":
            self.wait_for_end()
        elif path == "/drip":
            self.tls.sendall(b"HTTP/1.1 200 Good\r\nTransfer-Encoding: chunked\r\n\r\n")
            while True:
                self.tls.sendall(b"1\r\n \r\n")
                time.sleep(0.002)
        elif path == "/cut" and asked > 0:  # a kept connection that ends instead of an answer
            self.tls.unwrap()
            self.tell("end")
        elif path == "/close":
            self.answer(done, "Connection: close\r\n")
            self.wait_for_end()
        elif path == "/drop":  # kept by its word, and closed
            self.answer(done)
            self.tls.unwrap()
            self.tell("end")
        elif path == "/chatter":
            self.answer(done)
            self.tls.sendall(b"HTTP/1.1 200 Good\r\nContent-Length: 2\r\n\r\nxx")
            self.wait_for_end()
        else:
            self.answer(done)
            return True
        return False


def xmi(options):
    context = context_of(options, ssl.PROTOCOL_TLS_SERVER)
    context.num_tickets = 0  # who closes with bytes unread sends a reset, and that is looked for
    context.load_cert_chain(options.certificate + ".pem", options.certificate + ".key")
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)

    def accept():
        number = 0
        while True:
            plain, _ = listener.accept()
            number += 1
            threading.Thread(target=Xmi, args=(number, plain, context), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    sys.stdin.read()


def renegotiate(options):
    """OpenSSL's own server: a line "R" makes it ask for another handshake."""
    server = subprocess.Popen(["openssl", "s_server", "-accept", "127.0.0.1:0", "-tls1_2", "-cert", options.certificate + ".pem",
                               "-key", options.certificate + ".key"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def drain():
        for line in server.stdout:
            if line.startswith("ACCEPT"):
                print(line.strip().rpartition(":")[2], flush=True)

    threading.Thread(target=drain, daemon=True).start()
    for line in sys.stdin:
        server.stdin.write(line)
        server.stdin.flush()
    server.kill()
    server.wait()


def connect(options):
    context = context_of(options, ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", options.port)) as plain:
        tls = context.wrap_socket(plain, server_hostname="localhost")
        tls.sendall(b"hello " + pattern(100000).replace(b"\n", b" ") + b"\n")
        line = tls.makefile("rb").readline().decode().strip()
        print(tls.version(), line, flush=True)
        try:
            tls.unwrap()
        except OSError:
            pass


def main():
    signal.alarm(60)
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("make", "serve", "xmi", "renegotiate", "connect"))
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--certificate")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--min", default="1.2")
    parser.add_argument("--max", default="1.3")
    parser.add_argument("--ciphers")
    parser.add_argument("--port", type=int)
    parser.add_argument("--bytes", type=int, default=-1, help="of the server that go out")
    parser.add_argument("--hold", action="store_true", help="and then silence instead of the end")
    parser.add_argument("--flip", type=int, default=-1, help="which byte of the server goes out with a bit changed")
    parser.add_argument("--hangup", action="store_true", help="end the session right behind the handshake")
    parser.add_argument("--dribble", action="store_true")
    parser.add_argument("--buffer", type=int, help="small socket buffers")
    parser.add_argument("--want-client", action="store_true", help="ask for a client certificate, but live without")
    options = parser.parse_args()
    if options.what == "make":
        make(options.folder)
    elif options.what == "serve":
        serve(options)
    elif options.what == "xmi":
        xmi(options)
    elif options.what == "renegotiate":
        renegotiate(options)
    else:
        connect(options)


main()
