"""Free text against a reference: exact match, BLEU-1 to BLEU-4, ROUGE-L, CIDEr-D."""

from collections.abc import Sequence

from vlm_sft.evaluate.metrics import METRICS
from vlm_sft.evaluate.outcomes import failed
from vlm_sft.evaluate.task import Kind, Outcome, Prediction, Score, Task

VALUES: dict[str, Kind] = {
    "exact_match": "share",
    **{f"bleu_{order}": "mean" for order in (1, 2, 3, 4)},
    "rouge_l": "mean",
    "cider_d": "mean",
}


def score(predictions: Sequence[Prediction]) -> list[Score]:
    """Return all metrics of each response; an empty one is scored like any other."""
    rows = [prediction for prediction in predictions if not prediction.error]
    values = iter(similarities([row.response for row in rows], [row.reference for row in rows]))
    return [
        failed(p) if p.error else Score(p.id, p.group, outcome_of(p), p.response, next(values)) for p in predictions
    ]


def outcome_of(prediction: Prediction) -> Outcome:
    """Return scored, or what makes the response no full answer."""
    if not prediction.response:
        return "empty"
    return "cut_off" if prediction.finish_reason == "length" else "scored"


def similarities(responses: Sequence[str], references: Sequence[str]) -> list[dict[str, float]]:
    """Return name -> value of each pair of texts. CIDEr-D weighs words by their rarity in all references."""
    rows: list[dict[str, float]] = [{} for _ in responses]
    for name, metric in METRICS.items() if responses else ():
        for row, value in zip(rows, metric(responses, references), strict=True):
            if isinstance(value, list):
                row.update({f"{name}_{order}": float(part) for order, part in enumerate(value, 1)})
            else:
                row[name] = float(value)
    return rows


TASK = Task(
    name="text",
    version=1,
    title="similarity of each response to its reference; CIDEr-D is up to 10",
    asked="last",
    values=VALUES,
    score=score,
    max_new_tokens=512,
)
