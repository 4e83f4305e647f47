/* Gives an order to the mailmux that runs. Main thread. */
#ifndef MAILMUX_ORDER_COMMAND_H
#define MAILMUX_ORDER_COMMAND_H

#include "control_socket.h"

/*
 * Gives the order to the mailmux that runs with this configuration, waits for the outcome and
 * prints it. That mailmux is found by its state directory; other settings of the file do not matter
 * here, as it judges them itself. Returns the exit status: 1 if the order was refused or cannot be
 * given.
 */
int order_command(const char *file, enum control_order order);

#endif
