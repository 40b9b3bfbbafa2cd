/* The log-in is a row of phases; each is called until it is through, and asks libssh2, which never blocks here. Our own
 * send and receive functions stand between libssh2 and the socket, for four reasons:
 *  - the peer's end looks to libssh2 like silence, so that it hands out all bytes that came before; `closed` remembers it;
 *  - libssh2 drops what it has decrypted but not delivered when a SSH_MSG_DISCONNECT comes in the same go. An open channel is therefore fed in
 *    pieces smaller than any SSH packet, one for each libssh2_channel_read();
 *  - the server's first bytes are kept, to say what it offered when there is no common algorithm;
 *  - nothing can be sent, and nothing waited for, while the session is freed. */
#include "platform/ssh.h"

#include <errno.h>
#include <fcntl.h>
#include <libssh2.h>
#include <malloc.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/text.h"
#include "platform/dial.h"
#include "platform/entropy.h"

enum {
	WINDOW_BYTES = 64 * 1024,  /* what the server may send ahead: bounds our memory (libssh2's default is 2 MiB) */
	PACKET_BYTES = 16 * 1024,
	OUT_BYTES = 2048,          /* our lines on their way: libssh2 wants the same memory until a packet is out */
	READ_BYTES = 4096,         /* at once; with more than WINDOW_BYTES / 4 libssh2 would adjust the window at each read */
	FEED_BYTES = 24,           /* less than the smallest packet with its MAC: 16 + 12 bytes (RFC 4253 section 6, hmac-md5-96) */
	TURNS_MAX = 4096,          /* pieces fed in one read without a byte for us: then the caller gets a chance to look at its clock */
	SEEN_BYTES = 3072,         /* server's version and KEXINIT: OpenSSH's has about 1.1 KiB */
	KEY_HEAD_BYTES = 512,
	READ_TIMEOUT_S = 1000000,  /* deadlines are the caller's; libssh2's own (60 s) would be measured with the wall clock */
	FREE_TRIES = 8,
	DISCONNECT_NO_MORE_METHODS = 14, /* RFC 4253 section 11.1; OpenSSH says "Too many authentication failures" with another number */
};

enum phase {
	PHASE_KEY_FILE,
	PHASE_DIAL,
	PHASE_HANDSHAKE,
	PHASE_HOST_KEY,
	PHASE_NONE,
	PHASE_KEY,
	PHASE_PASSWORD,
	PHASE_KEYBOARD,
	PHASE_CHANNEL,
	PHASE_SHELL,
	PHASE_READY,
};

/* for sentences: "... while it was ..." */
static const char *const phase_texts[] = {
	[PHASE_KEY_FILE] = "not connected yet",
	[PHASE_DIAL] = "connecting",
	[PHASE_HANDSHAKE] = "agreeing on keys",
	[PHASE_HOST_KEY] = "agreeing on keys",
	[PHASE_NONE] = "asked how users log in",
	[PHASE_KEY] = "checking the key",
	[PHASE_PASSWORD] = "checking the password",
	[PHASE_KEYBOARD] = "checking the password (keyboard-interactive)",
	[PHASE_CHANNEL] = "opening the session",
	[PHASE_SHELL] = "opening the shell",
	[PHASE_READY] = "serving the session",
};

struct ssh {
	struct transport base; /* first: the functions cast */
	struct ssh_settings settings;
	struct ssh_report *report;
	struct dial dial;
	enum phase phase;
	LIBSSH2_SESSION *session;
	LIBSSH2_CHANNEL *channel;

	/* the socket, as send_bytes() and receive_bytes() met it */
	bool closed;       /* the peer's end */
	bool disconnected; /* the peer's SSH_MSG_DISCONNECT; */
	bool too_many_tries; /* ... because of our tries to log in; its text: */
	char disconnect_text[160];
	bool muted;        /* we are through with it: nothing goes out or in any more */
	int sys_errno;     /* why it broke; 0: it did not, or it was closed in good order */
	bool feed, fed;    /* one piece may be received; it was */
	char in[READ_BYTES]; /* received, and not fed yet: many pieces for one system call */
	size_t in_bytes, in_fed_bytes;
	bool seen_done;
	size_t seen_bytes;
	char *seen; /* the first bytes; freed after the handshake */

	/* authentication */
	char methods[128]; /* as the server listed them */
	bool key_tried, password_tried, keyboard_tried;
	bool keyboard_stopped; /* a question that we must not answer */
	bool password_expired;
	char key_failure[128];

	char out[OUT_BYTES];
	size_t out_bytes, out_sent_bytes;
	bool out_blocked;  /* a packet of ours is stuck half-way in the socket */
	bool read_blocked; /* the same for a packet that libssh2_channel_read() makes */
};

static struct ssh *of(struct transport *t)
{
	return (struct ssh *)(void *)t;
}

/* --- memory: libssh2 frees answers to password prompts without wiping them, so we wipe everything. The blocks must be malloc()'s own,
 * as libssh2's mbedTLS part frees some of them with mbedtls_free(). --- */

static void *memory_new(size_t count, void **abstract)
{
	(void)abstract;
	return malloc(count);
}

static void memory_free(void *memory, void **abstract)
{
	(void)abstract;
	if (memory)
		explicit_bzero(memory, malloc_usable_size(memory));
	free(memory);
}

static void *memory_resize(void *memory, size_t count, void **abstract)
{
	void *other = memory_new(count, abstract);
	size_t old;

	if (!other || !memory)
		return other;
	old = malloc_usable_size(memory);
	memcpy(other, memory, old < count ? old : count);
	memory_free(memory, abstract);
	return other;
}

