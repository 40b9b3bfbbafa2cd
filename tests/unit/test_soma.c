#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <inttypes.h>
#include <cmocka.h>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "appliance/soma.h"
#include "base/text.h"
#include "golden.h"
#include "platform/http.h"

static struct soma_reader reader;

/* ---- what is read, as text */

static void show_value(struct buf *out, const char *value)
{
	static char shown[SOMA_ROW_MAX_BYTES];

	buf_printf(out, "\"%s\"", text_escape(shown, sizeof shown, value, strlen(value)));
}

static int show_row(void *context, const struct soma_row *row, struct error *error)
{
	struct buf *out = context;

	buf_printf(out, "row %s", row->class_name);
	if (row->name[0])
		buf_printf(out, " name=%s", row->name);
	for (unsigned i = 0; i < row->count; i++) {
		buf_printf(out, "%s%s ", row->properties[i].parent ? "/" : "\n  ", row->properties[i].name);
		show_value(out, row->properties[i].value);
		assert_true(row->properties[i].parent <= i);
	}
	buf_add_string(out, "\n");
	return 0;
}

static int show_file(void *context, const char *bytes, size_t count, struct error *error)
{
	assert_true(count > 0);
	return buf_add(context, bytes, count);
}

static int show_entry(void *context, const struct soma_entry *entry, struct error *error)
{
	buf_printf(context, "entry %s size \"%s\" modified ", entry->path, entry->size);
	show_value(context, entry->modified);
	buf_add_string(context, "\n");
	return 0;
}

static const struct soma_functions show_all = {.row = show_row, .file = show_file, .file_max_bytes = 1000, .entry = show_entry};

static const char *outcome_name(enum soma_outcome outcome)
{
	static const char *const names[] = {"strange", "nothing", "data", "ok", "denied", "complaint", "fault"};

	return names[outcome];
}

static void read_pieces(const char *text, size_t length, size_t piece, struct buf *out)
{
	struct error error = {0};
	int status = 0;

	soma_reader_init(&reader, &show_all, out);
	while (status == 0 && length > 0) {
		size_t count = piece < length ? piece : length;

		status = soma_reader_input(&reader, text, count, &error);
		text += count;
		length -= count;
	}
	if (status == 0)
		status = soma_reader_end(&reader, &error);
	if (status) {
		buf_printf(out, "%s: %s\n", error_name(error.code), error.what);
		assert_true(error.next[0]);
	} else {
		buf_printf(out, "%s, %" PRIu64 " rows", outcome_name(soma_reader_outcome(&reader)), reader.rows);
		if (reader.have_file)
			buf_printf(out, ", a file of %" PRIu64 " bytes", reader.file_bytes);
		if (reader.have_listing)
			buf_add_string(out, ", a listing");
		if (reader.code[0])
			buf_printf(out, ", code %s", reader.code);
		if (reader.words_bytes > 0) {
			buf_add_string(out, ", words ");
			show_value(out, reader.words);
		}
		buf_add_string(out, "\n");
	}
	soma_reader_free(&reader);
	soma_reader_free(&reader);
}

static void render(const char *text, size_t length, struct buf *out)
{
	read_pieces(text, length, length > 0 ? length : 1, out);
}

static void goldens_read_as_expected(void **state)
{
	assert_int_equal(golden_run("soma", render), 0);
}

static void splits(const char *text, size_t length, struct buf *whole)
{
	static char memory[GOLDEN_MAX_BYTES];
	struct buf out;

	render(text, length, whole);
	for (size_t piece = 1; piece < 60; piece = piece * 3 + 1) {
		buf_init(&out, memory, sizeof memory);
		read_pieces(text, length, piece, &out);
		if (strncmp(whole->data, "answer:", 7) != 0 && !strstr(whole->data, "\nanswer:"))
			assert_string_equal(out.data, whole->data);
		else
			assert_non_null(strstr(out.data, "answer:"));
		buf_reset(&out);
	}
	buf_reset(whole);
}

static void any_split_gives_the_same(void **state)
{
	assert_int_equal(golden_walk("soma", splits, 0), 0);
}

