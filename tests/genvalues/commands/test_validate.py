"""`genvalues validate`, `show` and `schema` as a shell sees them: output, errors and exit code."""

# ruff: noqa: E501 - messages are compared whole

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from vlm_sft.genvalues.cli import main

ROOT = Path(__file__).parents[3]
CHART = Path(__file__).parents[2] / "data" / "genvalues" / "chart"
GOOD = "model: {id: a/b}\n"
BAD = "model: {id: a/b}\ntrain:\n  sharding: zero9\n"
WARNED = "model: {id: a/b}\nmodel: {id: c/d}\n"


@pytest.fixture
def values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clusters").mkdir()
    (tmp_path / "clusters" / "big.yaml").write_text("gpu: {resourceName: nvidia.com/a100}\n")
    for name, text in {"good.yaml": GOOD, "bad.yaml": BAD, "warned.yml": WARNED}.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def genvalues(*arguments: str) -> Result:
    return CliRunner().invoke(main, [arguments[0], "--chart", str(CHART), *arguments[1:]])


def test_a_good_file_is_reported_on_stdout(values: Path) -> None:
    result = genvalues("validate", "good.yaml")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "1 values file ok\n", "")


def test_a_directory_is_searched_without_its_clusters(values: Path) -> None:
    result = genvalues("validate", ".")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        'error: bad.yaml:3: train.sharding: got "zero9" (string), need one of "ddp", "zero2", "zero3", "fsdp2"; did you mean zero3?',
        "warning: warned.yml:2: model: stands here and in line 1; Helm takes the last and drops the rest, keep one",
    ]


def test_a_file_without_an_image_of_its_own_is_noted_once_and_passes_strict() -> None:
    files = [str(ROOT / "values" / name) for name in ("fire-4gpu.yaml", "geo3k-8gpu-fsdp.yaml")]
    result = CliRunner().invoke(main, ["validate", "--strict", *files])
    assert (result.exit_code, result.stdout, result.stderr) == (
        0,
        "2 values files ok\n",
        "note: image.repository: not set, so pods pull the image from Docker Hub unless the nodes have it; give --set "
        "image.repository=REGISTRY/vlm-sft here and to Helm, or set it in the cluster's file\n",
    )
    own = CliRunner().invoke(main, ["validate", *files, "--set", "image.repository=registry.example/vlm-sft"])
    assert (own.exit_code, own.stderr) == (0, "")


def test_a_warning_passes_and_strict_makes_it_fail(values: Path) -> None:
    assert genvalues("validate", "warned.yml").exit_code == 0
    strict = genvalues("validate", "--strict", "warned.yml")
    assert strict.exit_code == 1
    assert strict.stderr.startswith("error: warned.yml:2: ")


def test_overlay_and_set_are_merged_under_and_over_the_file(values: Path) -> None:
    shown = genvalues("show", "good.yaml", "--changed", "--with", "clusters/big.yaml", "--set", "train.gpusPerNode=4")
    assert shown.stdout.splitlines() == [
        'model.id = "a/b"  # good.yaml:1',
        "train.gpusPerNode = 4  # --set train.gpusPerNode=4",
        'gpu.resourceName = "nvidia.com/a100"  # clusters/big.yaml:1',
    ]
    assert 'model.revision = ""  # default' in genvalues("show", "good.yaml").stdout


def test_a_wrong_set_names_the_option(values: Path) -> None:
    result = genvalues("validate", "good.yaml", "--set", "train.gpusPerNode")
    assert result.exit_code == 1
    assert result.stderr == ('error: --set train.gpusPerNode: key "gpusPerNode" has no value; write KEY=VALUE\n')
    typed = genvalues("validate", "good.yaml", "--set", "train.gpusPerNode=1e0")
    assert typed.stderr == (
        'error: --set train.gpusPerNode=1e0: train.gpusPerNode: got "1e0" (string), need an integer >= 1 and <= 16'
        " (GPUs); --set keeps 1e0 as text, use --set-json\n"
    )


