/* logtarget.h - what the agent's own log target on the appliance is made of, for both ways of making it. Pure. */
#ifndef DRR_APPLIANCE_LOGTARGET_H
#define DRR_APPLIANCE_LOGTARGET_H

#include <stddef.h>

enum {
	LOGTARGET_SIZE_KB = 500,   /* of one file: with single event codes days of log */
	LOGTARGET_ROTATIONS = 3,   /* older files that are kept */
};

/* An event that means something to a run: the codes of watch/line.h. */
struct logtarget_code {
	const char *code;     /* 0x88e000d7 */
	const char *category; /* apic-gw-service */
};

extern const struct logtarget_code logtarget_codes[];
extern const size_t logtarget_code_count;

/* Categories the codes belong to, and the least important level that the target takes of them. */
struct logtarget_class {
	const char *category, *level;
};

extern const struct logtarget_class logtarget_classes[];
extern const size_t logtarget_class_count;

#endif
