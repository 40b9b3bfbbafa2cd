#include "group/survey.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

enum { FINDINGS_MAX = 1024, EVIDENCE_BYTES = 4096, FIX_LINES_MAX = 8, FIX_BYTES = 512, SEVERITIES = 3 };

static const char *const severities[SEVERITIES] = {"critical", "warning", "info"};

/* One finding; strings are the members' answers', or static. */
struct finding {
	const char *id, *severity, *subject, *why, *note;
	const char *evidence[GROUP_MEMBERS_MAX]; /* by member; NULL: it did not find it */
	const struct json *fixes[GROUP_MEMBERS_MAX];
	char own_evidence[EVIDENCE_BYTES], own_fix[FIX_BYTES]; /* of a comparison; "" */
};

struct work {
	const struct survey *survey;
	struct finding *findings[FINDINGS_MAX]; /* more are left out: nobody reads them before these are mended */
	unsigned count;
};

/* A set of members, 1 << index, and what was found of them. */
struct evidence {
	uint32_t members;
	struct buf text;
	char memory[EVIDENCE_BYTES];
};

/* ---- what the members found ----------------------------------------------------------------------------------- */

static const char *text_of(const struct json *object, const char *key)
{
	const char *text = json_string(json_get(object, key));

	return text ? text : "";
}

/* NULL: there is no room for another one. */
static struct finding *find_or_add(struct work *work, const char *id, const char *subject)
{
	struct finding *finding;

	for (unsigned i = 0; i < work->count; i++)
		if (strcmp(work->findings[i]->id, id) == 0 && strcmp(work->findings[i]->subject, subject) == 0)
			return work->findings[i];
	finding = work->count < FINDINGS_MAX ? calloc(1, sizeof *finding) : NULL;
	if (!finding)
		return NULL;
	finding->id = id;
	finding->subject = subject;
	work->findings[work->count++] = finding;
	return finding;
}

static const char *known_severity(const char *text)
{
	for (unsigned i = 0; i < SEVERITIES; i++)
		if (strcmp(severities[i], text) == 0)
			return severities[i];
	return severities[0]; /* of a newer agent: rather too loud */
}

static void take_findings(struct work *work, unsigned member)
{
	const struct json *all = work->survey->members[member].findings;

	for (size_t i = 0; json_at(all, i); i++) {
		const struct json *object = json_at(all, i);
		struct finding *finding = text_of(object, "id")[0] ? find_or_add(work, text_of(object, "id"), text_of(object, "subject")) : NULL;

		if (!finding)
			continue;
		if (!finding->severity) {
			finding->severity = known_severity(text_of(object, "severity"));
			finding->why = text_of(object, "why");
			finding->note = text_of(object, "note");
		}
		finding->evidence[member] = text_of(object, "evidence");
		finding->fixes[member] = json_get(object, "fix");
	}
}

static bool is_found(const struct work *work, const char *id)
{
	for (unsigned i = 0; i < work->count; i++)
		if (strcmp(work->findings[i]->id, id) == 0)
			return true;
	return false;
}

/* ---- what a comparison finds ---------------------------------------------------------------------------------- */

static void begin(struct evidence *evidence)
{
	evidence->members = 0;
	buf_init(&evidence->text, evidence->memory, sizeof evidence->memory);
}

static const char *comma(const struct evidence *evidence)
{
	return evidence->members ? ", " : "";
}

/* Nothing where the members told it themselves. */
static void found(struct work *work, const char *id, const char *severity, const char *why, const struct evidence *evidence, const char *fix)
{
	struct finding *finding = is_found(work, id) ? NULL : find_or_add(work, id, "");

	if (!finding)
		return;
	finding->severity = severity;
	finding->why = why;
	finding->note = "";
	(void)snprintf(finding->own_evidence, sizeof finding->own_evidence, "%s", evidence->memory);
	(void)snprintf(finding->own_fix, sizeof finding->own_fix, "%s", fix);
	for (unsigned i = 0; i < work->survey->count; i++)
		if (evidence->members & 1u << i)
			finding->evidence[i] = finding->own_evidence;
}

static void find_not_audited(struct work *work, bool silent)
{
	struct evidence evidence;
	const char *next = "drrctl status";

	begin(&evidence);
	for (unsigned i = 0; i < work->survey->count; i++) {
		const struct survey_member *member = &work->survey->members[i];

		if (member->findings || member->silent != silent)
			continue;
		(void)buf_printf(&evidence.text, "%s%s: %.300s", comma(&evidence), member->name, member->trouble);
		next = member->next[0] ? member->next : next;
		evidence.members |= 1u << i;
	}
	if (evidence.members && silent)
		found(work, "agent-unreachable", "critical", "nothing is known of a member whose agent does not answer, and a run is refused until it does", &evidence,
		      "systemctl status drr-agent   on that machine; and look at the firewall between");
	else if (evidence.members)
		found(work, "not-audited", "warning", "what is wrong with this member is not known", &evidence, next);
}

