/*
 * Child processes: one that goes on in this program, joined to it by two sockets, and one that
 * tries another program. Main thread of a process that has no other.
 */
#ifndef MAILMUX_CHILD_H
#define MAILMUX_CHILD_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

/* The two sockets of a child (see words.h), on either side. */
struct child_sockets {
    int requests;
    int orders;
};

/* Runs in the child. Returns its exit status. */
typedef int child_run(const struct child_sockets *sockets, void *argument);

/*
 * Starts a child. It ignores the signals that the keeper takes, since it gets orders, and has no
 * descriptors but the standard ones and the sockets. Returns its pid, and the parent's ends of the
 * sockets in *out; -1 with errno set on failure.
 */
pid_t child_start(const char *title, child_run *run, void *argument, struct child_sockets *out);

struct child_trial {
    pid_t pid; /* 0: none */
    int words; /* a file of what it says */
};

/*
 * Starts the program with --dump, to learn whether it runs and takes the configuration. On failure
 * pid is -1, and errno is set.
 */
struct child_trial child_try(const char *program, const char *configuration);

enum { CHILD_END_MAX = 512 };

/* Writes how a child has ended, from the status of waitpid. Returns out. */
const char *child_end(int status, char out[CHILD_END_MAX]);

/*
 * Takes the trial, which has ended so. Returns true if the program runs, or false with the reason
 * in out; mistakes in the configuration have been logged.
 */
bool child_trial_end(struct child_trial *trial, int status, char out[CHILD_END_MAX]);

/*
 * Writes the path of the program that this process runs: the name that it was started with, if this
 * is a whole path or /proc is not there.
 * Call it early: later another file may be in its place.
 */
void child_find_program(const char *name, char out[PATH_MAX]);

#endif
