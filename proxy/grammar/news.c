#include "mailmux/news.h"

static const struct {
    const char *text;
    enum reason reason;
} refusals[] = {
#define X(name, text, reason) [REFUSAL_##name] = {text, REASON_##reason},
    REFUSALS(X)
#undef X
};

const char *login_end_text(enum login_end end)
{
    switch (end) {
    case LOGIN_NONE:
        return "none";
    case LOGIN_ACCEPTED:
        return "accepted";
    case LOGIN_REFUSED:
        return "refused";
    case LOGIN_UNAVAILABLE:
        return "unavailable";
    case LOGIN_WANTS_TLS:
        return "tls-required";
    case LOGIN_CANCELLED:
        return "cancelled";
    case LOGIN_UNANSWERED:
        return "unanswered";
    }
    return "none";
}

const char *refusal_text(enum dialog_refusal refusal)
{
    return refusals[refusal].text;
}

enum reason refusal_reason(enum dialog_refusal refusal)
{
    return refusals[refusal].reason;
}
