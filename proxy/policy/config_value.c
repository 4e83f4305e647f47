#include "config_value.h"

#include "mailmux/config.h"
#include "suggest.h"
#include "synonyms.h"
#include <inttypes.h>

struct unit {
    const char *word;
    uint64_t factor;
};

/* Units in which values are written, the largest first. The smallest of sizes has an empty word. */
static const struct unit durations[] = {
    {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}, {NULL, 0}};
static const struct unit sizes[] = {{"m", 1048576}, {"k", 1024}, {"", 1}, {NULL, 0}};
static const struct unit plain[] = {{"", 1}, {NULL, 0}};

/* What else is understood: the words of nginx, HAProxy, Dovecot, Postfix and systemd. */
static const struct unit more_durations[] = {{"msec", 1}, {"msecs", 1}, {"sec", 1000},
    {"secs", 1000}, {"second", 1000}, {"seconds", 1000}, {"min", 60000}, {"mins", 60000},
    {"minute", 60000}, {"minutes", 60000}, {"hour", 3600000}, {"hours", 3600000}, {"d", 86400000},
    {"day", 86400000}, {"days", 86400000}, {"w", 604800000}, {"week", 604800000},
    {"weeks", 604800000}, {NULL, 0}};
static const struct unit more_sizes[] = {{"mb", 1048576}, {"mib", 1048576}, {"kb", 1024},
    {"kib", 1024}, {"b", 1}, {"byte", 1}, {"bytes", 1}, {"g", 1073741824}, {"gb", 1073741824},
    {"gib", 1073741824}, {NULL, 0}};

static const struct unit *units_of(const struct directive *directive)
{
    if (directive->type == VALUE_DURATION)
        return durations;
    return directive->type == VALUE_SIZE ? sizes : plain;
}

static const char *kind_of(const struct directive *directive)
{
    if (directive->type == VALUE_DURATION)
        return "a time such as 500ms, 30s, 5m or 24h";
    return directive->type == VALUE_SIZE ? "a size in bytes such as 4096 or 64k" : "a whole number";
}

static void write_choices(const struct directive *directive, char out[DIRECTIVE_TEXT_MAX])
{
    size_t n = 0;

    for (const struct choice *choice = directive->choices; choice->word; choice++) {
        int added =
            snprintf(out + n, DIRECTIVE_TEXT_MAX - n, "%s%s", n == 0 ? "" : ", ", choice->word);

        if (added < 0 || (size_t)added >= DIRECTIVE_TEXT_MAX - n)
            return;
        n += (size_t)added;
    }
}

static void write_range(const struct directive *directive, char out[DIRECTIVE_TEXT_MAX])
{
    char low[NUMBER_TEXT_MAX];
    char high[NUMBER_TEXT_MAX];

    (void)snprintf(out, DIRECTIVE_TEXT_MAX, "%s to %s%s%s",
        config_number_text(directive, directive->min, low),
        config_number_text(directive, directive->max, high), directive->zero ? ", or " : "",
        directive->zero ? directive->zero : "");
}

/* What a type is called, and what may be written if the row has neither a range nor choices. */
static const struct type_text {
    const char *name;
    const char *allowed;
} type_texts[] = {
    [VALUE_NUMBER] = {"number", NULL},
    [VALUE_DURATION] = {"time", NULL},
    [VALUE_SIZE] = {"size", NULL},
    [VALUE_CHOICE] = {"choice", NULL},
    [VALUE_CHOICES] = {"list of choices", NULL},
    [VALUE_WORD] = {"word", "a word without blanks"},
    [VALUE_WORDS] = {"list of words", "words without blanks"},
    [VALUE_HOST] = {"host name", "a host name"},
    [VALUE_DIRECTORY] = {"directory", "a path"},
    [VALUE_FILE] = {"file", "the path of a readable file"},
    [VALUE_FILES] = {"list of files", "paths of readable files"},
    [VALUE_DIRECTORIES] = {"list of directories", "paths of readable directories"},
    [VALUE_DOMAINS] = {"list of domains",
        "example.org, *.example.org (what is below it) or [192.0.2.1]"},
    [VALUE_CIDRS] = {"list of networks", "IP/BITS or IP"},
    [VALUE_ROUTES] = {"list of routes", "CONDITION -> TARGET"},
    [VALUE_BIND] = {"list of addresses", "IP:PORT, [IPV6]:PORT or *:PORT"},
    [VALUE_RESOLVERS] = {"list of addresses", "IP or IP:PORT"},
    [VALUE_SERVERS] = {"list of servers", "[NAME] HOST:PORT [OPTIONS]"},
    [VALUE_TLS_SETS] = {"list of names", "the NAMEs of [tls NAME] sections, or default"},
    [VALUE_TLS_USERS] = {"list of names",
        "names of listeners, protocols, host names or *.example.org"},
    [VALUE_BACKEND] = {"name", "the NAME of a [backend NAME], or HOST:PORT"},
};

