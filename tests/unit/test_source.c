/* The log sources behind their one interface. xmi and cli stand on made-up connections here (the real ones have tests of their own, and the lab), so that every
 * answer and every failure can be played; file and syslog are the real ones. The numbers are those of the list of cases; see log_cases.txt. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "appliance/logtarget.h"
#include "base/buf.h"
#include "engine/cli_link.h"
#include "engine/source.h"
#include "engine/xmi_link.h"
#include "platform/clock.h"

enum { FILES = 4, POLL_MS = 1000, IDLE_MS = 30000 };

#define HEAD "20200618T232339.001Z [0x80e0084c][apic-gw-service][debug] apic-gw-service(default): tid(1): head\n"
#define LINE(time, text) "20200618T2323" time "Z [0x88e000d7][apic-gw-service][notice] apic-gw-service(default): tid(1): " text

static struct config config;
static struct source *source;
static struct mono now;
static char seen_memory[1 << 16];
static struct buf seen;
static struct error failure; /* of the last lines() */

/* ---- the made-up appliance */

static struct {
	struct { const char *text; bool there; } files[FILES];
	char memory[FILES][4096];
	unsigned modified;       /* counts */
	bool list_refused;
	enum error_code fails;   /* everything */
	size_t cut_after;        /* a file; 0: no */
	const char *answer;      /* of the command line */
	char shown[4096];        /* ... with blank lines around it, and the prompt */
	enum dialogue_complaint complaint;
	unsigned lists, reads, commands, targets, sets, closed;
	const char *endless;     /* this, again and again, instead of a file */
	unsigned pieces;         /* of it */
	bool closed_behind_password;
	bool tells_clock;        /* XMI */
	char asked[CLI_TEXT_BYTES];
	enum { NO_TARGET, OUR_TARGET, OTHER_FILE, OTHER_EVENTS } target;
	bool shared_file;        /* another target writes it */
} fake;

int xmi_link_init(struct xmi_link *link, const struct config *c, const struct appliance_wanted *wanted, struct appliance_facts *facts, struct error *error)
{
	memset(link, 0, sizeof *link);
	link->xmi.facts = facts;
	assert_string_equal(wanted->log_target, "drr-agent");
	return 0;
}

void xmi_link_free(struct xmi_link *link)
{
}

void xmi_link_close(struct xmi_link *link)
{
	fake.closed++;
	link->status = XMI_LINK_IDLE;
}

void xmi_link_start(struct xmi_link *link, enum appliance_op op, struct mono at)
{
	link->kind = XMI_LINK_OP;
	link->op = op;
	link->status = XMI_LINK_WAIT;
}

void xmi_link_start_file(struct xmi_link *link, const char *name, xmi_file_function *function, void *context, struct mono at)
{
	link->kind = XMI_LINK_FILE;
	link->name = name;
	link->function = function;
	link->context = context;
	link->status = XMI_LINK_WAIT;
}

void xmi_link_start_list(struct xmi_link *link, const char *name, struct mono at)
{
	link->kind = XMI_LINK_LIST;
	link->name = name;
	link->status = XMI_LINK_WAIT;
}

static enum xmi_link_status failed(struct xmi_link *link, enum error_code code)
{
	error_clear(&link->error);
	(void)error_set(&link->error, code, "do this", "made up");
	return link->status = XMI_LINK_FAILED;
}

static const int64_t the_clock_ms = INT64_C(1592522740000); /* two minutes behind LINE("40.000") */

static enum xmi_link_status give_file(struct xmi_link *link)
{
	const char *dot = strrchr(link->name, '.');
	unsigned number = dot[1] >= '1' && dot[1] <= '3' && dot[2] == '\0' ? (unsigned)(dot[1] - '0') : 0;
	const char *text = fake.files[number].text;
	size_t length = fake.files[number].there ? strlen(text) : 0;

	assert_int_equal(strncmp(link->name, "logtemp:///gwd-log.log", 22), 0);
	if (fake.endless) {
		if (++fake.pieces > 100000)
			fail_msg("the caller is held");
		if (link->function(link->context, fake.endless, strlen(fake.endless)))
			return failed(link, ERROR_FAILED);
		return XMI_LINK_WAIT;
	}
	fake.reads++;
	link->xmi.authenticated = true;
	if (fake.tells_clock)
		link->xmi.facts->clock = (struct facts_clock){the_clock_ms, the_clock_ms};
	link->xmi.file_missing = !fake.files[number].there;
	for (size_t at = 0; at < length; at += 50) {
		if (fake.cut_after > 0 && at >= fake.cut_after)
			return failed(link, ERROR_LOST);
		if (link->function(link->context, text + at, length - at < 50 ? length - at : 50))
			return failed(link, ERROR_FAILED);
	}
	return link->status = XMI_LINK_DONE;
}

static void add_target(struct appliance_facts *facts)
{
	struct appliance_log_target *target = &facts->log_targets[0];

	memset(target, 0, sizeof *target);
	facts->log_target_count = 1;
	strcpy(target->name, "drr-agent");
	strcpy(target->type, "file");
	strcpy(target->format, "text");
	strcpy(target->admin_state, "enabled");
	strcpy(target->file, fake.target == OTHER_FILE ? "logtemp:///else.log" : "logtemp:gwd-log.log");
	for (size_t i = 0; i < logtarget_class_count; i++) {
		strcpy(target->events[i].category, logtarget_classes[i].category);
		strcpy(target->events[i].level, "debug");
	}
	target->event_count = (unsigned)logtarget_class_count;
	if (fake.shared_file) {
		facts->log_targets[facts->log_target_count] = *target;
		strcpy(facts->log_targets[facts->log_target_count++].name, "gwd-log");
		strcpy(facts->log_targets[facts->log_target_count - 1].file, "logtemp:///gwd-log.log");
	}
	for (size_t i = fake.target == OTHER_EVENTS; i < logtarget_code_count; i++)
		strcpy(target->codes[target->code_count++], logtarget_codes[i].code);
}

