#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <inttypes.h>
#include <cmocka.h>

#include "appliance/choice.h"
#include "appliance/logtarget.h"
#include "appliance/xmi.h"
#include "golden.h"
#include "platform/http.h"
#include "watch/line.h"

static struct xmi xmi;
static struct appliance_facts facts;
static struct appliance_wanted wanted;
static struct xmi_settings settings;

static int setup(void **state)
{
	memset(&facts, 0, sizeof facts);
	memset(&wanted, 0, sizeof wanted);
	settings = (struct xmi_settings){.domain = "apiconnect", .object = "", .wanted = &wanted};
	facts.collections = facts.uptime_reload_s = -1;
	xmi_init(&xmi, &settings, &facts);
	return 0;
}

static int teardown(void **state)
{
	xmi_free(&xmi);
	return 0;
}

/* ---- an appliance: which request gets which answer */

struct answer {
	const char *request; /* found in the document */
	const char *file;    /* of tests/golden/soma */
	int status;          /* HTTP; 0: 200 */
	unsigned asked;      /* how often */
};

#define NO_MORE {NULL, NULL, 0, 0}

static char log_of_requests[4096];

static const char *golden_body(const char *name, size_t *length)
{
	static char text[GOLDEN_MAX_BYTES];
	char path[512];

	snprintf(path, sizeof path, "%s/golden/soma/%s.txt", DRR_TESTS_DIR, name);
	*length = golden_read(path, text);
	return text;
}

static struct answer *find_answer(struct answer *answers, const char *request)
{
	while (answers->request && !strstr(request, answers->request))
		answers++;
	if (!answers->request)
		fail_msg("nobody answers: %s", request);
	answers->asked++;
	return answers;
}

/* Goes on until the operation is over. */
static enum xmi_status converse(struct answer *answers)
{
	const char *request;
	size_t length, piece;

	log_of_requests[0] = '\0';
	while ((request = xmi_request(&xmi, &length))) {
		const struct answer *answer = find_answer(answers, request);
		const char *body = golden_body(answer->file, &piece);

		assert_true(strlen(request) == length && length < XMI_REQUEST_MAX_BYTES);
		assert_null(strstr(request, "SaveConfig"));
		snprintf(log_of_requests + strlen(log_of_requests), sizeof log_of_requests - strlen(log_of_requests), "%s", request);
		xmi_sent(&xmi);
		assert_null(xmi_request(&xmi, &length));
		for (size_t at = 0; at < piece; at += 7)
			if (xmi_input(&xmi, body + at, piece - at < 7 ? piece - at : 7))
				return xmi.status;
		xmi_response(&xmi, answer->status ? answer->status : 200);
	}
	assert_true(xmi.status == XMI_DONE || (xmi.status == XMI_FAILED && xmi.error.code != ERROR_NONE && xmi.error.what[0] && xmi.error.next[0]));
	return xmi.status;
}

static void run(enum appliance_op op, struct answer *answers, enum xmi_status status)
{
	xmi_start(&xmi, op);
	if (converse(answers) != status)
		fail_msg("%s: status %d, %s", appliance_op_name(op), xmi.status, xmi.error.what);
}

static void failed_with(enum error_code code, const char *words)
{
	assert_int_equal(xmi.status, XMI_FAILED);
	if (xmi.error.code != code || !strstr(xmi.error.what, words))
		fail_msg("%s: %s", error_name(xmi.error.code), xmi.error.what);
}

static void accept_credentials(void)
{
	run(APPLIANCE_ASK_PEERING, (struct answer[]){{"GatewayPeeringStatus", "status-empty", 0, 0}, NO_MORE}, XMI_DONE);
	assert_true(xmi.authenticated);
}

#define ALL(body) ((struct answer[]){{"", body, 0, 0}, NO_MORE})
#define ALL_WITH(body, status) ((struct answer[]){{"", body, status, 0}, NO_MORE})

/* ---- questions */

static void identity_is_asked_in_default(void **state)
{
	struct answer answers[] = {{"GatewayPeeringStatus", "status-empty", 0, 0}, {"FirmwareVersion3", "firmware", 0, 0}, {"DateTimeStatus2", "time2", 0, 0}, NO_MORE};

	run(APPLIANCE_ASK_IDENTITY, answers, XMI_DONE);
	assert_string_equal(facts.firmware, "IDG.10.5.0.7");
	assert_string_equal(facts.serial, "0000001");
	assert_int_equal(facts.uptime_reload_s, 3 * 86400 + 18 * 3600 + 52 * 60 + 47);
	assert_int_equal(facts.uptime_reboot_s, 4 * 86400 + 1);
	assert_int_equal(facts.clock.utc_ms, INT64_C(1367631934000)); /* 2013-05-03T21:45:34-04:00 */
	assert_int_equal(facts.clock.local_ms, INT64_C(1367617534000));
	assert_true(facts.have_identity);
	assert_non_null(strstr(log_of_requests, "domain=\"default\"><dp:get-status class=\"FirmwareVersion3\"/>"));
	assert_non_null(strstr(log_of_requests, "domain=\"default\"><dp:get-status class=\"DateTimeStatus2\"/>"));
	assert_int_equal(answers[0].asked, 1);
	run(APPLIANCE_ASK_IDENTITY, answers, XMI_DONE);
	assert_int_equal(answers[0].asked, 1); /* the credentials are known to be good */
}

