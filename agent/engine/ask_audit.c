#include "engine/ask_audit.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/text.h"
#include "engine/asking.h"
#include "engine/auditing.h"
#include "engine/confine.h"
#include "engine/logbook.h"
#include "engine/report.h"
#include "engine/talk.h"
#include "platform/clock.h"

enum {
	FINDINGS_EXIT = 4,         /* something is wrong: not the command, but the group */
	ANSWER_WAIT_MS = 300000,   /* for the operator's yes: the lock is held meanwhile */
	ANSWER_BYTES = 64,
	SHOWN_BYTES = 4096,
};

static const char default_raid_volume[] = "raid0"; /* the only one that appliances have */

/* What is kept of a member while the next one is asked. */
struct asked {
	struct config config;
	struct appliance_facts facts;
	char address[CONFIG_NAME_BYTES];
	struct error xmi_error;
	bool answered;
};

static struct asked asked[AUDIT_MEMBERS_MAX];
static struct audit_member members[AUDIT_MEMBERS_MAX];
static struct audit audit;    /* large */
static struct link the_link;  /* large */

/* ---- asking --------------------------------------------------------------------------------------------------- */

/* One operation, waited for. 0 or -1. *STOP: a signal came, nothing more is to be asked. */
static int ask(struct asking *asking, enum appliance_op op, bool *stop, struct error *error)
{
	if (asking_do(asking, op, error) == 0)
		return 0;
	*stop = asking->link->status != LINK_FAILED;
	return -1;
}

/* In their order; *STOP as in ask(). */
static int ask_appliance(struct asking *asking, bool verbose, bool *stop, struct error *error)
{
	for (unsigned i = 0; i < AUDITING_QUESTIONS; i++) {
		struct error why = {0};
		char shown[SHOWN_BYTES];

		if (ask(asking, auditing_questions[i], stop, &why) == 0)
			continue;
		if (*stop || !auditing_does_without(i, asking->link)) {
			*error = why;
			return -1;
		}
		if (verbose)
			(void)fprintf(stderr, "drr-agent: %s: not known: %s\n", appliance_op_name(auditing_questions[i]),
				      text_escape(shown, sizeof shown, why.what, strlen(why.what)));
	}
	return 0;
}

static int ask_door(const struct config *config, unsigned i, struct loop *loop, struct audit_member *member, struct error *error)
{
	struct probe probe;
	int begun = auditing_knock(config, i, &probe, error);

	if (begun < 1)
		return begun;
	while (!probe_step()) {
		struct pollfd fd = probe_poll();
		int number = loop_wait(loop, &fd, 1, probe_deadline(), error);

		if (number == SIGINT || number == SIGTERM)
			number = error_set(error, ERROR_FAILED, NULL, "interrupted; nothing was changed");
		if (number < 0) {
			probe_stop();
			return -1;
		}
	}
	auditing_take(config, i, &probe, member);
	return 0;
}

/* ---- one member ----------------------------------------------------------------------------------------------- */

static void fill_member(struct asked *a, const struct asking *asking, struct audit_member *member)
{
	a->facts = the_link.facts;
	a->xmi_error = the_link.xmi_error;
	(void)snprintf(a->address, sizeof a->address, "%s", asking_address(asking));
	auditing_fill(member, &a->config, &a->facts, &a->xmi_error, a->address);
}

static int ask_member(struct asked *a, bool verbose, bool *stop, struct error *error)
{
	struct audit_member *member = &members[a - asked];
	struct asking asking;
	int failed;

	failed = asking_open(&asking, &the_link, &a->config, verbose, error) || ask_appliance(&asking, verbose, stop, error);
	if (!failed) {
		fill_member(a, &asking, member);
		a->answered = true;
		failed = ask_door(&a->config, 0, &asking.loop, member, error) || ask_door(&a->config, 1, &asking.loop, member, error);
		*stop = failed && error->code != ERROR_CONFIG;
	}
	asking_close(&asking);
	return failed ? -1 : 0;
}

/* ---- telling -------------------------------------------------------------------------------------------------- */

static const char *show(const char *foreign)
{
	static char shown[SHOWN_BYTES];

	return text_escape(shown, sizeof shown, foreign, strlen(foreign));
}

