#include "appliance/dialogue.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "watch/line.h"

enum login_stage {
	STAGE_START,         /* nothing was sent */
	STAGE_USER_SENT,
	STAGE_PASSWORD_SENT,
	STAGE_DOMAIN_SENT,
	STAGE_PROBE_SENT,    /* a candidate for the prompt is being tried */
};

enum question {
	QUESTION_NONE,
	QUESTION_LOGIN,
	QUESTION_PASSWORD,
	QUESTION_DOMAIN,
	QUESTION_NEW_PASSWORD,
	QUESTION_CONFIRM,
	QUESTION_PROMPT, /* something that ends in `#` */
};

/* A banner can end in `#` before the log-in question comes; before we said anything a prompt must stand still for longer. */
enum { QUIETS_BEFORE_FIRST_PROMPT = 4 };

/* What is sent to see whether a candidate is the prompt: changes nothing, known on every firmware. */
static const char probe_command[] = "show version";

void dialogue_init(struct dialogue *d, const struct dialogue_settings *settings)
{
	memset(d, 0, offsetof(struct dialogue, in_memory));
	d->settings = *settings;
	buf_init(&d->in, d->in_memory, sizeof d->in_memory);
	buf_init(&d->out, d->out_memory, sizeof d->out_memory);
}

void dialogue_clear(struct dialogue *d)
{
	explicit_bzero(d->out_memory, sizeof d->out_memory);
	buf_reset(&d->out);
}

static void fail(struct dialogue *d)
{
	assert(d->error.code != ERROR_NONE);
	d->state = DIALOGUE_FAILED;
	dialogue_clear(d);
}

static void send_line(struct dialogue *d, const char *bytes, size_t count)
{
	if (buf_add(&d->out, bytes, count) || buf_add(&d->out, "\n", 1)) {
		(void)error_set(&d->error, ERROR_INTERNAL, NULL, "a command line is longer than %d bytes",
				DIALOGUE_OUTPUT_MAX_BYTES);
		fail(d);
	}
	d->quiet_count = 0;
}

/* ---- the text: lines, log lines, questions -------------------------------------------------------------------- */

/* Where the log line starts that was printed behind a prompt or question in this line; LENGTH when there is none. */
static size_t find_log_line(const char *bytes, size_t length)
{
	struct line parsed;

	for (size_t at = 0; at < length && at <= DIALOGUE_BASE_MAX_BYTES; at++) {
		bool boundary = at == 0 || bytes[at - 1] == ' ';

		if (boundary && bytes[at] != ' ' && line_parse(bytes + at, length - at, &parsed))
			return at;
	}
	return length;
}

/* The line before position END of TEXT (END is behind its line end or at the end of the text): its start and length. */
static size_t line_before(const char *text, size_t end, size_t *length)
{
	size_t stop = end > 0 && text[end - 1] == '\n' ? end - 1 : end;
	size_t start = stop;

	while (start > 0 && text[start - 1] != '\n')
		start--;
	*length = stop - start;
	return start;
}

/* The question that may stand at the end: the last line, or a line above it when only log lines follow. */
static void find_tail(const struct dialogue *d, const char **tail, size_t *length)
{
	const char *text = d->in.data;
	size_t end = d->in.len;

	for (bool last = true; end > 0; last = false) {
		size_t bytes;
		size_t start = line_before(text, end, &bytes);
		size_t log = find_log_line(text + start, bytes);
		bool finished = text[end - 1] == '\n';

		*tail = text + start;
		*length = log;
		if (log > 0 && (log < bytes || (last && !finished)))
			return;
		if (log > 0 && bytes > 0) /* a finished line that is no log line: nothing stands open */
			break;
		end = start;
	}
	*length = 0;
	*tail = text;
}

static bool equals_ignoring_case(const char *bytes, size_t length, const char *word)
{
	return length == strlen(word) && strncasecmp(bytes, word, length) == 0;
}

