#include "appliance/xmi.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "appliance/xmi_ops.h"
#include "base/text.h"

enum kind { KIND_OP, KIND_FILE, KIND_LIST };

enum {
	WORDS_SHOWN_BYTES = 320, /* of what the appliance says, escaped, in an error's sentence */
	NAME_SHOWN_BYTES = 128,  /* of a file or domain, likewise */
};

static const char default_domain[] = "default";
static const char by_hand[] = "do the same in the appliance's web interface, or with the CLI, and see what it says there";

/* ---- the step under way ---------------------------------------------------------------------------------------- */

static int build_file(struct xmi *xmi, const struct xmi_step *step, const char *domain)
{
	(void)step;
	soma_get_file(&xmi->request, domain, xmi->name);
	return 0;
}

/* The listing is of the whole location: logtemp: of logtemp:///gwd-log.log. */
static int build_list(struct xmi *xmi, const struct xmi_step *step, const char *domain)
{
	const char *colon = strchr(xmi->name, ':');
	char location[32];

	(void)step;
	if (!colon || text_copy(location, sizeof location, xmi->name, (size_t)(colon - xmi->name) + 1) ||
	    soma_path(xmi->path, sizeof xmi->path, xmi->name))
		return error_set(&xmi->error, ERROR_CONFIG, "give the file in the form logtemp:///gwd-log.log",
				 "this is no name of a file on the appliance, or it is too long");
	soma_get_filestore(&xmi->request, domain, location);
	return 0;
}

static const struct xmi_step file_steps[] = {{.verb = "get-file", .class_name = "of a file", .build = build_file}, {0}};
static const struct xmi_step list_steps[] = {{.verb = "get-filestore", .class_name = "of a location", .build = build_list}, {0}};

static const struct xmi_step *current(const struct xmi *xmi)
{
	switch ((enum kind)xmi->kind) {
	case KIND_FILE: return &file_steps[xmi->step];
	case KIND_LIST: return &list_steps[xmi->step];
	default: return &xmi_script_of(xmi->op)->steps[xmi->step];
	}
}

static const char *domain_of(const struct xmi *xmi, const struct xmi_step *step)
{
	return step->flags & XMI_IN_DEFAULT ? default_domain : xmi->settings.domain;
}

/* The response is over: what its rows have changed counts as a whole, or not at all. */
static void settle(struct xmi *xmi, bool counts)
{
	if (xmi->drafted && !counts)
		memcpy(xmi->facts, xmi->before, sizeof xmi->before);
	xmi->drafted = false;
}

static void give_up(struct xmi *xmi)
{
	settle(xmi, false);
	xmi->status = XMI_FAILED;
	xmi->awaited = false;
	soma_reader_free(&xmi->reader);
}

static void fail(struct xmi *xmi)
{
	assert(xmi->error.code != ERROR_NONE);
	give_up(xmi);
}

static void finish(struct xmi *xmi)
{
	const struct xmi_script *script = xmi->kind == KIND_OP ? xmi_script_of(xmi->op) : NULL;

	xmi->status = XMI_DONE;
	if (script && script->finish && script->finish(xmi))
		fail(xmi);
}

/* Makes the document of the step that STEP stands on, or of the next one that is needed; ends the operation behind the last. */
static void prepare(struct xmi *xmi)
{
	const struct xmi_step *step = current(xmi);

	while (step->verb && step->needed && !step->needed(xmi)) {
		xmi->step++;
		step = current(xmi);
	}
	if (!step->verb) {
		finish(xmi);
		return;
	}
	buf_reset(&xmi->request);
	if (step->build(xmi, step, domain_of(xmi, step))) {
		fail(xmi);
	} else if (xmi->request.overflow) {
		(void)error_set(&xmi->error, ERROR_CONFIG, "correct the name in the configuration that is too long or has a control character in it",
				"%s %s cannot be written as XML of at most %d bytes", step->verb, step->class_name, XMI_REQUEST_MAX_BYTES);
		fail(xmi);
	}
}

/* ---- what a response is handed to ------------------------------------------------------------------------------ */

static int on_row(void *context, const struct soma_row *row, struct error *error)
{
	struct xmi *xmi = context;
	const struct xmi_step *step = current(xmi);

	if (!step->row || strcmp(row->class_name, step->class_name) != 0)
		return 0;
	return step->row(xmi, row, error);
}

