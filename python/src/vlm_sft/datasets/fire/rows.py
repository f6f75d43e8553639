r"""FIRE row -> Conversation, from any of the three shapes in FIRE's files and code.

A row of FIRE-train-100K.json, shortened:

    {"id": "000000254871", "image": "coco/train2017/000000254871.jpg",
     "question": {"from": "human", "value": "<image>\nWhat is standing next to the bakery door?"},
     "groundtruth": {"from": "gpt", "value": "Two bicycles are leaning on the wall next to the door."},
     "conversations": [
       {"role": "student", "type": "response", "value": "Thought: ...\nAnswer: A motorbike ...\n\n"},
       {"role": "teacher", "type": "feedback", "value": "Score: 3.\nFeedback: Look again ...\n"}, ...]}

FIRE's own code has two more shapes, so later files may have them:

- `conversations` of {"from", "value"} that begin with the human's question (or with the question in `raw`);
- `student_history` of the same form, with `teacher_history` and `scores`.

The model is trained on the student's answers without their thoughts. The ground truth is not used.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vlm_sft.datasets.conversation import Conversation, Drop, Turn, id_of
from vlm_sft.datasets.fire.layout import SOURCE_OF_FOLDER
from vlm_sft.datasets.fire.text import MAX_SCORE, SCORE_MARKER, answer_of, feedback_of, score_of
from vlm_sft.datasets.image_path import first_folder, normalised
from vlm_sft.datasets.texts import clean, given

STUDENT, TEACHER = 0, 1
SPEAKERS = {
    "student": STUDENT,
    "gpt": STUDENT,
    "assistant": STUDENT,
    "teacher": TEACHER,
    "human": TEACHER,
    "user": TEACHER,
}


def parse(row: object) -> Conversation | Drop:
    """Read one row of any of the three shapes. Never raises, whatever JSON value the row is."""
    if not isinstance(row, dict):
        return Drop("row_not_an_object", type(row).__name__)
    image = row.get("image")
    if not isinstance(image, str) or not given(image).strip():
        return Drop("no_image", "image is " + _kind(image))
    dialogue = _dialogue(row)
    if isinstance(dialogue, Drop):
        return dialogue
    question, dialogue = _question(row, dialogue)
    if not question:
        return Drop("no_question", "question is " + _kind(_value(row.get("question"))))
    turns = _turns(dialogue, row)
    if isinstance(turns, Drop):
        return turns
    image = normalised(image.strip())
    return Conversation(id_of(row), source_of(image), (image,), question, turns)


def source_of(image: str) -> str:
    """Return the image source: the first folder of the path (the field `source` is unreliable)."""
    folder = first_folder(image)
    return SOURCE_OF_FOLDER.get(folder, folder)


@dataclass(frozen=True, slots=True)
class _Dialogue:
    """Speakers and their texts, in order."""

    opened_by: str  # role as written in the row
    speakers: list[int]  # STUDENT or TEACHER
    texts: list[str]


def _dialogue(row: Mapping[str, object]) -> _Dialogue | Drop:
    """Read the entries from the field that this shape has."""
    entries = row["student_history"] if "student_history" in row else row.get("conversations")
    if not isinstance(entries, list) or not entries:
        return Drop("no_answers")
    speakers: list[int] = []
    texts: list[str] = []
    try:
        for entry in entries:
            speakers.append(SPEAKERS[entry.get("role") or entry["from"]])
            texts.append(entry["value"])
    except (AttributeError, KeyError, TypeError):  # not an object, no known role, or no value
        return Drop("turn_malformed", f"entry {len(texts)} is {_kind(entries[len(texts)])}"[:120])
    if set(map(type, texts)) != {str}:
        return Drop("turn_malformed", "a value is not a text")
    return _Dialogue(entries[0].get("role") or entries[0]["from"], speakers, texts)


def _kind(value: object) -> str:
    """Describe a value. repr fails on deep nesting, so only texts are shown."""
    if isinstance(value, str):
        return repr(value[:80])
    return "an object with " + ", ".join(map(str, value)) if isinstance(value, dict) else type(value).__name__


def _question(row: Mapping[str, object], dialogue: _Dialogue) -> tuple[str, _Dialogue]:
    """Return the question and the dialogue after it. The question has its own field, or opens the dialogue, or both."""
    raw = row.get("raw")
    question = _text(row.get("question")) or (_text(raw.get("question")) if isinstance(raw, dict) else "")
    if dialogue.opened_by in ("human", "user"):
        followed_by = _Dialogue("gpt", dialogue.speakers[1:], dialogue.texts[1:])
        return clean(question or given(dialogue.texts[0])), followed_by
    return clean(question), dialogue


def _text(field: object) -> str:
    """Return the text of a field that is {"value": text} or the text itself."""
    return given(_value(field))


def _value(field: object) -> object:
    return field.get("value") if isinstance(field, dict) else field


def _turns(dialogue: _Dialogue, row: Mapping[str, object]) -> tuple[Turn, ...] | Drop:
    """Pair each answer with its feedback. The last feedback may be missing; no sample contains it."""
    speakers, texts = dialogue.speakers, dialogue.texts
    if not texts:
        return Drop("no_answers")
    if speakers != ([STUDENT, TEACHER] * len(speakers))[: len(speakers)]:
        order = "".join("st"[speaker] for speaker in speakers)
        return Drop("roles_do_not_alternate", f"s(tudent) and t(eacher) speak in this order: {order[:40]}")
    if dialogue.opened_by == "gpt" and SCORE_MARKER.match(texts[0].lstrip().lstrip("*")):
        return Drop("teacher_dialogue", texts[0][:80])
    if len(texts) % 2:
        texts = [*texts, _last_feedback(row)]
    scores = row.get("scores")
    return _paired(texts[0::2], texts[1::2], scores if isinstance(scores, list) else [])


def _last_feedback(row: Mapping[str, object]) -> str:
    """Return the last feedback if this shape has it in a separate list; else an empty text."""
    history = row.get("teacher_history")
    last = history[-1] if isinstance(history, list) and history else None
    return _text(last) if isinstance(last, dict) and last.get("from") == "gpt" else ""


def _paired(answers: Sequence[str], feedback: Sequence[str], scores: Sequence[object]) -> tuple[Turn, ...] | Drop:
    turns = []
    for number, (student, teacher) in enumerate(zip(answers, feedback, strict=True)):
        answer, reply = answer_of(student), feedback_of(teacher)
        if not answer:
            return Drop("empty_answer", f"answer {number + 1}: {student!r}"[:120])
        if not reply and number + 1 < len(answers):
            return Drop("empty_feedback", f"feedback {number + 1}: {teacher!r}"[:120])
        score = score_of(teacher)
        if score is None and number < len(scores):
            score = _on_scale(scores[number])
        turns.append(Turn(answer, reply, score))
    return tuple(turns)


def _on_scale(score: object) -> float | None:
    """Return an entry of the field `scores` (a Decimal if it was streamed) as a number; None if it is no score."""
    try:
        value = float(score)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return value if 0 < value <= MAX_SCORE else None