static enum xmi_link_status do_op(struct xmi_link *link)
{
	if (link->op == APPLIANCE_SET_LOG_TARGET) {
		fake.sets++;
		fake.target = OUR_TARGET;
		return link->status = XMI_LINK_DONE;
	}
	assert_int_equal(link->op, APPLIANCE_ASK_LOG_TARGETS);
	fake.targets++;
	link->xmi.facts->log_target_count = 0;
	if (fake.target != NO_TARGET)
		add_target(link->xmi.facts);
	return link->status = XMI_LINK_DONE;
}

enum xmi_link_status xmi_link_step(struct xmi_link *link, struct mono at)
{
	if (link->status != XMI_LINK_WAIT)
		return link->status;
	if (fake.fails != ERROR_NONE)
		return failed(link, fake.fails);
	if (link->kind == XMI_LINK_FILE)
		return give_file(link);
	if (link->kind == XMI_LINK_OP)
		return do_op(link);
	fake.lists++;
	if (fake.list_refused)
		return failed(link, ERROR_AUTH);
	link->xmi.list_found = fake.files[0].there;
	link->xmi.list_size_bytes = fake.files[0].there ? strlen(fake.files[0].text) : 0;
	snprintf(link->xmi.list_modified, sizeof link->xmi.list_modified, "time %u", fake.modified);
	return link->status = XMI_LINK_DONE;
}

struct pollfd xmi_link_poll(const struct xmi_link *link)
{
	return (struct pollfd){.fd = -1};
}

struct mono xmi_link_deadline(const struct xmi_link *link)
{
	return MONO_NEVER;
}

int cli_link_init(struct cli_link *link, const struct config *c, const struct appliance_wanted *wanted, struct appliance_facts *facts, struct error *error)
{
	memset(link, 0, sizeof *link);
	return 0;
}

void cli_link_free(struct cli_link *link)
{
}

void cli_link_close(struct cli_link *link)
{
	fake.closed++;
}

void cli_link_start_text(struct cli_link *link, const char *command, struct mono at)
{
	snprintf(fake.asked, sizeof fake.asked, "%s", command);
	fake.commands++;
	link->status = CLI_LINK_WAIT;
}

enum cli_link_status cli_link_step(struct cli_link *link, struct mono at)
{
	if (link->status != CLI_LINK_WAIT)
		return link->status;
	error_clear(&link->error);
	if (fake.fails != ERROR_NONE) {
		(void)error_set(&link->error, fake.fails, "do this", "made up");
		link->dialogue.password_sent = fake.closed_behind_password;
		return link->status = CLI_LINK_FAILED;
	}
	snprintf(fake.shown, sizeof fake.shown, "\r\n%s\r\nidg#", fake.answer);
	link->dialogue.in.data = fake.shown;
	link->dialogue.line_start = strlen(fake.shown) - 4;
	link->dialogue.complaint = fake.complaint;
	strcpy(link->dialogue.detail, "Cannot display the log");
	return link->status = CLI_LINK_DONE;
}

struct pollfd cli_link_poll(const struct cli_link *link)
{
	return (struct pollfd){.fd = -1};
}

struct mono cli_link_deadline(const struct cli_link *link)
{
	return MONO_NEVER;
}

static void set_file(unsigned number, const char *text)
{
	fake.files[number].there = text != NULL;
	fake.files[number].text = fake.memory[number];
	snprintf(fake.memory[number], sizeof fake.memory[0], "%s", text ? text : "");
	fake.modified++;
}

static void append(const char *text)
{
	strcat(fake.memory[0], text);
	fake.modified++;
}

static void rotate(const char *text)
{
	for (unsigned i = FILES - 1; i > 0; i--)
		set_file(i, fake.files[i - 1].there ? fake.memory[i - 1] : NULL);
	set_file(0, text);
}

/* ---- what the tests say */

static int set_up(void **state)
{
	memset(&fake, 0, sizeof fake);
	memset(&config, 0, sizeof config);
	error_clear(&failure);
	buf_init(&seen, seen_memory, sizeof seen_memory);
	config.log.poll_ms = POLL_MS;
	strcpy(config.log.path, "logtemp:///gwd-log.log");
	strcpy(config.log.target, "gwd-log");
	now = (struct mono){1000000};
	return 0;
}

static int tear_down(void **state)
{
	source_close(source);
	source = NULL;
	return 0;
}

static void start(enum config_log_source which, const struct mark *mark)
{
	struct error error = {0};

	config.log.source = which;
	source = source_open(&config, mark, &error);
	if (!source)
		fail_msg("%s", error.what);
	source_set_active(source, true);
}

/* All lines that there are, "a|b|". */
static const char *lines(void)
{
	const char *line;
	size_t length;

	buf_reset(&seen);
	error_clear(&failure);
	while (source_next(source, now, &line, &length, &failure)) {
		buf_add(&seen, line, length);
		buf_add_string(&seen, "|");
	}
	return seen.data;
}

static const char *lines_after(int64_t ms)
{
	now = mono_add_ms(now, ms);
	return lines();
}

static bool is_ready(void)
{
	struct error error = {0};

	return source_ready(source, &error);
}

static void restart(enum config_log_source which)
{
	struct mark mark;
	char text[MARK_TEXT_BYTES];

	assert_true(source_mark(source, &mark));
	mark_format(&mark, text);
	assert_int_equal(mark_parse(text, strlen(text), &mark), 0);
	source_close(source);
	start(which, &mark);
}

static struct source_counts counts(void)
{
	return *source_counts(source);
}

/* ---- xmi */

