"""What training leaves behind: a report of each epoch."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class EpochReport:
    """One epoch, as callbacks are told of it.

    Attributes
    ----------
    epoch, epochs : int
        This one, from 1, and how many are planned.
    loss : float
        The mean over the rows of the epoch, each as it was when its batch came.
    accuracy : float or None
        Likewise; None where targets are no class indices.
    validation_loss, validation_accuracy : float or None
        On the validation data, after the epoch; None without them.
    seconds : float
    """

    epoch: int
    epochs: int
    loss: float
    accuracy: float | None
    validation_loss: float | None
    validation_accuracy: float | None
    seconds: float


@dataclass
class History:
    """What `fit` returns.

    Attributes
    ----------
    reports : list of EpochReport
        Of the epochs that were completed.
    interrupted : bool
        Whether Ctrl-C ended it.
    stopped : bool
        Whether a callback did.

    Examples
    --------
    >>> history = History([EpochReport(1, 1, 0.5, 0.75, None, None, 0.1)])
    >>> history.loss, history
    ([0.5], History(1 epoch: loss 0.5, accuracy 75.0 %))
    """

    reports: list[EpochReport] = field(default_factory=list)
    interrupted: bool = False
    stopped: bool = False

    def __len__(self) -> int:
        return len(self.reports)

    @property
    def loss(self) -> list[float]:
        return [report.loss for report in self.reports]

    @property
    def accuracy(self) -> list[float | None]:
        return [report.accuracy for report in self.reports]

    @property
    def validation_loss(self) -> list[float | None]:
        return [report.validation_loss for report in self.reports]

    @property
    def validation_accuracy(self) -> list[float | None]:
        return [report.validation_accuracy for report in self.reports]

    @property
    def seconds(self) -> list[float]:
        return [report.seconds for report in self.reports]

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and numbers, for JSON."""
        return asdict(self)

    def __repr__(self) -> str:
        end = ", interrupted" * self.interrupted + ", stopped" * self.stopped
        count = f"{len(self)} epoch{'s' * (len(self) != 1)}"
        if not self.reports:
            return f"History({count}{end})"
        last = self.reports[-1]
        text = f"History({count}: loss {last.loss:.4g}"
        text += "" if last.accuracy is None else f", accuracy {last.accuracy:.1%}".replace("%", " %")
        return f"{text}{end})"
