"""Libraries at a URL: real repositories on disk, a real server on a free port."""

from __future__ import annotations

import io
import shutil
import subprocess
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from features.errors import SourceUnreadable
from features.runbook_sources import fetch, import_runbooks
from features.runbook_sources.fetch import is_url, shown
from features.runbook_sources.repository import blob_address, web_address

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@t.example", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "repo"
    (folder / "run books" / "net").mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    (folder / "README.md").write_text("# Readme\ntext")
    (folder / "run books" / "net" / "dns.md").write_text("# DNS\n[lag](../lag.md#check) [root](/README.md)")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "one")
    return folder


@needs_git
def test_a_repository_is_cloned(checkout: Path):
    assert [runbook.id for runbook in import_runbooks(f"file://{checkout}").runbooks] == ["readme", "run-books-net-dns"]


@needs_git
def test_a_checkout_of_github_makes_links_whole(checkout: Path):
    git(checkout, "remote", "add", "origin", "https://me:secret@github.com/acme/ops.git")
    (runbook,) = import_runbooks(str(checkout / "run books")).runbooks
    blob = "https://github.com/acme/ops/blob/main"
    assert runbook.id == "net-dns"
    assert runbook.url == f"{blob}/run%20books/net/dns.md"
    assert runbook.links == (f"{blob}/run%20books/lag.md#check", f"{blob}/README.md")
    (given,) = import_runbooks(str(checkout / "run books"), base_url="https://wiki.example").runbooks
    assert given.url == "https://wiki.example/net/dns.md"


@needs_git
def test_a_commit_stands_in_for_a_branch(checkout: Path):
    git(checkout, "remote", "add", "origin", "git@gitlab.com:acme/ops.git")
    git(checkout, "checkout", "-q", "--detach")
    address = web_address(checkout)
    assert address is not None
    assert address.folder == address.root
    assert len(address.root.removeprefix("https://gitlab.com/acme/ops/-/blob/")) == 40


def test_a_folder_that_is_no_checkout_has_no_address(tmp_path: Path):
    (tmp_path / "a.md").write_text("[b](b.md)")
    (runbook,) = import_runbooks(str(tmp_path)).runbooks
    assert (runbook.url, runbook.links) == (None, ("b.md",))


@pytest.mark.parametrize(
    ("remote", "address"),
    [
        ("https://github.com/acme/ops", "https://github.com/acme/ops/blob/a/b"),
        ("ssh://git@gitlab.acme.example:2222/ops/sub/rb.git", "https://gitlab.acme.example/ops/sub/rb/-/blob/a/b"),
        ("git@github.acme.example:ops/rb.git", "https://github.acme.example/ops/rb/blob/a/b"),
        ("https://git.acme.example/ops/rb.git", None),
        ("/srv/git/rb.git", None),
        ("", None),
    ],
)
def test_addresses_of_remotes(remote: str, address: str | None):
    assert blob_address(remote, "a/b") == address


@needs_git
def test_what_cannot_be_cloned_tells_no_secret(tmp_path: Path):
    with pytest.raises(SourceUnreadable, match=r"file:///nowhere/x.git cannot be cloned") as failed:
        import_runbooks("file://me:s3cret@/nowhere/x.git?key=s3cret")
    assert "s3cret" not in failed.value.message


@needs_git
def test_a_password_is_not_asked_for(serve):
    def refuse(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(401)
        handler.send_header("WWW-Authenticate", 'Basic realm="x"')
        handler.end_headers()

    with pytest.raises(SourceUnreadable, match=r"cannot be cloned .*; check that `git clone` can read it"):
        import_runbooks(f"{serve(refuse)}/acme/ops.git")


def test_without_git_the_way_out_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SourceUnreadable, match="git is not installed; install it, or give a folder or zip archive"):
        import_runbooks("https://git.example/ops.git")


@pytest.mark.parametrize(
    "url", ["ext::sh -c touch% x", "ftp://h.example/x", "ftp://h.example/x.zip", "https://me:pw@h.example/x.zip"]
)
def test_other_schemes_are_not_fetched(url: str):
    with pytest.raises(SourceUnreadable, match=r"is not (fetched|downloaded)|There is nothing at"):
        import_runbooks(url)


