"""Logins in every form that clients have: mechanisms, string forms, and servers that take or refuse
them. The names are those that the log shows.
"""

import base64

from .servers import imap_authenticate, pop3_auth, server, smtp_auth

SECRET = b"Tr0ub4dor&3"
PLAIN_RESPONSE = base64.b64encode(b"\0alice\0" + SECRET)


def smtp_login(final):
    """As smtp_auth, but for LOGIN, which asks twice."""
    def reply(connection, command):
        if command == b"AUTH LOGIN\r\n":
            connection.send(b"334 VXNlcm5hbWU6\r\n")
            connection.commands.append(connection.read_line())
        return smtp_auth(final)(connection, command)

    return reply


REFUSED = {"smtp": {b"AUTH": smtp_login(b"535 5.7.8 no\r\n")},
           "imap": {b"LOGIN": b"%T NO no\r\n",
                    b"AUTHENTICATE": imap_authenticate(b"%T NO no\r\n")},
           "pop3": {b"PASS": b"-ERR no\r\n", b"APOP": b"-ERR no\r\n",
                    b"AUTH": pop3_auth(b"-ERR no\r\n")}}
ACCEPTED = {"smtp": {b"AUTH": smtp_login(b"235 2.7.0 in\r\n")},
            "imap": {b"LOGIN": b"%T OK in\r\n"}, "pop3": {}}


def exchange(responses, final):
    """A SASL exchange with one challenge for each response; refused when the client cancels."""
    def reply(connection, command):
        words = command.split()
        mechanism = words[2 if words[0] not in (b"AUTH",) else 1]
        begun = len(words) > (3 if words[0] not in (b"AUTH",) else 2)
        for _ in range(responses.get(mechanism, 1) - begun):
            connection.send({b"AUTH": b"334 Y2g=\r\n"}.get(words[0], b"+ Y2g=\r\n"))
            connection.commands.append(connection.read_line())
            if connection.commands[-1] == b"*\r\n":
                return NO[words[0] == b"AUTH"]
        return final
    return reply


NO = {True: b"535 5.7.8 no\r\n", False: b"%T NO no\r\n"}
DIGEST = b"0123456789abcdef0123456789abcdef"


def b64(text):
    return base64.b64encode(text)


# Mechanism, initial response or none, further responses, the name that the log shows.
MECHANISMS = {
    "plain": (b"PLAIN", None, [b64(b"\0carol\0" + SECRET)], "carol"),
    "plain-initial": (b"PLAIN", b64(b"\0carol\0" + SECRET), [], "carol"),
    "plain-authzid": (b"PLAIN", b64(b"bob\0carol\0" + SECRET), [], "carol"),
    "login": (b"LOGIN", None, [b64(b"carol"), b64(SECRET)], "carol"),
    "login-initial": (b"LOGIN", b64(b"carol"), [b64(SECRET)], "carol"),
    "cram-md5": (b"CRAM-MD5", None, [b64(b"carol " + DIGEST)], "carol"),
    "digest-md5": (b"DIGEST-MD5", None, [
        b64(b'username="carol",realm="x",nonce="n",response=' + DIGEST), b""], "carol"),
    "scram": (b"SCRAM-SHA-256", None, [b64(b"n,,n=carol,r=abc"), b64(b"c=biws,r=abc,p=x")], "carol"),
    "scram-initial": (b"SCRAM-SHA-1", b64(b"n,,n=ca=2Crol,r=abc"), [b64(b"c=biws,r=a,p=x")],
                      "ca,rol"),
    "oauthbearer": (b"OAUTHBEARER", b64(b"n,a=carol,\1auth=Bearer " + SECRET + b"\1\1"), [], "carol"),
    "xoauth2": (b"XOAUTH2", b64(b"user=carol\1auth=Bearer " + SECRET + b"\1\1"), [], "carol"),
    "ntlm": (b"NTLM", None, [b64(b"NTLMSSP\0carol")], None),
    "gssapi": (b"GSSAPI", b64(b"carol"), [], None),
    # What does not show a name, and what holds a secret in its place
    "cram-md5-password": (b"CRAM-MD5", None, [b64(b"carol " + SECRET)], None),
    "login-as-plain": (b"LOGIN", b64(b"\0carol\0" + SECRET), [b64(SECRET)], None),
    "plain-one-nul": (b"PLAIN", b64(b"carol\0" + SECRET), [], None),
    "plain-c-strings": (b"PLAIN", b64(b"carol\0" + SECRET + b"\0"), [], None),
    "login-raw": (b"LOGIN", None, [b"Tr0ub4do", b64(SECRET)], None),
    "login-cut": (b"LOGIN", None, [b"VHIwdWI0ZG9", b64(SECRET)], None),
}
MECHANISM_ROUNDS = {b"LOGIN": 2, b"DIGEST-MD5": 2, b"SCRAM-SHA-256": 2, b"SCRAM-SHA-1": 2}
EARLIER = {
    "smtp": [b"AUTH PLAIN " + b64(b"\0alice\0" + SECRET)],
    "imap": [b"a LOGIN alice " + SECRET],
    "pop3": [b"USER alice", b"PASS " + SECRET],
}


