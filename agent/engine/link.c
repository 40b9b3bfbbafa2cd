#include "engine/link.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "platform/clock.h"

int link_init(struct link *link, const struct config *config, struct error *error)
{
	struct appliance_facts *facts = &link->facts;

	link->config = config;
	memset(facts, 0, offsetof(struct appliance_facts, peerings)); /* the two arrays are large, and valid as far as their counts say */
	facts->have_peerings = facts->have_log_targets = false;
	facts->log_target_count = 0;
	memset(facts->ways, 0, sizeof facts->ways);
	memset(link->answered_at, 0, sizeof link->answered_at);
	memset(&link->wanted, 0, sizeof link->wanted);
	link->clock_told_ms = 0;
	facts->uptime_reload_s = facts->uptime_reboot_s = facts->store_keys = facts->collections = -1;
	link->status = LINK_IDLE;
	link->way = APPLIANCE_WAY_NONE;
	link->xmi_unable = 0;
	link->xmi_told = false;
	error_clear(&link->error);
	error_clear(&link->xmi_error);
	if (cli_link_init(&link->cli, config, &link->wanted, facts, error))
		return -1;
	return config->xmi.url.text[0] ? xmi_link_init(&link->xmi, config, &link->wanted, facts, error) : 0;
}

void link_free(struct link *link)
{
	if (!link->config)
		return;
	cli_link_free(&link->cli);
	if (link->config->xmi.url.text[0])
		xmi_link_free(&link->xmi);
}

void link_set_trace(struct link *link, cli_link_trace_function *trace, void *context)
{
	link->cli.trace = trace;
	link->cli.trace_context = context;
	link->xmi.trace = trace;
	link->xmi.trace_context = context;
}

const char *link_way_name(const struct link *link, enum appliance_op op)
{
	static const char *const names[] = {[APPLIANCE_WAY_NONE] = NULL, [APPLIANCE_WAY_CLI] = "cli", [APPLIANCE_WAY_XMI] = "xmi"};

	return names[link->facts.ways[op]];
}

static bool xmi_usable(struct link *link, enum appliance_op op, struct mono now)
{
	if (!link->config->xmi.url.text[0] || !xmi_can(op) || (link->xmi_unable & 1u << op))
		return false;
	if (link->xmi_error.code == ERROR_NONE)
		return true;
	if (!mono_reached(link->xmi_again_at, now))
		return false;
	error_clear(&link->xmi_error);
	return true;
}

static void start_cli(struct link *link, struct mono now)
{
	link->way = APPLIANCE_WAY_CLI;
	cli_link_start(&link->cli, link->op, now);
}

void link_start(struct link *link, enum appliance_op op, struct mono now)
{
	assert(link->status != LINK_WAIT);
	link->op = op;
	link->status = LINK_WAIT;
	link->effect = APPLIANCE_NO_EFFECT;
	error_clear(&link->error);
	if (xmi_usable(link, op, now)) {
		link->way = APPLIANCE_WAY_XMI;
		xmi_link_start(&link->xmi, op, now);
	} else if (cli_can(op)) {
		start_cli(link, now);
	} else {
		link->way = APPLIANCE_WAY_NONE;
		if (link->xmi_error.code != ERROR_NONE)
			link->error = link->xmi_error;
		else
			(void)error_set(&link->error, ERROR_ANSWER, "configure the section [xmi]",
					"%s can be done over the XML management interface only", appliance_op_name(op));
	}
}

static enum link_status finish(struct link *link, enum link_status status, enum appliance_effect effect)
{
	link->status = status;
	link->effect = effect;
	if (link->facts.clock.utc_ms != link->clock_told_ms) {
		link->clock_told_ms = link->facts.clock.utc_ms;
		link->clock_at = clock_now();
	}
	if (status == LINK_DONE) {
		link->facts.ways[link->op] = link->way;
		link->answered_at[link->op] = clock_now();
	}
	return status;
}

/* What a failure over XMI means for the operations that come. */
static void judge_xmi(struct link *link, struct mono now)
{
	const struct error *error = &link->xmi.error;

	if (link->xmi.xmi.authenticated && (error->code == ERROR_PERMISSION || error->code == ERROR_ANSWER)) {
		link->xmi_unable |= 1u << link->op; /* this user or this firmware cannot do that one */
		return;
	}
	link->xmi_error = *error;
	link->xmi_told = false;
	link->xmi_again_at = error->code == ERROR_AUTH || error->code == ERROR_HOST_KEY || error->code == ERROR_CONFIG
				     ? MONO_NEVER : mono_add_ms(now, LINK_XMI_PAUSE_MS);
}

