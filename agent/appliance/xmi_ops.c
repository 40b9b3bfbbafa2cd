#include "appliance/xmi_ops.h"

#include <stdio.h>
#include <string.h>

#include "appliance/choice.h"
#include "appliance/logtarget.h"
#include "base/text.h"

enum { EVIDENCE_BYTES = 160 /* of a foreign value, in an error's sentence */ };

static const char default_domain[] = "default";
static const char service_class[] = "APIConnectGatewayService";
static const char by_hand[] = "look at the same in the appliance's web interface, or ask it with the CLI";

/* ---- values ---------------------------------------------------------------------------------------------------- */

static bool is_plain(const char *value)
{
	for (; *value; value++)
		if ((unsigned char)*value < ' ' || *value == 0x7f)
			return false;
	return true;
}

/* Copies VALUE (NULL: ""); false, OUT empty, when it does not fit or has a control character. */
static bool copy_word(char *out, size_t size, const char *value)
{
	out[0] = '\0';
	return !value || (is_plain(value) && text_copy(out, size, value, strlen(value)) == 0);
}

static void copy_lower(char *out, size_t size, const char *value)
{
	(void)copy_word(out, size, value);
	for (; *out; out++)
		if (*out >= 'A' && *out <= 'Z')
			*out = (char)(*out - 'A' + 'a');
}

static bool is(const char *value, const char *word)
{
	return value && strcmp(value, word) == 0;
}

static enum peering_flag flag_of(const char *value, const char *yes, const char *no)
{
	return is(value, yes) ? PEERING_YES : is(value, no) ? PEERING_NO : PEERING_UNKNOWN;
}

/* A number without a sign; UNKNOWN where there is none. */
static int64_t number_of(const char *value, int64_t max, int64_t unknown)
{
	unsigned long long number;

	if (!value || !text_to_unsigned(value, strlen(value), (unsigned long long)max, &number))
		return unknown;
	return (int64_t)number;
}

static int64_t signed_of(const char *value, int64_t unknown)
{
	int64_t number = value && value[0] == '-' ? number_of(value + 1, INT32_MAX, -1) : -1;

	return number >= 0 ? -number : number_of(value, INT32_MAX, unknown);
}

static int bad_value(struct error *error, const struct soma_row *row, const char *property, const char *value)
{
	char shown[EVIDENCE_BYTES];

	if (!value)
		return error_set(error, ERROR_ANSWER, by_hand, "a row of %s has no %s", row->class_name, property);
	return error_set(error, ERROR_ANSWER, by_hand, "%s of %s cannot be read: \"%s\"", property, row->class_name,
			 text_escape(shown, sizeof shown, value, strlen(value)));
}

/* ---- requests -------------------------------------------------------------------------------------------------- */

static int ask_status(struct xmi *xmi, const struct xmi_step *step, const char *domain)
{
	soma_get_status(&xmi->request, domain, step->class_name);
	return 0;
}

static int ask_config(struct xmi *xmi, const struct xmi_step *step, const char *domain)
{
	soma_get_config(&xmi->request, domain, step->class_name);
	return 0;
}

static int need_object(struct xmi *xmi, const char *verb)
{
	if (xmi->facts->object[0])
		return 0;
	return error_set(&xmi->error, ERROR_INTERNAL, "drr-agent status", "%s needs a peering object, and none is known", verb);
}

static int switch_primary(struct xmi *xmi, const struct xmi_step *step, const char *domain)
{
	if (need_object(xmi, step->class_name))
		return -1;
	soma_do_action(&xmi->request, domain, step->class_name, "GatewayPeering", xmi->facts->object);
	return 0;
}

static void set_admin_state(struct xmi *xmi, const struct xmi_step *step, const char *domain, const char *state)
{
	soma_config_begin(&xmi->request, domain, step->verb, step->class_name, xmi->service[0] ? xmi->service : "default");
	soma_add_property(&xmi->request, "mAdminState", state);
	soma_config_end(&xmi->request, step->verb, step->class_name);
}

static int disable(struct xmi *xmi, const struct xmi_step *step, const char *domain)
{
	set_admin_state(xmi, step, domain, "disabled");
	return 0;
}

static int enable(struct xmi *xmi, const struct xmi_step *step, const char *domain)
{
	set_admin_state(xmi, step, domain, "enabled");
	return 0;
}

static int no_wish(struct xmi *xmi, const char *what)
{
	return error_set(&xmi->error, ERROR_INTERNAL, "drr-agent status", "it was not said %s", what);
}

