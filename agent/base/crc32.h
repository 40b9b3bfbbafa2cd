/* crc32.h - CRC-32 of IEEE 802.3 (the one of zlib, gzip and PNG): tells accidents, not attackers. */
#ifndef DRR_BASE_CRC32_H
#define DRR_BASE_CRC32_H

#include <stddef.h>
#include <stdint.h>

/* Goes on from CRC, the result for the bytes before (0 for none), with COUNT more bytes, so that
 * crc32_update(crc32_update(0, a), b) is the CRC of a and b joined. BYTES may be NULL when COUNT is 0. */
uint32_t crc32_update(uint32_t crc, const void *bytes, size_t count_bytes);

/* Of COUNT bytes: crc32_of("123456789", 9) is 0xcbf43926. */
uint32_t crc32_of(const void *bytes, size_t count_bytes);

#endif
