/* ours.h - whether a log line speaks about the domain that this agent serves. A target in another domain (default, say) can carry the events of
 * several; then each line names its domain, and the waiting line of another domain's service confirms nothing here. */
#ifndef DRR_ENGINE_OURS_H
#define DRR_ENGINE_OURS_H

#include "base/text.h"
#include "config.h"
#include "watch/line.h"

static inline bool ours_is(const struct config *config, const struct line *line)
{
	return line->domain_bytes == 0 || text_equal(line->domain, line->domain_bytes, config->appliance.domain);
}

#endif
