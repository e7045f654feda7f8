"""Notion's export as Markdown and CSV, written as Notion writes it."""

from __future__ import annotations

import io
import zipfile
from datetime import date
from pathlib import Path

import pytest

from features.runbook_sources import read_runbooks
from features.runbooks import Runbook, RunbookSection

SYNC, LIBRARY, QUEUE = "0123456789abcdef0123456789abcdef", "a" * 32, "b" * 32

PAGE = f"""# Sync stalls

Owner: Data platform
Services: Sync (https://www.notion.so/Sync-{"c" * 32}?pvs=21), Queue (../Services/Queue%20{"d" * 32}.md)
Severity: Sev2
Status: Live
Last edited time: January 2, 2026 10:00 AM
Tags: kafka, lag

Read this first.

![Untitled](Sync%20stalls%20{SYNC}/Untitled.png)

## What does this mean

See [Queue full](Queue%20full%20{QUEUE}.md#check), [all](../Runbooks%20{LIBRARY}.csv) and
[the graph](https://grafana.example/d/1), [a file](Sync%20stalls%20{SYNC}/notes.pdf).

```bash
queuectl lag --all
```

- [ ]  Restart it
"""

FILES = {
    f"Runbooks {LIBRARY}.md": f"# Runbooks\n\n[Runbooks](Runbooks%20{LIBRARY}.csv)\n",
    f"Runbooks {LIBRARY}.csv": "Name,Owner\nSync stalls,Data platform\n",
    f"Runbooks {LIBRARY}_all.csv": "Name,Owner\nSync stalls,Data platform\n",
    f"Runbooks/Sync stalls {SYNC}.md": PAGE,
    f"Runbooks/Sync stalls {SYNC}/Untitled.png": "PNG",
    f"Runbooks/Queue full {QUEUE}.md": "# Queue full\n\nOwner: Core\n",
}


def as_folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / "export" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "export"


def as_zip(tmp_path: Path) -> Path:
    with zipfile.ZipFile(tmp_path / "Export.zip", "w") as archive:
        for name, text in FILES.items():
            archive.writestr(name, text)
    return tmp_path / "Export.zip"


def as_parts(tmp_path: Path) -> Path:
    part = io.BytesIO(as_zip(tmp_path).read_bytes())
    with zipfile.ZipFile(tmp_path / "Block.zip", "w") as archive:
        archive.writestr(f"ExportBlock-{SYNC}-Part-1.zip", part.getvalue())
    return tmp_path / "Block.zip"


@pytest.mark.parametrize("form", [as_folder, as_zip, as_parts])
def test_export(tmp_path: Path, form):
    result = read_runbooks(form(tmp_path))
    assert result.kind == "notion"
    assert result.rejected == [(f"Runbooks/Queue full {QUEUE}.md", "it has no text below its headings")]
    library, sync = sorted(result.runbooks, key=lambda runbook: runbook.title)
    assert (library.id, library.links) == (LIBRARY, (f"https://www.notion.so/{LIBRARY}",))
    assert sync == Runbook(
        id=SYNC,
        title="Sync stalls",
        url=f"https://www.notion.so/{SYNC}",
        owner="Data platform",
        services=("Sync", "Queue"),
        severity="Sev2",
        last_reviewed=date(2026, 1, 2),
        tags=("kafka", "lag"),
        links=(
            f"https://www.notion.so/{QUEUE}#check",
            f"https://www.notion.so/{LIBRARY}",
            "https://grafana.example/d/1",
        ),
        sections=(
            RunbookSection("", "Status: Live\nRead this first.", "sync-stalls"),
            RunbookSection(
                "What does this mean",
                "See Queue full, all and\nthe graph, a file.\nqueuectl lag --all\n[ ]  Restart it",
                "what-does-this-mean",
            ),
        ),
    )


def test_callouts_are_read(tmp_path: Path):
    (tmp_path / f"Lag {SYNC}.md").write_text("# Lag\n\n<aside>\n\N{WARNING SIGN} All sessions are lost.\n\n</aside>\n")
    (runbook,) = read_runbooks(tmp_path).runbooks
    assert runbook.sections[0].text == "\N{WARNING SIGN} All sessions are lost."


def test_a_site_of_one_s_own(tmp_path: Path):
    sync = next(
        each
        for each in read_runbooks(as_zip(tmp_path), base_url="https://acme.notion.site/").runbooks
        if each.id == SYNC
    )
    assert sync.url == f"https://acme.notion.site/{SYNC}"


def test_pages_without_an_id_have_their_path(tmp_path: Path):
    (tmp_path / "On call.md").write_text("Call.")
    (runbook,) = read_runbooks(tmp_path, kind="notion").runbooks
    assert (runbook.id, runbook.title, runbook.url) == ("on-call", "On call", None)
