"""What the show commands print: byte for byte where that is known, by switch where it is not."""

import re
import time

from . import peering_config


SHOW_LOG_BYTES_MAX = 64 << 20


class Problem:
    """The object is not there, or the text says what is wrong."""

    def __init__(self, text=None):
        self.text = text


def commands(session):
    table = {"gateway-peering-status": peering_status, "gateway-peering": peering_dump, "gateway-peering-group": group_dump, "apic-gw-service": service_dump,
             "api-collection": collections_dump, "time": show_time, "version": version, "log": show_log, "file": show_file}
    if session.switches.show_logging != "unknown":
        table["logging"] = show_logging
    if session.switches.manager_present:
        table["gateway-peering-manager"] = manager_dump
    if session.switches.show_domains != "unknown":
        table["domains"] = table["domain"] = domains
    return table


def table_text(headings, rows):
    """The layout of every status table: one blank, then each cell left-aligned and padded to its column's width, then
    one blank, after the last column too; a row of dashes under the headings."""
    widths = [max(len(row[i]) for row in [headings] + rows) for i in range(len(headings))]
    lines = [headings, ["-" * w for w in widths]] + rows
    return "".join(" " + "".join(cell.ljust(w) + " " for cell, w in zip(line, widths)) + "\n" for line in lines)


# ---- gateway peering

SIX = ["Address", "Configuration name", "Pending updates", "Replication offset", "Link status", "Primary"]
NINE = SIX + ["Service port", "Monitor port", "Priority"]


def address_of(member):
    return member.switches.row_alias or member.address


def peering_status(session, words):
    switches = session.switches
    headings = NINE if switches.status_columns == "9" else SIX
    if switches.status_headings:
        headings = [h.strip() for h in switches.status_headings.split(",")]
    return table_text(headings, status_rows(session.lab, session.appliance, headings) if session.here() else [])


def status_rows(lab, viewer, headings):
    rows = []
    for member in lab.members:
        if member is not viewer and member.switches.row_missing:
            continue
        empty = [h.strip() for h in member.switches.row_empty.split(",")]
        for peering in lab.peering.values():
            row = peering.row(viewer, member)
            if row is None:
                continue
            cells = peering_cells(peering, row, viewer, member)
            rows.append(["" if h in empty else cells.get(h, "") for h in headings])
    return rows + stale_rows(lab, viewer, headings)


def stale_rows(lab, viewer, headings):
    """Peers that are long gone but were never removed."""
    peering = lab.peering["gwd"]
    rows = []
    for address in [a.strip() for a in viewer.switches.stale_rows.split(",") if a.strip()]:
        cells = {"Address": address, "Configuration name": "gwd", "Pending updates": "0", "Replication offset": "0", "Link status": "down",
                 "Primary": "no", "Service port": str(peering.service_port), "Monitor port": str(peering.monitor_port), "Priority": "-1"}
        rows.append([cells.get(h, "") for h in headings])
    return rows


def peering_cells(peering, row, viewer, member):
    """What the table says about `row`, with this member's switches applied."""
    s = member.switches
    service, monitor = peering_config.ports(member, peering)
    return {
        "Address": address_of(member), "Configuration name": peering.name,
        "Pending updates": s.row_pending or str(row.pending), "Replication offset": str(row.offset),
        "Link status": s.row_link if s.row_link and member is not viewer else ("ok" if row.link else "down"),
        "Primary": s.row_primary or ("yes" if row.primary else "no"),
        "Service port": str(service), "Monitor port": str(monitor),
        "Priority": s.row_priority or str(peering_config.priority(member, peering) if row.priority >= 0 else row.priority),
    }


def dump(header, properties):
    return f"{header}\n{'-' * len(header)}\n" + "".join(f" {name} {value}\n" for name, value in properties) + "\n"


def _modified(appliance, name):
    return " (modified)" if name in [n.strip() for n in appliance.switches.object_modified.split(",")] else ""


def singleton_header(appliance, kind, up):
    state = f"[{'up' if up else 'down'}]{_modified(appliance, kind)}"
    form = appliance.switches.singleton_header
    return {"plain": f"{kind} {state}", "default": f"{kind}: default {state}", "name": f"{kind}: {kind} {state}"}[form]


def uptime_iso(seconds):
    """xs:duration, as uptime3 has it."""
    seconds = int(seconds)
    return f"P{seconds // 86400}DT{seconds // 3600 % 24}H{seconds // 60 % 60}M{seconds % 60}S"


def peering_up(appliance):
    return appliance.switches.peering_admin


