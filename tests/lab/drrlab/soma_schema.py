"""What the appliance's schema lets through: operations, their attributes, classes, and the properties of what can be changed.

The real schema is the firmware's; here stand the parts that the facts name. What it refuses is a SOAP fault, and nothing is done.
"""

import re

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
MANAGEMENT = "http://www.datapower.com/schemas/management"

LEVELS = ("emerg", "alert", "critic", "error", "warn", "notice", "info", "debug")
SIMPLE_NAME = re.compile(r"[A-Za-z0-9_.\-]{1,128}")

# operation: (attributes that must be there, attributes that may be there, number of children)
OPERATIONS = {
    "get-status": (("class",), ("object-class", "object-name"), 0),
    "get-config": ((), ("class", "name", "recursive", "persisted"), 0),
    "get-file": (("name",), (), 0),
    "get-filestore": (("location",), ("annotated", "layout-only", "no-subdirectories"), 0),
    "modify-config": ((), (), 1),
    "set-config": ((), (), 1),
    "do-action": ((), (), 1),
}
# Real ones that nobody has a reason to send here: they are answered like unknown ones, and stand in the effects by name.
UNUSED_OPERATIONS = {"del-config", "set-file", "del-file", "get-log", "do-import", "do-export", "do-backup", "do-restore", "get-diff", "get-samlart"}
LOCATIONS = ("audit:", "cert:", "chkpoints:", "config:", "export:", "image:", "local:", "logstore:", "logtemp:", "policyframework:", "pubcert:", "sharedcert:",
             "store:", "tasktemplates:", "temporary:")

STATUS_CLASSES = ("GatewayPeeringStatus", "ObjectStatus", "DateTimeStatus", "DateTimeStatus2", "FirmwareVersion3", "DomainStatus", "LogTargetStatus")
CONFIG_CLASSES = ("GatewayPeering", "GatewayPeeringGroup", "GatewayPeeringManager", "APIConnectGatewayService", "LogTarget", "APICollection")

_TOGGLE = ("on", "off")
_ADMIN = ("enabled", "disabled")
# property: None (any text), a tuple (one of), a range (a number in it), or a dict (children, each at least once)
PROPERTIES = {
    "APIConnectGatewayService": {
        "mAdminState": _ADMIN, "UserSummary": None, "LocalAddress": None, "LocalPort": range(1, 65536), "SSLClient": None, "SSLServer": None,
        "APIGatewayAddress": None, "APIGatewayPort": range(1, 65536), "GatewayPeering": None, "GatewayPeeringManager": None,
        "V5CompatibilityMode": _TOGGLE},
    "GatewayPeering": {
        "mAdminState": _ADMIN, "UserSummary": None, "PasswordAlias": None, "LocalAddress": None, "LocalPort": range(1, 65536), "PeerGroup": None,
        "MonitorPort": range(1, 65536), "EnablePeerGroup": _TOGGLE, "Peers": None, "Priority": range(0, 256), "EnableSSL": _TOGGLE, "Idcred": None,
        "Valcred": None, "PersistenceLocation": ("memory", "local", "raid"), "LocalDirectory": None, "RaidVolume": None, "MaxMemory": range(0, 1 << 20)},
    "GatewayPeeringGroup": {"mAdminState": _ADMIN, "UserSummary": None, "Mode": ("peer", "cluster"), "PeerNodes": {"Host": None, "Priority": range(0, 256)}},
    "GatewayPeeringManager": {"mAdminState": _ADMIN, "UserSummary": None, "APIConnectGatewayService": None, "RateLimit": None, "Subscription": None,
                              "RatelimitModule": None},
    "LogTarget": {
        "mAdminState": _ADMIN, "UserSummary": None, "Priority": ("low", "normal", "high"), "Type": ("cache", "console", "file", "syslog", "syslog-tcp"),
        "Format": ("text", "raw", "xml", "csv", "cbe"), "TimestampFormat": ("syslog", "numeric", "zulu"), "LocalIdentifier": None,
        "Size": range(100, 50001), "ArchiveMode": ("rotate",), "Rotate": range(1, 101), "LocalFile": None, "RemoteAddress": None,
        "RemotePort": range(1, 65536), "LocalAddress": None, "SyslogFacility": None, "RateLimit": range(0, 1001), "ConnectTimeout": range(1, 91),
        "IdleTimeout": range(1, 3601), "SSLClientConfigType": ("proxy", "client"), "SSLClient": None, "RetryInterval": range(1, 601),
        "LogEvents": {"Class": None, "Priority": LEVELS}, "LogEventCode": re.compile(r"0x[0-9a-fA-F]{8}")},
    "APICollection": {"mAdminState": _ADMIN, "UserSummary": None},
}
ACTIONS = {"GatewayPeeringSwitchPrimary": {"ObjectName": "GatewayPeering"}, "GatewayPeeringRemoveStalePeers": {"ObjectName": "GatewayPeering"}, "SaveConfig": {}}


