/* telnet.h - the appliance's telnet console over TCP; negotiation is answered by the codec in appliance/telnet_codec.h. */
#ifndef DRR_PLATFORM_TELNET_H
#define DRR_PLATFORM_TELNET_H

#include <stdbool.h>

#include "platform/transport.h"

/* HOST must outlive the transport. ALLOW_REMOTE false: every address that HOST resolves to must be a loopback address
 * (127.0.0.0/8, ::1), else ERROR_CONFIG that names the key `cleartext`. Name resolution as with ssh_open(). */
struct transport *telnet_open(const char *host, unsigned port, bool allow_remote, struct error *error);

#endif