/* --- the socket --- */

/* Where the server's version line starts in what was seen; NULL: it has not spoken SSH. Lines before it are allowed (RFC 4253 section 4.2). */
static const char *version_find(const struct ssh *ssh)
{
	for (size_t i = 0; i + 4 <= ssh->seen_bytes; i++)
		if ((i == 0 || ssh->seen[i - 1] == '\n') && memcmp(ssh->seen + i, "SSH-", 4) == 0)
			return ssh->seen + i;
	return NULL;
}

static void remember(struct ssh *ssh, const char *bytes, size_t count)
{
	if (!ssh->seen || ssh->seen_done)
		return;
	if (count > SEEN_BYTES - ssh->seen_bytes)
		count = SEEN_BYTES - ssh->seen_bytes;
	memcpy(ssh->seen + ssh->seen_bytes, bytes, count);
	ssh->seen_bytes += count;
	ssh->seen_done = ssh->seen_bytes == SEEN_BYTES;
	if (ssh->seen_done && !version_find(ssh))
		ssh->closed = true; /* something else than SSH, and it could go on for ever */
}

/* The next piece for the open channel, from what one receive brought. */
static ssize_t feed_bytes(struct ssh *ssh, void *buffer, size_t length)
{
	size_t count = ssh->in_bytes - ssh->in_fed_bytes;

	if (count > length)
		count = length;
	if (count > FEED_BYTES)
		count = FEED_BYTES;
	memcpy(buffer, ssh->in + ssh->in_fed_bytes, count);
	ssh->in_fed_bytes += count;
	ssh->feed = false;
	ssh->fed = true;
	return (ssize_t)count;
}

static ssize_t receive_bytes(libssh2_socket_t fd, void *buffer, size_t length, int flags, void **abstract)
{
	struct ssh *ssh = *abstract;
	bool open = ssh->phase == PHASE_READY;
	ssize_t count;

	if (ssh->muted)
		return -EPIPE;
	if (open && !ssh->feed)
		return -EAGAIN;
	if (open && ssh->in_fed_bytes < ssh->in_bytes)
		return feed_bytes(ssh, buffer, length);
	if (ssh->closed)
		return -EAGAIN;
	count = open ? recv(fd, ssh->in, sizeof ssh->in, flags | MSG_DONTWAIT) : recv(fd, buffer, length, flags | MSG_DONTWAIT);
	if (count > 0 && open) {
		ssh->in_bytes = (size_t)count;
		ssh->in_fed_bytes = 0;
		return feed_bytes(ssh, buffer, length);
	}
	if (count > 0) {
		remember(ssh, buffer, (size_t)count);
		return count;
	}
	if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return -EAGAIN;
	ssh->closed = true;
	ssh->sys_errno = count < 0 ? errno : 0;
	return -EAGAIN;
}

static ssize_t send_bytes(libssh2_socket_t fd, const void *buffer, size_t length, int flags, void **abstract)
{
	struct ssh *ssh = *abstract;
	ssize_t count;

	if (ssh->muted)
		return (ssize_t)length; /* so that no half-sent packet is left and libssh2 agrees to free the session */
	count = send(fd, buffer, length, flags | MSG_NOSIGNAL | MSG_DONTWAIT);
	if (count >= 0)
		return count;
	if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
		ssh->sys_errno = errno;
	return -EAGAIN; /* also when it broke: what came before is to be read yet */
}

static void take_disconnect(LIBSSH2_SESSION *session, int reason, const char *message, int message_length, const char *language,
			    int language_length, void **abstract)
{
	struct ssh *ssh = *abstract;

	(void)session;
	(void)language;
	(void)language_length;
	ssh->disconnected = true;
	ssh->too_many_tries = reason == DISCONNECT_NO_MORE_METHODS ||
			      (message && message_length > 0 && memmem(message, (size_t)message_length, "uthentication", strlen("uthentication")));
	ssh->disconnect_text[0] = '\0';
	if (message && message_length > 0)
		(void)text_escape(ssh->disconnect_text, sizeof ssh->disconnect_text, message, (size_t)message_length);
	else
		(void)snprintf(ssh->disconnect_text, sizeof ssh->disconnect_text, "reason %d", reason);
}

static bool is_gone(const struct ssh *ssh)
{
	return ssh->closed || ssh->disconnected || ssh->sys_errno != 0;
}

static const char *library_text(const struct ssh *ssh)
{
	char *text = NULL;

	(void)libssh2_session_last_error(ssh->session, &text, NULL, 0);
	return text ? text : "no reason given";
}

/* --- errors --- */

static int fail_password(struct ssh *ssh, const char *how, struct error *error)
{
	ssh->report->password_refused = true;
	return error_set(error, ERROR_AUTH,
			 "check user and password_file in [cli] by logging in by hand; a locked account stays locked for lockout-duration",
			 "%s port %u %s for user \"%s\"; it will not be sent again", ssh->settings.host, ssh->settings.port, how,
			 ssh->settings.user);
}

/* Words of servers that are full, or keep us out for a while: "Exceeded MaxStartups", "Not allowed at this time" (OpenSSH). */
static bool tells_limit(const char *said)
{
	static const char *const words[] = {"exceeded", "not allowed", "too many", "limit", "maximum"};

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (strcasestr(said, words[i]))
			return true;
	return false;
}