const char *directive_type_name(const struct directive *directive)
{
    return type_texts[directive->type].name;
}

const char *directive_allowed(const struct directive *directive, char out[DIRECTIVE_TEXT_MAX])
{
    if (directive->choices)
        write_choices(directive, out);
    else if (type_texts[directive->type].allowed)
        (void)snprintf(out, DIRECTIVE_TEXT_MAX, "%s", type_texts[directive->type].allowed);
    else
        write_range(directive, out);
    return out;
}

const char *directive_default(const struct directive *directive)
{
    if (directive->is_required)
        return "none; it must be given";
    if (directive->default_text)
        return directive->default_text;
    return directive->fallback ? directive->fallback : "none";
}

static void refuse(const struct directive *directive, const char *problem, struct error *error)
{
    char allowed[DIRECTIVE_TEXT_MAX];

    error_set(error, "%s; allowed: %s", problem, directive_allowed(directive, allowed));
}

/* Upper and lower case are equal, but for M alone: of times, nginx takes it for months. */
static const struct unit *find_unit(
    const struct directive *directive, const struct unit *units, struct slice word)
{
    if (directive->type == VALUE_DURATION && slice_equal(word, SLICE("M")))
        return NULL;
    for (; units->word; units++) {
        if (slice_equal_nocase(word, slice_from(units->word)))
            return units;
    }
    return NULL;
}

static const struct unit *unit_of(const struct directive *directive, struct slice word)
{
    const struct unit *unit = find_unit(directive, units_of(directive), word);

    if (!unit && directive->type == VALUE_DURATION)
        unit = find_unit(directive, more_durations, word);
    else if (!unit && directive->type == VALUE_SIZE)
        unit = find_unit(directive, more_sizes, word);
    return unit;
}

/* Cuts the digits, and then the letters behind them, off the text. Blanks may stand around both. */
static void cut_part(struct slice *rest, struct slice *digits, struct slice *word)
{
    size_t n = 0;

    while (n < rest->n && byte_is_digit(rest->p[n]))
        n++;
    *digits = slice_of(rest->p, n);
    *rest = slice_trim(slice_after(*rest, n));
    for (n = 0; n < rest->n && byte_is_letter(rest->p[n]);)
        n++;
    *word = slice_of(rest->p, n);
    *rest = slice_trim(slice_after(*rest, n));
}

/*
 * Parses digits and a unit, for times also several such parts, each of a smaller unit than the one
 * before: 1h30m. *value is in the smallest unit. Returns false for any other text. *is_too_high:
 * the value does not fit, and *value is not set.
 */
static bool parse_with_unit(
    const struct directive *directive, struct slice text, uint64_t *value, bool *is_too_high)
{
    uint64_t before = UINT64_MAX;
    uint64_t sum = 0;

    *is_too_high = false;
    do {
        struct slice digits;
        struct slice word;
        const struct unit *unit;
        uint64_t number = 0;

        cut_part(&text, &digits, &word);
        unit = unit_of(directive, word);
        if (digits.n == 0 || !unit || unit->factor >= before ||
            (directive->type != VALUE_DURATION && text.n > 0))
            return false;
        before = unit->factor;
        if (!slice_number(digits, UINT64_MAX / unit->factor, &number) ||
            __builtin_add_overflow(sum, number * unit->factor, &sum))
            *is_too_high = true;
    } while (text.n > 0);
    if (!*is_too_high)
        *value = sum;
    return true;
}

