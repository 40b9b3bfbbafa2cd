/* The log as the command line shows it: `show logging TARGET FILTER`, over a session of its own, a whole text each time. The filter keeps the answer small: only lines of the
 * API Connect gateway service and of the gateway peering have these codes.
 *
 * It is a text like a file, but one that may lose its first lines for each new one (an appliance may show the last lines only), so a place that is not where it was is
 * looked for in the whole text. Where it is nowhere, lines before the time of the last one that was handed out (by the appliance's own clock) are old. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "engine/cli_link.h"
#include "engine/source_own.h"
#include "watch/snapshot.h"

#define FILTER "0x8.e00"

enum {
	FOREIGN_SHOWN_BYTES = 120,
	HEADING_LINES_MAX = 4, /* more lines than that, and none of them a log line: this cannot be read */
};

struct source_cli {
	struct source source;
	struct source_pace pace;
	bool asking;         /* the question is under way */
	bool handing_out;    /* the answer is here; not all lines of it are handed out */
	const char *text;    /* the answer, in the dialogue */
	size_t text_bytes;
	size_t given;        /* bytes of it that the snapshot has */
	bool lost;           /* the place was nowhere: lines before LAST are old */
	bool have_last;
	enum line_time_kind last_kind; /* the last line that was handed out, or stood before the place */
	int64_t last_ms;
	char command[CLI_TEXT_BYTES];
	struct appliance_wanted wanted;
	struct appliance_facts facts;
	struct snapshot snapshot;
	struct cli_link link;
};

static struct source_cli *self(struct source *source)
{
	return (struct source_cli *)source;
}

static const struct source_cli *self_const(const struct source *source)
{
	return (const struct source_cli *)source;
}

/* ---- judging an answer */

/* What stands between command and prompt. The dialogue's own answer leaves out log lines at its end, as something that the console threw in; here they are what
 * was asked for. Blank lines around the text are not part of it: the one behind it would stand elsewhere the next time. */
static void find_text(struct source_cli *cli)
{
	const struct dialogue *dialogue = &cli->link.dialogue;
	const char *text = dialogue->in.data + dialogue->answer_from, *end;
	size_t all = dialogue->line_start - dialogue->answer_from, length = all;
	const char *start = text;

	text_trim(&start, &length);
	end = memchr(start + length, '\n', all - (size_t)(start - text) - length);
	cli->text = start;
	cli->text_bytes = length > 0 && end ? (size_t)(end - start) + 1 : length;
}

static void remember(struct source_cli *cli, const struct line *line)
{
	cli->have_last = true;
	cli->last_kind = line->time_kind;
	cli->last_ms = line->time_ms;
}

/* What the lines of a text are, taken together. */
struct survey {
	unsigned lines, parsed;
	bool coded;                 /* a line that is no log line has an event code in it */
	unsigned up, down;          /* neighbours whose times go up, or down */
	const char *first;          /* the first one that is no log line */
	size_t first_bytes;
	struct line last;           /* the last one that is */
};

static void survey_text(const char *text, size_t text_bytes, struct survey *survey)
{
	size_t offset = 0, length;
	const char *line;
	struct line parsed;

	memset(survey, 0, sizeof *survey);
	while (text_next_line(text, text_bytes, &offset, &line, &length)) {
		text_trim(&line, &length);
		survey->lines += length > 0;
		if (!line_parse(line, length, &parsed)) {
			survey->coded = survey->coded || memmem(line, length, "0x8", 3);
			if (length > 0 && !survey->first) {
				survey->first = line;
				survey->first_bytes = length;
			}
			continue;
		}
		if (survey->parsed++ > 0 && parsed.time_kind == survey->last.time_kind) {
			survey->up += parsed.time_ms > survey->last.time_ms;
			survey->down += parsed.time_ms < survey->last.time_ms;
		}
		survey->last = parsed;
	}
}

static const char *const other_source = "use another source in [log]: xmi, syslog or file";

