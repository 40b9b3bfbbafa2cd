#include "engine/cli_link.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "engine/refused.h"
#include "platform/exec.h"
#include "platform/secretfile.h"
#include "platform/telnet.h"

enum { READ_BYTES = 4096 };

int cli_link_init(struct cli_link *link, const struct config *config, const struct appliance_wanted *wanted, struct appliance_facts *facts,
		  struct error *error)
{
	struct cli_settings settings = {config->appliance.domain, config->appliance.peering_object, wanted};

	memset(link, 0, offsetof(struct cli_link, dialogue));
	link->config = config;
	link->facts = facts;
	link->connected = link->traced_busy = false;
	link->trace = NULL;
	link->status = CLI_LINK_IDLE;
	error_clear(&link->error);
	cli_init(&link->cli, &link->dialogue, &settings, facts);
	if (config->cli.password_file[0] && secretfile_load(config->cli.password_file, &link->password, error))
		return -1;
	return 0;
}

void cli_link_free(struct cli_link *link)
{
	cli_link_close(link);
	secretfile_free(&link->password);
}

static struct transport *open_transport(struct cli_link *link, struct error *error)
{
	const struct config *config = link->config;
	struct ssh_settings *ssh = &link->ssh_settings;

	switch (config->cli.transport) {
	case CONFIG_TELNET:
		return telnet_open(config->cli.host, config->cli.port, config->cli.cleartext, error);
	case CONFIG_EXEC:
		return exec_open(config->cli.command, error);
	case CONFIG_SSH:
		break;
	}
	memset(ssh, 0, sizeof *ssh);
	memset(&link->ssh, 0, sizeof link->ssh);
	ssh->host = config->cli.host;
	ssh->port = config->cli.port;
	ssh->user = config->cli.user;
	ssh->password = link->password.bytes ? &link->password : NULL;
	ssh->key_file = config->cli.key_file[0] ? config->cli.key_file : NULL;
	for (unsigned i = 0; i < config->cli.host_key_count && i < SSH_PINS_MAX; i++)
		ssh->pins[ssh->pin_count++] = config->cli.host_keys[i];
	return ssh_open(ssh, &link->ssh, error);
}

/* A command that was sent and not answered is not to arrive later, when the run has looked and goes on. */
static void end_session(struct cli_link *link)
{
	if (link->cli.effect == APPLIANCE_EFFECT_POSSIBLE)
		transport_abort(link->transport);
	else
		transport_close(link->transport);
	link->transport = NULL;
	link->connected = false;
}

void cli_link_close(struct cli_link *link)
{
	if (link->transport)
		dialogue_clear(&link->dialogue); /* an unsent line may be the password */
	end_session(link);
	if (link->cli.status == CLI_BUSY) {
		link->effect = link->cli.effect;
		link->cli.status = CLI_IDLE;
	}
	if (link->status == CLI_LINK_WAIT)
		link->status = CLI_LINK_IDLE;
}

static int64_t timeout_ms(unsigned seconds)
{
	return (int64_t)seconds * 1000;
}

static void begin_session(struct cli_link *link, struct mono now)
{
	struct dialogue_settings settings = {link->config->cli.user, link->password.bytes ? &link->password : NULL,
					     link->config->appliance.domain};

	dialogue_init(&link->dialogue, &settings);
	if (refused_check(link->config, REFUSED_CLI, &link->error))
		return;
	link->transport = open_transport(link, &link->error);
	link->deadline = mono_add_ms(now, timeout_ms(link->config->cli.connect_timeout_s));
	link->quiet_at = MONO_NEVER;
}

static void begin_operation(struct cli_link *link, struct mono now)
{
	assert(link->status != CLI_LINK_WAIT);
	if (link->transport && link->dialogue.state == DIALOGUE_FAILED)
		cli_link_close(link);
	error_clear(&link->error);
	link->status = CLI_LINK_WAIT;
	link->effect = APPLIANCE_NO_EFFECT;
	link->traced_busy = false;
	link->operation_deadline = mono_add_ms(now, CLI_LINK_OPERATION_TIMEOUTS * timeout_ms(link->config->cli.command_timeout_s));
	if (!link->transport)
		begin_session(link, now);
	else
		link->deadline = mono_add_ms(now, timeout_ms(link->config->cli.command_timeout_s));
}

