/*
 * From files to a document: the only code that opens files and sees inih. Every line is judged by
 * config_line first, and handed to inih in a form that it reads right; so each bad line is reported
 * by itself, with its number. One thread.
 */
#ifndef MAILMUX_CONFIG_READER_H
#define MAILMUX_CONFIG_READER_H

#include "config_document.h"
#include "config_store.h"

/* The document is filled as far as the file can be read; problems go to the report. */
void config_reader_file(const char *path, struct config_store *store, struct document *document,
    struct config_report *report);

/* The same from memory, where `include` is refused. */
void config_reader_bytes(const char *name, struct slice bytes, struct config_store *store,
    struct document *document, struct config_report *report);

/* False, with the reason, when the file cannot be read by this process or is no file. */
bool config_reader_can_read(const char *path, const char **reason);

#endif
