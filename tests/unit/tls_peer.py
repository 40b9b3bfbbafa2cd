#!/usr/bin/python3
"""The other side for test_tls.c.

  tls_peer.py make FOLDER      makes keys and certificates; prints "NAME PIN" for each key
  tls_peer.py serve OPTIONS    a TLS server on 127.0.0.1; prints its port
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
    from cryptography.x509.oid import NameOID

    now = datetime.datetime.utcnow()
    day = datetime.timedelta(days=1)

    def named(name):
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])

    def key_of(kind):
        return rsa.generate_private_key(65537, 2048) if kind == "rsa" else ec.generate_private_key(ec.SECP256R1() if kind == "ec" else ec.SECP384R1())

    def certificate(subject, key, issuer, issuer_key, names=(), ca=False, start=now - day, end=now + 30 * day):
        builder = (x509.CertificateBuilder().subject_name(named(subject)).issuer_name(named(issuer)).public_key(key.public_key())
                   .serial_number(x509.random_serial_number()).not_valid_before(start).not_valid_after(end)
                   .add_extension(x509.BasicConstraints(ca, None), critical=True))
        if names:
            general = [x509.IPAddress(ipaddress.ip_address(n[3:])) if n.startswith("ip:") else x509.DNSName(n) for n in names]
            builder = builder.add_extension(x509.SubjectAlternativeName(general), critical=False)
        return builder.sign(issuer_key, hashes.SHA256())

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
    write("ec384", [certificate("appliance", keys["ec384"], "lab CA", ca_key, local)], keys["ec384"])
    write("rsa", [certificate("appliance", keys["rsa"], "lab middle CA", middle_key, local), middle], keys["rsa"])
    write("self", [certificate("appliance", keys["rsa"], "appliance", keys["rsa"])], keys["rsa"])
    write("own", [certificate("appliance", keys["rsa"], "appliance", keys["rsa"], local)], keys["rsa"])
    write("expired", [certificate("appliance", keys["ec"], "lab CA", ca_key, local, start=now - 9 * day, end=now - day)], keys["ec"])
    write("future", [certificate("appliance", keys["ec"], "lab CA", ca_key, local, start=now + day)], keys["ec"])
    write("elsewhere", [certificate("appliance", keys["ec"], "lab CA", ca_key, ["other.example", "ip:192.0.2.1"])], keys["ec"])
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
    listener = socket.create_server(("127.0.0.1", 0))
    if options.buffer:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, options.buffer)
    print(listener.getsockname()[1], flush=True)

    def accept():
        while True:
            plain, _ = listener.accept()
            threading.Thread(target=serve_one, args=(plain, context, options), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    sys.stdin.read()


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
    parser.add_argument("what", choices=("make", "serve", "connect"))
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--certificate")
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
    else:
        connect(options)


main()
