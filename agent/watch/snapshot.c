/* A look as stages; each is one fetch ("pass") of the text with NUMBER:
 *
 *   SEARCH n   is the place in this text? 0: then the lines behind it are new, and the look is over
 *                                         n > 0: then they are the rest of a rotated text: ENTER n-1
 *                                         no: SEARCH n+1; nowhere: ENTER 0
 *   DOUBT n    the place was found in n-1, but proves little: is it in this older text as well?
 *   ENTER n    read from its start; then VERIFY the one that was left, unless none was; missing or empty: ENTER n-1
 *   VERIFY n   has the text that was left still this number? Then SEARCH 0 again, or over
 *
 * The place moves to an entered text only when a line of it was handed out or it was read to its end, so a fetch that fails loses nothing. */
#include "watch/snapshot.h"

#include <assert.h>
#include <string.h>

#include "base/crc32.h"
#include "watch/line.h"

/* ---- the place */

static uint32_t least(uint64_t a, uint32_t b)
{
	return a < b ? (uint32_t)a : b;
}

/* COUNT more bytes of the text lie before the offset now. */
static void place_advance(struct snapshot_place *place, const char *bytes, size_t count_bytes)
{
	size_t added = least(count_bytes, MARK_TAIL_MAX_BYTES);
	size_t kept = sizeof place->tail - added;
	size_t more = least(count_bytes, (uint32_t)sizeof place->head - place->head_bytes);

	if (count_bytes == 0)
		return;
	memcpy(place->head + place->head_bytes, bytes, more);
	place->head_bytes += (uint32_t)more;
	kept = kept < place->tail_bytes ? kept : place->tail_bytes;
	memmove(place->tail, place->tail + place->tail_bytes - kept, kept);
	memcpy(place->tail + kept, bytes + count_bytes - added, added);
	place->tail_bytes = (uint32_t)(kept + added);
	place->offset += count_bytes;
}

/* Whether a line in BYTES begins with a time. MIDDLE: they begin in the middle of a line. */
static bool has_time(const unsigned char *bytes, size_t count_bytes, bool middle)
{
	const char *at = (const char *)bytes, *end = at + count_bytes;
	char time[LINE_TIME_BYTES];

	while (at && at < end) {
		if (!middle && line_time_text(at, (size_t)(end - at), time, sizeof time)[0] != '\0')
			return true;
		middle = false;
		at = memchr(at, '\n', (size_t)(end - at));
		at = at ? at + 1 : NULL;
	}
	return false;
}

/* What stands before it may stand in other texts as well. */
static bool place_is_weak(const struct snapshot_place *place)
{
	return !has_time(place->head, place->head_bytes, false) && !has_time(place->tail, place->tail_bytes, place->offset > place->tail_bytes);
}

static void place_to_mark(const struct snapshot *s, struct mark *mark)
{
	const struct snapshot_place *place = &s->place;

	*mark = (struct mark){
		.kind = MARK_SNAPSHOT,
		.inode = s->name,
		.offset = place->offset,
		.fingerprint_bytes = place->head_bytes,
		.fingerprint = crc32_of(place->head, place->head_bytes),
		.tail_bytes = place->tail_bytes,
		.tail = crc32_of(place->tail, place->tail_bytes),
	};
}

/* The pass's place is the place from now on. */
static void adopt(struct snapshot *s)
{
	if (s->adopted)
		return;
	s->adopted = s->known = true;
	if (!s->entering)
		return;
	s->entering = false;
	s->counts.rotations += s->cause == SNAPSHOT_ROTATED;
	s->counts.truncations += s->cause == SNAPSHOT_TRUNCATED;
	s->counts.lost_marks += s->cause == SNAPSHOT_LOST;
	s->counts.gaps += s->cause == SNAPSHOT_TRUNCATED || s->cause == SNAPSHOT_LOST;
}

/* ---- a look */

