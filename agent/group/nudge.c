#include "group/nudge.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/clock.h"
#include "platform/secretfile.h"

int nudge_init(struct nudge *nudge, const struct group_config *config, struct error *error)
{
	struct client_limits limits = {(int64_t)config->group.connect_timeout_s * 1000, (int64_t)config->group.answer_timeout_s * 1000};

	memset(nudge, 0, sizeof *nudge);
	nudge->config = config;
	if (config->api_manager.door.url.text[0] == '\0')
		return 0;
	return client_init(&nudge->client, &config->api_manager.door, NULL, limits, "[api_manager]", config->path, error);
}

void nudge_free(struct nudge *nudge)
{
	if (nudge->client.door)
		client_free(&nudge->client);
	secretfile_free(&nudge->token);
}

/* ---- requests ------------------------------------------------------------------------------------------------- */

/* A secret goes into JSON without a copy that nobody wipes. */
static void add_string(struct buf *out, const char *key, const char *value)
{
	(void)buf_printf(out, "%s\"%s\":\"", out->len > 1 ? "," : "", key);
	for (const char *p = value; *p; p++) {
		if (*p == '"' || *p == '\\')
			(void)buf_printf(out, "\\%c", *p);
		else if ((unsigned char)*p < 0x20)
			(void)buf_printf(out, "\\u%04x", (unsigned)(unsigned char)*p);
		else
			(void)buf_add(out, p, 1);
	}
	(void)buf_add_string(out, "\"");
}

static int add_file(struct buf *out, const char *key, const char *path, struct error *error)
{
	struct secret secret = {0};

	if (secretfile_load(path, &secret, error) != 0)
		return -1;
	add_string(out, key, secret.bytes);
	secretfile_free(&secret);
	return 0;
}

static void path_to(const struct nudge *nudge, const char *rest, char out[CONFIG_TEXT_BYTES + 400])
{
	const char *prefix = nudge->config->api_manager.door.url.path;
	size_t length = strlen(prefix);

	while (length > 0 && prefix[length - 1] == '/')
		length--;
	(void)snprintf(out, CONFIG_TEXT_BYTES + 400, "%.*s%s", (int)length, prefix, rest);
}

static int fill_credentials(const struct nudge *nudge, struct buf *out, struct error *error)
{
	const struct group_config *config = nudge->config;

	(void)buf_add_string(out, "{");
	if (config->api_manager.username[0]) {
		add_string(out, "grant_type", "password");
		add_string(out, "username", config->api_manager.username);
		add_string(out, "realm", config->api_manager.realm);
		if (add_file(out, "password", config->api_manager.password_file, error) != 0)
			return -1;
	} else if (config->api_manager.api_key_file[0]) {
		add_string(out, "grant_type", "api_key");
		if (add_file(out, "api_key", config->api_manager.api_key_file, error) != 0)
			return -1;
	} else {
		add_string(out, "grant_type", "client_credentials");
	}
	add_string(out, "client_id", config->api_manager.client_id);
	if (add_file(out, "client_secret", config->api_manager.client_secret_file, error) != 0)
		return -1;
	(void)buf_add_string(out, "}");
	return out->overflow ? error_set(error, ERROR_CONFIG, NULL, "[api_manager]: the credentials have more than %d bytes", SECRETFILE_PAGE_BYTES) : 0;
}

static void ask_token(struct nudge *nudge, struct mono now)
{
	char target[CONFIG_TEXT_BYTES + 400];
	struct secret page = {0};
	struct buf body;

	nudge->state = NUDGE_TOKEN;
	secretfile_free(&nudge->token);
	path_to(nudge, "/api/token", target);
	if (secretfile_page(&page, &nudge->error) != 0)
		return;
	buf_init(&body, page.bytes, SECRETFILE_PAGE_BYTES);
	if (fill_credentials(nudge, &body, &nudge->error) == 0)
		client_start(&nudge->client, "POST", target, body.data, NULL, 0, now);
	secretfile_free(&page);
}