/* A beginning of a document is never taken for a document. */
static void cuts(const char *text, size_t length, struct buf *out)
{
	struct error error = {0};

	while (length > 0 && (text[length - 1] == '\n' || text[length - 1] == ' '))
		length--;
	for (size_t cut = 0; cut < length && length < 4096; cut++) {
		char *exact = golden_exact(text, cut);
		int status;

		soma_reader_init(&reader, &show_all, out);
		error_clear(&error);
		status = soma_reader_input(&reader, exact, cut, &error);
		if (status == 0)
			status = soma_reader_end(&reader, &error);
		/* Two documents, cut behind the first, are one. */
		assert_true(status == -1 || strstr(text, "</env:Envelope>\n<?xml"));
		soma_reader_free(&reader);
		buf_reset(out);
		free(exact);
	}
}

static void a_cut_document_is_an_error(void **state)
{
	assert_int_equal(golden_walk("soma", cuts, 0), 0);
}

/* ---- rows: what is wanted, missing, empty, nested */

static int look_at_row(void *context, const struct soma_row *row, struct error *error)
{
	int *rows = context;

	assert_string_equal(soma_value(row, "A"), "1");
	assert_string_equal(soma_value(row, "Empty"), "");
	assert_null(soma_value(row, "Missing"));
	assert_null(soma_value(row, "Skipped"));
	assert_null(soma_value(row, "Host"));
	assert_string_equal(row->properties[2].name, "Nodes");
	assert_string_equal(soma_nested(row, 2, "Host"), "h1");
	assert_null(soma_nested(row, 1, "Host"));
	assert_string_equal(row->name, "n");
	(*rows)++;
	return *rows == 2 ? error_set(error, ERROR_FAILED, NULL, "enough") : 0;
}

static void rows_keep_what_is_wanted(void **state)
{
	static const char head[] = "<Envelope><Body><response><config>";
	static const char row[] = "<X name='n'><Skipped>3</Skipped><A> 1\n</A><Skipped><A>2</A></Skipped><Empty> </Empty>"
				  "<Nodes> <Host>h1</Host>\n<Host>h2</Host></Nodes></X>";
	static const char *const wanted[] = {"A", "Empty", "Nodes", NULL};
	const struct soma_functions functions = {.row = look_at_row, .wanted = wanted};
	struct error error = {0};
	int rows = 0;

	soma_reader_init(&reader, &functions, &rows);
	assert_int_equal(soma_reader_input(&reader, head, strlen(head), &error), 0);
	assert_int_equal(soma_reader_input(&reader, row, strlen(row), &error), 0);
	assert_int_equal(soma_reader_input(&reader, row, strlen(row), &error), -1);
	assert_string_equal(error.what, "enough");
	assert_int_equal(rows, 2);
	soma_reader_free(&reader);
}

/* What is skipped has no limits: objects may have properties of any size that nobody asked for. */
static void what_is_skipped_is_not_kept(void **state)
{
	static const char *const none[] = {NULL};
	const struct soma_functions functions = {.row = show_row, .wanted = none};
	static char memory[1000], long_text[3 * SOMA_ROW_MAX_BYTES];
	struct error error = {0};
	struct buf out;

	buf_init(&out, memory, sizeof memory);
	memset(long_text, 'x', sizeof long_text);
	soma_reader_init(&reader, &functions, &out);
	assert_int_equal(soma_reader_input(&reader, "<Envelope><Body><response><status><R><P>", 40, &error), 0);
	assert_int_equal(soma_reader_input(&reader, long_text, sizeof long_text, &error), 0);
	assert_int_equal(soma_reader_input(&reader, "</P></R></status></response></Body></Envelope>", 46, &error), 0);
	assert_int_equal(soma_reader_end(&reader, &error), 0);
	assert_string_equal(out.data, "row R\n");
	soma_reader_free(&reader);
}

static void a_file_has_a_limit(void **state)
{
	const struct soma_functions functions = {.file = show_file, .file_max_bytes = 5};
	static char memory[100];
	struct error error = {0};
	struct buf out;

	buf_init(&out, memory, sizeof memory);
	soma_reader_init(&reader, &functions, &out);
	assert_int_equal(soma_reader_input(&reader, "<Envelope><Body><response><file>QUJD</file>", 43, &error), 0);
	soma_reader_free(&reader);
	soma_reader_init(&reader, &functions, &out);
	assert_int_equal(soma_reader_input(&reader, "<Envelope><Body><response><file>QUJDREVG</file>", 47, &error), -1);
	assert_string_equal(error.what, "the answer has a file with more bytes than the limit of 5");
	soma_reader_free(&reader);
}