static enum question classify(const char *tail, size_t length)
{
	text_trim(&tail, &length);
	if (equals_ignoring_case(tail, length, "login:"))
		return QUESTION_LOGIN;
	if (equals_ignoring_case(tail, length, "Password:"))
		return QUESTION_PASSWORD;
	if (text_starts(tail, length, "Domain (") && text_ends(tail, length, ":"))
		return QUESTION_DOMAIN;
	if (text_starts(tail, length, "Please enter new password") && text_ends(tail, length, ":"))
		return QUESTION_NEW_PASSWORD;
	if (text_ends(tail, length, "[y/n]:"))
		return QUESTION_CONFIRM;
	if (length > 1 && tail[length - 1] == '#')
		return QUESTION_PROMPT;
	return QUESTION_NONE;
}

/* The appliance's words between the password and what came next, for the error; empty when there are none. */
char *dialogue_last_words(const struct dialogue *d, char *out, size_t size)
{
	size_t end = d->in.len;

	out[0] = '\0';
	while (end > 0) {
		size_t length;
		size_t start = line_before(d->in.data, end, &length);
		const char *line = d->in.data + start;
		size_t shown = find_log_line(line, length);

		text_trim(&line, &shown);
		if (shown > 0 && classify(line, shown) == QUESTION_NONE)
			return text_escape(out, size, line, shown);
		end = start;
	}
	return out;
}

/* ---- the prompt ----------------------------------------------------------------------------------------------- */

struct prompt {
	size_t base_bytes; /* NAME and what stands before it */
	const char *domain, *mode;
	size_t domain_bytes, mode_bytes;
};

/* Reads `[DOMAIN](MODE)# ` at BYTES; *used becomes its length. */
static bool parse_prompt_end(const char *bytes, size_t length, struct prompt *prompt, size_t *used)
{
	size_t at = 0;

	memset(prompt, 0, sizeof *prompt);
	if (at < length && bytes[at] == '[') {
		const char *end = memchr(bytes, ']', length);

		if (!end || end == bytes + 1)
			return false;
		prompt->domain = bytes + 1;
		prompt->domain_bytes = (size_t)(end - bytes) - 1;
		at = (size_t)(end - bytes) + 1;
	}
	if (at < length && bytes[at] == '(') {
		const char *end = memchr(bytes + at, ')', length - at);

		if (!end)
			return false;
		prompt->mode = bytes + at + 1;
		prompt->mode_bytes = (size_t)(end - (bytes + at)) - 1;
		at = (size_t)(end - bytes) + 1;
	}
	if (at + 2 > length || bytes[at] != '#' || bytes[at + 1] != ' ')
		return false;
	*used = at + 2;
	return true;
}

/* Splits a candidate line `BASE[DOMAIN](MODE)#` from its end. */
static size_t base_of(const char *line, size_t length)
{
	size_t end = length;

	while (end > 0 && line[end - 1] == ' ')
		end--;
	if (end == 0 || line[end - 1] != '#')
		return 0;
	end--;
	if (end > 0 && line[end - 1] == ')') {
		size_t open = end - 1;

		while (open > 0 && line[open] != '(')
			open--;
		if (line[open] == '(')
			end = open;
	}
	if (end > 0 && line[end - 1] == ']') {
		size_t open = end - 1;

		while (open > 0 && line[open] != '[')
			open--;
		if (line[open] == '[')
			end = open;
	}
	return end;
}

static void take_prompt(struct dialogue *d, const struct prompt *prompt)
{
	if (text_copy(d->domain, sizeof d->domain, prompt->domain ? prompt->domain : "default",
		      prompt->domain ? prompt->domain_bytes : 7) ||
	    text_copy(d->mode, sizeof d->mode, prompt->mode ? prompt->mode : "", prompt->mode_bytes)) {
		(void)error_set(&d->error, ERROR_ANSWER, NULL, "the prompt shows a domain or mode longer than %d bytes",
				DIALOGUE_WORD_BYTES);
		fail(d);
	}
}

/* ---- the answer ----------------------------------------------------------------------------------------------- */

static void skip_echo(struct dialogue *d)
{
	size_t offset = 0, length;
	const char *line;

	while (text_next_line(d->answer, d->answer_bytes, &offset, &line, &length)) {
		text_trim(&line, &length);
		if (text_equal(line, length, d->command)) {
			d->answer += offset;
			d->answer_bytes -= offset;
			d->echoes = true;
			return;
		}
		if (!d->echoes) /* it stands in the first line, or this session has none */
			return;
	}
}

