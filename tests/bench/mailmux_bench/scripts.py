"""What a client says in a session, as load/script.h has it: by protocol and by how TLS begins."""

MESSAGE_END = 5  # CRLF, dot, CRLF; the server counts them

GREETING = {"imap": "* OK", "pop3": "+OK", "smtp": "220 "}
HELLO = {"imap": [], "pop3": [], "smtp": ["send EHLO client.bench.test", "expect 250 "]}
STARTTLS = {
    "imap": ["send s STARTTLS", "expect s OK"],
    "pop3": ["send STLS", "expect +OK"],
    "smtp": ["send STARTTLS", "expect 220"],
}
LOGIN = {
    "imap": ["send a LOGIN alice secret", "expect a OK"],
    "pop3": ["send USER alice", "expect +OK", "send PASS secret", "expect +OK"],
    "smtp": ["send AUTH PLAIN AGFsaWNlAHNlY3JldA==", "expect 235"],
}
LOGOUT = {
    "imap": ["send z LOGOUT", "expect z OK"],
    "pop3": ["send QUIT", "expect +OK"],
    "smtp": ["send QUIT", "expect 221"],
}


def login(service):
    """From the connection to the accepted login."""
    name = service.protocol
    first = [f"expect {GREETING[name]}"]
    if service.front == "implicit":
        return ["tls", *first, *HELLO[name], *LOGIN[name]]
    if service.front == "starttls":
        return [*first, *HELLO[name], *STARTTLS[name], "tls", *HELLO[name], *LOGIN[name]]
    return [*first, *HELLO[name], *LOGIN[name]]


def session(service, *between):
    """A whole session with these steps behind the login."""
    return [*login(service), *between, *LOGOUT[service.protocol], "end"]


def bulk(way, octets):
    """`way` is GET, to the client, or PUT."""
    return [f"send b {way} {octets}", f"{way.lower()} {octets}", f"expect b OK {octets} "]


def trips(count):
    return ["begin", "start", "send n NOOP", "expect n OK", "stop", f"again {count}"]


def messages(count, octets):
    """Pipelined, as RFC 2920 has it: what follows a message goes with it."""
    head = ["send MAIL FROM:<alice@bench.test>", "send RCPT TO:<bob@bench.test>", "send DATA"]
    taken = [f"expect 250 2.0.0 {octets + MESSAGE_END} "]
    answers = ["expect 250", "expect 250", "expect 354", f"message {octets}"]
    if count == 1:
        return [*head, *answers, *taken]
    return [*head, *answers, "begin", *head, *taken, *answers, f"again {count - 1}", *taken]
