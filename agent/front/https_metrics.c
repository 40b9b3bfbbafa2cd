#include "front/https_metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

/* Ours, and those that the server refuses with; 0: all others. */
static const int codes[HTTPS_METRICS_CODE_COUNT] = {200, 202, 204, 400, 403, 404, 405, 408, 409, 410, 411, 413, 417, 422, 429, 431, 500, 501, 503, 504, 0};

unsigned https_metrics_code(int status)
{
	unsigned code = 0;

	while (code < HTTPS_METRICS_CODE_COUNT - 1 && codes[code] != status)
		code++;
	return code;
}

static void family(struct buf *out, const char *name, const char *type, const char *help)
{
	(void)buf_printf(out, "# TYPE drr_https_%s %s\n# HELP drr_https_%s %s\n", name, type, name, help);
}

static void gauge(struct buf *out, const char *name, uint64_t value, const char *help)
{
	family(out, name, "gauge", help);
	(void)buf_printf(out, "drr_https_%s %" PRIu64 "\n", name, value);
}

static void counter(struct buf *out, const char *name, uint64_t value, const char *help)
{
	family(out, name, "counter", help);
	(void)buf_printf(out, "drr_https_%s_total %" PRIu64 "\n", name, value);
}

static void write_requests(struct buf *out, const uint64_t requests[HTTPS_METRICS_CODE_COUNT])
{
	family(out, "requests", "counter", "Requests answered, by status.");
	for (unsigned i = 0; i < HTTPS_METRICS_CODE_COUNT; i++) {
		if (codes[i])
			(void)buf_printf(out, "drr_https_requests_total{code=\"%d\"} %" PRIu64 "\n", codes[i], requests[i]);
		else
			(void)buf_printf(out, "drr_https_requests_total{code=\"other\"} %" PRIu64 "\n", requests[i]);
	}
}

static void write_refused(struct buf *out, const struct https_counts *counts)
{
	const struct {
		const char *reason;
		uint64_t count;
	} reasons[] = {
		{"timeout", counts->refused_timeout}, {"no-certificate", counts->refused_no_certificate}, {"bad-certificate", counts->refused_bad_certificate},
		{"handshake", counts->refused_handshake}, {"too-many", counts->refused_too_many}, {"oversize", counts->refused_oversize},
		{"slow", counts->refused_slow}, {"bad-request", counts->refused_bad_request},
	};

	family(out, "refused", "counter", "Connections and requests refused before anybody looked at what they ask, by reason.");
	for (unsigned i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
		(void)buf_printf(out, "drr_https_refused_total{reason=\"%s\"} %" PRIu64 "\n", reasons[i].reason, reasons[i].count);
}

int https_metrics_write(struct buf *out, const struct https_counts *counts, const uint64_t requests[HTTPS_METRICS_CODE_COUNT])
{
	gauge(out, "connections", counts->connections_now, "Connections that are open, verified or local.");
	gauge(out, "connections_pending", counts->pending_now, "Connections that have not shown a good certificate yet.");
	counter(out, "accepted", counts->accepted, "Connections accepted.");
	counter(out, "verified", counts->verified, "Connections that showed a good certificate, or are local.");
	write_requests(out, requests);
	write_refused(out, counts);
	if (counts->not_after_s > 0) {
		(void)buf_add_string(out, "# TYPE drr_https_certificate_expiry_seconds gauge\n# UNIT drr_https_certificate_expiry_seconds seconds\n"
					  "# HELP drr_https_certificate_expiry_seconds When the certificate of the HTTPS endpoint ends, in seconds since 1970.\n");
		(void)buf_printf(out, "drr_https_certificate_expiry_seconds %" PRId64 "\n", counts->not_after_s);
	}
	(void)buf_add_string(out, "# EOF\n");
	return out->overflow ? -1 : 0;
}

/* ---- the older format ----------------------------------------------------------------------------------------- */

enum { NAME_BYTES = 96 };

/* Whether TEXT says somewhere that the family NAME (LENGTH bytes) is of TYPE. */
static bool has_type(const char *text, size_t count, const char *name, size_t length, const char *type)
{
	char line[NAME_BYTES + 32];
	int wide = snprintf(line, sizeof line, "# TYPE %.*s %s\n", (int)length, name, type);

	return wide > 0 && (size_t)wide < sizeof line && memmem(text, count, line, (size_t)wide);
}

static void classic_comment(const char *text, size_t count, const char *line, size_t length, struct buf *out)
{
	size_t name_at = strlen("# TYPE "), name_bytes = 0; /* as long as "# HELP " */
	bool is_type = text_starts(line, length, "# TYPE ");
	const char *name = line + name_at;
	const char *suffix, *type = "gauge";

	if (!is_type && !text_starts(line, length, "# HELP "))
		return;
	while (name_at + name_bytes < length && name[name_bytes] != ' ')
		name_bytes++;
	suffix = has_type(text, count, name, name_bytes, "counter") ? "_total" : has_type(text, count, name, name_bytes, "info") ? "_info" : "";
	if (suffix[0] == '_' && suffix[1] == 't')
		type = "counter";
	if (is_type)
		(void)buf_printf(out, "# TYPE %.*s%s %s\n", (int)name_bytes, name, suffix, type);
	else
		(void)buf_printf(out, "# HELP %.*s%s%.*s\n", (int)name_bytes, name, suffix, (int)(length - name_at - name_bytes), name + name_bytes);
}

int https_metrics_classic(const char *text, size_t count_bytes, struct buf *out)
{
	size_t offset = 0, length;
	const char *line;

	while (text_next_line(text, count_bytes, &offset, &line, &length)) {
		if (length > 0 && line[0] == '#')
			classic_comment(text, count_bytes, line, length, out);
		else if (buf_add(out, line, length) == 0)
			(void)buf_add_string(out, "\n");
	}
	return out->overflow ? -1 : 0;
}
