/* frame.h - the messages between the daemon's processes: one frame is one datagram of a SOCK_SEQPACKET pair. Pure.
 *
 * On the wire, little endian: "DF", version (1 byte), kind (1), number (4), status (4), then the kind's fields, each as length (4) and bytes. How many fields a kind
 * has, and how long each may be, stands in one table (frame.c); whatever differs is refused as a whole. */
#ifndef DRR_BASE_FRAME_H
#define DRR_BASE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	FRAME_MAX_BYTES = 128 * 1024, /* of a whole frame */
	FRAME_FIELDS_MAX = 5,
	FRAME_NAMES_MAX_BYTES = 1024, /* of a client certificate's names, one a line */
	FRAME_TARGET_MAX_BYTES = 512, /* of a path with its query */
	FRAME_BODY_MAX_BYTES = 16384, /* of a request's body */
	FRAME_REPLY_MAX_BYTES = 120 * 1024, /* of an answer's body */
	FRAME_TEXT_MAX_BYTES = 1024,
	FRAME_ARGUMENT_MAX_BYTES = 128, /* of a job */
	FRAME_PEM_MAX_BYTES = 40 * 1024, /* of a certificate chain, a key, the accepted clients' certificates */
};

enum { FRAME_NOT_STARTED = 0xffff };

enum frame_kind {
	/* front to engine */
	FRAME_REQUEST = 1,  /* number: the front's, not 0. Fields: METHOD ("GET"), TARGET ("/v1/steps/r1.flush?wait_s=10"), NAMES (of the certificate, one a line; empty on the
	                     * Unix socket), CHANNEL ("tls" or "unix"), BODY */
	/* engine to front */
	FRAME_REPLY,        /* number: the request's; status: HTTP's. Fields: TYPE of the body, LOCATION ("" none), RETRY (seconds, decimal; "" none), BODY */
	/* supervisor to a child */
	FRAME_CHANNEL,      /* a new pair's end comes along as a descriptor (SCM_RIGHTS): the other side was started again. No fields */
	FRAME_IDENTITY,     /* to the front. Fields: CERTIFICATE, KEY, CLIENT_CA, as PEM text */
	FRAME_RELOAD,       /* to the engine: read the configuration again. No fields */
	FRAME_STOP,         /* finish what is open, then end. No fields */
	/* a child to its supervisor */
	FRAME_READY,        /* once, when it is at work. No fields */
	FRAME_ALIVE,        /* the engine's loop turns (the watchdog's ping). No fields */
	FRAME_TAKEN,        /* answer to FRAME_IDENTITY and FRAME_RELOAD; status 0: taken; 1: refused, the old one stays. Fields: SENTENCE, NEXT */
	FRAME_STATUS,       /* what the daemon does now, in a sentence. Fields: SENTENCE */
	/* engine to supervisor, and its answer: a program of its own for what the engine must not do itself (supervisor/jobs.h). One job of each name at a time */
	FRAME_START,        /* number: the engine's, not 0. Fields: JOB ("status", "nudge", "run" or "notify"), ARGUMENT (run: the run's id; otherwise ""). A descriptor comes
	                     * along: the job's standard input and output */
	FRAME_FINISHED,     /* number: that of FRAME_START; status: the exit code, 128 + signal, or FRAME_NOT_STARTED. Fields: JOB, SENTENCE (how it ended, or why it was not started) */
	FRAME_KIND_COUNT
};

struct frame_field {
	const char *bytes; /* not NUL-terminated */
	size_t length;
};

struct frame {
	enum frame_kind kind;
	uint32_t number, status;
	unsigned field_count;
	struct frame_field fields[FRAME_FIELDS_MAX];
};

/* Writes FRAME to OUT (SIZE bytes). Returns its length; 0 when it does not fit or breaks the table's rules. */
size_t frame_encode(const struct frame *frame, char *out, size_t size);

/* Reads one datagram; the fields point into BYTES. False: not a frame of this version, or against the table. */
bool frame_decode(const char *bytes, size_t length, struct frame *frame);

/* "request", "reply", ...; never NULL. */
const char *frame_name(enum frame_kind kind);

/* A frame of KIND whose fields are the NUL-terminated STRINGS, as many as the kind has. */
struct frame frame_of_strings(enum frame_kind kind, uint32_t number, uint32_t status, const char *const *strings);

/* Whether field INDEX is exactly STRING. */
bool frame_field_is(const struct frame *frame, unsigned index, const char *string);

/* Copies field INDEX as a string to OUT; false (OUT empty) when it does not fit or holds a NUL. */
bool frame_field_copy(const struct frame *frame, unsigned index, char *out, size_t size);

#endif
