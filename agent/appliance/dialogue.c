#include "appliance/dialogue.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "watch/line.h"

enum question {
	QUESTION_NONE,
	QUESTION_LOGIN,
	QUESTION_PASSWORD,
	QUESTION_DOMAIN,
	QUESTION_NEW_PASSWORD,
	QUESTION_CONFIRM,
	QUESTION_PROMPT, /* something that ends in `#` */
};

/* How often dialogue_quiet() must have been called at a stretch. Everything that is not listed is believed the first time. */
enum {
	QUIETS_BEFORE_FIRST = 4,    /* a banner can stop at `#` or `Password:` for a moment before the log-in question comes */
	QUIETS_BEFORE_REFUSAL = 8,  /* a question asked twice may be one that was only redrawn behind a log line */
	QUIETS_BEFORE_PROBE = 20,   /* a probe without an answer is sent again */
	QUIETS_WITHOUT_ECHO = 12,   /* the echo came so far and is missing: damaged by a log line? */
	LOGS_BEHIND_PROMPT = 2,     /* so many log lines behind a prompt without a redrawn one: this session does not redraw */
};

/* What is sent to see whether a candidate is the prompt: changes nothing, known on every firmware. */
static const char probe_command[] = "show version";

void dialogue_init(struct dialogue *d, const struct dialogue_settings *settings)
{
	memset(d, 0, offsetof(struct dialogue, in_memory));
	d->settings = *settings;
	buf_init(&d->in, d->in_memory, sizeof d->in_memory);
	buf_init(&d->out, d->out_memory, sizeof d->out_memory);
	dialogue_clear(d); /* the session before may have left a password that was never sent */
}

void dialogue_clear(struct dialogue *d)
{
	explicit_bzero(d->out_memory, sizeof d->out_memory);
	buf_reset(&d->out);
}