/* Whether this can be read at all. 0 or -1. */
static int judge_answer(const struct source_cli *cli, const struct survey *survey, struct error *error)
{
	const struct dialogue *dialogue = &cli->link.dialogue;
	char shown[FOREIGN_SHOWN_BYTES];

	if (dialogue->complaint != DIALOGUE_NO_COMPLAINT)
		return error_set(error, ERROR_ANSWER, other_source, "the appliance does not answer \"%s\": %s", cli->command, dialogue->detail);
	/* A heading alone, of a log without such lines, is none. */
	if (survey->parsed == 0 && (survey->coded || survey->lines > HEADING_LINES_MAX))
		return error_set(error, ERROR_ANSWER, other_source, "nothing that \"%s\" shows can be read as a log line; it begins with \"%s\"", cli->command,
				 text_escape(shown, sizeof shown, survey->first, survey->first_bytes));
	if (survey->down > survey->up)
		return error_set(error, ERROR_ANSWER, other_source, "\"%s\" shows the newest line first, which this version does not read", cli->command);
	return 0;
}

/* ---- a look */

static void fail(struct source_cli *cli, const struct error *why, struct mono now, struct error *error)
{
	cli->asking = cli->handing_out = false;
	source_pace_failed(&cli->pace, why, now, error);
	if (cli->pace.stopped)
		cli_link_close(&cli->link);
}

static void give_history(struct source_cli *cli)
{
	size_t offset = 0, length, left = (size_t)snapshot_offset(&cli->snapshot);
	const char *line;

	if (left > cli->text_bytes)
		left = cli->text_bytes;
	while (cli->source.history && text_next_line(cli->text, left, &offset, &line, &length))
		source_give_history(&cli->source, line, length);
	cli->source.history = NULL;
}

/* The snapshot has got its fill of the answer, or all of it. */
static void end_pass(struct source_cli *cli, const struct survey *survey, struct mono now)
{
	snapshot_end(&cli->snapshot, SNAPSHOT_COMPLETE);
	if (snapshot_is_lost(&cli->snapshot) && !snapshot_move(&cli->snapshot, cli->text, cli->text_bytes)) {
		if (!cli->have_last)
			snapshot_forget(&cli->snapshot); /* what is new cannot be told */
		cli->lost = true;
	}
	cli->given = 0;
	if (snapshot_wanted(&cli->snapshot) >= 0)
		return;
	if (!cli->have_last && survey->parsed > 0)
		remember(cli, &survey->last);
	give_history(cli);
	cli->handing_out = false;
	source_pace_done(&cli->pace, now);
	/* A look now and then: no session is held meanwhile. */
	if (!cli->source.active)
		cli_link_close(&cli->link);
}

/* Lets the snapshot have more of the answer. */
static void give(struct source_cli *cli, struct mono now)
{
	struct survey survey;
	size_t room, left;

	if (cli->given == 0)
		snapshot_begin(&cli->snapshot);
	room = snapshot_room(&cli->snapshot);
	left = cli->text_bytes - cli->given;
	left = left < room ? left : room;
	if (snapshot_input(&cli->snapshot, cli->text + cli->given, left)) {
		cli->given += left;
		if (cli->given < cli->text_bytes)
			return;
	}
	survey_text(cli->text, cli->text_bytes, &survey);
	end_pass(cli, &survey, now);
}

static void take_answer(struct source_cli *cli, struct mono now, struct error *error)
{
	struct survey survey;
	struct error why = {0};

	cli->asking = false;
	find_text(cli);
	survey_text(cli->text, cli->text_bytes, &survey);
	cli->source.counts.foreign += survey.lines - survey.parsed;
	if (judge_answer(cli, &survey, &why)) {
		fail(cli, &why, now, error);
		return;
	}
	cli->handing_out = true;
	cli->given = 0;
	cli->lost = false;
	snapshot_look(&cli->snapshot);
}

/* Perhaps a refusal that was not said. */
static bool closed_behind_password(const struct source_cli *cli)
{
	return cli->link.error.code == ERROR_LOST && cli->link.dialogue.password_sent && cli->link.dialogue.probes == 0;
}

static void take_failure(struct source_cli *cli, struct mono now, struct error *error)
{
	struct error why = cli->link.error, said = {0};

	if (why.code == ERROR_ANSWER)
		(void)error_set(&said, ERROR_ANSWER, other_source, "the log cannot be read with \"%s\": %.400s", cli->command, why.what);
	if (closed_behind_password(cli))
		(void)error_set(&said, ERROR_AUTH, "log in once by hand; if that works, run the same command again",
				"the log cannot be read: the session was closed behind the password, which can be a refusal, so it is not sent again (accounts get locked): %.300s",
				why.what);
	fail(cli, said.code != ERROR_NONE ? &said : &why, now, error);
}

