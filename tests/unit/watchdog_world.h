/* A group of three appliances with their peering and management server, and an agent's watchdog for each, in virtual time: what happens is a script, what was said and
 * done is kept as text. The watchdogs are the real ones; they are called as the engine calls them. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "watch/watchdog_table.h"

enum { MEMBERS = 3, COLLECTIONS = 12, LINES_MAX = 64, KEPT_BYTES = WATCHDOG_KEPT_MAX_BYTES + 1, BASE_UP_S = 300000 };

struct job {
	bool runs;
	enum watchdog_policy kind;
	char run[WATCHDOG_RUN_BYTES];
	int64_t end_ms;
	int exit_code;
};

struct member {
	struct world *world;
	unsigned number;
	/* the appliance */
	int64_t booted_ms, reloaded_ms, stood_ms; /* stood: its clock stood still for so long */
	int64_t stunned_until_ms, answers_ms, peers_ms, serves_ms;
	bool off, cut, disabled, broken, started, waits, only_reload;
	int64_t collections, waits_since_ms, resync_ms;
	enum line_event last_line;
	/* its agent */
	struct watchdog w;
	struct { enum line_event event; bool ours; int64_t at_ms; } lines[LINES_MAX];
	unsigned line_count;
	int64_t look_ms, group_ms; /* an answer comes then; 0: none is asked for */
	bool agent_down, down_with_host, step;
	struct watchdog_standing before;
	struct job job;
	char kept[KEPT_BYTES];
	size_t kept_bytes, kept_most;
	unsigned looks, alarms, heard, actions;
	char said[4096], done[512];
};

struct world {
	int64_t now_ms, clock_ms; /* clock: what was put to the wall clock */
	unsigned seed, boots;
	enum watchdog_policy policy;
	bool pushes, has_log, has_group, verbose;
	struct member members[MEMBERS];
	unsigned primary;
	bool store, split, no_quorum, suspended_agents;
	int64_t suspended_until_ms;
	enum { PERSIST_MEMORY, PERSIST_LOCAL, PERSIST_RAID } persistence;
	enum { SERVER_NORMAL, SERVER_SILENT_, SERVER_HIDES, SERVER_NEVER, SERVER_LAZY } server;
	int64_t heartbeat_ms, event_ms, heal_ms; /* the next heartbeat; an event beside them; the end of another's run */
	char grant_run[WATCHDOG_RUN_BYTES], grant_by[WATCHDOG_NAME_BYTES], hold[WATCHDOG_NAME_BYTES];
	int exit_forced;          /* of actions; -1: as it goes */
	bool kill_in_action;
	unsigned flushes;
};