static void uptime_has_three_forms(void **state)
{
	struct answer iso[] = {{"GatewayPeeringStatus", "status-empty", 0, 0}, {"FirmwareVersion3", "firmware", 0, 0}, {"DateTimeStatus2", "time3", 0, 0}, NO_MORE};
	struct answer old[] = {{"FirmwareVersion3", "firmware", 0, 0}, {"\"DateTimeStatus2\"", "error-log", 0, 0}, {"\"DateTimeStatus\"", "time1", 0, 0}, NO_MORE};

	run(APPLIANCE_ASK_IDENTITY, iso, XMI_DONE);
	assert_int_equal(facts.uptime_reload_s, 3 * 86400 + 18 * 3600 + 52 * 60 + 47);
	assert_int_equal(facts.uptime_reboot_s, 59);
	run(APPLIANCE_ASK_IDENTITY, old, XMI_DONE);
	assert_int_equal(facts.uptime_reload_s, 86400 + 10);
	assert_int_equal(facts.uptime_reboot_s, -1);
}

static void a_user_without_default_is_no_wrong_password(void **state)
{
	struct answer answers[] = {{"domain=\"default\"", "auth-failure", 0, 0}, {"GatewayPeeringStatus", "peering-six", 0, 0}, {"DomainStatus", "domain-status", 0, 0}, NO_MORE};

	run(APPLIANCE_ASK_IDENTITY, answers, XMI_DONE);
	assert_false(facts.have_identity);
	assert_int_equal(facts.uptime_reload_s, -1);
	assert_int_equal(answers[0].asked, 1); /* refused once, not asked there again */
	run(APPLIANCE_ASK_SAVED, answers, XMI_DONE);
	assert_int_equal(answers[0].asked, 1);
	assert_int_equal(facts.unsaved, PEERING_YES);
	xmi_start(&xmi, APPLIANCE_ASK_IDENTITY);
	assert_int_equal(xmi.status, XMI_DONE); /* nothing is left to ask */
}

static struct answer *object_answers(const char *service, const char *manager)
{
	static struct answer answers[5];

	memcpy(answers, ((struct answer[]){{"\"GatewayPeeringManager\"", manager, 0, 0}, {"\"APIConnectGatewayService\"", service, 0, 0}, {"\"GatewayPeering\"", "config-peering", 0, 0},
					   {"\"ObjectStatus\"", "object-status", 0, 0}, NO_MORE}), sizeof answers);
	return answers;
}

static void the_manager_names_the_object(void **state)
{
	run(APPLIANCE_ASK_OBJECT, object_answers("config-service", "config-manager"), XMI_DONE);
	assert_string_equal(facts.object, "gwd");
	assert_string_equal(facts.object_source, "gateway-peering-manager");
	assert_string_equal(facts.object_state, "up");
	assert_string_equal(facts.local_address, "172.16.52.71");
	assert_string_equal(facts.persistence, "memory");
	assert_true(facts.have_object && facts.have_service);
	assert_int_equal(facts.admin_state, APPLIANCE_ADMIN_ENABLED);
	assert_string_equal(facts.op_state, "pendingup");
	assert_string_equal(facts.service_event, "0x00350022");
	assert_string_equal(facts.service_reason, "Object has not processed any configuration");
}

static void the_service_names_the_object_in_v5_mode_and_without_a_manager(void **state)
{
	run(APPLIANCE_ASK_OBJECT, object_answers("config-service-v5", "config-manager"), XMI_DONE);
	assert_string_equal(facts.object, "tms");
	assert_string_equal(facts.object_source, "apic-gw-service");
	assert_string_equal(facts.object_state, "down");
	run(APPLIANCE_ASK_OBJECT, object_answers("config-service-both", "error-log"), XMI_DONE);
	assert_string_equal(facts.object, "tms");
	settings.object = "alone";
	xmi_init(&xmi, &settings, &facts);
	run(APPLIANCE_ASK_OBJECT, object_answers("config-service-v5", "config-manager"), XMI_DONE);
	assert_string_equal(facts.object, "alone");
	assert_string_equal(facts.object_source, "the configuration");
	assert_string_equal(facts.object_state, "");
}

static void an_unclear_object_is_an_error(void **state)
{
	run(APPLIANCE_ASK_OBJECT, object_answers("config-service-both", "config-manager"), XMI_FAILED);
	failed_with(ERROR_ANSWER, "gateway-peering-manager names gwd and apic-gw-service names tms");
	run(APPLIANCE_ASK_OBJECT, object_answers("config-service", "config-empty"), XMI_FAILED);
	failed_with(ERROR_ANSWER, "neither gateway-peering-manager nor apic-gw-service");
	run(APPLIANCE_ASK_OBJECT, object_answers("config-empty", "config-manager"), XMI_FAILED);
	failed_with(ERROR_ANSWER, "domain apiconnect has no API Connect gateway service");
	settings.object = "nobody";
	xmi_init(&xmi, &settings, &facts);
	run(APPLIANCE_ASK_OBJECT, object_answers("config-service", "config-manager"), XMI_FAILED);
	failed_with(ERROR_ANSWER, "no peering object nobody (named by the configuration)");
	assert_false(facts.have_object);
}

static void an_object_is_known_without_its_state(void **state)
{
	struct answer *answers = object_answers("config-service", "config-manager");

	answers[3].file = "error-log";
	run(APPLIANCE_ASK_OBJECT, answers, XMI_DONE);
	assert_string_equal(facts.object_state, "");
	assert_string_equal(facts.op_state, "");
	assert_int_equal(facts.admin_state, APPLIANCE_ADMIN_ENABLED);
}

