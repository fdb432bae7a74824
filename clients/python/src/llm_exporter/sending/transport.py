"""HTTP to one exporter, by `http.client`: keep-alive, TLS, authentication, proxies; no retries and no queue."""

from __future__ import annotations

import base64
import copy
import email.utils
import functools
import http.client
import io
import ipaddress
import json
import os
import socket
import ssl
import time
from typing import Any, NamedTuple, Optional, Union
from urllib.parse import SplitResult, quote, unquote, urlsplit

from .._version import VERSION

__all__ = ["MAX_REPLY_BYTES", "Answer", "Transport", "Unanswered", "header_value"]

# The exporter closes a connection that was idle for 20 s. A request on a closed connection is lost and sent again, so
# older connections are not used.
_REUSE_SECONDS = 15.0
MAX_REPLY_BYTES = 1 << 20
"""The longest answer to a post that is read: many times what an exporter answers."""

_MAX_INTEGER_DIGITS = 20
_READ_BYTES = 64 << 10
_PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy")
_abandoned: list[http.client.HTTPConnection] = []

# Imports now what a connection imports on first use. A child that is forked while another thread imports a module waits
# without end when it imports the same module, as it does not have that thread.
"".encode("idna")


class Answer(NamedTuple):
    """An HTTP response, read whole."""

    status: int
    body: bytes
    retry_after: Optional[float]
    """Seconds that the server asks clients to wait."""
    location: Optional[str]

    def json(self) -> Any:
        """The body as JSON; None if it is not, nests too deeply or has an integer of more than 64 bits."""
        try:
            return json.loads(self.body, parse_int=_integer)
        except (ValueError, RecursionError):
            return None


class Unanswered(Exception):
    """No response came, so it is not known whether the request was applied. The text is the reason."""