static void add_word(char *out, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void add_word(char *out, size_t size, const char *format, ...)
{
	va_list arguments;
	size_t length = strlen(out);

	if (length > 0 && length + 1 < size)
		out[length++] = ' ';
	out[length] = '\0';
	va_start(arguments, format);
	vsnprintf(out + length, size - length, format, arguments);
	va_end(arguments);
}

static unsigned dice(struct world *world, unsigned below)
{
	world->seed = world->seed * 1103515245u + 12345u;
	return (world->seed >> 16) % below;
}

/* ---- an agent */

static struct watchdog_time time_of(const struct world *world)
{
	struct watchdog_time now = {.boot_ms = world->now_ms - (int64_t)world->boots * 9000000, .wall_ms = 1790000000000 + world->now_ms + world->clock_ms};

	snprintf(now.boot_id, sizeof now.boot_id, "boot-%u", world->boots);
	return now;
}

static struct watchdog_settings settings_of(const struct world *world)
{
	return (struct watchdog_settings){.policy = world->policy, .heartbeat_s = 300, .slack_s = 120, .settle_s = 180, .await_s = 2400,
		.pushes = world->pushes, .has_log = world->has_log, .has_group = world->has_group};
}

static struct watchdog_standing standing_of(const struct member *member)
{
	const struct world *world = member->world;
	struct watchdog_standing standing = {.step = member->step};

	strcpy(standing.grant_run, world->grant_run);
	strcpy(standing.grant_by, world->grant_by);
	strcpy(standing.hold_owner, world->hold);
	return standing;
}

static void hear(void *context, const struct watchdog_news *news)
{
	struct member *member = context;

	if (strcmp(news->name, "verdict") == 0)
		add_word(member->said, sizeof member->said, "verdict:%s", watchdog_verdict_name(member->w.verdict));
	else
		add_word(member->said, sizeof member->said, "%s", news->name);
	member->alarms += news->notify;
	member->heard++;
	if (!news->sentence[0] || !news->next[0] || !news->evidence[0] || strlen(news->sentence) >= WATCHDOG_SENTENCE_BYTES - 1)
		abort();
	if (member->world->verbose)
		fprintf(stderr, "  %8.1f gw%u %s%s: %s | %s | %s\n", (double)member->world->now_ms / 1000, member->number + 1, news->notify ? "! " : "",
			news->name, news->sentence, news->next, news->evidence);
}

static void say_line(struct member *member, enum line_event event, bool ours)
{
	member->last_line = event;
	if (member->agent_down || !member->world->has_log || member->line_count == LINES_MAX)
		return;
	member->lines[member->line_count].event = event;
	member->lines[member->line_count].ours = ours;
	member->lines[member->line_count++].at_ms = member->world->now_ms + (member->world->pushes ? 300 : 4000);
}

static bool answers(const struct member *member)
{
	int64_t now_ms = member->world->now_ms;

	return !member->off && !member->cut && now_ms >= member->answers_ms && now_ms >= member->stunned_until_ms;
}

static struct watchdog_look look_at(struct member *member)
{
	const struct world *world = member->world;
	struct watchdog_look look = {.answered = answers(member), .uptime_reload_s = -1, .uptime_reboot_s = -1, .collections = -1};
	bool peers = world->now_ms >= member->peers_ms;

	if (!look.answered) {
		strcpy(look.trouble, "connection timed out");
		return look;
	}
	look.uptime_reload_s = (world->now_ms - member->reloaded_ms - member->stood_ms) / 1000;
	look.uptime_reboot_s = member->only_reload ? -1 : (world->now_ms - member->booted_ms - member->stood_ms) / 1000;
	look.primaries = !peers ? WATCHDOG_NONE : world->split ? WATCHDOG_SEVERAL : WATCHDOG_ONE;
	snprintf(look.primary, sizeof look.primary, "10.0.0.%u", 11 + world->primary);
	look.quorum = peers && !world->no_quorum ? WATCHDOG_TRI_YES : WATCHDOG_TRI_NO;
	look.enabled = member->disabled ? WATCHDOG_TRI_NO : WATCHDOG_TRI_YES;
	look.up = member->started && !member->disabled && !member->broken ? WATCHDOG_TRI_YES : WATCHDOG_TRI_NO;
	look.collections = member->collections;
	look.memory = world->persistence == PERSIST_MEMORY;
	return look;
}

static void agent_keep(struct member *member)
{
	struct watchdog_time now = time_of(member->world);
	struct buf buf;

	buf_init(&buf, member->kept, sizeof member->kept);
	if (watchdog_save(&member->w, &buf, &now) != 0)
		abort();
	member->kept_bytes = buf.len;
	member->kept_most = buf.len > member->kept_most ? buf.len : member->kept_most;
}

static void agent_start(struct member *member)
{
	struct watchdog_settings settings = settings_of(member->world);
	struct watchdog_time now = time_of(member->world);
	char name[8];

	snprintf(name, sizeof name, "gw%u", member->number + 1);
	watchdog_init(&member->w, &settings, name, hear, member, &now);
	if (member->kept_bytes > 0 && !watchdog_restore(&member->w, member->kept, member->kept_bytes, member->job.runs && member->job.kind != WATCHDOG_BOUNCE, &now))
		abort();
	member->agent_down = false;
	member->line_count = 0;
	member->look_ms = member->group_ms = 0;
	member->before = standing_of(member);
}

static void agent_stop(struct member *member)
{
	member->agent_down = true;
	if (member->job.runs && member->job.kind == WATCHDOG_BOUNCE) {
		member->job.runs = false;
		member->world->grant_run[0] = '\0';
		member->step = false;
	}
}

static void action_begin(struct member *member, const char *run);
static bool busy_for(const struct member *member, const char *run);

static void agent_turn(struct member *member)
{
	struct watchdog_time now = time_of(member->world);
	struct watchdog_standing standing = standing_of(member);
	struct watchdog_wish wish = watchdog_turn(&member->w, &standing, &now);

	member->before = standing;
	if (wish.save)
		agent_keep(member);
	if (wish.look && member->look_ms == 0) {
		member->looks++;
		member->look_ms = member->world->now_ms + (answers(member) ? 1000 : 6000);
	}
	if (wish.group)
		member->group_ms = member->world->now_ms + 3000;
	if (wish.act)
		action_begin(member, wish.run);
}

static void take_group(struct member *member, const struct watchdog_time *now)
{
	struct world *world = member->world;
	struct watchdog_group group = {.known = true, .members = MEMBERS, .overdue = true};

	for (unsigned i = 0; i < MEMBERS; i++) {
		const struct member *other = &world->members[i];

		if (!answers(other))
			continue;
		group.waiting += other->waits;
		group.registered += other->started && !other->waits && other->collections > 0;
		group.accepted += other->last_line == LINE_ACCEPTED || other->last_line == LINE_WORKING || other->last_line == LINE_COMPLETED;
		if (other->waits && world->now_ms - other->waits_since_ms <= 420000)
			group.overdue = false;
	}
	watchdog_take_group(&member->w, &group, now);
}

static void agent_tick(struct member *member)
{
	struct world *world = member->world;
	struct watchdog_time now = time_of(world);
	struct watchdog_standing standing = standing_of(member);
	bool turn = memcmp(&standing, &member->before, sizeof standing) != 0;
	unsigned kept = 0;

	if (member->agent_down || world->now_ms < world->suspended_until_ms)
		return;
	for (unsigned i = 0; i < member->line_count; i++) {
		if (member->lines[i].at_ms > world->now_ms) {
			member->lines[kept++] = member->lines[i];
			continue;
		}
		watchdog_take_line(&member->w, member->lines[i].event, member->lines[i].ours, &standing, &now);
		turn = true;
	}
	member->line_count = kept;
	if (member->look_ms > 0 && world->now_ms >= member->look_ms) {
		struct watchdog_look look = look_at(member);

		member->look_ms = 0;
		watchdog_take_look(&member->w, &look, &standing, &now);
		turn = true;
	}
	if (member->group_ms > 0 && world->now_ms >= member->group_ms) {
		member->group_ms = 0;
		take_group(member, &now);
		turn = true;
	}
	if (turn || now.boot_ms >= watchdog_deadline(&member->w))
		agent_turn(member);
}

/* ---- appliances */

static void service_start(struct member *member, bool ours)
{
	member->started = true;
	member->waits = !member->world->store;
	member->collections = member->waits ? 0 : COLLECTIONS;
	if (!member->waits)
		return;
	member->waits_since_ms = member->world->now_ms;
	say_line(member, LINE_WAITING, ours);
}

static void service_stop(struct member *member)
{
	member->started = member->waits = false;
	member->collections = 0;
	member->resync_ms = 0;
}

static void restart(struct member *member, bool reload, unsigned answers_s)
{
	struct world *world = member->world;
	bool alone = true;
	unsigned count;

	service_stop(member);
	member->off = false;
	member->reloaded_ms = world->now_ms;
	if (!reload)
		member->booted_ms = world->now_ms;
	member->stood_ms = 0;
	member->answers_ms = world->now_ms + answers_s * 1000;
	member->peers_ms = member->answers_ms + 8000;
	member->serves_ms = member->answers_ms + 20000;
	for (unsigned i = 0; i < MEMBERS; i++)
		alone = alone && (&world->members[i] == member || world->now_ms < world->members[i].peers_ms || world->members[i].off);
	/* A primary that is back before the others have elected another one gives them its empty store. */
	if (world->persistence == PERSIST_MEMORY && (alone || (member->number == world->primary && answers_s < 15)))
		world->store = false;
	if (!alone && answers_s >= 15 && member->number == world->primary)
		world->primary = (world->primary + 1) % MEMBERS;
	count = member->line_count;
	say_line(member, LINE_RESTARTED, false);
	if (member->line_count > count)
		member->lines[count].at_ms = member->peers_ms - 5000;
}

static void resynchronise(struct member *member)
{
	say_line(member, LINE_ACCEPTED, false);
	member->resync_ms = member->world->server == SERVER_NEVER ? INT64_MAX : member->world->now_ms + 60000 + dice(member->world, 20) * 1000;
}

static void appliance_tick(struct member *member)
{
	struct world *world = member->world;

	if (!member->off && !member->started && !member->disabled && !member->broken && world->now_ms >= member->serves_ms)
		service_start(member, false);
	if (member->resync_ms == 0 || world->now_ms < member->resync_ms)
		return;
	world->store = true;
	member->waits = false;
	member->resync_ms = 0;
	member->collections = COLLECTIONS;
	say_line(member, LINE_COMPLETED, false);
	/* The others read it from the store. */
	for (unsigned i = 0; i < MEMBERS; i++)
		if (world->members[i].waits && world->members[i].resync_ms == 0) {
			say_line(&world->members[i], LINE_ACCEPTED, false);
			world->members[i].resync_ms = world->now_ms + 5000;
		}
}

/* An event comes to one member; to one that waits, unless another one hides that. */
static void server_event(struct world *world)
{
	unsigned first = dice(world, MEMBERS);
	struct member *reached = NULL;

	for (unsigned i = 0; i < MEMBERS; i++) {
		struct member *member = &world->members[(first + i) % MEMBERS];

		if (!answers(member) || !member->started || (member->resync_ms > 0))
			continue;
		if (!reached || (world->server == SERVER_HIDES ? !member->waits : member->waits))
			reached = member;
	}
	if (reached && reached->waits)
		resynchronise(reached);
}

static void server_tick(struct world *world)
{
	bool due = world->now_ms >= world->heartbeat_ms, event = world->event_ms > 0 && world->now_ms >= world->event_ms;

	if (due)
		world->heartbeat_ms += 300000;
	if (event)
		world->event_ms = 0;
	if (event ? world->server != SERVER_SILENT_ : due && world->server != SERVER_SILENT_ && world->server != SERVER_LAZY)
		server_event(world);
}

/* ---- actions and other runs */

static bool busy_for(const struct member *member, const char *run)
{
	const struct world *world = member->world;

	return world->hold[0] || (world->grant_run[0] && strcmp(world->grant_run, run) != 0);
}

static void action_begin(struct member *member, const char *run)
{
	static const int lasts_s[] = {0, 10, 25, 30};
	struct world *world = member->world;
	struct watchdog_time now = time_of(world);
	struct job *job = &member->job;

	if (job->runs)
		abort();
	watchdog_begin(&member->w, &now);
	agent_keep(member);
	member->actions++;
	add_word(member->done, sizeof member->done, "%s", watchdog_policy_name(world->policy));
	*job = (struct job){.runs = true, .kind = world->policy, .end_ms = world->now_ms + lasts_s[world->policy] * 1000, .exit_code = 0};
	strcpy(job->run, run);
	if (world->exit_forced >= 0) {
		job->exit_code = world->exit_forced;
		return;
	}
	if (world->policy != WATCHDOG_NUDGE && busy_for(member, run)) {
		job->exit_code = 6;
		job->end_ms = world->now_ms + 2000;
		return;
	}
	if (world->policy == WATCHDOG_NUDGE) {
		world->event_ms = world->now_ms + 5000;
		return;
	}
	strcpy(world->grant_run, run);
	snprintf(world->grant_by, sizeof world->grant_by, "gw%u", member->number + 1);
	member->step = world->policy == WATCHDOG_BOUNCE;
	if (world->policy == WATCHDOG_RUN) {
		job->end_ms = world->now_ms + 1800000; /* or when the group is whole */
		world->store = false;
		world->flushes++;
		world->event_ms = world->now_ms + 20000;
	}
	for (unsigned i = 0; i < MEMBERS; i++)
		if (&world->members[i] == member || world->policy == WATCHDOG_RUN) {
			service_stop(&world->members[i]);
			service_start(&world->members[i], &world->members[i] == member && world->policy == WATCHDOG_BOUNCE);
		}
}

static void job_tick(struct member *member)
{
	struct world *world = member->world;
	struct watchdog_time now = time_of(world);
	struct job *job = &member->job;
	bool whole = true;
	char sentence[64];

	if (!job->runs)
		return;
	for (unsigned i = 0; i < MEMBERS; i++)
		whole = whole && world->members[i].started && !world->members[i].waits && world->members[i].collections > 0;
	if (world->kill_in_action && member->number == 0 && !member->agent_down) {
		world->kill_in_action = false;
		agent_stop(member);
	}
	if (job->kind == WATCHDOG_RUN && job->exit_code == 0 && world->exit_forced < 0 && whole && strcmp(world->grant_run, job->run) == 0 && world->now_ms + 1700000 > job->end_ms)
		job->end_ms = world->now_ms;
	if (!job->runs || world->now_ms < job->end_ms)
		return;
	if (job->kind == WATCHDOG_RUN && !whole && job->exit_code == 0 && world->exit_forced < 0)
		job->exit_code = 5;
	/* An incomplete run keeps its grant until it is resumed. */
	if (strcmp(world->grant_run, job->run) == 0 && job->exit_code != 5)
		world->grant_run[0] = '\0';
	job->runs = member->step = false;
	snprintf(sentence, sizeof sentence, "ended with %d", job->exit_code);
	if (member->agent_down)
		return;
	add_word(member->done, sizeof member->done, "=%d", job->exit_code);
	watchdog_take_end(&member->w, job->exit_code, job->exit_code == 6 ? world->grant_run[0] ? world->grant_by : world->hold : sentence, &now);
	agent_turn(member);
}

static void others_tick(struct world *world)
{
	if (world->heal_ms == 0 || world->now_ms < world->heal_ms)
		return;
	world->heal_ms = 0;
	world->store = true;
	for (unsigned i = 0; i < MEMBERS; i++)
		if (world->members[i].waits || world->members[i].collections == 0) {
			say_line(&world->members[i], LINE_ACCEPTED, false);
			say_line(&world->members[i], LINE_COMPLETED, false);
			world->members[i].waits = false;
			world->members[i].collections = COLLECTIONS;
		}
	world->grant_run[0] = '\0';
}

/* ---- the world */

static void world_init(struct world *world, enum watchdog_policy policy, bool pushes, unsigned seed)
{
	*world = (struct world){.now_ms = 10000000, .policy = policy, .pushes = pushes, .has_log = true, .has_group = true, .seed = seed, .store = true, .exit_forced = -1};
	world->heartbeat_ms = world->now_ms + 1000 * dice(world, 300);
	for (unsigned i = 0; i < MEMBERS; i++) {
		struct member *member = &world->members[i];

		*member = (struct member){.world = world, .number = i, .started = true, .collections = COLLECTIONS};
		member->booted_ms = world->now_ms - BASE_UP_S * 1000ll;
		member->reloaded_ms = member->booted_ms + 74000;
		agent_start(member);
	}
}

static void world_tick(struct world *world)
{
	world->now_ms += 500;
	server_tick(world);
	others_tick(world);
	for (unsigned i = 0; i < MEMBERS; i++)
		appliance_tick(&world->members[i]);
	for (unsigned i = 0; i < MEMBERS; i++) {
		job_tick(&world->members[i]);
		agent_tick(&world->members[i]);
	}
}

/* One step of a script: VERB and a NUMBER. */
static void world_do(struct world *world, const char *verb, long number)
{
	struct member *m = &world->members[number >= 1 && number <= MEMBERS ? number - 1 : 0];
	bool is = true;

#define VERB(word) (is && strcmp(verb, word) == 0)
	if (VERB("reboot")) restart(m, false, 90);
	else if (VERB("reload")) restart(m, true, 40);
	else if (VERB("quick")) restart(m, true, 8);
	else if (VERB("off")) { service_stop(m); m->off = true; }
	else if (VERB("cut")) m->cut = true;
	else if (VERB("join")) m->cut = false;
	else if (VERB("stun")) { m = world->members; m->stunned_until_ms = world->now_ms + number * 1000; m->stood_ms += number * 1000; }
	else if (VERB("suspend")) world->suspended_until_ms = world->now_ms + number * 1000;
	else if (VERB("clock")) world->clock_ms += number * 1000;
	else if (VERB("stop-agent")) agent_stop(m);
	else if (VERB("start-agent")) agent_start(m);
	else if (VERB("boot-host")) world->boots++;
	else if (VERB("disable")) { service_stop(m); m->disabled = true; }
	else if (VERB("enable")) m->disabled = false;
	else if (VERB("break")) { m->broken = true; m->started = false; }
	else if (VERB("mend")) m->broken = false;
	else if (VERB("split")) world->split = true;
	else if (VERB("no-quorum")) world->no_quorum = true;
	else if (VERB("heal")) world->split = world->no_quorum = false;
	else if (VERB("grant")) { strcpy(world->grant_run, "run-77"); strcpy(world->grant_by, "ann"); }
	else if (VERB("release")) world->grant_run[0] = '\0';
	else if (VERB("run-heals")) world->heal_ms = world->now_ms + number * 1000;
	else if (VERB("step")) m->step = true;
	else if (VERB("unstep")) m->step = false;
	else if (VERB("hold")) strcpy(world->hold, "bob");
	else if (VERB("unhold")) world->hold[0] = '\0';
	else if (VERB("toggle")) { service_stop(m); service_start(m, false); }
	else if (VERB("lose")) world->store = false;
	else if (VERB("vanish")) m->collections = 0;
	else if (VERB("local")) world->persistence = PERSIST_LOCAL;
	else if (VERB("raid")) world->persistence = PERSIST_RAID;
	else if (VERB("peering")) { say_line(m, LINE_RESTARTED, false); say_line(m, LINE_RESTARTED, false); }
	else if (VERB("normal")) world->server = SERVER_NORMAL;
	else if (VERB("silent")) world->server = SERVER_SILENT_;
	else if (VERB("hides")) world->server = SERVER_HIDES;
	else if (VERB("never")) world->server = SERVER_NEVER;
	else if (VERB("lazy")) world->server = SERVER_LAZY; /* it sends only what it is made to send */
	else if (VERB("beat")) world->heartbeat_ms = world->now_ms + number * 1000;
	else if (VERB("exit")) world->exit_forced = (int)number;
	else if (VERB("kill-in-action")) world->kill_in_action = true;
	else if (VERB("no-group")) { world->has_group = false; for (unsigned i = 0; i < MEMBERS; i++) world->members[i].w.settings.has_group = false; }
	else if (VERB("no-log")) { world->has_log = false; for (unsigned i = 0; i < MEMBERS; i++) world->members[i].w.settings.has_log = false; }
	else if (VERB("only-reload")) m->only_reload = true;
	else if (VERB("partly")) { say_line(m, LINE_ACCEPTED, false); m->collections = COLLECTIONS - 1; m->waits = false; m->resync_ms = 0; say_line(m, LINE_COMPLETED, false); }
	else if (VERB("remove-api")) { say_line(m, LINE_ACCEPTED, false); m->collections--; say_line(m, LINE_COMPLETED, false); }
	else {
		fprintf(stderr, "no such verb: %s\n", verb);
		abort();
	}
#undef VERB
}

/* Steps "SECONDS VERB NUMBER" with ; between; then it goes on until LAST_S. */
static void world_play(struct world *world, const char *script, int64_t last_s)
{
	int64_t began_ms = world->now_ms;
	long at_s, number;
	char verb[32];
	int used;

	while (sscanf(script, " %ld %31s %ld ;%n", &at_s, verb, &number, &used) == 3) {
		while (world->now_ms - began_ms < at_s * 1000)
			world_tick(world);
		if (world->verbose)
			fprintf(stderr, "  %8.1f     %s %ld\n", (double)world->now_ms / 1000, verb, number);
		world_do(world, verb, number);
		script += used;
	}
	if (script[strspn(script, " ")] != '\0')
		abort();
	while (world->now_ms - began_ms < last_s * 1000)
		world_tick(world);
}