static void find_complaint(struct dialogue *d)
{
	static const char unknown[] = "Unknown command or macro";
	size_t offset = 0, length;
	const char *line;

	d->complaint = DIALOGUE_NO_COMPLAINT;
	d->detail[0] = '\0';
	while (text_next_line(d->answer, d->answer_bytes, &offset, &line, &length)) {
		bool percent = text_starts(line, length, "% "); /* `%<TAB>Pending` is a status, not an error */

		text_trim(&line, &length);
		if (!percent && !text_starts(line, length, unknown))
			continue;
		d->complaint = percent ? DIALOGUE_COMPLAINT : DIALOGUE_UNKNOWN_COMMAND;
		(void)text_escape(d->detail, sizeof d->detail, line + (percent ? 1 : 0), length - (percent ? 1 : 0));
		return;
	}
}

static void finish_answer(struct dialogue *d, size_t end)
{
	d->answer = d->in.data;
	d->answer_bytes = end;
	d->state = DIALOGUE_READY;
	skip_echo(d);
	find_complaint(d);
	if (d->unexpected_question) {
		(void)error_set(&d->error, ERROR_ANSWER, NULL,
				"the appliance asked for a confirmation that \"%s\" should not need; it was answered with no",
				d->command);
		fail(d);
	}
}

/* Looks for the prompt at the start of a line, from the line that holds position FROM on. */
static void find_prompt(struct dialogue *d, size_t from)
{
	size_t start = from;

	while (start > 0 && d->in.data[start - 1] != '\n')
		start--;
	while (start < d->in.len) {
		const char *line = d->in.data + start;
		const char *end = memchr(line, '\n', d->in.len - start);
		size_t length = end ? (size_t)(end - line) : d->in.len - start;
		struct prompt prompt;
		size_t used;

		if (length > d->base_bytes && memcmp(line, d->base, d->base_bytes) == 0 &&
		    parse_prompt_end(line + d->base_bytes, length - d->base_bytes, &prompt, &used)) {
			take_prompt(d, &prompt);
			if (d->state != DIALOGUE_FAILED)
				finish_answer(d, start);
			return;
		}
		if (!end)
			return;
		start += length + 1;
	}
}

/* ---- log-in --------------------------------------------------------------------------------------------------- */

static void refuse_password(struct dialogue *d)
{
	bool admin = strcmp(d->settings.user, "admin") == 0;
	char words[160];

	(void)dialogue_last_words(d, words, sizeof words);
	if (d->settings.password && d->settings.password->bytes && strstr(words, d->settings.password->bytes))
		words[0] = '\0'; /* a console that echoes what it should not */
	(void)error_set(&d->error, ERROR_AUTH,
			"put the right password into the file that [cli] password_file names; it is not tried again before the "
			"configuration changes",
			"the appliance refused user %s%s%s%s; possible: wrong password, account locked%s", d->settings.user,
			words[0] ? " (\"" : "", words, words[0] ? "\")" : "",
			admin ? ", or admin restricted to the serial console (restrict-admin)" : "");
	fail(d);
}

static void answer_login(struct dialogue *d)
{
	if (d->login_stage == STAGE_START) {
		d->login_stage = STAGE_USER_SENT;
		buf_reset(&d->in);
		send_line(d, d->settings.user, strlen(d->settings.user));
	} else if (d->login_stage == STAGE_USER_SENT) {
		(void)error_set(&d->error, ERROR_ANSWER, "try the same by hand", "the appliance asks for the user name again without a password");
		fail(d);
	} else {
		refuse_password(d);
	}
}

static void answer_password(struct dialogue *d)
{
	const struct secret *password = d->settings.password;

	if (d->login_stage >= STAGE_PASSWORD_SENT) {
		refuse_password(d);
	} else if (!password || !password->bytes) {
		(void)error_set(&d->error, ERROR_CONFIG, "set password_file in [cli]", "the appliance asks for a password and none is configured");
		fail(d);
	} else {
		d->login_stage = STAGE_PASSWORD_SENT;
		buf_reset(&d->in);
		send_line(d, password->bytes, password->length);
	}
}

