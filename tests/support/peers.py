"""Servers on 127.0.0.1 that answer byte by byte what a test wants, over TCP or TLS."""

from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Handler = Callable[[socket.socket], None]


class Server:
    """Accepts connections one after the other and gives each to the handler."""

    def __init__(self, handler: Handler) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.connections = 0
        self.received: list[bytes] = []
        self._handler = handler
        self.threads = [threading.Thread(target=self._accept, daemon=True)]
        self.threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(peer,), daemon=True)
            self.threads.append(thread)
            thread.start()

    def _serve(self, peer: socket.socket) -> None:
        with peer:
            peer.settimeout(5)
            try:
                self._handler(peer)
            except (OSError, EOFError):
                return

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for thread in self.threads:
            thread.join(5)


@contextmanager
def serving(handler: Handler) -> Iterator[Server]:
    server = Server(handler)
    try:
        yield server
    finally:
        server.close()


def read_request(peer: socket.socket) -> bytes:
    """Head and body: who answers before both are there may close the connection on a client that still sends."""
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = peer.recv(65_536)
        if not chunk:
            raise EOFError
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    ]
    while len(body) < sum(lengths):
        body += peer.recv(65_536)
    return head + b"\r\n\r\n" + body


def answering(*answers: bytes, close: bool = False) -> Handler:
    def handler(peer: socket.socket) -> None:
        while True:
            read_request(peer)
            for answer in answers:
                peer.sendall(answer)
            if close:
                return

    return handler


def make_certificate(path: Path, *, address: str = "127.0.0.1", from_day: int = -1, to_day: int = 1) -> Path:
    """
    Write a self-signed certificate and its key into one file.

    :param address: that it is for.
    :param from_day: from when on it is valid, in days from now, as :param:`to_day`.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, address)])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(days=from_day))
        .not_valid_after(now + datetime.timedelta(days=to_day))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                key_cert_sign=True,
                crl_sign=True,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


def tls_serving(
    certificate: Path, handler: Handler, *, of_clients: Path | None = None
) -> AbstractContextManager[Server]:
    """
    Serve over TLS.

    :param certificate: of the server, with its key.
    :param of_clients: certificate that each client has to have; None: none.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    if of_clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(of_clients)

    def wrapped(peer: socket.socket) -> None:
        with context.wrap_socket(peer, server_side=True, do_handshake_on_connect=False) as tls:
            try:
                tls.do_handshake()
            except ssl.SSLError:
                if of_clients is not None:
                    # What a client sends meanwhile has to be read, or it never hears why.
                    while socket.socket.recv(tls, 65_536):
                        pass
                raise
            handler(tls)

    return serving(wrapped)
