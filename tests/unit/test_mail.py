"""Own words, quoted words and signatures in four languages."""

from __future__ import annotations

import pytest

from features.mail import own_lines, plain_subject

OWN = (
    "Since this morning every export of more than ten thousand rows stops at ninety-nine per cent with CBL-7001. "
    "We tried it in two browsers and with two accounts. Small exports work. Yesterday it was still fine, and nothing "
    "was changed on our side that I know of."
)


def own(text: str, subject: str = "") -> str:
    return "\n".join(line for line in own_lines(text.split("\n"), subject) if line)


REPLIES = [
    f"{OWN}\n\nOn Mon, Jan 5, 2026 at 10:00 AM, Support <help@x.example> wrote:\n> Dear Ann,\n> which export?\n",
    f"{OWN}\n\nAm 05.01.2026 um 10:00 schrieb Support:\n> Welcher Export?\n",
    f"{OWN}\n\nLe lun. 5 janv. 2026 à 10:00, Support a écrit :\n> Quel export ?\n",
    f"{OWN}\n\nEl lun, 5 ene 2026 a las 10:00, Support escribió:\n> ¿Qué exportación?\n",
    f"{OWN}\n\n-----Original Message-----\nFrom: Support\nSent: Monday\nTo: Ann\nSubject: RE: export\n\nWhich export?",
    f"{OWN}\n\nVon: Support\nGesendet: Montag\nAn: Ann\nBetreff: AW: Export\n\nWelcher Export?",
    f"{OWN}\n\nDe : Support\nEnvoyé : lundi\nÀ : Ann\nObjet : RE: export\n\nQuel export ?",
    f"{OWN}\n\n-------- Ursprüngliche Nachricht --------\nVon: Support\nDatum: 5.1.26\n\nWelcher Export?",
]


@pytest.mark.parametrize("mail", REPLIES)
def test_a_reply_stands_without_what_it_answers(mail: str):
    assert own(mail) == OWN


def test_answers_between_the_quotes_stay():
    mail = f"{OWN}\nOn Monday Support wrote:\n> Which browser?\nFirefox.\n> Since when?\nSince nine."
    assert own(mail) == f"{OWN}\nFirefox.\nSince nine."


FORWARDS = [
    ("Fwd: export", "From: Bo\nSent: Monday\nTo: Ann\nSubject: export\n\n"),
    ("", "---------- Forwarded message ---------\nFrom: Bo\nDate: Monday\nSubject: export\nTo: Ann\n\n"),
    ("", "Begin forwarded message:\n\nFrom: Bo\nSubject: export\nDate: Monday\n\n"),
    ("WG: Export", "Von: Bo\nGesendet: Montag\nAn: Ann\nBetreff: Export\n\n"),
    ("", "-------- Weitergeleitete Nachricht --------\nBetreff: Export\nDatum: Montag\nVon: Bo\n\n"),
    ("TR: export", "De : Bo\nEnvoyé : lundi\nÀ : Ann\nObjet : export\n\n"),
    ("RV: export", "De: Bo\nEnviado el: lunes\nPara: Ann\nAsunto: export\n\n"),
    ("", "From: Bo\nSent: Monday\nTo: Ann\nSubject: FW: FW: export\n\n"),
]


@pytest.mark.parametrize(("subject", "headers"), FORWARDS)
@pytest.mark.parametrize("top", ["", "FYI", "Please take this on. " * 20])
def test_a_forwarded_problem_stays(subject: str, headers: str, top: str):
    assert own(f"{top}\n\n{headers}{OWN}\n\nBest regards,\nBo", subject).endswith(OWN)


@pytest.mark.parametrize("top", ["see below", "Any news on this?", "siehe unten"])
def test_what_a_short_mail_points_at_stays(top: str):
    assert own(f"{top}\nFrom: Bo\nSent: Monday\n> {OWN}") == f"{top}\n{OWN}"


def test_a_mail_s_own_headers_go():
    assert own(f"From: Ann\nSent: Monday\nTo: Support\nSubject: export\n\n{OWN}") == OWN


@pytest.mark.parametrize(
    "signature",
    [
        "Best regards,\nAnn Lee\nHead of Exports | X Ltd | +44 20 7946 0126",
        "With kind regards and a nice weekend,\nAnn",
        "Thanks a lot!\nAnn",
        "Mit freundlichen Grüßen\nAnn Lee\n\nX GmbH",
        "Viele Grüße aus Köln\nAnn",
        "MfG\nAnn",
        "Un saludo,\nAnn",
        "Cordialement,\nAnn",
        "-- \nAnn Lee",
        "Thanks,\nAnn\n\nSent from my iPhone",
        "Von meinem iPhone gesendet",
        "Ann Lee | X Ltd | ann@x.example",
        "Regards\nAnn\nThis e-mail is confidential. If you are not the intended recipient, please delete it.",
    ],
)
def test_signatures_go(signature: str):
    assert own(f"{OWN}\n\n{signature}") == OWN


@pytest.mark.parametrize(
    "text",
    [
        "The message of our colleague shows confidential data of another customer.",
        "Thanks\nAnn\nPS: it also fails with CBL-4012",
        "> curl -si https://api.example/health\n> HTTP/1.1 429",
        "Reconfigured\nFrom: 3\nTo: 5s\nand it failed",
        "Thanks",
        "",
    ],
)
def test_what_only_looks_like_mail_stays(text: str):
    assert own(text) == text.replace("> ", "")


@pytest.mark.parametrize(
    ("subject", "plain"),
    [
        ("Re: Fwd: x", "x"),
        ("AW: WG: x", "x"),
        ("RV: TR: x", "x"),
        ("Re[2]: [EXTERNAL] x", "x"),
        ("Retry: x", "Retry: x"),
    ],
)
def test_subjects(subject: str, plain: str):
    assert plain_subject(subject) == plain
