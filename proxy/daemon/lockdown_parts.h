/* Private to the lock: its two large parts. Each writes its word. */
#ifndef MAILMUX_LOCKDOWN_PARTS_H
#define MAILMUX_LOCKDOWN_PARTS_H

#include "lockdown.h"
#include <stdio.h>
#include <string.h>

/* Writes "no-" and the name of the error. */
static inline void lockdown_say_no(char word[LOCKDOWN_WORD_MAX], int error)
{
    const char *name = strerrorname_np(error);

    (void)snprintf(word, LOCKDOWN_WORD_MAX, "no-%s", name ? name : "unknown");
}

/* Takes away all files but those that are named here (Landlock). */
void lockdown_files(const char *state_directory, char word[LOCKDOWN_WORD_MAX]);

/* Takes away all system calls but those of the list (seccomp). Nothing may be locked after it. */
void lockdown_calls(char word[LOCKDOWN_WORD_MAX]);

#endif
