#include "script.h"

#include "mailmux/protocols.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_CAP = 4096 };

struct reader {
    const char *path;
    unsigned line;
    struct script *script;
};

static bool complain(const struct reader *reader, const char *what, const char *text)
{
    (void)fprintf(stderr, "%s:%u: %s: %s\n", reader->path, reader->line, what, text);
    return false;
}

static void *must(void *memory)
{
    if (!memory) {
        (void)fputs("transcripts: out of memory\n", stderr);
        exit(2);
    }
    return memory;
}

/* ---- Header ---- */

struct choice {
    const char *name;
    int value;
};

static bool choose(const struct choice *choices, size_t n, const char *name, int *value)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(choices[i].name, name) == 0) {
            *value = choices[i].value;
            return true;
        }
    }
    return false;
}

#define CHOOSE(choices, name, value)                                                               \
    choose(choices, sizeof(choices) / sizeof(*(choices)), name, value)

static bool read_protocol(struct script *script, const char *value)
{
    static const struct protocol *const protocols[] = {
        &protocol_smtp, &protocol_lmtp, &protocol_imap, &protocol_pop3, &protocol_managesieve};

    for (size_t i = 0; i < sizeof(protocols) / sizeof(*protocols); i++) {
        if (strcmp(protocols[i]->name, value) == 0)
            script->protocol = protocols[i];
    }
    return script->protocol != NULL;
}

static bool read_listener(struct script *script, const char *value)
{
    script->policy.offers_tls = strcmp(value, "starttls") == 0;
    script->legs.client_tls = strcmp(value, "implicit") == 0;
    return script->policy.offers_tls || script->legs.client_tls || strcmp(value, "none") == 0;
}

static bool read_backend(struct script *script, const char *value)
{
    script->legs.server_tls_verified = strcmp(value, "verified") == 0;
    script->legs.server_tls = script->legs.server_tls_verified || strcmp(value, "tls") == 0;
    return script->legs.server_tls || strcmp(value, "plain") == 0;
}

static bool read_require_tls(struct script *script, const char *value)
{
    static const struct choice choices[] = {
        {"no", REQUIRE_TLS_NO}, {"auth", REQUIRE_TLS_AUTH}, {"yes", REQUIRE_TLS_YES}};
    int chosen;

    if (!CHOOSE(choices, value, &chosen))
        return false;
    script->policy.require_tls = (enum require_tls)chosen;
    return true;
}

static bool read_smuggling(struct script *script, const char *value)
{
    static const struct choice choices[] = {{"look-alikes", SMUGGLING_LOOK_ALIKES},
        {"strict", SMUGGLING_STRICT}, {"pass", SMUGGLING_PASS}};
    int chosen;

    if (!CHOOSE(choices, value, &chosen))
        return false;
    script->policy.smuggling = (enum smuggling)chosen;
    return true;
}

static bool read_segments(struct script *script, const char *value)
{
    script->whole_only = strcmp(value, "whole") == 0;
    return script->whole_only || strcmp(value, "any") == 0;
}

static bool read_conformance(struct script *script, const char *value)
{
    int n = snprintf(script->conformance, sizeof(script->conformance), "%s", value);

    return n > 0 && (size_t)n < sizeof(script->conformance);
}

/* relay_domains DOMAIN DOMAIN ... */
static bool read_relay_domains(struct script *script, const char *value)
{
    char *text = script->relay_domains_text;
    int n = snprintf(text, sizeof(script->relay_domains_text), "%s", value);
    size_t count = 0;

    if (n < 0 || (size_t)n >= sizeof(script->relay_domains_text))
        return false;
    for (char *word = strtok(text, " "); word; word = strtok(NULL, " ")) {
        if (count == SCRIPT_RELAY_DOMAINS_MAX)
            return false;
        script->relay_domains[count++] = word;
    }
    script->policy.relay_domains = script->relay_domains;
    script->policy.relay_domain_count = count;
    return count > 0;
}

