/* durable.h - files that are still there after a power cut: created with their folder's entry synced, appended and synced
 * before the call returns. */
#ifndef DRR_PLATFORM_DURABLE_H
#define DRR_PLATFORM_DURABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

enum { DURABLE_PATH_MAX_BYTES = 1024 }; /* of a path with its NUL; a longer one is ERROR_INTERNAL */

/* Opens PATH for appending (mode 0600), creates it where it is missing; the file and its folder's entry are synced before
 * the call returns. A symbolic link or anything but a regular file is refused. Returns the descriptor (the caller's to
 * close) or -1. */
int durable_open(const char *path, struct error *error);

/* Writes all bytes and fdatasyncs. On any failure -1: nothing may be taken as recorded, and the caller must not go on
 * with what the record announces. The file was cut back to its previous length where that was still possible; otherwise
 * it holds a torn tail, which the next reader cuts. After -1 close FD and do not append to it again: what the kernel still
 * holds of a failed fsync is not known. */
int durable_append(int fd, const void *bytes, size_t count_bytes, struct error *error);

/* The same without the sync, for what may be lost with the power until durable_sync() says otherwise. */
int durable_append_unsynced(int fd, const void *bytes, size_t count_bytes, struct error *error);
/* 0, or -1: what was appended since the last sync may be gone after a power cut, whatever later syncs say. */
int durable_sync(int fd, struct error *error);

/* Cuts the file to LENGTH bytes and fsyncs. 0 or -1. */
int durable_cut(int fd, size_t length_bytes, struct error *error);

/* Reads the whole file at PATH into MEMORY (SIZE bytes): *got its length. A missing file is 0 bytes and no error; a file that
 * does not fit is ERROR_INTERNAL. 0 or -1. */
int durable_read(const char *path, char *memory, size_t size_bytes, size_t *got_bytes, struct error *error);

/* Replaces PATH in one step: temporary file beside it (PATH.new), fsync, rename, fsync of the folder. Mode 0600. 0, or -1:
 * PATH is then the old or the new file as a whole. Not for two writers of one PATH at a time: hold the lock. */
int durable_replace(const char *path, const void *bytes, size_t count_bytes, struct error *error);

/* How durable_place() makes a file. */
struct durable_form {
	unsigned mode;
	unsigned owner; /* user id; DURABLE_OWNER_SELF: whoever runs this */
	bool replace;   /* false: a PATH that is there, whatever it is, is left alone: ERROR_REFUSED */
};
#define DURABLE_OWNER_SELF (~0u)

/* As durable_replace(), in that form. */
int durable_place(const char *path, const void *bytes, size_t count_bytes, const struct durable_form *form, struct error *error);

/* Renames FROM to TO in the same folder, replacing TO, and fsyncs the folder: how a full journal is set aside. 0 or -1. */
int durable_rename(const char *from, const char *to, struct error *error);

/* Takes the lock of STATE_DIR (file "lock" in it; the folder must exist). Returns a descriptor to keep open, or -1: ERROR_BUSY names the
 * process id that holds it. The lock goes with the process, however it ends; a child must not inherit the descriptor (it is
 * close-on-exec). */
int durable_lock(const char *state_dir, struct error *error);

#endif
