#include "audit/audit.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"

enum { TABLE_TEXT_BYTES = 480, PRIORITIES_MAX = PEERING_ROWS_MAX + AUDIT_MEMBERS_MAX };

static const char service_category[] = "apic-gw-service";
static const char no_configuration_event[] = "0x00350022"; /* "has not processed any configuration" */

const char audit_note[] = "a change is made in the running configuration only: whether and when it is saved (write memory) is the operator's decision";

/* ---- making a finding ----------------------------------------------------------------------------------------- */

static const struct audit_member *self(const struct audit *audit)
{
	return &audit->members[audit->member];
}

static const struct appliance_facts *facts_of(const struct audit *audit)
{
	return self(audit)->facts;
}

static bool told_already(const struct audit *audit, const char *subject);
static void describe(const struct audit *audit, struct audit_finding *finding);

/* A finding of the present rule about the present member. SUBJECT tells findings of one rule apart. */
__attribute__((format(printf, 3, 4)))
static struct audit_finding *found(struct audit *audit, const char *subject, const char *format, ...)
{
	struct audit_finding *finding = &audit->spare;
	va_list list;

	if (!told_already(audit, subject)) {
		if (audit->count < AUDIT_FINDINGS_MAX)
			finding = &audit->findings[audit->count++];
		else
			audit->left_out = true;
	}
	memset(finding, 0, sizeof *finding);
	describe(audit, finding);
	(void)snprintf(finding->subject, sizeof finding->subject, "%s", subject);
	va_start(list, format);
	(void)vsnprintf(finding->evidence, sizeof finding->evidence, format, list);
	va_end(list);
	return finding;
}

__attribute__((format(printf, 2, 3)))
static void fix(struct audit_finding *finding, const char *format, ...)
{
	va_list list;

	assert(finding->fix_count < AUDIT_FIX_LINES_MAX);
	va_start(list, format);
	(void)vsnprintf(finding->fix[finding->fix_count++], AUDIT_FIX_LINE_BYTES, format, list);
	va_end(list);
}

/* A name that may stand in a command line which somebody pastes. The appliance's names are of these characters; anything else is not
 * the appliance speaking. */
static const char *name_in_command(const char *name)
{
	size_t wide = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-");

	return wide > 0 && name[wide] == '\0' ? name : "NAME";
}

/* `top; configure; switch domain D; COMMANDS` */
__attribute__((format(printf, 3, 4)))
static void fix_in_domain(struct audit *audit, struct audit_finding *finding, const char *format, ...)
{
	char commands[AUDIT_FIX_LINE_BYTES / 2];
	va_list list;

	va_start(list, format);
	(void)vsnprintf(commands, sizeof commands, format, list);
	va_end(list);
	fix(finding, "top; configure; switch domain %s; %s", name_in_command(self(audit)->domain), commands);
}

static void fix_look(struct audit *audit, struct audit_finding *finding)
{
	fix(finding, "drr-agent status -c %s", self(audit)->config_path);
}

static const char *object_of(const struct audit *audit)
{
	return name_in_command(facts_of(audit)->object);
}

void audit_persistence_command(const char *domain, const char *object, const struct appliance_wanted *wanted, char out[AUDIT_FIX_LINE_BYTES])
{
	struct buf line;

	buf_init(&line, out, AUDIT_FIX_LINE_BYTES);
	(void)buf_printf(&line, "top; configure; switch domain %s; gateway-peering %s; persistence %s", name_in_command(domain), name_in_command(object),
			 wanted->persistence);
	if (wanted->local_directory[0])
		(void)buf_printf(&line, "; local-directory %s", wanted->local_directory);
	if (wanted->raid_volume[0])
		(void)buf_printf(&line, "; raid-volume %s", wanted->raid_volume);
	(void)buf_add_string(&line, "; exit");
}

static void fix_persistence(struct audit *audit, struct audit_finding *finding, const char *persistence)
{
	struct appliance_wanted wanted = {0};

	(void)snprintf(wanted.persistence, sizeof wanted.persistence, "%s", name_in_command(persistence));
	audit_persistence_command(self(audit)->domain, facts_of(audit)->object, &wanted, finding->fix[finding->fix_count++]);
}

/* ---- what the members say of each other ----------------------------------------------------------------------- */

static const struct appliance_peering *own_peering(const struct appliance_facts *facts)
{
	for (unsigned i = 0; facts->have_peerings && i < facts->peering_count; i++)
		if (strcmp(facts->peerings[i].name, facts->object) == 0)
			return &facts->peerings[i];
	return NULL;
}

static bool is_cluster(const struct appliance_facts *facts)
{
	const struct appliance_peering *own = own_peering(facts);

	return own && own->cluster;
}

/* The peers of the configuration and this member itself; 0 unknown. */
static unsigned configured_gateways(const struct appliance_peering *own)
{
	unsigned kept = own->peer_count < APPLIANCE_PEERS_MAX ? own->peer_count : APPLIANCE_PEERS_MAX, count = own->peer_count + 1;

	for (unsigned i = 0; i < kept; i++)
		count -= strcmp(own->peers[i], own->local_address) == 0;
	return own->peer_count > 0 ? count : 0;
}

