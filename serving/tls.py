"""TLS by the service itself, where no proxy ends it: version 1.2 or later, forward secrecy, authenticated ciphers.

References
----------
.. [1] Y. Sheffer, P. Saint-Andre, T. Fossati, "Recommendations for Secure Use of TLS and DTLS", RFC 9325, 2022.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from features.errors import SettingsInvalid

# Of version 1.2; those of 1.3 are all of this kind (RFC 9325, section 4.2).
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"


@dataclass(frozen=True, slots=True)
class Certificate:
    """Files in PEM: a certificate, with those between it and the root, and its private key without a password."""

    cert: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        """What a server needs, read anew from the files.

        Raises
        ------
        SettingsInvalid
            If a file cannot be read, is no PEM, is locked by a password, or the two do not belong together.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(_CIPHERS)
        context.set_alpn_protocols(["http/1.1"])
        try:
            # Without a password OpenSSL would ask for one on the terminal.
            context.load_cert_chain(self.cert, self.key, password="")
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise SettingsInvalid(
                f"The certificate {self.cert} with the key {self.key} cannot be used ({_reason(error)}); give two PEM "
                "files that belong together, the key without a password.",
                field="tls_cert",
            ) from None
        return context


def certificate(cert: Path | None, key: Path | None) -> Certificate | None:
    """The certificate that two settings name; None where there is none.

    Raises
    ------
    SettingsInvalid
        If one of the two is missing.
    """
    if cert is None and key is None:
        return None
    if cert is None or key is None:
        missing, given = ("tls_key", "tls_cert") if key is None else ("tls_cert", "tls_key")
        raise SettingsInvalid(f"{given} is set and {missing} is not; set both, or neither.", field=missing)
    return Certificate(cert.resolve(), key.resolve())


def own_client() -> ssl.SSLContext:
    """For a process that asks the service on its own socket whether it is ready: no name and no date matters there."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "no PEM").lower().replace("_", " ")
    return getattr(error, "strerror", None) or str(error)
