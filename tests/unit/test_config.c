/* agent/config: the golden files, each rule once, and that the sample and the manual page do not fall behind the table.
 *
 * tests/golden/config/NAME.conf is parsed as "NAME.conf"; NAME.txt holds "ok" or the sentence of the error. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/text.h"
#include "config.h"

#ifndef DRR_TESTS_DIR
#error "DRR_TESTS_DIR must be the path of tests/"
#endif

#define GOLDEN DRR_TESTS_DIR "/golden/config"
#define CONF DRR_TESTS_DIR "/../conf"
#define PIN "SHA256:uNiVztksCsDhcc0u9e8BrrJXVGDKEGWzfyc3dcM0001"
#define GOOD_PIN "SHA256:uNiVztksCsDhcc0u9e8BrrJXVGDKEGWzfyc3dcM000A"
#define SSH "[appliance]\ndomain=d\n[cli]\nhost=h\npassword_file=/p\n"
#define TELNET "[appliance]\ndomain=d\n[cli]\ntransport=telnet\npassword_file=/p\n"
#define EXEC "[appliance]\ndomain=d\n[cli]\ntransport=exec\n"

static struct config config;
static struct error error;

static int parse(const char *text)
{
	error_clear(&error);
	return config_parse(text, strlen(text), "t.conf", &config, &error);
}

static void assert_good(const char *text)
{
	if (parse(text) != 0)
		fail_msg("%s\n%s", text, error.what);
	assert_int_equal(error.code, ERROR_NONE);
}

static void assert_bad(const char *text, const char *why)
{
	if (parse(text) != -1)
		fail_msg("taken: %s", text);
	assert_int_equal(error.code, ERROR_CONFIG);
	if (!strstr(error.what, why))
		fail_msg("%s\nsays: %s\nnot: %s", text, error.what, why);
	assert_true(error.next[0] != '\0');
}

/* The whole file, NUL-terminated; the caller frees. */
static char *slurp(const char *path)
{
	FILE *file = fopen(path, "rb");
	char *text = calloc(1, CONFIG_FILE_MAX_BYTES);

	if (!file || !text)
		fail_msg("cannot read %s", path);
	assert_in_range(fread(text, 1, CONFIG_FILE_MAX_BYTES - 1, file), 1, CONFIG_FILE_MAX_BYTES - 2);
	(void)fclose(file);
	return text;
}

static void fills_defaults(void **state)
{
	(void)state;
	assert_good(SSH);
	assert_string_equal(config.path, "t.conf");
	assert_string_equal(config.agent.name, "");
	assert_string_equal(config.agent.state_dir, "/var/lib/drr-agent");
	assert_int_equal(config.agent.log_level, CONFIG_LEVEL_INFO);
	assert_int_equal(config.agent.log_format, CONFIG_FORMAT_TEXT);
	assert_string_equal(config.agent.user, "");
	assert_string_equal(config.appliance.domain, "d");
	assert_string_equal(config.appliance.peering_object, "");
	assert_string_equal(config.appliance.address, "");
	assert_int_equal(config.cli.transport, CONFIG_SSH);
	assert_int_equal(config.cli.port, 22);
	assert_string_equal(config.cli.user, "admin");
	assert_int_equal(config.cli.connect_timeout_s, 15);
	assert_int_equal(config.cli.command_timeout_s, 30);
	assert_false(config.cli.cleartext);
	assert_int_equal(config.log.source, CONFIG_LOG_NONE);
	assert_int_equal(config.log.poll_ms, 1000);
	assert_int_equal(config.https.listen_count + config.https.operator_count + config.https.observer_count, 0);
	assert_int_equal(config.watchdog.heartbeat_s, 300);
	assert_int_equal(config.watchdog.slack_s, 120);
	assert_int_equal(config.watchdog.settle_s, 180);
	assert_int_equal(config.watchdog.on_reboot, CONFIG_OBSERVE);
	assert_string_equal(config.watchdog.group_file, "");
	assert_string_equal(config.watchdog.notify_url.text, "");
	assert_int_equal(config.limits.bounce_deadline_s, 60);
	assert_int_equal(config.limits.confirm_timeout_s, 120);
	assert_int_equal(config.limits.await_timeout_s, 2400);
	assert_good(TELNET "host=127.0.0.1\n");
	assert_int_equal(config.cli.port, 2200);
	assert_good(EXEC "command=x\n");
	assert_int_equal(config.cli.port, 0);
}

