#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "audit/audit.h"

enum { MEMBERS = 3 };

static struct appliance_facts facts[MEMBERS];
static struct audit_member members[MEMBERS];
static struct audit audit;

#define SET(field, ...) snprintf(field, sizeof field, __VA_ARGS__)

static void add_peering(struct appliance_facts *f, unsigned number, const char *name, unsigned port)
{
	struct appliance_peering *p = &f->peerings[f->peering_count++];

	SET(p->name, "%s", name);
	SET(p->op_state, "up");
	SET(p->local_address, "10.0.0.%u", number + 1);
	SET(p->persistence, "memory");
	p->local_port = port;
	p->monitor_port = port + 10000;
	p->priority = 100 + 10 * (int)number;
	p->peer_group = p->ssl = p->own_password = PEERING_YES;
	for (unsigned i = 0; i < MEMBERS; i++)
		if (i != number)
			SET(p->peers[p->peer_count++], "10.0.0.%u", i + 1);
}

static struct appliance_log_target *add_target(struct appliance_facts *f, const char *name, const char *type, const char *level)
{
	struct appliance_log_target *t = &f->log_targets[f->log_target_count++];

	memset(t, 0, sizeof *t);
	SET(t->name, "%s", name);
	SET(t->type, "%s", type);
	SET(t->admin_state, "enabled");
	SET(t->op_state, "up");
	t->size_kb = 50000;
	t->rotations = 3;
	t->event_count = 2;
	SET(t->events[0].category, "mgmt");
	SET(t->events[0].level, "notice");
	SET(t->events[1].category, "apic-gw-service");
	SET(t->events[1].level, "%s", level);
	return t;
}

static void make_rows(struct appliance_facts *f)
{
	f->table.count = MEMBERS;
	for (unsigned i = 0; i < MEMBERS; i++) {
		struct peering_row *row = &f->table.rows[i];

		memset(row, 0, sizeof *row);
		SET(row->address, "10.0.0.%u", i + 1);
		SET(row->object, "gwd");
		row->link_ok = PEERING_YES;
		row->primary = i == 0 ? PEERING_YES : PEERING_NO;
		row->priority_known = true;
		row->priority = 100 + 10 * (int)i;
	}
}

/* Three members as IBM recommends; 10.0.0.1 is gw1 and primary. */
static void healthy(void)
{
	static char names[MEMBERS][8], addresses[MEMBERS][16], files[MEMBERS][16];

	memset(facts, 0, sizeof facts);
	memset(members, 0, sizeof members);
	for (unsigned i = 0; i < MEMBERS; i++) {
		struct appliance_facts *f = &facts[i];

		SET(names[i], "gw%u", i + 1);
		SET(addresses[i], "10.0.0.%u", i + 1);
		SET(files[i], "gw%u.conf", i + 1);
		f->have_identity = f->have_object = f->have_table = f->have_service = f->have_peerings = f->have_log_targets = true;
		SET(f->object, "gwd");
		SET(f->object_state, "up");
		SET(f->persistence, "memory");
		f->admin_state = APPLIANCE_ADMIN_ENABLED;
		SET(f->op_state, "up");
		f->collections = 4;
		f->unsaved = PEERING_NO;
		make_rows(f);
		add_peering(f, i, "gwd", 16380);
		add_peering(f, i, "rate-limit", 16383);
		add_target(f, "gwd-log", "file", "debug");
		members[i] = (struct audit_member){.name = names[i], .config_path = files[i], .domain = "apiconnect", .address = addresses[i], .facts = f,
						   .health = {.asked = true, .good = true}, .init_check = {.asked = true, .good = true},
						   .appliance_clock_ms = 1000000000 + 50 * (int)i, .asked_wall_ms = 1000000000};
	}
}

/* ---- one thing is different ------------------------------------------------------------------------------------ */

static struct appliance_log_target *target(void)
{
	return &facts[0].log_targets[0];
}

static void each_row(void (*change)(struct peering_table *))
{
	for (unsigned i = 0; i < MEMBERS; i++)
		change(&facts[i].table);
}