void cli_link_start(struct cli_link *link, enum appliance_op op, struct mono now)
{
	begin_operation(link, now);
	cli_start(&link->cli, op);
}

void cli_link_start_text(struct cli_link *link, const char *command, struct mono now)
{
	begin_operation(link, now);
	cli_start_text(&link->cli, command);
}

static void session_failed(struct cli_link *link)
{
	if (link->error.code == ERROR_AUTH || link->ssh.password_refused)
		refused_remember(link->config, REFUSED_CLI, &link->error);
	end_session(link);
}

static enum cli_link_status finish(struct cli_link *link, enum cli_link_status status)
{
	link->effect = link->cli.effect;
	if (link->cli.status == CLI_BUSY)
		link->cli.status = CLI_IDLE;
	link->status = status;
	return status;
}

/* Sends what the dialogue has to say. 0, or -1 and the error set. */
static int push(struct cli_link *link, struct mono now)
{
	for (;;) {
		size_t count, taken = 0;
		const char *bytes = dialogue_output(&link->dialogue, &count);

		if (count == 0)
			return 0;
		if (transport_write(link->transport, bytes, count, &taken, &link->error))
			return -1;
		if (taken == 0)
			return 0;
		dialogue_sent(&link->dialogue, taken);
		link->quiet_at = mono_add_ms(now, DIALOGUE_QUIET_MS);
		link->tail = 0;
		link->tail_open = false;
		link->deadline = mono_add_ms(now, timeout_ms(link->config->cli.command_timeout_s));
	}
}

/* Something arrived. Log lines do not disturb a question that stands open (a console can print fifty a second); the unfinished
 * beginning of one may look like more of the question: then the look at the end of the quiet decides. */
static void stir(struct cli_link *link, struct mono now)
{
	bool open;
	size_t tail = dialogue_tail(&link->dialogue, &open);
	bool unfinished = link->dialogue.in.len > 0 && link->dialogue.in.data[link->dialogue.in.len - 1] != '\n';

	if (tail == link->tail || (link->tail_open && unfinished))
		return;
	link->tail = tail;
	link->tail_open = open;
	link->quiet_at = mono_add_ms(now, DIALOGUE_QUIET_MS);
}

/* Whether nothing but log lines came since quiet_at was set. */
static bool is_quiet(struct cli_link *link, struct mono now)
{
	bool open;
	size_t tail = dialogue_tail(&link->dialogue, &open);
	bool same = tail == link->tail;

	if (!mono_reached(link->quiet_at, now))
		return false;
	link->tail = tail;
	link->tail_open = open;
	link->quiet_at = mono_add_ms(now, DIALOGUE_QUIET_MS);
	return same;
}

/* Takes what arrived: 1 when there was something, 0 when not, -1 when the session is over. */
static int pull(struct cli_link *link, struct mono now)
{
	char bytes[READ_BYTES];
	size_t got = 0;

	if (transport_read(link->transport, bytes, sizeof bytes, &got, &link->error))
		return -1;
	if (got == 0)
		return 0;
	dialogue_input(&link->dialogue, bytes, got);
	explicit_bzero(bytes, got);
	stir(link, now);
	link->deadline = mono_add_ms(now, timeout_ms(link->config->cli.command_timeout_s));
	return 1;
}

static void trace(struct cli_link *link)
{
	const struct dialogue *d = &link->dialogue;

	if (link->trace && d->state == DIALOGUE_READY && link->traced_busy)
		link->trace(link->trace_context, d->command, d->answer, d->answer_bytes);
	link->traced_busy = d->state == DIALOGUE_BUSY;
}

/* Lets the dialogue and the script go on as far as they can. */
static enum cli_status converse(struct cli_link *link, struct mono now)
{
	trace(link);
	if (cli_step(&link->cli) == CLI_BUSY && link->dialogue.state == DIALOGUE_BUSY)
		link->traced_busy = true;
	if (link->cli.status == CLI_BUSY && push(link, now))
		dialogue_ended(&link->dialogue, link->error.what);
	return cli_step(&link->cli);
}