static int set_persistence(struct xmi *xmi, const struct xmi_step *step, const char *domain)
{
	const struct appliance_wanted *wanted = xmi->settings.wanted;

	if (!wanted || !wanted->persistence[0])
		return no_wish(xmi, "which persistence to set");
	if (need_object(xmi, step->verb))
		return -1;
	soma_config_begin(&xmi->request, domain, step->verb, step->class_name, xmi->facts->object);
	soma_add_property(&xmi->request, "PersistenceLocation", wanted->persistence);
	if (strcmp(wanted->persistence, "local") == 0 && wanted->local_directory[0])
		soma_add_property(&xmi->request, "LocalDirectory", wanted->local_directory);
	if (strcmp(wanted->persistence, "raid") == 0 && wanted->raid_volume[0])
		soma_add_property(&xmi->request, "RaidVolume", wanted->raid_volume);
	soma_config_end(&xmi->request, step->verb, step->class_name);
	return 0;
}

static int look_for_log_target(struct xmi *xmi, const struct xmi_step *step, const char *domain)
{
	const struct appliance_wanted *wanted = xmi->settings.wanted;

	if (!wanted || !wanted->log_target[0] || !wanted->log_file[0])
		return no_wish(xmi, "which log target to make");
	return ask_config(xmi, step, domain);
}

static int set_log_target(struct xmi *xmi, const struct xmi_step *step, const char *domain)
{
	const struct appliance_wanted *wanted = xmi->settings.wanted;
	struct buf *out = &xmi->request;

	soma_config_begin(out, domain, step->verb, step->class_name, wanted->log_target);
	soma_add_property(out, "mAdminState", "enabled");
	soma_add_property(out, "Type", "file");
	soma_add_property(out, "Format", "text");
	soma_add_property(out, "TimestampFormat", "zulu");
	(void)buf_printf(out, "<Size>%d</Size>", LOGTARGET_SIZE_KB);
	soma_add_property(out, "LocalFile", wanted->log_file);
	(void)buf_printf(out, "<Rotate>%d</Rotate>", LOGTARGET_ROTATIONS);
	for (size_t i = 0; i < logtarget_class_count; i++)
		(void)buf_printf(out, "<LogEvents><Class class=\"LogLabel\">%s</Class><Priority>%s</Priority></LogEvents>", logtarget_classes[i].category,
				 logtarget_classes[i].level);
	for (size_t i = 0; i < logtarget_code_count; i++)
		soma_add_property(out, "LogEventCode", logtarget_codes[i].code);
	soma_config_end(out, step->verb, step->class_name);
	return 0;
}

/* ---- when a step is needed ------------------------------------------------------------------------------------- */

static bool is_default(const struct xmi *xmi)
{
	return strcmp(xmi->settings.domain, default_domain) == 0;
}

/* A refusal in domain default looks like wrong credentials, so that they are proved good in the own domain first. */
static bool unproved(const struct xmi *xmi)
{
	return !xmi->authenticated && !is_default(xmi);
}

static bool may_ask_default(const struct xmi *xmi)
{
	return !xmi->default_denied || is_default(xmi);
}

static bool uptime_unknown(const struct xmi *xmi)
{
	return may_ask_default(xmi) && xmi->facts->uptime_reload_s < 0;
}

static bool saved_unknown(const struct xmi *xmi)
{
	return xmi->facts->unsaved == PEERING_UNKNOWN && !is_default(xmi);
}

static bool has_groups(const struct xmi *xmi)
{
	for (unsigned i = 0; i < xmi->facts->peering_count; i++)
		if (xmi->facts->peerings[i].group[0])
			return true;
	return false;
}

/* ---- identity -------------------------------------------------------------------------------------------------- */

static void begin_identity(struct xmi *xmi)
{
	xmi->facts->uptime_reload_s = xmi->facts->uptime_reboot_s = -1;
	xmi->facts->have_identity = false;
}

static int firmware_row(struct xmi *xmi, const struct soma_row *row, struct error *error)
{
	(void)error;
	(void)copy_word(xmi->facts->firmware, sizeof xmi->facts->firmware, soma_value(row, "Version"));
	(void)copy_word(xmi->facts->serial, sizeof xmi->facts->serial, soma_value(row, "Serial"));
	xmi->facts->have_identity = true;
	return 0;
}