static void takes_every_key(void **state)
{
	(void)state;
	assert_good("# c\r\n ; c\n[agent]\n name = gw 1\nstate_dir=/s\nlog_level=debug\nlog_format=json\nuser=drr-agent\n[appliance]\ndomain=a-b_c.d\n"
		    "peering_object=gwd\naddress=fd00::1\n[cli]\ntransport: ssh\nhost=h\nport=2222\nuser=root\npassword_file=pw\n"
		    "key_file=/k\nhost_key=" GOOD_PIN "\nconnect_timeout_s=1\ncommand_timeout_s=600\n[log]\nsource=file\nfile=/l\n"
		    "poll_ms=100\n[watchdog]\nheartbeat_s=30\nslack_s=0\n[limits]\nbounce_deadline_s=5\nconfirm_timeout_s=5\n"
		    "await_timeout_s=14400");
	assert_string_equal(config.agent.name, "gw 1");
	assert_int_equal(config.agent.log_level, CONFIG_LEVEL_DEBUG);
	assert_int_equal(config.agent.log_format, CONFIG_FORMAT_JSON);
	assert_string_equal(config.agent.user, "drr-agent");
	assert_string_equal(config.appliance.address, "fd00::1");
	assert_int_equal(config.cli.port, 2222);
	assert_string_equal(config.cli.password_file, "pw");
	assert_string_equal(config.cli.host_keys[0], GOOD_PIN);
	assert_int_equal(config.log.source, CONFIG_LOG_FILE);
	assert_string_equal(config.log.file, "/l");
	assert_int_equal(config.watchdog.slack_s, 0);
	assert_int_equal(config.limits.await_timeout_s, 14400);
}

static void checks_names(void **state)
{
	(void)state;
	assert_bad("[cli]\nprot=22\n", "t.conf:2: [cli] prot: unknown key (did you mean port?); allowed here: transport, host, port, user");
	assert_bad("[log]\nzzzzzzz=1\n", "[log] zzzzzzz: unknown key; allowed here: source, file, path, manage_target, target, listen, from, certificate, key, poll_ms");
	assert_bad("[wat]\n", "t.conf:1: [wat]: unknown section; allowed: [agent] [appliance] [cli] [xmi] [log] [https] [watchdog] [limits]");
	assert_bad("[watchdog]\nnotify_urn=x\n", "[watchdog] notify_urn: unknown key (did you mean notify_url?)");
	assert_bad("[log]\nsource=snmp\n", "allowed: none, file, xmi, syslog, cli");
	assert_bad("[log]\nsource=tape\n", "bad value \"tape\"; allowed: none, file");
	assert_bad("[cli]\nport=1\nport=1\n", "t.conf:3: [cli] port: this key stands in the section twice");
	assert_bad("[cli]\nport=1\n[log]\n[cli]\n", "t.conf:4: [cli]: this section stands in the file twice");
	assert_bad("domain=d\n", "t.conf:1: a key before the first [section]");
	assert_bad("[cli]\n\x1b[1m=2\n", "[cli] \\x1b[1m: unknown key");
}

static void checks_syntax(void **state)
{
	char line[3000];

	(void)state;
	assert_bad("[cli]\nport\n", "t.conf:2: neither");
	assert_bad("[cli\n", "t.conf:1: neither");
	assert_bad("[cli] x\n", "t.conf:1: neither");
	assert_bad(SSH "user=a ; comment\n", "t.conf:6: neither");
	assert_bad(SSH "user=a # comment\n", "t.conf:6: neither");
	assert_bad(SSH "user=a\n  b\n", "t.conf:7: neither");
	(void)snprintf(line, sizeof line, "[agent]\nname=%02000d\n", 7);
	assert_bad(line, "t.conf:2: neither");
	(void)snprintf(line, sizeof line, SSH "[agent]\nstate_dir=/%0510d\n", 7);
	assert_good(line);
	assert_int_equal(strlen(config.agent.state_dir), 511);
	(void)snprintf(line, sizeof line, SSH "[agent]\nstate_dir=/%0511d\n", 7);
	assert_bad(line, "t.conf:7: [agent] state_dir: longer than 511 bytes");
	(void)snprintf(line, sizeof line, "# %02000d\n" SSH, 7);
	assert_good(line);
	error_clear(&error);
	assert_int_equal(config_parse("[cli]\nport=2\0 2\n", 16, "t.conf", &config, &error), -1);
	assert_non_null(strstr(error.what, "t.conf:2: neither"));
	assert_bad("", "[appliance] domain: missing");
	assert_good("\xef\xbb\xbf" SSH);
}

