/*
 * A permit: what one reading of the configuration names, and so what the service may have. The
 * keeper makes it by reading proxy.ini itself. One thread; blocks on the disk.
 */
#ifndef MAILMUX_PERMIT_H
#define MAILMUX_PERMIT_H

#include "mailmux/config.h"
#include "mailmux/files.h"

struct permit;

/*
 * Reads the file and all that it includes. The caller frees the permit with permit_free, and the
 * report with config_report_free. Returns NULL without memory. After errors the permit names what
 * was read so far, and has no configuration.
 */
struct permit *permit_read(const char *file, struct config_report *report);

/* Returns the configuration, which is the permit's, or NULL if it had errors. */
struct config *permit_config(const struct permit *permit);

/*
 * Returns a descriptor of what the name stands for, which the caller closes, or a negative errno:
 * -EPERM if the configuration does not name it. Below a directory that it names (FILE_TREE) each
 * file is named.
 */
int permit_open(const struct permit *permit, enum file_kind kind, const char *name);

/* Sets the pointer to NULL; NULL is allowed. */
void permit_free(struct permit **permit);

#endif