/* How many gateways the peering object joins, also those that are lost now; 0 unknown. */
static unsigned gateways(const struct appliance_facts *facts)
{
	const struct appliance_peering *own = own_peering(facts);
	unsigned configured = own ? configured_gateways(own) : 0, seen = facts->have_table ? facts->table.count : 0;

	if (own && own->peer_group == PEERING_NO)
		return 1;
	return configured > seen ? configured : seen;
}

static struct peering_view view_of(const struct audit_member *member)
{
	struct peering_view view;

	peering_view_make(&member->facts->table, member->address, &view);
	return view;
}

static const struct peering_row *row_of(const struct peering_table *table, const char *address)
{
	struct peering_view view;

	peering_view_make(table, address, &view);
	return view.own;
}

/* Another member, which has quorum, does not reach this one: then what this one sees is not the group. */
static bool is_cut_off(const struct audit *audit)
{
	for (unsigned i = 0; i < audit->member_count; i++) {
		const struct audit_member *other = &audit->members[i];
		const struct peering_row *row;

		if (i == audit->member || !other->facts->have_table || !view_of(other).quorum)
			continue;
		row = row_of(&other->facts->table, self(audit)->address);
		if (row && row->link_ok == PEERING_NO)
			return true;
	}
	return false;
}

/* May the rules about the group believe this member's table? */
static bool shows_group(const struct audit *audit)
{
	return facts_of(audit)->have_table && !is_cut_off(audit);
}

static char *table_text(const struct audit *audit, char out[TABLE_TEXT_BYTES])
{
	return peering_table_describe(&facts_of(audit)->table, out, TABLE_TEXT_BYTES);
}

static bool is_literal_address(const char *text)
{
	return strchr(text, ':') || (text[0] && strspn(text, "0123456789.") == strlen(text));
}

/* ---- rules: the service --------------------------------------------------------------------------------------- */

/* A service that is down has no collections either: then that is what is wrong. */
static bool lacks_configuration(const struct appliance_facts *facts)
{
	bool up = facts->op_state[0] == '\0' || strcmp(facts->op_state, "up") == 0;

	return strcasecmp(facts->service_event, no_configuration_event) == 0 || (up && facts->collections == 0);
}

static void service_disabled(struct audit *audit)
{
	const struct appliance_facts *facts = facts_of(audit);

	if (!facts->have_service || facts->admin_state != APPLIANCE_ADMIN_DISABLED)
		return;
	fix_in_domain(audit, found(audit, "", "apic-gw-service has admin-state disabled"), "apic-gw-service; admin-state enabled; exit");
}

static void service_down(struct audit *audit)
{
	const struct appliance_facts *facts = facts_of(audit);
	struct audit_finding *finding;

	if (!facts->have_service || facts->admin_state != APPLIANCE_ADMIN_ENABLED || facts->op_state[0] == '\0' ||
	    strcmp(facts->op_state, "up") == 0 || lacks_configuration(facts))
		return;
	finding = found(audit, "", "apic-gw-service is enabled, and its operational state is %s%s%s%s%s", facts->op_state,
			facts->service_event[0] ? ", event " : "", facts->service_event, facts->service_reason[0] ? ": " : "", facts->service_reason);
	fix(finding, "switch domain %s; show apic-gw-service; show gateway-peering", name_in_command(self(audit)->domain));
	fix(finding, "drr-agent run --steps bounce,confirm -c %s", self(audit)->config_path);
}

static void no_configuration(struct audit *audit)
{
	const struct appliance_facts *facts = facts_of(audit);
	struct audit_finding *finding;

	if (!lacks_configuration(facts) || facts->admin_state == APPLIANCE_ADMIN_DISABLED)
		return;
	if (strcasecmp(facts->service_event, no_configuration_event) != 0)
		finding = found(audit, "", "apic-gw-service is up, and there is no API collection in the domain");
	else
		finding = found(audit, "", "apic-gw-service reports event %s: %s", facts->service_event,
				facts->service_reason[0] ? facts->service_reason : "it has not processed any configuration");
	fix_look(audit, finding);
	fix(finding, "drr-agent run -c %s", self(audit)->config_path);
}

/* ---- rules: the peering table --------------------------------------------------------------------------------- */

static void no_primary(struct audit *audit)
{
	struct peering_view view = view_of(self(audit));
	struct audit_finding *finding;
	char table[TABLE_TEXT_BYTES];

	if (!shows_group(audit) || view.primaries > 0)
		return;
	finding = found(audit, "", "none of %u members of %s calls itself primary: %s", view.members, facts_of(audit)->object, table_text(audit, table));
	fix_look(audit, finding);
	fix_in_domain(audit, finding, "gateway-peering-switch-primary %s", object_of(audit));
}

static void several_primaries(struct audit *audit)
{
	struct peering_view view = view_of(self(audit));
	struct audit_finding *finding;
	char table[TABLE_TEXT_BYTES];

	if (!shows_group(audit) || view.primaries < 2 || is_cluster(facts_of(audit)))
		return;
	finding = found(audit, "", "%u of %u members of %s call themselves primary: %s", view.primaries, view.members, facts_of(audit)->object,
			table_text(audit, table));
	fix_look(audit, finding);
	fix_in_domain(audit, finding, "gateway-peering-switch-primary %s", object_of(audit));
}

