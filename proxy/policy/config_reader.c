#include "config_reader.h"

#include "config_line.h"
#include "mailmux/files.h"
#include <errno.h>
#include <ini.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Bounds against files that were never meant to be a configuration. */
enum { FILE_BYTES_MAX = 4 * 1024 * 1024, FILES_MAX = 1000, DEPTH_MAX = 16 };

static const char is_directory[] = "it is a directory";

/* One file while it is read. */
struct reader {
    struct config_store *store;
    struct document *document;
    struct config_report *report;
    struct reader *parent; /* of the file that includes this one; NULL: none does */
    const char *file;
    dev_t device;
    ino_t inode;
    unsigned depth;
    bool is_memory;
    struct slice rest;                /* what has not been read yet */
    struct config_origin at;          /* the current line */
    struct slice value;               /* its value, which does not go through inih (next_line) */
    struct document_section *section; /* NULL: none has begun, or its lines are passed over */
    bool has_section;                 /* one has begun */
};

static void include(struct reader *reader, struct slice pattern);

static void report_bad_line(struct reader *reader, const char *problem)
{
    const struct document_section *section = reader->section;

    if (section)
        config_report_add(reader->report, true, reader->at, "[%s%s%s] %s", section->word,
            section->name ? " " : "", section->name ? section->name : "", problem);
    else
        config_report_add(reader->report, true, reader->at, "%s", problem);
}

static void take_bad_line(struct reader *reader, const struct config_line *line, bool is_section)
{
    if (is_section) {
        /* The lines that follow belong to an unknown section, and are passed over. */
        reader->document->is_incomplete = true;
        reader->section = NULL;
        reader->has_section = true;
    } else if (reader->section) {
        reader->section->has_bad_lines = true;
    } else if (!reader->has_section) {
        reader->document->is_incomplete = true; /* it may have been an include */
    }
    report_bad_line(reader, line->error.text);
}

static void open_section(struct reader *reader, const struct config_line *line)
{
    struct document *document = reader->document;
    struct document_section *section = config_store_take(reader->store, 1, sizeof(*section));

    section->word = config_store_text(reader->store, line->word);
    section->name = line->name.n > 0 ? config_store_text(reader->store, line->name) : NULL;
    section->origin = reader->at;
    section->entries_end = &section->entries;
    *document->sections_end = section;
    document->sections_end = &section->next;
    reader->section = section;
    reader->has_section = true;
}

/*
 * inih calls this in the place of fgets. It gets one line for each line of the file, so that both
 * count alike, but only the key of an entry: inih would cut a value that is long or has a ';'
 * behind a blank. The value waits in the reader for take_entry, which inih calls before it asks for
 * the next line.
 */
static char *next_line(char *out, int cap, void *user)
{
    struct reader *reader = user;
    struct slice raw;
    struct config_line line;

    if (!slice_split(&reader->rest, '\n', &raw))
        return NULL;
    reader->at.line++;
    config_line_parse(raw, &line);
    out[0] = '\0';
    switch (line.kind) {
    case LINE_BLANK:
        break;
    case LINE_SECTION:
        open_section(reader, &line);
        (void)snprintf(out, (size_t)cap, "[%.*s %.*s]", (int)line.word.n, line.word.p,
            (int)line.name.n, line.name.p);
        break;
    case LINE_ENTRY:
        reader->value = line.value;
        (void)snprintf(out, (size_t)cap, "%.*s=", (int)line.key.n, line.key.p);
        break;
    case LINE_BAD:
        take_bad_line(reader, &line, slice_starts(slice_trim(raw), SLICE("[")));
        break;
    }
    return out;
}

/*
 * inih calls this for each entry. It passes the name of the section, which does not tell which one
 * of several with that name is meant; reader->section does.
 */
static int take_entry(void *user, const char *section_name, const char *key, const char *nothing)
{
    struct reader *reader = user;
    char *copy = config_store_text(reader->store, reader->value);
    struct document_entry *entry;

    if (!reader->has_section) {
        if (strcmp(key, "include") == 0)
            include(reader, slice_from(copy));
        else
            config_report_add(reader->report, true, reader->at,
                "%s = %s: no section has begun; only include stands before the first section", key,
                copy);
        return 1;
    }
    if (!reader->section)
        return 1;
    entry = config_store_take(reader->store, 1, sizeof(*entry));
    entry->key = config_store_text(reader->store, slice_from(key));
    entry->value = slice_from(copy);
    entry->origin = reader->at;
    *reader->section->entries_end = entry;
    reader->section->entries_end = &entry->next;
    return 1;
}

