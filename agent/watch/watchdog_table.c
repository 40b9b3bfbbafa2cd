#include "watch/watchdog_table.h"

#define ANY WATCHDOG_STATE_COUNT
#define SAME WATCHDOG_STATE_COUNT, NULL, false

static const struct watchdog_row rows[] = {
	{WATCHDOG_STEADY, WATCHDOG_EV_SILENT, WATCHDOG_AWAY, NULL, false, "the management interfaces do not answer"},
	{WATCHDOG_STEADY, WATCHDOG_EV_UNPEERED, WATCHDOG_PEERING, "peering", false, "the peering has not one primary and quorum, and no restart was seen"},
	{WATCHDOG_STEADY, WATCHDOG_EV_DOWN, WATCHDOG_SERVICE, "service", false, "the service is not enabled and up, and no restart was seen"},
	{WATCHDOG_STEADY, WATCHDOG_EV_WAITS, WATCHDOG_EVENT, "waits", true, "the service waits for its registration, and no run is at work any more"},
	{WATCHDOG_STEADY, WATCHDOG_EV_LOST, WATCHDOG_EVENT, "lost", true, "API collections are gone, and no event of the management server and no run explains it"},
	{WATCHDOG_STEADY, WATCHDOG_EV_LINE_PEERING, WATCHDOG_PEERING, "peering-restarted", true, "the peering server or its monitor has restarted"},
	{WATCHDOG_STEADY, WATCHDOG_EV_LINE_WAITING, WATCHDOG_EVENT, "waits", true, "the service waits for its registration, and no run of ours explains it"},
	{WATCHDOG_STEADY, WATCHDOG_EV_WHOLE, SAME, "all is well"},

	{WATCHDOG_AWAY, WATCHDOG_EV_SILENT, SAME, "still no answer"},
	{WATCHDOG_AWAY, WATCHDOG_EV_LONG, ANY, "away", true, "the management interfaces do not answer"},
	{WATCHDOG_AWAY, WATCHDOG_EV_GAP, WATCHDOG_STEADY, "gap", false, "the management interfaces answer again after a short gap, without a restart"},
	{WATCHDOG_AWAY, WATCHDOG_EV_UNPEERED, WATCHDOG_PEERING, "back", false, "the management interfaces answer again; one primary and quorum are awaited"},
	{WATCHDOG_AWAY, WATCHDOG_EV_DOWN, WATCHDOG_SERVICE, "back", false, "the management interfaces answer again; the service is awaited"},
	{WATCHDOG_AWAY, WATCHDOG_EV_WAITS, WATCHDOG_EVENT, "back", false, "the management interfaces answer again; an accepted event is awaited"},
	{WATCHDOG_AWAY, WATCHDOG_EV_LACKS, WATCHDOG_CONFIG, "back", false, "the management interfaces answer again; the configuration is awaited"},

	{WATCHDOG_PEERING, WATCHDOG_EV_UNPEERED, SAME, "not one primary and quorum yet"},
	{WATCHDOG_PEERING, WATCHDOG_EV_DOWN, WATCHDOG_SERVICE, "peering", false, "the peering has one primary and quorum; the service is awaited"},
	{WATCHDOG_PEERING, WATCHDOG_EV_WAITS, WATCHDOG_EVENT, "service", false, "peering and service are well, but the configuration is not there: an accepted event is awaited"},
	{WATCHDOG_PEERING, WATCHDOG_EV_LACKS, WATCHDOG_CONFIG, "service", false, "peering and service are well; the configuration is awaited"},

	{WATCHDOG_SERVICE, WATCHDOG_EV_DOWN, SAME, "not enabled and up yet"},
	{WATCHDOG_SERVICE, WATCHDOG_EV_WAITS, WATCHDOG_EVENT, "service", false, "the service is up, but the configuration is not there: an accepted event is awaited"},
	{WATCHDOG_SERVICE, WATCHDOG_EV_LACKS, WATCHDOG_CONFIG, "service", false, "the service is up; the configuration is awaited"},
	{WATCHDOG_SERVICE, WATCHDOG_EV_BLOCKED, WATCHDOG_STANDBACK, "standback", true, "the service is not enabled and up, and others are at work here: judged when they have ended"},

	{WATCHDOG_EVENT, WATCHDOG_EV_WAITS, SAME, "no accepted event yet"},
	{WATCHDOG_EVENT, WATCHDOG_EV_LACKS, WATCHDOG_CONFIG, "accepted", false, "an event of the management server is accepted; the configuration is awaited"},
	{WATCHDOG_EVENT, WATCHDOG_EV_LINE_ACCEPTED, WATCHDOG_CONFIG, "accepted", false, "an event of the management server is accepted; the configuration is awaited"},
	{WATCHDOG_EVENT, WATCHDOG_EV_BLOCKED, WATCHDOG_STANDBACK, "standback", true, "no event came in time, and others are at work here: judged when they have ended"},

	{WATCHDOG_CONFIG, WATCHDOG_EV_LACKS, SAME, "not as before yet"},
	{WATCHDOG_CONFIG, WATCHDOG_EV_WAITS, WATCHDOG_EVENT, "waits", false, "the service waits for its registration again"},
	{WATCHDOG_CONFIG, WATCHDOG_EV_LINE_WAITING, WATCHDOG_EVENT, "waits", false, "the service waits for its registration again"},
	{WATCHDOG_CONFIG, WATCHDOG_EV_LINE_SETBACK, ANY, "setback", false, "the service reports a timeout or a rejection: it tries again by itself"},
	{WATCHDOG_CONFIG, WATCHDOG_EV_BLOCKED, WATCHDOG_STANDBACK, "standback", true, "the configuration did not come back in time, and others are at work here: judged when they have ended"},

	/* What is seen while others are at work is their doing, and judged when they have ended. Under a hold looks go on. */
	{WATCHDOG_STANDBACK, WATCHDOG_EV_WAITS, SAME, "still without an accepted event"},
	{WATCHDOG_STANDBACK, WATCHDOG_EV_LACKS, SAME, "still not as before"},
	{WATCHDOG_STANDBACK, WATCHDOG_EV_FREE, WATCHDOG_PEERING, "free", false, "the others have ended, or the hold is over: what is now is judged"},

	{WATCHDOG_ACTING, WATCHDOG_EV_SILENT, SAME, "no answer while the action is under way"},
	{WATCHDOG_ACTING, WATCHDOG_EV_RESTARTED, ANY, "restarted", true, "the appliance has restarted while the action is under way: first its end is awaited"},
	{WATCHDOG_ACTING, WATCHDOG_EV_UNPEERED, SAME, "judged when the action has ended"},
	{WATCHDOG_ACTING, WATCHDOG_EV_DOWN, SAME, "judged when the action has ended"},
	{WATCHDOG_ACTING, WATCHDOG_EV_WHOLE, SAME, "judged when the action has ended"},
	{WATCHDOG_ACTING, WATCHDOG_EV_DONE, WATCHDOG_PEERING, "action-ended", true, "the action is done; whether it helped is watched"},
	{WATCHDOG_ACTING, WATCHDOG_EV_FAILED, WATCHDOG_VERDICT, "action-ended", true, "the action failed, and is not repeated"},
	{WATCHDOG_ACTING, WATCHDOG_EV_BUSY, WATCHDOG_STANDBACK, "standback", true, "the action met others at work or a hold, and stands back"},
	{WATCHDOG_ACTING, WATCHDOG_EV_MISSED, WATCHDOG_PEERING, "action-ended", true, "how the action ended is not known, or says nothing about what is now: not repeated, and judged anew"},
	{WATCHDOG_ACTING, WATCHDOG_EV_DEADLINE, WATCHDOG_PEERING, "action-ended", true, "no end of the action was heard of in time: not repeated, and judged anew"},

	{WATCHDOG_VERDICT, WATCHDOG_EV_WAITS, WATCHDOG_EVENT, "waits", false, "the configuration is not there: an accepted event is awaited"},
	{WATCHDOG_VERDICT, WATCHDOG_EV_LACKS, WATCHDOG_CONFIG, "config", false, "the configuration is awaited"},
	{WATCHDOG_VERDICT, WATCHDOG_EV_LINE_ACCEPTED, WATCHDOG_CONFIG, "accepted", false, "an event of the management server is accepted at last; the configuration is awaited"},
	{WATCHDOG_VERDICT, WATCHDOG_EV_BLOCKED, WATCHDOG_STANDBACK, "standback", true, "an action is called for, but others are at work here, or a hold is set: that must end first"},
	{WATCHDOG_VERDICT, WATCHDOG_EV_BEGIN, WATCHDOG_ACTING, "action", true, "the one action of this episode begins"},

	/* What holds wherever no row above says otherwise. */
	{ANY, WATCHDOG_EV_SILENT, WATCHDOG_AWAY, NULL, false, "the management interfaces do not answer any more"},
	{ANY, WATCHDOG_EV_RESTARTED, WATCHDOG_PEERING, "restarted", true, "the appliance has restarted"},
	{ANY, WATCHDOG_EV_UNPEERED, WATCHDOG_PEERING, "peering", false, "the peering has not one primary and quorum any more"},
	{ANY, WATCHDOG_EV_DOWN, WATCHDOG_SERVICE, "service", false, "the service is not enabled and up any more"},
	{ANY, WATCHDOG_EV_WHOLE, WATCHDOG_STEADY, "recovered", true, "all is back: one primary and quorum, the service enabled and up"},
	{ANY, WATCHDOG_EV_DEADLINE, WATCHDOG_VERDICT, "verdict", true, "it did not come back in time"},
	{ANY, WATCHDOG_EV_LINE_PEERING, SAME, "noted: the peering server or its monitor has restarted"},
	{ANY, WATCHDOG_EV_LINE_WAITING, SAME, "noted: the service waits for its registration"},
	{ANY, WATCHDOG_EV_LINE_ACCEPTED, SAME, "noted: an event is accepted"},
	{ANY, WATCHDOG_EV_LINE_SETBACK, SAME, "noted: the service reports a timeout or a rejection"},
	/* What cannot happen in a state changes nothing in it. */
	{ANY, WATCHDOG_EV_WAITS, SAME, "no meaning here"},
	{ANY, WATCHDOG_EV_LACKS, SAME, "no meaning here"},
	{ANY, WATCHDOG_EV_LONG, SAME, "no meaning here"},
	{ANY, WATCHDOG_EV_GAP, SAME, "no meaning here"},
	{ANY, WATCHDOG_EV_LOST, SAME, "no meaning here"},
	{ANY, WATCHDOG_EV_BLOCKED, SAME, "no meaning here"},
	{ANY, WATCHDOG_EV_FREE, SAME, "no meaning here"},
	{ANY, WATCHDOG_EV_BEGIN, SAME, "no meaning here"},
	{ANY, WATCHDOG_EV_DONE, SAME, "no meaning here"},
	{ANY, WATCHDOG_EV_FAILED, SAME, "no meaning here"},
	{ANY, WATCHDOG_EV_BUSY, SAME, "no meaning here"},
	{ANY, WATCHDOG_EV_MISSED, SAME, "no meaning here"},
};

