/* text.h - small helpers for text that came from outside. */
#ifndef DRR_BASE_TEXT_H
#define DRR_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Copies LENGTH foreign bytes to OUT so that a terminal or a log can show them: printable ASCII and well-formed UTF-8 stay,
 * everything else becomes \n, \t, \r, \\ or \xHH. Cut at SIZE-1 bytes, with "..." at the end when cut; never in the middle of
 * an escape. Returns OUT. SIZE at least 8. */
char *text_escape(char *out, size_t size_bytes, const char *bytes, size_t length_bytes);

/* The part of [*start, *start + *length) without blanks, tabs and line ends at both sides. */
void text_trim(const char **start, size_t *length_bytes);

bool text_equal(const char *bytes, size_t length_bytes, const char *string);
bool text_starts(const char *bytes, size_t length_bytes, const char *prefix);
bool text_ends(const char *bytes, size_t length_bytes, const char *suffix);

/* Copies a whole string; -1 (OUT empty) when it does not fit. */
int text_copy(char *out, size_t size_bytes, const char *bytes, size_t length_bytes);

/* The next line of TEXT at *OFFSET: sets *line and *length (without CR LF), moves *offset behind the line end. False at
 * the end. The last line may lack its line end. */
bool text_next_line(const char *text, size_t text_bytes, size_t *offset, const char **line, size_t *length_bytes);

/* Decimal digits only, whole text, no sign; false also when above MAX. */
bool text_to_unsigned(const char *bytes, size_t length_bytes, unsigned long long max, unsigned long long *value);

#endif
