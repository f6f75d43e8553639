"""What each layout costs to train on, whichever was written: samples, images, characters of text."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

from vlm_sft.datasets.conversation import Conversation
from vlm_sft.prepare.swift_row import LAYOUTS, Form, Layout, Sample, imitated_answers, is_cut, samples


@dataclass
class LayoutCost:
    """Counts of one layout. A sample's images and texts are read, and paid for, once each time it is trained on."""

    samples: int = 0
    images: int = 0
    characters: int = 0
    answers_imitated: int = 0


class LayoutCosts:
    """Adds up, over conversations, what both layouts would cost."""

    def __init__(self) -> None:
        self.of: dict[Layout, LayoutCost] = {layout: LayoutCost() for layout in LAYOUTS}

    def add(self, conversation: Conversation, written: Sequence[Sample], form: Form) -> None:
        """Count one conversation, whose samples in the layout of `form` are `written`."""
        if is_cut(conversation, form):
            for layout, cost in self.of.items():
                count(cost, samples(conversation, conversation.images, replace(form, layout=layout)))
            return
        # Uncut, the last sample of either layout holds the whole conversation, and every step is a prefix of it.
        messages = written[-1]["messages"]
        answers = len(conversation.turns)
        imitated = imitated_answers(answers, form.loss)
        lengths = list(accumulate([len(message["content"]) for message in messages]))
        first = len(messages) - 2 * (answers - imitated.start) + 1  # place of the first imitated answer
        trajectory, steps = self.of["trajectory"], self.of["steps"]
        trajectory.samples += 1
        trajectory.images += len(conversation.images)
        trajectory.characters += lengths[-1]
        trajectory.answers_imitated += len(imitated)
        steps.samples += len(imitated)
        steps.images += len(imitated) * len(conversation.images)
        steps.characters += sum(lengths[first::2])
        steps.answers_imitated += len(imitated)

    def as_json(self) -> dict[str, Any]:
        """The counts by layout."""
        return {layout: vars(cost) for layout, cost in self.of.items()}


def count(cost: LayoutCost, written: Sequence[Sample]) -> None:
    """Count samples one by one."""
    for sample in written:
        cost.samples += 1
        cost.images += len(sample["images"])
        for message in sample["messages"]:
            cost.characters += len(message["content"])
            cost.answers_imitated += message.get("loss", False)
