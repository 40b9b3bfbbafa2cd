/* cert.h - the verb cert: key and certificate of the HTTPS endpoint, and of its clients. */
#ifndef DRR_CERT_CERT_H
#define DRR_CERT_CERT_H

#include <stdbool.h>

#include "config.h"

enum { CERT_SOON_DAYS = 30 }; /* a certificate that ends earlier is worth a line */

struct cert_request {
	const char *word;        /* init, csr or show */
	const char *config_path; /* not read with client */
	const char *client, *out; /* for a client of this name, in this folder; NULL: for the endpoint of the configuration */
	const char *names;       /* more host names and addresses, separated by commas; NULL: none */
	bool renew;              /* init: another certificate for the key that is there */
	bool json;               /* show */
};

/* Returns the exit code and has told everything: 0; 2: usage or configuration, and show found something that is expired, does not belong together or cannot
 * be used; 3: there is a key (a certificate) already, nothing was changed. */
int cert_execute(const struct cert_request *request);

/* The word show, of cert_execute(). */
int cert_show(const struct config *config, bool json);

#endif
