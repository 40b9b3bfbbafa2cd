#include "base/options.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "platform/ini.h"

_Static_assert(sizeof(enum option_kind) == sizeof(int), "KIND_CHOICE stores an int");

static bool is_named(const struct options_table *table, const char *section)
{
	return table->named && strcmp(section, table->named) == 0;
}

static char *values_of(const struct option_parse *parse, const struct option_key *key)
{
	return is_named(parse->table, key->section) ? parse->named : parse->values;
}

/* How the file calls a section: [member gw1]. */
static const char *shown_section(const struct option_parse *parse, const char *section)
{
	return is_named(parse->table, section) && parse->named_as[0] ? parse->named_as : section;
}

/* ---- messages ---- */

int options_fail(struct option_parse *parse, unsigned line, const char *section, const char *name, const char *why)
{
	char shown[64];

	text_escape(shown, sizeof shown, name, strlen(name));
	if (line == 0)
		return error_set(parse->error, ERROR_CONFIG, parse->table->next_check, "%s: [%s] %s: %s", parse->path, shown_section(parse, section), shown, why);
	return error_set(parse->error, ERROR_CONFIG, parse->table->next_check, "%s:%u: [%s] %s: %s", parse->path, line, shown_section(parse, section), shown, why);
}

static int fail_key(struct option_parse *parse, const struct option_key *key, const char *why)
{
	return options_fail(parse, parse->line, key->section, key->name, why);
}

/* "error, warning, notice" or "1..300": what a value may be, for a message and for the description. */
static void add_allowed(struct buf *out, const struct option_key *key)
{
	static const char *const words[] = {
		[KIND_LABEL] = "text", [KIND_WORD] = "letters, digits and . _ : -", [KIND_AUTO] = "auto, or letters, digits and . _ : -",
		[KIND_HOST] = "a host name or an IP address", [KIND_PATH] = "an absolute path",
		[KIND_SECRET] = "an absolute path, or a name in $CREDENTIALS_DIRECTORY", [KIND_COMMAND] = "a command",
		[KIND_HOST_KEY] = "SHA256: and 43 characters of base64, as ssh-keygen -l prints it",
		[KIND_PIN] = "sha256// and 44 characters of base64, as curl --pinnedpubkey takes it",
		[KIND_LISTEN] = "udp://ADDRESS:PORT, tcp://ADDRESS:PORT or tls://ADDRESS:PORT (ADDRESS: an IP address, or * for all)",
		[KIND_ENDPOINT] = "ADDRESS:PORT (ADDRESS: an IP address, IPv6 in brackets, or * for all)",
		[KIND_FROM] = "IP addresses", [KIND_PERSON] = "names of 1 to 63 bytes",
		[KIND_CATALOG] = "names of letters, digits and . _ -", [KIND_URL] = "https://HOST, https://HOST:PORT or https://HOST:PORT/PATH",
		[KIND_DOOR] = "https://HOST, https://HOST:PORT, or unix:///PATH of an agent's socket",
		[KIND_REMOTE] = "logtemp:/// and a file name of letters, digits and . _ -",
	};

	if (key->kind == KIND_NUMBER) {
		(void)buf_printf(out, "%u..%u", key->min, key->max);
	} else if (key->kind == KIND_CHOICE || key->kind == KIND_FLAG) {
		for (unsigned i = 0; key->choices[i]; i++)
			(void)buf_printf(out, "%s%s", i > 0 ? ", " : "", key->choices[i]);
	} else {
		(void)buf_add_string(out, words[key->kind]);
	}
}

static int fail_value(struct option_parse *parse, const struct option_key *key, const char *value)
{
	char memory[320], allowed[160], shown[80];
	struct buf why, list;

	buf_init(&why, memory, sizeof memory);
	buf_init(&list, allowed, sizeof allowed);
	add_allowed(&list, key);
	text_escape(shown, sizeof shown, value, strlen(value));
	(void)buf_printf(&why, "bad value \"%s\"; allowed: %s", shown, allowed);
	return fail_key(parse, key, why.data);
}

/* ---- one value ---- */