static const struct { const char *name, *action; } states[WATCHDOG_STATE_COUNT] = {
	[WATCHDOG_STEADY] = {"steady", "nothing is known to be wrong; looked at after transactions and grants, and every minute where the log does not come by itself"},
	[WATCHDOG_AWAY] = {"away", "the management interfaces do not answer; told after WATCHDOG_AWAY_S, a verdict after WATCHDOG_ANSWER_LIMIT_S"},
	[WATCHDOG_PEERING] = {"peering", "one primary and quorum are awaited, for settle_s"},
	[WATCHDOG_SERVICE] = {"service", "the service enabled and up is awaited, for settle_s"},
	[WATCHDOG_EVENT] = {"event", "an accepted event is awaited, for heartbeat_s and slack_s; then the others of the group are asked (group_file)"},
	[WATCHDOG_CONFIG] = {"config", "the API collections are awaited, for await_timeout_s"},
	[WATCHDOG_STANDBACK] = {"standback", "another run holds a grant, or a hold is set: its end is awaited, for WATCHDOG_ACT_LIMIT_S"},
	[WATCHDOG_ACTING] = {"acting", "the one action of this episode is under way: its end is awaited, for WATCHDOG_ACT_LIMIT_S"},
	[WATCHDOG_VERDICT] = {"verdict", "it did not come back: the action of on_reboot where the verdict calls for it, and a look every minute"},
};

