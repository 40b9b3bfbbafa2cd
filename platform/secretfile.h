/* secretfile.h - loads a secret from a file into memory that is locked, kept out of cores, and wiped. */
#ifndef DRR_PLATFORM_SECRETFILE_H
#define DRR_PLATFORM_SECRETFILE_H

#include <stdbool.h>

#include "base/error.h"
#include "base/secret.h"

enum {
	SECRETFILE_PATH_MAX_BYTES = 1024,
	SECRETFILE_PAGE_BYTES = 4096,
	SECRETFILE_PEM_MAX_BYTES = 40 * 1024, /* of a file with a key or with certificates */
};

/* The file that PATH means (see secretfile_load): 0 or -1. */
int secretfile_path(const char *path, char out[SECRETFILE_PATH_MAX_BYTES], struct error *error);

/* PATH: absolute, or a bare name, which is then looked up in $CREDENTIALS_DIRECTORY. The file must be a regular file (a symbolic link to one
 * is fine, what counts is the file behind it), owned by us or root, and
 * not accessible to others (mode & 007 == 0), at most SECRET_MAX_BYTES - 1; one line end at its end is dropped; an empty one, NUL or
 * line ends inside are refused. All errors are ERROR_CONFIG and name the file and the command (chmod) that mends it; none holds a byte
 * of the file. 0, or -1 and SECRET empty.
 *
 * The memory is kept out of core files and is zero in a forked child. It is locked where RLIMIT_MEMLOCK allows that; where not it may reach
 * the swap space: no error. */
int secretfile_load(const char *path, struct secret *secret, struct error *error);
void secretfile_free(struct secret *secret); /* wipes; harmless on an empty one */

/* A whole file of PEM text, at most SECRETFILE_PEM_MAX_BYTES, into the same kind of memory; what stands in it is not looked at, but it must not be empty nor hold a
 * NUL. IS_KEY: the rules of secretfile_load() for owner and mode; otherwise (certificates) everybody may read it. PATH as there. Free with secretfile_pem_free(). */
int secretfile_pem_load(const char *path, bool is_key, struct secret *pem, struct error *error);
void secretfile_pem_free(struct secret *pem); /* wipes; harmless on an empty one */

/* SECRETFILE_PAGE_BYTES of the same kind of memory, zeroed, for something that is made of a secret: the caller writes into secret->bytes and sets the length;
 * secretfile_free() it. 0, or -1 and ERROR_INTERNAL. */
int secretfile_page(struct secret *secret, struct error *error);

/* No core file of this process: what was read from a secret stands for a moment also where no madvise() reaches (buffers of the TLS and SSH libraries). Call
 * first thing in main(). */
void secretfile_forbid_cores(void);

#endif