/* The server went away, or spoke no SSH from the start. */
static int fail_unspoken(const struct ssh *ssh, struct error *error)
{
	static const char next[] = "look at the appliance's SSH access list and maximum-connections, and at host and port in [cli]";
	char said[80];

	(void)text_escape(said, sizeof said, ssh->seen, ssh->seen_bytes);
	if (ssh->seen_bytes > 0 && tells_limit(said))
		return error_set(error, ERROR_UNREACHABLE,
				 "close other SSH sessions, try again in a minute, and look at the appliance's maximum-connections",
				 "%s port %u turned the connection away because of a limit of its own: it said \"%s\"", ssh->settings.host, ssh->settings.port, said);
	if (ssh->seen_bytes > 0)
		return error_set(error, ERROR_UNREACHABLE, next, "%s port %u does not speak SSH: it said \"%s\"", ssh->settings.host,
				 ssh->settings.port, said);
	if (ssh->sys_errno != 0)
		return error_set_errno(error, ERROR_UNREACHABLE, ssh->sys_errno, next,
				       "the server at %s port %u closed the connection before it spoke SSH: connection limit or access list?",
				       ssh->settings.host, ssh->settings.port);
	return error_set(error, ERROR_UNREACHABLE, next,
			 "the server at %s port %u closed the connection before it spoke SSH: connection limit or access list?",
			 ssh->settings.host, ssh->settings.port);
}

static int fail_gone(struct ssh *ssh, struct error *error)
{
	bool checking = ssh->report->password_sent && (ssh->phase == PHASE_PASSWORD || ssh->phase == PHASE_KEYBOARD);
	const char *next = ssh->phase == PHASE_READY ? NULL : "log in with ssh by hand from this machine; where that works, try again";

	if (ssh->phase == PHASE_HANDSHAKE && !version_find(ssh))
		return fail_unspoken(ssh, error);
	/* An orderly end instead of an answer is an answer; taking it for a lost connection would lead to another try and a locked account. */
	if (checking && (ssh->disconnected || ssh->sys_errno == 0))
		return fail_password(ssh, "closed the connection in answer to the password", error);
	if (ssh->phase == PHASE_KEY && ssh->too_many_tries)
		return error_set(error, ERROR_AUTH,
				 "register key_file's public key for this user on the appliance, or take key_file out of [cli]: a refused key counts as a try to log in",
				 "%s port %u refused the key of user \"%s\" and ended the connection: \"%s\"", ssh->settings.host, ssh->settings.port,
				 ssh->settings.user, ssh->disconnect_text);
	if (ssh->disconnected)
		return error_set(error, ERROR_LOST, next, "%s port %u ended the connection while it was %s: \"%s\"", ssh->settings.host,
				 ssh->settings.port, phase_texts[ssh->phase], ssh->disconnect_text);
	if (ssh->sys_errno != 0)
		return error_set_errno(error, ERROR_LOST, ssh->sys_errno, next, "the connection to %s port %u broke while it was %s",
				       ssh->settings.host, ssh->settings.port, phase_texts[ssh->phase]);
	return error_set(error, ERROR_LOST, next, "%s port %u closed the connection while it was %s", ssh->settings.host, ssh->settings.port,
			 phase_texts[ssh->phase]);
}

static enum transport_step wait_more(struct ssh *ssh, struct error *error)
{
	if (!is_gone(ssh))
		return TRANSPORT_WAIT;
	(void)fail_gone(ssh, error);
	return TRANSPORT_FAILED;
}

/* --- phase: the key file, before anybody is bothered --- */

/* The first bytes of PATH as a string. A private key must not be readable by others; 0 or -1. */
static int read_head(const char *path, bool is_private, char head[KEY_HEAD_BYTES], struct error *error)
{
	char next[ERROR_NEXT_MAX_BYTES];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat status;
	ssize_t count;

	(void)snprintf(next, sizeof next, is_private ? "ls -l %s" : "make it with ssh-keygen -y -f KEY_FILE >%s", path);
	if (fd < 0)
		return error_set_errno(error, ERROR_CONFIG, errno, next, "key_file in [cli]: cannot open %s", path);
	count = -1;
	if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode))
		count = read(fd, head, KEY_HEAD_BYTES - 1);
	(void)close(fd);
	if (count < 0)
		return error_set(error, ERROR_CONFIG, next, "key_file in [cli]: cannot read %s, or it is no regular file", path);
	head[count] = '\0';
	if (!is_private || ((status.st_mode & 07) == 0 && (status.st_uid == geteuid() || status.st_uid == 0)))
		return 0;
	explicit_bzero(head, KEY_HEAD_BYTES);
	(void)snprintf(next, sizeof next, "chmod 600 %s", path);
	return error_set(error, ERROR_CONFIG, next, "key_file in [cli]: %s is accessible to others, or belongs to somebody else", path);
}

static void public_path(const struct ssh *ssh, char path[KEY_HEAD_BYTES])
{
	(void)snprintf(path, KEY_HEAD_BYTES, "%s.pub", ssh->settings.key_file);
}