static int on_file(void *context, const char *bytes, size_t count_bytes, struct error *error)
{
	struct xmi *xmi = context;
	char name[NAME_SHOWN_BYTES];

	xmi->file_bytes += count_bytes;
	if (!xmi->function(xmi->context, bytes, count_bytes))
		return 0;
	(void)error_set(&xmi->error, ERROR_FAILED, "try again", "%s was not read to its end: whoever takes it did not want more",
			text_escape(name, sizeof name, xmi->name, strlen(xmi->name)));
	*error = xmi->error;
	xmi->status = XMI_FAILED;
	return -1;
}

static int on_entry(void *context, const struct soma_entry *entry, struct error *error)
{
	struct xmi *xmi = context;
	unsigned long long size;

	if (strcmp(entry->path, xmi->path) != 0)
		return 0;
	if (!text_to_unsigned(entry->size, strlen(entry->size), INT64_MAX, &size) ||
	    text_copy(xmi->list_modified, sizeof xmi->list_modified, entry->modified, strlen(entry->modified)))
		return error_set(error, ERROR_ANSWER, by_hand, "the appliance's listing has a size or time of the file that cannot be read");
	xmi->list_found = true;
	xmi->list_size_bytes = size;
	return 0;
}

/* ---- what a response means ------------------------------------------------------------------------------------- */

/* Refused for certain: nothing was changed. */
static void no_effect(struct xmi *xmi, const struct xmi_step *step)
{
	if (step->flags & XMI_EFFECT)
		xmi->effect = APPLIANCE_NO_EFFECT;
}

static char *words_of(const struct xmi *xmi, char out[WORDS_SHOWN_BYTES])
{
	if (xmi->reader.words_bytes == 0)
		return strcpy(out, "(it gives no reason)");
	return text_escape(out, WORDS_SHOWN_BYTES, xmi->reader.words, xmi->reader.words_bytes);
}

static void next_step(struct xmi *xmi)
{
	settle(xmi, false);
	xmi->step++;
	prepare(xmi);
}

static unsigned answered_bit(const struct xmi *xmi)
{
	if (xmi->kind == KIND_OP)
		return 1u << (unsigned)xmi->op;
	return 1u << (xmi->kind == KIND_FILE ? XMI_ANSWERED_FILE : XMI_ANSWERED_LIST);
}

/* Wrong credentials, an unknown domain and a forbidden operation are one answer. */
static void take_denial(struct xmi *xmi, const struct xmi_step *step, const char *said)
{
	char domain[NAME_SHOWN_BYTES];

	no_effect(xmi, step);
	if (xmi->answered & answered_bit(xmi))
		xmi->authenticated = false; /* it was allowed before: the password was changed, or the account is locked */
	text_escape(domain, sizeof domain, domain_of(xmi, step), strlen(domain_of(xmi, step)));
	if (!xmi->authenticated) {
		(void)error_set(&xmi->error, ERROR_AUTH, "log in to the web interface with the user and password of [xmi], in that domain; then correct what is wrong",
				"the appliance answers \"%s\" to %s %s in domain %s: the credentials of [xmi] are wrong, or there is no such domain, or this "
				"user may not do that; it is not tried again with these credentials", said, step->verb, step->class_name, domain);
		fail(xmi);
		return;
	}
	if (step->flags & XMI_IN_DEFAULT)
		xmi->default_denied = true;
	if (step->flags & XMI_TOLERANT) {
		next_step(xmi);
		return;
	}
	(void)error_set(&xmi->error, ERROR_PERMISSION, "give the user of [xmi] that right in its access profile or user group",
			"the appliance answers \"%s\" to %s %s in domain %s: the credentials are right, they were accepted before; this user may not do "
			"that, or there is no such domain any more", said, step->verb, step->class_name, domain);
	fail(xmi);
}

static bool is_missing_file(const struct xmi *xmi)
{
	return xmi->kind == KIND_FILE && strcasestr(xmi->reader.words, "cannot read the specified file");
}

/* An error log, or a result that is none of those that are known. */
static void take_complaint(struct xmi *xmi, const struct xmi_step *step)
{
	char words[WORDS_SHOWN_BYTES];

	/* An error log alone, without any result text, is a refusal. A text that is not known may stand beside the work. */
	if (xmi->reader.have_events && xmi->reader.result.len == 0 && !xmi->reader.result.overflow) {
		xmi->authenticated = true;
		no_effect(xmi, step);
	}
	if (is_missing_file(xmi)) {
		xmi->file_missing = true;
		next_step(xmi);
	} else if (step->flags & XMI_TOLERANT) {
		next_step(xmi);
	} else {
		(void)error_set(&xmi->error, ERROR_ANSWER, by_hand, "the appliance refused %s %s: %s", step->verb, step->class_name, words_of(xmi, words));
		fail(xmi);
	}
}

