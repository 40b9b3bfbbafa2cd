"""The effects record: what really happened, in order, one JSON object a line in DIR/effects.jsonl.

A test judges an agent by this file, not by what the agent says.  A line is written at the moment of the effect and
flushed before anything else can happen, so the order of the file is the order of the world.  Passwords are never in it.
"""

import json
import time


class Effects:
    def __init__(self, path):
        self._file = open(path, "w", buffering=1, encoding="utf-8")
        self.items = []
        self.listeners = []

    def add(self, effect, member=None, session=None, command=None, **more):
        item = {"seq": len(self.items) + 1, "time": round(time.time(), 6), "mono": round(time.monotonic(), 6),
                "member": member, "effect": effect, "session": session, "command": command}
        item.update(more)
        self.items.append(item)
        self._file.write(json.dumps(item) + "\n")
        for listener in self.listeners:
            listener(item)
        return item

    def close(self):
        self._file.close()
