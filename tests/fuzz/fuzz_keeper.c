/*
 * Target: word_receive (system/words.c), requests_answer and requests_take_news
 * (keeper/requests.c), and what they change in keeper/changes.c. Input: a line of options, then a
 * line for each message of a service that has been taken over; its first byte chooses the socket: q
 * is requests, anything else is orders. Options: r - the service was asked to reload; b - what is
 * to be loaded has errors; n - the service is one that starts; x - it is retired; e - the keeper
 * ends. Holds: a descriptor is handed over for a name of the configuration only, and the content of
 * a file below a directory that it names. A configuration
 * comes into effect only if it is good, and if that was asked for. No control character gets to
 * systemd.
 */
#include "fuzz.h"
#include "keeper_state.h"
#include <sys/stat.h>
#include <unistd.h>

#define ADDRESS "127.82.0.2:18144"

static char directory[] = "/tmp/mailmux-fuzz-XXXXXX";
static char good[64];
static char bad[64];
static char named[64];
static char below[64];
static char inside[80];

static void write_text(const char *path, const char *before, const char *value, const char *after)
{
    FILE *out = fopen(path, "w");

    FUZZ_REQUIRE(out != NULL);
    (void)fprintf(out, "%s%s\n%s", before, value, after);
    FUZZ_REQUIRE(fclose(out) == 0);
}

static void remove_files(void)
{
    (void)unlink(good);
    (void)unlink(bad);
    (void)unlink(named);
    (void)unlink(inside);
    (void)rmdir(below);
    (void)rmdir(directory);
}

static void make_files(void)
{
    static bool are_made;
    char names[200];

    if (are_made)
        return;
    are_made = true;
    log_setup(LOG_FORMAT_TEXT, LOG_ERROR);
    FUZZ_REQUIRE(mkdtemp(directory) != NULL);
    (void)snprintf(good, sizeof(good), "%s/a", directory);
    (void)snprintf(bad, sizeof(bad), "%s/b", directory);
    (void)snprintf(named, sizeof(named), "%s/c", directory);
    (void)snprintf(below, sizeof(below), "%s/d", directory);
    (void)snprintf(inside, sizeof(inside), "%s/e", below);
    FUZZ_REQUIRE(mkdir(below, 0700) == 0);
    write_text(named, "", "named", "");
    write_text(inside, "", "inside", "");
    (void)snprintf(names, sizeof(names), "%s\ncertificate_directory = %s", named, below);
    write_text(good, "[proxy]\nstate_directory = /nowhere/at/all\n[tls]\nclient_ca = ", names,
        "[listener a]\nbind = " ADDRESS "\nprotocol = imap\ntls = none\nbackend = b\n"
        "[backend b]\nserver = 127.0.0.1:1143\n");
    write_text(bad, "[tls]\nclient_ca = ", named, "nonsense\n");
    (void)atexit(remove_files);
}

static struct permit *read_permit(const char *file)
{
    struct config_report report;
    struct permit *permit = permit_read(file, &report);

    config_report_free(&report);
    FUZZ_REQUIRE(permit != NULL);
    return permit;
}

static void begin(struct keeper *keeper, struct slice options, int ends[2])
{
    struct generation *one = &keeper->generations[0];
    int requests[2];
    int orders[2];

    FUZZ_REQUIRE(word_pair(requests) && word_pair(orders));
    *one = (struct generation){
        .state = GENERATION_SERVING, .number = 1, .requests = requests[0], .orders = orders[0]};
    ends[0] = requests[1];
    ends[1] = orders[1];
    keeper->file = good;
    keeper->state = KEEPER_SERVING;
    keeper->has_served = true;
    control_init(&keeper->control);
    keeper->control.listener = STDIN_FILENO; /* it does not listen */
    keeper->current = read_permit(good);
    if (fuzz_has(options, 'r') || fuzz_has(options, 'n')) {
        keeper->state = fuzz_has(options, 'n') ? KEEPER_REPLACING : KEEPER_RELOADING;
        keeper->coming = read_permit(fuzz_has(options, 'b') ? bad : good);
    }
    if (fuzz_has(options, 'n'))
        one->state = GENERATION_STARTING;
    if (fuzz_has(options, 'x'))
        one->state = GENERATION_RETIRED;
    if (fuzz_has(options, 'e'))
        keeper->state = KEEPER_ENDING;
}