/* A user without rights in the default domain gets no firmware and no uptime: the CLI tells them to everybody. */
static bool is_half_answer(struct link *link)
{
	if (link->op != APPLIANCE_ASK_IDENTITY || link->facts.firmware[0])
		return false;
	link->xmi_unable |= 1u << link->op;
	return true;
}

static enum link_status step_xmi(struct link *link, struct mono now)
{
	enum xmi_link_status status = xmi_link_step(&link->xmi, now);

	if (status == XMI_LINK_WAIT)
		return LINK_WAIT;
	if (status == XMI_LINK_DONE && is_half_answer(link)) {
		start_cli(link, now);
		return LINK_WAIT;
	}
	if (status == XMI_LINK_DONE)
		return finish(link, LINK_DONE, link->xmi.effect);
	judge_xmi(link, now);
	if (link->xmi.effect == APPLIANCE_NO_EFFECT && cli_can(link->op)) {
		start_cli(link, now);
		return LINK_WAIT;
	}
	link->error = link->xmi.error;
	return finish(link, LINK_FAILED, link->xmi.effect);
}

/* The CLI lets nobody in, and XMI only failed a moment ago: while the service may be disabled that is no verdict, the next attempt goes over XMI again. */
static void keep_hope(struct link *link)
{
	bool matters = link->op == APPLIANCE_DISABLE || link->op == APPLIANCE_ENABLE || link->op == APPLIANCE_ASK_SERVICE;
	enum error_code code = link->cli.error.code;
	bool closed = code == ERROR_AUTH || code == ERROR_HOST_KEY || code == ERROR_PERMISSION || code == ERROR_UNREACHABLE;

	if (!matters || !closed || !link->config->xmi.url.text[0] || !xmi_can(link->op))
		return;
	if (link->xmi_error.code != ERROR_NONE && link->xmi_again_at.ms == INT64_MAX)
		return; /* refused credentials or a wrong key: that way is closed as well */
	if (link->xmi_error.code == ERROR_NONE && !(link->xmi_unable & 1u << link->op))
		return; /* XMI was not the reason */
	error_clear(&link->xmi_error);
	link->xmi_unable &= ~(1u << link->op);
	link->error.code = ERROR_LOST;
}

static enum link_status step_cli(struct link *link, struct mono now)
{
	enum cli_link_status status = cli_link_step(&link->cli, now);

	if (status == CLI_LINK_WAIT)
		return LINK_WAIT;
	if (status == CLI_LINK_DONE)
		return finish(link, LINK_DONE, link->cli.effect);
	link->error = link->cli.error;
	keep_hope(link);
	return finish(link, LINK_FAILED, link->cli.effect);
}

enum link_status link_step(struct link *link, struct mono now)
{
	if (link->status != LINK_WAIT)
		return link->status;
	if (link->way == APPLIANCE_WAY_NONE)
		return finish(link, LINK_FAILED, APPLIANCE_NO_EFFECT);
	if (link->way == APPLIANCE_WAY_XMI && step_xmi(link, now) == LINK_WAIT && link->way == APPLIANCE_WAY_XMI)
		return LINK_WAIT;
	return link->status == LINK_WAIT ? step_cli(link, now) : link->status;
}

struct pollfd link_poll(const struct link *link)
{
	if (link->status == LINK_WAIT && link->way == APPLIANCE_WAY_XMI)
		return xmi_link_poll(&link->xmi);
	return cli_link_poll(&link->cli);
}

struct mono link_deadline(const struct link *link)
{
	if (link->status != LINK_WAIT)
		return MONO_NEVER;
	return link->way == APPLIANCE_WAY_XMI ? xmi_link_deadline(&link->xmi) : cli_link_deadline(&link->cli);
}

void link_close(struct link *link)
{
	bool hung = link->status == LINK_WAIT && link->way == APPLIANCE_WAY_XMI;

	cli_link_close(&link->cli);
	if (link->config->xmi.url.text[0])
		xmi_link_close(&link->xmi);
	if (hung) { /* the caller's patience is over: the next operation must not hang there as well */
		error_clear(&link->xmi_error);
		(void)error_set(&link->xmi_error, ERROR_TIMEOUT, "look at the XML management interface", "%s got no answer over XMI in time", appliance_op_name(link->op));
		link->xmi_again_at = mono_add_ms(clock_now(), LINK_XMI_PAUSE_MS);
		link->xmi_told = false;
	}
	if (link->status == LINK_WAIT) {
		link->effect = link->way == APPLIANCE_WAY_XMI ? link->xmi.effect : link->way == APPLIANCE_WAY_CLI ? link->cli.effect : APPLIANCE_NO_EFFECT;
		link->status = LINK_IDLE;
	}
}
