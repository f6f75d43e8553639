"""What the chart's `fail`s refuse, in the same words: templates/_fail.tpl is the other half, held by a parity test.

The rules see values that the schema has passed, so every key is there and of its type.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from vlm_sft.genvalues.rules.owned_arguments import owned
from vlm_sft.genvalues.rules.parallel_rules import parallel
from vlm_sft.genvalues.rules.resource_rules import resources
from vlm_sft.genvalues.rules.workload_rules import queue, workloads
from vlm_sft.genvalues.sizing.backend_arguments import gpus_per_rank

Values: TypeAlias = dict[str, Any]
Finding: TypeAlias = tuple[tuple[str, ...], str]  # path of the key, message

LONGEST_HISTORY = 5  # rounds before the last answer of FIRE's longest trajectories
MAX_RELEASE_NAME = 40  # characters: a pod's hostname adds the Job's suffix and index and must fit 63


def check_release_name(name: str) -> str | None:
    """Return what is wrong with a release name, in the chart's words."""
    if len(name) > MAX_RELEASE_NAME:
        return (
            f"{name} has {len(name)} characters, need at most {MAX_RELEASE_NAME} (a pod's hostname must fit 63); "
            "choose a shorter one"
        )
    if not re.fullmatch("[a-z][a-z0-9-]*", name):
        return f"{name}, need a letter first and no dot (it becomes the name of a Service); choose another"
    return None


def chart_findings(values: Values) -> Iterator[Finding]:
    """Yield everything that would make `helm install` fail although the schema is content."""
    for rule in _RULES:
        yield from rule(values)


def _image(values: Values) -> Iterator[Finding]:
    image = values["image"]
    if image["tag"] == "latest" and not image["digest"] and not image["allowLatest"]:
        message = "latest, which is another image every day; name a version or image.digest, "
        yield ("image", "tag"), message + "or set image.allowLatest to true"


def _model(values: Values) -> Iterator[Finding]:
    model, prepare = values["model"], values["prepare"]
    needed = values["train"]["enabled"] or values["evaluate"]["enabled"]
    if needed and not model["id"]:
        yield ("model", "id"), "empty, need a hub id or a path; e.g. Qwen/Qwen3-VL-8B-Instruct"
    if model["gated"] and not values["huggingFace"]["tokenSecret"]["name"]:
        message = f"empty, and {model['id']} is gated; name a secret that holds a Hugging Face token"
        yield ("huggingFace", "tokenSecret", "name"), message
    downloaded = prepare["enabled"] and model["download"]
    if needed and values["offline"] and model["id"] and not model["id"].startswith("/") and not downloaded:
        message = f"true, and nothing downloads {model['id']}; "
        message += "set model.id to a path, or model.download and prepare.enabled to true"
        yield ("offline",), message


def _batch(values: Values) -> Iterator[Finding]:
    train = values["train"]
    shared = gpus_per_rank(train)
    if not train["enabled"] or int(train["gpusPerNode"]) * int(train["nodes"]) % shared:
        return
    key = ("train", "effectiveBatchSize")
    effective = int(train.get("effectiveBatchSize") or 0)
    accumulation = int(train.get("gradientAccumulationSteps") or 0)
    per_gpu, gpus, nodes = (int(train[name]) for name in ("batchSizePerGpu", "gpusPerNode", "nodes"))
    ranks = gpus * nodes // shared
    per_pass = per_gpu * ranks
    processes = f"{gpus} {'processes' if train['accelerator'] == 'cpu' else 'GPUs'}"
    processes += f" x {nodes} nodes" if nodes > 1 else ""
    if shared > 1:
        processes = f"{ranks} data-parallel ranks ({processes} / {shared})"
    product = f"{per_gpu} per GPU x {processes}"
    if not effective and not accumulation:
        yield (
            key,
            "not set; give it, or train.gradientAccumulationSteps: ms-swift's own choice depends on the number of GPUs",
        )
    elif effective % per_pass:
        below = effective // per_pass * per_pass
        nearest = f"{below} or {below + per_pass}" if below else f"{per_pass}"
        yield key, f"{effective} is not a multiple of {per_pass} ({product}); use {nearest}"
    elif effective and accumulation and effective != per_pass * accumulation:
        given = f"got {effective}, but {product} x {accumulation} accumulation is {per_pass * accumulation}"
        yield key, f"{given}; correct one, or leave train.gradientAccumulationSteps out"


