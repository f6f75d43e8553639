"""What `prepare.dataset` renders: each dataset's own input, splits and options, and the files that training reads."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from chart_keys import CHART, DEFAULTS, KEYS, value_at
from command_line import parsed
from vlm_sft.datasets.generic.columns import NAMES
from vlm_sft.datasets.registry import DATASETS
from vlm_sft.genvalues.sizing.prepared_rows import HAS_IMAGES

Manifest = dict[str, Any]
Render = Callable[..., list[Manifest]]

BASE: dict[str, Any] = {"model": {"id": "org/model"}, "train": {"effectiveBatchSize": 16}}
README = (CHART / "README.md").read_text()
COMMON = "--layout trajectory --loss all"
REST = "--max-samples 0 --max-history-rounds {} --max-drop-share 0.05 --max-memory 8192"
ALL = REST.format(1000)
VERIFY = "--verify org/model"

# Values -> the command of the data step, the splits that are trained and validated on
COMMANDS: dict[str, tuple[dict[str, Any], str, list[str], list[str]]] = {
    "fire": (
        {},
        f"--input PengxiangLi/FIRE --output-dir /outputs/fire_bc --splits train,test {COMMON} --feedback text "
        f"{REST.format(6)} --image-root /cache/fire_images {VERIFY}",
        ["train"],
        ["test"],
    ),
    "volcano": (
        {"volcano": {"as": "trajectories"}},
        f"--input kaist-ai/volcano-train --output-dir /outputs/volcano_bc --splits train {COMMON} --as trajectories "
        f"{ALL} --image-root /cache/volcano_images {VERIFY}",
        ["train"],
        [],
    ),
    "geo3k": (
        {"splits": ["train", "validation", "test"]},
        f"--input chenhegu/geo3k_imgurl --output-dir /outputs/geo3k_bc --splits train,validation,test {COMMON} "
        f"--target boxed {ALL} {VERIFY}",
        ["train"],
        ["validation", "test"],
    ),
    "robo2vlm": (
        {"shards": 1},
        f"--input keplerccc/Robo2VLM-1 --output-dir /outputs/robo2vlm_bc --splits train,test {COMMON} {ALL} {VERIFY}",
        ["train"],
        ["test"],
    ),
    "alpaca": (
        {"outputDir": "/outputs/mine"},
        f"--input tatsu-lab/alpaca --output-dir /outputs/mine --splits train {COMMON} {ALL} {VERIFY}",
        ["train"],
        [],
    ),
    "oasst1": (
        {"oasst1": {"languages": ["en", "pt-BR"], "unreviewed": True}, "maxHistoryRounds": 3},
        f"--input OpenAssistant/oasst1 --output-dir /outputs/oasst1_bc --splits train,validation {COMMON} "
        f"--languages en,pt-BR --threads best --unreviewed {REST.format(3)} {VERIFY}",
        ["train"],
        ["validation"],
    ),
    "jsonl": (
        {
            "input": "/cache/a.jsonl",
            "imageRoots": ["/cache/a", "/cache/b"],
            "columns": {"prompt": "q", "completion": "a"},
        },
        f"--input /cache/a.jsonl --output-dir /outputs/jsonl_bc --splits train {COMMON} --map completion=a,prompt=q "
        f"{ALL} --image-root /cache/a --image-root /cache/b {VERIFY}",
        ["train"],
        [],
    ),
    "csv": (
        {"input": "org/table", "columns": {"text": "the text"}, "verify": False},
        f"--input org/table --output-dir /outputs/csv_bc --splits train {COMMON} --map 'text=the text' {ALL} "
        "--image-root /cache --image-root /outputs",
        ["train"],
        [],
    ),
    "hub": (
        {"input": "org/rows@v2", "subset": "main", "splits": ["train", "validation"], "skipImages": True},
        f"--input org/rows@v2 --output-dir /outputs/hub_bc --splits train,validation {COMMON} --subset main "
        f"{ALL} --image-root /cache --image-root /outputs --skip-images",
        ["train"],
        ["validation"],
    ),
}  # fmt: skip


def steps(manifests: list[Manifest], component: str = "prepare") -> dict[str, list[str]]:
    """Return the commands of a component's Job by step."""
    pods = [
        m["spec"]["template"]["spec"]
        for m in manifests
        if m["kind"] == "Job" and m["metadata"]["labels"]["app.kubernetes.io/component"] == component
    ]
    return {c["name"]: c["command"] for pod in pods for c in [*pod.get("initContainers", []), *pod["containers"]]}


def train_config(manifests: list[Manifest]) -> dict[str, Any]:
    """Return the rendered train.yaml."""
    (text,) = [m["data"]["train.yaml"] for m in manifests if m["kind"] == "ConfigMap" and "train.yaml" in m["data"]]
    config: dict[str, Any] = yaml.safe_load(text)
    return config


