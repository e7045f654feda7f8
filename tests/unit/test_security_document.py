"""docs/security.md names tests that are there, for each of the ten risks."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROWS = re.findall(
    r"^\| (API\d+) .*\|(.*)\|$", (ROOT / "docs" / "security.md").read_text(encoding="utf-8"), re.MULTILINE
)
NAMED = re.compile(r"`(tests/[\w/]+\.py)?::(?:\w+::)?(\w+)`")


def test_each_risk_has_tests_and_each_test_is_there():
    assert [risk for risk, _ in ROWS] == [f"API{number}" for number in range(1, 11)]
    for risk, shown_by in ROWS:
        named = NAMED.findall(shown_by)
        assert named, risk
        path = ""
        for file, test in named:
            path = file or path
            assert f"def {test}(" in (ROOT / path).read_text(encoding="utf-8"), (risk, path, test)
