/* What the sections, choices and options of other programs are called here. */
#include "synonyms.h"

enum { WORD_MAX = 48 };

/* Writes the word as the table has it. Returns an empty slice for one that is too long. */
static struct slice fold(struct slice word, char out[WORD_MAX])
{
    if (word.n > WORD_MAX)
        return slice_of(out, 0);
    for (size_t i = 0; i < word.n; i++)
        out[i] = word.p[i] == '-' || byte_is_blank(word.p[i]) ? '_' : word.p[i];
    return slice_of(out, word.n);
}

bool synonym_has(const char *words, struct slice word)
{
    char folded[WORD_MAX];

    word = fold(word, folded);
    return word.n > 0 && slice_has_word(slice_from(words), word);
}

/* ---- Sections ---- */

static const struct {
    const char *words;
    enum section_kind kind;
} sections[] = {
    {"frontend listen service server inet_listener port imap imaps pop3 pop3s pop smtp smtps "
     "esmtp submission submissions ssmtp",
        SECTION_LISTENER},
    {"upstream pool cluster destination target", SECTION_BACKEND},
    {"global main general process mailmux daemon resolvers logging log", SECTION_PROXY},
    {"ssl cert certificate certificates", SECTION_TLS},
    {"defaults times timeout", SECTION_TIMEOUTS},
};

const struct section_info *synonym_of_section(struct slice word)
{
    for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
        if (synonym_has(sections[i].words, word))
            return &section_infos[sections[i].kind];
    }
    return NULL;
}

/* ---- Choices ---- */

#define EITHER "write implicit for TLS from the first byte, or starttls"
#define OLDEST "1.0 is the oldest version that there is"

/* keys NULL: of every setting that has the choice. */
static const struct {
    const char *keys;
    const char *words;
    const char *choice;
    const char *remedy;
} choices[] = {
    {"balance", "leastconn least_conn least_connections leastconns least lc wlc", "least-sessions",
        NULL},
    {"balance", "roundrobin rr wrr static_rr robin weighted random first", "round-robin", NULL},
    {"balance", "source ip_hash iphash hash sh consistent sticky client_ip source_hash hash_ip",
        "address-hash", NULL},
    {"tls", "none plain plaintext clear off no false disable disabled", "none", NULL},
    {"tls", "stls start_tls may opportunistic encrypt optional upgrade only", "starttls", NULL},
    {"tls", "wrapper wrappermode direct smtps imaps pop3s tls_on_connect ssl_on_connect",
        "implicit", NULL},
    {"tls", "on yes true tls ssl required require enabled enable", NULL, EITHER},
    {"tls", "both any either detect mixed", "auto", NULL},
    {"protocol", "any all both mixed mux multi detect", "auto", NULL},
    {"require_tls", "on true required require encrypt always mandatory force", "yes", NULL},
    {"require_tls", "off false optional may never", "no", NULL},
    {"require_tls", "login logins auth_only password passwords", "auth", NULL},
    {"protocol", "pop pop_3", "pop3", NULL},
    {"protocol", "imap4 imap4rev1 imap4rev2", "imap", NULL},
    {"protocol", "esmtp mx mta smtpd", "smtp", NULL},
    {"protocol", "msa", "submission", NULL},
    {"protocol", "imaps", NULL, "write protocol = imap and tls = implicit"},
    {"protocol", "pop3s", NULL, "write protocol = pop3 and tls = implicit"},
    {"protocol", "smtps submissions ssmtp", NULL, "write protocol = submission and tls = implicit"},
    {"protocol", "sieve manage_sieve managesieved timsieved", "managesieve", NULL},
    {"policy tls_policy", "old compat", "legacy", NULL},
    {"policy tls_policy", "default medium normal compatible", "intermediate", NULL},
    {"policy tls_policy", "strict high secure", "modern", NULL},
    {"minimum_version maximum_version", "tlsv1 tlsv1.0 tls1 tls1.0 tls_1.0 tlsv10 1", "1.0", NULL},
    {"minimum_version maximum_version", "tlsv1.1 tls1.1 tls_1.1 tlsv11", "1.1", NULL},
    {"minimum_version maximum_version", "tlsv1.2 tls1.2 tls_1.2 tlsv12", "1.2", NULL},
    {"minimum_version maximum_version", "tlsv1.3 tls1.3 tls_1.3 tlsv13", "1.3", NULL},
    {"minimum_version maximum_version", "sslv2 sslv3 ssl2 ssl3 any", NULL, OLDEST},
    {"client_certificate", "on yes true required", "require", NULL},
    {"client_certificate", "optional optional_no_ca ask want", "request", NULL},
    {"client_certificate", "off no false", "none", NULL},
    {"send_client_address", "proxy send_proxy haproxy proxy_protocol v1 proxyv1", "proxy-v1", NULL},
    {"send_client_address", "send_proxy_v2 v2 proxyv2", "proxy-v2", NULL},
    {"send_client_address", "off no false", "none", NULL},
    {"send_client_address", "on yes true", NULL,
        "write how: proxy-v2, or xclient, or (IMAP) id; the server must expect it"},
    {"check", "tcp port tcp_check", "connect", NULL},
    {"check", "on yes true banner smtp smtpchk mail", "greeting", NULL},
    {"check", "off no false", "none", NULL},
    {"log_level", "warn", "warning", NULL},
    {"log_level", "notice informational normal", "info", NULL},
    {"log_level", "err crit critical alert emerg fatal", "error", NULL},
    {"log_level", "trace verbose all", "debug", NULL},
    {"log_format", "plain logfmt syslog default", "text", NULL},
    {"smuggling", "normalize reject no", "look-alikes", NULL},
    {"smuggling", "off allow yes", "pass", NULL},
    {"early_talker", "drop reject enforce", "refuse", NULL},
    {"early_talker", "ignore allow wait", "hold", NULL},
    {NULL, "on true 1 enable enabled y", "yes", NULL},
    {NULL, "off false 0 disable disabled n", "no", NULL},
};

