"""Where a session is cut or falls silent: cut_at / hang_at = SUBSTRING:WHEN[:N] or #K:WHEN."""

WHENS = ("before", "after", "confirm", "confirmed")


class FaultPoint:
    def __init__(self, text):
        """`text` may hold colons of its own; the last parts are WHEN and N."""
        parts = text.split(":")
        self.count = 1
        self.when = "before"
        if len(parts) > 1 and parts[-1].isdigit() and parts[-2] in WHENS:
            self.count = int(parts.pop())
        if len(parts) > 1 and parts[-1] in WHENS:
            self.when = parts.pop()
        self.pattern = ":".join(parts)
        self.line = int(self.pattern[1:]) if self.pattern.startswith("#") and self.pattern[1:].isdigit() else 0


class Faults:
    """The armed faults of one appliance; counts go over its sessions and begin anew when the switch is set."""

    def __init__(self, switches):
        self._switches = switches
        self._seen = {}

    def _point(self, name):
        text = self._switches.raw(name)
        if not text:
            self._seen.pop(name, None)
            return None
        if self._seen.get(name, ("", 0))[0] != text:
            self._seen[name] = (text, 0)
        return FaultPoint(text)

    def for_command(self, command):
        """The faults {name: when} that this command meets."""
        found = {}
        for name in ("cut_at", "hang_at"):
            point = self._point(name)
            if point is None or point.line or point.pattern not in command:
                continue
            text, seen = self._seen[name]
            self._seen[name] = (text, seen + 1)
            if seen + 1 == point.count:
                found[name] = point.when
        return found

    def for_line(self, number):
        """The same for the number-th line of a session."""
        found = {}
        for name in ("cut_at", "hang_at"):
            point = self._point(name)
            if point is not None and point.line == number:
                found[name] = point.when
        return found

    def fired(self, name):
        if not (name == "cut_at" and self._switches.cut_again):
            self._switches.set(name, "")
        self._seen.pop(name, None)
