"""Loss and perplexity of the references, weighted by token: the sum over rows / the number of target tokens."""

import math
from collections.abc import Sequence

from vlm_sft.errors import ConfigError
from vlm_sft.evaluate.task import Prediction, Score, Task


def score(predictions: Sequence[Prediction]) -> list[Score]:
    """Return loss [nat per target token] and perplexity of each row."""
    return [_score(prediction) for prediction in predictions]


def _score(prediction: Prediction) -> Score:
    if prediction.error:
        return Score(prediction.id, prediction.group, "generation_error", "", {})
    total, tokens = prediction.extra.get("loss_sum"), prediction.extra.get("tokens")
    if not isinstance(total, int | float) or not isinstance(tokens, int):
        need = "need loss_sum and tokens, which `vlm-sft evaluate run --task loss` writes"
        raise ConfigError(f"{prediction.id}: extra: got {dict(prediction.extra)}, {need}")
    if not tokens:  # nothing to predict: every token is masked, or cut off by max_length
        return Score(prediction.id, prediction.group, "no_answer", "", {})
    loss = total / tokens
    return Score(prediction.id, prediction.group, "scored", "", {"loss": loss, "perplexity": math.exp(loss)}, tokens)


TASK = Task(
    name="loss",
    version=1,
    title="loss of the references in nats per target token, as in training",
    asked="none",
    values={"loss": "per_token", "perplexity": "perplexity"},
    score=score,
    max_new_tokens=0,
)
