/* The appliance's own syslog target, sent to listeners of ours. Nothing can be asked for again here, so everything that may have been lost is counted as a gap. */
#include <stdlib.h>
#include <string.h>

#include "engine/source_own.h"
#include "platform/listen.h"
#include "watch/syslog.h"

enum { FRAMES_NONE = LISTEN_CONNECTIONS_MAX, TIME_KINDS = LINE_TIME_NUMERIC + 1 };

struct source_syslog {
	struct source source;
	struct listen *listen;
	struct tls_identity *identity;
	bool have_from;          /* lines before FROM were handed out before the restart */
	struct mark from;
	bool have_floor[TIME_KINDS]; /* by kind of time: lines before FLOOR_MS are older than the mark, by the clock that the appliance showed */
	int64_t floor_ms[TIME_KINDS];
	bool have_last;
	struct mark last;        /* the time of the last line handed out */
	unsigned frames_open;    /* the connection whose frames may hold messages; FRAMES_NONE */
	struct syslog_frames *frames[LISTEN_CONNECTIONS_MAX]; /* by connection, while it is there */
	uint64_t long_messages;  /* of connections that are gone */
	char line[SYSLOG_MESSAGE_MAX_BYTES]; /* a line that had to be built again */
};

static struct source_syslog *self(struct source *source)
{
	return (struct source_syslog *)source;
}

static const struct source_syslog *self_const(const struct source *source)
{
	return (const struct source_syslog *)source;
}

/* ---- lines */

/* Whether the line is before the mark, as far as its kind of time can tell. */
static bool is_before(const struct line *line, const struct mark *mark)
{
	return line->time_kind == mark->time_kind && source_behind_ms(line->time_kind, line->time_ms, mark->time_ms) < 0;
}

static bool is_old(const struct source_syslog *syslog, const struct line *line)
{
	if (syslog->have_from && is_before(line, &syslog->from))
		return true;
	return syslog->have_floor[line->time_kind] && source_behind_ms(line->time_kind, line->time_ms, syslog->floor_ms[line->time_kind]) < 0;
}

/* The line of a message that is to be handed out. */
static bool take_message(struct source_syslog *syslog, const char *message, size_t message_bytes, const char **line, size_t *length_bytes)
{
	struct line parsed;

	syslog->source.counts.bytes += message_bytes;
	if (!syslog_line(message, message_bytes, syslog->line, line, length_bytes, &parsed)) {
		syslog->source.counts.foreign++;
		return false;
	}
	if (is_old(syslog, &parsed))
		return false;
	/* The latest: an appliance that was cut off may send older lines after newer ones. */
	if (!syslog->have_last || !is_before(&parsed, &syslog->last))
		syslog->last = (struct mark){.kind = MARK_TIME, .time_kind = parsed.time_kind, .time_ms = parsed.time_ms};
	syslog->have_last = true;
	return true;
}

static bool next_of_frames(struct source_syslog *syslog, const char **line, size_t *length_bytes)
{
	const char *message;
	size_t message_bytes;

	while (syslog->frames_open != FRAMES_NONE) {
		if (!syslog_frames_next(syslog->frames[syslog->frames_open], &message, &message_bytes))
			syslog->frames_open = FRAMES_NONE;
		else if (take_message(syslog, message, message_bytes, line, length_bytes))
			return true;
	}
	return false;
}

/* ---- connections */

static void forget_frames(struct source_syslog *syslog, unsigned connection)
{
	if (syslog->frames[connection])
		syslog->long_messages += syslog->frames[connection]->long_messages;
	free(syslog->frames[connection]);
	syslog->frames[connection] = NULL;
}

static void open_frames(struct source_syslog *syslog, unsigned connection)
{
	forget_frames(syslog, connection);
	syslog->frames[connection] = malloc(sizeof **syslog->frames);
	if (syslog->frames[connection])
		syslog_frames_init(syslog->frames[connection]);
	else
		syslog->source.counts.gaps++; /* what it says cannot be kept */
}

static void take_bytes(struct source_syslog *syslog, const struct listen_news *news)
{
	struct syslog_frames *frames = syslog->frames[news->connection];
	const char *from = news->bytes;
	size_t room;
	char *into;

	if (!frames)
		return;
	into = syslog_frames_room(frames, &room); /* LISTEN_READ_BYTES fit: all whole messages were taken */
	memcpy(into, from, news->count_bytes < room ? news->count_bytes : room);
	syslog_frames_added(frames, news->count_bytes < room ? news->count_bytes : room);
	syslog->frames_open = news->connection;
}

/* The connection has ended; its last message may lack its line end. */
static bool end_frames(struct source_syslog *syslog, unsigned connection, bool broken, const char **line, size_t *length_bytes)
{
	struct syslog_frames *frames = syslog->frames[connection];
	const char *message;
	size_t message_bytes;
	bool got = false;

	if (frames && !broken && syslog_frames_rest(frames, &message, &message_bytes)) {
		got = take_message(syslog, message, message_bytes, line, length_bytes);
		if (got && *line != syslog->line) { /* the frames go now */
			memcpy(syslog->line, *line, *length_bytes);
			*line = syslog->line;
		}
	}
	/* Also one that ended well, when it ended in a message; and between this connection and the next one lines may be lost anyway. */
	syslog->source.counts.gaps++;
	forget_frames(syslog, connection);
	return got;
}

/* ---- the source */

