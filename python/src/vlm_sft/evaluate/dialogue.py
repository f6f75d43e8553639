r"""A free dialogue, FIRE-style: the student answers, a teacher scores and comments, the student tries again.

As in the authors' batch loader (MM-FIRE/FIRE @4aba1c8), the student sees the image, the question, its own answers and
the feedback, but not the score; the teacher sees the image, the question, the reference and the latest answer, and no
history. A teacher's reply:

    Score: 3.
    Feedback: Look at the ends.

The dialogue ends when the score reaches the threshold, does not rise, or after the last round. What FIRE's paper leaves
open is part of the rules, which are in the identity and in the printed title.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from vlm_sft.evaluate.client import Answer, ask, openai_messages
from vlm_sft.evaluate.generate import Predict, Student, to_prediction
from vlm_sft.evaluate.task import Prediction, Sample
from vlm_sft.evaluate.tasks.fire import feedback_of, score_of

if TYPE_CHECKING:
    from openai import OpenAI

TEACHER_TRIES = 3  # replies without a score
INSTRUCTION = (
    "You are a teacher. Compare the student's answer with the correct answer, and reply with two lines. The first line"
    ' is "Score: N" with a whole number from 1 (wrong) to 10 (fully correct). The second line is "Feedback: " and one'
    " or two sentences that help the student to improve, without telling the correct answer."
)
MAX_TEACHER_TOKENS = 256


@dataclass(frozen=True)
class Rules:
    """When a dialogue ends, and what an unsatisfied one counts."""

    threshold: int = 8  # score from which an answer is satisfying, as in the authors' code
    max_rounds: int = 5  # the code has no limit
    penalty: float = 2.0  # turns of a dialogue that never satisfies: penalty x max_rounds


@dataclass(frozen=True)
class Teacher:
    """A model behind an OpenAI-compatible address."""

    client: "OpenAI"
    model: str
    rules: Rules

    def identity(self) -> dict[str, Any]:
        """Return what makes measures comparable; not the address."""
        return {"model": self.model, "instruction": INSTRUCTION, "history": "none", **asdict(self.rules)}

    def reply(self, sample: Sample, answer: str) -> tuple[str, int | None, str]:
        """Return the teacher's text, its score, and why there is none."""
        question = str(sample.messages[-1]["content"])
        text = f"Question: {question}\nCorrect answer: {sample.reference}\n{INSTRUCTION}\nStudent's answer: {answer}"
        messages = openai_messages([{"role": "user", "content": text}], sample.images)
        fields = {"temperature": 0, "max_tokens": MAX_TEACHER_TOKENS}
        reply = Answer()
        for _ in range(TEACHER_TRIES):
            reply = ask(self.client, self.model, messages, fields)
            if reply.error:
                return "", None, f"teacher: {reply.error}"
            score = score_of(reply.text)
            if score is not None and 1 <= score <= 10:
                return reply.text, score, ""
        return reply.text, None, f"teacher: no score from 1 to 10 in {reply.text[:80]!r}"


def dialogues(teacher: Teacher, fields: Mapping[str, Any]) -> Predict:
    """Return the function that leads one dialogue for each sample; `fields` are those of the student's requests."""

    def predict(student: Student, sample: Sample) -> Prediction:
        messages: list[Mapping[str, Any]] = list(sample.messages)
        turns: list[dict[str, Any]] = []
        answer = Answer()
        while len(turns) < teacher.rules.max_rounds and not _ended(turns, teacher.rules):
            answer = student(messages, sample.images, fields)
            if answer.error:
                return to_prediction(sample, answer)
            text = answer.text.strip()
            said, score, problem = teacher.reply(sample, text)
            if problem:
                failed = to_prediction(sample, Answer(error=problem))
                return _with_turns(failed, [*turns, {"answer": text, "teacher": said}])
            turns.append({"answer": text, "teacher": said, "score": score})
            messages += [{"role": "assistant", "content": text}, {"role": "user", "content": feedback_of(said)}]
        return _with_turns(to_prediction(sample, answer), turns)

    def _with_turns(prediction: Prediction, turns: Sequence[Mapping[str, Any]]) -> Prediction:
        values = {name: getattr(prediction, name) for name in Prediction.__dataclass_fields__}
        return Prediction(**{**values, "extra": {"turns": list(turns), "rules": asdict(teacher.rules)}})

    return predict


def _ended(turns: Sequence[Mapping[str, Any]], rules: Rules) -> bool:
    """Return whether the last score satisfies, or is not above the one before it."""
    scores = [turn["score"] for turn in turns]
    return bool(scores) and (scores[-1] >= rules.threshold or (len(scores) > 1 and scores[-1] <= scores[-2]))
