/*
 * Runs transcripts: each in one segment per write, one octet per segment, and with every write
 * split at every offset. However the bytes are cut, exactly the expected ones must come out.
 *
 *     transcripts FILE...
 *
 * With MAILMUX_CONFORMANCE_OUT set, a line per conformance number is appended to the file it names.
 */
#include "play.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Longer writes are split at the offsets near both ends, and at some between. */
enum { SPLITS_MAX = 1500 };

static size_t longest_write(const struct script *script)
{
    size_t longest = 0;

    for (size_t i = 0; i < script->len; i++) {
        if (script->steps[i].kind == STEP_SEND && script->steps[i].len > longest)
            longest = script->steps[i].len;
    }
    return longest;
}

static size_t next_split(size_t split, size_t longest)
{
    if (longest <= SPLITS_MAX || split < SPLITS_MAX / 3 || longest - split < SPLITS_MAX / 3)
        return split + 1;
    return split + longest / (SPLITS_MAX / 3) + 1;
}

static bool run_all(const struct script *script)
{
    size_t longest = longest_write(script);

    if (!play_run(script, SIZE_MAX, 0))
        return false;
    if (script->whole_only)
        return true;
    if (!play_run(script, 1, 0))
        return false;
    for (size_t split = 1; split < longest; split = next_split(split, longest)) {
        if (!play_run(script, SIZE_MAX, split))
            return false;
    }
    return true;
}

/* The last two parts of the path: imap/starttls.txt */
static const char *short_name(const char *path)
{
    const char *name = path;
    int slashes = 0;

    for (const char *at = path + strlen(path); at > path && slashes < 2; at--) {
        if (at[-1] == '/')
            slashes++;
        if (slashes < 2)
            name = at - 1;
    }
    return name;
}

static void note_conformance(const struct script *script, const char *name, bool good)
{
    const char *path = getenv("MAILMUX_CONFORMANCE_OUT");
    struct slice numbers = slice_from(script->conformance);
    struct slice number;
    FILE *out = path ? fopen(path, "a") : NULL;

    if (!out)
        return;
    while (slice_word(&numbers, &number))
        (void)fprintf(out, "conformance %.*s transcript %s %s\n", (int)number.n, number.p, name,
            good ? "passed" : "failed");
    (void)fclose(out);
}

static bool run_file(const char *path)
{
    struct script script;
    bool good = script_read(path, &script) && run_all(&script);

    printf("%s  %s  %s\n", good ? "passed" : "FAILED", short_name(path), script.conformance);
    note_conformance(&script, short_name(path), good);
    script_free(&script);
    return good;
}

int main(int argc, char **argv)
{
    bool good = argc > 1 && play_init();

    for (int i = 1; i < argc; i++)
        good = run_file(argv[i]) && good;
    play_deinit();
    return good ? 0 : 1;
}
