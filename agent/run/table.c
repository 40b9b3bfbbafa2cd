#include "run/table.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define ANY RUN_STATE_COUNT
#define GO RUN_GOES_ON, false
#define SAME RUN_GOES_ON, true

static const struct run_row rows[] = {
	{RUN_PRECHECK, RUN_EV_DONE, RUN_PRIMARY, GO, "the group is fit for a DRR"},
	{RUN_PRECHECK, RUN_EV_REFUSED, RUN_OVER, RUN_REFUSED, false, "declined: nothing was changed"},
	{RUN_PRECHECK, RUN_EV_COMPLAINT, RUN_OVER, RUN_FAILED, false, "the appliance's state could not be read: nothing was changed"},
	{RUN_PRECHECK, RUN_EV_NOT_SENT, RUN_OVER, RUN_UNREACHABLE, false, "the appliance could not be asked: nothing was changed"},
	{RUN_PRECHECK, RUN_EV_DEADLINE, RUN_OVER, RUN_UNREACHABLE, false, "the appliance could not be asked in time: nothing was changed"},
	{RUN_PRECHECK, RUN_EV_STOP, RUN_OVER, RUN_FAILED, false, "stopped: nothing was changed"},

	{RUN_PRIMARY, RUN_EV_DONE, RUN_PRIMARY_WAIT, GO, "switch to this member sent"},
	{RUN_PRIMARY, RUN_EV_SKIP, RUN_FLUSH_CHECK, GO, "no switch of the primary needed"},
	{RUN_PRIMARY, RUN_EV_COMPLAINT, RUN_PRIMARY_WAIT, GO, "the appliance complained about the switch: the table decides"},
	{RUN_PRIMARY, RUN_EV_NOT_SENT, RUN_PRIMARY, GO, "session lost before the switch was sent: again"},
	{RUN_PRIMARY, RUN_EV_UNKNOWN, RUN_PRIMARY_WAIT, GO, "session lost behind the switch: the table decides"},
	{RUN_PRIMARY, RUN_EV_DEADLINE, RUN_OVER, RUN_FAILED, false, "the switch of the primary could not be sent in time: nothing was flushed"},
	{RUN_PRIMARY, RUN_EV_STOP, RUN_OVER, RUN_FAILED, false, "stopped before the flush: nothing was flushed"},

	{RUN_PRIMARY_WAIT, RUN_EV_DONE, RUN_FLUSH_CHECK, GO, "this member is the one primary"},
	{RUN_PRIMARY_WAIT, RUN_EV_NOT_YET, RUN_PRIMARY_WAIT, SAME, "primary, but not all members that were active are so again"},
	{RUN_PRIMARY_WAIT, RUN_EV_NOT_PRIMARY, RUN_PRIMARY_WAIT, SAME, "not primary yet"},
	{RUN_PRIMARY_WAIT, RUN_EV_COMPLAINT, RUN_PRIMARY_WAIT, SAME, "the table could not be read: again"},
	{RUN_PRIMARY_WAIT, RUN_EV_NOT_SENT, RUN_PRIMARY_WAIT, SAME, "session lost while looking: again"},
	{RUN_PRIMARY_WAIT, RUN_EV_UNKNOWN, RUN_PRIMARY, GO, "still not primary after a switch that was perhaps not received, or not obeyed: sent again"},
	{RUN_PRIMARY_WAIT, RUN_EV_DEADLINE, RUN_OVER, RUN_FAILED, false, "this member did not become the one primary of a group that is as active as before: nothing was flushed"},
	{RUN_PRIMARY_WAIT, RUN_EV_STOP, RUN_OVER, RUN_FAILED, false, "stopped before the flush: nothing was flushed"},

	{RUN_FLUSH_CHECK, RUN_EV_DONE, RUN_FLUSH, GO, "primary right before the flush"},
	{RUN_FLUSH_CHECK, RUN_EV_SKIP, RUN_DISABLE, GO, "no flush asked for"},
	{RUN_FLUSH_CHECK, RUN_EV_NOT_PRIMARY, RUN_OVER, RUN_FAILED, false, "this member is not the one primary right before the flush: nothing was flushed"},
	{RUN_FLUSH_CHECK, RUN_EV_COMPLAINT, RUN_FLUSH_CHECK, SAME, "the table could not be read: again"},
	{RUN_FLUSH_CHECK, RUN_EV_NOT_SENT, RUN_FLUSH_CHECK, SAME, "session lost while looking: again"},
	{RUN_FLUSH_CHECK, RUN_EV_DEADLINE, RUN_OVER, RUN_UNREACHABLE, false, "the primary could not be checked in time: nothing was flushed"},
	{RUN_FLUSH_CHECK, RUN_EV_STOP, RUN_OVER, RUN_FAILED, false, "stopped before the flush: nothing was flushed"},

	{RUN_FLUSH, RUN_EV_DONE, RUN_FLUSH_VERIFY, GO, "flush accepted"},
	{RUN_FLUSH, RUN_EV_COMPLAINT, RUN_OVER, RUN_FAILED, false, "the appliance refused the flush: nothing was flushed"},
	{RUN_FLUSH, RUN_EV_NOT_SENT, RUN_FLUSH_CHECK, GO, "session lost before the flush was sent: checked again first"},
	{RUN_FLUSH, RUN_EV_UNKNOWN, RUN_FLUSH_VERIFY, GO, "no clear answer behind the flush: it may have happened, it is not sent again, and the service is bounced as if it had"},
	{RUN_FLUSH, RUN_EV_DEADLINE, RUN_OVER, RUN_UNREACHABLE, false, "the flush could not be sent in time: nothing was flushed"},
	{RUN_FLUSH, RUN_EV_STOP, RUN_OVER, RUN_FAILED, false, "stopped before the flush: nothing was flushed"},

	{RUN_FLUSH_VERIFY, RUN_EV_DONE, RUN_DISABLE, GO, "still primary right after the flush"},
	{RUN_FLUSH_VERIFY, RUN_EV_NOT_PRIMARY, RUN_OVER, RUN_INCOMPLETE, false, "this member is not the one primary right after the flush: incomplete, the run may be made again"},
	{RUN_FLUSH_VERIFY, RUN_EV_COMPLAINT, RUN_FLUSH_VERIFY, SAME, "the table could not be read: again"},
	{RUN_FLUSH_VERIFY, RUN_EV_NOT_SENT, RUN_FLUSH_VERIFY, SAME, "session lost while looking: again"},
	{RUN_FLUSH_VERIFY, RUN_EV_DEADLINE, RUN_OVER, RUN_INCOMPLETE, false, "the primary could not be checked after the flush: incomplete"},
	{RUN_FLUSH_VERIFY, RUN_EV_STOP, RUN_OVER, RUN_INCOMPLETE, false, "stopped behind the flush, before the bounce: incomplete"},

	{RUN_DISABLE, RUN_EV_DONE, RUN_DISABLE_WAIT, GO, "disable accepted"},
	{RUN_DISABLE, RUN_EV_SKIP, RUN_CONFIRM, GO, "no bounce asked for"},
	{RUN_DISABLE, RUN_EV_COMPLAINT, RUN_RESCUE, GO, "the appliance refused the disable: enabling, to be sure"},
	{RUN_DISABLE, RUN_EV_NOT_SENT, RUN_DISABLE, GO, "session lost before the disable was sent: again"},
	{RUN_DISABLE, RUN_EV_UNKNOWN, RUN_DISABLE_WAIT, GO, "session lost behind the disable: the state decides"},
	{RUN_DISABLE, RUN_EV_DEADLINE, RUN_RESCUE, GO, "the disable could not be sent in time: enabling, to be sure"},
	{RUN_DISABLE, RUN_EV_REFUSED, RUN_OVER, RUN_FAILED, false, "stopped, or the journal cannot be written, before the disable: nothing was disabled"},
	/* Not "nothing was disabled": the outcome that could not be written may be that of a disable, and one that got no answer before may arrive late. */
	{RUN_DISABLE, RUN_EV_DISK, RUN_RESCUE, GO, "the journal cannot be written: enabling, to be sure"},
	{RUN_DISABLE, RUN_EV_DENIED, RUN_RESCUE_WAIT, GO, "the appliance does not let us in, or lacks a right, to disable: looking whether the service is enabled"},
	{RUN_DISABLE, RUN_EV_STOP, RUN_RESCUE, GO, "stopped: enabling, to be sure"},

	{RUN_DISABLE_WAIT, RUN_EV_DONE, RUN_ENABLE, GO, "seen disabled"},
	{RUN_DISABLE_WAIT, RUN_EV_NOT_YET, RUN_DISABLE_WAIT, SAME, "not disabled yet"},
	{RUN_DISABLE_WAIT, RUN_EV_UNKNOWN, RUN_DISABLE, GO, "still enabled after a disable that was perhaps not received: sent again"},
	{RUN_DISABLE_WAIT, RUN_EV_COMPLAINT, RUN_DISABLE_WAIT, SAME, "the state could not be read: again"},
	{RUN_DISABLE_WAIT, RUN_EV_NOT_SENT, RUN_DISABLE_WAIT, SAME, "session lost while looking: again"},
	{RUN_DISABLE_WAIT, RUN_EV_DEADLINE, RUN_RESCUE, GO, "not seen disabled in time: enabling"},
	{RUN_DISABLE_WAIT, RUN_EV_STOP, RUN_RESCUE, GO, "stopped while the service is disabled: enabling"},

	{RUN_ENABLE, RUN_EV_DONE, RUN_ENABLE_WAIT, GO, "enable accepted"},
	{RUN_ENABLE, RUN_EV_COMPLAINT, RUN_RESCUE, GO, "the appliance refused the enable: again"},
	{RUN_ENABLE, RUN_EV_NOT_SENT, RUN_ENABLE, GO, "session lost before the enable was sent: again"},
	{RUN_ENABLE, RUN_EV_UNKNOWN, RUN_ENABLE_WAIT, GO, "session lost behind the enable: the state decides"},
	{RUN_ENABLE, RUN_EV_DEADLINE, RUN_RESCUE, GO, "the enable could not be sent in time: going on trying"},
	{RUN_ENABLE, RUN_EV_STOP, RUN_ENABLE, SAME, "stop waits until the service is enabled"},

	{RUN_ENABLE_WAIT, RUN_EV_DONE, RUN_CONFIRM, GO, "seen enabled and up"},
	{RUN_ENABLE_WAIT, RUN_EV_NOT_YET, RUN_ENABLE_WAIT, SAME, "not enabled yet"},
	{RUN_ENABLE_WAIT, RUN_EV_UNKNOWN, RUN_ENABLE, GO, "still disabled after an enable that was perhaps not received, or not obeyed: sent again"},
	{RUN_ENABLE_WAIT, RUN_EV_ENABLED, RUN_ENABLE_WAIT, SAME, "enabled, not up yet"},
	{RUN_ENABLE_WAIT, RUN_EV_SKIP, RUN_CONFIRM, GO, "seen enabled, not up: the log decides"},
	{RUN_ENABLE_WAIT, RUN_EV_COMPLAINT, RUN_ENABLE_WAIT, SAME, "the state could not be read: again"},
	{RUN_ENABLE_WAIT, RUN_EV_NOT_SENT, RUN_ENABLE_WAIT, SAME, "session lost while looking: again"},
	{RUN_ENABLE_WAIT, RUN_EV_DEADLINE, RUN_RESCUE, GO, "not seen enabled in time: going on trying"},
	{RUN_ENABLE_WAIT, RUN_EV_STOP, RUN_ENABLE_WAIT, SAME, "stop waits until the service is enabled"},

	{RUN_RESCUE, RUN_EV_DONE, RUN_RESCUE_WAIT, GO, "enable accepted"},
	{RUN_RESCUE, RUN_EV_COMPLAINT, RUN_RESCUE, GO, "the appliance refused the enable: again"},
	{RUN_RESCUE, RUN_EV_NOT_SENT, RUN_RESCUE, GO, "no session to enable with: again"},
	{RUN_RESCUE, RUN_EV_UNKNOWN, RUN_RESCUE_WAIT, GO, "session lost behind the enable: the state decides"},
	{RUN_RESCUE, RUN_EV_DEADLINE, RUN_OVER, RUN_ACT_NOW, false, "the service may be disabled and could not be enabled: act now"},
	{RUN_RESCUE, RUN_EV_STOP, RUN_RESCUE, SAME, "stop waits until the service is enabled"},

	{RUN_RESCUE_WAIT, RUN_EV_DONE, RUN_OVER, RUN_FAILED, false, "the service is enabled again, but the bounce was not completed"},
	{RUN_RESCUE_WAIT, RUN_EV_ENABLED, RUN_OVER, RUN_FAILED, false, "the service is enabled again, but the bounce was not completed"},
	{RUN_RESCUE_WAIT, RUN_EV_NOT_YET, RUN_RESCUE_WAIT, SAME, "not enabled yet"},
	{RUN_RESCUE_WAIT, RUN_EV_UNKNOWN, RUN_RESCUE, GO, "still disabled after an enable that was perhaps not received, or not obeyed: sent again"},
	{RUN_RESCUE_WAIT, RUN_EV_COMPLAINT, RUN_RESCUE_WAIT, SAME, "the state could not be read: again"},
	{RUN_RESCUE_WAIT, RUN_EV_NOT_SENT, RUN_RESCUE_WAIT, SAME, "session lost while looking: again"},
	{RUN_RESCUE_WAIT, RUN_EV_DEADLINE, RUN_OVER, RUN_ACT_NOW, false, "the service was not seen enabled: act now"},
	{RUN_RESCUE_WAIT, RUN_EV_STOP, RUN_RESCUE_WAIT, SAME, "stop waits until the service is enabled"},

	{RUN_CONFIRM, RUN_EV_DONE, RUN_TRIGGER, GO, "the service waits for its registration"},
	{RUN_CONFIRM, RUN_EV_SKIP, RUN_TRIGGER, GO, "no confirmation asked for"},
	{RUN_CONFIRM, RUN_EV_LINE_WAITING, RUN_TRIGGER, GO, "the service waits for its registration"},
	{RUN_CONFIRM, RUN_EV_DEADLINE, RUN_SECOND, GO, "the waiting line did not come in time: looking for other evidence"},
	{RUN_CONFIRM, RUN_EV_COMPLAINT, RUN_SECOND, GO, "the log cannot be watched: looking for other evidence"},
	{RUN_CONFIRM, RUN_EV_STOP, RUN_OVER, RUN_FAILED, false, "stopped before the confirmation; the service is enabled"},

	{RUN_SECOND, RUN_EV_DONE, RUN_TRIGGER, GO, "second evidence instead of the waiting line: the peering store is empty and the service was bounced"},
	{RUN_SECOND, RUN_EV_NOT_YET, RUN_OVER, RUN_FAILED, false, "no evidence that the service waits for its registration; it is enabled"},
	{RUN_SECOND, RUN_EV_LINE_WAITING, RUN_TRIGGER, GO, "the service waits for its registration (late line)"},
	{RUN_SECOND, RUN_EV_COMPLAINT, RUN_OVER, RUN_FAILED, false, "no evidence that the service waits for its registration; it is enabled"},
	{RUN_SECOND, RUN_EV_NOT_SENT, RUN_SECOND, SAME, "session lost while looking: again"},
	{RUN_SECOND, RUN_EV_DENIED, RUN_OVER, RUN_FAILED, false, "no evidence that the service waits for its registration; it is enabled"},
	{RUN_SECOND, RUN_EV_DEADLINE, RUN_OVER, RUN_FAILED, false, "no evidence that the service waits for its registration; it was enabled"},
	{RUN_SECOND, RUN_EV_STOP, RUN_OVER, RUN_FAILED, false, "stopped before the confirmation; the service is enabled"},

	{RUN_TRIGGER, RUN_EV_SKIP, RUN_OVER, RUN_DONE, false, "all steps asked for are done"},
	{RUN_TRIGGER, RUN_EV_LINE_ACCEPTED, RUN_AWAIT, GO, "the management server's event is accepted"},
	{RUN_TRIGGER, RUN_EV_LINE_COMPLETED, RUN_AWAIT, GO, "a transaction completed"},
	{RUN_TRIGGER, RUN_EV_DEADLINE, RUN_OVER, RUN_INCOMPLETE, false,
	 "the management server did not call within heartbeat and slack: look at API Manager (gateway service's endpoint, its certificate, the load balancer, outstanding events); do not flush again"},
	{RUN_TRIGGER, RUN_EV_COMPLAINT, RUN_OVER, RUN_INCOMPLETE, false,
	 "the log cannot be watched, so whether the service gets its registration is not known here; it is enabled: look at API Manager"},
	{RUN_TRIGGER, RUN_EV_STOP, RUN_OVER, RUN_INCOMPLETE, false, "stopped while waiting for the management server; the service is enabled"},

	{RUN_AWAIT, RUN_EV_QUIET, RUN_AFTER, GO, "re-registered: transactions completed, and quiet since"},
	{RUN_AWAIT, RUN_EV_LINE_ACCEPTED, RUN_AWAIT, SAME, "another event is accepted"},
	{RUN_AWAIT, RUN_EV_LINE_COMPLETED, RUN_AWAIT, GO, "a transaction completed"},
	{RUN_AWAIT, RUN_EV_LINE_WAITING, RUN_TRIGGER, GO, "the service waits for its registration again (a restart?): back to waiting for an event"},
	{RUN_AWAIT, RUN_EV_LINE_SETBACK, RUN_AWAIT, GO, "the service reports a timeout or a rejection: it tries again by itself"},
	{RUN_AWAIT, RUN_EV_DEADLINE, RUN_OVER, RUN_INCOMPLETE, false,
	 "the re-synchronisation did not complete in time; the service is enabled: look at the gateway log and at API Manager; do not flush again while it goes on"},
	{RUN_AWAIT, RUN_EV_COMPLAINT, RUN_OVER, RUN_INCOMPLETE, false,
	 "the log cannot be watched any more, so whether the re-synchronisation completes is not known here; the service is enabled: look at API Manager"},
	{RUN_AWAIT, RUN_EV_STOP, RUN_OVER, RUN_INCOMPLETE, false, "stopped while the re-synchronisation runs; the service is enabled"},

	{RUN_AFTER, RUN_EV_DONE, RUN_OVER, RUN_DONE, false, "all steps are done: one primary, the service enabled and up"},
	{RUN_AFTER, RUN_EV_NOT_YET, RUN_AFTER, SAME, "not up yet"},
	{RUN_AFTER, RUN_EV_NOT_PRIMARY, RUN_AFTER, SAME, "not one primary"},
	{RUN_AFTER, RUN_EV_COMPLAINT, RUN_AFTER, SAME, "the state could not be read: again"},
	{RUN_AFTER, RUN_EV_NOT_SENT, RUN_AFTER, SAME, "session lost while looking: again"},
	{RUN_AFTER, RUN_EV_DEADLINE, RUN_OVER, RUN_INCOMPLETE, false, "re-registered, but one primary and a service that is enabled and up were not seen afterwards"},
	{RUN_AFTER, RUN_EV_DENIED, RUN_OVER, RUN_INCOMPLETE, false, "re-registered, but the appliance does not let us look afterwards"},
	{RUN_AFTER, RUN_EV_STOP, RUN_OVER, RUN_INCOMPLETE, false, "stopped before the last look; re-registered"},

	/* What holds wherever no row above says otherwise. Between disable and enable DENIED means: nobody can enable but a person. */
	{RUN_DISABLE_WAIT, RUN_EV_DENIED, RUN_OVER, RUN_ACT_NOW, false, "the appliance does not let us in any more and the service may be disabled: act now"},
	{RUN_ENABLE, RUN_EV_DENIED, RUN_OVER, RUN_ACT_NOW, false, "the appliance does not let us in any more and the service may be disabled: act now"},
	{RUN_ENABLE_WAIT, RUN_EV_DENIED, RUN_OVER, RUN_ACT_NOW, false, "the appliance does not let us in any more and the service may be disabled: act now"},
	{RUN_RESCUE, RUN_EV_DENIED, RUN_OVER, RUN_ACT_NOW, false, "the appliance does not let us in any more and the service may be disabled: act now"},
	{RUN_RESCUE_WAIT, RUN_EV_DENIED, RUN_OVER, RUN_ACT_NOW, false, "the appliance does not let us in any more and the service may be disabled: act now"},
	{ANY, RUN_EV_DENIED, RUN_OVER, RUN_DENIED, false, "the appliance does not let us in, or lacks a right"},
	/* With the service disabled a full disk is the smaller evil. */
	{RUN_DISABLE_WAIT, RUN_EV_DISK, RUN_RESCUE, GO, "the journal cannot be written: enabling without it"},
	{RUN_ENABLE, RUN_EV_DISK, RUN_RESCUE, GO, "the journal cannot be written: enabling without it"},
	{RUN_ENABLE_WAIT, RUN_EV_DISK, RUN_RESCUE, GO, "the journal cannot be written: enabling without it"},
	{RUN_RESCUE, RUN_EV_DISK, RUN_RESCUE, SAME, "the journal cannot be written: enabling without it"},
	{RUN_RESCUE_WAIT, RUN_EV_DISK, RUN_RESCUE_WAIT, SAME, "the journal cannot be written: enabling without it"},
	{ANY, RUN_EV_DISK, RUN_OVER, RUN_FAILED, false, "the journal cannot be written"},
	{ANY, RUN_EV_LINE_WAITING, ANY, SAME, "noted: the service waits for its registration"},
	{ANY, RUN_EV_LINE_ACCEPTED, ANY, SAME, "noted: an event is accepted"},
	{ANY, RUN_EV_LINE_WORKING, ANY, SAME, "noted: a re-synchronisation makes progress"},
	{ANY, RUN_EV_LINE_COMPLETED, ANY, SAME, "noted: a transaction completed"},
	{ANY, RUN_EV_LINE_SETBACK, ANY, SAME, "noted: the service reports a timeout or a rejection"},
	/* What cannot happen in a state changes nothing in it. */
	{ANY, RUN_EV_DONE, ANY, SAME, "no meaning here"},
	{ANY, RUN_EV_SKIP, ANY, SAME, "no meaning here"},
	{ANY, RUN_EV_REFUSED, ANY, SAME, "no meaning here"},
	{ANY, RUN_EV_NOT_YET, ANY, SAME, "no meaning here"},
	{ANY, RUN_EV_NOT_PRIMARY, ANY, SAME, "no meaning here"},
	{ANY, RUN_EV_ENABLED, ANY, SAME, "no meaning here"},
	{ANY, RUN_EV_COMPLAINT, ANY, SAME, "no meaning here"},
	{ANY, RUN_EV_NOT_SENT, ANY, SAME, "no meaning here"},
	{ANY, RUN_EV_UNKNOWN, ANY, SAME, "no meaning here"},
	{ANY, RUN_EV_DEADLINE, ANY, SAME, "no meaning here"},
	{ANY, RUN_EV_QUIET, ANY, SAME, "no meaning here"},
};

