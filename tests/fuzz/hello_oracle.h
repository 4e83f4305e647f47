/* Holds the reader of ClientHellos against itself and against OpenSSL, for fuzz_client_hello. */
#ifndef MAILMUX_HELLO_ORACLE_H
#define MAILMUX_HELLO_ORACLE_H

#include "mailmux/slice.h"

/*
 * Each beginning of the input asks for more or has the answer of the whole. What OpenSSL takes for
 * a ClientHello is one to the reader, too, with the same name and protocols; except for one whose
 * name or list of protocols OpenSSL refuses later, and for one with other records inside.
 */
void hello_oracle_check(struct slice bytes);

#endif
