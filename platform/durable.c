/* durable.c - the order of system calls that makes a file survive a power cut (POSIX promises little, ext4 and XFS need all
 * of it): data first, then the file's own length, then the folder's entry. A descriptor whose fsync failed once is not
 * trusted again, because Linux reports a lost page only once. */
#include "platform/durable.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"

enum { FILE_MODE = 0600 };

/* The sentence's end is errno's text; NEXT depends on what an operator can do about it. */
static int fail(struct error *error, const char *doing, const char *path, int sys_errno)
{
	enum error_code code = ERROR_INTERNAL;
	const char *next = NULL;

	if (sys_errno == ENOSPC || sys_errno == EDQUOT)
		next = "make room on that file system (df -h, df -i), then run the command again";
	else if (sys_errno == EIO)
		next = "the disk does not keep what is written: check it (dmesg), or move state_dir to another one";
	else if (sys_errno == EROFS)
		next = "the file system is read-only: remount it, or move state_dir to another one";
	if (sys_errno == EACCES || sys_errno == EPERM) {
		code = ERROR_PERMISSION;
		next = "run it as the user that owns state_dir, or give state_dir to this user (chown)";
	}
	return error_set_errno(error, code, sys_errno, next, "cannot %s %s", doing, path);
}

/* "/proc/self/fd/N" resolved, for the sentences of functions that are given a descriptor only. */
static const char *path_of(int fd, char *out, size_t size_bytes)
{
	char link[64];
	ssize_t length;

	(void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	length = readlink(link, out, size_bytes - 1);
	if (length < 0)
		(void)snprintf(out, size_bytes, "the journal");
	else
		out[length] = '\0';
	return out;
}

static int fail_fd(struct error *error, const char *doing, int fd, int sys_errno)
{
	char path[256];

	return fail(error, doing, path_of(fd, path, sizeof path), sys_errno);
}

static int open_retry(const char *path, int flags)
{
	int fd;

	do
		fd = open(path, flags | O_CLOEXEC, FILE_MODE);
	while (fd < 0 && errno == EINTR);
	return fd;
}

static int fsync_retry(int fd)
{
	int result;

	do
		result = fsync(fd);
	while (result != 0 && errno == EINTR);
	return result;
}

static int write_all(int fd, const char *bytes, size_t count_bytes)
{
	while (count_bytes > 0) {
		ssize_t wrote = write(fd, bytes, count_bytes);

		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote == 0)
			errno = EIO; /* no file system does that; it must not become a loop without end */
		if (wrote <= 0)
			return -1;
		bytes += wrote;
		count_bytes -= (size_t)wrote;
	}
	return 0;
}

