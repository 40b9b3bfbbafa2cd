#include "group/accord.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

static const struct {
	const char *name;
	enum error_code error;
	bool final;
	const char *sentence, *next;
} refusals[ACCORD_REFUSAL_COUNT] = {
	[ACCORD_UNREACHABLE] = {"unreachable", ERROR_REFUSED, true, "not every member answers: one that is left out keeps its old configuration in memory and hides the loss",
			      "drrctl status; then see to the member that does not answer"},
	[ACCORD_NAME_DIFFERS] = {"name-differs", ERROR_CONFIG, true, "a member calls itself something else than group.conf does: perhaps it is another one",
			       "make [member NAME] in group.conf the same as name in [agent] of that member's agent.conf"},
	[ACCORD_FORBIDDEN] = {"forbidden", ERROR_PERMISSION, true, "a member does not let us act", "put the CN of our certificate into operators in [https] of its agent.conf"},
	[ACCORD_JOURNAL_OPEN] = {"journal-open", ERROR_BUSY, true, "a member's journal holds something open: its service may be disabled, or something is under way",
			       "drrctl status; on that member: drr-agent recover"},
	[ACCORD_GRANT_HELD] = {"grant-held", ERROR_BUSY, true, "another run holds a member", NULL /* accord_next() */},
	[ACCORD_HOLD] = {"hold", ERROR_BUSY, true, "somebody holds a member back", "ask the owner; then: drrctl unhold"},
	[ACCORD_OBJECT_DIFFERS] = {"object-differs", ERROR_REFUSED, true, "the members do not belong to one gateway service: their peering objects or domains differ",
				 "drrctl status; correct group.conf, or domain and peering_object in the members' agent.conf"},
	[ACCORD_PRIMARY_DIFFERS] = {"primary-differs", ERROR_REFUSED, false, "the members name different primaries: a fail-over is under way, or the network is split",
				  "wait a minute, then: drrctl status; show gateway-peering-status on each member"},
	[ACCORD_NO_PRIMARY] = {"no-primary", ERROR_REFUSED, false, "no member is primary, so nothing could be flushed",
			     "drrctl status; or name the member that is to become primary: drrctl run --primary NAME --override-no-primary"},
	[ACCORD_SEVERAL_PRIMARIES] = {"several-primaries", ERROR_REFUSED, false, "several members call themselves primary", "wait a minute, then: drrctl status"},
	[ACCORD_NO_QUORUM] = {"no-quorum", ERROR_REFUSED, false, "a member sees no quorum", "drrctl status; bring the missing peers back first"},
	[ACCORD_MEMBER_MISSING] = {"member-missing", ERROR_REFUSED, false,
				 "the peering table has an address that no member of group.conf has: that gateway would not be restarted, and would hide the loss",
				 "add the missing member to group.conf; or correct address in its [appliance]"},
	[ACCORD_PERSISTENCE_DIFFERS] = {"persistence-differs", ERROR_REFUSED, false, "the members' persistence differs", "drrctl audit"},
	[ACCORD_FIRMWARE_DIFFERS] = {"firmware-differs", ERROR_REFUSED, false, "the members' firmware differs: an upgrade is under way",
				   "finish the upgrade first; or: drrctl run --override-firmware-differs"},
};

const char *accord_name(enum accord_refusal refusal)
{
	return refusals[refusal].name;
}

enum accord_refusal accord_by_name(const char *name)
{
	unsigned i = 0;

	while (i < ACCORD_REFUSAL_COUNT && strcmp(refusals[i].name, name) != 0)
		i++;
	return (enum accord_refusal)i;
}

bool accord_is_final(enum accord_refusal refusal)
{
	return refusals[refusal].final;
}

const char *accord_sentence(enum accord_refusal refusal)
{
	return refusals[refusal].sentence;
}

enum error_code accord_error(enum accord_refusal refusal)
{
	return refusals[refusal].error;
}

/* ---- the rules ---- */

static bool holds_another(const struct view_state *state, const char *run)
{
	return state->grant.run[0] && strcmp(state->grant.run, run) != 0;
}

/* Whether the values that are known differ; GET gives a value or "". */
static bool differ(const struct accord_input *input, const char *(*get)(const struct view_state *))
{
	const char *first = "";

	for (unsigned i = 0; i < input->count; i++) {
		const char *value = input->states[i] ? get(input->states[i]) : "";

		if (first[0] && value[0] && strcmp(first, value) != 0)
			return true;
		if (value[0])
			first = value;
	}
	return false;
}