static void the_peering_table_is_that_of_the_object(void **state)
{
	strcpy(facts.object, "gwd");
	run(APPLIANCE_ASK_PEERING, ALL("peering-six"), XMI_DONE);
	assert_true(facts.have_table);
	assert_int_equal(facts.table.count, 3);
	assert_int_equal(facts.table.other_rows, 2);
	assert_string_equal(facts.table.rows[1].address, "172.16.53.39");
	assert_int_equal(facts.table.rows[1].primary, PEERING_YES);
	assert_int_equal(facts.table.rows[2].link_ok, PEERING_NO);
	assert_true(facts.table.rows[2].pending_known && facts.table.rows[2].pending_updates == 7);
	assert_true(facts.table.rows[0].replication_offset == 5172227903);
	assert_false(facts.table.rows[0].priority_known);
	run(APPLIANCE_ASK_PEERING, ALL("peering-nine"), XMI_DONE);
	assert_int_equal(facts.table.count, 3);
	assert_true(facts.table.rows[0].priority_known && facts.table.rows[0].priority == 100);
	assert_true(facts.table.rows[0].replication_offset == UINT64_MAX);
	assert_true(facts.table.rows[1].priority == -1 && !facts.table.rows[1].pending_known);
	assert_int_equal(facts.table.rows[1].primary, PEERING_UNKNOWN);
	facts.object[0] = '\0';
	run(APPLIANCE_ASK_PEERING, ALL("peering-six"), XMI_DONE);
	assert_int_equal(facts.table.count, 5);
}

static void an_empty_peering_status_is_a_success(void **state)
{
	run(APPLIANCE_ASK_PEERING, ALL("peering-six"), XMI_DONE);
	run(APPLIANCE_ASK_PEERING, ALL("status-empty"), XMI_DONE);
	assert_true(facts.have_table && facts.table.count == 0);
	run(APPLIANCE_ASK_PEERING, ALL("status-none"), XMI_DONE);
	assert_true(facts.have_table && facts.table.count == 0);
	run(APPLIANCE_ASK_PEERING, ALL("peering-empty-address"), XMI_DONE);
	assert_int_equal(facts.table.count, 1);
	assert_int_equal(facts.table.rows[0].link_ok, PEERING_UNKNOWN);
}

static void a_member_without_its_link_is_an_error(void **state)
{
	run(APPLIANCE_ASK_PEERING, ALL("peering-missing-link"), XMI_FAILED);
	failed_with(ERROR_ANSWER, "a row of GatewayPeeringStatus has no LinkStatus");
	assert_false(facts.have_table);
}

static void the_service_is_found_by_its_class(void **state)
{
	run(APPLIANCE_ASK_SERVICE, ALL("object-status"), XMI_DONE);
	assert_true(facts.have_service);
	assert_int_equal(facts.admin_state, APPLIANCE_ADMIN_ENABLED);
	assert_string_equal(facts.op_state, "pendingup");
	run(APPLIANCE_ASK_SERVICE, ALL("object-status-no-service"), XMI_FAILED);
	failed_with(ERROR_ANSWER, "has no API Connect gateway service");
	assert_false(facts.have_service);
}

static void collections_are_counted(void **state)
{
	run(APPLIANCE_ASK_COLLECTIONS, ALL("config-collections"), XMI_DONE);
	assert_int_equal(facts.collections, 3);
	run(APPLIANCE_ASK_COLLECTIONS, ALL("config-empty"), XMI_DONE);
	assert_int_equal(facts.collections, 0);
	run(APPLIANCE_ASK_COLLECTIONS, ALL("error-log"), XMI_FAILED);
	assert_int_equal(facts.collections, -1);
}

/* No rows is an answer where the appliance says so: an empty config, an empty status, or no status beside no result. */
static void an_answer_without_data_says_nothing(void **state)
{
	static const char *const bodies[] = {"ok", "status-none", "status-empty", "result-empty"};

	for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
		run(APPLIANCE_ASK_COLLECTIONS, ALL(bodies[i]), XMI_FAILED);
		failed_with(ERROR_ANSWER, "the answer to get-config APICollection has no data in it");
		assert_int_equal(facts.collections, -1);
		assert_true(xmi.authenticated);
	}
	run(APPLIANCE_ASK_PEERING, ALL("ok"), XMI_FAILED);
	failed_with(ERROR_ANSWER, "the answer to get-status GatewayPeeringStatus has no data in it");
	run(APPLIANCE_ASK_PEERING, ALL("result-empty"), XMI_FAILED);
	run(APPLIANCE_ASK_PEERING, ALL("config-empty"), XMI_FAILED);
	assert_false(facts.have_table);
	strcpy(wanted.log_target, "drr-agent");
	strcpy(wanted.log_file, "logtemp:///drr-agent.log");
	run(APPLIANCE_SET_LOG_TARGET, ALL("ok"), XMI_FAILED);
	assert_null(strstr(log_of_requests, "set-config"));
	assert_int_equal(xmi.effect, APPLIANCE_NO_EFFECT);
	/* What may be refused may also be left out. */
	run(APPLIANCE_ASK_IDENTITY, ALL("ok"), XMI_DONE);
	assert_false(facts.have_identity);
}

/* Rows of an answer that is cut, damaged or taken back change nothing that was known. */
static void facts_change_with_the_whole_answer(void **state)
{
	static const char *const ends[] = {"", "<", "</dp:status><dp:result>later</dp:result></dp:response></env:Body></env:Envelope>"};
	static const char head[] = "<env:Envelope><env:Body><dp:response><dp:status>";
	static const char row[] = "<ObjectStatus><Class>APIConnectGatewayService</Class><OpState>down</OpState><AdminState>disabled</AdminState>"
				  "<EventCode>0x0034000d</EventCode><ErrorCode>Object is disabled</ErrorCode></ObjectStatus>";
	static const struct error lost = {.code = ERROR_LOST, .what = "gone"};

	run(APPLIANCE_ASK_SERVICE, ALL("object-status"), XMI_DONE);
	for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
		xmi_start(&xmi, APPLIANCE_ASK_SERVICE);
		xmi_sent(&xmi);
		assert_int_equal(xmi_input(&xmi, head, strlen(head)), 0);
		assert_int_equal(xmi_input(&xmi, row, strlen(row)), 0);
		assert_int_equal(xmi_input(&xmi, ends[i], strlen(ends[i])), 0);
		if (i == 0)
			xmi_lost(&xmi, &lost);
		else
			assert_int_equal(xmi_response(&xmi, 200), XMI_FAILED);
		assert_true(facts.have_service);
		assert_int_equal(facts.admin_state, APPLIANCE_ADMIN_ENABLED);
		assert_string_equal(facts.op_state, "pendingup");
		assert_string_equal(facts.service_event, "0x00350022");
	}
}