/* Cases 28 and 31: what is there at the first look is old; the mark is known once the source says that it is ready. */
static void xmi_arms_before_the_trigger(void **state)
{
	struct mark mark;

	set_file(0, HEAD "old\n");
	start(CONFIG_LOG_XMI, NULL);
	assert_false(is_ready());
	assert_false(source_mark(source, &mark));
	assert_string_equal(lines(), "");
	assert_true(is_ready());
	assert_true(source_mark(source, &mark));
	append("new\n");
	assert_string_equal(lines(), ""); /* not yet due */
	assert_int_equal(source_deadline(source).ms, now.ms + POLL_MS);
	assert_string_equal(lines_after(POLL_MS), "new|");
	append("newer\n");
	source_look(source);
	assert_false(is_ready());
	assert_string_equal(lines(), "newer|");
	assert_true(is_ready());
}

/* Size and time first: the file itself is only read when they differ. */
static void xmi_reads_only_what_changed(void **state)
{
	set_file(0, HEAD "old\n");
	start(CONFIG_LOG_XMI, NULL);
	lines();
	lines_after(POLL_MS); /* the first listing */
	fake.reads = 0;
	for (unsigned i = 0; i < 10; i++)
		assert_string_equal(lines_after(POLL_MS), "");
	assert_int_equal(fake.reads, 0);
	assert_int_equal(fake.lists, 11);
	append("new\n");
	assert_string_equal(lines_after(POLL_MS), "new|");
	assert_int_equal(fake.reads, 1);
	source_set_active(source, false);
	assert_int_equal(source_deadline(source).ms, now.ms + IDLE_MS);
}

/* Case 14: the same size again, at another time. */
static void xmi_same_size_again(void **state)
{
	set_file(0, HEAD "old\n");
	start(CONFIG_LOG_XMI, NULL);
	lines();
	lines_after(POLL_MS);
	set_file(0, "x" "20200618T232339.001Z [0x80e0084c][apic-gw-service][debug] apic-gw-service(default): tid(1): head\n" "new");
	assert_string_equal(lines_after(POLL_MS), "x20200618T232339.001Z [0x80e0084c][apic-gw-service][debug] apic-gw-service(default): tid(1): head|");
	assert_int_equal(counts().truncations, 1);
	assert_int_equal(counts().gaps, 1);
}

/* A refused listing looks like wrong credentials, but for the file that was read before. */
static void xmi_without_listings(void **state)
{
	set_file(0, HEAD "old\n");
	fake.list_refused = true;
	start(CONFIG_LOG_XMI, NULL);
	lines();
	append("new\n");
	assert_string_equal(lines_after(POLL_MS), "new|");
	assert_int_equal(fake.lists, 1);
	append("newer\n");
	assert_string_equal(lines_after(POLL_MS), "");
	assert_string_equal(lines_after(4000), "newer|");
	assert_int_equal(fake.lists, 1);
	assert_int_equal(failure.code, ERROR_NONE);
}

/* Cases 1, 2, 19: the rest of the rotated file, then the new ones. */
static void xmi_rotation(void **state)
{
	set_file(0, HEAD "old\n");
	start(CONFIG_LOG_XMI, NULL);
	lines();
	append("one\ntw");
	rotate("three\n");
	rotate("four\n");
	assert_string_equal(lines_after(POLL_MS), "one|tw|three|four|");
	assert_int_equal(counts().rotations, 2);
	assert_int_equal(counts().gaps, 0);
}

/* Cases 3 and 38. */
static void xmi_restarted(void **state)
{
	set_file(0, HEAD "old\n");
	start(CONFIG_LOG_XMI, NULL);
	lines();
	append("one\n");
	rotate("two\n");
	restart(CONFIG_LOG_XMI);
	assert_string_equal(lines(), "one|two|");
	restart(CONFIG_LOG_XMI);
	assert_string_equal(lines(), "");
	append("three\n");
	assert_string_equal(lines_after(POLL_MS), "three|");
}

/* Case 15, and a reload: logtemp is volatile; an empty or a missing file is no error. */
static void xmi_reload(void **state)
{
	set_file(0, HEAD "old\n");
	start(CONFIG_LOG_XMI, NULL);
	lines();
	set_file(0, NULL);
	assert_string_equal(lines_after(POLL_MS), "");
	assert_int_equal(failure.code, ERROR_NONE);
	assert_true(is_ready());
	set_file(0, LINE("40.000", "Waiting") "\n");
	assert_string_equal(lines_after(POLL_MS), LINE("40.000", "Waiting") "|");
	assert_int_equal(counts().truncations, 1);
}

/* Case 36: reading is cut in the middle: an error while it lasts, and nothing is lost or said twice. */
static void xmi_cut_in_the_middle(void **state)
{
	struct error error = {0};

	set_file(0, HEAD "old\n");
	start(CONFIG_LOG_XMI, NULL);
	lines();
	append("one\ntwo\nthree and more, so that it is in another piece of fifty bytes than what stands before\nfour\n");
	fake.cut_after = 130;
	assert_string_equal(lines_after(POLL_MS), "one|two|");
	assert_int_equal(failure.code, ERROR_LOST);
	assert_true(source_ready(source, &error));
	assert_int_equal(error.code, ERROR_LOST);
	fake.cut_after = 0;
	assert_string_equal(lines_after(POLL_MS), "three and more, so that it is in another piece of fifty bytes than what stands before|four|");
	error_clear(&error);
	assert_true(source_ready(source, &error));
	assert_int_equal(error.code, ERROR_NONE);
}

/* Failures are looked at again, more and more seldom, up to a limit; refused credentials never. */
static void xmi_failures(void **state)
{
	struct error error = {0};
	int64_t wait = 0;

	start(CONFIG_LOG_XMI, NULL);
	fake.fails = ERROR_UNREACHABLE;
	for (unsigned i = 0; i < 10; i++) {
		lines();
		assert_int_equal(failure.code, ERROR_UNREACHABLE);
		assert_false(source_ready(source, &error));
		assert_int_equal(error.code, ERROR_UNREACHABLE);
		wait = source_deadline(source).ms - now.ms;
		assert_int_equal(wait, i < 5 ? POLL_MS << i : 30000);
		lines_after(wait - 1);
		assert_int_equal(failure.code, ERROR_NONE);
		now = mono_add_ms(now, 1);
	}
	fake.fails = ERROR_AUTH;
	lines();
	assert_int_equal(failure.code, ERROR_AUTH);
	assert_int_equal(source_deadline(source).ms, MONO_NEVER.ms);
	assert_int_equal(fake.closed, 1);
	fake.fails = ERROR_NONE;
	lines_after(1000000);
	assert_false(is_ready());
}

