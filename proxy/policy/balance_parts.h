/* What the files of the balancer share: balance.c (who may be chosen, and by turns),
 * balance_hash.c. */
#ifndef MAILMUX_BALANCE_PARTS_H
#define MAILMUX_BALANCE_PARTS_H

#include "mailmux/balance.h"

/* The servers that may be chosen, with the weights that they have at this moment. */
struct candidates {
    size_t count;
    size_t server[BALANCE_SERVERS_MAX];
    uint64_t weight[BALANCE_SERVERS_MAX]; /* at least 1 */
};

/* There is at least one candidate. */
int balance_by_hash(
    const struct balance_table *table, const struct candidates *candidates, uint64_t key);

#endif
