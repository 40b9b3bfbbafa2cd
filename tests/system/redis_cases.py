"""DRRs on real Redis and Sentinel: what happens between the members is theirs, not a model's.

Nothing here depends on how fast they are: a case waits for what it needs to see, and `redis_pace=held` keeps two primaries apart
until the case has looked.
"""

from harness import World, case, check, contains, equal

MEMBERS = ("gw1", "gw2", "gw3")
KEYS = 8        # of a configured group's store


class Group(World):
    def __init__(self, **switches):
        super().__init__(time_scale=0.01, peering="redis", **switches)

    def keys(self):
        return {name: m["peering"]["gwd"]["keys"] for name, m in self.lab.state()["members"].items()}

    def all_have(self, keys):
        equal(self.keys(), dict.fromkeys(MEMBERS, keys), "keys in the members' stores")

    def wait_keys(self, keys):
        self.lab.wait_tables(lambda _: self.keys() == dict.fromkeys(MEMBERS, keys))

    def calls_itself_primary(self, name):
        return self.lab.get(f"{name}.peering")["gwd"]["is_primary"]

    def wait_down(self, member, *peers):
        """Until the member's Sentinel holds all these for down: from there on its table stays as it is."""
        for peer in peers:
            self.lab.wait_effect("seen_down", member=member, peer=peer, timeout=60)

    def drr(self, member="gw1"):
        """A whole DRR: this member does all, then the others bounce, then the management server calls."""
        mark = self.mark()
        agents = {}
        for name in (member,) + tuple(m for m in MEMBERS if m != member):
            agents[name] = self.begin(self.config(name), "run", *([] if name == member else ["--steps", "bounce,confirm,await"]))
            agents[name].wait_line(step="confirm", state="done")
        for agent in agents.values():
            agent.wait_line(step="trigger", state="started")
        self.lab.call("webhook", member="gw2")
        for name, agent in agents.items():
            result = agent.result()
            equal(result.exit, 0, f"exit of {name}")
            equal((result.last["step"], result.last["state"]), ("run", "done"), "last line")
        self.whole_again(member, mark)

    def whole_again(self, member, mark):
        equal([e["member"] for e in self.lab.effects("flush", after=mark)], [member], "flushes")
        equal(self.lab.primary(), member, "primary")
        self.wait_keys(KEYS)
        for name in MEMBERS:
            equal(self.bounced(mark, name), 1, f"bounces of {name}")
            service = self.lab.get(f"{name}.service")
            equal((service["admin_state"], service["state"], service["collections"]), ("enabled", "up", self.lab.collections), f"service of {name}")
            self.closed(self.config(name))

    def refused(self, config, name, *words):
        """`run` declines with this refusal, and nothing was changed."""
        mark = self.mark()
        result = self.call(config, "run")
        equal(result.exit, 3, "exit")
        contains(" ".join(result.sentences("precheck", "refused")) + " ".join(str(line.get("evidence")) for line in result.lines), name, *words)
        check(result.last["next"], "a refusal names the next command")
        self.unchanged(mark)
        return result


@case("redis: switch, flush and bounce of the whole group")
def whole_group():
    with Group(initial_primary="gw2") as group:
        group.drr("gw1")
        equal([e["member"] for e in group.lab.effects("switch_primary")], ["gw1"], "switches")
        order = [e["seq"] for e in (group.lab.wait_effect("engine_role", member="gw1", role="master"),
                                    group.lab.wait_effect("engine_role", member="gw2", role="slave"), group.lab.wait_effect("flush"))]
        equal(order, sorted(order), "gw2 is a replica before the flush")


@case("redis: primary killed and restarted at once loses the data in memory, and a run brings it back")
def killed_and_restarted():
    with Group(initial_primary="gw1", down_after="60real") as group:
        group.lab.call("kill", member="gw1", restart="yes")
        for name in MEMBERS:
            group.lab.wait_effect("store_emptied", member=name, timeout=60)
        group.all_have(0)
        group.lab.settle()
        equal(group.lab.primary(), "gw1", "primary: nobody noticed")
        equal(group.lab.call("webhook", member="gw2"), "202", "a service that has not been restarted hides the loss")
        group.lab.wait_effect("log_line", member="gw2", code="0x88e000ac", timeout=60)
        group.drr("gw1")


@case("redis: primary killed and restarted at once keeps its data with local persistence")
def killed_and_kept():
    with Group(initial_primary="gw1", down_after="60real", persistence="local") as group:
        group.lab.call("kill", member="gw1", restart="yes")
        group.lab.settle()
        group.all_have(KEYS)
        equal(group.count("store_emptied"), 0, "stores that were empty meanwhile")
        group.drr("gw1")


@case("redis: two primaries are refused with both addresses; settled, the same command works")
def two_primaries():
    with Group(initial_primary="gw2") as group:
        config = group.config("gw1")
        group.lab.call("kill", member="gw2")
        group.lab.wait_effect("primary_changed", old="gw2", timeout=60)
        new = group.lab.primary()
        group.lab.set("redis_pace", "held")
        group.lab.call("revive", member="gw2")
        group.lab.wait_tables(lambda t: all(t[m].get(new) == t[m].get("gw2") == "ok primary" for m in MEMBERS))
        check(group.calls_itself_primary(new) and group.calls_itself_primary("gw2"), "both take writes")
        result = group.refused(config, "several-primaries", "2 of 3 members")
        evidence = " ".join(str(line.get("evidence")) + line["sentence"] for line in result.lines)
        contains(evidence, group.lab.member(new).address + " ok primary", group.lab.member("gw2").address + " ok primary")
        group.lab.set("redis_pace", "fast")
        group.lab.settle()
        check(not group.calls_itself_primary("gw2"), "gw2 is a replica")
        group.drr("gw1")


