"""`check` and ms-swift agree: the rows without a finding are those that its loader yields and its template encodes."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from PIL import ExifTags, Image
from vlm_sft.check.cli import check
from vlm_sft.check.finding import KINDS
from vlm_sft.prepare.swift_template import load_template
from vlm_sft.sample import photos

DATA = Path(photos.__file__).parent / "data"
BOM = b"\xef\xbb\xbf"


def talk(*messages: Any, **columns: Any) -> dict[str, Any]:
    return {"messages": list(messages), **columns}


def user(content: Any = "question NUMBER", **keys: Any) -> dict[str, Any]:
    return {"role": "user", "content": content, **keys}


def answer(content: Any = "answer", **keys: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content, **keys}


SYSTEM = {"role": "system", "content": "system"}
CALL = {"role": "tool_call", "content": '{"name": "f", "arguments": {}}'}
MESSAGES = [
    talk(user(), answer()),
    talk(user(), answer(), images=["cat.jpg"]),
    talk(user("<image>NUMBER"), answer(), images=["cat.jpg"]),
    talk(user("<image>NUMBER"), answer(), images="cat.jpg"),
    talk(user("<image>NUMBER"), answer(), images=["gone.jpg"]),
    talk(user("<image>NUMBER"), answer(), images=["cut.jpg"]),
    talk(user("<image>NUMBER"), answer(), images=["wide.png"]),
    talk(user("<image>NUMBER"), answer(), images=["turned.jpg"]),
    talk(user("<image>NUMBER"), answer(), images=["grey16.png"]),
    talk(user("<image>NUMBER"), answer(), images=[None]),
    talk(user("<image><image>NUMBER"), answer(), images=["cat.jpg"]),
    talk(user([{"type": "image", "image": "cat.jpg"}, {"type": "text", "text": "NUMBER"}]), answer()),
    talk(
        user([{"type": "image", "image": "cat.jpg"}, {"type": "text", "text": "NUMBER"}]), answer(), images=["cat.jpg"]
    ),
    talk(user([{"type": "text", "text": None}]), answer("NUMBER")),
    talk(user([{"type": "text", "value": "NUMBER"}]), answer()),
    talk(user(["NUMBER"]), answer()),
    talk(user(7), answer("NUMBER")),
    talk(user(), answer(8)),
    talk(user(), answer({"a": 1})),
    talk(user(), answer(None)),
    talk(user(), answer("")),
    talk(user(), {"role": "assistant"}),
    talk(user(), {"role": "student", "content": "x"}),
    talk({"role": "User", "content": "NUMBER"}, answer()),
    talk({"role": None, "content": "NUMBER"}, answer()),
    talk({"from": "human", "value": "NUMBER"}, {"from": "gpt", "value": "x"}),
    talk({"human": "NUMBER", "assistant": "x"}),
    talk({"human": "NUMBER"}),
    talk(user(), answer(), **{"from": "unused"}),
    talk(user("NUMBER", **{"from": "nobody"}), answer()),
    talk(SYSTEM, user(), answer()),
    talk(user(), SYSTEM, answer()),
    talk(SYSTEM, SYSTEM, user(), answer()),
    talk({"role": "system", "content": 5}, user(), answer()),
    talk(answer("NUMBER"), user(), answer()),
    talk(user(), user(), answer(), answer(), user()),
    talk(user(), CALL, {"role": "tool", "content": "r"}, answer()),
    talk(user(), answer(loss=False)),
    talk(user(), answer(loss="false")),
    talk(user(), answer(loss_scale="x")),
    talk(user("<bbox>NUMBER"), answer(), objects={"ref": [], "bbox": [[1, 2]]}),
    talk(user("<bbox>NUMBER"), answer(), objects={"ref": [], "bbox": [[1, 2, 3]]}),
    talk(user("NUMBER"), answer(), objects={"ref": ["x"]}),
    talk(user(), answer(), system="a system"),
    {"messages": "[{'role': 'user', 'content': 'NUMBER'}, {'role': 'assistant', 'content': None}]"},
    {"messages": "[{'role': 'user', 'content': 'NUMBER'}, {'role': 'assistant', 'content': 'x'}]"},
    {"messages": '[{"role": "user", "content": "NUMBER"}, {"role": "assistant", "content": "x", "loss": true}]'},
    {"messages": "NUMBER"},
    {"messages": []},
    {"messages": None},
    {"messages": ["NUMBER"]},
    {"messages": user()},
    {"conversations": [{"from": "human", "value": "NUMBER"}, {"from": "gpt", "value": "x"}]},
    {"prompt": "NUMBER", "completion": "c"},
    {},
]
RESPONSE = [
    {"query": "NUMBER", "response": "r"},
    {"query": "NUMBER", "response": 5},
    {"query": 5, "response": "NUMBER"},
    {"query": "NUMBER", "response": ["r", "other"]},
    {"query": "NUMBER", "response": []},
    {"query": "NUMBER", "response": {"a": 1}},
    {"query": ["NUMBER"], "response": "r"},
    {"query": None, "response": "NUMBER"},
    {"query": "NUMBER", "response": None},
    {"question": "NUMBER", "answer": "a", "query": "NUMBER", "response": "r"},
    {"query": "NUMBER", "response": "r", "history": [["a", "b"]]},
    {"query": "NUMBER", "response": "r", "history": "[['a', 'b']]"},
    {"query": "NUMBER", "response": "r", "history": "x"},
    {"query": "NUMBER", "response": "r", "history": [["a"]]},
    {"query": "NUMBER", "response": "r", "system": 5},
    {"query": "NUMBER", "response": "r", "system": "s"},
    {"query": "NUMBER", "response": "r", "system_prompt": "s"},
    {"query": "NUMBER", "response": "r", "image": "cat.jpg"},
    {"text": "NUMBER"},
    {"id": "NUMBER"},
]
ALPACA = [
    {"instruction": "NUMBER", "input": "", "output": "o"},
    {"instruction": "NUMBER", "input": None, "output": "o"},
    {"instruction": "NUMBER", "input": 5, "output": "o"},
    {"instruction": None, "input": "NUMBER", "output": "o"},
    {"instruction": None, "input": None, "output": "NUMBER"},
    {"instruction": 5, "input": "", "output": "NUMBER"},
    {"instruction": "NUMBER", "input": "i", "output": None},
    {"instruction": "NUMBER", "input": "i", "output": 5, "text": "t"},
    {"instruction": "NUMBER", "input": "i", "output": "o", "text": "t"},
]
PREFERENCE = [
    talk(user(), answer(), rejected_response="worse"),
    talk(user(), answer(), rejected_response="answer"),
    talk(user(), answer(), rejected_response=None),
    talk(user(), answer(), rejected_response=["worse"]),
    talk(user(), answer(), rejected_response=[answer("worse")]),
    talk(user(), answer()),
]
FINE = json.dumps(talk(user(), answer())).encode() + b"\n"
REFUSED = {
    "not_json": FINE + b"oops\n",
    "not_an_object": FINE + b"[1]\n",
    "lone_surrogate": FINE + FINE.replace(b"answer", b"\\ud800"),
    "bom_inside": FINE + BOM + FINE,
    "too_deep": FINE + json.dumps(talk(user(), answer(), x=json.loads("[" * 63 + "]" * 63))).encode(),
    "before_array": b" [" + FINE + b"]",
    "mixed_images": FINE + json.dumps(talk(user(), answer(), images=["a", {"path": "b"}])).encode(),
    "not_utf8": FINE + FINE.replace(b"answer", b"\xff"),
    "late_column": FINE.replace(b"answer", b"a" * 11_000_000) + FINE.replace(b"}\n", b', "x": 1}\n'),
    "late_key": FINE.replace(b"answer", b"a" * 11_000_000) + FINE.replace(b'"}]', b'", "loss": true}]'),
    "null_first": b"".join(
        json.dumps(talk(user(), answer(text), x=x)).encode() + b"\n" for text, x in (("a" * 11_000_000, None), ("a", 1))
    ),
    "type_changes": b"".join(
        json.dumps(talk(user(), answer(text), x=x)).encode() + b"\n" for text, x in (("a" * 11_000_000, 1), ("a", "x"))
    ),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with images; ms-swift looks for them there, and keeps its caches there."""
    cat = DATA / "photos" / "cat.jpg"
    shutil.copy(cat, tmp_path)
    (tmp_path / "cut.jpg").write_bytes(cat.read_bytes()[:2000])
    turned = Image.Exif()
    turned[ExifTags.Base.Orientation] = 6
    Image.new("RGB", (201, 1)).save(tmp_path / "wide.png")
    Image.new("RGB", (64, 48)).save(tmp_path / "turned.jpg", exif=turned)
    Image.new("I;16", (64, 48), 40_000).save(tmp_path / "grey16.png")
    for name in ("ROOT_IMAGE_DIR", "MODELSCOPE_CACHE", "HF_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    return tmp_path


def load(path: Path) -> Any:
    from swift.dataset import load_dataset

    return load_dataset([str(path)], use_hf=True, load_from_cache_file=False, strict=False)[0]


def findings(path: Path) -> list[dict[str, Any]]:
    result = CliRunner().invoke(check, [str(path), "--format", "json", "--places", "1000", "--workers", "1"])
    found: list[dict[str, Any]] = json.loads(result.stdout)["findings"]
    return found


@pytest.mark.parametrize(
    "rows", [MESSAGES, RESPONSE, ALPACA, PREFERENCE], ids=["messages", "response", "alpaca", "preference"]
)
def test_rows_without_a_loss_are_those_that_ms_swift_trains_on(folder: Path, rows: list[Any]) -> None:
    path = folder / "mixed.jsonl"
    texts = [json.dumps(row).replace("NUMBER", f"row{number}.") for number, row in enumerate(rows, 1)]
    path.write_text("\n".join(texts))
    lost = {place["line"] for found in findings(path) if found["effect"] == "lost" for place in found["places"]}
    assert not [found for found in findings(path) if found["effect"] == "file"]
    template = load_template(str(DATA / "model"), "--model")
    trained = set()
    for sample in load(path):
        text = json.dumps({key: value for key, value in sample.items() if key != "images"})
        try:
            template.encode({key: value for key, value in sample.items() if value is not None})
        except Exception:
            continue
        trained |= {number for number in range(1, len(rows) + 1) if f"row{number}." in text}
    assert trained == set(range(1, len(rows) + 1)) - lost


@pytest.mark.parametrize("kind", REFUSED)
def test_file_that_check_refuses_is_refused_by_ms_swift(folder: Path, kind: str) -> None:
    path = folder / "refused.jsonl"
    path.write_bytes(REFUSED[kind])
    assert [found["kind"] for found in findings(path) if found["effect"] == "file"] == [kind]
    with pytest.raises(Exception):  # noqa: B017, PT011  from datasets, pyarrow, ujson or ms-swift
        load(path)


def test_every_other_kind_that_refuses_a_file_is_about_its_name() -> None:
    assert {kind for kind in KINDS if KINDS[kind].effect == "file"} - REFUSED.keys() == {"wrong_suffix"}


def test_number_after_the_first_10_mb_puts_quotation_marks_around_texts(folder: Path) -> None:
    path = folder / "late.jsonl"
    rows = [talk(user(), answer("a" * 11_000_000)), talk(user("text"), answer(5))]
    path.write_text("\n".join(map(json.dumps, rows)))
    assert [found["kind"] for found in findings(path) if found["effect"] == "spoiled"] == ["number_among_texts"]
    assert load(path)[1]["messages"][0]["content"] == '"text"'
