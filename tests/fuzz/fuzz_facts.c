#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "appliance/facts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char firmware[FACTS_FIRMWARE_BYTES], serial[FACTS_SERIAL_BYTES];
	const char *text = (const char *)data;
	int64_t reload_s, reboot_s;
	struct facts_clock clock;

	(void)facts_parse_uptime(text, size, &reload_s, &reboot_s);
	if (reload_s < -1 || reboot_s < -1 || facts_parse_store_keys(text, size) < -1)
		abort();
	(void)facts_parse_version(text, size, firmware, serial);
	if (strlen(firmware) >= sizeof firmware || strlen(serial) >= sizeof serial)
		abort();
	if (facts_parse_clock(text, size, &clock) != (clock.local_ms != 0) || (clock.utc_ms != 0 && clock.utc_ms != clock.local_ms))
		abort();
	if (facts_parse_timestamp(text, size, &clock) != (clock.local_ms != 0))
		abort();
	return 0;
}