def peering_dump(session, words):
    if not session.here():
        return Problem() if words else ""
    names = words[:1] or list(session.lab.peering)
    text = ""
    for name in names:
        if name not in session.lab.peering:
            return Problem()
        text += _one_peering(session, session.lab.peering[name])
    return text


def _one_peering(session, peering):
    appliance = session.appliance
    s = appliance.switches
    up = peering.name != "gwd" or peering_up(appliance)
    service, monitor = peering_config.ports(appliance, peering)
    properties = [("admin-state", "enabled" if up else "disabled"),
                  ("local-address", s.local_address_text or address_of(appliance)),
                  ("local-port", str(service)), ("monitor-port", str(monitor))]
    if s.password_alias != "absent":
        properties.append(("password-alias", "gwd-peering-password  [up]" if s.password_alias == "set" else ""))
    if s.cluster_mode:
        properties += [("peer-group", f"{peering_config.group_name(appliance)}  [up]"), ("mode", "cluster")]
    elif s.peer_group:
        properties += [("enable-peer-group", "on"), ("peer-group", f"{peering_config.group_name(appliance)}  [up]")]
    else:
        peers = [m for m in session.lab.members if m is not appliance]
        properties += [("enable-peer-group", "on" if peers else "off")] + [("peer", address_of(m)) for m in peers]
    properties += [("priority", str(peering_config.priority(appliance, peering))), ("enable-ssl", "on" if s.peering_ssl else "off"),
                   ("idcred", f"{peering.name}-cred  [up]"), ("persistence", s.persistence)]
    if s.persistence == "local":
        properties.append(("local-directory", s.local_directory))
    elif s.persistence == "raid":
        properties.append(("raid-volume", f"{s.raid_volume}  [up]"))
    properties.append(("max-memory", str(s.max_memory)))
    state = "up" if up else "down"
    return dump(f"gateway-peering: {peering.name} [{state}]{_modified(appliance, peering.name)}", properties)


def group_dump(session, words):
    text = ""
    for name, properties in peering_config.groups(session.appliance) if session.here() else []:
        if not words or words[0] == name:
            lines = [("admin-state", "enabled"), ("mode", dict(properties[:2])["Mode"])]
            lines += [("peer-nodes", f"{node[0][1]} {node[1][1]}") for key, node in properties if key == "PeerNodes"]
            text += dump(f"gateway-peering-group: {name} [up]", lines)
    return text if text or not words else Problem()


def manager_dump(session, words):
    if not session.here():
        return Problem()
    s = session.switches
    up = "up" if peering_up(session.appliance) else "down"
    return dump(singleton_header(session.appliance, "gateway-peering-manager", True), [
        ("admin-state", "enabled"), ("apic-gw-service", f"{s.gw_object}  [{up}]"), ("rate-limit", "tms  [up]"),
        ("subscription", "subs  [up]"), ("ratelimit-module", "tms  [up] (deprecated)"), ("gws-rate-limit", "tms  [up]")])


def service_dump(session, words):
    if not session.here():
        return Problem()
    s, service = session.switches, session.appliance.service
    old = s.v5_compat or not s.manager_present
    properties = [("admin-state", "enabled" if service.admin_enabled else "disabled"), ("local-address", "0.0.0.0"), ("local-port", "3000"),
                  ("ssl-client", "gwd_client  [up]"), ("ssl-server", "gwd_server  [up]"), ("api-gw-address", "0.0.0.0"), ("api-gw-port", "9443"),
                  (s.v5_property, "on" if s.v5_compat else "off")]
    if old:
        properties.append(("gateway-peering", f"{s.gw_object}  [{'up' if peering_up(session.appliance) else 'down'}]"))
    else:
        properties.append(("gateway-peering-manager", "default  [up]"))
    properties += [("slm-mode", "autounicast"), ("debug-mode", "off")]
    return dump(singleton_header(session.appliance, "apic-gw-service", service.op_state == "up"), properties)


def collections_dump(session, words):
    if not session.here():
        return ""
    return "".join(dump(f"api-collection: catalog-{n + 1} [up]", [("admin-state", "enabled"), ("sandbox", "off"), ("cache-capacity", "128")])
                   for n in range(session.appliance.service.shown_collections()))


# ---- the box

def show_time(session, words):
    appliance = session.appliance
    zone = appliance.switches.timezone_min
    local = time.strftime("%a %b %d %H:%M:%S %Y ", time.gmtime(appliance.log.now() + 60 * zone)) + ("UTC" if zone == 0 else "LOC")
    return (f"    Local time: {local}\nUptime: reload: {uptime(appliance.uptime_reload())}\n"
            f"Uptime: reboot: {uptime(appliance.uptime_reboot())}\n")