/* Takes "18H" off VALUE where it ends in UNIT; false: a number without any, or too large a one. */
static bool take_part(const char **value, char unit, int64_t seconds, int64_t *sum_s)
{
	size_t digits = strspn(*value, "0123456789");
	unsigned long long number;

	if (digits == 0 || (*value)[digits] != unit)
		return digits == 0 || strchr("DHMS", (*value)[digits]);
	if (!text_to_unsigned(*value, digits, UINT32_MAX, &number))
		return false;
	*sum_s += (int64_t)number * seconds;
	*value += digits + 1;
	return true;
}

/* "P3DT18H52M47S" or "3 days 18:52:47" in seconds; -1: neither. */
static int64_t span_seconds(const char *value)
{
	char line[64]; /* as `show time` prints it */
	int64_t span_s = 0, other_s;

	if (value[0] != 'P' || !value[1]) {
		if (snprintf(line, sizeof line, "Uptime: reload: %s", value) >= (int)sizeof line)
			return -1;
		(void)facts_parse_uptime(line, strlen(line), &span_s, &other_s);
		return span_s;
	}
	value++;
	if (!take_part(&value, 'D', 86400, &span_s) || (*value && *value++ != 'T') || !take_part(&value, 'H', 3600, &span_s) ||
	    !take_part(&value, 'M', 60, &span_s) || !take_part(&value, 'S', 1, &span_s) || *value)
		return -1;
	return span_s;
}

/* The first of the properties that is a span of time. */
static int64_t span_of(const struct soma_row *row, const char *const names[3])
{
	int64_t span_s = -1;

	for (unsigned i = 0; i < 3 && span_s < 0; i++) {
		const char *value = soma_value(row, names[i]);

		span_s = value ? span_seconds(value) : -1;
	}
	return span_s;
}

/* In the words of `show time`; where the response has a timestamp, that one counts. */
static void take_clock(struct appliance_facts *facts, const struct soma_row *row)
{
	const char *time = soma_value(row, "time"), *zone = soma_value(row, "timezone");
	struct facts_clock clock;
	char line[128];

	if (!zone)
		zone = soma_value(row, "timezone2");
	if (time && snprintf(line, sizeof line, "Local time: %s %s", time, zone ? zone : "") < (int)sizeof line && facts_parse_clock(line, strlen(line), &clock))
		facts->clock = clock;
}

static int time_row(struct xmi *xmi, const struct soma_row *row, struct error *error)
{
	static const char *const reload[] = {"uptime3", "uptime2", "uptime"}, *const reboot[] = {"bootuptime3", "bootuptime2", "bootuptime"};
	struct appliance_facts *facts = xmi->facts;

	(void)error;
	facts->uptime_reload_s = span_of(row, reload);
	facts->uptime_reboot_s = span_of(row, reboot);
	take_clock(facts, row);
	facts->have_identity = facts->have_identity || facts->uptime_reload_s >= 0;
	return 0;
}

/* ---- the service ----------------------------------------------------------------------------------------------- */

static int take_admin_state(struct xmi *xmi, const struct soma_row *row, const char *property, struct error *error)
{
	const char *value = soma_value(row, property);

	xmi->facts->admin_state = is(value, "enabled") ? APPLIANCE_ADMIN_ENABLED : is(value, "disabled") ? APPLIANCE_ADMIN_DISABLED : APPLIANCE_ADMIN_UNKNOWN;
	xmi->facts->have_service = xmi->facts->admin_state != APPLIANCE_ADMIN_UNKNOWN;
	return xmi->facts->have_service ? 0 : bad_value(error, row, property, value);
}

static void take_event(struct appliance_facts *facts, const struct soma_row *row)
{
	const char *code = soma_value(row, "EventCode"), *reason = soma_value(row, "ErrorCode");

	copy_lower(facts->service_event, sizeof facts->service_event, code && strspn(code, "0x") < strlen(code) ? code : NULL);
	facts->service_reason[0] = '\0';
	if (reason)
		text_escape(facts->service_reason, sizeof facts->service_reason, reason, strlen(reason));
}

/* A row of ObjectStatus that is about the service. The name in it differs from the object's: the class counts. */
static int service_state(struct xmi *xmi, const struct soma_row *row, struct error *error)
{
	if (xmi->found)
		return 0; /* there is one service in a domain */
	xmi->found = true;
	copy_lower(xmi->facts->op_state, sizeof xmi->facts->op_state, soma_value(row, "OpState"));
	take_event(xmi->facts, row);
	return take_admin_state(xmi, row, "AdminState", error);
}

static int service_row(struct xmi *xmi, const struct soma_row *row, struct error *error)
{
	return is(soma_value(row, "Class"), service_class) ? service_state(xmi, row, error) : 0;
}

