#include "wire.h"

#include <errno.h>

void wire_init(struct wire *wire, const struct wire_ops *ops, unsigned ready)
{
    *wire = (struct wire){.ops = ops, .ready = ready};
}

/* Returns whether a receive may bring anything. If not, *status says why. */
static bool may_receive(const struct wire *wire, enum io *status)
{
    if (wire->ended)
        *status = wire->error ? IO_ERR : IO_EOF;
    else
        *status = IO_AGAIN;
    return !wire->ended && (wire->ready & WIRE_READABLE) != 0;
}

static void note_received(struct wire *wire, enum io status, size_t got)
{
    if (status == IO_OK)
        wire->received += got;
    if (status == IO_AGAIN)
        wire->ready &= ~(unsigned)WIRE_READABLE;
    if (status == IO_ERR)
        wire->error = errno;
    if (status == IO_EOF || status == IO_ERR) {
        wire->ended = true;
        /* READABLE is no longer watched: see wire_watch. */
        wire_watch(wire, wire->watched);
    }
}

enum io wire_receive(struct wire *wire, char *into, size_t cap, size_t *got)
{
    enum io status;

    *got = 0;
    if (!may_receive(wire, &status))
        return status;
    status = wire->ops->receive(wire, into, cap, got);
    note_received(wire, status, *got);
    if (status == IO_OK && *got < cap && !wire->is_last)
        wire->ready &= ~(unsigned)WIRE_READABLE;
    return status;
}

enum io wire_receive_into(struct wire *wire, struct duct *duct, size_t cap, size_t *got)
{
    enum io status;

    *got = 0;
    if (!may_receive(wire, &status))
        return status;
    status = wire->ops->receive_into(wire, duct, cap, got);
    note_received(wire, status, *got);
    duct->held += *got;
    return status;
}

static void note_sent(struct wire *wire, enum io status, size_t wanted, size_t sent)
{
    if (status == IO_OK)
        wire->sent += sent;
    if (status == IO_AGAIN || (status == IO_OK && sent < wanted))
        wire->ready &= ~(unsigned)WIRE_WRITABLE;
    if (status == IO_ERR) {
        wire->error = errno;
        wire->ready |= (unsigned)WIRE_READABLE; /* last words may wait to be read */
    }
}

enum io wire_send(struct wire *wire, struct slice bytes, size_t *sent)
{
    enum io status;

    *sent = 0;
    if (bytes.n == 0)
        return IO_OK;
    if (!(wire->ready & WIRE_WRITABLE))
        return IO_AGAIN;
    status = wire->ops->send(wire, bytes, sent);
    note_sent(wire, status, bytes.n, *sent);
    return status;
}

enum io wire_send_from(struct wire *wire, struct duct *duct, size_t *sent)
{
    enum io status;

    *sent = 0;
    if (!(wire->ready & WIRE_WRITABLE))
        return IO_AGAIN;
    status = wire->ops->send_from(wire, duct, sent);
    note_sent(wire, status, *sent, *sent);
    duct->held -= *sent;
    return status;
}

enum io wire_connected(struct wire *wire)
{
    int error;

    if (!(wire->ready & WIRE_WRITABLE))
        return IO_AGAIN;
    error = wire->ops->connect_result(wire);
    if (error == 0)
        return IO_OK;
    wire->error = error;
    wire->ready |= (unsigned)WIRE_READABLE; /* the peer may have sent something before */
    return IO_ERR;
}

void wire_watch(struct wire *wire, unsigned events)
{
    if (wire->ended)
        events &= ~(unsigned)WIRE_READABLE;
    if (wire->watched == events && !(events & wire->ready))
        return;
    wire->watched = events;
    wire->ops->watch(wire, events);
}

void wire_report(struct wire *wire, unsigned events)
{
    wire->ready |= events & (WIRE_READABLE | WIRE_WRITABLE | WIRE_FIN);
    if (events & WIRE_FIN)
        wire->ready |= (unsigned)WIRE_READABLE; /* the end is there to be read */
    if (wire->on_event)
        wire->on_event(wire->owner, events);
}

void wire_fail(struct wire *wire, int error)
{
    wire->watched = 0;
    if (error != 0)
        wire->error = error;
}

void wire_close(struct wire *wire, bool reset)
{
    wire->on_event = NULL;
    wire->ops->close(wire, reset);
}