static void answer_domain(struct dialogue *d)
{
	if (d->login_stage == STAGE_DOMAIN_SENT) {
		(void)error_set(&d->error, ERROR_PERMISSION, "check domain in [appliance], and the domains that this user may enter",
				"the appliance does not let user %s into domain %s", d->settings.user, d->settings.domain);
		fail(d);
		return;
	}
	d->login_stage = STAGE_DOMAIN_SENT;
	buf_reset(&d->in);
	send_line(d, d->settings.domain, strlen(d->settings.domain));
}

static void try_candidate(struct dialogue *d, const char *tail, size_t length)
{
	if (!text_ends(tail, length, "# ") || base_of(tail, length) == 0 || length >= sizeof d->candidate)
		return;
	if (d->probes == DIALOGUE_PROBES_MAX) {
		(void)error_set(&d->error, ERROR_ANSWER, "try the same by hand", "no prompt could be made out after %d tries", DIALOGUE_PROBES_MAX);
		fail(d);
		return;
	}
	d->probes++;
	(void)text_copy(d->candidate, sizeof d->candidate, tail, length);
	d->login_stage = STAGE_PROBE_SENT;
	buf_reset(&d->in);
	(void)strcpy(d->command, probe_command);
	send_line(d, probe_command, strlen(probe_command));
}

/* The candidate came back behind the probe's answer: it is the prompt. */
static void accept_candidate(struct dialogue *d, size_t line_start)
{
	size_t length = strlen(d->candidate);
	size_t base = base_of(d->candidate, length);
	struct prompt prompt;
	size_t used;

	if (base > sizeof d->base - 1 || !parse_prompt_end(d->candidate + base, length - base, &prompt, &used)) {
		(void)error_set(&d->error, ERROR_ANSWER, "try the same by hand", "the prompt cannot be read");
		fail(d);
		return;
	}
	memcpy(d->base, d->candidate, base);
	d->base_bytes = base;
	take_prompt(d, &prompt);
	if (d->state != DIALOGUE_FAILED)
		finish_answer(d, line_start);
}

/* After a probe: does a line start with exactly the candidate, and end there or go on with a log line? */
static void find_candidate(struct dialogue *d)
{
	size_t wide = strlen(d->candidate);
	size_t start = 0;

	while (start < d->in.len) {
		const char *line = d->in.data + start;
		const char *end = memchr(line, '\n', d->in.len - start);
		size_t length = end ? (size_t)(end - line) : d->in.len - start;

		/* The answer has at least one line: a candidate in the first line is its own late rest. */
		if (start > 0 && length >= wide && memcmp(line, d->candidate, wide) == 0 &&
		    (length == wide ? !end : find_log_line(line + wide, length - wide) == 0)) {
			accept_candidate(d, start);
			return;
		}
		if (!end)
			return;
		start += length + 1;
	}
}

static void login_quiet(struct dialogue *d)
{
	const char *tail;
	size_t length;

	find_tail(d, &tail, &length);
	switch (classify(tail, length)) {
	case QUESTION_LOGIN:
		answer_login(d);
		break;
	case QUESTION_PASSWORD:
		answer_password(d);
		break;
	case QUESTION_DOMAIN:
		answer_domain(d);
		break;
	case QUESTION_NEW_PASSWORD:
		(void)error_set(&d->error, ERROR_AUTH, "log in once by hand and set the password, then put it into password_file",
				"the appliance wants a new password for user %s; the agent never sets one", d->settings.user);
		fail(d);
		break;
	case QUESTION_PROMPT:
		if (d->login_stage != STAGE_START || d->quiet_count >= QUIETS_BEFORE_FIRST_PROMPT)
			try_candidate(d, tail, length);
		break;
	case QUESTION_CONFIRM:
	case QUESTION_NONE:
		break;
	}
}

/* ---- a command ------------------------------------------------------------------------------------------------ */

