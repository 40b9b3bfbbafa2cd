#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "appliance/dumps.h"
#include "golden.h"

static struct appliance_facts facts;

static void render_peerings(struct buf *out)
{
	for (unsigned i = 0; i < facts.peering_count; i++) {
		const struct appliance_peering *p = &facts.peerings[i];

		buf_printf(out, "peering %s|%s|%s|%u|%u|%s|%s|", p->name, p->op_state, p->local_address, p->local_port, p->monitor_port, p->persistence,
			   p->local_directory);
		if (p->priority == APPLIANCE_PRIORITY_UNKNOWN)
			buf_add_string(out, "-");
		else
			buf_printf(out, "%lld", (long long)p->priority);
		buf_printf(out, "|group %d|ssl %d|password %d|%s%s|%u:", (int)p->peer_group, (int)p->ssl, (int)p->own_password, p->group, p->cluster ? " cluster" : "", p->peer_count);
		for (unsigned k = 0; k < p->peer_count && k < APPLIANCE_PEERS_MAX; k++)
			buf_printf(out, " %s", p->peers[k]);
		buf_add_string(out, "\n");
	}
}

static void render_targets(struct buf *out)
{
	for (unsigned i = 0; i < facts.log_target_count; i++) {
		const struct appliance_log_target *t = &facts.log_targets[i];

		buf_printf(out, "target %s|%s|%s|%s|%s|%s|%s|%lld|%lld|%lld|", t->name, t->op_state, t->admin_state, t->type, t->format, t->timestamp, t->file,
			   (long long)t->size_kb, (long long)t->rotations, (long long)t->events_dropped);
		for (unsigned k = 0; k < t->event_count && k < APPLIANCE_LOG_EVENTS_MAX; k++)
			buf_printf(out, " %s=%s", t->events[k].category, t->events[k].level);
		for (unsigned k = 0; k < t->code_count && k < APPLIANCE_LOG_EVENTS_MAX; k++)
			buf_printf(out, " %s", t->codes[k]);
		buf_add_string(out, "\n");
	}
}

static void render(const char *text, size_t length, struct buf *out)
{
	memset(&facts, 0xa5, sizeof facts);
	buf_printf(out, "%d %d\n", dumps_peerings(text, length, &facts), dumps_log_targets(text, length, &facts));
	render_peerings(out);
	render_targets(out);
	buf_printf(out, "collections %lld\n", (long long)dumps_count(text, length, "api-collection"));
}

static void goldens_are_read_as_expected(void **state)
{
	assert_int_equal(golden_run("dumps", render), 0);
}

static void cuts(const char *text, size_t length, struct buf *out)
{
	golden_cut(render, text, length, out);
}

static void cut_texts_are_harmless(void **state)
{
	assert_int_equal(golden_walk("dumps", cuts, 0), 0);
}

/* More than the limit is an error, never a cut. */
static void too_many_are_an_error(void **state)
{
	static char text[64 * 128];
	struct buf out;

	buf_init(&out, text, sizeof text);
	for (int i = 0; i < APPLIANCE_PEERINGS_MAX; i++)
		buf_printf(&out, "gateway-peering: g%d [up]\n----\n x y\n", i);
	assert_int_equal(dumps_peerings(text, out.len, &facts), 0);
	assert_int_equal(facts.peering_count, APPLIANCE_PEERINGS_MAX);
	buf_add_string(&out, "gateway-peering: one-more [up]\n----\n x y\n");
	assert_int_equal(dumps_peerings(text, out.len, &facts), -1);
	assert_int_equal(facts.peering_count, APPLIANCE_PEERINGS_MAX);
	buf_reset(&out);
	for (int i = 0; i <= APPLIANCE_LOG_TARGETS_MAX; i++)
		buf_printf(&out, "logging target: g%d [up]\n----\n x y\n", i);
	assert_int_equal(dumps_log_targets(text, out.len, &facts), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(goldens_are_read_as_expected),
		cmocka_unit_test(cut_texts_are_harmless),
		cmocka_unit_test(too_many_are_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
