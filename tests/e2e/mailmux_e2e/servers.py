"""Small well-behaved servers as scripts for a backend. A test may change what they say.

`replies` maps a verb in capitals to its reply: bytes, or a callable that gets the connection and
the command and returns bytes or None. In replies of IMAP "%T" stands for the tag.
"""

import re
from typing import Callable, Mapping, Optional, Sequence, Union

from .backend import Connection, Ended, Script, Step
from .steps import expect_line, send

Reply = Union[bytes, Callable[[Connection, bytes], Optional[bytes]]]
Replies = Mapping[bytes, Reply]


class Goodbye(Exception):
    """The server ends the conversation."""


def _answer(reply: Reply, connection: Connection, command: bytes) -> bytes:
    return reply if isinstance(reply, bytes) else reply(connection, command) or b""


def _converse(turn: Callable[[Connection], None]) -> Step:
    """Takes turns until one of the two sides says goodbye or the proxy ends the connection."""
    def step(connection: Connection) -> None:
        try:
            while True:
                turn(connection)
        except Goodbye:
            pass
        except Ended:
            if connection.received and not connection.received.endswith(b"\n"):
                raise
    return step


# SMTP

def ehlo_reply(words: Sequence[bytes]) -> bytes:
    lines = [b"250-" + word for word in words]
    lines[-1] = b"250 " + words[-1]
    return b"\r\n".join(lines) + b"\r\n"


def smtp_message(connection: Connection, _: bytes) -> bytes:
    connection.send(b"354 go ahead\r\n")
    connection.messages.append(connection.read_until(b"\r\n.\r\n"))
    return b"250 2.0.0 message taken\r\n"


def smtp_chunk(connection: Connection, command: bytes) -> bytes:
    """Takes the octets of a BDAT and keeps them as a message."""
    connection.messages.append(connection.take(int(command.split()[1])))
    return b"250 2.0.0 chunk taken\r\n"


def smtp_auth(final: bytes = b"235 2.7.0 welcome\r\n") -> Reply:
    """Takes one more line after 334, unless the command has an initial response."""
    def reply(connection: Connection, command: bytes) -> bytes:
        if len(command.split()) < 3:
            connection.send(b"334 \r\n")
            connection.commands.append(connection.read_line())
        return final
    return reply


def smtp_quit(connection: Connection, _: bytes) -> bytes:
    connection.send(b"221 2.0.0 bye\r\n")
    raise Goodbye


SMTP_WORDS = (b"old.example", b"PIPELINING", b"SIZE 1000000", b"STARTTLS", b"AUTH PLAIN LOGIN",
              b"8BITMIME")
LMTP_WORDS = (b"old.example", b"PIPELINING", b"CHUNKING", b"STARTTLS", b"8BITMIME")
_SMTP_REPLIES: Replies = {
    b"HELO": b"250 old.example\r\n",
    b"NOOP": b"250 2.0.0 noop\r\n",
    b"RSET": b"250 2.0.0 reset\r\n",
    b"VRFY": b"252 2.0.0 perhaps\r\n",
    b"HELP": b"214 help\r\n",
    b"MAIL": b"250 2.1.0 sender fine\r\n",
    b"RCPT": b"250 2.1.5 recipient fine\r\n",
    b"DATA": smtp_message,
    b"AUTH": smtp_auth(),
    b"QUIT": smtp_quit,
}


def smtp(greeting: bytes = b"220 old.example ESMTP\r\n", words: Sequence[bytes] = SMTP_WORDS,
         replies: Replies = {}) -> Script:
    known = {b"EHLO": ehlo_reply(words), **_SMTP_REPLIES, **replies}

    def turn(connection: Connection) -> None:
        line = connection.read_line()
        connection.commands.append(line)
        verb = re.split(rb"[ \r\n]", line, maxsplit=1)[0].upper()
        reply = known.get(verb, b"500 5.5.2 the server does not know this\r\n")
        connection.send(_answer(reply, connection, line))

    return [send(greeting), _converse(turn)]