static void xmi_own_target(void **state)
{
	struct error error = {0};

	config.log.manage_target = true;
	set_file(0, HEAD);
	start(CONFIG_LOG_XMI, NULL);
	lines();
	assert_int_equal(failure.code, ERROR_NONE); /* nothing is changed unasked: there is a log with nothing in it */
	assert_true(is_ready());
	assert_int_equal(fake.sets, 0);
	source_allow_changes(source);
	lines_after(POLL_MS);
	assert_int_equal(fake.sets, 1);
	assert_true(is_ready());
	lines_after(POLL_MS);
	assert_int_equal(fake.targets, 2); /* not asked again */
	set_file(0, NULL); /* the appliance was reloaded */
	lines_after(POLL_MS);
	lines_after(POLL_MS);
	assert_int_equal(fake.targets, 3);
	set_file(0, HEAD);
	source_close(source);

	start(CONFIG_LOG_XMI, NULL); /* there already */
	source_allow_changes(source);
	lines();
	assert_true(is_ready());
	assert_int_equal(fake.sets, 1);
	source_close(source);

	for (fake.target = OTHER_FILE; fake.target <= OTHER_EVENTS; fake.target++) {
		start(CONFIG_LOG_XMI, NULL);
		source_allow_changes(source);
		lines();
		assert_int_equal(failure.code, ERROR_CONFIG);
		assert_non_null(strstr(failure.what, fake.target == OTHER_FILE ? "it writes another file" : "it lacks events"));
		assert_non_null(strstr(failure.next, "manage_target = no"));
		error_clear(&error);
		assert_false(source_ready(source, &error));
		assert_int_equal(fake.sets, 1);
		source_close(source);
	}
	source = NULL;
}

/* Two targets that write one file: ours is not made, and not used. */
static void xmi_own_target_shares_its_file(void **state)
{
	config.log.manage_target = true;
	fake.shared_file = true;
	for (fake.target = OUR_TARGET; fake.target <= OTHER_FILE; fake.target++) {
		start(CONFIG_LOG_XMI, NULL);
		source_allow_changes(source);
		lines();
		assert_int_equal(failure.code, ERROR_CONFIG);
		assert_non_null(strstr(failure.what, "gwd-log"));
		assert_non_null(strstr(failure.next, "a file of its own"));
		assert_int_equal(fake.sets, 0);
		source_close(source);
	}
	source = NULL;
}

static unsigned count_lines(void)
{
	unsigned count = 0;
	const char *line;
	size_t length;

	while (source_next(source, now, &line, &length, &failure))
		count++;
	return count;
}

/* Who sends without end does not hold the caller, with lines or without. */
static void xmi_without_end(void **state)
{
	static char lines_of_one[2001], none[2001];

	for (unsigned i = 0; i < 2000; i++)
		lines_of_one[i] = i % 2 ? '\n' : 'x';
	memset(none, 'x', 2000);
	for (unsigned i = 0; i < 2; i++) {
		set_file(0, "old\n");
		start(CONFIG_LOG_XMI, NULL);
		lines();
		set_file(0, "old\nnew\n");
		fake.endless = i ? none : lines_of_one;
		fake.pieces = 0;
		assert_in_range(count_lines(), 0, 0); /* not yet due */
		now = mono_add_ms(now, POLL_MS);
		fake.files[0].text = "old\n"; /* the first bytes */
		assert_in_range(count_lines(), 0, SOURCE_TURN_LINES);
		assert_true(source_deadline(source).ms <= now.ms);
		assert_true(fake.pieces > 0);
		fake.endless = NULL;
		source_close(source);
	}
	source = NULL;
}

/* More than one look can fetch: the next one goes on, though the file has not changed since. */
static void xmi_more_than_one_look(void **state)
{
	enum { LINES = 80000, LINE_BYTES = 100 };
	char *text = malloc(8 + (size_t)LINES * LINE_BYTES + 1), *at = text;
	unsigned got = 0;

	set_file(0, "old\n");
	start(CONFIG_LOG_XMI, NULL);
	lines();
	lines_after(POLL_MS);
	at += sprintf(at, "old\n");
	for (unsigned i = 0; i < LINES; i++)
		at += sprintf(at, "%0*u\n", LINE_BYTES - 1, i);
	fake.files[0].text = text;
	fake.modified++;
	for (unsigned i = 0; i < 100; i++) {
		now = mono_add_ms(now, POLL_MS);
		got += count_lines();
	}
	assert_int_equal(got, LINES);
	assert_true(is_ready());
	free(text);
}

static void take_history(void *context, const char *line, size_t length)
{
	buf_add(context, line, length);
	buf_add_string(context, "|");
}

static void xmi_history(void **state)
{
	char memory[4096];
	struct buf history;

	buf_init(&history, memory, sizeof memory);
	set_file(0, "two\nthree\nopen");
	set_file(1, "zero\none\n");
	start(CONFIG_LOG_XMI, NULL);
	source_set_history(source, take_history, &history, 1000);
	assert_string_equal(lines(), "");
	assert_string_equal(history.data, "zero|one|two|three|");
	assert_true(is_ready());
	append("\nfour\n");
	assert_string_equal(lines_after(POLL_MS), "four|");
	assert_string_equal(history.data, "zero|one|two|three|");
}

