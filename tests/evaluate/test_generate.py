"""Samples -> predictions: each answer is written at once, an interrupted generation continues, shards give one file."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from fake_server import Reply, completion, serving
from vlm_sft.errors import ConfigError, UserError
from vlm_sft.evaluate.generate import decoding, generate_with, one_answer, server_arguments
from vlm_sft.evaluate.predictions import FILE, PARTS, appending, merge, read_all
from vlm_sft.evaluate.task import Sample

SAMPLES = [Sample(f"rows:{n}", f"rows:{n}", ({"role": "user", "content": f"{n}?"},), (), f"{n}") for n in range(1, 31)]


def echo(request: dict[str, Any], number: int) -> Reply:
    return completion(f"It is {request['messages'][-1]['content'].rstrip('?')}")


def generate(address: str, folder: Path, samples: Sequence[Sample] = SAMPLES, shard: int = 0, shards: int = 1) -> None:
    found = read_all(folder)
    missing = [s for s in samples[shard::shards] if s.id not in found or found[s.id].error]
    with appending(folder, shard, shards) as append:
        generate_with([address], missing, one_answer({"max_tokens": 8}), 4, append, lambda line: None)


def test_predictions_are_in_the_order_of_the_samples_whatever_finishes_first(tmp_path: Path) -> None:
    def reply(request: dict[str, Any], number: int) -> Reply:
        time.sleep(0.01 * (number % 3))
        return echo(request, number)

    with serving(reply) as (address, _):
        generate(address, tmp_path)
    assert merge(tmp_path, SAMPLES) is not None
    rows = [json.loads(line) for line in (tmp_path / FILE).read_text().splitlines()]
    assert [row["id"] for row in rows] == [sample.id for sample in SAMPLES]
    assert rows[0] == {
        "id": "rows:1",
        "group": "rows:1",
        "question": "1?",
        "reference": "1",
        "response": "It is 1",
        "finish_reason": "stop",
        "prompt_tokens": 5,
        "new_tokens": 3,
    }
    assert not (tmp_path / PARTS).exists()


def test_three_shards_write_the_bytes_of_one(tmp_path: Path) -> None:
    one, three = tmp_path / "one", tmp_path / "three"
    with serving(echo) as (address, _):
        generate(address, one)
        merge(one, SAMPLES)
        for shard in (2, 0, 1):
            assert merge(three, SAMPLES) is None
            generate(address, three, shard=shard, shards=3)
    assert merge(three, SAMPLES) is not None
    assert (one / FILE).read_bytes() == (three / FILE).read_bytes()


def test_another_number_of_shards_continues_with_the_missing_rows(tmp_path: Path) -> None:
    with serving(echo) as (address, requests):
        generate(address, tmp_path, shard=1, shards=3)
        generate(address, tmp_path)
        assert merge(tmp_path, SAMPLES) is not None
        assert len(requests) == len(SAMPLES)


def test_failed_rows_are_asked_again_and_the_answer_wins(tmp_path: Path) -> None:
    with serving(lambda request, number: (400, {}, b"{}")) as (address, _):
        generate(address, tmp_path)
    failed = merge(tmp_path, SAMPLES)
    assert failed is not None
    assert all(prediction.error for prediction in failed)
    with serving(echo) as (address, _):
        generate(address, tmp_path)
    again = merge(tmp_path, SAMPLES)
    assert again is not None
    assert [p.response for p in again] == [f"It is {n}" for n in range(1, 31)]
    assert not any(p.error for p in again)


def test_a_line_that_was_written_in_half_is_asked_again(tmp_path: Path) -> None:
    with serving(echo) as (address, _):
        generate(address, tmp_path, SAMPLES[:5])
        part = next((tmp_path / PARTS).iterdir())
        part.write_bytes(part.read_bytes()[:-7])
        assert len(read_all(tmp_path)) == 4
        generate(address, tmp_path)
    assert merge(tmp_path, SAMPLES) is not None


def test_a_damaged_line_in_the_middle_is_named(tmp_path: Path) -> None:
    (tmp_path / PARTS).mkdir()
    (tmp_path / PARTS / "0-of-1.jsonl").write_text('{"id": "rows:1"}\n')
    with pytest.raises(ConfigError, match=r"0-of-1\.jsonl:1: group, question, reference, response: missing; it is dam"):
        read_all(tmp_path)


def test_a_server_that_has_ended_ends_the_generation(tmp_path: Path) -> None:
    def gone() -> None:
        raise UserError("swift deploy: ended with exit code 1")

    with (
        serving(lambda request, number: (400, {}, b"{}")) as (address, _),
        appending(tmp_path, 0, 1) as append,
        pytest.raises(UserError, match="ended with exit code 1"),
    ):
        generate_with([address], SAMPLES, one_answer({}), 1, append, lambda line: None, check=gone)


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_generate import SAMPLES, generate
generate({address!r}, Path({folder!r}))
"""


def test_a_killed_generation_continues_and_equals_an_unbroken_one(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"

    def slow(request: dict[str, Any], number: int) -> Reply:
        time.sleep(0.05)
        return echo(request, number)

    with serving(slow) as (address, requests):
        script = KILLED.format(tests=str(Path(__file__).parent), address=address, folder=str(killed))
        process = subprocess.Popen([sys.executable, "-c", script])
        part = killed / PARTS / "0-of-1.jsonl"
        while not (part.is_file() and part.stat().st_size):
            assert process.poll() is None
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        kept = read_all(killed)
        assert 0 < len(kept) < len(SAMPLES)
        before = len(requests)
        generate(address, killed)
        # Requests that the killed process had sent may arrive late; they are of missing rows, too.
        asked = {request["messages"][-1]["content"] for request in requests[before:]}
        assert asked == {f"{sample.reference}?" for sample in SAMPLES if sample.id not in kept}
        generate(address, whole)
    assert merge(killed, SAMPLES) == merge(whole, SAMPLES)
    assert (killed / FILE).read_bytes() == (whole / FILE).read_bytes()


def test_decoding_goes_to_the_client_and_the_rest_to_the_server() -> None:
    args = {"max_new_tokens": 8, "temperature": 0, "model": "m", "max_length": 512, "val_dataset": ["x"]}
    assert decoding(args) == {"max_tokens": 8, "temperature": 0}
    assert server_arguments(args, "deploy") == {"model": "m", "max_length": 512, "infer_backend": "transformers"}
    assert server_arguments(args, "vllm")["infer_backend"] == "vllm"
