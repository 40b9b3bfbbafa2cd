"""The doors of one appliance: SSH, telnet, and a console on a Unix socket.  All lead into cli.Session."""

import asyncio
import copy
import os
import socket
import struct
import warnings

warnings.filterwarnings("ignore")       # the library announces old ciphers of its own on import
import asyncssh                         # noqa: E402
from asyncssh import connection as ssh_connection   # noqa: E402
from asyncssh.packet import SSHPacket   # noqa: E402

from . import keys                      # noqa: E402
from .cli import Session                # noqa: E402
from .gateway_web import GatewayDoors   # noqa: E402
from .xmi import XmlManagement          # noqa: E402

MSG_USERAUTH_REQUEST = 50
CLOSE_GRACE_S = 5.0
PASSWORD_METHODS = {"password": ("password",), "keyboard-interactive": ("keyboard-interactive",),
                    "password+keyboard-interactive": ("password", "keyboard-interactive"), "publickey": ("publickey",), "password+publickey": ("password", "publickey")}


def reset(transport):
    """Close with RST: what is in flight is lost, as when a session is cut for real."""
    sock = transport.get_extra_info("socket")
    if sock is not None:
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError:
            pass
    transport.abort()


# ---- SSH

class CountingConnection(ssh_connection.SSHServerConnection):
    """The library's connection, with evidence of what a client sent before it was let in."""

    appliance = None

    def connection_made(self, transport):
        appliance = self.appliance
        s = appliance.switches
        appliance.auth["connections"] += 1
        if s.reset_on_connect != 0:
            if s.reset_on_connect > 0:
                s.set("reset_on_connect", s.reset_on_connect - 1)
            appliance.effect("connect_reset")
            reset(transport)
            self._owner = None
            return
        self._counted = True
        appliance.connections += 1
        super().connection_made(transport)
        if s.max_connections and appliance.connections > s.max_connections:
            appliance.effect("connection_refused", why="maximum-connections")
            self.disconnect(asyncssh.DISC_TOO_MANY_CONNECTIONS, "Too many connections")

    def data_received(self, data, datatype=None):
        if self._transport is not None:
            super().data_received(data, datatype)

    def eof_received(self):
        if self._transport is not None:
            super().eof_received()

    def connection_lost(self, exc=None):
        if getattr(self, "_counted", False):
            self._counted = False
            self.appliance.connections -= 1
        if self._owner is not None:
            super().connection_lost(exc)

    def limit_host_keys(self, which):
        """Offer only some signature algorithms."""
        wanted = {"both": None, "rsa": (b"ssh-rsa", b"rsa-sha2-256", b"rsa-sha2-512"), "rsa-sha1": (b"ssh-rsa",),
                  "ecdsa": (b"ecdsa-sha2-nistp256",)}[which]
        if wanted:
            self._server_host_key_algs = [a for a in self._server_host_key_algs if a in wanted]
        # Copies, because the library notes in the key object which signature the connection chose.
        self._server_host_keys = {a: copy.copy(k) for a, k in self._server_host_keys.items() if not wanted or a in wanted}

    def count_userauth(self, pkttype, pktid, packet):
        """Each authentication request is recorded: its method, and whether a password came with it; never the password."""
        copy = SSHPacket(packet.get_consumed_payload() + packet.get_remaining_payload())
        copy.get_byte()
        user = copy.get_string().decode("utf-8", "replace")
        copy.get_string()
        method = copy.get_string().decode("utf-8", "replace")
        given, right = False, None
        if method == "password":
            copy.get_boolean()
            given = True
            right = copy.get_string().decode("utf-8", "replace") == self.appliance.users().get(user)
            self.appliance.auth["password_received"] += 1
        self.appliance.auth["auth_requests"] += 1
        self.appliance.effect("auth_attempt", method=method, user=user if user in self.appliance.users() else "(other)",
                              password_received=given, password_right=right)
        if user == "" and not getattr(self, "_begun", False):
            # The library takes an empty user name for "the same as before", and would refuse it.
            self._username = None
        self._begun = True
        ssh_connection.SSHServerConnection._process_userauth_request(self, pkttype, pktid, packet)

    def count_newkeys(self, pkttype, pktid, packet):
        self.appliance.auth["kex_done"] += 1
        ssh_connection.SSHServerConnection._process_newkeys(self, pkttype, pktid, packet)

    _packet_handlers = dict(ssh_connection.SSHServerConnection._packet_handlers)
    _packet_handlers[MSG_USERAUTH_REQUEST] = count_userauth
    _packet_handlers[21] = count_newkeys


