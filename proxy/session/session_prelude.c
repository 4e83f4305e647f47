/*
 * What a session needs only until it relays: the search for a server, the deadlines of the dialog,
 * our address for PROXY headers. An idle relay holds none of it.
 */
#include "session_parts.h"

#include <stdlib.h>
#include <string.h>

bool session_begin_prelude(struct session *session, const struct address *local)
{
    struct session_prelude *prelude = calloc(1, sizeof(*prelude));

    if (!prelude)
        return false;
    prelude->session = session;
    prelude->local = *local;
    session->prelude = prelude;
    return true;
}

/* The name stays for the log. Without memory the log says less. */
static void keep_user(struct session *session)
{
    struct slice user = session_user(session);
    char *kept = user.n > 0 ? malloc(user.n) : NULL;

    if (!kept)
        return;
    memcpy(kept, user.p, user.n);
    session->user = kept;
    session->user_n = user.n;
}

struct slice session_user(const struct session *session)
{
    return session->dialog ? slice_of(session->dialog->user.text, session->dialog->user.n)
                           : slice_of(session->user, session->user_n);
}

void session_end_dialog(struct session *session)
{
    if (!session->dialog)
        return;
    keep_user(session);
    dialog_deinit(session->dialog);
    free(session->dialog);
    session->dialog = NULL;
}

void session_end_prelude(struct session *session)
{
    struct session_prelude *prelude = session->prelude;
    struct deadline_queue *queue = &session->engine->deadlines;

    if (!prelude)
        return;
    deadline_clear(queue, &prelude->line_deadline);
    deadline_clear(queue, &prelude->login_deadline);
    upstream_forget_search(&session->upstream);
    session->prelude = NULL;
    free(prelude);
}
