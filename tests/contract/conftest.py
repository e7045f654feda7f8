"""Histories in every database that one may be kept in."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from features.history import History


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """URL of a server of our own, without a database's name."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    initdb = programs[-1] if programs else shutil.which("initdb")
    if initdb is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    user = "postgres" if os.geteuid() == 0 else None  # it refuses to run as root
    # pytest's own folders are closed to other users.
    folder = Path(tempfile.mkdtemp(prefix="precedent-pg-"))
    if user is not None:
        shutil.chown(folder, user)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = folder / "data"
    common = {"user": user, "check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder}
    control = str(Path(initdb).with_name("pg_ctl"))
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
    try:
        subprocess.run([str(initdb), "-D", data, "-U", "desk", "-A", "trust", "-E", "UTF8", "--locale=C"], **common)
        subprocess.run([control, "-D", data, "-w", "-l", folder / "log", "-o", options, "start"], **common)
        yield f"postgresql://desk@127.0.0.1:{port}/"
    finally:
        subprocess.run([control, "-D", data, "-m", "immediate", "stop"], **{**common, "check": False})
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/history.db"
    server: str = request.getfixturevalue("postgresql")
    name = f"history_{time.time_ns()}"
    admin = create_engine(
        f"{server}postgres".replace("postgresql:", "postgresql+psycopg:"), isolation_level="AUTOCOMMIT"
    )
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    admin.dispose()
    return server + name


@pytest.fixture
def history(url: str) -> Iterator[History]:
    history = History.open(url)
    yield history
    history.close()