static const struct {
	const char *name, *step, *action;
} states[RUN_STATE_COUNT] = {
	[RUN_PRECHECK] = {"precheck", "precheck", "read peering, service, rights and log; change nothing"},
	[RUN_PRIMARY] = {"primary", "primary", "gateway-peering-switch-primary, only if this member is not primary already"},
	[RUN_PRIMARY_WAIT] = {"primary-wait", "primary", "read the peering table until this member is the one primary"},
	[RUN_FLUSH_CHECK] = {"flush-check", "flush", "read the peering table once more, right before the flush"},
	[RUN_FLUSH] = {"flush", "flush", "diag, gateway-peering-flush, answer its confirmation, leave diag"},
	[RUN_FLUSH_VERIFY] = {"flush-verify", "flush", "read the peering table right after the flush"},
	[RUN_DISABLE] = {"disable", "bounce", "apic-gw-service: admin-state disabled"},
	[RUN_DISABLE_WAIT] = {"disable-wait", "bounce", "read the service's state until it is disabled"},
	[RUN_ENABLE] = {"enable", "bounce", "apic-gw-service: admin-state enabled"},
	[RUN_ENABLE_WAIT] = {"enable-wait", "bounce", "read the service's state until it is enabled and up"},
	[RUN_RESCUE] = {"rescue", "bounce", "enable the service, reconnecting for as long as it takes"},
	[RUN_RESCUE_WAIT] = {"rescue-wait", "bounce", "read the service's state until it is enabled"},
	[RUN_CONFIRM] = {"confirm", "confirm", "watch the log for 0x88e000d7, newer than the mark taken before the bounce"},
	[RUN_SECOND] = {"second-evidence", "confirm", "ask gateway-peering-diag whether the store is empty"},
	[RUN_TRIGGER] = {"trigger", "trigger", "watch the log for an accepted event (heartbeat every 5 minutes)"},
	[RUN_AWAIT] = {"await", "await", "watch the log for completed transactions, then quiet"},
	[RUN_AFTER] = {"after", "await", "read the peering table and the service's state once more"},
	[RUN_OVER] = {"over", "run", "nothing"},
};

