"""A cable to a real server that can be pulled out: TCP, forwarded, until ``cut``."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Self

from sqlalchemy.engine import make_url


class Cable:
    """Forwards a port of its own to a server. ``cut`` breaks all connections and refuses new ones."""

    def __init__(self, url: str) -> None:
        address = make_url(url)
        self._server = (address.host, address.port)
        self._listener = self._listen(0)
        self._port = self._listener.getsockname()[1]
        self.url = address.set(host="127.0.0.1", port=self._port).render_as_string(hide_password=False)
        self._open: list[socket.socket] = []

    def cut(self) -> None:
        """From here on the server is away."""
        for one in [self._listener, *self._open]:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._open.clear()

    def mend(self) -> None:
        """And from here on it is back."""
        self._listener = self._listen(self._port)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()

    def _listen(self, port: int) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return listener

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                near = listener.accept()[0]
                far = socket.create_connection(self._server)
                self._open += [near, far]
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=_forward, args=(one, other), daemon=True).start()


def _forward(one: socket.socket, other: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := one.recv(65_536):
            other.sendall(data)
    for end in (one, other):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
