#include "platform/watchfile.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

enum {
	FILE_EVENTS = IN_MODIFY | IN_ATTRIB | IN_MOVE_SELF | IN_DELETE_SELF,
	/* ATTRIB: a permission that comes back. DELETE_SELF, MOVE_SELF: the folder itself goes. Writes to other files are not asked for. */
	FOLDER_EVENTS = IN_CREATE | IN_MOVED_TO | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR,
};

bool watchfile_open(struct watchfile *watch, const char *path)
{
	*watch = (struct watchfile){.path = path, .folder_wd = -1, .file_wd = -1, .old_wd = -1};
	watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	return watch->fd >= 0;
}

void watchfile_close(struct watchfile *watch)
{
	if (watch->fd >= 0)
		(void)close(watch->fd);
	watch->fd = -1;
}

/* Fails harmlessly when the kernel has dropped the watch already; numbers are not used again. */
static void remove_watch(struct watchfile *watch, int *wd)
{
	if (*wd >= 0)
		(void)inotify_rm_watch(watch->fd, *wd);
	*wd = -1;
}

/* Cuts the last component off; "." where there is none, false at the top. */
static bool go_up(char *path)
{
	char *slash = strrchr(path, '/');

	if (strcmp(path, "/") == 0 || strcmp(path, ".") == 0)
		return false;
	if (!slash)
		strcpy(path, ".");
	else if (slash == path)
		path[1] = '\0';
	else
		*slash = '\0';
	return true;
}

/* Watches the file's folder, or the nearest one above that exists. */
static bool arm_folder(struct watchfile *watch)
{
	char folder[PATH_MAX], above[PATH_MAX];
	int wd;

	if (strlen(watch->path) >= sizeof folder)
		return false;
	strcpy(folder, watch->path);
	if (!go_up(folder))
		return false;
	strcpy(above, folder);
	do
		wd = inotify_add_watch(watch->fd, above, FOLDER_EVENTS);
	while (wd < 0 && (errno == ENOENT || errno == ENOTDIR) && go_up(above));
	if (wd != watch->folder_wd) {
		int old = watch->folder_wd;

		remove_watch(watch, &old);
		watch->folder_wd = wd;
	}
	/* The missing folder may have been made while we went up: then the watch is on the wrong one. */
	return wd >= 0 && (strcmp(above, folder) == 0 || (access(folder, F_OK) != 0 && errno == ENOENT));
}

bool watchfile_arm(struct watchfile *watch)
{
	bool folder_armed;
	int wd;

	if (watch->fd < 0)
		return false;
	folder_armed = arm_folder(watch);
	wd = inotify_add_watch(watch->fd, watch->path, FILE_EVENTS);
	if (wd < 0)
		return folder_armed && errno == ENOENT;
	if (wd != watch->file_wd) {
		remove_watch(watch, &watch->old_wd);
		watch->old_wd = watch->file_wd;
		watch->file_wd = wd;
	}
	return folder_armed;
}

void watchfile_forget_old(struct watchfile *watch)
{
	remove_watch(watch, &watch->old_wd);
}

int watchfile_take(struct watchfile *watch)
{
	_Alignas(struct inotify_event) char events[4096];
	int news = WATCHFILE_QUIET;
	ssize_t got;

	if (watch->fd < 0)
		return news;
	while ((got = read(watch->fd, events, sizeof events)) > 0 || (got < 0 && errno == EINTR)) {
		for (ssize_t at = 0; at < got;) {
			struct inotify_event event;

			memcpy(&event, events + at, sizeof event);
			at += (ssize_t)(sizeof event + event.len);
			/* The end of a watch that we removed ourselves is no news. */
			if (event.mask & IN_IGNORED && event.wd != watch->folder_wd && event.wd != watch->file_wd)
				continue;
			news |= event.mask & IN_MODIFY ? WATCHFILE_WRITTEN : WATCHFILE_MOVED;
		}
	}
	return news;
}
