/* The log file behind the XML management interface, over a connection of its own. One look:
 *
 *   TARGETS, TARGET   once, with manage_target: is our log target there; if not, make it
 *   LIST              the size and time of the file: the same as at the last look means nothing new. Not before the first file was read: only then a refusal
 *                     can be told from wrong credentials. Where it is refused, every look reads the whole file, and looks are SOURCE_XMI_WHOLE_MS apart
 *   FILE ...          as watch/snapshot.h says: the file, and after a rotation also FILE.1 ...
 *   HISTORY           where somebody wants it: what stands before the place
 *
 * Two states of the file that differ within one second (the appliance's times tell no more) and have one size are taken for one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "appliance/logtarget.h"
#include "engine/source_own.h"
#include "engine/xmi_link.h"
#include "watch/snapshot.h"

enum {
	SOURCE_XMI_WHOLE_MS = 5000,
	SOURCE_XMI_NAME_BYTES = CONFIG_NAME_BYTES + 4, /* the path and ".3" */
};

enum work { REST, TARGETS, TARGET, LIST, FILE_ITSELF, HISTORY };

/* The lines before the place, read once more for whoever wants them: FILE.1 where FILE alone is too short, then FILE. */
struct history {
	int number;     /* of the file that is read, 1 or 0 */
	uint64_t left;  /* bytes of it that are history */
	struct split split;
	char memory[SNAPSHOT_LINE_MAX_BYTES + 16384];
};

struct listed {
	bool known, found;
	uint64_t size_bytes;
	char modified[40];
};

struct source_xmi {
	struct source source;
	struct source_pace pace;
	enum work work;
	bool file_read;      /* once at least */
	bool target_settled;
	bool list_refused;
	bool enough;         /* the snapshot needs no more of this file */
	uint64_t moved;      /* bytes that came in this step */
	struct listed seen, listed; /* at the last complete look; at this one */
	char name[SOURCE_XMI_NAME_BYTES];
	struct appliance_wanted wanted;
	struct appliance_facts facts;
	struct history *history; /* while WORK is HISTORY */
	struct snapshot snapshot;
	struct xmi_link link;
};

static struct source_xmi *self(struct source *source)
{
	return (struct source_xmi *)source;
}

static const struct source_xmi *self_const(const struct source *source)
{
	return (const struct source_xmi *)source;
}

/* ---- the log target of our own */

static bool same_file(const char *a, const char *b)
{
	char x[SOURCE_XMI_NAME_BYTES * 2], y[sizeof x];

	return soma_path(x, sizeof x, a) == 0 && soma_path(y, sizeof y, b) == 0 && strcmp(x, y) == 0;
}

static bool has_code(const struct appliance_log_target *target, const char *code)
{
	for (unsigned i = 0; i < target->code_count && i < APPLIANCE_LOG_EVENTS_MAX; i++)
		if (strcmp(target->codes[i], code) == 0)
			return true;
	return false;
}

/* 0 the finest; one that is not known is the coarsest. */
static unsigned rank(const char *level)
{
	static const char *const levels[] = {"debug", "info", "notice", "warn", "error"};
	unsigned i = 0;

	while (i < sizeof levels / sizeof levels[0] && strcmp(levels[i], level) != 0)
		i++;
	return i;
}

static bool has_class(const struct appliance_log_target *target, const struct logtarget_class *wanted)
{
	for (unsigned i = 0; i < target->event_count && i < APPLIANCE_LOG_EVENTS_MAX; i++) {
		const struct appliance_log_event *event = &target->events[i];

		if ((strcmp(event->category, wanted->category) == 0 || strcmp(event->category, "all") == 0) && rank(event->level) <= rank(wanted->level))
			return true;
	}
	return false;
}

/* Whether it takes at least what ours takes. */
static bool hears(const struct appliance_log_target *target)
{
	for (size_t i = 0; i < logtarget_class_count; i++)
		if (!has_class(target, &logtarget_classes[i]))
			return false;
	for (size_t i = 0; target->code_count > 0 && i < logtarget_code_count; i++)
		if (!has_code(target, logtarget_codes[i].code))
			return false;
	return true;
}

/* What differs from the target that we make; NULL: nothing that matters. */
static const char *differs(const struct appliance_log_target *target, const char *file)
{
	if (strcmp(target->type, "file") != 0)
		return "its type is not file";
	if (!same_file(target->file, file))
		return "it writes another file";
	if (strcmp(target->format, "text") != 0)
		return "its format is not text";
	if (strcmp(target->admin_state, "disabled") == 0)
		return "it is disabled";
	return hears(target) ? NULL : "it lacks events of apic-gw-service or apigw that a run waits for";
}

