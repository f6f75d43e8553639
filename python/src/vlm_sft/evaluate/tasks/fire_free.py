"""FIRE's free dialogues: how many turns a student needs until a teacher is satisfied, and how much it improves.

Of item i with turns t = 1..n and scores s_t (arXiv 2407.11522, as recalled; the full text was not available, hence
"FIRE-style"): AT = n, or penalty x max_rounds if the last score is below the threshold; ADR = s_n - s_1;
ATR = (s_n - s_1) / (n - 1), 0 for one turn; RR = [s_n >= threshold] - [s_1 >= threshold].
"""

from collections.abc import Sequence

from vlm_sft.errors import ConfigError
from vlm_sft.evaluate.outcomes import failed
from vlm_sft.evaluate.task import Kind, Prediction, Score, Task

VALUES: dict[str, Kind] = {
    "satisfied": "share",
    "satisfied_at_first": "share",
    "average_turns": "mean",
    "average_turns_raw": "mean",
    "average_dialogue_refinement": "mean",
    "average_turn_refinement": "mean",
    "refinement_ratio": "mean",
}


def score(predictions: Sequence[Prediction]) -> list[Score]:
    """Return the measures of each dialogue. A teacher without a score is not the student's fault."""
    return [_score(prediction) for prediction in predictions]


def _score(prediction: Prediction) -> Score:
    if prediction.error.startswith("teacher"):
        return Score(prediction.id, prediction.group, "teacher_error", "", {})
    if prediction.error:
        return failed(prediction)
    turns, rules = prediction.extra.get("turns"), prediction.extra.get("rules")
    if not prediction.extra and prediction.response == prediction.reference:  # the data is only checked
        return Score(prediction.id, prediction.group, "scored", prediction.response, {})
    if not isinstance(turns, list) or not turns or not isinstance(rules, dict):
        need = "need the turns of a dialogue, which `vlm-sft evaluate run --task fire-free` writes"
        raise ConfigError(f"{prediction.id}: extra: got {str(dict(prediction.extra))[:60]}, {need}")
    scores = [int(turn["score"]) for turn in turns]
    first, last, n = scores[0], scores[-1], len(scores)
    threshold, satisfied = rules["threshold"], scores[-1] >= rules["threshold"]
    values = {
        "satisfied": float(satisfied),
        "satisfied_at_first": float(first >= threshold),
        "average_turns": float(n if satisfied else rules["penalty"] * rules["max_rounds"]),
        "average_turns_raw": float(n),
        "average_dialogue_refinement": float(last - first),
        "average_turn_refinement": (last - first) / (n - 1) if n > 1 else 0.0,
        "refinement_ratio": float(satisfied) - float(first >= threshold),
    }
    return Score(prediction.id, prediction.group, "scored", prediction.response, values)


TASK = Task(
    name="fire-free",
    version=1,
    title="FIRE-style, free dialogues; threshold, rounds, penalty and teacher are in identity.json",
    asked="dialogue",
    values=VALUES,
    score=score,
    max_new_tokens=160,  # as the authors' code
)