static void ask_catalog(struct nudge *nudge, enum nudge_state state, const char *method, const char *body, struct mono now)
{
	char target[CONFIG_TEXT_BYTES + 400], rest[380];

	nudge->state = state;
	(void)snprintf(rest, sizeof rest, "/api/catalogs/%s/%s%s", nudge->config->api_manager.org, nudge->config->api_manager.catalogs[nudge->catalog],
		       state == NUDGE_STATUS ? "/configured-gateway-services?fields=add(gateway_processing_status,events)" : "");
	path_to(nudge, rest, target);
	client_start(&nudge->client, method, target, body, &nudge->token, 0, now);
}

static void set_summary(struct nudge *nudge, enum nudge_state state, const char *summary, struct mono now)
{
	struct json *object = json_object();
	char *text;

	json_set_string(object, "summary", summary);
	text = json_text(object, false);
	ask_catalog(nudge, state, "PATCH", text, now);
	free(text);
	json_free(object);
}

static void change_summary(struct nudge *nudge, struct mono now)
{
	char text[MANAGER_SUMMARY_BYTES + MANAGER_MARK_BYTES], when[CLOCK_TEXT_BYTES];

	set_summary(nudge, NUDGE_CHANGE, manager_mark(nudge->summary.text, clock_text(when, clock_wall_ms()), text), now);
}

/* The request of STATE, for the catalog at work. */
static void begin(struct nudge *nudge, enum nudge_state state, struct mono now)
{
	switch (state) {
	case NUDGE_CHANGE: change_summary(nudge, now); break;
	case NUDGE_RESTORE: set_summary(nudge, NUDGE_RESTORE, nudge->summary.there ? nudge->summary.text : NULL, now); break;
	default: ask_catalog(nudge, state, "GET", NULL, now); break;
	}
}

/* ---- answers -------------------------------------------------------------------------------------------------- */

static void fail_status(struct nudge *nudge)
{
	static const char *const doing[] = {"", "log in", "read the catalog", "change the catalog's summary", "put the catalog's summary back", "ask for the state of the catalog"};
	int status = nudge->client.http_status;
	enum error_code code = status == 401 || (status == 400 && nudge->state == NUDGE_TOKEN) ? ERROR_AUTH : status == 403 ? ERROR_PERMISSION : ERROR_ANSWER;
	const char *message = json_string(json_get(nudge->client.answer, "message"));

	(void)error_set(&nudge->error, code, code == ERROR_ANSWER ? "check org and catalogs in [api_manager], and the state of API Manager" : "check the credentials in [api_manager]",
			"API Manager does not let us %s%s%s: HTTP %d%s%.200s", doing[nudge->state], nudge->state > NUDGE_TOKEN ? " " : "",
			nudge->state > NUDGE_TOKEN ? nudge->config->api_manager.catalogs[nudge->catalog] : "", status, message ? ", " : "", message ? message : "");
	nudge->refused |= code == ERROR_AUTH || (code == ERROR_PERMISSION && nudge->state == NUDGE_TOKEN);
}

static void take_token(struct nudge *nudge, struct mono now)
{
	const char *token = manager_token(nudge->client.answer);

	if (!token || strlen(token) >= SECRETFILE_PAGE_BYTES) {
		(void)error_set(&nudge->error, ERROR_ANSWER, NULL, "API Manager's answer holds no access token, or one of more than %d bytes", SECRETFILE_PAGE_BYTES - 1);
		return;
	}
	if (secretfile_page(&nudge->token, &nudge->error) != 0)
		return;
	nudge->token.length = strlen(token);
	memcpy(nudge->token.bytes, token, nudge->token.length + 1);
	nudge->token_fresh = true;
	begin(nudge, nudge->wanted, now);
}

static void take_catalog(struct nudge *nudge, struct mono now)
{
	if (manager_read_summary(nudge->client.answer, nudge->config->api_manager.catalogs[nudge->catalog], &nudge->summary, &nudge->error) == 0)
		change_summary(nudge, now);
}

/* ---- how far it is -------------------------------------------------------------------------------------------- */

bool nudge_is_current(const struct nudge *nudge)
{
	return manager_is_current(nudge->catalogs, nudge->config->api_manager.catalog_count);
}

