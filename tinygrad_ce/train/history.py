"""What training leaves behind: a report of each epoch."""

from __future__ import annotations

from collections.abc import Mapping
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
    step : int
        Steps done so far, over all epochs.
    lr : float or None
        The learning rate of the epoch's last step.
    metrics, validation_metrics : dict
        What the metrics of `fit` say, by name.
    gradient_norms, dead_relus : dict
        Of each layer, what `GradientStatistics` notes; empty without it.
    """

    epoch: int
    epochs: int
    loss: float
    accuracy: float | None
    validation_loss: float | None
    validation_accuracy: float | None
    seconds: float
    step: int = 0
    lr: float | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    validation_metrics: dict[str, float] = field(default_factory=dict)
    gradient_norms: dict[str, float] = field(default_factory=dict)
    dead_relus: dict[str, float] = field(default_factory=dict)

    def value(self, name: str) -> float:
        """A number of the report by its name: "validation_loss", "f1", "validation_f1".

        >>> EpochReport(1, 1, 0.5, None, None, None, 0.1, metrics={"f1": 0.75}).value("f1")
        0.75

        Raises
        ------
        ValueError
            If the report has none of that name; the message lists those that it has.
        """
        numbers = self.numbers()
        if name not in numbers:
            raise ValueError(f"the epoch's report has no '{name}'; it has {', '.join(numbers)}")
        return numbers[name]

    def numbers(self) -> dict[str, float]:
        """Losses, accuracies and metrics by name, those that there are."""
        found: dict[str, float | None] = {"loss": self.loss, "accuracy": self.accuracy, **self.metrics}
        found |= {"validation_loss": self.validation_loss, "validation_accuracy": self.validation_accuracy}
        found |= {f"validation_{name}": value for name, value in self.validation_metrics.items()}
        return {name: value for name, value in found.items() if value is not None}


@dataclass
class History:
    """What `fit` returns.

    Attributes
    ----------
    reports : list of EpochReport
        Of the epochs that were completed, those before a resumption too.
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

    def column(self, name: str) -> list[float]:
        """A number of every report by its name, as in `EpochReport.value`."""
        return [report.value(name) for report in self.reports]

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and numbers, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> History:
        """The history that `to_dict` wrote.

        >>> history = History([EpochReport(1, 1, 0.5, 0.75, None, None, 0.1)], stopped=True)
        >>> History.from_dict(history.to_dict()) == history
        True

        Raises
        ------
        ValueError
            If it is something else.
        """
        try:
            return cls([EpochReport(**report) for report in data["reports"]], data["interrupted"], data["stopped"])
        except (KeyError, TypeError) as error:
            raise ValueError(f"this is no history: {error}") from None

    def __repr__(self) -> str:
        end = ", interrupted" * self.interrupted + ", stopped" * self.stopped
        count = f"{len(self)} epoch{'s' * (len(self) != 1)}"
        if not self.reports:
            return f"History({count}{end})"
        last = self.reports[-1]
        text = f"History({count}: loss {last.loss:.4g}"
        text += "" if last.accuracy is None else f", accuracy {last.accuracy:.1%}".replace("%", " %")
        return f"{text}{end})"

    def _repr_html_(self) -> str:
        from .curve import history_html

        return history_html(self)
