#include "visit_report.h"

#include "mailmux/config_protocols.h"
#include "visit_advice.h"
#include <time.h>

enum { DAY_S = 24 * 60 * 60 };

static void begin_line(FILE *out, const char *what)
{
    (void)fprintf(out, "  %-13s ", what);
}

static void print_line(FILE *out, const char *what, struct slice text)
{
    begin_line(out, what);
    visit_print_text(out, text);
    (void)fputc('\n', out);
}

static void print_words(FILE *out, const struct probe_result *result)
{
    struct slice rest = result->words;
    struct slice word;
    const char *comma = "";

    begin_line(out, "capabilities");
    while (slice_split(&rest, '\n', &word)) {
        if (word.n == 0)
            continue;
        (void)fputs(comma, out);
        visit_print_text(out, word);
        comma = ", ";
    }
    (void)fputs(comma[0] == '\0' ? "none\n" : "\n", out);
}

/* ---- TLS ---- */

static void print_certificate(FILE *out, const struct probe_result *result)
{
    time_t end = time(NULL) + (time_t)result->tls_seconds;
    struct tm parts;
    char date[16] = "?";

    if (gmtime_r(&end, &parts))
        (void)strftime(date, sizeof(date), "%Y-%m-%d", &parts);
    (void)fputs(", certificate of ", out);
    visit_print_text(
        out, result->tls_peer[0] != '\0' ? slice_from(result->tls_peer) : SLICE("no name"));
    if (result->tls_seconds < 0)
        (void)fprintf(out, ", expired on %s", date);
    else
        (void)fprintf(out, ", good until %s (%lld day%s)", date,
            (long long)(result->tls_seconds / DAY_S), result->tls_seconds / DAY_S == 1 ? "" : "s");
}

static const char *mode_text(enum config_backend_tls tls)
{
    switch (tls) {
    case BACKEND_TLS_NONE:
        return "none";
    case BACKEND_TLS_STARTTLS:
        return "starttls";
    case BACKEND_TLS_IMPLICIT:
        return "implicit";
    }
    return "none";
}

static void print_tls(FILE *out, const struct visit *visit, const struct config_backend *backend)
{
    const struct probe_result *refused = visit_result(visit, VISIT_ANY_CERTIFICATE);
    const struct probe_result *result =
        refused ? refused : visit_result(visit, VISIT_AS_CONFIGURED);
    bool is_checked = backend->verify || backend->pins.count > 0;

    begin_line(out, "tls");
    (void)fputs(mode_text(backend->tls), out);
    if (result->has_tls)
        (void)fprintf(out, ", %s", result->tls_version);
    if (result->has_certificate) {
        print_certificate(out, result);
        (void)fputs(!is_checked ? ", not verified (verify = no)"
                    : refused   ? ", not verified"
                                : ", verified",
            out);
    }
    if (backend->tls == BACKEND_TLS_NONE && result->knows_offers &&
        result->offers & (unsigned)OPENING_OFFERS_STARTTLS)
        (void)fputs("; the server offers STARTTLS", out);
    (void)fputc('\n', out);
}

/* ---- The client's address ---- */

static void print_header(FILE *out, const struct visit *visit)
{
    bool sends = visit_sends_header(visit);
    bool is_good = visit_result(visit, VISIT_AS_CONFIGURED)->failure == OPENING_FINE;
    const char *text = sends ? "sent" : "not sent";

    begin_line(out, "proxy header");
    if (is_good)
        (void)fprintf(out, "%s\n", sends ? "sent, and taken" : "not sent, and not expected");
    else if (visit_explains(visit, VISIT_OTHER_HEADER))
        (void)fprintf(out, "%s\n", sends ? "sent, and not expected" : "not sent, and expected");
    else
        (void)fprintf(out, "%s\n", text);
}

static void print_xclient(FILE *out, const struct probe_result *result)
{
    static const struct {
        enum opening_offer offer;
        const char *name;
    } names[] = {{OPENING_OFFERS_XCLIENT_NAME, "NAME"}, {OPENING_OFFERS_XCLIENT_ADDR, "ADDR"},
        {OPENING_OFFERS_XCLIENT_PORT, "PORT"}, {OPENING_OFFERS_XCLIENT_DESTADDR, "DESTADDR"},
        {OPENING_OFFERS_XCLIENT_DESTPORT, "DESTPORT"}};

    begin_line(out, "xclient");
    (void)fputs(result->offers & (unsigned)OPENING_OFFERS_XCLIENT ? "offered to this machine:"
                                                                  : "not offered to this machine",
        out);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (result->offers & (unsigned)names[i].offer)
            (void)fprintf(out, " %s", names[i].name);
    }
    (void)fputc('\n', out);
}

static void print_relay(FILE *out, const struct visit *visit)
{
    const struct probe_result *result = visit_result(visit, VISIT_STRANGER);
    bool is_own = result && result->relay.sender == RELAY_OWN_SENDER;

    if (!result)
        return;
    begin_line(out, "relay");
    if (result->relay.judgement == RELAY_NOT_TESTED)
        (void)fprintf(out, "not tested: %s",
            result->failure == OPENING_FINE ? "the probe did not get that far" : result->why);
    else {
        (void)fprintf(out, "for %s%s%s it says ", VISIT_RECIPIENT, is_own ? " from " : "",
            is_own ? visit->sender : "");
        visit_print_text(out, slice_of(result->relay.text, result->relay.n));
    }
    (void)fputc('\n', out);
}

/* ---- The block ---- */

static const char *state_text(enum config_server_state state)
{
    switch (state) {
    case SERVER_READY:
        return "";
    case SERVER_DRAIN:
        return " (drain)";
    case SERVER_MAINTENANCE:
        return " (maintenance)";
    }
    return "";
}

static void print_title(FILE *out, const struct visit *visit)
{
    char address[ADDRESS_TEXT_MAX];

    (void)fprintf(out, "[backend %s] server %s", visit_backend(visit)->name, visit->server->name);
    if (visit->has_address)
        (void)fprintf(out, " at %s", address_text(&visit->address, address));
    (void)fprintf(out, "%s\n", state_text(visit->server->state));
}

/* Whether the connection came about, so that there is something to print about the server. */
static bool has_connected(const struct probe_result *result)
{
    enum opening_trouble trouble = opening_verdict(result->failure)->trouble;

    return trouble != TROUBLE_NO_CONNECTION && trouble != TROUBLE_OURS;
}

void visit_report(const struct visit *visit, FILE *out, struct visit_counts *counts)
{
    const struct probe_result *result = visit_result(visit, VISIT_AS_CONFIGURED);
    const struct config_backend *backend = visit_backend(visit);

    print_title(out, visit);
    if (!visit->has_address) {
        visit_find(out, &counts->errors, "error",
            "its name could not be resolved; the line name-failed on standard error says why (see "
            "also "
            "resolver in [proxy])");
        return;
    }
    if (backend->protocol == CONFIG_PROTOCOL_NONE) {
        if (has_connected(result))
            print_line(out, "connection", SLICE("made; what the server says is passed on unread"));
    } else if (has_connected(result)) {
        print_line(out, "greeting", result->greeting.n > 0 ? result->greeting : result->first_word);
        if (result->knows_offers)
            print_words(out, result);
        print_tls(out, visit, backend);
        print_header(out, visit);
        if (result->knows_offers &&
            config_protocol_row(backend->protocol)->identity == SEND_ADDRESS_XCLIENT)
            print_xclient(out, result);
        print_relay(out, visit);
    }
    visit_advise(visit, out, counts);
}