class Transport:
    """Requests to the exporter at a URL, one at a time.

    Not for several threads at once. Nothing is opened before the first request, so a wrong URL or a missing CA file
    raises `Unanswered` there, and nothing in the constructor of an agent.

    - `url`: ``http`` or ``https``, with a path if the exporter is behind a reverse proxy. Credentials in it are used.
    - `token` is used rather than `username` and `password`.
    - `ca_file`: PEM; the certificates to trust in place of the system's.
    - `timeout`: seconds for one request, from connecting (to one address) to the last byte of its answer.
    """

    def __init__(
        self,
        url: str,
        *,
        username: Optional[str] = None,
        password: Optional[str] = None,
        token: Optional[str] = None,
        ca_file: Optional[str] = None,
        timeout: float = 10.0,
    ) -> None:
        self.timeout = timeout
        self._ca_file = ca_file
        self._connection: Optional[http.client.HTTPConnection] = None
        self._used_at = 0.0
        self._fault: Optional[str] = None
        self._proxied_plainly = False
        self._proxy_headers: dict[str, str] = {}
        self._headers = {"User-Agent": f"llm-exporter-python/{VERSION}"}
        try:
            self._url = _split(url)
            if self._url.scheme not in ("http", "https") or not self._url.hostname:
                raise ValueError("it must begin with http:// or https:// and name a host")
            self._port = _port(self._url, 443 if self._url.scheme == "https" else 80)
        except ValueError as error:
            self._url, self._port = SplitResult("http", "invalid", "", "", ""), 80
            self._fault = f"the URL cannot be used: {error}"
        if _proxies_are_set():
            import urllib.request  # noqa: F401  (for the reason at the head)
        self.address = f"{self._url.scheme}://{self._url.netloc.rpartition('@')[2]}{self._url.path.rstrip('/')}"
        """The URL without credentials: the one to log."""
        username = username or (unquote(self._url.username) if self._url.username else None)
        password = password or (unquote(self._url.password) if self._url.password else None)
        token = token.strip() if token else None  # a file's last line feed is no part of it
        if token and not (token.isascii() and token.isprintable()):
            self._fault = "the token holds what no header can carry"
        elif token:
            self._headers["Authorization"] = f"Bearer {token}"
        elif username:
            self._headers["Authorization"] = _basic(username, password)

    def exchange(
        self,
        method: str,
        path: str,
        body: Optional[bytes] = None,
        headers: Optional[dict[str, str]] = None,
        timeout: Optional[float] = None,
        max_bytes: int = MAX_REPLY_BYTES,
    ) -> Answer:
        """One request and its response, which may have `max_bytes` at most.

        - Raises: `Unanswered`, and nothing else.
        """
        if self._fault:
            raise Unanswered(self._fault)
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        try:
            reused = self._connection is not None and time.monotonic() - self._used_at < _REUSE_SECONDS
            if not reused:
                self.forget()
            try:
                return self._exchange(method, path, body, headers, deadline, max_bytes)
            except (http.client.HTTPException, ConnectionError):
                self.forget()
                if not reused:
                    raise
            # The server was free to close the kept connection just as we used it: that is no failure of the server.
            return self._exchange(method, path, body, headers, deadline, max_bytes)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.forget()
            raise Unanswered(_reason(error)) from None
        except BaseException:
            self.forget()
            raise

    def unconnected(self) -> Transport:
        """One of the same settings with no connection yet."""
        other = copy.copy(self)
        other._connection = None
        return other

    def abandon(self) -> None:
        """In a forked child: closes its copy of the connection, of which the parent notices nothing."""
        connection, self._connection = self._connection, None
        if connection is not None:
            # Not connection.close(): the parent's thread may hold the lock of the reader within, and no thread of this
            # process will ever free it. For the same reason it must not be finalized.
            _abandoned.append(connection)
            if connection.sock is not None:
                os.close(connection.sock.detach())

    def forget(self) -> None:
        """Closes the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _exchange(
        self,
        method: str,
        path: str,
        body: Optional[bytes],
        headers: Optional[dict[str, str]],
        deadline: float,
        max_bytes: int,
    ) -> Answer:
        connection = self._connection
        if connection is None:
            connection = self._connection = self._connect(_left(deadline))
        elif connection.sock is not None:
            connection.sock.settimeout(_left(deadline))
        connection.response_class = functools.partial(_timed_response, deadline)  # type: ignore[assignment]
        target = self._url.path.rstrip("/") + path
        all_headers = {**self._headers, **(headers or {})}
        if self._proxied_plainly:
            target = f"http://{self._url.netloc.rpartition('@')[2]}{target}"
            all_headers.update(self._proxy_headers)
        try:
            connection.request(method, target, body=body, headers=all_headers)
        except (BrokenPipeError, ConnectionResetError):
            # It may have answered before it read everything, as with 413. If not, getresponse() fails as well.
            if connection.sock is None:
                raise
        response = connection.getresponse()
        answer = bytearray()
        # In parts: CPython 3.9 allocates and clears as much as read() is asked for.
        while part := response.read(_READ_BYTES):
            answer += part
            if len(answer) > max_bytes:
                raise ValueError(f"the answer is longer than {max_bytes} bytes")
        if response.will_close:
            self.forget()
        self._used_at = time.monotonic()
        return Answer(
            response.status,
            bytes(answer),
            _retry_after(response.getheader("Retry-After")),
            response.getheader("Location"),
        )

    def _connect(self, timeout: float) -> http.client.HTTPConnection:
        host, port = self._url.hostname or "", self._port
        self._proxied_plainly = False
        proxy = _proxy(self._url.scheme, host)
        if self._url.scheme == "http":
            if proxy is None:
                return http.client.HTTPConnection(host, port, timeout=timeout)
            self._proxied_plainly = True
            self._proxy_headers = _proxy_authorization(proxy)
            return http.client.HTTPConnection(proxy.hostname or "", _port(proxy, 80), timeout=timeout)
        context = ssl.create_default_context(cafile=self._ca_file)
        if proxy is None:
            return http.client.HTTPSConnection(host, port, timeout=timeout, context=context)
        tunnel = http.client.HTTPSConnection(proxy.hostname or "", _port(proxy, 80), timeout=timeout, context=context)
        tunnel.set_tunnel(host, port, headers=_proxy_authorization(proxy))
        return tunnel


class _TimedReader(io.RawIOBase):
    """A socket's bytes until a deadline. The time-out of a socket limits each wait only: a peer that sends a byte now
    and then could hold the request without end."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> Optional[int]:
        self._sock.settimeout(_left(self._deadline))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _TimedSocket:
    """The part of a socket that `http.client.HTTPResponse` uses."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock = sock
        self._deadline = deadline

    def makefile(self, *_: Any) -> io.BufferedReader:
        return io.BufferedReader(_TimedReader(self._sock, self._deadline))


def _timed_response(deadline: float, sock: Any, *arguments: Any, **keywords: Any) -> http.client.HTTPResponse:
    timed: Any = _TimedSocket(sock, deadline)
    return http.client.HTTPResponse(timed, *arguments, **keywords)


def _left(deadline: float) -> float:
    """Seconds until then.

    - Raises: TimeoutError if none are left.
    """
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError("timed out")
    return seconds


def header_value(text: str) -> str:
    """`text` as a header can carry it: as it is when it is printable ASCII, else percent-encoded."""
    return text if text.isascii() and text.isprintable() else quote(text)


def _basic(username: str, password: Optional[str]) -> str:
    said = f"{username}:{password or ''}".encode("utf-8", "surrogatepass")
    return "Basic " + base64.b64encode(said).decode("ascii")


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:  # whose text quotes the password
        raise ValueError("it is no URL; characters of a password such as / and @ must be percent-encoded") from None


def _port(url: SplitResult, usual: int) -> int:
    try:
        return url.port or usual
    except ValueError:  # as above: "http://user:a/b@host" has the port "a"
        raise ValueError("its port is no number; a / in a password must be written %2F") from None


def _proxy(scheme: str, host: str) -> Optional[SplitResult]:
    """The proxy that the environment names for `host`, by the rules of `urllib`; none for this machine."""
    if not _proxies_are_set() or _is_loopback(host):
        return None
    from urllib.request import getproxies, proxy_bypass  # not at the top: half of this package's time to import

    proxies = getproxies()
    proxy = proxies.get(scheme) or proxies.get("all")
    if not proxy or proxy_bypass(host):
        return None
    return _split(proxy if "://" in proxy else f"http://{proxy}")


def _proxies_are_set() -> bool:
    return any(os.environ.get(name) or os.environ.get(name.upper()) for name in _PROXY_VARIABLES)


def _proxy_authorization(proxy: SplitResult) -> dict[str, str]:
    if not proxy.username:
        return {}
    return {"Proxy-Authorization": _basic(unquote(proxy.username), unquote(proxy.password or ""))}


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _retry_after(value: Optional[str]) -> Optional[float]:
    """Seconds; the header holds them or an HTTP date."""
    if not value:
        return None
    try:
        if value.strip().isdigit():
            return float(value)
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except Exception:  # a server may write anything, and the parser of dates has no list of its errors
        return None


def _integer(digits: str) -> int:
    """An integer of JSON. Python before 3.11 takes seconds for a million digits."""
    if len(digits) > _MAX_INTEGER_DIGITS:
        raise ValueError("an integer of more than 64 bits")
    return int(digits)


def _reason(error: Union[OSError, http.client.HTTPException, ValueError]) -> str:
    if isinstance(error, http.client.RemoteDisconnected):
        return "the connection closed without an answer"
    if isinstance(error, TimeoutError) or "timed out" in str(error):
        return "no answer in time"
    return str(getattr(error, "strerror", None) or error) or type(error).__name__
