"""`vlm-sft prepare fire` as a user sees it: files, tables, exit codes."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from PIL import Image
from vlm_sft.cli import main

PROGRAM = [sys.executable, "-c", "from vlm_sft.cli import main; main()"]


def answer(text: str) -> dict[str, str]:
    return {"role": "student", "type": "response", "value": f"Thought: hm\nAnswer: {text}\n\n"}


def feedback(score: int) -> dict[str, str]:
    return {"role": "teacher", "type": "feedback", "value": f"Score: {score}.\nFeedback: look again\n"}


def row(number: int, answers: int = 2, image: str = "coco/train2017/{}.jpg") -> dict[str, Any]:
    turns = [turn for n in range(answers) for turn in (answer(f"{number}.{n}"), feedback(3 + n))]
    return {
        "id": f"r{number}",
        "image": image.format(number),
        "question": {"value": "<image>\nq?"},
        "conversations": turns,
    }


def write_input(folder: Path, train: list[Any], test: list[Any] | None = None) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "FIRE-train-100K.json").write_text(json.dumps(train))
    if test is not None:
        (folder / "FIRE-test.json").write_text(json.dumps(test))
    return folder


def run(source: Path | str, out: Path, *options: str, env: dict[str, str] | None = None) -> Result:
    arguments = ["prepare", "fire", "--input", str(source), "--output-dir", str(out), *options]
    return CliRunner().invoke(main, arguments, env=env)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def stats_of(out: Path) -> dict[str, Any]:
    stats: dict[str, Any] = json.loads((out / "stats.json").read_text())
    return stats


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_input(tmp_path / "data", [row(n) for n in range(20)], [row(n, 3) for n in range(5)])


def test_outputs_are_the_two_splits_and_the_stats(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "a" / "out"
    result = run(data, out, "--skip-images")
    assert result.exit_code == 0, result.output
    assert names(out) == ["fire_bc_test.jsonl", "fire_bc_train.jsonl", "stats.json"]
    stats = stats_of(out)
    for name, lines in (("fire_bc_train.jsonl", 20), ("fire_bc_test.jsonl", 5)):
        content = (out / name).read_bytes()
        assert stats["files"][name] == {"bytes": len(content), "lines": lines}
        assert content.count(b"\n") == lines


def test_the_stats_are_complete(tmp_path: Path) -> None:
    root = tmp_path / "images"
    for n in (0, 1, 2):
        path = root / f"coco/train2017/{n}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(path)
    rows = [row(0), row(1, 4), row(1, 4), row(2, 1), row(3), row(4, image="gqa/images/{}.jpg"), {"id": "x"}, "odd"]
    rows += [row(5), row(6)]
    rows[0]["conversations"][1]["value"] = "Feedback: no score here"
    data = write_input(tmp_path / "data", rows)
    out = tmp_path / "out"
    options = ["--splits", "train", "--image-root", str(root), "--max-drop-share", "0.6", "--max-history-rounds", "2"]
    result = run(data, out, *options)
    assert result.exit_code == 0, result.output

    stats = stats_of(out)
    content = (data / "FIRE-train-100K.json").read_bytes()
    train = stats["splits"]["train"]
    assert stats["input"] == {
        "train": {
            "file": "FIRE-train-100K.json",
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
    }
    assert stats["settings"] | {"version": "any"} == {
        "dataset": "fire",
        "layout": "trajectory",
        "loss": "all",
        "feedback": "text",
        "system_prompt": "",
        "max_history_rounds": 2,
        "sources": [],
        "image_roots": [str(root)],
        "skip_images": False,
        "max_samples": 0,
        "max_drop_share": 0.6,
        "save_drops": False,
        "count_tokens": "",
        "verify": "",
        "max_length": 0,
        "version": "any",
    }
    assert len(stats["sha256_of_settings_and_input"]) == 64
    assert (stats["rows_in"], stats["written"], stats["samples"], stats["history_cut"]) == (10, 4, 4, 2)
    assert stats["dropped"] == {"image_missing": 4, "no_image": 1, "row_not_an_object": 1} == train["dropped"]
    assert train["drop_share"] == 0.6
    assert train["drop_examples"]["image_missing"] == [
        {"row": 5, "id": "r3", "detail": "coco/train2017/3.jpg"},
        {"row": 6, "id": "r4", "detail": "gqa/images/4.jpg"},
        {"row": 9, "id": "r5", "detail": "coco/train2017/5.jpg"},
    ]
    assert train["duplicate_ids"] == 1
    assert train["answers_per_trajectory"] == {"1": 1, "2": 1, "4": 2}
    assert train["score_histogram"] == {"3": 3, "4": 3, "5": 2, "6": 2, "none": 1}
    assert train["last_score_histogram"] == {"3": 1, "4": 1, "6": 2}
    assert train["sources"] == {
        "coco": {"rows": 7, "written": 4, "images_found": 4, "images_missing": 3},
        "gqa": {"rows": 1, "written": 0, "images_found": 0, "images_missing": 1},
    }
    costs = train["layouts"]
    assert {name: costs["trajectory"][name] for name in ("samples", "images", "answers_trained")} == {
        "samples": 4,
        "images": 4,
        "answers_trained": 9,  # 2 + 3 + 3 + 1: a trajectory of four answers loses its first
    }
    assert {name: costs["steps"][name] for name in ("samples", "images", "answers_trained")} == {
        "samples": 11,
        "images": 11,
        "answers_trained": 11,
    }
    assert stats["seconds"] >= 0
    assert 5 < stats["peak_memory_mib"] < 5000
    assert (
        "2 trajectories are longer than --max-history-rounds; the two layouts differ for these: "
        "trajectory trains on 9 answers, steps on 11\n"
    ) in result.output


def test_the_bytes_are_the_same_every_time_with_any_hash_seed(data: Path, tmp_path: Path) -> None:
    contents = set()
    for seed in ("1", "2"):
        out = tmp_path / seed
        command = [*PROGRAM, "prepare", "fire", "--skip-images", "--input", str(data)]
        environment = os.environ | {"PYTHONHASHSEED": seed}
        subprocess.run([*command, "--output-dir", str(out)], env=environment, check=True, capture_output=True)
        contents.add((out / "fire_bc_train.jsonl").read_bytes() + (out / "fire_bc_test.jsonl").read_bytes())
    assert len(contents) == 1


# --- a finished run


def test_a_finished_run_is_recognised_and_not_repeated(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(data, out, "--skip-images")
    before = (out / "stats.json").stat().st_mtime_ns
    moved = data.rename(tmp_path / "moved")
    result = run(moved, out, "--skip-images")
    assert result.exit_code == 0
    assert f"already finished with these settings and this input: {out}; --force repeats it" in result.output
    assert (out / "stats.json").stat().st_mtime_ns == before
    assert run(moved, out, "--skip-images", "--force").exit_code == 0
    assert (out / "stats.json").stat().st_mtime_ns > before


def test_other_settings_replace_a_run_and_each_difference_is_shown(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(data, out, "--skip-images", "--save-drops")
    result = run(data, out, "--skip-images", "--layout", "steps", "--splits", "train", "--sources", "coco,vg")
    assert result.exit_code == 0, result.output
    assert result.stderr.startswith(
        f"{out}: made with other settings or input, so it is replaced:\n"
        "  layout: trajectory -> steps\n"
        "  save_drops: True -> False\n"
        "  sources: (none) -> coco, vg\n"
        "  input test: file=FIRE-test.json bytes="
    )
    assert "warning: --sources vg: no row has it" in result.stderr
    assert names(out) == ["fire_bc_train.jsonl", "stats.json"], "no file of the former run may remain"
    assert stats_of(out)["samples"] == 40


def test_a_changed_input_of_the_same_size_is_noticed(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(data, out, "--skip-images")
    path = data / "FIRE-train-100K.json"
    path.write_text(path.read_text().replace("19.1", "19.7"))
    result = run(data, out, "--skip-images")
    assert "  input train: file=FIRE-train-100K.json" in result.stderr
    assert b"19.7" in (out / "fire_bc_train.jsonl").read_bytes()


@pytest.mark.parametrize("damage", ["truncate", "remove"])
def test_a_finished_run_with_changed_files_is_repeated(damage: str, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(data, out, "--skip-images")
    path = out / "fire_bc_test.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-5]) if damage == "truncate" else path.unlink()
    assert run(data, out, "--skip-images").exit_code == 0
    assert path.read_bytes() == whole


def test_a_foreign_stats_file_is_not_overwritten(data: Path, tmp_path: Path) -> None:
    (tmp_path / "stats.json").write_text('{"mine": 1}')
    result = run(data, tmp_path, "--skip-images")
    assert result.exit_code == 1
    assert result.stderr == (
        f"error: --output-dir: {tmp_path / 'stats.json'} was not written by this command "
        "(KeyError('files', 'input', 'settings', 'sha256_of_settings_and_input', 'splits')); "
        "choose another folder, or remove the file\n"
    )
    assert (tmp_path / "stats.json").read_text() == '{"mine": 1}'


# --- drops


def test_too_many_drops_fail_with_the_table_and_leave_no_output(tmp_path: Path) -> None:
    data = write_input(tmp_path / "data", [*[row(n) for n in range(18)], {"id": "bad"}, "odd"])
    out = tmp_path / "out"
    result = run(data, out, "--skip-images", "--splits", "train", "--save-drops")
    assert result.exit_code == 1
    assert result.stderr == (
        "train: 20 rows read, 18 written, 2 dropped\n"
        "          1  no_image: no image path\n"
        "             row 19 id bad: image is NoneType\n"
        "          1  row_not_an_object: the row is not a JSON object\n"
        "             row 20 id (none): str\n"
        "error: train: 10.0% of the rows dropped, more than --max-drop-share 5.0%; "
        "fix the cause, choose --sources that you have, or raise the share\n"
    )
    assert names(out) == ["dropped_train.jsonl"], "only the requested rows for inspection"
    assert json.loads((out / "dropped_train.jsonl").read_bytes().splitlines()[0]) == {
        "reason": "no_image",
        "detail": "image is NoneType",
        "row": 19,
        "data": {"id": "bad"},
    }


def test_the_share_itself_is_allowed(tmp_path: Path) -> None:
    data = write_input(tmp_path / "data", [*[row(n) for n in range(19)], {"id": "bad"}])
    assert run(data, tmp_path / "out", "--skip-images", "--splits", "train").exit_code == 0


def test_a_failed_run_discards_the_former_one(data: Path, tmp_path: Path) -> None:
    """Otherwise a training could start on data of other settings."""
    out = tmp_path / "out"
    run(data, out, "--skip-images")
    (tmp_path / "empty").mkdir()
    assert run(data, out, "--image-root", str(tmp_path / "empty")).exit_code == 1
    assert names(out) == []


def test_excluded_sources_are_not_in_the_drop_share(tmp_path: Path) -> None:
    rows = [*[row(n) for n in range(4)], *[row(n, image="vg/VG_100K/{}.jpg") for n in range(96)]]
    data = write_input(tmp_path / "data", rows)
    out = tmp_path / "out"
    result = run(data, out, "--skip-images", "--splits", "train", "--sources", "coco", "--sources", "gqa , coco")
    assert result.exit_code == 0, result.output
    train = stats_of(out)["splits"]["train"]
    assert train["dropped"] == {"source_not_selected": 96}
    assert train["drop_share"] == 0
    assert train["sources"]["vg"] == {"rows": 96, "written": 0, "images_found": 0, "images_missing": 0}


def test_the_share_is_of_the_selected_rows(tmp_path: Path) -> None:
    rows = [row(0), {"id": "bad"}, *[row(n, image="vg/VG_100K/{}.jpg") for n in range(98)]]
    data = write_input(tmp_path / "data", rows)
    result = run(data, tmp_path / "out", "--skip-images", "--splits", "train", "--sources", "coco")
    assert result.exit_code == 1
    assert "error: train: 50.0% of the rows dropped" in result.stderr


def test_a_split_with_no_rows_left_fails(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = run(data, out, "--skip-images", "--sources", "cooc", "--splits", "train")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == (
        "error: train: nothing to write of 20 rows (requested sources: cooc; found: coco); "
        "leave this split out of --splits, or choose other --sources"
    )
    assert names(out) == []


# --- number of samples


def test_max_samples_counts_what_is_written_in_each_split(tmp_path: Path) -> None:
    data = write_input(tmp_path / "data", ["odd", *[row(n, 3) for n in range(20)]], [row(n) for n in range(2)])
    out = tmp_path / "out"
    result = run(data, out, "--skip-images", "--max-samples", "5", "--layout", "steps", "--max-drop-share", "0.5")
    assert result.exit_code == 0, result.output
    splits = stats_of(out)["splits"]
    assert (splits["train"]["rows_in"], splits["train"]["written"], splits["test"]["written"]) == (6, 5, 2)
    assert stats_of(out)["files"]["fire_bc_train.jsonl"]["lines"] == 15


def test_the_environment_variables_work(data: Path, tmp_path: Path) -> None:
    result = run(data, tmp_path / "out", "--skip-images", env={"MAX_SAMPLES": "3", "MAX_HISTORY_ROUNDS": "1"})
    assert result.exit_code == 0, result.output
    stats = stats_of(tmp_path / "out")
    assert (stats["settings"]["max_samples"], stats["settings"]["max_history_rounds"]) == (3, 1)
    assert stats["splits"]["test"]["history_cut"] == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--max-history-rounds", "0"], "(env var: 'MAX_HISTORY_ROUNDS'): 0 is not in the range x>=1."),
        (["--splits", "train,dev"], "'--splits': 'dev' is not one of train, test, 1m."),
        (["--system-prompt", "<image>"], "'--system-prompt': <image> and control tokens such as <|im_end|> belong to"),
        (["--loss", "some"], "'some' is not one of 'all', 'last', 'revisions'"),
    ],
)
def test_a_wrong_option_is_a_usage_error(options: list[str], message: str, data: Path, tmp_path: Path) -> None:
    result = run(data, tmp_path / "out", "--skip-images", *options)
    assert result.exit_code == 2
    assert message in result.stderr


def test_images_are_required_without_skip_images(data: Path, tmp_path: Path) -> None:
    result = run(data, tmp_path / "out")
    assert result.exit_code == 2
    assert "give --image-root DIR, or --skip-images to write samples without checking the images." in result.stderr
    result = run(data, tmp_path / "out", "--image-root", str(tmp_path / "nowhere"))
    assert result.exit_code == 1
    assert result.stderr == (
        f"error: --image-root: {tmp_path / 'nowhere'}: no such folder; put the images there, or use --skip-images\n"
    )


def test_counting_tokens_needs_the_images(data: Path, tmp_path: Path) -> None:
    result = run(data, tmp_path / "out", "--skip-images", "--count-tokens", "model")
    assert result.exit_code == 2
    assert "--count-tokens and --verify read the images: leave out --skip-images." in result.stderr


def test_counting_tokens_without_ms_swift_keeps_the_former_run(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    run(data, out, "--skip-images")
    for name in ("swift", "swift.template"):  # another test of this process may have imported it
        monkeypatch.setitem(sys.modules, name, None)
    result = run(data, out, "--image-root", str(tmp_path), "--count-tokens", "model")
    assert result.exit_code == 1
    assert result.stderr.endswith("error: --count-tokens: needs ms-swift; install vlm-sft[train], or omit it\n")
    assert (out / "stats.json").exists()


def test_an_output_folder_that_cannot_be_created_is_one_line(data: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = run(data, tmp_path / "file" / "out", "--skip-images")
    assert result.exit_code == 1
    assert result.stderr == f"error: {tmp_path / 'file' / 'out'}: Not a directory\n"


def test_the_help_explains_what_is_trained_on_and_where_the_layouts_differ() -> None:
    text = " ".join(CliRunner().invoke(main, ["prepare", "fire", "--help"]).output.split())
    for part in ("without the thought", "layouts differ where history is cut", "history_cut", "[env var: MAX_SAMPLES;"):
        assert part in text


# --- killed


def test_a_killed_run_leaves_no_partial_file_and_the_next_run_cleans_up(tmp_path: Path) -> None:
    rows = [row(n, 4) for n in range(60_000)]
    data = write_input(tmp_path / "data", rows)
    out = tmp_path / "out"
    command = [*PROGRAM, "prepare", "fire", "--splits", "train", "--skip-images"]
    process = subprocess.Popen([*command, "--input", str(data), "--output-dir", str(out)], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not any(path.stat().st_size > 0 for path in out.glob("*.tmp")):
        assert process.poll() is None, "it ended before it was killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert [name.split(".")[-1] for name in names(out)] == ["tmp"]
    picture = out / "images" / "ab" / "abcd.png.node.7.ffff.tmp"  # as a killed run leaves it
    picture.parent.mkdir(parents=True)
    picture.write_bytes(b"half")
    assert run(data, out, "--splits", "train", "--skip-images").exit_code == 0
    assert not picture.exists()
    assert names(out) == ["fire_bc_train.jsonl", "images", "stats.json"]


def test_tags_that_stand_for_nothing_are_counted_by_trajectory(tmp_path: Path) -> None:
    tagged = row(1) | {"question": "<video> <Video> and <bbox>?"}
    result = run(
        write_input(tmp_path / "in", [row(0), tagged, tagged | {"id": 2}]),
        tmp_path / "out",
        "--splits",
        "train",
        "--skip-images",
    )
    assert stats_of(tmp_path / "out")["splits"]["train"]["foreign_tags"] == {"<bbox>": 2, "<video>": 2}
    line = "train: rows with a tag that stands for nothing and stays in the text as typed: <bbox> 2, <video> 2\n"
    assert line in result.output


def test_rows_of_another_form_are_refused_once_with_the_command(tmp_path: Path) -> None:
    source = tmp_path / "x.jsonl"
    source.write_text('{"messages": [], "images": []}\n' * 100)
    result = run(source, tmp_path / "out", "--skip-images")
    assert (result.exit_code, result.output) == (
        1,
        f"error: {source}: the rows have ms-swift's own form (messages), which `vlm-sft prepare fire` does not read; "
        f"use `vlm-sft prepare jsonl --input {source}`\n",
    )
    assert names(tmp_path / "out") == []


@pytest.mark.parametrize("module", ["vlm_sft", "vlm_sft.cli"])
def test_the_module_runs_as_the_command(module: str, data: Path, tmp_path: Path) -> None:
    arguments = ["prepare", "fire", "--input", str(data), "--output-dir", str(tmp_path / "out"), "--skip-images"]
    subprocess.run([sys.executable, "-m", module, *arguments], check=True, capture_output=True)
    assert "fire_bc_train.jsonl" in names(tmp_path / "out")


def test_every_answer_of_a_long_dialogue_is_trained_on_by_default(tmp_path: Path) -> None:
    talk = [{"role": role, "content": f"{n}"} for n in range(12) for role in ("user", "assistant")]
    unanswered = {"messages": talk[:1]}
    (tmp_path / "train.jsonl").write_text(json.dumps({"messages": talk}) + "\n" + json.dumps(unanswered) + "\n")
    options = ["--input", str(tmp_path / "train.jsonl"), "--output-dir", str(tmp_path / "out"), "--workers", "1"]
    command = ["prepare", "jsonl", *options]
    result = CliRunner().invoke(main, command)
    assert (
        "          1  no_answers: no conversation, or one without an answer\n             row 2 id (none)\n"
        in result.output
    )
    assert CliRunner().invoke(main, [*command, "--max-drop-share", "0.5"]).exit_code == 0
    (line,) = (tmp_path / "out" / "jsonl_bc_train.jsonl").read_text().splitlines()
    assert [m["loss"] for m in json.loads(line)["messages"] if m["role"] == "assistant"] == [True] * 12
