/* spki.h - what pins, addresses and uses need out of a DER certificate (RFC 5280), without a library. Pure; takes any bytes. Definite lengths only. */
#ifndef DRR_BASE_SPKI_H
#define DRR_BASE_SPKI_H

#include <stdbool.h>
#include <stddef.h>

/* True: *START and *LENGTH are the whole SubjectPublicKeyInfo element (tag and length included) inside CERTIFICATE. False: no such
 * structure. */
bool spki_find(const unsigned char *certificate, size_t certificate_bytes, size_t *start, size_t *length_bytes);

/* True: the subjectAltName extension names this address (iPAddress; 4 or 16 bytes in network order). */
bool spki_names_address(const unsigned char *certificate, size_t certificate_bytes, const unsigned char *address, size_t address_bytes);

/* False: an extKeyUsage extension says what the certificate is for, and neither serverAuth nor any use is named (RFC 5280, 4.2.1.12). True also where there is none. */
bool spki_is_for_servers(const unsigned char *certificate, size_t certificate_bytes);

#endif