static void silence(struct cli_link *link)
{
	char words[160];
	const struct dialogue *d = &link->dialogue;

	(void)dialogue_last_words(d, words, sizeof words);
	if (link->password.bytes && strstr(words, link->password.bytes))
		words[0] = '\0';
	(void)error_set(&link->error, ERROR_TIMEOUT, "try the same by hand; if the appliance is only slow, raise command_timeout_s in [cli]",
			"the appliance was silent for %u s %s%s%s%s%s%s", link->config->cli.command_timeout_s,
			d->state == DIALOGUE_BUSY ? "at \"" : "during the log-in", d->state == DIALOGUE_BUSY ? d->command : "",
			d->state == DIALOGUE_BUSY ? "\"" : "", words[0] ? "; its last words: \"" : "", words, words[0] ? "\"" : "");
}

static enum cli_link_status step_connect(struct cli_link *link, struct mono now)
{
	enum transport_step step = transport_connect(link->transport, &link->error);

	if (step == TRANSPORT_WAIT && mono_reached(link->deadline, now)) {
		(void)error_set(&link->error, ERROR_UNREACHABLE, "check host and port in [cli], and the way between here and the appliance",
				"no session with %s port %u within %u s", link->config->cli.host, link->config->cli.port,
				link->config->cli.connect_timeout_s);
		step = TRANSPORT_FAILED;
	}
	if (step == TRANSPORT_FAILED) {
		session_failed(link);
		return finish(link, CLI_LINK_FAILED);
	}
	if (step == TRANSPORT_WAIT)
		return CLI_LINK_WAIT;
	link->connected = true;
	link->quiet_at = mono_add_ms(now, DIALOGUE_QUIET_MS);
	link->deadline = mono_add_ms(now, timeout_ms(link->config->cli.command_timeout_s));
	return CLI_LINK_DONE;
}

static enum cli_link_status fail_operation(struct cli_link *link, const struct error *error)
{
	link->error = *error;
	if (link->dialogue.state == DIALOGUE_FAILED)
		session_failed(link);
	return finish(link, CLI_LINK_FAILED);
}

enum cli_link_status cli_link_step(struct cli_link *link, struct mono now)
{
	int got;

	if (link->status != CLI_LINK_WAIT)
		return link->status;
	if (!link->transport) { /* it could not even be opened */
		assert(link->error.code != ERROR_NONE);
		return finish(link, CLI_LINK_FAILED);
	}
	if (!link->connected && step_connect(link, now) != CLI_LINK_DONE)
		return link->status;
	do {
		switch (converse(link, now)) {
		case CLI_DONE:
			return finish(link, CLI_LINK_DONE);
		case CLI_FAILED:
			return fail_operation(link, &link->cli.error);
		default:
			break;
		}
		got = pull(link, now);
		if (got < 0)
			dialogue_ended(&link->dialogue, link->error.what);
		else if (got == 0 && is_quiet(link, now)) {
			dialogue_quiet(&link->dialogue);
			got = 1; /* it may have something to say */
		}
	} while (got != 0);
	if (mono_reached(link->deadline, now) || mono_reached(link->operation_deadline, now)) {
		silence(link);
		session_failed(link);
		return finish(link, CLI_LINK_FAILED);
	}
	return CLI_LINK_WAIT;
}

struct pollfd cli_link_poll(const struct cli_link *link)
{
	struct pollfd none = {.fd = -1};
	struct pollfd wanted;
	size_t count;

	if (!link->transport || link->status != CLI_LINK_WAIT)
		return none;
	wanted = (struct pollfd){.fd = transport_fd(link->transport), .events = transport_events(link->transport)};
	if (link->connected && dialogue_output(&link->dialogue, &count) && count > 0)
		wanted.events |= POLLOUT;
	return wanted;
}

struct mono cli_link_deadline(const struct cli_link *link)
{
	if (link->status != CLI_LINK_WAIT)
		return MONO_NEVER;
	if (!link->connected)
		return link->deadline;
	return mono_earlier(mono_earlier(link->deadline, link->operation_deadline), link->quiet_at);
}
