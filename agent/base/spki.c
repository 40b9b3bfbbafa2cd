#include "base/spki.h"

#include <string.h>

enum {
	TAG_BOOLEAN = 0x01,
	TAG_INTEGER = 0x02,
	TAG_BIT_STRING = 0x03,
	TAG_OCTET_STRING = 0x04,
	TAG_OID = 0x06,
	TAG_SEQUENCE = 0x30,
	TAG_VERSION = 0xa0,    /* [0] */
	TAG_ISSUER_ID = 0xa1,  /* [1] and [2]: primitive (0x81, 0x82) in DER, constructed in what some write */
	TAG_SUBJECT_ID = 0xa2,
	TAG_EXTENSIONS = 0xa3, /* [3] */
	TAG_CONSTRUCTED = 0x20,
	TAG_IP_ADDRESS = 0x87, /* [7] of GeneralName */
	LENGTH_BYTES_MAX = 4,
	SUBJECT_ALT_NAME = 17, /* the last part of their object identifiers */
	EXT_KEY_USAGE = 37,
};

struct der {
	const unsigned char *at;
	size_t left;
};

/* Takes the next element off IN. WHOLE: with its tag and length; CONTENT: without. */
static bool next(struct der *in, unsigned *tag, struct der *whole, struct der *content)
{
	size_t head = 2, length;

	if (in->left < head || (in->at[0] & 0x1f) == 0x1f)
		return false;
	length = in->at[1];
	if (length >= 0x80) {
		size_t count = length & 0x7f;

		if (count == 0 || count > LENGTH_BYTES_MAX || count > in->left - head)
			return false;
		length = 0;
		for (size_t i = 0; i < count; i++)
			length = length << 8 | in->at[head + i];
		head += count;
	}
	if (length > in->left - head)
		return false;
	*tag = in->at[0];
	*whole = (struct der){in->at, head + length};
	*content = (struct der){in->at + head, length};
	in->at += head + length;
	in->left -= head + length;
	return true;
}

/* The same for an element that must be of this TAG. CONTENT may be IN. */
static bool expect(struct der *in, unsigned tag, struct der *content)
{
	struct der rest = *in, whole, inner;
	unsigned met;

	if (!next(&rest, &met, &whole, &inner) || met != tag)
		return false;
	*in = rest;
	*content = inner;
	return true;
}

/* SPKI: the whole element; REST: what follows it in the TBSCertificate. */
static bool find(const unsigned char *certificate, size_t certificate_bytes, struct der *spki, struct der *rest)
{
	struct der in = {certificate, certificate_bytes}, tbs, skipped, key;
	unsigned tag;

	if (!expect(&in, TAG_SEQUENCE, &tbs) || in.left != 0)
		return false;
	in = tbs;
	if (!expect(&in, TAG_SEQUENCE, &tbs))
		return false;
	(void)expect(&tbs, TAG_VERSION, &skipped);
	if (!expect(&tbs, TAG_INTEGER, &skipped))
		return false;
	for (int i = 0; i < 4; i++) /* signature algorithm, issuer, validity, subject */
		if (!expect(&tbs, TAG_SEQUENCE, &skipped))
			return false;
	if (!next(&tbs, &tag, spki, &key) || tag != TAG_SEQUENCE)
		return false;
	*rest = tbs;
	return expect(&key, TAG_SEQUENCE, &skipped) && expect(&key, TAG_BIT_STRING, &skipped) && key.left == 0;
}

bool spki_find(const unsigned char *certificate, size_t certificate_bytes, size_t *start, size_t *length_bytes)
{
	struct der spki, rest;

	if (!find(certificate, certificate_bytes, &spki, &rest))
		return false;
	*start = (size_t)(spki.at - certificate);
	*length_bytes = spki.left;
	return true;
}

static bool is_oid(const struct der *id, const unsigned char *wanted, size_t wanted_bytes)
{
	return id->left == wanted_bytes && memcmp(id->at, wanted, wanted_bytes) == 0;
}

/* The content of the sequence that is the value of the extension 2.5.29.NUMBER. */
static bool find_extension(struct der tbs, unsigned char number, struct der *value)
{
	const unsigned char wanted[] = {0x55, 0x1d, number};
	struct der extension, id, skipped;

	for (unsigned tag = TAG_ISSUER_ID; tag <= TAG_SUBJECT_ID; tag++)
		if (!expect(&tbs, tag, &skipped))
			(void)expect(&tbs, tag ^ TAG_CONSTRUCTED, &skipped);
	if (!expect(&tbs, TAG_EXTENSIONS, &tbs) || !expect(&tbs, TAG_SEQUENCE, &tbs))
		return false;
	while (expect(&tbs, TAG_SEQUENCE, &extension)) {
		if (!expect(&extension, TAG_OID, &id))
			return false;
		if (!is_oid(&id, wanted, sizeof wanted))
			continue;
		(void)expect(&extension, TAG_BOOLEAN, &skipped); /* critical */
		return expect(&extension, TAG_OCTET_STRING, &extension) && expect(&extension, TAG_SEQUENCE, value);
	}
	return false;
}

bool spki_names_address(const unsigned char *certificate, size_t certificate_bytes, const unsigned char *address, size_t address_bytes)
{
	struct der spki, rest, names, whole, name;
	unsigned tag;

	if (!find(certificate, certificate_bytes, &spki, &rest) || !find_extension(rest, SUBJECT_ALT_NAME, &names))
		return false;
	while (next(&names, &tag, &whole, &name))
		if (tag == TAG_IP_ADDRESS && name.left == address_bytes && memcmp(name.at, address, address_bytes) == 0)
			return true;
	return false;
}

bool spki_is_for_servers(const unsigned char *certificate, size_t certificate_bytes)
{
	static const unsigned char server_auth[] = {0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01}, any[] = {0x55, 0x1d, EXT_KEY_USAGE, 0x00};
	struct der spki, rest, uses, id;

	if (!find(certificate, certificate_bytes, &spki, &rest) || !find_extension(rest, EXT_KEY_USAGE, &uses))
		return true;
	while (expect(&uses, TAG_OID, &id))
		if (is_oid(&id, server_auth, sizeof server_auth) || is_oid(&id, any, sizeof any))
			return true;
	return false;
}
