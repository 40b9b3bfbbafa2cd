/* expat: names without namespaces, UTF-8 out, no document type definitions beyond their syntax: entities other than the five of XML are
 * errors (XML_GE 0), so there is nothing to expand. */
#define XML_GE 0
#define XML_CONTEXT_BYTES 0 /* no excerpts of the input in errors: they could hold a secret */
#define HAVE_GETRANDOM 1    /* salts its hash tables */
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define BYTEORDER 4321
#define WORDS_BIGENDIAN 1
#else
#define BYTEORDER 1234
#endif