static void end(struct keeper *keeper, const int ends[2])
{
    generation_end(&keeper->generations[0]);
    permit_free(&keeper->current);
    permit_free(&keeper->coming);
    listening_set_close(&keeper->sockets);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

/* Its lines name the named file, and no other; a line end behind the last is no name. */
static bool is_many_times_named(const char *text)
{
    size_t n = strlen(named);

    while (strncmp(text, named, n) == 0 && text[n] == '\n')
        text += n + 1;
    return strcmp(text, named) == 0 || !*text;
}

static bool is_named(char letter, const char *text)
{
    switch (letter) {
    case WORD_CONFIG:
        return strcmp(text, good) == 0 || strcmp(text, bad) == 0;
    case WORD_FILE:
        return strcmp(text, named) == 0;
    case WORD_BIND:
        return strcmp(text, "a " ADDRESS) == 0;
    case WORD_TREE:
        return strcmp(text, below) == 0;
    case WORD_WATCH:
        return strcmp(text, below) == 0 || is_many_times_named(text);
    default:
        return false;
    }
}

/* All of them are below the directory, and the one that is there is given. */
static bool are_below(const char *text, int fd)
{
    while (*text) {
        size_t n = strcspn(text, "\n");
        bool is_there = n == strlen(inside) && memcmp(text, inside, n) == 0;
        char content[sizeof("inside\n")] = {0};
        int32_t size = 0;

        if (n <= strlen(below) || memcmp(text, below, strlen(below)) != 0 ||
            read(fd, &size, sizeof(size)) != (ssize_t)sizeof(size) ||
            (is_there ? size != 7 : size >= 0) || (is_there && read(fd, content, 7) != 7) ||
            (is_there && strcmp(content, "inside\n") != 0))
            return false;
        text += n + (text[n] ? 1 : 0);
    }
    return true;
}

/* The corpus does not know the directory: a text of ~a to ~e is one of the files, or it. */
static size_t name_files(const char *text, size_t n, char *out, size_t cap)
{
    if (n == 3 && text[1] == '~' && text[2] == 'e')
        return (size_t)snprintf(out, cap, "%c%s", text[0], inside);
    if (n == 3 && text[1] == '~' && text[2] >= 'a' && text[2] <= 'd')
        return (size_t)snprintf(out, cap, "%c%s/%c", text[0], directory, text[2]);
    memcpy(out, text, n);
    return n;
}

static void say(struct keeper *keeper, const int ends[2], struct slice line)
{
    static char message[4 * WORD_MAX];
    static struct word word;
    struct word answer;
    struct generation *one = &keeper->generations[0];
    bool asks = line.n > 0 && line.p[0] == 'q';
    size_t n = line.n > 1 ? name_files(line.p + 1, line.n - 1, message, sizeof(message)) : 0;

    if (n == 0 || write(ends[asks ? 0 : 1], message, n) < 0)
        return;
    FUZZ_REQUIRE(word_receive(asks ? one->requests : one->orders, false, &word) == WORD_OK);
    FUZZ_REQUIRE(word.fd < 0);
    if (!asks) {
        requests_take_news(keeper, one, &word);
        return;
    }
    requests_answer(keeper, one, &word);
    FUZZ_REQUIRE(word_receive(ends[0], false, &answer) == WORD_OK);
    FUZZ_REQUIRE(answer.letter == WORD_ANSWER);
    if (answer.fd >= 0) {
        FUZZ_REQUIRE(word.letter == WORD_BELOW ? are_below(word.text, answer.fd)
                                               : is_named(word.letter, word.text));
        FUZZ_REQUIRE(one->state != GENERATION_RETIRED);
        (void)close(answer.fd);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct slice input = fuzz_slice(data, n);
    struct slice options = fuzz_options(&input);
    struct keeper keeper = {0};
    const struct permit *before;
    int ends[2];

    if (n > WORD_MAX)
        return 0;
    make_files();
    begin(&keeper, options, ends);
    before = keeper.current;
    while (input.n > 0) {
        struct slice line = slice_of(input.p, slice_find(input, '\n'));

        input = slice_after(input, line.n < input.n ? line.n + 1 : line.n);
        say(&keeper, ends, line);
        FUZZ_REQUIRE(permit_config(keeper.current) != NULL);
    }
    if (!fuzz_has(options, 'r') && !fuzz_has(options, 'n'))
        FUZZ_REQUIRE(keeper.current == before);
    for (const char *at = keeper.generations[0].status; *at; at++)
        FUZZ_REQUIRE(*at >= ' ' && *at <= '~');
    end(&keeper, ends);
    return 0;
}
