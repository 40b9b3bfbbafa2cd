#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <inttypes.h>
#include <cmocka.h>

#include "appliance/peering.h"
#include "golden.h"

static const char *flag(enum peering_flag f)
{
	return f == PEERING_YES ? "yes" : f == PEERING_NO ? "no" : "?";
}

static void render_row(const struct peering_row *row, struct buf *out)
{
	buf_printf(out, "%s|%s|link %s|primary %s|", row->address, row->object, flag(row->link_ok), flag(row->primary));
	if (row->pending_known)
		buf_printf(out, "pending %" PRIu64 "|", row->pending_updates);
	if (row->offset_known)
		buf_printf(out, "offset %" PRIu64 "|", row->replication_offset);
	if (row->priority_known)
		buf_printf(out, "priority %" PRId64 "|", row->priority);
	buf_add_string(out, "\n");
}

static void render(const char *text, size_t length, struct buf *out)
{
	static struct peering_table table;
	struct error error = {0};
	struct peering_view view;
	char sentence[200];

	if (peering_table_parse(text, length, "gwd", &table, &error)) {
		buf_printf(out, "%s: %s\n", error_name(error.code), error.what);
		return;
	}
	for (unsigned i = 0; i < table.count; i++)
		render_row(&table.rows[i], out);
	peering_view_make(&table, "172.16.52.71", &view);
	buf_printf(out, "other rows %u, members %u, active %u, primaries %u, primary %s, own %s, quorum %s\n", table.other_rows, view.members,
		   view.active, view.primaries, view.primary ? view.primary->address : "-", view.own ? view.own->address : "-",
		   view.quorum ? "yes" : "no");
	buf_printf(out, "%s\n", peering_table_describe(&table, sentence, sizeof sentence));
}

static void goldens_parse_as_expected(void **state)
{
	(void)state;
	assert_int_equal(golden_run("peering", render), 0);
}

static struct peering_table whole, part;

/* Cut anywhere: an error, or a beginning of the rows, each of them as in the whole table. Never a row with other values. */
static void check_cuts(const char *text, size_t length)
{
	struct error error = {0};

	if (peering_table_parse(text, length, NULL, &whole, &error))
		whole.count = 0;
	for (size_t cut = 0; cut < length; cut++) {
		char *exact = golden_exact(text, cut);

		error_clear(&error);
		if (peering_table_parse(exact, cut, NULL, &part, &error) == 0 && whole.count > 0) {
			assert_true(part.count <= whole.count);
			for (unsigned i = 0; i < part.count; i++)
				assert_memory_equal(&part.rows[i], &whole.rows[i], sizeof part.rows[i]);
		}
		assert_true(error.code == ERROR_NONE || (error.code == ERROR_ANSWER && part.count == 0));
		free(exact);
	}
}

static void cuts(const char *text, size_t length, struct buf *out)
{
	(void)out;
	check_cuts(text, length);
}

static void a_cut_text_never_gives_another_row(void **state)
{
	(void)state;
	assert_int_equal(golden_walk("peering", cuts, 0), 0);
}

static void all_rows_without_an_object(void **state)
{
	static char text[GOLDEN_MAX_BYTES];
	size_t length = golden_read(DRR_TESTS_DIR "/golden/peering/ibm.txt", text);
	struct error error = {0};

	(void)state;
	assert_int_equal(peering_table_parse(text, length, NULL, &whole, &error), 0);
	assert_int_equal(whole.count, 6);
	assert_int_equal(whole.other_rows, 0);
}

static const struct peering_row *own_of(const char *row_address, const char *address)
{
	static struct peering_table table;
	struct peering_view view;

	table.count = 1;
	snprintf(table.rows[0].address, sizeof table.rows[0].address, "%s", row_address);
	peering_view_make(&table, address, &view);
	return view.own;
}

static void addresses_compare_by_value(void **state)
{
	(void)state;
	assert_non_null(own_of("2001:db8::1", "2001:0DB8:0:0:0:0:0:1"));
	assert_non_null(own_of("::ffff:10.1.2.3", "10.1.2.3"));
	assert_non_null(own_of("10.1.2.3", "::FFFF:a01:203"));
	assert_non_null(own_of("gw_alias", "gw_alias"));
	assert_null(own_of("gw_alias", "gw_alia"));
	assert_null(own_of("GW_alias", "gw_alias"));
	assert_null(own_of("10.1.2.3", "10.1.2.30"));
	assert_null(own_of("10.1.2.3", "010.1.2.3"));
	assert_null(own_of("", NULL));
}

static void a_description_is_cut_with_dots(void **state)
{
	char out[40];

	(void)state;
	whole = (struct peering_table){.count = 3};
	for (unsigned i = 0; i < 3; i++) {
		snprintf(whole.rows[i].address, sizeof whole.rows[i].address, "172.16.52.%u", i);
		whole.rows[i].link_ok = PEERING_YES;
	}
	assert_string_equal(peering_table_describe(&whole, out, sizeof out), "172.16.52.0 ok, 172.16.52.1 ok...");
	assert_string_equal(peering_table_describe(&whole, out, 8), "...");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(goldens_parse_as_expected),
		cmocka_unit_test(a_cut_text_never_gives_another_row),
		cmocka_unit_test(all_rows_without_an_object),
		cmocka_unit_test(addresses_compare_by_value),
		cmocka_unit_test(a_description_is_cut_with_dots),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
