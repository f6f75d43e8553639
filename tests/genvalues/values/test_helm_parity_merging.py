"""Chart defaults, up to three values files and --set options come to the same values here and in both Helms.

One Helm call merges many cases, each below a key of its own; every number is compared by the text that Helm renders.
"""

# ruff: noqa: E501 - messages are compared whole

import copy
import json
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest
from helm_judge import number_texts, printed_numbers, write_chart
from vlm_sft.genvalues.experiment import Setting, load_values
from vlm_sft.genvalues.rules.problem import Problem
from vlm_sft.genvalues.values.helm_yaml import ValuesFile, parse_values, read_values_file
from vlm_sft.genvalues.values.merge import merge_defaults
from vlm_sft.genvalues.values.node import Node, Plain
from vlm_sft.genvalues.values.set_option import Form, SetError, apply_set
from yaml_generator import KEYS, YamlGenerator

CASES, BATCHES = 250, 10
SETS = [
    "1",
    "0",
    "007",
    "-3",
    "1e-5",
    "true",
    "NULL",
    "{a,2,null}",
    "{}",
    "",
    "x\\,y",
    "9007199254740993",
    "1.5",
    " 3 ",
]
JSONS = ["1", "1e-5", "1e21", "null", "true", '"a b"', "[1,2.50]", '{"k":{"v":1e-7}}', "", "12345678901234567890"]


def document(seed: int, oddness: float, nulls: bool) -> str:
    """Return a document that reads cleanly; `nulls` says whether it may hold one."""
    generator = YamlGenerator(seed, oddness)
    while True:
        text = generator.document()
        read = parse_values(text.encode(), "x.yaml")
        if isinstance(read, ValuesFile) and read.root.value and (nulls or not has_null(read.root.plain())):
            return text


def has_null(value: Plain) -> bool:
    if isinstance(value, dict):
        return any(has_null(child) for child in value.values())
    return any(has_null(child) for child in value) if isinstance(value, list) else value is None


def values_file(path: Path, batch: int, layer: int) -> Path:
    """Write one file that holds a document per case; a default that is null is told apart below."""
    text = []
    for case in range(CASES):
        dice = random.Random(f"{batch}/{layer}/{case}")
        if layer > 1 and dice.random() < 0.4:
            continue
        seed = dice.randrange(10**9)
        body = document(seed, 0 if layer == 0 else dice.choice([0, 0.1, 0.5]), nulls=layer > 0)
        text.append(f"c{case}:\n" + "".join(f"  {line}\n" for line in body.splitlines()))
    path.write_text("".join(text), encoding="utf-8")
    return path


def options(batch: int, files: list[Path]) -> list[Setting]:
    """Return settings that the files allow: a setting below a scalar is refused, which another test holds."""
    dice = random.Random(batch)
    settings = []
    user = load_values(files, [])
    assert isinstance(user, Node)
    for case in range(CASES):
        form: Form = dice.choice(["--set", "--set-string", "--set-json"])
        value = dice.choice(JSONS if form == "--set-json" else SETS)
        text = f"c{case}.{dice.choice(KEYS)}{dice.choice(['', '', '[1]', '.x'])}={value}"
        trial = Node({f"c{case}": user.nearest((f"c{case}",))}, user.origin)
        try:
            apply_set(copy.deepcopy(trial), form, text)
        except SetError:
            continue
        settings.append(Setting(form, text))
    return settings


@pytest.fixture(scope="session", params=range(BATCHES))
def batch(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[Path], list[Setting]]:
    folder = tmp_path_factory.mktemp("merge")
    write_chart(
        folder / "chart", "c", values_file(folder / "d.yaml", request.param, 0).read_bytes(), "{{ .Values | toJson }}"
    )
    files = [values_file(folder / f"{layer}.yaml", request.param, layer) for layer in (1, 2, 3)]
    return folder / "chart", files, options(request.param, files)


def rendered(helm: Path, chart: Path, files: list[Path], settings: list[Setting]) -> Any:
    arguments = [part for file in files for part in ("-f", str(file))]
    arguments += [part for setting in settings for part in (setting.form, setting.text)]
    run = subprocess.run([helm, "template", "x", chart, *arguments], capture_output=True, text=True, check=False)
    if run.returncode:
        return None
    return printed_numbers(run.stdout[run.stdout.index("{") :])


def test_merged_values_are_alike_to_the_last_number(helm: Path, batch: tuple[Path, list[Path], list[Setting]]) -> None:
    chart, files, settings = batch
    helms = rendered(helm, chart, files, settings)
    defaults = read_values_file(chart / "values.yaml")
    user = load_values(files, settings)
    assert isinstance(defaults, ValuesFile)
    assert not isinstance(user, list)
    ours = number_texts(merge_defaults(defaults.root, user)[0].plain())
    assert len(settings) > CASES / 2
    for case in range(CASES):
        assert ours.get(f"c{case}") == helms.get(f"c{case}"), case


BASE = "m: {x: 1, z: [1, {q: 2}, [3]]}\nl: [1, {a: 1}, [5]]\ns: text\nn: null\n"
PARTS = ["a", "m", "l", "s", "n", "x", "z", ".", "[0]", "[1]", "[-1]", "[", "=", "=", ",", "1", "05", "null", "{", "}", "\\", "{1,a}",
         "[1,2]", " ", '"', "é", "[x]", "[70000]", "."]  # fmt: skip


@pytest.mark.parametrize("seed", range(200))
def test_set_options_are_parsed_or_refused_alike(helm: Path, tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    form: Form = dice.choice(["--set", "--set-string", "--set-json"])
    key = dice.choice(["a", "m.x", "m.z[1].q", "l[2][0]", "l[0]", "s.a", "n.a", "s[0]", "m.y.z", "l[1].b"])
    text = f"{key}={dice.choice(SETS + JSONS)}" if seed % 2 else "".join(dice.choices(PARTS, k=dice.randint(1, 7)))
    if form == "--set-json" and text.startswith("{"):
        text = "a" + text  # Helm 4 alone reads a bare object; genvalues refuses it
    write_chart(tmp_path / "chart", "c", b"", "{{ .Values | toJson }}")
    (tmp_path / "f.yaml").write_text(BASE)
    helms = rendered(helm, tmp_path / "chart", [tmp_path / "f.yaml"], [Setting(form, text)])
    root = parse_values(BASE.encode(), "f.yaml")
    assert not isinstance(root, Problem)
    try:
        apply_set(root.root, form, text)
    except SetError as error:
        # Helm 4 takes the end of the text for the end of an index, Helm 3 does not.
        assert helms is None or "is not closed" in str(error), (form, text)  # noqa: PT017
    else:
        assert number_texts(root.root.plain()) == helms, (form, text)
        json.dumps(root.root.plain())
