import numpy as np

from features.structured import StructuredColumns, indicators
from features.ticket import Ticket


def test_only_fields_known_at_creation_and_of_a_kind_are_named():
    ticket = Ticket(
        product="api",
        customer_tier="gold",
        channel="email",
        language="de",
        customer="Acme",
        reporter="someone",
        fields={"plan": "pro", "is_vip": True, "seats": 12, "load": 0.5},
    )
    assert sorted(indicators(ticket)) == [
        "channel=email",
        "customer_tier=gold",
        "fields.is_vip=True",
        "fields.plan=pro",
        "language=de",
        "product=api",
    ]


def test_a_value_needs_three_tickets():
    columns = StructuredColumns.fit([Ticket(product=name) for name in ("api", "api", "api", "hooks", "hooks")])
    assert columns.names == ("product=api",)


def test_a_value_needs_two_customers_where_customers_are_known():
    alone = [Ticket(product="api", customer="a")] * 5
    assert StructuredColumns.fit(alone).names == ()
    assert StructuredColumns.fit([*alone, Ticket(product="api", customer="b")]).names == ("product=api",)
    assert StructuredColumns.fit([Ticket(product="api")] * 3).names == ("product=api",)


def test_a_field_cannot_pose_as_a_column_of_another_name():
    columns = StructuredColumns.fit([Ticket(fields={"product": "api"})] * 3)
    assert columns.transform([Ticket(product="api")]).tolist() == [[0.0]]


def test_rows_do_not_depend_on_each_other():
    tickets = [Ticket(product=name, channel="email") for name in ("api", "hooks", "api", "hooks", "api", "hooks")]
    columns = StructuredColumns.fit(tickets)
    together = columns.transform(tickets)
    assert np.array_equal(together, np.vstack([columns.transform([ticket]) for ticket in tickets]))
    assert columns.transform([]).shape == (0, 3)
