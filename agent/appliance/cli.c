#include "appliance/cli.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "appliance/choice.h"
#include "appliance/dumps.h"
#include "appliance/object.h"
#include "base/text.h"

enum flag {
	STEP_CONFIRM = 1,   /* may be answered with y */
	STEP_EFFECT = 2,    /* from here on the appliance may have changed */
	STEP_COMPLETES = 4, /* answered: the change is made */
	STEP_TOLERANT = 8,  /* a complaint is an answer, too: this firmware does not have it */
	STEP_DIAG = 16,     /* a complaint means that this user has no diag */
};

struct step {
	const char *command; /* a word in braces stands for a value: see fill_in(); a line whose value is empty is left out */
	unsigned flags;
	const char *mode;    /* the mode that the prompt must show afterwards; NULL: not looked at */
	int (*take)(struct cli *); /* reads the answer into the facts; NULL: nothing to read */
};

enum { STEPS_MAX = 7, COMMAND_BYTES = 384 };

enum prelude { PRELUDE_NONE, PRELUDE_CANCEL, PRELUDE_TOP, PRELUDE_SWITCH, PRELUDE_DONE };

static const char service_class[] = "apic-gw-service";

/* ---- answers to facts ----------------------------------------------------------------------------------------- */

static int take_version(struct cli *cli)
{
	(void)facts_parse_version(cli->dialogue->answer, cli->dialogue->answer_bytes, cli->facts->firmware, cli->facts->serial);
	return 0;
}

static int take_time(struct cli *cli)
{
	struct facts_clock clock;

	(void)facts_parse_uptime(cli->dialogue->answer, cli->dialogue->answer_bytes, &cli->facts->uptime_reload_s,
				 &cli->facts->uptime_reboot_s);
	if (facts_parse_clock(cli->dialogue->answer, cli->dialogue->answer_bytes, &clock))
		cli->facts->clock = clock;
	cli->facts->have_identity = true;
	return 0;
}

/* The first dump of CLASS in the last answer, with NAME when it is not NULL. */
static bool find_dump(const struct cli *cli, const char *class_name, const char *name, struct object_dump *dump)
{
	size_t offset = 0;

	while (object_next(cli->dialogue->answer, cli->dialogue->answer_bytes, &offset, dump))
		if (text_equal(dump->class_name.bytes, dump->class_name.length, class_name) &&
		    (!name || text_equal(dump->name.bytes, dump->name.length, name)))
			return true;
	return false;
}

static void copy_property(const struct object_dump *dump, const char *property, char *out, size_t size, bool reference)
{
	struct object_slice value;

	out[0] = '\0';
	if (!object_property(dump, property, &value))
		return;
	if (reference)
		value = object_reference_name(value);
	(void)text_copy(out, size, value.bytes, value.length);
}

static int take_manager(struct cli *cli)
{
	struct object_dump dump;

	cli->manager_object[0] = '\0';
	if (find_dump(cli, "gateway-peering-manager", NULL, &dump))
		copy_property(&dump, service_class, cli->manager_object, sizeof cli->manager_object, true);
	return 0;
}

static int take_service(struct cli *cli)
{
	struct appliance_facts *facts = cli->facts;
	struct object_dump dump;
	char admin[16];

	facts->have_service = false;
	if (!find_dump(cli, service_class, NULL, &dump))
		return error_set(&cli->error, ERROR_ANSWER, "show apic-gw-service in the domain, by hand",
				 "domain %s has no apic-gw-service object, or its description cannot be read", cli->settings.domain);
	copy_property(&dump, "admin-state", admin, sizeof admin, false);
	facts->admin_state = APPLIANCE_ADMIN_UNKNOWN;
	if (strcmp(admin, "enabled") == 0)
		facts->admin_state = APPLIANCE_ADMIN_ENABLED;
	else if (strcmp(admin, "disabled") == 0)
		facts->admin_state = APPLIANCE_ADMIN_DISABLED;
	else
		return error_set(&cli->error, ERROR_ANSWER, "show apic-gw-service in the domain, by hand",
				 "the admin-state of apic-gw-service cannot be read");
	(void)text_copy(facts->op_state, sizeof facts->op_state, dump.state.bytes, dump.state.length);
	facts->have_service = true;
	return 0;
}

