"""Languages told by script and by function words: what is told, what is left open, what is never called foreign."""

from __future__ import annotations

import tomllib
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.language import detect_language, ticket_language
from features.language_tags import primary_tag
from features.language_words import LANGUAGES_OF
from features.scripts import SCRIPTS, language_of_script
from features.text import ModelText, model_text
from features.ticket import Ticket

SENTENCES = tomllib.loads((Path(__file__).parents[1] / "golden" / "languages.toml").read_text(encoding="utf-8"))
ENGLISH = "Since the upgrade none of our users can log in, and the page only says that something went wrong."
GERMAN = "Seit dem Update kann sich bei uns niemand mehr anmelden, und auf der Seite steht nur, dass etwas nicht geht."
TRACE = """java.lang.IllegalStateException: Connection to the server is not open and could not be opened again
\tat com.acme.http.Client.send(Client.java:88)
\tat com.acme.http.Client.open(Client.java:41)
Caused by: java.net.ConnectException: Connection refused by the host after all of its attempts
"""
LOG = "\n".join(
    f"2026-05-04 09:1{n} ERROR [main-{n}] c.a.Http - could not connect to db-{n}.internal" for n in range(6)
)
SQL = "SELECT id, name FROM orders WHERE state = 'open' AND NOT deleted ORDER BY id;"


def told(part: str) -> list[tuple[str, str | None, str]]:
    return [(code, detect_language(text), text) for code, texts in SENTENCES[part].items() for text in texts]


@pytest.mark.parametrize("part", ["seen", "held_out"])
def test_no_sentence_is_taken_for_another_language(part: str):
    assert [row for row in told(part) if row[1] not in (None, row[0])] == []


@pytest.mark.parametrize(("part", "recall"), [("seen", 0.88), ("held_out", 0.75)])
def test_most_single_sentences_are_told(part: str, recall: float):
    rows = told(part)
    assert sum(code == found for code, found, _ in rows) / len(rows) >= recall


def test_two_sentences_are_told_nearly_always():
    pairs = [(code, detect_language(f"{a} {b}")) for code, texts in SENTENCES["held_out"].items()
             for a, b in zip(texts[::2], texts[1::2], strict=True)]  # fmt: skip
    found = Counter(code for code, said in pairs if said == code)
    assert sum(found.values()) / len(pairs) >= 0.93
    assert found["en"] == 6


@pytest.mark.parametrize("noise", [TRACE, LOG, SQL, "See https://example.com/the/way/it/is for all of this."])
@pytest.mark.parametrize(("text", "language"), [(ENGLISH, "en"), (GERMAN, "de")])
def test_code_logs_and_traces_do_not_flip_it(text: str, language: str, noise: str):
    read = model_text(Ticket(subject="CBL-1103", description=f"{text}\n\n{noise}"))
    assert detect_language(read.text) == language


@pytest.mark.parametrize(
    "text",
    [
        "Łukasz Świątek and José Muñoz de la Torre cannot log in to the console, they have been waiting since Monday.",
        "The dialog says 系统找不到指定的文件 when I open it, and then the app is closed.",
        "We get the message «Zugriff verweigert» when we open the report that was shared with us.",
        "The µ and Ω signs in our Ελλάδα account are not shown as they should be.",
        "van der Berg told us that de la Cruz has die cast parts in war zones, and the man has a gift",
    ],
)
def test_an_english_ticket_with_foreign_names_and_messages_is_english(text: str):
    assert detect_language(text) in ("en", None)
    assert detect_language(f"{text} {ENGLISH}") == "en"


@pytest.mark.parametrize(
    "text", ["", "help", "SSO", "Fehler", "no puedo", "login ne", "ошибка 500", "系统错误", "12:30"]
)
def test_few_words_tell_nothing(text: str):
    assert detect_language(text) is None


@pytest.mark.parametrize("text", [f"{ENGLISH} {GERMAN}", "über être già não þetta", "lorem ipsum dolor sit amet"])
def test_a_mixed_or_unknown_text_is_left_open(text: str):
    assert detect_language(text) is None


def test_words_typed_without_accents_are_told():
    assert detect_language("no puedo iniciar sesion desde ayer y tampoco funciona la contrasena nueva") == "es"


@given(st.text(max_size=500))
def test_any_text_has_a_known_language_or_none(text: str):
    known = {code for codes in LANGUAGES_OF.values() for code in codes}
    known |= {code for script in SCRIPTS.values() for code, _ in script.languages if code is not None}
    assert detect_language(text) in known | {None}


def test_a_huge_text_is_not_read_to_its_end():
    assert detect_language(f"{GERMAN}\n" * 30 + f"{ENGLISH}\n" * 10_000) == "de"


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Қате пайда болды, көмек керек, өтінемін, жүйеге кіре алмаймын", None),
        ("Не магу ўвайсці ў сістэму, дапамажыце", "be"),
        ("Не можам да се најавам, ќе помогнете ли", "mk"),
        ("Не могу да се пријавим у систем", "sr"),
        ("लॉगिन होत नाही, कृपया मदत करा", "mr"),
        ("लगइन हुँदैन, समस्या भयो", "ne"),
        ("لاگ ان نہیں ہو رہا، مدد کریں", "ur"),
    ],
)
def test_a_shared_script_is_told_by_letters_and_words(text: str, language: str | None):
    script = "cyrillic" if text[0] < "\u0530" else "arabic" if text[0] < "\u0700" else "devanagari"
    assert language_of_script(text, script) == language


@pytest.mark.parametrize(
    ("given_language", "text", "language"),
    [
        ("fr-CA", ENGLISH, "fr"),
        (" EN ", GERMAN, "en"),
        ("und", GERMAN, "de"),
        ("German", ENGLISH, "en"),
        (None, ENGLISH, "en"),
        (None, "SSO", None),
    ],
)
def test_the_given_language_comes_first(given_language: str | None, text: str, language: str | None):
    assert ticket_language(Ticket(language=given_language), ModelText("", text)) == language


@pytest.mark.parametrize("value", ["", "x", "english", "mul", "zxx", "12", "de!", "de at", "qq"])
def test_what_is_no_tag_says_nothing(value: str):
    assert primary_tag(value) is None
