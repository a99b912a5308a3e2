"""The demo's report: one page with everything, which needs no network and no other file."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..atomic import replacing
from ..check import Comparison
from ..draw import draw
from ..nn import MLP
from ..ops import softmax, softmax_cross_entropy
from ..train.history import History
from ..transforms import no_grad
from .parting import Parting
from .settings import Prepared, Settings
from .texts import PARTING, ROUNDING, aside, introduction

EXAMPLES = 8  # rows whose saliency is shown

STYLE = """
:root { color-scheme: light dark; --line: light-dark(#d0d7de, #444c56); }
body { font: 15px/1.55 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.4rem; }
figure { margin: 1rem 0; } figure img { max-width: 100%; background: #fff; border-radius: 6px; }
figcaption { opacity: 0.75; font-size: 0.88rem; }
.pair { display: flex; flex-wrap: wrap; gap: 1rem; align-items: start; } .pair figure { flex: 1 1 20rem; margin: 0; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 0.2rem 0.9rem 0.2rem 0; border-bottom: 1px solid var(--line); }
"""


@dataclass(frozen=True)
class Told:
    """What the report tells of: a trained model, and what was found out about it."""

    settings: Settings
    data: Prepared
    model: MLP
    history: History
    matrix: NDArray[np.int64]
    comparison: Comparison
    parting: Parting


def save_report(path: Path, told: Told, graph: Path) -> None:
    """Write the page; `graph` is the picture of the loss's graph, an SVG file."""
    body = "\n".join([*_training(told), *_judged(told), *_looking(told), *_gradients(told, graph)])
    name = html.escape(told.data.train.name)
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
    page = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{name}: tinygrad_ce demo</title><style>{STYLE}</style></head>\n"
        f"<body><h1>{name}</h1>{body}</body></html>\n"
    )
    with replacing(path) as file:
        file.write(page.encode())


# -- sections ---------------------------------------------------------------------------------------------------


def _training(told: Told) -> Iterator[str]:
    parameters = sum(value.size for value in told.model.parameters())
    about = introduction(told.data, told.settings, parameters)
    yield f"<p>{'<br>'.join(html.escape(line) for line in about.splitlines())}</p>"
    yield "<h2>Training</h2>"
    yield _figure(draw.curves(told.history)[0], "Loss and accuracy, epoch by epoch.")


def _judged(told: Told) -> Iterator[str]:
    test = told.data.test
    yield "<h2>Test, on rows that took no part in training</h2>"
    yield _figure(draw.confusion(told.matrix, class_names=test.class_names), "Which class is taken for which.")
    if test.inputs.shape[1] == 2:
        axes = draw.decision_boundary(told.model, test.inputs, test.targets, class_names=test.class_names)
        yield _figure(axes, "The class given to each point of the plane, and the test rows.")


def _looking(told: Told) -> Iterator[str]:
    model, test, pictures = told.model, told.data.test, []
    if told.settings.data == "digits":  # rows that are pictures
        first = next(value for value in model.parameters() if value.ndim == 2)
        rows = test.inputs[:EXAMPLES]
        yield "<h2>What it looks at</h2>"
        shown = draw.saliency(model, rows, class_names=test.class_names)
        yield _figure(shown, "Test rows, and beneath each how its winning score would change with each pixel.")
        pictures.append(_figure(draw.weights(first), "What each hidden unit looks for."))
    else:
        yield "<h2>Around the parameters that were learnt</h2>"
    batch = told.data.train[: min(len(told.data.train), 256)]
    surface = draw.landscape(model, lambda m: softmax_cross_entropy(m(batch.inputs), batch.targets), points=15)
    pictures.append(_figure(surface, "The loss around the parameters, in two random directions."))
    yield f'<div class="pair">{"".join(pictures)}</div>'


def _gradients(told: Told, graph: Path) -> Iterator[str]:
    rows = min(told.settings.batch, len(told.data.test))
    yield "<h2>One gradient, five derivations</h2>"
    yield f"<p>{html.escape(ROUNDING.format(rows=rows))}</p>"
    yield f'<div class="wide">{told.comparison._repr_html_()}</div>'
    svg = _embedded("image/svg+xml", graph.read_bytes(), "The graph of the loss")
    yield f'<figure class="wide">{svg}<figcaption>The graph of the loss on these rows. In graph.html one can walk '
    yield "about in it.</figcaption></figure>"
    with no_grad():
        scores = np.asarray(told.model(told.data.test.inputs).data)
    ordered = np.sort(scores, axis=1)
    logits = scores[np.argmin(ordered[:, -1] - ordered[:, -2])]
    classes = len(told.data.test.class_names)
    if classes <= 100:
        axes = draw.jacobian_heatmap(softmax, logits)
        yield _figure(axes, "The Jacobian of softmax at the test row of the least sure answer: diag(ŷ) − ŷŷᵀ.")
    yield "<h2>Where two of them part</h2>"
    yield f"<p>{html.escape(PARTING)}</p>"
    head = ("answer", "gap", "ŷ of the true class", "ŷ − y", "stable", "digits that are right")
    yield _table(head, [_line(line) for line in told.parting.lines])
    yield f"<p>{html.escape(aside(told.parting))}</p>"


# -- pieces -----------------------------------------------------------------------------------------------------


def _line(line: Any) -> tuple[str, ...]:
    answer = "right" if line.right else "wrong"
    return (
        answer,
        f"{line.gap:.3g}",
        f"{line.probability:.4g}",
        f"{line.analytic:.6g}",
        f"{line.stable:.6g}",
        str(line.digits),
    )


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    def row(cells: tuple[str, ...], tag: str) -> str:
        return f"<tr>{''.join(f'<{tag}>{html.escape(cell)}</{tag}>' for cell in cells)}</tr>"

    return f'<div class="wide"><table>{row(head, "th")}{"".join(row(cells, "td") for cells in rows)}</table></div>'


def _figure(axes: Any, caption: str) -> str:
    from ..draw.plots.figure import png

    picture = _embedded("image/png", png(axes.figure), caption)
    return f"<figure>{picture}<figcaption>{html.escape(caption)}</figcaption></figure>"


def _embedded(kind: str, content: bytes, told: str) -> str:
    return f'<img alt="{html.escape(told)}" src="data:{kind};base64,{base64.b64encode(content).decode()}">'