static void read_bytes(struct reader *reader, struct slice bytes)
{
    int bad;

    if (slice_starts(bytes, SLICE("\xef\xbb\xbf")))
        bytes = slice_after(bytes, 3);
    reader->document->file_count++;
    reader->rest = bytes;
    reader->at = (struct config_origin){reader->file, 0};
    bad = ini_parse_stream(next_line, reader, take_entry, reader);
    if (bad != 0) /* inih refuses a line that config_line took; no such line is known */
        config_report_add(reader->report, true,
            (struct config_origin){reader->file, bad > 0 ? (unsigned)bad : 0},
            "this cannot be read as an ini file");
}

/* Says why a file cannot be read. Where rights are missing, it says whose. */
static const char *reason_of(struct config_store *store, int code)
{
    const struct passwd *account = code == EACCES ? getpwuid(geteuid()) : NULL;

    if (code != EACCES)
        return strerror(code);
    if (!account)
        return config_store_print(
            store, "mailmux runs as user %u, which cannot read it", (unsigned)geteuid());
    return config_store_print(store, "mailmux runs as %s, which cannot read it", account->pw_name);
}

/* Returns the bytes, for free(), or NULL with the reason. */
static char *read_whole(int fd, size_t *n, const char **reason)
{
    size_t cap = 0;
    char *bytes = NULL;

    *n = 0;
    for (;;) {
        ssize_t got;

        if (*n == cap) {
            cap = cap ? cap * 2 : 16384;
            bytes = config_store_grow(bytes, cap, 1);
        }
        got = read(fd, bytes + *n, cap - *n);
        if (got == 0)
            return bytes;
        if (got < 0 && errno == EINTR)
            continue;
        if (got > 0)
            *n += (size_t)got;
        if (got < 0 || *n > FILE_BYTES_MAX) {
            *reason = got < 0 ? strerror(errno) : "it is larger than 4 MiB";
            free(bytes);
            return NULL;
        }
    }
}

/* Returns whether the name of a file may stand in messages. */
static bool is_printable(const char *path)
{
    for (const char *at = path; *at; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            return false;
    }
    return true;
}

/*
 * Reads reader->file. Returns the bytes, for free(), or NULL with the reason. Sets reader->device
 * and reader->inode, by which find_loop knows the file.
 */
static char *open_and_read(struct reader *reader, size_t *n, const char **reason)
{
    struct stat info;
    char *bytes = NULL;
    int fd;

    if (!is_printable(reader->file)) {
        *reason = "its name holds control characters";
        return NULL;
    }
    fd = files_open(FILE_CONFIG, reader->file);
    if (fd < 0) {
        *reason = reason_of(reader->store, -fd);
        return NULL;
    }
    if (fstat(fd, &info) != 0) {
        *reason = strerror(errno);
    } else if (S_ISDIR(info.st_mode)) {
        *reason = is_directory;
    } else {
        reader->device = info.st_dev;
        reader->inode = info.st_ino;
        bytes = read_whole(fd, n, reason);
    }
    (void)close(fd);
    return bytes;
}

/* Returns the reader among the parents that is reading this very file, or NULL. */
static const struct reader *find_loop(const struct reader *reader)
{
    for (const struct reader *at = reader->parent; at; at = at->parent) {
        if (at->device == reader->device && at->inode == reader->inode)
            return at;
    }
    return NULL;
}

static void include_failed(struct reader *reader, const char *file, const char *reason)
{
    reader->document->is_incomplete = true;
    config_report_add(reader->report, true, reader->at, "include = %s: %s", file, reason);
}

static void include_file(struct reader *parent, const char *path)
{
    const char *file = config_store_text(parent->store, slice_from(path));
    struct reader reader = {.store = parent->store,
        .document = parent->document,
        .report = parent->report,
        .parent = parent,
        .depth = parent->depth + 1,
        .file = file};
    const char *reason = NULL;
    size_t n = 0;
    char *bytes;

    if (reader.depth > DEPTH_MAX || reader.document->file_count >= FILES_MAX) {
        include_failed(parent, is_printable(file) ? file : "...",
            "too many files include one another; at most 16 deep and 1000 in all can be read");
        return;
    }
    bytes = open_and_read(&reader, &n, &reason);
    if (!bytes && reason == is_directory)
        include_failed(parent, file,
            config_store_print(parent->store, "%s; write %s/*.ini for its files", reason, file));
    else if (!bytes)
        include_failed(parent, is_printable(file) ? file : "...", reason);
    else if (find_loop(&reader))
        include_failed(parent, file,
            reader.inode == parent->inode && reader.device == parent->device
                ? "the file includes itself; remove the line"
                : "an include loop: the file is already being read and includes, through others, "
                  "this one; remove one of the lines");
    else
        read_bytes(&reader, slice_of(bytes, n));
    free(bytes);
}

/*
 * Puts the directory of the file that includes before a relative pattern, with its own wildcards
 * escaped.
 */