@pytest.fixture
def serve() -> Iterator:
    """Start a server that answers GET as told; gives its address."""
    servers = []

    def start(answer) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answer(self)

            def log_message(self, *_: object) -> None:
                pass

        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def an_archive() -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("ops-main/dns.md", "# DNS\ntext")
    return data.getvalue()


def send(handler: BaseHTTPRequestHandler, data: bytes) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data)


def test_an_archive_is_downloaded(serve):
    address = serve(lambda handler: send(handler, an_archive()))
    result = import_runbooks(f"{address}/main.zip?key=1", base_url="https://wiki.example")
    assert [(runbook.id, runbook.url) for runbook in result.runbooks] == [("dns", "https://wiki.example/dns.md")]


def test_a_page_that_is_no_archive_is_told_by_its_url(serve):
    address = serve(lambda handler: send(handler, b"<html>Sign in</html>"))
    with pytest.raises(SourceUnreadable, match=rf"^{address}/main.zip is no zip archive"):
        import_runbooks(f"{address}/main.zip?key=s3cret")


def test_what_is_not_there_and_what_is_too_large(serve, monkeypatch: pytest.MonkeyPatch):
    address = serve(lambda handler: handler.send_error(404))
    with pytest.raises(SourceUnreadable, match=r"main.zip cannot be downloaded \(404 Not Found\)"):
        import_runbooks(f"{address}/main.zip")
    monkeypatch.setattr(fetch, "MAX_ZIP_BYTES", 10)
    address = serve(lambda handler: send(handler, an_archive()))
    with pytest.raises(SourceUnreadable, match=r"it has more than 10 bytes"):
        import_runbooks(f"{address}/main.zip")


def test_a_redirect_leads_to_no_file(serve, tmp_path: Path):
    (tmp_path / "x.zip").write_bytes(an_archive())

    def redirect(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(302)
        handler.send_header("Location", f"file://{tmp_path}/x.zip")
        handler.end_headers()

    with pytest.raises(SourceUnreadable, match="cannot be downloaded"):
        import_runbooks(f"{serve(redirect)}/x.zip")


@pytest.mark.parametrize("target", ["file:///nowhere/x.zip", "ftp://h.example/x.zip"])
def test_the_address_of_a_redirect_is_not_told(serve, target: str):
    def redirect(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(302, f"See {target}?sig=s3cret")
        handler.send_header("Location", f"{target}?sig=s3cret")
        handler.end_headers()

    with pytest.raises(SourceUnreadable, match=r"x.zip cannot be downloaded \(") as failed:
        import_runbooks(f"{serve(redirect)}/x.zip")
    assert "s3cret" not in failed.value.message


def test_what_is_no_address_of_an_archive_tells_no_secret():
    with pytest.raises(SourceUnreadable, match=r"cannot be downloaded \(InvalidURL\)"):
        import_runbooks("http://localhost/main.zip?key=s3cret s3cret")


@needs_git
def test_a_folder_of_a_repository_by_its_address_in_a_browser(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    # git itself is told that the address is that of the repository on disk.
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", f"url.file://{checkout}.insteadOf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "https://github.com/acme/ops")
    (runbook,) = import_runbooks("https://github.com/acme/ops/tree/main/run%20books").runbooks
    assert (runbook.id, runbook.url) == ("net-dns", "https://github.com/acme/ops/blob/main/run%20books/net/dns.md")
    for url in ("https://github.com/acme/ops/tree/main/gone", "https://github.com/acme/ops/tree/main/%2e%2e/%2e%2e"):
        with pytest.raises(SourceUnreadable, match="is no folder of the repository"):
            import_runbooks(url)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("https://x.example/a", True),
        ("git@x.example:a/b", True),
        ("C:/x", False),
        ("./a:b", False),
        ("runbooks", False),
    ],
)
def test_paths_and_urls(source: str, expected: bool):
    assert is_url(source) is expected


def test_what_may_be_secret_is_not_shown():
    assert shown("me:pw@git.example:a/b") == "git.example:a/b"
    assert shown("https://me:p@ss@h.example/a@b.zip#x") == "https://h.example/a@b.zip"