static int take_object_choice(struct cli *cli)
{
	struct object_dump dump;
	char own[APPLIANCE_WORD_BYTES], v5[16];
	struct choice choice = {cli->settings.object, cli->manager_object, own, v5};

	if (take_service(cli))
		return -1;
	(void)find_dump(cli, service_class, NULL, &dump);
	copy_property(&dump, "gateway-peering", own, sizeof own, true);
	copy_property(&dump, "v5-compatibility-mode", v5, sizeof v5, false);
	return choice_of_object(&choice, cli->facts, &cli->error);
}

static int take_object(struct cli *cli)
{
	struct appliance_facts *facts = cli->facts;
	struct object_dump dump;

	facts->have_object = false;
	if (!find_dump(cli, "gateway-peering", facts->object, &dump))
		return error_set(&cli->error, ERROR_ANSWER, "check peering_object in [appliance]; the appliance lists them with: show gateway-peering",
				 "domain %s has no peering object %s (named by %s)", cli->settings.domain, facts->object,
				 facts->object_source);
	(void)text_copy(facts->object_state, sizeof facts->object_state, dump.state.bytes, dump.state.length);
	copy_property(&dump, "local-address", facts->local_address, sizeof facts->local_address, true);
	copy_property(&dump, "persistence", facts->persistence, sizeof facts->persistence, false);
	facts->have_object = true;
	return 0;
}

static int take_table(struct cli *cli)
{
	struct appliance_facts *facts = cli->facts;

	facts->have_table = false;
	if (peering_table_parse(cli->dialogue->answer, cli->dialogue->answer_bytes, facts->object[0] ? facts->object : NULL,
				&facts->table, &cli->error))
		return -1;
	facts->have_table = true;
	return 0;
}

static int take_diag(struct cli *cli)
{
	cli->facts->diag = PEERING_YES;
	return 0;
}

static int take_store(struct cli *cli)
{
	cli->facts->store_keys = -1;
	if (cli->dialogue->complaint == DIALOGUE_NO_COMPLAINT)
		cli->facts->store_keys = facts_parse_store_keys(cli->dialogue->answer, cli->dialogue->answer_bytes);
	return 0;
}

static int take_collections(struct cli *cli)
{
	int64_t count = dumps_count(cli->dialogue->answer, cli->dialogue->answer_bytes, "api-collection");
	bool told = cli->dialogue->complaint == DIALOGUE_NO_COMPLAINT;

	cli->facts->collections = told && count > 0 ? count : -1;
	cli->facts->shows_no_collections = told && count == 0;
	return 0;
}

static int take_peerings(struct cli *cli)
{
	cli->facts->have_peerings = dumps_peerings(cli->dialogue->answer, cli->dialogue->answer_bytes, cli->facts) == 0;
	if (cli->facts->have_peerings)
		return 0;
	return error_set(&cli->error, ERROR_ANSWER, "show gateway-peering in the domain, by hand", "domain %s has more than %d peering objects",
			 cli->settings.domain, APPLIANCE_PEERINGS_MAX);
}

static int take_log_targets(struct cli *cli)
{
	cli->facts->have_log_targets = dumps_log_targets(cli->dialogue->answer, cli->dialogue->answer_bytes, cli->facts) == 0;
	if (cli->facts->have_log_targets)
		return 0;
	return error_set(&cli->error, ERROR_ANSWER, "show logging target in the domain, by hand", "domain %s has more than %d log targets",
			 cli->settings.domain, APPLIANCE_LOG_TARGETS_MAX);
}

/* ---- the scripts ---------------------------------------------------------------------------------------------- */

#define DIAG {"diag", STEP_DIAG, "diag", take_diag}
#define CONFIG {"config", 0, "config", NULL}
#define EXIT {"exit", 0, "", NULL}

