/* board.h - the live table of a run on a terminal: member by step, how long, and what is waited for. Elsewhere it does nothing. */
#ifndef DRR_GROUP_BOARD_H
#define DRR_GROUP_BOARD_H

#include "group/team.h"

void board_show(struct team *team);
/* Takes it away, so that a line can be written. */
void board_clear(struct team *team);
/* When it wants to be shown again; MONO_NEVER where there is no terminal. */
struct mono board_again(const struct team *team);

#endif
