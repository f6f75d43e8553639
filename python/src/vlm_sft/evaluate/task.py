"""What every evaluation task shares: Sample -> Prediction -> Score. A task is data and one pure function."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

FinishReason = Literal["stop", "length", ""]  # empty: unknown, as with `swift infer`
Outcome = Literal[
    "correct",
    "wrong",
    "no_answer",  # a response from which no answer was extracted
    "empty",
    "cut_off",  # ended by the token limit, and no answer was extracted
    "ambiguous",  # two different final answers
    "scored",  # a value that is neither right nor wrong: BLEU, a loss
    "scorer_timeout",
    "teacher_error",  # the teacher of a free dialogue failed or gave no score
    "generation_error",
]
NOT_OF_THE_MODEL: tuple[Outcome, ...] = ("scorer_timeout", "teacher_error", "generation_error")
# Answers of a row that are asked for. dialogue: the first one, then a teacher replies. none: no text is generated.
Asked = Literal["last", "each", "dialogue", "none"]
# Of a value: share: 0 or 1. mean: any number. per_token: a row's mean over its target tokens, weighted by their number.
# perplexity: exp(per_token).
Kind = Literal["share", "mean", "per_token", "perplexity"]


@dataclass(frozen=True, slots=True)
class Sample:
    """One question to the model."""

    id: str  # unique in the data, and the same in every evaluation of it
    group: str  # samples that are not independent: turns of a dialogue, questions about one image
    messages: tuple[
        Mapping[str, Any], ...
    ]  # {"role", "content"}; the last one is the user's, with `asked` none the answer
    images: tuple[str, ...]  # absolute paths, one for each <image> in the messages
    reference: str


@dataclass(frozen=True, slots=True)
class Prediction:
    """One line of predictions.jsonl. It contains everything that scoring needs, so that the data is not read again."""

    id: str
    group: str
    question: str  # the last message of the user
    reference: str
    response: str
    finish_reason: FinishReason = ""
    prompt_tokens: int | None = None
    new_tokens: int | None = None
    error: str = ""  # why there is no response, which is not the model's fault
    extra: Mapping[str, Any] = field(default_factory=dict)  # a task's own: the turns of a dialogue, summed losses


@dataclass(frozen=True, slots=True)
class Score:
    """One line of scores.jsonl. A response without an answer has the values of a wrong one."""

    id: str
    group: str
    outcome: Outcome
    extracted: str
    values: Mapping[str, float]  # empty if the outcome is in NOT_OF_THE_MODEL
    weight: float = 1.0  # [target tokens] for per_token and perplexity


@dataclass(frozen=True)
class Task:
    """What is asked, and how it is scored. `version` changes with every rule that changes a number."""

    name: str
    version: int
    title: str
    asked: Asked
    values: Mapping[str, Kind]  # in the order they are printed; the first is the headline
    score: Callable[[Sequence[Prediction]], list[Score]]  # one for each prediction, in their order
    max_new_tokens: int  # [tokens] default limit of a response