static int finish_service(struct xmi *xmi)
{
	char domain[EVIDENCE_BYTES];

	if (xmi->found)
		return 0;
	xmi->facts->have_service = false;
	return error_set(&xmi->error, ERROR_ANSWER, by_hand, "domain %s has no API Connect gateway service: ObjectStatus does not list one",
			 text_escape(domain, sizeof domain, xmi->settings.domain, strlen(xmi->settings.domain)));
}

/* ---- the peering object of the service ------------------------------------------------------------------------- */

static void begin_object(struct xmi *xmi)
{
	xmi->manager[0] = xmi->own[0] = xmi->v5[0] = '\0';
	xmi->facts->have_object = false;
}

static int manager_row(struct xmi *xmi, const struct soma_row *row, struct error *error)
{
	const char *value = soma_value(row, service_class);

	return copy_word(xmi->manager, sizeof xmi->manager, value) ? 0 : bad_value(error, row, service_class, value);
}

static int service_config_row(struct xmi *xmi, const struct soma_row *row, struct error *error)
{
	const char *own = soma_value(row, "GatewayPeering");

	if (xmi->found)
		return 0;
	xmi->found = true;
	xmi->facts->op_state[0] = xmi->facts->service_event[0] = xmi->facts->service_reason[0] = '\0';
	(void)copy_word(xmi->service, sizeof xmi->service, row->name);
	(void)copy_word(xmi->v5, sizeof xmi->v5, soma_value(row, "V5CompatibilityMode"));
	if (!copy_word(xmi->own, sizeof xmi->own, own))
		return bad_value(error, row, "GatewayPeering", own);
	return take_admin_state(xmi, row, "mAdminState", error);
}

static int take_choice(struct xmi *xmi)
{
	struct choice choice = {xmi->settings.object, xmi->manager, xmi->own, xmi->v5};
	char domain[EVIDENCE_BYTES];

	if (!xmi->found)
		return error_set(&xmi->error, ERROR_ANSWER, by_hand, "domain %s has no API Connect gateway service",
				 text_escape(domain, sizeof domain, xmi->settings.domain, strlen(xmi->settings.domain)));
	xmi->found = false; /* now for its state */
	return choice_of_object(&choice, xmi->facts, &xmi->error);
}

static int object_config_row(struct xmi *xmi, const struct soma_row *row, struct error *error)
{
	struct appliance_facts *facts = xmi->facts;

	(void)error;
	if (strcmp(row->name, facts->object) != 0)
		return 0;
	(void)copy_word(facts->local_address, sizeof facts->local_address, soma_value(row, "LocalAddress"));
	copy_lower(facts->persistence, sizeof facts->persistence, soma_value(row, "PersistenceLocation"));
	facts->object_state[0] = '\0';
	facts->have_object = true;
	return 0;
}

static int take_object_config(struct xmi *xmi)
{
	char domain[EVIDENCE_BYTES], object[EVIDENCE_BYTES];

	if (xmi->facts->have_object)
		return 0;
	return error_set(&xmi->error, ERROR_ANSWER, "check peering_object in [appliance]; the appliance lists them with: show gateway-peering",
			 "domain %s has no peering object %s (named by %s)",
			 text_escape(domain, sizeof domain, xmi->settings.domain, strlen(xmi->settings.domain)),
			 text_escape(object, sizeof object, xmi->facts->object, strlen(xmi->facts->object)), xmi->facts->object_source);
}

static int object_state_row(struct xmi *xmi, const struct soma_row *row, struct error *error)
{
	const char *class_name = soma_value(row, "Class");

	if (is(class_name, service_class))
		return service_state(xmi, row, error);
	if (is(class_name, "GatewayPeering") && is(soma_value(row, "Name"), xmi->facts->object))
		copy_lower(xmi->facts->object_state, sizeof xmi->facts->object_state, soma_value(row, "OpState"));
	return 0;
}

/* ---- the peering table ----------------------------------------------------------------------------------------- */

static void begin_table(struct xmi *xmi)
{
	xmi->table.count = xmi->table.other_rows = 0;
	xmi->facts->have_table = false;
}

