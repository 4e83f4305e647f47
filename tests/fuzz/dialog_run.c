#include "dialog_run.h"

enum { SEGMENT_MAX = 16 };

/* The state before a call, by which to judge what the call forwards. */
struct before {
    bool was_command;    /* a line of the client begins a command */
    bool was_message;    /* octets of the client are message data */
    bool was_ehlo;       /* the next reply answers EHLO */
    bool was_capability; /* it answers CAPABILITY of ManageSieve */
};

static uint64_t random_of(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* The dialog of SMTP and of LMTP. */
static bool is_smtp(const struct dialog *dialog)
{
    return dialog->protocol == &protocol_smtp || dialog->protocol == &protocol_lmtp;
}

static bool is_one_of(struct slice word, const char *const *words)
{
    for (; *words; words++) {
        if (slice_equal_nocase(word, slice_from(*words)))
            return true;
    }
    return false;
}

/* ---- What a call may forward ---- */

static struct before look(const struct dialog *dialog)
{
    struct before before = {.was_command = !dialog->in_exchange};

    if (is_smtp(dialog)) {
        const struct smtp *smtp = &dialog->of.smtp;
        struct smtp_pending first = smtp->queue[smtp->queue_head];

        before.was_message = dialog->mode == DIALOG_MESSAGE;
        before.was_ehlo = smtp->queue_len > 0 && first.command == SMTP_EHLO;
    } else if (dialog->protocol == &protocol_imap) {
        before.was_command = before.was_command && dialog->of.imap.phase != IMAP_PART;
    } else if (dialog->protocol == &protocol_managesieve) {
        before.was_capability = dialog->of.managesieve.command == MANAGESIEVE_CAPABILITY;
    }
    return before;
}

/* The first word as Postfix cuts it: at a blank or any of HT, LF, VT, FF and CR. */
static struct slice word_of_postfix(struct slice line)
{
    size_t n = 0;

    while (n < line.n && line.p[n] != ' ' && !(line.p[n] >= '\t' && line.p[n] <= '\r'))
        n++;
    return slice_of(line.p, n);
}

static bool holds(struct slice line, struct slice text)
{
    for (; line.n >= text.n; line = slice_after(line, 1)) {
        if (slice_starts_nocase(line, text))
            return true;
    }
    return false;
}

/* The index of the '>' that ends the path. One in a quoted local part does not. */
static size_t path_end(struct slice line)
{
    bool is_quoted = false;

    for (size_t i = 0; i < line.n; i++) {
        if (is_quoted && line.p[i] == '\\')
            i++;
        else if (line.p[i] == '"')
            is_quoted = !is_quoted;
        else if (!is_quoted && line.p[i] == '>')
            return i;
    }
    return line.n;
}

/* How many replies a message of LMTP will have must be known before it begins. */
static void check_lmtp(const struct dialog *dialog, struct slice verb)
{
    static const char *const never[] = {"EHLO", "HELO", NULL};
    static const char *const begins[] = {"DATA", "BDAT", NULL};

    FUZZ_REQUIRE(!is_one_of(verb, never));
    FUZZ_REQUIRE(!is_one_of(verb, begins) ||
                 (dialog->of.smtp.queue_len == 1 && dialog->of.smtp.recipients > 0));
}

/* Before a login a recipient must be in the one relay domain, or be the postmaster. */
static void check_recipient(const struct dialog_run *run, struct slice line)
{
    size_t parameters = path_end(line);
    struct slice path = slice_of(line.p, parameters);
    size_t at = slice_find(path, '@');

    if (run->policy.relay_domain_count == 0 || run->dialog.logged_in ||
        !slice_starts_nocase(line, SLICE("RCPT")))
        return;
    if (at == path.n) {
        FUZZ_REQUIRE(holds(path, SLICE("postmaster")));
        return;
    }
    path = slice_after(path, at + 1);
    FUZZ_REQUIRE(slice_starts_nocase(path, SLICE("example.org")));
    path = slice_after(path, SLICE("example.org").n);
    FUZZ_REQUIRE(path.n == 0 || *path.p == '.' || *path.p == ' ' || *path.p == '\t');
    FUZZ_REQUIRE(
        !slice_starts(path, SLICE(".")) || path.n == 1 || path.p[1] == ' ' || path.p[1] == '\t');
    FUZZ_REQUIRE(parameters < line.n || slice_find(line, '<') == line.n);
}

static void check_command(const struct dialog_run *run, struct slice line)
{
    /* Only words of the protocol: in another one they are unknown commands and may pass. */
    static const char *const never_smtp[] = {"XCLIENT", "XFORWARD", "STARTTLS", NULL};
    static const char *const never_pop3[] = {"XCLIENT", "STLS", NULL};
    static const char *const never_imap[] = {"STARTTLS", NULL};
    static const char *const never_managesieve[] = {"XCLIENT", "STARTTLS", NULL};
    static const char *const logins_smtp[] = {"AUTH", NULL};
    static const char *const logins_pop3[] = {"AUTH", "USER", "PASS", "APOP", NULL};
    static const char *const logins_imap[] = {"LOGIN", "AUTHENTICATE", NULL}; /* ManageSieve, too */
    static const char *const prelude[] = {"EHLO", "HELO", "LHLO", "NOOP", "RSET", "QUIT", "HELP",
        "CAPABILITY", "LOGOUT", "CAPA", NULL};
    const struct dialog *dialog = &run->dialog;
    struct slice rest = line;
    struct slice verb = slice_of("", 0);
    bool is_pop3 = dialog->protocol == &protocol_pop3;
    const char *const *never = is_smtp(dialog)                             ? never_smtp
                               : is_pop3                                   ? never_pop3
                               : dialog->protocol == &protocol_managesieve ? never_managesieve
                                                                           : never_imap;
    const char *const *logins = is_smtp(dialog) ? logins_smtp : is_pop3 ? logins_pop3 : logins_imap;

    if (dialog->protocol == &protocol_imap)
        (void)slice_word(&rest, &verb);
    (void)slice_word(&rest, &verb);
    if (is_smtp(dialog)) {
        verb = word_of_postfix(line);
        check_recipient(run, line);
    }
    if (dialog->protocol == &protocol_lmtp)
        check_lmtp(dialog, verb);
    FUZZ_REQUIRE(!is_one_of(verb, never));
    if (dialog->tls)
        return;
    FUZZ_REQUIRE(run->policy.require_tls == REQUIRE_TLS_NO || !is_one_of(verb, logins));
    FUZZ_REQUIRE(run->policy.require_tls != REQUIRE_TLS_YES || is_one_of(verb, prelude));
}

static void check_forwarded(const struct dialog_run *run, struct before before, struct slice text)
{
    bool is_literal = false; /* the line begins with a literal, which ManageSieve forwards whole */

    while (text.n > 0) {
        size_t end = slice_find(text, '\n');
        struct slice line;

        FUZZ_REQUIRE(end < text.n && end > 0 && text.p[end - 1] == '\r');
        line = slice_of(text.p, end - 1);
        FUZZ_REQUIRE(slice_find(line, '\r') == line.n && slice_find(line, '\0') == line.n);
        if (before.was_command && !is_literal)
            check_command(run, line);
        is_literal =
            run->dialog.protocol == &protocol_managesieve && slice_ends_nocase(line, SLICE("+}"));
        text = slice_after(text, end + 1);
    }
}

static void check_ehlo(const struct dialog_run *run, struct slice text)
{
    static const char *const never[] = {"XCLIENT", "XFORWARD", NULL};
    bool offers = run->policy.offers_tls && !run->dialog.tls;
    bool is_first = true;
    struct slice line;

    while (slice_split(&text, '\n', &line)) {
        struct slice rest = slice_after(line, 4);
        struct slice word = slice_of("", 0);

        if (!slice_starts(line, SLICE("250")))
            return;
        if (rest.n > 0 && rest.p[rest.n - 1] == '\r')
            rest.n--;
        (void)slice_word(&rest, &word);
        FUZZ_REQUIRE(is_first || !is_one_of(word, never));
        FUZZ_REQUIRE(is_first || offers || !slice_equal_nocase(word, SLICE("STARTTLS")));
        is_first = false;
    }
}

/* Each call relays one part of a list. */
static void check_capability(const struct dialog_run *run, struct slice text)
{
    bool offers = run->policy.offers_tls && !run->dialog.tls;

    FUZZ_REQUIRE(offers || !slice_starts_nocase(text, SLICE("\"STARTTLS\"")));
    FUZZ_REQUIRE(!slice_starts_nocase(text, SLICE("\"XCLIENT\"")));
}

/* ---- The session's part ---- */

static void note_event(struct dialog_run *run, const struct actions *actions)
{
    FUZZ_REQUIRE(run->event_count < RUN_EVENTS);
    run->events[run->event_count++] = (struct run_event){.next = actions->next,
        .reason = actions->reason,
        .renew = actions->renew_server,
        .leaves = actions->leave_server,
        .sent = {buffer_held(&run->out[0]).n, buffer_held(&run->out[1]).n}};
}

static void do_next(struct dialog_run *run, const struct actions *actions);

static void renew(struct dialog_run *run)
{
    struct actions actions = actions_of(&run->out[DIALOG_CLIENT], &run->out[DIALOG_SERVER]);

    dialog_server_renewed(&run->dialog, &actions);
    do_next(run, &actions);
}

static void do_next(struct dialog_run *run, const struct actions *actions)
{
    if (actions->next == DIALOG_NOTHING && !actions->leave_server)
        return;
    note_event(run, actions);
    FUZZ_REQUIRE(!actions->fault && actions->reason != REASON_FAULT);
    if (actions->leave_server) {
        FUZZ_REQUIRE(!run->has_left);
        run->has_left = true;
        run->loses[DIALOG_SERVER] = true;
        buffer_clear(&run->in[DIALOG_SERVER]);
    }
    switch (actions->next) {
    case DIALOG_NOTHING:
        break;
    case DIALOG_START_TLS:
        FUZZ_REQUIRE(run->policy.offers_tls && !run->dialog.tls && !run->dialog.logged_in);
        buffer_clear(&run->in[DIALOG_CLIENT]);
        run->loses[DIALOG_CLIENT] = true;
        run->loses[DIALOG_SERVER] = actions->renew_server;
        if (actions->renew_server)
            buffer_clear(&run->in[DIALOG_SERVER]);
        dialog_tls_started(&run->dialog);
        break;
    case DIALOG_RENEW_SERVER:
        buffer_clear(&run->in[DIALOG_SERVER]);
        run->loses[DIALOG_SERVER] = true;
        renew(run);
        break;
    case DIALOG_RELAY:
        FUZZ_REQUIRE(run->dialog.protocol->relays_after_login);
        run->relays = true;
        break;
    case DIALOG_CLOSE:
        run->is_over = true;
        break;
    }
}

static bool feed(struct dialog_run *run, enum dialog_side side)
{
    struct actions actions = actions_of(&run->out[DIALOG_CLIENT], &run->out[DIALOG_SERVER]);
    struct slice in = buffer_held(&run->in[side]);
    size_t client = buffer_held(&run->out[DIALOG_CLIENT]).n;
    size_t server = buffer_held(&run->out[DIALOG_SERVER]).n;
    struct before before = look(&run->dialog);
    bool did = dialog_feed(&run->dialog, side, in, &actions);
    struct slice to_client = slice_after(buffer_held(&run->out[DIALOG_CLIENT]), client);
    struct slice to_server = slice_after(buffer_held(&run->out[DIALOG_SERVER]), server);

    FUZZ_REQUIRE(actions.used <= in.n);
    FUZZ_REQUIRE(to_client.n <= in.n + DIALOG_EXTRA && to_server.n <= in.n + DIALOG_EXTRA);
    FUZZ_REQUIRE(did || (to_client.n == 0 && to_server.n == 0));
    if (!did)
        return false;
    FUZZ_REQUIRE(!run->has_left || (to_server.n == 0 && !actions.pass));
    if (!before.was_message)
        check_forwarded(run, before, to_server);
    if (side == DIALOG_SERVER && before.was_ehlo)
        check_ehlo(run, to_client);
    if (side == DIALOG_SERVER && before.was_capability)
        check_capability(run, to_client);
    if (actions.pass) {
        FUZZ_REQUIRE(
            side == DIALOG_SERVER || run->dialog.tls || run->policy.require_tls != REQUIRE_TLS_YES);
        FUZZ_REQUIRE(buffer_append(&run->out[!side], slice_of(in.p, actions.used)));
    }
    if (actions.used > 0)
        buffer_consume(&run->in[side], actions.used);
    do_next(run, &actions);
    return true;
}

static bool try_feed(struct dialog_run *run, enum dialog_side side)
{
    if (run->is_over || run->relays || (side == DIALOG_SERVER && run->has_left) ||
        (side == DIALOG_CLIENT && !dialog_wants_client(&run->dialog)))
        return false;
    return feed(run, side);
}

static void start(struct dialog_run *run)
{
    struct actions actions = actions_of(&run->out[DIALOG_CLIENT], &run->out[DIALOG_SERVER]);
    struct slice in = buffer_held(&run->in[DIALOG_SERVER]);
    size_t used = 0;
    enum greeting greeting = run->dialog.protocol->greeting(in, run->policy.reply, &used);

    if (greeting == GREETING_MORE) {
        FUZZ_REQUIRE(in.n <= run->policy.reply);
        return;
    }
    FUZZ_REQUIRE(used <= in.n && (used > 0 || in.n == 0 || greeting == GREETING_WRONG));
    run->is_started = true;
    if (greeting == GREETING_WRONG || greeting == GREETING_LARGE) {
        run->is_over = true;
        return;
    }
    dialog_start(&run->dialog, greeting, slice_of(in.p, used), &actions);
    FUZZ_REQUIRE(buffer_held(&run->out[DIALOG_CLIENT]).n <= used + DIALOG_EXTRA);
    FUZZ_REQUIRE(buffer_held(&run->out[DIALOG_SERVER]).n == 0);
    buffer_consume(&run->in[DIALOG_SERVER], used);
    do_next(run, &actions);
}

/* Buffers of sessions do not grow: a side with more than this waiting would never be read again. */
static void check_waiting(const struct dialog_run *run)
{
    if (!run->is_started || run->is_over || run->relays)
        return;
    if (dialog_wants_client(&run->dialog))
        FUZZ_REQUIRE(run->dialog.mode != DIALOG_LINES ||
                     buffer_held(&run->in[DIALOG_CLIENT]).n <
                         dialog_line_limit(&run->dialog, buffer_held(&run->in[DIALOG_CLIENT])));
    /* While a command is half given, what the server says waits until the rest is there. */
    if (run->dialog.protocol != &protocol_imap || run->dialog.of.imap.phase != IMAP_PART)
        FUZZ_REQUIRE(buffer_held(&run->in[DIALOG_SERVER]).n <= run->policy.reply);
    FUZZ_REQUIRE(run->dialog.user.n <= DIALOG_USER_MAX);
    FUZZ_REQUIRE(
        run->dialog.bad_commands < run->policy.bad_commands || run->dialog.mode == DIALOG_ENDING);
    if (is_smtp(&run->dialog))
        FUZZ_REQUIRE(run->dialog.of.smtp.queue_len <= SMTP_QUEUE_MAX);
}

static void relay(struct dialog_run *run)
{
    for (int side = 0; side < 2; side++) {
        FUZZ_REQUIRE(buffer_append(&run->out[!side], buffer_held(&run->in[side])));
        buffer_clear(&run->in[side]);
    }
}

/* Feeds what the other side has sent first, so that the order does not depend on segments. */
static void pump(struct dialog_run *run, enum dialog_side sender)
{
    if (!run->is_started)
        start(run);
    while (run->is_started && (try_feed(run, !sender) || try_feed(run, sender)))
        continue;
    if (run->relays)
        relay(run);
    check_waiting(run);
}

/* ---- A run ---- */

static const char *const relay_domains[] = {"example.org"};

void run_begin(struct dialog_run *run, const struct protocol *protocol, struct slice options)
{
    bool is_small = fuzz_has(options, 'l');
    struct dialog_legs legs = {.client_tls = fuzz_has(options, 'i'),
        .server_tls = fuzz_has(options, 'b') || fuzz_has(options, 'v'),
        .server_tls_verified = fuzz_has(options, 'v')};

    run->policy = (struct dialog_policy){.hostname = SLICE("proxy.example"),
        .offers_tls = !fuzz_has(options, 'n') && !legs.client_tls,
        .require_tls = fuzz_has(options, 'y')   ? REQUIRE_TLS_YES
                       : fuzz_has(options, 'o') ? REQUIRE_TLS_NO
                                                : REQUIRE_TLS_AUTH,
        .smuggling = fuzz_has(options, 's')   ? SMUGGLING_STRICT
                     : fuzz_has(options, 'p') ? SMUGGLING_PASS
                                              : SMUGGLING_LOOK_ALIKES,
        .line = is_small ? 200 : 4096,
        .sasl_line = is_small ? 300 : 13312,
        .literal = is_small ? 64 : 4096,
        .reply = is_small ? 1000 : 65536,
        .reply_lines = is_small ? 16 : 128,
        .bad_commands = is_small ? 20 : 10,
        .relay_domain_count = fuzz_has(options, 'r') ? 1 : 0,
        .relay_domains = relay_domains};
    for (int side = 0; side < 2; side++) {
        buffer_init(&run->in[side], run->memory_in[side], RUN_IN);
        buffer_init(&run->out[side], run->memory_out[side], RUN_OUT);
    }
    run->event_count = 0;
    run->is_started = run->relays = run->is_over = run->has_left = false;
    dialog_init(&run->dialog, protocol, &run->policy, legs);
    run->dialog.tls_unavailable = fuzz_has(options, 'u');
}

void run_speak(struct dialog_run *run, enum dialog_side side, struct slice bytes, size_t segment,
    uint64_t *seed)
{
    run->loses[DIALOG_CLIENT] = run->loses[DIALOG_SERVER] = false;
    if (side == DIALOG_SERVER && run->has_left)
        return;
    while (bytes.n > 0 && !run->is_over && !run->loses[side]) {
        size_t n = segment > 0 ? segment : 1 + (size_t)(random_of(seed) % SEGMENT_MAX);

        n = n < bytes.n ? n : bytes.n;
        FUZZ_REQUIRE(buffer_append(&run->in[side], slice_of(bytes.p, n)));
        bytes = slice_after(bytes, n);
        pump(run, side);
    }
}

void run_end(struct dialog_run *run)
{
    struct actions actions = actions_of(&run->out[DIALOG_CLIENT], &run->out[DIALOG_SERVER]);
    size_t client = buffer_held(&run->out[DIALOG_CLIENT]).n;
    size_t server = buffer_held(&run->out[DIALOG_SERVER]).n;

    if (!run->is_started || run->is_over || run->relays)
        return;
    if (dialog_server_ended(&run->dialog, &actions)) {
        actions.leave_server = actions.next == DIALOG_NOTHING && !run->has_left;
        do_next(run, &actions);
    }
    actions = actions_of(&run->out[DIALOG_CLIENT], &run->out[DIALOG_SERVER]);
    if (!run->is_over) {
        dialog_expire(&run->dialog, REASON_TIMEOUT_REPLY, &actions);
        do_next(run, &actions);
    }
    FUZZ_REQUIRE(run->is_over);
    FUZZ_REQUIRE(buffer_held(&run->out[DIALOG_CLIENT]).n <= client + DIALOG_EXTRA);
    FUZZ_REQUIRE(buffer_held(&run->out[DIALOG_SERVER]).n == server);
}
