/* choice.h - which peering object serves apic-gw-service, from what the appliance and the configuration say about it. Pure. */
#ifndef DRR_APPLIANCE_CHOICE_H
#define DRR_APPLIANCE_CHOICE_H

#include "appliance/appliance.h"

struct choice {
	const char *configured; /* peering_object of the configuration; "" for auto */
	const char *manager;    /* what gateway-peering-manager names; "" nothing */
	const char *own;        /* what apic-gw-service names itself; "" nothing */
	const char *v5;         /* its v5-compatibility-mode: on, off, "" not told */
};

/* The manager names the object; with v5 compatibility, and in 2018.4, the service itself does. Fills facts->object and facts->object_source. -1: ERROR_ANSWER, nobody
 * names one, or two are named and nothing says which rules. */
int choice_of_object(const struct choice *choice, struct appliance_facts *facts, struct error *error);

#endif
