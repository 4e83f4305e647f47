/* The state directory, which belongs to the account that the service runs as. One thread. */
#ifndef MAILMUX_STATE_PLACE_H
#define MAILMUX_STATE_PLACE_H

/*
 * Makes the directory with its missing parents. As root, gives it to `user` unless that is NULL,
 * with the self-signed certificate that an earlier mailmux has left there for root. What fails is
 * left: the service says so when it needs the directory.
 */
void state_place_prepare(const char *path, const char *user);

#endif
