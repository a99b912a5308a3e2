"""What the demo says in sentences."""

from __future__ import annotations

from .parting import Parting
from .settings import Prepared, Settings

ROUNDING = (
    "The gradient of the loss on {rows} test rows: one forward, then one reverse sweep per derivation. Each is "
    "compared with autodiff, the sweep through the primitive operations; PASS means that rounding alone explains "
    "the difference. An ulp is the distance between neighbouring floats: where large terms cancel to an entry near "
    "0, the difference is many of them; digits lost are those that one of the two loses and the other keeps."
)

PARTING = (
    "Two test answers, one right and one wrong. All logits are multiplied by one factor until the answers are sure "
    "of themselves (the gap is winner minus rival); shown is the gradient in the true class's logit. In the right "
    "answer ŷ rounds to 1, so ŷ − y subtracts 1 from 1 and nothing is left, while the stable form adds up the other "
    "classes' probabilities and keeps every digit (the last column counts those of ŷ − y that are right). In the "
    "wrong answer nothing cancels, and the two agree."
)


def introduction(data: Prepared, settings: Settings, parameters: int) -> str:
    """The data and the network."""
    train = data.train
    features, classes = train.inputs.shape[1], len(train.class_names)
    sizes = " → ".join(map(str, [features, *settings.hidden, classes]))
    batch = min(settings.batch, len(train))
    return (
        f"{data.rows:,} rows, {features:,} features, {classes} classes; {len(data.test):,} rows held out for the test\n"
        f"network {sizes} with relu, {parameters:,} parameters\n"
        f"Adam, learning rate {settings.lr:g} falling to 0, batches of {batch}, seed {settings.seed}"
    )


def aside(parting: Parting) -> str:
    """What the referee says of the two rows at the last factor, and what was done to have two such rows."""
    row = next(row for row in parting.comparison.rows if row.derivation == "analytic")
    text = f"The referee on these logits at the last factor: analytic against stable {row.verdict}"
    text += f", {row.note}." if row.note else "."
    for place, done in enumerate(parting.duel.relabelled):
        if done:
            what = ("right", "wrong")[place]
            text += f" No answer was {what}, so test row {parting.duel.rows[place]} was relabelled to have one."
    return text
