/* A conversation driven by bytes: each step is a byte that says what happens and, for input, a length and as many bytes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "appliance/dialogue.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct dialogue d;
static struct secret secret = {.bytes = (char[]){"Pa$$w0rd!"}, .length = 9};

static void require(int condition)
{
	if (!condition)
		abort();
}

static struct {
	unsigned yes, no, passwords, users;
	int password_asked;
} sent;

static int is_line(const char *bytes, size_t count, const char *line)
{
	return count == strlen(line) + 1 && memcmp(bytes, line, count - 1) == 0;
}

static void take_output(void)
{
	size_t count;
	const char *bytes = dialogue_output(&d, &count);

	if (count == 0)
		return;
	require(memchr(bytes, '\n', count) == bytes + count - 1); /* one line at a time */
	sent.yes += is_line(bytes, count, "y");
	sent.no += is_line(bytes, count, "n");
	sent.users += is_line(bytes, count, "operator");
	if (is_line(bytes, count, secret.bytes)) {
		sent.passwords++;
		require(sent.users == 1 || sent.password_asked);
	}
	dialogue_sent(&d, count / 2);
	dialogue_sent(&d, count - count / 2);
	require(!memmem(d.out_memory, sizeof d.out_memory, secret.bytes, secret.length));
}

static void check(size_t input_bytes)
{
	char words[64];

	require(sent.yes <= 1 && sent.no <= DIALOGUE_ANSWERS_MAX && sent.passwords <= 1 && sent.users <= 1);
	require(!strstr(d.error.what, secret.bytes) && !strstr(d.detail, secret.bytes));
	require(!strstr(dialogue_last_words(&d, words, sizeof words), secret.bytes));
	require((d.state == DIALOGUE_FAILED) == (d.error.code != ERROR_NONE));
	require(d.in.len <= input_bytes + sizeof d.behind + 8);
	require(d.line_start <= d.in.len && d.tail_from <= d.in.len && d.content_end <= d.in.len);
	if (d.state == DIALOGUE_READY && d.answer)
		require(d.answer >= d.in.data && d.answer + d.answer_bytes <= d.in.data + d.in.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const commands[] = {"show x", "diag", "gateway-peering-flush gwd", "exit"};
	static const struct dialogue_settings settings = {"operator", &secret, "apiconnect"};
	size_t at = 0, got = 0;

	memset(&sent, 0, sizeof sent);
	memset(d.out_memory, 0, sizeof d.out_memory);
	dialogue_init(&d, &settings);
	while (at < size) {
		uint8_t what = data[at++];
		size_t length = at < size ? data[at] : 0;

		if (what == 'q') {
			size_t shown = d.in.len > 10 ? d.in.len - 10 : 0;

			sent.password_asked = sent.password_asked || strcasestr(d.in.data + shown, "password:") != NULL || sent.users == 0;
			dialogue_quiet(&d);
		} else if (what == 'e') {
			dialogue_ended(&d, "gone");
		} else if (what == 'o') {
			take_output();
		} else if (what >= '0' && what <= '7' && d.state == DIALOGUE_READY) {
			take_output();
			sent.yes = sent.no = 0;
			dialogue_command(&d, commands[(what - '0') % 4], what >= '4');
			if (what < '4')
				sent.yes = 1; /* none allowed */
			require(d.confirmed == false);
		} else if (what == 'i') {
			length = length < size - at ? length : size - at;
			at += length > 0;
			length = length < size - at ? length : size - at;
			dialogue_input(&d, data + at, length);
			at += length;
			got += length;
		}
		check(got + sizeof d.behind + 16);
	}
	dialogue_ended(&d, "");
	require(d.state == DIALOGUE_FAILED);
	return 0;
}