static void read_numbers(const struct soma_row *row, struct peering_row *out)
{
	const char *pending = soma_value(row, "PendingUpdates"), *offset = soma_value(row, "ReplicationOffset");
	unsigned long long number;

	out->pending_known = pending && text_to_unsigned(pending, strlen(pending), UINT64_MAX, &number);
	out->pending_updates = out->pending_known ? number : 0;
	out->offset_known = offset && text_to_unsigned(offset, strlen(offset), UINT64_MAX, &number);
	out->replication_offset = out->offset_known ? number : 0;
	out->priority = signed_of(soma_value(row, "Priority"), APPLIANCE_PRIORITY_UNKNOWN);
	out->priority_known = out->priority != APPLIANCE_PRIORITY_UNKNOWN;
	if (!out->priority_known)
		out->priority = 0;
}

static int read_member(const struct soma_row *row, struct peering_row *out, struct error *error)
{
	static const char *const needed[] = {"Address", "Name", "LinkStatus", "Primary"};

	for (unsigned i = 0; i < sizeof needed / sizeof needed[0]; i++)
		if (!soma_value(row, needed[i]))
			return bad_value(error, row, needed[i], NULL);
	*out = (struct peering_row){0};
	if (!copy_word(out->address, sizeof out->address, soma_value(row, "Address")))
		return bad_value(error, row, "Address", soma_value(row, "Address"));
	if (!copy_word(out->object, sizeof out->object, soma_value(row, "Name")) || !out->object[0])
		return bad_value(error, row, "Name", soma_value(row, "Name"));
	out->link_ok = flag_of(soma_value(row, "LinkStatus"), "ok", "down");
	out->primary = flag_of(soma_value(row, "Primary"), "yes", "no");
	read_numbers(row, out);
	return 0;
}

static int member_row(struct xmi *xmi, const struct soma_row *row, struct error *error)
{
	const char *object = xmi->facts->object;
	struct peering_row member;

	if (read_member(row, &member, error))
		return -1;
	if (object[0] && strcmp(member.object, object) != 0) {
		xmi->table.other_rows++;
		return 0;
	}
	if (xmi->table.count == PEERING_ROWS_MAX)
		return error_set(error, ERROR_ANSWER, by_hand, "GatewayPeeringStatus lists more than %d members", PEERING_ROWS_MAX);
	xmi->table.rows[xmi->table.count++] = member;
	return 0;
}

static int finish_table(struct xmi *xmi)
{
	xmi->facts->table = xmi->table;
	xmi->facts->have_table = true;
	return 0;
}

/* ---- collections and saving ------------------------------------------------------------------------------------ */

static void begin_collections(struct xmi *xmi)
{
	xmi->facts->collections = -1;
	xmi->facts->shows_no_collections = false;
}

static int collection_row(struct xmi *xmi, const struct soma_row *row, struct error *error)
{
	(void)row;
	(void)error;
	xmi->count++;
	return 0;
}

static int finish_collections(struct xmi *xmi)
{
	xmi->facts->collections = xmi->count;
	return 0;
}

static void begin_saved(struct xmi *xmi)
{
	xmi->facts->unsaved = PEERING_UNKNOWN;
}

static int domain_row(struct xmi *xmi, const struct soma_row *row, struct error *error)
{
	(void)error;
	if (is(soma_value(row, "Domain"), xmi->settings.domain))
		xmi->facts->unsaved = flag_of(soma_value(row, "SaveNeeded"), "on", "off");
	return 0;
}

/* ---- all peering objects --------------------------------------------------------------------------------------- */

static void begin_peerings(struct xmi *xmi)
{
	xmi->facts->peering_count = 0;
	xmi->facts->have_peerings = false;
}

static void add_peer(struct appliance_peering *peering, const char *host)
{
	if (!host || !host[0])
		return;
	if (peering->peer_count < APPLIANCE_PEERS_MAX)
		(void)copy_word(peering->peers[peering->peer_count], sizeof peering->peers[0], host);
	peering->peer_count++;
}

static void read_peering(const struct soma_row *row, struct appliance_peering *out)
{
	const char *password = soma_value(row, "PasswordAlias");

	(void)copy_word(out->local_address, sizeof out->local_address, soma_value(row, "LocalAddress"));
	(void)copy_word(out->local_directory, sizeof out->local_directory, soma_value(row, "LocalDirectory"));
	(void)copy_word(out->group, sizeof out->group, soma_value(row, "PeerGroup"));
	copy_lower(out->persistence, sizeof out->persistence, soma_value(row, "PersistenceLocation"));
	out->local_port = (unsigned)number_of(soma_value(row, "LocalPort"), UINT16_MAX, 0);
	out->monitor_port = (unsigned)number_of(soma_value(row, "MonitorPort"), UINT16_MAX, 0);
	out->priority = signed_of(soma_value(row, "Priority"), APPLIANCE_PRIORITY_UNKNOWN);
	out->peer_group = flag_of(soma_value(row, "EnablePeerGroup"), "on", "off");
	out->ssl = flag_of(soma_value(row, "EnableSSL"), "on", "off");
	out->own_password = !password ? PEERING_UNKNOWN : password[0] ? PEERING_YES : PEERING_NO;
	for (unsigned i = 0; i < row->count; i++)
		if (row->properties[i].parent == 0 && strcmp(row->properties[i].name, "Peers") == 0)
			add_peer(out, row->properties[i].value);
}