def _data(values: Values) -> Iterator[Finding]:
    prepare, train, evaluate = values["prepare"], values["train"], values["evaluate"]
    splits = prepare["splits"]
    if train["enabled"] and not train["dataset"]:
        if not prepare["dataset"]:
            message = "empty, and prepare.dataset makes none; name a dataset (a path or a hub id), or prepare one"
            yield ("train", "dataset"), message
        elif not prepare["enabled"]:
            message = f"empty, and the preparation of {prepare['dataset']} is switched off; "
            message += "set prepare.enabled to true, or name the files that an earlier one wrote"
            yield ("train", "dataset"), message
        elif "train" not in splits and "1m" not in splits:
            message = f"got {', '.join(splits)}, need train or 1m to train on; add one, or name train.dataset"
            yield ("prepare", "splits"), message
    if prepare["enabled"] and prepare["dataset"] and not prepare["imageRoots"] and not prepare["skipImages"]:
        message = "empty, and prepare.skipImages is false; name the folders that hold the images, or skip them"
        yield ("prepare", "imageRoots"), message
    rounds, loss = int(prepare["maxHistoryRounds"]), prepare["loss"]
    cuts = prepare["layout"] == "trajectory" and rounds < LONGEST_HISTORY
    if prepare["enabled"] and prepare["dataset"] and cuts and loss != "last":
        message = f"{rounds}, but prepare.loss {loss} imitates earlier answers too, which prepare.layout trajectory "
        message += f"leaves out where it cuts; use layout: steps, or {LONGEST_HISTORY} rounds, FIRE's longest"
        yield ("prepare", "maxHistoryRounds"), message
    if evaluate["enabled"]:
        if not train["enabled"]:
            yield ("evaluate", "enabled"), "true, and train.enabled is false; there is no run to evaluate"
        elif not evaluate["dataset"] and not has_validation_set(values):
            message = "empty, and training has no validation set; name one, here or in train.valDataset"
            yield ("evaluate", "dataset"), message


def has_validation_set(values: Values) -> bool:
    """Tell whether training validates: on a set that is named, or on the test split that the preparation writes."""
    prepare, train = values["prepare"], values["train"]
    made = prepare["enabled"] and prepare["dataset"] and not train["dataset"] and "test" in prepare["splits"]
    return bool(train["valDataset"] or made)


def _backend(values: Values) -> Iterator[Finding]:
    train = values["train"]
    if train["accelerator"] == "cpu" and train["backend"] == "swift" and train["sharding"] != "ddp":
        message = f"got {train['sharding']}, but train.accelerator is cpu, which only ddp runs on; use ddp, or gpu"
        yield ("train", "sharding"), message
    if train["enabled"] and train["sharding"] == "fsdp2":
        if values["evaluate"]["enabled"] and train["args"].get("tuner_type") == "full":
            message = "got fsdp2, whose checkpoints of full tuning are shards, and evaluate.enabled reads whole ones; "
            yield ("train", "sharding"), message + "use zero3, or evaluate.enabled: false"
        if train["args"].get("save_only_model") is True:
            message = "true, but the shards of train.sharding fsdp2 come with their optimizer; remove it, or use zero3"
            yield ("train", "args", "save_only_model"), message
    if train["args"].get("tuner_type") == "full":
        for name in train["args"]:
            if name.startswith("lora_") or name == "target_modules":
                message = (
                    "set, but train.args.tuner_type is full, which has no adapter; remove it, or use tuner_type: lora"
                )
                yield ("train", "args", name), message


def _storage(values: Values) -> Iterator[Finding]:
    train = values["train"]
    if not train["enabled"] or train["nodes"] == 1:
        return
    for name, use in (("cache", "read the model"), ("outputs", "write checkpoints")):
        claim = values["storage"][name]
        if not claim["existingClaim"] and claim["accessMode"] != "ReadWriteMany":
            message = f"got {claim['accessMode']}, but {int(train['nodes'])} nodes {use}"
            yield ("storage", name, "accessMode"), f"{message}; use ReadWriteMany, or train.nodes: 1"


_RULES: tuple[Callable[[Values], Iterator[Finding]], ...] = (
    _image,
    _model,
    _batch,
    parallel,
    _data,
    _backend,
    _storage,
    queue,
    workloads,
    resources,
    owned,
)
