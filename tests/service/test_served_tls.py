"""TLS by the service itself: what it speaks, what it refuses, and a certificate that is renewed."""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from features.errors import SettingsInvalid
from serving.tls import Certificate, certificate, own_client


def make_certificate(folder: Path, name: str = "tls", *, password: bytes | None = None) -> Certificate:
    """A self-signed certificate for 127.0.0.1, in files."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=7))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    made = Certificate(folder / f"{name}.crt", folder / f"{name}.key")
    made.cert.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    locked = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    made.key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked),
    )
    return made


def handshake(url: str, context: ssl.SSLContext) -> ssl.SSLSocket:
    host, port = url.removeprefix("https://").split(":")
    return context.wrap_socket(socket.create_connection((host, int(port)), timeout=30), server_hostname=host)


def test_the_service_speaks_tls_and_takes_up_a_renewed_certificate(kit, workspace, tmp_path: Path):
    made = make_certificate(tmp_path)
    toml = f'[service]\ntls_cert = "{made.cert}"\ntls_key = "{made.key}"\n'
    with kit.serve(workspace, toml) as served:
        assert served.url.startswith("https://127.0.0.1:")
        trusting = ssl.create_default_context(cafile=made.cert)
        with httpx.Client(verify=trusting, headers={"X-API-Key": served.tokens["suggest"]}) as client:
            answer = client.post(f"{served.url}/v1/suggest", json={"ticket": {"subject": "Cannot log in with SSO"}})
        assert answer.status_code == 200
        assert answer.json()["category"]["value"] == "login"
        assert answer.headers["strict-transport-security"] == "max-age=31536000"

        with handshake(served.url, trusting) as connection:
            assert connection.version() == "TLSv1.3"
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.load_verify_locations(made.cert)
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        with handshake(served.url, old) as connection:
            assert connection.version() == "TLSv1.2"
            assert connection.cipher()[0].startswith("ECDHE-")
            assert connection.selected_alpn_protocol() is None

        renewed = make_certificate(tmp_path, "renewed")
        made.cert.write_bytes(renewed.cert.read_bytes())
        made.key.write_bytes(renewed.key.read_bytes())
        os.kill(served.worker_pid(), signal.SIGKILL)
        trusting = ssl.create_default_context(cafile=renewed.cert)
        with httpx.Client(verify=trusting, timeout=30) as client:
            assert client.get(f"{served.url}/livez").status_code in (200, 503)


@pytest.mark.parametrize(
    "weaken",
    [
        lambda context: setattr(context, "maximum_version", ssl.TLSVersion.TLSv1_1),
        lambda context: (
            setattr(context, "maximum_version", ssl.TLSVersion.TLSv1_2),
            context.set_ciphers("AES128-SHA:@SECLEVEL=0"),
        ),
        lambda context: (
            setattr(context, "maximum_version", ssl.TLSVersion.TLSv1_2),
            context.set_ciphers("ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0"),
        ),
    ],
    ids=["version 1.1", "no forward secrecy", "no authenticated cipher"],
)
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
def test_what_is_weak_is_not_spoken(tmp_path: Path, weaken):
    server = make_certificate(tmp_path).context()
    client = own_client()
    client.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    weaken(client)
    assert shaken(server, client) is None
    assert shaken(server, own_client()) == "TLSv1.3"


def shaken(server: ssl.SSLContext, client: ssl.SSLContext) -> str | None:
    """The version that two ends agree on, in memory; None where they don't."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_side=False),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(6):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError:
                return None
    return ends[0].version()


def test_files_that_do_not_fit_are_refused_in_words(tmp_path: Path):
    good, other = make_certificate(tmp_path), make_certificate(tmp_path, "other")
    locked = make_certificate(tmp_path, "locked", password=b"hunter2")
    text = tmp_path / "text.pem"
    text.write_text("no certificate")
    for cert, key in (
        (good.cert, other.key),
        (text, good.key),
        (good.cert, text),
        (tmp_path / "absent.pem", good.key),
        (locked.cert, locked.key),
    ):
        with pytest.raises(SettingsInvalid, match="give two PEM files that belong together") as refused:
            Certificate(cert, key).context()
        assert "hunter2" not in refused.value.message


def test_one_of_the_two_is_not_enough(tmp_path: Path):
    assert certificate(None, None) is None
    with pytest.raises(SettingsInvalid, match="tls_cert is set and tls_key is not"):
        certificate(tmp_path / "a", None)
    with pytest.raises(SettingsInvalid, match="tls_key is set and tls_cert is not"):
        certificate(None, tmp_path / "a")


def test_the_command_refuses_a_wrong_pair_before_it_listens(workspace, tmp_path: Path):
    good, other = make_certificate(tmp_path), make_certificate(tmp_path, "other")
    command = [sys.executable, "-m", "cli.main", "serve", "--port", "0", "--workspace", str(workspace.workspace)]
    run = subprocess.run(
        [*command, "--tls-cert", str(good.cert), "--tls-key", str(other.key)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode != 0
    assert "belong together" in run.stderr
    assert json.dumps(str(good.key)) not in run.stdout