static int peering_row(struct xmi *xmi, const struct soma_row *row, struct error *error)
{
	struct appliance_facts *facts = xmi->facts;
	struct appliance_peering *peering = &facts->peerings[facts->peering_count];

	if (facts->peering_count == APPLIANCE_PEERINGS_MAX)
		return error_set(error, ERROR_ANSWER, by_hand, "the domain has more than %d peering objects", APPLIANCE_PEERINGS_MAX);
	memset(peering, 0, sizeof *peering);
	if (!copy_word(peering->name, sizeof peering->name, row->name) || !peering->name[0])
		return bad_value(error, row, "name", row->name);
	read_peering(row, peering);
	facts->peering_count++;
	return 0;
}

static int peering_state_row(struct xmi *xmi, const struct soma_row *row, struct error *error)
{
	(void)error;
	if (!is(soma_value(row, "Class"), "GatewayPeering"))
		return 0;
	for (unsigned i = 0; i < xmi->facts->peering_count; i++)
		if (is(soma_value(row, "Name"), xmi->facts->peerings[i].name))
			copy_lower(xmi->facts->peerings[i].op_state, sizeof xmi->facts->peerings[i].op_state, soma_value(row, "OpState"));
	return 0;
}

static int group_row(struct xmi *xmi, const struct soma_row *row, struct error *error)
{
	if (!row->name[0]) /* it would be the group of all objects that have none */
		return bad_value(error, row, "name", row->name);
	for (unsigned i = 0; i < xmi->facts->peering_count; i++) {
		struct appliance_peering *peering = &xmi->facts->peerings[i];

		if (strcmp(peering->group, row->name) != 0)
			continue;
		peering->cluster = is(soma_value(row, "Mode"), "cluster");
		peering->peer_count = 0; /* what the object lists itself is not in use beside a group */
		for (unsigned p = 0; p < row->count; p++)
			if (row->properties[p].parent == 0 && strcmp(row->properties[p].name, "PeerNodes") == 0)
				add_peer(peering, soma_nested(row, p, "Host"));
	}
	return 0;
}

static int finish_peerings(struct xmi *xmi)
{
	xmi->facts->have_peerings = true;
	return 0;
}

/* ---- log targets ----------------------------------------------------------------------------------------------- */

static void begin_log_targets(struct xmi *xmi)
{
	xmi->facts->log_target_count = 0;
	xmi->facts->have_log_targets = false;
}

static void read_subscriptions(const struct soma_row *row, struct appliance_log_target *out)
{
	for (unsigned i = 0; i < row->count; i++) {
		const struct soma_property *property = &row->properties[i];

		if (property->parent != 0)
			continue;
		if (strcmp(property->name, "LogEvents") == 0) {
			if (out->event_count < APPLIANCE_LOG_EVENTS_MAX) {
				struct appliance_log_event *event = &out->events[out->event_count];

				(void)copy_word(event->category, sizeof event->category, soma_nested(row, i, "Class"));
				(void)copy_word(event->level, sizeof event->level, soma_nested(row, i, "Priority"));
			}
			out->event_count++;
		} else if (strcmp(property->name, "LogEventCode") == 0 && property->value[0]) {
			if (out->code_count < APPLIANCE_LOG_EVENTS_MAX)
				copy_lower(out->codes[out->code_count], sizeof out->codes[0], property->value);
			out->code_count++;
		}
	}
}

static void read_log_target(const struct soma_row *row, struct appliance_log_target *out)
{
	copy_lower(out->type, sizeof out->type, soma_value(row, "Type"));
	copy_lower(out->format, sizeof out->format, soma_value(row, "Format"));
	copy_lower(out->timestamp, sizeof out->timestamp, soma_value(row, "TimestampFormat"));
	(void)copy_word(out->file, sizeof out->file, soma_value(row, "LocalFile"));
	copy_lower(out->admin_state, sizeof out->admin_state, soma_value(row, "mAdminState"));
	out->size_kb = number_of(soma_value(row, "Size"), INT32_MAX, -1);
	out->rotations = number_of(soma_value(row, "Rotate"), INT32_MAX, -1);
	out->events_dropped = -1;
	read_subscriptions(row, out);
}

