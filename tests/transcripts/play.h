/* One run of a transcript. */
#ifndef TRANSCRIPT_PLAY_H
#define TRANSCRIPT_PLAY_H

#include "script.h"

/* Once, before the first run: memory for all of them. */
bool play_init(void);
void play_deinit(void);

/*
 * Every write comes in segments of at most `segment` octets, or, where split > 0, in two: up to
 * that offset, and the rest. Says on stderr what came out wrong, and returns false.
 */
bool play_run(const struct script *script, size_t segment, size_t split);

#endif