# LMTP

def lmtp_outcome(connection: Connection, _: bytes, replies: Sequence[bytes]) -> bytes:
    """Takes a message, and answers it with these replies."""
    smtp_message(connection, _)
    return b"".join(replies)


def lmtp(greeting: bytes = b"220 old.example LMTP\r\n", words: Sequence[bytes] = LMTP_WORDS,
         replies: Replies = {}, refused: Sequence[bytes] = (),
         outcomes: Mapping[bytes, bytes] = {}) -> Script:
    """refused: recipients that RCPT refuses. outcomes: the replies to a message, by recipient."""
    accepted: dict[Connection, list[bytes]] = {}

    def start(connection: Connection, _: bytes) -> bytes:
        accepted[connection] = []
        return b"250 2.1.0 sender fine\r\n"

    def recipient(connection: Connection, command: bytes) -> bytes:
        name = re.sub(rb".*<(.*)>.*", rb"\1", command.rstrip(b"\r\n"))
        if name in refused:
            return b"550 5.1.1 no such user\r\n"
        accepted[connection].append(name)
        return b"250 2.1.5 recipient fine\r\n"

    def outcome(connection: Connection) -> bytes:
        names, accepted[connection] = accepted[connection], []
        return b"".join(outcomes.get(name, b"250 2.0.0 saved\r\n") for name in names)

    def message(connection: Connection, command: bytes) -> bytes:
        smtp_message(connection, command)
        return outcome(connection)

    def chunk(connection: Connection, command: bytes) -> bytes:
        reply = smtp_chunk(connection, command)
        return outcome(connection) if command.rstrip().upper().endswith(b"LAST") else reply

    own = {b"LHLO": ehlo_reply(words), b"EHLO": b"500 5.5.1 LHLO, please\r\n", b"MAIL": start,
           b"RCPT": recipient, b"DATA": message, b"BDAT": chunk}
    return smtp(greeting, words, {**own, **replies})


# IMAP

_LITERAL = re.compile(rb"\{(\d+)(\+?)\}\r\n$")


def imap_command(connection: Connection) -> bytes:
    """Takes a whole command with its literals; sends "+" for those that are synchronizing."""
    command = connection.read_line()
    while literal := _LITERAL.search(command):
        if not literal[2]:
            connection.send(b"+ OK\r\n")
        command += connection.take(int(literal[1])) + connection.read_line()
    return command


def imap_strings(command: bytes) -> list[bytes]:
    """The arguments of a command, with quoted strings and literals decoded."""
    strings = []
    at = len(command.split(b" ", 2)[0]) + len(command.split(b" ", 2)[1]) + 2
    while at < len(command) and command[at:at + 2] != b"\r\n":
        if quoted := re.compile(rb'"((?:\\.|[^"\\])*)"').match(command, at):
            strings.append(re.sub(rb"\\(.)", rb"\1", quoted[1]))
            at = quoted.end()
        elif literal := re.compile(rb"\{(\d+)\+?\}\r\n").match(command, at):
            strings.append(command[literal.end():literal.end() + int(literal[1])])
            at = literal.end() + int(literal[1])
        else:
            atom = re.compile(rb"[^ \r]+").match(command, at)
            assert atom, command
            strings.append(atom[0])
            at = atom.end()
        at += command[at:at + 1] == b" "
    return strings


def imap_login(connection: Connection, command: bytes) -> bytes:
    user, password = imap_strings(command)
    connection.logins.append((user, password))
    return b"%T OK logged in\r\n"


def imap_authenticate(final: bytes = b"%T OK logged in\r\n") -> Reply:
    def reply(connection: Connection, command: bytes) -> bytes:
        if len(command.split()) < 4:
            connection.send(b"+ \r\n")
            connection.commands.append(connection.read_line())
        return final
    return reply


def imap_logout(connection: Connection, command: bytes) -> bytes:
    connection.send(b"* BYE see you\r\n" + command.split(b" ")[0] + b" OK bye\r\n")
    raise Goodbye