static bool is_printable(const char *value)
{
	for (const char *p = value; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return false;
	return true;
}

static bool is_of(const char *value, const char *extra)
{
	for (const char *p = value; *p; p++)
		if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') || strchr(extra, *p)))
			return false;
	return value[0] != '\0';
}

/* 32 bytes in base64 without padding: 43 characters, the last of which carries four bits only. */
static bool is_host_key(const char *value, size_t length)
{
	char text[CONFIG_HOST_KEY_BYTES];
	const char *digest = text + strlen("SHA256:");

	if (text_copy(text, sizeof text, value, length) != 0 || !text_starts(text, length, "SHA256:"))
		return false;
	return strlen(digest) == 43 && is_of(digest, "+/") && strchr("AEIMQUYcgkosw048", digest[42]);
}

/* 32 bytes in base64 with padding. */
static bool is_pin(const char *value, size_t length)
{
	char text[CONFIG_PIN_BYTES];
	const char *digest = text + strlen("sha256//");

	if (text_copy(text, sizeof text, value, length) != 0 || !text_starts(text, length, "sha256//") || strlen(digest) != 44 || digest[43] != '=')
		return false;
	text[strlen("sha256//") + 43] = '\0';
	return is_of(digest, "+/") && strchr("AEIMQUYcgkosw048", digest[42]);
}

static bool is_remote(const char *value)
{
	return text_starts(value, strlen(value), "logtemp:///") && is_of(value + strlen("logtemp:///"), "._-") && value[strlen("logtemp:///")] != '.';
}

static bool is_path(const char *value)
{
	return value[0] == '/' && is_printable(value);
}

static bool is_secret_path(const char *value)
{
	return is_path(value) || (is_of(value, "._-") && value[0] != '.');
}

/* Fits the row's kind, as far as its characters go. */
static bool is_text_for(const struct option_key *key, const char *value)
{
	switch (key->kind) {
	case KIND_WORD:
	case KIND_AUTO: return is_of(value, "._:-") && value[0] != '-';
	case KIND_HOST: return is_of(value, "._:-%") && value[0] != '-';
	case KIND_PATH: return is_path(value);
	case KIND_REMOTE: return is_remote(value);
	case KIND_SECRET: return is_secret_path(value);
	default: return value[0] != '\0' && is_printable(value);
	}
}

static size_t room_of(const struct option_key *key)
{
	bool name = key->kind == KIND_LABEL || key->kind == KIND_WORD || key->kind == KIND_AUTO || key->kind == KIND_REMOTE;

	return name ? CONFIG_NAME_BYTES : CONFIG_TEXT_BYTES;
}

static int store_text(struct option_parse *parse, const struct option_key *key, const char *value, char *field)
{
	if (!is_text_for(key, value))
		return fail_value(parse, key, value);
	if (key->kind == KIND_AUTO && strcmp(value, "auto") == 0)
		value = "";
	if (text_copy(field, room_of(key), value, strlen(value)) != 0)
		return fail_key(parse, key, room_of(key) == CONFIG_NAME_BYTES ? "longer than 127 bytes" : "longer than 511 bytes");
	return 0;
}

static int store_number(struct option_parse *parse, const struct option_key *key, const char *value, unsigned *field)
{
	unsigned long long number;

	if (!text_to_unsigned(value, strlen(value), key->max, &number) || number < key->min)
		return fail_value(parse, key, value);
	*field = (unsigned)number;
	return 0;
}

static int store_choice(struct option_parse *parse, const struct option_key *key, const char *value, void *field)
{
	for (int i = 0; key->choices[i]; i++) {
		if (strcmp(value, key->choices[i]) != 0)
			continue;
		if (key->kind == KIND_FLAG)
			*(bool *)field = i != 0;
		else
			memcpy(field, &i, sizeof i);
		return 0;
	}
	return fail_value(parse, key, value);
}

/* "[v6]:port" or "host:port"; the port may be missing where FALLBACK is not 0. The host comes out without brackets. */
static bool split_host_port(const char *text, size_t length, unsigned fallback, char *host, size_t host_size, unsigned *port)
{
	const char *colon = memrchr(text, ':', length), *bracket = memchr(text, ']', length);
	unsigned long long number = fallback;
	size_t host_bytes;

	if (length > 0 && text[0] == '[') {
		if (!bracket || (bracket + 1 < text + length && bracket[1] != ':'))
			return false;
		colon = bracket + 1 < text + length ? bracket + 1 : NULL;
		host_bytes = (size_t)(bracket - text) - 1;
		text++, length--;
	} else {
		host_bytes = colon ? (size_t)(colon - text) : length;
		bracket = NULL;
	}
	if (colon && (!text_to_unsigned(colon + 1, (size_t)(text + length - colon) - 1, 65535, &number) || number == 0))
		return false;
	*port = (unsigned)number;
	return number != 0 && text_copy(host, host_size, text, host_bytes) == 0 && host[0] != '\0' && is_of(host, bracket ? ".:%" : ".-_*");
}

static bool is_address(const char *text)
{
	unsigned char address[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, text, address) == 1 || inet_pton(AF_INET6, text, address) == 1;
}

/* ADDRESS:PORT behind SKIP bytes of a scheme. */
static bool parse_door(const char *value, size_t length, size_t skip, struct config_listen *listen)
{
	if (text_copy(listen->text, sizeof listen->text, value, length) != 0 ||
	    !split_host_port(value + skip, length - skip, 0, listen->host, sizeof listen->host, &listen->port))
		return false;
	if (strcmp(listen->host, "*") == 0)
		listen->host[0] = '\0';
	return listen->host[0] == '\0' || is_address(listen->host);
}

static bool parse_listen(const char *value, size_t length, struct config_listen *listen)
{
	static const char *const kinds[] = {[CONFIG_LISTEN_UDP] = "udp://", [CONFIG_LISTEN_TCP] = "tcp://", [CONFIG_LISTEN_TLS] = "tls://"};

	memset(listen, 0, sizeof *listen);
	for (unsigned i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		size_t skip = strlen(kinds[i]);

		if (!text_starts(value, length, kinds[i]))
			continue;
		listen->kind = (enum config_listen_kind)i;
		return parse_door(value, length, skip, listen);
	}
	return false;
}

union entry {
	char host_key[CONFIG_HOST_KEY_BYTES], pin[CONFIG_PIN_BYTES], address[CONFIG_FROM_BYTES], person[CONFIG_PERSON_BYTES], name[CONFIG_NAME_BYTES];
	struct config_listen listen;
};

/* How many bytes ENTRY has in struct config; 0: it is no such thing. */
static size_t parse_entry(enum option_kind kind, const char *value, size_t length, union entry *entry)
{
	memset(entry, 0, sizeof *entry);
	switch (kind) {
	case KIND_HOST_KEY:
		return is_host_key(value, length) && text_copy(entry->host_key, CONFIG_HOST_KEY_BYTES, value, length) == 0 ? CONFIG_HOST_KEY_BYTES : 0;
	case KIND_PIN:
		return is_pin(value, length) && text_copy(entry->pin, CONFIG_PIN_BYTES, value, length) == 0 ? CONFIG_PIN_BYTES : 0;
	case KIND_LISTEN:
		return parse_listen(value, length, &entry->listen) ? sizeof entry->listen : 0;
	case KIND_ENDPOINT:
		entry->listen.kind = CONFIG_LISTEN_TLS;
		return parse_door(value, length, 0, &entry->listen) ? sizeof entry->listen : 0;
	case KIND_CATALOG:
		return text_copy(entry->name, CONFIG_NAME_BYTES, value, length) == 0 && is_of(entry->name, "._-") ? CONFIG_NAME_BYTES : 0;
	case KIND_PERSON:
		return text_copy(entry->person, CONFIG_PERSON_BYTES, value, length) == 0 && length > 0 && is_printable(entry->person) ? CONFIG_PERSON_BYTES : 0;
	default:
		return text_copy(entry->address, CONFIG_FROM_BYTES, value, length) == 0 && is_address(entry->address) ? CONFIG_FROM_BYTES : 0;
	}
}

/* One entry of a list. 0; 1: it is no such thing; 2: there are too many. */
static int add_entry(char *values, const struct option_key *key, const char *value, size_t length)
{
	unsigned *count = (unsigned *)(void *)(values + key->count);
	union entry entry;
	size_t bytes = parse_entry(key->kind, value, length, &entry);

	if (bytes == 0)
		return 1;
	if (*count == key->max)
		return 2;
	memcpy(values + key->offset + (*count)++ * bytes, &entry, bytes);
	return 0;
}

static int store_list(struct option_parse *parse, const struct option_key *key, const char *value)
{
	for (;;) {
		size_t length = strcspn(value, ","), trimmed = length;
		const char *start = value;
		char text[128];
		int bad;

		text_trim(&start, &trimmed);
		bad = add_entry(values_of(parse, key), key, start, trimmed);
		if (bad == 1) {
			(void)text_copy(text, sizeof text, start, trimmed < sizeof text ? trimmed : sizeof text - 1);
			return fail_value(parse, key, text);
		}
		if (bad == 2)
			return fail_key(parse, key, "more entries than this key may have");
		if (value[length] == '\0')
			return 0;
		value += length + 1;
	}
}

static bool is_list(const struct option_key *key)
{
	return key->count != 0;
}

static int store_url(struct option_parse *parse, const struct option_key *key, const char *value, struct config_url *url)
{
	static const char scheme[] = "https://";
	const char *host = value + sizeof scheme - 1;
	size_t host_bytes;

	memset(url, 0, sizeof *url);
	if (key->kind == KIND_DOOR && text_starts(value, strlen(value), "unix:///") && is_printable(value)) {
		if (text_copy(url->text, sizeof url->text, value, strlen(value)) != 0)
			return fail_value(parse, key, value);
		return text_copy(url->path, sizeof url->path, value + strlen("unix://"), strlen(value + strlen("unix://")));
	}
	if (!text_starts(value, strlen(value), scheme) || !is_printable(value) || strpbrk(value, " @?#\"<>\\"))
		return fail_value(parse, key, value);
	host_bytes = strcspn(host, "/");
	if (!split_host_port(host, host_bytes, key->min, url->host, sizeof url->host, &url->port) || strchr(url->host, '*') ||
	    text_copy(url->text, sizeof url->text, value, strlen(value)) != 0)
		return fail_value(parse, key, value);
	(void)text_copy(url->path, sizeof url->path, host + host_bytes, strlen(host + host_bytes));
	if (url->path[0] == '\0')
		url->path[0] = '/';
	return 0;
}

static int store(struct option_parse *parse, const struct option_key *key, const char *value)
{
	void *field = values_of(parse, key) + key->offset;

	if (is_list(key))
		return store_list(parse, key, value);
	switch (key->kind) {
	case KIND_NUMBER: return store_number(parse, key, value, field);
	case KIND_CHOICE:
	case KIND_FLAG: return store_choice(parse, key, value, field);
	case KIND_DOOR:
	case KIND_URL: return store_url(parse, key, value, field);
	default: return store_text(parse, key, value, field);
	}
}

/* ---- names ---- */

const struct option_key *options_find(const struct options_table *table, const char *section, const char *name)
{
	for (unsigned i = 0; i < table->count; i++)
		if (strcmp(table->keys[i].section, section) == 0 && strcmp(table->keys[i].name, name) == 0)
			return &table->keys[i];
	return NULL;
}

/* The table's own copy of a section's name, or NULL. */
static const char *find_section(const struct options_table *table, const char *name, size_t length)
{
	for (unsigned i = 0; i < table->count; i++)
		if (text_equal(name, length, table->keys[i].section))
			return table->keys[i].section;
	return NULL;
}

/* How many letters must be put in, taken out or exchanged (Levenshtein); 99 for long words. */
static unsigned distance(const char *a, const char *b)
{
	enum { LONGEST = 32 };
	unsigned row[LONGEST + 1];
	size_t width = strlen(b);

	if (strlen(a) > LONGEST || width > LONGEST)
		return 99;
	for (unsigned j = 0; j <= width; j++)
		row[j] = j;
	for (unsigned i = 1; a[i - 1]; i++) {
		unsigned corner = row[0];

		row[0] = i;
		for (size_t j = 1; j <= width; j++) {
			unsigned best = corner + (a[i - 1] != b[j - 1]);

			corner = row[j];
			best = best < row[j] + 1 ? best : row[j] + 1;
			row[j] = best < row[j - 1] + 1 ? best : row[j - 1] + 1;
		}
	}
	return row[width];
}

static void add_suggestion(const struct option_parse *parse, struct buf *out, const char *section, const char *name)
{
	const char *nearest = NULL;
	unsigned best = 3; /* further away it is another word */

	for (unsigned i = 0; i < parse->table->count; i++) {
		unsigned away = strcmp(parse->table->keys[i].section, section) == 0 ? distance(name, parse->table->keys[i].name) : 99;

		if (away < best) {
			best = away;
			nearest = parse->table->keys[i].name;
		}
	}
	if (nearest)
		(void)buf_printf(out, " (did you mean %s?)", nearest);
}

static int fail_unknown_key(struct option_parse *parse, const char *section, const char *name)
{
	char memory[400];
	struct buf why;
	const char *comma = "";

	buf_init(&why, memory, sizeof memory);
	(void)buf_add_string(&why, "unknown key");
	add_suggestion(parse, &why, section, name);
	(void)buf_add_string(&why, "; allowed here: ");
	for (unsigned i = 0; i < parse->table->count; i++) {
		if (strcmp(parse->table->keys[i].section, section) != 0)
			continue;
		(void)buf_printf(&why, "%s%s", comma, parse->table->keys[i].name);
		comma = ", ";
	}
	return options_fail(parse, parse->line, section, name, why.data);
}

int options_fail_section(struct option_parse *parse, const char *name, const char *why)
{
	char shown[64];

	text_escape(shown, sizeof shown, name, strlen(name));
	return error_set(parse->error, ERROR_CONFIG, parse->table->next_check, "%s:%u: [%s]: %s", parse->path, parse->line, shown, why);
}

static int fail_unknown_section(struct option_parse *parse, const char *name)
{
	char memory[200];
	struct buf why;
	const char *last = "";

	buf_init(&why, memory, sizeof memory);
	(void)buf_add_string(&why, "unknown section; allowed:");
	for (unsigned i = 0; i < parse->table->count; i++) {
		if (strcmp(parse->table->keys[i].section, last) != 0)
			(void)buf_printf(&why, is_named(parse->table, parse->table->keys[i].section) ? " [%s NAME]" : " [%s]", parse->table->keys[i].section);
		last = parse->table->keys[i].section;
	}
	return options_fail_section(parse, name, why.data);
}

/* ---- the file ---- */

static int check_required(struct option_parse *parse, bool named)
{
	for (unsigned i = 0; i < parse->table->count; i++)
		if (parse->table->keys[i].required && parse->seen[i] == 0 && is_named(parse->table, parse->table->keys[i].section) == named)
			return options_fail(parse, 0, parse->table->keys[i].section, parse->table->keys[i].name, "missing; this key is required");
	return 0;
}

static void set_defaults(struct option_parse *parse, bool named)
{
	for (unsigned i = 0; i < parse->table->count; i++) {
		const struct option_key *key = &parse->table->keys[i];

		if (key->fallback && is_named(parse->table, key->section) == named)
			(void)store(parse, key, key->fallback); /* cannot fail: the unit test reads them all */
	}
}

static int end_named(struct option_parse *parse)
{
	if (!parse->named)
		return 0;
	if (check_required(parse, true) != 0 || parse->table->end_named(parse) != 0)
		return -1;
	parse->named = NULL;
	parse->named_as[0] = '\0';
	for (unsigned i = 0; i < parse->table->count; i++)
		if (is_named(parse->table, parse->table->keys[i].section))
			parse->seen[i] = 0;
	return 0;
}

static int begin_named(struct option_parse *parse, const char *section, const char *name)
{
	size_t length = strlen(name);

	text_trim(&name, &length);
	if (length == 0)
		return options_fail_section(parse, section, "this section has a name behind it");
	parse->named = parse->table->begin_named(parse, name);
	if (!parse->named)
		return -1;
	set_defaults(parse, true);
	return text_copy(parse->named_as, sizeof parse->named_as, section, strlen(section)) == 0
		       ? 0 : options_fail_section(parse, section, "this section's name is too long");
}

static int begin_section(struct option_parse *parse, const char *name)
{
	size_t word = parse->table->named ? strcspn(name, " \t") : strlen(name);
	const char *known = find_section(parse->table, name, word);

	if (end_named(parse) != 0)
		return -1;
	if (!known || (name[word] != '\0' && !is_named(parse->table, known)))
		return fail_unknown_section(parse, name);
	if (is_named(parse->table, known))
		return begin_named(parse, name, name + word);
	for (unsigned i = 0; i < parse->section_count; i++)
		if (parse->sections[i] == known)
			return options_fail_section(parse, name, "this section stands in the file twice; join the two");
	if (parse->section_count < OPTIONS_SECTIONS_MAX)
		parse->sections[parse->section_count++] = known;
	return 0;
}

/* An ini_key_function. */
static int take_line(void *context, const char *section, const char *name, const char *value, unsigned line)
{
	struct option_parse *parse = context;
	const struct option_key *key;
	unsigned *seen;

	parse->line = line;
	if (!name)
		return begin_section(parse, section);
	if (section[0] == '\0')
		return error_set(parse->error, ERROR_CONFIG, parse->table->next_check, "%s:%u: a key before the first [section]", parse->path, line);
	if (parse->named)
		section = parse->table->named;
	key = options_find(parse->table, section, name);
	if (!key)
		return fail_unknown_key(parse, section, name);
	seen = &parse->seen[key - parse->table->keys];
	if (*seen != 0 && !is_list(key))
		return fail_key(parse, key, "this key stands in the section twice");
	*seen = line;
	return store(parse, key, value);
}

static int fail_syntax(struct option_parse *parse, unsigned line)
{
	return error_set(parse->error, ERROR_CONFIG, parse->table->next_check,
			 "%s:%u: neither [section], key = value, nor a comment on a line of its own (or longer than %d bytes)", parse->path,
			 line, INI_LINE_MAX_BYTES);
}

int options_parse(struct option_parse *parse, const struct options_table *table, const char *text, size_t text_bytes, const char *path, void *values, struct error *error)
{
	unsigned bad_line = 0;

	assert(table->count <= OPTIONS_KEYS_MAX);
	memset(parse, 0, sizeof *parse);
	parse->table = table;
	parse->path = path;
	parse->values = values;
	parse->error = error;
	set_defaults(parse, false);
	if (ini_read(text, text_bytes, take_line, parse, &bad_line) != 0)
		return fail_syntax(parse, bad_line); /* a sentence of take_line() stays: the first one sticks */
	if (end_named(parse) != 0)
		return -1;
	return check_required(parse, false);
}

/* ---- what depends on several keys ---- */

unsigned options_line(const struct option_parse *parse, const char *section, const char *name)
{
	return parse->seen[options_find(parse->table, section, name) - parse->table->keys];
}

int options_fail_missing(struct option_parse *parse, const char *section, const char *name, const char *why)
{
	return options_line(parse, section, name) != 0 ? 0 : options_fail(parse, 0, section, name, why);
}

bool options_has_section(const struct option_parse *parse, const char *section)
{
	for (unsigned i = 0; i < parse->table->count; i++)
		if (parse->seen[i] != 0 && strcmp(parse->table->keys[i].section, section) == 0)
			return true;
	return false;
}

/* ---- for people ---- */

static int describe_key(const struct option_key *key, struct buf *out)
{
	(void)buf_printf(out, "  %-18s %s\n%21s", key->name, key->help, "");
	add_allowed(out, key);
	if (key->required || key->shown)
		(void)buf_printf(out, "; %s\n", key->required ? "required" : key->shown);
	else
		(void)buf_printf(out, "; default: %s\n", key->fallback);
	return out->overflow ? -1 : 0;
}

int options_describe(const struct options_table *table, struct buf *out)
{
	const char *last = "";

	for (unsigned i = 0; i < table->count; i++) {
		if (strcmp(table->keys[i].section, last) != 0)
			(void)buf_printf(out, is_named(table, table->keys[i].section) ? "%s[%s NAME]\n" : "%s[%s]\n", i > 0 ? "\n" : "", table->keys[i].section);
		last = table->keys[i].section;
		if (describe_key(&table->keys[i], out) != 0)
			return -1;
	}
	return 0;
}

const char *options_key(const struct options_table *table, size_t index, const char **section)
{
	if (index >= table->count)
		return NULL;
	*section = table->keys[index].section;
	return table->keys[index].name;
}