static const struct script {
	const char *name;
	bool changes;
	struct step steps[STEPS_MAX];
} scripts[APPLIANCE_OP_COUNT] = {
	[APPLIANCE_ENTER] = {"enter", false, {{0}}},
	[APPLIANCE_ASK_IDENTITY] = {"ask-identity", false, {{"show version", 0, "", take_version}, {"show time", 0, "", take_time}}},
	[APPLIANCE_ASK_OBJECT] = {"ask-object", false,
				  {{"show gateway-peering-manager", STEP_TOLERANT, "", take_manager},
				   {"show apic-gw-service", 0, "", take_object_choice},
				   {"show gateway-peering", 0, "", take_object}}},
	[APPLIANCE_ASK_PEERING] = {"ask-peering", false, {{"show gateway-peering-status", 0, "", take_table}}},
	[APPLIANCE_ASK_SERVICE] = {"ask-service", false, {{"show apic-gw-service", 0, "", take_service}}},
	[APPLIANCE_ASK_DIAG] = {"ask-diag", false, {DIAG, EXIT}},
	[APPLIANCE_ASK_COLLECTIONS] = {"ask-collections", false, {{"show api-collection", STEP_TOLERANT, "", take_collections}}},
	[APPLIANCE_ASK_SAVED] = {"ask-saved", false, {{0}}},
	[APPLIANCE_ASK_PEERINGS] = {"ask-peerings", false, {{"show gateway-peering", 0, "", take_peerings}}},
	[APPLIANCE_ASK_LOG_TARGETS] = {"ask-log-targets", false, {{"show logging target", 0, "", take_log_targets}}},
	[APPLIANCE_ASK_STORE] = {"ask-store", false, {DIAG, {"gateway-peering-diag {object} info", STEP_TOLERANT, "diag", take_store}, EXIT}},
	[APPLIANCE_SWITCH_PRIMARY] = {"switch-primary", true,
				      {CONFIG, {"gateway-peering-switch-primary {object}", STEP_EFFECT | STEP_COMPLETES, "config", NULL}, EXIT}},
	[APPLIANCE_FLUSH] = {"flush", true,
			     {DIAG, {"gateway-peering-flush {object}", STEP_CONFIRM | STEP_EFFECT | STEP_COMPLETES, "diag", NULL}, EXIT}},
	/* The change is applied by the exit from the object. */
	[APPLIANCE_DISABLE] = {"disable", true,
			       {CONFIG, {service_class, 0, NULL, NULL}, {"admin-state disabled", STEP_EFFECT, NULL, NULL},
				{"exit", STEP_COMPLETES, "config", NULL}, EXIT}},
	[APPLIANCE_ENABLE] = {"enable", true,
			      {CONFIG, {service_class, 0, NULL, NULL}, {"admin-state enabled", STEP_EFFECT, NULL, NULL},
			       {"exit", STEP_COMPLETES, "config", NULL}, EXIT}},
	[APPLIANCE_SET_PERSISTENCE] = {"set-persistence", true,
				       {CONFIG, {"gateway-peering {object}", 0, NULL, NULL}, {"persistence {persistence}", STEP_EFFECT, NULL, NULL},
					{"local-directory {local-directory}", STEP_EFFECT, NULL, NULL}, {"raid-volume {raid-volume}", STEP_EFFECT, NULL, NULL},
					{"exit", STEP_COMPLETES, "config", NULL}, EXIT}},
	[APPLIANCE_SET_LOG_TARGET] = {"set-log-target", true, {{0}}},
};

const char *appliance_op_name(enum appliance_op op)
{
	return scripts[op].name;
}

bool cli_can(enum appliance_op op)
{
	return op != APPLIANCE_ASK_SAVED && op != APPLIANCE_SET_LOG_TARGET;
}

bool appliance_op_changes(enum appliance_op op)
{
	return scripts[op].changes;
}

/* ---- running one ---------------------------------------------------------------------------------------------- */

void cli_init(struct cli *cli, struct dialogue *dialogue, const struct cli_settings *settings, struct appliance_facts *facts)
{
	memset(cli, 0, sizeof *cli);
	cli->dialogue = dialogue;
	cli->settings = *settings;
	cli->facts = facts;
}

