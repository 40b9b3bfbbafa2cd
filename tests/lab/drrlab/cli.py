"""The command line of one session: log-in, modes, prompts, commands.

It does no input or output of its own: `Session` gets bytes by feed(), and gives bytes to the `transport` (write, close,
abort), so SSH, telnet and the console share every line of it.
"""

import asyncio

from . import peering_config, show
from .log import LEVELS
from .peering import PeeringError
from .terminal import Outlet, Terminal

PEERING_LONG = "Gateway Peering"
OBJECT_NAMES = {"apic-gw-service": "API Connect Gateway Service", "gateway-peering": PEERING_LONG,
                "gateway-peering-manager": "Gateway Peering Manager", "logging": "Log Target"}
# Words of `logging target` -> property of the class LogTarget.
TARGET_WORDS = {"admin-state": "mAdminState", "type": "Type", "format": "Format", "timestamp": "TimestampFormat", "size": "Size", "rotate": "Rotate",
                "local-file": "LocalFile", "remote-address": "RemoteAddress", "remote-port": "RemotePort", "rate-limit": "RateLimit"}
# What scripts write although a full command table would make it ambiguous.
ALIASES = {"co": "configure", "config": "configure", "sw": "switch", "sh": "show", "wr": "write"}


class SessionEnded(Exception):
    pass


