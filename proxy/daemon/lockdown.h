/*
 * The service's lock: what it can no longer do from here on, even if it is taken over. Decision 25
 * says why it is these four, docs/developer/system-calls.md which system calls are left.
 *
 * Not part of it: core dumps and the view of other processes into this one's memory, which are a
 * setting (privileges_hide_memory).
 */
#ifndef MAILMUX_LOCKDOWN_H
#define MAILMUX_LOCKDOWN_H

enum { LOCKDOWN_WORD_MAX = 40 };

/* What holds, for the line `ready`: "yes", or "no-" and why: kernel, sanitizer, or an errno. */
struct lockdown_words {
    char no_new_privs[LOCKDOWN_WORD_MAX];
    char capabilities[LOCKDOWN_WORD_MAX]; /* "none" if none is left */
    char seccomp[LOCKDOWN_WORD_MAX];
    char landlock[LOCKDOWN_WORD_MAX]; /* "abi" and the number of what the kernel has */
};

/*
 * Locks the process for good. Call it while there is one thread; the threads that it starts are
 * locked with it. The process is its user already, has hidden its memory, and has its
 * configuration. Afterwards it can open files below state_directory (NULL: there is none), and what
 * the system's libraries read: the public files of /etc and /usr. Whatever else it needs is handed
 * to it as a descriptor.
 *
 * Never fails: what the kernel refuses is said in *out. A build with a sanitizer has no_new_privs
 * alone, since the sanitizer traces the process at its end.
 */
void lockdown_begin(const char *state_directory, struct lockdown_words *out);

#endif
