#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "appliance/peering.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct peering_table table;
	struct error error = {0};
	struct peering_view view;
	char sentence[64];

	if (peering_table_parse((const char *)data, size, size % 2 ? "gwd" : NULL, &table, &error)) {
		if (error.code != ERROR_ANSWER || table.count != 0)
			abort();
		return 0;
	}
	for (unsigned i = 0; i < table.count; i++)
		if (table.rows[i].object[0] == '\0' || strlen(table.rows[i].address) >= PEERING_ADDRESS_BYTES)
			abort();
	peering_view_make(&table, "10.0.0.1", &view);
	if (view.active > view.members || (view.quorum && !view.primary))
		abort();
	if (strlen(peering_table_describe(&table, sentence, sizeof sentence)) >= sizeof sentence)
		abort();
	return 0;
}
