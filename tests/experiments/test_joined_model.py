"""The commands in values/README.md that join a model with the tokenizer of another folder."""

import subprocess
from pathlib import Path

import yaml

TEXT = (Path(__file__).parents[2] / "values" / "README.md").read_text(encoding="utf-8")


def test_the_tokenizer_is_the_other_one_and_the_weights_are_links(tmp_path: Path) -> None:
    values = yaml.safe_load(TEXT.split("```yaml\n")[1].split("```")[0])
    model, other = tmp_path / "models" / "Llama-3.2-3B-Instruct", tmp_path / "tokenizers" / "mine"
    for folder in (model, other):
        folder.mkdir(parents=True)
        (folder / "tokenizer.json").write_text(folder.name)
    (model / "model.safetensors").write_text("weights")
    for _ in range(2):  # a second pod repeats them
        for command in values["prepare"]["commands"]:
            subprocess.run([part.replace("/cache", str(tmp_path)) for part in command], check=True)
    joined = Path(values["model"]["id"].replace("/cache", str(tmp_path)))
    assert (joined / "tokenizer.json").read_text() == "mine"
    assert (joined / "model.safetensors").samefile(model / "model.safetensors")
    assert (model / "tokenizer.json").read_text() == "Llama-3.2-3B-Instruct"
