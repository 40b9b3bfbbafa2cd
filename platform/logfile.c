#include "platform/logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "platform/clock.h"

/* PATH or PATH.NUMBER. */
static int make_name(char name[PATH_MAX], const char *path, unsigned number)
{
	int wide = number == 0 ? snprintf(name, PATH_MAX, "%s", path) : snprintf(name, PATH_MAX, "%s.%u", path, number);

	return wide < 0 || wide >= PATH_MAX ? -ENAMETOOLONG : 0;
}

static int fill_info(const struct stat *st, struct logfile_info *info)
{
	int64_t modified_ms = (int64_t)st->st_mtim.tv_sec * 1000 + st->st_mtim.tv_nsec / 1000000;
	int64_t age_ms = clock_wall_ms() - modified_ms;

	if (!S_ISREG(st->st_mode))
		return -EINVAL;
	info->device = st->st_dev;
	info->inode = st->st_ino;
	info->size = (uint64_t)st->st_size;
	info->modified_age_ms = age_ms > 0 ? age_ms : 0;
	return 0;
}

int logfile_look_fd(int fd, struct logfile_info *info)
{
	struct stat st;

	return fstat(fd, &st) ? -errno : fill_info(&st, info);
}

int logfile_look(const char *path, unsigned number, struct logfile_info *info)
{
	char name[PATH_MAX];
	struct stat st;
	int rc = make_name(name, path, number);

	if (rc)
		return rc;
	return stat(name, &st) ? -errno : fill_info(&st, info);
}

int logfile_open(const char *path, unsigned number, struct logfile_info *info)
{
	struct logfile_info ignored;
	char name[PATH_MAX];
	int rc = make_name(name, path, number);
	int fd;

	if (rc)
		return rc;
	fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -errno;
	rc = logfile_look_fd(fd, info ? info : &ignored);
	if (rc) {
		(void)close(fd);
		return rc;
	}
	return fd;
}

bool logfile_same(const struct logfile_info *a, const struct logfile_info *b)
{
	return a->device == b->device && a->inode == b->inode;
}

int64_t logfile_read(int fd, uint64_t offset, void *bytes, size_t size_bytes)
{
	ssize_t got;

	if (offset > INT64_MAX)
		return -EINVAL;
	do
		got = pread(fd, bytes, size_bytes, (off_t)offset);
	while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : got;
}

int64_t logfile_read_behind(int fd, uint64_t offset, void *before, size_t before_bytes, void *bytes, size_t size_bytes,
			    bool *shrunk)
{
	struct iovec parts[2] = {{before, before_bytes}, {bytes, size_bytes}};
	ssize_t got;

	*shrunk = false;
	if (offset > INT64_MAX || offset < before_bytes)
		return -EINVAL;
	do
		got = preadv(fd, parts, 2, (off_t)(offset - before_bytes));
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	*shrunk = (size_t)got < before_bytes;
	return *shrunk ? 0 : got - (int64_t)before_bytes;
}

void logfile_close(int fd)
{
	if (fd >= 0)
		(void)close(fd);
}