static const char *const event_names[WATCHDOG_EVENT_COUNT] = {
	"silent", "restarted", "unpeered", "down", "waits", "lacks", "whole", "long", "gap", "lost", "line-peering", "line-waiting", "line-accepted", "line-setback",
	"deadline", "blocked", "free", "begin", "done", "failed", "busy", "missed",
};

static const struct { const char *name, *sentence; } causes[WATCHDOG_CAUSE_COUNT] = {
	[WATCHDOG_CAUSE_NONE] = {"none", "there is no episode"},
	[WATCHDOG_CAUSE_REBOOT] = {"reboot", "the uptime since the reboot went back"},
	[WATCHDOG_CAUSE_RELOAD] = {"reload", "the uptime since the reload went back"},
	[WATCHDOG_CAUSE_PEERING] = {"peering", "0x80e0085f or 0x80e00860: the peering server or its monitor restarted"},
	[WATCHDOG_CAUSE_WAITING] = {"waiting", "0x88e000d7 that no step and no grant explains"},
	[WATCHDOG_CAUSE_LOST] = {"lost", "API collections are fewer than they were, and no event, step or grant explains it"},
	[WATCHDOG_CAUSE_AWAY] = {"away", "the management interfaces did not answer"},
	[WATCHDOG_CAUSE_FOUND] = {"found", "a look found peering or service not as they should be, without a restart"},
};