/* One step of what is under way. False: nothing more can be done now. */
static bool step(struct source_cli *cli, struct mono now, struct error *error)
{
	if (cli->handing_out) {
		give(cli, now);
		return true;
	}
	if (!cli->asking) {
		if (!mono_reached(source_pace_due(&cli->source, &cli->pace), now))
			return false;
		source_pace_begin(&cli->pace, now);
		cli->source.counts.polls++;
		cli->source.counts.whole_reads++;
		cli->asking = true;
		cli_link_start_text(&cli->link, cli->command, now);
	}
	switch (cli_link_step(&cli->link, now)) {
	case CLI_LINK_DONE:
		take_answer(cli, now, error);
		return true;
	case CLI_LINK_FAILED:
		take_failure(cli, now, error);
		return true;
	default:
		return false;
	}
}

/* ---- the source */

/* A line from a text whose place was lost may be an old one. */
static bool is_new(struct source_cli *cli, const char *line, size_t length_bytes)
{
	struct line parsed;

	if (!line_parse(line, length_bytes, &parsed))
		return true;
	if (cli->lost && cli->have_last && parsed.time_kind == cli->last_kind && parsed.time_ms < cli->last_ms)
		return false;
	remember(cli, &parsed);
	return true;
}

static void count(struct source_cli *cli)
{
	const struct snapshot_counts *from = &cli->snapshot.counts;
	struct source_counts *to = &cli->source.counts;

	to->bytes = from->bytes;
	to->long_lines = cli->snapshot.split.long_lines;
	to->rotations = from->rotations;
	to->truncations = from->truncations;
	to->lost_marks = from->lost_marks + cli->source.lost_before;
	to->gaps = from->gaps + cli->source.lost_before;
}

static bool next(struct source *source, struct mono now, const char **line, size_t *length_bytes, struct error *error)
{
	struct source_cli *cli = self(source);

	for (;;) {
		while (snapshot_next(&cli->snapshot, line, length_bytes))
			if (is_new(cli, *line, *length_bytes)) {
				count(cli);
				return true;
			}
		if (source->more || !step(cli, now, error))
			break;
		source_step(source, cli->handing_out ? cli->given : 0);
	}
	count(cli);
	return false;
}

static void set_active(struct source *source, bool active)
{
	struct source_cli *cli = self(source);

	if (!active && !cli->asking && !cli->handing_out)
		cli_link_close(&cli->link);
}

static void look(struct source *source)
{
	source_pace_ask(&self(source)->pace);
}

static void close_cli(struct source *source)
{
	cli_link_free(&self(source)->link);
	free(source);
}

static bool ready(const struct source *source, struct error *error)
{
	return source_pace_ready(&self_const(source)->pace, error);
}

static bool mark_cli(struct source *source, struct mark *mark)
{
	return snapshot_mark(&self(source)->snapshot, mark);
}

static unsigned poll_cli(const struct source *source, struct pollfd *fds)
{
	fds[0] = cli_link_poll(&self_const(source)->link);
	return fds[0].fd >= 0 ? 1 : 0;
}

static struct mono deadline(const struct source *source)
{
	const struct source_cli *cli = self_const(source);

	if (cli->handing_out)
		return (struct mono){0};
	return cli->asking ? cli_link_deadline(&cli->link) : source_pace_due(source, &cli->pace);
}

struct source *source_cli_open(const struct config *config, const struct mark *mark, struct error *error)
{
	static const struct source_ops ops = {
		.close = close_cli, .set_active = set_active, .look = look, .ready = ready, .mark = mark_cli, .next = next, .poll = poll_cli,
		.deadline = deadline,
	};
	struct source_cli *cli = source_allocate(sizeof *cli, &ops, config, error);

	if (!cli)
		return NULL;
	(void)snprintf(cli->command, sizeof cli->command, "show logging %s %s", config->log.target, FILTER);
	snapshot_init(&cli->snapshot, cli->command, 0, mark);
	if (cli_link_init(&cli->link, config, &cli->wanted, &cli->facts, error)) {
		close_cli(&cli->source);
		return NULL;
	}
	return &cli->source;
}
