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

/* What was wrong before has been said. */
static void log_problems(
    const char *set, const struct tls_directory *before, const struct tls_directory *now)
{
    const char *problem;
    struct log_line line;

    for (size_t i = 0; (problem = tls_directory_problem(now, i)) != NULL; i++) {
        if (had_problem(before, problem))
            continue;
        log_open(&line, LOG_WARNING, "certificate-problem");
        log_text(&line, "set", slice_from(set));
        log_text(&line, "why", slice_from(problem));
        log_write(&line);
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

bool certificates_refresh(
    const struct config *config, size_t index, struct tls_set *set, struct error *error)
{
    const struct config_tls *tls = &config->tls[index];
    struct tls_directory *before = tls_set_directory(set);
    size_t failed;
    struct tls_directory *now = certificate_directory_read(
        config, tls, before, CERTIFICATE_DIRECTORY_CHANGE, &failed, error);
    bool is_enough = now && (tls_directory_count(now) > 0 || tls->certificates.count > 0);

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