class Invalid(Exception):
    """The schema refuses the request; str() says what."""


def local(element):
    return element.tag.rpartition("}")[2]


def split_name(element):
    namespace, brace, name = element.tag.rpartition("}")
    return namespace[1:] if brace else "", name


def request_of(envelope):
    """The one dp:request in env:Envelope/env:Body."""
    if split_name(envelope) != (SOAP, "Envelope"):
        raise Invalid("the document is no SOAP 1.1 envelope")
    parts = [e for e in envelope if split_name(e) != (SOAP, "Header")]
    if len(parts) != 1 or split_name(parts[0]) != (SOAP, "Body") or len(parts[0]) != 1:
        raise Invalid("the envelope needs one Body with one request")
    request = parts[0][0]
    if split_name(request) != (MANAGEMENT, "request"):
        raise Invalid(f"{local(request)}: not a request of the management namespace")
    _attributes(request, (), ("domain", "user"))
    if len(request) != 1:
        raise Invalid(f"request: one operation, not {len(request)}")
    return request


def check_operation(operation, unknown=()):
    """`unknown`: classes that this firmware does not have."""
    namespace, name = split_name(operation)
    if namespace != MANAGEMENT or name not in OPERATIONS:
        raise Invalid(f"unknown operation {name}" + (" (a real one, but not for this)" if name in UNUSED_OPERATIONS else ""))
    needed, possible, children = OPERATIONS[name]
    _attributes(operation, needed, possible)
    if len(operation) != children:
        raise Invalid(f"{name}: {children} elements, not {len(operation)}")
    if children == 0 and (operation.text or "").strip():
        raise Invalid(f"{name}: text is not allowed")
    kind = operation.get("class")
    if kind in unknown or (len(operation) and local(operation[0]) in unknown):
        raise Invalid(f"{name}: this firmware does not know {kind or local(operation[0])}")
    if name == "get-status" and kind not in STATUS_CLASSES:
        raise Invalid(f"get-status: unknown class {kind}")
    if name == "get-config" and kind is None and operation.get("name") is None:
        raise Invalid("get-config: class is missing")
    if name == "get-config" and kind is not None and kind not in CONFIG_CLASSES:
        raise Invalid(f"get-config: unknown class {kind}")
    if name == "get-filestore" and operation.get("location") not in LOCATIONS:
        raise Invalid(f"get-filestore: unknown location {operation.get('location')}")
    if name in ("modify-config", "set-config"):
        _object(operation[0])
    elif name == "do-action":
        _action(operation[0])


def _attributes(element, needed, possible):
    for name in needed:
        if not element.get(name):
            raise Invalid(f"{local(element)}: the attribute {name} is missing")
    for name in element.keys():
        if name not in needed and name not in possible:
            raise Invalid(f"{local(element)}: unknown attribute {name}")


def _object(element):
    namespace, kind = split_name(element)
    if namespace or kind not in PROPERTIES:
        raise Invalid(f"unknown class {kind}" + (" (with a namespace)" if namespace else ""))
    _attributes(element, ("name",), ())
    if not SIMPLE_NAME.fullmatch(element.get("name")):
        raise Invalid(f"{kind}: bad name")
    for position, child in enumerate(element):
        name = _value(kind, child, PROPERTIES[kind])
        if name == "mAdminState" and position != 0:
            raise Invalid(f"{kind}: mAdminState is not the first child")
    if len(element) == 0:
        raise Invalid(f"{kind}: it changes nothing")


def _value(where, child, table):
    namespace, name = split_name(child)
    if namespace or name not in table:
        raise Invalid(f"{where}: unknown element {name}" + (" (with a namespace)" if namespace else ""))
    rule, text = table[name], (child.text or "").strip()
    _attributes(child, (), ("class",))
    if isinstance(rule, dict):
        given = [_value(f"{where}/{name}", part, rule) for part in child]
        if sorted(given) != sorted(rule):
            raise Invalid(f"{where}: {name} needs {' and '.join(rule)}")
        return name
    if len(child):
        raise Invalid(f"{where}: {name} holds elements")
    good = {tuple: lambda: text in rule, range: lambda: text.isdigit() and int(text) in rule,
            re.Pattern: lambda: rule.fullmatch(text)}.get(type(rule), lambda: True)
    if not good():
        raise Invalid(f"{where}: bad value of {name}: {text}")
    return name


def _action(element):
    namespace, name = split_name(element)
    if namespace or name not in ACTIONS:
        raise Invalid(f"unknown action {name}")
    wanted = ACTIONS[name]
    _attributes(element, (), ())
    if [local(e) for e in element] != list(wanted):
        raise Invalid(f"{name}: its elements are {', '.join(wanted) or 'none'}")
    for child in element:
        if child.get("class") != wanted[local(child)] or not (child.text or "").strip():
            raise Invalid(f"{name}: {local(child)} needs the class {wanted[local(child)]} and a name")
