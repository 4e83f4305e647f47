/* Private to the keeper: what it knows, and how its parts change that. */
#ifndef MAILMUX_KEEPER_STATE_H
#define MAILMUX_KEEPER_STATE_H

#include "child.h"
#include "control.h"
#include "generation.h"
#include "permit.h"
#include "sockets.h"
#include <limits.h>

enum keeper_state {
    KEEPER_STARTING,  /* a service starts, and none serves */
    KEEPER_SERVING,   /* nothing is going on */
    KEEPER_RELOADING, /* the serving one loads the configuration that is coming */
    KEEPER_TRYING,    /* the program on the disk shows whether it runs here */
    KEEPER_REPLACING, /* a service starts that will take over */
    KEEPER_DOWN,      /* the service has died, and another is started soon */
    KEEPER_ENDING     /* the services drain */
};

enum { GENERATIONS_MAX = 8 };

struct keeper {
    const char *file;
    char *const *argv;
    generation_run *run;
    char program[PATH_MAX]; /* of this process, as it was when it started */
    enum keeper_state state;
    enum generation_why why; /* of the service that is started, or of the change that goes on */
    struct permit *current;  /* of the configuration in effect; NULL until the first is */
    struct permit *coming;   /* of the one on its way into effect; NULL: none is */
    struct listening_set sockets;
    struct generation generations[GENERATIONS_MAX];
    unsigned last_number;  /* of the generation that was started last */
    unsigned deaths;       /* of services that were not asked to end */
    unsigned quick_deaths; /* of these, the last in a row that came soon */
    uint64_t due_ms;       /* when changes_due is called; UINT64_MAX: never */
    bool has_served;
    bool reload_wanted; /* came while something else was going on */
    bool upgrade_wanted;
    char errors[WORD_MAX]; /* what went wrong in the change that goes on, in lines */
    struct child_trial trial;
    int exit_status;
    bool is_over;
    struct control control;
};

/* ---- services.c: the service processes of all generations ---- */

/* Returns one in this state, or NULL. */
struct generation *services_find(struct keeper *keeper, enum generation_state state);

/* Gives an order to all. */
void services_order(struct keeper *keeper, enum word_order order);

/*
 * Starts one with the configuration that is coming, or with the one that was in effect. Returns
 * false, having logged why, if this cannot be.
 */
bool services_start(struct keeper *keeper);

/* Ends those that do not answer: all of them, or those that are starting. */
void services_kill(const struct keeper *keeper, bool are_all);

/* ---- changes.c: reloads, replacements and upgrades ---- */

/* Begins to start: reads the configuration. Returns false, having logged why, if it has errors. */
bool changes_start(struct keeper *keeper);

/* Goes on with an upgrade in the new program. */
void changes_resume(struct keeper *keeper);

/* What was asked for by a signal, or over the control socket; it waits for its turn. */
void changes_reload(struct keeper *keeper);
void changes_upgrade(struct keeper *keeper);

/* The configuration that is coming is in effect. Returns false if none can be. */
bool changes_commit(struct keeper *keeper, const struct generation *generation);

/* The service has told WORD_SERVING, or WORD_REFUSED. */
void changes_serving(struct keeper *keeper, struct generation *generation, const char *summary);
void changes_refused(struct keeper *keeper, const struct generation *generation, const char *why);

/* A process has ended. status: as of waitpid. */
void changes_trial_over(struct keeper *keeper, int status);
void changes_service_over(struct keeper *keeper, struct generation *generation, int status);

/* due_ms is over. */
void changes_due(struct keeper *keeper);

/* The first end begins the drain, the second cuts it short. */
void changes_end(struct keeper *keeper, enum word_order order);

/* ---- requests.c: what a service says; it may have been taken over ---- */

/* Answers what a service asks for. */
void requests_answer(struct keeper *keeper, struct generation *generation, const struct word *word);

/* Takes what a service tells. */
void requests_take_news(
    struct keeper *keeper, struct generation *generation, const struct word *word);

/* ---- handover.c: the program executes another in its place ---- */

/* Returns only on failure, with errno set. */
void handover_execute(const struct keeper *keeper);

/* Returns whether this program was executed so. It has then taken over what the other one had. */
bool handover_take(struct keeper *keeper);

#endif
