/* What a record says that is not data: alerts, and the messages after a handshake. */
#include "tls_lean_parts.h"
#include <openssl/ssl.h>

enum { MESSAGE_HEADER = 4, ALERT_SIZE = 2 };

static struct lean_verdict refuse(unsigned char alert, const char *text)
{
    return (struct lean_verdict){LEAN_REFUSED, alert, text};
}

static struct lean_verdict take_alert(struct slice alert)
{
    unsigned char code;

    if (alert.n != ALERT_SIZE)
        return refuse(SSL_AD_UNEXPECTED_MESSAGE, "an alert of a wrong length");
    code = (unsigned char)alert.p[1];
    if (code == SSL3_AD_CLOSE_NOTIFY)
        return (struct lean_verdict){.what = LEAN_CLOSES};
    if (code == TLS1_AD_USER_CANCELLED)
        return (struct lean_verdict){.what = LEAN_TAKEN}; /* close_notify follows [RFC 8446 6.1] */
    /* Every other alert ends the connection, whatever its level says [RFC 8446 6]. */
    return (struct lean_verdict){LEAN_ALERTED, code, SSL_alert_desc_string_long(code)};
}

/* Takes a whole KeyUpdate [RFC 8446 4.6.3]. It must be the last message in its record. */
static struct lean_verdict take_key_update(
    struct tls_lean *lean, struct record_tools *tools, bool is_last)
{
    unsigned char request = lean->message[MESSAGE_HEADER];

    lean->message_n = 0;
    if (!is_last)
        return refuse(SSL_AD_UNEXPECTED_MESSAGE, "octets behind a KeyUpdate");
    if (request > SSL_KEY_UPDATE_REQUESTED)
        return refuse(SSL_AD_ILLEGAL_PARAMETER, "a wrong KeyUpdate");
    if (!traffic_update(&lean->in, tools))
        return refuse(SSL_AD_INTERNAL_ERROR, "the next keys could not be made");
    lean->answer_due = lean->answer_due || request == SSL_KEY_UPDATE_REQUESTED;
    return (struct lean_verdict){.what = LEAN_UPDATED};
}

/* Judges the header of a message. A ticket of a server is dropped. */
static struct lean_verdict take_header(struct tls_lean *lean)
{
    size_t n = (size_t)lean->message[1] << 16 | (size_t)lean->message[2] << 8 | lean->message[3];

    if (lean->message[0] == SSL3_MT_KEY_UPDATE && n != 1)
        return refuse(n > 1 ? SSL_AD_ILLEGAL_PARAMETER : SSL_AD_DECODE_ERROR,
            "a KeyUpdate of a wrong length");
    if (lean->message[0] == SSL3_MT_NEWSESSION_TICKET && lean->is_client) {
        lean->skip = n;
        lean->message_n = n > 0 ? lean->message_n : 0;
    } else if (lean->message[0] != SSL3_MT_KEY_UPDATE) {
        return refuse(SSL_AD_UNEXPECTED_MESSAGE, "an unexpected message after the handshake");
    }
    return (struct lean_verdict){.what = LEAN_TAKEN};
}

/* Takes the next octets of messages, *n of them. */
static struct lean_verdict take_some(
    struct tls_lean *lean, struct record_tools *tools, struct slice rest, size_t *n)
{
    *n = lean->skip < rest.n ? lean->skip : rest.n;
    if (*n > 0) {
        lean->skip -= *n;
        lean->message_n = lean->skip > 0 ? lean->message_n : 0;
        return (struct lean_verdict){.what = LEAN_TAKEN};
    }
    *n = 1;
    lean->message[lean->message_n++] = (unsigned char)rest.p[0];
    if (lean->message_n == MESSAGE_HEADER)
        return take_header(lean);
    if (lean->message_n == LEAN_MESSAGE_KEPT)
        return take_key_update(lean, tools, rest.n == 1);
    return (struct lean_verdict){.what = LEAN_TAKEN};
}

struct lean_verdict tls_lean_take_message(
    struct tls_lean *lean, struct record_tools *tools, enum record_type type, struct slice content)
{
    struct lean_verdict verdict = {.what = LEAN_TAKEN};

    if (type == RECORD_TYPE_ALERT && lean->message_n == 0)
        return take_alert(content);
    if (type != RECORD_TYPE_HANDSHAKE || content.n == 0)
        return refuse(SSL_AD_UNEXPECTED_MESSAGE, "unexpected message");
    while (content.n > 0 && verdict.what == LEAN_TAKEN) {
        size_t n;

        verdict = take_some(lean, tools, content, &n);
        content = slice_after(content, n);
    }
    return verdict;
}
