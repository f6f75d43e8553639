"""`vlm-sft evaluate` with a tiny model on the CPU: both engines, the loss, and what is neither repeated nor lost."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from vlm_sft.sample.model import write_model

VLM_SFT = Path(sys.executable).parent / "vlm-sft"
QUESTION = "Which way?\nChoices:\nA. Up\nB. Down"
ROWS = [
    {"messages": [{"role": "user", "content": QUESTION}, {"role": "assistant", "content": answer}]}
    for answer in ("B. Down", "A. Up", "B. Down")
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evaluate") / "model"
    write_model(folder)
    return folder


def evaluate(
    tmp_path: Path, model: Path | str, task: str = "choice", rows: list[dict[str, object]] | None = None, **args: object
) -> subprocess.CompletedProcess[str]:
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in (ROWS if rows is None else rows)))
    config = {"model_type": "qwen3_vl", "template": "qwen3_vl", "use_hf": True, "max_new_tokens": 4}
    engine = str(args.pop("engine", "infer"))
    options = [
        word for name in ("shards", "shard", "gpus") if name in args for word in (f"--{name}", str(args.pop(name)))
    ]
    config |= {"val_dataset": [str(tmp_path / "rows.jsonl")], **args}
    (tmp_path / "evaluate.yaml").write_text(json.dumps(config))
    command = [VLM_SFT, "evaluate", "run", tmp_path / "evaluate.yaml", "--task", task, "--model", model]
    command += ["--output-dir", tmp_path / "evaluation", "--engine", engine, *options]
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=env)


def results(tmp_path: Path, task: str = "choice") -> list[Path]:
    return sorted((tmp_path / "evaluation" / task).glob("*"))


def test_a_server_generates_and_both_engines_answer_alike(tmp_path: Path, model: Path) -> None:
    ended = evaluate(tmp_path, model, engine="deploy")
    assert ended.returncode == 0, ended.stderr
    (folder,) = results(tmp_path)
    assert sorted(path.name for path in folder.iterdir()) == [
        "identity.json",
        "metrics.json",
        "predictions.jsonl",
        "scores.jsonl",
    ]
    assert ended.stdout.startswith("accuracy 0.0000 [0.0000, 0.5615], n = 3 of 3; cut off 3\n")
    assert ended.stdout.endswith(f"{folder}/metrics.json\n")
    served = [json.loads(line) for line in (folder / "predictions.jsonl").read_text().splitlines()]
    assert [(row["finish_reason"], row["new_tokens"]) for row in served] == [("length", 4)] * 3
    again = evaluate(tmp_path, model, engine="deploy")
    assert again.stdout == ended.stdout
    assert "ready" not in again.stderr  # nothing is generated again

    offline = evaluate(tmp_path, model, engine="infer")
    assert offline.stdout.startswith("accuracy 0.0000 [0.0000, 0.5615], n = 3 of 3; no answer 3\n")
    other = next(path for path in results(tmp_path) if path != folder)
    inferred = [json.loads(line) for line in (other / "predictions.jsonl").read_text().splitlines()]
    assert [row["response"] for row in inferred] == [row["response"] for row in served]

    text = "accuracy 0.0000 [0.0000, 0.5615], n = 3 of 3; cut off 3\n"
    scored = subprocess.run([VLM_SFT, "evaluate", "score", folder], capture_output=True, text=True, check=True)
    assert scored.stdout.startswith(text)
    command = [VLM_SFT, "evaluate", "compare", folder, other, "--published", "0.9"]
    compared = subprocess.run(command, capture_output=True, text=True, check=True)
    assert compared.stdout.splitlines()[:2] == [
        "published 0.9000 is outside the interval of accuracy 0.0000 [0.0000, 0.5615]",
        "accuracy: 0.0000 -> 0.0000, difference 0.0000 [0.0000, 0.0000], n = 3",
    ]


def test_the_loss_is_that_of_the_target_tokens(tmp_path: Path, model: Path) -> None:
    import torch
    from transformers import AutoTokenizer, Qwen3VLForConditionalGeneration

    ended = evaluate(tmp_path, model, "loss", torch_dtype="float32")
    assert ended.returncode == 0, ended.stderr
    (folder,) = results(tmp_path, "loss")
    rows = [json.loads(line)["extra"] for line in (folder / "predictions.jsonl").read_text().splitlines()]
    tokenizer = AutoTokenizer.from_pretrained(model)
    network = Qwen3VLForConditionalGeneration.from_pretrained(model, dtype=torch.float32).eval()
    for answer, row in zip(("B. Down", "A. Up", "B. Down"), rows, strict=True):
        prompt = tokenizer.encode(f"<|im_start|>user\n{QUESTION}<|im_end|>\n<|im_start|>assistant\n")
        target = tokenizer.encode(f"{answer}<|im_end|>\n")
        with torch.inference_mode():
            logits = network(input_ids=torch.tensor([prompt + target])).logits[0, len(prompt) - 1 : -1]
        losses = torch.nn.functional.cross_entropy(logits.float(), torch.tensor(target), reduction="none")
        assert row["tokens"] in (len(target), len(target) - 1)  # ms-swift trains on <|im_end|>, not on the line break
        assert row["loss_sum"] == pytest.approx(float(losses[: row["tokens"]].sum()), rel=1e-4)
    metrics = json.loads((folder / "metrics.json").read_text())
    total = sum(row["loss_sum"] for row in rows) / sum(row["tokens"] for row in rows)
    assert metrics["figures"]["loss"]["value"] == pytest.approx(total)


def test_the_last_shard_scores(tmp_path: Path, model: Path) -> None:
    first = evaluate(tmp_path, model, shards=2, shard=1)
    assert first.stdout == "choice: this pod is finished; others still generate, the last one scores\n", first.stderr
    last = evaluate(tmp_path, model, shards=2, shard=0)
    assert last.stdout.startswith("accuracy 0.0000 [0.0000, 0.5615], n = 3 of 3; no answer 3\n")
    assert len(results(tmp_path)) == 1


def test_bad_input_is_refused_before_anything_is_loaded(tmp_path: Path, model: Path) -> None:
    plain = [{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]}]
    ended = evaluate(tmp_path, model, rows=plain)
    assert ended.returncode == 42
    assert ended.stderr == (
        'error: rows:1: question: got \'Hi\', need lines such as "A. Up" and "B. Down"; '
        "prepare the data with the choices in the question, or choose another task\n"
    )
    ended = evaluate(tmp_path, model, rows=[])
    assert ended.returncode == 42
    assert ended.stderr.endswith("rows.jsonl is missing or empty; prepare the data, or correct the path\n")
    ended = evaluate(tmp_path, model, shards=4)
    assert ended.returncode == 42
    assert ended.stderr == "error: evaluate.shards: 4 pods for 3 samples; set evaluate.shards to 3 or less\n"
    ended = evaluate(tmp_path, tmp_path / "none")
    assert ended.returncode == 42
    assert "does not exist; need a hub id, a model folder, an adapter or a run directory" in ended.stderr
    ended = evaluate(tmp_path, model, gpus=3)
    assert (ended.returncode, "GPUs: 0 visible, need 3" in ended.stderr) == (1, True)


@pytest.mark.parametrize("engine", ["deploy", "infer"])
def test_an_argument_that_ms_swift_refuses_loses_nothing(tmp_path: Path, model: Path, engine: str) -> None:
    ended = evaluate(tmp_path, model, engine=engine, no_such_argument=1)
    assert ended.returncode == 1
    assert f"swift {engine}: ended with exit code 1; its" in ended.stderr
    (folder,) = results(tmp_path)
    assert not (folder / "metrics.json").exists()
