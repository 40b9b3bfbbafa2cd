#include "engine/auditing.h"
#include "engine/daemon.h"
#include "platform/clock.h"

/* Of the audit under way: its questions are the stages of a look, and the doors those behind them. */
static struct {
	struct audit_member member;
	struct probe probe;
	bool probing;
} audited;

/* ---- for a state ---------------------------------------------------------------------------------------------- */

/* The next question that is worth asking; false: all were asked. */
static bool start_question(struct daemon *d)
{
	struct link *link = &d->runner.link;
	unsigned count;
	const struct situation_question *questions = situation_questions(&count);

	while (d->look_stage < count && !questions[d->look_stage].needed && questions[d->look_stage].op != APPLIANCE_ASK_SERVICE &&
	       link->facts.ways[APPLIANCE_ASK_OBJECT] == APPLIANCE_WAY_NONE)
		d->look_stage++;
	if (d->look_stage == count)
		return false;
	link_start(link, questions[d->look_stage].op, clock_now());
	return true;
}

/* ---- for an audit --------------------------------------------------------------------------------------------- */

/* The next question or door. 1: begun; 0: that was all; -1: this end is at fault. */
static int start_audit_stage(struct daemon *d, struct error *error)
{
	struct link *link = &d->runner.link;
	int begun = 0;

	if (d->look_stage < AUDITING_QUESTIONS) {
		link_start(link, auditing_questions[d->look_stage], clock_now());
		return 1;
	}
	if (d->look_stage == AUDITING_QUESTIONS)
		auditing_fill(&audited.member, d->config, &link->facts, &link->xmi_error, api_member_address(d));
	for (; begun == 0 && d->look_stage < AUDITING_QUESTIONS + AUDITING_DOORS; d->look_stage += begun == 0)
		begun = auditing_knock(d->config, d->look_stage - AUDITING_QUESTIONS, &audited.probe, error);
	audited.probing = begun == 1;
	return begun;
}

/* ---- any look ------------------------------------------------------------------------------------------------- */

/* WHY: NULL where it was answered. */
static void end_look(struct daemon *d, const struct error *why)
{
	struct mono now = clock_now();

	if (!d->look_audits || !why) { /* an audit asks for more than a state needs: what it misses is told to whoever wants it */
		error_clear(&d->look_error);
		if (why)
			d->look_error = *why;
	}
	d->job = DAEMON_IDLE;
	d->link_idle_at = mono_add_ms(now, DAEMON_LINK_IDLE_MS);
	d->look_again_at = mono_add_ms(now, why ? DAEMON_LOOK_PAUSE_MS : DAEMON_LOOK_REST_MS);
	d->counts.looks_failed += why != NULL;
	if (d->look_audits)
		api_answer_audits(d, &audited.member, why);
	else
		over_take_look(d, why);
}

static bool goes_on(struct daemon *d)
{
	unsigned count;

	return d->look_audits ? auditing_does_without(d->look_stage, &d->runner.link) : !situation_questions(&count)[d->look_stage].needed;
}

/* A stage is over; on to the next one, if there is one. */
static void go_on(struct daemon *d)
{
	struct error error = {0};
	int begun;

	d->look_stage++;
	begun = d->look_audits ? start_audit_stage(d, &error) : start_question(d);
	if (begun < 1)
		end_look(d, begun < 0 ? &error : NULL);
}

void look_turn(struct daemon *d)
{
	struct link *link = &d->runner.link;

	while (d->job == DAEMON_LOOK && !audited.probing && link_step(link, clock_now()) != LINK_WAIT) {
		if (link->status == LINK_FAILED && !goes_on(d)) {
			end_look(d, &link->error);
			return;
		}
		go_on(d);
	}
	while (d->job == DAEMON_LOOK && audited.probing && probe_step()) {
		audited.probing = false;
		auditing_take(d->config, d->look_stage - AUDITING_QUESTIONS, &audited.probe, &audited.member);
		go_on(d);
	}
}

static void begin_look(struct daemon *d, bool audits)
{
	struct error ignored = {0};

	if (d->job != DAEMON_IDLE || !mono_reached(d->look_again_at, clock_now()))
		return;
	d->job = DAEMON_LOOK;
	d->look_audits = audits;
	d->look_stage = 0;
	d->over.looked_at = clock_now();
	d->counts.looks++;
	(void)(audits ? start_audit_stage(d, &ignored) : start_question(d)); /* there is a first one */
	look_turn(d); /* its first step: without it there is nothing to wait for */
}

void look_want(struct daemon *d)
{
	begin_look(d, false);
}

void look_audit(struct daemon *d)
{
	begin_look(d, true);
}

struct pollfd look_poll(const struct daemon *d)
{
	return audited.probing ? probe_poll() : link_poll(&d->runner.link);
}

struct mono look_deadline(const struct daemon *d)
{
	return audited.probing ? probe_deadline() : link_deadline(&d->runner.link);
}

void look_drop(struct daemon *d)
{
	if (d->job != DAEMON_LOOK)
		return;
	if (audited.probing)
		probe_stop();
	else
		link_close(&d->runner.link);
	audited.probing = false;
	d->over.wants_look = true; /* behind what comes now */
	d->job = DAEMON_IDLE;
}
