"""drrctl for several groups at once: `-g FILE -g FILE`."""

import json
import os
import socket
import subprocess

from cases_drrctl import DRRCTL, ctl
from harness import LIMIT_S, case, check, contains, equal


def status(*groups, verb="status", arguments=()):
    command = [DRRCTL, verb, *(word for g in groups for word in ("-g", g)), *arguments]
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_S)
    return result.returncode, result.stdout, result.stderr


@case("fleet: status of several groups")
def fleet():
    with ctl(members=2) as one, ctl(members=3) as other:
        code, out, err = status(one.conf, other.conf)
        equal(code, 0, err)
        equal([line for line in out.splitlines() if line.endswith(".conf:")], [one.conf + ":", other.conf + ":"], "the groups, in their order")
        equal(sum(line.startswith("gw") for line in out.splitlines()), 5, "members")
        code, out, err = status(other.conf, one.conf, arguments=["--json"])
        equal((code, err), (0, ""))
        equal([len(g["members"]) for g in json.loads(out)], [3, 2], "members of each")

        one.agents["gw2"].away = True
        code, out, _ = status(one.conf, other.conf, arguments=["--json"])
        equal((code, [len(g["members"]) for g in json.loads(out)]), (8, [2, 3]), "with one that is away")
        other.agents["gw1"].operators = ["somebody else"]
        equal(status(one.conf, other.conf)[0], 8, "what matters most is told")
        equal(status(other.conf)[0], 7)
        missing = os.path.join(one.directory, "none.conf")
        code, out, err = status(missing, other.conf, arguments=["--json"])
        equal((code, len(json.loads(out))), (2, 1), "a file that is not there")
        contains(err, missing)
        equal(status(one.conf, other.conf, verb="run")[0], 2, "a run of two groups")
        equal(one.fake.log + other.fake.log, [], "what happened")


@case("fleet: a group that does not answer holds up none")
def slow_groups():
    with ctl(members=1) as c, socket.create_server(("127.0.0.1", 0), backlog=16) as silent:
        paths = []
        with open(c.conf, encoding="utf-8") as file:
            text = file.read().replace(c.doors[0][1], f"https://127.0.0.1:{silent.getsockname()[1]}").replace("[group]", "[group]\nconnect_timeout_s = 5")
        for i in range(6):
            paths.append(os.path.join(c.directory, f"silent{i}.conf"))
            with open(paths[-1], "w", encoding="utf-8") as file:
                file.write(text)
        silent.settimeout(LIMIT_S)
        process = c.start(*(["status", "--json"] + [word for path in paths for word in ("-g", path)]))      # and, as the last, the one that answers
        connections = [silent.accept()[0] for _ in range(6)]
        for connection in connections:      # none was given up before the last was asked
            connection.settimeout(LIMIT_S)
            check(connection.recv(1), "one waited for the other")
            connection.setblocking(False)
            try:
                while connection.recv(4096):
                    pass
                check(False, "given up before the last was asked")
            except BlockingIOError:
                pass
        code, out, _ = c.finish(process)
        equal((code, [m["error"] is None for g in json.loads(out) for m in g["members"]]), (8, [False] * 6 + [True]))
        for connection in connections:
            connection.close()
