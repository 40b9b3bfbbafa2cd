#include "run/plan.h"

#include <string.h>

#include "base/buf.h"
#include "base/text.h"

bool plan_name_is_valid(const char *name)
{
	size_t length = strlen(name);

	for (size_t i = 0; i < length; i++)
		if (name[i] <= ' ' || name[i] > '~' || strchr(",;=%", name[i]))
			return false;
	return length > 0 && length < PLAN_NAME_BYTES;
}

static unsigned times_in_order(const struct plan *plan, const char *name)
{
	unsigned times = 0;

	for (unsigned i = 0; i < plan->count; i++)
		times += strcmp(plan->order[i], name) == 0;
	return times;
}

int plan_check(const struct plan *plan, const char *own, struct error *error)
{
	static const char next[] = "send the plan of the whole group: {\"primary\":NAME,\"order\":[every member],\"max_unavailable\":1}";
	char text[PLAN_TEXT_BYTES];

	if (plan->count == 0 || plan->count > PLAN_MEMBERS_MAX)
		return error_set(error, ERROR_REFUSED, next, "the plan's order has %u members; 1 to %d are possible", plan->count, PLAN_MEMBERS_MAX);
	for (unsigned i = 0; i < plan->count; i++) {
		if (!plan_name_is_valid(plan->order[i]))
			return error_set(error, ERROR_REFUSED, next, "member %u of the plan's order has no usable name", i + 1);
		if (times_in_order(plan, plan->order[i]) != 1)
			return error_set(error, ERROR_REFUSED, next, "%s stands more than once in the plan's order", plan->order[i]);
	}
	if (times_in_order(plan, own) == 0)
		return error_set(error, ERROR_REFUSED, next, "this member, %s, is not in the plan's order: it would never be bounced", own);
	if (times_in_order(plan, plan->primary) == 0)
		return error_set(error, ERROR_REFUSED, next, "the plan's primary is not in its order");
	if (plan->max_unavailable < 1 || plan->max_unavailable > plan->count)
		return error_set(error, ERROR_REFUSED, next, "max_unavailable is %u; 1 to %u are possible", plan->max_unavailable, plan->count);
	if (plan_format(plan, text))
		return error_set(error, ERROR_REFUSED, "give the members shorter names", "the plan is longer than %d bytes", PLAN_TEXT_BYTES - 1);
	return 0;
}

int plan_format(const struct plan *plan, char out[PLAN_TEXT_BYTES])
{
	struct buf text;

	buf_init(&text, out, PLAN_TEXT_BYTES);
	(void)buf_printf(&text, "primary=%s;order=", plan->primary);
	for (unsigned i = 0; i < plan->count; i++)
		(void)buf_printf(&text, "%s%s", i > 0 ? "," : "", plan->order[i]);
	(void)buf_printf(&text, ";max_unavailable=%u", plan->max_unavailable);
	return text.overflow ? -1 : 0;
}

/* Takes WORD and then a name up to one of ENDS; *at moves behind the name. */
static bool take_name(const char **at, const char *word, const char *ends, char name[PLAN_NAME_BYTES])
{
	size_t wide = strlen(word), length;

	if (strncmp(*at, word, wide) != 0)
		return false;
	*at += wide;
	length = strcspn(*at, ends);
	if (text_copy(name, PLAN_NAME_BYTES, *at, length) != 0 || !plan_name_is_valid(name))
		return false;
	*at += length;
	return true;
}

int plan_parse(const char *text, struct plan *plan)
{
	char again[PLAN_TEXT_BYTES];
	const char *at = text;
	unsigned long long number;

	memset(plan, 0, sizeof *plan);
	if (!take_name(&at, "primary=", ";", plan->primary))
		return -1;
	do {
		if (plan->count == PLAN_MEMBERS_MAX || !take_name(&at, plan->count == 0 ? ";order=" : ",", ",;", plan->order[plan->count]))
			return -1;
		plan->count++;
	} while (*at == ',');
	if (strncmp(at, ";max_unavailable=", 17) != 0 || !text_to_unsigned(at + 17, strlen(at + 17), PLAN_MEMBERS_MAX, &number))
		return -1;
	plan->max_unavailable = (unsigned)number;
	return plan_format(plan, again) == 0 && strcmp(again, text) == 0 ? 0 : -1;
}
