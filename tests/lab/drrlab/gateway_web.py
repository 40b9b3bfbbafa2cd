"""The gateway's own HTTPS doors: port 3000 (/health of the gateway service) and 9443 (/webapi-init-check).  Off unless `gateway_listen` says yes."""

import asyncio
import os
import ssl

from .xmi import Door, end

PORTS = (3000, 9443)


class GatewayDoors(Door):
    def __init__(self, appliance):
        super().__init__(appliance, os.path.join(appliance.lab.directory, appliance.name, "gateway.pem"), 0)
        self._servers = []

    async def listen(self):
        if self._servers or not (self.switches.gateway_listen and self.appliance.running) or self.switches.gateway_fault == "refuse":
            return
        context = self.context()
        for port in PORTS:
            self._servers.append(await self.open(self._serve, port, context))

    def listeners(self):
        return self._servers

    def stop(self):
        for server in self._servers:
            server.close()
        self._servers = []

    async def _serve(self, reader, writer):
        self.lab.adopt(asyncio.current_task())
        how = "close-notify"
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            path = head.split(" ", 2)[1]
            fault = self.switches.gateway_fault
            if fault == "hang":
                await self.lab.loop.create_future()
            if fault == "reset":
                how = "reset"
                return
            port = writer.get_extra_info("sockname")[1]
            if port == PORTS[0] and not self.appliance.service.listening and self.switches.health_when_down == "reset":
                how = "reset"
                return
            status, body = (500, b"") if fault == "500" else self.answer(port, path)
            reason = {200: "OK", 404: "Not Found", 500: "Internal Server Error", 503: "Service Unavailable"}[status]
            kind = "Content-Type: application/json\r\n" if body else ""
            writer.write(f"HTTP/1.1 {status} {reason}\r\n{kind}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ssl.SSLError, IndexError, asyncio.CancelledError):
            pass
        finally:
            end(writer, how)

    def answer(self, port, path):
        """(status, body)"""
        service = self.appliance.service
        if port == 3000 and path == "/health":
            return (200, self.switches.health_text.encode()) if service.listening else (503, b"")
        if port == 9443 and path == "/webapi-init-check":
            return (200, b"") if service.state == "up" and service.shown_collections() > 0 else (503, b"")
        return 404, b""
