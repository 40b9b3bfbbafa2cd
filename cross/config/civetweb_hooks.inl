/* In the place of civetweb's access log, which nobody wants: what civetweb_session.h promises and only code inside civetweb.c can do. */
static void log_access(const struct mg_connection *conn)
{
	(void)conn;
}

static void produce_socket(struct mg_context *ctx, const struct socket *sp);

/* The queue holds sockets. A session travels in the place of the peer's address: nobody looks at it there. */
union travel {
	union usa usa;
	struct civetweb_session *session;
};

void civetweb_session_push(struct mg_context *context, struct civetweb_session *session)
{
	struct socket so;
	union travel travel;

	memset(&so, 0, sizeof so);
	memset(&travel, 0, sizeof travel);
	travel.session = session;
	so.sock = INVALID_SOCKET;
	so.is_ssl = 1;
	so.lsa = travel.usa;
	produce_socket(context, &so);
}

static int mbed_ssl_accept(SSL **ssl, SSL_CTX *ssl_ctx, int *sock, struct mg_context *phys_ctx)
{
	const struct socket *so = (const struct socket *)(const void *)((const char *)sock - offsetof(struct socket, sock));
	union travel travel;

	(void)ssl_ctx;
	(void)phys_ctx;
	travel.usa = so->lsa;
	*ssl = travel.session;
	return 0;
}

struct civetweb_session *civetweb_session_of(const struct mg_connection *connection)
{
	return connection->ssl;
}

int civetweb_is_stopping(const struct mg_context *context)
{
	return !STOP_FLAG_IS_ZERO(&context->stop_flag);
}

int civetweb_head_bytes(const char *bytes, int count)
{
	return get_http_header_len(bytes, count);
}

int civetweb_head_parse(char *bytes, int count, struct mg_request_info *info)
{
	memset(info, 0, sizeof *info);
	return parse_http_request(bytes, count, info);
}
