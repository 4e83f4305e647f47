/*
 * Landlock, by system calls: there is no library for it in Debian 12, and its headers may be older
 * than the kernel. So the rights are numbered here.
 */
#include "lockdown_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    EXECUTE = 1 << 0,
    WRITE_FILE = 1 << 1,
    READ_FILE = 1 << 2,
    READ_DIRECTORY = 1 << 3,
    REMOVE_FILE = 1 << 5,
    MAKE_DIRECTORY = 1 << 7,
    MAKE_FILE = 1 << 8,
    TRUNCATE = 1 << 14,
    READ = READ_FILE | READ_DIRECTORY,
    CHANGE = READ | WRITE_FILE | REMOVE_FILE | MAKE_DIRECTORY | MAKE_FILE | TRUNCATE,
    OF_A_FILE = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE /* what a rule for one may name */
};

enum { FIND_VERSION = 1 << 0, RULE_PATH_BENEATH = 1, BIND_TCP = 1 << 0 };

/* The members of struct landlock_ruleset_attr, in their order. */
struct handled {
    uint64_t files;
    uint64_t network; /* since ABI 4 */
};

struct rule {
    uint64_t allowed;
    int32_t parent;
} __attribute__((packed));

/*
 * What libraries read while mailmux serves: resolver, trust store, modules, zones. Whole
 * directories, since /etc/resolv.conf and its like are replaced by new files; secrets in them are
 * kept by their modes, as the service is no root. A file that is not there is passed over.
 */
static const struct place {
    const char *path;
    uint64_t allowed;
} places[] = {
    {"/etc", READ},
    {"/usr", READ},
    {"/lib", READ},
    {"/lib64", READ},
    {"/run/systemd/resolve", READ}, /* where /etc/resolv.conf may point */
    {"/run/resolvconf", READ},
    {"/run/NetworkManager", READ},
    {"/dev/null", READ_FILE | WRITE_FILE},
    {"/dev/urandom", READ_FILE},
    {"/dev/random", READ_FILE},
    {"/proc/self", READ},
    {"/proc/sys/vm/overcommit_memory", READ_FILE}, /* malloc, before it gives memory back */
    {"/sys/devices/system/cpu", READ},
};

/* The rights that this version of the interface knows. A right that is not handled is not taken. */
static uint64_t rights_of(int abi)
{
    unsigned count = abi >= 5 ? 16 : abi >= 3 ? 15 : abi == 2 ? 14 : 13;

    return (1ULL << count) - 1;
}

static int allow(int ruleset, const char *path, uint64_t allowed)
{
    struct rule rule = {.allowed = allowed, .parent = open(path, O_PATH | O_CLOEXEC)};
    struct stat info;
    int error = 0;

    if (rule.parent < 0)
        return errno == ENOENT || errno == EACCES ? 0 : errno;
    if (fstat(rule.parent, &info) == 0 && !S_ISDIR(info.st_mode))
        rule.allowed &= OF_A_FILE;
    if (syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0U) != 0)
        error = errno;
    (void)close(rule.parent);
    return error;
}

static int allow_all(int ruleset, uint64_t known, const char *state_directory)
{
    int error = state_directory ? allow(ruleset, state_directory, CHANGE & known) : 0;

    for (size_t i = 0; error == 0 && i < sizeof(places) / sizeof(places[0]); i++)
        error = allow(ruleset, places[i].path, places[i].allowed & known);
    return error;
}

/* The keeper binds, so no port is left for the service. */
static int make_ruleset(int abi)
{
    const struct handled handled = {rights_of(abi), BIND_TCP};
    size_t size = abi >= 4 ? sizeof(handled) : offsetof(struct handled, network);

    return (int)syscall(SYS_landlock_create_ruleset, &handled, size, 0U);
}

void lockdown_files(const char *state_directory, char word[LOCKDOWN_WORD_MAX])
{
    int abi = (int)syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, (unsigned)FIND_VERSION);
    int ruleset;
    int error;

    if (abi < 1) { /* not built in, or not switched on */
        (void)snprintf(word, LOCKDOWN_WORD_MAX, "no-kernel");
        return;
    }
    ruleset = make_ruleset(abi);
    error = ruleset < 0 ? errno : allow_all(ruleset, rights_of(abi), state_directory);
    if (error == 0 && syscall(SYS_landlock_restrict_self, ruleset, 0U) != 0)
        error = errno;
    if (ruleset >= 0)
        (void)close(ruleset);
    if (error == 0)
        (void)snprintf(word, LOCKDOWN_WORD_MAX, "abi%d", abi);
    else
        lockdown_say_no(word, error);
}