const char *nudge_story(const struct nudge *nudge, char out[MANAGER_STORY_BYTES])
{
	struct buf text;

	buf_init(&text, out, MANAGER_STORY_BYTES);
	for (unsigned i = 0; i < nudge->config->api_manager.catalog_count; i++) {
		(void)buf_add_string(&text, i > 0 ? "; " : "");
		manager_tell(&nudge->catalogs[i], nudge->config->api_manager.catalogs[i], &text);
	}
	return out;
}

/* ---- one after the other -------------------------------------------------------------------------------------- */

/* True: that was the last catalog. */
static bool next_catalog(struct nudge *nudge, struct mono now)
{
	if (++nudge->catalog == nudge->config->api_manager.catalog_count)
		return true;
	begin(nudge, nudge->state == NUDGE_STATUS ? NUDGE_STATUS : NUDGE_READ, now);
	return false;
}

/* The token was good once: it has expired. Another one, and the same request again. */
static bool has_expired(const struct nudge *nudge)
{
	return nudge->client.status == CLIENT_DONE && nudge->client.http_status == 401 && nudge->state != NUDGE_TOKEN && !nudge->token_fresh;
}

/* True: it is over. */
static bool take_answer(struct nudge *nudge, struct mono now)
{
	if (has_expired(nudge)) {
		nudge->wanted = nudge->state;
		ask_token(nudge, now);
		return nudge->error.code != ERROR_NONE;
	}
	if (nudge->client.status == CLIENT_FAILED)
		nudge->error = nudge->client.error;
	else if (nudge->client.http_status / 100 != 2)
		fail_status(nudge);
	if (nudge->error.code != ERROR_NONE)
		return true;
	nudge->token_fresh &= nudge->state == NUDGE_TOKEN;
	switch (nudge->state) {
	case NUDGE_TOKEN: take_token(nudge, now); break;
	case NUDGE_READ: take_catalog(nudge, now); break;
	case NUDGE_CHANGE:
		if (nudge->config->api_manager.summary == GROUP_SUMMARY_APPEND)
			return next_catalog(nudge, now);
		begin(nudge, NUDGE_RESTORE, now);
		break;
	case NUDGE_STATUS:
		return manager_read_services(nudge->client.answer, nudge->config->api_manager.catalogs[nudge->catalog], &nudge->catalogs[nudge->catalog], &nudge->error) != 0 ||
		       next_catalog(nudge, now);
	default: return next_catalog(nudge, now);
	}
	return nudge->error.code != ERROR_NONE;
}

static void start(struct nudge *nudge, enum nudge_state wanted, struct mono now)
{
	assert(nudge->client.door && nudge->state == NUDGE_IDLE);
	nudge->catalog = 0;
	nudge->wanted = wanted;
	if (nudge->refused) { /* nudge->error says so still */
		nudge->state = NUDGE_TOKEN;
		return;
	}
	error_clear(&nudge->error);
	if (nudge->token.length > 0)
		begin(nudge, wanted, now);
	else
		ask_token(nudge, now);
}

void nudge_start(struct nudge *nudge, struct mono now)
{
	start(nudge, NUDGE_READ, now);
}

void nudge_look(struct nudge *nudge, struct mono now)
{
	memset(nudge->catalogs, 0, sizeof nudge->catalogs);
	start(nudge, NUDGE_STATUS, now);
}

bool nudge_step(struct nudge *nudge, struct mono now)
{
	bool over = nudge->error.code != ERROR_NONE;

	if (nudge->state == NUDGE_IDLE)
		return false;
	while (!over && client_step(&nudge->client, now) != CLIENT_WAIT)
		over = take_answer(nudge, now);
	if (!over)
		return false;
	nudge->state = NUDGE_IDLE;
	if (nudge->error.code != ERROR_NONE)
		secretfile_free(&nudge->token); /* the next one gets one of its own */
	client_close(&nudge->client);
	return true;
}

struct client *nudge_client(struct nudge *nudge)
{
	return nudge->state == NUDGE_IDLE ? NULL : &nudge->client;
}
