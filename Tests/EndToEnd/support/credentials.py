"""Passwords, tokens and certificates for a web configuration, made by the tools that its guide names."""

from __future__ import annotations

import base64
import hashlib
import subprocess
from pathlib import Path


def run(*command: str | Path, text: str = "") -> str:
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True, timeout=30).stdout


def hashed(password: str, cost: int = 4) -> str:
    """As `htpasswd -nBC 10` prints it; cheap unless the test is about its time."""
    return run("htpasswd", "-niBC", str(cost), "x", text=password).strip().partition(":")[2]


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


class Authority:
    """A certificate authority in a folder, and what it signs."""

    def __init__(self, folder: Path, name: str = "authority"):
        self.folder, self.name = folder, name
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", f"/CN={name}", "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.crt")

    @property
    def certificate(self) -> Path:
        return self.folder / f"{self.name}.crt"

    def sign(self, name: str, san: str, purpose: str = "serverAuth") -> tuple[Path, Path]:
        """The certificate and the key of a server (or client) with a subject alternative name."""
        key, request, certificate = (self.folder / f"{name}.{kind}" for kind in ("key", "csr", "crt"))
        extensions = self.folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={san}\nextendedKeyUsage={purpose}\n")
        run("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
            "-keyout", key, "-out", request)
        run("openssl", "x509", "-req", "-days", "2", "-in", request, "-CA", self.certificate, "-CAkey",
            self.folder / f"{self.name}.key", "-CAcreateserial", "-extfile", extensions, "-out", certificate)
        return certificate, key
