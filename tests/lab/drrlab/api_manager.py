"""API Manager's REST side: tokens, catalogs whose summary is a webhook's reason, and how far the gateway service is with the events it was sent.

POST /api/token; GET and PATCH /api/catalogs/ORG/CATALOG; GET /api/catalogs/ORG/CATALOG/configured-gateway-services.  Off unless `manager` says yes; read when the lab starts.
"""

import asyncio
import json
import os
import secrets
import ssl
import time

from .xmi import end

ORG = "acme"
CATALOGS = ("sandbox", "production")
PORT = 2000
HOST_NAME = "manager.lab.example"


class ApiManager:
    def __init__(self, lab):
        self.lab = lab
        self.switches = lab.switches
        self.catalogs = {name: None for name in CATALOGS}
        self.tokens = {}                # token: until when, on the monotonic clock
        self.client = ("drrctl", secrets.token_urlsafe(12))
        self.user = ("alice", secrets.token_urlsafe(12))
        self.api_key = secrets.token_urlsafe(24)
        self.address = self.pin = ""
        self.certificate = os.path.join(lab.directory, "manager.pem")

    async def start(self):
        if not self.switches.manager:
            return
        self.address = self.lab.members[0].address
        self.pin = self.lab.authority.issue(self.certificate, "ecdsa", "self", self.address, HOST_NAME)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate)
        self._server = await asyncio.start_server(self._serve, self.address, PORT, ssl=context, limit=1 << 20)
        for name, secret in (("client_secret", self.client[1]), ("manager_password", self.user[1]), ("api_key", self.api_key)):
            with open(os.open(os.path.join(self.lab.directory, name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
                file.write(secret + "\n")

    def describe(self):
        """None: it is off."""
        if not self.pin:
            return None
        at = self.lab.directory
        return {"url": f"https://{self.address}:{PORT}", "pin": self.pin, "org": ORG, "catalogs": list(CATALOGS), "realm": "provider/default-idp-2", "client_id": self.client[0],
                "client_secret_file": os.path.join(at, "client_secret"), "username": self.user[0], "password_file": os.path.join(at, "manager_password"),
                "api_key_file": os.path.join(at, "api_key")}

    def expire(self):
        """All tokens, now."""
        self.tokens = {token: 0.0 for token in self.tokens}

    # ---- requests

    async def _serve(self, reader, writer):
        self.lab.adopt(asyncio.current_task())
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                method, target, _ = head[0].split(" ", 2)
                fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
                body = await reader.readexactly(int(fields.get("content-length", 0)))
                if self.switches.manager_fault == "silent":
                    await self.lab.loop.create_future()
                status, answer = self.answer(method, target, fields, body)
                # never the body: it holds passwords
                self.lab.effects.add("manager_request", method=method, target=target, status=status)
                data = json.dumps(answer).encode()
                writer.write(f"HTTP/1.1 {status} Status\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ssl.SSLError, ValueError, asyncio.CancelledError):
            pass
        finally:
            end(writer, "close-notify")

    @staticmethod
    def problem(status, text):
        return status, {"status": status, "message": [text]}

    def answer(self, method, target, fields, body):
        """(status, object)"""
        if self.switches.manager_fault == "500":
            return self.problem(500, "internal error")
        try:
            given = json.loads(body) if body else None
        except ValueError:
            return self.problem(400, "no JSON")
        path, _, query = target.partition("?")
        if path == "/api/token":
            return self.token(method, given)
        if self.tokens.get(fields.get("authorization", "").removeprefix("Bearer "), 0.0) <= time.monotonic():
            return self.problem(401, "the token is not valid, or has expired")
        parts = path.strip("/").split("/")
        if parts[:3] != ["api", "catalogs", ORG] or len(parts) not in (4, 5) or parts[3] not in self.catalogs:
            return self.problem(404, "not found")
        if len(parts) == 5:
            return self.services(query) if parts[4] == "configured-gateway-services" and method == "GET" else self.problem(404, "not found")
        return self.catalog(method, parts[3], given)

    def token(self, method, given):
        if method != "POST" or not isinstance(given, dict):
            return self.problem(400, "a token is asked for with POST and an object")
        kinds = {"password": {"username": self.user[0], "password": self.user[1]}, "api_key": {"api_key": self.api_key}, "client_credentials": {}}
        wanted = kinds.get(given.get("grant_type"))
        good = wanted is not None and (given.get("client_id"), given.get("client_secret")) == self.client and all(given.get(k) == v for k, v in wanted.items())
        if given.get("grant_type") == "password" and not given.get("realm"):
            return self.problem(400, "realm is missing")
        self.lab.effects.add("manager_login", grant_type=given.get("grant_type"), good=good and self.switches.manager_fault != "refuse")
        if not good or self.switches.manager_fault == "refuse":
            return self.problem(401, "Invalid credentials")
        token = secrets.token_urlsafe(900)      # as long as real ones
        lifetime_s = self.switches.manager_token_s
        self.tokens[token] = time.monotonic() + lifetime_s
        return 200, {"access_token": token, "token_type": "Bearer", "expires_in": int(lifetime_s)}

    def catalog(self, method, name, given):
        if method == "PATCH":
            if not isinstance(given, dict) or set(given) - {"summary"}:
                return self.problem(400, "summary")
            changed = given.get("summary") != self.catalogs[name]
            self.catalogs[name] = given.get("summary")
            self.lab.effects.add("summary", catalog=name, summary=self.catalogs[name])
            if changed and self.switches.manager_fault != "quiet":
                self.lab.task(self.lab.manager.webhook("catalog " + name))
        elif method != "GET":
            return self.problem(405, "method")
        return 200, {"type": "catalog", "name": name, "title": name, **({} if self.catalogs[name] is None else {"summary": self.catalogs[name]})}

    def services(self, query):
        """The one gateway service, that of the lab's members: up to date when none waits and nothing is on its way."""
        service = {"type": "configured_gateway_service", "name": "gateway-service", "gateway_service_type": "datapower-api-gateway"}
        if query == "fields=add(gateway_processing_status,events)":
            waiting = [m for m in self.lab.members if m.service.state != "up"]
            under_way = self.lab.manager.under_way + (1 if self.lab.manager.resync_running else 0)
            queued = len(waiting) * self.switches.resync_transactions
            service["gateway_processing_status"] = {"number_of_outstanding_sent_events": under_way, "number_of_outstanding_queued_events": queued,
                                                    "service_up_to_date": not waiting and not under_way}
            service["service_state"] = "online" if any(m.service.listening for m in self.lab.members) else "offline"
        return 200, {"total_results": 1, "results": [service]}

    def stop(self):
        if self.pin:
            self._server.close()
