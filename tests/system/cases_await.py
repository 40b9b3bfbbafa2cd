"""When the management server does not do its part: said as such, the service enabled, no second flush.  Real time passes here."""

import os
import shutil

from harness import World, case, check, contains, equal


@case("the management server never calls", slow=True)
def never_calls():
    with World(initial_primary="gw2") as world:
        config = world.config("gw1", watchdog__heartbeat_s=30, watchdog__slack_s=0)
        result = world.run(config, webhook=False)
        equal(result.exit, 5, "exit")
        contains(result.last["sentence"], "did not call", "API Manager", "do not flush again")
        contains(result.last["next"], "--steps await")
        equal((world.count("flush"), world.bounced()), (1, 1), "flushes, bounces")
        world.enabled()
        world.closed(config)
        words = result.last["next"].split()
        again = world.run(config, *words[4:])
        equal(again.exit, 0, "exit of the next command, and now it calls")
        equal(world.count("flush"), 1, "flushes")


@case("the re-synchronisation fails", slow=True)
def resync_fails():
    with World(initial_primary="gw2", resync="fail") as world:
        config = world.config("gw1", limits__await_timeout_s=60)
        result = world.run(config)
        equal(result.exit, 5, "exit")
        contains(result.last["sentence"], "did not complete in time", "do not flush again")
        contains(" ".join(result.sentences("await")), "timeout or a rejection")
        equal((world.count("flush"), world.bounced()), (1, 1), "flushes, bounces")
        world.enabled()
        world.closed(config)


@case("a slow re-synchronisation is waited for", slow=True)
def resync_slow():
    with World(initial_primary="gw2", resync="slow", time_scale=0.02) as world:
        result = world.run(world.config("gw1", limits__quiet_s=3))
        equal(result.exit, 0, "exit")
        equal(world.lab.get("gw1.service")["state"], "up", "the service")


@case("another event while it waits for the quiet", slow=True)
def another_event():
    with World(initial_primary="gw1") as world:
        config = world.config("gw1", limits__quiet_s=2)
        agent = world.begin(config, "run")
        agent.wait_line(step="trigger", state="started")
        world.lab.call("webhook", member="gw1")
        world.lab.wait_effect("resync_end", timeout=60)
        world.lab.call("webhook", member="gw1")
        equal(agent.result().exit, 0, "exit")
        check(world.count("webhook", answer="202") == 1, "the second event was not accepted")


@case("resume: the log's file was not there at the bounce, and is at the confirm")
def _():
    for again in (False, True):
        with World(members=1) as world:
            log, later = world.lab.member("gw1").log_file, os.path.join(world.directory, "later.log")
            config = world.config("gw1", log__file=later)
            if again:       # a bounce before, with a mark that must not stand for the second one
                shutil.copy(log, later)
                equal(world.call(config, "run", "--run", "r1", "--steps", "bounce").exit, 0, "the first bounce")
                os.unlink(later)
            equal(world.call(config, "run", "--run", "r1", "--steps", "bounce").exit, 0, "bounce")
            world.lab.wait_effect("log_line", member="gw1", code="0x88e000d7")
            shutil.copy(log, later)
            equal(world.call(config, "run", "--run", "r1", "--steps", "confirm").exit, 0, "confirm")