/* limit NAME NUMBER */
static bool read_limit(struct script *script, const char *value)
{
    char name[32];
    unsigned long number;

    if (sscanf(value, "%31s %lu", name, &number) != 2) /* NOLINT(cert-err34-c) */
        return false;
    if (strcmp(name, "bad_commands") == 0)
        script->policy.bad_commands = (unsigned)number;
    else if (strcmp(name, "line") == 0)
        script->policy.line = number;
    else if (strcmp(name, "sasl_line") == 0)
        script->policy.sasl_line = number;
    else if (strcmp(name, "literal") == 0)
        script->policy.literal = number;
    else if (strcmp(name, "reply") == 0)
        script->policy.reply = number;
    else if (strcmp(name, "reply_lines") == 0)
        script->policy.reply_lines = number;
    else
        return false;
    return true;
}

static const struct {
    const char *key;
    bool (*read)(struct script *script, const char *value);
} headers[] = {
    {"protocol", read_protocol},
    {"listener", read_listener},
    {"backend", read_backend},
    {"require_tls", read_require_tls},
    {"smuggling", read_smuggling},
    {"segments", read_segments},
    {"conformance", read_conformance},
    {"limit", read_limit},
    {"relay_domains", read_relay_domains},
};

static bool read_header(struct reader *reader, char *line)
{
    char *value = line + strcspn(line, " \t");

    if (*value != '\0')
        *value++ = '\0';
    value += strspn(value, " \t");
    for (size_t i = 0; i < sizeof(headers) / sizeof(*headers); i++) {
        if (strcmp(headers[i].key, line) == 0)
            return headers[i].read(reader->script, value) || complain(reader, line, value);
    }
    return complain(reader, "neither a setting nor a step", line);
}

/* ---- Steps ---- */

static struct step *add_step(struct reader *reader, enum step_kind kind)
{
    struct script *script = reader->script;
    struct step *step;

    if (script->len == script->cap) {
        script->cap = script->cap * 2 + 16;
        script->steps = must(realloc(script->steps, script->cap * sizeof(*script->steps)));
    }
    step = &script->steps[script->len++];
    *step = (struct step){.kind = kind, .line = reader->line};
    return step;
}

static void append(struct step *step, const char *bytes, size_t n, size_t times)
{
    step->text = must(realloc(step->text, step->len + n * times + 1));
    for (size_t i = 0; i < times; i++) {
        memcpy(step->text + step->len, bytes, n);
        step->len += n;
    }
    step->text[step->len] = '\0';
}

/* \r \n \t \0 \\ \xNN, in place. Returns the length, or -1. */
static long unescape(char *text)
{
    static const char letters[] = "rnt0\\";
    static const char meanings[] = "\r\n\t\0\\";
    char *out = text;

    for (const char *in = text; *in; in++) {
        const char *letter;
        unsigned value;

        if (*in != '\\') {
            *out++ = *in;
            continue;
        }
        in++;
        letter = *in ? strchr(letters, *in) : NULL;
        if (letter) {
            *out++ = meanings[letter - letters];
        } else if (*in == 'x' && sscanf(in + 1, "%2x", &value) == 1) { /* NOLINT(cert-err34-c) */
            *out++ = (char)value;
            in += 2;
        } else {
            return -1;
        }
    }
    return out - text;
}

/*
 * C: text    a line and its CRLF        C*3: text    three of them
 * C. text    without CRLF               C.*3 text
 */
static bool read_bytes(struct reader *reader, char *line, bool expected)
{
    enum dialog_side side = *line == 'C' ? DIALOG_CLIENT : DIALOG_SERVER;
    enum step_kind kind = expected ? STEP_EXPECT : STEP_SEND;
    char *at = line + 1;
    bool ends = *at != '.';
    unsigned long times = 1;
    struct script *script = reader->script;
    struct step *last = script->len > 0 ? &script->steps[script->len - 1] : NULL;
    long n;

    if (!ends)
        at++;
    if (*at == '*')
        times = strtoul(at + 1, &at, 10);
    if (*at == ':')
        at++;
    if (*at == ' ')
        at++;
    n = unescape(at);
    if (n < 0 || times == 0)
        return complain(reader, "cannot be read", line);
    if (ends) {
        memcpy(at + n, "\r\n", 2);
        n += 2;
    }
    if (!last || last->kind != kind || last->side != side)
        last = add_step(reader, kind);
    last->side = side;
    append(last, at, (size_t)n, times);
    return true;
}

static bool is_bytes(const char *line)
{
    return (*line == 'C' || *line == 'S') && line[1] != '\0' && strchr(":.*", line[1]);
}

