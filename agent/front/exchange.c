#include "front/exchange.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "platform/channel.h"

struct place {
	uint32_t number; /* of the request that waits here; 0: free */
	bool decided;    /* result holds, and with EXCHANGE_ANSWERED the reply */
	enum exchange_result result;
	struct exchange_reply reply;
	pthread_cond_t changed;
};

struct exchange {
	struct exchange_settings settings;
	pthread_mutex_t lock; /* over all that follows; a send happens under it, as it never blocks and its descriptor must not be closed meanwhile */
	int engine;
	bool ended;
	unsigned waiters;
	uint32_t last_number;
	struct place places[EXCHANGE_PLACES];
};

struct exchange *exchange_open(int engine, const struct exchange_settings *settings, struct error *error)
{
	struct exchange *exchange = calloc(1, sizeof *exchange);
	pthread_condattr_t attributes;

	if (!exchange || pthread_condattr_init(&attributes) != 0) {
		free(exchange);
		(void)error_set(error, ERROR_INTERNAL, NULL, "no memory for the requests under way");
		return NULL;
	}
	(void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC); /* they know no CLOCK_BOOTTIME; a machine that sleeps waits longer for a reply */
	(void)pthread_mutex_init(&exchange->lock, NULL);
	for (unsigned i = 0; i < EXCHANGE_PLACES; i++)
		(void)pthread_cond_init(&exchange->places[i].changed, &attributes);
	(void)pthread_condattr_destroy(&attributes);
	exchange->settings = *settings;
	exchange->engine = engine;
	return exchange;
}

void exchange_close(struct exchange *exchange)
{
	if (!exchange)
		return;
	for (unsigned i = 0; i < EXCHANGE_PLACES; i++) {
		assert(exchange->places[i].number == 0);
		(void)pthread_cond_destroy(&exchange->places[i].changed);
	}
	(void)pthread_mutex_destroy(&exchange->lock);
	if (exchange->engine >= 0)
		(void)close(exchange->engine);
	free(exchange);
}

static struct place *find(struct exchange *exchange, uint32_t number)
{
	for (unsigned i = 0; i < EXCHANGE_PLACES; i++)
		if (exchange->places[i].number == number)
			return &exchange->places[i];
	return NULL;
}

static void decide(struct place *place, enum exchange_result result)
{
	if (place->number == 0 || place->decided)
		return;
	place->result = result;
	place->decided = true;
	(void)pthread_cond_signal(&place->changed);
}

/* Takes a place for a new request and sends it; under the lock. *result is set where NULL is returned. */
static struct place *begin(struct exchange *exchange, const struct frame_field *fields, enum exchange_result *result)
{
	struct frame frame = {.kind = FRAME_REQUEST, .field_count = FRAME_FIELDS_MAX};
	struct error error = {0};
	struct place *place = find(exchange, 0);
	int sent;

	*result = exchange->ended ? EXCHANGE_ENDED : exchange->engine < 0 ? EXCHANGE_NO_ENGINE : EXCHANGE_FULL;
	if (exchange->ended || exchange->engine < 0 || !place)
		return NULL;
	do /* a number that is free and not 0, should the counter ever have come round */
		frame.number = ++exchange->last_number;
	while (frame.number == 0 || find(exchange, frame.number));
	memcpy(frame.fields, fields, sizeof frame.fields);
	sent = channel_send(exchange->engine, &frame, -1, &error);
	if (sent < 0)
		*result = EXCHANGE_NO_ENGINE;
	if (sent != 0)
		return NULL;
	place->number = frame.number;
	place->decided = false;
	place->reply = (struct exchange_reply){0};
	return place;
}

static struct timespec deadline_in(unsigned ms)
{
	struct timespec deadline;

	(void)clock_gettime(CLOCK_MONOTONIC, &deadline);
	deadline.tv_sec += ms / 1000;
	deadline.tv_nsec += (long)(ms % 1000) * 1000000;
	if (deadline.tv_nsec >= 1000000000) {
		deadline.tv_sec++;
		deadline.tv_nsec -= 1000000000;
	}
	return deadline;
}

