/*
 * Makes certificates for many names, as certbot lays them, or measures how long a name takes to be
 * found among so many:
 *
 *   many_names make DIRECTORY COUNT     DIRECTORY/nN.example.test/fullchain.pem and fullchain.key
 *   many_names find COUNT               prints nanoseconds
 *
 * For tests/many-names and tests/e2e/test_certificate_directory.py.
 */
#include "certificates.h"
#include "mailmux/table.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { NAME_CAP = 64, ROUNDS = 2000000 };

static int make(const char *directory, size_t count)
{
    char name[NAME_CAP];
    char file[2 * NAME_CAP];
    char path[4096];

    (void)mkdir(directory, 0700);
    certificates_make(
        directory, &(struct certificate_request){
                       .file = ".authority", .name = "authority.test", .is_authority = true});
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(name, sizeof(name), "n%zu.example.test", i);
        (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
        (void)mkdir(path, 0700);
        (void)snprintf(file, sizeof(file), "%s/fullchain", name);
        certificates_make(directory,
            &(struct certificate_request){.file = file, .name = name, .issuer = ".authority"});
    }
    return 0;
}

static double now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static int find(size_t count)
{
    char(*names)[NAME_CAP] = calloc(count, sizeof(*names));
    struct table table = {0};
    size_t found = 0;
    uint32_t random = 1;
    double begin;

    if (!names)
        return 1;
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(names[i], NAME_CAP, "n%zu.example.test", i);
        if (!table_put(&table, slice_from(names[i]), names[i]))
            return 1;
    }
    begin = now_ns();
    for (size_t i = 0; i < ROUNDS; i++) {
        random = random * 1664525U + 1013904223U;
        found += table_get(&table, slice_from(names[(random >> 8) % count])) ? 1 : 0;
    }
    (void)printf("%.0f\n", (now_ns() - begin) / ROUNDS);
    table_free(&table);
    free(names);
    return found == ROUNDS ? 0 : 1;
}

int main(int count, char **arguments)
{
    if (count == 4 && strcmp(arguments[1], "make") == 0)
        return make(arguments[2], strtoul(arguments[3], NULL, 10));
    if (count == 3 && strcmp(arguments[1], "find") == 0)
        return find(strtoul(arguments[2], NULL, 10));
    (void)fprintf(stderr, "many_names make DIRECTORY COUNT | many_names find COUNT\n");
    return 2;
}