static void checks_values(void **state)
{
	static const char *const numbers[] = {"0", "65536", "-1", "+1", "1 2", "0x10", "", "99999999999999999999", "22s"};
	static const char *const words[] = {"a;b", "a b", "\"a\"", "a'b", "a`b", "a$b", "a\\b", "-a", "", "a\tb", "\xc3\xbc", "a\x01"};
	char text[256];

	(void)state;
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
		(void)snprintf(text, sizeof text, "%sport=%s\n", SSH, numbers[i]);
		assert_bad(text, "allowed: 1..65535");
	}
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		(void)snprintf(text, sizeof text, "[appliance]\npeering_object=%s\n", words[i]);
		assert_bad(text, "letters, digits and . _ : -");
		(void)snprintf(text, sizeof text, "[appliance]\ndomain=%s\n", words[i]);
		assert_bad(text, "letters, digits and . _ : -");
		(void)snprintf(text, sizeof text, "[appliance]\naddress=%s\n", words[i]);
		assert_bad(text, "letters, digits and . _ : -");
	}
	assert_bad("[agent]\nstate_dir=var\n", "absolute path");
	assert_bad("[cli]\npassword_file=a/b\n", "a name in $CREDENTIALS_DIRECTORY");
	assert_bad("[cli]\npassword_file=..\n", "a name in $CREDENTIALS_DIRECTORY");
	assert_bad("[cli]\nuser=a\x1b[31m\n", "bad value \"a\\x1b[31m\"");
	assert_bad("[cli]\nhost=a b\n", "a host name");
	assert_bad("[cli]\ncleartext=true\n", "allowed: no, yes");
	assert_bad("[agent]\nlog_level=notice\n", "allowed: error, warning, info, debug");
	assert_bad("[agent]\nlog_format=xml\n", "allowed: text, json");
	assert_bad("[agent]\nuser=a b\n", "letters, digits and . _ : -");
	(void)snprintf(text, sizeof text, "[appliance]\ndomain=%0128d\n", 7);
	assert_bad(text, "longer than 127 bytes");
}

static void checks_host_keys(void **state)
{
	char text[2048];

	(void)state;
	assert_good(SSH "host_key=" GOOD_PIN " , " GOOD_PIN "\nhost_key=" GOOD_PIN "\n");
	assert_int_equal(config.cli.host_key_count, 3);
	assert_int_equal(config_require_host_key(&config, &error), 0);
	assert_bad(SSH "host_key=" PIN "x\n", "SHA256: and 43 characters");
	assert_bad(SSH "host_key=" PIN "\n", "SHA256: and 43 characters"); /* bits behind the 256th */
	assert_bad(SSH "host_key=" GOOD_PIN ",\n", "SHA256: and 43 characters");
	assert_bad(SSH "host_key=MD5:00:11\n", "SHA256: and 43 characters");
	assert_bad(SSH "host_key=\n", "SHA256: and 43 characters");
	(void)snprintf(text, sizeof text, "%s", SSH);
	for (unsigned i = 0; i < 9; i++)
		(void)strcat(text, "host_key=" GOOD_PIN "\n");
	assert_bad(text, "more entries than this key may have");
}

static void wants_a_host_key_for_ssh(void **state)
{
	(void)state;
	assert_good(SSH);
	assert_int_equal(config_require_host_key(&config, &error), -1);
	assert_int_equal(error.code, ERROR_CONFIG);
	assert_non_null(strstr(error.what, "host_key"));
	assert_non_null(strstr(error.next, "check --connect -c t.conf"));
	assert_good(EXEC "command=x\n");
	assert_int_equal(config_require_host_key(&config, &error), 0);
}