static void disabled(void) { facts[0].admin_state = APPLIANCE_ADMIN_DISABLED; SET(facts[0].op_state, "down"); }
static void admin_unknown(void) { facts[0].have_service = false; facts[0].admin_state = APPLIANCE_ADMIN_UNKNOWN; facts[0].op_state[0] = '\0'; }
static void down(void) { SET(facts[1].op_state, "down"); SET(facts[1].service_event, "0x0036000e"); SET(facts[1].service_reason, "not up\n"); }
static void down_and_empty(void) { down(); facts[1].collections = 0; }
static void state_unknown(void) { facts[1].op_state[0] = '\0'; }
static void no_collection(void) { facts[2].collections = 0; }
static void one_collection(void) { facts[2].collections = 1; }
static void collections_unknown(void) { facts[2].collections = -1; }
static void not_processed(void) { SET(facts[0].service_event, "0x00350022"); SET(facts[0].op_state, "down"); }
static void not_processed_capital(void) { SET(facts[0].service_event, "0X00350022"); }
static void other_event(void) { SET(facts[0].service_event, "0x00350014"); }
static void take_primary(struct peering_table *t) { t->rows[0].primary = PEERING_NO; }
static void no_primary(void) { each_row(take_primary); }
static void move_primary(struct peering_table *t) { t->rows[0].primary = PEERING_NO; t->rows[1].primary = PEERING_YES; }
static void primary_moved(void) { each_row(move_primary); }
static void no_rows(void) { facts[1].table.count = 0; }
static void second_primary(struct peering_table *t) { t->rows[1].primary = PEERING_YES; }
static void two_primaries(void) { each_row(second_primary); }
static void unknown_primary(struct peering_table *t) { t->rows[1].primary = PEERING_UNKNOWN; }
static void one_primary_one_unknown(void) { each_row(unknown_primary); }
static void cluster(void)
{
	each_row(second_primary);
	for (unsigned i = 0; i < MEMBERS; i++)
		facts[i].peerings[0].cluster = true;
}
static void other_cluster(void) { facts[0].peerings[1].cluster = true; }
static void lose(struct peering_table *t) { t->rows[1].link_ok = t->rows[2].link_ok = PEERING_NO; }
static void two_lost(void) { each_row(lose); }
static void lose_primary(struct peering_table *t) { t->rows[0].link_ok = PEERING_NO; }
static void primary_lost(void) { each_row(lose_primary); }
static void blur(struct peering_table *t) { t->rows[1].link_ok = t->rows[2].link_ok = PEERING_UNKNOWN; }
static void two_blurred(void) { each_row(blur); }
static void lose_one(struct peering_table *t) { t->rows[2].link_ok = PEERING_NO; }
static void one_lost(void) { each_row(lose_one); }
static void blur_one(struct peering_table *t) { t->rows[2].link_ok = PEERING_UNKNOWN; }
static void one_blurred(void) { each_row(blur_one); }
static void split(void) { move_primary(&facts[2].table); }
static void other_members(void)
{
	for (unsigned i = 0; i < MEMBERS; i++)
		facts[2].table.rows[i].address[3] = '9';
	members[2].address = "10.9.0.3";
	facts[2].have_peerings = false;
}
static void other_primary(void) { facts[2].table.rows[0].address[3] = '9'; facts[2].have_peerings = false; }
static void cut_off(void)
{
	facts[0].table.rows[2].link_ok = facts[1].table.rows[2].link_ok = PEERING_NO;
	facts[2].table.rows[0].link_ok = facts[2].table.rows[1].link_ok = PEERING_NO;
	facts[2].table.rows[0].primary = PEERING_UNKNOWN;
}
static void cut_off_and_primary(void) { cut_off(); facts[2].table.rows[2].primary = PEERING_YES; }
static void other_writing(void) { SET(facts[2].table.rows[1].address, "::ffff:10.0.0.2"); }
static void make_stale(struct peering_table *t) { t->rows[2].priority = -1; t->rows[2].link_ok = PEERING_NO; }
static void stale(void) { each_row(make_stale); }
static void make_zero(struct peering_table *t) { t->rows[2].priority = 0; }
static void zero_priority(void) { each_row(make_zero); }
static void short_table(struct peering_table *t) { t->count = 2; }
static void missing(void) { each_row(short_table); facts[2].have_table = false; }
static void alias_peer(void) { SET(facts[0].peerings[0].peers[0], "gateway-two"); }
static void alias_row(void) { each_row(short_table); SET(facts[0].table.rows[1].address, "gw2-alias"); SET(facts[1].table.rows[1].address, "gw2-alias");
			      facts[2].have_table = false; members[1].address = "gw2-alias"; }