static const char *show_key(const struct json *object, const char *key)
{
	const char *text = json_string(json_get(object, key));

	return text ? show(text) : "-";
}

static void print_text(const struct json *all)
{
	const struct json *finding, *fix, *changes = NULL;

	for (size_t i = 0; (finding = json_at(all, i)) != NULL; i++) {
		(void)printf("%s%s ", i ? "\n" : "", show_key(finding, "severity"));
		(void)printf("%s ", show_key(finding, "id"));
		(void)printf("(member %s)\n", show_key(finding, "member"));
		(void)printf("  found  %s\n", show_key(finding, "evidence"));
		(void)printf("  why    %s\n", show_key(finding, "why"));
		for (size_t k = 0; (fix = json_at(json_get(finding, "fix"), k)) != NULL; k++)
			(void)printf("  %s    %s\n", k ? "   " : "fix", json_string(fix) ? show(json_string(fix)) : "-");
		if (json_get(finding, "note"))
			changes = finding;
	}
	if (changes)
		(void)printf("\nnote: %s\n", show_key(changes, "note"));
}

/* As --json prints them, the worst first. Returns the exit code. */
static int print(const struct json *all, bool json)
{
	const char *worst = json_string(json_get(json_at(all, 0), "severity"));
	char *text;

	if (json) {
		text = json_text(all, true);
		(void)puts(text);
		free(text);
	} else {
		print_text(all);
	}
	return worst && strcmp(worst, audit_severity_name(AUDIT_INFO)) != 0 ? FINDINGS_EXIT : 0;
}

static int judge(const struct audit_request *request)
{
	unsigned answered = 0;
	struct json *all;
	int exit_code;

	for (unsigned i = 0; i < request->path_count; i++)
		if (asked[i].answered)
			members[answered++] = members[i];
	audit.count = 0;
	audit.left_out = false;
	if (answered > 0)
		audit_run(&audit, members, answered, !request->not_production);
	all = auditing_json(&audit, members);
	exit_code = print(all, request->json);
	json_free(all);
	if (audit.left_out)
		(void)fprintf(stderr, "drr-agent: there are more than %d findings\nnext: repair these, and ask again\n", AUDIT_FINDINGS_MAX);
	if (request->verbose)
		(void)fprintf(stderr, "drr-agent: %u of %u members asked, %u findings\n", answered, request->path_count, audit.count);
	return exit_code;
}

static int load_all(const struct audit_request *request, struct error *error)
{
	const struct config *configs[AUDIT_MEMBERS_MAX];

	for (unsigned i = 0; i < request->path_count; i++) {
		asked[i].answered = false;
		if (config_load(request->paths[i], &asked[i].config, error) || config_require_host_key(&asked[i].config, error))
			return -1;
		configs[i] = &asked[i].config;
	}
	return confine_enter(configs, request->path_count, request->verbose, error);
}

/* Of one member as it is: the exit code. -1: there is no daemon, or it does not offer that, or more is asked for. */
static int ask_daemon(const struct audit_request *request)
{
	static struct talk talk;
	struct error error = {0};
	enum talk_found found = TALK_NOBODY;
	int exit_code = -1;

	if (request->path_count == 1 && !request->not_production)
		found = talk_open(&talk, &asked[0].config, "/v1/audit", &error);
	if (found == TALK_FAILED)
		return report_error(&error);
	if (found == TALK_NOBODY)
		return -1;
	if (talk.client.http_status == 200 && json_is_array(talk.client.answer))
		exit_code = print(talk.client.answer, request->json);
	talk_close(&talk);
	return exit_code;
}

static int look(const struct audit_request *request)
{
	struct error error = {0};
	bool stop = false;
	int exit_code = 0;

	if (load_all(request, &error))
		return report_error(&error);
	exit_code = ask_daemon(request);
	if (exit_code >= 0)
		return exit_code;
	exit_code = 0;
	for (unsigned i = 0; i < request->path_count && !stop; i++) {
		int failed;

		error_clear(&error);
		if (ask_member(&asked[i], request->verbose, &stop, &error) == 0)
			continue;
		if (request->path_count > 1)
			(void)fprintf(stderr, "drr-agent: member %s (%s):\n", asked[i].config.agent.name, request->paths[i]);
		failed = report_error(&error);
		exit_code = exit_code ? exit_code : failed;
	}
	if (!stop && (request->path_count > 1 || exit_code == 0)) {
		int found = judge(request);

		exit_code = exit_code ? exit_code : found;
	}
	return exit_code;
}

