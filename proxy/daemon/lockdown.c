#include "lockdown.h"

#include "lockdown_parts.h"
#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Capabilities that a kernel may have: as many as there are bits for them. */
enum { CAPABILITIES_MAX = 64, IS_SANITIZED = MAILMUX_IS_SANITIZED };

static void say(char word[LOCKDOWN_WORD_MAX], const char *text)
{
    (void)snprintf(word, LOCKDOWN_WORD_MAX, "%s", text);
}

static void forbid_new_privileges(char word[LOCKDOWN_WORD_MAX])
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1UL, 0UL, 0UL, 0UL) == 0)
        say(word, "yes");
    else
        lockdown_say_no(word, errno);
}

/*
 * The bounding set can be emptied only with CAP_SETPCAP, which the keeper had when it started the
 * service. Without it the set says what a program could gain by execve(2), and no_new_privs
 * forbids to gain anything.
 */
static void drop_capabilities(char word[LOCKDOWN_WORD_MAX])
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}, {0}};

    for (unsigned long one = 0; one < CAPABILITIES_MAX; one++)
        (void)prctl(PR_CAPBSET_DROP, one, 0UL, 0UL, 0UL);
    (void)prctl(PR_CAP_AMBIENT, (unsigned long)PR_CAP_AMBIENT_CLEAR_ALL, 0UL, 0UL, 0UL);
    if (syscall(SYS_capset, &header, none) == 0)
        say(word, "none");
    else
        lockdown_say_no(word, errno);
}

void lockdown_begin(const char *state_directory, struct lockdown_words *out)
{
    forbid_new_privileges(out->no_new_privs);
    if (IS_SANITIZED) {
        say(out->capabilities, "no-sanitizer");
        say(out->landlock, "no-sanitizer");
        say(out->seccomp, "no-sanitizer");
        return;
    }
    drop_capabilities(out->capabilities);
    lockdown_files(state_directory, out->landlock);
    lockdown_calls(out->seccomp);
}
