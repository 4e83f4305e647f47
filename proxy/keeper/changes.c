#include "child.h"
#include "keeper_state.h"
#include "mailmux/clock.h"
#include "mailmux/log.h"
#include "systemd.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

enum {
    STEADY_MS = 60000, /* a service that lived so long has not died soon */
    PAUSE_MS = 1000,   /* between two starts; it is doubled */
    DOUBLINGS_MAX = 6, /* so the pause stays below the watchdog of systemd */
    TRIAL_MAX_MS = 10000,
    READY_MAX_MS = 60000, /* a service that takes longer to start or to reload hangs */
    CUT_MAX_MS = 5000     /* likewise, to cut its sessions */
};

/* ---- How a change ends ---- */

static void begin_reload(struct keeper *keeper);
static void begin_trial(struct keeper *keeper);

static void wait_at_most(struct keeper *keeper, uint64_t ms)
{
    keeper->due_ms = clock_monotonic_ms() + ms;
}

static void settle(struct keeper *keeper, enum control_outcome outcome, const char *text)
{
    keeper->state = KEEPER_SERVING;
    keeper->due_ms = UINT64_MAX;
    control_answer(&keeper->control, outcome, text);
    keeper->errors[0] = '\0';
    systemd_notify("READY=1\n");
    if (keeper->upgrade_wanted)
        begin_trial(keeper);
    else if (keeper->reload_wanted)
        begin_reload(keeper);
}

/*
 * The first is started at once; the pause grows with each service that dies soon. What was ordered
 * meanwhile may be the remedy, and does not wait. systemd hears that the keeper is well.
 */
static void come_back(struct keeper *keeper, bool was_quick)
{
    unsigned doublings;

    control_answer(&keeper->control, CONTROL_FAILED, keeper->errors);
    keeper->errors[0] = '\0';
    keeper->quick_deaths = was_quick ? keeper->quick_deaths + 1 : 1;
    doublings = keeper->quick_deaths < DOUBLINGS_MAX ? keeper->quick_deaths : DOUBLINGS_MAX;
    keeper->state = KEEPER_DOWN;
    keeper->why = GENERATION_RESTART;
    if (keeper->reload_wanted || keeper->upgrade_wanted)
        doublings = 0;
    wait_at_most(keeper, doublings < 2 ? 0 : (uint64_t)PAUSE_MS << (doublings - 2));
    systemd_notify("WATCHDOG=1\n");
}

/* Neither the configuration nor a socket that was opened for it is left behind. */
static void drop_coming(struct keeper *keeper)
{
    permit_free(&keeper->coming);
    listening_set_undo(&keeper->sockets);
}

/* What was to come does not. The service that serves goes on; if there is none, one is started. */
static void give_up(struct keeper *keeper, const char *why)
{
    drop_coming(keeper);
    log_message(LOG_ERROR,
        keeper->why == GENERATION_UPGRADE  ? "upgrade-failed"
        : keeper->why == GENERATION_RELOAD ? "reload-failed"
                                           : "start-failed",
        "%s", why);
    if (services_find(keeper, GENERATION_SERVING))
        settle(keeper, CONTROL_FAILED, keeper->errors);
    else
        come_back(keeper, true);
}

/* ---- Starting ---- */

/* Reads what is to come. The caller frees the report. */
static bool read_coming(struct keeper *keeper, struct config_report *report)
{
    permit_free(&keeper->coming);
    keeper->coming = permit_read(keeper->file, report);
    if (!keeper->current)
        log_setup(report->log_format, report->log_level);
    return keeper->coming && permit_config(keeper->coming);
}

/* Reads what a new service will be given, which does not read it again. */
static bool read_for_new(struct keeper *keeper)
{
    struct config_report report;
    bool is_good = read_coming(keeper, &report);

    config_report_log(&report);
    config_report_free(&report);
    return is_good;
}

bool changes_start(struct keeper *keeper)
{
    return read_for_new(keeper) && services_start(keeper);
}

/* ---- Reloads and replacements ---- */

static void begin_replacing(struct keeper *keeper)
{
    keeper->state = KEEPER_REPLACING;
    wait_at_most(keeper, READY_MAX_MS);
    if (!services_start(keeper))
        give_up(keeper, "no service could be started; nothing has changed");
}