/* Another target that writes our file. */
static bool shares_file(const struct appliance_log_target *target, const char *file)
{
	return strcmp(target->name, CONFIG_OWN_TARGET) != 0 && strcmp(target->type, "file") == 0 && strcmp(target->admin_state, "disabled") != 0 &&
	       same_file(target->file, file);
}

static bool judge_targets(const struct source_xmi *xmi, bool *missing, struct error *error)
{
	const struct appliance_facts *facts = &xmi->facts;
	const char *why;

	*missing = false;
	for (unsigned i = 0; i < facts->log_target_count && i < APPLIANCE_LOG_TARGETS_MAX; i++)
		if (shares_file(&facts->log_targets[i], xmi->source.config->log.path)) {
			(void)error_set(error, ERROR_CONFIG, "set path in [log] to a file of its own (logtemp:///NAME), or manage_target = no to read the one that is there",
					"the log target \"%s\" of the appliance writes %s already: two writers of one file spoil it", facts->log_targets[i].name,
					facts->log_targets[i].file);
			return false;
		}
	for (unsigned i = 0; i < facts->log_target_count && i < APPLIANCE_LOG_TARGETS_MAX; i++) {
		if (strcmp(facts->log_targets[i].name, CONFIG_OWN_TARGET) != 0)
			continue;
		why = differs(&facts->log_targets[i], xmi->source.config->log.path);
		if (!why)
			return true;
		(void)error_set(error, ERROR_CONFIG, "rename or delete that log target on the appliance, or set manage_target = no and path in [log] to a log file that exists",
				"the appliance has a log target \"" CONFIG_OWN_TARGET "\" that is not ours: %s; it is not touched", why);
		return false;
	}
	*missing = true;
	return true;
}

/* ---- a look */

static int take_file(void *context, const char *bytes, size_t count_bytes)
{
	struct source_xmi *xmi = context;

	xmi->moved += count_bytes;
	xmi->enough = !snapshot_input(&xmi->snapshot, bytes, count_bytes);
	return xmi->enough ? -1 : 0;
}

static void end_look(struct source_xmi *xmi, struct mono now)
{
	xmi->work = REST;
	source_pace_done(&xmi->pace, now);
}

/* ---- the history */

static void give_history(struct source_xmi *xmi)
{
	const char *line;
	size_t length;

	while (split_next(&xmi->history->split, &line, &length))
		source_give_history(&xmi->source, line, length);
}

static int take_history(void *context, const char *bytes, size_t count_bytes)
{
	struct source_xmi *xmi = context;
	struct history *history = xmi->history;

	xmi->moved += count_bytes;
	while (count_bytes > 0 && history->left > 0) {
		size_t room, take = count_bytes < history->left ? count_bytes : (size_t)history->left;
		char *into = split_room(&history->split, &room);

		take = take < room ? take : room;
		memcpy(into, bytes, take);
		split_added(&history->split, take);
		bytes += take;
		count_bytes -= take;
		history->left -= take;
		give_history(xmi);
	}
	xmi->enough = history->left == 0;
	return xmi->enough ? -1 : 0;
}

static void fetch_history(struct source_xmi *xmi, int number, uint64_t left, struct mono now)
{
	xmi->work = HISTORY;
	xmi->enough = false;
	xmi->history->number = number;
	xmi->history->left = left;
	split_reset(&xmi->history->split);
	(void)snprintf(xmi->name, sizeof xmi->name, number > 0 ? "%s.%d" : "%s", xmi->source.config->log.path, number);
	xmi_link_start_file(&xmi->link, xmi->name, take_history, xmi, now);
}

static void end_history(struct source_xmi *xmi)
{
	free(xmi->history);
	xmi->history = NULL;
	xmi->source.history = NULL;
}

/* The files were read to their ends. */
static void after_files(struct source_xmi *xmi, struct mono now)
{
	uint64_t offset = snapshot_offset(&xmi->snapshot);

	xmi->file_read = true;
	xmi->seen = xmi->listed;
	if (snapshot_is_cut_short(&xmi->snapshot)) {
		xmi->seen.known = false;
		end_look(xmi, now);
		source_pace_ask(&xmi->pace); /* the next look goes on at once */
		return;
	}
	if (!xmi->source.history || (xmi->history = calloc(1, sizeof *xmi->history)) == NULL) {
		end_look(xmi, now);
		return;
	}
	split_init(&xmi->history->split, xmi->history->memory, sizeof xmi->history->memory, SNAPSHOT_LINE_MAX_BYTES);
	if (offset < xmi->source.history_limit_bytes)
		fetch_history(xmi, 1, UINT64_MAX, now);
	else
		fetch_history(xmi, 0, offset, now);
}