static void no_quorum(struct audit *audit)
{
	struct peering_view view = view_of(self(audit));
	bool majority = view.active >= view.members / 2 + 1;
	struct audit_finding *finding;
	char table[TABLE_TEXT_BYTES];

	if (!shows_group(audit) || view.members == 0 || (majority && (view.primaries != 1 || view.quorum)))
		return;
	finding = found(audit, "", "%u of %u members of %s are active%s: %s", view.active, view.members, facts_of(audit)->object,
			majority ? ", and the primary is not" : "", table_text(audit, table));
	fix(finding, "switch domain %s; show gateway-peering %s; show gateway-peering-status", name_in_command(self(audit)->domain), object_of(audit));
	fix_in_domain(audit, finding, "gateway-peering %s; admin-state enabled; exit", object_of(audit));
}

static bool have_common_address(const struct peering_table *a, const struct peering_table *b)
{
	for (unsigned i = 0; i < a->count; i++)
		if (row_of(b, a->rows[i].address))
			return true;
	return false;
}

/* Who else is in the table, and whose link is down, other rules tell. */
static void members_disagree(struct audit *audit)
{
	const struct audit_member *first = &audit->members[0], *here = self(audit);
	struct peering_view first_view = view_of(first), view = view_of(here);
	char table[TABLE_TEXT_BYTES / 2], first_table[TABLE_TEXT_BYTES / 2];
	struct audit_finding *finding;

	if (audit->member == 0 || !first->facts->have_table || !here->facts->have_table || first_view.members == 0 || view.members == 0)
		return;
	if (have_common_address(&first->facts->table, &here->facts->table) &&
	    (!first_view.primary || !view.primary || row_of(&here->facts->table, first_view.primary->address) == view.primary))
		return;
	finding = found(audit, "", "%s says: %s; %s says: %s", first->name,
			peering_table_describe(&first->facts->table, first_table, sizeof first_table), here->name,
			peering_table_describe(&here->facts->table, table, sizeof table));
	fix_look(audit, finding);
	fix(finding, "switch domain %s; show gateway-peering %s; show gateway-peering-status", name_in_command(here->domain), object_of(audit));
}

static bool is_stale(const struct peering_row *row)
{
	return row->priority_known && row->priority < 0;
}

static void link_down(struct audit *audit)
{
	const struct peering_table *table = &facts_of(audit)->table;
	bool group = shows_group(audit);

	for (unsigned i = 0; group && i < table->count; i++) {
		const struct peering_row *row = &table->rows[i];
		struct audit_finding *finding;

		if (row->link_ok != PEERING_NO || is_stale(row))
			continue;
		finding = found(audit, row->address, "%s link down (%s, as %s sees it)", row->address[0] ? row->address : "a member without address",
				row->object, self(audit)->name);
		fix(finding, "switch domain %s; show gateway-peering %s; show gateway-peering-status", name_in_command(self(audit)->domain),
		    object_of(audit));
		fix_in_domain(audit, finding, "gateway-peering %s; admin-state enabled; exit", object_of(audit));
	}
}

static void stale_member(struct audit *audit)
{
	const struct peering_table *table = &facts_of(audit)->table;
	bool group = shows_group(audit);

	for (unsigned i = 0; group && i < table->count; i++) {
		const struct peering_row *row = &table->rows[i];

		if (!is_stale(row))
			continue;
		/* By the pattern of gateway-peering-switch-primary, whose counterpart in XMI is called alike; unknown commands do nothing. */
		fix_in_domain(audit, found(audit, row->address, "%s is stale (priority %lld in the table of %s)", row->address,
					   (long long)row->priority, row->object),
			      "gateway-peering-remove-stale-peers %s", object_of(audit));
	}
}

/* Configured peers that the table does not know. Names of hosts may be aliases and prove nothing. */
static void member_missing(struct audit *audit)
{
	const struct appliance_peering *own = own_peering(facts_of(audit));
	unsigned kept = own && own->peer_count < APPLIANCE_PEERS_MAX ? own->peer_count : APPLIANCE_PEERS_MAX;
	const struct peering_table *table = &facts_of(audit)->table;
	char text[TABLE_TEXT_BYTES];

	if (!own || !shows_group(audit))
		return;
	for (unsigned i = 0; i < table->count; i++)
		if (!is_literal_address(table->rows[i].address))
			return;
	for (unsigned i = 0; i < kept; i++) {
		struct audit_finding *finding;

		if (!is_literal_address(own->peers[i]) || row_of(table, own->peers[i]))
			continue;
		finding = found(audit, own->peers[i], "%s is a peer of %s in the configuration, and not in the table: %s", own->peers[i], own->name,
				table_text(audit, text));
		fix(finding, "switch domain %s; show gateway-peering %s; show gateway-peering-status", name_in_command(self(audit)->domain),
		    object_of(audit));
		fix_in_domain(audit, finding, "gateway-peering %s; admin-state enabled; exit", object_of(audit));
	}
}

static void not_in_table(struct audit *audit)
{
	const struct audit_member *here = self(audit);
	char table[TABLE_TEXT_BYTES];

	if (!here->facts->have_table || here->facts->table.count == 0 || here->address[0] == '\0' || view_of(here).own)
		return;
	fix(found(audit, "", "the address %s of this member is not in the table of %s: %s", here->address, here->facts->object,
		  table_text(audit, table)),
	    "set address in [appliance] of %s to this member's entry in the table", here->config_path);
}