static void checks_transports(void **state)
{
	(void)state;
	assert_bad("[appliance]\ndomain=d\n", "[cli] host: missing; transport = ssh");
	assert_bad("[appliance]\ndomain=d\n[cli]\nhost=h\n", "[cli] password_file: missing; transport = ssh needs it, or key_file");
	assert_good("[appliance]\ndomain=d\n[cli]\nhost=h\nkey_file=/k\n");
	assert_bad(SSH "command=x\n", "t.conf:6: [cli] command: has no meaning with transport = ssh, only with exec");
	assert_bad(SSH "cleartext=no\n", "cleartext: has no meaning with transport = ssh, only with telnet");
	assert_bad(TELNET "host=h\n", "clear text");
	assert_bad(TELNET "host=127.0.0.1.example.org\n", "clear text");
	assert_bad(TELNET "host=10.0.0.1\ncleartext=no\n", "clear text");
	assert_good(TELNET "host=10.0.0.1\ncleartext=yes\n");
	assert_good(TELNET "host=127.1.2.3\n");
	assert_good(TELNET "host=::1\n");
	assert_good(TELNET "host=localhost\n");
	assert_bad(TELNET "host=::1\nkey_file=/k\n", "key_file: has no meaning with transport = telnet, only with ssh");
	assert_bad(TELNET "host=::1\nhost_key=" GOOD_PIN "\n", "host_key: has no meaning");
	assert_bad("[appliance]\ndomain=d\n[cli]\ntransport=telnet\nhost=::1\n", "password_file: missing; transport = telnet");
	assert_bad(EXEC, "command: missing; transport = exec");
	assert_bad(EXEC "command=x\nhost=h\n", "host: has no meaning with transport = exec, only with ssh telnet");
	assert_good(EXEC "command=sh -c 'a;b#c'\npassword_file=/p\n");
	assert_string_equal(config.cli.command, "sh -c 'a;b#c'");
	assert_bad(SSH "[log]\nsource=file\n", "[log] file: missing; source = file");
	assert_bad(SSH "[log]\nfile=/x\n", "[log] file: has no meaning without source = file");
}

#define XMI_PIN "sha256//uNiVztksCsDhcc0u9e8BrrJXVGDKEGWzfyc3dcM000A="
#define XMI "[xmi]\nurl=https://10.0.0.1\nuser=m\npassword_file=/p\n"

static void checks_xmi(void **state)
{
	(void)state;
	assert_good(SSH XMI);
	assert_string_equal(config.xmi.url.host, "10.0.0.1");
	assert_int_equal(config.xmi.url.port, 5550);
	assert_string_equal(config.xmi.url.path, "/service/mgmt/current");
	assert_int_equal(config.xmi.tls, CONFIG_TLS_BEARSSL);
	assert_int_equal(config.xmi.timeout_s, 30);
	assert_int_equal(config_require_host_key(&config, &error), -1);
	assert_good(SSH "host_key=" GOOD_PIN "\n" XMI);
	assert_int_equal(config_require_host_key(&config, &error), -1);
	assert_non_null(strstr(error.what, "[xmi] pin (or ca_file)"));
	assert_good(SSH "host_key=" GOOD_PIN "\n" XMI "pin=" XMI_PIN "," XMI_PIN "\ntls=mbedtls\ntimeout_s=5\n");
	assert_int_equal(config.xmi.pin_count, 2);
	assert_string_equal(config.xmi.pins[1], XMI_PIN);
	assert_int_equal(config_require_host_key(&config, &error), 0);
	assert_good(SSH "host_key=" GOOD_PIN "\n" XMI "ca_file=/ca\n");
	assert_int_equal(config_require_host_key(&config, &error), 0);
	assert_bad(SSH XMI "pin=" XMI_PIN "\nca_file=/ca\n", "exclude each other");
	assert_bad(SSH XMI "pin=sha256//uNiVztksCsDhcc0u9e8BrrJXVGDKEGWzfyc3dcM000B=\n", "sha256// and 44 characters");
	assert_bad(SSH "[xmi]\nuser=m\n", "[xmi] url: missing");
	assert_bad(SSH "[xmi]\nurl=https://h\npassword_file=/p\n", "[xmi] user: missing");
	assert_bad(SSH "[xmi]\nurl=https://h\nuser=a:b\npassword_file=/p\n", "colon");
	assert_good(SSH "[xmi]\nurl=https://[fd00::1]:443/x/y\nuser=m\npassword_file=/p\n");
	assert_string_equal(config.xmi.url.host, "fd00::1");
	assert_int_equal(config.xmi.url.port, 443);
	assert_string_equal(config.xmi.url.path, "/x/y");
	assert_bad(SSH "[xmi]\nurl=http://h\n", "allowed: https://HOST");
	assert_bad(SSH "[xmi]\nurl=https://u:p@h\n", "allowed: https://HOST");
	assert_bad(SSH "[xmi]\nurl=https://h:0\n", "allowed: https://HOST");
	assert_bad(SSH "[xmi]\nurl=https://h:65536\n", "allowed: https://HOST");
	assert_bad(SSH "[xmi]\nurl=https://:5\n", "allowed: https://HOST");
	assert_bad(SSH "[xmi]\nurl=https://[::1]x\n", "allowed: https://HOST");
}

