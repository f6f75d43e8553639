r"""What an evaluation consists of: a task turns rows into samples, and answers into scores.

A prepared line:

    {"id": "12", "messages": [{"role": "user", ...}, {"role": "assistant", "content": "B. Down"}], "images": ["a.jpg"]}

A line of predictions.jsonl, which holds all that scoring needs:

    {"id": "12", "group": "a.jpg", "question": "Where ...\nChoices:\nA. Up\nB. Down", "reference": "B. Down",
     "response": "B", "images": ["a.jpg"], "finish_reason": "stop", "prompt_tokens": 310, "new_tokens": 1, "error": ""}
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Row = Mapping[str, Any]  # one line of prepared JSONL
Message = Mapping[str, Any]  # {"role": ..., "content": ...}

# Of one answer. All but `correct` count as 0 in a share.
Outcome = Literal[
    "correct",
    "wrong",
    "no_answer",  # nothing could be extracted
    "empty",
    "cut_off",  # the length limit ended the answer, and nothing could be extracted
    "ambiguous",  # two different final answers
    "scorer_timeout",
    "generation_error",
    "scored",  # of a measure that is no share, such as BLEU
]
# Not the model's fault: left out of every figure. Above 1 % of the samples no headline is printed.
NOT_OF_THE_MODEL: frozenset[Outcome] = frozenset({"scorer_timeout", "generation_error"})
MAX_SHARE_NOT_OF_THE_MODEL = 0.01


@dataclass(frozen=True, slots=True)
class Sample:
    """One request to the model."""

    id: str  # unique within the evaluation
    messages: tuple[Message, ...]  # up to the answer: the last one is a user's
    images: tuple[str, ...]
    reference: str  # the answer of the data
    group: str  # samples of one group are not independent: the image, or the dialogue


@dataclass(frozen=True, slots=True)
class Prediction:
    """One answer of the model, beside what was asked; a line of predictions.jsonl."""

    id: str
    group: str
    question: str  # the last user message
    reference: str
    response: str
    images: tuple[str, ...] = ()
    finish_reason: str = ""  # "stop" or "length"; empty: unknown, because `swift infer` does not report it
    prompt_tokens: int | None = None
    new_tokens: int | None = None
    error: str = ""  # why there is no answer; such a row is generated again


@dataclass(frozen=True, slots=True)
class Score:
    """The score of one prediction: a value for each metric of the task."""

    id: str
    group: str
    outcome: Outcome
    extracted: str  # what was compared with the reference
    values: Mapping[str, float] = field(default_factory=dict)  # empty if the outcome is not of the model


@dataclass(frozen=True)
class Task:
    """One way to evaluate. Functions, no state."""

    name: str
    version: int  # raised when a rule changes: figures of different versions are not comparable
    title: str  # in help texts
    samples: Callable[
        [Row], Iterable[Sample]
    ]  # raises ValueError with got, need and way out for a row without the fields
    score: Callable[[Sequence[Prediction]], Sequence[Score]]  # all at once: CIDEr depends on the set
    headline: str  # a metric
    shares: frozenset[str]  # metrics whose values are 0 or 1: Wilson interval, McNemar's test
    max_new_tokens: int  # default limit of an answer
    lower_is_better: frozenset[str] = frozenset()