static void fewer_than_three(struct audit *audit)
{
	unsigned count = gateways(facts_of(audit));
	struct audit_finding *finding;

	if (!audit->production || count == 0 || count >= AUDIT_PRODUCTION_MEMBERS)
		return;
	finding = found(audit, "", "%u gateway%s in %s", count, count == 1 ? "" : "s", facts_of(audit)->object);
	fix_in_domain(audit, finding, "gateway-peering %s; enable-peer-group on; peer ADDRESS; exit", object_of(audit));
}

static void cluster_mode(struct audit *audit)
{
	if (!is_cluster(facts_of(audit)))
		return;
	fix(found(audit, "", "the peering group %s of %s is in cluster mode", own_peering(facts_of(audit))->group, facts_of(audit)->object),
	    "none here: follow IBM's procedure for cluster-mode peering");
}

/* ---- rules: the peering object's configuration ---------------------------------------------------------------- */

static void object_down(struct audit *audit)
{
	const struct appliance_facts *facts = facts_of(audit);
	unsigned count = facts->have_peerings ? facts->peering_count : facts->have_object;

	for (unsigned i = 0; i < count; i++) {
		const char *name = facts->have_peerings ? facts->peerings[i].name : facts->object;
		const char *state = facts->have_peerings ? facts->peerings[i].op_state : facts->object_state;

		if (state[0] && strcmp(state, "up") != 0)
			fix_in_domain(audit, found(audit, name, "gateway-peering %s is %s", name, state), "gateway-peering %s; admin-state enabled; exit",
				      name_in_command(name));
	}
}

/* The port that both use; 0 none. */
static unsigned common_port(const struct appliance_peering *a, const struct appliance_peering *b)
{
	if (a->local_port && (a->local_port == b->local_port || a->local_port == b->monitor_port))
		return a->local_port;
	return a->monitor_port && (a->monitor_port == b->local_port || a->monitor_port == b->monitor_port) ? a->monitor_port : 0;
}

static void port_conflict(struct audit *audit)
{
	const struct appliance_facts *facts = facts_of(audit);

	for (unsigned i = 0; facts->have_peerings && i < facts->peering_count; i++) {
		const struct appliance_peering *a = &facts->peerings[i];

		if (a->local_port && a->local_port == a->monitor_port)
			fix_in_domain(audit, found(audit, a->name, "%s uses port %u both as local-port and as monitor-port", a->name, a->local_port),
				      "gateway-peering %s; monitor-port FREE-PORT; exit", name_in_command(a->name));
		for (unsigned j = i + 1; j < facts->peering_count; j++) {
			const struct appliance_peering *b = &facts->peerings[j];
			unsigned port = common_port(a, b);
			char subject[AUDIT_SUBJECT_BYTES];

			if (port == 0)
				continue;
			(void)snprintf(subject, sizeof subject, "%.100s %.100s", a->name, b->name);
			fix_in_domain(audit, found(audit, subject, "%s and %s both use port %u", a->name, b->name, port),
				      "gateway-peering %s; local-port FREE-PORT; monitor-port FREE-PORT; exit", name_in_command(b->name));
		}
	}
}

static bool in_memory(const struct appliance_facts *facts)
{
	return facts->have_object && strcmp(facts->persistence, "memory") == 0;
}

static void single_without_persistence(struct audit *audit)
{
	if (gateways(facts_of(audit)) == 1 && in_memory(facts_of(audit)))
		fix_persistence(audit, found(audit, "", "%s is the only gateway, and its persistence is memory", facts_of(audit)->object), "local");
}

static void two_without_persistence(struct audit *audit)
{
	if (audit->production && gateways(facts_of(audit)) == 2 && in_memory(facts_of(audit)))
		fix_persistence(audit, found(audit, "", "2 gateways in %s, and its persistence is memory", facts_of(audit)->object), "local");
}

/* The persistence of the first member that has one; NULL when nobody's is known. */
static const char *first_persistence(const struct audit *audit)
{
	for (unsigned i = 0; i < audit->member_count; i++)
		if (audit->members[i].facts->have_object && audit->members[i].facts->persistence[0])
			return audit->members[i].facts->persistence;
	return NULL;
}

static void persistence_disagrees(struct audit *audit)
{
	const struct appliance_facts *facts = facts_of(audit);
	const char *first = first_persistence(audit);
	char memory[AUDIT_EVIDENCE_BYTES];
	struct buf text;

	if (!facts->have_object || facts->persistence[0] == '\0' || strcmp(facts->persistence, first) == 0)
		return;
	buf_init(&text, memory, sizeof memory);
	for (unsigned i = 0; i < audit->member_count; i++) {
		const struct audit_member *member = &audit->members[i];

		if (member->facts->have_object && member->facts->persistence[0])
			(void)buf_printf(&text, "%s%s: %s", text.len ? ", " : "", member->name, member->facts->persistence);
	}
	/* Losing data is worse than keeping it: towards what survives a restart. */
	fix_persistence(audit, found(audit, "", "%s", memory), strcmp(first, "memory") == 0 ? facts->persistence : first);
}

struct priority {
	const char *address;
	int64_t value;
};

