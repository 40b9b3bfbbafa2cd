#include "engine/auditing.h"

#include <stdio.h>
#include <string.h>

#include "platform/clock.h"
#include "watch/follow.h"
#include "watch/line.h"

enum {
	NEEDED = 4,            /* of the questions, the first ones */
	LOG_END_BYTES = 65536, /* the newest line with a time is looked for here */
	URL_SHOWN_BYTES = 150,
};

const enum appliance_op auditing_questions[AUDITING_QUESTIONS] = {
	APPLIANCE_ASK_IDENTITY, APPLIANCE_ASK_OBJECT, APPLIANCE_ASK_PEERING, APPLIANCE_ASK_SERVICE,
	APPLIANCE_ASK_PEERINGS, APPLIANCE_ASK_LOG_TARGETS, APPLIANCE_ASK_SAVED, APPLIANCE_ASK_COLLECTIONS,
};

bool auditing_does_without(unsigned i, struct link *link)
{
	if (i < NEEDED || (link->error.code != ERROR_PERMISSION && link->error.code != ERROR_ANSWER && link->xmi_error.code == ERROR_NONE))
		return false;
	switch (auditing_questions[i]) {
	case APPLIANCE_ASK_PEERINGS: link->facts.have_peerings = false; break;
	case APPLIANCE_ASK_LOG_TARGETS: link->facts.have_log_targets = false; break;
	case APPLIANCE_ASK_SAVED: link->facts.unsaved = PEERING_UNKNOWN; break;
	default: link->facts.collections = -1; break;
	}
	return true;
}

/* ---- clocks --------------------------------------------------------------------------------------------------- */

static void take_time(void *context, const char *bytes, size_t length)
{
	int64_t *newest = context;
	struct line line;

	if (line_parse(bytes, length, &line) && (line.time_kind == LINE_TIME_ZULU || line.time_kind == LINE_TIME_NUMERIC))
		*newest = line.time_ms;
}

/* The newest line's time is the appliance's clock at the moment when the file was written, which is known by this host's clock. */
static void read_clock(const struct config *config, struct audit_member *member)
{
	struct error ignored = {0};
	int64_t newest = AUDIT_CLOCK_UNKNOWN, age_ms = 0;

	member->appliance_clock_ms = member->asked_wall_ms = AUDIT_CLOCK_UNKNOWN;
	if (config->log.source != CONFIG_LOG_FILE ||
	    follow_history(config->log.file, LOG_END_BYTES, take_time, &newest, &age_ms, &ignored) || newest == AUDIT_CLOCK_UNKNOWN)
		return;
	member->appliance_clock_ms = newest;
	member->asked_wall_ms = clock_wall_ms() - age_ms;
}

void auditing_fill(struct audit_member *member, const struct config *config, const struct appliance_facts *facts, const struct error *xmi_error, const char *address)
{
	memset(member, 0, sizeof *member);
	member->name = config->agent.name;
	member->config_path = config->path;
	member->domain = config->appliance.domain;
	member->address = address;
	member->facts = facts;
	member->xmi_error = xmi_error->code != ERROR_NONE ? xmi_error->what : NULL;
	/* Whom nobody answers can be off; any other refusal has a remedy of its own. */
	member->xmi_next = xmi_error->code != ERROR_UNREACHABLE && xmi_error->next[0] ? xmi_error->next : NULL;
	read_clock(config, member);
}

/* ---- doors ---------------------------------------------------------------------------------------------------- */

static const char *const paths[AUDITING_DOORS] = {"/health", "/webapi-init-check"};

static const struct config_url *url_of(const struct config *config, unsigned i)
{
	return i == 0 ? &config->appliance.gateway_mgmt_url : &config->appliance.gateway_api_url;
}

int auditing_knock(const struct config *config, unsigned i, struct probe *probe, struct error *error)
{
	const struct config_url *url = url_of(config, i);

	if (url->text[0] == '\0')
		return 0;
	return probe_start(url, paths[i], config->appliance.gateway_ca_file, probe, error) ? -1 : 1;
}

void auditing_take(const struct config *config, unsigned i, const struct probe *probe, struct audit_member *member)
{
	const char *unchecked = probe->certificate_checked || !probe->status ? "" : " (certificate not checked: no gateway_ca_file)";
	const struct config_url *url = url_of(config, i);
	struct audit_probe *out = i == 0 ? &member->health : &member->init_check;
	size_t wide = strlen(url->text);
	int shown;

	while (wide > 0 && url->text[wide - 1] == '/')
		wide--;
	shown = (int)(wide < URL_SHOWN_BYTES ? wide : URL_SHOWN_BYTES);
	out->asked = true;
	out->good = probe->status == 200 && (i != 0 || audit_health_is_ok(probe->body, probe->body_bytes));
	if (probe->status == 0)
		(void)snprintf(out->evidence, sizeof out->evidence, "%.*s%s: %.300s", shown, url->text, paths[i], probe->error.what);
	else
		(void)snprintf(out->evidence, sizeof out->evidence, "%.*s%s answers %d%s%.80s%s", shown, url->text, paths[i], probe->status,
			       probe->body_bytes ? ": " : "", probe->body, unchecked);
}

/* ---- telling -------------------------------------------------------------------------------------------------- */

struct json *auditing_json(const struct audit *audit, const struct audit_member *members)
{
	struct json *all = json_array();

	for (unsigned i = 0; i < audit->count; i++) {
		const struct audit_finding *finding = &audit->findings[i];
		struct json *object = json_object(), *fix = json_array();

		json_set_string(object, "id", finding->id);
		json_set_string(object, "severity", audit_severity_name(finding->severity));
		json_set_string(object, "member", members[finding->member].name);
		json_set_string(object, "subject", finding->subject[0] ? finding->subject : NULL);
		json_set_string(object, "evidence", finding->evidence);
		json_set_string(object, "why", finding->why);
		for (unsigned k = 0; k < finding->fix_count; k++)
			json_add_string(fix, finding->fix[k]);
		json_set(object, "fix", fix);
		json_set_string(object, "note", finding->changes ? audit_note : NULL);
		json_add(all, object);
	}
	return all;
}
