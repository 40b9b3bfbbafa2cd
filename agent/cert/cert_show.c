/* cert_show.c - what the files of [https] hold, and whether the daemon and its clients can work with them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cert/cert.h"
#include "engine/report.h"
#include "platform/clock.h"
#include "platform/json.h"
#include "platform/x509.h"

enum { DAY_S = 86400, PROBLEMS_MAX = 64 };

struct show {
	const struct config *config;
	int64_t now_s;
	bool quiet; /* JSON: no lines */
	struct json *problems;
	unsigned problem_count;
	char next[ERROR_NEXT_MAX_BYTES]; /* of the first problem */
};

/* A problem makes the exit code 2; the first one's command is the last line of the text. */
static void add_problem(struct show *show, const char *what, const char *next)
{
	struct json *problem = json_object();

	json_set_string(problem, "what", what);
	json_set_string(problem, "next", next);
	json_add(show->problems, problem);
	if (!show->quiet)
		(void)printf("  PROBLEM    %s\n             next: %s\n", what, next);
	if (show->problem_count++ == 0)
		(void)snprintf(show->next, sizeof show->next, "%s", next);
}

static void add_error(struct show *show, const struct error *error)
{
	add_problem(show, error->what, error->next[0] ? error->next : "drr-agent cert init");
}

static int64_t days_left(const struct show *show, const struct x509_facts *facts)
{
	int64_t left_s = facts->not_after_s - show->now_s;

	return left_s < 0 ? -((-left_s + DAY_S - 1) / DAY_S) : left_s / DAY_S;
}

static const char *use_of(const struct x509_facts *facts)
{
	if (facts->for_server && facts->for_client)
		return "server, client";
	return facts->for_server ? "server" : facts->for_client ? "client" : "none of server, client";
}

/* ---- one certificate ---- */

static void print_facts(const struct show *show, const struct x509_facts *facts)
{
	char from[CLOCK_TEXT_BYTES], until[CLOCK_TEXT_BYTES];
	int64_t left = days_left(show, facts);

	(void)clock_text(from, facts->not_before_s * 1000);
	(void)clock_text(until, facts->not_after_s * 1000);
	(void)printf("  subject    %s\n  names      ", facts->subject);
	for (unsigned i = 0; i < facts->alternative_count; i++)
		(void)printf("%s%s", i > 0 ? ", " : "", facts->alternatives[i]);
	(void)printf("%s\n  issuer     %s%s\n", facts->alternative_count == 0 ? "none" : "", facts->self_issued ? "itself: " : "", facts->issuer);
	(void)printf("  valid      %.10s to %.10s: %lld days left%s\n", from, until, (long long)left,
		     left >= 0 && left < CERT_SOON_DAYS ? ", renew it soon: drr-agent cert init --renew" : "");
	(void)printf("  use        %s%s\n  pin        %s\n", use_of(facts), facts->authority ? ", CA" : "", facts->pin);
}

static struct json *facts_json(const struct show *show, const struct x509_facts *facts)
{
	struct json *object = json_object(), *names = json_array();
	char text[CLOCK_TEXT_BYTES];

	for (unsigned i = 0; i < facts->alternative_count; i++)
		json_add_string(names, facts->alternatives[i]);
	json_set_string(object, "subject", facts->subject);
	json_set_string(object, "name", facts->name[0] ? facts->name : NULL);
	json_set(object, "names", names);
	json_set_string(object, "issuer", facts->issuer);
	json_set_bool(object, "self_signed", facts->self_issued);
	json_set_string(object, "not_before", clock_text(text, facts->not_before_s * 1000));
	json_set_string(object, "not_after", clock_text(text, facts->not_after_s * 1000));
	json_set_int(object, "days_left", days_left(show, facts));
	json_set_bool(object, "server", facts->for_server);
	json_set_bool(object, "client", facts->for_client);
	json_set_bool(object, "ca", facts->authority);
	json_set_string(object, "pin", facts->pin);
	return object;
}

/* Valid now, and fit for WHOM. */
static void judge(struct show *show, const struct x509_facts *facts, bool client)
{
	char next[ERROR_NEXT_MAX_BYTES], what[ERROR_WHAT_MAX_BYTES];

	if (client && facts->self_issued)
		(void)snprintf(next, sizeof next, "on its host: drr-agent cert init --renew --client NAME --out DIR; its new certificate replaces the old one in %.150s",
			       show->config->https.client_ca);
	else if (client)
		(void)snprintf(next, sizeof next, "put a new certificate of this CA into %.200s", show->config->https.client_ca);
	else if (facts->self_issued)
		(void)snprintf(next, sizeof next, "drr-agent cert init --renew -c %.200s", show->config->path);
	else
		(void)snprintf(next, sizeof next, "drr-agent cert csr -c %.200s   and have it signed again", show->config->path);
	if (facts->not_after_s < show->now_s)
		(void)snprintf(what, sizeof what, "the certificate of %s has expired", facts->subject);
	else if (facts->not_before_s > show->now_s)
		(void)snprintf(what, sizeof what, "the certificate of %s is not valid yet: look at the clocks of both hosts (date -u)", facts->subject);
	else if (!(client ? facts->for_client || facts->authority : facts->for_server))
		(void)snprintf(what, sizeof what, "the certificate of %s is not for a %s (extended key usage)", facts->subject, client ? "client" : "server");
	else
		return;
	add_problem(show, what, next);
}

/* ---- the files ---- */