static const char *get_object(const struct view_state *state) { return state->object; }
static const char *get_domain(const struct view_state *state) { return state->domain; }
static const char *get_primary(const struct view_state *state) { return state->primary_address; }
static const char *get_persistence(const struct view_state *state) { return state->persistence; }
static const char *get_firmware(const struct view_state *state) { return state->firmware; }

static unsigned count_primaries(const struct accord_input *input)
{
	unsigned count = 0;

	for (unsigned i = 0; i < input->count; i++)
		count += input->states[i] && input->states[i]->is_primary == 1;
	return count;
}

static bool is_member_address(const struct accord_input *input, const char *address)
{
	for (unsigned i = 0; i < input->count; i++)
		if (input->states[i] && strcmp(input->states[i]->address, address) == 0)
			return true;
	return false;
}

/* An address of the tables that no member has; NULL: none. */
static const char *find_stranger(const struct accord_input *input)
{
	for (unsigned i = 0; i < input->count; i++)
		for (unsigned k = 0; input->states[i] && k < input->states[i]->row_count; k++)
			if (input->states[i]->rows[k][0] && !is_member_address(input, input->states[i]->rows[k]))
				return input->states[i]->rows[k];
	return NULL;
}

/* What is wrong with one member, whatever the others say. */
static unsigned judge_member(const struct accord_input *input, unsigned i)
{
	const struct view_state *state = input->states[i];
	unsigned refused = 0;

	if (!state)
		return input->forbidden[i] ? 1u << ACCORD_FORBIDDEN : 1u << ACCORD_UNREACHABLE;
	if (strcmp(state->name, input->names[i]) != 0)
		refused |= 1u << ACCORD_NAME_DIFFERS;
	if (holds_another(state, input->run))
		refused |= 1u << ACCORD_GRANT_HELD;
	else if (state->journal_open)
		refused |= 1u << ACCORD_JOURNAL_OPEN;
	if (state->hold_owner[0])
		refused |= 1u << ACCORD_HOLD;
	if (state->quorum == 0)
		refused |= 1u << ACCORD_NO_QUORUM;
	return refused;
}

static unsigned judge_group(const struct accord_input *input)
{
	unsigned refused = 0, primaries = count_primaries(input);

	if (differ(input, get_object) || differ(input, get_domain))
		refused |= 1u << ACCORD_OBJECT_DIFFERS;
	if (differ(input, get_primary))
		refused |= 1u << ACCORD_PRIMARY_DIFFERS;
	if (primaries == 0)
		refused |= 1u << ACCORD_NO_PRIMARY;
	if (primaries > 1)
		refused |= 1u << ACCORD_SEVERAL_PRIMARIES;
	if (find_stranger(input))
		refused |= 1u << ACCORD_MEMBER_MISSING;
	if (differ(input, get_persistence))
		refused |= 1u << ACCORD_PERSISTENCE_DIFFERS;
	if (differ(input, get_firmware))
		refused |= 1u << ACCORD_FIRMWARE_DIFFERS;
	return refused;
}

static unsigned finals(void)
{
	unsigned set = 0;

	for (unsigned i = 0; i < ACCORD_REFUSAL_COUNT; i++)
		set |= refusals[i].final ? 1u << i : 0;
	return set;
}

/* The flush happens where the primary is now; with several or none, and the operator's consent, on the first such member. */
static const char *choose_primary(const struct accord_input *input)
{
	for (unsigned i = 0; i < input->count; i++)
		if (input->states[i] && input->states[i]->is_primary == 1)
			return input->names[i];
	return input->names[0];
}

