"""A TLS client on libssl itself, for what Python's ssl module cannot do: KeyUpdate, renegotiation,
early data, reading on after close_notify, any bytes as server name.
"""

import ctypes
import ctypes.util
import socket
from typing import Optional

from . import CEILING

_ssl = ctypes.CDLL(ctypes.util.find_library("ssl") or "libssl.so.3")
_crypto = ctypes.CDLL(ctypes.util.find_library("crypto") or "libcrypto.so.3")


def _function(name: str, result: object, *arguments: object):  # type: ignore[no-untyped-def]
    function = getattr(_ssl, name)
    function.restype = result
    function.argtypes = arguments
    return function


_P, _INT, _LONG, _SIZE = ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_size_t
_BYTES, _COUNT = ctypes.c_char_p, ctypes.POINTER(ctypes.c_size_t)

_method = _function("TLS_client_method", _P)
_ctx_new = _function("SSL_CTX_new", _P, _P)
_ctx_free = _function("SSL_CTX_free", None, _P)
_ctx_ctrl = _function("SSL_CTX_ctrl", _LONG, _P, _INT, _LONG, _P)
_new = _function("SSL_new", _P, _P)
_free = _function("SSL_free", None, _P)
_ctrl = _function("SSL_ctrl", _LONG, _P, _INT, _LONG, _P)
_set_fd = _function("SSL_set_fd", _INT, _P, _INT)
_connect = _function("SSL_connect", _INT, _P)
_handshake = _function("SSL_do_handshake", _INT, _P)
_read = _function("SSL_read", _INT, _P, _P, _INT)
_write = _function("SSL_write", _INT, _P, _BYTES, _INT)
_shutdown = _function("SSL_shutdown", _INT, _P)
_get_shutdown = _function("SSL_get_shutdown", _INT, _P)
_key_update = _function("SSL_key_update", _INT, _P, _INT)
_renegotiate = _function("SSL_renegotiate", _INT, _P)
_get1_session = _function("SSL_get1_session", _P, _P)
_set_session = _function("SSL_set_session", _INT, _P, _P)
_session_free = _function("SSL_SESSION_free", None, _P)
_session_early = _function("SSL_SESSION_set_max_early_data", _INT, _P, ctypes.c_uint32)
_write_early = _function("SSL_write_early_data", _INT, _P, _BYTES, _SIZE, _COUNT)
_early_status = _function("SSL_get_early_data_status", _INT, _P)
_session_reused = _function("SSL_session_reused", _INT, _P)
_clear_errors = _crypto.ERR_clear_error

_CTRL_SET_HOSTNAME, _CTRL_SET_MIN, _CTRL_SET_MAX = 55, 123, 124
_RECEIVED_SHUTDOWN = 2
_EARLY_DATA_REJECTED = 1
TLS1_2, TLS1_3 = 0x0303, 0x0304


class Failed(AssertionError):
    """libssl has failed: an alert, a broken record or the end of the connection."""


class RawTls:
    """Runs over a connected socket, which stays the caller's. Calls block, for CEILING at most."""

    def __init__(self, sock: socket.socket, *, version: int = TLS1_3,
                 server_name: Optional[bytes] = b"mail.example.test",
                 resume: Optional["RawTls"] = None, early_data: bytes = b"") -> None:
        self.socket = sock
        self.session: Optional[int] = None
        sock.setblocking(True)
        seconds = int(CEILING).to_bytes(8, "little") + bytes(8)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, seconds)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, seconds)
        self._context = _ctx_new(_method())
        _ctx_ctrl(self._context, _CTRL_SET_MIN, version, None)
        _ctx_ctrl(self._context, _CTRL_SET_MAX, version, None)
        self._tls = _new(self._context)
        if server_name is not None:
            _ctrl(self._tls, _CTRL_SET_HOSTNAME, 0, server_name)
        _set_fd(self._tls, sock.fileno())
        if resume is not None:
            _set_session(self._tls, resume.session)
        if early_data:
            self._send_early(early_data)
        _clear_errors()
        if _connect(self._tls) != 1:
            raise Failed("the handshake failed")

    def _send_early(self, data: bytes) -> None:
        count = ctypes.c_size_t()
        _clear_errors()
        if _write_early(self._tls, data, len(data), ctypes.byref(count)) != 1:
            raise Failed("early data could not be sent")

    def write(self, data: bytes) -> None:
        _clear_errors()
        if _write(self._tls, data, len(data)) != len(data):
            raise Failed("cannot write")

    def read(self, count: int = 65536) -> bytes:
        """Returns what comes next; b"" at any end of the connection."""
        into = ctypes.create_string_buffer(count)
        _clear_errors()
        got = _read(self._tls, into, count)
        return into.raw[:got] if got > 0 else b""

    def read_line(self) -> bytes:
        line = b""
        while not line.endswith(b"\n"):
            byte = self.read(1)
            if not byte:
                raise Failed(f"the end after {line!r}")
            line += byte
        return line

    def read_to_end(self) -> bytes:
        data = b""
        while more := self.read():
            data += more
        return data

    @property
    def was_closed_in_order(self) -> bool:
        """Whether a close_notify has come."""
        return bool(_get_shutdown(self._tls) & _RECEIVED_SHUTDOWN)

    @property
    def was_resumed(self) -> bool:
        return _session_reused(self._tls) == 1

    @property
    def early_data_was_rejected(self) -> bool:
        return _early_status(self._tls) == _EARLY_DATA_REJECTED

    def key_update(self, *, wants_answer: bool = True) -> bool:
        """Sends a KeyUpdate. Returns False when the other side has ended the connection."""
        _clear_errors()
        return (_key_update(self._tls, int(wants_answer)) == 1
                and _handshake(self._tls) == 1)

    def renegotiate(self) -> bool:
        """Asks for a new handshake. Returns whether it was done."""
        _clear_errors()
        return _renegotiate(self._tls) == 1 and _handshake(self._tls) == 1

    def close_notify(self) -> None:
        """Ends this direction, and not the other one."""
        _clear_errors()
        _shutdown(self._tls)

    def keep_session(self, early_data: int = 0) -> None:
        """Keeps the session for a later `resume`, as if the server allowed so much early data."""
        self.session = _get1_session(self._tls)
        if early_data:
            _session_early(self.session, early_data)

    def free(self) -> None:
        if self.session:
            _session_free(self.session)
        _free(self._tls)
        _ctx_free(self._context)

    def __enter__(self) -> "RawTls":
        return self

    def __exit__(self, *_: object) -> None:
        self.free()