/* What the present member's table says; and, where it does not, what the members' own objects say. */
static unsigned priorities(const struct audit *audit, struct priority out[PRIORITIES_MAX])
{
	const struct peering_table *table = &facts_of(audit)->table;
	unsigned count = 0;

	for (unsigned i = 0; facts_of(audit)->have_table && i < table->count; i++)
		if (table->rows[i].priority_known && table->rows[i].priority >= 0)
			out[count++] = (struct priority){table->rows[i].address, table->rows[i].priority};
	if (count > 0)
		return count;
	for (unsigned i = 0; i < audit->member_count; i++) {
		const struct appliance_peering *own = own_peering(audit->members[i].facts);

		if (own && own->peer_group != PEERING_NO && own->priority != APPLIANCE_PRIORITY_UNKNOWN && own->priority >= 0)
			out[count++] = (struct priority){audit->members[i].name, own->priority};
	}
	return count;
}

/* "10.0.0.11, 10.0.0.12": who has the priority of the FIRST. Returns how many. */
static unsigned sharers(const struct priority *all, unsigned count, unsigned first, struct buf *out)
{
	unsigned same = 0;

	for (unsigned i = 0; i < count; i++)
		if (all[i].value == all[first].value)
			(void)buf_printf(out, "%s%s", same++ ? ", " : "", all[i].address);
	return same;
}

static void same_priority(struct audit *audit)
{
	struct priority all[PRIORITIES_MAX];
	unsigned count = is_cluster(facts_of(audit)) ? 0 : priorities(audit, all);

	for (unsigned i = 0; i < count; i++) {
		char memory[AUDIT_EVIDENCE_BYTES - 64], subject[32];
		struct buf names;

		buf_init(&names, memory, sizeof memory);
		if (sharers(all, count, i, &names) < 2)
			continue;
		(void)snprintf(subject, sizeof subject, "%lld", (long long)all[i].value);
		fix_in_domain(audit, found(audit, subject, "priority %s is that of %s", subject, memory), "gateway-peering %s; priority NUMBER; exit",
			      object_of(audit));
	}
}

static void default_password(struct audit *audit)
{
	const struct appliance_facts *facts = facts_of(audit);

	for (unsigned i = 0; facts->have_peerings && i < facts->peering_count; i++) {
		struct audit_finding *finding;

		if (facts->peerings[i].own_password != PEERING_NO)
			continue;
		finding = found(audit, facts->peerings[i].name, "gateway-peering %s has no password-alias: it uses the password that every appliance has",
				facts->peerings[i].name);
		fix_in_domain(audit, finding, "crypto; password-map");
		fix_in_domain(audit, finding, "gateway-peering %s; password-alias ALIAS; exit", name_in_command(facts->peerings[i].name));
	}
}

/* ---- rules: log targets --------------------------------------------------------------------------------------- */

/* At notice, which the codes of a DRR have, or below. */
static bool is_low_level(const char *level)
{
	return strcmp(level, "notice") == 0 || strcmp(level, "info") == 0 || strcmp(level, "debug") == 0;
}

static bool is_our_category(const char *category)
{
	return strcmp(category, service_category) == 0 || strcmp(category, "all") == 0;
}

static bool subscribes(const struct appliance_log_target *target, bool debug_only)
{
	unsigned kept = target->event_count < APPLIANCE_LOG_EVENTS_MAX ? target->event_count : APPLIANCE_LOG_EVENTS_MAX;

	for (unsigned i = 0; i < kept; i++)
		if (is_our_category(target->events[i].category) && is_low_level(target->events[i].level) &&
		    (!debug_only || strcmp(target->events[i].level, "debug") == 0))
			return true;
	return false;
}

static bool has_code(const struct appliance_log_target *target, const char *code)
{
	unsigned kept = target->code_count < APPLIANCE_LOG_EVENTS_MAX ? target->code_count : APPLIANCE_LOG_EVENTS_MAX;

	for (unsigned i = 0; i < kept; i++)
		if (strcasecmp(target->codes[i], code) == 0)
			return true;
	return false;
}

/* The codes that a run cannot do without: waiting, an event accepted, completed. */
static bool has_codes(const struct appliance_log_target *target)
{
	return has_code(target, "0x88e000d7") && (has_code(target, "0x88e00210") || has_code(target, "0x88e0028e")) && has_code(target, "0x88e000ac");
}

/* Does it carry what a run reads? Codes narrow the subscriptions down; alone they are subscriptions themselves. */
static bool carries(const struct appliance_log_target *target)
{
	bool readable = target->type[0] == '\0' || strcmp(target->type, "file") == 0 || strncmp(target->type, "syslog", 6) == 0;

	if (!readable)
		return false;
	if (target->code_count > 0)
		return has_codes(target) && (target->event_count == 0 || subscribes(target, false));
	return subscribes(target, false);
}

/* The CLI says up, LogTargetStatus says active. */
static bool is_off(const struct appliance_log_target *target)
{
	return strcmp(target->admin_state, "disabled") == 0 ||
	       (target->op_state[0] && strcasecmp(target->op_state, "up") != 0 && strcasecmp(target->op_state, "active") != 0);
}

static bool is_small(const struct appliance_log_target *target)
{
	return strcmp(target->type, "file") == 0 && target->code_count == 0 && subscribes(target, true) && target->size_kb >= 0 &&
	       target->size_kb < AUDIT_LOG_SIZE_MIN_KB;
}

