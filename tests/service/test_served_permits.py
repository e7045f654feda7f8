"""What a key of some access groups may not change, on a running service."""

from contextlib import closing

import pytest

from features.history import History
from serving.keys import create_key


@pytest.fixture(scope="module")
def limited(service) -> str:
    """A token that may write, in the group `other` alone."""
    with closing(History.open(service.settings.history_url)) as history:
        return create_key(history, label="limited", scopes=["suggest", "write"], groups=["other"]).token


def send(service, token: str, method: str, path: str, body: object = None):
    with service.client(None) as client:
        return client.request(method, path, json=body, headers={"X-API-Key": token})


def stored_group(service, case_id: str) -> str | None:
    with service.database() as database:
        row = database.execute("SELECT access_group FROM tickets WHERE id = ?", (case_id,)).fetchone()
    return None if row is None else row[0]


def test_a_case_of_another_group_cannot_be_erased_nor_told_from_none(service, limited: str):
    service.eventually(lambda: send(service, limited, "DELETE", "/v1/cases/none").status_code == 404, 10)
    hidden = send(service, limited, "DELETE", "/v1/cases/T-4")
    absent = send(service, limited, "DELETE", "/v1/cases/T-4444")
    assert hidden.status_code == absent.status_code == 404
    assert hidden.json()["error"]["message"].replace("T-4", "T-4444") == absent.json()["error"]["message"]
    assert stored_group(service, "T-4") == "acme"


def test_a_case_of_another_group_cannot_be_replaced_or_made(service, limited: str):
    service.eventually(lambda: send(service, limited, "DELETE", "/v1/cases/none").status_code == 404, 10)
    taken = {"case": {"id": "T-4", "subject": "Mine now", "access_group": "other"}}
    answer = send(service, limited, "POST", "/v1/cases", taken)
    assert (answer.status_code, answer.json()["error"]["field"]) == (403, "case.id")
    made = {"case": {"id": "P-1", "subject": "A case for others", "access_group": "acme"}}
    answer = send(service, limited, "POST", "/v1/cases", made)
    assert (answer.status_code, answer.json()["error"]["field"]) == (403, "case.access_group")
    assert stored_group(service, "T-4") == "acme"
    assert stored_group(service, "P-1") is None


def test_its_own_group_and_what_is_in_none_can_be_changed(service, limited: str):
    service.eventually(lambda: send(service, limited, "DELETE", "/v1/cases/none").status_code == 404, 10)
    for case in ({"id": "P-2", "subject": "Own", "access_group": "other"}, {"id": "P-3", "subject": "Of all"}):
        assert send(service, limited, "POST", "/v1/cases", {"case": case}).status_code == 200
        assert send(service, limited, "DELETE", f"/v1/cases/{case['id']}").status_code == 200