/* ---- the one change ------------------------------------------------------------------------------------------- */

struct change {
	const struct audit_request *request;
	const struct config *config;
	struct asking asking;
	struct logbook book;
	const char *wanted;
	char was[sizeof the_link.facts.persistence];
	bool stop;
};

static int prepare(struct change *change, struct error *error)
{
	const struct audit_request *request = change->request;

	if (request->path_count != 1)
		return error_set(error, ERROR_USAGE, "give one -c FILE, then the next member's", "--fix persistence changes one member at a time");
	if (request->json)
		return error_set(error, ERROR_USAGE, "leave out --json", "--fix persistence speaks to an operator");
	if (strcmp(change->wanted, "local") != 0 && strcmp(change->wanted, "raid") != 0)
		return error_set(error, ERROR_USAGE, "--to local, or --to raid", "persistence is local or raid here; not %s", change->wanted);
	if (!request->yes && !isatty(STDIN_FILENO)) {
		char next[ERROR_NEXT_MAX_BYTES];

		(void)snprintf(next, sizeof next, "drr-agent audit --fix persistence --to %s --yes -c %s", change->wanted, request->paths[0]);
		return error_set(error, ERROR_USAGE, next, "--fix persistence asks before it changes anything, and there is no terminal to ask on");
	}
	return load_all(request, error);
}

static void command(char next[ERROR_NEXT_MAX_BYTES], const char *verb, const struct change *change)
{
	struct buf text;

	buf_init(&text, next, ERROR_NEXT_MAX_BYTES);
	if (buf_printf(&text, "drr-agent %s -c %s", verb, change->config->path)) /* a path that is too long is left to the reader */
		(void)buf_printf(&text, "drr-agent %s", verb);
}

/* No run may begin while this is under way, and none may be open. */
static int take_lock(struct change *change, struct error *error)
{
	char next[ERROR_NEXT_MAX_BYTES];

	if (logbook_open(&change->book, change->config->agent.state_dir, error))
		return -1;
	if (!change->book.state.run_open && !change->book.state.disable_open)
		return 0;
	command(next, "recover", change);
	return error_set(error, ERROR_REFUSED, next, "the journal holds a run open: what it began comes first; nothing was changed");
}

static int look_at_persistence(struct change *change, struct error *error)
{
	const struct appliance_facts *facts = &the_link.facts;

	if (ask(&change->asking, APPLIANCE_ASK_OBJECT, &change->stop, error))
		return -1;
	if (facts->persistence[0] == '\0')
		return error_set(error, ERROR_ANSWER, "show gateway-peering in the domain, by hand", "the persistence of gateway-peering %s cannot be read",
				 facts->object);
	return 0;
}

static void tell_intent(const struct change *change)
{
	char line[AUDIT_FIX_LINE_BYTES];

	audit_persistence_command(change->config->appliance.domain, the_link.facts.object, &the_link.wanted, line);
	(void)printf("member   %s, domain %s\n", change->config->agent.name, change->config->appliance.domain);
	(void)printf("change   persistence of gateway-peering %s: ", show(the_link.facts.object));
	(void)printf("from %s ", show(change->was));
	(void)printf("to %s\n", change->wanted);
	(void)printf("command  %s\n", show(line));
	(void)puts("Peering of this member can be interrupted for a moment; if it is the primary, another may take over. All members must have the same "
		   "persistence:\ndo them one after the other. Nothing is saved.");
}

