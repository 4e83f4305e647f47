#include "order_command.h"

#include "mailmux/config.h"
#include "words.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>
#include <wctype.h>

enum {
    PATIENCE_S = 10, /* for a keeper that is reading its configuration */
    /* A reload that follows an upgrade is answered behind it, and both wait for services. */
    CHANGE_PATIENCE_S = 300
};

static int fail(const char *directory, const char *why, const char *remedy)
{
    (void)fprintf(
        stderr, "mailmux: no mailmux takes orders at %s/control: %s%s\n", directory, why, remedy);
    return 1;
}

static const char hangs[] = "the process there does not answer; it hangs, or is stopped";

static int fail_to_connect(const char *directory)
{
    int failure = errno;

    if (failure == EAGAIN)
        return fail(directory, hangs, "");
    return fail(directory, strerror(failure),
        failure == EACCES ? "; only root and its own account may ask"
                          : "; is it running, and with this file? If state_directory has just been "
                            "changed there, it is SIGHUP that reaches it");
}

/*
 * What comes back may be from a service that was taken over: it commands no terminal. Names of
 * files may have letters that the locale of the terminal has.
 */
static void print(FILE *out, const char *text)
{
    size_t n;

    (void)setlocale(LC_CTYPE, "");
    for (const char *at = text; *at; at += n) {
        mbstate_t state = {0};
        wchar_t letter = 0;
        bool is_shown;

        n = mbrtowc(&letter, at, strlen(at), &state);
        is_shown = n <= MB_LEN_MAX && (letter == L'\n' || iswprint((wint_t)letter));
        if (n > MB_LEN_MAX) /* it is no letter */
            n = 1;
        (void)fwrite(is_shown ? at : "?", 1, is_shown ? n : 1, out);
    }
    (void)fputc('\n', out);
}

/*
 * file: the keeper refuses the order if it runs with another one. user: it may run as this account;
 * NULL: as root, or as this process's own.
 */
static int ask(const char *file, const char *directory, const char *user, enum control_order order)
{
    char whole[PATH_MAX];
    struct sockaddr_un at;
    struct word answer;
    int fd = -1;
    enum word_received received = WORD_GONE;

    errno = ENAMETOOLONG;
    if (control_socket_path(directory, &at))
        fd = control_socket_connect(&at, PATIENCE_S);
    if (fd < 0)
        return fail_to_connect(directory);
    if (!control_socket_is_trusted(fd, user)) {
        (void)close(fd);
        return fail(directory, "it is of another account than root and user of this file",
            "; give the order as that account, or name it in user");
    }
    control_socket_limit(fd, order == CONTROL_STATUS ? PATIENCE_S : CHANGE_PATIENCE_S);
    if (word_send(fd, (char)order, realpath(file, whole) ? whole : "", -1))
        received = word_receive(fd, true, &answer);
    (void)close(fd);
    if (received == WORD_AGAIN)
        return fail(directory, hangs, "");
    if (received != WORD_OK)
        return fail(directory, "it gave no answer; only root and its own account may ask", "");
    if (answer.fd >= 0)
        (void)close(answer.fd);
    print(answer.letter == CONTROL_DONE ? stdout : stderr, answer.text);
    return answer.letter == CONTROL_DONE ? 0 : 1;
}

int order_command(const char *file, enum control_order order)
{
    struct config_report report;
    struct config *config;
    int status;

    /* With the rights of this process, which access() leaves out: a capability may be enough. */
    if (faccessat(AT_FDCWD, file, R_OK, AT_EACCESS) != 0) {
        (void)fprintf(stderr, "mailmux: cannot read %s: %s\n", file, strerror(errno));
        return 1;
    }
    (void)config_load_unchecked(file, &config, &report);
    status = ask(file, config->proxy.state_directory, config->proxy.user, order);
    config_report_free(&report);
    config_free(&config);
    return status;
}
