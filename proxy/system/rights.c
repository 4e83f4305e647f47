#include "rights.h"

#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const unsigned needed[] = {
    CAP_NET_BIND_SERVICE, CAP_DAC_READ_SEARCH, CAP_SETUID, CAP_SETGID, CAP_CHOWN, CAP_KILL};

static uint64_t needed_set(void)
{
    uint64_t set = 0;

    for (unsigned i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
        set |= UINT64_C(1) << needed[i];
    return set;
}

void rights_reduce(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0}};
    uint64_t keep = needed_set();

    for (unsigned one = 0; one <= CAP_LAST_CAP; one++) {
        if ((keep >> one & 1) == 0)
            (void)prctl(PR_CAPBSET_DROP, (unsigned long)one, 0UL, 0UL, 0UL);
    }
    if (syscall(SYS_capget, &header, data) == 0) {
        for (unsigned half = 0; half < 2; half++) {
            data[half].effective &= (uint32_t)(keep >> (32 * half));
            data[half].permitted &= (uint32_t)(keep >> (32 * half));
            data[half].inheritable &= (uint32_t)(keep >> (32 * half));
        }
        (void)syscall(SYS_capset, &header, data);
    }
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1UL, 0UL, 0UL, 0UL);
}

static bool has_right(unsigned right)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0}};

    if (syscall(SYS_capget, &header, data) != 0)
        return true;
    return (data[right / 32].effective >> (right % 32) & 1) != 0;
}

bool rights_allow_port(uint16_t port)
{
    FILE *file = fopen("/proc/sys/net/ipv4/ip_unprivileged_port_start", "re");
    char text[16] = "";
    unsigned long first = 1024;

    if (file) {
        if (fgets(text, sizeof(text), file))
            first = strtoul(text, NULL, 10);
        (void)fclose(file);
    }
    return port == 0 || port >= first || has_right(CAP_NET_BIND_SERVICE);
}
