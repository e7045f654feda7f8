"""A release of another format than the running program's: refused with a way out, while the one before is served."""

import json
import shutil

from features.release import point_current
from features.release_check import FORMAT_VERSION
from features.settings import load_settings

SUBJECT = "Cannot log in with SAML single sign-on"


def of_format(folder, version: int) -> None:
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps(manifest | {"format_version": version, "made_by": "precedent 0.0.9"}))


def details(served) -> dict[str, object]:
    with served.client() as client:
        return client.get("/readyz").json()["details"]


def test_old_and_new_release_are_served_side_by_side_from_folders_of_their_own(workspace, kit, tmp_path):
    """What docs/operation.md has an operator do where the format changes: a second folder on the same history."""
    shutil.copytree(workspace.workspace, tmp_path / "next")
    following = load_settings(tmp_path / "next", {})
    kit.make_release(following, "r2")
    point_current(following.releases_dir, "r2")
    of_format(following.releases_dir / "r1", FORMAT_VERSION - 1)
    with (
        kit.serve(workspace) as old,
        kit.serve(following, f'database_url = "{workspace.history_url}"\n') as new,
    ):
        new.tokens = old.tokens
        assert [each.suggest(SUBJECT).json()["release"] for each in (old, new)] == ["r1", "r2"]
        stored = old.post("/v1/cases", {"case": {"id": "A-1", "subject": "Axolotl escaped", "status": "resolved"}})
        assert stored.status_code == 200

        def found() -> bool:
            cases = new.suggest("Axolotl escaped").json()["similar_cases"]
            return "A-1" in [case["id"] for case in cases]

        new.eventually(found, 10.0)

        # Somebody promotes the release of the former format in the new folder.
        point_current(following.releases_dir, "r1")
        new.eventually(lambda: details(new)["refused"] is not None, 10.0)
        message = details(new)["refused"]["message"]
        assert (
            f"has format version {FORMAT_VERSION - 1} and this version of Precedent reads {FORMAT_VERSION}" in message
        )
        assert "load it with the version that wrote it (precedent 0.0.9), or train again" in message
        assert new.suggest(SUBJECT).json()["release"] == "r2"