class Door(asyncssh.SSHServer):
    """Who is let in by SSH itself."""

    def __init__(self, appliance):
        self.appliance = appliance
        self.user = None
        self.conn = None

    def connection_made(self, conn):
        self.conn = conn

    def begin_auth(self, username):
        self.user = username
        return self.appliance.switches.ssh_au_method != "none"

    def _offers(self, method):
        return method in PASSWORD_METHODS.get(self.appliance.switches.ssh_au_method, ())

    def password_auth_supported(self):
        return self._offers("password")

    def validate_password(self, username, password):
        ok, reason = self.appliance.check_login(username, password, "ssh")
        if not ok:
            self.appliance.effect("login_refused", user=username, reason=reason, way="ssh", at="ssh")
        return ok

    def kbdint_auth_supported(self):
        return self._offers("keyboard-interactive")

    def get_kbdint_challenge(self, username, lang, submethods):
        return "", "", "", [("Password: ", False)]

    def validate_kbdint_response(self, username, responses):
        self.appliance.auth["password_received"] += 1
        right = bool(responses) and responses[0] == self.appliance.users().get(username)
        self.appliance.effect("auth_attempt", method="keyboard-interactive response", password_received=True, password_right=right,
                              user=username if username in self.appliance.users() else "(other)")
        return len(responses) == 1 and self.validate_password(username, responses[0])

    def public_key_auth_supported(self):
        return self._offers("publickey") and bool(self.appliance.switches.authorized_keys)

    def validate_public_key(self, username, key):
        try:
            entries = asyncssh.import_authorized_keys(open(self.appliance.switches.authorized_keys, encoding="utf-8").read())
        except (OSError, ValueError):
            return False
        return username in self.appliance.users() and entries.validate(key, "", "") is not None

    def session_requested(self):
        none = self.appliance.switches.ssh_au_method == "none"
        return ShellSession(self.appliance, self.conn, None if none else self.user)


class ShellSession(asyncssh.SSHServerSession):
    def __init__(self, appliance, conn, user):
        self.appliance = appliance
        self.conn = conn
        self.user = user
        self.chan = None
        self.pty = False
        self.session = None

    def connection_made(self, chan):
        self.chan = chan

    def pty_requested(self, term_type, term_size, term_modes):
        self.pty = self.appliance.switches.ssh_pty
        return self.pty

    def shell_requested(self):
        return True

    def exec_requested(self, command):
        self.appliance.effect("exec_requested", command=command if isinstance(command, str) else command.decode("utf-8", "replace"))
        return self.appliance.switches.exec_channel == "shell"

    def session_started(self):
        self.session = Session(self.appliance, self, "ssh", self.pty, self.user)
        self.session.start()

    def data_received(self, data, datatype):
        if self.session:
            self.session.feed(data)

    def eof_received(self):
        if self.session:
            self.session.feed_eof()
        return True                     # the other direction stays open: a script's input ends before its output

    def connection_lost(self, exc):
        if self.session:
            self.session.lost()
        self.conn.close()

    # what cli.Session calls

    def write(self, data):
        if not self.chan.is_closing():
            self.chan.write(data)

    def close(self):
        """The channel closes when all output is out; the connection when the client agrees, or soon after."""
        if not self.chan.is_closing():
            self.chan.exit(0)
        self.appliance.lab.later(CLOSE_GRACE_S, self.conn.close)

    def abort(self, with_reset):
        transport = self.conn._transport
        if transport is None:
            return
        if with_reset:
            reset(transport)
        else:
            transport.close()


# ---- telnet

IAC, DONT, DO, WONT, WILL, SB, SE = 255, 254, 253, 252, 251, 250, 240
ECHO, SUPPRESS_GO_AHEAD, TERMINAL_TYPE, WINDOW_SIZE = 1, 3, 24, 31


