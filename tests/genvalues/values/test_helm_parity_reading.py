"""genvalues and both Helms read the same values from the same bytes, and refuse the same files."""

import os
import random
from pathlib import Path

import pytest
from helm_judge import number_texts, printed_doubles, read_by_helm, without_nulls
from vlm_sft.genvalues.rules.problem import Problem
from vlm_sft.genvalues.values.helm_yaml import parse_values
from yaml_generator import YamlGenerator, spoil

DOCUMENTS = int(
    os.environ.get("GENVALUES_PARITY_DOCUMENTS", "10000")
)  # per Helm; GENVALUES_PARITY_DOCUMENTS=200000 for a night
BATCH = 250  # charts in one `helm lint`
# Refused on purpose although a Helm accepts them, because nobody could mean what that Helm makes of them.
STRICTER = (
    "holds several documents",
    "read the last line differently",
    "Helm 4 allows nothing but a comment",
    "put a blank after the tag",
    "while scanning a tag",
    "and Helm takes either",
    "Helm 4 cannot read",
    "Helm 4 reads every document",
)


def generated(index: int) -> bytes:
    dice = random.Random(index)
    text = YamlGenerator(index, dice.choice([0, 0.1, 0.5, 1])).document()
    return text.encode() if index % 3 else spoil(text, dice)


@pytest.mark.parametrize("start", range(0, DOCUMENTS, BATCH))
def test_every_document_is_read_or_refused_alike(helm: Path, tmp_path: Path, start: int) -> None:
    documents = [generated(index) for index in range(start, min(start + BATCH, DOCUMENTS))]
    for document, helms in zip(documents, read_by_helm(helm, tmp_path, documents), strict=True):
        ours = parse_values(document, "x.yaml")
        if isinstance(ours, Problem):
            assert helms is None or any(text in ours.message for text in STRICTER), (document, ours, helms)
        else:
            assert helms is not None, document
            assert number_texts(without_nulls(ours.root.plain())) == without_nulls(printed_doubles(helms)), document


def test_the_generator_makes_both_good_and_bad_documents() -> None:
    read = [parse_values(generated(index), "x.yaml") for index in range(1000)]
    refused = sum(isinstance(one, Problem) for one in read)
    assert 200 < refused < 600
    stricter = [one for one in read if isinstance(one, Problem) and any(text in one.message for text in STRICTER)]
    assert len(stricter) < 100