static void begin_reload(struct keeper *keeper)
{
    struct config_report report;
    bool needs_new;

    keeper->reload_wanted = false;
    keeper->why = GENERATION_RELOAD;
    control_run(&keeper->control, CONTROL_RELOAD);
    systemd_notify_reloading();
    needs_new = read_coming(keeper, &report) &&
                (!keeper->current || config_needs_new_service(permit_config(keeper->current),
                                         permit_config(keeper->coming)));
    if (needs_new) /* else the service reads it again, and logs the problems itself */
        config_report_log(&report);
    config_report_free(&report);
    if (needs_new) {
        begin_replacing(keeper);
        return;
    }
    keeper->state = KEEPER_RELOADING;
    wait_at_most(keeper, READY_MAX_MS);
    generation_order(services_find(keeper, GENERATION_SERVING), WORD_RELOAD);
}

void changes_reload(struct keeper *keeper)
{
    keeper->reload_wanted = true;
    if (keeper->state == KEEPER_SERVING)
        begin_reload(keeper);
    else if (keeper->state == KEEPER_DOWN)
        wait_at_most(keeper, 0);
}

bool changes_commit(struct keeper *keeper, const struct generation *generation)
{
    const struct config *config = permit_config(keeper->coming ? keeper->coming : keeper->current);
    bool is_expected = generation->state == GENERATION_STARTING ||
                       (generation->state == GENERATION_SERVING &&
                           (keeper->state == KEEPER_RELOADING || keeper->state == KEEPER_ENDING));

    if (!is_expected || !config || !sockets_keep(&keeper->sockets, config))
        return false;
    if (keeper->coming) {
        permit_free(&keeper->current);
        keeper->current = keeper->coming;
        keeper->coming = NULL;
        log_setup(config->proxy.log_format, config->proxy.log_level);
    }
    control_open(&keeper->control, config->proxy.state_directory);
    return true;
}

void changes_serving(struct keeper *keeper, struct generation *generation, const char *summary)
{
    struct generation *before = services_find(keeper, GENERATION_SERVING);

    if (keeper->state == KEEPER_ENDING || keeper->coming) /* it has not committed */
        return;
    if (generation->state == GENERATION_STARTING) {
        if (before) {
            generation_order(before, WORD_RETIRE);
            before->state = GENERATION_RETIRED;
        }
        generation->state = GENERATION_SERVING;
        keeper->has_served = true;
        settle(keeper, CONTROL_DONE, summary);
    } else if (keeper->state == KEEPER_RELOADING) {
        settle(keeper, CONTROL_DONE, summary);
    }
}

void changes_refused(struct keeper *keeper, const struct generation *generation, const char *why)
{
    if (generation->state == GENERATION_STARTING) /* it says so before it ends */
        (void)snprintf(keeper->errors, sizeof(keeper->errors), "%s", why);
    if (keeper->state != KEEPER_RELOADING || generation->state != GENERATION_SERVING)
        return;
    drop_coming(keeper);
    settle(keeper, CONTROL_FAILED, why);
}

/* ---- Upgrades ---- */

/* The program on the disk is run first, to learn whether it runs here at all. */
static void begin_trial(struct keeper *keeper)
{
    keeper->upgrade_wanted = false;
    keeper->why = GENERATION_UPGRADE;
    control_run(&keeper->control, CONTROL_UPGRADE);
    systemd_notify_reloading();
    keeper->trial = child_try(keeper->program, keeper->file);
    keeper->state = KEEPER_TRYING;
    wait_at_most(keeper, TRIAL_MAX_MS);
    if (keeper->trial.pid < 0)
        give_up(keeper, "no process could be started; nothing has changed");
}

void changes_upgrade(struct keeper *keeper)
{
    keeper->upgrade_wanted = true;
    if (keeper->state == KEEPER_SERVING)
        begin_trial(keeper);
    else if (keeper->state == KEEPER_DOWN)
        wait_at_most(keeper, 0);
}

void changes_trial_over(struct keeper *keeper, int status)
{
    char end[CHILD_END_MAX];
    char why[PATH_MAX + 2 * CHILD_END_MAX];
    bool runs = child_trial_end(&keeper->trial, status, end);

    if (keeper->state != KEEPER_TRYING)
        return;
    if (runs) {
        handover_execute(keeper);
        (void)snprintf(end, sizeof(end), "%s", strerror(errno));
    }
    (void)snprintf(
        why, sizeof(why), "%s cannot be run: %s; nothing has changed", keeper->program, end);
    give_up(keeper, why);
}

void changes_resume(struct keeper *keeper)
{
    keeper->why = GENERATION_UPGRADE;
    control_run(&keeper->control, CONTROL_UPGRADE);
    if (read_for_new(keeper))
        begin_replacing(keeper);
    else
        give_up(keeper, "the configuration has errors; nothing has changed");
}

/* ---- Ends ---- */

