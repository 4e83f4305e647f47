/*
 * The deadlines of a session, as its phases set them. session_phases.c says what their expiry
 * means.
 */
#include "session_parts.h"

void session_set_deadline(
    struct session *session, enum engine_class class_index, uint64_t ms, enum reason expiry)
{
    struct deadline_queue *queue = &session->engine->deadlines;

    session->phase_reason = expiry;
    if (ms == 0)
        deadline_clear(queue, &session->phase_deadline);
    else
        deadline_set(
            queue, &session->phase_deadline, class_index, uv_now(session->engine->loop) + ms);
}

/* The deadline of the parting stays: it is for what still has to be done for the server. */
void session_clear_deadlines(struct session *session)
{
    struct deadline_queue *queue = &session->engine->deadlines;

    deadline_clear(queue, &session->phase_deadline);
    if (session->prelude) {
        deadline_clear(queue, &session->prelude->line_deadline);
        deadline_clear(queue, &session->prelude->login_deadline);
    }
    deadline_clear(queue, &session->stall[LEG_CLIENT].deadline);
    deadline_clear(queue, &session->stall[LEG_SERVER].deadline);
}