def test_every_dataset_of_the_schema_has_a_command_here() -> None:
    assert {"", *COMMANDS} == set(KEYS["prepare", "dataset"]["enum"])


@pytest.mark.parametrize("name", COMMANDS)
def test_each_dataset_is_prepared_with_its_own_defaults_and_options(render: Render, name: str) -> None:
    given, command, train, validation = COMMANDS[name]
    manifests = render(BASE, {"prepare": {"dataset": name, **given}})
    assert steps(manifests)["data"] == ["vlm-sft", "prepare", name, *shlex.split(command)]
    config = train_config(manifests)
    folder = given.get("outputDir", f"/outputs/{name}_bc")
    assert config["dataset"] == [f"{folder}/{name}_bc_{split}.jsonl" for split in train]
    assert config.get("val_dataset", []) == [f"{folder}/{name}_bc_{split}.jsonl" for split in validation]


@pytest.mark.parametrize("name", DATASETS)
def test_vlm_sft_parses_the_options_of_each_dataset(name: str) -> None:
    command = COMMANDS[name][1]
    assert parsed(["vlm-sft", "prepare", name, *shlex.split(command)])["source"] == command.split()[1]


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"memory": "64Gi"}, ["--max-memory", "65536"]),
        ({"memory": 3000000000}, ["--max-memory", "2861"]),
        ({"memory": "1.5G"}, ["--max-memory", "1430"]),
        ({"memory": 0}, ["--max-memory", "1"]),
        ({"memory": None}, []),
        (None, []),
    ],
    ids=str,
)
def test_as_many_processes_convert_as_fit_into_the_memory_limit(
    render: Render, limits: dict[str, Any] | None, expected: list[str]
) -> None:
    resources = {"resources": {"limits": limits, "requests": None}}
    words = steps(render(BASE, {"prepare": {"dataset": "fire", **resources}}))["data"]
    start = words.index("--max-memory") if "--max-memory" in words else len(words)
    assert words[start : start + 2] == expected


@pytest.mark.parametrize("name", COMMANDS)
def test_images_are_downloaded_only_where_archives_are_known(render: Render, name: str) -> None:
    prepare = {"dataset": name, "input": "org/copy"}
    found = steps(render(BASE, {"prepare": prepare})).get("images", [])
    assert found[:3] == (["vlm-sft", "images", name] if name in ("fire", "volcano") else [])
    assert "images" not in steps(render(BASE, {"prepare": {**prepare, "downloadImages": False}}))


def test_the_model_is_there_before_the_data_is_verified(render: Render, everything: Path) -> None:
    assert [*steps(render(everything))] == ["command-0", "model", "images", "data", "release"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"train": {"args": {"max_length": 1000000}}}, ["--verify", "org/model", "--max-length", "1000000"]),
        ({"train": {"args": {"max_length": None}}}, ["--verify", "org/model"]),
        ({"train": {"args": {"max_length": 0}}}, ["--verify", "org/model"]),
        ({"prepare": {"verify": False}}, []),
        ({"prepare": {"skipImages": True}}, []),
        ({"train": {"enabled": False}}, []),
    ],
    ids=str,
)
def test_the_data_is_verified_with_the_model_that_it_trains(
    render: Render, values: dict[str, Any], expected: list[str]
) -> None:
    words = steps(render(BASE, {"prepare": {"dataset": "geo3k"}}, values))["data"]
    start = words.index("--verify") if "--verify" in words else len(words)
    assert [word for word in words[start:] if word != "--skip-images"] == expected


def test_the_verification_has_the_image_limits_of_training(render: Render) -> None:
    env = {"IMAGE_MAX_TOKEN_NUM": 2048, "MINE": "$(HOME)", "GONE": None}
    values = {"prepare": {"dataset": "fire"}, "train": {"env": env}}

    def variables(*more: dict[str, Any]) -> dict[str, dict[str, str]]:
        pods = [
            m["spec"]["template"]["spec"]
            for m in render(BASE, values, *more)
            if m["metadata"]["name"].startswith("x-prepare-") and m["kind"] == "Job"
        ]
        containers = [c for pod in pods for c in pod["initContainers"] + pod["containers"]]
        return {c["name"]: {v["name"]: v.get("value") for v in c["env"] if v["name"] in env} for c in containers}

    expected = {"IMAGE_MAX_TOKEN_NUM": "2048", "MINE": "$$(HOME)"}
    assert variables() == {"model": {}, "images": {}, "data": expected, "release": {}}
    assert variables({"prepare": {"verify": False}})["data"] == {}


def table(name: str) -> dict[str, Any]:
    """Return a table of the templates: the body of a define."""
    text = (CHART / "templates" / "_prepare.tpl").read_text()
    found = re.search(rf'{{{{- define "vlm-sft.{name}" -}}}}\n(.*?){{{{- end }}}}', text, re.DOTALL)
    assert found
    rows: dict[str, Any] = yaml.safe_load(found[1])
    return rows