static void unsaved_configuration_is_told(void **state)
{
	accept_credentials();
	run(APPLIANCE_ASK_SAVED, ALL("domain-status"), XMI_DONE);
	assert_int_equal(facts.unsaved, PEERING_YES);
	assert_non_null(strstr(log_of_requests, "domain=\"default\""));
	assert_null(strstr(log_of_requests, "domain=\"apiconnect\""));
	run(APPLIANCE_ASK_SAVED, ALL("fault"), XMI_DONE);
	assert_int_equal(facts.unsaved, PEERING_UNKNOWN);
	settings.domain = "default";
	xmi_init(&xmi, &settings, &facts);
	run(APPLIANCE_ASK_SAVED, ALL("domain-status"), XMI_DONE);
	assert_int_equal(facts.unsaved, PEERING_NO);
}

/* It would have been taken for the group of every object that has none. */
static void a_group_without_a_name_is_an_error(void **state)
{
	struct answer answers[] = {{"\"GatewayPeering\"", "config-peering", 0, 0}, {"\"GatewayPeeringGroup\"", "config-group-nameless", 0, 0}, NO_MORE};

	run(APPLIANCE_ASK_PEERINGS, answers, XMI_FAILED);
	failed_with(ERROR_ANSWER, "name of GatewayPeeringGroup cannot be read: \"\"");
	assert_false(facts.have_peerings);
}

static void peering_objects_are_read(void **state)
{
	struct answer answers[] = {{"\"GatewayPeering\"", "config-peering", 0, 0}, {"\"GatewayPeeringGroup\"", "config-group", 0, 0}, {"\"ObjectStatus\"", "object-status", 0, 0}, NO_MORE};
	const struct appliance_peering *gwd = &facts.peerings[0], *tms = &facts.peerings[1], *alone = &facts.peerings[2];

	run(APPLIANCE_ASK_PEERINGS, answers, XMI_DONE);
	assert_true(facts.have_peerings);
	assert_int_equal(facts.peering_count, 3);
	assert_string_equal(gwd->name, "gwd");
	assert_string_equal(gwd->op_state, "up");
	assert_string_equal(gwd->local_address, "172.16.52.71");
	assert_string_equal(gwd->persistence, "memory");
	assert_string_equal(gwd->local_directory, "local:///");
	assert_int_equal(gwd->local_port, 16380);
	assert_int_equal(gwd->monitor_port, 26380);
	assert_true(gwd->priority == 100 && gwd->peer_group == PEERING_YES && gwd->ssl == PEERING_YES && gwd->own_password == PEERING_NO);
	assert_int_equal(gwd->peer_count, 2);
	assert_string_equal(gwd->peers[1], "172.16.54.12");
	assert_true(gwd->group[0] == '\0' && !gwd->cluster);
	assert_true(tms->priority == -1 && tms->ssl == PEERING_NO && tms->own_password == PEERING_YES && tms->cluster);
	assert_string_equal(tms->group, "all");
	assert_int_equal(tms->peer_count, 2);
	assert_string_equal(tms->peers[0], "172.16.52.71");
	assert_string_equal(tms->op_state, "down");
	assert_true(alone->own_password == PEERING_UNKNOWN && alone->peer_group == PEERING_NO && alone->priority == APPLIANCE_PRIORITY_UNKNOWN);
	assert_true(alone->local_port == 16380 && alone->peer_count == 0 && alone->op_state[0] == '\0');
}

static void log_targets_are_read(void **state)
{
	struct answer answers[] = {{"\"LogTarget\"", "config-logtarget", 0, 0}, {"\"LogTargetStatus\"", "logtarget-status", 0, 0}, NO_MORE};
	const struct appliance_log_target *own = &facts.log_targets[1];

	run(APPLIANCE_ASK_LOG_TARGETS, answers, XMI_DONE);
	assert_true(facts.have_log_targets);
	assert_int_equal(facts.log_target_count, 2);
	assert_string_equal(facts.log_targets[0].timestamp, "syslog");
	assert_int_equal(facts.log_targets[0].events_dropped, -1);
	assert_string_equal(own->name, "gwd-log");
	assert_string_equal(own->type, "file");
	assert_string_equal(own->format, "text");
	assert_string_equal(own->timestamp, "zulu");
	assert_string_equal(own->file, "logtemp:///gwd-log.log");
	assert_string_equal(own->admin_state, "disabled");
	assert_string_equal(own->op_state, "active");
	assert_true(own->size_kb == 50000 && own->rotations == 3 && own->events_dropped == 3);
	assert_int_equal(own->event_count, 2);
	assert_string_equal(own->events[1].category, "apigw");
	assert_string_equal(own->events[0].level, "debug");
	assert_int_equal(own->code_count, 2);
	assert_string_equal(own->codes[1], "0x88e000ac");
	answers[1].file = "error-log";
	run(APPLIANCE_ASK_LOG_TARGETS, answers, XMI_DONE);
	assert_string_equal(own->op_state, "");
}

/* OP with a response of COUNT copies of ROW in CONTAINER as its first answer; later requests are refused. */
static void run_many(enum appliance_op op, const char *container, const char *row, unsigned count)
{
	char text[400];

	xmi_start(&xmi, op);
	xmi_sent(&xmi);
	(void)xmi_input(&xmi, text, (size_t)snprintf(text, sizeof text, "<Envelope><Body><response><%s>", container));
	for (unsigned i = 0; i < count; i++)
		(void)xmi_input(&xmi, row, strlen(row));
	(void)xmi_input(&xmi, text, (size_t)snprintf(text, sizeof text, "</%s></response></Body></Envelope>", container));
	if (xmi_response(&xmi, 200) == XMI_BUSY)
		(void)converse(ALL("error-log"));
}