/* Whatever its code says: the appliance answers failures of all kinds with "Client", so a command may have had its effect. */
static void take_fault(struct xmi *xmi, const struct xmi_step *step)
{
	char words[WORDS_SHOWN_BYTES];

	if (step->flags & XMI_TOLERANT) {
		next_step(xmi);
		return;
	}
	(void)error_set(&xmi->error, ERROR_ANSWER, by_hand, "the appliance cannot do %s %s: %s", step->verb, step->class_name, words_of(xmi, words));
	fail(xmi);
}

/* Whether a question's answer has what it must: without any of it nothing was said, in particular not that there is none. Only a status may be left out, beside
 * no result. */
static bool has_answer(const struct xmi *xmi, const struct xmi_step *step, enum soma_outcome outcome)
{
	const struct soma_reader *reader = &xmi->reader;

	if (xmi->kind == KIND_FILE)
		return reader->have_file;
	if (xmi->kind == KIND_LIST)
		return reader->have_listing;
	if (strcmp(step->verb, "get-config") == 0)
		return reader->have_config;
	return reader->have_status || (outcome == SOMA_NOTHING && !reader->have_result);
}

/* The appliance did it, or says what was asked. */
static void take_success(struct xmi *xmi, const struct xmi_step *step, enum soma_outcome outcome)
{
	xmi->authenticated = true;
	if ((step->flags & XMI_EFFECT) && outcome != SOMA_OK) {
		(void)error_set(&xmi->error, ERROR_ANSWER, "drr-agent status", "the answer to %s %s does not say whether it was done", step->verb, step->class_name);
		fail(xmi);
		return;
	}
	if (step->flags & XMI_EFFECT) {
		xmi->effect = APPLIANCE_EFFECT_DONE;
	} else if (!has_answer(xmi, step, outcome)) {
		if (step->flags & XMI_TOLERANT) {
			next_step(xmi);
			return;
		}
		(void)error_set(&xmi->error, ERROR_ANSWER, by_hand, "the answer to %s %s has no %s in it", step->verb, step->class_name,
				xmi->kind == KIND_FILE ? "file" : xmi->kind == KIND_LIST ? "listing" : "data");
	}
	if (xmi->error.code != ERROR_NONE || (step->take && step->take(xmi))) {
		fail(xmi);
		return;
	}
	settle(xmi, true);
	next_step(xmi);
	if (xmi->status == XMI_DONE)
		xmi->answered |= answered_bit(xmi);
}

static void take_status(struct xmi *xmi, const struct xmi_step *step, int http_status)
{
	static const int before_anything[] = {400, 404, 405, 413, 414, 415};

	for (size_t i = 0; i < sizeof before_anything / sizeof before_anything[0]; i++)
		if (http_status == before_anything[i] && !xmi->reader.have_response)
			no_effect(xmi, step);
	(void)error_set(&xmi->error, ERROR_ANSWER, "check that url in [xmi] is the one of the XML management interface: https://HOST:5550/service/mgmt/current",
			"%s %s was answered with HTTP status %d", step->verb, step->class_name, http_status);
	fail(xmi);
}

static void take_response(struct xmi *xmi, const struct xmi_step *step, int http_status, bool readable)
{
	enum soma_outcome outcome = readable ? soma_reader_outcome(&xmi->reader) : SOMA_STRANGE;
	char said[32];

	if (http_status == 401)
		xmi->authenticated = false;
	if (http_status == 401 || http_status == 403) {
		(void)snprintf(said, sizeof said, "HTTP status %d", http_status);
		take_denial(xmi, step, said);
	} else if (outcome == SOMA_FAULT) {
		take_fault(xmi, step);
	} else if (http_status < 200 || http_status > 299) {
		take_status(xmi, step, http_status);
	} else if (!readable) {
		xmi->error = xmi->body_error;
		fail(xmi);
	} else if (outcome == SOMA_DENIED) {
		take_denial(xmi, step, "Authentication failure");
	} else if (outcome == SOMA_COMPLAINT) {
		take_complaint(xmi, step);
	} else if (outcome == SOMA_STRANGE) {
		(void)error_set(&xmi->error, ERROR_ANSWER, "check that url in [xmi] is the one of the XML management interface: https://HOST:5550/service/mgmt/current",
				"the answer to %s %s is XML, but no response of the management interface", step->verb, step->class_name);
		fail(xmi);
	} else {
		take_success(xmi, step, outcome);
	}
}

/* ---- interface ------------------------------------------------------------------------------------------------- */

