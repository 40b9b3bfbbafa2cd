#include <string.h>

#include "engine/daemon.h"
#include "platform/clock.h"

/* The next question that is worth asking; false: all were asked. */
static bool start_next(struct daemon *d)
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

void look_want(struct daemon *d)
{
	if (d->job != DAEMON_IDLE || !mono_reached(d->look_again_at, clock_now()))
		return;
	d->job = DAEMON_LOOK;
	d->look_stage = 0;
	d->over.looked_at = clock_now();
	d->counts.looks++;
	(void)start_next(d);
}

/* WHY: NULL where it was answered. */
static void end_look(struct daemon *d, const struct error *why)
{
	struct mono now = clock_now();

	error_clear(&d->look_error);
	if (why)
		d->look_error = *why;

	d->job = DAEMON_IDLE;
	d->link_idle_at = mono_add_ms(now, DAEMON_LINK_IDLE_MS);
	d->look_again_at = mono_add_ms(now, why ? DAEMON_LOOK_PAUSE_MS : DAEMON_LOOK_REST_MS);
	d->counts.looks_failed += why != NULL;
	over_take_look(d, why);
}

void look_turn(struct daemon *d)
{
	struct link *link = &d->runner.link;
	unsigned count;
	const struct situation_question *questions = situation_questions(&count);

	while (d->job == DAEMON_LOOK && link_step(link, clock_now()) != LINK_WAIT) {
		if (link->status == LINK_FAILED && questions[d->look_stage].needed) {
			end_look(d, &link->error);
			return;
		}
		d->look_stage++;
		if (!start_next(d))
			end_look(d, NULL);
	}
}