enum { NUDGES = 1 << WATCHDOG_NUDGE, BOUNCES = 1 << WATCHDOG_BOUNCE, RUNS = 1 << WATCHDOG_RUN };

static const struct {
	const char *name;
	enum watchdog_event lack;
	unsigned acts;
	const char *sentence, *next;
} verdicts[WATCHDOG_VERDICT_COUNT] = {
	[WATCHDOG_NO_VERDICT] = {"none", WATCHDOG_EVENT_COUNT, 0, "none", "drr-agent status"},
	[WATCHDOG_UNREACHABLE] = {"unreachable", WATCHDOG_EV_SILENT, 0, "the appliance does not answer: it is down, or the network or its management interfaces are",
				  "look at the appliance's console; then: drr-agent check --connect"},
	[WATCHDOG_NO_PRIMARY] = {"no-primary", WATCHDOG_EV_UNPEERED, 0, "the peering has no primary: nothing can be registered",
				 "drrctl status; where it stays so, on one member in config mode: gateway-peering-switch-primary NAME"},
	[WATCHDOG_SPLIT_PEERING] = {"split-peering", WATCHDOG_EV_UNPEERED, 0, "the peering is split: it has several primaries",
				    "drrctl status; repair the network between the members; do not flush before there is one primary"},
	[WATCHDOG_NO_QUORUM] = {"no-quorum", WATCHDOG_EV_UNPEERED, 0, "the peering has no quorum: too few members are active", "drrctl status; bring the missing members back"},
	[WATCHDOG_SERVICE_DISABLED] = {"service-disabled", WATCHDOG_EV_DOWN, 0, "the service is disabled, and not by this agent: it is not touched",
				       "find out who disabled it; to enable it, in config mode: apic-gw-service; admin-state enabled; exit"},
	[WATCHDOG_SERVICE_DOWN] = {"service-down", WATCHDOG_EV_DOWN, 0, "the service is enabled, but not up", "drr-agent status; the domain's log says why it does not come up"},
	[WATCHDOG_WAITS] = {"waits", WATCHDOG_EV_WAITS, NUDGES | BOUNCES | RUNS, "no event was accepted in time, so the configuration is not there; how the others of the group are is not known",
			    "drrctl status; then: drrctl nudge"},
	[WATCHDOG_WAITS_ALONE] = {"waits-alone", WATCHDOG_EV_WAITS, NUDGES | BOUNCES | RUNS,
				  "no event was accepted in time here, while others of the group are registered: they may take the events and hide the loss",
				  "drrctl nudge; where it still waits then: drrctl run"},
	[WATCHDOG_GROUP_WAITS] = {"group-waits", WATCHDOG_EV_WAITS, NUDGES | BOUNCES | RUNS, "every member of the group waits for its registration",
				  "drrctl nudge; where they still wait then: drrctl run"},
	[WATCHDOG_SERVER_SILENT] = {"server-silent", WATCHDOG_EV_WAITS, NUDGES | RUNS,
				    "every member of the group waits, and the management server called none of them in time: the fault is on its side, or on the way",
				    "look at API Manager (the gateway service's endpoint, its certificate, the load balancer, outstanding events); then: drrctl nudge"},
	[WATCHDOG_NOT_BACK] = {"not-back", WATCHDOG_EV_LACKS, NUDGES | BOUNCES | RUNS, "the configuration did not come back in time",
			       "drrctl status; look at outstanding events in API Manager; when none is under way: drrctl run"},
};

