/* secretfile.c - the file's bytes go by read() straight into the protected page: no stdio buffer, no copy on the stack. */
#include "platform/secretfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"

enum {
	MAP_BYTES = 4096,                 /* at least one page; the kernel rounds up */
	FILE_MAX_BYTES = SECRET_MAX_BYTES + 1, /* the longest secret, CR LF */
};

enum { PEM_MAP_BYTES = SECRETFILE_PEM_MAX_BYTES + MAP_BYTES }; /* and the NUL, and the byte that shows that a file is too long */

_Static_assert(FILE_MAX_BYTES + 1 < MAP_BYTES, "one byte more must fit, to see that a file is too long");

static char *map_protected(size_t size_bytes, struct error *error)
{
	char *page = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED) {
		(void)error_set_errno(error, ERROR_CONFIG, errno, NULL, "no memory for a secret");
		return NULL;
	}
	(void)mlock(page, size_bytes); /* a small RLIMIT_MEMLOCK is no reason to refuse */
#ifdef MADV_DONTDUMP
	(void)madvise(page, size_bytes, MADV_DONTDUMP);
#endif
#ifdef MADV_WIPEONFORK
	(void)madvise(page, size_bytes, MADV_WIPEONFORK);
#endif
	return page;
}

static void unmap_wiped(char *page, size_t size_bytes)
{
	explicit_bzero(page, size_bytes);
	(void)munmap(page, size_bytes);
}

int secretfile_path(const char *path, char out[SECRETFILE_PATH_MAX_BYTES], struct error *error)
{
	const char *folder = getenv("CREDENTIALS_DIRECTORY");
	int length;

	if (path[0] == '/') {
		length = snprintf(out, SECRETFILE_PATH_MAX_BYTES, "%s", path);
	} else if (path[0] == '\0' || strchr(path, '/') || strcmp(path, ".") == 0 || strcmp(path, "..") == 0) {
		return error_set(error, ERROR_CONFIG, "write the whole path, from / on",
				 "secret file \"%s\": neither an absolute path nor a bare name",
				 path);
	} else if (!folder || folder[0] != '/') {
		return error_set(error, ERROR_CONFIG, "write an absolute path, or start it from a systemd unit with LoadCredential=",
				 "secret file %s: a bare name, but there is no $CREDENTIALS_DIRECTORY to look in", path);
	} else {
		length = snprintf(out, SECRETFILE_PATH_MAX_BYTES, "%s/%s", folder, path);
	}
	if (length < 0 || length >= SECRETFILE_PATH_MAX_BYTES)
		return error_set_errno(error, ERROR_CONFIG, ENAMETOOLONG, NULL, "secret file %.200s", path);
	return 0;
}

static int check_file(int fd, const char *path, struct error *error)
{
	struct stat status;
	char next[ERROR_NEXT_MAX_BYTES];
	struct buf command; /* a path that does not fit gives no command rather than a cut one */

	buf_init(&command, next, sizeof next);
	if (fstat(fd, &status) != 0)
		return error_set_errno(error, ERROR_CONFIG, errno, NULL, "secret file %s", path);
	if (!S_ISREG(status.st_mode))
		return error_set(error, ERROR_CONFIG, NULL, "secret file %s: not a regular file", path);
	if (status.st_uid != geteuid() && status.st_uid != 0) {
		(void)buf_printf(&command, "chown %lu %s", (unsigned long)geteuid(), path);
		return error_set(error, ERROR_CONFIG, next, "secret file %s: belongs to user %lu, neither to this user (%lu) nor to root",
				 path, (unsigned long)status.st_uid, (unsigned long)geteuid());
	}
	if (status.st_mode & 007) {
		(void)buf_printf(&command, "chmod o= %s   (and consider changing the secret: others could have read it)", path);
		return error_set(error, ERROR_CONFIG, next, "secret file %s: open to every user of this host (mode %04o)", path,
				 (unsigned)(status.st_mode & 07777));
	}
	return 0;
}

/* Reads up to SIZE bytes; -1 with errno. */
static ssize_t read_up_to(int fd, char *memory, size_t size_bytes)
{
	size_t used = 0;

	while (used < size_bytes) {
		ssize_t got = read(fd, memory + used, size_bytes - used);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		used += (size_t)got;
	}
	return (ssize_t)used;
}

static size_t without_line_end(const char *bytes, size_t length)
{
	if (length > 0 && bytes[length - 1] == '\n')
		length--;
	if (length > 0 && bytes[length - 1] == '\r')
		length--;
	return length;
}

/* *LENGTH: in, what was read; out, the secret's. The sentences never show the content. */
static int check_content(const char *bytes, size_t *length, const char *path, struct error *error)
{
	*length = without_line_end(bytes, *length);
	if (*length == 0)
		return error_set(error, ERROR_CONFIG, "write the secret into it, on one line", "secret file %s: empty", path);
	if (*length > SECRET_MAX_BYTES - 1)
		return error_set(error, ERROR_CONFIG, NULL, "secret file %s: longer than %d bytes", path, SECRET_MAX_BYTES - 1);
	if (memchr(bytes, '\n', *length) || memchr(bytes, '\r', *length) || memchr(bytes, '\0', *length))
		return error_set(error, ERROR_CONFIG, "leave the secret alone in the file, on one line",
				 "secret file %s: holds a line end or a NUL before its end", path);
	return 0;
}