def uptime(seconds):
    seconds = int(seconds)
    return f"{seconds // 86400} days {seconds // 3600 % 24:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def version_lines(appliance):
    s = appliance.switches
    delivery = "Delivery type: LTS\n" if s.delivery_type else ""
    return f"Version: {s.firmware} build 333705 on Jun 16, 2021 9:06:57 PM\n{delivery}Serial number: {s.serial}\n"


def version(session, words):
    return version_lines(session.appliance)


def domains(session, words):
    names = session.appliance.domains
    rows = [[n, "yes" if session.appliance.save_needed(n) else "no", "no", "no"] for n in names]
    if session.switches.show_domains == "table":
        return table_text(["Domain", "Needs save", "File capture", "Debug log"], rows)
    return "".join(dump(f"domain: {n} [up]", [("admin-state", "enabled")]) for n in names)


def show_file(session, words):
    """`show file logtemp:///gwd-log.log`, newest rotation only."""
    log = session.appliance.log
    name = words[0].rpartition("/")[2] if words else ""
    if not session.here() or name != log.path.rpartition("/")[2]:
        return Problem()
    return read_tail(log.path, 64 * 1024)


# ---- log targets

def show_logging(session, words):
    """`show logging NAME [PCRE]`: the log's lines, or those that match.  `show logging target [NAME]`: its configuration."""
    if words[:1] == ["target"]:
        return target_dumps(session, words[1:])
    s, path = session.switches, log_path(session, words[0]) if words else None
    if s.show_logging == "refused":
        return Problem(s.text("show_logging_refused_text"))
    if path is None:
        return Problem()
    text = read_tail(path, s.show_logging_kb * 1024 or SHOW_LOG_BYTES_MAX)
    if len(words) > 1:
        try:
            pattern = re.compile(" ".join(words[1:]).strip('"'))
        except re.error:
            return Problem("Invalid regular expression")
        text = "".join(line for line in text.splitlines(keepends=True) if pattern.search(line))
    if s.show_logging == "header":
        return f" Log: {words[0]}\n{'-' * 40}\n{text}"
    if s.show_logging == "plain":
        return re.sub(r"(?m)^(\S+) (?:\[[^\]]*\])*?\[(0x[0-9a-f]{8})\]\[([^\]]*)\]\[([^\]]*)\]", r"\1 \2 \3 \4", text)
    return text


def log_path(session, name):
    """The file of a log target of this domain, by the target's name."""
    targets = session.appliance.targets
    if session.here() and name == targets.main_name and session.switches.log_target == "present":
        return session.appliance.log.path
    target = targets.find(session.domain, name)
    return target.file.path if target and target.file else None


def target_dumps(session, names):
    s, appliance, text = session.switches, session.appliance, ""
    found = []
    if session.here() and s.log_target == "present":
        log = appliance.log
        found.append((appliance.targets.main_name, s.log_target_state, [
            ("admin-state", "disabled" if s.log_target_state == "disabled" else "enabled"), ("type", "file"), ("format", "text"), ("timestamp", s.log_format),
            ("size", s.log_size_kb), ("local-file", "logtemp:///" + log.path.rpartition("/")[2]), ("rotate", s.log_rotate)]
            + [("event", f"{c} {level}") for c, level in log.rows()]))
    for target in appliance.targets.of(session.domain):
        p = target.properties
        where = ([("size", p["Size"]), ("local-file", p["LocalFile"]), ("rotate", p["Rotate"])] if p["Type"] == "file"
                 else [("remote-address", p["RemoteAddress"]), ("remote-port", p["RemotePort"]), ("rate-limit", p["RateLimit"])])
        found.append((target.name, "up" if target.up else "disabled", [("admin-state", p["mAdminState"]), ("type", p["Type"]), ("format", p["Format"]),
                      ("timestamp", p["TimestampFormat"])] + where + [("event", f"{c} {level}") for c, level in target.rows] + [("event-code", c) for c in target.codes]))
    for name, state, properties in found:
        if not names or name == names[0]:
            text += dump(f"logging target: {name} [{'up' if state == 'up' else 'down'}]{_modified(appliance, name)}", properties)
    return text if text or not names else Problem()


def show_log(session, words):
    if session.switches.show_logging == "refused":
        return Problem(session.switches.text("show_logging_refused_text"))
    return read_tail(session.appliance.log.path, 16 * 1024)


def read_tail(path, limit):
    try:
        with open(path, "rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - limit))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""
