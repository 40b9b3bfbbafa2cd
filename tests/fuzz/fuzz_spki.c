#include <stdint.h>
#include <stdlib.h>

#include "base/spki.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const unsigned char v4[4] = {127, 0, 0, 1}, v6[16] = {[15] = 1};
	size_t start, length;
	bool found = spki_find(data, size, &start, &length), named = spki_names_address(data, size, v4, sizeof v4);

	if (found && (start < 4 || length < 6 || length > size || start > size - length || data[start] != 0x30))
		abort();
	if (named && !found)
		abort();
	(void)spki_names_address(data, size, v6, sizeof v6);
	(void)spki_is_for_servers(data, size);
	return 0;
}
