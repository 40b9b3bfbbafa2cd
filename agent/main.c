/* drr-agent - gives the gateway service of one IBM DataPower appliance its configuration again (DRR), verified step by step. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cert/cert.h"
#include "config.h"
#include "deps_versions.h"
#include "engine/ask.h"
#include "engine/ask_audit.h"
#include "engine/confine.h"
#include "engine/engine.h"
#include "engine/report.h"
#include "engine/run.h"
#include "front/front.h"
#include "platform/jail.h"
#include "platform/process.h"
#include "platform/secretfile.h"
#include "platform/json.h"
#include "engine/explain.h"
#include "run/journal.h"
#include "run/precheck.h"
#include "run/table.h"
#include "supervisor/notice.h"
#include "supervisor/supervisor.h"

static const char default_path[] = "/etc/drr-agent/agent.conf";

/* What the command line says, for every verb. */
struct options {
	const char *config_path;
	struct run_request run;
	struct audit_request audit;
	struct cert_request cert;
	const char *word; /* behind the verb */
	bool connect, mermaid;
};

enum option_code { OPTION_STEPS = 256, OPTION_RUN, OPTION_DRY_RUN, OPTION_JSON, OPTION_CONNECT, OPTION_MERMAID, OPTION_FIX, OPTION_TO, OPTION_YES,
		   OPTION_NOT_PRODUCTION, OPTION_CLIENT, OPTION_OUT, OPTION_NAMES, OPTION_RENEW, OPTION_OVERRIDE };

/* Which options a verb takes; and how its process is locked in: by engine/confine.c, unless it does that itself, and for the daemon's children as [agent] user. */
enum takes { TAKES_CONFIG = 1, TAKES_JSON = 2, TAKES_RUN = 4, TAKES_CONNECT = 8, TAKES_MERMAID = 16, TAKES_AUDIT = 32, TAKES_CERT = 256, TAKES_WORD = 512,
	     OWN_JAIL = 1024, DROPS_USER = 2048 };

static int verb_serve(const struct options *, const struct config *);
static int verb_run(const struct options *, const struct config *);
static int verb_recover(const struct options *, const struct config *);
static int verb_status(const struct options *, const struct config *);
static int verb_audit(const struct options *, const struct config *);
static int verb_check(const struct options *, const struct config *);
static int verb_cert(const struct options *, const struct config *);
static int verb_journal(const struct options *, const struct config *);
static int verb_explain(const struct options *, const struct config *);
static int verb_version(const struct options *, const struct config *);
static int verb_engine(const struct options *, const struct config *);
static int verb_front(const struct options *, const struct config *);
static int verb_notify(const struct options *, const struct config *);

static const struct verb {
	const char *name;
	unsigned takes;
	int (*perform)(const struct options *, const struct config *);
	const char *synopsis, *meaning;
} verbs[] = {
	{"serve", TAKES_CONFIG | OWN_JAIL, verb_serve, "", "the daemon: HTTPS interface, log watcher, steps for drrctl; SIGHUP reads the configuration again"},
	{"run", TAKES_CONFIG | TAKES_JSON | TAKES_RUN, verb_run, "[--steps LIST] [--run ID] [--dry-run] [--json] [--override-NAME]",
	 "this member's part of a DRR, in the foreground"},
	{"recover", TAKES_CONFIG | TAKES_JSON, verb_recover, "[--json]", "finish or undo what the journal holds open"},
	{"status", TAKES_CONFIG | TAKES_JSON, verb_status, "[--json]", "what the appliance and the journal say now"},
	{"audit", TAKES_CONFIG | TAKES_JSON | TAKES_AUDIT, verb_audit, "[--json] [--non-production] [--fix persistence [--to local|raid] [--yes]]",
	 "what is wrong or unwise with the group, and what repairs it; silent when all is well; -c for each member"},
	{"check", TAKES_CONFIG | TAKES_CONNECT, verb_check, "[--connect]", "validate the configuration; --connect also logs in, read only"},
	{"cert", TAKES_CONFIG | TAKES_JSON | TAKES_CERT | TAKES_WORD, verb_cert, "init [--renew] [--names LIST] | csr | show [--json]",
	 "key and certificate of the HTTPS endpoint; init and csr --client NAME --out DIR: of one that uses it"},
	{"journal", TAKES_CONFIG | TAKES_JSON, verb_journal, "[--json]", "print the journal"},
	{"explain", TAKES_JSON | TAKES_MERMAID | TAKES_WORD, verb_explain, "[run|watchdog] [--mermaid|--json]", "the state table of a run, or of the watchdog, in sentences"},
	{"version", TAKES_JSON, verb_version, "[--json]", "version, target, what is linked in"},
	{"engine", TAKES_CONFIG | DROPS_USER, verb_engine, NULL, NULL}, /* NULL: for the supervisor only, not shown */
	{"front", TAKES_CONFIG | DROPS_USER | OWN_JAIL, verb_front, NULL, NULL},
	{"notify", TAKES_CONFIG | OWN_JAIL, verb_notify, NULL, NULL},
};

