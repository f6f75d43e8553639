"""No file makes a traceback, and none keeps anybody waiting."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from vlm_sft.genvalues.rules.problem import Problem
from vlm_sft.genvalues.values.helm_yaml import ValuesFile, parse_values, read_values_file
from vlm_sft.genvalues.values.set_option import SetError, apply_set
from yaml_generator import YamlGenerator, spoil

LAUGHS = "a0: &a0 [lol, lol]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12))


def test_bytes_at_random_are_read_or_refused() -> None:
    dice = random.Random(1)
    for _ in range(3000):
        read = parse_values(dice.randbytes(dice.randint(0, 60)), "x.yaml")
        assert isinstance(read, ValuesFile | Problem)


def test_spoilt_documents_are_read_or_refused() -> None:
    for seed in range(3000):
        dice = random.Random(seed)
        data = YamlGenerator(seed, 1).document().encode()
        for _ in range(3):
            data = spoil(data.decode("utf-8", errors="replace") or "a", dice)
        assert isinstance(parse_values(data, "x.yaml"), ValuesFile | Problem)


def test_set_options_at_random_are_applied_or_refused() -> None:
    dice = random.Random(2)
    for _ in range(3000):
        root = parse_values(b"a: {b: [1]}\n", "x.yaml")
        assert isinstance(root, ValuesFile)
        text = "".join(dice.choices('ab.[]=,{}\\"01 -\u00e9:', k=dice.randint(0, 12)))
        try:
            apply_set(root.root, dice.choice(["--set", "--set-string", "--set-json"]), text)
        except SetError as error:
            assert str(error)  # noqa: PT017


@pytest.mark.parametrize("text", [LAUGHS, LAUGHS.replace("[", "{x: [").replace("]", "]}"), "a: &a\n  b: *a\n"])
def test_multiplying_aliases_are_refused_within_a_second(text: str) -> None:
    start = time.perf_counter()
    assert isinstance(parse_values(text.encode(), "x.yaml"), Problem)
    assert time.perf_counter() - start < 1


def test_helm_refuses_the_same_aliases(helm: Path, tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "Chart.yaml").write_text("apiVersion: v2\nname: x\nversion: 0.1.0\n")
    (tmp_path / "f.yaml").write_text(LAUGHS)
    run = subprocess.run(
        [helm, "template", tmp_path, "-f", tmp_path / "f.yaml"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 1
    assert "excessive aliasing" in run.stderr


@pytest.mark.parametrize("text", ["[" * 100_000, "a: " + "{b: " * 5000, "- " * 5000])
def test_endless_nesting_is_refused(text: str) -> None:
    assert isinstance(parse_values(text.encode(), "x.yaml"), Problem)


def test_a_chain_of_merges_is_refused_before_the_stack_ends() -> None:
    text = "c0: &c0 {a: 1}\n" + "".join(f"c{i}: &c{i}\n  <<: *c{i - 1}\n" for i in range(1, 500))
    problem = parse_values(text.encode(), "x.yaml")
    assert isinstance(problem, Problem)
    assert problem.message == "nested deeper than 100 levels"


def test_ten_megabytes_are_read() -> None:
    text = "".join(f"key{i}: {'long ' * 20}\n" for i in range(100_000))
    assert len(text) > 10_000_000
    read = parse_values(text.encode(), "x.yaml")
    assert isinstance(read, ValuesFile)
    assert len(read.root.plain()) == 100_000  # type: ignore[arg-type]


def test_what_is_no_file_is_named(tmp_path: Path) -> None:
    secret = tmp_path / "secret.yaml"
    secret.write_text("a: 1")
    secret.chmod(0)
    messages = {"": "is a directory; give a values file", "none.yaml": "no such file"}
    if os.geteuid() != 0:  # root reads everything
        messages["secret.yaml"] = "cannot be read: permission denied"
    for name, message in messages.items():
        problem = read_values_file(tmp_path / name)
        assert isinstance(problem, Problem)
        assert problem.message == message
    assert isinstance(read_values_file("nul\0.yaml"), Problem)
    assert isinstance(read_values_file(sys.executable), Problem)