static void forget_input(struct dialogue *d)
{
	buf_reset(&d->in);
	d->line_start = d->tail_from = d->answer_from = d->content_end = 0;
	d->echo_seen = d->after_log = d->doubt = false;
	d->doubt_logs = 0;
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

/* The question that may stand at the end: the last line, or a line above it when only log lines follow. What was answered already is above
 * tail_from: a log line behind it must not bring it up again. */
static void find_tail(const struct dialogue *d, const char **tail, size_t *length)
{
	const char *text = d->in.data;
	size_t end = d->in.len;

	for (bool last = true; end > d->tail_from; last = false) {
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

size_t dialogue_tail(const struct dialogue *d, bool *open)
{
	const char *tail;
	size_t length;

	find_tail(d, &tail, &length);
	*open = length > 0;
	return *open ? (size_t)(tail - d->in.data) + length : d->in.len;
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
	if (length >= 6 && equals_ignoring_case(tail + length - 6, 6, "[y/n]:"))
		return QUESTION_CONFIRM;
	if (length > 1 && tail[length - 1] == '#')
		return QUESTION_PROMPT;
	return QUESTION_NONE;
}

/* A console can echo what it should not, and an error text goes to logs. */
static bool holds_password(const struct dialogue *d, const char *line, size_t length)
{
	const struct secret *password = d->settings.password;

	return password && password->bytes && password->length > 0 && memmem(line, length, password->bytes, password->length);
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
		if (shown > 0 && classify(line, shown) == QUESTION_NONE && !holds_password(d, line, shown))
			return text_escape(out, size, line, shown);
		end = start;
	}
	return out;
}

/* ---- the prompt ----------------------------------------------------------------------------------------------- */

struct prompt {
	const char *domain, *mode;
	size_t domain_bytes, mode_bytes;
	bool longer; /* the base is the whole first prompt */
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

/* A prompt at BYTES: 0, or its length. */
static size_t read_prompt(const struct dialogue *d, const char *bytes, size_t length, struct prompt *prompt)
{
	const size_t bases[] = {d->base_bytes, d->first_bytes};
	size_t used;

	for (unsigned i = 0; i < 2; i++) {
		size_t base = bases[i];

		if (base > 0 && length > base && memcmp(bytes, d->first, base) == 0 &&
		    parse_prompt_end(bytes + base, length - base, prompt, &used)) {
			prompt->longer = base == d->first_bytes;
			return base + used;
		}
	}
	return 0;
}

/* The length of the prompts, one behind the other, that the line begins with; *LAST is the last of them. */
static size_t skip_prompts(const struct dialogue *d, const char *line, size_t length, struct prompt *last)
{
	struct prompt prompt;
	size_t at = 0, used;

	while ((used = read_prompt(d, line + at, length - at, &prompt)) > 0) {
		*last = prompt;
		at += used;
	}
	return at;
}

/* The first prompt of a session is `NAME# ` or `NAME[DOMAIN]# `, never with a mode. A name that itself ends in brackets cannot be told from
 * a domain: `first` keeps all of it, and the next prompt decides. False when the candidate has no name. */
static bool learn_base(struct dialogue *d, const char *line, size_t length)
{
	size_t end = length;

	while (end > 0 && line[end - 1] == ' ')
		end--;
	if (end < 2 || line[end - 1] != '#' || text_copy(d->first, sizeof d->first, line, end - 1))
		return false;
	d->first_bytes = d->base_bytes = end - 1;
	if (d->first[end - 2] == ']') {
		size_t open = end - 2;

		while (open > 0 && d->first[open] != '[')
			open--;
		if (open > 0 && open < end - 3)
			d->base_bytes = open;
	}
	return true;
}

static bool prompt_differs(const struct dialogue *d, const struct prompt *prompt)
{
	bool same_domain = prompt->domain ? text_equal(prompt->domain, prompt->domain_bytes, d->domain) : strcmp(d->domain, "default") == 0;

	return !same_domain || !text_equal(prompt->mode ? prompt->mode : "", prompt->mode_bytes, d->mode);
}

static void take_prompt(struct dialogue *d, const struct prompt *prompt)
{
	if (text_copy(d->next_domain, sizeof d->next_domain, prompt->domain ? prompt->domain : "default",
		      prompt->domain ? prompt->domain_bytes : 7) ||
	    text_copy(d->next_mode, sizeof d->next_mode, prompt->mode ? prompt->mode : "", prompt->mode_bytes)) {
		(void)error_set(&d->error, ERROR_ANSWER, NULL, "the prompt shows a domain or mode longer than %d bytes",
				DIALOGUE_WORD_BYTES);
		fail(d);
	}
	d->next_differs = prompt_differs(d, prompt);
	d->next_longer = prompt->longer;
}

/* ---- the answer ----------------------------------------------------------------------------------------------- */

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

/* The prompt of next_domain and next_mode ends the answer. */
static void finish_answer(struct dialogue *d)
{
	(void)strcpy(d->domain, d->next_domain);
	(void)strcpy(d->mode, d->next_mode);
	if (d->next_longer)
		d->base_bytes = d->first_bytes;
	d->answer = d->in.data + d->answer_from;
	d->answer_bytes = d->content_end > d->answer_from ? d->content_end - d->answer_from : 0;
	d->state = DIALOGUE_READY;
	d->behind_bytes = 0;
	find_complaint(d);
	if (d->unexpected_question) {
		(void)error_set(&d->error, ERROR_ANSWER, NULL,
				"the appliance asked for a confirmation that \"%s\" should not need; it was answered with no",
				d->command);
		fail(d);
	}
}

static bool has_content(const struct dialogue *d)
{
	return d->content_end > d->answer_from;
}

/* The line from line_start to the line end at the end of the input, or at END, is finished: log line, echo, or part of the answer? Prompts
 * that were redrawn at its start are taken out. */
static void take_line(struct dialogue *d, size_t end)
{
	char *text = d->in.data;
	struct prompt prompt;
	size_t prompts = skip_prompts(d, text + d->line_start, end - d->line_start, &prompt);
	size_t after = end + 1 - prompts, length = after - 1 - d->line_start;
	const char *line = text + d->line_start;

	memmove(text + d->line_start, text + d->line_start + prompts, d->in.len + 1 - d->line_start - prompts);
	d->in.len -= prompts;
	d->line_start = after;
	if (length > 0 && find_log_line(line, length) == 0) {
		d->after_log = d->noisy = true;
		d->doubt_logs++;
		return;
	}
	text_trim(&line, &length);
	if (length == 0)
		return;
	d->after_log = d->doubt = false;
	/* The echo is the first line, or this session has none. */
	if (!d->echo_seen && (d->echoes || !has_content(d)) && text_equal(line, length, d->command)) {
		d->echoes = d->echo_seen = true;
		d->answer_from = d->content_end = after;
	} else {
		d->content_end = after;
	}
}

/* A prompt stands at the end of the input. It may be one that was redrawn behind a log line, before or while the command runs, and the answer is
 * still to come: then it is only believed when it stands still (busy_quiet). Without such a sign it is believed at once. */
static void meet_prompt(struct dialogue *d)
{
	struct prompt prompt;
	size_t length = d->in.len - d->line_start;

	if (skip_prompts(d, d->in.data + d->line_start, length, &prompt) != length)
		return;
	take_prompt(d, &prompt);
	if (d->state == DIALOGUE_FAILED)
		return;
	d->doubt = true;
	d->doubt_logs = 0;
	if (d->echoes && !d->echo_seen)
		return;
	if (d->next_differs || (!d->after_log && (has_content(d) || d->echo_seen || !d->noisy)))
		finish_answer(d);
}

/* ---- log-in --------------------------------------------------------------------------------------------------- */

static void refuse_password(struct dialogue *d)
{
	bool admin = strcmp(d->settings.user, "admin") == 0;
	char words[160];

	(void)dialogue_last_words(d, words, sizeof words);
	(void)error_set(&d->error, ERROR_AUTH,
			"put the right password into the file that [cli] password_file names; it is not tried again before the "
			"configuration changes",
			"the appliance refused user %s%s%s%s; possible: wrong password, account locked%s", d->settings.user,
			words[0] ? " (\"" : "", words, words[0] ? "\")" : "",
			admin ? ", or admin restricted to the serial console (restrict-admin)" : "");
	fail(d);
}

/* A probe was sent into the log-in, because a banner was taken for the prompt: nobody knows which question read it. */
static bool out_of_step(struct dialogue *d)
{
	if (d->probes == 0 || d->user_sent || d->password_sent)
		return false;
	(void)error_set(&d->error, ERROR_LOST, NULL, "a banner was taken for the prompt; the session is given up before any password was sent");
	fail(d);
	return true;
}

static void answer_login(struct dialogue *d)
{
	bool again = d->user_sent || d->password_sent;

	if (out_of_step(d) || (again && d->quiet_count < QUIETS_BEFORE_REFUSAL))
		return;
	if (!again) {
		d->user_sent = true;
		forget_input(d);
		send_line(d, d->settings.user, strlen(d->settings.user));
	} else if (!d->password_sent) {
		(void)error_set(&d->error, ERROR_ANSWER, "try the same by hand", "the appliance asks for the user name again without a password");
		fail(d);
	} else {
		refuse_password(d);
	}
}

static void answer_password(struct dialogue *d)
{
	const struct secret *password = d->settings.password;
	unsigned patience = d->password_sent ? QUIETS_BEFORE_REFUSAL : d->user_sent ? 1 : QUIETS_BEFORE_FIRST;

	if (out_of_step(d) || d->quiet_count < patience)
		return;
	if (d->password_sent) {
		refuse_password(d);
	} else if (!password || !password->bytes) {
		(void)error_set(&d->error, ERROR_CONFIG, "set password_file in [cli]", "the appliance asks for a password and none is configured");
		fail(d);
	} else {
		d->password_sent = true;
		forget_input(d);
		send_line(d, password->bytes, password->length);
	}
}

static void answer_domain(struct dialogue *d)
{
	if (d->domain_sent && d->quiet_count < QUIETS_BEFORE_REFUSAL)
		return;
	if (d->domain_sent) {
		(void)error_set(&d->error, ERROR_PERMISSION, "check domain in [appliance], and the domains that this user may enter",
				"the appliance does not let user %s into domain %s", d->settings.user, d->settings.domain);
		fail(d);
		return;
	}
	d->domain_sent = true;
	forget_input(d);
	send_line(d, d->settings.domain, strlen(d->settings.domain));
}

static void try_candidate(struct dialogue *d, const char *tail, size_t length)
{
	if (!text_ends(tail, length, "# ") || !learn_base(d, tail, length))
		return;
	if (d->probes == DIALOGUE_PROBES_MAX) {
		(void)error_set(&d->error, ERROR_ANSWER, "try the same by hand", "no prompt could be made out after %d tries", DIALOGUE_PROBES_MAX);
		fail(d);
		return;
	}
	d->probes++;
	forget_input(d);
	(void)strcpy(d->command, probe_command);
	send_line(d, probe_command, strlen(probe_command));
}

/* A prompt stands still. The first one is tried; the one that comes back behind an answer to that is the prompt. */
static void meet_candidate(struct dialogue *d, const char *tail, size_t length)
{
	bool logged_in = d->user_sent || d->password_sent || d->domain_sent;
	struct prompt prompt = {0};
	const char *end;

	if (d->probes == 0 && !logged_in && d->quiet_count < QUIETS_BEFORE_FIRST)
		return;
	/* More than one probe may be under way: then as many answers must have come, or had the time to. */
	if (d->probes > 0 && skip_prompts(d, tail, length, &prompt) == length && d->quiet_count < QUIETS_BEFORE_PROBE) {
		if (d->quiet_count < d->probes)
			return;
		take_prompt(d, &prompt);
		d->line_start = d->answer_from = d->content_end = 0;
		d->echoes = d->echo_seen = false;
		while (d->state != DIALOGUE_FAILED && (end = memchr(d->in.data + d->line_start, '\n', d->in.len - d->line_start)))
			take_line(d, (size_t)(end - d->in.data));
		if (d->state != DIALOGUE_FAILED && has_content(d))
			finish_answer(d);
		return;
	}
	try_candidate(d, tail, length);
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
		meet_candidate(d, tail, length);
		break;
	case QUESTION_CONFIRM:
	case QUESTION_NONE:
		break;
	}
}

/* ---- a command ------------------------------------------------------------------------------------------------ */

static void put_byte(struct dialogue *d, char byte);

static void answer_question(struct dialogue *d)
{
	bool yes = d->may_confirm && !d->confirmed;

	if (d->answers++ == DIALOGUE_ANSWERS_MAX) {
		(void)error_set(&d->error, ERROR_ANSWER, "try the same by hand", "the appliance asked for a confirmation of \"%s\" again after %d answers",
				d->command, DIALOGUE_ANSWERS_MAX);
		fail(d);
		return;
	}
	d->confirmed = d->confirmed || yes;
	d->unexpected_question = d->unexpected_question || !yes;
	if (d->in.data[d->in.len - 1] != '\n')
		put_byte(d, '\n'); /* the question is answered: the next text starts a line of its own */
	d->tail_from = d->in.len;
	if (d->state == DIALOGUE_BUSY)
		send_line(d, yes ? "y" : "n", 1);
}

/* A prompt in doubt stands still, with nothing but log lines behind it. */
static void believe_prompt(struct dialogue *d)
{
	size_t length = d->in.len - d->line_start;
	const char *line = d->in.data + d->line_start;
	struct prompt prompt;

	if (!d->doubt || skip_prompts(d, line, length, &prompt) != find_log_line(line, length))
		return;
	if (d->echoes && !d->echo_seen && (d->quiet_count < QUIETS_WITHOUT_ECHO || !(has_content(d) || d->next_differs)))
		return;
	finish_answer(d);
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
	case QUESTION_PASSWORD: /* the command was read as a user name */
		dialogue_ended(d, "the appliance asks for a log-in again");
		break;
	default:
		believe_prompt(d);
		break;
	}
}

void dialogue_command(struct dialogue *d, const char *command, bool may_confirm)
{
	struct prompt prompt;

	assert(d->state == DIALOGUE_READY);
	if (strpbrk(command, "\r\n") || text_copy(d->command, sizeof d->command, command, strlen(command))) {
		(void)error_set(&d->error, ERROR_INTERNAL, NULL, "a command line with a line end in it, or too long");
		fail(d);
		return;
	}
	d->state = DIALOGUE_BUSY;
	d->may_confirm = may_confirm;
	d->answers = 0;
	d->confirmed = d->unexpected_question = d->left = false;
	d->answer = NULL;
	d->answer_bytes = 0;
	forget_input(d);
	/* The end of a log line that began behind the prompt is still to come: it must not be taken for the answer. */
	if (skip_prompts(d, d->behind, d->behind_bytes, &prompt) != d->behind_bytes)
		(void)buf_add(&d->in, d->behind, d->behind_bytes);
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

/* Behind the prompt only log lines come: nobody asked for them. The unfinished one is kept, cut if need be: its start says what it is. */
static void keep_behind(struct dialogue *d, char byte)
{
	d->noisy = true;
	if (byte == '\n')
		d->behind_bytes = 0;
	else if (d->behind_bytes < sizeof d->behind)
		d->behind[d->behind_bytes++] = byte;
}

static void put_byte(struct dialogue *d, char byte)
{
	if (d->state == DIALOGUE_READY) {
		keep_behind(d, byte);
		return;
	}
	if (buf_add(&d->in, &byte, 1)) {
		(void)error_set(&d->error, ERROR_ANSWER, NULL, "an answer of the appliance is longer than %d bytes", DIALOGUE_INPUT_MAX_BYTES);
		fail(d);
		return;
	}
	if (d->state != DIALOGUE_BUSY)
		return;
	if (byte == '\n')
		take_line(d, d->in.len - 1);
	else if (byte == ' ' && d->in.len > 1 && d->in.data[d->in.len - 2] == '#')
		meet_prompt(d);
	if (d->state == DIALOGUE_BUSY && byte == '\n' && d->doubt && d->doubt_logs >= LOGS_BEHIND_PROMPT && !(d->echoes && !d->echo_seen))
		finish_answer(d);
}

void dialogue_input(struct dialogue *d, const void *bytes, size_t count)
{
	const unsigned char *p = bytes;

	if (d->state == DIALOGUE_FAILED || count == 0)
		return;
	for (size_t i = 0; i < count && d->state != DIALOGUE_FAILED; i++)
		if (is_text(d, p[i]))
			put_byte(d, (char)p[i]);
}

void dialogue_quiet(struct dialogue *d)
{
	bool open;
	size_t tail = dialogue_tail(d, &open);

	if (tail != d->quiet_tail)
		d->quiet_count = 0;
	d->quiet_tail = tail;
	if (d->out.len > 0)
		return; /* nobody can have answered yet */
	d->quiet_count++;
	if (d->state == DIALOGUE_LOGIN)
		login_quiet(d);
	else if (d->state == DIALOGUE_BUSY)
		busy_quiet(d);
}

/* "Welcome to IBM DataPower Gateway console configuration." stands behind a password that was taken, on every firmware seen. */
static bool welcome_began(const struct dialogue *d)
{
	size_t offset = 0, length;
	const char *line;

	while (text_next_line(d->in.data, d->in.len, &offset, &line, &length))
		if (text_starts(line, length, "Welcome to "))
			return true;
	return false;
}

/* Closed with words, or with the question again, behind the password: that is a refusal, and a refused password is never tried again. Without
 * a word it is a lost session. */
static bool was_refused(const struct dialogue *d)
{
	char words[160];
	const char *tail;
	size_t length;

	if (d->state != DIALOGUE_LOGIN || !d->password_sent || d->domain_sent || d->probes > 0)
		return false;
	find_tail(d, &tail, &length);
	if (classify(tail, length) == QUESTION_LOGIN || classify(tail, length) == QUESTION_PASSWORD)
		return true;
	if (welcome_began(d))
		return false;
	(void)dialogue_last_words(d, words, sizeof words);
	return words[strspn(words, "*")] != '\0' && classify(tail, length) == QUESTION_NONE;
}

void dialogue_ended(struct dialogue *d, const char *reason)
{
	if (d->state == DIALOGUE_FAILED)
		return;
	if (was_refused(d)) {
		refuse_password(d);
		return;
	}
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
	d->left = d->left || count > 0;
	buf_drop(&d->out, count);
	explicit_bzero(d->out.data + d->out.len, count); /* what moved down left a copy behind */
}
