/*
 * A program under the service's lock, for tests/e2e/test_lockdown.py: it is built without
 * sanitizers in every build. It locks itself, says what holds, and tries what it is told to:
 *
 *     lockdown_probe STATE_DIRECTORY ATTEMPT [ARGUMENT]
 *
 * Prints the four words and then "done" or the name of the error. A deadly attempt ends it by
 * SIGSYS.
 */
#include "lockdown.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int closed(int fd)
{
    return fd < 0 ? -1 : close(fd);
}

static int try_read(const char *path)
{
    return closed(open(path, O_RDONLY | O_CLOEXEC));
}

static int try_write(const char *path)
{
    return closed(open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
}

static int try_rename(const char *path)
{
    char draft[4096];

    (void)snprintf(draft, sizeof(draft), "%s.new", path);
    if (try_write(draft) != 0 || rename(draft, path) != 0)
        return -1;
    return unlink(path);
}

static int try_list(const char *path)
{
    return closed(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

static int try_execute(const char *path)
{
    char *const argv[] = {(char *)"true", NULL};

    return execve(path, argv, NULL);
}

static int try_trace(const char *nothing)
{
    return (int)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static int try_fork(const char *nothing)
{
    pid_t child = fork();

    if (child == 0)
        _exit(0);
    return child < 0 ? -1 : 0;
}

static void *idle(void *nothing)
{
    return nothing;
}

static int try_thread(const char *nothing)
{
    pthread_t thread;

    errno = pthread_create(&thread, NULL, idle, NULL);
    return errno == 0 && pthread_join(thread, NULL) == 0 ? 0 : -1;
}

/* The lock of the process must be that of a thread that begins later. */
static void *read_in_thread(void *path)
{
    return try_read(path) == 0 ? path : NULL;
}

static int try_read_in_thread(const char *path)
{
    pthread_t thread;
    void *result = NULL;

    if (pthread_create(&thread, NULL, read_in_thread, (void *)(size_t)path) != 0 ||
        pthread_join(thread, &result) != 0)
        return -1;
    errno = EACCES;
    return result ? 0 : -1;
}

static int try_socket(const char *family)
{
    return closed(socket(atoi(family), SOCK_DGRAM | SOCK_CLOEXEC, 0));
}

static int try_bind(const char *nothing)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    return bind(fd, (const struct sockaddr *)&any, sizeof(any));
}

static int try_code(const char *nothing)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return page == MAP_FAILED ? -1 : mprotect(page, 4096, PROT_READ | PROT_EXEC);
}

static int try_terminal(const char *nothing)
{
    return ioctl(STDIN_FILENO, TIOCSTI, "x");
}

static int try_signal(const char *pid)
{
    return kill(atoi(pid), 0);
}

static int try_become_root(const char *nothing)
{
    return (int)syscall(SYS_setuid, 0);
}

static int try_abort(const char *nothing)
{
    abort();
}

static const struct attempt {
    const char *name;
    int (*try)(const char *argument);
} attempts[] = {
    {"read", try_read},
    {"read-in-thread", try_read_in_thread},
    {"write", try_write},
    {"rename", try_rename},
    {"list", try_list},
    {"execute", try_execute},
    {"trace", try_trace},
    {"fork", try_fork},
    {"thread", try_thread},
    {"socket", try_socket},
    {"bind", try_bind},
    {"code", try_code},
    {"terminal", try_terminal},
    {"signal", try_signal},
    {"become-root", try_become_root},
    {"abort", try_abort},
};

int main(int argc, char *argv[])
{
    struct lockdown_words words;

    if (argc < 3)
        return 2;
    lockdown_begin(argv[1], &words);
    (void)printf("no_new_privs=%s capabilities=%s seccomp=%s landlock=%s\n", words.no_new_privs,
        words.capabilities, words.seccomp, words.landlock);
    (void)fflush(stdout);
    for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
        if (strcmp(attempts[i].name, argv[2]) != 0)
            continue;
        if (attempts[i].try(argc > 3 ? argv[3] : "") == 0)
            (void)puts("done");
        else
            (void)puts(strerrorname_np(errno));
        return 0;
    }
    return 2;
}