static int check_key_files(const struct ssh *ssh, struct error *error)
{
	const char *key_file = ssh->settings.key_file;
	char path[KEY_HEAD_BYTES], public_head[KEY_HEAD_BYTES], head[KEY_HEAD_BYTES], next[ERROR_NEXT_MAX_BYTES];
	bool openssh, encrypted;

	public_path(ssh, path);
	if (read_head(path, false, public_head, error) != 0 || read_head(key_file, true, head, error) != 0)
		return -1;
	openssh = strstr(head, "BEGIN OPENSSH PRIVATE KEY") != NULL;
	encrypted = strstr(head, "ENCRYPTED") != NULL;
	explicit_bzero(head, sizeof head);
	if (strncmp(public_head, "ssh-rsa ", 8) != 0 && strncmp(public_head, "ecdsa-sha2-", 11) != 0) {
		(void)snprintf(next, sizeof next, "make another one: ssh-keygen -t ecdsa -m PEM -N '' -f %s-ecdsa", key_file);
		return error_set(error, ERROR_CONFIG, next,
				 "key_file in [cli]: %s is neither an RSA nor an ECDSA key; this build has no ed25519", key_file);
	}
	if (openssh || encrypted) {
		(void)snprintf(next, sizeof next, "ssh-keygen -p -N '' -m PEM -f %s", key_file);
		return error_set(error, ERROR_CONFIG, next, "key_file in [cli]: %s %s", key_file,
				 openssh ? "is in OpenSSH's own format; PEM is needed" : "has a passphrase; one without is needed");
	}
	return 0;
}

static enum transport_step do_key_file(struct ssh *ssh, struct error *error)
{
	if (ssh->settings.key_file && check_key_files(ssh, error) != 0)
		return TRANSPORT_FAILED;
	ssh->phase = PHASE_DIAL;
	return TRANSPORT_DONE;
}

/* --- phase: TCP --- */

static enum transport_step do_dial(struct ssh *ssh, struct error *error)
{
	enum transport_step step = dial_step(&ssh->dial, error);

	ssh->base.fd = ssh->dial.fd;
	if (step == TRANSPORT_DONE)
		ssh->phase = PHASE_HANDSHAKE;
	return step;
}

/* --- phase: key exchange --- */

/* Name list NUMBER of the server's KEXINIT (RFC 4253 section 7.1), from the first bytes that we kept. */
static bool offered_list(const struct ssh *ssh, int number, const char **list, size_t *length)
{
	const char *p = version_find(ssh), *end = ssh->seen + ssh->seen_bytes;

	p = p ? memchr(p, '\n', (size_t)(end - p)) : NULL;
	if (!p || end - p < 1 + 4 + 1 + 1 + 16 || p[6] != 20) /* line end, length, padding, SSH_MSG_KEXINIT, cookie */
		return false;
	p += 1 + 4 + 1 + 1 + 16;
	for (;; number--) {
		const unsigned char *u = (const unsigned char *)p;

		if (end - p < 4)
			return false;
		*length = (size_t)u[0] << 24 | (size_t)u[1] << 16 | (size_t)u[2] << 8 | (size_t)u[3];
		p += 4;
		if (*length > (size_t)(end - p))
			return false;
		*list = p;
		if (number == 0)
			return true;
		p += *length;
	}
}

static bool list_has(const char *list, size_t length, const char *name)
{
	size_t name_length = strlen(name);

	for (size_t start = 0, i = 0; i <= length; i++) {
		if (i < length && list[i] != ',')
			continue;
		if (i - start == name_length && memcmp(list + start, name, name_length) == 0)
			return true;
		start = i + 1;
	}
	return false;
}

/* Whether the LIST has an algorithm of ours; ours are written to OURS. */
static bool list_common(const struct ssh *ssh, int method, const char *list, size_t length, struct buf *ours)
{
	const char **names = NULL;
	int count = libssh2_session_supported_algs(ssh->session, method, &names);
	bool common = false;

	for (int i = 0; i < count; i++) {
		common = common || list_has(list, length, names[i]);
		/* certificates are never asked for, see start_session(); the others are no algorithms, but signals in their list */
		if (!strstr(names[i], "-cert-") && strncmp(names[i], "ext-info-", 9) != 0 && strncmp(names[i], "kex-strict-", 11) != 0)
			(void)buf_printf(ours, "%s%s", ours->len > 0 ? "," : "", names[i]);
	}
	if (names)
		libssh2_free(ssh->session, names);
	return common;
}

static int fail_algorithms(const struct ssh *ssh, struct error *error)
{
	static const struct {
		int method;
		const char *name, *note, *next;
	} kinds[] = {
		{LIBSSH2_METHOD_KEX, "key exchange", "", NULL},
		{LIBSSH2_METHOD_HOSTKEY, "host key", "; this build has no ed25519",
		 "give the appliance's SSH service an ECDSA or RSA host key too (its old keys can stay)"},
		{LIBSSH2_METHOD_CRYPT_CS, "cipher", "", NULL},
		{LIBSSH2_METHOD_CRYPT_SC, "cipher", "", NULL},
		{LIBSSH2_METHOD_MAC_CS, "MAC", "", NULL},
		{LIBSSH2_METHOD_MAC_SC, "MAC", "", NULL},
	};
	char shown[200], memory[200];
	struct buf ours;
	const char *list;
	size_t length;

	for (int i = 0; i < (int)(sizeof kinds / sizeof *kinds); i++) {
		buf_init(&ours, memory, sizeof memory);
		if (!offered_list(ssh, i, &list, &length) || list_common(ssh, kinds[i].method, list, length, &ours))
			continue;
		return error_set(error, ERROR_ANSWER, kinds[i].next ? kinds[i].next : "enable one of ours in the appliance's SSH settings",
				 "no common SSH %s algorithm with %.100s: it offers %s, we have %s%s%s", kinds[i].name, ssh->settings.host,
				 text_escape(shown, sizeof shown, list, length), ours.data, ours.overflow ? ",..." : "", kinds[i].note);
	}
	return error_set(error, ERROR_ANSWER, NULL, "no common SSH algorithms with %s port %u", ssh->settings.host, ssh->settings.port);
}