/* Syncs the folder that holds PATH, so that the file's name is on disk too. */
static int sync_folder(const char *path, struct error *error)
{
	char folder[DURABLE_PATH_MAX_BYTES];
	const char *slash = strrchr(path, '/');
	size_t length = slash ? (size_t)(slash - path) : 0;
	int fd, result;

	if (!slash)
		(void)text_copy(folder, sizeof folder, ".", 1);
	else if (length == 0)
		(void)text_copy(folder, sizeof folder, "/", 1);
	else if (text_copy(folder, sizeof folder, path, length) != 0)
		return fail(error, "open", path, ENAMETOOLONG);
	fd = open_retry(folder, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return fail(error, "open the folder", folder, errno);
	result = fsync_retry(fd);
	if (result != 0 && errno == EINVAL)
		result = 0; /* some network and overlay file systems cannot sync a folder; they order it themselves */
	if (result != 0)
		(void)fail(error, "sync the folder", folder, errno);
	(void)close(fd);
	return result;
}

static int check_regular(int fd, const char *path, struct error *error)
{
	struct stat status;

	if (fstat(fd, &status) != 0)
		return fail(error, "look at", path, errno);
	if (!S_ISREG(status.st_mode))
		return error_set(error, ERROR_INTERNAL, "move it away; the agent makes its files itself",
				 "%s is not a regular file", path);
	return 0;
}

int durable_open(const char *path, struct error *error)
{
	/* O_NONBLOCK: a FIFO under this name must not hang us; it has no effect on regular files. */
	int fd = open_retry(path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0)
		return fail(error, "open", path, errno);
	if (check_regular(fd, path, error) != 0) {
		(void)close(fd);
		return -1;
	}
	/* Always, not only when it is new: an earlier process may have died between creating and syncing it. */
	if (fsync_retry(fd) != 0) {
		(void)fail(error, "sync", path, errno);
		(void)close(fd);
		return -1;
	}
	if (sync_folder(path, error) != 0) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

static int fdatasync_retry(int fd)
{
	int result;

	do
		result = fdatasync(fd);
	while (result != 0 && errno == EINTR);
	return result;
}

/* Takes back what a failed append left; if even that fails, the journal's reader finds a torn tail and cuts it. */
static void cut_back(int fd, off_t length)
{
	if (ftruncate(fd, length) == 0)
		(void)fsync_retry(fd);
}

static int append(int fd, const void *bytes, size_t count_bytes, bool sync, struct error *error)
{
	off_t before = lseek(fd, 0, SEEK_END);

	if (before < 0)
		return fail_fd(error, "find the end of", fd, errno);
	if (write_all(fd, bytes, count_bytes) != 0) {
		(void)fail_fd(error, "write to", fd, errno);
		cut_back(fd, before);
		return -1;
	}
	if (sync && fdatasync_retry(fd) != 0) {
		(void)fail_fd(error, "sync", fd, errno);
		cut_back(fd, before);
		return -1;
	}
	return 0;
}

int durable_append(int fd, const void *bytes, size_t count_bytes, struct error *error)
{
	return append(fd, bytes, count_bytes, true, error);
}

int durable_append_unsynced(int fd, const void *bytes, size_t count_bytes, struct error *error)
{
	return append(fd, bytes, count_bytes, false, error);
}

int durable_sync(int fd, struct error *error)
{
	return fdatasync_retry(fd) == 0 ? 0 : fail_fd(error, "sync", fd, errno);
}

int durable_cut(int fd, size_t length_bytes, struct error *error)
{
	int result;

	do
		result = ftruncate(fd, (off_t)length_bytes);
	while (result != 0 && errno == EINTR);
	if (result != 0)
		return fail_fd(error, "cut", fd, errno);
	if (fsync_retry(fd) != 0)
		return fail_fd(error, "sync", fd, errno);
	return 0;
}

/* Reads up to SIZE bytes; *GOT of SIZE + 1 says that there are more. */
static int read_all(int fd, char *memory, size_t size_bytes, size_t *got_bytes)
{
	size_t used = 0;

	for (;;) {
		char beyond;
		bool full = used == size_bytes;
		ssize_t got = read(fd, full ? &beyond : memory + used, full ? 1 : size_bytes - used);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		used += (size_t)got;
		if (got == 0 || full)
			break;
	}
	*got_bytes = used;
	return 0;
}

int durable_read(const char *path, char *memory, size_t size_bytes, size_t *got_bytes, struct error *error)
{
	int fd = open_retry(path, O_RDONLY | O_NONBLOCK);
	int result = -1;

	*got_bytes = 0;
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return fail(error, "open", path, errno);
	if (check_regular(fd, path, error) != 0)
		;
	else if (read_all(fd, memory, size_bytes, got_bytes) != 0)
		(void)fail(error, "read", path, errno);
	else if (*got_bytes > size_bytes)
		(void)error_set(error, ERROR_INTERNAL, NULL, "%s is longer than %zu bytes", path, size_bytes);
	else
		result = 0;
	if (result != 0)
		*got_bytes = 0;
	(void)close(fd);
	return result;
}

static int fill_and_close(int fd, const char *path, const void *bytes, size_t count_bytes, const struct durable_form *form, struct error *error)
{
	int result = 0;

	if (form->mode != FILE_MODE && fchmod(fd, (mode_t)form->mode) != 0) /* the engine's jail has no call for it, and needs none */
		result = fail(error, "set the mode of", path, errno);
	else if (form->owner != DURABLE_OWNER_SELF && fchown(fd, (uid_t)form->owner, (gid_t)-1) != 0)
		result = fail(error, "give away", path, errno);
	else if (write_all(fd, bytes, count_bytes) != 0)
		result = fail(error, "write to", path, errno);
	else if (fsync_retry(fd) != 0)
		result = fail(error, "sync", path, errno);
	if (close(fd) != 0 && errno != EINTR && result == 0)
		result = fail(error, "close", path, errno);
	return result;
}

/* Like durable_rename(), but a PATH that is there stays. */
static int link_new(const char *temporary, const char *path, struct error *error)
{
	int result = link(temporary, path), sys_errno = errno;

	(void)unlink(temporary);
	if (result != 0 && sys_errno == EEXIST)
		return error_set(error, ERROR_REFUSED, NULL, "%s is there already and is not overwritten", path);
	return result != 0 ? fail(error, "make", path, sys_errno) : sync_folder(path, error);
}

int durable_place(const char *path, const void *bytes, size_t count_bytes, const struct durable_form *form, struct error *error)
{
	char temporary[DURABLE_PATH_MAX_BYTES];
	int fd;

	if ((size_t)snprintf(temporary, sizeof temporary, "%s.new", path) >= sizeof temporary)
		return fail(error, "write", path, ENAMETOOLONG);
	if (unlink(temporary) != 0 && errno != ENOENT) /* what an earlier, killed process left */
		return fail(error, "remove", temporary, errno);
	fd = open_retry(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW);
	if (fd < 0)
		return fail(error, "create", temporary, errno);
	if (fill_and_close(fd, temporary, bytes, count_bytes, form, error) != 0) {
		(void)unlink(temporary);
		return -1;
	}
	return form->replace ? durable_rename(temporary, path, error) : link_new(temporary, path, error);
}

int durable_replace(const char *path, const void *bytes, size_t count_bytes, struct error *error)
{
	const struct durable_form form = {FILE_MODE, DURABLE_OWNER_SELF, true};

	return durable_place(path, bytes, count_bytes, &form, error);
}

int durable_rename(const char *from, const char *to, struct error *error)
{
	if (rename(from, to) != 0)
		return fail(error, "rename a file to", to, errno);
	return sync_folder(to, error);
}

static int say_busy(int fd, const char *path, struct error *error)
{
	char text[32] = "";
	ssize_t got = pread(fd, text, sizeof text - 1, 0);
	size_t length = got > 0 ? (size_t)got : 0;
	const char *start = text;
	unsigned long long pid;

	text_trim(&start, &length);
	if (!text_to_unsigned(start, length, 1ULL << 31, &pid))
		return error_set(error, ERROR_BUSY, "wait for it to end, then run the command again",
				 "another drr-agent process holds %s", path);
	return error_set(error, ERROR_BUSY, "wait for it to end (ps -p shows it), then run the command again",
			 "another drr-agent process (pid %llu) holds %s", pid, path);
}

/* The pid is for people only; the lock itself is flock's and is not left behind by a dead process. So a full disk, where
 * the pid cannot be written, does not keep `recover` from enabling a service. */
static void write_pid(int fd)
{
	char text[32];
	int length = snprintf(text, sizeof text, "%ld\n", (long)getpid());

	if (ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)length, 0) != length)
		(void)ftruncate(fd, 0);
}

int durable_lock(const char *state_dir, struct error *error)
{
	char path[DURABLE_PATH_MAX_BYTES];
	int fd, result;

	if ((size_t)snprintf(path, sizeof path, "%s/lock", state_dir) >= sizeof path)
		return fail(error, "open the lock in", state_dir, ENAMETOOLONG);
	fd = open_retry(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return error_set_errno(error, ERROR_CONFIG, ENOENT, "make the folder (install -d -m 0700), or correct state_dir",
				       "cannot use state_dir %s", state_dir);
	if (fd < 0 && errno == EROFS) /* a lock needs no writing */
		fd = open_retry(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return fail(error, "open", path, errno);
	do
		result = flock(fd, LOCK_EX | LOCK_NB);
	while (result != 0 && errno == EINTR);
	if (result == 0) {
		write_pid(fd);
		return fd;
	}
	(void)(errno == EWOULDBLOCK ? say_busy(fd, path, error) : fail(error, "lock", path, errno));
	(void)close(fd);
	return -1;
}