static int log_target_row(struct xmi *xmi, const struct soma_row *row, struct error *error)
{
	struct appliance_facts *facts = xmi->facts;
	struct appliance_log_target *target = &facts->log_targets[facts->log_target_count];

	if (facts->log_target_count == APPLIANCE_LOG_TARGETS_MAX)
		return error_set(error, ERROR_ANSWER, by_hand, "the domain has more than %d log targets", APPLIANCE_LOG_TARGETS_MAX);
	memset(target, 0, sizeof *target);
	if (!copy_word(target->name, sizeof target->name, row->name) || !target->name[0])
		return bad_value(error, row, "name", row->name);
	read_log_target(row, target);
	facts->log_target_count++;
	return 0;
}

static int log_status_row(struct xmi *xmi, const struct soma_row *row, struct error *error)
{
	const char *name = soma_value(row, "LogTarget");

	(void)error;
	if (!name)
		name = soma_value(row, "Name");
	for (unsigned i = 0; i < xmi->facts->log_target_count; i++) {
		struct appliance_log_target *target = &xmi->facts->log_targets[i];

		if (!is(name, target->name))
			continue;
		copy_lower(target->op_state, sizeof target->op_state, soma_value(row, "Status"));
		target->events_dropped = number_of(soma_value(row, "EventsDropped"), INT64_MAX, -1);
	}
	return 0;
}

static int finish_log_targets(struct xmi *xmi)
{
	xmi->facts->have_log_targets = true;
	return 0;
}

static int same_target_row(struct xmi *xmi, const struct soma_row *row, struct error *error)
{
	(void)error;
	xmi->found = xmi->found || strcmp(row->name, xmi->settings.wanted->log_target) == 0;
	return 0;
}

static int take_no_target(struct xmi *xmi)
{
	char name[EVIDENCE_BYTES];

	if (!xmi->found)
		return 0;
	return error_set(&xmi->error, ERROR_REFUSED, "use it as it is, or choose another name for the agent's own",
			 "there is a log target %s already, and it is not changed",
			 text_escape(name, sizeof name, xmi->settings.wanted->log_target, strlen(xmi->settings.wanted->log_target)));
}

/* ---- the scripts ----------------------------------------------------------------------------------------------- */

static const char *const none[] = {NULL};
static const char *const state_of[] = {"Class", "Name", "AdminState", "OpState", "EventCode", "ErrorCode", NULL};
static const char *const firmware_of[] = {"Serial", "Version", NULL};
static const char *const time_of[] = {"time", "timezone", "timezone2", "uptime", "uptime2", "uptime3", "bootuptime", "bootuptime2", "bootuptime3", NULL};
static const char *const manager_of[] = {"APIConnectGatewayService", NULL};
static const char *const service_of[] = {"mAdminState", "GatewayPeering", "V5CompatibilityMode", NULL};
static const char *const object_of[] = {"LocalAddress", "PersistenceLocation", NULL};
static const char *const member_of[] = {"Address", "Name", "PendingUpdates", "ReplicationOffset", "LinkStatus", "Primary", "Priority", NULL};
static const char *const domain_of[] = {"Domain", "SaveNeeded", NULL};
static const char *const peering_of[] = {"LocalAddress", "LocalPort", "MonitorPort", "EnablePeerGroup", "Peers", "PeerGroup", "Priority", "EnableSSL",
					 "PersistenceLocation", "LocalDirectory", "PasswordAlias", NULL};
static const char *const group_of[] = {"Mode", "PeerNodes", NULL};
static const char *const target_of[] = {"mAdminState", "Type", "Format", "TimestampFormat", "Size", "LocalFile", "Rotate", "LogEvents", "LogEventCode", NULL};
static const char *const log_status_of[] = {"LogTarget", "Name", "Status", "EventsDropped", NULL};

#define PROOF {"get-status", "GatewayPeeringStatus", XMI_TOLERANT, ask_status, NULL, NULL, NULL, unproved}
#define ASK_STATUS(class_name, flags, wanted, row, take, needed) {"get-status", class_name, flags, ask_status, wanted, row, take, needed}
#define ASK_CONFIG(class_name, flags, wanted, row, take, needed) {"get-config", class_name, flags, ask_config, wanted, row, take, needed}
#define CHANGE(verb, class_name, build) {verb, class_name, XMI_EFFECT, build, NULL, NULL, NULL, NULL}
#define END {NULL, NULL, 0, NULL, NULL, NULL, NULL, NULL}
#define STEPS(...) (const struct xmi_step[]){__VA_ARGS__, END}

