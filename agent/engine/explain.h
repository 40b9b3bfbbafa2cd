/* explain.h - the state tables, of a run and of the watchdog, in sentences, as a diagram, and as data. */
#ifndef DRR_ENGINE_EXPLAIN_H
#define DRR_ENGINE_EXPLAIN_H

#include <stdio.h>

void explain_text(FILE *out);
void explain_mermaid(FILE *out);
void explain_json(FILE *out);

void explain_watchdog_text(FILE *out);
void explain_watchdog_mermaid(FILE *out);
void explain_watchdog_json(FILE *out);

#endif
