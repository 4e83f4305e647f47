#include "certificate_refresh.h"

#include "certificate_directory.h"
#include <string.h>

static bool had_problem(const struct tls_directory *directory, const char *problem)
{
    const char *one;

    for (size_t i = 0; (one = tls_directory_problem(directory, i)) != NULL; i++) {
        if (strcmp(one, problem) == 0)
            return true;
    }
    return false;
}

static void log_problem(const char *set, const char *why)
{
    struct log_line line;

    log_open(&line, LOG_WARNING, "certificate-problem");
    log_text(&line, "set", slice_from(set));
    log_text(&line, "why", slice_from(why));
    log_write(&line);
}

/* What was wrong before has been said. */
static void log_problems(
    const char *set, const struct tls_directory *before, const struct tls_directory *now)
{
    const char *problem;

    for (size_t i = 0; (problem = tls_directory_problem(now, i)) != NULL; i++) {
        if (!had_problem(before, problem))
            log_problem(set, problem);
    }
}

static void log_change(const char *set, const struct tls_directory *now)
{
    struct log_line line;

    log_open(&line, LOG_INFO, "certificates-changed");
    log_text(&line, "set", slice_from(set));
    log_number(&line, "certificates", tls_directory_count(now));
    log_number(&line, "names", tls_directory_name_count(now));
    log_write(&line);
}

static bool refresh_directories(const struct config_tls *tls, const struct config *config,
    struct tls_set *set, struct error *error)
{
    struct tls_directory *before = tls_set_directory(set);
    size_t failed;
    struct tls_directory *now = certificate_directory_read(
        config, tls, before, CERTIFICATE_DIRECTORY_CHANGE, &failed, error);
    bool is_enough = now && (tls_directory_count(now) > 0 || tls->certificates.count > 0);
    struct error why;

    if (!now) {
        why = *error;
        error_set(error, "%s: %s", tls->directories.text[failed], why.text);
    }
    if (now && !is_enough)
        error_set(error, "no certificate with its private key is left in it, and those from "
                         "before stay in service");
    if (is_enough) {
        log_problems(tls->name, before, now);
        if (!tls_directory_is_same(before, now))
            log_change(tls->name, now);
        tls_set_replace_directory(set, now);
    }
    tls_directory_unref(&now);
    tls_directory_unref(&before);
    return is_enough;
}

bool certificates_refresh(
    const struct config *config, size_t index, struct tls_set *set, struct error *error)
{
    const struct config_tls *tls = &config->tls[index];

    return tls->directories.count == 0 || refresh_directories(tls, config, set, error);
}

static void log_answer(const char *set, const char *certificate, bool is_stapled)
{
    struct log_line line;

    log_open(&line, LOG_INFO, "staple-changed");
    log_text(&line, "set", slice_from(set));
    log_text(&line, "certificate", slice_from(certificate));
    log_text(&line, "message",
        is_stapled ? SLICE("clients get the new answer beside it")
                   : SLICE("the answer beside it is gone, and clients get none"));
    log_write(&line);
}

void certificates_refresh_answers(const struct config_tls *tls, struct tls_set *set)
{
    struct error why;

    for (size_t i = 0; i < tls->certificates.count; i++) {
        switch (tls_set_read_answer(set, i, &why)) {
        case TLS_ANSWER_SAME:
            break;
        case TLS_ANSWER_GONE:
            log_answer(tls->name, tls->certificates.text[i], false);
            break;
        case TLS_ANSWER_STAPLED:
            log_answer(tls->name, tls->certificates.text[i], true);
            break;
        case TLS_ANSWER_WRONG:
            log_problem(tls->name, why.text);
            break;
        }
    }
}
