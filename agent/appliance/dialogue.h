/* dialogue.h - a conversation with the appliance's command line, without any I/O.
 *
 * The caller moves bytes: what arrives goes to dialogue_input(), what dialogue_output() shows goes out. The engine finds the log-in
 * questions and the prompt, sends one command at a time and cuts its answer out of the stream. Three things make this harder than it
 * sounds, and shape the design:
 *
 * - Banners are free text and may hold `#`, `login:` and `Password:`. A question is therefore only believed when it is the
 *   unfinished last line AND nothing more came for DIALOGUE_QUIET_MS (the caller tells: dialogue_quiet()).
 * - The system name before `#` is free text too. The first prompt is only a candidate; a harmless command is sent and the
 *   same line must come back behind an answer. From then on the text before [domain](mode) is known, and prompts are recognised at once.
 * - Consoles mix log lines into the output at any moment, also behind a prompt or a question, and may redraw the prompt behind them. Log
 *   lines are told apart by watch/line.h. A prompt counts only behind the command's echo, where the session has one; one that follows a log
 *   line, or (where log lines were seen) comes before anything of an answer, must stand still as well, unless it shows that the mode or domain changed.
 *
 * What can still fool it: an output line that begins with the prompt; without an echo, a prompt redrawn before an answer that takes longer
 * than DIALOGUE_QUIET_MS; a log line that cuts a line of output in two (then the answer cannot be read). A name that ends in
 * brackets (`gw[1]# `) passes for a domain until another domain is entered.
 *
 * The result does not depend on how the input is split. The first error sticks. No allocation, no clock, no logging.
 */
#ifndef DRR_APPLIANCE_DIALOGUE_H
#define DRR_APPLIANCE_DIALOGUE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/secret.h"

enum {
	DIALOGUE_INPUT_MAX_BYTES = 256 * 1024, /* one answer, or everything up to the first prompt; more is ERROR_ANSWER */
	DIALOGUE_OUTPUT_MAX_BYTES = 2048,      /* one command line, or a password */
	DIALOGUE_BASE_MAX_BYTES = 300,         /* what stands before [domain](mode)#: a name of up to 127 characters, twice */
	DIALOGUE_WORD_BYTES = 128,             /* a domain, a mode; with its NUL */
	DIALOGUE_DETAIL_BYTES = 256,           /* the appliance's words in an error, escaped */
	DIALOGUE_QUIET_MS = 250,               /* how long a question must stand still to be believed */
	DIALOGUE_PROBES_MAX = 4,               /* candidates for the prompt that are tried */
	DIALOGUE_ANSWERS_MAX = 4,              /* questions of one command that are answered; one more is an error */
};

enum dialogue_state {
	DIALOGUE_LOGIN, /* before the first certain prompt */
	DIALOGUE_READY, /* at a prompt: dialogue_command() may be called, the last answer may be read */
	DIALOGUE_BUSY,  /* a command was sent and its prompt has not come back */
	DIALOGUE_FAILED /* dialogue->error says why */
};

enum dialogue_complaint {
	DIALOGUE_NO_COMPLAINT = 0,
	DIALOGUE_UNKNOWN_COMMAND, /* `Unknown command or macro (...)`: this mode or this user does not have it */
	DIALOGUE_COMPLAINT,       /* a line `% TEXT` */
};

struct dialogue_settings { /* the caller's; must outlive the dialogue */
	const char *user;
	const struct secret *password; /* NULL: none */
	const char *domain;            /* answers `Domain (? for all): ` */
};

struct dialogue {
	struct dialogue_settings settings;
	enum dialogue_state state;
	struct error error;

	/* The last prompt. */
	char domain[DIALOGUE_WORD_BYTES]; /* "default" when the prompt shows none */
	char mode[DIALOGUE_WORD_BYTES];   /* "" at the top level */

	/* The last answer: in `in`, without the echo of the command and without the prompt; valid while DIALOGUE_READY. */
	const char *answer;
	size_t answer_bytes;
	enum dialogue_complaint complaint;
	char detail[DIALOGUE_DETAIL_BYTES]; /* the complaint's text, escaped */
	bool confirmed;                     /* a question Yes/No was answered with y */
	bool left;                          /* something of the last command was sent */

	/* Private from here on. */
	bool user_sent, password_sent, domain_sent;
	unsigned quiet_count, probes;
	size_t quiet_tail; /* dialogue_tail() at the last dialogue_quiet() */
	bool may_confirm, unexpected_question;
	unsigned answers;         /* given to questions of this command */
	bool echoes;                     /* this session echoes commands */
	int escape;
	char command[DIALOGUE_OUTPUT_MAX_BYTES];
	char first[DIALOGUE_BASE_MAX_BYTES]; /* the first prompt up to `#` ... */
	size_t first_bytes, base_bytes;      /* ... and how much of it is the base */
	size_t line_start, tail_from, answer_from, content_end; /* in `in`: the last line; where a question may stand; the answer */
	bool echo_seen, after_log;           /* of this command; the last line was a log line */
	bool noisy;                          /* this session prints log lines: only then a prompt can be a redrawn one */
	bool doubt;                          /* a prompt came that must still prove itself; next_* are its */
	unsigned doubt_logs;                 /* log lines behind it */
	bool next_differs, next_longer;
	char next_domain[DIALOGUE_WORD_BYTES], next_mode[DIALOGUE_WORD_BYTES];
	char behind[512];                    /* the unfinished line behind the last prompt */
	size_t behind_bytes;
	struct buf in, out;
	char in_memory[DIALOGUE_INPUT_MAX_BYTES];
	char out_memory[DIALOGUE_OUTPUT_MAX_BYTES];
};

void dialogue_init(struct dialogue *dialogue, const struct dialogue_settings *settings);

/* Wipes what was not sent (it may be the password). */
void dialogue_clear(struct dialogue *dialogue);

/* COUNT bytes arrived. */
void dialogue_input(struct dialogue *dialogue, const void *bytes, size_t count_bytes);

/* Where the text ends that a question may stand at the end of: log lines behind it do not count, so it stays the same while only they arrive.
 * *OPEN: an unfinished line, perhaps a question, stands there. */
size_t dialogue_tail(const struct dialogue *dialogue, bool *open);

/* Nothing but log lines arrived for DIALOGUE_QUIET_MS while all output had been sent. Call it again after each further DIALOGUE_QUIET_MS. */
void dialogue_quiet(struct dialogue *dialogue);

/* The session ended: an ERROR_LOST with REASON (may be empty) unless an error stands already. */
void dialogue_ended(struct dialogue *dialogue, const char *reason);

/* Bytes to send: *COUNT of them (0: none). After sending some, say so; they are wiped. */
const char *dialogue_output(const struct dialogue *dialogue, size_t *count_bytes);
void dialogue_sent(struct dialogue *dialogue, size_t count_bytes);

/* Sends COMMAND (one line without its line end). Only when DIALOGUE_READY. MAY_CONFIRM: a question `Yes/No [y/n]: ` is answered with y, once; otherwise n, and
 * that is an error of the answer. */
void dialogue_command(struct dialogue *dialogue, const char *command, bool may_confirm);

/* What the appliance printed last, escaped, for sentences about silence: the last non-empty line that is no log line. Returns OUT. */
char *dialogue_last_words(const struct dialogue *dialogue, char *out, size_t size_bytes);

#endif
