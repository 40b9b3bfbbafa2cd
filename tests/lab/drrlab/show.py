"""What the show commands print: byte for byte where that is known, by switch where it is not."""

import time


class Problem:
    """The object is not there."""


def commands(session):
    table = {"gateway-peering-status": peering_status, "gateway-peering": peering_dump, "apic-gw-service": service_dump,
             "api-collection": collections_dump, "time": show_time, "version": version, "log": show_log, "file": show_file}
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
    return {
        "Address": address_of(member), "Configuration name": peering.name,
        "Pending updates": s.row_pending or str(row.pending), "Replication offset": str(row.offset),
        "Link status": s.row_link if s.row_link and member is not viewer else ("ok" if row.link else "down"),
        "Primary": s.row_primary or ("yes" if row.primary else "no"),
        "Service port": str(peering.service_port), "Monitor port": str(peering.monitor_port),
        "Priority": s.row_priority or str(row.priority),
    }


def dump(header, properties):
    return f"{header}\n{'-' * len(header)}\n" + "".join(f" {name} {value}\n" for name, value in properties) + "\n"


def _modified(appliance, name):
    return " (modified)" if name in [n.strip() for n in appliance.switches.object_modified.split(",")] else ""


def singleton_header(appliance, kind, up):
    state = f"[{'up' if up else 'down'}]{_modified(appliance, kind)}"
    form = appliance.switches.singleton_header
    return {"plain": f"{kind} {state}", "default": f"{kind}: default {state}", "name": f"{kind}: {kind} {state}"}[form]


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
    properties = [("admin-state", "enabled" if up else "disabled"),
                  ("local-address", s.local_address_text or address_of(appliance)),
                  ("local-port", str(peering.service_port)), ("monitor-port", str(peering.monitor_port))]
    if s.cluster_mode:
        properties += [("peer-group", "gwd-cluster  [up]"), ("mode", "cluster")]
    else:
        properties += [("enable-peer-group", "on")]
        properties += [("peer", address_of(m)) for m in session.lab.members if m is not appliance]
    properties += [("priority", str(peering.priority[appliance.name])), ("enable-ssl", "on"), ("idcred", f"{peering.name}-cred  [up]"),
                   ("persistence", s.persistence)]
    if s.persistence == "local":
        properties.append(("local-directory", "local:///"))
    elif s.persistence == "raid":
        properties.append(("raid-volume", "raid0  [up]"))
    properties.append(("max-memory", "0"))
    state = "up" if up else "down"
    return dump(f"gateway-peering: {peering.name} [{state}]{_modified(appliance, peering.name)}", properties)


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
    local = time.strftime("%a %b %d %H:%M:%S %Y UTC", time.gmtime(time.time() + appliance.switches.clock_offset))
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
    unsaved = session.appliance.unsaved
    rows = [[n, "yes" if unsaved and n == session.lab.domain else "no", "no", "no"] for n in names]
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


def show_log(session, words):
    return read_tail(session.appliance.log.path, 16 * 1024)


def read_tail(path, limit):
    try:
        with open(path, "rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - limit))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""