static const struct xmi_script scripts[APPLIANCE_OP_COUNT] = {
	[APPLIANCE_ASK_IDENTITY] = {STEPS(PROOF,
		ASK_STATUS("FirmwareVersion3", XMI_IN_DEFAULT | XMI_TOLERANT, firmware_of, firmware_row, NULL, may_ask_default),
		ASK_STATUS("DateTimeStatus2", XMI_IN_DEFAULT | XMI_TOLERANT, time_of, time_row, NULL, may_ask_default),
		ASK_STATUS("DateTimeStatus", XMI_IN_DEFAULT | XMI_TOLERANT, time_of, time_row, NULL, uptime_unknown)),
		begin_identity, NULL},
	[APPLIANCE_ASK_OBJECT] = {STEPS(
		ASK_CONFIG("GatewayPeeringManager", XMI_TOLERANT, manager_of, manager_row, NULL, NULL),
		ASK_CONFIG(service_class, 0, service_of, service_config_row, take_choice, NULL),
		ASK_CONFIG("GatewayPeering", 0, object_of, object_config_row, take_object_config, NULL),
		ASK_STATUS("ObjectStatus", XMI_TOLERANT, state_of, object_state_row, NULL, NULL)),
		begin_object, NULL},
	[APPLIANCE_ASK_PEERING] = {STEPS(ASK_STATUS("GatewayPeeringStatus", 0, member_of, member_row, NULL, NULL)), begin_table, finish_table},
	[APPLIANCE_ASK_SERVICE] = {STEPS(ASK_STATUS("ObjectStatus", 0, state_of, service_row, NULL, NULL)), NULL, finish_service},
	/* Configured objects, not rows of ObjectStatus: that one such object stands for one published catalog is known of the configuration. */
	[APPLIANCE_ASK_COLLECTIONS] = {STEPS(ASK_CONFIG("APICollection", 0, none, collection_row, NULL, NULL)), begin_collections, finish_collections},
	[APPLIANCE_ASK_SAVED] = {STEPS(PROOF,
		ASK_STATUS("DomainStatus", XMI_IN_DEFAULT | XMI_TOLERANT, domain_of, domain_row, NULL, may_ask_default),
		ASK_STATUS("DomainStatus", XMI_TOLERANT, domain_of, domain_row, NULL, saved_unknown)),
		begin_saved, NULL},
	[APPLIANCE_ASK_PEERINGS] = {STEPS(
		ASK_CONFIG("GatewayPeering", 0, peering_of, peering_row, NULL, NULL),
		ASK_CONFIG("GatewayPeeringGroup", XMI_TOLERANT, group_of, group_row, NULL, has_groups),
		ASK_STATUS("ObjectStatus", XMI_TOLERANT, state_of, peering_state_row, NULL, NULL)),
		begin_peerings, finish_peerings},
	[APPLIANCE_ASK_LOG_TARGETS] = {STEPS(
		ASK_CONFIG("LogTarget", 0, target_of, log_target_row, NULL, NULL),
		ASK_STATUS("LogTargetStatus", XMI_TOLERANT, log_status_of, log_status_row, NULL, NULL)),
		begin_log_targets, finish_log_targets},
	[APPLIANCE_SWITCH_PRIMARY] = {STEPS(CHANGE("do-action", "GatewayPeeringSwitchPrimary", switch_primary)), NULL, NULL},
	[APPLIANCE_DISABLE] = {STEPS(CHANGE("modify-config", service_class, disable)), NULL, NULL},
	[APPLIANCE_ENABLE] = {STEPS(CHANGE("modify-config", service_class, enable)), NULL, NULL},
	[APPLIANCE_SET_PERSISTENCE] = {STEPS(CHANGE("modify-config", "GatewayPeering", set_persistence)), NULL, NULL},
	[APPLIANCE_SET_LOG_TARGET] = {STEPS(
		{"get-config", "LogTarget", 0, look_for_log_target, none, same_target_row, take_no_target, NULL},
		CHANGE("set-config", "LogTarget", set_log_target)), NULL, NULL},
};

const struct xmi_script *xmi_script_of(enum appliance_op op)
{
	return &scripts[op];
}
