/* Any bytes as what `drrctl status --json` prints: no crash, and no member counted twice. */
#include <stdint.h>
#include <stdlib.h>

#include "group/others.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct watchdog_group group;

	if (others_read((const char *)data, size, 420, &group) != group.known || group.waiting + group.registered > group.members || group.accepted > group.members)
		abort();
	if ((group.overdue && group.waiting == 0) || (!group.known && group.members > 0))
		abort();
	return 0;
}
