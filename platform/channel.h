/* channel.h - frames between two processes over a SOCK_SEQPACKET pair: a datagram is a frame, a descriptor may come along. */
#ifndef DRR_PLATFORM_CHANNEL_H
#define DRR_PLATFORM_CHANNEL_H

#include "base/error.h"
#include "base/frame.h"

/* Makes a connected pair, non-blocking and close-on-exec, with room for a frame of the largest size. 0 or -1. */
int channel_pair(int ends[2], struct error *error);

/* Sends FRAME, with the descriptor PASSED where it is not -1 (still the caller's). 0: sent; 1: the other side does not read, nothing was sent (poll for POLLOUT); -1: it is gone, or
 * FRAME breaks the rules of frame.h. Safe to call from several threads. */
int channel_send(int fd, const struct frame *frame, int passed, struct error *error);

enum channel_read { CHANNEL_FRAME, CHANNEL_NOTHING, CHANNEL_CLOSED, CHANNEL_BAD };

/* Receives one frame into MEMORY (FRAME_MAX_BYTES), to which FRAME then points. *passed: a descriptor (the caller's to close), or -1. CHANNEL_BAD: something that is no frame. */
enum channel_read channel_receive(int fd, char *memory, struct frame *frame, int *passed);

#endif