static void what_does_not_fit_is_an_error_that_names_the_limit(void **state)
{
	static const char member[] = "<GatewayPeeringStatus><Address>a</Address><Name>gwd</Name><LinkStatus>ok</LinkStatus><Primary>no</Primary></GatewayPeeringStatus>";
	static const char peering[] = "<GatewayPeering name='p'><Peers>1</Peers></GatewayPeering>", target[] = "<LogTarget name='t'/>";
	char many[1000] = "<GatewayPeering name='p'>";

	run_many(APPLIANCE_ASK_PEERING, "status", member, PEERING_ROWS_MAX);
	assert_int_equal(facts.table.count, PEERING_ROWS_MAX);
	run_many(APPLIANCE_ASK_PEERING, "status", member, PEERING_ROWS_MAX + 1);
	failed_with(ERROR_ANSWER, "more than 64 members");
	run_many(APPLIANCE_ASK_PEERINGS, "config", peering, APPLIANCE_PEERINGS_MAX);
	assert_int_equal(facts.peering_count, APPLIANCE_PEERINGS_MAX);
	run_many(APPLIANCE_ASK_PEERINGS, "config", peering, APPLIANCE_PEERINGS_MAX + 1);
	failed_with(ERROR_ANSWER, "more than 32 peering objects");
	assert_false(facts.have_peerings);
	run_many(APPLIANCE_ASK_LOG_TARGETS, "config", target, APPLIANCE_LOG_TARGETS_MAX);
	assert_int_equal(facts.log_target_count, APPLIANCE_LOG_TARGETS_MAX);
	run_many(APPLIANCE_ASK_LOG_TARGETS, "config", target, APPLIANCE_LOG_TARGETS_MAX + 1);
	failed_with(ERROR_ANSWER, "more than 32 log targets");
	for (int i = 0; i < APPLIANCE_PEERS_MAX + 3; i++)
		strcat(many, "<Peers>10.0.0.1</Peers>");
	strcat(many, "</GatewayPeering>");
	run_many(APPLIANCE_ASK_PEERINGS, "config", many, 1);
	assert_int_equal(facts.peerings[0].peer_count, APPLIANCE_PEERS_MAX + 3); /* counted, not kept */
}

/* ---- commands */

static void commands_say_what_they_should(void **state)
{
	struct answer ok[] = {{"", "ok-padded", 0, 0}, NO_MORE};

	strcpy(facts.object, "gwd");
	run(APPLIANCE_SWITCH_PRIMARY, ok, XMI_DONE);
	assert_int_equal(xmi.effect, APPLIANCE_EFFECT_DONE);
	assert_non_null(strstr(log_of_requests, "<dp:do-action><GatewayPeeringSwitchPrimary><ObjectName class=\"GatewayPeering\">gwd</ObjectName>"));
	run(APPLIANCE_DISABLE, ok, XMI_DONE);
	assert_non_null(strstr(log_of_requests, "domain=\"apiconnect\"><dp:modify-config><APIConnectGatewayService name=\"default\">"
						"<mAdminState>disabled</mAdminState></APIConnectGatewayService></dp:modify-config>"));
	run(APPLIANCE_ENABLE, ok, XMI_DONE);
	assert_non_null(strstr(log_of_requests, "<mAdminState>enabled</mAdminState>"));
	strcpy(wanted.persistence, "memory");
	strcpy(wanted.local_directory, "local:///x");
	run(APPLIANCE_SET_PERSISTENCE, ok, XMI_DONE);
	assert_non_null(strstr(log_of_requests, "<GatewayPeering name=\"gwd\"><PersistenceLocation>memory</PersistenceLocation></GatewayPeering>"));
	strcpy(wanted.persistence, "local");
	run(APPLIANCE_SET_PERSISTENCE, ok, XMI_DONE);
	assert_non_null(strstr(log_of_requests, "<PersistenceLocation>local</PersistenceLocation><LocalDirectory>local:///x</LocalDirectory></GatewayPeering>"));
	strcpy(wanted.persistence, "raid");
	strcpy(wanted.raid_volume, "raid0");
	run(APPLIANCE_SET_PERSISTENCE, ok, XMI_DONE);
	assert_non_null(strstr(log_of_requests, "<PersistenceLocation>raid</PersistenceLocation><RaidVolume>raid0</RaidVolume></GatewayPeering>"));
}

static void a_log_target_is_made_only_where_there_is_none(void **state)
{
	struct answer answers[] = {{"<dp:get-config class=\"LogTarget\"", "config-logtarget", 0, 0}, {"<dp:set-config", "ok", 0, 0}, NO_MORE};

	strcpy(wanted.log_target, "gwd-log");
	strcpy(wanted.log_file, "logtemp:///drr-agent.log");
	run(APPLIANCE_SET_LOG_TARGET, answers, XMI_FAILED);
	failed_with(ERROR_REFUSED, "there is a log target gwd-log already");
	assert_int_equal(answers[1].asked, 0);
	assert_int_equal(xmi.effect, APPLIANCE_NO_EFFECT);
	strcpy(wanted.log_target, "drr-agent");
	run(APPLIANCE_SET_LOG_TARGET, answers, XMI_DONE);
	assert_int_equal(xmi.effect, APPLIANCE_EFFECT_DONE);
	assert_non_null(strstr(log_of_requests, "<dp:set-config><LogTarget name=\"drr-agent\"><mAdminState>enabled</mAdminState><Type>file</Type><Format>text</Format>"
						"<TimestampFormat>zulu</TimestampFormat><Size>500</Size><LocalFile>logtemp:///drr-agent.log</LocalFile><Rotate>3</Rotate>"));
	for (size_t i = 0; i < logtarget_code_count; i++)
		assert_non_null(strstr(log_of_requests, logtarget_codes[i].code));
}