/* A file of the history has ended. */
static void after_history(struct source_xmi *xmi, struct mono now)
{
	uint64_t offset = snapshot_offset(&xmi->snapshot);
	const char *line;
	size_t length;

	if (xmi->history->number == 1 && offset > 0) {
		if (split_rest(&xmi->history->split, &line, &length))
			source_give_history(&xmi->source, line, length);
		fetch_history(xmi, 0, offset, now);
		return;
	}
	end_history(xmi);
	end_look(xmi, now);
}

/* ---- a look, continued */

/* The next fetch of the look, or its end. */
static void fetch(struct source_xmi *xmi, struct mono now)
{
	int number = snapshot_wanted(&xmi->snapshot);

	xmi->work = FILE_ITSELF;
	if (number < 0) {
		after_files(xmi, now);
		return;
	}
	xmi->source.counts.whole_reads++;
	(void)snprintf(xmi->name, sizeof xmi->name, number > 0 ? "%s.%d" : "%s", xmi->source.config->log.path, number);
	xmi->enough = false;
	snapshot_begin(&xmi->snapshot);
	xmi_link_start_file(&xmi->link, xmi->name, take_file, xmi, now);
}

static void begin_file(struct source_xmi *xmi, struct mono now)
{
	snapshot_look(&xmi->snapshot);
	fetch(xmi, now);
}

static void begin_look(struct source_xmi *xmi, struct mono now)
{
	xmi->listed = (struct listed){0};
	xmi->source.counts.polls++;
	if (xmi->source.config->log.manage_target && !xmi->target_settled) {
		xmi->work = TARGETS;
		xmi_link_start(&xmi->link, APPLIANCE_ASK_LOG_TARGETS, now);
	} else if (!xmi->list_refused && xmi->file_read) {
		xmi->work = LIST;
		xmi_link_start_list(&xmi->link, xmi->source.config->log.path, now);
	} else {
		begin_file(xmi, now);
	}
}

static void fail(struct source_xmi *xmi, const struct error *why, struct mono now, struct error *error)
{
	if (xmi->history) {
		free(xmi->history);
		xmi->history = NULL; /* the next look begins it anew */
	}
	xmi->work = REST;
	source_pace_failed(&xmi->pace, why, now, error);
	if (xmi->pace.stopped)
		xmi_link_close(&xmi->link);
}

static void take_targets(struct source_xmi *xmi, struct mono now, struct error *error)
{
	struct error why = {0};
	bool missing;

	if (!judge_targets(xmi, &missing, &why)) {
		fail(xmi, &why, now, error);
	} else if (missing && !xmi->source.may_change) {
		end_look(xmi, now); /* a log with nothing in it; the target is made when a run acts */
	} else if (missing) {
		xmi->work = TARGET;
		xmi_link_start(&xmi->link, APPLIANCE_SET_LOG_TARGET, now);
	} else {
		xmi->target_settled = true;
		begin_look(xmi, now);
	}
}

static void take_list(struct source_xmi *xmi, struct mono now)
{
	struct listed *listed = &xmi->listed;
	const struct listed *seen = &xmi->seen;

	listed->known = true;
	listed->found = xmi->link.xmi.list_found;
	listed->size_bytes = xmi->link.xmi.list_size_bytes;
	(void)snprintf(listed->modified, sizeof listed->modified, "%s", xmi->link.xmi.list_modified);
	if (listed->found && listed->modified[0] == '\0')
		xmi->list_refused = true; /* sizes alone say too little */
	if (seen->known && seen->found == listed->found && seen->size_bytes == listed->size_bytes && strcmp(seen->modified, listed->modified) == 0 &&
	    !xmi->list_refused)
		end_look(xmi, now);
	else
		begin_file(xmi, now);
}

/* The operation has ended well. */
static void proceed(struct source_xmi *xmi, struct mono now, struct error *error)
{
	source_set_clock(&xmi->source, &xmi->facts.clock);
	switch (xmi->work) {
	case TARGETS:
		take_targets(xmi, now, error);
		break;
	case TARGET:
		xmi->target_settled = true;
		begin_look(xmi, now);
		break;
	case LIST:
		take_list(xmi, now);
		break;
	case HISTORY:
		after_history(xmi, now);
		break;
	default:
		if (xmi->link.xmi.file_missing)
			xmi->target_settled = false; /* a reload takes an unsaved target away: the next look makes it again */
		snapshot_end(&xmi->snapshot, xmi->link.xmi.file_missing ? SNAPSHOT_MISSING : SNAPSHOT_COMPLETE);
		break;
	}
}

/* The connection works and the credentials are right: it is this question that is not answered. */
static bool is_list_refused(const struct source_xmi *xmi)
{
	enum error_code code = xmi->link.error.code;

	return xmi->work == LIST && (code == ERROR_ANSWER || code == ERROR_PERMISSION || code == ERROR_AUTH) && xmi->link.xmi.authenticated;
}

