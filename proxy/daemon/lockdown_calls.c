/* The list is explained in docs/developer/system-calls.md; a test holds both together. */
#include "lockdown_parts.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *const allowed[] = {"accept", "accept4", "access", "brk", "clock_getres",
    "clock_gettime", "clock_nanosleep", "close", "connect", "dup", "dup2", "dup3", "epoll_create1",
    "epoll_ctl", "epoll_pwait", "epoll_pwait2", "epoll_wait", "eventfd2", "exit", "exit_group",
    "faccessat", "faccessat2", "fchmod", "fcntl", "fdatasync", "fstat", "fsync", "ftruncate",
    "futex", "getdents64", "getegid", "geteuid", "getgid", "getpeername", "getpid", "getppid",
    "getrandom", "getrusage", "getsockname", "getsockopt", "gettid", "gettimeofday", "getuid",
    "lseek", "lstat", "madvise", "membarrier", "mkdir", "mkdirat", "mremap", "munmap", "nanosleep",
    "newfstatat", "openat", "pipe2", "poll", "ppoll", "pread64", "pwrite64", "read", "readlink",
    "readlinkat", "readv", "recvfrom", "recvmmsg", "recvmsg", "rename", "renameat", "renameat2",
    "restart_syscall", "rseq", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn",
    "sched_getaffinity", "sched_yield", "sendmmsg", "sendmsg", "sendto", "set_robust_list",
    "setsockopt", "shutdown", "sigaltstack", "socketpair", "splice", "stat", "statx", "sysinfo",
    "time", "umask", "uname", "unlink", "unlinkat", "write", "writev"};

/* Nothing in mailmux asks for these: one that does is no longer mailmux. */
static const char *const deadly[] = {
    "execve", "execveat", "process_vm_readv", "process_vm_writev", "ptrace"};

/* Allowed if the argument has this value under the mask. */
static const struct condition {
    const char *call;
    unsigned argument;
    scmp_datum_t mask;
    scmp_datum_t value;
} conditions[] = {
    {"clone", 0, CLONE_THREAD, CLONE_THREAD},
    {"ioctl", 1, UINT32_MAX, FIONBIO},
    {"ioctl", 1, UINT32_MAX, FIONREAD},
    {"ioctl", 1, UINT32_MAX, TCGETS},
    {"ioctl", 1, UINT32_MAX, TIOCOUTQ},
    {"mmap", 2, PROT_EXEC, 0},
    {"mmap", 2, PROT_EXEC | PROT_WRITE, PROT_EXEC},
    {"mprotect", 2, PROT_EXEC, 0},
    {"prlimit64", 2, UINT64_MAX, 0},
    {"socket", 0, UINT64_MAX, AF_UNIX},
    {"socket", 0, UINT64_MAX, AF_INET},
    {"socket", 0, UINT64_MAX, AF_INET6},
};

/*
 * Calls that this machine does not have are passed over, and so are those that an older libseccomp
 * does not know: the kernel then answers as for every call that is not on the list.
 */
static int add(scmp_filter_ctx filter, uint32_t action, const char *call, unsigned count,
    const struct scmp_arg_cmp *compared)
{
    int number = seccomp_syscall_resolve_name(call);
    int result = number < 0 ? 0 : seccomp_rule_add_array(filter, action, number, count, compared);

    return result == -EACCES ? 0 : result; /* the action is the default: there is nothing to add */
}

static int add_conditions(scmp_filter_ctx filter)
{
    /* abort(3), which sends the signal to its own thread. */
    const struct scmp_arg_cmp self = {0, SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0};
    int result = add(filter, SCMP_ACT_ALLOW, "tgkill", 1, &self);

    for (size_t i = 0; result == 0 && i < sizeof(conditions) / sizeof(conditions[0]); i++) {
        const struct condition *one = &conditions[i];
        const struct scmp_arg_cmp compared =
            SCMP_CMP64(one->argument, SCMP_CMP_MASKED_EQ, one->mask, one->value);

        result = add(filter, SCMP_ACT_ALLOW, one->call, 1, &compared);
    }
    return result;
}

static int fill(scmp_filter_ctx filter)
{
    int result = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);

    for (size_t i = 0; result == 0 && i < sizeof(allowed) / sizeof(allowed[0]); i++)
        result = add(filter, SCMP_ACT_ALLOW, allowed[i], 0, NULL);
    for (size_t i = 0; result == 0 && i < sizeof(deadly) / sizeof(deadly[0]); i++)
        result = add(filter, SCMP_ACT_KILL_PROCESS, deadly[i], 0, NULL);
    return result == 0 ? add_conditions(filter) : result;
}

/*
 * A call that is not on the list does not exist (ENOSYS), rather than being forbidden: libraries
 * then go their older way, as with clone3, whose flags cannot be seen here.
 */
void lockdown_calls(char word[LOCKDOWN_WORD_MAX])
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
    int result = filter ? fill(filter) : -ENOMEM;

    if (result == 0)
        result = seccomp_load(filter);
    if (filter)
        seccomp_release(filter);
    if (result == 0)
        (void)snprintf(word, LOCKDOWN_WORD_MAX, "yes");
    else
        lockdown_say_no(word, -result);
}
