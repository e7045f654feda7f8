"""The taxonomy: a file is read whole or refused with its key and value, and labels follow its rules."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from features.errors import TaxonomyInvalid
from features.label_cleaning import LabelCleaning
from features.label_path import ancestor, is_under, label_path
from features.settings import load_settings
from features.taxonomy import Fate, LabelRules, Taxonomy
from features.taxonomy_file import load_taxonomy, workspace_taxonomy

ROOT = Path(__file__).parents[2]
Read = Callable[[str], Taxonomy]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read(text: str) -> Taxonomy:
        (tmp_path / "taxonomy.toml").write_text(text, encoding="utf-8")
        return load_taxonomy(tmp_path / "taxonomy.toml")

    return read


# The file


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = [", r"is not valid TOML: .*; mend that place"),
        ("categories = 1", r"unknown key categories \(with 1\); known ones are separator, category, targets"),
        (
            "[category]\nlabel = 'x'",
            r"unknown key category\.label \(with 'x'\); known ones are labels, merged, retired",
        ),
        ("[targets.team]\nold = []", r"unknown key targets\.team\.old \(with \[\]\); known ones are labels"),
        ("category = 'x'", r"wrong at category: .*\(got 'x'\)"),
        ("[category]\nlabels = [1]", r"wrong at category\.labels\.0: .*string \(got 1\)"),
        ("[category]\nlabels = [' ']", r"wrong at category\.labels\.0: a label has 1 to 255 characters \(got ' '\)"),
        ("[category]\nretired = ['']", r"wrong at category\.retired\.0: a label has"),
        ("[category.merged]\n'' = 'b'", r"wrong at category\.merged\.: a label has 1 to 255 characters \(got ''\)"),
        ("[category.merged]\na = 2", r"wrong at category\.merged\.a: .*string \(got 2\)"),
        ("separator = ' '", r"wrong at separator: a separator is made of signs.*\(got ' '\)"),
        ("separator = 'x'", r"wrong at separator: a separator is made of signs.*\(got 'x'\)"),
        ("[category]\nlabels = ['A', 'a']", r"wrong at category\.labels: 'a' is in labels already"),
        ("[category]\nlabels = ['A']\nretired = ['a']", r"wrong at category\.retired: 'a' is in labels already"),
        (
            "[targets.team]\nretired = ['A > B']\nmerged = {'a>b' = 'C'}",
            r"wrong at targets\.team\.retired: 'A > B' is in merged already; name a label in one place, once",
        ),
        ("[category.merged]\n'a  b' = 'C'\n'A B' = 'C'", r"wrong at category\.merged: 'A B' is in merged already"),
        ("[category.merged]\na = 'C'\nb = 'c'", r"'c' is written 'C' elsewhere; choose one spelling"),
        ("[category.merged]\na = 'A'", r"'a' goes round in a circle by way of 'A'; let it end elsewhere"),
        ("[category.merged]\na = 'b'\nb = 'a'", r"wrong at category\.merged: 'a' goes round in a circle"),
        ("[category.merged]\nA = 'X > B'\nX = 'A'", r"wrong at category\.merged: 'A' goes round in a circle"),
        ("[category]\nretired = ['B']\nmerged = {a = 'B > C'}", r"'a' becomes 'B > C', which is retired; retire both"),
        ("[category]\nlabels = ['B']\nmerged = {a = 'C'}", r"'a' becomes 'C', which is not among the labels; add it"),
    ],
)
def test_faults_are_named_with_key_and_value(read: Read, text: str, message: str) -> None:
    with pytest.raises(TaxonomyInvalid, match=message):
        read(text)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(TaxonomyInvalid, match=r"cannot be read \(No such file or directory\); check the path"):
        load_taxonomy(tmp_path / "none.toml")


def test_a_workspace_may_have_a_taxonomy_and_one_that_is_named_must_be_there(tmp_path: Path) -> None:
    assert workspace_taxonomy(load_settings(tmp_path, {})) == Taxonomy()
    (tmp_path / "taxonomy.toml").write_text("[category]\nretired = ['Old']\n")
    assert workspace_taxonomy(load_settings(tmp_path, {})).category.resolve("old") == ("old", Fate.RETIRED)
    named = load_settings(tmp_path, {"PRECEDENT_TAXONOMY": str(tmp_path / "other.toml")})
    with pytest.raises(TaxonomyInvalid, match=r"other\.toml cannot be read"):
        workspace_taxonomy(named)


def test_the_documented_file_does_what_the_document_says(read: Read) -> None:
    document = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    text = document.partition("A taxonomy file says more")[2].split("```toml\n")[1].split("```")[0]
    taxonomy = read(text)
    category = taxonomy.category
    assert category.resolve("access>sso>saml") == ("Access > SSO > SAML", Fate.KEPT)
    assert category.resolve("Single Sign-On") == ("Access > SSO", Fate.MERGED)
    assert category.resolve("single sign-on > saml") == ("Access > SSO > SAML", Fate.MERGED)
    assert category.resolve("Access") == ("Access > Other", Fate.MERGED)
    assert category.resolve("Access > Keys") == ("Access > Keys", Fate.KEPT)
    assert category.resolve("Hardware > Pagers")[1] is Fate.RETIRED
    assert category.resolve("Coffee")[1] is Fate.OUTSIDE
    assert taxonomy.target("team").resolve("Tier 2") == ("Second line", Fate.MERGED)
    assert taxonomy.target("product").resolve("Anything") == ("Anything", Fate.KEPT)


# Rules


def test_the_most_specific_rule_decides(read: Read) -> None:
    rules = read(
        "[category]\nretired = ['Old', 'Access > Fax']\n"
        "[category.merged]\n'Old > SSO' = 'Access > SSO'\nLogin = 'Access'"
    ).category
    assert rules.resolve("Old > Anything > Else")[1] is Fate.RETIRED
    assert rules.resolve("old > sso > okta") == ("Access > SSO > okta", Fate.MERGED)
    assert rules.resolve("login>Keys") == ("Access>Keys", Fate.MERGED)
    assert rules.resolve("Login > Fax")[1] is Fate.RETIRED, "what is merged may be retired where it arrives"


def test_a_label_that_is_allowed_is_not_touched_by_the_rules_on_its_parents(read: Read) -> None:
    rules = read("[category]\nlabels = ['Old > SSO', 'New']\nretired = ['Old']").category
    assert rules.resolve("old > sso") == ("Old > SSO", Fate.KEPT)
    assert rules.resolve("Old > Fax")[1] is Fate.RETIRED
    assert rules.resolve("Older")[1] is Fate.OUTSIDE


def test_a_chain_that_ends_for_a_label_ends_for_those_below_it(read: Read) -> None:
    rules = read("[category]\nlabels = ['A > X']\n[category.merged]\nA = 'C'\nC = 'A > X'").category
    assert rules.resolve("a") == ("A > X", Fate.MERGED)
    assert rules.resolve("A > X > Z") == ("A > X > Z", Fate.OUTSIDE)
    assert [label for _, label in itertools.islice(rules.moves("A > Z"), 5)] == ["C > Z", "A > X > Z"]


def test_chains_are_followed(read: Read) -> None:
    rules = read("[category.merged]\na = 'b'\nb = 'c > d'\n'c > d > e' = 'F'").category
    assert rules.resolve("A") == ("c > d", Fate.MERGED)
    assert rules.resolve("a > E") == ("F", Fate.MERGED)


def test_a_rule_is_met_by_what_it_is_about_above_below_and_on_the_way(read: Read) -> None:
    rules = read("[category]\nretired = ['Fax', 'Sales']\n[category.merged]\nA = 'B'\nB = 'C'\nD = 'C'\n").category
    assert rules.unmatched([]) == ["A", "B", "D", "Fax", "Sales"]
    assert rules.unmatched(["a > x", "FAX  > old", "Salesforce", "C"]) == ["D", "Sales"]


def test_a_separator_with_blanks_parts_only_where_they_are(read: Read) -> None:
    rules = read("separator = ' - '\n[category.merged]\nSign-in = 'Access'").category
    assert rules.resolve("sign-in - web") == ("Access - web", Fate.MERGED)
    assert rules.resolve("Sign") == ("Sign", Fate.KEPT)


# Properties

_PART = st.text(st.sampled_from("aAbß >"), min_size=1, max_size=4)
_LABEL = st.lists(_PART, min_size=1, max_size=3).map(" > ".join).filter(lambda label: label.strip() != "")


@st.composite
def rules(draw: st.DrawFn) -> LabelRules:
    named = draw(st.lists(_LABEL, max_size=8, unique_by=label_path))
    cut, end = sorted([draw(st.integers(0, len(named))), draw(st.integers(0, len(named)))])
    merged = {label_path(old): draw(_LABEL) for old in named[:cut]}
    made = LabelRules(
        merged=merged,
        retired=frozenset(map(label_path, named[cut:end])),
        allowed=draw(st.none() | st.just(frozenset(map(label_path, named[end:])))),
    )
    for old in named[:cut]:
        followed = []
        for rule, _ in made.moves(old):
            assume(rule not in followed)
            followed.append(rule)
    return made


@given(rules(), st.lists(_LABEL, min_size=1))
def test_cleaning_twice_changes_nothing_more(made: LabelRules, labels: list[str]) -> None:
    cleaning = LabelCleaning.of(made, labels)
    clean = [cleaning.clean(label) for label in labels]
    assert [cleaning.clean(label) for label in clean] == clean
    left = [label for label in clean if label is not None]
    assert LabelCleaning.of(made, left).spellings.keys() == {label_path(label) for label in left}


@given(rules(), st.lists(_LABEL, min_size=1))
def test_what_is_left_is_allowed_and_not_retired_and_written_in_one_way(made: LabelRules, labels: list[str]) -> None:
    cleaning = LabelCleaning.of(made, labels)
    left = {value for label in labels if (value := cleaning.clean(label)) is not None}
    paths = {label_path(value) for value in left}
    assert len(paths) == len(left)
    assert not paths & made.retired
    assert made.allowed is None or paths <= made.allowed
    assert sum(each.n_tickets for each in cleaning.labels()) == len(labels)


@given(_LABEL.filter(lambda label: any(part.strip() for part in label.split(">"))))
def test_case_and_blanks_do_not_tell_labels_apart(label: str) -> None:
    other = "  " + label.upper().replace(" > ", ">") + " "
    assert label_path(other) == label_path(label)
    assert is_under(label, ancestor(label, 1))


def test_an_accent_is_the_same_however_it_is_composed() -> None:
    composed, apart = "Zugänge > Schlüssel", "Zuga\u0308nge > Schlu\u0308ssel"
    assert label_path(composed) == label_path(apart)
    assert LabelCleaning.of(LabelRules(), [composed, apart, composed]).clean(apart) == composed


def test_the_spelling_of_most_tickets_is_taken_and_the_first_of_equals() -> None:
    assert LabelCleaning.of(LabelRules(), ["sso", "SSO", "SSO", "Api", "API"]).spellings == {
        ("sso",): "SSO",
        ("api",): "API",
    }


def test_what_became_of_each_label_is_told() -> None:
    made = LabelRules(merged={("b",): "A"}, retired=frozenset([("c",)]))
    told = LabelCleaning.of(made, ["a", "A", "A", "b", "c", None, "c"]).labels()
    assert [(each.source, each.value, each.fate.value, each.n_tickets, each.is_respelled) for each in told] == [
        ("A", "A", "kept", 2, False),
        ("a", "A", "kept", 1, True),
        ("b", "A", "merged", 1, False),
        ("c", None, "retired", 2, False),
    ]