/* 0: yes. */
static int ask_operator(struct change *change, struct error *error)
{
	struct mono deadline = mono_add_ms(clock_now(), ANSWER_WAIT_MS);
	struct pollfd fd = {STDIN_FILENO, POLLIN, 0};
	char answer[ANSWER_BYTES];
	const char *start = answer;
	ssize_t got = 0;
	size_t length;
	int number;

	(void)printf("Type yes to do it: ");
	(void)fflush(stdout);
	do
		number = loop_wait(&change->asking.loop, &fd, 1, deadline, error);
	while (number == SIGHUP || (number == 0 && !fd.revents && !mono_reached(deadline, clock_now())));
	if (number < 0)
		return -1;
	if (number == 0 && fd.revents)
		got = read(STDIN_FILENO, answer, sizeof answer);
	length = got > 0 ? (size_t)got : 0;
	text_trim(&start, &length);
	if (number == 0 && text_equal(start, length, "yes"))
		return 0;
	return error_set(error, ERROR_REFUSED, NULL, "not done: the answer was not yes; nothing was changed");
}

/* Sets it, and looks again, whatever the answer was: only what is read back counts. */
static int set_and_verify(struct change *change, struct error *error)
{
	struct error set_error = {0}, look_error = {0};
	bool failed = ask(&change->asking, APPLIANCE_SET_PERSISTENCE, &change->stop, &set_error) != 0;
	char next[ERROR_NEXT_MAX_BYTES];

	command(next, "audit", change);
	if (failed && the_link.effect == APPLIANCE_NO_EFFECT) {
		*error = set_error;
		return -1;
	}
	if (change->stop || look_at_persistence(change, &look_error))
		return error_set(error, ERROR_FAILED, next, "it is not known whether the persistence was changed: %s",
				 failed ? set_error.what : look_error.what);
	if (strcmp(the_link.facts.persistence, change->wanted) != 0)
		return error_set(error, ERROR_FAILED, next, "the persistence is %s still, and should be %s%s%s", the_link.facts.persistence, change->wanted,
				 failed ? ": " : "", failed ? set_error.what : "");
	return 0;
}

static int change_persistence(struct change *change, struct error *error)
{
	if (look_at_persistence(change, error))
		return -1;
	(void)text_copy(change->was, sizeof change->was, the_link.facts.persistence, strlen(the_link.facts.persistence));
	if (strcmp(change->was, change->wanted) == 0)
		return error_set(error, ERROR_REFUSED, NULL, "the persistence of gateway-peering %s is %s already; nothing was changed",
				 the_link.facts.object, change->wanted);
	(void)snprintf(the_link.wanted.persistence, sizeof the_link.wanted.persistence, "%s", change->wanted);
	if (strcmp(change->wanted, "raid") == 0)
		(void)snprintf(the_link.wanted.raid_volume, sizeof the_link.wanted.raid_volume, "%s", default_raid_volume);
	tell_intent(change);
	link_close(&the_link); /* an operator thinks for longer than a session stays open */
	if (!change->request->yes && ask_operator(change, error))
		return -1;
	if (look_at_persistence(change, error))
		return -1;
	if (strcmp(change->was, the_link.facts.persistence) != 0)
		return error_set(error, ERROR_REFUSED, "look at it, and ask again", "somebody has made it %s meanwhile; nothing was changed by this",
				 the_link.facts.persistence);
	return set_and_verify(change, error);
}

static int fix_persistence(const struct audit_request *request)
{
	struct change change = {.request = request, .config = &asked[0].config, .book = {.lock_fd = -1, .fd = -1},
				.wanted = request->persistence ? request->persistence : "local"};
	struct error error = {0};
	int failed = prepare(&change, &error);

	if (failed)
		return report_error(&error);
	failed = take_lock(&change, &error);
	if (!failed) {
		failed = asking_open(&change.asking, &the_link, change.config, request->verbose, &error) || change_persistence(&change, &error);
		asking_close(&change.asking);
	}
	logbook_close(&change.book);
	if (failed) {
		(void)fflush(stdout);
		return report_error(&error);
	}
	(void)printf("done     gateway-peering %s: persistence %s, read back\n", show(the_link.facts.object), change.wanted);
	(void)printf("This is in the running configuration only, until the next restart. When all members agree, the operator saves it: in domain %s, "
		     "write memory.\n", change.config->appliance.domain);
	return 0;
}

int ask_audit(const struct audit_request *request)
{
	return request->fix_persistence ? fix_persistence(request) : look(request);
}
