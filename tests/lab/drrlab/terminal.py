"""The two ends of a CLI session that know nothing of SSH, telnet or sockets: paced output, and lines of input."""

import asyncio


class Outlet:
    """Output of one session.  It can be held back, slowed down, split, or cut at any byte."""

    def __init__(self, lab, switches, send, cut):
        self._lab = lab
        self._switches = switches
        self._send = send               # bytes to the transport
        self._cut = cut                 # called when cut_out_bytes strikes
        self._queue = bytearray()
        self._held = None
        self._task = None
        self._idle = asyncio.Event()
        self._idle.set()
        self.sent = 0
        self.mute = False

    def write(self, data):
        if self.mute:
            return
        if self._held is not None:
            self._held += data
            return
        s = self._switches
        if not self._queue and not self._task and s.drip_bps <= 0 and s.split_output == 0 and s.cut_out_bytes <= 0:
            self.sent += len(data)
            self._send(bytes(data))
            return
        self._queue += data
        if not self._task:
            self._idle.clear()
            self._task = self._lab.task(self._pump())

    async def _pump(self):
        """Send the queue in the pieces and at the speed that the switches say."""
        s = self._switches
        while self._queue and not self.mute:
            size = len(self._queue)
            if s.split_output:
                size = s.split_output if s.split_output > 0 else self._lab.random.randrange(1, 40)
            if s.drip_bps > 0:
                size = min(size, max(1, s.drip_bps // 20))
            limit = s.cut_out_bytes
            if limit > 0:
                size = max(0, min(size, limit - self.sent))
            piece = bytes(self._queue[:size])
            del self._queue[:size]
            self.sent += len(piece)
            if piece:
                self._send(piece)
            if 0 < limit <= self.sent:
                s.set("cut_out_bytes", 0)
                await asyncio.sleep(0.005)      # so that what was sent before the cut does arrive
                self._cut(f"after {limit} bytes of output")
                break
            # A pause even where no speed is set: each piece is to be a packet of its own.
            await asyncio.sleep(len(piece) / s.drip_bps if s.drip_bps > 0 else 0.0005)
        self._task = None
        self._idle.set()

    async def drained(self):
        await self._idle.wait()

    def hold(self):
        if self._held is None:
            self._held = bytearray()

    def release(self):
        held, self._held = self._held, None
        if held:
            self.write(held)

    def silence(self):
        """Nothing more is ever sent."""
        self.mute = True
        self._queue.clear()
        self._held = None
        self._idle.set()


class Terminal:
    """Lines of input, with echo as a line editor does it: when the line is read, not when it arrives."""

    def __init__(self, outlet, newline):
        self.outlet = outlet
        self.newline = newline          # function: the line end of the output
        self._input = bytearray()
        self._eof = False
        self._wakeup = asyncio.Event()
        self._skip_lf = False

    def feed(self, data):
        self._input += data
        self._wakeup.set()

    def feed_eof(self):
        self._eof = True
        self._wakeup.set()

    def write(self, text):
        self.outlet.write(text.replace("\n", self.newline()).encode("utf-8", "surrogateescape"))

    async def read_line(self, echo="no", timeout=None, bare_newline=False):
        """A line without its end; None at end of input.  echo: yes, stars, none, no.  asyncio.TimeoutError after `timeout`."""
        line = bytearray()
        while True:
            while self._input:
                byte = self._input.pop(0)
                if self._skip_lf:
                    self._skip_lf = False
                    if byte in (0x0A, 0x00):
                        continue
                if byte in (0x0D, 0x0A):
                    self._skip_lf = byte == 0x0D
                    if echo != "no" or bare_newline:
                        self.write("\n")
                    return line.decode("utf-8", "replace")
                if byte == 0x04 and not line:
                    return None
                self._edit(line, byte, echo)
            if self._eof:
                return line.decode("utf-8", "replace") if line else None
            self._wakeup.clear()
            await asyncio.wait_for(self._wakeup.wait(), timeout)

    def _edit(self, line, byte, echo):
        if byte in (0x08, 0x7F):
            if line:
                line.pop()
                if echo in ("yes", "stars"):
                    self.outlet.write(b"\b \b")
        elif byte == 0x15:
            if echo in ("yes", "stars"):
                self.outlet.write(b"\b \b" * len(line))
            line.clear()
        elif byte == 0x03:
            line.clear()
        else:
            line.append(byte)
            if echo == "yes":
                self.outlet.write(bytes([byte]))
            elif echo == "stars":
                self.outlet.write(b"*")
