/*
 * What each failure on the way to a server means, one row for each, and the refusal that a client
 * gets.
 */
#include "opening_parts.h"

static const struct opening_verdict verdicts[] = {
    [OPENING_FINE] = {.text = "nothing failed"},
    [OPENING_NO_MEANS] = {.text = "out of memory or descriptors", .trouble = TROUBLE_OURS},
    [OPENING_NOT_CONNECTED] = {.text = "cannot be connected",
        .trouble = TROUBLE_NO_CONNECTION,
        .blame = BLAME_ALWAYS},
    [OPENING_CONNECT_TIMEOUT] = {.text = "timed out connecting",
        .trouble = TROUBLE_NO_CONNECTION,
        .blame = BLAME_ALWAYS},
    [OPENING_HEADER_LOST] = {.text = "it did not take the PROXY header",
        .trouble = TROUBLE_NO_WORD,
        .blame = BLAME_ALWAYS},
    [OPENING_HEADER_TIMEOUT] = {.text = "it did not take the PROXY header in time",
        .trouble = TROUBLE_NO_WORD,
        .blame = BLAME_ALWAYS},
    [OPENING_TLS_FAILED] = {.text = "TLS failed",
        .trouble = TROUBLE_TLS,
        .blame = BLAME_UNLESS_CLIENT_KNOWN},
    [OPENING_TLS_IN_CLEAR] = {.text = "TLS failed",
        .trouble = TROUBLE_TLS,
        .blame = BLAME_UNLESS_CLIENT_KNOWN},
    /* A certificate is bad for every client. */
    [OPENING_CERTIFICATE] = {.text = "TLS failed",
        .trouble = TROUBLE_CERTIFICATE,
        .blame = BLAME_ALWAYS},
    [OPENING_TLS_TIMEOUT] = {.text = "no TLS handshake in time",
        .trouble = TROUBLE_NO_WORD,
        .blame = BLAME_UNLESS_CLIENT_KNOWN},
    [OPENING_MUTE] = {.text = "closed before its greeting",
        .trouble = TROUBLE_NO_WORD,
        .blame = BLAME_UNLESS_CLIENT_KNOWN},
    [OPENING_CLOSED] = {.text = "closed before a session began",
        .trouble = TROUBLE_NO_WORD,
        .blame = BLAME_UNLESS_CLIENT_KNOWN},
    [OPENING_SLOW_GREETING] = {.text = "its greeting is slow, and another server is free",
        .trouble = TROUBLE_NO_WORD},
    [OPENING_GREETING_TIMEOUT] = {.text = "no greeting in time",
        .trouble = TROUBLE_NO_WORD,
        .blame = BLAME_UNLESS_CLIENT_KNOWN},
    [OPENING_ANSWER_TIMEOUT] = {.text = "no answer in time",
        .trouble = TROUBLE_NO_WORD,
        .blame = BLAME_UNLESS_CLIENT_KNOWN},
    [OPENING_WRONG_PROTOCOL] = {.text = "does not speak this protocol",
        .trouble = TROUBLE_MISUNDERSTANDING,
        .blame = BLAME_UNLESS_CLIENT_KNOWN},
    [OPENING_TOO_LARGE] = {.text = "its reply is too large", .trouble = TROUBLE_WORDS},
    [OPENING_GREETING_REFUSED] = {.text = "refused by its greeting",
        .trouble = TROUBLE_WORDS,
        .may_say_goodbye = true,
        .client_may_hear = true},
    [OPENING_PREAUTHENTICATED] = {.text = "greets with PREAUTH where TLS must come first",
        .trouble = TROUBLE_WORDS},
    [OPENING_FAREWELL] = {.text = "said goodbye before a session began",
        .trouble = TROUBLE_MISUNDERSTANDING,
        .client_may_hear = true},
    [OPENING_HELLO_REFUSED] = {.text = "does not tell its capabilities",
        .trouble = TROUBLE_MISUNDERSTANDING,
        .may_say_goodbye = true,
        .client_may_hear = true},
    [OPENING_STRANGE_ANSWER] = {.text = "answers neither yes nor no",
        .trouble = TROUBLE_MISUNDERSTANDING},
    [OPENING_NO_STARTTLS] = {.text = "does not offer STARTTLS",
        .trouble = TROUBLE_WORDS,
        .may_say_goodbye = true},
    [OPENING_STARTTLS_REFUSED] = {.text = "refused STARTTLS",
        .trouble = TROUBLE_WORDS,
        .may_say_goodbye = true},
    [OPENING_INJECTED] = {.text = "sent bytes in clear behind its answer to STARTTLS",
        .trouble = TROUBLE_WORDS,
        .blame = BLAME_UNLESS_CLIENT_KNOWN},
    [OPENING_NO_XCLIENT] = {.text = "does not offer XCLIENT with ADDR to us",
        .trouble = TROUBLE_WORDS,
        .may_say_goodbye = true},
    [OPENING_IDENTITY_REFUSED] = {.text = "refused to be told the client's address",
        .trouble = TROUBLE_WORDS,
        .may_say_goodbye = true,
        .client_may_hear = true},
};

const struct opening_verdict *opening_verdict(enum opening_failure failure)
{
    return &verdicts[failure];
}

bool opening_is_refusal(const struct opening *opening)
{
    return verdicts[opening->failure].client_may_hear && (!opening->plan->starttls || opening->tls);
}

/*
 * The tag of the first line is our own and would mean nothing to a client, so "*" takes its place.
 */
bool opening_write_refusal(const struct opening *opening, struct slice said, struct buffer *out)
{
    bool has_tag = opening->plan->protocol->opening->has_tags && !slice_starts(said, SLICE("* "));
    size_t tag = has_tag ? slice_find(said, ' ') : 0;

    if (tag == 0)
        return buffer_append(out, said);
    return buffer_room(out) > said.n && buffer_append(out, SLICE("*")) &&
           buffer_append(out, slice_after(said, tag));
}