static int read_secret(int fd, const char *path, struct secret *secret, struct error *error)
{
	char *page = map_protected(MAP_BYTES, error);
	ssize_t got;
	size_t length;

	if (!page)
		return -1;
	got = read_up_to(fd, page, FILE_MAX_BYTES + 1);
	if (got < 0)
		(void)error_set_errno(error, ERROR_CONFIG, errno, NULL, "secret file %s", path);
	length = got > 0 ? (size_t)got : 0;
	if (got < 0 || check_content(page, &length, path, error) != 0) {
		unmap_wiped(page, MAP_BYTES);
		return -1;
	}
	explicit_bzero(page + length, MAP_BYTES - length);
	secret->bytes = page;
	secret->length = length;
	return 0;
}

static int fail_open(const char *path, int sys_errno, struct error *error)
{
	char next[ERROR_NEXT_MAX_BYTES];
	struct buf command;

	buf_init(&command, next, sizeof next);
	(void)buf_printf(&command, "install -m 0600 -o %lu /dev/null %s   and write the secret into it", (unsigned long)geteuid(), path);
	return error_set_errno(error, ERROR_CONFIG, sys_errno, sys_errno == ENOENT ? next : NULL, "secret file %s", path);
}

/* Opens what PATH means; FILE is its name. IS_SECRET: a missing one is answered with the command that makes it. */
static int open_file(const char *path, bool is_secret, char file[SECRETFILE_PATH_MAX_BYTES], struct error *error)
{
	int fd;

	if (secretfile_path(path, file, error) != 0)
		return -1;
	do
		fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK); /* NONBLOCK: a FIFO must not hang us */
	while (fd < 0 && errno == EINTR);
	if (fd < 0)
		return is_secret ? fail_open(file, errno, error) : error_set_errno(error, ERROR_CONFIG, errno, NULL, "file %s", file);
	return fd;
}

int secretfile_load(const char *path, struct secret *secret, struct error *error)
{
	char file[SECRETFILE_PATH_MAX_BYTES];
	int fd, result;

	*secret = (struct secret){0};
	fd = open_file(path, true, file, error);
	if (fd < 0)
		return -1;
	result = check_file(fd, file, error);
	if (result == 0)
		result = read_secret(fd, file, secret, error);
	(void)close(fd);
	return result;
}

static int check_public_file(int fd, const char *path, struct error *error)
{
	struct stat status;

	if (fstat(fd, &status) != 0)
		return error_set_errno(error, ERROR_CONFIG, errno, NULL, "file %s", path);
	return S_ISREG(status.st_mode) ? 0 : error_set(error, ERROR_CONFIG, NULL, "file %s: not a regular file", path);
}

static int read_pem(int fd, const char *path, struct secret *pem, struct error *error)
{
	char *memory = map_protected(PEM_MAP_BYTES, error);
	ssize_t got;

	if (!memory)
		return -1;
	got = read_up_to(fd, memory, SECRETFILE_PEM_MAX_BYTES + 1);
	if (got < 0)
		(void)error_set_errno(error, ERROR_CONFIG, errno, NULL, "file %s", path);
	else if (got == 0)
		(void)error_set(error, ERROR_CONFIG, NULL, "file %s: empty", path);
	else if (got > SECRETFILE_PEM_MAX_BYTES)
		(void)error_set(error, ERROR_CONFIG, NULL, "file %s: longer than %d bytes", path, SECRETFILE_PEM_MAX_BYTES);
	else if (memchr(memory, '\0', (size_t)got))
		(void)error_set(error, ERROR_CONFIG, "convert it to PEM (openssl ... -outform pem)", "file %s: holds a NUL, so it is no PEM text", path);
	else
		*pem = (struct secret){.bytes = memory, .length = (size_t)got};
	if (!pem->bytes)
		unmap_wiped(memory, PEM_MAP_BYTES);
	return pem->bytes ? 0 : -1;
}

int secretfile_pem_load(const char *path, bool is_key, struct secret *pem, struct error *error)
{
	char file[SECRETFILE_PATH_MAX_BYTES];
	int fd, result;

	*pem = (struct secret){0};
	fd = open_file(path, false, file, error);
	if (fd < 0)
		return -1;
	result = is_key ? check_file(fd, file, error) : check_public_file(fd, file, error);
	if (result == 0)
		result = read_pem(fd, file, pem, error);
	(void)close(fd);
	return result;
}

void secretfile_pem_free(struct secret *pem)
{
	if (pem->bytes)
		unmap_wiped(pem->bytes, PEM_MAP_BYTES);
	*pem = (struct secret){0};
}

int secretfile_page(struct secret *secret, struct error *error)
{
	_Static_assert((int)SECRETFILE_PAGE_BYTES <= (int)MAP_BYTES, "one mapping");

	secret->bytes = map_protected(MAP_BYTES, error);
	secret->length = 0;
	return secret->bytes ? 0 : -1;
}

void secretfile_free(struct secret *secret)
{
	if (secret->bytes)
		unmap_wiped(secret->bytes, MAP_BYTES);
	*secret = (struct secret){0};
}

void secretfile_forbid_cores(void)
{
	/* One byte, not none: with 0 the kernel still feeds a core to a pipe in core_pattern; 1 stops both (fs/coredump.c). */
	const struct rlimit limit = {1, 1};

	(void)setrlimit(RLIMIT_CORE, &limit);
}
