"""Training cost of each layout, whichever is written: samples, images, characters of text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any, Self

from vlm_sft.datasets.conversation import Conversation
from vlm_sft.prepare.swift_row import (
    LAYOUTS,
    Layout,
    Sample,
    SampleFormat,
    excludes_answers,
    is_cut,
    samples,
    trained_answers,
)


@dataclass
class LayoutCost:
    """Counts of one layout. The images and texts of a sample are processed each time it is trained on."""

    samples: int = 0
    images: int = 0
    characters: int = 0
    answers_trained: int = 0


class LayoutCosts:
    """Sums the cost of both layouts over conversations."""

    def __init__(self) -> None:
        self.of: dict[Layout, LayoutCost] = {layout: LayoutCost() for layout in LAYOUTS}

    def add(
        self, conversation: Conversation, images: Sequence[str], written: Sequence[Sample], form: SampleFormat
    ) -> None:
        """Add one conversation; `written` are its samples in the layout of `form`."""
        if is_cut(conversation, form) or not _is_plain(conversation):
            for layout, cost in self.of.items():
                count(cost, samples(conversation, images, replace(form, layout=layout)))
            return
        # Without a cut, the last sample of either layout is the whole conversation, and every step is a prefix of it.
        messages = written[-1]["messages"]
        answers = len(conversation.turns)
        trained = trained_answers(answers, form.loss)
        lengths = list(accumulate([len(message["content"]) for message in messages]))
        first = len(messages) - 2 * (answers - trained.start) + 1  # index of the first answer trained on
        trajectory, steps = self.of["trajectory"], self.of["steps"]
        trajectory.samples += 1
        trajectory.images += len(conversation.images)
        trajectory.characters += lengths[-1]
        trajectory.answers_trained += len(trained)
        steps.samples += len(trained)
        steps.images += len(trained) * len(conversation.images)
        steps.characters += sum(lengths[first::2])
        steps.answers_trained += len(trained)

    def merge(self, other: Self) -> None:
        """Add the costs of other conversations."""
        for layout, cost in other.of.items():
            mine = self.of[layout]
            for name, number in vars(cost).items():
                setattr(mine, name, getattr(mine, name) + number)

    @classmethod
    def from_json(cls, costs: Mapping[Layout, Mapping[str, int]]) -> Self:
        """Read what `as_json` returned."""
        made = cls()
        made.of = {layout: LayoutCost(**cost) for layout, cost in costs.items()}
        return made

    def as_json(self) -> dict[str, Any]:
        """Return the counts by layout."""
        return {layout: vars(cost) for layout, cost in self.of.items()}


def _is_plain(conversation: Conversation) -> bool:
    """True if every sample has all images, and the row itself excludes no answer from the loss."""
    return not (conversation.tags_in_text and conversation.images) and not excludes_answers(conversation.turns)


def count(cost: LayoutCost, written: Sequence[Sample]) -> None:
    """Add samples one by one."""
    for sample in written:
        cost.samples += 1
        cost.images += len(sample["images"])
        for message in sample["messages"]:
            cost.characters += len(message["content"])
            cost.answers_trained += message.get("loss", False)