void snapshot_init(struct snapshot *s, const char *name, unsigned rotations, const struct mark *mark)
{
	assert(rotations <= SNAPSHOT_ROTATIONS_MAX);
	memset(s, 0, offsetof(struct snapshot, memory));
	s->name = crc32_of(name, strlen(name));
	s->rotations = rotations;
	s->stage = SNAPSHOT_OVER;
	split_init(&s->split, s->memory, sizeof s->memory, SNAPSHOT_LINE_MAX_BYTES);
	if (!mark)
		return;
	s->known = mark->kind == MARK_SNAPSHOT && mark->inode == s->name;
	s->want = *mark;
	s->counts.lost_marks = s->counts.gaps = !s->known;
}

static void go_to(struct snapshot *s, enum snapshot_stage stage, unsigned number)
{
	s->cut_short = s->passes >= SNAPSHOT_PASSES_MAX && stage != SNAPSHOT_OVER;
	s->stage = s->cut_short ? SNAPSHOT_OVER : stage;
	s->number = number;
}

static void search_again(struct snapshot *s)
{
	s->rotated_there = false;
	s->weak = false;
	if (s->untouched && s->rotations > 0) {
		/* All of them are new: the oldest first. */
		s->cause = SNAPSHOT_BEGUN;
		go_to(s, SNAPSHOT_ENTER, s->rotations);
		return;
	}
	go_to(s, SNAPSHOT_SEARCH, 0);
}

/* What the pass has reached is what the next one looks for. */
static void settle(struct snapshot *s)
{
	if (s->adopted)
		place_to_mark(s, &s->want);
	s->adopted = false;
}

void snapshot_look(struct snapshot *s)
{
	settle(s);
	s->untouched = s->known && s->want.offset == 0;
	s->passes = 0;
	search_again(s);
}

int snapshot_wanted(const struct snapshot *s)
{
	return s->stage == SNAPSHOT_OVER ? -1 : (int)s->number;
}

/* ---- a pass */

/* A pass that only looks at a text: the place, and what is read behind it, stay. */
static bool is_aside(const struct snapshot *s)
{
	return s->stage == SNAPSHOT_DOUBT || s->stage == SNAPSHOT_VERIFY;
}

void snapshot_begin(struct snapshot *s)
{
	s->passes++;
	s->seen = 0;
	s->met = (struct snapshot_sibling){0};
	s->met_same = false;
	if (is_aside(s)) {
		s->pass = SNAPSHOT_SEEK;
		s->aside = (struct snapshot_place){0};
		return;
	}
	s->full = s->whole = false;
	s->pass = s->stage == SNAPSHOT_ENTER ? SNAPSHOT_GIVE : s->stage == SNAPSHOT_SEARCH && !s->known ? SNAPSHOT_SKIP : SNAPSHOT_SEEK;
	settle(s);
	s->entering = s->stage == SNAPSHOT_ENTER;
	/* Between a rotated text and the next one its unfinished last line is kept; see leave(). */
	if (s->stage == SNAPSHOT_ENTER && s->cause == SNAPSHOT_ROTATED)
		return;
	split_reset(&s->split);
	s->borrowed = 0;
	s->place = (struct snapshot_place){0};
}

/* The text that is entered has bytes: so the unfinished last line of the one that was left is complete, nothing more of it will come. */
static void leave(struct snapshot *s)
{
	size_t pending = split_pending(&s->split), room;
	char *end;

	if (s->cause == SNAPSHOT_ROTATED && (pending > 0 || s->split.mode == SPLIT_DROPPING)) {
		/* Should this pass fail, that line is not handed out again. */
		place_advance(&s->place, s->split.data + s->split.begin, pending);
		place_to_mark(s, &s->want);
		end = split_room(&s->split, &room);
		assert(room > 0); /* less than a line is pending */
		*end = '\n';
		split_added(&s->split, 1);
		s->borrowed = pending + 1;
	}
	s->place = (struct snapshot_place){0};
}

/* The place was found: from here on the bytes are lines to hand out. */
static void found(struct snapshot *s)
{
	s->pass = SNAPSHOT_GIVE;
	s->weak = s->place.offset > 0 && place_is_weak(&s->place);
	s->first = false;
	s->weak_at = s->want;
	adopt(s);
	/* Begun before the place: its beginning was handed out, or dropped. */
	if (s->place.offset > 0 && s->place.tail[s->place.tail_bytes - 1] != '\n')
		split_drop_line(&s->split);
}