/* A time is meant that is allowed: in seconds, or else in milliseconds. */
static void refuse_without_unit(
    const struct directive *directive, struct slice text, uint64_t number, struct error *error)
{
    char allowed[DIRECTIVE_TEXT_MAX];
    const char *unit = NULL;

    (void)directive_allowed(directive, allowed);
    if (number >= (directive->min + 999) / 1000 && number <= directive->max / 1000)
        unit = "s";
    else if (number >= directive->min && number <= directive->max)
        unit = "ms";
    if (unit)
        error_set(error, "a time needs a unit; did you mean %.*s%s? allowed: %s", (int)text.n,
            text.p, unit, allowed);
    else
        error_set(error, "a time needs a unit; allowed: %s", allowed);
}

static bool parse_unless_zero(
    const struct directive *directive, struct slice text, uint64_t *value, struct error *error)
{
    char allowed[DIRECTIVE_TEXT_MAX];
    bool is_too_high;
    uint64_t read = 0;

    if (!parse_with_unit(directive, text, &read, &is_too_high)) {
        if (directive->type == VALUE_DURATION && slice_number(text, UINT64_MAX, &read))
            refuse_without_unit(directive, text, read, error);
        else
            error_set(error, "not %s; allowed: %s", kind_of(directive),
                directive_allowed(directive, allowed));
        return false;
    }
    if (is_too_high || read > directive->max)
        refuse(directive, "too high", error);
    else if (read < directive->min)
        refuse(directive, "too low", error);
    else {
        *value = read;
        return true;
    }
    return false;
}

bool config_number_parse(
    const struct directive *directive, struct slice text, uint64_t *out, struct error *error)
{
    uint64_t value = 0;
    bool is_zero = slice_equal(text, SLICE("0")) &&
                   (directive->zero || (directive->type == VALUE_DURATION && directive->min == 0));

    if (directive->zero && slice_equal(text, slice_from(directive->zero)))
        is_zero = true;
    if (!is_zero && !parse_unless_zero(directive, text, &value, error))
        return false;
    *out = value;
    return true;
}

const char *config_number_text(
    const struct directive *directive, uint64_t value, char out[NUMBER_TEXT_MAX])
{
    const struct unit *unit = units_of(directive);

    if (value == 0 && directive->zero) {
        (void)snprintf(out, NUMBER_TEXT_MAX, "%s", directive->zero);
        return out;
    }
    if (value == 0 && directive->type == VALUE_DURATION) {
        (void)snprintf(out, NUMBER_TEXT_MAX, "0s");
        return out;
    }
    while (value % unit->factor != 0 || (value == 0 && unit->factor > 1))
        unit++;
    (void)snprintf(out, NUMBER_TEXT_MAX, "%" PRIu64 "%s", value / unit->factor, unit->word);
    return out;
}

bool config_choice_parse(
    const struct directive *directive, struct slice text, unsigned *out, struct error *error)
{
    char allowed[DIRECTIVE_TEXT_MAX];
    const char *meant = NULL;
    const char *remedy = NULL;
    struct suggestion near;

    suggest_begin(&near, text);
    for (const struct choice *choice = directive->choices; choice->word; choice++) {
        if (slice_equal(slice_from(choice->word), text)) {
            *out = choice->value;
            return true;
        }
        (void)suggest_offer(&near, choice->word);
    }
    (void)directive_allowed(directive, allowed);
    if (!synonym_of_choice(directive, text, &meant, &remedy))
        meant = near.best;
    if (remedy)
        error_set(error, "not a choice here; %s; allowed: %s", remedy, allowed);
    else if (meant)
        error_set(error, "not a choice here; did you mean %s? allowed: %s", meant, allowed);
    else
        error_set(error, "not a choice here; allowed: %s", allowed);
    return false;
}

const char *config_choice_text(const struct directive *directive, unsigned value)
{
    for (const struct choice *choice = directive->choices; choice->word; choice++) {
        if (choice->value == value)
            return choice->word;
    }
    return NULL;
}