static void checks_log_sources(void **state)
{
	(void)state;
	assert_bad(SSH "[log]\nsource=xmi\n", "xmi needs the section [xmi]");
	assert_good(SSH XMI "[log]\nsource=xmi\n");
	assert_string_equal(config.log.path, "logtemp:///gwd-log.log");
	assert_good(SSH XMI "[log]\nsource=xmi\nmanage_target=yes\n");
	assert_string_equal(config.log.path, "logtemp:///drr-agent.log");
	assert_good(SSH XMI "[log]\nsource=xmi\npath=logtemp:///gwd-log\n");
	assert_bad(SSH XMI "[log]\nsource=xmi\npath=logtemp:///../x\n", "logtemp:/// and a file name");
	assert_bad(SSH XMI "[log]\nsource=xmi\npath=local:///x\n", "logtemp:/// and a file name");
	assert_good(SSH "[log]\nsource=cli\n");
	assert_string_equal(config.log.target, "gwd-log");
	assert_bad(SSH "[log]\nsource=cli\npath=logtemp:///x\n", "has no meaning without source = xmi");
	assert_bad(SSH "[log]\nsource=syslog\n", "listen: missing");
	assert_good(SSH "[log]\nsource=syslog\nlisten=udp://*:514, tcp://[::1]:6514\nfrom=10.0.0.1, fd00::2\n");
	assert_int_equal(config.log.listen_count, 2);
	assert_string_equal(config.log.listen[0].host, "");
	assert_int_equal(config.log.listen[0].port, 514);
	assert_int_equal(config.log.listen[1].kind, CONFIG_LISTEN_TCP);
	assert_string_equal(config.log.listen[1].host, "::1");
	assert_string_equal(config.log.from[1], "fd00::2");
	assert_bad(SSH "[log]\nsource=syslog\nlisten=udp://h:514\n", "udp://ADDRESS:PORT");
	assert_bad(SSH "[log]\nsource=syslog\nlisten=udp://*\n", "udp://ADDRESS:PORT");
	assert_bad(SSH "[log]\nsource=syslog\nlisten=tls://*:1\n", "certificate: missing");
	assert_good(SSH "[log]\nsource=syslog\nlisten=tls://*:1\ncertificate=/c\nkey=/k\n");
	assert_bad(SSH "[log]\nsource=syslog\nlisten=udp://*:1\nfrom=gw1\n", "IP addresses");
	assert_bad(EXEC "command=x\n[log]\nsource=syslog\nlisten=udp://*:1\n", "from: missing");
}

#define HTTPS "[https]\nlisten=*:8443\ncertificate=/c\nkey=/k\nclient_ca=/a\n"