static int start_session(struct ssh *ssh, struct error *error)
{
	ssh->seen = malloc(SEEN_BYTES);
	ssh->session = libssh2_session_init_ex(memory_new, memory_free, memory_resize, ssh);
	/* The strong ones first; ssh-rsa (SHA-1) last, as many appliances have nothing else: the pin makes up for the weak signature. No
	 * certificates: they would have to be judged. */
	if (!ssh->seen || !ssh->session ||
	    libssh2_session_method_pref(ssh->session, LIBSSH2_METHOD_HOSTKEY,
					"ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,rsa-sha2-512,rsa-sha2-256,ssh-rsa") != 0)
		return error_set_errno(error, ERROR_INTERNAL, ENOMEM, NULL, "cannot start an SSH session");
	(void)libssh2_session_callback_set2(ssh->session, LIBSSH2_CALLBACK_RECV, (libssh2_cb_generic *)receive_bytes);
	(void)libssh2_session_callback_set2(ssh->session, LIBSSH2_CALLBACK_SEND, (libssh2_cb_generic *)send_bytes);
	(void)libssh2_session_callback_set2(ssh->session, LIBSSH2_CALLBACK_DISCONNECT, (libssh2_cb_generic *)take_disconnect);
	libssh2_session_set_read_timeout(ssh->session, READ_TIMEOUT_S);
	libssh2_session_set_blocking(ssh->session, 0);
	return 0;
}

static enum transport_step do_handshake(struct ssh *ssh, struct error *error)
{
	int rc;

	if (!ssh->session && start_session(ssh, error) != 0)
		return TRANSPORT_FAILED;
	rc = libssh2_session_handshake(ssh->session, ssh->base.fd);
	if (rc == LIBSSH2_ERROR_EAGAIN)
		return wait_more(ssh, error);
	if (rc == 0) {
		free(ssh->seen);
		ssh->seen = NULL;
		ssh->phase = PHASE_HOST_KEY;
		return TRANSPORT_DONE;
	}
	if (rc == LIBSSH2_ERROR_KEX_FAILURE)
		(void)fail_algorithms(ssh, error);
	else if (is_gone(ssh))
		(void)fail_gone(ssh, error);
	else
		(void)error_set(error, ERROR_ANSWER, NULL, "the SSH key exchange with %s port %u failed: %s (libssh2 %d)", ssh->settings.host,
				ssh->settings.port, library_text(ssh), rc);
	return TRANSPORT_FAILED;
}

/* --- phase: the host key --- */

/* "SHA256:" and unpadded base64, as ssh-keygen -l prints it. */
static void fingerprint_write(char out[SSH_FINGERPRINT_BYTES], const unsigned char hash[32])
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t at = sizeof "SHA256:" - 1;

	memcpy(out, "SHA256:", at);
	for (unsigned bit = 0; bit < 256; bit += 6) {
		unsigned byte = bit / 8;
		unsigned pair = (unsigned)hash[byte] << 8 | (byte + 1 < 32 ? hash[byte + 1] : 0U);

		out[at++] = digits[pair >> (10 - bit % 8) & 63];
	}
	out[at] = '\0';
}

/* The first string of a key blob is its type (RFC 4253 section 6.6). */
static void key_type_write(char *out, size_t size, const char *blob, size_t blob_length)
{
	const unsigned char *u = (const unsigned char *)blob;
	size_t length;

	(void)snprintf(out, size, "unknown");
	if (!blob || blob_length < 4 || u[0] != 0 || u[1] != 0)
		return;
	length = (size_t)u[2] << 8 | u[3];
	if (length <= blob_length - 4 && length < size)
		(void)text_escape(out, size, blob + 4, length);
}

static int fail_host_key(const struct ssh *ssh, struct error *error)
{
	char next[ERROR_NEXT_MAX_BYTES], memory[SSH_PINS_MAX * SSH_FINGERPRINT_BYTES + SSH_PINS_MAX];
	const struct ssh_report *report = ssh->report;
	struct buf pins;

	(void)snprintf(next, sizeof next, "compare %s with what the appliance itself shows; if it is the same, set host_key = %s in [cli]",
		       report->key_fingerprint, report->key_fingerprint);
	if (ssh->settings.pin_count == 0)
		return error_set(error, ERROR_HOST_KEY, next,
				 "no host_key is pinned; %.100s port %u has the %s key %s; nothing of the password was sent", ssh->settings.host,
				 ssh->settings.port, report->key_type, report->key_fingerprint);
	buf_init(&pins, memory, sizeof memory);
	for (unsigned i = 0; i < ssh->settings.pin_count; i++)
		(void)buf_printf(&pins, "%s%s", i > 0 ? " " : "", ssh->settings.pins[i]);
	return error_set(error, ERROR_HOST_KEY, next,
			 "the %s key %s of %.64s port %u is not pinned; nothing of the password was sent; pinned in [cli]: %s", report->key_type,
			 report->key_fingerprint, ssh->settings.host, ssh->settings.port, pins.data);
}

static enum transport_step do_host_key(struct ssh *ssh, struct error *error)
{
	const char *hash = libssh2_hostkey_hash(ssh->session, LIBSSH2_HOSTKEY_HASH_SHA256);
	size_t length = 0;
	int type = 0;
	const char *blob = libssh2_session_hostkey(ssh->session, &length, &type);

