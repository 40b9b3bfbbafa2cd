/* In the place of civetweb's error log: owners log, libraries do not. */
static void mg_cry_internal_impl(const struct mg_connection *conn, const char *func, unsigned line, const char *fmt, va_list ap)
{
	(void)conn, (void)func, (void)line, (void)fmt, (void)ap;
}
