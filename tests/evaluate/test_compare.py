"""Two evaluations side by side: refused when unlike, else the paired difference, its test and the flipped rows."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from vlm_sft.evaluate.result import result_of, write
from vlm_sft.evaluate.task import Prediction, Score
from vlm_sft.evaluate.tasks import TASKS

VLM_SFT = Path(sys.executable).parent / "vlm-sft"
IDENTITY: dict[str, Any] = {
    "task": "choice",
    "version": 1,
    "data": {"samples": 100, "sha256": "aa"},
    "decoding": {"max_new_tokens": 8, "temperature": 0},
    "settings": {},
    "environment": {},
    "teacher": {},
    "model": {"model": "m"},
    "engine": {"name": "deploy"},
}


def evaluation(folder: Path, right: set[int], n: int = 100, **changed: Any) -> Path:
    folder.mkdir(parents=True)
    (folder / "identity.json").write_text(json.dumps({**IDENTITY, **changed}))
    scores = [
        Score(f"rows:{i}", f"rows:{i}", "correct" if i in right else "wrong", "", {"accuracy": float(i in right)})
        for i in range(n)
    ]
    predictions = [Prediction(score.id, score.group, "", "", "") for score in scores]
    write(folder, result_of(TASKS["choice"], predictions, scores), scores, {})
    return folder


def compare(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([VLM_SFT, "evaluate", "compare", *arguments], capture_output=True, text=True, check=False)


def test_a_better_run_wins_with_its_rows(tmp_path: Path) -> None:
    first = evaluation(tmp_path / "a", set(range(50)))
    second = evaluation(tmp_path / "b", set(range(2, 75)), model={"model": "other"})
    ended = compare(first, second, "--flipped", tmp_path / "flips.jsonl")
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    assert lines[0].startswith("accuracy: 0.5000 -> 0.7300, difference 0.2300 [0.1")
    assert lines[1] == "  better: 25 rows better, 2 worse, 73 alike, exact McNemar p = 5.648e-06"
    assert lines[2] == "  rows:0: correct -> wrong"
    assert lines[-1] == "  and 7 more; --flipped FILE writes all"
    assert len((tmp_path / "flips.jsonl").read_text().splitlines()) == 27


def test_chance_is_no_difference(tmp_path: Path) -> None:
    ended = compare(evaluation(tmp_path / "a", set(range(50))), evaluation(tmp_path / "b", set(range(1, 52))))
    assert "  no difference shown: 2 rows better, 1 worse, 97 alike, exact McNemar p = 1\n" in ended.stdout
    assert "a difference below about 0.0600 cannot be seen with this many rows" in ended.stdout


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"decoding": {"max_new_tokens": 9, "temperature": 0}}, "differ in decoding.max_new_tokens: 8 and 9"),
        ({"data": {"samples": 100, "sha256": "bb"}}, "differ in data.sha256: 'aa' and 'bb'"),
        ({"version": 2}, "differ in version: 1 and 2"),
        ({"settings": {"system": "Be kind."}}, "differ in settings.system: None and 'Be kind.'"),
    ],
)
def test_unlike_evaluations_are_refused_by_their_field(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    first, second = evaluation(tmp_path / "a", {1, 2}), evaluation(tmp_path / "b", {1}, **changed)
    ended = compare(first, second)
    assert ended.returncode == 42
    assert ended.stderr == (
        f"error: these evaluations are not comparable, they {message}\nerror: --anyway compares them all the same\n"
    )
    assert compare(first, second, "--anyway").returncode == 0


def test_other_rows_are_refused(tmp_path: Path) -> None:
    ended = compare(evaluation(tmp_path / "a", {1}), evaluation(tmp_path / "b", {1}, n=99))
    assert ended.returncode == 42
    assert "1 rows are in one evaluation only, such as rows:99; evaluate the same data" in ended.stderr


def test_a_published_number_is_inside_or_outside(tmp_path: Path) -> None:
    folder = evaluation(tmp_path / "run" / "evaluation" / "choice" / "aaaa", set(range(90)))
    assert compare(tmp_path / "run", "--published", "0.8996").stdout == (
        "published 0.8996 is inside the interval of accuracy 0.9000 [0.8256, 0.9448]\n"
    )
    assert "published 0.9690 is outside" in compare(folder, "--published", "0.969").stdout


def test_what_is_no_evaluation_is_named(tmp_path: Path) -> None:
    ended = compare(tmp_path, tmp_path)
    assert ended.returncode == 42
    assert ended.stderr.endswith("no metrics.json there, so no finished evaluation; run `vlm-sft evaluate run` first\n")
    for name in ("a", "b"):
        evaluation(tmp_path / "run" / "evaluation" / "choice" / name, {1})
    assert "2 evaluations, need one; name one of" in compare(tmp_path / "run", "--published", "1").stderr
    assert compare(tmp_path / "run").returncode == 2