class TelnetFilter:
    """Takes negotiation out of the input and says what is to be answered.  Bytes may come cut anywhere."""

    def __init__(self):
        self._pending = bytearray()

    def feed(self, data):
        """Returns (text, answer)."""
        self._pending += data
        text, answer = bytearray(), bytearray()
        while self._pending:
            if self._pending[0] != IAC:
                text.append(self._pending.pop(0))
                continue
            used = self._negotiate(text, answer)
            if used == 0:
                break
            del self._pending[:used]
        return bytes(text), bytes(answer)

    def _negotiate(self, text, answer):
        """One IAC sequence at the head; 0: not all of it is there yet."""
        p = self._pending
        if len(p) < 2:
            return 0
        verb = p[1]
        if verb == IAC:
            text.append(IAC)
            return 2
        if verb == SB:
            end = p.find(bytes([IAC, SE]))
            return end + 2 if end >= 0 else 0
        if verb in (DO, DONT, WILL, WONT):
            if len(p) < 3:
                return 0
            if verb == DO and p[2] not in (ECHO, SUPPRESS_GO_AHEAD):
                answer += bytes([IAC, WONT, p[2]])
            elif verb == WILL and p[2] not in (TERMINAL_TYPE, WINDOW_SIZE, SUPPRESS_GO_AHEAD):
                answer += bytes([IAC, DONT, p[2]])
            return 3
        return 2


class TelnetProtocol(asyncio.Protocol):
    def __init__(self, appliance):
        self.appliance = appliance
        self.filter = TelnetFilter()
        self.session = None
        self.transport = None

    def connection_made(self, transport):
        self.transport = transport
        if self.appliance.switches.telnet_iac:
            self.write_raw(bytes([IAC, WILL, ECHO, IAC, WILL, SUPPRESS_GO_AHEAD, IAC, DO, TERMINAL_TYPE, IAC, DO, WINDOW_SIZE]))
        self.session = Session(self.appliance, self, "telnet", True)
        self.session.start()

    def data_received(self, data):
        text, answer = self.filter.feed(data)
        if answer:
            self.write_raw(answer)
        if text:
            self.session.feed(text)

    def eof_received(self):
        self.session.feed_eof()
        return True

    def connection_lost(self, exc):
        self.session.lost()

    def write(self, data):
        self.write_raw(data.replace(b"\xff", b"\xff\xff"))

    def write_raw(self, data):
        if not self.transport.is_closing():
            self.transport.write(data)

    def close(self):
        self.transport.close()

    def abort(self, with_reset):
        if with_reset:
            reset(self.transport)
        else:
            self.transport.close()


class ConsoleProtocol(asyncio.Protocol):
    """The serial console, for `lab pty`: no negotiation, and restrict-admin does not bite."""

    def __init__(self, appliance):
        self.appliance = appliance
        self.transport = None
        self.session = None

    def connection_made(self, transport):
        self.transport = transport
        self.session = Session(self.appliance, self, "console", True)
        self.session.start()

    def data_received(self, data):
        self.session.feed(data)

    def eof_received(self):
        self.session.feed_eof()
        return True

    def connection_lost(self, exc):
        self.session.lost()

    def write(self, data):
        if not self.transport.is_closing():
            self.transport.write(data)

    def close(self):
        self.transport.close()

    def abort(self, with_reset):
        self.transport.abort()


# ---- all doors of one member

