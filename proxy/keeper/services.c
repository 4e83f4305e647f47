#include "keeper_state.h"
#include "mailmux/log.h"
#include "state_place.h"
#include <errno.h>
#include <string.h>

struct generation *services_find(struct keeper *keeper, enum generation_state state)
{
    for (size_t i = 0; i < GENERATIONS_MAX; i++) {
        if (keeper->generations[i].state == state)
            return &keeper->generations[i];
    }
    return NULL;
}

void services_order(struct keeper *keeper, enum word_order order)
{
    for (size_t i = 0; i < GENERATIONS_MAX; i++) {
        if (keeper->generations[i].state != GENERATION_NONE)
            generation_order(&keeper->generations[i], order);
    }
}

/* Asks the oldest of the retired services to drain, so that there is room for another. */
static void make_room(struct keeper *keeper)
{
    struct generation *oldest = services_find(keeper, GENERATION_RETIRED);

    for (size_t i = 0; i < GENERATIONS_MAX; i++) {
        if (keeper->generations[i].state == GENERATION_RETIRED &&
            keeper->generations[i].number < oldest->number)
            oldest = &keeper->generations[i];
    }
    if (oldest)
        generation_order(oldest, WORD_RETIRE); /* once more: it does not wait any longer */
}

bool services_start(struct keeper *keeper)
{
    const struct permit *permit = keeper->coming ? keeper->coming : keeper->current;
    struct config *config = permit ? permit_config(permit) : NULL;
    struct generation *place = services_find(keeper, GENERATION_NONE);
    struct service_start start;

    if (!place)
        make_room(keeper);
    if (!config || !place) {
        log_message(LOG_ERROR, "start-failed",
            config ? "too many earlier services still have sessions; the oldest one drains now"
                   : "there is no configuration that can be used");
        return false;
    }
    start = (struct service_start){.file = keeper->file,
        .config = config,
        .generation = keeper->last_number + 1,
        .why = keeper->why};
    state_place_prepare(config->proxy.state_directory, config->proxy.user);
    if (!generation_start(place, &start, keeper->run)) {
        log_message(LOG_ERROR, "start-failed", "no process could be started: %s", strerror(errno));
        return false;
    }
    keeper->last_number++;
    return true;
}

void services_kill(const struct keeper *keeper, bool are_all)
{
    for (size_t i = 0; i < GENERATIONS_MAX; i++) {
        const struct generation *one = &keeper->generations[i];

        if (one->state == GENERATION_STARTING || (are_all && one->state != GENERATION_NONE)) {
            log_message(LOG_ERROR, "service-hangs", "generation %u does not answer, and is killed",
                one->number);
            generation_kill(one);
        }
    }
}
