"""People with tokens of an OpenID Connect issuer: a real one on the loopback address, with real keys."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from features.audit_check import verify
from features.errors import Forbidden, SettingsInvalid, Unauthenticated, Unavailable
from features.history import History
from features.settings import OidcSettings, load_settings
from serving.issuer_keys import FETCH_SECONDS, IssuerKeys
from serving.keys import ApiKey, Scope
from serving.people import People
from serving.tokens import read_keys

AUDIENCE = "precedent"
ROLES = {"agent": ["suggest"], "lead": ["suggest", "report"]}
MAKERS: dict[str, Callable[[], Any]] = {
    "RS256": lambda: rsa.generate_private_key(65537, 2048),
    "PS384": lambda: rsa.generate_private_key(65537, 2048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ES384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "ES512": lambda: ec.generate_private_key(ec.SECP521R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}


def public_jwk(key: Any, algorithm: str) -> dict[str, Any]:
    kind = jwt.get_algorithm_by_name(algorithm)
    return dict(kind.to_jwk(key.public_key(), as_dict=True))


class Issuer:
    """An identity provider: discovery, a key set, and tokens signed with its keys."""

    def __init__(self) -> None:
        self.keys: dict[str, tuple[str, Any]] = {}
        self.n_requests = 0
        self.drips = False
        self.names_itself: str | None = None
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.n_requests += 1
                document = issuer.documents().get(self.path)
                body = json.dumps(document).encode()
                self.send_response(404 if document is None else 200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if not issuer.drips:
                    self.wfile.write(body)
                    return
                for byte in body:
                    try:
                        self.wfile.write(bytes([byte]))
                        self.wfile.flush()
                    except OSError:
                        return
                    time.sleep(0.2)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/realms/desk"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def documents(self) -> dict[str, object]:
        path = "/realms/desk"
        found = {"issuer": self.names_itself or self.url, "jwks_uri": f"{self.url}/keys"}
        keys = [public_jwk(key, alg) | {"kid": kid, "use": "sig", "alg": alg} for kid, (alg, key) in self.keys.items()]
        return {f"{path}/.well-known/openid-configuration": found, f"{path}/keys": {"keys": keys}}

    def add_key(self, kid: str, algorithm: str = "ES256") -> None:
        self.keys[kid] = (algorithm, MAKERS[algorithm]())

    def claims(self, **changes: object) -> dict[str, Any]:
        now = int(time.time())
        claims = {"iss": self.url, "aud": AUDIENCE, "sub": "ann@example.com", "iat": now, "exp": now + 300}
        every = claims | {"roles": ["agent"], "teams": ["acme"]} | changes
        return {name: value for name, value in every.items() if value is not None}

    def token(self, kid: str = "k1", *, headers: dict[str, object] | None = None, **changes: object) -> str:
        algorithm, key = self.keys[kid]
        return jwt.encode(self.claims(**changes), key, algorithm=algorithm, headers={"kid": kid, **(headers or {})})

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    opened = Issuer()
    opened.add_key("k1", "RS256")
    yield opened
    opened.stop()


def people_of(issuer: Issuer, *, pause_seconds: float = 10.0, refresh_seconds: float = 300.0, **more: object) -> People:
    given = {"issuer": issuer.url, "audience": AUDIENCE, "scopes_claim": "roles", "scopes": ROLES} | more
    settings = OidcSettings.model_validate({"groups_claim": "teams"} | given)
    keys = IssuerKeys(issuer.url, pause_seconds=pause_seconds, refresh_seconds=refresh_seconds)
    return People(settings, keys, lambda name: hashlib.sha256(name.encode()).hexdigest()[:16])


def check(people: People, token: str) -> ApiKey:
    return asyncio.run(people.check(token))


@pytest.mark.parametrize("algorithm", MAKERS)
def test_a_token_gives_what_its_roles_are_mapped_to(issuer: Issuer, algorithm: str) -> None:
    issuer.add_key("k2", algorithm)
    found = check(people_of(issuer), issuer.token("k2", roles=["lead", "gardener"], teams=["acme", "emea"]))
    assert found.scopes == {Scope.SUGGEST, Scope.REPORT}
    assert found.groups == {"acme", "emea"}
    assert found.key_id.startswith("oidc:")
    assert "ann" not in str(found)
    assert found.is_valid(datetime.now(UTC))


@pytest.mark.parametrize(
    ("claim", "given"),
    [
        ("scope", {"scope": "openid agent"}),
        ("realm_access.roles", {"realm_access": {"roles": ["agent"]}}),
        ("https://desk.example/roles", {"https://desk.example/roles": ["agent"]}),
    ],
)
def test_roles_are_found_where_issuers_put_them(issuer: Issuer, claim: str, given: dict[str, object]) -> None:
    people = people_of(issuer, scopes_claim=claim)
    assert check(people, issuer.token(roles=None, **given)).scopes == {Scope.SUGGEST}


@pytest.mark.parametrize("roles", [None, [], "", ["gardener"], {"agent": True}, [["agent"]], 7, ["suggest"]])
def test_a_person_without_a_role_may_nothing(issuer: Issuer, roles: object) -> None:
    with pytest.raises(Forbidden, match="no scope here"):
        check(people_of(issuer), issuer.token(roles=roles))


def test_without_groups_a_person_sees_cases_of_no_group(issuer: Issuer) -> None:
    assert check(people_of(issuer), issuer.token(teams=None)).groups == frozenset()
    assert check(people_of(issuer), issuer.token(teams="two words")).groups == {"two words"}
    assert check(people_of(issuer, groups_claim=None, sees_all_groups=True), issuer.token()).groups is None


def test_a_person_is_always_the_same_and_no_two_are(issuer: Issuer) -> None:
    people = people_of(issuer)
    ids = [check(people, issuer.token(sub=sub)).key_id for sub in ("ann", "ann", "bob")]
    assert ids[0] == ids[1] != ids[2]


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def by_hand(header: dict[str, object], claims: dict[str, Any], secret: bytes | None) -> str:
    """A token made without a library, which would not make such ones."""
    signed = f"{b64(json.dumps(header).encode())}.{b64(json.dumps(claims).encode())}"
    signature = b"" if secret is None else hmac.digest(secret, signed.encode(), "sha256")
    return f"{signed}.{b64(signature)}"


def public_pem(issuer: Issuer) -> bytes:
    public = issuer.keys["k1"][1].public_key()
    return bytes(public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))


def signed_by_another(issuer: Issuer, algorithm: str = "RS256", **headers: object) -> str:
    key = MAKERS[algorithm]()
    with_it = {"kid": "k1", **headers}
    if with_it.pop("with_key", False):
        with_it["jwk"] = public_jwk(key, algorithm)
    return jwt.encode(issuer.claims(), key, algorithm=algorithm, headers=with_it)


def with_payload(token: str, claims: dict[str, Any]) -> str:
    head, _, signature = token.split(".")
    return f"{head}.{b64(json.dumps(claims).encode())}.{signature}"


NOW = time.time
REFUSED: dict[str, Callable[[Issuer], str]] = {
    "expired": lambda i: i.token(exp=int(NOW()) - 60),
    "not yet valid": lambda i: i.token(nbf=int(NOW()) + 60),
    "issued in the future": lambda i: i.token(iat=int(NOW()) + 3600),
    "without expiry": lambda i: i.token(exp=None),
    "expiry that is no time": lambda i: i.token(exp="tomorrow"),
    "expiry beyond any clock": lambda i: i.token(exp=float("inf")),
    "another audience": lambda i: i.token(aud="payroll"),
    "without audience": lambda i: i.token(aud=None),
    "another issuer": lambda i: i.token(iss="https://issuer.example"),
    "issuer with a slash more": lambda i: i.token(iss=i.url + "/"),
    "without issuer": lambda i: i.token(iss=None),
    "without subject": lambda i: i.token(sub=None),
    "HS256 with the public key": lambda i: by_hand({"alg": "HS256", "kid": "k1"}, i.claims(), public_pem(i)),
    "HS256 with no key": lambda i: by_hand({"alg": "HS256", "kid": "k1"}, i.claims(), b""),
    "none": lambda i: by_hand({"alg": "none", "kid": "k1"}, i.claims(), None),
    "None": lambda i: by_hand({"alg": "None", "kid": "k1"}, i.claims(), None),
    "no algorithm": lambda i: by_hand({"kid": "k1"}, i.claims(), None),
    "algorithm that is a list": lambda i: by_hand({"alg": ["none"], "kid": "k1"}, i.claims(), None),
    "key id that is a list": lambda i: by_hand({"alg": "RS256", "kid": ["k1"]}, i.claims(), None),
    "another algorithm than the key's": lambda i: jwt.encode(i.claims(), i.keys["k1"][1], "RS512", {"kid": "k1"}),
    "algorithm of another kind of key": lambda i: signed_by_another(i, "ES256"),
    "another key": signed_by_another,
    "another key, brought along": lambda i: signed_by_another(i, with_key=True),
    "another key, to be fetched": lambda i: signed_by_another(i, jku=f"{i.url}/keys"),
    "claims changed": lambda i: with_payload(i.token(), i.claims(roles=["lead"])),
    "unknown critical header": lambda i: i.token(headers={"crit": ["purpose"], "purpose": "x"}),
    "no signature": lambda i: i.token().rpartition(".")[0] + ".",
    "empty parts": lambda _: "..",
    "no JSON": lambda _: f"{b64(b'{')}.{b64(b'{}')}.{b64(b'x')}",
    "JSON without end": lambda _: f"{b64(b'[' * 9_000)}.{b64(b'{}')}.{b64(b'x')}",
    "too long": lambda i: i.token(padding="x" * 20_000),
    "not ASCII": lambda _: "é.ü.\udcff",
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_token_that_is_wrong_is_refused(issuer: Issuer, name: str) -> None:
    people = people_of(issuer)
    assert check(people, issuer.token()).scopes
    with pytest.raises(Unauthenticated, match="wrong, expired or not meant for this service"):
        check(people, REFUSED[name](issuer))


def test_clocks_may_be_apart_a_little(issuer: Issuer) -> None:
    people = people_of(issuer, leeway_seconds=30)
    now = int(time.time())
    assert check(people, issuer.token(exp=now - 10)).scopes
    assert check(people, issuer.token(nbf=now + 10, iat=now + 10)).scopes
    with pytest.raises(Unauthenticated, match="expired"):
        check(people_of(issuer, leeway_seconds=0), issuer.token(exp=now - 10))


def test_a_key_that_the_issuer_adds_is_found_and_one_that_it_removes_goes(issuer: Issuer) -> None:
    people = people_of(issuer, pause_seconds=0.0, refresh_seconds=0.0)
    old = issuer.token()
    assert check(people, old).scopes
    issuer.add_key("k2")
    assert check(people, issuer.token("k2")).scopes
    assert check(people, old).scopes
    del issuer.keys["k1"]
    until = time.monotonic() + 10
    while time.monotonic() < until:  # known keys are read again beside the request
        try:
            check(people, old)
        except Unauthenticated:
            break
    else:
        pytest.fail("the old key is still in force")
    assert check(people, issuer.token("k2")).scopes


def test_a_token_without_a_key_id_needs_an_issuer_with_one_key(issuer: Issuer) -> None:
    bare = jwt.encode(issuer.claims(), issuer.keys["k1"][1], "RS256")
    assert check(people_of(issuer), bare).scopes
    issuer.add_key("k2")
    with pytest.raises(Unauthenticated, match="wrong"):
        check(people_of(issuer), bare)


def test_made_up_key_ids_are_not_requests_to_the_issuer(issuer: Issuer) -> None:
    people = people_of(issuer)
    assert check(people, issuer.token()).scopes
    assert issuer.n_requests == 2
    for number in range(50):
        with pytest.raises(Unauthenticated, match="wrong"):
            check(people, issuer.token(headers={"kid": f"made-up-{number}"}))
    assert issuer.n_requests == 2


def test_many_who_come_at_once_are_one_request(issuer: Issuer) -> None:
    people = people_of(issuer)
    token = issuer.token()

    async def all_at_once() -> list[ApiKey]:
        return list(await asyncio.gather(*(people.check(token) for _ in range(40))))

    assert len(asyncio.run(all_at_once())) == 40
    assert issuer.n_requests == 2


def test_known_keys_stay_in_force_while_the_issuer_is_down(issuer: Issuer) -> None:
    people = people_of(issuer, pause_seconds=0.0, refresh_seconds=0.0)
    token = issuer.token()
    issuer.add_key("k2")
    assert check(people, token).scopes
    issuer.stop()
    issuer.add_key("k3")
    for _ in range(5):
        assert check(people, token).scopes
        assert check(people, issuer.token("k2")).scopes
        with pytest.raises(Unauthenticated, match="wrong"):
            check(people, issuer.token("k3"))


def test_an_issuer_that_never_answered_is_said(issuer: Issuer) -> None:
    token = issuer.token()
    issuer.stop()
    people = people_of(issuer)
    for _ in range(3):
        with pytest.raises(Unavailable, match="identity provider does not answer"):
            check(people, token)


def test_an_issuer_that_drips_holds_nobody(issuer: Issuer) -> None:
    issuer.drips = True
    people = people_of(issuer)
    token = issuer.token()
    started = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(check, people, token) for _ in range(8)]
        for each in waiting:
            with pytest.raises(Unavailable, match="does not answer"):
                each.result(60)
    # Bounds a hang, and is no measure: a document would take this server half a minute.
    assert time.monotonic() - started < 4 * FETCH_SECONDS


def test_an_issuer_that_names_itself_otherwise_is_not_believed(issuer: Issuer) -> None:
    issuer.names_itself = "https://issuer.example"
    with pytest.raises(Unavailable, match="does not answer"):
        check(people_of(issuer), issuer.token())


def test_an_issuer_that_loses_all_its_keys_changes_nothing(issuer: Issuer) -> None:
    people = people_of(issuer, pause_seconds=0.0)
    token = issuer.token()
    assert check(people, token).scopes
    del issuer.keys["k1"]
    issuer.add_key("k2")
    issuer.keys["k2"] = ("RS256", rsa.generate_private_key(65537, 1024))  # noqa: S505
    with pytest.raises(Unauthenticated, match="wrong"):
        check(people, token.replace(token.partition(".")[0], b64(b'{"alg":"RS256","kid":"k9"}')))
    assert check(people, token).scopes


def test_only_keys_for_signatures_are_taken() -> None:
    fit = public_jwk(MAKERS["ES256"](), "ES256") | {"kid": "fit"}
    pair = MAKERS["ES256"]()
    private = json.loads(jwt.get_algorithm_by_name("ES256").to_jwk(pair))
    short = rsa.generate_private_key(65537, 1024)  # noqa: S505 (that is the point)
    unfit = [
        {"kid": "secret", "kty": "oct", "k": b64(b"x" * 32), "alg": "HS256"},
        {"kid": "secret as RSA", "kty": "oct", "k": b64(b"x" * 32), "alg": "RS256"},
        public_jwk(short, "RS256") | {"kid": "short"},
        fit | {"kid": "for encryption", "use": "enc"},
        fit | {"kid": "HMAC", "alg": "HS256"},
        fit | {"kid": "none", "alg": "none"},
        private | {"kid": "private"},
        fit | {"kid": "off the curve", "x": b64(b"\1" * 32)},
        fit | {"kid": ["list"]},
        {"kid": "empty"},
        "text",
    ]
    found = read_keys({"keys": [*unfit, fit]})
    assert set(found) == {"fit"}
    assert found["fit"].algorithms == ("ES256",)
    for document in ({}, {"keys": {}}, {"keys": unfit}, [], None):
        with pytest.raises(ValueError, match="no key"):
            read_keys(document)


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ('issuer = "http://issuer.example"\naudience = "p"\nscopes = {a = ["suggest"]}', "must be an https:// URL"),
        ('issuer = "issuer.example"\naudience = "p"\nscopes = {a = ["suggest"]}', "must be an https:// URL"),
        ('issuer = "https://i.example"\nscopes = {a = ["suggest"]}', "needs an audience"),
        ('issuer = "https://i.example"\naudience = "p"', "needs an audience, and scopes"),
        ('issuer = "https://i.example"\naudience = "p"\nscopes = {a = ["root"]}', r"oidc\.scopes\.a"),
        (
            'issuer = "https://i.example"\naudience = "p"\nscopes = {a = ["suggest"]}\n'
            'groups_claim = "g"\nsees_all_groups = true',
            "not both",
        ),
        ('algorithms = ["none"]', r"oidc\.algorithms"),
    ],
)
def test_settings_that_cannot_be_meant_are_said(tmp_path, toml: str, message: str) -> None:
    (tmp_path / "precedent.toml").write_text(f"[oidc]\n{toml}\n")
    with pytest.raises(SettingsInvalid, match=message):
        load_settings(tmp_path, {})


# --- served ---


def test_people_are_served_and_kept_under_a_pseudonym(issuer: Issuer, workspace, kit) -> None:
    toml = (
        f'[oidc]\nissuer = "{issuer.url}"\naudience = "{AUDIENCE}"\nscopes_claim = "roles"\n'
        'scopes = {agent = ["suggest"], lead = ["suggest", "report"]}\ngroups_claim = "teams"\n'
    )
    with kit.serve(workspace, toml) as served, served.client(None) as client:

        def ask(token: str, path: str = "/v1/suggest"):
            headers = {"Authorization": f"Bearer {token}"}
            if path != "/v1/suggest":
                return client.get(path, headers=headers)
            body = {"ticket": {"subject": "Cannot log in with single sign-on"}, "top_k": 50}
            return client.post(path, json=body, headers=headers)

        agent, lead = issuer.token(), issuer.token(roles=["lead"], sub="bob@example.com", teams=[])
        answers = [ask(agent), ask(lead)]
        assert [answer.status_code for answer in answers] == [200, 200]
        assert answers[1].json()["hidden_count"] > answers[0].json()["hidden_count"]
        assert (ask(agent, "/metrics").status_code, ask(lead, "/metrics").status_code) == (403, 200)
        assert "details" not in ask(agent, "/readyz").json()
        assert ask(lead, "/readyz").json()["details"]["release"] == "r1"
        assert client.post("/v1/cases", json={}, headers={"Authorization": f"Bearer {lead}"}).status_code == 403
        for wrong in (issuer.token(exp=1), by_hand({"alg": "none"}, issuer.claims(), None), "a.b.c"):
            response = ask(wrong)
            assert response.status_code == 401
            assert response.headers["www-authenticate"].startswith("Bearer")
            assert response.json()["error"]["code"] == "unauthenticated"
        assert ask(issuer.token(roles=[])).status_code == 403
        assert ask(served.tokens["suggest"]).status_code == 200
        issuer.stop()
        assert ask(agent).status_code == 200
        told = {"request_id": answers[0].json()["request_id"], "kind": "accepted", "target": "category"}
        headers = {"Authorization": f"Bearer {agent}"}
        assert client.post("/v1/feedback", json=told, headers=headers).status_code == 200

        with served.database() as database:
            actors = [row[0] for row in database.execute("SELECT actor FROM audit_chain WHERE kind = 'suggestion'")]
            feedback = database.execute("SELECT actor FROM audit_chain WHERE kind = 'feedback'").fetchall()
        assert len({actor for actor in actors if actor.startswith("oidc:")}) == 2
        assert feedback == [(actors[0],)]
        served.eventually(lambda: any(actors[0] in line for line in served.log), 5.0)
        log = "".join(served.log)
        assert not any(word in log for word in ("ann@", "bob@", agent, agent.rpartition(".")[2]))
    with closing(History.open(workspace.history_url)) as history:
        assert verify(history).fault is None
    kept = b"".join(path.read_bytes() for path in workspace.workspace.glob("history.db*"))
    assert b"ann@" not in kept