static void usage(FILE *out)
{
	(void)fputs("usage:\n", out);
	for (size_t i = 0; i < sizeof verbs / sizeof verbs[0] && verbs[i].synopsis; i++) /* the hidden ones stand last */
		(void)fprintf(out, "  drr-agent %-8s %s%s\n%*s%s\n", verbs[i].name, verbs[i].takes & TAKES_CONFIG ? "[-c FILE] [-v] " : "",
			      verbs[i].synopsis, 21, "", verbs[i].meaning);
	(void)fprintf(out, "FILE: %s. LIST: primary,flush,bounce,confirm,await (default all). -v: show the dialogue with the appliance.\n"
			   "NAME: a refusal of the precheck (drr-agent explain lists them).\n"
			   "exit: 0 done, 1 internal error, 2 usage or configuration, 3 refused, 4 failed, 5 incomplete, 6 busy,\n"
			   "      7 authentication or permission, 8 unreachable, 9 a member may be disabled: act now\n",
		      default_path);
}

static int usage_error(const char *what, const char *detail)
{
	(void)fprintf(stderr, "drr-agent: %s%s\nnext: drr-agent --help\n", what, detail);
	return 2;
}

/* ---- verbs ---------------------------------------------------------------------------------------------------- */

static int verb_serve(const struct options *options, const struct config *config)
{
	(void)options;
	return supervise(config);
}

static int verb_run(const struct options *options, const struct config *config)
{
	return run_execute(config, &options->run);
}

static int verb_recover(const struct options *options, const struct config *config)
{
	return run_recover(config, options->run.json, options->run.verbose);
}

static int verb_status(const struct options *options, const struct config *config)
{
	return ask_status(config, options->run.json, options->run.verbose);
}

static int verb_audit(const struct options *options, const struct config *config)
{
	struct audit_request request = options->audit;

	(void)config; /* it reads the configurations of all members */
	if (request.path_count == 0)
		request.paths[request.path_count++] = options->config_path;
	request.json = options->run.json;
	request.verbose = options->run.verbose;
	if (!request.fix_persistence && (request.persistence || request.yes))
		return usage_error("--to and --yes belong to ", "--fix persistence");
	return ask_audit(&request);
}

static int verb_check(const struct options *options, const struct config *config)
{
	return ask_check(config, options->connect, options->run.verbose);
}

static int verb_cert(const struct options *options, const struct config *config)
{
	struct cert_request request = options->cert;

	(void)config; /* it reads it itself: a client's key needs none */
	request.config_path = options->config_path;
	request.word = options->word;
	request.json = options->run.json;
	return cert_execute(&request);
}

static int verb_journal(const struct options *options, const struct config *config)
{
	return ask_journal(config, options->run.json);
}

static int verb_explain(const struct options *options, const struct config *config)
{
	bool watchdog = options->word && strcmp(options->word, "watchdog") == 0;

	(void)config;
	if (options->word && !watchdog && strcmp(options->word, "run") != 0)
		return usage_error("explain takes run or watchdog; not ", options->word);
	if (options->mermaid)
		(watchdog ? explain_watchdog_mermaid : explain_mermaid)(stdout);
	else if (options->run.json)
		(watchdog ? explain_watchdog_json : explain_json)(stdout);
	else
		(watchdog ? explain_watchdog_text : explain_text)(stdout);
	return 0;
}

