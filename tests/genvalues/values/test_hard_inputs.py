"""No file makes a traceback, and none keeps anybody waiting."""

import os
import random
import sys
import time
from pathlib import Path

import pytest
from vlm_sft.errors import UserError
from vlm_sft.genvalues.experiment import load_experiment
from vlm_sft.genvalues.values.chart import Chart, load_chart
from vlm_sft.genvalues.values.helm import Setting
from vlm_sft.genvalues.values.places import ValuesFile, read_places
from vlm_sft.genvalues.values.problem import Problem

MINI = Path(__file__).parents[2] / "data" / "genvalues" / "chart"
FIRE = Path(__file__).parents[3] / "values" / "fire-4gpu.yaml"
LAUGHS = "a0: &a0 [lol, lol]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12))
PIECES = ["a", "b: ", "[", "]", "{", "}", ",", ": ", "\n", "\n  ", "- ", "&x ", "*x", "!!str ", "'", '"', "|\n", "#",
          "<<: ", "---\n", "~", ".nan", "1e3", "\t", "\u00e9", "? ", "%", "\0"]  # fmt: skip


@pytest.fixture(scope="module")
def mini() -> Chart:
    return load_chart(MINI)


def problems(chart: Chart, folder: Path, text: bytes) -> list[Problem]:
    (folder / "v.yaml").write_bytes(text)
    return load_experiment(chart, folder / "v.yaml").problems


def test_bytes_at_random_are_read_or_refused(tmp_path: Path) -> None:
    dice = random.Random(1)
    file = tmp_path / "v.yaml"
    for _ in range(3000):
        file.write_bytes(dice.randbytes(dice.randint(0, 60)))
        read, found = read_places(file)
        assert isinstance(read, ValuesFile)
        assert all(problem.message for problem in found)


def test_pieces_of_yaml_at_random_are_read_or_refused(tmp_path: Path) -> None:
    dice = random.Random(3)
    file = tmp_path / "v.yaml"
    for _ in range(3000):
        file.write_text("".join(dice.choices(PIECES, k=dice.randint(1, 20))))
        _, found = read_places(file)
        assert all(problem.message for problem in found)


def test_pieces_of_yaml_at_random_never_reach_a_traceback_of_helm(mini: Chart, tmp_path: Path) -> None:
    dice = random.Random(4)
    for _ in range(60):
        text = "".join(dice.choices(PIECES, k=dice.randint(1, 12))).replace("\0", "").encode()
        wordless = [
            problem for problem in problems(mini, tmp_path, text) if not problem.message or ".go:" in problem.message
        ]
        assert wordless == [], text


def test_set_options_at_random_are_applied_or_refused(mini: Chart, tmp_path: Path) -> None:
    dice = random.Random(2)
    (tmp_path / "v.yaml").write_text("model: {id: a/b}\n")
    for _ in range(60):
        text = "".join(dice.choices('ab.[]=,{}\\"01 -\u00e9:', k=dice.randint(0, 12)))
        setting = Setting(dice.choice(["--set", "--set-string", "--set-json"]), text)
        found = load_experiment(mini, tmp_path / "v.yaml", (), (setting,)).problems
        assert all(problem.message for problem in found), setting


@pytest.mark.parametrize("text", [LAUGHS, LAUGHS.replace("[", "{x: [").replace("]", "]}"), "a: &a\n  b: *a\n"])
def test_multiplying_aliases_are_refused_in_a_second_or_two(mini: Chart, tmp_path: Path, text: str) -> None:
    start = time.perf_counter()
    (problem,) = problems(mini, tmp_path, text.encode())
    assert problem.severity == "error"
    assert time.perf_counter() - start < 10


@pytest.mark.parametrize("text", ["[" * 100_000, "a: " + "{b: " * 5000, "- " * 5000])
def test_endless_nesting_is_refused(mini: Chart, tmp_path: Path, text: str) -> None:
    assert problems(mini, tmp_path, text.encode())[0].severity == "error"


def test_ten_megabytes_are_read(tmp_path: Path) -> None:
    text = "".join(f"key{i}: {'long ' * 20}\n" for i in range(100_000))
    assert len(text) > 10_000_000
    (tmp_path / "v.yaml").write_text(text)
    read, found = read_places(tmp_path / "v.yaml")
    assert found == []
    place = read.find(("key99999",))
    assert place is not None
    assert place[0].line == 100_000


def test_what_is_no_file_is_named(mini: Chart, tmp_path: Path) -> None:
    secret = tmp_path / "secret.yaml"
    secret.write_text("a: 1")
    secret.chmod(0)
    messages = {"": "is a directory; give a values file", "none.yaml": "no such file"}
    if os.geteuid() != 0:  # root reads everything
        messages["secret.yaml"] = "cannot be read: permission denied"
    for name, message in messages.items():
        (problem,) = load_experiment(mini, tmp_path / name).problems
        assert problem.message == message
    assert load_experiment(mini, Path("nul\0.yaml")).problems
    assert load_experiment(mini, Path(sys.executable)).problems


def test_a_file_name_with_a_comma_is_one_file(mini: Chart, tmp_path: Path) -> None:
    file = tmp_path / 'a, "b".yaml'
    file.write_text("model: {id: a/b}\n")
    assert load_experiment(mini, file).problems == []


def test_set_file_sets_a_file_s_text(mini: Chart, tmp_path: Path) -> None:
    (tmp_path / "v.yaml").write_text("model: {id: a/b}\n")
    (tmp_path / "revision.txt").write_text("v2")
    setting = Setting("--set-file", f"model.revision={tmp_path / 'revision.txt'}")
    experiment = load_experiment(mini, tmp_path / "v.yaml", (), (setting,))
    assert experiment.values is not None
    assert experiment.values["model"]["revision"] == "v2"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "---\n---\nmodel: {id: a/b}\n",
            "holds several documents: Helm 3 reads the first, Helm 4 merges all; keep one",
        ),
        ("%YAML 1.1\n---\nmodel: {id: a/b}\n", "Helm cannot read it: did not find expected <document start>"),
    ],
)
def test_what_the_helms_read_differently_is_refused(mini: Chart, tmp_path: Path, text: str, message: str) -> None:
    assert [problem.message for problem in problems(mini, tmp_path, text.encode())] == [message]


@pytest.mark.parametrize(("program", "message"), [("true", "prints no values"), ("text", "cannot be run: ")])
def test_a_program_that_is_not_helm_is_named(program: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no program")
    (tmp_path / "text").chmod(0o755)
    (tmp_path / "v.yaml").write_text("model: {id: a/b}\n")
    path = str(tmp_path / "text") if program == "text" else program
    with pytest.raises(UserError, match=f"^--helm: .*{program}: {message}"):
        load_experiment(load_chart(MINI, path), tmp_path / "v.yaml")


def test_a_pipe_is_refused_and_not_waited_for(mini: Chart, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    (problem,) = load_experiment(mini, tmp_path / "pipe.yaml").problems
    assert problem.message == "cannot be read: is a pipe or a device; give a regular file"