bool xmi_can(enum appliance_op op)
{
	return xmi_script_of(op)->steps != NULL;
}

void xmi_init(struct xmi *xmi, const struct xmi_settings *settings, struct appliance_facts *facts)
{
	memset(xmi, 0, sizeof *xmi);
	xmi->settings = *settings;
	xmi->facts = facts;
	buf_init(&xmi->request, xmi->request_text, sizeof xmi->request_text);
}

void xmi_free(struct xmi *xmi)
{
	soma_reader_free(&xmi->reader);
}

static void start(struct xmi *xmi, enum kind kind)
{
	assert(xmi->status != XMI_BUSY);
	xmi->kind = (int)kind;
	xmi->status = XMI_BUSY;
	xmi->effect = APPLIANCE_NO_EFFECT;
	xmi->step = 0;
	xmi->awaited = xmi->found = false;
	xmi->count = 0;
	xmi->file_missing = xmi->list_found = false;
	xmi->file_bytes = xmi->list_size_bytes = 0;
	xmi->list_modified[0] = '\0';
	error_clear(&xmi->error);
}

void xmi_start(struct xmi *xmi, enum appliance_op op)
{
	assert(xmi_can(op));
	start(xmi, KIND_OP);
	xmi->op = op;
	if (xmi_script_of(op)->begin)
		xmi_script_of(op)->begin(xmi);
	prepare(xmi);
}

void xmi_start_file(struct xmi *xmi, const char *name, xmi_file_function *function, void *context)
{
	start(xmi, KIND_FILE);
	xmi->name = name;
	xmi->function = function;
	xmi->context = context;
	prepare(xmi);
}

void xmi_start_list(struct xmi *xmi, const char *name)
{
	start(xmi, KIND_LIST);
	xmi->name = name;
	prepare(xmi);
}

const char *xmi_request(struct xmi *xmi, size_t *length_bytes)
{
	if (xmi->status != XMI_BUSY || xmi->awaited)
		return NULL;
	*length_bytes = xmi->request.len;
	return xmi->request.data;
}

void xmi_sent(struct xmi *xmi)
{
	if (xmi->status != XMI_BUSY || xmi->awaited)
		return;
	xmi->awaited = xmi->drafted = true;
	memcpy(xmi->before, xmi->facts, sizeof xmi->before);
	if (current(xmi)->flags & XMI_EFFECT)
		xmi->effect = APPLIANCE_EFFECT_POSSIBLE;
	error_clear(&xmi->body_error);
	xmi->functions = (struct soma_functions){
		.row = current(xmi)->row ? on_row : NULL,
		.wanted = current(xmi)->wanted,
		.file = xmi->kind == KIND_FILE ? on_file : NULL,
		.file_max_bytes = XMI_FILE_MAX_BYTES,
		.entry = xmi->kind == KIND_LIST ? on_entry : NULL,
	};
	soma_reader_free(&xmi->reader);
	soma_reader_init(&xmi->reader, &xmi->functions, xmi);
}

int xmi_input(struct xmi *xmi, const char *bytes, size_t count_bytes)
{
	if (xmi->status == XMI_FAILED)
		return -1;
	xmi_sent(xmi); /* who answers has got something */
	if (xmi->status != XMI_BUSY || xmi->body_error.code != ERROR_NONE)
		return 0;
	(void)soma_reader_input(&xmi->reader, bytes, count_bytes, &xmi->body_error);
	if (xmi->status != XMI_FAILED)
		return 0;
	fail(xmi);
	return -1;
}

enum xmi_status xmi_response(struct xmi *xmi, int http_status)
{
	const struct xmi_step *step;
	struct facts_clock clock;
	bool readable;

	if (xmi->status != XMI_BUSY || !xmi->awaited)
		return xmi->status;
	step = current(xmi);
	readable = xmi->body_error.code == ERROR_NONE && soma_reader_end(&xmi->reader, &xmi->body_error) == 0;
	xmi->awaited = false;
	if (readable && facts_parse_timestamp(xmi->reader.timestamp, strlen(xmi->reader.timestamp), &clock))
		xmi->facts->clock = clock;
	if (xmi->status == XMI_FAILED)
		fail(xmi); /* the end of the body was held back until now, and the file's function did not want it */
	else
		take_response(xmi, step, http_status, readable);
	soma_reader_free(&xmi->reader);
	return xmi->status;
}

void xmi_lost(struct xmi *xmi, const struct error *error)
{
	if (xmi->status != XMI_BUSY)
		return;
	xmi->error = *error;
	give_up(xmi);
}
