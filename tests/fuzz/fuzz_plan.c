/* Any text as a plan: what is taken formats to the same text, and what can be carried out fits into a journal record. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "run/journal.h"
#include "run/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct plan *plan, const char *text)
{
	struct journal_record record = {.seq = 1, .kind = JOURNAL_GRANT, .run = "r"};
	char again[PLAN_TEXT_BYTES], line[JOURNAL_RECORD_MAX_BYTES + 1];
	struct error error = {0};
	struct buf out;

	if (plan->count == 0 || plan->count > PLAN_MEMBERS_MAX || plan_format(plan, again) != 0 || strcmp(again, text) != 0)
		abort();
	if (plan_check(plan, plan->order[plan->count - 1], &error) != 0) {
		if (error.code != ERROR_REFUSED || error.what[0] == '\0' || error.next[0] == '\0')
			abort();
		return;
	}
	buf_init(&out, line, sizeof line);
	if (journal_add(&record, "by", "123456789012345678901234567890123456789012345678901234567890123") != 0 ||
	    journal_add(&record, "plan", text) != 0 || journal_encode(&record, &out) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct plan plan;

	memcpy(text, data, size);
	text[size] = '\0';
	if (plan_parse(text, &plan) == 0)
		check(&plan, text);
	free(text);
	return 0;
}