static void checks_https(void **state)
{
	char text[2048];

	(void)state;
	assert_good(SSH HTTPS "operators=drrctl, Ann B\xc3\xa9 <ann@example.org>\noperators=third\nobservers=monitoring\n");
	assert_int_equal(config.https.listen_count, 1);
	assert_string_equal(config.https.listen[0].text, "*:8443");
	assert_string_equal(config.https.listen[0].host, "");
	assert_int_equal(config.https.listen[0].port, 8443);
	assert_int_equal(config.https.listen[0].kind, CONFIG_LISTEN_TLS);
	assert_string_equal(config.https.certificate, "/c");
	assert_string_equal(config.https.key, "/k");
	assert_string_equal(config.https.client_ca, "/a");
	assert_int_equal(config.https.operator_count, 3);
	assert_string_equal(config.https.operators[1], "Ann B\xc3\xa9 <ann@example.org>");
	assert_string_equal(config.https.operators[2], "third");
	assert_int_equal(config.https.observer_count, 1);
	assert_string_equal(config.https.observers[0], "monitoring");
	assert_good(SSH HTTPS "listen=10.0.0.1:1,[::1]:65535\nobservers=m\n");
	assert_int_equal(config.https.listen_count, 3);
	assert_string_equal(config.https.listen[2].host, "::1");
	assert_good(SSH "[https]\n"); /* empty: none */
	assert_bad(SSH HTTPS, "[https] operators: missing; [https] needs it, or observers");
	assert_bad(SSH "[https]\nkey=/k\n", "[https] listen: missing; [https] needs it");
	assert_bad(SSH "[https]\nlisten=*:1\nkey=/k\nclient_ca=/a\noperators=a\n", "[https] certificate: missing");
	assert_bad(SSH "[https]\nlisten=gw1:8443\n", "allowed: ADDRESS:PORT");
	assert_bad(SSH "[https]\nlisten=tcp://*:8443\n", "allowed: ADDRESS:PORT");
	assert_bad(SSH "[https]\nlisten=*\n", "allowed: ADDRESS:PORT");
	assert_bad(SSH "[https]\nlisten=*:0\n", "allowed: ADDRESS:PORT");
	assert_bad(SSH "[https]\nlisten=*:1,*:2,*:3,*:4,*:5\n", "more entries than this key may have");
	assert_bad(SSH "[https]\noperators=a,,b\n", "names of 1 to 63 bytes");
	assert_bad(SSH "[https]\nobservers=a\x1b\n", "names of 1 to 63 bytes");
	(void)snprintf(text, sizeof text, SSH HTTPS "operators=%063d\n", 7);
	assert_good(text);
	(void)snprintf(text, sizeof text, SSH HTTPS "operators=%064d\n", 7);
	assert_bad(text, "names of 1 to 63 bytes");
	(void)strcpy(text, SSH "[https]\nobservers=a");
	for (unsigned i = 0; i < 16; i++)
		(void)strcat(text, ",b");
	assert_bad(text, "more entries than this key may have");
}

#define NOTIFY "[watchdog]\nnotify_url=https://alerts.example.org/hooks/x\n"

static void checks_watchdog(void **state)
{
	static const char *const needy[] = {"nudge", "run"};
	char text[1024];

	(void)state;
	for (size_t i = 0; i < sizeof needy / sizeof needy[0]; i++) {
		(void)snprintf(text, sizeof text, SSH "[watchdog]\non_reboot=%s\n", needy[i]);
		assert_bad(text, "t.conf:7: [watchdog] on_reboot: nudge and run need group_file");
		(void)snprintf(text, sizeof text, SSH "[watchdog]\ngroup_file=/g\non_reboot=%s\n", needy[i]);
		assert_good(text);
		assert_int_equal(config.watchdog.on_reboot, i == 0 ? CONFIG_NUDGE : CONFIG_RUN);
		assert_string_equal(config.watchdog.group_file, "/g");
	}
	assert_good(SSH "[watchdog]\non_reboot=observe\n");
	assert_good(SSH "[watchdog]\non_reboot=bounce\nheartbeat_s=5\nsettle_s=3600\n");
	assert_int_equal(config.watchdog.on_reboot, CONFIG_BOUNCE);
	assert_int_equal(config.watchdog.settle_s, 3600);
	assert_good(SSH "[watchdog]\ngroup_file=/g\n"); /* to look at the others */
	assert_bad(SSH "[watchdog]\ngroup_file=g\n", "absolute path");
	assert_bad(SSH "[watchdog]\non_reboot=reboot\n", "allowed: observe, nudge, bounce, run");
	assert_bad(SSH "[watchdog]\nsettle_s=4\n", "allowed: 5..3600");
	assert_good(SSH NOTIFY "notify_pin=" XMI_PIN "," XMI_PIN "\n");
	assert_int_equal(config.watchdog.notify_pin_count, 2);
	assert_string_equal(config.watchdog.notify_pins[1], XMI_PIN);
	assert_string_equal(config.watchdog.notify_url.host, "alerts.example.org");
	assert_string_equal(config.watchdog.notify_url.path, "/hooks/x");
	assert_int_equal(config.watchdog.notify_url.port, 443);
	assert_good(SSH NOTIFY "notify_ca_file=/ca\n");
	assert_bad(SSH NOTIFY, "t.conf:7: [watchdog] notify_url: needs notify_pin or notify_ca_file: nothing is trusted on first use");
	assert_bad(SSH NOTIFY "notify_pin=" XMI_PIN "\nnotify_ca_file=/ca\n", "t.conf:9: [watchdog] notify_ca_file: notify_pin and notify_ca_file exclude each other");
	assert_bad(SSH "[watchdog]\nnotify_pin=" XMI_PIN "\n", "t.conf:7: [watchdog] notify_pin: has no meaning without notify_url");
	assert_bad(SSH "[watchdog]\nnotify_ca_file=/ca\n", "t.conf:7: [watchdog] notify_ca_file: has no meaning without notify_url");
	assert_bad(SSH "[watchdog]\nnotify_url=http://alerts.example.org/\n", "allowed: https://HOST");
	assert_bad(SSH NOTIFY "notify_pin=sha256//x\n", "sha256// and 44 characters");
}

