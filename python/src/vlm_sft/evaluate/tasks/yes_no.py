"""Questions whose answer is yes or no."""

from collections.abc import Sequence

from vlm_sft.errors import ConfigError
from vlm_sft.evaluate.extract import yes_no
from vlm_sft.evaluate.outcomes import failed, judged
from vlm_sft.evaluate.task import Prediction, Score, Task


def score(predictions: Sequence[Prediction]) -> list[Score]:
    """Return 1 for each response whose final answer is that of the reference."""
    return [_score(prediction) for prediction in predictions]


def _score(prediction: Prediction) -> Score:
    if prediction.error:
        return failed(prediction)
    right = yes_no(prediction.reference)
    if len(right) != 1:
        need = "need a text that begins with yes or no"
        raise ConfigError(f"{prediction.id}: reference: got {prediction.reference[:60]!r}, {need}; choose another task")
    return judged(prediction, yes_no(prediction.response), right.pop())


TASK = Task(
    name="yes-no",
    version=1,
    title="share of questions whose final answer is the right one of yes and no",
    asked="last",
    values={"accuracy": "share"},
    score=score,
    max_new_tokens=512,
)
