"""What workloads need: a queue for their priority, a run, a model, a bucket, a claim that several pods may mount."""

import re
from collections.abc import Iterator
from typing import Any

_SECRET = re.compile("SECRET|TOKEN|PASS|CREDENTIALS|KEY")


def queue(values: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield path and message of a priority that no queue reads."""
    kueue = values["kueue"]
    if kueue["priorityClass"] and not kueue["queueName"]:
        message = f"got {kueue['priorityClass']}, but kueue.queueName is empty, so that no queue reads it; "
        yield ("kueue", "priorityClass"), message + "name the queue, or use scheduling.priorityClassName"


def workloads(values: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield path and message of each workload that could not do its work."""
    serve, sync, train = values["serve"], values["sync"], values["train"]
    if values["export"]["enabled"] and not train["enabled"]:
        message = (
            "true, and train.enabled is false; there is no run to export; `vlm-sft export RUN_DIR` does it by hand"
        )
        yield ("export", "enabled"), message
    if serve["enabled"] and not serve["model"]:
        message = "empty, and GPUs do not wait for a training; "
        message += "name the run directory of a finished one, a folder with weights, or a hub id"
        yield ("serve", "model"), message
    if serve["enabled"] and serve["engine"] == "vllm" and not serve["image"]:
        message = "empty, and the release's own image has no vLLM; name one that has it, or use serve.engine: swift"
        yield ("serve", "image"), message
    if sync["enabled"] and not sync["destination"]:
        yield ("sync", "destination"), "empty, need a bucket; e.g. s3://BUCKET/PATH or gs://BUCKET/PATH"
    if sync["enabled"] and not sync["secretName"]:
        message = "empty, need a secret whose keys are rclone's variables; "
        yield ("sync", "secretName"), message + "e.g. AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    for name in sync["env"]:
        if _SECRET.search(name):
            message = "a secret by its name, and values are no place for one; put it into the secret of sync.secretName"
            yield ("sync", "env", name), message
    outputs = values["storage"]["outputs"]
    for name in ("serve", "tensorboard"):
        alone = not outputs["existingClaim"] and outputs["accessMode"] == "ReadWriteOncePod"
        if values[name]["enabled"] and train["enabled"] and alone:
            message = f"got ReadWriteOncePod, but {name} mounts it as long as it runs, and training could not"
            yield ("storage", "outputs", "accessMode"), f"{message}; use ReadWriteMany"