static void warns(void **state)
{
	char memory[1024];
	struct buf out;

	(void)state;
	buf_init(&out, memory, sizeof memory);
	assert_good(SSH "[log]\nsource=file\nfile=/l\n[limits]\nawait_timeout_s=2100\n");
	assert_int_equal(config_warnings(&config, &out), 0);
	assert_good(TELNET "host=h\ncleartext=yes\n[limits]\nawait_timeout_s=2099\n");
	assert_int_equal(config_warnings(&config, &out), 3);
	assert_non_null(strstr(out.data, "await_timeout_s = 2099"));
	assert_non_null(strstr(out.data, "cleartext"));
	assert_false(out.overflow);
}

static void describes_every_key(void **state)
{
	char memory[CONFIG_DESCRIBE_BYTES];
	const char *section, *name;
	struct buf out;

	(void)state;
	buf_init(&out, memory, sizeof memory);
	assert_int_equal(config_describe(&out), 0);
	for (size_t i = 0; (name = config_key(i, &section)); i++)
		assert_non_null(strstr(out.data, name));
	assert_non_null(strstr(out.data, "1..65535; default: 22; telnet: 2200\n"));
	buf_init(&out, memory, 500);
	assert_int_equal(config_describe(&out), -1);
}

/* The line of a key in its section of the sample, commented out or not. */
static const char *find_line(const char *text, const char *section, const char *name)
{
	char head[80];
	const char *line, *end;

	(void)snprintf(head, sizeof head, "\n[%s]\n", section);
	line = strstr(text, head);
	if (!line)
		return NULL;
	line += strlen(head);
	end = strstr(line, "\n[");
	for (; line && (!end || line < end); line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
		const char *word = line + (line[0] == '#');

		if (strncmp(word, name, strlen(name)) == 0 && strncmp(word + strlen(name), " =", 2) == 0)
			return line;
	}
	return NULL;
}

static void sample_is_complete(void **state)
{
	char *text = slurp(CONF "/agent.conf");
	const char *section, *name;

	(void)state;
	assert_good(text);
	for (size_t i = 0; (name = config_key(i, &section)); i++) {
		char *line = (char *)(uintptr_t)find_line(text, section, name);

		if (!line)
			fail_msg("conf/agent.conf does not show %s", name);
		if (line[0] != '#')
			continue;
		line[0] = ' '; /* the example must be good, but for what does not go together */
		if (parse(text) != 0 && !strstr(error.what, "has no meaning with") && !strstr(error.what, "[xmi] needs it") && !strstr(error.what, "[https] needs it") &&
		    !strstr(error.what, "needs notify_pin"))
			fail_msg("conf/agent.conf, %s: %s", name, error.what);
		line[0] = '#';
	}
	free(text);
}