static const char *or_dash(const char *text)
{
	return text[0] ? text : "-";
}

/* "gwd-log (file): apic-gw-service error, mgmt notice; ..." */
static void describe_targets(const struct appliance_facts *facts, struct buf *out)
{
	for (unsigned i = 0; i < facts->log_target_count; i++) {
		const struct appliance_log_target *target = &facts->log_targets[i];

		(void)buf_printf(out, "%s%s (%s)", i ? "; " : "", target->name, or_dash(target->type));
		for (unsigned e = 0; e < target->event_count && e < APPLIANCE_LOG_EVENTS_MAX; e++)
			(void)buf_printf(out, "%s %s %s", e ? "," : ":", target->events[e].category, or_dash(target->events[e].level));
		if (target->code_count > 0)
			(void)buf_printf(out, ", %u event codes", target->code_count);
	}
	if (facts->log_target_count == 0)
		(void)buf_add_string(out, "it has none");
}

static void log_target_missing(struct audit *audit)
{
	const struct appliance_facts *facts = facts_of(audit);
	char memory[AUDIT_EVIDENCE_BYTES / 2];
	struct buf text;

	if (!facts->have_log_targets)
		return;
	for (unsigned i = 0; i < facts->log_target_count; i++)
		if (carries(&facts->log_targets[i]))
			return;
	buf_init(&text, memory, sizeof memory);
	describe_targets(facts, &text);
	fix_in_domain(audit, found(audit, "", "no log target of domain %s gets %s at notice or lower; the domain's targets: %s", self(audit)->domain,
				   service_category, memory),
		      "logging target gwd-log; type file; format text; timestamp zulu; size %d; rotate 3; local-file logtemp:///gwd-log.log; "
		      "event %s debug; exit", AUDIT_LOG_SIZE_ADVISED_KB, service_category);
}

/* Calls TOLD for each target that carries what a run reads and has the FAULT, unless another one that carries it does not. */
static void each_bad_target(struct audit *audit, bool (*fault)(const struct appliance_log_target *),
			    void (*told)(struct audit *, const struct appliance_log_target *))
{
	const struct appliance_facts *facts = facts_of(audit);

	for (unsigned i = 0; facts->have_log_targets && i < facts->log_target_count; i++)
		if (carries(&facts->log_targets[i]) && !is_off(&facts->log_targets[i]) && !fault(&facts->log_targets[i]))
			return;
	for (unsigned i = 0; facts->have_log_targets && i < facts->log_target_count; i++)
		if (carries(&facts->log_targets[i]) && fault(&facts->log_targets[i]))
			told(audit, &facts->log_targets[i]);
}

static void tell_off(struct audit *audit, const struct appliance_log_target *target)
{
	fix_in_domain(audit, found(audit, target->name, "log target %s: admin-state %s, operational state %s", target->name,
				   or_dash(target->admin_state), or_dash(target->op_state)),
		      "logging target %s; admin-state enabled; exit", name_in_command(target->name));
}

static void tell_small(struct audit *audit, const struct appliance_log_target *target)
{
	fix_in_domain(audit, found(audit, target->name, "log target %s: size %lld KB with %s debug", target->name, (long long)target->size_kb,
				   service_category),
		      "logging target %s; size %d; rotate 3; exit", name_in_command(target->name), AUDIT_LOG_SIZE_ADVISED_KB);
}

static void log_target_down(struct audit *audit)
{
	each_bad_target(audit, is_off, tell_off);
}

static void log_target_small(struct audit *audit)
{
	each_bad_target(audit, is_small, tell_small);
}

static void log_events_dropped(struct audit *audit)
{
	const struct appliance_facts *facts = facts_of(audit);

	for (unsigned i = 0; facts->have_log_targets && i < facts->log_target_count; i++) {
		const struct appliance_log_target *target = &facts->log_targets[i];
		struct audit_finding *finding;

		if (!carries(target) || target->events_dropped <= 0)
			continue;
		finding = found(audit, target->name, "log target %s (%s) has dropped %lld events", target->name, or_dash(target->type),
				(long long)target->events_dropped);
		if (strncmp(target->type, "syslog", 6) == 0)
			fix_in_domain(audit, finding, "logging target %s; rate-limit 1000; exit", name_in_command(target->name));
		else
			fix_in_domain(audit, finding, "logging target %s; event %s notice; exit", name_in_command(target->name), service_category);
	}
}

/* ---- rules: the rest ------------------------------------------------------------------------------------------ */

static void health_failed(struct audit *audit)
{
	if (self(audit)->health.asked && !self(audit)->health.good)
		fix(found(audit, "", "%s", self(audit)->health.evidence), "switch domain %s; show apic-gw-service; show log",
		    name_in_command(self(audit)->domain));
}

static void init_check_failed(struct audit *audit)
{
	struct audit_finding *finding;

	if (!self(audit)->init_check.asked || self(audit)->init_check.good)
		return;
	finding = found(audit, "", "%s", self(audit)->init_check.evidence);
	fix_look(audit, finding);
	fix(finding, "drr-agent run -c %s", self(audit)->config_path);
}

static bool clock_known(const struct audit_member *member)
{
	return member->appliance_clock_ms != AUDIT_CLOCK_UNKNOWN && member->asked_wall_ms != AUDIT_CLOCK_UNKNOWN;
}