static bool read_farewell(struct reader *reader, const char *name)
{
    static const struct choice choices[] = {{"no-backend", FAREWELL_NO_BACKEND},
        {"server-lost", FAREWELL_SERVER_LOST}, {"timeout", FAREWELL_TIMEOUT},
        {"shutdown", FAREWELL_SHUTDOWN}, {"too-many-sessions", FAREWELL_TOO_MANY_SESSIONS}};
    int chosen;

    if (!CHOOSE(choices, name, &chosen))
        return complain(reader, "no such farewell", name);
    add_step(reader, STEP_FAREWELL)->farewell = (enum dialog_farewell)chosen;
    return true;
}

static bool read_expiry(struct reader *reader, const char *name)
{
    static const struct choice choices[] = {{"command", REASON_TIMEOUT_COMMAND},
        {"line", REASON_TIMEOUT_LINE}, {"login", REASON_TIMEOUT_LOGIN},
        {"data", REASON_TIMEOUT_DATA}, {"reply", REASON_TIMEOUT_REPLY}};
    int chosen;

    if (!CHOOSE(choices, name, &chosen))
        return complain(reader, "no such deadline", name);
    add_step(reader, STEP_EXPIRE)->reason = (enum reason)chosen;
    return true;
}

static bool read_expectation(struct reader *reader, char *line)
{
    static const struct {
        const char *word;
        enum step_kind kind;
    } states[] = {{"USER ", STEP_USER}, {"NO USER", STEP_USER}, {"BOUNDARY ", STEP_BOUNDARY}};
    struct step *step;

    if (is_bytes(line))
        return read_bytes(reader, line, true);
    for (size_t i = 0; i < sizeof(states) / sizeof(*states); i++) {
        size_t n = strlen(states[i].word);

        if (strncmp(line, states[i].word, n) == 0) {
            step = add_step(reader, states[i].kind);
            append(step, line + n, strlen(line + n), 1);
            return true;
        }
    }
    step = add_step(reader, STEP_EVENT);
    append(step, line, strlen(line), 1);
    return true;
}

static bool read_step(struct reader *reader, char *line)
{
    if (strncmp(line, "=> ", 3) == 0)
        return read_expectation(reader, line + 3);
    if (is_bytes(line))
        return read_bytes(reader, line, false);
    if (strcmp(line, "TLS") == 0) {
        (void)add_step(reader, STEP_TLS_UP);
        return true;
    }
    if (strcmp(line, "TLS BUSY") == 0) {
        (void)add_step(reader, STEP_TLS_BUSY);
        return true;
    }
    if (strcmp(line, "SERVER END") == 0) {
        (void)add_step(reader, STEP_SERVER_END);
        return true;
    }
    if (strncmp(line, "EXPIRE ", 7) == 0)
        return read_expiry(reader, line + 7);
    if (strncmp(line, "FAREWELL ", 9) == 0)
        return read_farewell(reader, line + 9);
    return read_header(reader, line);
}

/* The limits of an ordinary proxy.ini. */
static void set_defaults(struct script *script)
{
    *script = (struct script){.policy = {.hostname = slice_from("proxy.example"),
                                  .offers_tls = true,
                                  .require_tls = REQUIRE_TLS_AUTH,
                                  .line = 4096,
                                  .sasl_line = 13312,
                                  .literal = 4096,
                                  .reply = 65536,
                                  .reply_lines = 128,
                                  .bad_commands = 10}};
}

bool script_read(const char *path, struct script *script)
{
    struct reader reader = {.path = path, .script = script};
    char line[LINE_CAP + 2]; /* room for a CRLF */
    bool good = true;
    FILE *file = fopen(path, "r");

    set_defaults(script);
    if (!file)
        return complain(&reader, "cannot be opened", path);
    while (good && fgets(line, LINE_CAP, file)) {
        reader.line++;
        line[strcspn(line, "\n")] = '\0';
        if (*line != '#' && line[strspn(line, " \t")] != '\0')
            good = read_step(&reader, line);
    }
    (void)fclose(file);
    if (good && !script->protocol)
        good = complain(&reader, "no line", "protocol");
    if (good && script->conformance[0] == '\0')
        (void)snprintf(script->conformance, sizeof(script->conformance), "-");
    return good;
}

void script_free(struct script *script)
{
    for (size_t i = 0; i < script->len; i++)
        free(script->steps[i].text);
    free(script->steps);
}