/* Whether the bytes up to PLACE are those before WANT. SNAPSHOT_SEEK: more of them will tell. */
static enum snapshot_pass compare(const struct snapshot_place *place, const struct mark *want)
{
	if (place->head_bytes >= want->fingerprint_bytes && crc32_of(place->head, want->fingerprint_bytes) != want->fingerprint)
		return SNAPSHOT_OTHER;
	if (place->offset < want->offset)
		return SNAPSHOT_SEEK;
	return crc32_of(place->tail + (place->tail_bytes - want->tail_bytes), want->tail_bytes) == want->tail ? SNAPSHOT_SAME : SNAPSHOT_OTHER;
}

/* Bytes before WANT, through which PLACE moves; returns how many there were. */
static size_t seek(struct snapshot *s, struct snapshot_place *place, const struct mark *want, const char *bytes, size_t count_bytes)
{
	size_t used = 0;

	while (s->pass == SNAPSHOT_SEEK && used < count_bytes) {
		/* The first bytes decide early. */
		uint64_t stop = place->offset < MARK_FINGERPRINT_MAX_BYTES && want->offset > MARK_FINGERPRINT_MAX_BYTES ? MARK_FINGERPRINT_MAX_BYTES : want->offset;
		size_t take = count_bytes - used;

		take = stop - place->offset < take ? (size_t)(stop - place->offset) : take;
		place_advance(place, bytes + used, take);
		used += take;
		if (place->offset == stop)
			s->pass = compare(place, want);
	}
	return used;
}

/* Bytes of a text's start: is it the one that was met before? */
static void meet(struct snapshot *s, const char *bytes, size_t count_bytes)
{
	struct snapshot_sibling *met = &s->met;
	size_t left = least(count_bytes, SNAPSHOT_SIBLING_BYTES - met->bytes);

	while (left > 0) {
		size_t take = left;

		if (met->bytes < s->sibling.bytes && take > s->sibling.bytes - met->bytes)
			take = s->sibling.bytes - met->bytes;
		met->crc = crc32_update(met->crc, bytes, take);
		met->bytes += (uint32_t)take;
		bytes += take;
		left -= take;
		s->met_same = s->met_same || (met->bytes == s->sibling.bytes && met->crc == s->sibling.crc);
	}
}

/* False: enough. */
static bool input_aside(struct snapshot *s, const char *bytes, size_t count_bytes)
{
	meet(s, bytes, count_bytes);
	(void)seek(s, &s->aside, s->stage == SNAPSHOT_VERIFY ? &s->left : &s->weak_at, bytes, count_bytes);
	return s->pass == SNAPSHOT_SEEK || s->met.bytes < SNAPSHOT_SIBLING_BYTES;
}

size_t snapshot_room(struct snapshot *s)
{
	size_t room;

	if (is_aside(s) || (s->pass != SNAPSHOT_SEEK && s->pass != SNAPSHOT_GIVE))
		return SIZE_MAX;
	(void)split_room(&s->split, &room);
	return room;
}

bool snapshot_input(struct snapshot *s, const char *bytes, size_t count_bytes)
{
	size_t used = 0, room;
	char *into;

	if (count_bytes == 0)
		return true;
	if (s->stage == SNAPSHOT_ENTER && s->seen == 0)
		leave(s);
	s->seen += count_bytes;
	if (is_aside(s))
		return input_aside(s, bytes, count_bytes);
	if (s->pass == SNAPSHOT_SKIP) {
		place_advance(&s->place, bytes, count_bytes);
		return true;
	}
	if (s->pass == SNAPSHOT_SEEK)
		used = seek(s, &s->place, &s->want, bytes, count_bytes);
	if (s->pass == SNAPSHOT_SAME)
		found(s);
	if (s->pass != SNAPSHOT_GIVE)
		return s->pass == SNAPSHOT_SEEK;
	into = split_room(&s->split, &room);
	count_bytes -= used;
	s->full = s->full || count_bytes > room;
	count_bytes = count_bytes < room ? count_bytes : room;
	memcpy(into, bytes + used, count_bytes);
	split_added(&s->split, count_bytes);
	return !s->full;
}

/* ---- the end of a pass */