/* By the appliance's own clock, which every response tells; where none does, it is what somebody else asked. */
static void xmi_age_of_the_history(void **state)
{
	struct facts_clock clock = {the_clock_ms + 1000, the_clock_ms + 1000}, unknown = {0, the_clock_ms};
	char memory[4096];
	struct error error = {0};
	struct buf history;
	int64_t age_ms;

	for (unsigned tells = 0; tells < 2; tells++) {
		buf_init(&history, memory, sizeof memory);
		set_file(0, LINE("40.000", "Waiting") "\n  trace\n");
		fake.tells_clock = tells;
		start(CONFIG_LOG_XMI, NULL);
		source_set_history(source, take_history, &history, 1000);
		lines();
		assert_int_equal(source_history_age(source, &age_ms, &error), 0);
		assert_int_equal(age_ms, tells ? 120000 : 0);
		source_set_clock(source, &unknown);
		assert_int_equal(source_history_age(source, &age_ms, &error), 0);
		assert_int_equal(age_ms, tells ? 120000 : 0);
		source_set_clock(source, &clock);
		assert_int_equal(source_history_age(source, &age_ms, &error), 0);
		assert_int_equal(age_ms, 121000);
		clock.utc_ms -= 200000; /* the line is ahead */
		source_set_clock(source, &clock);
		assert_int_equal(source_history_age(source, &age_ms, &error), 0);
		assert_int_equal(age_ms, 0);
		clock.utc_ms += 200000;
		source_close(source);
	}
	source = NULL;
}

/* ---- cli */

/* Also times without a year, across a year's end, and in a zone that may be the appliance's or not: at least so old. */
static void cli_age_of_the_history(void **state)
{
	static const struct { const char *line; int64_t utc_ms, east_ms, age_ms; } cases[] = {
		{LINE("40.000", "Waiting"), INT64_C(1592522740000), 7200000, 120000},
		{"1592522620 [0x88e000d7][apic-gw-service][notice] x", INT64_C(1592522740000), 7200000, 120000},
		{"Jun 18 23:23:40 [0x88e000d7][apic-gw-service][notice] x", INT64_C(1592522740000), 7200000, 120000},
		{"Jun 18 23:23:40 [0x88e000d7][apic-gw-service][notice] x", INT64_C(1592522740000), -60000, 60000},
		{"Dec 31 23:59:00 [0x88e000d7][apic-gw-service][notice] x", INT64_C(1609459260000), 0, 120000}, /* 2021-01-01 00:01 */
		{"Feb 28 23:59:00 [0x88e000d7][apic-gw-service][notice] x", INT64_C(1614556860000), 0, 86400000 + 120000}, /* 2021-03-01 00:01; 29 February is counted */
		{"Feb 29 23:59:00 [0x88e000d7][apic-gw-service][notice] x", INT64_C(1583020860000), 0, 120000}, /* 2020-03-01 00:01 */
	};
	char memory[4096];
	struct error error = {0};
	struct buf history;
	int64_t age_ms;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct facts_clock clock = {cases[i].utc_ms, cases[i].utc_ms + cases[i].east_ms};

		buf_init(&history, memory, sizeof memory);
		fake.answer = cases[i].line;
		start(CONFIG_LOG_CLI, NULL);
		source_set_history(source, take_history, &history, 1000);
		lines();
		assert_int_equal(source_history_age(source, &age_ms, &error), 0);
		assert_int_equal(age_ms, 0);
		source_set_clock(source, &clock);
		assert_int_equal(source_history_age(source, &age_ms, &error), 0);
		assert_int_equal(age_ms, cases[i].age_ms);
		source_close(source);
	}
	source = NULL;
}

/* What can be a refused password is not sent again. */
static void cli_closed_behind_the_password(void **state)
{
	fake.fails = ERROR_LOST;
	fake.closed_behind_password = true;
	start(CONFIG_LOG_CLI, NULL);
	lines();
	assert_int_equal(failure.code, ERROR_AUTH);
	assert_non_null(strstr(failure.what, "made up"));
	assert_int_equal(source_deadline(source).ms, MONO_NEVER.ms);
	source_look(source);
	lines_after(3600000);
	assert_int_equal(fake.commands, 1);
}

static void cli_shows_what_is_new(void **state)
{
	fake.answer = LINE("39.100", "old") "\n";
	start(CONFIG_LOG_CLI, NULL);
	assert_false(is_ready());
	assert_string_equal(lines(), "");
	assert_true(is_ready());
	assert_string_equal(fake.asked, "show logging gwd-log 0x8.e00");
	fake.answer = LINE("39.100", "old") "\n" LINE("39.200", "Waiting") "\n";
	assert_string_equal(lines_after(POLL_MS), LINE("39.200", "Waiting") "|");
	restart(CONFIG_LOG_CLI);
	fake.answer = LINE("39.100", "old") "\n" LINE("39.200", "Waiting") "\n" LINE("39.300", "more") "\n";
	assert_string_equal(lines(), LINE("39.300", "more") "|");
	assert_int_equal(counts().gaps, 0);
}

#define MANY LINE("39.101", "old") "\n" LINE("39.102", "old") "\n" LINE("39.103", "old") "\n" LINE("39.104", "old") "\n"

/* An appliance that shows the last lines only. */
static void cli_text_that_slides(void **state)
{
	fake.answer = LINE("39.100", "old") "\n" MANY;
	start(CONFIG_LOG_CLI, NULL);
	lines();
	fake.answer = MANY LINE("39.200", "Waiting") "\n";
	assert_string_equal(lines_after(POLL_MS), LINE("39.200", "Waiting") "|");
	assert_int_equal(counts().gaps, 0);
}

/* Cases 13, 15, 32: a text in which the place is nowhere: what is older by the appliance's own clock is not new. */
static void cli_place_is_nowhere(void **state)
{
	fake.answer = LINE("39.100", "old") "\n" LINE("39.500", "last") "\n";
	start(CONFIG_LOG_CLI, NULL);
	lines();
	fake.answer = LINE("38.000", "Waiting") "\n" LINE("39.600", "new") "\n";
	assert_string_equal(lines_after(POLL_MS), LINE("39.600", "new") "|");
	assert_int_equal(counts().gaps, 1);
}