static char *resolve_pattern(const struct reader *reader, struct slice pattern)
{
    const char *slash = strrchr(reader->file, '/');
    size_t directory = slash && pattern.p[0] != '/' ? (size_t)(slash - reader->file) + 1 : 0;
    char *whole = config_store_take(reader->store, 2 * directory + pattern.n + 1, 1);
    size_t n = 0;

    for (size_t i = 0; i < directory; i++) {
        if (strchr("*?[\\", reader->file[i]))
            whole[n++] = '\\';
        whole[n++] = reader->file[i];
    }
    memcpy(whole + n, pattern.p, pattern.n);
    return whole;
}

/* Includes each of the names, which end with NUL. */
static void include_names(struct reader *reader, const char *names, size_t n)
{
    for (size_t at = 0; at < n; at += strlen(names + at) + 1)
        include_file(reader, names + at);
}

/*
 * Warns of a pattern that matches nothing: it may be meant so, but often its directory is not
 * there, or its name is written wrong.
 */
static void warn_of_nothing(struct reader *reader, struct slice pattern)
{
    const char *whole = config_store_path(reader->store, reader->file, pattern);
    const char *slash = strrchr(whole, '/');
    const char *directory = slash
                                ? config_store_text(reader->store,
                                      slice_of(whole, slash > whole ? (size_t)(slash - whole) : 1))
                                : ".";
    bool is_plain = strpbrk(directory, "*?[") == NULL;

    if (is_plain && access(directory, F_OK) != 0 && errno == ENOENT)
        config_report_add(reader->report, false, reader->at,
            "include = %.*s: there is no directory %s; make it, or remove the line", (int)pattern.n,
            pattern.p, directory);
    else
        config_report_add(reader->report, false, reader->at,
            "include = %.*s: it matches no file; nothing is read", (int)pattern.n, pattern.p);
}

static void include_pattern(struct reader *reader, struct slice pattern)
{
    int fd = files_open(FILE_LIST, resolve_pattern(reader, pattern));
    const char *reason = "its directory cannot be read";
    char *names = NULL;
    size_t n = 0;

    if (fd == -ENOENT) {
        warn_of_nothing(reader, pattern);
        return;
    }
    if (fd >= 0) {
        names = read_whole(fd, &n, &reason);
        (void)close(fd);
    }
    if (names)
        include_names(reader, names, n);
    else
        include_failed(reader, config_store_text(reader->store, pattern), reason);
    free(names);
}

static void include(struct reader *reader, struct slice pattern)
{
    bool is_pattern;

    if (!config_value_unquote(&pattern) || pattern.n == 0 || reader->is_memory) {
        include_failed(reader, pattern.p,
            reader->is_memory ? "not possible here: this configuration is not in a file"
                              : "write the name of a file, or a pattern such as conf.d/*.ini");
        return;
    }
    is_pattern = slice_find(pattern, '*') < pattern.n || slice_find(pattern, '?') < pattern.n ||
                 slice_find(pattern, '[') < pattern.n;
    if (is_pattern)
        include_pattern(reader, pattern);
    else
        include_file(reader, config_store_path(reader->store, reader->file, pattern));
}

void config_reader_file(const char *path, struct config_store *store, struct document *document,
    struct config_report *report)
{
    struct reader reader = {.store = store,
        .document = document,
        .report = report,
        .file = config_store_text(store, slice_from(path))};
    const char *reason = NULL;
    size_t n = 0;
    char *bytes = open_and_read(&reader, &n, &reason);

    document->origin = (struct config_origin){reader.file, 0};
    if (bytes) {
        read_bytes(&reader, slice_of(bytes, n));
    } else {
        document->is_incomplete = true;
        config_report_add(report, true,
            (struct config_origin){is_printable(path) ? reader.file : "the configuration file", 0},
            "%s; name another file with -c FILE", reason);
    }
    free(bytes);
}

void config_reader_bytes(const char *name, struct slice bytes, struct config_store *store,
    struct document *document, struct config_report *report)
{
    struct reader reader = {.store = store,
        .document = document,
        .report = report,
        .is_memory = true,
        .file = config_store_text(store, slice_from(name))};

    document->origin = (struct config_origin){reader.file, 0};
    read_bytes(&reader, bytes);
}

bool config_reader_can_read(struct config_store *store, const char *path, const char **reason)
{
    struct stat info;
    int result = files_look(path, &info);

    if (result < 0) {
        *reason = reason_of(store, -result);
        return false;
    }
    *reason = is_directory;
    return !S_ISDIR(info.st_mode);
}

bool config_reader_can_list(struct config_store *store, const char *path, const char **reason)
{
    int fd = files_open(FILE_TREE, path);

    if (fd < 0) {
        *reason = fd == -E2BIG ? "too many files are in it" : reason_of(store, -fd);
        return false;
    }
    (void)close(fd);
    return true;
}
