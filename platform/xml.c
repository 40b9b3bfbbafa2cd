/* xml.c - expat without its namespaces: a prefix that nobody declared is no reason to lose an answer, and the names alone are looked at. */
#include "platform/xml.h"

#include <expat.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
	PIECE_BYTES = 16384,        /* what expat gets at once */
	TOKEN_MAX_BYTES = 256 * 1024, /* an unfinished tag, comment or instruction, which expat holds as a whole */
};

/* What expat holds, all parsers together: it calls its allocator without a context, and it keeps every name that it has met. One thread only. */
static size_t held_bytes;

struct block {
	_Alignas(max_align_t) size_t bytes;
};

static bool fits(size_t more_bytes)
{
	return more_bytes <= XML_MEMORY_MAX_BYTES && held_bytes <= XML_MEMORY_MAX_BYTES - more_bytes;
}

static void *take(size_t bytes)
{
	struct block *block = fits(bytes) ? malloc(sizeof *block + bytes) : NULL;

	if (!block)
		return NULL;
	block->bytes = bytes;
	held_bytes += bytes;
	return block + 1;
}

static void give(void *memory)
{
	struct block *block = memory;

	if (!block)
		return;
	block--;
	held_bytes -= block->bytes;
	free(block);
}

static void *resize(void *memory, size_t bytes)
{
	struct block *block = memory;
	size_t before;

	if (!memory)
		return take(bytes);
	before = (--block)->bytes;
	if (bytes > before && !fits(bytes - before))
		return NULL;
	block = realloc(block, sizeof *block + bytes);
	if (!block)
		return NULL;
	block->bytes = bytes;
	held_bytes = held_bytes - before + bytes;
	return block + 1;
}

struct xml {
	const struct xml_functions *functions;
	void *context;
	XML_Parser parser;
	struct error *error; /* the caller's, during xml_input() */
	uint64_t fed_bytes;
	unsigned depth;
	bool stopped;        /* expat may still call, for what it has read already */
	bool failed;
};

static const char next_step[] = "try again; when it stays so, send the same request by hand (curl) and look at the answer";

static void stop(struct xml *xml)
{
	xml->stopped = true;
	(void)XML_StopParser(xml->parser, XML_FALSE);
}

static void refuse(struct xml *xml, const char *what)
{
	(void)error_set(xml->error, ERROR_ANSWER, next_step, "the answer is XML that is not read: %s", what);
	stop(xml);
}

static const char *local_name(const char *name)
{
	const char *colon = strrchr(name, ':');

	return colon ? colon + 1 : name;
}

/* ---- expat's handlers */

/* Pairs of ALL without namespace declarations to KEPT. False: a limit. */
static bool keep_attributes(const XML_Char **all, const char **kept)
{
	size_t count = 0;

	for (; all[0]; all += 2) {
		if (strcmp(all[0], "xmlns") == 0 || strncmp(all[0], "xmlns:", 6) == 0)
			continue;
		if (count == 2 * XML_ATTRIBUTES_MAX || strlen(all[0]) >= XML_NAME_BYTES)
			return false;
		kept[count++] = local_name(all[0]);
		kept[count++] = all[1];
	}
	kept[count] = NULL;
	return true;
}

static void XMLCALL on_start(void *context, const XML_Char *name, const XML_Char **attributes)
{
	const char *kept[2 * XML_ATTRIBUTES_MAX + 1];
	struct xml *xml = context;

	if (xml->stopped)
		return;
	if (xml->depth == XML_DEPTH_MAX)
		refuse(xml, "it is nested too deeply");
	else if (strlen(name) >= XML_NAME_BYTES || !keep_attributes(attributes, kept))
		refuse(xml, "a name is too long, or there are too many attributes");
	else if (xml->functions->start(xml->context, local_name(name), kept))
		stop(xml);
	xml->depth++;
}

static void XMLCALL on_text(void *context, const XML_Char *bytes, int count)
{
	struct xml *xml = context;

	if (!xml->stopped && xml->functions->text(xml->context, bytes, (size_t)count))
		stop(xml);
}

static void XMLCALL on_end(void *context, const XML_Char *name)
{
	struct xml *xml = context;

	if (xml->stopped)
		return;
	xml->depth--;
	if (xml->functions->end(xml->context, local_name(name)))
		stop(xml);
}

static void XMLCALL on_doctype(void *context, const XML_Char *name, const XML_Char *system_id, const XML_Char *public_id, int internal)
{
	(void)name;
	(void)system_id;
	(void)public_id;
	(void)internal;
	refuse(context, "it has a document type");
}

/* ---- interface */

struct xml *xml_open(const struct xml_functions *functions, void *context)
{
	static const XML_Memory_Handling_Suite counted = {take, resize, give};
	struct xml *xml = calloc(1, sizeof *xml);

	if (!xml)
		return NULL;
	xml->functions = functions;
	xml->context = context;
	xml->parser = XML_ParserCreate_MM(NULL, &counted, NULL);
	if (!xml->parser) {
		free(xml);
		return NULL;
	}
	XML_SetUserData(xml->parser, xml);
	XML_SetElementHandler(xml->parser, on_start, on_end);
	XML_SetCharacterDataHandler(xml->parser, on_text);
	XML_SetStartDoctypeDeclHandler(xml->parser, on_doctype);
	return xml;
}

/* expat said no. */
static int explain(struct xml *xml)
{
	enum XML_Error code = XML_GetErrorCode(xml->parser);

	if (xml->stopped)
		return -1; /* whoever stopped has filled the error */
	if (code == XML_ERROR_NO_MEMORY)
		return error_set(xml->error, ERROR_ANSWER, next_step, "the answer is XML that is not read: it takes more than %d bytes of memory", XML_MEMORY_MAX_BYTES);
	return error_set(xml->error, ERROR_ANSWER, next_step, "the answer is no XML: %s (line %lu)", XML_ErrorString(code),
			 (unsigned long)XML_GetCurrentLineNumber(xml->parser));
}

static int feed(struct xml *xml, const char *bytes, size_t count, bool last)
{
	XML_Index at;

	if (XML_Parse(xml->parser, bytes, (int)count, last) != XML_STATUS_OK)
		return explain(xml);
	xml->fed_bytes += count;
	at = XML_GetCurrentByteIndex(xml->parser); /* where the unfinished token begins; -1: there is none */
	if (at < 0 || xml->fed_bytes - (uint64_t)at <= TOKEN_MAX_BYTES)
		return 0;
	return error_set(xml->error, ERROR_ANSWER, next_step, "the answer is XML that is not read: a tag or comment is longer than %d bytes", TOKEN_MAX_BYTES);
}

int xml_input(struct xml *xml, const char *bytes, size_t count_bytes, int last, struct error *error)
{
	int status = 0;

	xml->error = error;
	if (xml->failed)
		return error_set(error, ERROR_ANSWER, next_step, "the answer could not be read before");
	do {
		size_t piece = count_bytes < PIECE_BYTES ? count_bytes : PIECE_BYTES;

		status = feed(xml, bytes, piece, last && piece == count_bytes);
		count_bytes -= piece;
		if (count_bytes > 0)
			bytes += piece;
	} while (status == 0 && count_bytes > 0);
	xml->failed = status != 0;
	xml->error = NULL;
	return status;
}

void xml_close(struct xml *xml)
{
	if (!xml)
		return;
	XML_ParserFree(xml->parser);
	free(xml);
}