static void log_death(const struct keeper *keeper, const struct generation *generation, int status)
{
    char end[CHILD_END_MAX];
    struct log_line line;

    log_open(&line, LOG_ERROR, "service-died");
    log_text(&line, "reason", slice_from(child_end(status, end)));
    log_number(&line, "generation", generation->number);
    log_number(&line, "pid", (uint64_t)generation->pid);
    log_number(&line, "deaths", keeper->deaths);
    log_write(&line);
}

/* The first service that could not start leaves its exit status to the keeper. */
static void start_failed(struct keeper *keeper, int status)
{
    if (keeper->state == KEEPER_REPLACING || (keeper->coming && keeper->has_served)) {
        give_up(
            keeper, services_find(keeper, GENERATION_SERVING)
                        ? "the new service could not start, see its messages; nothing has changed"
                        : "no service could be started, see its messages; another try follows");
    } else if (keeper->has_served) {
        come_back(keeper, true);
    } else {
        keeper->exit_status = WIFEXITED(status) && WEXITSTATUS(status) ? WEXITSTATUS(status) : 1;
        keeper->is_over = true;
    }
}

/*
 * While it is TRYING or REPLACING, what follows decides whether another one is started. A trial
 * that hangs has no more time then.
 */
static void serving_died(struct keeper *keeper, bool was_quick)
{
    if (keeper->state == KEEPER_RELOADING)
        give_up(keeper, "the service has died; nothing has changed");
    else if (keeper->state == KEEPER_SERVING)
        come_back(keeper, was_quick);
    else if (keeper->state == KEEPER_TRYING)
        wait_at_most(keeper, PAUSE_MS);
}

void changes_service_over(struct keeper *keeper, struct generation *generation, int status)
{
    struct generation was = *generation;
    bool is_asked_for = was.state == GENERATION_RETIRED || keeper->state == KEEPER_ENDING;
    bool has_said_why = was.state == GENERATION_STARTING && keeper->errors[0] && WIFEXITED(status);

    generation_end(generation);
    if ((keeper->has_served || WIFSIGNALED(status)) && !has_said_why &&
        (status != 0 || !is_asked_for)) {
        keeper->deaths++;
        log_death(keeper, &was, status);
    }
    if (keeper->state == KEEPER_ENDING && status != 0)
        keeper->exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
    else if (keeper->state != KEEPER_ENDING && was.state == GENERATION_STARTING)
        start_failed(keeper, status);
    else if (keeper->state != KEEPER_ENDING && was.state == GENERATION_SERVING)
        serving_died(keeper, clock_monotonic_ms() - was.since_ms < STEADY_MS);
}

static void start_again(struct keeper *keeper)
{
    if (keeper->upgrade_wanted) {
        begin_trial(keeper);
        return;
    }
    control_run(&keeper->control, CONTROL_RELOAD);
    if ((keeper->reload_wanted || !keeper->current) && !read_for_new(keeper)) {
        control_answer(&keeper->control, CONTROL_FAILED, keeper->errors);
        if (keeper->current) /* it comes back */
            drop_coming(keeper);
    }
    keeper->reload_wanted = false;
    keeper->state = KEEPER_STARTING;
    wait_at_most(keeper, READY_MAX_MS);
    if (!services_start(keeper))
        start_failed(keeper, 0);
}

/* Another one takes over; when the first goes on, it serves its sessions to their end. */
static void pass_over(struct keeper *keeper)
{
    log_message(LOG_ERROR, "service-hangs", "the service does not reload; another one is started");
    if (keeper->coming && permit_config(keeper->coming))
        begin_replacing(keeper);
    else
        give_up(keeper, "the configuration has errors, and the service does not answer");
}

void changes_due(struct keeper *keeper)
{
    keeper->due_ms = UINT64_MAX;
    if (keeper->state == KEEPER_TRYING)
        (void)kill(keeper->trial.pid, SIGKILL); /* its end comes as for any other reason */
    else if (keeper->state == KEEPER_DOWN)
        start_again(keeper);
    else if (keeper->state == KEEPER_RELOADING)
        pass_over(keeper);
    else
        services_kill(keeper, keeper->state == KEEPER_ENDING);
}

void changes_end(struct keeper *keeper, enum word_order order)
{
    if (keeper->state != KEEPER_ENDING) {
        systemd_notify("STOPPING=1\n");
        listening_set_close(&keeper->sockets); /* the services close theirs at the order */
        control_refuse(&keeper->control);
        keeper->state = KEEPER_ENDING;
        keeper->due_ms = UINT64_MAX;
        if (keeper->trial.pid > 0)
            (void)kill(keeper->trial.pid, SIGKILL);
    } else if (keeper->due_ms == UINT64_MAX) {
        wait_at_most(keeper, CUT_MAX_MS);
    }
    services_order(keeper, order);
}
