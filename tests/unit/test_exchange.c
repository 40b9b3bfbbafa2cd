/* agent/front/exchange: threads that ask, and this one as the engine and as the one that delivers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "front/exchange.h"
#include "platform/channel.h"

static struct exchange *exchange;
static int engine; /* the engine's end */
static char memory[FRAME_MAX_BYTES];

struct asker {
	pthread_t thread;
	const char *target;
	enum exchange_result result;
	struct exchange_reply reply;
};

static void open_with(unsigned limit_ms)
{
	struct exchange_settings settings = {.limit_ms = limit_ms, .waiters_max = 2};
	struct error error = {0};
	int ends[2];

	assert_int_equal(channel_pair(ends, &error), 0);
	engine = ends[0];
	exchange = exchange_open(ends[1], &settings, &error);
	assert_non_null(exchange);
}

static int begin(void **state)
{
	(void)state;
	open_with(EXCHANGE_LIMIT_MS);
	return 0;
}

static int end(void **state)
{
	(void)state;
	exchange_close(exchange);
	if (engine >= 0)
		(void)close(engine);
	return 0;
}

static void *ask(void *argument)
{
	struct asker *asker = argument;
	const char *const strings[] = {"GET", asker->target, "alice\nbob", "tls", "{}"};
	struct frame frame = frame_of_strings(FRAME_REQUEST, 1, 0, strings);

	asker->result = exchange_ask(exchange, frame.fields, &asker->reply);
	return NULL;
}

static void start(struct asker *asker, const char *target)
{
	*asker = (struct asker){.target = target};
	assert_int_equal(pthread_create(&asker->thread, NULL, ask, asker), 0);
}

static enum exchange_result joined(struct asker *asker)
{
	assert_int_equal(pthread_join(asker->thread, NULL), 0);
	return asker->result;
}

/* The engine reads one request. Returns its number. */
static uint32_t read_request(const char *target)
{
	struct pollfd fd = {.fd = engine, .events = POLLIN};
	struct frame frame;
	int passed;

	assert_int_equal(poll(&fd, 1, 60000), 1);
	assert_int_equal(channel_receive(engine, memory, &frame, &passed), CHANNEL_FRAME);
	assert_int_equal(frame.kind, FRAME_REQUEST);
	assert_true(frame_field_is(&frame, 0, "GET") && frame_field_is(&frame, 2, "alice\nbob") && frame_field_is(&frame, 3, "tls") && frame_field_is(&frame, 4, "{}"));
	if (target)
		assert_true(frame_field_is(&frame, 1, target));
	assert_int_not_equal(frame.number, 0);
	return frame.number;
}

/* By way of the socket, as in life. */
static bool reply(uint32_t number, uint32_t status, const char *const fields[4])
{
	struct frame frame = frame_of_strings(FRAME_REPLY, number, status, fields);
	struct error error = {0};
	int passed;

	assert_int_equal(channel_send(engine, &frame, -1, &error), 0);
	assert_int_equal(channel_receive(exchange_engine(exchange), memory, &frame, &passed), CHANNEL_FRAME);
	return exchange_deliver(exchange, &frame);
}

static const char *const fine[] = {"application/json", "/v1/steps/r1.flush", "2", "{\"a\":1}"};
static const char *const empty[] = {"", "", "", ""};

static void answers(void **state)
{
	struct asker asker;

	(void)state;
	start(&asker, "/v1/steps");
	assert_true(reply(read_request("/v1/steps"), 202, fine));
	assert_int_equal(joined(&asker), EXCHANGE_ANSWERED);
	assert_int_equal(asker.reply.status, 202);
	assert_string_equal(asker.reply.type, "application/json");
	assert_string_equal(asker.reply.location, "/v1/steps/r1.flush");
	assert_int_equal(asker.reply.retry_after_s, 2);
	assert_int_equal(asker.reply.body_bytes, 7);
	assert_string_equal(asker.reply.body, "{\"a\":1}");
	free(asker.reply.body);
	start(&asker, "/v1/hold");
	assert_true(reply(read_request("/v1/hold"), 204, empty));
	assert_int_equal(joined(&asker), EXCHANGE_ANSWERED);
	assert_null(asker.reply.body);
}

/* Replies in another order than the requests. */
static void keeps_them_apart(void **state)
{
	struct asker first, second;
	uint32_t numbers[2];

	(void)state;
	start(&first, "/first");
	numbers[0] = read_request("/first");
	start(&second, "/second");
	numbers[1] = read_request("/second");
	assert_int_not_equal(numbers[0], numbers[1]);
	assert_true(reply(numbers[1], 200, (const char *const[]){"", "", "", "second"}));
	assert_int_equal(joined(&second), EXCHANGE_ANSWERED);
	assert_string_equal(second.reply.body, "second");
	assert_true(reply(numbers[0], 200, (const char *const[]){"", "", "", "first"}));
	assert_int_equal(joined(&first), EXCHANGE_ANSWERED);
	assert_string_equal(first.reply.body, "first");
	free(first.reply.body);
	free(second.reply.body);
}

static void drops_what_nobody_asked(void **state)
{
	struct asker asker;
	uint32_t number;

	(void)state;
	assert_false(reply(4711, 200, fine));
	assert_false(reply(0, 200, fine));
	start(&asker, "/x");
	number = read_request("/x");
	assert_true(reply(number, 200, empty));
	assert_int_equal(joined(&asker), EXCHANGE_ANSWERED);
	assert_false(reply(number, 200, fine)); /* a second time */
}

