/* dumps.h - object dumps of the CLI (object.h) into facts: peering objects, log targets, API collections. Pure; every function takes any bytes.
 *
 * Property names are those of the configuration commands. One that is missing or cannot be read leaves its fact unknown. */
#ifndef DRR_APPLIANCE_DUMPS_H
#define DRR_APPLIANCE_DUMPS_H

#include <stddef.h>
#include <stdint.h>

#include "appliance/appliance.h"

/* `show gateway-peering`: fills facts->peerings. 0, or -1: more than APPLIANCE_PEERINGS_MAX. */
int dumps_peerings(const char *text, size_t text_bytes, struct appliance_facts *facts);

/* `show logging target`: fills facts->log_targets. 0, or -1: more than APPLIANCE_LOG_TARGETS_MAX. */
int dumps_log_targets(const char *text, size_t text_bytes, struct appliance_facts *facts);

/* How many dumps of a class there are. */
int64_t dumps_count(const char *text, size_t text_bytes, const char *class_name);

#endif