/* A value that all who tell one should tell alike; "" is none. */
static void find_difference(struct work *work, const char *(*get)(const struct view_state *), const char *id, const char *severity, const char *why, const char *fix)
{
	struct evidence evidence;
	const char *first = "";
	bool differ = false;

	begin(&evidence);
	for (unsigned i = 0; i < work->survey->count; i++) {
		const struct survey_member *member = &work->survey->members[i];
		const char *value = member->state ? get(member->state) : "";

		if (value[0] == '\0')
			continue;
		(void)buf_printf(&evidence.text, "%s%s: %s", comma(&evidence), member->name, value);
		differ |= first[0] && strcmp(first, value) != 0;
		first = first[0] ? first : value;
		evidence.members |= 1u << i;
	}
	if (differ)
		found(work, id, severity, why, &evidence, fix);
}

static const char *get_object(const struct view_state *state) { return state->object; }
static const char *get_domain(const struct view_state *state) { return state->domain; }
static const char *get_primary(const struct view_state *state) { return state->primary_address; }
static const char *get_persistence(const struct view_state *state) { return state->persistence; }
static const char *get_firmware(const struct view_state *state) { return state->firmware; }

static void find_differences(struct work *work)
{
	find_difference(work, get_object, "object-disagrees", "critical", "members of one group have the same peering object: otherwise they are not one group, and a flush does not reach all",
			"set peering_object in [appliance] of the members' agent.conf, then: systemctl reload drr-agent");
	find_difference(work, get_domain, "domain-disagrees", "critical", "members of one group serve the same domain", "set domain in [appliance] of the members' agent.conf, then: systemctl reload drr-agent");
	find_difference(work, get_primary, "members-disagree", "critical", "members that see different primaries, or not one member in common, are split, or are not one group", "drrctl status");
	find_difference(work, get_persistence, "persistence-disagrees", "warning",
			"all members must have the same persistence: after a restart of all, a member with old data and one with none do not make one group",
			"drr-agent audit --fix persistence --to local   on each member that has memory");
	find_difference(work, get_firmware, "firmware-disagrees", "warning", "members with different firmware belong together during an upgrade only, and a run is refused meanwhile",
			"finish the upgrade of the members");
}

/* Who calls itself otherwise than group.conf calls it. */
static void find_names(struct work *work)
{
	struct evidence evidence;

	begin(&evidence);
	for (unsigned i = 0; i < work->survey->count; i++) {
		const struct survey_member *member = &work->survey->members[i];

		if (!member->state || strcmp(member->state->name, member->name) == 0)
			continue;
		(void)buf_printf(&evidence.text, "%s%s calls itself %s", comma(&evidence), member->name, member->state->name);
		evidence.members |= 1u << i;
	}
	if (evidence.members)
		found(work, "name-differs", "warning", "a run is refused while group.conf names another member than the one that answers", &evidence,
		      "use the agent's name in group.conf, or correct its url");
}

/* What the agents' own rule finds in the tables; here from the members' own words, where tables have no such column. */
static void find_same_priorities(struct work *work)
{
	const struct survey *survey = work->survey;

	for (unsigned i = 0; i < survey->count; i++) {
		const struct view_state *state = survey->members[i].state;
		struct evidence evidence;

		begin(&evidence);
		for (unsigned k = 0; state && state->priority >= 0 && k < survey->count; k++) {
			if (!survey->members[k].state || survey->members[k].state->priority != state->priority)
				continue;
			(void)buf_printf(&evidence.text, "%s%s", comma(&evidence), survey->members[k].name);
			evidence.members |= 1u << k;
		}
		if (!(evidence.members & (evidence.members - 1)))
			continue;
		(void)buf_printf(&evidence.text, " have priority %lld", (long long)state->priority);
		found(work, "priority-not-distinct", "warning", "nobody has decided which member becomes primary after a fail-over, and it need not be the same twice", &evidence,
		      "give each member a priority of its own: gateway-peering NAME; priority NUMBER; exit");
		return;
	}
}

static int64_t priority_of(const struct view_state *state, const char *address)
{
	for (unsigned k = 0; k < state->row_count; k++)
		if (strcmp(state->rows[k], address) == 0)
			return state->priorities[k];
	return -1;
}

