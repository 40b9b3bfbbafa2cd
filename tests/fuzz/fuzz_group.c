/* Any bytes as group.conf, and as what an agent or API Manager answers: no crash, and what is taken keeps its promises. The first byte chooses. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "group/group_config.h"
#include "group/manager.h"
#include "group/view.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_config(const char *text, size_t size)
{
	static struct group_config config;
	struct error error = {0};

	if (group_config_parse(text, size, "fuzz.conf", &config, &error) != 0) {
		if (error.code != ERROR_CONFIG || error.what[0] == '\0')
			abort();
		return;
	}
	if (config.member_count == 0 || config.member_count > GROUP_MEMBERS_MAX)
		abort();
	for (unsigned i = 0; i < config.member_count; i++) {
		const struct group_member_config *member = &config.members[i];

		if (group_config_member(&config, member->name) != (int)i || member->door.url.path[0] != '/')
			abort();
		if (member->door.url.host[0] && (member->door.pin_count == 0) == (member->door.ca_file[0] == '\0')) /* nobody is trusted without a reason */
			abort();
	}
	for (unsigned i = 0; i < config.api_manager.catalog_count; i++)
		if (strpbrk(config.api_manager.catalogs[i], "/?#% \r\n"))
			abort();
}

static void check_manager(const struct json *json)
{
	static char marked[MANAGER_SUMMARY_BYTES + MANAGER_MARK_BYTES], again[sizeof marked];
	struct manager_summary summary;
	struct manager_catalog catalog;
	struct error error = {0};

	(void)manager_token(json);
	if (manager_read_summary(json, "sandbox", &summary, &error) == 0 && (strcmp(manager_mark(manager_mark(summary.text, "2026", marked), "2026", again), marked) != 0))
		abort();
	if (manager_read_services(json, "sandbox", &catalog, &error) != 0 && (error.code != ERROR_ANSWER || catalog.known))
		abort();
	if (manager_is_current(&catalog, 1) && catalog.state[0])
		abort();
}

static void check_answer(const char *text, size_t size)
{
	static struct view_state state;
	struct view_step step;
	struct view_problem problem;
	struct error error = {0};
	struct json *json = json_parse(text, size, &error);

	if (view_read_state(json, &state)) {
		if (state.name[0] == '\0' || (state.grant.run[0] && (state.grant.plan.count == 0 || state.grant.plan.max_unavailable == 0)))
			abort();
		(void)view_time_ms(state.as_of);
	}
	if (view_read_step(json, &step) && (step.state == VIEW_STEP_NONE || step.attempt == 0))
		abort();
	view_read_problem(json, 409, &problem);
	if (problem.sentence[0] == '\0')
		abort();
	check_manager(json);
	json_free(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	if (data[0] % 2)
		check_config((const char *)data + 1, size - 1);
	else
		check_answer((const char *)data + 1, size - 1);
	return 0;
}