static void give_up(struct source_xmi *xmi, struct mono now, struct error *error)
{
	struct error why = xmi->link.error;

	if (xmi->work == FILE_ITSELF && xmi->enough) {
		snapshot_end(&xmi->snapshot, SNAPSHOT_COMPLETE); /* it was us who stopped */
		return;
	}
	if (xmi->work == HISTORY && xmi->enough) {
		after_history(xmi, now);
		return;
	}
	if (is_list_refused(xmi)) {
		xmi->list_refused = true;
		begin_file(xmi, now);
		return;
	}
	if (xmi->work == FILE_ITSELF)
		snapshot_end(&xmi->snapshot, SNAPSHOT_CUT);
	fail(xmi, &why, now, error);
}

static struct mono due(const struct source_xmi *xmi)
{
	struct mono at = source_pace_due(&xmi->source, &xmi->pace);
	struct mono whole = mono_add_ms(xmi->pace.rested_at, SOURCE_XMI_WHOLE_MS);

	return xmi->list_refused && !xmi->pace.asked && at.ms < whole.ms ? whole : at;
}

/* One step of what is under way. False: nothing more can be done now. */
static bool step(struct source_xmi *xmi, struct mono now, struct error *error)
{
	if (xmi->work == REST) {
		if (!mono_reached(due(xmi), now))
			return false;
		source_pace_begin(&xmi->pace, now);
		begin_look(xmi, now);
	}
	/* A fetch that has ended leaves lines to hand out before the next one may begin. */
	if (xmi->work == FILE_ITSELF && xmi->link.status != XMI_LINK_WAIT) {
		fetch(xmi, now);
		return xmi->work != REST;
	}
	xmi->moved = 0;
	switch (xmi_link_step(&xmi->link, now)) {
	case XMI_LINK_DONE:
		proceed(xmi, now, error);
		return true;
	case XMI_LINK_FAILED:
		give_up(xmi, now, error);
		return true;
	default:
		return xmi->moved > 0;
	}
}

/* ---- the source */

static void count(struct source_xmi *xmi)
{
	const struct snapshot_counts *from = &xmi->snapshot.counts;
	struct source_counts *to = &xmi->source.counts;

	to->bytes = from->bytes;
	to->long_lines = xmi->snapshot.split.long_lines;
	to->rotations = from->rotations;
	to->truncations = from->truncations;
	to->lost_marks = from->lost_marks + xmi->source.lost_before;
	to->gaps = from->gaps + xmi->source.lost_before;
}

static bool next(struct source *source, struct mono now, const char **line, size_t *length_bytes, struct error *error)
{
	struct source_xmi *xmi = self(source);
	bool got = snapshot_next(&xmi->snapshot, line, length_bytes);

	while (!got && !source->more && step(xmi, now, error)) {
		got = snapshot_next(&xmi->snapshot, line, length_bytes);
		if (!got)
			source_step(source, (size_t)xmi->moved);
	}
	count(xmi);
	return got;
}

static void close_xmi(struct source *source)
{
	free(self(source)->history);
	xmi_link_free(&self(source)->link);
	free(source);
}

static void look(struct source *source)
{
	source_pace_ask(&self(source)->pace);
}

static bool ready(const struct source *source, struct error *error)
{
	return source_pace_ready(&self_const(source)->pace, error);
}

static bool mark_xmi(struct source *source, struct mark *mark)
{
	return snapshot_mark(&self(source)->snapshot, mark);
}

static unsigned poll_xmi(const struct source *source, struct pollfd *fds)
{
	fds[0] = xmi_link_poll(&self_const(source)->link);
	return fds[0].fd >= 0 ? 1 : 0;
}

static struct mono deadline(const struct source *source)
{
	const struct source_xmi *xmi = self_const(source);

	return xmi->work == REST ? due(xmi) : xmi_link_deadline(&xmi->link);
}

struct source *source_xmi_open(const struct config *config, const struct mark *mark, struct error *error)
{
	static const struct source_ops ops = {
		.close = close_xmi, .look = look, .ready = ready, .mark = mark_xmi, .next = next, .poll = poll_xmi, .deadline = deadline,
	};
	struct source_xmi *xmi = source_allocate(sizeof *xmi, &ops, config, error);

	if (!xmi)
		return NULL;
	snapshot_init(&xmi->snapshot, config->log.path, SNAPSHOT_ROTATIONS_MAX, mark);
	(void)snprintf(xmi->wanted.log_target, sizeof xmi->wanted.log_target, "%s", CONFIG_OWN_TARGET);
	(void)snprintf(xmi->wanted.log_file, sizeof xmi->wanted.log_file, "%s", config->log.path);
	if (xmi_link_init(&xmi->link, config, &xmi->wanted, &xmi->facts, error)) {
		close_xmi(&xmi->source);
		return NULL;
	}
	return &xmi->source;
}