IMAP_WORDS = b"IMAP4rev1 SASL-IR LITERAL+ ID IDLE STARTTLS AUTH=PLAIN AUTH=LOGIN"


def imap(greeting: bytes = b"* OK old server ready\r\n", words: bytes = IMAP_WORDS,
         replies: Replies = {}) -> Script:
    known: Replies = {
        b"CAPABILITY": b"* CAPABILITY " + words + b"\r\n%T OK done\r\n",
        b"NOOP": b"%T OK noop\r\n",
        b"ID": b"* ID NIL\r\n%T OK id\r\n",
        b"LOGIN": imap_login,
        b"AUTHENTICATE": imap_authenticate(),
        b"LOGOUT": imap_logout,
        **replies,
    }

    def turn(connection: Connection) -> None:
        command = imap_command(connection)
        connection.commands.append(command)
        tag, *rest = command.split(None, 2)
        verb = rest[0].upper() if rest else b""
        reply = known.get(verb, b"%T BAD the server does not know this\r\n")
        connection.send(_answer(reply, connection, command).replace(b"%T", tag))

    return [send(greeting), _converse(turn)]


# POP3

POP3_WORDS = (b"TOP", b"UIDL", b"USER", b"SASL PLAIN LOGIN", b"STLS")


def pop3_auth(final: bytes = b"+OK logged in\r\n") -> Reply:
    def reply(connection: Connection, command: bytes) -> bytes:
        if len(command.split()) < 2:
            return b"+OK\r\nPLAIN\r\nLOGIN\r\n.\r\n"
        if len(command.split()) < 3:
            connection.send(b"+ \r\n")
            connection.commands.append(connection.read_line())
        return final
    return reply


def pop3_quit(connection: Connection, _: bytes) -> bytes:
    connection.send(b"+OK bye\r\n")
    raise Goodbye


def pop3(greeting: bytes = b"+OK old server ready\r\n", words: Sequence[bytes] = POP3_WORDS,
         replies: Replies = {}) -> Script:
    known: Replies = {
        b"CAPA": b"+OK list follows\r\n" + b"".join(w + b"\r\n" for w in words) + b".\r\n",
        b"NOOP": b"+OK noop\r\n",
        b"USER": b"+OK user\r\n",
        b"PASS": b"+OK logged in\r\n",
        b"APOP": b"+OK logged in\r\n",
        b"AUTH": pop3_auth(),
        b"STAT": b"+OK 0 0\r\n",
        b"QUIT": pop3_quit,
        **replies,
    }

    def turn(connection: Connection) -> None:
        line = connection.read_line()
        connection.commands.append(line)
        verb = re.split(rb"[ \r\n]", line, maxsplit=1)[0].upper()
        reply = known.get(verb, b"-ERR the server does not know this\r\n")
        connection.send(_answer(reply, connection, line))

    return [send(greeting), _converse(turn)]


# ManageSieve

SIEVE_WORDS = (b'"IMPLEMENTATION" "Old Sieve"', b'"SIEVE" "fileinto vacation"', b'"STARTTLS"',
               b'"SASL" "PLAIN LOGIN"', b'"VERSION" "1.0"')
_UNASKED = re.compile(rb"\{(\d+)\+\}\r\n$")


def sieve_words(words: Sequence[bytes] = SIEVE_WORDS, last: bytes = b'OK "ready"') -> bytes:
    return b"".join(word + b"\r\n" for word in (*words, last))


def sieve_command(connection: Connection) -> bytes:
    """Takes a whole command, or response, with its literals."""
    command = connection.read_line()
    while literal := _UNASKED.search(command):
        command += connection.take(int(literal[1])) + connection.read_line()
    return command


def sieve_auth(final: bytes = b'OK "Logged in"\r\n') -> Reply:
    """One challenge, unless the command has an initial response; NO if the client cancels."""
    def reply(connection: Connection, command: bytes) -> bytes:
        if command.count(b'"') + 2 * command.count(b"{") < 4:
            connection.send(b'""\r\n')
            connection.commands.append(sieve_command(connection))
            if connection.commands[-1] == b'"*"\r\n':
                return b'NO "cancelled"\r\n'
        return final
    return reply