static bool is_choice(const struct directive *directive, const char *word)
{
    for (const struct choice *choice = directive->choices; word && choice->word; choice++) {
        if (slice_equal(slice_from(choice->word), slice_from(word)))
            return true;
    }
    return false;
}

bool synonym_of_choice(
    const struct directive *directive, struct slice word, const char **choice, const char **remedy)
{
    for (size_t i = 0; i < sizeof(choices) / sizeof(choices[0]); i++) {
        bool is_meant =
            !choices[i].keys || synonym_has(choices[i].keys, slice_from(directive->key));

        *choice = choices[i].choice;
        *remedy = choices[i].remedy;
        if (is_meant && synonym_has(choices[i].words, word) &&
            (*remedy || is_choice(directive, *choice)))
            return true;
    }
    *choice = NULL;
    *remedy = NULL;
    return false;
}

/* ---- Options of a server ---- */

static const struct {
    const char *words;
    const char *remedy;
} options[] = {
    {"maxconn max_conns max_connections limit maxsess", "did you mean max_sessions=?"},
    {"slowstart warmup", "did you mean slow_start=?"},
    {"down disabled disable", "did you mean maintenance?"},
    {"standby reserve", "did you mean backup?"},
    {"drained draining", "did you mean drain?"},
    {"check inter port check_send_proxy observe",
        "checks are settings of the section: check, check_interval, rise and fall"},
    {"rise fall max_fails fail_timeout", "it is a setting of the section: rise = N, fall = N"},
    {"ssl tls starttls verify ca_file sni check_ssl",
        "TLS is a setting of the section: tls, verify, ca, tls_name"},
    {"send_proxy send_proxy_v2 xclient", "it is a setting of the section: send_client_address"},
};

const char *synonym_of_option(struct slice word)
{
    word = slice_of(word.p, slice_find(word, '='));
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        if (synonym_has(options[i].words, word))
            return options[i].remedy;
    }
    return NULL;
}
