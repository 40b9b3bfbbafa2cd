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

/* `Version: IDG.10.0.3.0 build ...` -> "IDG.10.0.3.0"; `Serial number: 0000001`. Only printable ASCII is taken. Empty strings where there is
 * none. True when a version was found. */
bool facts_parse_version(const char *text, size_t text_bytes, char firmware[FACTS_FIRMWARE_BYTES], char serial[FACTS_SERIAL_BYTES]);

/* How many keys a Redis INFO text says the store holds: the sum of `dbN:keys=K,...` under `# Keyspace`; 0 when that section is empty, -1 when
 * there is no such section or a line of it cannot be read (then nothing is known). A section heading or a number that the end of the
 * text may have cut does not count as read. */
int64_t facts_parse_store_keys(const char *text, size_t text_bytes);

#endif
