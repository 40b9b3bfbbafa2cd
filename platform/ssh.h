/* ssh.h - a shell channel over SSH (libssh2). The server's key is compared before any authentication. */
#ifndef DRR_PLATFORM_SSH_H
#define DRR_PLATFORM_SSH_H

#include <stdbool.h>

#include "base/secret.h"
#include "platform/transport.h"

enum {
	SSH_PINS_MAX = 8,
	SSH_FINGERPRINT_BYTES = sizeof "SHA256:" + 44, /* unpadded base64 of 32 bytes, and a NUL */
};

/* What ssh_open() needs; strings and the secret are the caller's and must outlive the transport. */
struct ssh_settings {
	const char *host;
	unsigned port;
	const char *user;                 /* may be "" */
	const struct secret *password;    /* NULL: none */
	const char *key_file;             /* private key, PEM (RSA or ECDSA); KEY_FILE.pub beside it; NULL: none */
	const char *pins[SSH_PINS_MAX];   /* "SHA256:..." as ssh-keygen -lf prints; any one of them suffices */
	unsigned pin_count;               /* 0: connect, learn the key, stop before authentication with ERROR_HOST_KEY */
};

/* How far the log-in came; kept up to date, readable also after a failure. */
struct ssh_report {
	char key_fingerprint[SSH_FINGERPRINT_BYTES]; /* "" before the key exchange */
	char key_type[32];                           /* "ssh-rsa", "ecdsa-sha2-nistp256" */
	const char *auth_method;                     /* the one that succeeded: "none", "password", "keyboard-interactive", "publickey"; NULL */
	bool password_sent;                          /* the password left this process at the SSH layer */
	bool password_refused;                       /* ... and was refused, or the server ended the connection in good order instead of an
						      * answer, or wants a new one or a second answer: never try it again */
};

/* Never NULL unless memory is gone. Name resolution and connect start with the first transport_connect(). getaddrinfo() may block for as long as
 * resolv.conf says (never for address literals); all else does not. All addresses are tried, one after the other.
 * Authentication: `none` first; then what the server lists, each at most once: publickey where a key is configured, password, or (only
 * if password is not listed, or was not tried) keyboard-interactive answered with the password. A refused password is never sent a second time by
 * another method. Errors: ERROR_UNREACHABLE, ERROR_HOST_KEY (both fingerprints in the sentence, the configuration line to paste in `next`),
 * ERROR_AUTH, ERROR_CONFIG (key file unreadable, ed25519 keys not supported by this build), ERROR_LOST, ERROR_ANSWER (no common algorithm; says which were offered). REPORT is the caller's. */
struct transport *ssh_open(const struct ssh_settings *settings, struct ssh_report *report, struct error *error);

#endif
