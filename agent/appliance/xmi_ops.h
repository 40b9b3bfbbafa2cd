/* xmi_ops.h - the operations of xmi.h as lists of requests, and what their answers mean for the facts. Private to xmi*.c. */
#ifndef DRR_APPLIANCE_XMI_OPS_H
#define DRR_APPLIANCE_XMI_OPS_H

#include "appliance/xmi.h"

enum xmi_flag {
	XMI_EFFECT = 1,     /* once it has left, the appliance may have changed */
	XMI_TOLERANT = 2,   /* a refusal is an answer, too: what it would have told stays unknown */
	XMI_IN_DEFAULT = 4, /* asked in domain default */
};

struct xmi_step {
	const char *verb;       /* get-status */
	const char *class_name; /* GatewayPeeringStatus; an action for do-action */
	unsigned flags;
	/* The document, into xmi->request; -1: xmi->error is set. */
	int (*build)(struct xmi *xmi, const struct xmi_step *step, const char *domain);
	const char *const *wanted; /* properties of a row that are kept; NULL: no rows are looked at */
	int (*row)(struct xmi *xmi, const struct soma_row *row, struct error *error); /* a row of this class */
	int (*take)(struct xmi *xmi);           /* the answer is complete and no refusal; may be NULL. -1: xmi->error is set */
	bool (*needed)(const struct xmi *xmi);  /* NULL: always */
};

struct xmi_script {
	const struct xmi_step *steps; /* up to one without a verb; NULL: this way cannot do it */
	void (*begin)(struct xmi *xmi);  /* what was known becomes unknown; may be NULL */
	int (*finish)(struct xmi *xmi);  /* all steps are done; may be NULL. -1: xmi->error is set */
};

const struct xmi_script *xmi_script_of(enum appliance_op op);

#endif
