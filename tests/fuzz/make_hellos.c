/*
 * make_hellos DIRECTORY: writes ClientHellos as seeds of fuzz_client_hello. The first octet of each
 * is the target's octet of options.
 */
#include "memory_tls.h"
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>

static const struct {
    const char *file;
    const char *name;
    const char *alpn; /* as on the wire: each name behind its length */
    int maximum;
} hellos[] = {
    {"plain", NULL, NULL, TLS1_3_VERSION},
    {"named", "mail.example", NULL, TLS1_3_VERSION},
    {"other-name", "other.example", "\4imap", TLS1_3_VERSION},
    {"unknown-name", "www.example", "\4http", TLS1_3_VERSION},
    {"tls12", "mail.example", "\4imap\4pop3", TLS1_2_VERSION},
    {"tls11", "mail.example", NULL, TLS1_1_VERSION},
};

static bool write_hello(const char *directory, size_t i)
{
    struct memory_wire wire;
    struct memory_tls client;
    char path[4096];
    FILE *out;
    bool good;

    memory_wire_init(&wire);
    memory_tls_init_client(&client, &wire, NULL);
    SSL_set_security_level(client.ssl, 0);
    (void)SSL_set_max_proto_version(client.ssl, hellos[i].maximum);
    if (hellos[i].name)
        (void)SSL_set_tlsext_host_name(client.ssl, hellos[i].name);
    if (hellos[i].alpn)
        (void)SSL_set_alpn_protos(client.ssl, (const unsigned char *)hellos[i].alpn,
            (unsigned)slice_from(hellos[i].alpn).n);
    (void)memory_tls_step(&client);
    (void)snprintf(path, sizeof(path), "%s/%s", directory, hellos[i].file);
    out = fopen(path, "wb");
    good = out && fputc('0' + (int)i % 4, out) != EOF &&
           fwrite(wire.inbox.data, 1, wire.inbox.n, out) == wire.inbox.n;
    if (out)
        good = fclose(out) == 0 && good;
    memory_tls_deinit(&client);
    memory_wire_deinit(&wire);
    return good;
}

int main(int argc, char **argv)
{
    bool good = argc == 2;

    for (size_t i = 0; good && i < sizeof(hellos) / sizeof(*hellos); i++)
        good = write_hello(argv[1], i);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