static int verb_version(const struct options *options, const struct config *config)
{
	size_t count = sizeof deps_versions / sizeof deps_versions[0];

	(void)config;
	if (options->run.json) {
		struct json *object = json_object(), *parts = json_object();
		char *text;

		json_set_string(object, "version", DRR_VERSION);
		json_set_string(object, "target", DRR_TARGET);
		for (size_t i = 0; i < count; i++)
			json_set_string(parts, deps_versions[i].name, deps_versions[i].version);
		json_set(object, "linked", parts);
		text = json_text(object, false);
		(void)puts(text);
		free(text);
		json_free(object);
		return 0;
	}
	(void)printf("drr-agent %s (%s)\n", DRR_VERSION, DRR_TARGET);
	for (size_t i = 0; i < count; i++)
		(void)printf("  %s %s\n", deps_versions[i].name, deps_versions[i].version);
	return 0;
}

static int verb_engine(const struct options *options, const struct config *config)
{
	(void)options;
	process_set_name("drr-engine");
	return engine_main(config);
}

static int verb_front(const struct options *options, const struct config *config)
{
	(void)options;
	process_set_name("drr-front");
	return front_main(config);
}

static int verb_notify(const struct options *options, const struct config *config)
{
	(void)options;
	process_set_name("drr-notify");
	return notice_main(config);
}

/* ---- the command line ----------------------------------------------------------------------------------------- */

/* The long options: the fixed ones, and one --override-NAME for each refusal. */
enum { FIXED_OPTIONS = 16, NAME_BYTES = 48 };

static void fill_long_options(struct option *all, char names[][NAME_BYTES])
{
	static const struct option fixed[FIXED_OPTIONS] = {
		{"steps", required_argument, NULL, OPTION_STEPS}, {"run", required_argument, NULL, OPTION_RUN},
		{"dry-run", no_argument, NULL, OPTION_DRY_RUN},   {"json", no_argument, NULL, OPTION_JSON},
		{"connect", no_argument, NULL, OPTION_CONNECT},   {"mermaid", no_argument, NULL, OPTION_MERMAID},
		{"config", required_argument, NULL, 'c'},         {"verbose", no_argument, NULL, 'v'},
		{"fix", required_argument, NULL, OPTION_FIX},     {"to", required_argument, NULL, OPTION_TO},
		{"client", required_argument, NULL, OPTION_CLIENT}, {"out", required_argument, NULL, OPTION_OUT},
		{"names", required_argument, NULL, OPTION_NAMES}, {"renew", no_argument, NULL, OPTION_RENEW},
		{"yes", no_argument, NULL, OPTION_YES},           {"non-production", no_argument, NULL, OPTION_NOT_PRODUCTION},
	};

	memcpy(all, fixed, sizeof fixed);
	for (int i = 0; i < PRECHECK_REFUSAL_COUNT; i++) {
		(void)snprintf(names[i], NAME_BYTES, "override-%s", precheck_name((enum precheck_refusal)i));
		all[FIXED_OPTIONS + i] = (struct option){names[i], no_argument, NULL, OPTION_OVERRIDE + i};
	}
	all[FIXED_OPTIONS + PRECHECK_REFUSAL_COUNT] = (struct option){0};
}

static unsigned needs(int code)
{
	switch (code) {
	case 'c':
	case 'v': return TAKES_CONFIG;
	case OPTION_JSON: return TAKES_JSON;
	case OPTION_CONNECT: return TAKES_CONNECT;
	case OPTION_MERMAID: return TAKES_MERMAID;
	case OPTION_FIX:
	case OPTION_TO:
	case OPTION_YES:
	case OPTION_NOT_PRODUCTION: return TAKES_AUDIT;
	case OPTION_CLIENT:
	case OPTION_OUT:
	case OPTION_NAMES:
	case OPTION_RENEW: return TAKES_CERT;
	default: return TAKES_RUN;
	}
}

static int take_config(struct options *options, const char *value)
{
	options->config_path = value;
	if (options->audit.path_count < AUDIT_MEMBERS_MAX)
		options->audit.paths[options->audit.path_count] = value;
	options->audit.path_count++; /* too many: said by parse(), where the verb takes several */
	return 0;
}

static int take_audit_option(struct options *options, int code, const char *value)
{
	if (code == OPTION_FIX) {
		options->audit.fix_persistence = true;
		return strcmp(value, "persistence") == 0 ? 0 : usage_error("--fix repairs persistence only; not ", value);
	}
	if (code == OPTION_TO)
		options->audit.persistence = value;
	else if (code == OPTION_YES)
		options->audit.yes = true;
	else
		options->audit.not_production = true;
	return 0;
}