class Servers:
    def __init__(self, appliance, index, ssh_port, telnet_port):
        self.appliance = appliance
        self.lab = appliance.lab
        self.ssh_port = ssh_port
        self.telnet_port = telnet_port
        self.console_name = f"console-{appliance.name}"
        self._key_index = index
        self.rsa = keys.rsa_key(asyncssh, index)
        self.ecdsa = keys.ecdsa_key(asyncssh)
        self.xmi = XmlManagement(appliance)
        self.gateway = GatewayDoors(appliance)
        self._options = {}
        self._listeners = {}

    def rekey(self):
        """Other host keys from now on: what a client that pins a key must refuse before it says anything."""
        self._key_index += 100
        self.rsa = keys.rsa_key(asyncssh, self._key_index)
        self.ecdsa = keys.ecdsa_key(asyncssh)
        self._options.clear()
        if self.xmi.pin:
            self.xmi.rekey()
        self.appliance.effect("rekey", rsa=self.rsa.get_fingerprint(), ecdsa=self.ecdsa.get_fingerprint())

    def _ssh_options(self):
        s = self.appliance.switches
        wanted = (s.hostkeys, s.ssh_kex, s.ssh_ciphers, s.ssh_macs, s.ssh_version, s.ssh_window, s.ssh_max_packet, s.ssh_rekey_bytes)
        if wanted not in self._options:
            lists = {"kex_algs": s.ssh_kex, "encryption_algs": s.ssh_ciphers, "mac_algs": s.ssh_macs}
            more = {name: text.split(",") for name, text in lists.items() if text}
            self._options[wanted] = asyncssh.SSHServerConnectionOptions(
                server_factory=lambda: Door(self.appliance), server_host_keys=[self.ecdsa, self.rsa], encoding=None, line_editor=False,
                server_version=s.ssh_version, window=s.ssh_window, max_pktsize=s.ssh_max_packet, rekey_bytes=s.ssh_rekey_bytes,
                agent_forwarding=False, x11_forwarding=False, compression_algs=None, gss_host=None, **more)
            self._options[wanted].proxy_command = None
        return self._options[wanted]

    def _ssh_factory(self):
        conn = CountingConnection(self.lab.loop, self._ssh_options(), None, None)
        conn.appliance = self.appliance
        conn.limit_host_keys(self.appliance.switches.hostkeys)
        return conn

    async def start_listening(self):
        s, loop, address = self.appliance.switches, self.lab.loop, self.appliance.address
        if s.ssh_listen and "ssh" not in self._listeners:
            self._listeners["ssh"] = await loop.create_server(self._ssh_factory, address, self.ssh_port, backlog=100)
            self.ssh_port = self._listeners["ssh"].sockets[0].getsockname()[1]
        if s.telnet_listen and "telnet" not in self._listeners:
            self._listeners["telnet"] = await loop.create_server(lambda: TelnetProtocol(self.appliance), address, self.telnet_port)
            self.telnet_port = self._listeners["telnet"].sockets[0].getsockname()[1]
        if "console" not in self._listeners:
            self._listeners["console"] = await listen_unix(loop, lambda: ConsoleProtocol(self.appliance), self.lab.directory, self.console_name)

        await self.xmi.listen()
        await self.gateway.listen()

    def cut_all(self):
        self.xmi.cut_all()

    def stop_listening(self):
        self.xmi.stop()
        self.gateway.stop()
        for listener in self._listeners.values():
            listener.close()
        self._listeners.clear()

    def _all_listeners(self):
        return [*self._listeners.values(), *self.xmi.listeners(), *self.gateway.listeners()]

    def pause(self):
        """The kernel goes on taking connections; nobody accepts them."""
        for server in self._all_listeners():
            for sock in server.sockets:
                self.lab.loop.remove_reader(sock.fileno())
            server._serving = False     # asyncio has no word for it

    def resume(self):
        for server in self._all_listeners():
            server._start_serving()

    async def relisten(self):
        """ssh_listen, telnet_listen, or a switch of the HTTPS doors changed."""
        self.xmi.stop()
        self.gateway.stop()
        for name, wanted in (("ssh", self.appliance.switches.ssh_listen), ("telnet", self.appliance.switches.telnet_listen)):
            if not wanted and name in self._listeners:
                self._listeners.pop(name).close()
        if self.appliance.running:
            await self.start_listening()


async def listen_unix(loop, factory, directory, name):
    """A Unix socket in a directory whose path may be longer than a socket address."""
    path = os.path.join(directory, name)
    if os.path.lexists(path):
        os.unlink(path)
    fd = os.open(directory, os.O_PATH | os.O_DIRECTORY)
    try:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        sock.bind(f"/proc/self/fd/{fd}/{name}")
        os.chmod(path, 0o600)
    finally:
        os.close(fd)
    return await loop.create_unix_server(factory, sock=sock)