static const char *const event_names[RUN_EVENT_COUNT] = {
	"done", "skip", "refused", "not-yet", "not-primary", "enabled", "complaint", "denied", "not-sent", "unknown",
	"deadline", "disk", "stop", "line-waiting", "line-accepted", "line-working", "line-completed", "line-setback", "quiet",
};

static const struct {
	const char *name;
	int exit_code, exit_code_flushed;
} verdicts[RUN_VERDICT_COUNT] = {
	[RUN_GOES_ON] = {"goes-on", 1, 1}, /* never the end of a run */
	[RUN_DONE] = {"done", 0, 0},
	[RUN_REFUSED] = {"refused", 3, 3},
	[RUN_FAILED] = {"failed", 4, 5},
	[RUN_DENIED] = {"denied", 7, 5},
	[RUN_UNREACHABLE] = {"unreachable", 8, 5},
	[RUN_INCOMPLETE] = {"incomplete", 5, 5},
	[RUN_ACT_NOW] = {"act-now", 9, 9},
};

const struct run_row *run_rows(unsigned *count)
{
	*count = sizeof rows / sizeof rows[0];
	return rows;
}

const struct run_row *run_row(enum run_state state, enum run_event event)
{
	const struct run_row *general = NULL;

	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		if (rows[i].event == event && rows[i].state == state)
			return &rows[i];
		if (rows[i].event == event && rows[i].state == ANY)
			general = &rows[i];
	}
	return general;
}

