"""`vlm-sft prepare hub` on local folders, which `datasets` reads as it reads a dataset on the hub."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from PIL import Image
from vlm_sft.cli import main


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("datasets.config.HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def png(red: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (red, 0, 0)).save(file, "PNG")
    return file.getvalue()


def lines(*rows: dict[str, Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def prepare(folder: Path, source: str | Path, *options: str) -> Result:
    given = ["--input", str(source), "--output-dir", str(folder / "out"), "--workers", "1", *options]
    return CliRunner().invoke(main, ["prepare", "hub", *given])


def written(folder: Path, split: str = "train") -> list[tuple[list[str], list[int]]]:
    """Return the texts of each sample, and the red of its images."""
    found = []
    for line in (folder / "out" / f"hub_bc_{split}.jsonl").read_text().splitlines():
        sample = json.loads(line)
        reds = []
        for path in sample["images"]:
            with Image.open(path) as image:
                reds.append(image.getpixel((0, 0))[0])
        found.append(([message["content"] for message in sample["messages"]], reds))
    return found


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def test_image_columns_of_parquet_reach_the_samples_as_files(tmp_path: Path, data: Path) -> None:
    import datasets

    image = datasets.Image()
    features = datasets.Features(
        {name: datasets.Value("string") for name in ("q", "a")} | {"one": image, "list": datasets.List(image)}
    )
    rows = {
        "q": ["Red?", "And?"],
        "a": ["Yes.", "No."],
        "one": [{"bytes": png(1), "path": "1.png"}, {"bytes": png(2), "path": None}],
        "list": [[{"bytes": png(3), "path": None}, {"bytes": png(4), "path": None}], []],
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("datasets.utils.tqdm._tqdm_disabled", True, raising=False)
        datasets.Dataset.from_dict(rows, features=features).to_parquet(str(data / "train.parquet"))
    result = prepare(tmp_path, data, "--map", "prompt=q,completion=a,images=one")
    assert result.exit_code == 0, result.output
    assert written(tmp_path) == [(["<image>\nRed?", "Yes."], [1]), (["<image>\nAnd?", "No."], [2])]
    result = prepare(tmp_path, data, "--map", "prompt=q,completion=a,images=list")
    assert result.exit_code == 0, result.output
    assert written(tmp_path) == [(["<image><image>\nRed?", "Yes."], [3, 4]), (["And?", "No."], [])]


def test_files_of_an_image_folder_are_read(tmp_path: Path, data: Path) -> None:
    (data / "train").mkdir()
    for red in (1, 2):
        (data / "train" / f"{red}.png").write_bytes(png(red))
    rows = [{"file_name": f"{red}.png", "question": "Red?", "answer": str(red)} for red in (1, 2)]
    (data / "train" / "metadata.jsonl").write_text(lines(*rows))
    result = prepare(tmp_path, data)
    assert result.exit_code == 0, result.output
    assert written(tmp_path) == [(["<image>\nRed?", "1"], [1]), (["<image>\nRed?", "2"], [2])]


def test_all_splits_of_a_dataset_and_a_finished_one_is_recognised(tmp_path: Path, data: Path) -> None:
    for name in ("train_sft", "test", "extra.v2"):
        (data / "data").mkdir(exist_ok=True)
        (data / "data" / f"{name}-00000-of-00001.jsonl").write_text(lines({"prompt": name, "completion": "a"}))
    result = prepare(tmp_path, data, "--splits", "train_sft,extra.v2")
    assert result.exit_code == 0, result.output
    assert written(tmp_path, "extra.v2") == [(["extra.v2", "a"], [])]
    assert json.loads((tmp_path / "out" / "stats.json").read_text())["rows_in"] == 2
    assert "already finished" in prepare(tmp_path, data, "--splits", "train_sft,extra.v2").output
    (data / "data" / "train_sft-00000-of-00001.jsonl").write_text(lines({"prompt": "new", "completion": "a"}))
    assert "it is replaced" in prepare(tmp_path, data, "--splits", "train_sft,extra.v2").output
    assert written(tmp_path, "train_sft") == [(["new", "a"], [])]


def test_a_wrong_name_is_one_clear_line(tmp_path: Path, data: Path) -> None:
    (data / "train.jsonl").write_text(lines({"question": "q", "answer": "a"}))
    way_out = "check the name, --subset, --splits and the network, or set HF_TOKEN if it is private or gated"
    assert [
        (result.exit_code, result.output)
        for result in (
            prepare(tmp_path, data, "--splits", "train,dev"),
            prepare(tmp_path, data, "--subset", "large"),
            prepare(tmp_path, data, "--map", "text=body"),
            prepare(tmp_path, data / "none"),
        )
    ] == [
        (1, f"error: --splits: {data} has no dev; it has train\n"),
        (
            1,
            f"error: --input: {data}: ValueError: BuilderConfig 'large' not found. Available: ['default']; {way_out}\n",
        ),
        (
            1,
            "error: data: column_missing, body; the row has question, answer; name the columns with --map, for example "
            "prompt=question,completion=answer\n",
        ),
        (1, f"error: --input: {data / 'none'}: no such folder, and not a hub id (ORG/NAME[@REVISION])\n"),
    ]
    assert "'train[:5]' is not the name of a split." in prepare(tmp_path, data, "--splits", "train[:5]").output


def test_the_code_of_a_dataset_is_not_run(tmp_path: Path, data: Path) -> None:
    (data / "data.py").write_text("raise SystemExit")
    result = prepare(tmp_path, data)
    assert (result.exit_code, result.output.count("\n")) == (1, 1)
    assert result.output.endswith(
        "Dataset scripts are no longer supported, but found data.py; "
        "no code of a dataset is run; use its copy in Parquet, ORG/NAME@refs/convert/parquet\n"
    )


def test_a_dataset_that_cannot_be_reached_is_named(tmp_path: Path) -> None:
    result = prepare(tmp_path, "org/name")
    assert (result.exit_code, result.output.count("\n")) == (1, 1)
    assert result.output.startswith("error: --input: org/name: OfflineModeIsEnabled: ")


def test_an_error_in_the_stream_is_one_line_and_leaves_no_output(tmp_path: Path, data: Path) -> None:
    good = lines(*[{"prompt": str(n), "completion": "a"} for n in range(100)])
    (data / "train-1.jsonl").write_text(good)
    (data / "train-2.jsonl").write_text(good + '{"prompt": ')
    result = prepare(tmp_path, data)
    assert (result.exit_code, result.output.count("\n")) == (1, 1)
    assert result.output.startswith("error: --input: data, split train: ")
    assert "repeat it after a network error; files whose rows differ in their types" in result.output
    assert list((tmp_path / "out").iterdir()) == []


def test_a_column_of_texts_and_lists_is_refused_because_its_texts_would_get_quotation_marks(
    tmp_path: Path, data: Path
) -> None:
    parts = [{"type": "text", "text": "Red?"}]
    rows = [
        {"messages": [{"role": "user", "content": content}, {"role": "assistant", "content": "4"}], "note": note}
        for content, note in (("Red?", "a"), (parts, ["b"]))
    ]
    (data / "train.jsonl").write_text(lines(*rows))
    result = prepare(tmp_path, data)
    assert (result.exit_code, result.output) == (
        1,
        f"error: --input: {data}: messages: got values of several types, such as texts and lists, which the library "
        "datasets turns into JSON texts; need one type; use "
        f"`vlm-sft prepare jsonl --input {data}`, which reads the files themselves\n",
    )
    own = ["prepare", "jsonl", "--input", str(data), "--output-dir", str(tmp_path / "own"), "--workers", "1"]
    assert CliRunner().invoke(main, own).exit_code == 0
    read = [json.loads(line) for line in (tmp_path / "own" / "jsonl_bc_train.jsonl").read_text().splitlines()]
    assert [[message["content"] for message in row["messages"]] for row in read] == [["Red?", "4"]] * 2


def test_a_column_of_several_types_that_is_not_read_is_no_obstacle(tmp_path: Path, data: Path) -> None:
    (data / "train.jsonl").write_text(
        lines({"prompt": "q", "completion": "4", "note": "a"}, {"prompt": "q", "completion": "b", "note": [1]})
    )
    assert prepare(tmp_path, data).exit_code == 0
    assert written(tmp_path) == [(["q", "4"], []), (["q", "b"], [])]
    result = prepare(tmp_path, data, "--map", "prompt=note,completion=completion")
    assert (result.exit_code, "note: got values of several types" in result.output) == (1, True)


def test_a_stream_does_not_import_torch(data: Path) -> None:
    (data / "train.jsonl").write_text(lines({"question": "q", "answer": "a"}))
    program = (
        "import sys; from vlm_sft.datasets.generic.hub_stream import locate; "
        f"print(len(list(locate({str(data)!r}, ['train'], '', ['question'])[0].rows())), 'torch' in sys.modules)"
    )
    environment = os.environ | {"HF_HOME": str(data.parent / "hf"), "HF_HUB_OFFLINE": "1"}
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True, env=environment
    )
    assert result.stdout == "1 False\n"


def test_a_stream_cannot_be_divided(tmp_path: Path, data: Path) -> None:
    (data / "train.jsonl").write_text(lines({"question": "q", "answer": "a"}))
    assert "the input can be read only in order" in prepare(tmp_path, data, "--shard", "0/2").output
