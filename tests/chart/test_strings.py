"""Strings reach manifests unchanged: quotes, line breaks, templates, $(VARIABLES), any unicode."""

import itertools
import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

Manifest = dict[str, Any]
Render = Callable[..., list[Manifest]]

NASTY = [
    'a "quoted" word',
    "it's",
    "two\nlines\n\nand: a key",
    "tab\there, \\backslash\\",
    "{{ .Values.model.id }} {{- fail \"no\" -}}",
    "$(HOSTNAME) $$(HOME) $$$ 5$ $",
    "# no comment",
    "--- ",
    "- item",
    "key: value",
    "{a: 1}",
    "*alias &anchor !!tag %directive @at `tick`",
    "yes",
    "null",
    "1e-4",
    "0o17",
    "12:30:00",
    "2026-11-20",
    " leading and trailing ",
    "<|im_end|> <image> & é ü 漢字 😀",
    "next\u0085line, \u2028 \u2029 separators, \ufeff mark, \x7f delete, \x9f control",
    "a|b>c",
    "",
]  # fmt: skip


def values_with(texts: dict[str, str]) -> dict[str, Any]:
    """Return values with a text at every key that accepts any string."""
    return {
        "prepare": {
            "commands": [["vlm-sft", texts["command"]]],
            "input": texts["input"] or "x",
            "systemPrompt": texts["systemPrompt"],
            "imageRoots": ["/cache/" + texts["imageRoot"]],
            "sources": ["coco", texts["source"] or "x"],
        },
        "train": {
            "dataset": ["/cache/" + texts["dataset"]],
            "valDataset": ["/cache/" + texts["valDataset"]],
            "args": {
                "system": texts["arg"],
                "new_special_tokens": [texts["item"]],
                "model_kwargs": {"k": texts["nested"]},
            },
            "env": {"TEXT": texts["env"]},
        },
        "evaluate": {"dataset": ["/cache/" + texts["evalDataset"]], "args": {"system": texts["evalArg"]}},
        "scheduling": {
            "nodeSelector": {"label": texts["label"]},
            "tolerations": [{"key": "k", "value": texts["taint"]}],
            "topologySpreadConstraints": [{"topologyKey": texts["topology"], "maxSkew": 1}],
        },
        "fabric": {"env": {"FI_PROVIDER": texts["fabric"]}},
        "gpu": {"affinity": {"podAffinity": {"x": texts["affinity"]}}},
    }


PLACES = (
    "command", "input", "systemPrompt", "imageRoot", "source", "dataset", "valDataset", "arg", "item", "nested", "env",
    "evalDataset", "evalArg", "label", "taint", "affinity", "topology", "fabric",
)  # fmt: skip


def as_kubernetes_reads(word: str) -> str:
    """Expand an argument like the kubelet: $$ becomes $, and no $(NAME) may remain."""
    assert not re.search(r"(?<!\$)(\$\$)*\$\(", word), word
    return word.replace("$$", "$")


def by_component(manifests: list[Manifest], kind: str) -> dict[str, Manifest]:
    return {m["metadata"]["labels"]["app.kubernetes.io/component"]: m for m in manifests if m["kind"] == kind}


