/* facts.h - the small answers: `show time`, `show version`, and Redis INFO texts of `gateway-peering-diag`.
 * Pure; every function takes any bytes. */
#ifndef DRR_APPLIANCE_FACTS_H
#define DRR_APPLIANCE_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FACTS_FIRMWARE_BYTES = 64, FACTS_SERIAL_BYTES = 32 };

/* `Uptime: reload: 0 days 01:43:14` and `Uptime: reboot: ...` in seconds; -1 each where the line is missing or unreadable (the first readable one
 * counts). True when at least one was found. */
bool facts_parse_uptime(const char *text, size_t text_bytes, int64_t *reload_s, int64_t *reboot_s);

/* What the appliance's clock showed: milliseconds since the epoch; 0 unknown. */
struct facts_clock {
	int64_t utc_ms;   /* known where the zone is: an offset, or UTC itself */
	int64_t local_ms; /* of its time zone, counted as if that were UTC */
};

/* `Local time: Thu Jun 18 23:23:39 2020`, and UTC, GMT or another name of the zone behind it or in a line `Time zone: ...`. True when a time was read. */
bool facts_parse_clock(const char *text, size_t text_bytes, struct facts_clock *clock);

/* "2013-05-03T21:45:34-04:00", also with Z or a fraction of a second. True when it was read. */
bool facts_parse_timestamp(const char *text, size_t text_bytes, struct facts_clock *clock);

/* `Version: IDG.10.0.3.0 build ...` -> "IDG.10.0.3.0"; `Serial number: 0000001`. Only printable ASCII is taken. Empty strings where there is
 * none. True when a version was found. */
bool facts_parse_version(const char *text, size_t text_bytes, char firmware[FACTS_FIRMWARE_BYTES], char serial[FACTS_SERIAL_BYTES]);

/* How many keys a Redis INFO text says the store holds: the sum of `dbN:keys=K,...` under `# Keyspace`; 0 when that section is empty, -1 when
 * there is no such section or a line of it cannot be read (then nothing is known). A section heading or a number that the end of the
 * text may have cut does not count as read. */
int64_t facts_parse_store_keys(const char *text, size_t text_bytes);

#endif