/* Two members' tables tell different priorities of the same gateway. */
static void find_other_priorities(struct work *work, const struct survey_member *here, const struct survey_member *there, uint32_t members)
{
	for (unsigned row = 0; row < here->state->row_count; row++) {
		const char *address = here->state->rows[row];
		int64_t one = here->state->priorities[row], other = priority_of(there->state, address);
		struct evidence evidence;

		if (address[0] == '\0' || one < 0 || other < 0 || one == other)
			continue;
		begin(&evidence);
		evidence.members = members;
		(void)buf_printf(&evidence.text, "priority of %s: %lld for %s, %lld for %s", address, (long long)one, here->name, (long long)other, there->name);
		found(work, "priorities-disagree", "warning", "members that know another one's priority differently choose different primaries after a fail-over", &evidence,
		      "show gateway-peering-status   on both: bring the link between them up, or disable and enable the peering object");
		return;
	}
}

static void find_priorities(struct work *work)
{
	const struct survey *survey = work->survey;

	find_same_priorities(work);
	for (unsigned i = 0; i < survey->count; i++)
		for (unsigned k = i + 1; survey->members[i].state && k < survey->count; k++)
			if (survey->members[k].state)
				find_other_priorities(work, &survey->members[i], &survey->members[k], 1u << i | 1u << k);
}

static bool is_member_address(const struct survey *survey, const char *address)
{
	for (unsigned i = 0; i < survey->count; i++)
		if (strcmp(survey->members[i].state->address, address) == 0)
			return true;
	return false;
}

/* Gateways that are in a table, and not in group.conf. Only when all have told their addresses. */
static void find_strangers(struct work *work)
{
	const struct survey *survey = work->survey;
	struct evidence evidence;

	begin(&evidence);
	for (unsigned i = 0; i < survey->count; i++)
		if (!survey->members[i].state || survey->members[i].state->address[0] == '\0')
			return;
	for (unsigned i = 0; i < survey->count; i++)
		for (unsigned k = 0; k < survey->members[i].state->row_count; k++) {
			const char *address = survey->members[i].state->rows[k];

			if (address[0] == '\0' || is_member_address(survey, address))
				continue;
			(void)buf_printf(&evidence.text, "%s%s in the table of %s", comma(&evidence), address, survey->members[i].name);
			evidence.members |= 1u << i;
		}
	if (evidence.members)
		found(work, "member-without-agent", "warning", "a gateway of the peering group that group.conf does not have is not restarted by a run: a run is refused", &evidence,
		      "install drr-agent for it and add it to group.conf; if it is gone for good, remove it from gateway-peering");
}

static void find_few(struct work *work)
{
	struct evidence evidence;

	if (!work->survey->production || work->survey->count >= SURVEY_PRODUCTION_MEMBERS)
		return;
	begin(&evidence);
	(void)buf_printf(&evidence.text, "%u member%s in group.conf", work->survey->count, work->survey->count == 1 ? "" : "s");
	evidence.members = (1u << work->survey->count) - 1;
	found(work, "fewer-than-three-gateways", "warning",
	      "with two gateways or one, a majority does not survive the loss of a member: IBM recommends three or more in production; for a system that is not production: --non-production",
	      &evidence, "add a gateway to the peering group and to group.conf");
}

static void find_skew(struct work *work, bool appliances, const char *id, const char *why, const char *fix)
{
	const struct survey *survey = work->survey;
	int64_t least = INT64_MAX, most = INT64_MIN;
	struct evidence evidence;

	begin(&evidence);
	(void)buf_add_string(&evidence.text, "against the clock of this machine: ");
	for (unsigned i = 0; i < survey->count; i++) {
		int64_t ahead_ms = appliances ? survey->members[i].appliance_ahead_ms : survey->members[i].agent_ahead_ms;

		if (ahead_ms == SURVEY_CLOCK_UNKNOWN)
			continue;
		least = ahead_ms < least ? ahead_ms : least;
		most = ahead_ms > most ? ahead_ms : most;
		(void)buf_printf(&evidence.text, "%s%s %c%lld.%lld s", comma(&evidence), survey->members[i].name, ahead_ms < 0 ? '-' : '+', (long long)(llabs(ahead_ms) / 1000),
				 (long long)(llabs(ahead_ms) % 1000 / 100));
		evidence.members |= 1u << i;
	}
	if (evidence.members && most - least > SURVEY_CLOCK_SKEW_MAX_MS + survey->clock_doubt_ms)
		found(work, id, "warning", why, &evidence, fix);
}

