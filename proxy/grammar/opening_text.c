/*
 * Pieces of commands: tags, addresses and numbers. They need no escape: neither xtext [RFC 3461 4]
 * nor a quoted string of IMAP would change any of their characters.
 */
#include "opening_parts.h"

struct slice opening_tag(const struct opening *opening, char memory[OPENING_TAG_MAX])
{
    char digits[SLICE_DECIMAL_MAX];
    struct buffer tag;

    buffer_init(&tag, memory, OPENING_TAG_MAX);
    (void)buffer_append(&tag, SLICE("m"));
    (void)buffer_append(&tag, slice_decimal(opening->commands, digits));
    return buffer_held(&tag);
}

void opening_put_number(struct buffer *out, unsigned number)
{
    char digits[SLICE_DECIMAL_MAX];

    (void)buffer_append(out, slice_decimal(number, digits));
}

static void put_name(struct buffer *out, struct slice name)
{
    (void)(buffer_append(out, SLICE(" ")) && buffer_append(out, name) &&
           buffer_append(out, SLICE("=")));
}

void opening_put_address(
    struct buffer *out, struct slice name, const struct address *address, struct slice v6)
{
    char text[ADDRESS_TEXT_MAX];

    put_name(out, name);
    if (address_family(address) == 0) {
        (void)buffer_append(out, SLICE("[UNAVAILABLE]"));
        return;
    }
    if (address_family(address) == AF_INET6)
        (void)buffer_append(out, v6);
    (void)buffer_append(out, slice_from(address_ip_text(address, text)));
}

void opening_put_port(struct buffer *out, struct slice name, const struct address *address)
{
    put_name(out, name);
    if (address_family(address) == 0)
        (void)buffer_append(out, SLICE("[UNAVAILABLE]"));
    else
        opening_put_number(out, address_port(address));
}

void opening_say_dovecot_xclient(const struct opening *opening, struct buffer *out)
{
    const struct opening_client *client = opening->client;
    const struct slice as_it_is = SLICE("");

    (void)buffer_append(out, SLICE("XCLIENT"));
    if (address_family(&client->source) != 0) {
        opening_put_address(out, SLICE("ADDR"), &client->source, as_it_is);
        opening_put_port(out, SLICE("PORT"), &client->source);
    }
    if (address_family(&client->destination) != 0) {
        opening_put_address(out, SLICE("DESTADDR"), &client->destination, as_it_is);
        opening_put_port(out, SLICE("DESTPORT"), &client->destination);
    }
    if (client->session_id.n > 0 && client->session_id.n <= OPENING_SESSION_ID_MAX)
        (void)(buffer_append(out, SLICE(" SESSION=")) && buffer_append(out, client->session_id));
    (void)buffer_append(out, SLICE(" TTL="));
    opening_put_number(out, OPENING_PROXY_TTL);
    (void)buffer_append(out, SLICE(" CLIENT-TRANSPORT="));
    (void)line_append(out, client->tls ? SLICE("TLS") : SLICE("insecure"));
}