void cli_start_text(struct cli *cli, const char *command)
{
	assert(strlen(command) < sizeof cli->text);
	cli_start(cli, APPLIANCE_ENTER);
	(void)snprintf(cli->text, sizeof cli->text, "%s", command);
}

void cli_start(struct cli *cli, enum appliance_op op)
{
	assert(cli->status != CLI_BUSY && cli_can(op));
	cli->text[0] = '\0';
	cli->op = op;
	cli->status = CLI_BUSY;
	cli->effect = APPLIANCE_NO_EFFECT;
	cli->prelude = PRELUDE_NONE;
	cli->step = 0;
	cli->sent = false;
	error_clear(&cli->error);
}

static void fail(struct cli *cli)
{
	assert(cli->error.code != ERROR_NONE);
	cli->status = CLI_FAILED;
}

/* Sends what is needed to stand at the top level of the domain; true when we do. */
static bool prelude_step(struct cli *cli)
{
	struct dialogue *d = cli->dialogue;
	char command[COMMAND_BYTES];

	if (cli->prelude < PRELUDE_CANCEL && text_starts(d->mode, strlen(d->mode), "config ")) {
		cli->prelude = PRELUDE_CANCEL; /* an object was left open by something that failed: its change must not be applied */
		dialogue_command(d, "cancel", false);
	} else if (cli->prelude < PRELUDE_TOP && d->mode[0]) {
		cli->prelude = PRELUDE_TOP;
		/* diag, where a refused flush leaves us, knows no top. */
		dialogue_command(d, text_starts(d->mode, strlen(d->mode), "config") ? "top" : "exit", false);
	} else if (cli->prelude < PRELUDE_SWITCH && !d->mode[0] && strcmp(d->domain, cli->settings.domain) != 0) {
		cli->prelude = PRELUDE_SWITCH;
		(void)snprintf(command, sizeof command, "switch domain %s", cli->settings.domain);
		dialogue_command(d, command, false);
	} else if (d->mode[0]) {
		(void)error_set(&cli->error, ERROR_ANSWER, "try the same by hand", "the prompt still shows (%s) after: %s", d->mode, d->command);
		fail(cli);
	} else if (strcmp(d->domain, cli->settings.domain) != 0) {
		(void)error_set(&cli->error, ERROR_PERMISSION, "check domain in [appliance] (upper and lower case matter), and that this user may enter it",
				"the appliance does not switch to domain %s: it does not exist, or this user may not enter it%s%s",
				cli->settings.domain, d->detail[0] ? "; it says: " : "", d->detail);
		fail(cli);
	} else {
		cli->prelude = PRELUDE_DONE;
		return true;
	}
	return false;
}

static const char *value_of(const struct cli *cli, const char *word, size_t length)
{
	const struct appliance_wanted *wanted = cli->settings.wanted;

	if (text_equal(word, length, "object"))
		return cli->facts->object;
	assert(wanted);
	if (text_equal(word, length, "persistence"))
		return wanted->persistence;
	return text_equal(word, length, "local-directory") ? wanted->local_directory : wanted->raid_volume;
}

/* The values are the object's name and what an operator asked for: the configuration, the command line or the appliance gave them. False: the value is empty. */
static bool fill_in(const struct cli *cli, const char *template, char command[COMMAND_BYTES])
{
	const char *open = strchr(template, '{'), *close = open ? strchr(open, '}') : NULL, *value = "";
	int length;

	if (!close) {
		length = snprintf(command, COMMAND_BYTES, "%s", template);
	} else {
		value = value_of(cli, open + 1, (size_t)(close - open) - 1);
		length = snprintf(command, COMMAND_BYTES, "%.*s%s%s", (int)(open - template), template, value, close + 1);
	}
	assert(length > 0 && length < COMMAND_BYTES);
	return !close || value[0];
}

