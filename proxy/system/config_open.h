/*
 * Opening the files of the configuration in a process that must go on: what is read from the
 * descriptor never waits.
 */
#ifndef MAILMUX_CONFIG_OPEN_H
#define MAILMUX_CONFIG_OPEN_H

/*
 * Opens the file for reading. What is no regular file, such as a FIFO, /dev/stdin or a device, is
 * copied, which takes 5 seconds at most, and 8 MiB at most are copied. Returns a descriptor at the
 * first byte (close-on-exec), which the caller closes, or a negative errno: -ENODATA if the end did
 * not come in that time.
 */
int config_open(const char *path);

#endif