	if (!hash) {
		(void)error_set(error, ERROR_INTERNAL, NULL, "libssh2 has no SHA-256 of the host key");
		return TRANSPORT_FAILED;
	}
	fingerprint_write(ssh->report->key_fingerprint, (const unsigned char *)hash);
	key_type_write(ssh->report->key_type, sizeof ssh->report->key_type, blob, length);
	for (unsigned i = 0; i < ssh->settings.pin_count; i++)
		if (strcmp(ssh->settings.pins[i], ssh->report->key_fingerprint) == 0)
			ssh->phase = PHASE_NONE;
	if (ssh->phase == PHASE_NONE)
		return TRANSPORT_DONE;
	(void)fail_host_key(ssh, error);
	return TRANSPORT_FAILED;
}

/* --- phases: authentication --- */

static int fail_auth(const struct ssh *ssh, struct error *error)
{
	const struct ssh_settings *settings = &ssh->settings;
	const char *next = "set password_file or key_file in [cli] for a method that the appliance lists";

	if (ssh->key_tried)
		return error_set(error, ERROR_AUTH, "register key_file's public key for this user on the appliance, or set password_file in [cli]",
				 "%s port %u refused the key of user \"%s\" (%s); it takes: %s", settings->host, settings->port, settings->user,
				 ssh->key_failure, ssh->methods);
	return error_set(error, ERROR_AUTH, next, "%s port %u wants user \"%s\" to log in by: %s; configured: %s", settings->host, settings->port,
			 settings->user, ssh->methods, settings->password ? "a password" : settings->key_file ? "a key" : "neither password nor key");
}

/* The next method that the server lists, that we can serve and have not tried. The password goes out once at most. */
static enum transport_step next_method(struct ssh *ssh, struct error *error)
{
	size_t length = strlen(ssh->methods);
	bool password = ssh->settings.password && !ssh->report->password_sent;

	if (ssh->settings.key_file && !ssh->key_tried && list_has(ssh->methods, length, "publickey")) {
		ssh->phase = PHASE_KEY;
	} else if (password && !ssh->password_tried && list_has(ssh->methods, length, "password")) {
		ssh->phase = PHASE_PASSWORD;
	} else if (password && !ssh->keyboard_tried && list_has(ssh->methods, length, "keyboard-interactive")) {
		ssh->phase = PHASE_KEYBOARD;
	} else {
		(void)fail_auth(ssh, error);
		return TRANSPORT_FAILED;
	}
	return TRANSPORT_DONE;
}

static enum transport_step authenticated(struct ssh *ssh, const char *method)
{
	ssh->report->auth_method = method;
	ssh->phase = PHASE_CHANNEL;
	return TRANSPORT_DONE;
}

static enum transport_step do_none(struct ssh *ssh, struct error *error)
{
	const char *user = ssh->settings.user;
	char *list = libssh2_userauth_list(ssh->session, user, (unsigned)strlen(user));

	if (list) {
		(void)text_escape(ssh->methods, sizeof ssh->methods, *list ? list : "no method", strlen(*list ? list : "no method"));
		return next_method(ssh, error);
	}
	if (libssh2_userauth_authenticated(ssh->session))
		return authenticated(ssh, "none");
	if (libssh2_session_last_errno(ssh->session) == LIBSSH2_ERROR_EAGAIN || is_gone(ssh))
		return wait_more(ssh, error);
	(void)error_set(error, ERROR_ANSWER, NULL, "%s port %u does not say how users log in: %s", ssh->settings.host, ssh->settings.port,
			library_text(ssh));
	return TRANSPORT_FAILED;
}

/* What a method other than `none` came to. */
static enum transport_step judge(struct ssh *ssh, int rc, const char *method, struct error *error)
{
	if (rc == 0)
		return authenticated(ssh, method);
	if (ssh->keyboard_stopped)
		(void)fail_password(ssh, "asked again, or for more than the password,", error);
	else if (rc == LIBSSH2_ERROR_EAGAIN || is_gone(ssh))
		return wait_more(ssh, error);
	else if (ssh->password_expired)
		(void)fail_password(ssh, "wants a new password", error);
	else if (ssh->report->password_sent)
		(void)fail_password(ssh, "refused the password", error);
	else
		return next_method(ssh, error);
	return TRANSPORT_FAILED;
}

static enum transport_step do_key(struct ssh *ssh, struct error *error)
{
	const char *user = ssh->settings.user;
	char path[KEY_HEAD_BYTES];
	int rc;

	ssh->key_tried = true;
	public_path(ssh, path);
	rc = libssh2_userauth_publickey_fromfile_ex(ssh->session, user, (unsigned)strlen(user), path, ssh->settings.key_file, NULL);
	if (rc != 0)
		(void)snprintf(ssh->key_failure, sizeof ssh->key_failure, "%s", library_text(ssh));
	/* libssh2's words for: the server wants this key, but the private one could not be loaded or did not sign */
	if (rc == LIBSSH2_ERROR_FILE || (rc == LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED && strncmp(ssh->key_failure, "Callback", 8) == 0)) {
		(void)error_set(error, ERROR_CONFIG, "ssh-keygen -p -N '' -m PEM -f KEY_FILE; ssh-keygen -y -f KEY_FILE >KEY_FILE.pub",
				"key_file in [cli]: %s cannot be used for signing, or is no PEM file", ssh->settings.key_file);
		return TRANSPORT_FAILED;
	}
	return judge(ssh, rc, "publickey", error);
}

/* We never set a password; not to answer is the answer. */
static void take_expiry(LIBSSH2_SESSION *session, char **password, int *length, void **abstract)
{
	struct ssh *ssh = *abstract;

	(void)session;
	*password = NULL;
	*length = 0;
	ssh->password_expired = true;
}

static enum transport_step do_password(struct ssh *ssh, struct error *error)
{
	const struct secret *password = ssh->settings.password;
	const char *user = ssh->settings.user;
	int rc;

