"""A report as a page: one self-contained HTML file, the same for a screen, a screen reader and paper.

Everything that came from outside (texts, ids, category names) is cleaned and escaped at one place each, and the page's
own policy forbids scripts, images, forms, other hosts, and every style but its sheet.
"""

from __future__ import annotations

import base64
import hashlib

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from evaluation.report import wording
from features.ticket import SEVERITIES


def document(template: str, **values: object) -> str:
    """Make a page of a template; encode it as UTF-8.

    Parameters
    ----------
    template : str
        Name of a file in ``templates/``.
    values : object
        What it names, beside the sheet, the policy and the words that every page has.
    """
    loader = PackageLoader("evaluation.report")
    environment = _environment(loader)
    sheet = loader.get_source(environment, "report.css")[0]
    return environment.get_template(template).render(
        **values,
        sheet=Markup(sheet),  # noqa: S704
        policy=_policy(sheet),
    )


def _environment(loader: PackageLoader) -> Environment:
    environment = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        "count": wording.count,
        "day": wording.day,
        "interval": wording.interval,
        "level_name": wording.level_name,
        "percent": wording.percent,
        "floor_names": wording.FLOOR_NAMES,
        "reason_names": wording.REASONS,
        "levels": SEVERITIES,
        "section_names": wording.SECTION_NAMES,
        "action_names": wording.ACTION_NAMES,
    }
    environment.filters["capitalize_first"] = _capitalize_first
    return environment


def _capitalize_first(text: str) -> str:
    return text[:1].upper() + text[1:]


def _finalize(value: object) -> object:
    """Clean every text on its way into the page; markup is ours and stays."""
    return wording.clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _policy(sheet: str) -> str:
    digest = base64.b64encode(hashlib.sha256(sheet.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
