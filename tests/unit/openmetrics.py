#!/usr/bin/python3
"""Reads OpenMetrics 1.0 text on standard input and says what is wrong with it: one line a fault, and exit 1. Strict where our own text needs no freedom:
every family has HELP and TYPE, every stateset shows exactly one state."""
import re
import sys

NAME = r"[a-zA-Z_][a-zA-Z0-9_]*"
LABELS = rf'{NAME}="(?:[^"\\\n]|\\["\\n])*"'
SAMPLE = re.compile(rf'({NAME})(?:\{{({LABELS}(?:,{LABELS})*)\}})? (-?[0-9]+(?:\.[0-9]+)?)')
SUFFIX = {"gauge": "", "counter": "_total", "info": "_info", "stateset": ""}
faults = []


def fault(number, line, why):
    faults.append(f"line {number}: {why}: {line[:200]}")


def sample(number, line, family, seen):
    match = SAMPLE.fullmatch(line)
    if not match:
        return fault(number, line, "is no sample")
    name, labels, value = match.groups()
    pairs = re.findall(rf'({NAME})="((?:[^"\\]|\\.)*)"', labels or "")
    if not family or "type" not in family:
        return fault(number, line, "a sample before its TYPE")
    if name != family["name"] + SUFFIX[family["type"]]:
        return fault(number, line, f"belongs to no {family['type']} {family['name']}")
    if (name, labels) in seen:
        return fault(number, line, "is there twice")
    if len({key for key, _ in pairs}) != len(pairs):
        return fault(number, line, "a label is there twice")
    seen.add((name, labels))
    family["values"].append(value)
    if family["type"] == "info" and value != "1":
        return fault(number, line, "an info that is not 1")
    if family["type"] == "counter" and value.startswith("-"):
        return fault(number, line, "a counter below zero")
    if family["type"] == "stateset" and (value not in "01" or [key for key, _ in pairs] != [family["name"]]):
        return fault(number, line, "no state of a stateset")


def end(number, family):
    if family and family.get("type") == "stateset" and sorted(family["values"])[-2:] != ["0", "1"]:
        fault(number, family["name"], "not exactly one state")


def read(text):
    family, families, seen = None, set(), set()
    lines = text.split("\n")
    if lines[-2:] != ["# EOF", ""] or lines.count("# EOF") != 1:
        fault(len(lines), lines[-1], "the last line is not # EOF with its line end")
    for number, line in enumerate(lines[:-2], 1):
        match = re.fullmatch(rf"# (HELP|TYPE|UNIT) ({NAME}) (.+)", line)
        if not match:
            sample(number, line, family, seen)
            continue
        what, name, value = match.groups()
        if not family or name != family["name"]:
            end(number, family)
            if name in families:
                fault(number, line, "its family was there before")
            families.add(name)
            family = {"name": name, "values": []}
        key = what.lower()
        if key in family or family["values"]:
            fault(number, line, "is there twice, or behind samples")
        family[key] = value
        if key == "help" and re.search(r"\\(?![\\n\"])", value):
            fault(number, line, "a bad escape")
        if key == "type" and value not in SUFFIX:
            fault(number, line, "no such type here")
        if key == "type" and "help" not in family:
            fault(number, line, "no HELP")
        if key == "unit" and not name.endswith("_" + value):
            fault(number, line, "the name does not end in its unit")
    end(len(lines), family)
    names = {name + suffix for name in families for suffix in ("", "_total", "_info", "_created")}
    if len(names) != 4 * len(families):
        fault(0, "", "a family's name is another one's with a suffix")
    if not families:
        fault(0, "", "there is nothing")


try:
    read(sys.stdin.buffer.read().decode("utf-8"))
except UnicodeDecodeError as error:
    faults.append(f"no UTF-8: {error}")
if faults:
    print("\n".join(faults))
sys.exit(1 if faults else 0)
