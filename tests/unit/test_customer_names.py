"""Whose names are masked or pointed out in the words of another customer's case."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.ticket import Case, Ticket
from serving.customer_names import NO_NAMES, Audience, CustomerNames, KnownCustomers
from serving.customer_words import CUSTOMER
from serving.own_customer import without_customer

NAMES = CustomerNames(
    ["Saltmarsh Energy", "Saltmarsh", "Dunmore Rail", "Data Systems", "Slack", "ING", "42", "C-1042", "IT", "--"]
)


@pytest.mark.parametrize(
    ("text", "customer", "expected"),
    [
        ("Saltmarsh replayed it", "Saltmarsh Energy", "<CUSTOMER> replayed it"),
        ("saltmarsh energy replayed it", "Saltmarsh Energy", "<CUSTOMER> replayed it"),
        ("Saltmarsh-Energy's queue", "Saltmarsh Energy", "<CUSTOMER>'s queue"),
        ("SALTMARSH tenant", "Saltmarsh Energy", "<CUSTOMER> tenant"),
        ("Energy use fell on the marsh", "Saltmarsh Energy", "Energy use fell on the marsh"),
        ("a tinder box in Lane 4", "Tinder Lane Florists", "a tinder box in <CUSTOMER> 4"),
        ("acme and Acme, not acmeist", "acme-corp", "<CUSTOMER> and <CUSTOMER>, not acmeist"),
        ("it broke; IT fixed it", "IT", "it broke; <CUSTOMER> fixed it"),
        ("Ünal Öl rief an", "Ünal Öl", "<CUSTOMER> rief an"),
        ("db01.saltmarsh.example, /srv/saltmarsh", "Saltmarsh Energy", "db01.<CUSTOMER>.example, /srv/<CUSTOMER>"),
        (
            "tenant saltmarsh_prod, a@saltmarsh.example",
            "Saltmarsh Energy",
            "tenant <CUSTOMER>_prod, a@<CUSTOMER>.example",
        ),
        ("eu-saltmarsh, saltmarsh2, SALTMARSH2", "Saltmarsh Energy", "eu-<CUSTOMER>, <CUSTOMER>2, <CUSTOMER>2"),
        ("tenant=saltmarsh D:\\saltmarsh", "Saltmarsh Energy", "tenant=<CUSTOMER> D:\\<CUSTOMER>"),
        ("SaltmarshProd, saltmarshProd", "Saltmarsh Energy", "<CUSTOMER>Prod, <CUSTOMER>Prod"),
        ("SaltmarshDB rebuilt; NASAL care", "Saltmarsh NASA", "<CUSTOMER>DB rebuilt; NASAL care"),
        ("Saltmarshs Server", "Saltmarsh Energy", "<CUSTOMER> Server"),
        ("GithubRunner, GitHubRunner", "GitHub Inc", "<CUSTOMER>Runner, <CUSTOMER>Runner"),
        ("DROP DATABASE SaltmarshProd", "Saltmarsh Energy", "DROP DATABASE <CUSTOMER>Prod"),
        ("ÖRESUND asked; oresund", "Öresund Kraft", "<CUSTOMER> asked; oresund"),
        ("ING asked; rotating; ing bank's", "ING Bank", "<CUSTOMER> asked; rotating; <CUSTOMER>'s"),
        ("IBM replayed; IBM_PROD, SIBMA ibm", "IBM Deutschland", "<CUSTOMER> replayed; <CUSTOMER>_PROD, SIBMA ibm"),
        ("told US and THE AG", "US Foods AG", "told US and THE AG"),
        ("the lane. Lanes: lane by lane, planes", "Tinder Lane Florists", "the lane. <CUSTOMER>: lane by lane, planes"),
        ("data/x and data_y, the sync. Then synced", "Data Sync Ltd", "data/x and data_y, the sync. Then synced"),
        ("42 of port 8042 and 421", "42", "<CUSTOMER> of port 8042 and 421"),
        ("nothing", None, "nothing"),
        ("--", "--", "--"),
    ],
)
def test_the_name_of_another_customer_is_masked(text: str, customer: str | None, expected: str):
    assert without_customer(text, customer, "Dunmore Rail") == expected
    assert without_customer(text, customer, None) == expected
    assert without_customer(text, customer, customer) == text


@given(st.text(), st.text(), st.none() | st.text())
def test_no_text_or_name_raises(text: str, customer: str, asking: str | None):
    shown = without_customer(text, customer, asking)
    assert shown == text or CUSTOMER in shown
    names = CustomerNames([customer])
    masked = names.masked(text, but=asking)
    assert masked == text or CUSTOMER in masked
    names.mentioned(text, but=asking)


@pytest.mark.parametrize(
    ("text", "expected", "mentioned"),
    [
        ("as for Dunmore Rail, replayed", "as for <CUSTOMER>, replayed", []),
        ("dunmore-rail and DUNMORE  RAIL", "<CUSTOMER> and <CUSTOMER>", []),
        ("Dunmore. When the Rail", "Dunmore. When the Rail", []),
        ("Dunmore and Rail, db.dunmore.example", "Dunmore and Rail, db.dunmore.example", []),
        ("our data systems, Data Systems", "our data systems, <CUSTOMER>", []),
        ("ticket c-1042 of C 1042, C-1042", "ticket c-1042 of C 1042, C-1042", ["C-1042"]),
        (
            "the dunmore rail line, Dunmore rail",
            "the dunmore rail line, Dunmore rail",
            ["dunmore rail", "Dunmore rail"],
        ),
        ("SLACK, slack.example, slack", "SLACK, slack.example, slack", ["SLACK", "slack"]),
        ("<NAME> of <EMAIL>, <CUSTOMER>", "<NAME> of <EMAIL>, <CUSTOMER>", []),
        ("restart the Slack app; slack time; Slack", "restart the Slack app; slack time; Slack", ["Slack"]),
        ("ING called, IT fixed 42 of them, trying", "ING called, IT fixed 42 of them, trying", ["ING"]),
        ("Saltmarsh Energy", "<CUSTOMER>", ["Saltmarsh"]),
        ("", "", []),
    ],
)
def test_a_known_name_of_several_words_is_masked_and_one_of_one_word_pointed_out(
    text: str, expected: str, mentioned: list[str]
):
    assert NAMES.masked(text, but=None) == expected
    assert NAMES.mentioned(text, but=None) == mentioned


def test_who_asks_reads_the_own_name_and_of_names_that_begin_alike_the_longest_counts():
    names = CustomerNames(["Dunmore Rail", "Dunmore Rail Freight"])
    assert names.masked("Dunmore Rail Freight, Dunmore Rail", but="dunmore rail") == "<CUSTOMER>, Dunmore Rail"
    assert NAMES.mentioned("Slack and ING", but="slack") == ["ING"]
    assert NO_NAMES.masked("Dunmore Rail", but=None) == "Dunmore Rail"


def test_an_audience_reads_neither_the_cases_customer_nor_a_third():
    audience = Audience("Dunmore Rail", NAMES)
    case = Case(ticket=Ticket(id="1", customer="Tinder Lane Florists"))
    text = "Tinder asked Dunmore Rail about Saltmarsh Energy and Slack"
    assert audience.shown(text, case) == "<CUSTOMER> asked Dunmore Rail about <CUSTOMER> and Slack"
    assert audience.warnings(text) == ["may be a customer's name: Saltmarsh", "may be a customer's name: Slack"]


class Index:
    def __init__(self) -> None:
        self.of = frozenset({"Dunmore Rail"})

    def customers(self) -> frozenset[str]:
        return self.of


def test_names_are_put_together_again_when_there_are_others():
    index = Index()
    known = KnownCustomers(index)
    before = known.names()
    assert known.names() is before
    index.of = frozenset({"Dunmore Rail", "Saltmarsh Energy"})
    assert known.names().masked("Saltmarsh Energy", but=None) == CUSTOMER


@pytest.mark.parametrize("name", ["Tiller Bros. & Co", "Smith (UK) & Sons", "Acme -- Berlin"])
def test_a_name_is_found_with_its_own_marks(name: str):
    assert CustomerNames([name]).masked(f"as for {name}, replayed", but=None).startswith("as for <CUSTOMER>")


def test_a_third_name_that_shares_a_word_with_the_cases_own_customer_is_masked_whole():
    names = CustomerNames(["Rail Europe", "Dunmore Rail"])
    case = Case(ticket=Ticket(id="1", customer="Rail Europe"))
    assert Audience("Tinder", names).shown("as for Dunmore Rail and Rail", case) == "as for <CUSTOMER> and <CUSTOMER>"


@pytest.mark.parametrize("customer", ["Saltmarsh Energy", "Customer Support"])
def test_no_placeholder_is_read_as_words(customer: str):
    names = CustomerNames(["Saltmarsh Energy", "Customer Support", "CUSTOMER"])
    audience, case = Audience(None, names), Case(ticket=Ticket(id="1", customer=customer))
    shown = audience.shown("Saltmarsh Energy support told <CUSTOMER> support", case)
    assert shown == "<CUSTOMER> support told <CUSTOMER> support"
    assert audience.warnings(shown) == []


def test_labels_that_name_nobody_and_words_that_anybody_writes_are_not_masked():
    names = CustomerNames(["Not Applicable", "N/A", "H&M", "24/7", "Support Team"])
    text = "This is not applicable here: N/A, G, H, M and 24 7, as our support team said"
    assert names.masked(text, but=None) == text


def test_who_asks_is_known_by_the_words_of_the_name():
    names = CustomerNames(["Acme, Inc.", "Acme Inc.", "Dunmore-Rail", "Dunmore Rail", "Slack", "Slack!"])
    assert names.masked("Acme Inc. and Dunmore Rail", but="acme inc") == "Acme Inc. and <CUSTOMER>"
    assert names.mentioned("Slack", but="Slack") == []
    assert without_customer("told Acme", "Acme, Inc.", "ACME Inc") == "told Acme"


def test_a_name_in_a_script_without_blanks_is_pointed_out():
    names = CustomerNames(["東京電力", "トヨタ"])
    assert names.mentioned("東京電力のキューとトヨタ", but=None) == ["東京電力", "トヨタ"]
    assert names.mentioned("東京電力の", but="東京電力") == []


def test_names_that_are_added_are_found_and_fewer_customers_begin_anew():
    index = Index()
    known = KnownCustomers(index)
    names = known.names()
    index.of = frozenset({"Dunmore Rail", "Dunmore Rail Freight"})
    assert known.names() is names
    assert names.masked("Dunmore Rail Freight", but=None) == CUSTOMER
    index.of = frozenset({"Slack"})
    assert known.names().masked("Dunmore Rail", but=None) == "Dunmore Rail"