def talk(client, protocol, line):
    client.send(line + b"\r\n")
    return client.read_smtp() if protocol == "smtp" else client.read_line()


def begin_exchange(client, protocol, mechanism, initial):
    verb = {"smtp": b"AUTH ", "imap": b"b AUTHENTICATE ", "pop3": b"AUTH "}[protocol]
    return talk(client, protocol, verb + mechanism + (b" " + initial if initial else b""))


def taking(protocol, rounds=MECHANISM_ROUNDS):
    """Refuses passwords in words of the protocol, and takes whatever a SASL exchange says."""
    yes = {"smtp": b"235 in\r\n", "imap": b"%T OK in\r\n", "pop3": b"+OK in\r\n"}[protocol]

    def auth(connection, command):
        if b"PLAIN" in command and b64(b"\0alice\0" + SECRET) in command:
            return b"535 5.7.8 no\r\n"
        reply = exchange(rounds, yes)(connection, command)
        return b"-ERR no\r\n" if protocol == "pop3" and reply == NO[True] else reply

    def ask(connection, command):
        if protocol == "smtp":
            return auth(connection, command)
        send, connection.send = connection.send, lambda data: send(data.replace(b"334 ", b"+ "))
        try:
            return auth(connection, command)
        finally:
            connection.send = send

    verb = b"AUTHENTICATE" if protocol == "imap" else b"AUTH"
    return server(protocol, replies={**REFUSED[protocol], verb: ask})


IMAP_LOGINS = {
    "atom": ([b"a LOGIN carol " + SECRET], "carol"),
    "atom-bracket": ([b"a LOGIN ca]rol " + SECRET], "ca]rol"),
    "quoted": ([b'a LOGIN "carol smith" "' + SECRET + b'"'], "carol smith"),
    "escapes": ([rb'a LOGIN "ca\"r\\ol" x'], r'ca\"r\\ol'),
    "literal": ([b"a LOGIN {5}", b"carol " + SECRET], "carol"),
    "literal-plus": ([b"a LOGIN {5+}", b"carol " + SECRET], "carol"),
    "literals": ([b"a LOGIN {5}", b"carol {11}", SECRET], "carol"),
    "literals-plus": ([b"a LOGIN {5+}", b"carol {11+}", SECRET], "carol"),
    "literal-password": ([b"a LOGIN carol {11+}", SECRET], "carol"),
    "literal-long": ([b"a LOGIN {300+}", b"c" * 300 + b" x"], "c" * 255),
    "literal-lines": ([b"a LOGIN {7+}", b"car\r\nol x"], None),
    # What may be the password, or is no string
    "one-word": ([b"a LOGIN " + SECRET], None),
    "one-literal": ([b"a LOGIN {11+}", SECRET], None),
    "one-literal-blank": ([b"a LOGIN {11+}", SECRET + b" "], None),
    "literal-glued": ([b"a LOGIN {11+}", SECRET + b"carol x"], None),
    "list": ([b"a LOGIN (carol " + SECRET + b")"], None),
    "cut-list": ([b"a LOGIN Tr0ub(4dor&3 carol"], None),
    "cut-percent": ([b"a LOGIN Tr0ub%4dor&3 carol"], None),
    "cut-quote": ([b'a LOGIN Tr0ub"4dor&3 carol"'], None),
    "quoted-glued": ([b'a LOGIN "Tr0ub4dor"&3 carol'], None),
    "open-quote": ([b'a LOGIN "carol ' + SECRET], None),
    "one-quoted": ([b'a LOGIN "' + SECRET + b'"'], None),
    "literal8": ([b"a LOGIN ~{11+}", SECRET + b" x"], None),
    "empty": ([b'a LOGIN "" ' + SECRET], None),
}


POP3_LOGINS = {
    "user": ([b"USER carol", b"PASS " + SECRET], "carol"),
    "two-users": ([b"USER mallory", b"USER carol", b"PASS " + SECRET], "carol"),
    "user-then-apop": ([b"USER mallory", b"APOP carol " + DIGEST], "carol"),
    "pass-alone": ([b"PASS " + SECRET], None),
    "pass-after-apop": ([b"APOP mallory " + DIGEST, b"PASS " + SECRET], None),
    "pass-after-auth": ([b"USER mallory", b"AUTH PLAIN " + b64(b"\0eve\0x"), b"PASS " + SECRET], None),
    "user-without-name": ([b"USER mallory", b"PASS x", b"USER", b"PASS " + SECRET], None),
    "apop-one-word": ([b"APOP " + DIGEST], None),
    "user-with-password": ([b"USER carol " + SECRET, b"PASS x"], None),
}
