/*
 * Feeds files, such as the committed corpora, to a fuzz target without a fuzzer, in any build.
 *
 *   corpus_NAME FILE_OR_DIRECTORY...
 */
#include "fuzz.h"
#include <dirent.h>
#include <sys/stat.h>

enum { INPUT_MAX = 1024 * 1024, PATH_OCTETS = 4096 };

static unsigned fed;

static bool feed_file(const char *path)
{
    static char bytes[INPUT_MAX];
    FILE *file = fopen(path, "rb");
    uint8_t *copy;
    size_t n;

    if (!file) {
        perror(path);
        return false;
    }
    n = fread(bytes, 1, sizeof(bytes), file);
    (void)fclose(file);
    copy = malloc(n > 0 ? n : 1); /* of the exact size, so that the sanitizer sees an overrun */
    if (!copy)
        return false;
    memcpy(copy, bytes, n);
    (void)LLVMFuzzerTestOneInput(copy, n);
    free(copy);
    fed++;
    return true;
}

static bool feed_path(const char *path);

static bool feed_directory(const char *path, DIR *directory)
{
    const struct dirent *entry;
    char inner[PATH_OCTETS];
    bool good = true;

    while (good && (entry = readdir(directory)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        (void)snprintf(inner, sizeof(inner), "%s/%s", path, entry->d_name);
        good = feed_path(inner);
    }
    return good;
}

static bool feed_path(const char *path)
{
    DIR *directory = opendir(path);
    bool good;

    if (!directory)
        return feed_file(path);
    good = feed_directory(path, directory);
    (void)closedir(directory);
    return good;
}

int main(int argc, char **argv)
{
    bool good = true;

    for (int i = 1; i < argc && good; i++)
        good = feed_path(argv[i]);
    printf("%u inputs\n", fed);
    return good && fed > 0 ? 0 : 1;
}