@case("redis: another switch while ours is under way never flushes the wrong member")
def switch_meets_failover():
    """gw3 is made primary while the switch to gw1 is still going on; the agent waits until gw1 is the one primary, or says that it is not."""
    with Group(initial_primary="gw2") as group:
        config = group.config("gw1")
        agent = group.begin(config, "run", "--steps", "primary,flush,bounce,confirm")
        group.lab.wait_effect("switch_primary", member="gw1", timeout=60)
        group.lab.call("primary", member="gw3")
        group.lab.settle()
        first = group.lab.primary()
        group.lab.call("primary", member="gw1")
        result = agent.result()
        check(result.exit in (0, 5), "exit", result.exit)
        flushes = group.lab.effects("flush")
        equal([e["member"] for e in flushes], ["gw1"], "flushes")
        equal(group.count("flush_on_replica"), 0, "flushes on a replica")
        equal(group.bounced(), 1 if result.exit == 0 else 0, "bounces")
        group.enabled()
        group.closed(config)
        group.lab.settle()
        return f"{first} won, exit {result.exit}: {result.last['sentence']}"


@case("redis: primary moves between the check and the flush")
def moves_before_flush():
    with Group(initial_primary="gw1", gw1__primary_moves_on="gateway-peering-flush:before") as group:
        config = group.config("gw1")
        result = group.call(config, "run", "--steps", "primary,flush,bounce,confirm")
        check(result.exit in (4, 5), "exit", result.exit, "of a run whose flush met a primary that was on its way out")
        check(group.count("flush") <= 1, "flushes", group.count("flush"))
        equal(group.bounced(), 0, "bounces")
        group.enabled()
        group.lab.settle()
        group.lab.wait_tables(lambda _: len(set(group.keys().values())) == 1)
        group.drr("gw1")
        return f"exit {result.exit}: {result.last['sentence']}"


@case("redis: flush with a dead replica reaches it when it comes back")
def dead_replica():
    with Group(initial_primary="gw1", persistence="local") as group:
        config = group.config("gw1")
        group.lab.call("kill", member="gw3")
        group.wait_down("gw1", "gw3")
        result = group.call(config, "run", "--steps", "primary,flush,bounce,confirm")
        equal(result.exit, 0, "exit: two of three are a quorum")
        equal(group.count("flush"), 1, "flushes")
        group.lab.call("revive", member="gw3")      # with what its own disk held
        group.wait_keys(0)
        group.lab.settle()


@case("redis: partition, the members' tables differ")
def partition():
    """gw3 was primary and is cut off: it goes on calling itself primary, the others have chosen another one."""
    with Group(initial_primary="gw3") as group:
        configs = {m: group.config(m) for m in MEMBERS}
        group.lab.set("gw3.peering_link", "down")
        group.lab.wait_effect("primary_changed", old="gw3", timeout=60)
        new = group.lab.primary()
        other = next(m for m in ("gw1", "gw2") if m != new)
        alone = {"gw1": "down", "gw2": "down", "gw3": "ok primary"}
        left = {new: "ok primary", other: "ok", "gw3": "down"}
        group.lab.wait_tables(lambda t: t == {"gw3": alone, new: left, other: left})
        group.refused(configs["gw3"], "no-quorum", "1 of 3 members")
        mark = group.mark()
        result = group.call(configs[new], "run", "--steps", "primary,flush,bounce,confirm")
        equal(result.exit, 0, "exit in the majority")
        equal([e["member"] for e in group.lab.effects("flush", after=mark)], [new], "flushes")
        equal(group.keys(), {new: 0, other: 0, "gw3": KEYS}, "the flush does not cross the partition")
        group.lab.set("gw3.peering_link", "ok")
        group.lab.settle()
        equal(group.lab.primary(), new, "primary: the majority's")
        group.wait_keys(0)


@case("redis: a replica that is cut off from the primary alone refuses for itself")
def one_pair_cut():
    """gw2 and the primary gw1 do not reach each other, gw3 reaches both: three different tables, and no fail-over."""
    with Group(initial_primary="gw1") as group:
        config = group.config("gw2")
        group.lab.call("partition", member="gw2", peer="gw1")
        group.wait_down("gw2", "gw1")
        group.wait_down("gw1", "gw2")
        tables = group.lab.wait_tables(lambda t: t["gw2"].get("gw1") == "down primary" and t["gw2"].get("gw2") == "down" and t["gw3"].get("gw1") == "ok primary"
                                       and t["gw1"] == {"gw1": "ok primary", "gw2": "down", "gw3": "ok"})
        check(tables["gw1"] != tables["gw2"] != tables["gw3"], "tables", tables)
        group.refused(config, "peering-down", group.lab.member("gw1").address)
        group.lab.call("heal")
        group.lab.settle()
        equal(group.lab.primary(), "gw1", "primary")


@case("redis: a Sentinel that does not answer is no group")
def dead_sentinel():
    with Group(initial_primary="gw1") as group:
        config = group.config("gw1")
        group.lab.call("kill", member="gw1", what="sentinel")
        mark = group.mark()
        result = group.call(config, "run")
        check(result.exit in (3, 4), "exit", result.exit)
        group.unchanged(mark)
        group.lab.call("revive", member="gw1")
        group.lab.settle()
        equal(group.call(config, "run", "--dry-run").exit, 0, "exit of a dry run afterwards")
        return f"exit {result.exit}: {result.last['sentence']}"
