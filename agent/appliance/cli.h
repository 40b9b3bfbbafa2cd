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
};

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
	char manager_object[APPLIANCE_WORD_BYTES];
};

void cli_init(struct cli *cli, struct dialogue *dialogue, const struct cli_settings *settings, struct appliance_facts *facts);

/* Begins OP; the dialogue may still be logging in. */
void cli_start(struct cli *cli, enum appliance_op op);

/* Call after every change of the dialogue: takes answers, sends the next line. Returns the status. After CLI_FAILED the session is still
 * good when the dialogue has not failed. */
enum cli_status cli_step(struct cli *cli);

#endif