static bool take_news(struct source_syslog *syslog, const struct listen_news *news, const char **line, size_t *length_bytes)
{
	switch (news->event) {
	case LISTEN_DATAGRAM:
		return take_message(syslog, news->bytes, news->count_bytes, line, length_bytes);
	case LISTEN_OPENED:
		open_frames(syslog, news->connection);
		return false;
	case LISTEN_BYTES:
		take_bytes(syslog, news);
		return next_of_frames(syslog, line, length_bytes);
	case LISTEN_ENDED:
	case LISTEN_BROKEN:
		return end_frames(syslog, news->connection, news->event == LISTEN_BROKEN, line, length_bytes);
	case LISTEN_FOREIGN:
		syslog->source.counts.foreign++;
		return false;
	case LISTEN_DROPPED:
		syslog->source.counts.gaps++;
		return false;
	default:
		return false;
	}
}

static void count_long(struct source_syslog *syslog)
{
	uint64_t sum = syslog->long_messages;

	for (unsigned i = 0; i < LISTEN_CONNECTIONS_MAX; i++)
		sum += syslog->frames[i] ? syslog->frames[i]->long_messages : 0;
	syslog->source.counts.long_lines = sum;
}

static bool next(struct source *source, struct mono now, const char **line, size_t *length_bytes, struct error *error)
{
	struct source_syslog *syslog = self(source);
	bool got = next_of_frames(syslog, line, length_bytes);
	struct listen_news news;

	(void)error;
	while (!got && !source->more && listen_next(syslog->listen, now, &news) != LISTEN_NOTHING) {
		got = take_news(syslog, &news, line, length_bytes);
		if (!got)
			source_step(source, news.count_bytes);
	}
	count_long(syslog);
	return got;
}

static void close_syslog(struct source *source)
{
	struct source_syslog *syslog = self(source);

	listen_close(syslog->listen);
	tls_identity_free(syslog->identity);
	for (unsigned i = 0; i < LISTEN_CONNECTIONS_MAX; i++)
		free(syslog->frames[i]);
	free(syslog);
}

static bool ready(const struct source *source, struct error *error)
{
	(void)source;
	(void)error;
	return true;
}

static bool mark_syslog(struct source *source, struct mark *mark)
{
	struct source_syslog *syslog = self(source);

	/* What the appliance queued before, and sends only now, is no news. */
	for (unsigned kind = LINE_TIME_ZULU; kind < TIME_KINDS; kind++)
		syslog->have_floor[kind] = source_clock_time(source, (enum line_time_kind)kind, &syslog->floor_ms[kind]) == 0;
	if (syslog->have_last)
		syslog->from = syslog->last;
	else if (syslog->have_floor[LINE_TIME_ZULU] && !syslog->have_from)
		syslog->from = (struct mark){.kind = MARK_TIME, .time_kind = LINE_TIME_ZULU, .time_ms = syslog->floor_ms[LINE_TIME_ZULU]};
	syslog->have_from = syslog->have_from || syslog->have_last || syslog->have_floor[LINE_TIME_ZULU];
	if (syslog->have_from)
		*mark = syslog->from;
	return syslog->have_from;
}

static unsigned poll_syslog(const struct source *source, struct pollfd *fds)
{
	return listen_poll(self_const(source)->listen, fds);
}

static struct mono deadline(const struct source *source)
{
	return listen_deadline(self_const(source)->listen);
}

static int open_listen(struct source_syslog *syslog, struct error *error)
{
	const struct config *config = syslog->source.config;
	struct listen_settings settings = {.door_count = config->log.listen_count};
	bool tls = false;

	for (unsigned i = 0; i < config->log.listen_count; i++) {
		const struct config_listen *from = &config->log.listen[i];
		enum listen_kind kind = from->kind == CONFIG_LISTEN_UDP ? LISTEN_UDP : from->kind == CONFIG_LISTEN_TCP ? LISTEN_TCP : LISTEN_TLS;

		tls = tls || kind == LISTEN_TLS;
		settings.doors[i] = (struct listen_door){kind, from->text, from->host, from->port};
	}
	if (config->log.from_count == 0)
		settings.peers[settings.peer_count++] = config->cli.host;
	for (unsigned i = 0; i < config->log.from_count; i++)
		settings.peers[settings.peer_count++] = config->log.from[i];
	if (tls) {
		syslog->identity = tls_identity_load(config->log.certificate, config->log.key, error);
		if (!syslog->identity)
			return -1;
	}
	settings.identity = syslog->identity;
	syslog->listen = listen_open(&settings, error);
	return syslog->listen ? 0 : -1;
}

struct source *source_syslog_open(const struct config *config, const struct mark *mark, struct error *error)
{
	static const struct source_ops ops = {
		.close = close_syslog, .ready = ready, .mark = mark_syslog, .next = next, .poll = poll_syslog, .deadline = deadline,
	};
	struct source_syslog *syslog;

	_Static_assert((int)LISTEN_FDS_MAX == (int)SOURCE_FDS_MAX, "as many as there is room for");
	_Static_assert((int)CONFIG_LISTEN_MAX == (int)LISTEN_DOORS_MAX, "every listen of the configuration has a door");
	syslog = source_allocate(sizeof *syslog, &ops, config, error);
	if (!syslog)
		return NULL;
	syslog->frames_open = FRAMES_NONE;
	syslog->have_from = mark != NULL;
	if (mark) {
		syslog->from = *mark;
		syslog->source.counts.gaps++; /* whatever was sent since then */
	}
	if (open_listen(syslog, error)) {
		close_syslog(&syslog->source);
		return NULL;
	}
	return &syslog->source;
}