static void compare(struct work *work)
{
	find_not_audited(work, true);
	find_not_audited(work, false);
	find_names(work);
	find_differences(work);
	find_priorities(work);
	find_strangers(work);
	find_few(work);
	find_skew(work, true, "clock-skew", "logs of the members cannot be put in one order, and tokens and certificates are judged differently on each",
		  "top; configure; switch domain default; ntp-service; remote-server SERVER; admin-state enabled; exit");
	find_skew(work, false, "agent-clock-skew", "events and reports of the agents cannot be put in one order", "timedatectl   on the agents' machines");
}

/* ---- telling -------------------------------------------------------------------------------------------------- */

/* "TEXT" where all say the same, else "gw1, gw2: TEXT; gw3: OTHER". */
static void join_evidence(const struct work *work, const struct finding *finding, char out[EVIDENCE_BYTES])
{
	unsigned count = work->survey->count, kinds = 0;
	bool told[GROUP_MEMBERS_MAX] = {false};
	const char *first = NULL;
	struct buf text;

	for (unsigned i = 0; i < count; i++) {
		kinds += finding->evidence[i] && first && strcmp(first, finding->evidence[i]) != 0;
		first = first ? first : finding->evidence[i];
	}
	buf_init(&text, out, EVIDENCE_BYTES);
	if (kinds == 0)
		(void)snprintf(out, EVIDENCE_BYTES, "%s", first ? first : "");
	for (unsigned i = 0; kinds > 0 && i < count; i++) {
		if (!finding->evidence[i] || told[i])
			continue;
		for (unsigned k = i; k < count; k++)
			if (finding->evidence[k] && strcmp(finding->evidence[i], finding->evidence[k]) == 0) {
				(void)buf_printf(&text, "%s%s", k > i ? ", " : text.len > 0 ? "; " : "", work->survey->members[k].name);
				told[k] = true;
			}
		(void)buf_printf(&text, ": %.1000s", finding->evidence[i]);
	}
}

static bool has_line(const struct json *array, const char *line)
{
	for (size_t i = 0; json_at(array, i); i++)
		if (strcmp(json_string(json_at(array, i)), line) == 0)
			return true;
	return false;
}

/* The members' lines, each once. */
static struct json *join_fixes(const struct work *work, const struct finding *finding)
{
	struct json *all = json_array();
	unsigned count = 0;

	if (finding->own_fix[0])
		json_add_string(all, finding->own_fix);
	for (unsigned i = 0; i < work->survey->count; i++)
		for (size_t k = 0; json_at(finding->fixes[i], k) && count < FIX_LINES_MAX; k++) {
			const char *line = json_string(json_at(finding->fixes[i], k));

			if (!line || has_line(all, line))
				continue;
			json_add_string(all, line);
			count++;
		}
	return all;
}

static struct json *finding_json(const struct work *work, const struct finding *finding)
{
	struct json *object = json_object(), *members = json_array();
	char evidence[EVIDENCE_BYTES];
	const char *first = NULL;

	join_evidence(work, finding, evidence);
	for (unsigned i = 0; i < work->survey->count; i++) {
		if (!finding->evidence[i])
			continue;
		first = first ? first : work->survey->members[i].name;
		json_add_string(members, work->survey->members[i].name);
	}
	json_set_string(object, "id", finding->id);
	json_set_string(object, "severity", finding->severity);
	json_set_string(object, "member", first);
	json_set(object, "members", members);
	json_set_string(object, "evidence", evidence);
	json_set_string(object, "why", finding->why);
	json_set(object, "fix", join_fixes(work, finding));
	json_set_string(object, "note", finding->note[0] ? finding->note : NULL);
	return object;
}

struct json *survey_findings(const struct survey *survey)
{
	static struct work work; /* large */
	struct json *all = json_array();

	work.survey = survey;
	work.count = 0;
	for (unsigned i = 0; i < survey->count; i++)
		take_findings(&work, i);
	compare(&work);
	for (unsigned severity = 0; severity < SEVERITIES; severity++)
		for (unsigned i = 0; i < work.count; i++)
			if (strcmp(work.findings[i]->severity, severities[severity]) == 0)
				json_add(all, finding_json(&work, work.findings[i]));
	for (unsigned i = 0; i < work.count; i++)
		free(work.findings[i]);
	return all;
}

bool survey_is_bad(const struct json *findings)
{
	for (size_t i = 0; json_at(findings, i); i++)
		if (strcmp(text_of(json_at(findings, i), "severity"), "info") != 0)
			return true;
	return false;
}