/* The place's text is NUMBER; the text that is left for a newer one, or the end. */
static void leave_number(struct snapshot *s, unsigned number)
{
	if (number == 0) {
		go_to(s, SNAPSHOT_OVER, 0);
		return;
	}
	s->left_number = number;
	s->left = (struct mark){.offset = s->place.head_bytes, .fingerprint_bytes = s->place.head_bytes,
				.fingerprint = crc32_of(s->place.head, s->place.head_bytes)};
	s->cause = SNAPSHOT_ROTATED;
	go_to(s, SNAPSHOT_ENTER, number - 1);
}

/* The place is in this text, all of which was read. */
static void at_the_place(struct snapshot *s)
{
	if (s->weak && s->number < s->rotations) {
		go_to(s, SNAPSHOT_DOUBT, s->number + 1);
		return;
	}
	s->sibling.known = false;
	leave_number(s, s->number);
}

/* A first look: what is there is old. */
static void end_skip(struct snapshot *s)
{
	if (s->seen == 0 && s->number < s->rotations) {
		go_to(s, SNAPSHOT_SEARCH, s->number + 1);
		return;
	}
	adopt(s);
	s->untouched = s->seen == 0;
	s->weak = s->number == 0 && s->seen > 0 && place_is_weak(&s->place);
	s->first = true;
	if (s->weak) {
		place_to_mark(s, &s->weak_at);
		at_the_place(s);
	} else {
		go_to(s, SNAPSHOT_OVER, 0);
	}
}

static void end_search(struct snapshot *s, enum snapshot_end how)
{
	if (how == SNAPSHOT_COMPLETE && s->pass == SNAPSHOT_SEEK && s->want.offset == 0)
		found(s); /* an empty text, and nothing was asked of it */
	if (s->pass == SNAPSHOT_SKIP) {
		end_skip(s);
	} else if (s->full) {
		search_again(s);
	} else if (s->pass == SNAPSHOT_GIVE) {
		at_the_place(s);
	} else {
		s->rotated_there = s->rotated_there || (s->number > 0 && how != SNAPSHOT_MISSING);
		if (s->number < s->rotations) {
			go_to(s, SNAPSHOT_SEARCH, s->number + 1);
			return;
		}
		s->cause = s->rotated_there ? SNAPSHOT_LOST : SNAPSHOT_TRUNCATED;
		s->sibling.known = false;
		go_to(s, SNAPSHOT_ENTER, 0);
	}
}

/* The next older text than the one of the place. Where the place fits it as well, one of them was taken for the other, unless it was there before. */
static void end_doubt(struct snapshot *s)
{
	bool same = s->sibling.known && (s->sibling.bytes == 0 ? s->met.bytes == 0 : s->met_same);

	s->counts.gaps += s->pass == SNAPSHOT_SAME && !same && !s->first;
	s->sibling = s->met;
	s->sibling.known = true;
	leave_number(s, s->first ? 0 : s->number - 1);
}

/* A text was entered, and which number it had is known. */
static void entered(struct snapshot *s)
{
	if (s->full || s->entered_number > 0)
		search_again(s);
	else
		go_to(s, SNAPSHOT_OVER, 0);
}

/* The one that was left must have kept its number, else a text in between was skipped; likewise where there was none. */
static void end_verify(struct snapshot *s)
{
	bool same = s->cause == SNAPSHOT_BEGUN ? s->seen == 0 : s->pass == SNAPSHOT_SAME;

	s->counts.gaps += !same;
	s->sibling = s->met;
	s->sibling.known = same;
	entered(s);
}

/* Whether the entered text has a complete line. */
static bool has_line(const struct snapshot *s)
{
	const char *from = s->split.data + s->split.begin + s->borrowed;

	return s->place.offset > 0 || s->split.mode == SPLIT_DROPPING || memchr(from, '\n', split_pending(&s->split) - (size_t)s->borrowed) != NULL;
}

