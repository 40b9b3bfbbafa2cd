/* cert.c - makes keys, certificates and requests.
 *
 * Between three agents and a coordinator little has to be copied: the agents' pins, one line each, to the coordinator, and its one certificate to the agents. No
 * private key leaves the machine that it was made on. */
#include "cert/cert.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/text.h"
#include "engine/report.h"
#include "platform/clock.h"
#include "platform/durable.h"
#include "platform/x509.h"

enum { KEY_MODE = 0600, CERTIFICATE_MODE = 0644, FOLDER_MODE = 0755 };

/* What one call works on. */
struct task {
	const struct cert_request *request;
	const struct config *config; /* NULL: for a client */
	const char *key_path, *certificate_path;
	char client_paths[2][CONFIG_TEXT_BYTES];
	struct x509_subject subject;
	unsigned owner; /* of the key */
	struct error *error;
};

/* ---- names ---- */

static bool is_host_name(const char *name)
{
	size_t good = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._");

	return name[good] == '\0' && good > 0 && name[0] != '-' && name[0] != '.';
}

static bool is_address(const char *name)
{
	unsigned char address[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1;
}

/* Adds NAME unless it is there; false: there is no room, or it is too long. */
static bool add_name(struct x509_subject *subject, const char *name, size_t length)
{
	for (unsigned i = 0; i < subject->alternative_count; i++)
		if (text_equal(name, length, subject->alternatives[i]))
			return true;
	if (subject->alternative_count == X509_ALTERNATIVES_MAX ||
	    text_copy(subject->alternatives[subject->alternative_count], X509_ALTERNATIVE_BYTES, name, length) != 0)
		return false;
	subject->alternative_count++;
	return true;
}

/* --names LIST. */
static int add_more_names(struct task *task)
{
	const char *list = task->request->names;

	while (list) {
		size_t length = strcspn(list, ",");
		char name[X509_ALTERNATIVE_BYTES];

		if (text_copy(name, sizeof name, list, length) != 0 || !(is_address(name) || is_host_name(name)) ||
		    !add_name(&task->subject, name, length))
			return error_set(task->error, ERROR_USAGE, "drr-agent cert init --names gw1.example.org,192.0.2.11",
					 "--names takes host names and IP addresses, separated by commas, %d in all; not %.100s", X509_ALTERNATIVES_MAX, list);
		list = list[length] == ',' ? list + length + 1 : NULL;
	}
	return 0;
}

static int set_subject(struct task *task, const char *name, const char *next)
{
	char shown[2 * CONFIG_NAME_BYTES];

	if (text_copy(task->subject.name, X509_NAME_BYTES, name, strlen(name)) != 0 ||
	    strcmp(text_escape(shown, sizeof shown, name, strlen(name)), name) != 0)
		return error_set(task->error, ERROR_CONFIG, next, "the name \"%s\" cannot stand in a certificate: UTF-8 without a backslash, 1 to %d bytes", shown,
				 X509_NAME_BYTES - 1);
	return 0;
}

/* ---- for whom ---- */

/* The endpoint's names: the member's, the host's, and the addresses that it listens on. */
static int aim_at_endpoint(struct task *task)
{
	const struct config *config = task->config;
	char host[X509_ALTERNATIVE_BYTES] = "";
	struct stat status;

	task->subject.server = true;
	if (set_subject(task, config->agent.name, "write a shorter or plainer [agent] name into the configuration") != 0)
		return -1;
	if (is_host_name(config->agent.name))
		(void)add_name(&task->subject, config->agent.name, strlen(config->agent.name));
	if (gethostname(host, sizeof host - 1) == 0 && is_host_name(host))
		(void)add_name(&task->subject, host, strlen(host));
	for (unsigned i = 0; i < config->https.listen_count; i++)
		if (config->https.listen[i].host[0])
			(void)add_name(&task->subject, config->https.listen[i].host, strlen(config->https.listen[i].host));
	task->key_path = config->https.key;
	task->certificate_path = config->https.certificate;
	/* Root makes the key for the user that the daemon runs as; its folder knows who that is. */
	if (geteuid() == 0 && stat(config->agent.state_dir, &status) == 0)
		task->owner = status.st_uid;
	return add_more_names(task);
}

static int aim_at_client(struct task *task)
{
	const char *client = task->request->client, *folder = task->request->out;
	size_t good = strspn(client, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._@");

	if (client[good] != '\0' || client[0] == '.' || client[0] == '-' || good == 0 || good >= CONFIG_PERSON_BYTES)
		return error_set(task->error, ERROR_USAGE, "drr-agent cert init --client drrctl --out /etc/drr-agent",
				 "a client's name is 1 to %d letters, digits and - . _ @, and begins with none of - . ; not \"%.100s\"", CONFIG_PERSON_BYTES - 1, client);
	if ((size_t)snprintf(task->client_paths[0], CONFIG_TEXT_BYTES, "%s/%s.key", folder, client) >= CONFIG_TEXT_BYTES ||
	    (size_t)snprintf(task->client_paths[1], CONFIG_TEXT_BYTES, "%s/%s.pem", folder, client) >= CONFIG_TEXT_BYTES)
		return error_set(task->error, ERROR_USAGE, "take a shorter path", "the folder's name is longer than this program takes");
	task->key_path = task->client_paths[0];
	task->certificate_path = task->client_paths[1];
	if (set_subject(task, client, NULL) != 0)
		return -1;
	return add_more_names(task);
}

/* ---- files ---- */

static bool is_there(const char *path)
{
	struct stat status;

	return lstat(path, &status) == 0;
}

/* The folder of PATH is made only for a client: that of the configuration is the operator's. */
static int want_folder(const struct task *task, const char *path)
{
	char folder[CONFIG_TEXT_BYTES], next[ERROR_NEXT_MAX_BYTES];
	const char *slash = strrchr(path, '/');
	struct stat status;

	if (!slash || slash == path)
		return 0;
	(void)text_copy(folder, sizeof folder, path, (size_t)(slash - path));
	if (!task->config && mkdir(folder, FOLDER_MODE) != 0 && errno != EEXIST)
		return error_set_errno(task->error, ERROR_CONFIG, errno, "name a folder whose parent is there and open to you", "cannot make the folder %s", folder);
	if (stat(folder, &status) == 0 && access(folder, W_OK) == 0)
		return 0;
	if (errno == EACCES)
		return error_set_errno(task->error, ERROR_PERMISSION, errno, "run the command as root, or as the owner of that folder", "cannot write to %s", folder);
	(void)snprintf(next, sizeof next, "install -d -m %o %.300s   then run the command again", FOLDER_MODE, folder);
	return error_set_errno(task->error, ERROR_CONFIG, errno, next, "no folder for %s", path);
}

/* "drr-agent cert init -c FILE" or with --client, as the operator would have to type it. */
static void add_command(struct buf *out, const struct task *task, const char *word)
{
	(void)buf_printf(out, "drr-agent cert %s", word);
	if (task->config)
		(void)buf_printf(out, " -c %s", task->config->path);
	else
		(void)buf_printf(out, " --client %s --out %s", task->request->client, task->request->out);
}

static int place_key(const struct task *task, const struct x509_key *key)
{
	const struct durable_form form = {KEY_MODE, task->owner, false};
	char memory[X509_KEY_PEM_BYTES];
	struct buf pem;
	int result;

	buf_init(&pem, memory, sizeof memory);
	result = x509_key_write(key, &pem, task->error);
	if (result == 0)
		result = durable_place(task->key_path, pem.data, pem.len, &form, task->error);
	explicit_bzero(memory, sizeof memory);
	return result;
}

static struct x509_key *make_key(const struct task *task)
{
	struct x509_key *key;

	if (want_folder(task, task->key_path) != 0)
		return NULL;
	key = x509_key_make(task->error);
	if (key && place_key(task, key) != 0) {
		x509_key_free(key);
		key = NULL;
	}
	return key;
}

/* ---- init ---- */

/* A key that is there is somebody's identity, and so is a certificate that a CA made. */
static int refuse_to_overwrite(const struct task *task)
{
	bool key = is_there(task->key_path), certificate = is_there(task->certificate_path);
	char next[ERROR_NEXT_MAX_BYTES];
	struct x509_facts facts;
	struct error unread = {0};
	struct buf command;
	unsigned count;

	buf_init(&command, next, sizeof next);
	if (strcmp(task->key_path, task->certificate_path) == 0)
		return error_set(task->error, ERROR_CONFIG, "give [https] certificate and key a file each", "key and certificate are one file, %s: one would overwrite the other",
				 task->key_path);
	if (!task->request->renew && key) {
		add_command(&command, task, "init --renew");
		(void)buf_add_string(&command, "   makes a new certificate for this key: pins stay good");
		return error_set(task->error, ERROR_REFUSED, next, "the key %s is there already and is not overwritten", task->key_path);
	}
	if (!task->request->renew && certificate) {
		(void)buf_printf(&command, "mv %s %s.old   then run the command again", task->certificate_path, task->certificate_path);
		return error_set(task->error, ERROR_REFUSED, next, "the certificate %s is there already, without a key, and is not overwritten", task->certificate_path);
	}
	if (task->request->renew && !key) {
		add_command(&command, task, "init");
		return error_set(task->error, ERROR_REFUSED, next, "there is no key %s to renew the certificate of", task->key_path);
	}
	if (certificate && x509_read(task->certificate_path, &facts, 1, &count, &unread) == 0 && !facts.self_issued) {
		add_command(&command, task, "csr");
		(void)buf_add_string(&command, "   makes a request for the CA");
		return error_set(task->error, ERROR_REFUSED, next, "the certificate %s is of a CA (%s) and is not replaced by a self-signed one",
				 task->certificate_path, facts.issuer);
	}
	return 0;
}

static void tell_next_endpoint(const struct task *task, const char *pin)
{
	const struct config *config = task->config;
	const struct config_listen *door = &config->https.listen[0];
	const char *host = door->host[0] ? door->host : task->subject.alternative_count > 0 ? task->subject.alternatives[0] : "ADDRESS";
	bool v6 = strchr(host, ':') != NULL;
	char url[CONFIG_TEXT_BYTES];

	(void)snprintf(url, sizeof url, "https://%s%s%s:%u", v6 ? "[" : "", host, v6 ? "]" : "", door->port);
	if (door->host[0] == '\0')
		(void)printf("note: listen = %s: the certificate holds the names above and no address; --names LIST adds some (a pin needs none)\n", door->text);
	(void)printf("\nnext, on the coordinator, in group.conf (the pin is all that it needs of this host):\n"
		     "  [member %s]\n  url = %s\n  pin = %s\n"
		     "  or, instead of the pin, a copy of %s:  ca_file = PATH\n",
		     config->agent.name, url, pin, config->https.certificate);
	(void)printf("next, for each client (operators, observers), on the client's host:\n"
		     "  drr-agent cert init --client NAME --out DIR   then append its DIR/NAME.pem to %s on this host\n", config->https.client_ca);
	(void)printf("test, from a client:\n"
		     "  curl --cacert COPY-OF-THE-CERTIFICATE --cert DIR/NAME.pem --key DIR/NAME.key %s/v1/state\n"
		     "  curl -k --pinnedpubkey %s --cert DIR/NAME.pem --key DIR/NAME.key %s/v1/state\n",
		     url, pin, url);
	(void)printf("a daemon that runs takes it with SIGHUP:  systemctl reload drr-agent\n");
}

static void tell_next_client(const struct task *task)
{
	const char *client = task->request->client;

	(void)printf("\nnext, for each agent:\n  ssh AGENT 'cat >>/etc/drr-agent/clients.pem' <%s   (the file of its [https] client_ca)\n", task->certificate_path);
	(void)printf("  and in its agent.conf, [https]:  operators = %s  (may change)  or  observers = %s  (may look);  then: systemctl reload drr-agent\n",
		     client, client);
	(void)printf("next, here:\n  drrctl: group.conf, [group]:  certificate = %s  key = %s\n"
		     "  curl -k --pinnedpubkey PIN-OF-THE-AGENT --cert %s --key %s https://AGENT:8443/v1/state\n",
		     task->certificate_path, task->key_path, task->certificate_path, task->key_path);
}

static void tell_made(const struct task *task, const char *pin)
{
	char until[CLOCK_TEXT_BYTES];

	(void)clock_text(until, clock_wall_ms() + (int64_t)X509_DAYS * 86400 * 1000);
	(void)printf("%s %s (mode 0600: it stays on this host)\n", task->request->renew ? "kept the key" : "made the key", task->key_path);
	(void)printf("made the certificate %s: CN=%s", task->certificate_path, task->subject.name);
	for (unsigned i = 0; i < task->subject.alternative_count; i++)
		(void)printf(", %s:%s", is_address(task->subject.alternatives[i]) ? "IP" : "DNS", task->subject.alternatives[i]);
	(void)printf("; self-signed, until %.10s\npin %s\n", until, pin);
	if (task->config && geteuid() == 0 && task->owner == DURABLE_OWNER_SELF)
		(void)printf("note: there is no %s yet, whose owner would get the key: chown %s to the user that the daemon runs as\n", task->config->agent.state_dir,
			     task->key_path);
	if (task->request->renew)
		(void)printf("the pin is the one of before; whoever has a copy of the certificate (ca_file, client_ca) needs the new one\n");
}

static int init(const struct task *task)
{
	const struct durable_form form = {CERTIFICATE_MODE, DURABLE_OWNER_SELF, true};
	char memory[X509_PEM_BYTES], pin[TLS_PIN_BYTES];
	struct x509_key *key = NULL;
	struct buf pem;
	int result = -1;

	buf_init(&pem, memory, sizeof memory);
	if (refuse_to_overwrite(task) == 0 && want_folder(task, task->certificate_path) == 0)
		key = task->request->renew ? x509_key_load(task->key_path, task->error) : make_key(task);
	if (key && x509_key_pin(key, pin, task->error) == 0 &&
	    x509_sign(key, &task->subject, clock_wall_ms() / 1000, &pem, task->error) == 0)
		result = durable_place(task->certificate_path, pem.data, pem.len, &form, task->error);
	x509_key_free(key);
	if (result != 0)
		return report_error(task->error);
	tell_made(task, pin);
	if (task->config)
		tell_next_endpoint(task, pin);
	else
		tell_next_client(task);
	return 0;
}

/* ---- csr ---- */

static int request_certificate(const struct task *task)
{
	bool there = is_there(task->key_path);
	struct x509_key *key = there ? x509_key_load(task->key_path, task->error) : make_key(task);
	char memory[X509_PEM_BYTES];
	struct buf pem;
	int result = -1;

	buf_init(&pem, memory, sizeof memory);
	if (key)
		result = x509_request(key, &task->subject, &pem, task->error);
	x509_key_free(key);
	if (result != 0)
		return report_error(task->error);
	(void)fputs(pem.data, stdout);
	(void)fprintf(stderr, "%s %s\nnext: have the request signed; put the certificate, and behind it the CAs' between it and the root, into %s\n",
		      there ? "for the key" : "made the key", task->key_path, task->certificate_path);
	if (task->config)
		(void)fprintf(stderr, "then: drr-agent cert show -c %s, and systemctl reload drr-agent\n", task->config->path);
	return 0;
}

/* ---- the verb ---- */

static int usage(const char *what, const char *next)
{
	struct error error = {0};

	(void)error_set(&error, ERROR_USAGE, next, "%s", what);
	return report_error(&error);
}

static int check_usage(const struct cert_request *request)
{
	const char *word = request->word ? request->word : "";
	bool init_word = strcmp(word, "init") == 0, csr = strcmp(word, "csr") == 0, show = strcmp(word, "show") == 0;

	if (!init_word && !csr && !show)
		return usage("cert needs one of the words init, csr, show", "drr-agent cert init | csr | show [-c FILE]");
	if ((request->client == NULL) != (request->out == NULL))
		return usage("--client and --out belong together", "drr-agent cert init --client drrctl --out /etc/drr-agent");
	if (show && (request->client || request->names))
		return usage("cert show takes -c and --json only", "drr-agent cert show -c FILE");
	if (request->renew && !init_word)
		return usage("--renew belongs to cert init", "drr-agent cert init --renew");
	if (request->json && !show)
		return usage("--json belongs to cert show", "drr-agent cert show --json");
	return 0;
}

int cert_execute(const struct cert_request *request)
{
	static struct config config;
	struct error error = {0};
	struct task task = {.request = request, .owner = DURABLE_OWNER_SELF, .error = &error};
	char next[ERROR_NEXT_MAX_BYTES];
	int result = check_usage(request);

	if (result != 0)
		return result;
	if (request->client) {
		result = aim_at_client(&task);
	} else {
		if (config_load(request->config_path, &config, &error) != 0)
			return report_error(&error);
		if (config.https.listen_count == 0) {
			(void)snprintf(next, sizeof next, "add it to %.200s: listen, certificate, key, client_ca, operators (man drr-agent.conf)", config.path);
			(void)error_set(&error, ERROR_CONFIG, next, "%s: there is no section [https], so there is no endpoint", config.path);
			return report_error(&error);
		}
		if (strcmp(request->word, "show") == 0)
			return cert_show(&config, request->json);
		task.config = &config;
		result = aim_at_endpoint(&task);
	}
	if (result != 0)
		return report_error(&error);
	return strcmp(request->word, "init") == 0 ? init(&task) : request_certificate(&task);
}