static void every_code_of_the_log_target_means_something(void **state)
{
	assert_int_equal(logtarget_code_count, 15); /* and none of watch/line.c is missing: it has as many */
	for (size_t i = 0; i < logtarget_code_count; i++) {
		struct line line = {.code = (uint32_t)strtoul(logtarget_codes[i].code, NULL, 16)};
		size_t k = 0;

		line.category = logtarget_codes[i].category;
		line.category_bytes = strlen(line.category);
		assert_int_not_equal(line_event(&line), LINE_OTHER);
		while (k < logtarget_class_count && strcmp(logtarget_classes[k].category, line.category) != 0)
			k++;
		assert_true(k < logtarget_class_count);
	}
}

static void names_are_escaped_in_requests(void **state)
{
	settings.domain = "a&b<c";
	xmi_init(&xmi, &settings, &facts);
	strcpy(facts.object, "g\"w>d");
	run(APPLIANCE_SWITCH_PRIMARY, ALL("ok"), XMI_DONE);
	assert_non_null(strstr(log_of_requests, " domain=\"a&amp;b&lt;c\">"));
	assert_non_null(strstr(log_of_requests, ">g&quot;w&gt;d</ObjectName>"));
	strcpy(facts.object, "g\nwd");
	xmi_start(&xmi, APPLIANCE_SWITCH_PRIMARY);
	failed_with(ERROR_CONFIG, "cannot be written as XML");
	assert_int_equal(xmi.effect, APPLIANCE_NO_EFFECT);
	facts.object[0] = '\0';
	xmi_start(&xmi, APPLIANCE_SWITCH_PRIMARY);
	failed_with(ERROR_INTERNAL, "needs a peering object");
}

/* ---- what an answer means for a command */

static void effect_after(const char *body, int status, enum error_code code, const char *words, enum appliance_effect effect)
{
	run(APPLIANCE_DISABLE, ALL_WITH(body, status), XMI_FAILED);
	failed_with(code, words);
	assert_int_equal(xmi.effect, effect);
}

static void a_refusal_has_no_effect(void **state)
{
	effect_after("error-log", 200, ERROR_ANSWER, "refused modify-config APIConnectGatewayService: Invalid object name: <x>; nothing done", APPLIANCE_NO_EFFECT);
	effect_after("error-log-dp", 200, ERROR_ANSWER, "Unable to locate", APPLIANCE_NO_EFFECT);
	effect_after("error-log-empty", 200, ERROR_ANSWER, "gives no reason", APPLIANCE_NO_EFFECT);
	effect_after("auth-failure", 200, ERROR_PERMISSION, "the credentials are right", APPLIANCE_NO_EFFECT);
	effect_after("html", 403, ERROR_PERMISSION, "HTTP status 403", APPLIANCE_NO_EFFECT);
	effect_after("html", 404, ERROR_ANSWER, "HTTP status 404", APPLIANCE_NO_EFFECT);
}

static void an_unclear_answer_leaves_the_effect_possible(void **state)
{
	effect_after("fault-12", 500, ERROR_ANSWER, "not now", APPLIANCE_EFFECT_POSSIBLE);
	effect_after("ok-with-errors", 200, ERROR_ANSWER, "OK; half of it", APPLIANCE_EFFECT_POSSIBLE);
	effect_after("status-none", 200, ERROR_ANSWER, "does not say whether it was done", APPLIANCE_EFFECT_POSSIBLE);
	effect_after("result-empty", 200, ERROR_ANSWER, "does not say whether it was done", APPLIANCE_EFFECT_POSSIBLE);
	effect_after("status-empty", 200, ERROR_ANSWER, "does not say whether it was done", APPLIANCE_EFFECT_POSSIBLE);
	effect_after("two-documents", 200, ERROR_ANSWER, "junk after document element", APPLIANCE_EFFECT_POSSIBLE);
	effect_after("not-xml", 200, ERROR_ANSWER, "no XML", APPLIANCE_EFFECT_POSSIBLE);
	effect_after("doctype", 200, ERROR_ANSWER, "document type", APPLIANCE_EFFECT_POSSIBLE);
	effect_after("html", 200, ERROR_ANSWER, "no response of the management interface", APPLIANCE_EFFECT_POSSIBLE);
	effect_after("result-other", 200, ERROR_ANSWER, "Action failed - xxx", APPLIANCE_EFFECT_POSSIBLE);
	effect_after("fault", 200, ERROR_ANSWER, "Internal Error (from client)", APPLIANCE_EFFECT_POSSIBLE);
	effect_after("fault", 500, ERROR_ANSWER, "Internal Error (from client)", APPLIANCE_EFFECT_POSSIBLE);
	effect_after("ok", 503, ERROR_ANSWER, "HTTP status 503", APPLIANCE_EFFECT_POSSIBLE);
}

static void a_command_that_was_cut_off(void **state)
{
	struct error lost = {.code = ERROR_LOST, .what = "gone"};
	size_t length;

	xmi_start(&xmi, APPLIANCE_ENABLE);
	assert_non_null(xmi_request(&xmi, &length));
	xmi_lost(&xmi, &lost);
	failed_with(ERROR_LOST, "gone");
	assert_int_equal(xmi.effect, APPLIANCE_NO_EFFECT); /* it never left */
	xmi_start(&xmi, APPLIANCE_ENABLE);
	xmi_sent(&xmi);
	assert_int_equal(xmi_input(&xmi, "<Envelope>", 10), 0);
	xmi_lost(&xmi, &lost);
	assert_int_equal(xmi.effect, APPLIANCE_EFFECT_POSSIBLE);
	assert_int_equal(xmi_input(&xmi, "<Body>", 6), -1);
	assert_int_equal(xmi_response(&xmi, 200), XMI_FAILED);
	xmi_start(&xmi, APPLIANCE_ASK_PEERING);
	xmi_sent(&xmi);
	xmi_lost(&xmi, &lost);
	assert_int_equal(xmi.effect, APPLIANCE_NO_EFFECT);
	xmi_start(&xmi, APPLIANCE_ENABLE);
	assert_int_equal(xmi_input(&xmi, "<", 1), 0); /* an answer before all was sent */
	assert_int_equal(xmi.effect, APPLIANCE_EFFECT_POSSIBLE);
	xmi_lost(&xmi, &(struct error){0}); /* the caller starts again, without an error */
	assert_int_equal(xmi.status, XMI_FAILED);
}