enum exchange_result exchange_ask(struct exchange *exchange, const struct frame_field fields[FRAME_FIELDS_MAX], struct exchange_reply *reply)
{
	struct timespec deadline = deadline_in(exchange->settings.limit_ms);
	enum exchange_result result;
	struct place *place;

	(void)pthread_mutex_lock(&exchange->lock);
	place = begin(exchange, fields, &result);
	if (place) {
		while (!place->decided)
			if (pthread_cond_timedwait(&place->changed, &exchange->lock, &deadline) == ETIMEDOUT)
				decide(place, EXCHANGE_LATE);
		result = place->result;
		*reply = place->reply;
		place->number = 0;
	}
	(void)pthread_mutex_unlock(&exchange->lock);
	return result;
}

bool exchange_wait_begin(struct exchange *exchange)
{
	bool may;

	(void)pthread_mutex_lock(&exchange->lock);
	may = exchange->waiters < exchange->settings.waiters_max;
	if (may)
		exchange->waiters++;
	(void)pthread_mutex_unlock(&exchange->lock);
	return may;
}

void exchange_wait_end(struct exchange *exchange)
{
	(void)pthread_mutex_lock(&exchange->lock);
	assert(exchange->waiters > 0);
	exchange->waiters--;
	(void)pthread_mutex_unlock(&exchange->lock);
}

int exchange_engine(struct exchange *exchange)
{
	return exchange->engine; /* only the thread that delivers ever changes it */
}

/* FRAME's fields as a reply; false: not as they should be. The body is copied: it outlives the frame's memory. */
static bool read_reply(const struct frame *frame, struct exchange_reply *reply)
{
	const struct frame_field *retry = &frame->fields[2], *body = &frame->fields[3];
	unsigned long long retry_s = 0;

	*reply = (struct exchange_reply){.status = frame->status, .body_bytes = body->length};
	if (frame->kind != FRAME_REPLY || frame->status < 200 || frame->status > 599)
		return false;
	if (!frame_field_copy(frame, 0, reply->type, sizeof reply->type) || !frame_field_copy(frame, 1, reply->location, sizeof reply->location))
		return false;
	if (strpbrk(reply->type, "\r\n") || strpbrk(reply->location, "\r\n")) /* they become lines of a head */
		return false;
	if (retry->length > 0 && !text_to_unsigned(retry->bytes, retry->length, EXCHANGE_RETRY_MAX_S, &retry_s))
		return false;
	reply->retry_after_s = (unsigned)retry_s;
	if (body->length == 0)
		return true;
	reply->body = malloc(body->length + 1);
	if (!reply->body)
		return false;
	memcpy(reply->body, body->bytes, body->length);
	reply->body[body->length] = '\0';
	return true;
}

bool exchange_deliver(struct exchange *exchange, const struct frame *reply)
{
	struct exchange_reply taken;
	struct place *place;
	bool proper = read_reply(reply, &taken), wanted;

	(void)pthread_mutex_lock(&exchange->lock);
	place = reply->number > 0 ? find(exchange, reply->number) : NULL;
	wanted = proper && place && !place->decided;
	if (wanted)
		place->reply = taken;
	if (place)
		decide(place, proper ? EXCHANGE_ANSWERED : EXCHANGE_BAD_REPLY);
	(void)pthread_mutex_unlock(&exchange->lock);
	if (!wanted)
		free(taken.body);
	return wanted;
}

static void decide_all(struct exchange *exchange, enum exchange_result result)
{
	for (unsigned i = 0; i < EXCHANGE_PLACES; i++)
		decide(&exchange->places[i], result);
}

void exchange_replace_engine(struct exchange *exchange, int engine)
{
	(void)pthread_mutex_lock(&exchange->lock);
	if (exchange->engine >= 0)
		(void)close(exchange->engine);
	exchange->engine = engine;
	decide_all(exchange, EXCHANGE_NO_ENGINE);
	(void)pthread_mutex_unlock(&exchange->lock);
}

void exchange_end(struct exchange *exchange)
{
	(void)pthread_mutex_lock(&exchange->lock);
	exchange->ended = true;
	decide_all(exchange, EXCHANGE_ENDED);
	(void)pthread_mutex_unlock(&exchange->lock);
}
