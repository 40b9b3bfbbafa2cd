/* inih: one key a line, nothing folded, nothing cut silently. */
#define INI_HANDLER_LINENO 1
#define INI_ALLOW_MULTILINE 0
#define INI_ALLOW_INLINE_COMMENTS 0 /* a value may hold " ;" */
#define INI_STOP_ON_FIRST_ERROR 1
#define INI_USE_STACK 1
#define INI_MAX_LINE 1024 /* bytes with line end and NUL; a longer line is an error */