static void assert_cli_fails(const char *answer, const char *sentence)
{
	fake.answer = answer;
	start(CONFIG_LOG_CLI, NULL);
	assert_string_equal(lines(), "");
	assert_int_equal(failure.code, ERROR_ANSWER);
	assert_non_null(strstr(failure.what, sentence));
	assert_non_null(strstr(failure.next, "another source"));
	assert_false(is_ready());
	source_close(source);
	source = NULL;
}

/* No guess where the answer is not what was asked for. */
static void cli_answers_that_cannot_be_read(void **state)
{
	assert_cli_fails("heading\x1b[2J\n39.100 0x88e000d7 Waiting for it\n", "can be read as a log line; it begins with \"heading\\x1b[2J\"");
	assert_cli_fails(LINE("39.300", "c") "\n" LINE("39.200", "b") "\n" LINE("39.100", "a") "\n", "newest line first");
	assert_cli_fails("a\nb\nc\nd\ne\n", "can be read as a log line");
	fake.complaint = DIALOGUE_COMPLAINT;
	assert_cli_fails("% Cannot display the log\n", "Cannot display the log");
	fake.complaint = DIALOGUE_NO_COMPLAINT;
	fake.fails = ERROR_ANSWER; /* longer than a dialogue takes */
	assert_cli_fails("", "cannot be read with \"show logging gwd-log");
	fake.fails = ERROR_NONE;
	fake.answer = "heading\n" LINE("39.100", "a") "\n";
	start(CONFIG_LOG_CLI, NULL);
	lines();
	assert_true(is_ready());
	assert_int_equal(counts().foreign, 1);
	source_close(source);
	fake.answer = "Log: gwd-log\n\n"; /* a heading, and no lines yet */
	start(CONFIG_LOG_CLI, NULL);
	lines();
	assert_true(is_ready());
}

/* Case 3 and 28: the mark is nowhere, and no line is known that others could be compared with: what is there is old. */
static void cli_restarted_and_lost(void **state)
{
	fake.answer = LINE("39.100", "old") "\n" MANY;
	start(CONFIG_LOG_CLI, NULL);
	lines();
	fake.answer = LINE("39.200", "Waiting") "\n";
	restart(CONFIG_LOG_CLI);
	assert_string_equal(lines(), "");
	assert_true(is_ready());
	assert_int_equal(counts().lost_marks, 1);
	assert_int_equal(counts().gaps, 1);
	fake.answer = LINE("39.200", "Waiting") "\n" LINE("39.300", "new") "\n";
	assert_string_equal(lines_after(POLL_MS), LINE("39.300", "new") "|");
}

/* Cases 11, 26 and 36: the session is lost, or not allowed for a while: an error meanwhile, and then everything that came. */
static void failures_that_pass(void **state)
{
	static const enum config_log_source which[] = {CONFIG_LOG_XMI, CONFIG_LOG_CLI};
	static const enum error_code codes[] = {ERROR_LOST, ERROR_PERMISSION, ERROR_TIMEOUT};

	for (unsigned i = 0; i < 2; i++)
		for (unsigned code = 0; code < 3; code++) {
			set_file(0, LINE("39.100", "old") "\n");
			fake.answer = LINE("39.100", "old") "\n";
			fake.fails = ERROR_NONE;
			start(which[i], NULL);
			lines();
			fake.fails = codes[code];
			assert_string_equal(lines_after(POLL_MS), "");
			assert_int_equal(failure.code, codes[code]);
			append(LINE("39.200", "new") "\n");
			fake.answer = LINE("39.100", "old") "\n" LINE("39.200", "new") "\n";
			fake.fails = ERROR_NONE;
			assert_string_equal(lines_after(3600000), LINE("39.200", "new") "|");
			assert_int_equal(counts().gaps, 0);
			source_close(source);
		}
	source = NULL;
}

static void cli_session_is_not_held_while_idle(void **state)
{
	fake.answer = "";
	start(CONFIG_LOG_CLI, NULL);
	lines();
	assert_int_equal(fake.closed, 0);
	source_set_active(source, false);
	assert_int_equal(fake.closed, 1);
	assert_int_equal(source_deadline(source).ms, now.ms + IDLE_MS);
	lines_after(IDLE_MS);
	assert_int_equal(fake.commands, 2);
	assert_int_equal(fake.closed, 2);
}

/* ---- syslog */

static unsigned port;

static void start_syslog(const char *kind, const struct mark *mark)
{
	struct config_listen *listen = &config.log.listen[0];

	port = 20000 + (unsigned)getpid() % 20000;
	config.log.listen_count = config.log.from_count = 1;
	strcpy(config.log.from[0], "127.0.0.1");
	for (unsigned i = 0; i < 200; i++, port++) {
		struct error error = {0};

		*listen = (struct config_listen){.port = port};
		listen->kind = strcmp(kind, "udp") == 0 ? CONFIG_LISTEN_UDP : strcmp(kind, "tcp") == 0 ? CONFIG_LISTEN_TCP : CONFIG_LISTEN_TLS;
		strcpy(listen->host, "127.0.0.1");
		config.log.source = CONFIG_LOG_SYSLOG;
		source = source_open(&config, mark, &error);
		if (source || error.code != ERROR_CONFIG)
			break;
	}
	assert_non_null(source);
}

