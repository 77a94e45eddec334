"""The events of several networks told as those of one run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from core.training.loop import OnEvent
from core.training.stage import Stage


@dataclass(frozen=True)
class Narration:
    """How a run tells of its networks: their epochs in a row, one share for all.

    Attributes:
        on_event: Of the run.
        n_stages: Networks of the run.
        epochs: Of each.
    """

    on_event: OnEvent
    n_stages: int
    epochs: int

    def alone(self, stage: Stage) -> OnEvent:
        """For a network that is trained by itself."""

        def tell(type_: str, **fields: Any) -> None:
            if "share" in fields:
                share, left = fields["share"], fields.get("seconds_left")
                fields["share"] = (stage.number + share) / self.n_stages
                if left is not None and share < 1:
                    fields["seconds_left"] = left + left / (1 - share) * (self.n_stages - stage.number - 1)
            self.tell(stage, type_, fields)

        return tell

    def tell(self, stage: Stage, type_: str, fields: dict[str, Any]) -> None:
        """One event, its epoch counted from the first of the run."""
        if type_ == "started":
            if stage.number == 0:
                self.on_event(type_, **{**fields, "epochs": self.n_stages * self.epochs})
            return
        if type_ == "progress" and "epoch" in fields:
            fields["text"] = f"{stage.name}, epoch {fields['epoch'] + 1} of {self.epochs}"
        if "epoch" in fields:
            fields["epoch"] += stage.number * self.epochs
        self.on_event(type_, **fields)


@dataclass(eq=False)
class Together:
    """For networks trained side by side: the epochs of one are told as they end, those of the others when all
    are done, so that the run's epochs come in a row.

    Attributes:
        narration: Of the run.
        stages: The networks.
        n_places: How many are trained at once.
        live: The number of the one that is told as it goes: the first, unless it goes on from a checkpoint.
    """

    narration: Narration
    stages: list[Stage]
    n_places: int
    live: int | None
    _shares: dict[int, float] = field(default_factory=dict)

    def __call__(self, number: int, type_: str, **fields: Any) -> None:
        """An event of the network with that number."""
        self._shares.setdefault(number, 0.0)
        if "share" in fields:
            self._take_share(number, fields)
        if type_ != "epoch" or number == self.live:
            stage = next(stage for stage in self.stages if stage.number == number)
            self.narration.tell(stage, type_, fields)

    def catch_up(self, stage: Stage, history: list[dict[str, Any]]) -> None:
        """Tell the epochs of a network that were held back."""
        if stage.number in self._shares and stage.number != self.live:
            for epoch in history:
                self.narration.tell(stage, "epoch", dict(epoch))

    def _take_share(self, number: int, fields: dict[str, Any]) -> None:
        share, left = fields["share"], fields.get("seconds_left")
        self._shares[number] = share
        n_stages, first = self.narration.n_stages, self.stages[0].number
        # a network that does not speak was finished in an earlier session or waits for its turn
        spoken = max(self._shares)
        done = first + sum(self._shares.get(s.number, float(s.number < spoken)) for s in self.stages)
        fields["share"] = done / n_stages
        if left is not None and share < 1:
            fields["seconds_left"] = max(left, left / (1 - share) * (n_stages - done) / self.n_places)
