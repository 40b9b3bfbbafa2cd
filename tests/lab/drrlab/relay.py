"""The wire between the members' Redis and Sentinel processes, which can be cut.

The processes listen on Unix sockets only. What the other members know of them, ADDRESS:PORT, is a listener in here that copies bytes;
who calls is known by the source address (bind-source-addr). A cut works as one does in a network: nothing is refused or closed,
what is under way is held back and arrives when the cut is healed, like a retransmission.
"""

import asyncio

COPY_BYTES = 1 << 16


class Relay:
    def __init__(self):
        self._gates = {}            # frozenset of two addresses -> asyncio.Event, set while bytes pass
        self._listeners = []
        self._tasks = set()

    async def listen(self, address, port, path):
        """Connections to address:port go to the Unix socket `path`."""
        async def accept(reader, writer):
            task = asyncio.current_task()
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            try:
                await self._carry(reader, writer, writer.get_extra_info("peername")[0], address, path)
            except (OSError, asyncio.CancelledError):
                pass
            finally:
                writer.transport.abort()
        self._listeners.append(await asyncio.start_server(accept, address, port))

    async def _carry(self, reader, writer, source, address, path):
        gate = self._gate(source, address)
        await gate.wait()
        from_server, to_server = await asyncio.open_unix_connection(path)
        try:
            await asyncio.gather(self._copy(reader, to_server, gate), self._copy(from_server, writer, gate))
        finally:
            to_server.transport.abort()

    async def _copy(self, reader, writer, gate):
        while True:
            data = await reader.read(COPY_BYTES)
            await gate.wait()
            if not data:
                raise ConnectionAbortedError    # one side is gone: the other one goes as well
            writer.write(data)
            await writer.drain()

    # ---- cuts

    def _gate(self, a, b):
        pair = frozenset((a, b))
        if pair not in self._gates:
            self._gates[pair] = asyncio.Event()
            self._gates[pair].set()
        return self._gates[pair]

    def cut(self, a, b):
        if a != b:
            self._gate(a, b).clear()

    def heal(self, a, b):
        self._gate(a, b).set()

    def passes(self, a, b):
        return a == b or self._gate(a, b).is_set()

    def close(self):
        for listener in self._listeners:
            listener.close()
        for task in self._tasks:
            task.cancel()