static int caller(int type, const char *from)
{
	struct sockaddr_in own = {.sin_family = AF_INET}, to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int fd = socket(AF_INET, type, 0);

	assert_int_equal(inet_pton(AF_INET, from, &own.sin_addr), 1);
	assert_int_equal(inet_pton(AF_INET, "127.0.0.1", &to.sin_addr), 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&own, sizeof own), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Lines until as many bytes came, or ten seconds are over. */
static const char *heard(size_t bytes)
{
	static char all[8192];

	all[0] = '\0';
	now = clock_now();
	for (unsigned i = 0; i < 1000 && strlen(all) < bytes; i++) {
		struct pollfd fds[SOURCE_FDS_MAX];

		strcat(all, lines());
		if (strlen(all) < bytes)
			(void)poll(fds, source_poll(source, fds), 10);
	}
	strcat(all, lines());
	return all;
}

#define HEADER "<133>Jun 18 23:23:39 gw1 "

static void syslog_datagrams(void **state)
{
	static const char expect[] = LINE("39.100", "one") "|" LINE("39.300", "three") "|";
	struct mark mark;
	int fd, other;

	start_syslog("udp", NULL);
	assert_true(is_ready());
	assert_false(source_mark(source, &mark));
	fd = caller(SOCK_DGRAM, "127.0.0.1");
	other = caller(SOCK_DGRAM, "127.0.0.2");
	say(fd, HEADER LINE("39.100", "one"));
	say(other, HEADER LINE("39.200", "forged"));
	say(fd, HEADER "no log line");
	say(fd, HEADER LINE("39.300", "three\n    at trace"));
	assert_string_equal(heard(sizeof expect - 1), expect);
	assert_int_equal(counts().foreign, 2);
	assert_int_equal(counts().lines, 2);
	assert_int_equal(counts().gaps, 0);
	close(fd);
	close(other);
}

/* Cases 35, 37 and 38: both framings, a broken connection, lines that come again, a restart. */
static void syslog_connections(void **state)
{
	static const char two[] = LINE("39.100", "one") "|" LINE("39.200", "two") "|", three[] = LINE("39.300", "three") "|";
	char frame[1024];
	int fd;

	start_syslog("tcp", NULL);
	fd = caller(SOCK_STREAM, "127.0.0.1");
	say(fd, HEADER LINE("39.100", "one") "\n");
	snprintf(frame, sizeof frame, "%zu %s", strlen(HEADER LINE("39.200", "two")), HEADER LINE("39.200", "two"));
	say(fd, frame);
	assert_string_equal(heard(sizeof two - 1), two);
	say(fd, HEADER LINE("39.250", "cut in the mid"));
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
	usleep(20000);
	lines();
	close(fd);
	usleep(20000);
	assert_string_equal(heard(0), "");
	assert_int_equal(counts().gaps, 1);
	fd = caller(SOCK_STREAM, "127.0.0.1");
	say(fd, HEADER LINE("39.300", "three") "\n");
	assert_string_equal(heard(sizeof three - 1), three);

	restart(CONFIG_LOG_SYSLOG);
	assert_int_equal(counts().gaps, 1); /* what was sent meanwhile */
	close(fd);
	fd = caller(SOCK_STREAM, "127.0.0.1");
	say(fd, HEADER LINE("39.200", "two") "\n" HEADER LINE("39.300", "three") "\n" HEADER LINE("39.400", "four") "\n");
	assert_string_equal(heard(1), LINE("39.300", "three") "|" LINE("39.400", "four") "|");
	close(fd);
}

/* Who speaks TLS: both framings in one connection, in pieces of PIECE bytes; from FROM. */
static void tls_caller(const char *from, unsigned version, const char *script)
{
	char command[4096];

	snprintf(command, sizeof command,
		 "exec /usr/bin/python3 -c 'import socket, ssl, sys, time\n"
		 "raw = socket.create_connection((\"127.0.0.1\", %u), source_address=(\"%s\", 0))\n"
		 "context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)\n"
		 "context.check_hostname = False\n"
		 "context.verify_mode = ssl.CERT_NONE\n"
		 "context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_%u\n"
		 "try:\n tls = context.wrap_socket(raw)\nexcept OSError:\n sys.exit(0)\n%s' &",
		 port, from, version, script);
	assert_int_equal(system(command), 0);
}

static void make_certificate(char *folder)
{
	char command[512];

	assert_non_null(mkdtemp(folder));
	snprintf(command, sizeof command,
		 "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=agent -days 2 -keyout %s/key -out %s/certificate 2>/dev/null",
		 folder, folder);
	assert_int_equal(system(command), 0);
	snprintf(config.log.certificate, sizeof config.log.certificate, "%s/certificate", folder);
	snprintf(config.log.key, sizeof config.log.key, "%s/key", folder);
}

static void syslog_over_tls(void **state)
{
	static const char first[] = HEADER LINE("39.100", "one"), second[] = HEADER LINE("39.200", "two");
	static const char expect[] = LINE("39.100", "one") "|" LINE("39.200", "two") "|";
	char folder[] = "/tmp/drr-tls-XXXXXX", script[1024];
	struct source_counts before;
	int fd;

	make_certificate(folder);
	start_syslog("tls", NULL);
	for (unsigned version = 2; version <= 3; version++) {
		snprintf(script, sizeof script, "data = b\"%s\\n%zu %s\"\nfor i in range(0, len(data), 10):\n tls.sendall(data[i:i+10])\ntls.unwrap()\n", first,
			 strlen(second), second);
		tls_caller("127.0.0.1", version, script);
		assert_string_equal(heard(sizeof expect - 1), expect);
	}
	/* Cut off without TLS's own end, which anybody on the way can do: what lacks its line end may lack more. */
	before = counts();
	snprintf(script, sizeof script, "tls.sendall(b\"%s\\n%s\")\ntls.close()\n", first, second);
	tls_caller("127.0.0.1", 3, script);
	assert_string_equal(heard(sizeof LINE("39.100", "one")), LINE("39.100", "one") "|");
	for (unsigned i = 0; i < 500 && counts().gaps == before.gaps; i++) {
		assert_string_equal(heard(0), "");
		usleep(10000);
	}
	assert_int_equal(counts().gaps, before.gaps + 1);
	assert_string_equal(heard(0), "");
	/* Somebody else, and somebody who speaks no TLS. */
	before = counts();
	tls_caller("127.0.0.2", 2, "tls.sendall(b\"x\")\n");
	fd = caller(SOCK_STREAM, "127.0.0.1");
	say(fd, HEADER LINE("39.100", "in clear") "\n");
	for (unsigned i = 0; i < 500 && counts().foreign < before.foreign + 2; i++) {
		assert_string_equal(heard(0), "");
		usleep(10000);
	}
	assert_int_equal(counts().foreign, before.foreign + 2);
	close(fd);
	snprintf(script, sizeof script, "rm -r %s", folder);
	assert_int_equal(system(script), 0);
}

/* Case 31: nothing was heard before the mark: lines from before the appliance's own time are old, also after a restart. */
static void syslog_floor(void **state)
{
	static const char expect[] = LINE("40.100", "new") "|" "Jun 18 23:23:41 [0x88e000d7][apic-gw-service][notice] new|";
	struct facts_clock clock = {INT64_C(1592522620000), INT64_C(1592522620000) + 7200000};
	struct mark mark;
	int fd;

	start_syslog("udp", NULL);
	source_set_clock(source, &clock);
	assert_true(source_mark(source, &mark));
	assert_int_equal(mark.kind, MARK_TIME);
	assert_int_equal(mark.time_ms, clock.utc_ms);
	fd = caller(SOCK_DGRAM, "127.0.0.1");
	say(fd, HEADER LINE("39.900", "old"));
	say(fd, "<133>Jun 18 23:23:39 gw1 [0x88e000d7][apic-gw-service][notice] old");
	say(fd, "1592522619 [0x88e000d7][apic-gw-service][notice] old");
	say(fd, HEADER LINE("40.100", "new"));
	say(fd, "<133>Jun 18 23:23:41 gw1 [0x88e000d7][apic-gw-service][notice] new");
	assert_string_equal(heard(sizeof expect - 1), expect);
	close(fd);
	source_close(source);
	start_syslog("udp", &mark);
	fd = caller(SOCK_DGRAM, "127.0.0.1");
	say(fd, HEADER LINE("39.900", "old"));
	say(fd, HEADER LINE("40.100", "new"));
	assert_string_equal(heard(1), LINE("40.100", "new") "|");
	close(fd);
}

/* Times without a year go round at new year. */
static void syslog_new_year(void **state)
{
	struct mark mark = {.kind = MARK_TIME, .time_kind = LINE_TIME_SYSLOG, .time_ms = INT64_C(365) * 86400000}; /* 31 December */
	int fd;

	start_syslog("udp", &mark);
	fd = caller(SOCK_DGRAM, "127.0.0.1");
	say(fd, "<133>Dec 30 23:59:59 gw1 [0x88e000d7][apic-gw-service][notice] before");
	say(fd, "<133>Jan  1 00:00:01 gw1 [0x88e000d7][apic-gw-service][notice] after");
	assert_string_equal(heard(1), "Jan  1 00:00:01 [0x88e000d7][apic-gw-service][notice] after|");
	close(fd);
}

/* ---- all */

/* Case 27: a mark that was taken when another source was configured. */
static void a_mark_of_another_source(void **state)
{
	struct mark mark = {.kind = MARK_TIME, .time_kind = LINE_TIME_ZULU};

	set_file(0, HEAD "old\n");
	start(CONFIG_LOG_XMI, &mark);
	assert_string_equal(lines(), "");
	assert_int_equal(counts().lost_marks, 1);
	assert_int_equal(counts().gaps, 1);
}

static void file_behind_the_interface(void **state)
{
	char path[] = "/tmp/drr-source-XXXXXX";
	int fd = mkstemp(path);
	struct mark mark;

	assert_int_equal(write(fd, "old\n", 4), 4);
	strcpy(config.log.file, path);
	start(CONFIG_LOG_FILE, NULL);
	assert_true(is_ready());
	assert_string_equal(lines(), "");
	assert_true(source_mark(source, &mark));
	assert_int_equal(mark.kind, MARK_FILE);
	assert_int_equal(write(fd, "new\n", 4), 4);
	assert_string_equal(lines_after(POLL_MS), "new|");
	restart(CONFIG_LOG_FILE);
	assert_int_equal(write(fd, "newer\n", 6), 6);
	assert_string_equal(lines_after(POLL_MS), "newer|");
	mark.kind = MARK_SNAPSHOT;
	source_close(source);
	start(CONFIG_LOG_FILE, &mark);
	lines();
	assert_int_equal(counts().lost_marks, 1);
	close(fd);
	unlink(path);
}

static void no_source(void **state)
{
	struct error error = {0};

	config.log.source = CONFIG_LOG_NONE;
	assert_null(source_open(&config, NULL, &error));
	assert_int_equal(error.code, ERROR_CONFIG);
	assert_string_equal(source_name(CONFIG_LOG_SYSLOG), "syslog");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(xmi_arms_before_the_trigger), CASE(xmi_reads_only_what_changed), CASE(xmi_same_size_again), CASE(xmi_without_listings), CASE(xmi_rotation),
		CASE(xmi_restarted), CASE(xmi_reload), CASE(xmi_cut_in_the_middle), CASE(xmi_failures), CASE(xmi_own_target), CASE(xmi_history),
		CASE(xmi_own_target_shares_its_file), CASE(xmi_without_end), CASE(xmi_more_than_one_look), CASE(xmi_age_of_the_history), CASE(cli_age_of_the_history),
		CASE(cli_closed_behind_the_password), CASE(syslog_floor),
		CASE(cli_shows_what_is_new), CASE(cli_text_that_slides), CASE(cli_place_is_nowhere), CASE(cli_answers_that_cannot_be_read), CASE(cli_restarted_and_lost), CASE(failures_that_pass),
		CASE(cli_session_is_not_held_while_idle), CASE(syslog_datagrams), CASE(syslog_connections), CASE(syslog_over_tls), CASE(syslog_new_year), CASE(a_mark_of_another_source),
		CASE(file_behind_the_interface), CASE(no_source),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
