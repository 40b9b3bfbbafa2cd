#include "base/crc32.h"

/* The reflected polynomial 0xedb88320, four bits at a time: a table of 16 words can be checked by eye, and what is summed here
 * (journal records, at most 256 bytes of a log) is short. */
static const uint32_t nibble_table[16] = {
	0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
	0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
};

uint32_t crc32_update(uint32_t crc, const void *bytes, size_t count_bytes)
{
	const unsigned char *byte = bytes;

	crc = ~crc;
	for (size_t i = 0; i < count_bytes; i++) {
		crc ^= byte[i];
		crc = (crc >> 4) ^ nibble_table[crc & 15];
		crc = (crc >> 4) ^ nibble_table[crc & 15];
	}
	return ~crc;
}

uint32_t crc32_of(const void *bytes, size_t count_bytes)
{
	return crc32_update(0, bytes, count_bytes);
}