static void clock_skew(struct audit *audit)
{
	int64_t least = INT64_MAX, most = INT64_MIN;
	char memory[AUDIT_EVIDENCE_BYTES - 64];
	struct audit_finding *finding;
	struct buf clocks;

	buf_init(&clocks, memory, sizeof memory);
	for (unsigned i = 0; i < audit->member_count; i++) {
		const struct audit_member *member = &audit->members[i];
		int64_t ahead_ms;

		if (!clock_known(member))
			continue;
		ahead_ms = member->appliance_clock_ms - member->asked_wall_ms;
		least = ahead_ms < least ? ahead_ms : least;
		most = ahead_ms > most ? ahead_ms : most;
		(void)buf_printf(&clocks, "%s%s %c%lld.%lld s", clocks.len ? ", " : "", member->name, ahead_ms < 0 ? '-' : '+',
				 (long long)(llabs(ahead_ms) / 1000), (long long)(llabs(ahead_ms) % 1000 / 100));
	}
	if (audit->member > 0 || most < least || most - least <= AUDIT_CLOCK_SKEW_MAX_MS)
		return;
	finding = found(audit, "", "against the clock of this host: %s", memory);
	fix(finding, "switch domain default; show ntp-service; show time");
	fix(finding, "top; configure; switch domain default; ntp-service; remote-server SERVER; admin-state enabled; exit");
}

static void xmi_off(struct audit *audit)
{
	struct audit_finding *finding;

	if (!self(audit)->xmi_error)
		return;
	finding = found(audit, "", "%s", self(audit)->xmi_error);
	if (self(audit)->xmi_next)
		fix(finding, "%s", self(audit)->xmi_next);
	else
		fix(finding, "top; configure; switch domain default; xml-mgmt; admin-state enabled; exit");
}

static void unsaved(struct audit *audit)
{
	if (facts_of(audit)->unsaved == PEERING_YES)
		fix_in_domain(audit, found(audit, "", "domain %s has changes that are not saved", self(audit)->domain), "write memory");
}

/* ---- the table ------------------------------------------------------------------------------------------------ */

static const struct rule {
	const char *id;
	enum audit_severity severity;
	enum { OF_MEMBER, OF_GROUP } scope; /* OF_GROUP: members that show the same subject are told once */
	bool changes;                       /* its commands change the running configuration */
	void (*test)(struct audit *);
	const char *why;
} rules[] = {
	{"service-disabled", AUDIT_CRITICAL, OF_MEMBER, true, service_disabled,
	 "a disabled gateway service serves no API and takes no configuration; ask first who disabled it"},
	{"service-down", AUDIT_CRITICAL, OF_MEMBER, false, service_down,
	 "the gateway service is enabled and does not work; mostly because an object that it needs is down"},
	{"no-configuration", AUDIT_CRITICAL, OF_MEMBER, false, no_configuration,
	 "the gateway service has lost its configuration, or waits for its registration: calls of APIs are not routed. Look first whether a DRR is under way"},
	{"no-primary", AUDIT_CRITICAL, OF_GROUP, false, no_primary,
	 "without a primary nothing can be written: no configuration is taken, and a flush reaches nobody. Wait for a fail-over to end before you choose one"},
	{"several-primaries", AUDIT_CRITICAL, OF_GROUP, false, several_primaries,
	 "a fail-over is not over, or the group is split: what is written on one side is lost. Look again in a minute, then choose one"},
	{"no-quorum", AUDIT_CRITICAL, OF_GROUP, true, no_quorum,
	 "without a majority of active members no new primary can be elected, and no change is replicated. Bring the missing members back (on them)"},
	{"members-disagree", AUDIT_CRITICAL, OF_GROUP, false, members_disagree,
	 "members that see different primaries, or not one member in common, are split, or are not one group"},
	{"peering-object-down", AUDIT_CRITICAL, OF_MEMBER, true, object_down,
	 "what is stored behind a peering object that is down cannot be reached from this member"},
	{"peering-port-conflict", AUDIT_CRITICAL, OF_MEMBER, true, port_conflict,
	 "the peering object that starts second cannot open its port; which one that is, the next restart decides. All members must use the same new ports"},
	{"single-gateway-without-persistence", AUDIT_CRITICAL, OF_MEMBER, true, single_without_persistence,
	 "every restart loses the whole configuration, and there is no other member that keeps it; drr-agent audit --fix persistence does this change"},
	{"health-failed", AUDIT_CRITICAL, OF_MEMBER, false, health_failed,
	 "the management server reaches the gateway service at this address; where it does not answer, no configuration arrives"},
	{"init-check-failed", AUDIT_CRITICAL, OF_MEMBER, false, init_check_failed,
	 "the gateway says 200 here when its APIs are loaded; a load balancer that asks it takes this member out. Look first whether a DRR is under way"},

	{"link-down", AUDIT_WARNING, OF_GROUP, true, link_down,
	 "this member gets no changes; with one more like it the majority may be lost. Bring it back (on that member)"},
	{"stale-member", AUDIT_WARNING, OF_GROUP, true, stale_member,
	 "a member that is gone still counts for the majority: bring it back, or remove it"},
	{"member-missing", AUDIT_WARNING, OF_GROUP, true, member_missing,
	 "a configured peer that nobody sees gets no changes, and does not help when another fails (bring it back on that member)"},
	{"not-in-table", AUDIT_WARNING, OF_MEMBER, false, not_in_table,
	 "a member that cannot be told from the others may not act: nobody knows whether it is primary"},
	{"fewer-than-three-gateways", AUDIT_WARNING, OF_GROUP, true, fewer_than_three,
	 "with two gateways or one, a majority does not survive the loss of a member: IBM recommends three or more in production (on every member, with all "
	 "peers); for a system that is not production: --non-production"},
	{"memory-persistence", AUDIT_WARNING, OF_MEMBER, true, two_without_persistence,
	 "memory is safe where a majority keeps running; two gateways lose it when one is down and the other restarts; drr-agent audit --fix persistence "
	 "does this change"},
	{"persistence-disagrees", AUDIT_WARNING, OF_GROUP, true, persistence_disagrees,
	 "all members must have the same persistence: after a restart of all, a member with old data and one with none do not make one group"},
	{"priority-not-distinct", AUDIT_WARNING, OF_GROUP, true, same_priority,
	 "nobody has decided which member becomes primary after a fail-over, and it need not be the same twice"},
	{"log-target-missing", AUDIT_WARNING, OF_MEMBER, true, log_target_missing,
	 "without the log nobody sees whether the service waits for its registration, or gets it: a run is declined, or observes half"},
	{"log-target-down", AUDIT_WARNING, OF_MEMBER, true, log_target_down,
	 "the only log target with the events of a DRR does not write"},
	{"log-target-small", AUDIT_WARNING, OF_MEMBER, true, log_target_small,
	 "a re-synchronisation at level debug writes more than that: the lines that prove it are rotated away before they are read"},
	{"log-events-dropped", AUDIT_WARNING, OF_MEMBER, true, log_events_dropped,
	 "a line that was dropped is never seen: a run can then wait for a registration that is over"},
	{"default-password", AUDIT_WARNING, OF_MEMBER, true, default_password,
	 "whoever reaches the port reads and changes the store (CVE-2022-31776). The change re-establishes the group: on every member, in a maintenance "
	 "window; password-map asks for the alias and the password"},
	{"clock-skew", AUDIT_WARNING, OF_GROUP, true, clock_skew,
	 "logs of the members cannot be put in one order, and tokens and certificates are judged differently on each"},
	{"xmi-off", AUDIT_WARNING, OF_MEMBER, true, xmi_off,
	 "the configured XML management interface does not answer: what only it tells is not known here, and the CLI alone must do"},
	{"unsaved-configuration", AUDIT_WARNING, OF_MEMBER, false, unsaved,
	 "the next restart drops it. Look at what it is, and whose, before you save it: that is the operator's decision, and drr-agent never saves"},

	{"cluster-mode", AUDIT_INFO, OF_GROUP, false, cluster_mode,
	 "a cluster has three primaries, and a flush on one empties a third of the store: drr-agent run refuses it"},
};