static const char *const policies[] = {"observe", "nudge", "bounce", "run"};

static const char *const exits[] = {
	"drr-agent status", "the agent's log says more; then: drr-agent status", "drr-agent check; and look at group_file", "drrctl plan, which says what is refused and why",
	"drrctl status; then: drrctl run", "drrctl resume RUN", "drrctl status", "drr-agent check --connect", "drrctl status", "drr-agent recover, at once",
};

const struct watchdog_row *watchdog_rows(unsigned *count)
{
	*count = sizeof rows / sizeof rows[0];
	return rows;
}

const struct watchdog_row *watchdog_row(enum watchdog_state state, enum watchdog_event event)
{
	const struct watchdog_row *general = NULL;

	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		if (rows[i].event == event && rows[i].state == state)
			return &rows[i];
		if (rows[i].event == event && rows[i].state == ANY)
			general = &rows[i];
	}
	return general;
}

const char *watchdog_event_name(enum watchdog_event event)
{
	return event_names[event];
}

const char *watchdog_state_name(enum watchdog_state state)
{
	return state == ANY ? "any" : states[state].name;
}

const char *watchdog_state_action(enum watchdog_state state)
{
	return states[state].action;
}

const char *watchdog_verdict_name(enum watchdog_verdict verdict)
{
	return verdicts[verdict].name;
}

const char *watchdog_verdict_sentence(enum watchdog_verdict verdict)
{
	return verdicts[verdict].sentence;
}

const char *watchdog_verdict_next(enum watchdog_verdict verdict)
{
	return verdicts[verdict].next;
}

enum watchdog_event watchdog_verdict_lack(enum watchdog_verdict verdict)
{
	return verdicts[verdict].lack;
}

bool watchdog_acts(enum watchdog_policy policy, enum watchdog_verdict verdict)
{
	return verdicts[verdict].acts & 1u << policy;
}

const char *watchdog_cause_name(enum watchdog_cause cause)
{
	return causes[cause].name;
}

const char *watchdog_cause_sentence(enum watchdog_cause cause)
{
	return causes[cause].sentence;
}

const char *watchdog_policy_name(enum watchdog_policy policy)
{
	return policies[policy];
}

const char *watchdog_exit_next(int exit_code)
{
	return exits[exit_code >= 0 && exit_code < (int)(sizeof exits / sizeof exits[0]) ? exit_code : 1];
}