static int take_cert_option(struct options *options, int code, const char *value)
{
	switch (code) {
	case OPTION_CLIENT: options->cert.client = value; return 0;
	case OPTION_OUT: options->cert.out = value; return 0;
	case OPTION_NAMES: options->cert.names = value; return 0;
	default: options->cert.renew = true; return 0;
	}
}

static int take_option(struct options *options, int code, const char *value)
{
	switch (code) {
	case 'c': return take_config(options, value);
	case 'v': options->run.verbose = true; return 0;
	case OPTION_JSON: options->run.json = true; return 0;
	case OPTION_CONNECT: options->connect = true; return 0;
	case OPTION_MERMAID: options->mermaid = true; return 0;
	case OPTION_DRY_RUN: options->run.dry_run = true; return 0;
	case OPTION_STEPS:
		options->run.steps = run_steps_parse(value);
		return options->run.steps ? 0 : usage_error("--steps takes a list of primary,flush,bounce,confirm,await; not ", value);
	case OPTION_RUN:
		options->run.run = value;
		return journal_run_is_valid(value) ? 0 : usage_error("a run id is 1 to 63 letters, digits, - _ . ; not ", value);
	case OPTION_FIX:
	case OPTION_TO:
	case OPTION_YES:
	case OPTION_NOT_PRODUCTION: return take_audit_option(options, code, value);
	case OPTION_CLIENT:
	case OPTION_OUT:
	case OPTION_NAMES:
	case OPTION_RENEW: return take_cert_option(options, code, value);
	default:
		options->run.overrides |= 1u << (code - OPTION_OVERRIDE);
		return 0;
	}
}

static int parse(const struct verb *verb, int argc, char **argv, struct options *options)
{
	static char names[PRECHECK_REFUSAL_COUNT][NAME_BYTES];
	struct option all[FIXED_OPTIONS + PRECHECK_REFUSAL_COUNT + 1];
	int code;

	fill_long_options(all, names);
	opterr = 0;
	while ((code = getopt_long(argc, argv, ":c:v", all, NULL)) != -1) {
		if (code == ':')
			return usage_error("a value is missing behind ", argv[optind - 1]);
		if (code == '?')
			return usage_error("unknown option ", argv[optind - 1]);
		if (!(verb->takes & needs(code)))
			return usage_error(verb->name, " does not take that option");
		if (take_option(options, code, optarg))
			return 2;
	}
	if ((verb->takes & TAKES_AUDIT) && options->audit.path_count > AUDIT_MEMBERS_MAX)
		return usage_error(verb->name, " takes at most eight members");
	if ((verb->takes & TAKES_WORD) && optind < argc)
		options->word = argv[optind++];
	return optind < argc ? usage_error("unexpected argument ", argv[optind]) : 0;
}

static int load(const struct verb *verb, const struct options *options, struct config *config)
{
	struct error error = {0};
	bool may_lack_key = (verb->takes & TAKES_CONNECT) || verb->perform == verb_journal;

	if (!(verb->takes & TAKES_CONFIG) || (verb->takes & (TAKES_AUDIT | TAKES_CERT)))
		return 0;
	if (config_load(options->config_path, config, &error) || (!may_lack_key && config_require_host_key(config, &error)))
		return report_error(&error);
	if ((verb->takes & DROPS_USER) && jail_drop_user(config->agent.user, &error))
		return report_error(&error);
	if (!(verb->takes & OWN_JAIL) && confine_enter(&(const struct config *){config}, 1, options->run.verbose, &error))
		return report_error(&error);
	return 0;
}

int main(int argc, char **argv)
{
	static struct config config;
	struct options options = {.config_path = default_path, .run = {.steps = RUN_STEPS_ALL}};

	secretfile_forbid_cores();
	if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
		usage(argc < 2 ? stderr : stdout);
		return argc < 2 ? 2 : 0;
	}
	for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
		int exit_code;

		if (strcmp(verbs[i].name, argv[1]) != 0)
			continue;
		exit_code = parse(&verbs[i], argc - 1, argv + 1, &options);
		if (exit_code == 0)
			exit_code = load(&verbs[i], &options, &config);
		return exit_code ? exit_code : verbs[i].perform(&options, &config);
	}
	return usage_error("unknown verb ", argv[1]);
}