void accord_decide(const struct accord_input *input, struct accord_result *result)
{
	unsigned refused = 0, overrides = input->overrides & ~finals();
	bool whole = true;
	const char *primary;

	memset(result, 0, sizeof *result);
	for (unsigned i = 0; i < input->count; i++) {
		refused |= judge_member(input, i);
		whole &= input->states[i] != NULL;
	}
	if (whole) /* who is missing makes the others' stories incomplete */
		refused |= judge_group(input);
	result->refused = refused & ~overrides;
	result->overridden = refused & overrides;
	primary = input->primary ? input->primary : choose_primary(input);
	(void)text_copy(result->plan.primary, sizeof result->plan.primary, primary, strlen(primary));
	for (unsigned i = 0; i < input->count; i++) {
		(void)text_copy(result->plan.order[i], GROUP_NAME_BYTES, input->names[i], strlen(input->names[i]));
		if (strcmp(input->names[i], primary) == 0)
			result->switches = input->states[i] && input->states[i]->is_primary != 1;
	}
	result->plan.count = input->count;
	result->plan.max_unavailable = input->max_unavailable;
}

/* ---- what to do, evidence ---- */

const char *accord_next(enum accord_refusal refusal, const struct accord_input *input, char out[ERROR_NEXT_MAX_BYTES])
{
	const char *run = "RUN";

	for (unsigned i = 0; i < input->count; i++)
		if (input->states[i] && holds_another(input->states[i], input->run))
			run = input->states[i]->grant.run;
	if (refusal == ACCORD_GRANT_HELD)
		(void)snprintf(out, ERROR_NEXT_MAX_BYTES, "to finish that run: drrctl resume %s; to give it up: drrctl release %s", run, run);
	else
		(void)snprintf(out, ERROR_NEXT_MAX_BYTES, "%s", refusals[refusal].next);
	return out;
}

static const char *word_of(int tristate, const char *yes, const char *no)
{
	return tristate < 0 ? "not known" : tristate ? yes : no;
}

static void tell_value(enum accord_refusal refusal, const struct accord_input *input, unsigned i, struct buf *out)
{
	const struct view_state *state = input->states[i];

	switch (refusal) {
	case ACCORD_NAME_DIFFERS: (void)buf_printf(out, "calls itself %s", state->name); break;
	case ACCORD_JOURNAL_OPEN: (void)buf_add_string(out, state->journal_open ? "journal open" : "journal closed"); break;
	case ACCORD_GRANT_HELD:
		if (state->grant.run[0])
			(void)buf_printf(out, "run %s of %s since %s", state->grant.run, state->grant.by, state->grant.since);
		else
			(void)buf_add_string(out, "free");
		break;
	case ACCORD_HOLD:
		if (state->hold_owner[0])
			(void)buf_printf(out, "held by %s until %s: %s", state->hold_owner, state->hold_until, state->hold_reason);
		else
			(void)buf_add_string(out, "free");
		break;
	case ACCORD_OBJECT_DIFFERS: (void)buf_printf(out, "%s in domain %s", state->object, state->domain); break;
	case ACCORD_PRIMARY_DIFFERS: (void)buf_printf(out, "primary is %s", state->primary_address[0] ? state->primary_address : "not known"); break;
	case ACCORD_NO_PRIMARY:
	case ACCORD_SEVERAL_PRIMARIES: (void)buf_printf(out, "primary %s", word_of(state->is_primary, "yes", "no")); break;
	case ACCORD_NO_QUORUM: (void)buf_printf(out, "quorum %s", word_of(state->quorum, "yes", "no")); break;
	case ACCORD_MEMBER_MISSING: (void)buf_add_string(out, state->address); break;
	case ACCORD_PERSISTENCE_DIFFERS: (void)buf_add_string(out, state->persistence[0] ? state->persistence : "not known"); break;
	case ACCORD_FIRMWARE_DIFFERS: (void)buf_add_string(out, state->firmware[0] ? state->firmware : "not known"); break;
	default: (void)buf_add_string(out, "answers"); break;
	}
}

char *accord_evidence(enum accord_refusal refusal, const struct accord_input *input, char out[ACCORD_EVIDENCE_BYTES])
{
	struct buf text;

	buf_init(&text, out, ACCORD_EVIDENCE_BYTES);
	for (unsigned i = 0; i < input->count; i++) {
		(void)buf_printf(&text, "%s%s: ", i > 0 ? "; " : "", input->names[i]);
		if (input->states[i])
			tell_value(refusal, input, i, &text);
		else
			(void)buf_printf(&text, "%.200s", input->troubles[i] ? input->troubles[i] : "no answer");
	}
	if (refusal == ACCORD_MEMBER_MISSING && find_stranger(input))
		(void)buf_printf(&text, "; in the table: %s", find_stranger(input));
	return out;
}
