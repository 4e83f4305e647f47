/*
 * Reads files into a document. No other code of policy opens files or calls inih. config_line
 * parses each line first, and inih gets it in a form that it cannot misread. So each bad line is
 * reported by itself, with its number. One thread.
 */
#ifndef MAILMUX_CONFIG_READER_H
#define MAILMUX_CONFIG_READER_H

#include "config_document.h"
#include "config_store.h"

/*
 * Reads a file and the files that it includes. Fills the document, whose memory is in the store, as
 * far as they can be read; problems go to the report.
 */
void config_reader_file(const char *path, struct config_store *store, struct document *document,
    struct config_report *report);

/* Reads a document from memory, and refuses `include`. `name` stands for the file in origins. */
void config_reader_bytes(const char *name, struct slice bytes, struct config_store *store,
    struct document *document, struct config_report *report);

/*
 * Returns whether this process can read the file. If not, or if it is a directory, *reason says
 * why; the text is valid until the next call of strerror.
 */
bool config_reader_can_read(struct config_store *store, const char *path, const char **reason);

/* The same for a directory, and all the names in it. */
bool config_reader_can_list(struct config_store *store, const char *path, const char **reason);

#endif
