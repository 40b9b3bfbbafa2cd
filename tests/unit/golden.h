/* golden.h - runs a parser over all tests/golden/FOLDER/NAME.txt and compares what it makes of each with NAME.expect beside it. A new case is two
 * new files; with DRR_GOLDEN_UPDATE=1 in the environment the expectations are written instead (then read the diff). */
#ifndef DRR_TESTS_GOLDEN_H
#define DRR_TESTS_GOLDEN_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

#ifndef DRR_TESTS_DIR
#error "DRR_TESTS_DIR must be the absolute path of tests/, as a string"
#endif

enum { GOLDEN_MAX_BYTES = 65536 };

/* Writes what the parser makes of LENGTH bytes of TEXT (in memory of exactly that size) to OUT. */
typedef void golden_render(const char *text, size_t length, struct buf *out);

static inline size_t golden_read(const char *path, char *memory)
{
	FILE *file = fopen(path, "rb");
	size_t got = file ? fread(memory, 1, GOLDEN_MAX_BYTES - 1, file) : 0;

	if (file)
		fclose(file);
	memory[got] = '\0';
	return got;
}

/* Copies to memory of exactly LENGTH bytes, so that a read behind the end is seen. Free with free(). */
static inline char *golden_exact(const char *text, size_t length)
{
	char *exact = malloc(length > 0 ? length : 1);

	if (!exact)
		abort();
	memcpy(exact, text, length);
	return exact;
}

/* Returns the number of cases that differ, or -1 when there are none at all. COMPARE false: only runs them. */
static inline int golden_walk(const char *folder, golden_render *render, int compare)
{
	static char text[GOLDEN_MAX_BYTES], expect[GOLDEN_MAX_BYTES], memory[GOLDEN_MAX_BYTES];
	char path[1024];
	struct dirent *entry;
	int cases = 0, bad = 0;
	DIR *dir;

	snprintf(path, sizeof path, "%s/golden/%s", DRR_TESTS_DIR, folder);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		size_t wide = strlen(entry->d_name), length;
		struct buf out;
		char *exact;

		if (wide < 5 || strcmp(entry->d_name + wide - 4, ".txt") != 0)
			continue;
		snprintf(path, sizeof path, "%s/golden/%s/%s", DRR_TESTS_DIR, folder, entry->d_name);
		length = golden_read(path, text);
		exact = golden_exact(text, length);
		buf_init(&out, memory, sizeof memory);
		render(exact, length, &out);
		free(exact);
		snprintf(path, sizeof path, "%s/golden/%s/%.*s.expect", DRR_TESTS_DIR, folder, (int)(wide - 4), entry->d_name);
		cases++;
		if (!compare)
			continue;
		if (getenv("DRR_GOLDEN_UPDATE")) {
			FILE *file = fopen(path, "wb");

			if (file) {
				fwrite(out.data, 1, out.len, file);
				fclose(file);
			}
		}
		golden_read(path, expect);
		if (out.overflow || strcmp(expect, out.data) != 0) {
			fprintf(stderr, "%s differs; got:\n%s", path, out.data);
			bad++;
		}
	}
	if (dir)
		closedir(dir);
	return cases == 0 ? -1 : bad;
}

/* For golden_walk() with COMPARE false: RENDER on every beginning of TEXT, each in memory of exactly its size, so that a sanitizer sees a read behind it. */
static inline void golden_cut(golden_render *render, const char *text, size_t length, struct buf *out)
{
	for (size_t cut = 0; cut < length; cut++) {
		char *exact = golden_exact(text, cut);

		buf_reset(out);
		render(exact, cut, out);
		free(exact);
	}
}

static inline int golden_run(const char *folder, golden_render *render)
{
	return golden_walk(folder, render, 1);
}

#endif
