"""Certificates for tests, made by openssl."""

from __future__ import annotations

import ssl
import subprocess
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

#: For how long a certificate is valid.
DAY = ("-days", "2")


class Authority(NamedTuple):
    """An authority of these tests, and the folder that its files are in."""

    folder: Path
    certificate: Path

    def signed(self, name: str, host: str, *validity: str, kind: str = "DNS") -> ssl.SSLContext:
        """Return how a server proves to be a host, by a certificate of this authority."""
        key, request, signed = (self.folder / f"{name}.{kind}" for kind in ("key", "csr", "pem"))
        named = ("-subj", f"/CN={host}", "-addext", f"subjectAltName={kind}:{host}")
        openssl("req", "-newkey", "rsa:2048", "-nodes", *named, "-keyout", key, "-out", request)
        key_of = ("-CA", self.certificate, "-CAkey", self.folder / "ca.key", "-CAcreateserial")
        openssl("x509", "-req", "-in", request, *key_of, *validity,
                "-copy_extensions", "copy", "-out", signed)  # fmt: skip
        return proof(signed, key)


def openssl(*arguments: str | Path) -> None:
    """Run openssl."""
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def proof(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return how a server proves who it is."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def made(folder: Path, name: str) -> Authority:
    """Return a new authority, which vouches for itself."""
    certificate = folder / "ca.pem"
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", *DAY, "-subj", f"/CN={name}",
            "-addext", f"subjectAltName=DNS:{name}",
            "-keyout", folder / "ca.key", "-out", certificate)  # fmt: skip
    return Authority(folder, certificate)


def certificate(folder: Path, name: str) -> tuple[str, str]:
    """Return the files of a new certificate of this machine that signs itself, and of its key."""
    certificate, key = str(folder / f"{name}.pem"), str(folder / f"{name}.key")
    subject = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject,
            "-keyout", key, "-out", certificate)  # fmt: skip
    return certificate, key