static void send_step(struct cli *cli, const struct step *step)
{
	char command[COMMAND_BYTES];

	if (!fill_in(cli, step->command, command)) {
		if (!strstr(step->command, "{object}")) {
			cli->step++; /* nothing wanted here */
			return;
		}
		(void)error_set(&cli->error, ERROR_INTERNAL, NULL, "\"%s\" needs a peering object, and none is known", step->command);
		fail(cli);
		return;
	}
	cli->effect_before = cli->effect;
	if (step->flags & STEP_EFFECT)
		cli->effect = APPLIANCE_EFFECT_POSSIBLE;
	cli->sent = true;
	dialogue_command(cli->dialogue, command, (step->flags & STEP_CONFIRM) != 0);
}

/* The appliance did not want this line. */
static void complain(struct cli *cli, const struct step *step)
{
	const struct dialogue *d = cli->dialogue;

	/* Refused: nothing happened. But a complaint behind our yes may be about half of the work, and a prompt in another mode is no refusal. */
	if ((step->flags & STEP_EFFECT) && d->complaint != DIALOGUE_NO_COMPLAINT && !d->confirmed)
		cli->effect = cli->effect_before;
	if ((step->flags & STEP_DIAG) && d->complaint != DIALOGUE_NO_COMPLAINT) {
		cli->facts->diag = PEERING_NO;
		(void)error_set(&cli->error, ERROR_PERMISSION, "use the account named admin in [cli] user: only it has diag",
				"this user cannot enter diag, where the flush is%s%s", d->detail[0] ? "; the appliance says: " : "", d->detail);
	} else if (d->complaint == DIALOGUE_NO_COMPLAINT) {
		(void)error_set(&cli->error, ERROR_ANSWER, "try the same by hand", "\"%s\" left the prompt in mode (%s)", d->command, d->mode);
	} else {
		(void)error_set(&cli->error, d->complaint == DIALOGUE_UNKNOWN_COMMAND ? ERROR_PERMISSION : ERROR_ANSWER,
				"try the same by hand", "the appliance refused \"%s\": %s", d->command, d->detail);
	}
	fail(cli);
}

static void take_answer(struct cli *cli, const struct step *step)
{
	const struct dialogue *d = cli->dialogue;
	bool refused = d->complaint != DIALOGUE_NO_COMPLAINT && !(step->flags & STEP_TOLERANT);

	cli->sent = false;
	cli->step++;
	if (refused || (step->mode && strcmp(step->mode, d->mode) != 0)) {
		complain(cli, step);
		return;
	}
	if (step->flags & STEP_COMPLETES)
		cli->effect = APPLIANCE_EFFECT_DONE;
	if (step->take && step->take(cli))
		fail(cli);
}

static void step_text(struct cli *cli)
{
	static const struct step step = {NULL, 0, "", NULL};

	if (!cli->sent) {
		cli->sent = true;
		dialogue_command(cli->dialogue, cli->text, false);
		return;
	}
	cli->sent = false;
	if (cli->dialogue->complaint != DIALOGUE_NO_COMPLAINT || cli->dialogue->mode[0])
		complain(cli, &step);
	else
		cli->status = CLI_DONE;
}

enum cli_status cli_step(struct cli *cli)
{
	struct dialogue *d = cli->dialogue;

	if (cli->status != CLI_BUSY)
		return cli->status;
	if (d->state == DIALOGUE_FAILED) {
		cli->error = d->error;
		cli->status = CLI_FAILED;
		if (cli->sent && !d->left && (scripts[cli->op].steps[cli->step].flags & STEP_EFFECT))
			cli->effect = cli->effect_before; /* it never left us */
	}
	while (cli->status == CLI_BUSY && d->state == DIALOGUE_READY) {
		const struct script *script = &scripts[cli->op];

		if (cli->prelude != PRELUDE_DONE) {
			(void)prelude_step(cli);
		} else if (cli->text[0]) {
			step_text(cli);
		} else if (cli->sent) {
			take_answer(cli, &script->steps[cli->step]);
		} else if (cli->step == STEPS_MAX || !script->steps[cli->step].command) {
			cli->status = CLI_DONE;
		} else {
			send_step(cli, &script->steps[cli->step]);
		}
	}
	return cli->status;
}