static void a_denial_names_all_three_causes(void **state)
{
	run(APPLIANCE_ASK_PEERING, ALL("auth-failure"), XMI_FAILED);
	failed_with(ERROR_AUTH, "the credentials of [xmi] are wrong, or there is no such domain, or this user may not do that");
	assert_false(xmi.authenticated);
	run(APPLIANCE_ASK_IDENTITY, ALL_WITH("html", 401), XMI_FAILED);
	failed_with(ERROR_AUTH, "HTTP status 401");
	run(APPLIANCE_ASK_PEERING, ALL("fault"), XMI_FAILED);
	assert_false(xmi.authenticated); /* a request that cannot be read is refused before anyone is asked for a password */
	accept_credentials();
	run(APPLIANCE_ASK_COLLECTIONS, ALL("auth-failure"), XMI_FAILED);
	failed_with(ERROR_PERMISSION, "the credentials are right, they were accepted before");
	/* What was allowed before is refused: the password was changed meanwhile, or the account is locked. */
	run(APPLIANCE_ASK_PEERING, ALL("auth-failure"), XMI_FAILED);
	failed_with(ERROR_AUTH, "the credentials of [xmi] are wrong");
	assert_false(xmi.authenticated);
}

/* ---- files and listings */

static char file_text[1000];

static int take_file(void *context, const char *bytes, size_t count)
{
	size_t *used = context;

	assert_true(*used + count < sizeof file_text);
	memcpy(file_text + *used, bytes, count);
	*used += count;
	return 0;
}

static int take_nothing(void *context, const char *bytes, size_t count)
{
	return 1;
}

static enum xmi_status get_file(const char *body, size_t *used)
{
	*used = 0;
	xmi_start_file(&xmi, "logtemp:///gwd-log.log", take_file, used);
	return converse(ALL(body));
}

static void a_file_is_handed_out(void **state)
{
	size_t used;

	assert_int_equal(get_file("file", &used), XMI_DONE);
	assert_true(used == 138 && xmi.file_bytes == 138 && !xmi.file_missing);
	assert_memory_equal(file_text, "20200618T232339.332Z [0x88e000d7]", 33);
	assert_non_null(strstr(log_of_requests, "<dp:get-file name=\"logtemp:///gwd-log.log\"/>"));
	assert_int_equal(get_file("file-empty", &used), XMI_DONE);
	assert_true(used == 0 && !xmi.file_missing);
	assert_int_equal(get_file("file-missing", &used), XMI_DONE);
	assert_true(xmi.file_missing);
	assert_int_equal(get_file("error-log", &used), XMI_FAILED);
	assert_int_equal(get_file("status-none", &used), XMI_FAILED);
	failed_with(ERROR_ANSWER, "has no file in it");
	assert_int_equal(get_file("file-no-base64", &used), XMI_FAILED);
	failed_with(ERROR_ANSWER, "no base64");
	assert_int_equal(get_file("file-cut-base64", &used), XMI_FAILED);
	xmi_start_file(&xmi, "logtemp:///gwd-log.log", take_nothing, NULL);
	assert_int_equal(converse(ALL("file")), XMI_FAILED);
	failed_with(ERROR_FAILED, "logtemp:///gwd-log.log was not read to its end");
}

static enum xmi_status look(const char *name)
{
	xmi_start_list(&xmi, name);
	return xmi.status == XMI_BUSY ? converse(ALL("filestore")) : xmi.status;
}

static void a_file_is_found_in_a_listing(void **state)
{
	assert_int_equal(look("logtemp:///gwd-log.log"), XMI_DONE);
	assert_true(xmi.list_found && xmi.list_size_bytes == 4711);
	assert_string_equal(xmi.list_modified, "2020-06-18 23:23:39");
	assert_non_null(strstr(log_of_requests, "<dp:get-filestore location=\"logtemp:\"/>"));
	assert_int_equal(look("logtemp:///apiconnect/gwd-log.log"), XMI_DONE);
	assert_true(xmi.list_found && xmi.list_size_bytes == 12);
	assert_int_equal(look("logtemp:gwd-log.log.1"), XMI_DONE);
	assert_true(xmi.list_found && xmi.list_size_bytes == 512000);
	assert_int_equal(look("logtemp:///gwd-log"), XMI_DONE);
	assert_false(xmi.list_found);
	assert_int_equal(look("logtemp:///apiconnect/new/b"), XMI_FAILED);
	failed_with(ERROR_ANSWER, "cannot be read");
	assert_int_equal(look("gwd-log"), XMI_FAILED);
	failed_with(ERROR_CONFIG, "no name of a file");
	xmi_start_list(&xmi, "logtemp:///x");
	assert_int_equal(converse(ALL("status-none")), XMI_FAILED);
	failed_with(ERROR_ANSWER, "no listing");
}

/* ---- recorded answers: every split and every truncation, through HTTP, SOMA and the operation */

static struct http_response response;

static int to_xmi(void *context, const char *bytes, size_t count, struct error *error)
{
	if (xmi_input(&xmi, bytes, count) == 0)
		return 0;
	*error = xmi.error;
	return -1;
}

static size_t file_used;