static void show_certificate(struct show *show, struct json *out)
{
	static struct x509_facts all[X509_CHAIN_MAX];
	const struct config *config = show->config;
	struct json *object = json_object(), *chain = json_array();
	struct error error = {0};
	unsigned count;

	json_set_string(object, "file", config->https.certificate);
	if (!show->quiet)
		(void)printf("certificate  %s\n", config->https.certificate);
	if (x509_read(config->https.certificate, all, X509_CHAIN_MAX, &count, &error) != 0)
		add_error(show, &error);
	for (unsigned i = 0; i < count; i++) {
		json_add(chain, facts_json(show, &all[i]));
		if (!show->quiet)
			print_facts(show, &all[i]);
		if (i == 0)
			judge(show, &all[i], false);
	}
	json_set(object, "chain", chain);
	json_set(out, "certificate", object);
}

/* Asks what the daemon will ask: both can be read, belong together, and are short enough. */
static void show_key(struct show *show, struct json *out)
{
	const struct config *config = show->config;
	struct json *object = json_object();
	struct error error = {0};
	struct tls_identity *identity = tls_identity_load(config->https.certificate, config->https.key, &error);

	json_set_string(object, "file", config->https.key);
	json_set_bool(object, "usable", identity != NULL);
	json_set(out, "key", object);
	if (!show->quiet)
		(void)printf("key          %s\n%s", config->https.key, identity ? "  use        belongs to the certificate, and is closed to others\n" : "");
	if (!identity)
		add_error(show, &error);
	tls_identity_free(identity);
}

static bool stands_in(const char names[][CONFIG_PERSON_BYTES], unsigned count, const char *name)
{
	for (unsigned i = 0; i < count; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static const char *role_of(const struct config *config, const struct x509_facts *facts)
{
	if (facts->authority)
		return "CA";
	if (stands_in(config->https.operators, config->https.operator_count, facts->name))
		return "operator";
	return stands_in(config->https.observers, config->https.observer_count, facts->name) ? "observer" : "none";
}

/* Made with "openssl req -x509", say, which makes CAs: meant as one client's own, it can sign certificates for any name. */
static void judge_authority(struct show *show, const struct x509_facts *facts)
{
	const struct config *config = show->config;
	char next[ERROR_NEXT_MAX_BYTES], what[ERROR_WHAT_MAX_BYTES];

	if (!facts->authority || !(stands_in(config->https.operators, config->https.operator_count, facts->name) ||
				   stands_in(config->https.observers, config->https.observer_count, facts->name)))
		return;
	(void)snprintf(what, sizeof what, "the certificate of %.100s is a client's and a CA's: its owner can make certificates for any operator's name", facts->name);
	(void)snprintf(next, sizeof next, "on its host: drr-agent cert init --client %.100s --out DIR   and put that certificate in this one's place", facts->name);
	add_problem(show, what, next);
}

static void show_client(struct show *show, const struct x509_facts *facts, struct json *clients)
{
	const char *role = role_of(show->config, facts);
	struct json *client = facts_json(show, facts);

	json_set_string(client, "role", role);
	json_add(clients, client);
	if (!show->quiet) {
		print_facts(show, facts);
		(void)printf("  role       %s\n", strcmp(role, "none") == 0 ? "none: its name is neither in operators nor in observers" : role);
	}
	judge(show, facts, true);
	judge_authority(show, facts);
}

/* Names that nobody can prove, unless a CA may still sign for them. */
static void look_for_missing(struct show *show, const char names[][CONFIG_PERSON_BYTES], unsigned count, const struct x509_facts *all, unsigned read)
{
	char next[ERROR_NEXT_MAX_BYTES], what[ERROR_WHAT_MAX_BYTES];

	for (unsigned i = 0; i < count; i++) {
		bool found = false;

		for (unsigned j = 0; j < read; j++)
			found = found || all[j].authority || strcmp(all[j].name, names[i]) == 0;
		if (found)
			continue;
		(void)snprintf(what, sizeof what, "no certificate in client_ca is %s's: this client cannot connect", names[i]);
		(void)snprintf(next, sizeof next, "on its host: drr-agent cert init --client %s --out DIR   and append its certificate to %.200s", names[i],
			       show->config->https.client_ca);
		add_problem(show, what, next);
	}
}

static void show_clients(struct show *show, struct json *out)
{
	static struct x509_facts all[X509_CHAIN_MAX];
	const struct config *config = show->config;
	struct json *clients = json_array();
	struct error error = {0};
	unsigned count;

	if (!show->quiet)
		(void)printf("clients      %s\n", config->https.client_ca);
	/* No file yet: what follows says whose certificates are missing. */
	if (x509_read(config->https.client_ca, all, X509_CHAIN_MAX, &count, &error) != 0 && error.sys_errno != ENOENT)
		add_error(show, &error);
	for (unsigned i = 0; i < count; i++)
		show_client(show, &all[i], clients);
	look_for_missing(show, config->https.operators, config->https.operator_count, all, count);
	look_for_missing(show, config->https.observers, config->https.observer_count, all, count);
	json_set(out, "clients", clients);
}

int cert_show(const struct config *config, bool json)
{
	struct show show = {.config = config, .now_s = clock_wall_ms() / 1000, .quiet = json, .problems = json_array()};
	struct json *out = json_object();
	char *text;

	show_certificate(&show, out);
	show_key(&show, out);
	show_clients(&show, out);
	json_set(out, "problems", show.problems);
	if (json) {
		text = json_text(out, false);
		(void)puts(text);
		free(text);
	}
	json_free(out);
	if (show.problem_count > 0)
		(void)fprintf(stderr, "drr-agent: %u problem%s with the files of [https]\nnext: %s\n", show.problem_count, show.problem_count == 1 ? "" : "s", show.next);
	return show.problem_count > 0 ? 2 : 0;
}