static void end_enter(struct snapshot *s)
{
	bool nothing = s->seen == 0 || !has_line(s);

	if (nothing && s->number > 0) {
		go_to(s, SNAPSHOT_ENTER, s->number - 1);
	} else if (nothing) {
		go_to(s, SNAPSHOT_OVER, 0); /* not yet: the old place stays */
	} else {
		s->entered_number = s->number;
		s->untouched = false;
		if (s->cause == SNAPSHOT_BEGUN && s->number < s->rotations)
			s->left_number = s->number + 1;
		if (s->cause == SNAPSHOT_ROTATED || (s->cause == SNAPSHOT_BEGUN && s->number < s->rotations)) {
			go_to(s, SNAPSHOT_VERIFY, s->left_number);
			return;
		}
		s->counts.gaps += s->cause == SNAPSHOT_BEGUN; /* there may have been older ones than can be fetched */
		entered(s);
	}
}

/* What was read of an entered text is handed out; whether it was the right one, or the place's, stays open. */
static void end_cut(struct snapshot *s)
{
	bool chained = s->cause == SNAPSHOT_ROTATED || s->cause == SNAPSHOT_BEGUN;

	s->counts.gaps += s->stage == SNAPSHOT_VERIFY || (s->stage == SNAPSHOT_DOUBT && !s->first) || (s->stage == SNAPSHOT_ENTER && chained && s->seen > 0);
	s->sibling.known = false;
	s->stage = SNAPSHOT_OVER;
}

void snapshot_end(struct snapshot *s, enum snapshot_end how)
{
	if (how == SNAPSHOT_CUT) {
		end_cut(s);
		return;
	}
	if (!is_aside(s))
		s->whole = !s->full;
	switch (s->stage) {
	case SNAPSHOT_SEARCH:
		end_search(s, how);
		break;
	case SNAPSHOT_DOUBT:
		end_doubt(s);
		break;
	case SNAPSHOT_ENTER:
		end_enter(s);
		break;
	case SNAPSHOT_VERIFY:
		end_verify(s);
		break;
	default:
		break;
	}
}

/* ---- lines and marks */

bool snapshot_next(struct snapshot *s, const char **line, size_t *length_bytes)
{
	const char *from = s->split.data + s->split.begin;
	size_t before = s->split.begin, used, other;
	bool got = split_next(&s->split, line, length_bytes);

	used = s->split.begin - before;
	other = used < s->borrowed ? used : (size_t)s->borrowed;
	s->borrowed -= other;
	s->counts.bytes += used;
	if (used > other) {
		adopt(s);
		place_advance(&s->place, from + other, used - other);
	}
	return got;
}

bool snapshot_mark(struct snapshot *s, struct mark *mark)
{
	bool lines = memchr(s->split.data + s->split.begin, '\n', split_pending(&s->split)) != NULL;

	if (s->adopted && s->whole && !lines && split_pending(&s->split) > 0) {
		place_advance(&s->place, s->split.data + s->split.begin, split_pending(&s->split));
		split_drop_line(&s->split);
	}
	if (s->adopted)
		place_to_mark(s, mark);
	else
		*mark = s->want;
	return s->known;
}

uint64_t snapshot_offset(const struct snapshot *s)
{
	return s->adopted ? s->place.offset : s->want.offset;
}

bool snapshot_is_cut_short(const struct snapshot *s)
{
	return s->cut_short;
}

/* ---- texts that lose their beginning */

bool snapshot_is_lost(const struct snapshot *s)
{
	return s->stage == SNAPSHOT_ENTER && (s->cause == SNAPSHOT_TRUNCATED || s->cause == SNAPSHOT_LOST);
}

bool snapshot_move(struct snapshot *s, const char *text, size_t text_bytes)
{
	const struct mark *want = &s->want;

	if (want->tail_bytes < SNAPSHOT_MOVE_MIN_BYTES)
		return false;
	for (size_t at = want->tail_bytes; at <= text_bytes; at++) {
		/* Places are at line ends, but for one that a mark dropped the line of; so is the end of what was read then. */
		if (text[at - 1] != '\n' || crc32_of(text + at - want->tail_bytes, want->tail_bytes) != want->tail)
			continue;
		s->place = (struct snapshot_place){0};
		s->adopted = true;
		place_advance(&s->place, text, at);
		settle(s);
		search_again(s);
		return true;
	}
	return false;
}

void snapshot_forget(struct snapshot *s)
{
	s->known = s->adopted = s->untouched = false;
	s->counts.lost_marks++;
	s->counts.gaps++;
	search_again(s);
}
