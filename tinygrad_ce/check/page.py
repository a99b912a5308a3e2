"""A report as a file: a page that needs no network, or data.

save(report, path)      .html or .json, by the suffix; atomically
page(report)            the page as text
"""

from __future__ import annotations

import html
import json
import os
from pathlib import Path
from typing import Any

from ..atomic import replacing
from .curves import pictures
from .gradreport import COLOURS, GradReport
from .opreport import COLUMNS, OpReport, RegistryReport, grouped, html_table, mutation, table
from .plots import figures
from .work import Outcome

Report = GradReport | OpReport | RegistryReport

STYLE = """
:root { color-scheme: light dark; --line: #d0d7de; --soft: #f6f8fa; }
@media (prefers-color-scheme: dark) { :root { --line: #444c56; --soft: #22272e; }
  .picture { background: #fff; color: #000; } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; }
h2 { font-size: 1.15rem; margin-top: 2.2rem; border-top: 1px solid var(--line); padding-top: 1rem; }
table { border-collapse: collapse; margin: 1rem 0; font-size: 0.9rem; }
th, td { text-align: left; padding: 0.15rem 0.9rem 0.15rem 0; border-bottom: 1px solid var(--line); }
td.v { font-weight: 600; }
pre { background: var(--soft); padding: 0.8rem; overflow-x: auto; font-size: 0.82rem; border-radius: 6px; }
.pictures { display: flex; flex-wrap: wrap; gap: 1rem; } .picture { margin: 0; border-radius: 6px; }
.picture figcaption { font-size: 0.82rem; padding: 0.2rem 0.4rem; } .picture svg { max-width: 100%; height: auto; }
.note { opacity: 0.75; font-size: 0.9rem; }
"""


def save(report: Report, path: str | os.PathLike[str]) -> None:
    """Write a report as a page (.html, .htm) or as data (.json), by the path's suffix.

    Raises
    ------
    ValueError
        For another suffix.
    OSError
        If it cannot be written; whatever was there before still is.
    """
    suffix = Path(path).suffix.lower()
    if suffix in (".html", ".htm"):
        text = page(report)
    elif suffix == ".json":
        text = json.dumps(_data(report), indent=1, allow_nan=False, ensure_ascii=False)
    else:
        raise ValueError(f"a report is saved as .html or .json, not {suffix or 'without a suffix'}: {os.fspath(path)}")
    with replacing(path) as file:
        file.write(text.encode())


def _data(report: Report) -> dict[str, Any]:
    data = report.to_dict()
    if isinstance(report, GradReport):
        found = pictures(report)
        data["pictures"] = None if found is None else found.to_dict()
    return data


def page(report: Report) -> str:
    """The whole page."""
    if isinstance(report, GradReport):
        title, body = f"gradcheck of {report.name}", _grad(report)
    elif isinstance(report, OpReport):
        head = html_table(("derivation", *COLUMNS), table(report))
        title, body = f"check of {report.name}", f"{head}{_op(report)}"
    else:
        head = html_table(("op", "derivation", *COLUMNS), report.lines())
        told = [(r.name, _op(r)) for r in report.reports]
        parts = "".join(f"<h2>{html.escape(name)}</h2>{text}" for name, text in told if text)
        title, body = "check of the registry", f"<p>{html.escape(report.summary())}</p>{head}{parts}"
    verdict = f"<span style='color:{COLOURS.get(report.verdict, 'inherit')}'>{report.verdict}</span>"
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{html.escape(title)}: {report.verdict}</title><style>{STYLE}</style></head>\n"
        f"<body><h1>{html.escape(title)}: {verdict}</h1>{body}</body></html>\n"
    )


def _op(report: OpReport) -> str:
    """Assumptions, mutation score, and every failure of an op."""
    lines = [line for a in report.assumed for line in a.lines()] + mutation(report)
    text = f"<pre>{html.escape(chr(10).join(lines))}</pre>" if lines else ""
    return text + "".join(_failure(o, also) for o, also in grouped(report.failures))


def _failure(outcome: Outcome, also: str) -> str:
    assert outcome.report is not None
    where = f"'{outcome.unit.label}' at sample {outcome.unit.sample} ({outcome.described}){also}"
    return f"<h3>{html.escape(where)}</h3>{_grad(outcome.report)}"


def _grad(report: GradReport) -> str:
    """One gradient check: rows, what is wrong, pictures, a program that shows it."""
    text = html.escape("\n".join(report.told()))
    program = f"<p>To see it:</p><pre>{html.escape(report.reproduction)}</pre>" if report.reproduction else ""
    return f"<pre>{text}</pre>{_pictures(report)}{program}"


def _pictures(report: GradReport) -> str:
    found = pictures(report)
    if found is None:
        return ""
    drawn = figures(found)
    if not drawn:
        return "<p class='note'>No pictures: they need pip install 'tinygrad_ce[plot]'.</p>"
    inside = "".join(
        f"<figure class='picture'><figcaption>{html.escape(title)}</figcaption>{svg}</figure>"
        for title, svg in drawn.items()
    )
    return f"<div class='pictures'>{inside}</div>"
