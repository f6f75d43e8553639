"""What a model's name means: run directory, folder, adapter, hub id; and what is refused before a GPU is used."""

import json
from pathlib import Path

import pytest
from vlm_sft.errors import ConfigError
from vlm_sft.evaluate.model import find_model


def model_folder(folder: Path, **config: object) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"hidden_size": 8, **config}))
    for name in ("model.safetensors", "tokenizer.json"):
        (folder / name).touch()
    return folder


def adapter(folder: Path, base: str, weights: bytes = b"lora") -> Path:
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": base}))
    (folder / "adapter_model.safetensors").write_bytes(weights)
    return folder


def refused(name: Path | str, base: str = "") -> str:
    with pytest.raises(ConfigError) as error:
        find_model(str(name), base)
    assert error.value.exit_code == 42
    return error.value.message


def test_a_hub_id_is_passed_on_with_its_revision() -> None:
    for model in (find_model("Qwen/Qwen3-8B", "", "abc"), find_model("Qwen/Qwen3-8B@abc", "")):
        assert model.args == {"model": "Qwen/Qwen3-8B", "model_revision": "abc"}
        assert model.identity == {"model": "Qwen/Qwen3-8B", "revision": "abc"}
    assert find_model("Qwen/Qwen3-8B", "").args == {"model": "Qwen/Qwen3-8B"}


def test_a_folder_is_identified_by_its_weights_and_not_by_its_place(tmp_path: Path) -> None:
    first, second = model_folder(tmp_path / "x" / "m"), model_folder(tmp_path / "y" / "m")
    assert find_model(str(first), "").args == {"model": str(first)}
    assert find_model(str(first), "").identity == find_model(str(second), "").identity
    (second / "model.safetensors").write_bytes(b"trained")
    assert find_model(str(first), "").identity != find_model(str(second), "").identity


def test_an_adapter_is_loaded_with_its_base(tmp_path: Path) -> None:
    base = model_folder(tmp_path / "base")
    folder = adapter(tmp_path / "checkpoint-3", str(base))
    assert find_model(str(folder), "").args == {"model": str(base), "adapters": str(folder)}
    copy = model_folder(tmp_path / "copy")
    assert find_model(str(folder), str(copy)).args["model"] == str(copy)
    of_hub = adapter(tmp_path / "hub", "/cache/hf/hub/models--Qwen--Qwen3-8B/snapshots/0a1b")
    assert find_model(str(of_hub), "Qwen/Qwen3-8B").args["model"] == "Qwen/Qwen3-8B"


def test_an_adapter_of_another_base_is_refused(tmp_path: Path) -> None:
    folder = adapter(tmp_path / "a", "Qwen/Qwen3-VL-8B-Instruct")
    assert refused(folder, "Qwen/Qwen3-VL-4B-Instruct") == (
        f"{folder}/adapter_config.json: its base model is Qwen/Qwen3-VL-8B-Instruct, but the config names "
        "Qwen/Qwen3-VL-4B-Instruct; set model.id to Qwen/Qwen3-VL-8B-Instruct, or evaluate another adapter"
    )
    small, large = model_folder(tmp_path / "s"), model_folder(tmp_path / "l", num_layers=9)
    assert "its base model is" in refused(adapter(tmp_path / "b", str(small)), str(large))
    assert "names no base model; set model.id" in refused(adapter(tmp_path / "c", ""))


def test_a_folder_that_lacks_a_file_is_refused(tmp_path: Path) -> None:
    assert "need config.json or adapter_config.json" in refused(tmp_path)
    assert "does not exist; need a hub id, a model folder" in refused(tmp_path / "none")
    folder = model_folder(tmp_path / "vl", vision_config={})
    assert refused(folder) == (
        f"model: {folder} has no preprocessor_config.json, but its config.json has a vision_config, so images need it; "
        "copy the whole model"
    )
    (folder / "preprocessor_config.json").touch()
    find_model(str(folder), "")
    (folder / "tokenizer.json").unlink()
    assert "has no tokenizer (" in refused(folder)
    (folder / "model.safetensors").unlink()
    assert "has no weights (" in refused(folder)


def test_a_run_directory_is_its_finished_checkpoint(tmp_path: Path) -> None:
    base = model_folder(tmp_path / "base")
    checkpoint = adapter(tmp_path / "run" / "checkpoint-3", str(base))
    report = tmp_path / "run" / "run_report.json"
    report.write_text(json.dumps({"status": "stopped"}))
    assert refused(tmp_path / "run").endswith("status is stopped, need finished; resume the training")
    report.write_text(json.dumps({"status": "finished", "checkpoint": str(checkpoint)}))
    assert find_model(str(tmp_path / "run"), "").args == {"model": str(base), "adapters": str(checkpoint)}
    report.write_text(json.dumps({"status": "finished", "checkpoint": str(tmp_path / "gone")}))
    assert "no weights (*.safetensors) there; restore the checkpoint" in refused(tmp_path / "run")
    shards = tmp_path / "run" / "checkpoint-4"
    (shards / "pytorch_model_fsdp_0").mkdir(parents=True)
    report.write_text(json.dumps({"status": "finished", "checkpoint": str(shards)}))
    assert refused(tmp_path / "run") == (
        f"{shards}: shards, which ms-swift cannot load; run `vlm-sft export {tmp_path}/run` first"
    )