def test_missing_files_and_directories_are_problems_not_tracebacks(values: Path) -> None:
    result = genvalues("validate", "none.yaml", "bad.yaml")
    assert result.exit_code == 1
    assert "error: none.yaml: no such file" in result.stderr
    assert "error: bad.yaml:3: " in result.stderr
    assert genvalues("validate", "clusters").stderr == "error: clusters: holds no values files (*.yaml)\n"


@pytest.mark.parametrize(
    ("release", "message"),
    [
        (
            "a" * 41,
            f"{'a' * 41} has 41 characters, need at most 40 (a pod's hostname must fit 63); choose a shorter one",
        ),
        ("Fire", "Fire, need lower-case letters, digits and -, a letter first, at most 40 characters; choose another"),
    ],
)
def test_a_wrong_release_name_is_reported_beside_the_rest(values: Path, release: str, message: str) -> None:
    file = ROOT / "values" / "qwen3-8b-1gpu.yaml"
    chart = ["--chart", str(ROOT / "charts" / "vlm-sft")]
    assert CliRunner().invoke(main, ["validate", str(file), *chart, "--release", "a" * 40]).exit_code == 0
    wrong = ["--set", "train.effectiveBatchSize=0", "--release", release]
    result = CliRunner().invoke(main, ["validate", str(file), *chart, *wrong])
    assert result.exit_code == 1
    assert f"error: --release: release name: {message}\n" in result.stderr
    assert "--set train.effectiveBatchSize=0: train.effectiveBatchSize: got 0" in result.stderr


def test_helm_is_the_one_given_and_without_any_the_way_to_get_it_is_named(
    values: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HELM", "/nowhere/helm")
    wrong = genvalues("validate", "good.yaml")
    assert (wrong.exit_code, wrong.stderr) == (
        1,
        "error: --helm: /nowhere/helm: no such program; give the path of Helm 3 or 4\n",
    )
    assert genvalues("validate", "good.yaml", "--helm", str(ROOT / ".tools" / "helm3" / "helm")).exit_code == 0
    monkeypatch.delenv("HELM")
    monkeypatch.setenv("PATH", str(values))
    monkeypatch.setattr("vlm_sft.genvalues.values.chart._roots", lambda: [values])
    assert genvalues("validate", "good.yaml").stderr == (
        "error: helm: not on PATH; install Helm 3 or 4, run `make setup`, or give --helm PATH (or HELM=PATH)\n"
    )


def test_a_wrong_option_exits_2(values: Path) -> None:
    assert genvalues("validate").exit_code == 2
    assert genvalues("validate", "good.yaml", "--format", "xml").exit_code == 2


def test_machines_get_the_same_problem_in_their_own_format(values: Path) -> None:
    as_json = json.loads(genvalues("validate", "bad.yaml", "good.yaml", "--format", "json").stdout)
    assert as_json["files"] == 2
    assert [(p["severity"], p["file"], p["line"], p["column"], p["key"]) for p in as_json["problems"]] == [
        ("error", "bad.yaml", 3, 3, "train.sharding")
    ]
    github = genvalues("validate", "bad.yaml", "--format", "github").stdout
    assert github.startswith("::error file=bad.yaml,line=3,col=3,title=genvalues schema::train.sharding: got ")
    sarif = json.loads(genvalues("validate", "bad.yaml", "--format", "sarif").stdout)
    (result,) = sarif["runs"][0]["results"]
    assert result["level"] == "error"
    assert result["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "bad.yaml"},
        "region": {"startLine": 3, "startColumn": 3},
    }


def test_schema_is_printed_as_it_stands(values: Path) -> None:
    assert genvalues("schema").stdout == (CHART / "values.schema.json").read_text()


def test_nothing_heavy_is_imported(values: Path) -> None:
    code = (
        "import sys; from vlm_sft.genvalues.cli import main\n"
        f"try: main(['validate', 'bad.yaml', '--chart', {str(CHART)!r}])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'transformers', 'huggingface_hub', 'numpy'} & set(sys.modules)\n"
        "print(sorted(heavy))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"