def test_the_table_of_options_has_the_defaults_of_the_values() -> None:
    options = table("datasetOptions")
    assert {key: option["default"] for key, option in options.items()} == {
        key: value_at(DEFAULTS, ("prepare", *key.split("."))) for key in options
    }
    assert {name for option in options.values() for name in option["of"]} <= table("datasetTable").keys()


def test_the_table_of_datasets_agrees_with_the_commands() -> None:
    rows = table("datasetTable")
    assert rows.keys() == COMMANDS.keys()
    assert DATASETS.keys() <= rows.keys()
    for name, dataset in DATASETS.items():
        row = rows[name]
        assert row.get("hub", "") in ("", dataset.hub_id), name
        assert tuple(row["splits"]) == dataset.default_splits, name
        assert row.get("archives", False) == (dataset.archive_table is not None), name
        assert {*row["splits"], *row.get("further", [])} == {*dataset.split_files}, name
    assert {name: not row.get("text") for name, row in rows.items() if "hub" in row} == HAS_IMAGES
    assert set(KEYS["prepare", "columns"]["propertyNames"]["enum"]) == set(NAMES)


def test_the_readme_lists_the_table_of_datasets() -> None:
    lines = re.findall(r"^\| `(\w+)` \|(.*\*\*.*)\|$", README, re.MULTILINE)
    cells = {name: [cell.strip() for cell in rest.split("|")] for name, rest in lines}
    options = table("datasetOptions")
    expected = {}
    for name, row in table("datasetTable").items():
        hub, further = f"`{row['hub']}`" if "hub" in row else "required", row.get("further", [])
        keys = [key for key, option in options.items() if name in option["of"]]
        expected[name] = (hub, ", ".join([f"**{', '.join(row['splits'])}**", *further]), len(keys), "whole" in row)
    assert expected == {
        name: (hub, splits, own.count("`") // 2, shards == "no")
        for name, (hub, splits, _, own, shards) in cells.items()
    }


def test_a_hub_dataset_is_fetched_once_and_read_from_its_file(render: Render) -> None:
    train = {
        "dataset": ["org/rows#500", "/outputs/own.jsonl#7", "rows.csv"],
        "valDataset": ["org/rows#20", "hf::a/b:c/d"],
    }
    evaluate = {"enabled": True, "dataset": ["org/rows"]}
    manifests = render(BASE, {"train": train, "evaluate": evaluate})
    found = steps(manifests)
    assert [*found] == ["hub-0", "hub-1", "model", "release"]
    assert found["hub-0"][:4] == ["vlm-sft", "fetch-data", "org/rows", "--output-dir"]
    assert found["hub-1"][:4] == ["vlm-sft", "fetch-data", "hf::a/b:c/d", "--output-dir"]
    rows, other = found["hub-0"][4], found["hub-1"][4]
    assert re.fullmatch(r"/outputs/hub/org-rows-[0-9a-f]{8}", rows)
    assert re.fullmatch(r"/outputs/hub/hf-a-b-c-d-[0-9a-f]{8}", other)
    config = train_config(manifests)
    assert config["dataset"] == [f"{rows}/data.parquet#500", "/outputs/own.jsonl#7", "rows.csv"]
    assert config["val_dataset"] == [f"{rows}/data.parquet#20", f"{other}/data.parquet"]
    (evaluation,) = [m["data"]["evaluate.yaml"] for m in manifests if "evaluate.yaml" in m.get("data", {})]
    assert yaml.safe_load(evaluation)["val_dataset"] == [f"{rows}/data.parquet"]


def test_arguments_that_change_the_rows_are_fetched_apart(render: Render) -> None:
    values = {"train": {"dataset": ["org/rows"]}}
    plain = steps(render(BASE, values))["hub-0"]
    columns = steps(render(BASE, values, {"train": {"args": {"columns": {"q": "query"}, "learning_rate": 1e-4}}}))[
        "hub-0"
    ]
    assert columns[5:] == ["--arguments", '{"columns":{"q":"query"}}']
    assert plain[:4] == columns[:4]
    assert plain[4] != columns[4]
    assert plain[5:] == []


@pytest.mark.parametrize("off", [{"prepare": {"enabled": False}}, {"train": {"args": {"streaming": True}}}], ids=str)
def test_a_dataset_that_is_not_fetched_keeps_its_id(render: Render, off: dict[str, Any]) -> None:
    manifests = render(BASE, {"train": {"dataset": ["org/rows#500"]}}, off)
    assert train_config(manifests)["dataset"] == ["org/rows#500"]
    assert not [name for name in steps(manifests) if name.startswith("hub")]


def test_datasets_of_disabled_workloads_are_not_fetched(render: Render) -> None:
    values = {"train": {"enabled": False, "dataset": ["a/b"]}, "evaluate": {"dataset": ["c/d"]}}
    assert steps(render(BASE, values, {"prepare": {"dataset": "alpaca"}})).keys() == {"data"}
