/* cli.h - the questions and commands of appliance.h as lines for the command line. Pure: it drives a dialogue, the caller moves the bytes.
 *
 * Each operation is a short script (a table in cli.c) that starts at the top level of the domain; the steps before it (cancel, top, switch domain) are sent
 * only where the last prompt says that they are needed, so a session can be used for one operation after the other.
 */
#ifndef DRR_APPLIANCE_CLI_H
#define DRR_APPLIANCE_CLI_H

#include "appliance/appliance.h"
#include "appliance/dialogue.h"

enum cli_status { CLI_IDLE, CLI_BUSY, CLI_DONE, CLI_FAILED };

struct cli_settings { /* the caller's; must outlive the cli */
	const char *domain;
	const char *object; /* configured peering object; "" for auto */
	const struct appliance_wanted *wanted; /* may be NULL where no command that needs a value is started */
};

enum { CLI_TEXT_BYTES = 256 };

struct cli {
	struct dialogue *dialogue;
	struct cli_settings settings;
	struct appliance_facts *facts; /* the caller's; filled as answers come */
	struct error error;            /* of the operation: CLI_FAILED */
	enum cli_status status;
	enum appliance_effect effect;  /* of the operation */

	/* Private. */
	enum appliance_op op;
	int prelude;        /* which of the steps before the script was sent last */
	unsigned step;      /* the next line of the script */
	bool sent;          /* that line is out, its answer is not here */
	enum appliance_effect effect_before; /* that line */
	char manager_object[APPLIANCE_WORD_BYTES];
	char text[CLI_TEXT_BYTES]; /* of cli_start_text() */
};

/* Whether OP can be done this way at all. */
bool cli_can(enum appliance_op op);

void cli_init(struct cli *cli, struct dialogue *dialogue, const struct cli_settings *settings, struct appliance_facts *facts);

/* Begins OP (cli_can); the dialogue may still be logging in. */
void cli_start(struct cli *cli, enum appliance_op op);

/* Begins a question in the caller's words: COMMAND (less than CLI_TEXT_BYTES) at the top level of the domain; its answer is the dialogue's. */
void cli_start_text(struct cli *cli, const char *command);

/* Call after every change of the dialogue: takes answers, sends the next line. Returns the status. After CLI_FAILED the session is still
 * good when the dialogue has not failed. */
enum cli_status cli_step(struct cli *cli);

#endif
