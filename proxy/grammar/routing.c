#include "mailmux/routing.h"

#include "imap_parts.h"
#include "mailmux/alpn.h"

/* What the octets so far tell about a rule. */
enum verdict {
    RULE_NO,
    RULE_OPEN, /* further octets may bring either */
    RULE_YES
};

/* ---- Text: the first words ---- */

/* The words of each protocol but IMAP, whose tags may be anything. PRI: the preface of HTTP/2. */
enum { WORDS_MAX = 22 };
static const char *const first_words[][WORDS_MAX] = {
    [ROUTING_FIRST_SMTP] = {"EHLO", "HELO", NULL},
    [ROUTING_FIRST_LMTP] = {"LHLO", NULL},
    [ROUTING_FIRST_IMAP] = {NULL},
    [ROUTING_FIRST_POP3] = {"CAPA", "USER", "APOP", "AUTH", "STLS", "UTF8", "LANG", NULL},
    [ROUTING_FIRST_MANAGESIEVE] = {"AUTHENTICATE", "STARTTLS", "CAPABILITY", NULL},
    [ROUTING_FIRST_HTTP] = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "CONNECT", "TRACE",
        "PATCH", "PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK", "REPORT",
        "SEARCH", "MKCALENDAR", "ACL", "PRI", NULL},
    [ROUTING_FIRST_SSH] = {"SSH-", NULL},
};
enum { WORD_LISTS = sizeof(first_words) / sizeof(first_words[0]) };

/* What may stand behind a tag. Clients begin with the first ones; the others are no less IMAP. */
static const char *const imap_commands[] = {"CAPABILITY", "NOOP", "LOGOUT", "STARTTLS",
    "AUTHENTICATE", "LOGIN", "ID", "ENABLE", "NAMESPACE", "SELECT", "EXAMINE", "CREATE", "DELETE",
    "RENAME", "SUBSCRIBE", "UNSUBSCRIBE", "LIST", "LSUB", "STATUS", "APPEND", "IDLE", "COMPRESS",
    "CHECK", "CLOSE", "UNSELECT", "EXPUNGE", "SEARCH", "FETCH", "STORE", "COPY", "MOVE", "UID",
    NULL};

static bool is_end_of_word(char c)
{
    return byte_is_blank(c) || c == '\r' || c == '\n';
}

/* A word that ends with a letter must end there, so one octet behind it is needed. */
static enum verdict judge_word(struct slice in, bool is_over, struct slice word)
{
    if (in.n < word.n)
        return slice_starts_nocase(word, in) ? RULE_OPEN : RULE_NO;
    if (!slice_starts_nocase(in, word))
        return RULE_NO;
    if (!byte_is_letter_or_digit(word.p[word.n - 1]))
        return RULE_YES;
    if (in.n == word.n)
        return is_over ? RULE_YES : RULE_OPEN;
    return is_end_of_word(in.p[word.n]) ? RULE_YES : RULE_NO;
}

static enum verdict judge_words(struct slice in, bool is_over, const char *const *words)
{
    enum verdict best = RULE_NO;

    for (; *words && best != RULE_YES; words++) {
        enum verdict verdict = judge_word(in, is_over, slice_from(*words));

        best = verdict > best ? verdict : best;
    }
    return best;
}

/* "USER list" is a command of POP3, and no IMAP with the tag USER. */
static bool is_other_word(struct slice tag)
{
    for (size_t i = 0; i < WORD_LISTS; i++) {
        if (slice_is_one_of(tag, first_words[i]))
            return true;
    }
    return false;
}

static enum verdict judge_imap(struct slice in, bool is_over)
{
    struct slice tag;
    struct slice rest;

    if (in.n == 0)
        return RULE_OPEN;
    if (!imap_tag_cut(in, &tag, &rest))
        return RULE_NO;
    if (rest.n == 0)
        return RULE_OPEN;
    return is_other_word(tag) ? RULE_NO : judge_words(slice_after(rest, 1), is_over, imap_commands);
}

static enum verdict judge_first(enum routing_first first, struct slice in, bool is_over)
{
    return first == ROUTING_FIRST_IMAP ? judge_imap(in, is_over)
                                       : judge_words(in, is_over, first_words[first]);
}

/* ---- TLS: what the ClientHello asks for ---- */

/* Returns the name as it is compared: without a dot at its end. An IP address is none. */
static struct slice name_of(const struct client_hello *hello)
{
    struct slice name = slice_of(hello->sni, hello->sni_n);
    struct address ignored;

    if (name.n > 0 && name.p[name.n - 1] == '.')
        name.n--;
    return address_parse_ip(name, 0, &ignored) ? slice_of(name.p, 0) : name;
}

static bool asks_for(const struct client_hello *hello, struct slice pattern)
{
    struct slice name = name_of(hello);
    struct slice suffix = slice_after(pattern, 1); /* with its dot */

    if (pattern.p[0] != '*')
        return slice_equal_nocase(name, pattern);
    return name.n > suffix.n && slice_ends_nocase(name, suffix);
}

static bool offers(const struct client_hello *hello, struct slice protocol)
{
    struct client_hello_part list = hello->alpn;
    char name[CLIENT_HELLO_NAME_MAX];
    size_t n;

    while (client_hello_next_protocol(&list, name, &n)) {
        if (alpn_means(protocol, slice_of(name, n)))
            return true;
    }
    return false;
}

/* ---- Rules ---- */

static enum verdict verdict_of(bool is_so)
{
    return is_so ? RULE_YES : RULE_NO;
}

/* A rule that looks into the hello is open as long as the hello may still become a whole one. */
static enum verdict judge_hello(
    const struct routing_rule *rule, struct slice in, const struct routing_choice *so_far)
{
    if (in.n == 0 || so_far->hello == CLIENT_HELLO_MORE)
        return RULE_OPEN;
    if (so_far->hello != CLIENT_HELLO_COMPLETE)
        return RULE_NO;
    return verdict_of(rule->key == ROUTING_SNI
                          ? asks_for(&so_far->client_hello, slice_from(rule->text))
                          : offers(&so_far->client_hello, slice_from(rule->text)));
}

static enum verdict judge(const struct routing_rule *rule, const struct routing_input *input,
    const struct routing_choice *so_far)
{
    struct slice in = input->bytes;

    switch (rule->key) {
    case ROUTING_ALPN:
    case ROUTING_SNI:
        return judge_hello(rule, in, so_far);
    case ROUTING_TLS:
        return in.n == 0 ? RULE_OPEN : verdict_of(so_far->is_tls);
    case ROUTING_FIRST:
        return so_far->is_tls ? RULE_NO : judge_first(rule->first, in, input->is_over);
    case ROUTING_FROM:
        return verdict_of(input->client && cidr_list_matches(&rule->from, 1, input->client));
    case ROUTING_DEFAULT:
        return RULE_YES;
    }
    return RULE_NO;
}

enum routing_result routing_decide(const struct routing_rule *rules, size_t count,
    const struct routing_input *input, struct routing_choice *out)
{
    struct routing_choice choice = {.rule = ROUTING_NONE};

    choice.hello = client_hello_parse(input->bytes, input->limit, &choice.client_hello);
    choice.is_tls = input->bytes.n > 0 && choice.hello != CLIENT_HELLO_NOT_TLS;
    for (size_t i = 0; i < count; i++) {
        enum verdict verdict = judge(&rules[i], input, &choice);

        if (verdict == RULE_OPEN && !input->is_over)
            return ROUTING_MORE;
        if (verdict == RULE_YES) {
            choice.rule = i;
            break;
        }
    }
    *out = choice;
    return ROUTING_DECIDED;
}
