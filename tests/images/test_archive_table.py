"""A table of archives with errors: all of them are reported."""

from pathlib import Path

import pytest
from vlm_sft.errors import UserError
from vlm_sft.images.archive_table import load_table


def problems_of(text: str, tmp_path: Path) -> list[str]:
    file = tmp_path / "t.yaml"
    file.write_text(text)
    with pytest.raises(UserError) as caught:
        load_table(file)
    return [line.removeprefix(f"{file}: ") for line in caught.value.message.splitlines()]


def test_all_problems_of_a_table_are_reported_at_once(tmp_path: Path) -> None:
    text = """
archives:
  a: {url: "ftp://x/y.zip", confidence: high}
  b: {url: "https://x/y.zip", confidence: sure}
  c: {url: "https://x/y.zip", confidence: low}
rules:
  - {path: "x/(", members: [a], archives: [c]}
  - {path: "x/(.)", members: ['\\2'], archives: [c]}
  - {path: "x/.", members: [a], archives: [d]}
  - {path: "x/.", members: [a]}
  - {path: "x/.", by_hand: there, member: [a]}
  - x
"""
    assert problems_of(text, tmp_path) == [
        "archives.a.url: 'ftp://x/y.zip'; need https://... or hf://[datasets/]ORG/NAME[@REVISION]/FILE",
        "archives.b: need url and confidence, one of high, medium, low; "
        "got {'url': 'https://x/y.zip', 'confidence': 'sure'}",
        "rules[0].path: 'x/(': not a regular expression: missing ), unterminated subpattern at position 2",
        "rules[1].members: not a replacement for path: invalid group reference 2 at position 1",
        "rules[2].archives: d is not among archives",
        "rules[3]: need members and archives, or by_hand",
        "rules[4]: unknown keys member",
        "rules[5]: need a mapping with path; got 'x'",
    ]


@pytest.mark.parametrize("text", ["", "[]", "archives: {}", "archives: [a]\nrules: []"])
def test_another_document_is_not_a_table(text: str, tmp_path: Path) -> None:
    wanted = "need a mapping `archives` and a list `rules`, as in archives.yaml"
    assert problems_of(text, tmp_path) == [wanted]


def test_broken_yaml_is_reported(tmp_path: Path) -> None:
    assert problems_of("a: [", tmp_path)[0].startswith("not YAML: ")