/* What stands commented out is the default: putting all of it in changes nothing. */
static void sample_shows_defaults(void **state)
{
	static const char *const examples[] = {
		"name", "key_file", "host_key", "command", "cleartext", "gateway_mgmt_url", "gateway_api_url", "gateway_ca_file", "url", "agent.user",
		"xmi.user", "xmi.password_file", "client_ca", "operators", "observers", "pin", "ca_file", "path", "manage_target", "target", "listen", "from", "certificate", "key", "tls",
		"timeout_s", "group_file", "notify_url", "notify_pin", "notify_ca_file",
	};
	char *text = slurp(CONF "/agent.conf");
	struct config plain;
	const char *section, *name;
	char full[80];

	(void)state;
	assert_good(text);
	plain = config;
	for (size_t i = 0; (name = config_key(i, &section)); i++) {
		bool example = false;

		(void)snprintf(full, sizeof full, "%s.%s", section, name);
		for (size_t j = 0; j < sizeof examples / sizeof examples[0]; j++)
			example = example || strcmp(examples[j], strchr(examples[j], '.') ? full : name) == 0;
		if (!example)
			*(char *)(uintptr_t)find_line(text, section, name) = find_line(text, section, name)[0] == '#' ? ' ' : find_line(text, section, name)[0];
	}
	assert_good(text);
	assert_memory_equal(&plain, &config, sizeof config);
	free(text);
}

static void manual_names_every_key(void **state)
{
	char *text = slurp(CONF "/drr-agent.conf.5");
	const char *section, *name;
	char item[80];

	(void)state;
	for (size_t i = 0; (name = config_key(i, &section)); i++) {
		(void)snprintf(item, sizeof item, ".It Ic %s\n", name);
		if (!strstr(text, item))
			fail_msg("conf/drr-agent.conf.5 does not explain %s", name);
		(void)snprintf(item, sizeof item, ".Ss [%s]\n", section);
		if (!strstr(text, item))
			fail_msg("conf/drr-agent.conf.5 has no section %s", section);
	}
	free(text);
}

static void loads_files(void **state)
{
	static const char *const names[] = {"agent.conf", "agent-linux.conf", "agent-virtual.conf", "agent-container.conf"};
	char path[512];

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		(void)snprintf(path, sizeof path, "%s/%s", CONF, names[i]);
		error_clear(&error);
		if (config_load(path, &config, &error) != 0)
			fail_msg("%s", error.what);
		assert_true(config.agent.name[0] != '\0');
	}
	assert_int_equal(config_load("/nowhere/agent.conf", &config, &error), -1);
	assert_int_equal(error.code, ERROR_CONFIG);
	assert_non_null(strstr(error.what, "/nowhere/agent.conf: no such"));
	error_clear(&error);
	assert_int_equal(config_load(CONF, &config, &error), -1);
	assert_int_equal(error.code, ERROR_CONFIG);
}

static void check_golden(const char *name)
{
	char path[512], *text, *expected;
	const char *got;

	(void)snprintf(path, sizeof path, "%s/%s", GOLDEN, name);
	text = slurp(path);
	strcpy(strrchr(path, '.'), ".txt");
	expected = slurp(path);
	error_clear(&error);
	got = config_parse(text, strlen(text), name, &config, &error) == 0 ? "ok" : error.what;
	expected[strcspn(expected, "\n")] = '\0';
	if (strcmp(got, expected) != 0)
		fail_msg("%s\nexpected: %s\ngot:      %s", name, expected, got);
	free(text);
	free(expected);
}

static void matches_golden_files(void **state)
{
	DIR *folder = opendir(GOLDEN);
	struct dirent *entry;
	unsigned count = 0;

	(void)state;
	assert_non_null(folder);
	while ((entry = readdir(folder)))
		if (text_ends(entry->d_name, strlen(entry->d_name), ".conf")) {
			check_golden(entry->d_name);
			count++;
		}
	(void)closedir(folder);
	assert_true(count >= 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fills_defaults), cmocka_unit_test(takes_every_key), cmocka_unit_test(checks_names),
		cmocka_unit_test(checks_syntax), cmocka_unit_test(checks_values), cmocka_unit_test(checks_host_keys),
		cmocka_unit_test(wants_a_host_key_for_ssh), cmocka_unit_test(checks_transports), cmocka_unit_test(checks_xmi),
		cmocka_unit_test(checks_log_sources), cmocka_unit_test(checks_https), cmocka_unit_test(checks_watchdog), cmocka_unit_test(warns),
		cmocka_unit_test(describes_every_key), cmocka_unit_test(sample_is_complete),
		cmocka_unit_test(sample_shows_defaults), cmocka_unit_test(manual_names_every_key),
		cmocka_unit_test(loads_files), cmocka_unit_test(matches_golden_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