static void answer_question(struct dialogue *d)
{
	bool yes = d->may_confirm && !d->confirmed;

	d->confirmed = d->confirmed || yes;
	d->unexpected_question = d->unexpected_question || !yes;
	(void)buf_add(&d->in, "\n", 1); /* the question is answered: the next text starts a line of its own */
	send_line(d, yes ? "y" : "n", 1);
}

static void busy_quiet(struct dialogue *d)
{
	const char *tail;
	size_t length;

	find_tail(d, &tail, &length);
	switch (classify(tail, length)) {
	case QUESTION_CONFIRM:
		answer_question(d);
		break;
	case QUESTION_LOGIN:
		dialogue_ended(d, "the appliance asks for a log-in again");
		break;
	default:
		break;
	}
}

void dialogue_command(struct dialogue *d, const char *command, bool may_confirm)
{
	assert(d->state == DIALOGUE_READY);
	if (strpbrk(command, "\r\n") || text_copy(d->command, sizeof d->command, command, strlen(command))) {
		(void)error_set(&d->error, ERROR_INTERNAL, NULL, "a command line with a line end in it, or too long");
		fail(d);
		return;
	}
	d->state = DIALOGUE_BUSY;
	d->may_confirm = may_confirm;
	d->confirmed = d->unexpected_question = false;
	d->answer = NULL;
	d->answer_bytes = 0;
	buf_reset(&d->in);
	send_line(d, command, strlen(command));
}

/* ---- bytes ---------------------------------------------------------------------------------------------------- */

/* Takes carriage returns, NULs, bells and terminal sequences (ESC [ ... letter) out; true when the byte stays. */
static bool is_text(struct dialogue *d, unsigned char byte)
{
	if (d->escape == 1) { /* behind ESC */
		d->escape = byte == '[' ? 2 : 0;
		return false;
	}
	if (d->escape == 2) { /* behind ESC [ */
		if (byte >= 0x40 && byte <= 0x7e)
			d->escape = 0;
		return false;
	}
	if (byte == 0x1b) {
		d->escape = 1;
		return false;
	}
	return byte == '\n' || byte == '\t' || byte >= 0x20;
}

static bool is_stale(const struct dialogue *d)
{
	return d->state == DIALOGUE_READY; /* behind the prompt only log lines come: nobody asked for them */
}

void dialogue_input(struct dialogue *d, const void *bytes, size_t count)
{
	const unsigned char *p = bytes;
	size_t before = d->in.len;

	if (d->state == DIALOGUE_FAILED || is_stale(d) || count == 0)
		return;
	d->quiet_count = 0;
	for (size_t i = 0; i < count; i++) {
		char byte = (char)p[i];

		if (is_text(d, p[i]) && buf_add(&d->in, &byte, 1)) {
			(void)error_set(&d->error, ERROR_ANSWER, NULL, "an answer of the appliance is longer than %d bytes",
					DIALOGUE_INPUT_MAX_BYTES);
			fail(d);
			return;
		}
	}
	if (d->state == DIALOGUE_BUSY)
		find_prompt(d, before);
	else if (d->login_stage == STAGE_PROBE_SENT)
		find_candidate(d);
}

void dialogue_quiet(struct dialogue *d)
{
	d->quiet_count++;
	if (d->state == DIALOGUE_LOGIN)
		login_quiet(d);
	else if (d->state == DIALOGUE_BUSY)
		busy_quiet(d);
}

void dialogue_ended(struct dialogue *d, const char *reason)
{
	if (d->state == DIALOGUE_FAILED)
		return;
	(void)error_set(&d->error, ERROR_LOST, NULL, "the session ended %s%s%s%s%s",
			d->state == DIALOGUE_LOGIN ? "during the log-in" : "at \"", d->state == DIALOGUE_LOGIN ? "" : d->command,
			d->state == DIALOGUE_LOGIN ? "" : "\"", reason[0] ? ": " : "", reason);
	fail(d);
}

const char *dialogue_output(const struct dialogue *d, size_t *count)
{
	*count = d->out.len;
	return d->out.data;
}

void dialogue_sent(struct dialogue *d, size_t count)
{
	buf_drop(&d->out, count);
	explicit_bzero(d->out.data + d->out.len, count); /* what moved down left a copy behind */
}
