#!/usr/bin/python3
"""An SSH server for test_ssh.c. Prints "PORT FINGERPRINT", then answers the line "counts" on its standard input with what it has seen;
ends when its standard input does, or after a minute, so that nothing is left behind."""
import argparse
import asyncio
import os
import signal
import sys

import asyncssh

SEEN = {"begun": 0, "password": 0, "rounds": 0, "answers": 0, "key": 0}
OPTIONS = argparse.Namespace()


class Server(asyncssh.SSHServer):
    def connection_made(self, conn):
        self.conn = conn
        conn._username = None  # asyncssh takes the empty user name for one that it has seen already

    def begin_auth(self, username):
        SEEN["begun"] += 1
        return "none" not in OPTIONS.auth

    def password_auth_supported(self):
        return "password" in OPTIONS.auth

    def kbdint_auth_supported(self):
        return "kbdint" in OPTIONS.auth

    def public_key_auth_supported(self):
        return "publickey" in OPTIONS.auth

    def validate_public_key(self, username, key):
        SEEN["key"] += 1
        return key.public_data in OPTIONS.client_keys

    def validate_password(self, username, password):
        SEEN["password"] += 1
        if OPTIONS.answer == "expired":
            raise asyncssh.PasswordChangeRequired("change it")
        if OPTIONS.answer == "hangup":
            self.conn.abort()
        if OPTIONS.answer == "disconnect":
            raise asyncssh.DisconnectError(14, "no more of this")
        return password == "secret\xe9" and username == OPTIONS.user

    def get_kbdint_challenge(self, username, lang, submethods):
        SEEN["rounds"] += 1
        if OPTIONS.answer == "two":
            return "", "", "", [("New password: ", False), ("Again: ", False)]
        return "", "be brief", "", [("Colour: ", True), ("Password: ", False)]

    def validate_kbdint_response(self, username, responses):
        SEEN["answers"] += 1
        if OPTIONS.answer == "again":
            SEEN["rounds"] += 1
            return "", "", "", [("Password: ", False)]
        return list(responses) == ["", "secret\xe9"]


async def serve(process):
    process.stdout.write("pty %s\r\n" % process.get_terminal_type())
    async for line in process.stdin:
        word, _, rest = line.strip().partition(" ")
        if word == "stderr":
            process.stderr.write(rest + "\r\n")
        elif word == "big":
            process.stdout.write("".join("%08d" % i for i in range(int(rest))) + "\r\n")
            await process.stdout.drain()
        elif word == "deaf":
            await asyncio.sleep(float(rest))
        elif word == "exit":
            process.stdout.write("x" * 3000 + "Goodbye.\r\n")
            process.exit(0)
            return
        elif word == "disconnect":
            process.stdout.write("x" * 3000 + "Goodbye.\r\n")
            # in one go and without closing the session before: what a service does that is shut down
            process.get_extra_info("connection")._send_disconnect(11, "maintenance", "")
            await asyncio.sleep(5)
            return
        else:
            process.stdout.write("%d %s\r\n" % (len(line), line.strip()))


def make_client_keys(folder):
    """Key pairs rsa, ecdsa, other (all PEM), ed25519 (OpenSSH's format). Those but `other` are registered."""
    for name, algorithm, form in (("rsa", "ssh-rsa", "pkcs1-pem"), ("ecdsa", "ecdsa-sha2-nistp256", "pkcs1-pem"), ("ecdsa8", "ecdsa-sha2-nistp384", "pkcs8-pem"),
                                  ("other", "ecdsa-sha2-nistp256", "pkcs1-pem"), ("ed25519", "ssh-ed25519", "openssh"), ("openssh", "ssh-rsa", "openssh")):
        key = asyncssh.generate_private_key(algorithm)
        key.write_private_key(folder + "/" + name, form)
        os.chmod(folder + "/" + name, 0o600)
        key.write_public_key(folder + "/" + name + ".pub")
        if name != "other":
            OPTIONS.client_keys.append(key.public_data)


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--auth", default="none")
    parser.add_argument("--user", default="admin")
    parser.add_argument("--key", default="ecdsa-sha2-nistp256")
    parser.add_argument("--signatures", default="")
    parser.add_argument("--answer", default="")
    parser.add_argument("--make-client-keys", metavar="FOLDER")
    parser.add_argument("--rekey", type=int, default=1 << 30)
    parser.add_argument("--legacy", action="store_true")
    parser.parse_args(namespace=OPTIONS)
    OPTIONS.client_keys = []
    if OPTIONS.make_client_keys:
        make_client_keys(OPTIONS.make_client_keys)
    key = asyncssh.generate_private_key(OPTIONS.key)
    more = {}
    if OPTIONS.signatures:
        more["signature_algs"] = OPTIONS.signatures.split(",")
    if OPTIONS.legacy:
        more.update(kex_algs=["diffie-hellman-group14-sha1"], encryption_algs=["aes128-cbc"], mac_algs=["hmac-sha1"])
    server = await asyncssh.create_server(Server, "127.0.0.1", 0, server_host_keys=[key], process_factory=serve, rekey_bytes=OPTIONS.rekey,
                                          encoding="latin-1", line_editor=False, **more)
    print(server.sockets[0].getsockname()[1], key.get_fingerprint(), flush=True)
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while await reader.readline():
        print(SEEN["begun"], SEEN["password"], SEEN["rounds"], SEEN["answers"], SEEN["key"], flush=True)


signal.alarm(60)
asyncio.run(main())