@pytest.mark.parametrize("seed", range(12))
def test_every_string_arrives_intact(render: Render, everything: Path, seed: int) -> None:
    dice = random.Random(seed)
    texts = {place: NASTY[(index + 2 * seed) % len(NASTY)] for index, place in enumerate(PLACES)}
    if seed > 5:  # any mixture of characters
        texts = {place: "".join(dice.choices("".join(NASTY), k=dice.randint(0, 60))) for place in PLACES}
    values = values_with(texts)
    manifests = render(everything, values)

    jobs = by_component(manifests, "Job")
    steps = {c["name"]: c for c in jobs["prepare"]["spec"]["template"]["spec"]["initContainers"]}
    assert [as_kubernetes_reads(word) for word in steps["command-0"]["command"]] == ["vlm-sft", texts["command"]]
    words = [as_kubernetes_reads(word) for word in steps["data"]["command"]]
    options = dict(zip(words[3::2], words[4::2], strict=True))
    prepare = values["prepare"]
    assert options["--input"] == prepare["input"]
    assert options.get("--system-prompt", "") == prepare["systemPrompt"]
    assert options["--image-root"] == prepare["imageRoots"][0]
    assert options["--sources"] == ",".join(prepare["sources"])

    maps = by_component(manifests, "ConfigMap")
    config = yaml.safe_load(maps["train"]["data"]["train.yaml"])
    train = values["train"]
    assert (config["dataset"], config["val_dataset"]) == (train["dataset"], train["valDataset"])
    assert (config["system"], config["new_special_tokens"]) == (texts["arg"], [texts["item"]])
    assert json.loads(config["model_kwargs"]) == {"k": texts["nested"]}
    assert config["ENV"] == {"IMAGE_MAX_TOKEN_NUM": 2048, "NNODES": 2, "NPROC_PER_NODE": 4, "TEXT": texts["env"]}
    evaluation = yaml.safe_load(maps["evaluate"]["data"]["evaluate.yaml"])
    assert (evaluation["val_dataset"], evaluation["system"]) == (values["evaluate"]["dataset"], texts["evalArg"])

    pod = jobs["train"]["spec"]["template"]["spec"]
    assert pod["nodeSelector"]["label"] == texts["label"]
    assert pod["tolerations"][0]["value"] == texts["taint"]
    assert pod["affinity"]["podAffinity"]["x"] == texts["affinity"]
    assert pod["topologySpreadConstraints"][0]["topologyKey"] == texts["topology"]
    (fabric,) = [v["value"] for v in pod["containers"][0]["env"] if v["name"] == "FI_PROVIDER"]
    assert as_kubernetes_reads(fabric) == texts["fabric"]


def test_five_thousand_generated_strings_arrive_intact(render: Render, everything: Path) -> None:
    dice = random.Random(5000)
    alphabet = "".join(NASTY) + "".join(chr(dice.randrange(0x20, 0xD800)) for _ in range(2000))
    texts = ["".join(dice.choices(alphabet, k=dice.randint(1, 40))) for _ in range(560)]
    named = {f"NAME_{index}": text for index, text in enumerate(texts)}
    paths = [f"/cache/{text}" for text in texts]  # another text would be a dataset on the hub
    values = {
        "prepare": {"commands": [["vlm-sft", *texts]], "imageRoots": ["/cache/" + text for text in texts]},
        "train": {"dataset": paths, "valDataset": paths, "args": {"new_special_tokens": texts}, "env": named},
        "evaluate": {"dataset": paths},
        "scheduling": {"nodeSelector": named, "tolerations": [{"key": "k", "value": text} for text in texts]},
        "fabric": {"env": {f"FABRIC_{name}": text for name, text in named.items()}},
    }
    manifests = render(everything, values)
    jobs, maps = by_component(manifests, "Job"), by_component(manifests, "ConfigMap")
    steps = {c["name"]: c for c in jobs["prepare"]["spec"]["template"]["spec"]["initContainers"]}
    words = [as_kubernetes_reads(word) for word in steps["data"]["command"]]
    config = yaml.safe_load(maps["train"]["data"]["train.yaml"])
    pod = jobs["train"]["spec"]["template"]["spec"]
    variables = {v["name"]: v.get("value", "") for v in pod["containers"][0]["env"]}
    arrived = [
        [as_kubernetes_reads(word) for word in steps["command-0"]["command"]][1:],
        [root.removeprefix("/cache/") for option, root in itertools.pairwise(words) if option == "--image-root"],
        [path.removeprefix("/cache/") for path in config["dataset"]],
        [path.removeprefix("/cache/") for path in config["val_dataset"]],
        config["new_special_tokens"],
        [config["ENV"][name] for name in named],
        [
            path.removeprefix("/cache/")
            for path in yaml.safe_load(maps["evaluate"]["data"]["evaluate.yaml"])["val_dataset"]
        ],
        [pod["nodeSelector"][name] for name in named],
        [toleration["value"] for toleration in pod["tolerations"] if toleration["key"] == "k"],
        [as_kubernetes_reads(variables[f"FABRIC_{name}"]) for name in named],
    ]
    assert arrived == [texts] * 10
    assert sum(map(len, arrived)) >= 5000
    assert [(m["kind"], m["metadata"]["labels"]) for m in manifests] == [
        (m["kind"], m["metadata"]["labels"]) for m in render(everything)
    ]