static void other_address(void) { members[0].address = "10.9.9.9"; }
static void address_unknown(void) { members[0].address = ""; }
static void object_down(void) { SET(facts[0].peerings[1].op_state, "down"); }
static void object_down_alone(void) { facts[0].have_peerings = false; SET(facts[0].object_state, "down"); }
static void object_unknown(void) { facts[0].peerings[1].op_state[0] = '\0'; }
static void same_port(void) { facts[0].peerings[1].local_port = 16380; }
static void crossed_port(void) { facts[0].peerings[1].local_port = 26380; }
static void own_port(void) { facts[0].peerings[1].local_port = 26383; }
static void ports_unknown(void) { for (unsigned i = 0; i < 2; i++) facts[0].peerings[i].local_port = facts[0].peerings[i].monitor_port = 0; }
static void unhealthy(void) { members[0].health.good = false; SET(members[0].health.evidence, "https://h:3000/health: 503"); }
static void unasked(void) { members[0].health = members[0].init_check = (struct audit_probe){0}; }
static void unloaded(void) { members[0].init_check.good = false; SET(members[0].init_check.evidence, "https://h:9443/webapi-init-check: 503"); }
static void disagree(void) { SET(facts[1].persistence, "local"); }
static void all_local(void) { for (unsigned i = 0; i < MEMBERS; i++) SET(facts[i].persistence, "local"); }
static void persistence_unknown(void) { facts[1].persistence[0] = '\0'; }
static void first_unknown(void) { facts[0].persistence[0] = '\0'; SET(facts[1].persistence, "raid"); }
static void level_priority(struct peering_table *t) { t->rows[2].priority = 110; }
static void same_priority(void) { each_row(level_priority); }
static void hide_priority(struct peering_table *t) { t->rows[0].priority_known = t->rows[1].priority_known = t->rows[2].priority_known = false; }
static void hidden_priority(void) { each_row(hide_priority); }
static void same_hidden_priority(void) { each_row(hide_priority); facts[2].peerings[0].priority = 100; }
static void no_targets(void) { facts[0].log_target_count = 0; }
static void targets_unknown(void) { facts[0].log_target_count = 0; facts[0].have_log_targets = false; }
static void too_high(void) { SET(target()->events[1].level, "warn"); }
static void notice(void) { SET(target()->events[1].level, "notice"); target()->size_kb = 500; }
static void all_info(void) { SET(target()->events[1].category, "all"); SET(target()->events[1].level, "info"); }
static void other_category(void) { SET(target()->events[1].category, "apigw"); }
static void cache(void) { SET(target()->type, "cache"); }
static void syslog_tcp(void) { SET(target()->type, "syslog-tcp"); target()->size_kb = 500; }
static void add_codes(void)
{
	struct appliance_log_target *t = target();

	SET(t->name, "drr-agent");
	t->event_count = 0;
	t->size_kb = 500;
	t->code_count = 3;
	SET(t->codes[0], "0x88E000D7");
	SET(t->codes[1], "0x88e0028e");
	SET(t->codes[2], "0x88e000ac");
}
static void code_missing(void) { add_codes(); target()->code_count = 2; }
static void codes_and_high_level(void) { add_codes(); target()->event_count = 2; SET(target()->events[1].level, "error"); }
static void target_down(void) { SET(target()->op_state, "down"); }
static void target_active(void) { SET(target()->op_state, "active"); }
static void target_suspended(void) { SET(target()->op_state, "suspended"); }
static void target_disabled(void) { SET(target()->admin_state, "disabled"); }
static void target_down_another_up(void) { target_down(); add_target(&facts[0], "other", "syslog", "info"); }
static void small(void) { target()->size_kb = AUDIT_LOG_SIZE_MIN_KB - 1; }
static void just_large(void) { target()->size_kb = AUDIT_LOG_SIZE_MIN_KB; }
static void size_unknown(void) { target()->size_kb = -1; }
static void small_another_large(void) { small(); add_target(&facts[0], "other", "file", "debug"); }
static void small_another_down(void) { small(); SET(add_target(&facts[0], "other", "file", "debug")->op_state, "down"); }
static void dropped(void) { target()->events_dropped = 1; }
static void none_dropped(void) { target()->events_dropped = 0; }
static void foreign_dropped(void) { SET(add_target(&facts[0], "other", "file", "error")->op_state, "up"); facts[0].log_targets[1].events_dropped = 9; }
static void default_password(void) { facts[0].peerings[0].own_password = facts[0].peerings[1].own_password = PEERING_NO; }
static void password_unknown(void) { facts[0].peerings[0].own_password = PEERING_UNKNOWN; }
static void skewed(void) { members[1].appliance_clock_ms -= AUDIT_CLOCK_SKEW_MAX_MS + 51; }
static void skewed_enough(void) { members[2].appliance_clock_ms = members[0].appliance_clock_ms + AUDIT_CLOCK_SKEW_MAX_MS; }
static void clock_unknown(void) { skewed(); members[1].asked_wall_ms = AUDIT_CLOCK_UNKNOWN; }
static void far_clock(void) { members[1].appliance_clock_ms = AUDIT_CLOCK_UNKNOWN; }
static void xmi_off(void) { members[1].xmi_error = "127.0.0.1 port 5550: Connection refused"; }
static void not_saved(void) { facts[2].unsaved = PEERING_YES; }
static void saved_unknown(void) { facts[2].unsaved = PEERING_UNKNOWN; }
static void one_of_two(struct peering_table *t) { t->count = 2; }
static void group_of_two(void)
{
	each_row(one_of_two);
	for (unsigned i = 0; i < MEMBERS; i++)
		facts[i].peerings[0].peer_count = 1;
	SET(facts[0].peerings[0].peers[0], "10.0.0.2");
	members[2].address = "";
}
static void own_among_peers(void) { group_of_two(); facts[0].peerings[0].peer_count = 2; SET(facts[0].peerings[0].peers[1], "10.0.0.1"); }
static void two_local(void) { group_of_two(); all_local(); }
static void alone(void) { facts[0].table.count = 1; facts[0].peerings[0].peer_count = 0; }
static void alone_local(void) { alone(); SET(facts[0].persistence, "local"); }
static void no_peer_group(void) { alone(); facts[0].peerings[0].peer_group = PEERING_NO; facts[0].have_table = false; }
static void nothing(void) {}