def sieve_logout(connection: Connection, _: bytes) -> bytes:
    connection.send(b'OK "bye"\r\n')
    raise Goodbye


def managesieve(greeting: bytes = sieve_words(), words: Sequence[bytes] = SIEVE_WORDS,
                replies: Replies = {}) -> Script:
    known: Replies = {
        b"CAPABILITY": sieve_words(words, b'OK "words"'),
        b"NOOP": b'OK "noop"\r\n',
        b"AUTHENTICATE": sieve_auth(),
        b"LISTSCRIPTS": b'"x" ACTIVE\r\nOK\r\n',
        b"LOGOUT": sieve_logout,
        **replies,
    }

    def turn(connection: Connection) -> None:
        command = sieve_command(connection)
        connection.commands.append(command)
        verb = re.split(rb"[ \r\n]", command, maxsplit=1)[0].upper()
        reply = known.get(verb, b'NO "the server does not know this"\r\n')
        connection.send(_answer(reply, connection, command))

    return [send(greeting), _converse(turn)]


# TLS

_HELLO = {
    "smtp": (b"EHLO .*", ehlo_reply((b"clear.example", b"STARTTLS", b"AUTH CLEAR")),
             b"STARTTLS", b"220 2.0.0 go ahead\r\n"),
    "lmtp": (b"LHLO .*", ehlo_reply((b"clear.example", b"STARTTLS")),
             b"STARTTLS", b"220 2.0.0 go ahead\r\n"),
    "imap": (b"m1 CAPABILITY", b"* CAPABILITY IMAP4rev1 STARTTLS AUTH=CLEAR\r\nm1 OK done\r\n",
             b"m2 STARTTLS", b"m2 OK go ahead\r\n"),
    "pop3": (b"CAPA", b"+OK\r\nSTLS\r\nSASL CLEAR\r\n.\r\n", b"STLS", b"+OK go ahead\r\n"),
    "managesieve": (b"CAPABILITY", b'"STARTTLS"\r\n"SASL" "CLEAR"\r\nOK\r\n', b"STARTTLS",
                    b'OK "go ahead"\r\n'),
}
CLEAR_GREETINGS = {"smtp": b"220 clear.example ESMTP\r\n",
                   "lmtp": b"220 clear.example LMTP\r\n", "imap": b"* OK [ALERT] clear words\r\n",
                   "pop3": b"+OK clear words <1.2@clear.example>\r\n",
                   "managesieve": b'"IMPLEMENTATION" "clear words"\r\n"STARTTLS"\r\nOK "clear"\r\n'}


def hello(protocol: str, offer: Optional[bytes] = None) -> Script:
    """The steps before STARTTLS. All that the server says in clear has the word "clear"."""
    command, offers, _, _ = _HELLO[protocol]
    return [send(CLEAR_GREETINGS[protocol]), expect_line(command),
            send(offers if offer is None else offer)]


def starttls(protocol: str, answer: Optional[bytes] = None) -> Script:
    _, _, command, go_ahead = _HELLO[protocol]
    return [*hello(protocol), expect_line(command), send(go_ahead if answer is None else answer)]


def tls_server(protocol: str, tls: str, begin: Step, **changes: object) -> Script:
    """A server with TLS (none, starttls, implicit), whose handshake is the step `begin`."""
    script = server(protocol, **changes)
    if tls == "none":
        return script
    if tls == "implicit" or protocol == "managesieve":  # which greets again inside TLS
        return [*(starttls(protocol) if tls == "starttls" else []), begin, *script]
    return [*starttls(protocol), begin, *script[1:]]


def server(protocol: str, **changes: object) -> Script:
    servers = {"smtp": smtp, "lmtp": lmtp, "imap": imap, "pop3": pop3,
               "managesieve": managesieve}
    return servers[protocol](**changes)  # type: ignore[operator]
