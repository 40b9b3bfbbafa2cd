#include "appliance/choice.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

static void choose(struct appliance_facts *facts, const char *object, const char *source)
{
	(void)snprintf(facts->object, sizeof facts->object, "%s", object);
	facts->object_source = source;
}

int choice_of_object(const struct choice *choice, struct appliance_facts *facts, struct error *error)
{
	const char *manager = choice->manager, *own = choice->own;
	char shown_manager[APPLIANCE_WORD_BYTES], shown_own[APPLIANCE_WORD_BYTES];

	if (choice->configured[0]) {
		choose(facts, choice->configured, "the configuration");
	} else if (own[0] && (!manager[0] || strcmp(choice->v5, "on") == 0)) {
		choose(facts, own, "apic-gw-service");
	} else if (manager[0] && (!own[0] || strcmp(choice->v5, "off") == 0 || strcmp(own, manager) == 0)) {
		choose(facts, manager, "gateway-peering-manager");
	} else if (own[0]) {
		text_escape(shown_manager, sizeof shown_manager, manager, strlen(manager));
		text_escape(shown_own, sizeof shown_own, own, strlen(own));
		return error_set(error, ERROR_ANSWER, "set peering_object in [appliance]",
				 "gateway-peering-manager names %s and apic-gw-service names %s as its peering object", shown_manager, shown_own);
	} else {
		return error_set(error, ERROR_ANSWER, "set peering_object in [appliance]",
				 "neither gateway-peering-manager nor apic-gw-service names a peering object");
	}
	return 0;
}