/* The ids of the findings, in their order, with a blank between two. */
static const char *ids(unsigned count, bool production)
{
	static char out[1024];
	size_t used = 0;

	audit_run(&audit, members, count, production);
	out[0] = '\0';
	for (unsigned i = 0; i < audit.count; i++) {
		const struct audit_finding *f = &audit.findings[i];

		used += (size_t)snprintf(out + used, sizeof out - used, "%s%s", used ? " " : "", f->id);
		assert_true(f->evidence[0] && f->why[0] && f->fix_count > 0);
		if (i > 0)
			assert_true(f->severity >= audit.findings[i - 1].severity);
		for (unsigned k = 0; k < f->fix_count; k++) {
			assert_true(f->fix[k][0]);
			if (strcmp(f->id, "unsaved-configuration") != 0)
				assert_null(strstr(f->fix[k], "write mem"));
		}
	}
	return out;
}

static void three_members(void **test)
{
	static const struct {
		void (*change)(void);
		const char *ids;
	} cases[] = {
		{nothing, ""},
		{disabled, "service-disabled"}, {admin_unknown, ""},
		{down, "service-down"}, {down_and_empty, "service-down"}, {state_unknown, ""}, {other_event, ""},
		{no_collection, "no-configuration"}, {one_collection, ""}, {collections_unknown, ""},
		{not_processed, "no-configuration"}, {not_processed_capital, "no-configuration"},
		{no_primary, "no-primary"}, {primary_moved, ""}, {no_rows, "no-primary member-missing member-missing"},
		{two_primaries, "several-primaries"}, {one_primary_one_unknown, ""},
		{cluster, "cluster-mode"}, {other_cluster, ""},
		{two_lost, "no-quorum link-down link-down"}, {primary_lost, "no-quorum link-down"}, {two_blurred, "no-quorum"},
		{one_lost, "link-down"}, {one_blurred, ""},
		{split, "members-disagree"}, {other_members, "members-disagree"}, {other_primary, "members-disagree"},
		{cut_off, "link-down"}, {cut_off_and_primary, "members-disagree link-down"}, {other_writing, ""},
		{stale, "stale-member"}, {zero_priority, ""},
		{alias_peer, ""},
		{other_address, "not-in-table"}, {address_unknown, ""},
		{object_down, "peering-object-down"}, {object_down_alone, "peering-object-down"}, {object_unknown, ""},
		{same_port, "peering-port-conflict"}, {crossed_port, "peering-port-conflict"}, {own_port, "peering-port-conflict"}, {ports_unknown, ""},
		{unhealthy, "health-failed"}, {unloaded, "init-check-failed"}, {unasked, ""},
		{disagree, "persistence-disagrees"}, {all_local, ""}, {persistence_unknown, ""}, {first_unknown, "persistence-disagrees"},
		{same_priority, "priority-not-distinct"}, {hidden_priority, ""}, {same_hidden_priority, "priority-not-distinct"},
		{no_targets, "log-target-missing"}, {targets_unknown, ""}, {too_high, "log-target-missing"}, {other_category, "log-target-missing"},
		{cache, "log-target-missing"}, {notice, ""}, {all_info, ""}, {syslog_tcp, ""}, {add_codes, ""}, {code_missing, "log-target-missing"},
		{codes_and_high_level, "log-target-missing"},
		{target_down, "log-target-down"}, {target_suspended, "log-target-down"}, {target_active, ""}, {target_disabled, "log-target-down"}, {target_down_another_up, ""},
		{small, "log-target-small"}, {just_large, ""}, {size_unknown, ""}, {small_another_large, ""}, {small_another_down, "log-target-small"},
		{dropped, "log-events-dropped"}, {none_dropped, ""}, {foreign_dropped, ""},
		{default_password, "default-password default-password"}, {password_unknown, ""},
		{skewed, "clock-skew"}, {skewed_enough, ""}, {clock_unknown, ""}, {far_clock, ""},
		{xmi_off, "xmi-off"},
		{not_saved, "unsaved-configuration"}, {saved_unknown, ""},
		{group_of_two, "fewer-than-three-gateways memory-persistence memory-persistence memory-persistence"},
		{two_local, "fewer-than-three-gateways"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const char *got;

		healthy();
		cases[i].change();
		got = ids(MEMBERS, true);
		if (strcmp(got, cases[i].ids) != 0)
			fail_msg("case %zu: \"%s\" and should be \"%s\": %s", i, got, cases[i].ids, audit.count ? audit.findings[0].evidence : "");
	}
}

/* What one member shows; what only a comparison can show stays unsaid. */
static void one_member(void **test)
{
	static const struct {
		void (*change)(void);
		bool production;
		const char *ids;
	} cases[] = {
		{nothing, true, ""}, {nothing, false, ""},
		{one_lost, true, "link-down"}, {same_priority, true, "priority-not-distinct"}, {same_hidden_priority, true, ""},
		{first_unknown, true, ""}, {disagree, true, ""}, {skewed, true, ""}, {split, true, ""},
		{missing, true, "member-missing"}, {alias_row, true, ""}, {own_among_peers, true, "fewer-than-three-gateways memory-persistence"},
		{alone, true, "single-gateway-without-persistence fewer-than-three-gateways"}, {alone, false, "single-gateway-without-persistence"},
		{alone_local, true, "fewer-than-three-gateways"}, {alone_local, false, ""},
		{no_peer_group, false, "single-gateway-without-persistence"},
		{group_of_two, true, "fewer-than-three-gateways memory-persistence"}, {group_of_two, false, ""}, {two_local, true, "fewer-than-three-gateways"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const char *got;

		healthy();
		cases[i].change();
		got = ids(1, cases[i].production);
		if (strcmp(got, cases[i].ids) != 0)
			fail_msg("case %zu: \"%s\" and should be \"%s\"", i, got, cases[i].ids);
	}
}

static void nothing_known_is_nothing_found(void **test)
{
	healthy();
	for (unsigned i = 0; i < MEMBERS; i++) {
		memset(&facts[i], 0, sizeof facts[i]);
		facts[i].collections = -1;
		members[i].health.asked = members[i].init_check.asked = false;
		members[i].appliance_clock_ms = AUDIT_CLOCK_UNKNOWN;
	}
	assert_string_equal(ids(MEMBERS, true), "");
}

static void expect(const char *evidence, const char *first_fix, const char *last_fix)
{
	const struct audit_finding *f = &audit.findings[0];

	assert_string_equal(f->evidence, evidence);
	assert_string_equal(f->fix[0], first_fix);
	assert_string_equal(f->fix[f->fix_count - 1], last_fix);
}

static void evidence_and_commands(void **test)
{
	healthy();
	same_port();
	ids(MEMBERS, true);
	expect("gwd and rate-limit both use port 16380",
	       "top; configure; switch domain apiconnect; gateway-peering rate-limit; local-port FREE-PORT; monitor-port FREE-PORT; exit",
	       "top; configure; switch domain apiconnect; gateway-peering rate-limit; local-port FREE-PORT; monitor-port FREE-PORT; exit");
	assert_string_equal(audit_severity_name(audit.findings[0].severity), "critical");
	healthy();
	small();
	target()->size_kb = 500;
	ids(MEMBERS, true);
	expect("log target gwd-log: size 500 KB with apic-gw-service debug",
	       "top; configure; switch domain apiconnect; logging target gwd-log; size 50000; rotate 3; exit",
	       "top; configure; switch domain apiconnect; logging target gwd-log; size 50000; rotate 3; exit");
	healthy();
	one_lost();
	ids(MEMBERS, true);
	expect("10.0.0.3 link down (gwd, as gw1 sees it)", "switch domain apiconnect; show gateway-peering gwd; show gateway-peering-status",
	       "top; configure; switch domain apiconnect; gateway-peering gwd; admin-state enabled; exit");
	healthy();
	disagree();
	ids(MEMBERS, true);
	expect("gw1: memory, gw2: local, gw3: memory", "top; configure; switch domain apiconnect; gateway-peering gwd; persistence local; exit",
	       "top; configure; switch domain apiconnect; gateway-peering gwd; persistence local; exit");
	assert_true(audit.findings[0].changes);
	healthy();
	too_high();
	ids(MEMBERS, true);
	assert_non_null(strstr(audit.findings[0].evidence, "gwd-log (file): mgmt notice, apic-gw-service warn"));
	healthy();
	same_priority();
	ids(MEMBERS, true);
	assert_string_equal(audit.findings[0].evidence, "priority 110 is that of 10.0.0.2, 10.0.0.3");
	healthy();
	skewed();
	ids(MEMBERS, true);
	assert_string_equal(audit.findings[0].evidence, "against the clock of this host: gw1 +0.0 s, gw2 -5.0 s, gw3 +0.1 s");
	healthy();
	xmi_off();
	members[1].xmi_next = "pin = sha256//x";
	ids(MEMBERS, true);
	assert_string_equal(audit.findings[0].fix[0], "pin = sha256//x");
}

/* A name from outside is never pasted into a command line. */
static void foreign_names_stay_out_of_commands(void **test)
{
	healthy();
	SET(facts[0].peerings[1].name, "x; write memory");
	SET(facts[0].peerings[1].op_state, "down");
	SET(facts[0].log_targets[0].name, "y\nreload");
	SET(facts[0].log_targets[0].op_state, "down");
	assert_string_equal(ids(MEMBERS, true), "peering-object-down log-target-down");
	assert_string_equal(audit.findings[0].fix[0], "top; configure; switch domain apiconnect; gateway-peering NAME; admin-state enabled; exit");
	assert_string_equal(audit.findings[1].fix[0], "top; configure; switch domain apiconnect; logging target NAME; admin-state enabled; exit");
}

static void long_names_and_many_findings_are_cut(void **test)
{
	healthy();
	for (unsigned i = 0; i < MEMBERS; i++) {
		facts[i].table.count = PEERING_ROWS_MAX;
		for (unsigned k = 0; k < PEERING_ROWS_MAX; k++) {
			struct peering_row *row = &facts[i].table.rows[k];

			memset(row->address, 'a', sizeof row->address - 1);
			SET(row->address + 100, "%u", k);
			memset(row->object, 'o', sizeof row->object - 1);
			row->link_ok = PEERING_NO;
			row->priority_known = true;
			row->priority = 7;
		}
		memset(facts[i].object, 'o', sizeof facts[i].object - 1);
		facts[i].peering_count = APPLIANCE_PEERINGS_MAX;
		for (unsigned k = 0; k < APPLIANCE_PEERINGS_MAX; k++) {
			memset(&facts[i].peerings[k], 0, sizeof facts[i].peerings[k]);
			memset(facts[i].peerings[k].name, 'p', sizeof facts[i].peerings[k].name - 1);
			facts[i].peerings[k].name[0] = (char)('A' + k);
			facts[i].peerings[k].local_port = facts[i].peerings[k].monitor_port = 1;
		}
		facts[i].log_target_count = APPLIANCE_LOG_TARGETS_MAX;
		for (unsigned k = 0; k < APPLIANCE_LOG_TARGETS_MAX; k++) {
			struct appliance_log_target *t = &facts[i].log_targets[k];

			memset(t->name, 'l', sizeof t->name - 1);
			t->event_count = t->code_count = 1000;
		}
	}
	audit_run(&audit, members, MEMBERS, true);
	assert_int_equal(audit.count, AUDIT_FINDINGS_MAX);
	assert_true(audit.left_out);
	for (unsigned i = 0; i < audit.count; i++)
		assert_true(strlen(audit.findings[i].evidence) < AUDIT_EVIDENCE_BYTES && audit.findings[i].fix_count > 0);
	healthy();
	assert_string_equal(ids(MEMBERS, true), "");
	assert_false(audit.left_out);
}

static void the_table_of_rules(void **test)
{
	enum audit_severity severity, last = AUDIT_CRITICAL;
	const char *id, *why, *other_why;
	size_t count = 0;

	for (; (id = audit_rule(count, &severity, &why)) != NULL; count++) {
		assert_true(severity >= last && why[0] && strlen(why) < 300);
		last = severity;
		for (size_t i = 0; i < count; i++)
			assert_string_not_equal(audit_rule(i, &severity, &other_why), id);
		assert_int_equal(strspn(id, "abcdefghijklmnopqrstuvwxyz-"), strlen(id));
	}
	assert_true(count > 25);
}

static void persistence_command(void **test)
{
	struct appliance_wanted wanted = {.persistence = "raid", .raid_volume = "raid0"};
	char out[AUDIT_FIX_LINE_BYTES];

	audit_persistence_command("apiconnect", "gwd", &wanted, out);
	assert_string_equal(out, "top; configure; switch domain apiconnect; gateway-peering gwd; persistence raid; raid-volume raid0; exit");
}

static void health_body(void **test)
{
	static const char *const good[] = {"{\"status\":\"ok\"}", " { \"status\" : \"ok\" }\r\n", "{\"status\":\"ok\",\"uptime\":1}"};
	static const char *const bad[] = {"", "ok", "{}", "{\"status\":\"down\"}", "<html>{\"status\":\"ok\"}</html>", "{\"status\":\"ok\""};

	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		assert_true(audit_health_is_ok(good[i], strlen(good[i])));
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(audit_health_is_ok(bad[i], strlen(bad[i])));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(three_members),
		cmocka_unit_test(one_member),
		cmocka_unit_test(nothing_known_is_nothing_found),
		cmocka_unit_test(evidence_and_commands),
		cmocka_unit_test(foreign_names_stay_out_of_commands),
		cmocka_unit_test(long_names_and_many_findings_are_cut),
		cmocka_unit_test(the_table_of_rules),
		cmocka_unit_test(persistence_command),
		cmocka_unit_test(health_body),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
