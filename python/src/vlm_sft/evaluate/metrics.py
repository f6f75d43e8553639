"""Text metrics of one answer against one reference; higher is better, 1 is best (CIDEr-D: 10).

BLEU, ROUGE-L and CIDEr-D as FIRE-Bench's evaluation defines them: words split at white space, case kept, the mean over
sentences. BLEU: Papineni et al. 2002, per sentence; ROUGE-L: Lin 2004, beta 1.2; CIDEr-D: Vedantam et al. 2015, n = 4.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence

ORDERS = (1, 2, 3, 4)  # lengths of n-grams
TINY, SMALL = 1e-15, 1e-9  # keep a sentence without any match above zero, as FIRE-Bench's BLEU does
ROUGE_BETA = 1.2
CIDER_SIGMA = 6.0  # [words] width of the length penalty
Ngram = tuple[str, ...]
Value = float | list[float]


def normalised(text: str) -> str:
    """Return a text in lower case, with single spaces and without a final dot."""
    return re.sub(r"\s+", " ", text).strip().removesuffix(".").rstrip().lower()


def exact_match(answer: str, reference: str) -> bool:
    """Return whether two texts are the same after `normalised`."""
    return normalised(answer) == normalised(reference)


def ngrams(words: Sequence[str], order: int) -> Counter[Ngram]:
    """Count the n-grams of a sentence."""
    return Counter(tuple(words[i : i + order]) for i in range(len(words) - order + 1))


def bleu(answer: str, reference: str) -> list[float]:
    """Return BLEU-1 to BLEU-4 of one sentence."""
    words, expected = answer.split(), reference.split()
    ratio = (len(words) + TINY) / (len(expected) + SMALL)
    brevity = math.exp(1 - 1 / ratio) if ratio < 1 else 1.0
    product, scores = 1.0, []
    for order in ORDERS:
        found = ngrams(words, order)
        matched = sum((found & ngrams(expected, order)).values())
        product *= (matched + TINY) / (sum(found.values()) + SMALL)
        scores.append(product ** (1 / order) * brevity)
    return scores


def rouge_l(answer: str, reference: str) -> float:
    """Return the F-measure of the longest common subsequence of words."""
    words, expected = answer.split(), reference.split()
    if not words or not expected:
        return 0.0
    row = [0] * (len(expected) + 1)
    for word in words:
        diagonal = 0
        for column, other in enumerate(expected, 1):
            diagonal, row[column] = row[column], diagonal + 1 if word == other else max(row[column], row[column - 1])
    if not row[-1]:
        return 0.0
    precision, recall = row[-1] / len(words), row[-1] / len(expected)
    return (1 + ROUGE_BETA**2) * precision * recall / (recall + ROUGE_BETA**2 * precision)


def cider_d(answers: Sequence[str], references: Sequence[str]) -> list[float]:
    """Return CIDEr-D of each answer. It depends on the set: n-grams are weighted by their rarity in all references."""
    counted = [[ngrams(text.split(), order) for order in ORDERS] for text in references]
    frequency = Counter(gram for grams in counted for order in grams for gram in order)
    log_documents = math.log(len(references)) if references else 0.0

    def weights(grams: Counter[Ngram]) -> dict[Ngram, float]:
        return {gram: n * (log_documents - math.log(max(1.0, frequency[gram]))) for gram, n in grams.items()}

    scores = []
    for answer, expected in zip(answers, counted, strict=True):
        found = [ngrams(answer.split(), order) for order in ORDERS]
        # the length difference in bigrams, as in the published code
        difference = sum(found[1].values()) - sum(expected[1].values())
        penalty = math.exp(-(difference**2) / (2 * CIDER_SIGMA**2))
        similarities = [
            _clipped_cosine(weights(mine), weights(theirs)) for mine, theirs in zip(found, expected, strict=True)
        ]
        scores.append(10 * penalty * sum(similarities) / len(ORDERS))
    return scores


def _clipped_cosine(answer: dict[Ngram, float], reference: dict[Ngram, float]) -> float:
    """Return the cosine of two weight vectors, the answer's clipped to the reference's."""
    length = math.sqrt(sum(w * w for w in answer.values())) * math.sqrt(sum(w * w for w in reference.values()))
    if not length:
        return 0.0
    return (
        sum(min(weight, reference.get(gram, 0.0)) * reference.get(gram, 0.0) for gram, weight in answer.items())
        / length
    )


def _each(metric: Callable[[str, str], Value]) -> Callable[[Sequence[str], Sequence[str]], Sequence[Value]]:
    return lambda answers, references: [metric(*pair) for pair in zip(answers, references, strict=True)]


# Name -> function of all answers and references: one value a row, or one for each order. A new metric is an entry here.
METRICS: dict[str, Callable[[Sequence[str], Sequence[str]], Sequence[Value]]] = {
    "exact_match": _each(exact_match),
    "bleu": _each(bleu),
    "rouge_l": _each(rouge_l),
    "cider_d": cider_d,
}
