from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from features.errors import Conflict, HistoryUnavailable, InvalidInput, NotFound, Unauthenticated
from features.history import History
from features.schema import api_keys
from serving.key_ring import KeyRing
from serving.keys import Scope, create_key, list_keys, revoke_key, rotate_key


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    with closing(History.open(f"sqlite:///{tmp_path / 'history.db'}")) as opened:
        yield opened


def checked(history: History, token: str):
    ring = KeyRing(history)
    ring.refresh()
    return ring.check(token)


def test_a_new_key_is_known_with_what_it_may(history: History):
    made = create_key(history, label=" the  desk ", scopes=["suggest"], groups=["acme"])
    key = checked(history, made.token)
    assert key == made.key
    assert key.label == "the desk"
    assert key.groups == {"acme"}
    assert key.allows(Scope.SUGGEST)
    assert not key.allows(Scope.WRITE)


def test_admin_may_everything(history: History):
    key = checked(history, create_key(history, label="root", scopes=["admin"]).token)
    assert all(key.allows(scope) for scope in Scope)


def test_only_the_hash_of_the_secret_is_kept(history: History):
    made = create_key(history, label="desk")
    secret = made.token.partition(".")[2]
    with history.reading() as connection:
        row = connection.execute(select(api_keys)).one()
    assert len(row.secret_sha256) == 64
    assert secret not in str(row)


def test_wrong_tokens_are_refused_alike(history: History):
    made = create_key(history, label="desk")
    key_id, _, secret = made.token.partition(".")
    tokens = ["", ".", key_id, f"{key_id}.", f"{key_id}.{secret}x", f"nobody.{secret}", secret, "\udcff.\udcff", "é.ü"]
    messages = set()
    for token in tokens:
        with pytest.raises(Unauthenticated, match="wrong, expired or revoked") as caught:
            checked(history, token)
        messages.add(caught.value.message)
    assert len(messages) == 1


def test_an_expired_key_is_refused(history: History):
    soon = datetime.now(UTC) + timedelta(seconds=0.05)
    made = create_key(history, label="desk", expires_at=soon)
    ring = KeyRing(history)
    ring.refresh()
    while datetime.now(UTC) < soon:
        pass
    with pytest.raises(Unauthenticated, match="expired"):
        ring.check(made.token)


def test_a_revoked_key_is_refused_and_stays_listed(history: History):
    made = create_key(history, label="desk")
    revoked = revoke_key(history, made.key.key_id)
    assert revoked.revoked_at is not None
    assert revoke_key(history, made.key.key_id) == revoked
    assert list_keys(history) == [revoked]
    with pytest.raises(Unauthenticated, match="revoked"):
        checked(history, made.token)


def test_a_rotated_key_and_the_new_one_are_both_good_for_a_while(history: History):
    made = create_key(history, label="desk", scopes=["suggest", "report"], groups=["acme"])
    new = rotate_key(history, made.key.key_id, overlap=timedelta(seconds=0.3))
    assert (new.key.label, new.key.scopes, new.key.groups) == ("desk", made.key.scopes, made.key.groups)
    assert new.key.expires_at is None
    ring = KeyRing(history)
    ring.refresh()
    assert ring.check(made.token).key_id == made.key.key_id
    assert ring.check(new.token) == new.key
    until = next(key.expires_at for key in list_keys(history) if key.key_id == made.key.key_id)
    assert until is not None
    while datetime.now(UTC) < until:
        pass
    with pytest.raises(Unauthenticated, match="expired"):
        ring.check(made.token)
    assert ring.check(new.token) == new.key


def test_a_rotated_key_lives_as_long_as_it_was_made_for_and_the_old_one_no_longer_than_it_was(history: History):
    soon = datetime.now(UTC) + timedelta(hours=2)
    made = create_key(history, label="desk", expires_at=soon)
    new = rotate_key(history, made.key.key_id, overlap=timedelta(days=1)).key
    assert new.expires_at is not None
    assert new.expires_at - new.created_at == soon - made.key.created_at
    assert [key.expires_at for key in list_keys(history)] == [soon, new.expires_at]
    later = rotate_key(history, new.key_id, overlap=timedelta(0), expires_at=soon).key
    assert later.expires_at == soon
    with pytest.raises(Unauthenticated, match="expired"):
        checked(history, f"{new.key_id}.secret")


def test_what_cannot_be_rotated_is_said(history: History):
    with pytest.raises(NotFound, match="no API key 'abc'"):
        rotate_key(history, "abc", overlap=timedelta(hours=1))
    made = create_key(history, label="desk")
    with pytest.raises(InvalidInput, match="cannot expire at 2020"):
        rotate_key(history, made.key.key_id, overlap=timedelta(0), expires_at=datetime(2020, 1, 1, tzinfo=UTC))
    revoke_key(history, made.key.key_id)
    with pytest.raises(Conflict, match="revoked or expired"):
        rotate_key(history, made.key.key_id, overlap=timedelta(hours=1))
    assert len(list_keys(history)) == 1


def test_revoking_a_key_that_is_not_there_is_said(history: History):
    with pytest.raises(NotFound, match="no API key 'abc'"):
        revoke_key(history, "abc")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"label": " "}, "label of a key has 0 characters"),
        ({"label": "x" * 101}, "label of a key has 101 characters"),
        ({"scopes": []}, "without a scope"),
        ({"scopes": ["suggest", "root"]}, "scope 'root' is unknown; use suggest, write, report or admin"),
        ({"expires_at": datetime(2020, 1, 1, tzinfo=UTC)}, "cannot expire at 2020"),
        ({"expires_at": datetime(2099, 1, 1)}, "with a time zone"),
    ],
)
def test_what_no_key_can_be_is_said(history: History, wrong: dict[str, object], message: str):
    with pytest.raises(InvalidInput, match=message):
        create_key(history, **({"label": "desk"} | wrong))
    assert list_keys(history) == []


def test_a_ring_asks_for_a_refresh_when_it_may_not_know_a_key(history: History):
    known = create_key(history, label="first").token
    ring = KeyRing(history)
    assert ring.needs_refresh(known)
    ring.refresh()
    assert not ring.needs_refresh(known)
    made = create_key(history, label="second").token
    while not ring.needs_refresh(made):
        pass
    assert not ring.needs_refresh(known)
    ring.refresh()
    assert ring.check(made).label == "second"


def test_keys_stay_in_force_while_the_history_does_not_answer(history: History, tmp_path: Path):
    token = create_key(history, label="desk").token
    ring = KeyRing(history)
    ring.refresh()
    history.close()
    for path in tmp_path.iterdir():
        path.unlink()
    (tmp_path / "history.db").mkdir()
    while not ring.needs_refresh("unknown"):
        pass
    ring.refresh()
    assert ring.check(token).label == "desk"
    with pytest.raises(HistoryUnavailable, match="does not answer"):
        KeyRing(history).refresh()
