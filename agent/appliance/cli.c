#include "appliance/cli.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

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
	const char *command; /* %s: the peering object */
	unsigned flags;
	const char *mode;    /* the mode that the prompt must show afterwards; NULL: not looked at */
	int (*take)(struct cli *); /* reads the answer into the facts; NULL: nothing to read */
};

enum { STEPS_MAX = 6, COMMAND_BYTES = 256 };

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
	(void)facts_parse_uptime(cli->dialogue->answer, cli->dialogue->answer_bytes, &cli->facts->uptime_reload_s,
				 &cli->facts->uptime_reboot_s);
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

static void choose_object(struct cli *cli, const char *object, const char *source)
{
	(void)snprintf(cli->facts->object, sizeof cli->facts->object, "%s", object);
	cli->facts->object_source = source;
}

/* The manager names the object; with v5 compatibility, and in 2018.4, the service itself does. Where both do and differ, and nothing says
 * which rules, the operator must. */
static int take_object_choice(struct cli *cli)
{
	struct object_dump dump;
	char own[APPLIANCE_WORD_BYTES], v5[16];

	if (take_service(cli))
		return -1;
	(void)find_dump(cli, service_class, NULL, &dump);
	copy_property(&dump, "gateway-peering", own, sizeof own, true);
	copy_property(&dump, "v5-compatibility-mode", v5, sizeof v5, false);
	if (cli->settings.object[0])
		choose_object(cli, cli->settings.object, "the configuration");
	else if (own[0] && (!cli->manager_object[0] || strcmp(v5, "on") == 0))
		choose_object(cli, own, "apic-gw-service");
	else if (cli->manager_object[0] && (!own[0] || strcmp(v5, "off") == 0 || strcmp(own, cli->manager_object) == 0))
		choose_object(cli, cli->manager_object, "gateway-peering-manager");
	else if (own[0] && cli->manager_object[0])
		return error_set(&cli->error, ERROR_ANSWER, "set peering_object in [appliance]",
				 "gateway-peering-manager names %s and apic-gw-service names %s as its peering object",
				 cli->manager_object, own);
	else
		return error_set(&cli->error, ERROR_ANSWER, "set peering_object in [appliance]",
				 "neither gateway-peering-manager nor apic-gw-service names a peering object");
	return 0;
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
	[APPLIANCE_ASK_STORE] = {"ask-store", false, {DIAG, {"gateway-peering-diag %s info", STEP_TOLERANT, "diag", take_store}, EXIT}},
	[APPLIANCE_SWITCH_PRIMARY] = {"switch-primary", true,
				      {CONFIG, {"gateway-peering-switch-primary %s", STEP_EFFECT | STEP_COMPLETES, "config", NULL}, EXIT}},
	[APPLIANCE_FLUSH] = {"flush", true,
			     {DIAG, {"gateway-peering-flush %s", STEP_CONFIRM | STEP_EFFECT | STEP_COMPLETES, "diag", NULL}, EXIT}},
	/* The change is applied by the exit from the object. */
	[APPLIANCE_DISABLE] = {"disable", true,
			       {CONFIG, {service_class, 0, NULL, NULL}, {"admin-state disabled", STEP_EFFECT, NULL, NULL},
				{"exit", STEP_COMPLETES, "config", NULL}, EXIT}},
	[APPLIANCE_ENABLE] = {"enable", true,
			      {CONFIG, {service_class, 0, NULL, NULL}, {"admin-state enabled", STEP_EFFECT, NULL, NULL},
			       {"exit", STEP_COMPLETES, "config", NULL}, EXIT}},
};

const char *appliance_op_name(enum appliance_op op)
{
	return scripts[op].name;
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

void cli_start(struct cli *cli, enum appliance_op op)
{
	assert(cli->status != CLI_BUSY);
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

static void send_step(struct cli *cli, const struct step *step)
{
	char command[COMMAND_BYTES];
	int length;

	if (strstr(step->command, "%s") && !cli->facts->object[0]) {
		(void)error_set(&cli->error, ERROR_INTERNAL, NULL, "\"%s\" needs a peering object, and none is known", step->command);
		fail(cli);
		return;
	}
	/* The only placeholder is the object's name, which the configuration or the appliance gave us. */
	if (strstr(step->command, "%s")) {
		const char *hole = strstr(step->command, "%s");

		length = snprintf(command, sizeof command, "%.*s%s%s", (int)(hole - step->command), step->command,
				  cli->facts->object, hole + 2);
	} else {
		length = snprintf(command, sizeof command, "%s", step->command);
	}
	assert(length > 0 && (size_t)length < sizeof command);
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
		cli->effect = APPLIANCE_NO_EFFECT;
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

enum cli_status cli_step(struct cli *cli)
{
	struct dialogue *d = cli->dialogue;

	if (cli->status != CLI_BUSY)
		return cli->status;
	if (d->state == DIALOGUE_FAILED) {
		cli->error = d->error;
		cli->status = CLI_FAILED;
		if (cli->sent && !d->left && (scripts[cli->op].steps[cli->step].flags & STEP_EFFECT))
			cli->effect = APPLIANCE_NO_EFFECT; /* it never left us */
	}
	while (cli->status == CLI_BUSY && d->state == DIALOGUE_READY) {
		const struct script *script = &scripts[cli->op];

		if (cli->prelude != PRELUDE_DONE) {
			(void)prelude_step(cli);
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
