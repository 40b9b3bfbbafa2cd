/* logfile.h - a growing file that somebody else writes, rotates and truncates: identity, size, reading at an offset.
 * Nothing here keeps state. Errors are errno values, because what they mean is the follower's decision. */
#ifndef DRR_PLATFORM_LOGFILE_H
#define DRR_PLATFORM_LOGFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct logfile_info {
	uint64_t device, inode; /* the identity: stays with the file when it is renamed */
	uint64_t size;          /* bytes */
	int64_t modified_age_ms; /* since the last write, by this host's wall clock; 0 where that clock went back */
};

/* Opens PATH (NUMBER 0) or its rotated predecessor PATH.NUMBER for reading; never blocks. Symbolic links are followed. Returns the descriptor
 * or -errno; EINVAL when it is not a regular file. INFO may be NULL. */
int logfile_open(const char *path, unsigned number, struct logfile_info *info);

/* 0 or -errno. */
int logfile_look(const char *path, unsigned number, struct logfile_info *info);
int logfile_look_fd(int fd, struct logfile_info *info);

bool logfile_same(const struct logfile_info *a, const struct logfile_info *b);

/* Reads up to SIZE bytes at OFFSET: their count (0 at the end; less than SIZE only there), or -errno. */
int64_t logfile_read(int fd, uint64_t offset, void *bytes, size_t size_bytes);

/* Reads the BEFORE_BYTES bytes in front of OFFSET and up to SIZE from there on, in one system call, so that no truncation can
 * come between the two. Returns the count from OFFSET on, or -errno; *SHRUNK: the file ends before OFFSET now (the count is then 0). */
int64_t logfile_read_behind(int fd, uint64_t offset, void *before, size_t before_bytes, void *bytes, size_t size_bytes,
			    bool *shrunk);

void logfile_close(int fd); /* -1 is fine */

#endif