	ssh->password_tried = true;
	ssh->report->password_sent = true;
	rc = libssh2_userauth_password_ex(ssh->session, user, (unsigned)strlen(user), password->bytes, (unsigned)password->length, take_expiry);
	return judge(ssh, rc, "password", error);
}

/* Answers one prompt without echo, in one round, with the password. Two in a round, or one in a second round, are a wrong password,
 * a demand for a new one, or something that we do not know: then nothing more goes out. */
static void answer_prompts(const char *name, int name_length, const char *instruction, int instruction_length, int count,
			   const LIBSSH2_USERAUTH_KBDINT_PROMPT *prompts, LIBSSH2_USERAUTH_KBDINT_RESPONSE *responses, void **abstract)
{
	struct ssh *ssh = *abstract;
	const struct secret *password = ssh->settings.password;
	int hidden = -1, hidden_count = 0;

	(void)name;
	(void)name_length;
	(void)instruction;
	(void)instruction_length;
	for (int i = 0; i < count; i++) {
		if (prompts[i].echo)
			continue;
		hidden = i;
		hidden_count++;
	}
	if (hidden_count == 0)
		return; /* libssh2 cleared the responses: empty answers */
	if (hidden_count == 1 && !ssh->report->password_sent)
		responses[hidden].text = memory_new(password->length, abstract);
	if (hidden_count > 1 || ssh->report->password_sent || !responses[hidden].text) {
		ssh->keyboard_stopped = true;
		ssh->muted = true;
		return;
	}
	memcpy(responses[hidden].text, password->bytes, password->length);
	responses[hidden].length = (unsigned)password->length;
	ssh->report->password_sent = true;
}

static enum transport_step do_keyboard(struct ssh *ssh, struct error *error)
{
	const char *user = ssh->settings.user;
	int rc;

	ssh->keyboard_tried = true;
	rc = libssh2_userauth_keyboard_interactive_ex(ssh->session, user, (unsigned)strlen(user), answer_prompts);
	return judge(ssh, rc, "keyboard-interactive", error);
}

/* --- phases: the shell --- */

static enum transport_step fail_shell(struct ssh *ssh, int rc, struct error *error)
{
	if (rc == LIBSSH2_ERROR_EAGAIN || is_gone(ssh))
		return wait_more(ssh, error);
	(void)error_set(error, ERROR_ANSWER, "log in with ssh by hand; look at the appliance's limits for sessions",
			"%s port %u let user \"%s\" in but refused a shell: %s", ssh->settings.host, ssh->settings.port, ssh->settings.user,
			library_text(ssh));
	return TRANSPORT_FAILED;
}

static enum transport_step do_channel(struct ssh *ssh, struct error *error)
{
	ssh->channel = libssh2_channel_open_ex(ssh->session, "session", 7, WINDOW_BYTES, PACKET_BYTES, NULL, 0);
	if (!ssh->channel)
		return fail_shell(ssh, libssh2_session_last_errno(ssh->session), error);
	ssh->phase = PHASE_SHELL;
	return TRANSPORT_DONE;
}

/* Without a pty, like `ssh -T`: that form is known to work, and nothing is echoed or wrapped. */
static enum transport_step do_shell(struct ssh *ssh, struct error *error)
{
	int rc = libssh2_channel_handle_extended_data2(ssh->channel, LIBSSH2_CHANNEL_EXTENDED_DATA_MERGE);

	if (rc == 0)
		rc = libssh2_channel_process_startup(ssh->channel, "shell", 5, NULL, 0);
	if (rc != 0)
		return fail_shell(ssh, rc, error);
	ssh->phase = PHASE_READY;
	return TRANSPORT_DONE;
}

/* --- the transport --- */

static enum transport_step ssh_connect(struct transport *t, struct error *error)
{
	static enum transport_step (*const phases[])(struct ssh *, struct error *) = {
		[PHASE_KEY_FILE] = do_key_file, [PHASE_DIAL] = do_dial,         [PHASE_HANDSHAKE] = do_handshake, [PHASE_HOST_KEY] = do_host_key,
		[PHASE_NONE] = do_none,         [PHASE_KEY] = do_key,           [PHASE_PASSWORD] = do_password,   [PHASE_KEYBOARD] = do_keyboard,
		[PHASE_CHANNEL] = do_channel,   [PHASE_SHELL] = do_shell,
	};
	struct ssh *ssh = of(t);
	enum transport_step step = TRANSPORT_DONE;

	while (step == TRANSPORT_DONE && ssh->phase != PHASE_READY)
		step = phases[ssh->phase](ssh, error);
	return step;
}

/* Hands out bytes to libssh2 and wipes them once they are gone: a password may be typed inside the session. Returns 0 or libssh2's error. */
static int flush(struct ssh *ssh)
{
	ssize_t count = 1;

	while (count > 0 && ssh->out_sent_bytes < ssh->out_bytes) {
		count = libssh2_channel_write(ssh->channel, ssh->out + ssh->out_sent_bytes, ssh->out_bytes - ssh->out_sent_bytes);
		if (count > 0)
			ssh->out_sent_bytes += (size_t)count;
	}
	ssh->out_blocked = ssh->out_sent_bytes < ssh->out_bytes &&
			   (libssh2_session_block_directions(ssh->session) & LIBSSH2_SESSION_BLOCK_OUTBOUND) != 0;
	if (ssh->out_sent_bytes == ssh->out_bytes) {
		explicit_bzero(ssh->out, ssh->out_bytes);
		ssh->out_bytes = 0;
		ssh->out_sent_bytes = 0;
	}
	return count < 0 && count != LIBSSH2_ERROR_EAGAIN ? (int)count : 0;
}