const char *run_state_name(enum run_state state)
{
	return state == RUN_STATE_COUNT ? "any" : states[state].name;
}

const char *run_state_step(enum run_state state)
{
	return states[state].step;
}

const char *run_state_action(enum run_state state)
{
	return states[state].action;
}

const char *run_event_name(enum run_event event)
{
	return event_names[event];
}

const char *run_verdict_name(enum run_verdict verdict)
{
	return verdicts[verdict].name;
}

int run_exit_code(enum run_verdict verdict, bool flushed)
{
	return flushed ? verdicts[verdict].exit_code_flushed : verdicts[verdict].exit_code;
}

static const char *const step_names[] = {"primary", "flush", "bounce", "confirm", "await"};
enum { STEP_NAMES = sizeof step_names / sizeof step_names[0] };

static unsigned step_by_name(const char *name, size_t length)
{
	for (unsigned i = 0; i < STEP_NAMES; i++)
		if (strlen(step_names[i]) == length && memcmp(step_names[i], name, length) == 0)
			return 1u << i;
	return 0;
}

unsigned run_steps_parse(const char *text)
{
	unsigned steps = 0;

	for (;;) {
		size_t length = strcspn(text, ",");
		unsigned step = step_by_name(text, length);

		if (step == 0 || (steps & step))
			return 0;
		steps |= step;
		if (text[length] == '\0')
			return steps;
		text += length + 1;
	}
}

char *run_steps_format(unsigned steps, char out[40])
{
	struct buf buf;

	buf_init(&buf, out, 40);
	for (unsigned i = 0; i < STEP_NAMES; i++)
		if (steps & 1u << i)
			(void)buf_printf(&buf, "%s%s", buf.len > 0 ? "," : "", step_names[i]);
	return out;
}

bool run_state_wanted(enum run_state state, unsigned steps)
{
	switch (state) {
	case RUN_PRIMARY:
		return steps & RUN_STEP_PRIMARY;
	case RUN_FLUSH_CHECK:
		return steps & RUN_STEP_FLUSH;
	case RUN_DISABLE:
		return steps & RUN_STEP_BOUNCE;
	case RUN_CONFIRM:
		return steps & RUN_STEP_CONFIRM;
	case RUN_TRIGGER:
		return steps & RUN_STEP_AWAIT;
	default:
		return true;
	}
}