/* What would break the head of a response, or is no status: whoever asked hears it at once. */
static void refuses_improper_replies(void **state)
{
	static const struct {
		uint32_t status;
		const char *fields[4];
	} improper[] = {
		{0, {"", "", "", ""}}, {199, {"", "", "", ""}}, {600, {"", "", "", ""}}, {200, {"a\r\nb", "", "", ""}}, {200, {"", "/x\nSet-Cookie: a", "", ""}},
		{200, {"", "", "soon", ""}}, {200, {"", "", "3601", ""}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof improper / sizeof improper[0]; i++) {
		struct asker asker;

		start(&asker, "/x");
		assert_false(reply(read_request("/x"), improper[i].status, improper[i].fields));
		assert_int_equal(joined(&asker), EXCHANGE_BAD_REPLY);
	}
}

static void tells_when_the_engine_is_gone(void **state)
{
	struct asker asker;
	struct error error = {0};
	uint32_t number;
	int ends[2];

	(void)state;
	start(&asker, "/x");
	number = read_request("/x");
	exchange_replace_engine(exchange, -1);
	assert_int_equal(joined(&asker), EXCHANGE_NO_ENGINE);
	assert_int_equal(exchange_engine(exchange), -1);
	start(&asker, "/x"); /* none there: no waiting */
	assert_int_equal(joined(&asker), EXCHANGE_NO_ENGINE);
	(void)close(engine);
	assert_int_equal(channel_pair(ends, &error), 0);
	engine = ends[0];
	exchange_replace_engine(exchange, ends[1]);
	assert_false(reply(number, 200, fine)); /* the old request is over */
	start(&asker, "/y");
	assert_true(reply(read_request("/y"), 200, empty));
	assert_int_equal(joined(&asker), EXCHANGE_ANSWERED);
	(void)close(engine); /* it ended, and nobody has noticed yet */
	engine = -1;
	start(&asker, "/z");
	assert_int_equal(joined(&asker), EXCHANGE_NO_ENGINE);
}

static void gives_up_in_the_end(void **state)
{
	struct asker asker;
	uint32_t number;

	(void)state;
	exchange_close(exchange);
	(void)close(engine);
	open_with(1);
	start(&asker, "/x");
	number = read_request("/x");
	assert_int_equal(joined(&asker), EXCHANGE_LATE);
	assert_false(reply(number, 200, fine)); /* too late */
}

static void has_places_for_so_many(void **state)
{
	struct asker askers[EXCHANGE_PLACES], one_more;
	uint32_t numbers[EXCHANGE_PLACES];

	(void)state;
	for (unsigned i = 0; i < EXCHANGE_PLACES; i++) {
		start(&askers[i], "/x");
		numbers[i] = read_request(NULL);
	}
	start(&one_more, "/y");
	assert_int_equal(joined(&one_more), EXCHANGE_FULL);
	assert_true(reply(numbers[3], 200, empty));
	assert_int_equal(joined(&askers[3]), EXCHANGE_ANSWERED);
	start(&askers[3], "/y");
	(void)read_request("/y");
	exchange_end(exchange);
	for (unsigned i = 0; i < EXCHANGE_PLACES; i++)
		assert_int_equal(joined(&askers[i]), EXCHANGE_ENDED);
	start(&one_more, "/z");
	assert_int_equal(joined(&one_more), EXCHANGE_ENDED);
}

/* An engine that reads nothing: the channel is full one day, and nobody blocks in it. */
static void says_when_the_engine_does_not_read(void **state)
{
	static char body[FRAME_BODY_MAX_BYTES];
	struct frame_field fields[FRAME_FIELDS_MAX] = {{"GET", 3}, {"/x", 2}, {"", 0}, {"tls", 3}, {body, sizeof body}};
	struct exchange_reply unused;
	enum exchange_result result;
	unsigned count = 0;

	(void)state;
	exchange_close(exchange);
	(void)close(engine);
	open_with(1);
	while ((result = exchange_ask(exchange, fields, &unused)) == EXCHANGE_LATE)
		assert_true(++count < 10000);
	assert_int_equal(result, EXCHANGE_FULL);
}

static void bounds_long_polls(void **state)
{
	(void)state;
	assert_true(exchange_wait_begin(exchange));
	assert_true(exchange_wait_begin(exchange));
	assert_false(exchange_wait_begin(exchange));
	exchange_wait_end(exchange);
	assert_true(exchange_wait_begin(exchange));
	exchange_wait_end(exchange);
	exchange_wait_end(exchange);
}

#define WITH_AN_ENGINE(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_AN_ENGINE(answers), WITH_AN_ENGINE(keeps_them_apart), WITH_AN_ENGINE(drops_what_nobody_asked), WITH_AN_ENGINE(refuses_improper_replies),
		WITH_AN_ENGINE(tells_when_the_engine_is_gone), WITH_AN_ENGINE(gives_up_in_the_end), WITH_AN_ENGINE(has_places_for_so_many),
		WITH_AN_ENGINE(says_when_the_engine_does_not_read), WITH_AN_ENGINE(bounds_long_polls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
