/* In the place of civetweb's mod_mbedtls.inl: its functions for a TLS connection, over a session (civetweb_session.h). */
#include "civetweb_session.h"

typedef struct civetweb_session SSL;
typedef struct {
	int unused;
} SSL_CTX;

/* What civetweb tests for when a call has to be repeated; none of ours has. */
#define MBEDTLS_ERR_SSL_WANT_READ (-0x6900)
#define MBEDTLS_ERR_SSL_WANT_WRITE (-0x6880)
#define MBEDTLS_ERR_SSL_ASYNC_IN_PROGRESS (-0x6500)
#define mbedtls_ssl_get_bytes_avail civetweb_session_left
#define mbed_ssl_read civetweb_session_read
#define mbed_ssl_write(ssl, bytes, count) (count) /* nobody writes: answers do not go through civetweb */
#define mbed_ssl_close civetweb_session_end
#define mbed_sslctx_uninit(context) ((void)(context))
#define mbed_sslctx_init(context, file) (-1)

static int mbed_ssl_accept(SSL **ssl, SSL_CTX *ssl_ctx, int *sock, struct mg_context *phys_ctx);
