/*
 * For the tests of what reads a configuration file: a directory and a file of one test, and what is
 * printed and logged meanwhile. Comes behind cmocka.h.
 */
#ifndef MAILMUX_INI_FILE_H
#define MAILMUX_INI_FILE_H

#include "certificates.h"
#include "log_catch.h"
#include <pwd.h>

static char *directory;
static const char *file;

static inline int set_up(void **state)
{
    (void)state;
    directory = certificates_directory_new();
    file = certificates_path(directory, "proxy", "ini");
    log_catch(LOG_INFO);
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    log_release();
    certificates_directory_free(&directory);
    return 0;
}

static inline void write_file(const char *text)
{
    FILE *ini = fopen(file, "w");

    assert_non_null(ini);
    assert_true(fputs(text, ini) >= 0);
    assert_int_equal(fclose(ini), 0);
}

/* The text behind a section [proxy] with the account that runs this, whichever it is. */
static inline void write_file_of_ours(const char *text)
{
    const struct passwd *account = getpwuid(geteuid());
    char whole[1024];

    (void)snprintf(
        whole, sizeof(whole), "[proxy]\nuser = %s\n%s", account ? account->pw_name : "", text);
    write_file(whole);
}

#endif