static void paths_have_one_form(void **state)
{
	char out[20];

	assert_int_equal(soma_path(out, sizeof out, "logtemp:///a/b"), 0);
	assert_string_equal(out, "logtemp:a/b");
	assert_int_equal(soma_path(out, sizeof out, "logtemp:a"), 0);
	assert_string_equal(out, "logtemp:a");
	assert_int_equal(soma_path(out, sizeof out, "a"), 0);
	assert_string_equal(out, "a");
	assert_int_equal(soma_path(out, sizeof out, "logtemp:///0123456789a"), 0);
	assert_int_equal(soma_path(out, sizeof out, "logtemp:///0123456789ab"), -1);
	assert_string_equal(out, "");
}

/* ---- requests */

static char request_memory[2000];

static struct buf *new_request(void)
{
	static struct buf request;

	buf_init(&request, request_memory, sizeof request_memory);
	return &request;
}

static void requests_are_as_documented(void **state)
{
	struct buf *out = new_request();

	soma_get_status(out, "apiconnect", "GatewayPeeringStatus");
	assert_string_equal(out->data, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
				       "<env:Envelope xmlns:env=\"http://schemas.xmlsoap.org/soap/envelope/\"><env:Body>"
				       "<dp:request xmlns:dp=\"http://www.datapower.com/schemas/management\" domain=\"apiconnect\">"
				       "<dp:get-status class=\"GatewayPeeringStatus\"/></dp:request></env:Body></env:Envelope>\n");
	out = new_request();
	soma_do_action(out, "d", "GatewayPeeringSwitchPrimary", "GatewayPeering", "gwd");
	assert_non_null(strstr(out->data, "<dp:do-action><GatewayPeeringSwitchPrimary><ObjectName class=\"GatewayPeering\">gwd</ObjectName>"
					  "</GatewayPeeringSwitchPrimary></dp:do-action>"));
	out = new_request();
	soma_get_file(out, "d", "logtemp:///gwd-log.log");
	assert_non_null(strstr(out->data, "<dp:get-file name=\"logtemp:///gwd-log.log\"/>"));
	out = new_request();
	soma_get_filestore(out, "d", "logtemp:");
	assert_non_null(strstr(out->data, "<dp:get-filestore location=\"logtemp:\"/>"));
	assert_false(out->overflow);
}

static void values_are_escaped(void **state)
{
	struct buf *out = new_request();

	soma_config_begin(out, "a&b<c", "modify-config", "GatewayPeering", "\"x'>");
	soma_add_property(out, "LocalDirectory", "</LocalDirectory>&\xc3\xa4");
	soma_config_end(out, "modify-config", "GatewayPeering");
	assert_non_null(strstr(out->data, " domain=\"a&amp;b&lt;c\"><dp:modify-config><GatewayPeering name=\"&quot;x&apos;&gt;\">"
					  "<LocalDirectory>&lt;/LocalDirectory&gt;&amp;\xc3\xa4</LocalDirectory></GatewayPeering></dp:modify-config>"));
	assert_false(out->overflow);
	for (int c = 1; c < 128; c++) {
		out = new_request();
		soma_add_text(out, (char[]){(char)c, '\0'});
		assert_int_equal(out->overflow, c < ' ' || c == 0x7f);
	}
}

/* ---- much: nothing of it is held */

struct sink {
	uint64_t rows, bytes;
	uint32_t sum;
	size_t peak_heap_bytes;
};

static size_t heap_bytes(void)
{
#ifdef __GLIBC__
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
#else
	return 0;
#endif
}

static void look_at_heap(struct sink *sink)
{
	size_t now = heap_bytes();

	if (now > sink->peak_heap_bytes)
		sink->peak_heap_bytes = now;
}

static int count_row(void *context, const struct soma_row *row, struct error *error)
{
	struct sink *sink = context;
	char name[32];

	snprintf(name, sizeof name, "object-%" PRIu64, sink->rows);
	assert_string_equal(soma_value(row, "Name"), name);
	sink->rows++;
	look_at_heap(sink);
	return 0;
}

static int count_file(void *context, const char *bytes, size_t count, struct error *error)
{
	struct sink *sink = context;

	for (size_t i = 0; i < count; i++)
		sink->sum = sink->sum * 31 + (unsigned char)bytes[i];
	sink->bytes += count;
	look_at_heap(sink);
	return 0;
}

static int body_to_soma(void *context, const char *bytes, size_t count, struct error *error)
{
	return soma_reader_input(&reader, bytes, count, error);
}

static struct http_response response;

