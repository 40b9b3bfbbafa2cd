"""Groups with good habits, and groups with one sickness: sets of switches by name, for audits.

`--set preset=well,clock-skew` or `lab.start(switches={"preset": "well,admin-down:gw2"})`.  What is set beside it by hand wins.
A number of members is not a switch: `--members 2` and `--members 1` make the two-gateway and the one-gateway sickness.
"""

# name: (what an audit could say, members unless others are named, {switch: value})
ALL = ""
PRESETS = {
    "well": ("nothing to complain about", ALL, {"persistence": "local", "local_directory": "local:///", "password_alias": "set",
                                                "log_events": "apic-gw-service:debug,apigw:notice,mgmt:notice", "log_size_kb": 50000, "xmi": True}),
    "equal-priorities": ("all members have the same priority", ALL, {"priority": 100}),
    "memory": ("all in memory: lost when the whole group restarts", ALL, {"persistence": "memory"}),
    "persistence-differs": ("the members do not agree on persistence", "gw2", {"persistence": "memory"}),
    "directory-differs": ("the members do not agree on the directory", "gw2", {"local_directory": "local:///elsewhere"}),
    "quorum-lost": ("fewer than half and one members are active", "gw2,gw3", {"row_link": "down", "row_priority": "-1", "row_pending": "17"}),
    "member-missing": ("a member is not in the others' tables", "gw3", {"row_missing": True}),
    "stale-peer": ("a peer that is long gone", "gw1", {"stale_rows": "192.0.2.9"}),
    "no-primary": ("nobody is primary", ALL, {"row_primary": "no"}),
    "two-primaries": ("several primaries, not in cluster mode", "gw2", {"claims_primary": True}),
    "link-down": ("a member does not reach its peers", "gw3", {"peering_link": "down"}),
    "no-log-target": ("no log target", ALL, {"log_target": "missing"}),
    "small-log": ("500 KB and debug: minutes, not days", ALL, {"log_size_kb": 500, "log_rotate": 1, "log_events": "apic-gw-service:debug,mgmt:debug"}),
    "wrong-events": ("the target does not get the service's events", "gw1", {"log_events": "mgmt:error,network:notice"}),
    "log-down": ("the log target is down", "gw1", {"log_target_state": "down"}),
    "log-disabled": ("the log target is disabled", "gw1", {"log_target_state": "disabled"}),
    "events-dropped": ("the log target loses events", "gw1", {"log_events_dropped": 4711}),
    "clock-skew": ("one clock is 90 s ahead", "gw2", {"clock_offset": 90}),
    "default-password": ("the peering password is the default one", ALL, {"password_alias": "absent"}),
    "no-tls": ("peering without TLS", ALL, {"peering_ssl": False}),
    "same-ports": ("two peering objects with the same ports", "gw1", {"peering_ports": "clash"}),
    "xmi-off": ("no XML management interface", ALL, {"xmi": False}),
    "unreachable": ("no management address answers", "gw3", {"ssh_listen": False, "telnet_listen": False, "xmi_acl": "refuse"}),
    "unsaved": ("the configuration is not saved", "gw1", {"unsaved_config": True}),
    "cluster": ("cluster mode: three primaries", ALL, {"cluster_mode": True}),
    "object-down": ("the peering object is down", "gw1", {"peering_admin": False}),
    "v5": ("v5 compatibility", ALL, {"v5_compat": True}),
    "old-firmware": ("2018.4", ALL, {"firmware_age": "old"}),
}
PRIORITY_STEP = 10


class PresetError(ValueError):
    pass


def expand(text, count):
    """Settings [(NAME, VALUE)] for `--set`."""
    settings = []
    names = [n.strip() for n in text.split(",") if n.strip()]
    for item in names:
        name, _, member = item.partition(":")
        if name not in PRESETS:
            raise PresetError(f"no preset {name}: one of {', '.join(PRESETS)}")
        _, scope, switches = PRESETS[name]
        if name == "well":
            settings += [(f"gw{n}.priority", str(100 - PRIORITY_STEP * (n - 1) if n < 10 else 1)) for n in range(1, count + 1)]
        for scope in (member or scope).split(","):
            if scope == ALL or int(scope.removeprefix("gw")) <= count:
                settings += [(f"{scope}.{switch}" if scope else switch, value) for switch, value in switches.items()]
    return settings


def listing():
    return [f"  {name:20} {scope or 'all':8} {', '.join(f'{k}={v}' for k, v in switches.items())}: {about}" for name, (about, scope, switches) in PRESETS.items()]
