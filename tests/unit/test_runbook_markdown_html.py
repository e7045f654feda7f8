"""HTML in Markdown and in Notion's pages."""

from __future__ import annotations

from pathlib import PurePath

import pytest

from features.runbook_sources.markdown import parse_runbook

CALLOUT = "<aside>\n\N{ELECTRIC LIGHT BULB} All sessions are lost.\n\n</aside>"


@pytest.mark.parametrize(
    ("html", "text"),
    [
        (CALLOUT, "\N{ELECTRIC LIGHT BULB} All sessions are lost."),
        ("<details>\n<summary>Steps</summary>\nRun `x`.\n</details>", "Steps\nRun `x`."),
        ("<details><summary>Steps</summary>\n\nRun `x`.\n\n</details>", "Steps\nRun x."),
        ('<div align="center">In &lt;eu&gt;</div>', "In <eu>"),
        ("> <div>Mind it.</div>", "Mind it."),
        ("<table><tr><td>cell A</td><td>cell B</td></tr></table>", "cell A\ncell B"),
        ("<pre>\nkubectl get \\\n  pods\n</pre>", "kubectl get \\\n  pods"),
        ("line<br>two<br/>\nthree <kbd>Ctrl</kbd>", "line\ntwo\nthree Ctrl"),
        ("First:<ul><li>one</li><li>two</li></ul>", "First:\none\ntwo"),
        ("| a<br>b | c |\n|---|---|\n| d | e |", "a\nb\nc\nd\ne"),
    ],
)
def test_text_in_html_is_kept(html: str, text: str):
    runbook = parse_runbook(f"# Lag\n\n{html}\n", PurePath("lag.md"))
    assert [section.text for section in runbook.sections] == [text]


@pytest.mark.parametrize(
    "html",
    [
        "<!-- Owner: gone -->",
        "<script>\nalert(1)\n\nalert(2)\n</script>",
        "<style>a {}</style>",
        '<p align="center"><img src="g.png" alt="graph"></p>',
        "<div><!-- no --></div>",
    ],
)
def test_what_no_reader_sees_is_left_out(html: str):
    runbook = parse_runbook(f"# Lag\n\n{html}\n\nOwner: Core\n\nRead this.", PurePath("lag.md"))
    assert runbook.owner == "Core"
    assert [section.text for section in runbook.sections] == ["Read this."]
    inline = parse_runbook("# Lag\n\nRead <script>alert(1)</script>this<!-- no -->.", PurePath("lag.md"))
    assert inline.sections[0].text == "Read this."


def test_headings_and_links_in_html_are_read():
    runbook = parse_runbook(
        '<h1 align="center">Redis full</h1>\n\n<h2 id="first-aid">Mitigation</h2>\n\n'
        '<p>See <a href="https://w.example/q">the queue</a>.</p>\n\n<h2>How to fix</h2>\n\nRestart it.',
        PurePath("r.md"),
    )
    assert runbook.title == "Redis full"
    assert [(each.heading, each.anchor) for each in runbook.sections] == [
        ("Mitigation", "first-aid"),
        ("How to fix", "how-to-fix"),
    ]
    assert runbook.links == ("https://w.example/q",)
