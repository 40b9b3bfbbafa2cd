/* self.h - a test program that starts itself as a child: under the emulator of another machine that is another command line. */
#ifndef TESTS_UNIT_SELF_H
#define TESTS_UNIT_SELF_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SELF_WORDS_MAX = 16, SELF_PATH_BYTES = 512 };

struct self {
	const char *exe; /* NULL: /proc/self/exe */
	const char *words[SELF_WORDS_MAX]; /* argv, NULL at the end */
	char emulator[SELF_PATH_BYTES], path[SELF_PATH_BYTES];
};

/* How this program is started with WORDS (NULL at the end) behind its name. The variable `emulator` (tests/run) holds a command, or nothing. */
static inline void self_fill(struct self *self, const char *const *words)
{
	const char *emulator = getenv("emulator");
	size_t count = 0;
	ssize_t length;
	char *rest = self->emulator;

	self->exe = NULL;
	if (emulator && emulator[0]) {
		self->exe = "/usr/bin/env"; /* finds it */
		self->words[count++] = "env";
		(void)snprintf(self->emulator, sizeof self->emulator, "%s", emulator);
		for (char *word; count < SELF_WORDS_MAX - 6 && (word = strtok_r(rest, " ", &rest));)
			self->words[count++] = word;
	}
	length = readlink("/proc/self/exe", self->path, sizeof self->path - 1);
	self->path[length > 0 ? length : 0] = '\0';
	self->words[count++] = self->path;
	while (*words && count < SELF_WORDS_MAX - 1)
		self->words[count++] = *words++;
	self->words[count] = NULL;
}

#endif