enum { RULE_COUNT = sizeof rules / sizeof rules[0] };

static bool told_already(const struct audit *audit, const char *subject)
{
	for (unsigned i = audit->count; i > 0 && audit->findings[i - 1].id == rules[audit->rule].id; i--)
		if (strcmp(audit->findings[i - 1].subject, subject) == 0 &&
		    (rules[audit->rule].scope == OF_GROUP || audit->findings[i - 1].member == audit->member))
			return true;
	return false;
}

static void describe(const struct audit *audit, struct audit_finding *finding)
{
	const struct rule *rule = &rules[audit->rule];

	finding->id = rule->id;
	finding->severity = rule->severity;
	finding->why = rule->why;
	finding->changes = rule->changes;
	finding->member = audit->member;
}

void audit_run(struct audit *audit, const struct audit_member *members, unsigned count, bool production)
{
	assert(count >= 1 && count <= AUDIT_MEMBERS_MAX);
	audit->count = 0;
	audit->left_out = false;
	audit->members = members;
	audit->member_count = count;
	audit->production = production;
	for (audit->rule = 0; audit->rule < RULE_COUNT; audit->rule++)
		for (audit->member = 0; audit->member < count; audit->member++)
			rules[audit->rule].test(audit);
	audit->members = NULL;
}

const char *audit_severity_name(enum audit_severity severity)
{
	static const char *const names[AUDIT_SEVERITY_COUNT] = {"critical", "warning", "info"};

	return names[severity];
}

const char *audit_rule(size_t index, enum audit_severity *severity, const char **why)
{
	if (index >= RULE_COUNT)
		return NULL;
	*severity = rules[index].severity;
	*why = rules[index].why;
	return rules[index].id;
}

bool audit_health_is_ok(const char *body, size_t length_bytes)
{
	char text[AUDIT_HEALTH_BYTES + 1];
	size_t count = 0;

	if (length_bytes > AUDIT_HEALTH_BYTES)
		return false;
	for (size_t i = 0; i < length_bytes; i++)
		if (body[i] != ' ' && body[i] != '\t' && body[i] != '\r' && body[i] != '\n' && body[i] != '\0')
			text[count++] = body[i];
	text[count] = '\0';
	return count > 0 && text[0] == '{' && text[count - 1] == '}' && strstr(text, "\"status\":\"ok\"");
}
