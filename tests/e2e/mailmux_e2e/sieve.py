"""What the tests of ManageSieve say, and what the scripted server shows."""

import base64

from .legacy import PASSWORD, USER

PROTOCOL = "managesieve"


def response(user: str, password: str) -> bytes:
    return base64.b64encode(f"\0{user}\0{password}".encode())


LOGIN = b'AUTHENTICATE "PLAIN" "' + response(USER, PASSWORD) + b'"'
SHOWN = (b'"IMPLEMENTATION" "Old Sieve"\r\n"SIEVE" "fileinto vacation"\r\n'
         b'"SASL" "PLAIN LOGIN"\r\n"VERSION" "1.0"\r\n')
HIDDEN = SHOWN.replace(b'"PLAIN LOGIN"', b'""') + b'"STARTTLS"\r\n'