static void send(const char *bytes, size_t count)
{
	struct error error = {0};
	size_t used;

	if (http_response_input(&response, bytes, count, &used, &error))
		fail_msg("%s", error.what);
	assert_int_equal(used, count);
}

static void send_chunk(const char *bytes, size_t count)
{
	char line[32];

	send(line, (size_t)snprintf(line, sizeof line, "%zx\r\n", count));
	send(bytes, count);
	send("\r\n", 2);
}

static void begin_answer(const struct soma_functions *functions, struct sink *sink, const char *head)
{
	static const char http_head[] = "HTTP/1.1 200 Good\r\nTransfer-Encoding: chunked\r\n\r\n";

	http_response_init(&response, 96 * 1024 * 1024, body_to_soma, NULL);
	soma_reader_init(&reader, functions, sink);
	send(http_head, sizeof http_head - 1);
	send_chunk(head, strlen(head));
}

static void end_answer(const char *tail)
{
	struct error error = {0};

	send_chunk(tail, strlen(tail));
	send("0\r\n\r\n", 5);
	assert_true(response.done);
	assert_int_equal(soma_reader_end(&reader, &error), 0);
	assert_int_equal(soma_reader_outcome(&reader), SOMA_DATA);
	soma_reader_free(&reader);
}

enum { HEAP_MAX_BYTES = 256 * 1024 };

static void a_status_of_1619_rows_needs_no_memory(void **state)
{
	const struct soma_functions functions = {.row = count_row};
	size_t before = heap_bytes();
	struct sink sink = {0};

	begin_answer(&functions, &sink, "<Envelope><Body><response><status>");
	for (int i = 0; i < 1619; i++) {
		char row[600];
		size_t length = (size_t)snprintf(row, sizeof row,
						 "<ObjectStatus xmlns:env=\"http://www.w3.org/2003/05/soap-envelope\">\n<Class>APICollection</Class>\n<OpState>up</OpState>"
						 "\n<AdminState>enabled</AdminState>\n<Name>object-%d</Name>\n<EventCode>0x00000000</EventCode>\n<ErrorCode/>\n"
						 "<ConfigState>saved</ConfigState></ObjectStatus>\n", i);
		size_t half = length * (size_t)(i % 100) / 100;

		if (half > 0)
			send_chunk(row, half);
		send_chunk(row + half, length - half);
	}
	end_answer("</status></response></Body></Envelope>");
	assert_int_equal(sink.rows, 1619);
	assert_true(sink.peak_heap_bytes < before + HEAP_MAX_BYTES);
}

static void a_file_of_10_MB_needs_no_memory(void **state)
{
	enum { PIECE = 3000, PIECES = 10 * 1024 * 1024 / PIECE };
	const struct soma_functions functions = {.file = count_file, .file_max_bytes = 64 * 1024 * 1024};
	static char bytes[PIECE], text[BASE64_TEXT_BYTES(PIECE) + 2];
	size_t before = heap_bytes();
	struct sink sink = {0};
	uint32_t sum = 0;

	begin_answer(&functions, &sink, "<Envelope><Body><response><file name=\"logtemp:///x\">");
	for (int i = 0; i < PIECES; i++) {
		for (int k = 0; k < PIECE; k++) {
			bytes[k] = (char)(i * 7 + k * k);
			sum = sum * 31 + (unsigned char)bytes[k];
		}
		base64_encode(text, bytes, sizeof bytes);
		if (i % 3 == 0)
			strcat(text, "\n");
		send_chunk(text, strlen(text));
	}
	end_answer("</file></response></Body></Envelope>");
	assert_int_equal(sink.bytes, PIECE * PIECES);
	assert_int_equal(sink.sum, sum);
	assert_true(sink.peak_heap_bytes < before + HEAP_MAX_BYTES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(goldens_read_as_expected),
		cmocka_unit_test(any_split_gives_the_same),
		cmocka_unit_test(a_cut_document_is_an_error),
		cmocka_unit_test(rows_keep_what_is_wanted),
		cmocka_unit_test(what_is_skipped_is_not_kept),
		cmocka_unit_test(a_file_has_a_limit),
		cmocka_unit_test(paths_have_one_form),
		cmocka_unit_test(requests_are_as_documented),
		cmocka_unit_test(values_are_escaped),
		cmocka_unit_test(a_status_of_1619_rows_needs_no_memory),
		cmocka_unit_test(a_file_of_10_MB_needs_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
