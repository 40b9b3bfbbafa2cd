#include "appliance/dumps.h"

#include <string.h>

#include "appliance/object.h"
#include "base/text.h"

static void copy(char *out, size_t size, struct object_slice value)
{
	(void)text_copy(out, size, value.bytes, value.length); /* too long: unknown */
}

static unsigned to_number(struct object_slice value, unsigned max)
{
	unsigned long long number;

	return text_to_unsigned(value.bytes, value.length, max, &number) ? (unsigned)number : 0;
}

static int64_t to_signed(struct object_slice value, int64_t unknown)
{
	bool minus = value.length > 1 && value.bytes[0] == '-';
	unsigned long long number;

	if (!text_to_unsigned(value.bytes + minus, value.length - minus, INT32_MAX, &number))
		return unknown;
	return minus ? -(int64_t)number : (int64_t)number;
}

static enum peering_flag to_flag(struct object_slice value)
{
	if (text_equal(value.bytes, value.length, "on"))
		return PEERING_YES;
	return text_equal(value.bytes, value.length, "off") ? PEERING_NO : PEERING_UNKNOWN;
}

/* The next ` property value` line of a dump. */
static bool next_property(const struct object_dump *dump, size_t *offset, struct object_slice *name, struct object_slice *value)
{
	const char *line;
	size_t length;

	while (text_next_line(dump->body.bytes, dump->body.length, offset, &line, &length)) {
		size_t wide = 0;

		text_trim(&line, &length);
		while (wide < length && line[wide] != ' ' && line[wide] != '\t')
			wide++;
		if (wide == 0)
			continue;
		*name = (struct object_slice){line, wide};
		*value = (struct object_slice){line + wide, length - wide};
		text_trim(&value->bytes, &value->length);
		return true;
	}
	return false;
}

static bool is(struct object_slice name, const char *word)
{
	return text_equal(name.bytes, name.length, word);
}

static void take_peering_property(struct appliance_peering *peering, struct object_slice name, struct object_slice value)
{
	if (is(name, "local-address")) {
		copy(peering->local_address, sizeof peering->local_address, object_reference_name(value));
	} else if (is(name, "local-port")) {
		peering->local_port = to_number(value, 65535);
	} else if (is(name, "monitor-port")) {
		peering->monitor_port = to_number(value, 65535);
	} else if (is(name, "priority")) {
		peering->priority = to_signed(value, APPLIANCE_PRIORITY_UNKNOWN);
	} else if (is(name, "enable-peer-group")) {
		peering->peer_group = to_flag(value);
	} else if (is(name, "enable-ssl")) {
		peering->ssl = to_flag(value);
	} else if (is(name, "persistence")) {
		copy(peering->persistence, sizeof peering->persistence, value);
	} else if (is(name, "local-directory")) {
		copy(peering->local_directory, sizeof peering->local_directory, value);
	} else if (is(name, "password-alias")) {
		peering->own_password = value.length > 0 ? PEERING_YES : PEERING_NO;
	} else if (is(name, "peer-group")) {
		copy(peering->group, sizeof peering->group, object_reference_name(value));
		peering->peer_group = PEERING_YES;
	} else if (is(name, "mode")) {
		peering->cluster = is(value, "cluster");
	} else if (is(name, "peer") && peering->peer_count++ < APPLIANCE_PEERS_MAX) {
		copy(peering->peers[peering->peer_count - 1], sizeof peering->peers[0], value);
	}
}

int dumps_peerings(const char *text, size_t text_bytes, struct appliance_facts *facts)
{
	struct object_slice name, value;
	struct object_dump dump;
	size_t offset = 0;

	facts->peering_count = 0;
	while (object_next(text, text_bytes, &offset, &dump)) {
		struct appliance_peering *peering = &facts->peerings[facts->peering_count];
		size_t at = 0;

		if (!is(dump.class_name, "gateway-peering"))
			continue;
		if (facts->peering_count == APPLIANCE_PEERINGS_MAX)
			return -1;
		memset(peering, 0, sizeof *peering);
		peering->priority = APPLIANCE_PRIORITY_UNKNOWN;
		copy(peering->name, sizeof peering->name, dump.name);
		copy(peering->op_state, sizeof peering->op_state, dump.state);
		while (next_property(&dump, &at, &name, &value))
			take_peering_property(peering, name, value);
		facts->peering_count++;
	}
	return 0;
}

/* `apic-gw-service debug` */
static void take_event(struct appliance_log_target *target, struct object_slice value)
{
	struct appliance_log_event *event = &target->events[target->event_count];
	size_t wide = 0;

	if (target->event_count++ >= APPLIANCE_LOG_EVENTS_MAX)
		return;
	memset(event, 0, sizeof *event);
	while (wide < value.length && value.bytes[wide] != ' ')
		wide++;
	copy(event->category, sizeof event->category, (struct object_slice){value.bytes, wide});
	value.bytes += wide;
	value.length -= wide;
	text_trim(&value.bytes, &value.length);
	copy(event->level, sizeof event->level, value);
}

static void take_target_property(struct appliance_log_target *target, struct object_slice name, struct object_slice value)
{
	if (is(name, "type")) {
		copy(target->type, sizeof target->type, value);
	} else if (is(name, "format")) {
		copy(target->format, sizeof target->format, value);
	} else if (is(name, "timestamp")) {
		copy(target->timestamp, sizeof target->timestamp, value);
	} else if (is(name, "local-file")) {
		copy(target->file, sizeof target->file, value);
	} else if (is(name, "admin-state")) {
		copy(target->admin_state, sizeof target->admin_state, value);
	} else if (is(name, "size")) {
		target->size_kb = to_signed(value, -1);
	} else if (is(name, "rotate")) {
		target->rotations = to_signed(value, -1);
	} else if (is(name, "event")) {
		take_event(target, value);
	} else if (is(name, "event-code") && target->code_count++ < APPLIANCE_LOG_EVENTS_MAX) {
		copy(target->codes[target->code_count - 1], sizeof target->codes[0], value);
	}
}

int dumps_log_targets(const char *text, size_t text_bytes, struct appliance_facts *facts)
{
	struct object_slice name, value;
	struct object_dump dump;
	size_t offset = 0;

	facts->log_target_count = 0;
	while (object_next(text, text_bytes, &offset, &dump)) {
		struct appliance_log_target *target = &facts->log_targets[facts->log_target_count];
		size_t at = 0;

		if (!is(dump.class_name, "logging target") && !is(dump.class_name, "logging-target") && !is(dump.class_name, "log-target"))
			continue;
		if (facts->log_target_count == APPLIANCE_LOG_TARGETS_MAX)
			return -1;
		memset(target, 0, sizeof *target);
		target->size_kb = target->rotations = target->events_dropped = -1;
		copy(target->name, sizeof target->name, dump.name);
		copy(target->op_state, sizeof target->op_state, dump.state);
		while (next_property(&dump, &at, &name, &value))
			take_target_property(target, name, value);
		facts->log_target_count++;
	}
	return 0;
}

int64_t dumps_count(const char *text, size_t text_bytes, const char *class_name)
{
	struct object_dump dump;
	size_t offset = 0;
	int64_t count = 0;

	while (object_next(text, text_bytes, &offset, &dump))
		count += is(dump.class_name, class_name);
	return count;
}