static void start_recorded(int op)
{
	setup(NULL);
	strcpy(facts.object, "gwd");
	file_used = 0;
	if (op < 0)
		xmi_start_file(&xmi, "logtemp:///gwd-log.log", take_file, &file_used);
	else
		xmi_start(&xmi, (enum appliance_op)op);
	xmi_sent(&xmi);
}

/* Moves the bytes like the engine does: pieces [0, split) and [split, length), then the end of the connection. */
static enum xmi_status move(int op, const char *text, size_t length, size_t split)
{
	const size_t ends[] = {split, length};
	struct error error = {0};
	size_t from = 0, used;

	start_recorded(op);
	http_response_init(&response, XMI_BODY_MAX_BYTES, to_xmi, NULL);
	for (int i = 0; i < 2; i++) {
		if (http_response_input(&response, text + from, ends[i] - from, &used, &error))
			break;
		from = ends[i];
	}
	if (!response.failed)
		(void)http_response_end(&response, true, &error);
	if (response.done)
		return xmi_response(&xmi, response.status);
	xmi_lost(&xmi, &error);
	return xmi.status;
}

/* What an operation leaves behind, as text. */
static const char *outcome(void)
{
	static char text[4096];

	snprintf(text, sizeof text, "%d %d %d %s|%s|%u %u|%d %s %s|%zu %.*s", xmi.status, xmi.effect, xmi.error.code, xmi.error.what, xmi.error.next,
		 facts.table.count, facts.table.other_rows, facts.admin_state, facts.op_state, facts.service_reason, file_used, (int)file_used, file_text);
	xmi_free(&xmi);
	return text;
}

static void check_recorded(const char *name, int op, const char *expected)
{
	static char text[GOLDEN_MAX_BYTES];
	char path[512], whole[4096];
	size_t length;

	snprintf(path, sizeof path, "%s/golden/http/%s.txt", DRR_TESTS_DIR, name);
	length = golden_read(path, text);
	assert_true(length > 400);
	(void)move(op, text, length, 0);
	snprintf(whole, sizeof whole, "%s", outcome());
	if (!strstr(whole, expected))
		fail_msg("%s: %s", name, whole);
	assert_null(strstr(whole, "YWdlbnQ6"));
	for (size_t split = 1; split < length; split++) {
		(void)move(op, text, length, split);
		assert_string_equal(outcome(), whole);
	}
	for (size_t cut = 0; cut < length; cut++) {
		char *exact = golden_exact(text, cut);

		assert_int_equal(move(op, exact, cut, cut / 2), XMI_FAILED);
		assert_int_equal(xmi.error.code, ERROR_LOST);
		assert_true(xmi.error.what[0] && xmi.error.next[0]);
		assert_int_equal(xmi.effect, op >= 0 && appliance_op_changes((enum appliance_op)op) ? APPLIANCE_EFFECT_POSSIBLE : APPLIANCE_NO_EFFECT);
		assert_false(facts.have_table);
		(void)outcome();
		free(exact);
	}
}

static void recorded_answers_survive_every_split_and_truncation(void **state)
{
	check_recorded("recorded-peering", APPLIANCE_ASK_PEERING, "2 0 0 ||3 2|");
	check_recorded("recorded-objects", APPLIANCE_ASK_SERVICE, "|1 pendingup Object has not processed any configuration|");
	check_recorded("recorded-ok", APPLIANCE_DISABLE, "2 2 0 |");
	check_recorded("recorded-refused", APPLIANCE_ENABLE, "Unable to locate configuration file");
	check_recorded("recorded-denied", APPLIANCE_ASK_PEERING, "Authentication failure");
	check_recorded("recorded-file", -1, "|138 20200618T232339.332Z [0x88e000d7]");
}

static void what_xmi_cannot(void **state)
{
	static const enum appliance_op cannot[] = {APPLIANCE_ENTER, APPLIANCE_ASK_DIAG, APPLIANCE_ASK_STORE, APPLIANCE_FLUSH};

	for (int op = 0; op < APPLIANCE_OP_COUNT; op++) {
		bool expected = true;

		for (size_t i = 0; i < sizeof cannot / sizeof cannot[0]; i++)
			expected = expected && (int)cannot[i] != op;
		assert_int_equal(xmi_can((enum appliance_op)op), expected);
	}
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(identity_is_asked_in_default),
		CASE(uptime_has_three_forms),
		CASE(a_user_without_default_is_no_wrong_password),
		CASE(the_manager_names_the_object),
		CASE(the_service_names_the_object_in_v5_mode_and_without_a_manager),
		CASE(an_unclear_object_is_an_error),
		CASE(an_object_is_known_without_its_state),
		CASE(the_peering_table_is_that_of_the_object),
		CASE(an_empty_peering_status_is_a_success),
		CASE(a_member_without_its_link_is_an_error),
		CASE(the_service_is_found_by_its_class),
		CASE(collections_are_counted),
		CASE(an_answer_without_data_says_nothing),
		CASE(facts_change_with_the_whole_answer),
		CASE(unsaved_configuration_is_told),
		CASE(peering_objects_are_read),
		CASE(a_group_without_a_name_is_an_error),
		CASE(log_targets_are_read),
		CASE(what_does_not_fit_is_an_error_that_names_the_limit),
		CASE(commands_say_what_they_should),
		CASE(a_log_target_is_made_only_where_there_is_none),
		CASE(every_code_of_the_log_target_means_something),
		CASE(names_are_escaped_in_requests),
		CASE(a_refusal_has_no_effect),
		CASE(an_unclear_answer_leaves_the_effect_possible),
		CASE(a_command_that_was_cut_off),
		CASE(a_denial_names_all_three_causes),
		CASE(a_file_is_handed_out),
		CASE(a_file_is_found_in_a_listing),
		CASE(recorded_answers_survive_every_split_and_truncation),
		CASE(what_xmi_cannot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
