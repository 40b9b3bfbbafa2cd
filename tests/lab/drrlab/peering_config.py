"""The configuration of the peering objects on one member, for XMI and for the command line, and changes to it."""

from . import show

# CLI name -> (XMI name, switch that a change sets)
CHANGEABLE = {"persistence": ("PersistenceLocation", "persistence"), "local-directory": ("LocalDirectory", "local_directory"),
              "raid-volume": ("RaidVolume", "raid_volume"), "priority": ("Priority", "priority"), "max-memory": ("MaxMemory", "max_memory"),
              "local-address": ("LocalAddress", None), "admin-state": ("mAdminState", None), "password-alias": ("PasswordAlias", None),
              "enable-ssl": ("EnableSSL", None), "peer-group": ("PeerGroup", None), "peer": ("Peers", None)}


def ports(appliance, peering):
    """(service port, monitor port)"""
    if appliance.switches.peering_ports == "clash" and peering.name == "tms":
        peering = appliance.lab.peering["gwd"]
    return peering.service_port, peering.monitor_port


def group_name(appliance):
    return "gwd-cluster" if appliance.switches.cluster_mode else "gwd-group"


def uses_group(appliance):
    return appliance.switches.peer_group or appliance.switches.cluster_mode


def priority(appliance, peering):
    return appliance.switches.priority if peering.name == "gwd" else peering.priority[appliance.name]


def properties(appliance, peering):
    """The object as get-config shows it."""
    s = appliance.switches
    service, monitor = ports(appliance, peering)
    up = peering.name != "gwd" or s.peering_admin
    found = [("mAdminState", "enabled" if up else "disabled")]
    if s.password_alias != "absent":
        found.append(("PasswordAlias", "gwd-peering-password" if s.password_alias == "set" else ""))
    found += [("LocalAddress", s.local_address_text or show.address_of(appliance)), ("LocalPort", service)]
    if uses_group(appliance):
        found += [("PeerGroup", group_name(appliance)), ("MonitorPort", monitor), ("EnablePeerGroup", "on")]
    else:
        peers = [m for m in appliance.lab.members if m is not appliance]
        found += [("MonitorPort", monitor), ("EnablePeerGroup", "on" if peers else "off")] + [("Peers", show.address_of(m)) for m in peers]
    found += [("Priority", priority(appliance, peering)), ("EnableSSL", "on" if s.peering_ssl else "off"), ("PersistenceLocation", s.persistence)]
    if s.persistence == "local":
        found.append(("LocalDirectory", s.local_directory))
    elif s.persistence == "raid":
        found.append(("RaidVolume", s.raid_volume))
    return found + [("MaxMemory", s.max_memory)]


def groups(appliance):
    """GatewayPeeringGroup objects."""
    if not uses_group(appliance):
        return []
    nodes = [("PeerNodes", [("Host", show.address_of(m)), ("Priority", m.switches.priority)]) for m in appliance.lab.members]
    return [(group_name(appliance), [("mAdminState", "enabled"), ("Mode", "cluster" if appliance.switches.cluster_mode else "peer")] + nodes)]


def change(appliance, name, values, session, command):
    """Changes by their XMI names take effect on this member.  Returns an error text or None."""
    appliance.effect("object_changed", session, command, object=name, changes=values)
    known = {xmi: switch for xmi, switch in CHANGEABLE.values() if switch}
    return _apply(appliance, name, {known[n]: value for n, value in values.items() if n in known})


def change_by_words(appliance, name, changes):
    """The same by the command line's words; the caller has recorded it."""
    return _apply(appliance, name, {CHANGEABLE[w][1]: value for w, value in changes.items() if CHANGEABLE[w][1]})


def _apply(appliance, name, changes):
    for switch, value in changes.items():
        if name == "gwd" or switch != "priority":
            try:
                appliance.switches.set(switch, value)
            except ValueError:
                return "Invalid value"
    if "persistence" in changes:
        appliance.lab.task(appliance.lab.switch_changed(appliance, "persistence"))
    return None