class Session:
    """One CLI session.  way: ssh, telnet or console."""

    def __init__(self, appliance, transport, way, pty, user=None):
        self.appliance = appliance
        self.lab = appliance.lab
        self.switches = appliance.switches
        self.transport = transport
        self.way = way
        self.user = user                # set when SSH authenticated the user already
        self.id = self.lab.new_session_id(way)
        self.echo = (self.switches.echo_pty if pty else self.switches.echo_no_pty) == "yes"
        self.outlet = Outlet(self.lab, self.switches, transport.write, lambda why: self.cut(why))
        self.terminal = Terminal(self.outlet, lambda: "\r\n" if self.switches.newline == "crlf" else "\n")
        self.domain = "default"
        self.mode = "top"               # top, config, diag, object
        self.object = None              # (kind, name) in mode object
        self.changes = {}               # of that object, until `exit`
        self.command = None             # being run, for the effects
        self._faults = {}
        self._lines_read = 0
        self._line_faults = {}
        self._open = True
        self._logged_in = False
        self._task = None

    # ---- life

    def start(self):
        self.appliance.sessions.add(self)
        self._task = self.lab.task(self._run())

    def feed(self, data):
        self.appliance.when_awake(self.terminal.feed, data)

    def feed_eof(self):
        self.terminal.feed_eof()

    def lost(self):
        """The transport is gone: nothing that was not begun will be."""
        self._open = False
        self.appliance.sessions.discard(self)
        self.outlet.silence()
        if self._task:
            self._task.cancel()

    def cut(self, why, kind=None):
        """End the connection under the session."""
        if not self._open:
            return
        self._open = False
        kind = kind or self.switches.cut_kind
        self.appliance.effect("session_cut", self.id, self.command, why=why, kind=kind)
        self.appliance.sessions.discard(self)
        self.outlet.silence()
        self.transport.abort(kind == "reset")

    async def _run(self):
        noise = self.lab.task(self._noise())
        try:
            if await self._log_in():
                self._logged_in = True
                await self._command_loop()
                self._logged_in = False         # no log line follows `Goodbye.`
            await self.outlet.drained()
        except SessionEnded:
            pass
        except asyncio.TimeoutError:
            self.terminal.write(self.switches.text("cli_timeout_text"))
            self.appliance.effect("cli_timeout", self.id)
            await self.outlet.drained()
        finally:
            noise.cancel()
            self.appliance.sessions.discard(self)
            if self._open:
                self._open = False
                self.transport.close()

    # ---- log lines in the output

    def log_line(self, line):
        mixed = self.switches.ssh_mix_log if self.way == "ssh" else self.switches.telnet_mix_log
        if mixed and self._logged_in:
            self.terminal.write(line + "\n")
            if self.switches.prompt_redrawn:
                self.terminal.write(self.prompt())

    async def _noise(self):
        while True:
            rate = self.switches.ssh_noise_rate if self.way == "ssh" else self.switches.telnet_noise_rate
            await asyncio.sleep(1 / rate if rate > 0 else 0.2)
            if rate > 0 and self._logged_in:
                self.terminal.write(self.appliance.log.noise_line() + "\n")

    # ---- input, with the faults that hang on it

    async def _read(self, echo="yes"):
        """The next line of input; SessionEnded at its end."""
        await self.outlet.drained()
        if self._line_faults:
            await self._fire(self._line_faults, "after")
        if echo == "yes" and not self.echo:
            echo = "no"
        elif echo == "stars":
            echo = self.switches.password_echo if self.echo else "no"
        timeout = self.switches.cli_timeout or None
        line = await self.terminal.read_line(echo, timeout, self.switches.newline_without_echo)
        await self.appliance.awake.wait()
        if line is None:
            await self.outlet.drained()
            self.appliance.effect("input_end", self.id)
            raise SessionEnded if not self._open else _Eof
        self._lines_read += 1
        self._line_faults = self.appliance.faults.for_line(self._lines_read)
        await self._fire(self._line_faults, "before")
        if "after" in self._line_faults.values():
            self.outlet.hold()
        return line

    async def _fire(self, faults, when):
        for name, point in faults.items():
            if point != when:
                continue
            self.appliance.faults.fired(name)
            await self.outlet.drained()
            if name == "cut_at":
                self.cut(f"{when} the effect" if when in ("before", "after") else when)
                raise SessionEnded
            self.appliance.effect("session_hangs", self.id, self.command, when=when)
            self.outlet.silence()
            await asyncio.get_running_loop().create_future()        # until the client gives up

    async def _confirm(self, text):
        """`... Yes/No [y/n]: ` reads the next input line, whatever is left of the line that asked."""
        if "after" in self._faults.values():
            self.outlet.release()
        self.terminal.write(text + "Yes/No [y/n]: ")
        await self._fire(self._faults, "confirm")
        answer = (await self._read()).strip().lower()
        await self._fire(self._faults, "confirmed")
        if "after" in self._faults.values():
            self.outlet.hold()
        self.appliance.effect("answer", self.id, self.command, text=answer if answer in ("y", "n", "yes", "no", "") else "(other)")
        return answer in ("y", "yes")

    # ---- log-in

    async def _log_in(self):
        s = self.switches
        if self.user is not None and s.ssh_after_auth == "nothing":
            self.appliance.effect("login", self.id, user=self.user, way=self.way)
        else:
            self.terminal.write(s.text("banner_before", name="instance-" + self.appliance.name))
            if not await self._ask_user():
                return False
        if s.force_password_change:
            await self._demand_new_password()
        if s.domain_prompt:
            await self._ask_domain()
        self._welcome()
        return True

    async def _ask_user(self):
        s = self.switches
        wrong = 0
        while True:
            self.terminal.write(s.text("login_prompt"))
            user = await self._read()
            self.terminal.write(s.text("password_prompt"))
            password = await self._read("stars")
            ok, reason = self.appliance.check_login(user, password, self.way)
            if ok:
                self.user = user
                self.appliance.effect("login", self.id, user=user, way=self.way)
                return True
            known = user if user in self.appliance.users() else "(unknown)"
            self.appliance.effect("login_refused", self.id, user=known, reason=reason, way=self.way,
                                  password_right=self.appliance.users().get(user) == password)
            wrong += 1
            text = {"locked": "lockout_text", "restricted": "restrict_admin_text"}.get(reason, "wrong_password_text")
            self.terminal.write(s.text(text))
            if s.login_tries and wrong >= s.login_tries:
                return False

    async def _demand_new_password(self):
        self.terminal.write(self.switches.text("force_password_text"))
        await self._read("stars")
        self.appliance.effect("password_change_attempt", self.id)
        self.terminal.write("Please re-enter new password to confirm: ")
        await self._read("stars")

    async def _ask_domain(self):
        while True:
            self.terminal.write(self.switches.text("domain_prompt_text"))
            answer = (await self._read()).strip()
            if answer in self.appliance.domains:
                self.domain = answer
                return
            if answer == "?":
                self.terminal.write("".join(f"  {name}\n" for name in self.appliance.domains))
            elif not answer:
                return
            else:
                self.terminal.write("\n% " + self.switches.text("unknown_domain_text", text=answer) + "\n\n")

    def _welcome(self):
        s = self.switches
        self.terminal.write("\nWelcome to IBM DataPower Gateway console configuration. \nCopyright IBM Corporation 1999, 2021 \n\n")
        self.terminal.write(show.version_lines(self.appliance) + "\n")
        self.terminal.write(s.text("banner_after"))

    # ---- the command loop

    def prompt(self):
        s = self.switches
        mode = {"top": "", "object": ""}.get(self.mode, f"({self.mode})")
        if self.mode == "object":
            kind, name = self.object
            mode = f"(config {kind}{' ' + name if name != 'default' else ''})"
        domain = "" if self.domain == "default" else f"[{self.domain}]"
        return s.prompt_format.format(prefix=s.prompt_prefix, name=s.system_name, domain=domain, mode=mode)

    async def _command_loop(self):
        try:
            while self._open:
                self.terminal.write(self.prompt())
                if self.switches.noise_after_prompt:
                    self.terminal.write(self.appliance.log.noise_line() + "\n")
                line = await self._read()
                for part in split_commands(line):
                    if await self._run_command(part) == "leave":
                        await self._fire(self._line_faults, "after")
                        return
        except _Eof:
            pass

    async def _run_command(self, text):
        self.command = self._without_password(text)
        self.appliance.effect("command", self.id, self.command, mode=self.mode, domain=self.domain, user=self.user)
        self._faults = self.appliance.faults.for_command(text)
        await self._fire(self._faults, "before")
        await self._move_primary(text, "before")
        if "after" in self._faults.values():
            self.outlet.hold()
        if self.switches.command_delay > 0:
            await asyncio.sleep(self.switches.command_delay)
        result = await self._execute(text)
        await self._move_primary(text, "after")
        if "after" in self._faults.values():
            await self._fire(self._faults, "after")
        self._faults = {}
        self.command = None
        return result

    def _without_password(self, text):
        """A client that lost track of the dialogue may send its password as a command: seen, but not kept."""
        for password in self.appliance.users().values():
            if password in text:
                self.appliance.effect("password_as_command", self.id)
                text = text.replace(password, "<password>")
        return text

    async def _move_primary(self, text, when):
        spec = self.switches.primary_moves_on
        if not spec:
            return
        pattern, _, point = spec.rpartition(":") if spec.endswith((":before", ":after")) else (spec, "", "before")
        if pattern in text and point == when:
            self.switches.set("primary_moves_on", "")
            await self.appliance.own_peering().move_away()

    def error(self, text):
        self.terminal.write(f"\n% {text}\n\n")

    def unknown(self, text):
        shown = text if self.switches.unknown_echoes == "line" else text.split()[0]
        self.terminal.write(f"Unknown command or macro ({shown})\n")

    def _table(self):
        """The commands of the present mode."""
        if self.mode == "diag":
            table = {"gateway-peering-flush": self._flush, "exit": self._exit, "show": self._show}
            if self.switches.peering_diag:
                table["gateway-peering-diag"] = self._diag_info
            return table
        if self.mode == "config":
            return {"apic-gw-service": self._enter_object, "gateway-peering": self._enter_object,
                    "gateway-peering-manager": self._enter_object, "gateway-peering-switch-primary": self._switch_primary,
                    "switch": self._switch_domain, "show": self._show, "exit": self._exit, "cancel": self._exit, "top": self._top,
                    "write": self._write, "logging": self._enter_target, "no": self._remove, "domain": self._nothing}
        if self.mode == "object":
            table = {"admin-state": self._property, "show": self._show, "exit": self._exit, "cancel": self._cancel, "top": self._top}
            if self.object[0] == "gateway-peering":
                table.update((word, self._property) for word in peering_config.CHANGEABLE)
            elif self.object[0] == "logging":
                table.update((word, self._property) for word in TARGET_WORDS)
                table.update({"event": self._target_event, "event-code": self._target_event})
            return table
        table = {"show": self._show, "switch": self._switch_domain, "configure": self._configure, "exit": self._exit,
                 "top": self._top, "write": self._write, "help": self._nothing, "echo": self._echo_text}
        if self.switches.diag_known and self.user == "admin":
            table["diag"] = self._diag
        return table

    async def _execute(self, text):
        words = text.split()
        if not words:
            return None
        handler = self._resolve(words[0], self._table())
        if handler is None:
            self.unknown(text)
            return None
        name, action = handler
        return await action(text, [name] + words[1:])

    def _resolve(self, word, table):
        if word in table:
            return word, table[word]
        if not self.switches.abbreviations:
            return (ALIASES[word], table[ALIASES[word]]) if word == "config" and "configure" in table else None
        if ALIASES.get(word) in table:
            return ALIASES[word], table[ALIASES[word]]
        found = [name for name in table if name.startswith(word)]
        return (found[0], table[found[0]]) if len(found) == 1 else None

    # ---- modes

    async def _configure(self, text, words):
        self.terminal.write(self.switches.config_text + "\n")
        self.mode = "config"

    async def _diag(self, text, words):
        self.terminal.write(self.switches.text("diag_text"))
        self.mode = "diag"

    async def _exit(self, text, words):
        if self.mode == "top":
            self.terminal.write(self.switches.text("goodbye_text"))
            self.appliance.effect("logout", self.id, self.command)
            return "leave"
        if self.mode == "object":
            self._apply()
            self.mode = "config"
        else:
            self.mode = "top"
        return None

    async def _cancel(self, text, words):
        self.changes = {}
        self.mode = "config"

    async def _top(self, text, words):
        if self.mode == "object" and self.switches.top_applies:
            self._apply()
        self.changes = {}
        self.mode = "top"

    async def _switch_domain(self, text, words):
        forms = self.switches.switch_forms
        args = words[1:]
        if args and "domain".startswith(args[0]) and len(args) == 2 and forms != "bare":
            args = args[1:]
        elif forms == "domain":
            self.unknown(text)
            return
        if len(args) != 1:
            self.unknown(text)
        elif args[0] in self.appliance.domains:
            self.domain = args[0]
        else:
            self.error(self.switches.text("unknown_domain_text", text=args[0]))

    def here(self):
        """Whether the session stands in the domain where the gateway's objects are."""
        return self.domain == self.lab.domain

    # ---- objects

    async def _enter_object(self, text, words):
        kind, name = words[0], words[1] if len(words) > 1 else "default"
        if kind == "gateway-peering" and len(words) < 2:
            self.error("Missing argument")
            return
        exists = self.here() and (kind != "gateway-peering" or name in self.lab.peering)
        self.terminal.write(self.switches.text("modify_text" if exists else "new_object_text", text=OBJECT_NAMES[kind]))
        self.object, self.mode, self.changes = (kind, name), "object", {}

    async def _enter_target(self, text, words):
        if len(words) < 3 or not "target".startswith(words[1]):
            self.error("Missing argument")
            return
        targets = self.appliance.targets
        exists = targets.find(self.domain, words[2]) or (self.here() and words[2] == targets.main_name and self.switches.log_target == "present")
        self.terminal.write(self.switches.text("modify_text" if exists else "new_object_text", text=OBJECT_NAMES["logging"]))
        self.object, self.mode, self.changes = ("logging", words[2]), "object", {}

    async def _target_event(self, text, words):
        if words[0] == "event-code" and len(words) == 2:
            self.changes.setdefault("event-code", []).append(words[1])
        elif words[0] == "event" and len(words) == 3 and words[2] in LEVELS:
            self.changes.setdefault("event", []).append((words[1], words[2]))
        else:
            self.error("Invalid value")

    async def _remove(self, text, words):
        """`no logging target NAME`"""
        targets = self.appliance.targets
        if len(words) != 4 or not "logging".startswith(words[1]) or not "target".startswith(words[2]):
            self.unknown(text)
        elif targets.find(self.domain, words[3]):
            targets.remove(self.domain, words[3])
            self.appliance.unsaved = True
            self.appliance.effect("log_target_removed", self.id, self.command, name=words[3])
        else:
            self.error(self.switches.text("unknown_object_text"))

    def _apply_target(self, name, changes):
        """Returns an error text or None."""
        targets = self.appliance.targets
        rows, codes = changes.pop("event", []), changes.pop("event-code", [])
        values = {TARGET_WORDS[word]: value for word, value in changes.items()}
        replaced = True
        if self.here() and name == targets.main_name and self.switches.log_target == "present":
            targets.set_main(values, rows)
        else:
            old = targets.find(self.domain, name)
            merged = {**(old.properties if old else {}), **values}
            problem = targets.problem(self.domain, name, merged)
            if problem:
                return problem
            replaced = targets.set(self.domain, name, merged, rows or (old.rows if old else []), codes or (old.codes if old else []))
        self.appliance.effect("log_target_set", self.id, self.command, name=name, domain=self.domain, replaced=replaced, type=values.get("Type", "file"),
                              local_file=values.get("LocalFile"), events=rows, codes=codes, changes=values)
        return None

    async def _property(self, text, words):
        if len(words) < 2:
            self.error("Missing argument")
        elif words[0] == "admin-state" and words[1] not in ("enabled", "disabled"):
            self.error("Invalid value")
        else:
            self.changes[words[0]] = words[1]

    def _apply(self):
        """`exit` from an object: its changes take effect, silently."""
        changes, self.changes = self.changes, {}
        if not changes:
            return
        kind, name = self.object
        if kind == "logging":
            self.appliance.unsaved = True
            problem = self._apply_target(name, changes)
            if problem:
                self.error(problem)
            return
        if not self.here():
            self.appliance.effect("changed_elsewhere", self.id, self.command, domain=self.domain, object=kind, changes=changes)
            return
        self.appliance.unsaved = True
        if self.switches.pending_line:
            self.terminal.write("%\tPending\n")
        if kind == "apic-gw-service" and "admin-state" in changes:
            problem = self.appliance.service.set_admin(changes["admin-state"] == "enabled", self.id, self.command)
            if problem:
                self.error(problem)
        elif kind == "gateway-peering":
            self.appliance.effect("object_changed", self.id, self.command, object=name, changes=changes)
            problem = peering_config.change_by_words(self.appliance, name, changes)
            if problem:
                self.error(problem)

    async def _write(self, text, words):
        if len(words) > 1 and not "memory".startswith(words[1]):
            self.unknown(text)
            return
        if await self._confirm("Overwrite previously saved configuration? "):
            self.appliance.save(self.id, self.command)
            self.terminal.write("Configuration saved successfully.\n")

    async def _nothing(self, text, words):
        """Known to the appliance, of no consequence here."""

    async def _echo_text(self, text, words):
        self.terminal.write(text.partition(" ")[2] + "\n")

    # ---- the commands of a DRR

    def _peering(self, words):
        if len(words) < 2:
            self.error("Missing argument")
        elif not self.here() or words[1] not in self.lab.peering:
            self.error(self.switches.text("unknown_object_text"))
        else:
            return self.lab.peering[words[1]]
        return None

    async def _switch_primary(self, text, words):
        s = self.switches
        peering = self._peering(words)
        if peering is None:
            return
        if s.switch_confirm_text and not await self._confirm(s.text("switch_confirm_text")):
            return
        await peering.refresh(self.appliance)
        if peering.is_primary(self.appliance):
            self.appliance.effect("switch_primary", self.id, self.command, object=peering.name, already=True)
            if s.already_primary_text:
                self.error(s.text("already_primary_text"))
            return
        if s.switch_primary == "error":
            self.error(s.text("switch_error_text"))
            return
        if s.switch_primary == "ignored":
            self.appliance.effect("switch_ignored", self.id, self.command, object=peering.name)
        else:
            problem = await peering.request_switch(self.appliance, self.id, self.command)
            if problem and s.switch_refused_text:
                self.error(s.text("switch_refused_text", text=problem))
                return
        if s.switch_text:
            self.terminal.write(s.text("switch_text") + "\n")

    async def _flush(self, text, words):
        s = self.switches
        peering = self._peering(words)
        if peering is None:
            return
        if s.flush_confirm and not await self._confirm(s.text("flush_confirm_text", name=peering.name)):
            self.terminal.write(s.text("flush_declined_text"))
            return
        if s.flush == "refused":
            self.appliance.effect("flush_refused", self.id, self.command, object=peering.name)
            self.error(s.text("flush_refused_text"))
        elif s.flush == "ignored":
            self.appliance.effect("flush_ignored", self.id, self.command, object=peering.name)
        else:
            await self._flush_now(peering)

    async def _flush_now(self, peering):
        s = self.switches
        try:
            written = await peering.flush(self.appliance, self.id, self.command)
        except PeeringError as problem:
            self.appliance.effect("flush_failed", self.id, self.command, object=peering.name, text=str(problem))
            self.error(str(problem))
            return
        if not written:
            self.appliance.effect("flush_on_replica", self.id, self.command, object=peering.name)
            if s.flush_replica_text:
                self.error(s.text("flush_replica_text"))
        elif s.flush_text:
            self.terminal.write(s.text("flush_text") + "\n")

    async def _diag_info(self, text, words):
        peering = self._peering(words)
        if peering is None:
            return
        await peering.refresh(self.appliance)
        if words[2:] == ["info"]:
            self.terminal.write(peering.info(self.appliance))
        elif words[2:] == ["sentinel", "info"]:
            self.terminal.write(peering.sentinel_info(self.appliance))
        else:
            self.error("Missing argument")

    # ---- show

    async def _show(self, text, words):
        if len(words) < 2:
            self.unknown(text)
            return
        found = self._resolve(words[1], show.commands(self))
        if found is None:
            self.unknown(text)
            return
        if found[0] == "gateway-peering-status":
            await self.appliance.own_peering().refresh(self.appliance)
        output = found[1](self, words[2:])
        if isinstance(output, show.Problem):
            self.error(output.text or self.switches.text("unknown_object_text"))
            return
        around = "\n" if self.switches.blank_around_show else ""
        self.terminal.write(around + output + around)


class _Eof(SessionEnded):
    """The client sent all that it had."""


def split_commands(line):
    """`a; b "x;y"` -> two commands; a quoted semicolon does not split."""
    parts, current, quoted = [], "", False
    for char in line:
        if char == '"':
            quoted = not quoted
        if char == ";" and not quoted:
            parts.append(current)
            current = ""
        else:
            current += char
    parts.append(current)
    return [p.strip() for p in parts if p.strip()]