static int fail_channel(struct ssh *ssh, struct error *error)
{
	if (is_gone(ssh))
		return fail_gone(ssh, error);
	if (libssh2_channel_eof(ssh->channel) == 1)
		return error_set(error, ERROR_LOST, NULL, "%s port %u ended the session", ssh->settings.host, ssh->settings.port);
	return error_set(error, ERROR_LOST, NULL, "the SSH session with %s port %u broke: %s", ssh->settings.host, ssh->settings.port,
			 library_text(ssh));
}

static int ssh_read(struct transport *t, void *bytes, size_t size_bytes, size_t *got_bytes, struct error *error)
{
	struct ssh *ssh = of(t);

	*got_bytes = 0;
	(void)flush(ssh); /* if that broke, the bytes that came before are to be delivered first */
	if (ssh->out_blocked && !is_gone(ssh))
		return 0; /* libssh2 cannot send a window adjustment before our packet is out */
	for (int turns = 0; turns < TURNS_MAX; turns++) {
		ssize_t count;

		ssh->feed = true;
		ssh->fed = false;
		count = libssh2_channel_read(ssh->channel, bytes, size_bytes < READ_BYTES ? size_bytes : READ_BYTES);
		ssh->feed = false;
		if (count > 0) {
			*got_bytes = (size_t)count;
			return 0;
		}
		if ((count == 0 && libssh2_channel_eof(ssh->channel) == 1) || (count < 0 && count != LIBSSH2_ERROR_EAGAIN))
			return fail_channel(ssh, error);
		if (!ssh->fed)
			break;
	}
	if (is_gone(ssh))
		return fail_channel(ssh, error);
	ssh->read_blocked = (libssh2_session_block_directions(ssh->session) & LIBSSH2_SESSION_BLOCK_OUTBOUND) != 0;
	return 0;
}

static int ssh_write(struct transport *t, const void *bytes, size_t count_bytes, size_t *taken_bytes, struct error *error)
{
	struct ssh *ssh = of(t);

	*taken_bytes = 0;
	if (ssh->read_blocked)
		return 0; /* a packet of libssh2's own is half-way out: only another read can finish it */
	if (flush(ssh) != 0 || is_gone(ssh))
		return fail_channel(ssh, error);
	if (ssh->out_bytes > 0 || count_bytes == 0)
		return 0;
	ssh->out_bytes = count_bytes < OUT_BYTES ? count_bytes : OUT_BYTES;
	memcpy(ssh->out, bytes, ssh->out_bytes);
	*taken_bytes = ssh->out_bytes;
	(void)flush(ssh); /* a failure shows at the next call */
	return 0;
}

static short ssh_events(const struct transport *t)
{
	const struct ssh *ssh = (const struct ssh *)(const void *)t;
	int directions;

	if (ssh->phase <= PHASE_DIAL)
		return POLLOUT;
	if (ssh->phase == PHASE_READY)
		return ssh->out_blocked || ssh->read_blocked ? POLLOUT : POLLIN;
	directions = ssh->session ? libssh2_session_block_directions(ssh->session) : 0;
	if ((directions & LIBSSH2_SESSION_BLOCK_OUTBOUND) == 0)
		return POLLIN;
	return (directions & LIBSSH2_SESSION_BLOCK_INBOUND) != 0 ? POLLIN | POLLOUT : POLLOUT;
}

static void end_session(struct ssh *ssh)
{
	char byte;

	/* a farewell, if it goes out at once */
	if (ssh->phase >= PHASE_HOST_KEY && !is_gone(ssh) && !ssh->muted && !ssh->base.aborted)
		(void)libssh2_session_disconnect_ex(ssh->session, 11 /* SSH_DISCONNECT_BY_APPLICATION */, "done", "");
	ssh->muted = true;
	if (ssh->phase == PHASE_READY && ssh->read_blocked)
		(void)libssh2_channel_read(ssh->channel, &byte, 1);
	if (ssh->phase == PHASE_READY)
		(void)flush(ssh);
	for (int i = 0; i < FREE_TRIES; i++)
		if (libssh2_session_free(ssh->session) != LIBSSH2_ERROR_EAGAIN)
			break;
}

static void ssh_close(struct transport *t)
{
	struct ssh *ssh = of(t);

	if (ssh->session)
		end_session(ssh);
	dial_close(&ssh->dial);
	libssh2_exit();
	free(ssh->seen);
	explicit_bzero(ssh, sizeof *ssh);
	free(ssh);
}

struct transport *ssh_open(const struct ssh_settings *settings, struct ssh_report *report, struct error *error)
{
	static const struct transport_ops ops = {ssh_connect, ssh_read, ssh_write, ssh_events, ssh_close};
	struct ssh *ssh = calloc(1, sizeof *ssh);
	unsigned char byte;

	memset(report, 0, sizeof *report);
	/* libssh2_init() does not say when it gets no random numbers, and the first use of them is then a crash. */
	if (ssh && entropy_get(&byte, 1, "SSH", error)) {
		free(ssh);
		return NULL;
	}
	if (!ssh || libssh2_init(0) != 0) {
		(void)error_set_errno(error, ERROR_INTERNAL, ENOMEM, NULL, "cannot start the SSH library");
		free(ssh);
		return NULL;
	}
	ssh->base.ops = &ops;
	ssh->base.fd = -1;
	ssh->settings = *settings;
	ssh->report = report;
	dial_init(&ssh->dial, settings->host, settings->port, false);
	return &ssh->base;
}
