/*
 * A generation: one service process, as the keeper sees it. Of several, the last that became ready
 * accepts connections, and the earlier ones serve their sessions to the end. One thread.
 */
#ifndef MAILMUX_GENERATION_H
#define MAILMUX_GENERATION_H

#include "mailmux/config.h"
#include "words.h"

enum generation_state {
    GENERATION_NONE,     /* this place is free */
    GENERATION_STARTING, /* it has not said yet that it serves */
    GENERATION_SERVING,
    GENERATION_RETIRED, /* another one has taken over */
};

enum { GENERATION_STATUS_MAX = 160 };

struct generation {
    enum generation_state state;
    unsigned number; /* counts from 1 */
    pid_t pid;
    int requests;      /* -1: the other side is gone */
    int orders;        /* likewise */
    uint64_t since_ms; /* when it was started */
    char status[GENERATION_STATUS_MAX];
};

enum generation_why {
    GENERATION_FIRST,
    GENERATION_RELOAD,  /* a setting has changed that a process has for its whole life */
    GENERATION_UPGRADE, /* the program has changed */
    GENERATION_RESTART  /* the one before it has died */
};

/* What a service process is given. */
struct service_start {
    const char *file;
    struct config *config; /* the service's own copy; it frees it */
    unsigned generation;   /* counts from 1 */
    enum generation_why why;
    int requests;
    int orders;
};

/* Runs the service in its own process. Returns the exit status. */
typedef int generation_run(const struct service_start *start);

/*
 * Starts a process that runs `run` with *start and with its sockets. Returns false with errno set.
 */
bool generation_start(
    struct generation *generation, const struct service_start *start, generation_run *run);

/* Closes its sockets. The place becomes free. */
void generation_end(struct generation *generation);

/* Ends the process at once; what becomes of it is seen when it is reaped. */
void generation_kill(const struct generation *generation);

/* Sends an order; one that is gone gets none. */
void generation_order(const struct generation *generation, enum word_order order);

#endif
