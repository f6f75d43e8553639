"""Wrong values are refused before anything is created, all at once, each with key, got, need and way out."""

# ruff: noqa: E501 - messages are compared whole

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from chart_keys import CHART, DEFAULTS, merged, value_at

FailLines = Callable[..., list[str]]

GOOD: dict[str, Any] = {
    "model": {"id": "Qwen/Qwen3-VL-8B-Instruct"},
    "prepare": {"dataset": "fire"},
    "train": {"effectiveBatchSize": 64, "gpusPerNode": 4},
}

CASES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "nothing is wrong": ({}, []),
    "a tag that changes over time": (
        {"image": {"tag": "latest"}},
        ["image.tag: latest, which changes over time; name a version or image.digest, or set image.allowLatest to true"],
    ),
    "latest on purpose": ({"image": {"tag": "latest", "allowLatest": True}}, []),
    "latest with a digest, which overrides it": ({"image": {"tag": "latest", "digest": f"sha256:{'0' * 64}"}}, []),
    "trackers without a secret": (
        {"train": {"args": {"report_to": ["wandb", "mlflow", "swanlab", "tensorboard"]}}},
        [
            "train.trackers.secretName: empty, but train.args.report_to has mlflow, which needs MLFLOW_TRACKING_URI; name a secret with that key, or set train.env.MLFLOW_TRACKING_URI to a server or a folder below /outputs",
            "train.trackers.secretName: empty, but train.args.report_to has swanlab, which needs SWANLAB_API_KEY; name a secret with that key, or set train.args.swanlab_mode to local and train.env.SWANLAB_LOG_DIR to a folder below /outputs",
            "train.trackers.secretName: empty, but train.args.report_to has wandb, which needs WANDB_API_KEY; name a secret with that key, or set train.env.WANDB_MODE to offline and train.env.WANDB_DIR to a folder below /outputs",
        ],
    ),
    "trackers that need no secret": (
        {"train": {"args": {"report_to": ["wandb", "mlflow", "swanlab"], "swanlab_mode": "local"}, "env": {"WANDB_MODE": "offline", "MLFLOW_TRACKING_URI": "/outputs/mlruns"}}},
        [],
    ),
    "one tracker as text, with a secret": ({"train": {"args": {"report_to": "wandb"}, "trackers": {"secretName": "trackers"}}}, []),
    "a tracker's secret on a TrainJob": (
        {"train": {"launcher": "trainjob", "trackers": {"secretName": "trackers"}}},
        ["train.trackers.secretName: got trackers, but a TrainJob cannot take its variables from a Secret; use train.launcher: jobset, or put envFrom into the training runtime and leave this empty"],
    ),
    "secrets in clear text": (
        {"train": {"env": {"WANDB_API_KEY": "x", "IMAGE_MAX_TOKEN_NUM": 16}, "args": {"swanlab_token": "x"}}, "evaluate": {"env": {"HUGGING_FACE_HUB_TOKEN": "x"}}},
        [
            "train.env.WANDB_API_KEY: named like a secret, which a ConfigMap must not hold; put it into the secret that train.trackers.secretName names",
            "evaluate.env.HUGGING_FACE_HUB_TOKEN: named like a secret, which a ConfigMap must not hold; put it into the secret that huggingFace.tokenSecret names",
            "train.args.swanlab_token: a secret, which a ConfigMap must not hold; put it into the secret that train.trackers.secretName names",
        ],
    ),
    "the best checkpoint": ({"train": {"keepBest": True}}, []),
    "the best checkpoint of each epoch": ({"train": {"keepBest": True, "args": {"save_strategy": "epoch", "eval_steps": 7}}}, []),
    "the best checkpoint with fewer evaluations than checkpoints": (
        {"train": {"keepBest": True, "args": {"save_steps": 100, "eval_steps": 1000}}},
        [],
    ),
    "the best checkpoint of a share of the steps": ({"train": {"keepBest": True, "args": {"save_steps": 0.1, "eval_steps": 0.1}}}, []),
    "the best checkpoint without validation data": (
        {"train": {"keepBest": True, "args": {"create_checkpoint_symlink": True, "save_total_limit": 1}}, "prepare": {"splits": ["train"]}},
        [
            "train.keepBest: true, but there is no validation data; set train.valDataset, prepare a split test or validation, or set train.args.split_dataset_ratio",
            "train.args.create_checkpoint_symlink: true, but train.keepBest makes the link `best`; remove it",
            "train.args.save_total_limit: got 1, but train.keepBest keeps two checkpoints, the best and the last; use 2 or more",
        ],
    ),
    "the best checkpoint of the training data's own share": (
        {"train": {"keepBest": True, "args": {"split_dataset_ratio": 0.01}}, "prepare": {"splits": ["train"]}},
        [],
    ),
    "evaluations without a checkpoint": (
        {"train": {"keepBest": True, "args": {"eval_steps": 250}}},
        ["train.args.eval_steps: got 250, but train.keepBest needs a checkpoint of each evaluation; use a multiple of 500 (train.args.save_steps), or change that"],
    ),
    "evaluations at another share of the steps": (
        {"train": {"keepBest": True, "args": {"save_steps": 0.25, "eval_steps": 10}}},
        ["train.args.eval_steps: got 10, but train.keepBest needs a checkpoint of each evaluation; use 0.25, as train.args.save_steps"],
    ),
    "evaluations at other times than checkpoints": (
        {"train": {"keepBest": True, "args": {"eval_strategy": "epoch"}}},
        ["train.args.eval_strategy: got epoch, but train.keepBest needs a checkpoint of each evaluation; use steps, as train.args.save_strategy"],
    ),
    "no checkpoints at all": (
        {"train": {"keepBest": True, "args": {"save_strategy": "no"}}},
        ["train.args.save_strategy: got no, but train.keepBest needs a checkpoint of each evaluation; use steps or epoch"],
    ),
    "no model": (
        {"model": {"id": ""}},
        ["model.id: empty, need a hub id or a path; e.g. Qwen/Qwen3-VL-8B-Instruct"],
    ),
    "gated without a token": (
        {"model": {"gated": True}, "huggingFace": {"tokenSecret": {"name": ""}}},
        ["huggingFace.tokenSecret.name: empty, and Qwen/Qwen3-VL-8B-Instruct is gated; name a secret that holds a Hugging Face token"],
    ),
    "offline without a download": (
        {"offline": True, "model": {"download": False}},
        ["offline: true, but Qwen/Qwen3-VL-8B-Instruct is not downloaded; set model.id to a path, or model.download and prepare.enabled to true"],
    ),
    "offline with a download": ({"offline": True}, []),
    "offline with a dataset that is not fetched": (
        {"offline": True, "train": {"dataset": ["a/b#500", "/outputs/rows.jsonl", "rows.csv#9"], "valDataset": ["a/b#500"], "args": {"streaming": True}}},
        ["offline: true, but the dataset a/b#500 is not downloaded; name a path, or set prepare.enabled to true and train.args.streaming to false"],
    ),
    "offline with a dataset that is fetched": ({"offline": True, "train": {"dataset": ["a/b#500"]}}, []),
    "offline with a path": ({"offline": True, "model": {"id": "/cache/model", "download": False}}, []),
    "no batch": (
        {"train": {"effectiveBatchSize": None}},
        ["train.effectiveBatchSize: not set; give it, or train.gradientAccumulationSteps: ms-swift's own choice depends on the number of GPUs"],
    ),
    "an indivisible batch names the nearest": (
        {"train": {"effectiveBatchSize": 63}},
        ["train.effectiveBatchSize: 63 is not a multiple of 4 (1 per GPU x 4 GPUs); use 60 or 64"],
    ),
    "a batch below one pass": (
        {"train": {"effectiveBatchSize": 3, "nodes": 2}, "storage": {"cache": {"accessMode": "ReadWriteMany"}}},
        ["train.effectiveBatchSize: 3 is not a multiple of 8 (1 per GPU x 4 GPUs x 2 nodes); use 8"],
    ),
    "a batch that differs from the product": (
        {"train": {"gradientAccumulationSteps": 8}},
        ["train.effectiveBatchSize: got 64, but 1 per GPU x 4 GPUs x 8 accumulation is 32; correct one, or leave train.gradientAccumulationSteps out"],
    ),
    "a batch of processes": (
        {"train": {"effectiveBatchSize": 6, "accelerator": "cpu", "sharding": "zero2"}},
        [
            "train.effectiveBatchSize: 6 is not a multiple of 4 (1 per GPU x 4 processes); use 4 or 8",
            "train.sharding: got zero2, but train.accelerator cpu supports only ddp; use ddp, or train.accelerator: gpu",
        ],
    ),
    "a batch of data-parallel ranks": (
        {"train": {"effectiveBatchSize": 3, "gpusPerNode": 8, "parallel": {"sequence": 4}}},
        ["train.effectiveBatchSize: 3 is not a multiple of 2 (1 per GPU x 2 data-parallel ranks (8 GPUs / 4)); use 2 or 4"],
    ),
    "a batch of data-parallel ranks over nodes": (
        {"train": {"gradientAccumulationSteps": 3, "nodes": 2, "parallel": {"sequence": 2}}, "storage": {"cache": {"accessMode": "ReadWriteMany"}}},
        ["train.effectiveBatchSize: got 64, but 1 per GPU x 4 data-parallel ranks (4 GPUs x 2 nodes / 2) x 3 accumulation is 12; correct one, or leave train.gradientAccumulationSteps out"],
    ),
    "GPUs that are not a multiple of the parallel sizes": (
        {"train": {"parallel": {"sequence": 3}}},
        ["train.parallel: got 4 GPUs, need a multiple of 3 (sequence 3); use 3 or 6, or other sizes"],
    ),
    "parallel sizes that swift does not support": (
        {"train": {"parallel": {"tensor": 2, "expert": 2}}},
        [
            "train.parallel.tensor: got 2, but train.backend swift supports only train.parallel.sequence; use 1, or train.backend: megatron",
            "train.parallel.expert: got 2, but train.backend swift supports only train.parallel.sequence; use 1, or train.backend: megatron",
        ],
    ),
    "settings that megatron does not support": (
        {"train": {"backend": "megatron", "accelerator": "cpu", "sharding": "zero3", "parallel": {"sequence": 2}, "logBatches": "all"}},
        [
            "train.parallel.sequence: got 2, but train.backend megatron splits rows by context; use train.parallel.context, or train.backend: swift",
            "train.logBatches: got all, but train.backend megatron builds its batches elsewhere; use none, or train.backend: swift",
            "train.sharding: got zero3, but train.backend megatron shards with its own optimizer; use ddp, or train.backend: swift",
            "train.accelerator: got cpu, but train.backend megatron needs GPUs; use gpu, or train.backend: swift",
            "train.args.num_train_epochs: not set, and megatron sft has no default; set it, or train.args.train_iters",
        ],
    ),
    "megatron with experts over data-parallel ranks": (
        {"train": {"backend": "megatron", "gpusPerNode": 8, "parallel": {"tensor": 2, "expert": 8}, "args": {"train_iters": 100}}},
        [],
    ),
    "GPUs that are not a multiple of experts x stages": (
        {"train": {"backend": "megatron", "gpusPerNode": 8, "parallel": {"pipeline": 2, "expert": 8}, "args": {"num_train_epochs": 1}}},
        ["train.parallel.expert: got 8 GPUs, need a multiple of 16 (expert 8 x pipeline 2); use 16, or other sizes"],
    ),
    "sharded checkpoints that evaluation cannot read": (
        {"train": {"sharding": "fsdp2", "args": {"tuner_type": "full", "save_only_model": True}}, "evaluate": {"enabled": True}},
        [
            "train.sharding: got fsdp2, which saves full tuning as shards, but evaluation needs whole weights; use zero3, or evaluate.enabled: false",
            "train.args.save_only_model: true, but train.sharding fsdp2 always saves the optimizer with its shards; remove it, or use zero3",
        ],
    ),
    "sharded checkpoints with an adapter": ({"train": {"sharding": "fsdp2"}, "evaluate": {"enabled": True}}, []),
    "no data": (
        {"prepare": {"dataset": ""}},
        ["train.dataset: empty, and prepare.dataset is empty too; name a dataset (a path or a hub id), or prepare one"],
    ),
    "a disabled preparation": (
        {"prepare": {"enabled": False}},
        ["train.dataset: empty, and the preparation of fire is switched off; set prepare.enabled to true, or name the files of an earlier preparation"],
    ),
    "only a test split": (
        {"prepare": {"splits": ["test"]}},
        ["prepare.splits: got test, need train or 1m to train on; add one, or set train.dataset"],
    ),
    "no split of volcano to train on": (
        {"prepare": {"dataset": "volcano", "splits": ["test"]}},
        [
            "prepare.splits: got test, need train to train on; add one, or set train.dataset",
            "prepare.splits: got test, but volcano has train; use these",
        ],
    ),
    "splits that a dataset does not have": (
        {"prepare": {"dataset": "geo3k", "splits": ["train", "1m", "dev"]}},
        ["prepare.splits: got 1m, dev, but geo3k has train, test, validation; use these"],
    ),
    "files without an input": (
        {"prepare": {"dataset": "csv"}},
        ["prepare.input: empty, and csv has no default; name a file or folder on a claim, or a dataset on the hub (ORG/NAME)"],
    ),
    "a hub dataset without an input": (
        {"prepare": {"dataset": "hub"}},
        ["prepare.input: empty, and hub has no default; name a dataset on the hub (ORG/NAME)"],
    ),
    "the input of another dataset": (
        {"prepare": {"dataset": "geo3k", "input": "PengxiangLi/FIRE@main"}},
        ["prepare.input: got PengxiangLi/FIRE@main, but prepare.dataset is geo3k; remove it, or use prepare.dataset: fire"],
    ),
    "a known dataset read by its columns": ({"prepare": {"dataset": "hub", "input": "tatsu-lab/alpaca"}}, []),
    "a copy of a dataset": ({"prepare": {"dataset": "alpaca", "input": "me/alpaca"}}, []),
    "images of a dataset without images": (
        {"prepare": {"dataset": "oasst1", "imageRoots": ["/cache/a", "/cache/b"]}},
        ["prepare.imageRoots: got /cache/a, /cache/b, but oasst1 has no images; remove it"],
    ),
    "datasets without images need no folder": ({"prepare": {"dataset": "alpaca"}}, []),
    "options of other datasets": (
        {"prepare": {
            "dataset": "alpaca", "volcano": {"as": "trajectories"}, "geo3k": {"target": "plain"}, "feedback": "score-and-text",
            "oasst1": {"threads": "all", "languages": ["en"], "unreviewed": True}, "columns": {"prompt": "q"}, "subset": "main",
        }},
        [
            'prepare.columns: got {"prompt":"q"}, but prepare.dataset alpaca has no such option; remove it, or use prepare.dataset: jsonl or csv or hub',
            "prepare.feedback: got score-and-text, but prepare.dataset alpaca has no such option; remove it, or use prepare.dataset: fire",
            "prepare.geo3k.target: got plain, but prepare.dataset alpaca has no such option; remove it, or use prepare.dataset: geo3k",
            'prepare.oasst1.languages: got ["en"], but prepare.dataset alpaca has no such option; remove it, or use prepare.dataset: oasst1',
            "prepare.oasst1.threads: got all, but prepare.dataset alpaca has no such option; remove it, or use prepare.dataset: oasst1",
            "prepare.oasst1.unreviewed: got true, but prepare.dataset alpaca has no such option; remove it, or use prepare.dataset: oasst1",
            "prepare.subset: got main, but prepare.dataset alpaca has no such option; remove it, or use prepare.dataset: hub",
            "prepare.volcano.as: got trajectories, but prepare.dataset alpaca has no such option; remove it, or use prepare.dataset: volcano",
        ],
    ),
    "pods that divide rows which cannot be divided": (
        {"prepare": {"dataset": "oasst1", "shards": 2}, "storage": {"cache": {"accessMode": "ReadWriteMany"}}},
        ["prepare.shards: got 2, but the rows of oasst1 cannot be divided; use 1"],
    ),
    "pods that divide trajectories": (
        {"prepare": {"dataset": "volcano", "volcano": {"as": "trajectories"}, "shards": 2}, "storage": {"cache": {"existingClaim": "a"}}},
        ["prepare.shards: got 2, but the rows of a volcano trajectory may lie anywhere in the file; use 1"],
    ),
    "pods that divide the first rows, on claims that they cannot share": (
        {"prepare": {"shards": 8, "maxSamples": 100}, "storage": {"outputs": {"accessMode": "ReadWriteOnce"}}},
        [
            "prepare.shards: got 8, but prepare.maxSamples 100 counts the rows from the start of a split; use 1, or prepare.maxSamples: 0",
            "storage.cache.accessMode: got ReadWriteOnce, but 8 pods read the images (prepare.shards); use ReadWriteMany, or prepare.shards: 1",
            "storage.outputs.accessMode: got ReadWriteOnce, but 8 pods write parts of the data (prepare.shards); use ReadWriteMany, or prepare.shards: 1",
        ],
    ),
    "pods that divide a disabled preparation": ({"prepare": {"enabled": False, "shards": 8}, "train": {"dataset": ["a/b"]}}, []),
    "a history that drops answers to train on": (
        {"prepare": {"maxHistoryRounds": 4}},
        ["prepare.maxHistoryRounds: 4, but prepare.loss all trains on earlier answers too, and prepare.layout trajectory drops the earliest of them; use prepare.layout: steps, or 5 rounds (FIRE's longest trajectory)"],
    ),
    "a short history of another dataset": ({"prepare": {"dataset": "oasst1", "maxHistoryRounds": 1}}, []),
    "the longest history of FIRE": ({"prepare": {"maxHistoryRounds": 5}}, []),
    "a short history of steps": ({"prepare": {"maxHistoryRounds": 1, "layout": "steps"}}, []),
    "a short history of last answers": ({"prepare": {"maxHistoryRounds": 1, "loss": "last"}}, []),
    "nothing to evaluate": (
        {"train": {"enabled": False}, "evaluate": {"enabled": True}},
        ["evaluate.model: empty, and train.enabled is false, so there is no run to evaluate; name a hub id, a model folder, an adapter or a run directory, or set train.enabled to true"],
    ),
    "a model to evaluate without training": (
        {"train": {"enabled": False}, "evaluate": {"enabled": True, "model": "org/other"}, "model": {"id": ""}},
        [],
    ),
    "a model to evaluate beside training": (
        {"evaluate": {"enabled": True, "model": "org/other"}},
        ["evaluate.model: got org/other, but train.enabled is true and the trained run is evaluated; remove it, or set train.enabled to false"],
    ),
    "no data for a model to evaluate": (
        {"prepare": {"splits": ["train"]}, "train": {"enabled": False}, "evaluate": {"enabled": True, "model": "org/other"}},
        ["evaluate.dataset: empty, and the preparation has no validation set; set it, or add test or validation to prepare.splits"],
    ),
    "an evaluated model that is not downloaded": (
        {"offline": True, "model": {"download": False}, "train": {"enabled": False}, "evaluate": {"enabled": True, "model": "org/other"}},
        ["offline: true, but org/other is not downloaded; set evaluate.model to a path, or model.download and prepare.enabled to true"],
    ),
    "a dialogue without a teacher": (
        {"evaluate": {"enabled": True, "task": "fire-free", "engine": "infer"}},
        [
            "evaluate.teacher.address: empty, but evaluate.task fire-free is a dialogue with a teacher; set it, or use evaluate.task: fire",
            "evaluate.teacher.model: empty, but evaluate.task fire-free is a dialogue with a teacher; set it, or use evaluate.task: fire",
            "evaluate.engine: got infer, but evaluate.task fire-free needs a server for each turn; use deploy or vllm",
        ],
    ),
    "a teacher without a dialogue": (
        {"evaluate": {"enabled": True, "task": "fire", "teacher": {"address": "http://t:8000/v1"}}},
        ["evaluate.teacher.address: got http://t:8000/v1, but evaluate.task fire needs no teacher; remove it, or use evaluate.task: fire-free"],
    ),
    "a curve that cannot be drawn": (
        {"evaluate": {"everySteps": 100, "task": "loss"}, "train": {"sharding": "fsdp2"}, "prepare": {"splits": ["train"]}},
        [
            "evaluate.everySteps: got 100, but evaluate.task loss cannot run during training; use 0 (validation logs the loss), or another task",
            "evaluate.everySteps: got 100, but train.sharding fsdp2 cannot generate during training; use 0, or train.sharding: zero3",
            "evaluate.everySteps: got 100, but training has no validation set; set train.valDataset, or use 0",
        ],
    ),
    "several pods that evaluate on one node's claim": (
        {"evaluate": {"enabled": True, "shards": 2}, "storage": {"outputs": {"accessMode": "ReadWriteOnce"}}},
        [
            "storage.cache.accessMode: got ReadWriteOnce, but 2 pods read the model (evaluate.shards); use ReadWriteMany, or evaluate.shards: 1",
            "storage.outputs.accessMode: got ReadWriteOnce, but 2 pods write answers (evaluate.shards); use ReadWriteMany, or evaluate.shards: 1",
        ],
    ),
    "no data to evaluate on": (
        {"prepare": {"splits": ["train"]}, "evaluate": {"enabled": True}},
        ["evaluate.dataset: empty, and training has no validation set; set it, or train.valDataset"],
    ),
    "an evaluation without a set that is split off, because the rows are streamed": (
        {"evaluate": {"enabled": True}, "prepare": {"enabled": False}, "train": {"dataset": ["a/b"], "args": {"split_dataset_ratio": 0.1, "streaming": True, "max_steps": 9}}},
        ["evaluate.dataset: empty, and training has no validation set; set it, or train.valDataset"],
    ),
    "an adapter with full tuning": (
        {"train": {"args": {"tuner_type": "full", "lora_rank": 8}}},
        ["train.args.lora_rank: set, but train.args.tuner_type is full, which has no adapter; remove it, or use tuner_type: lora"],
    ),
    "null removes an argument and a variable wherever they stand": (
        {
            "train": {"args": {"tuner_type": "full", "lora_rank": None, "target_modules": None, "deepspeed": None}, "env": {"WANDB_API_KEY": None, "NNODES": None}},
            "evaluate": {"args": {"model": None}},
        },
        [],
    ),
    "claims that several nodes cannot share": (
        {"train": {"nodes": 2}, "storage": {"outputs": {"accessMode": "ReadWriteOnce"}}},
        [
            "storage.cache.accessMode: got ReadWriteOnce, but 2 nodes read the model; use ReadWriteMany, or train.nodes: 1",
            "storage.outputs.accessMode: got ReadWriteOnce, but 2 nodes write checkpoints; use ReadWriteMany, or train.nodes: 1",
        ],
    ),
    "existing claims are not checked": (
        {"train": {"nodes": 2}, "storage": {"cache": {"existingClaim": "a"}, "outputs": {"existingClaim": "b"}}},
        [],
    ),
    "requests above limits": (
        {"train": {"resources": {"requests": {"memory": "80Gi", "cpu": "500m"}, "limits": {"memory": "64Gi", "cpu": 0.5}}}},
        ["train.resources.requests.memory: 80Gi is more than the limit of 64Gi; raise the limit, or lower the request"],
    ),
    "shared memory above the memory limit": (
        {"train": {"shmSize": "65537Mi"}},
        ["train.shmSize: 65537Mi is more than the memory limit of 64Gi, which includes it; lower it, or raise the limit"],
    ),
    "bytes without a unit": (
        {"train": {"shmSize": 100000000000}},
        ["train.shmSize: 100000000000 is more than the memory limit of 64Gi, which includes it; lower it, or raise the limit"],
    ),
    "limits of disabled workloads are not checked": ({"jupyter": {"shmSize": "1Ti"}}, []),
    "arguments and variables set by both the chart and the user": (
        {"train": {"args": {"deepspeed": "zero2"}, "env": {"NNODES": 2}}, "evaluate": {"args": {"adapters": ["x"]}, "env": {"HF_TOKEN": "x"}}, "fabric": {"env": {"NODE_RANK": 0}}},
        [
            "evaluate.env.HF_TOKEN: set, but the chart sets it from huggingFace.tokenSecret; remove it here",
            "fabric.env.NODE_RANK: set, but the chart sets it from train.nodes; remove it here",
            "train.args.deepspeed: set, but the chart sets it from train.sharding; remove it here",
            "train.env.NNODES: set, but the chart sets it from train.nodes; remove it here",
            "evaluate.args.adapters: set, but the chart sets it from evaluate.model; remove it here",
        ],
    ),
    "nothing to export": (
        {"train": {"enabled": False}, "export": {"enabled": True}},
        ["export.enabled: true, but train.enabled is false, so there is no run to export; set train.enabled to true, or run `vlm-sft export RUN_DIR` by hand"],
    ),
    "a server without a model": (
        {"serve": {"enabled": True, "engine": "vllm"}},
        [
            "serve.model: empty, and the server does not wait for training; name the directory of a finished run, a folder with weights, or a hub id",
            "serve.image: empty, and the release's own image has no vLLM; name one that has it, or use serve.engine: swift",
        ],
    ),
    "server arguments set by both the chart and the user": (
        {"serve": {"args": {"adapters": ["x"], "api_key": "x", "port": 1}}},
        [
            "serve.args.adapters: set, but the chart sets it from serve.model; remove it here",
            "serve.args.api_key: set, but the chart sets it from serve.apiKeySecret; remove it here",
            "serve.args.port: set, but the chart sets it from the Service; remove it here",
        ],
    ),
    "a priority without a queue": (
        {"kueue": {"priorityClass": "high"}},
        ["kueue.priorityClass: got high, but kueue.queueName is empty, so no queue reads it; name the queue, or use scheduling.priorityClassName"],
    ),
    "a copy without a destination": (
        {"sync": {"enabled": True}},
        [
            "sync.destination: empty, need a bucket; e.g. s3://BUCKET/PATH or gs://BUCKET/PATH",
            "sync.secretName: empty, need a secret whose keys are rclone's variables; e.g. AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        ],
    ),
    "a secret in the values": (
        {"sync": {"env": {"AWS_SECRET_ACCESS_KEY": "x", "RCLONE_S3_PROVIDER": "Ceph"}}},
        ["sync.env.AWS_SECRET_ACCESS_KEY: named like a secret, which a values file must not hold; put it into the secret that sync.secretName names"],
    ),
    "a claim for one pod that two pods mount": (
        {"tensorboard": {"enabled": True}, "storage": {"outputs": {"accessMode": "ReadWriteOncePod"}}},
        ["storage.outputs.accessMode: got ReadWriteOncePod, but the pods of tensorboard, prepare, train mount the claim at the same time; use ReadWriteMany"],
    ),
    "claims for one pod that a notebook mounts beside a server": (
        {
            "prepare": {"enabled": False},
            "train": {"enabled": False},
            "jupyter": {"enabled": True},
            "serve": {"enabled": True, "model": "a/b"},
            "storage": {"cache": {"accessMode": "ReadWriteOncePod"}, "outputs": {"accessMode": "ReadWriteOncePod"}},
        },
        [
            "storage.cache.accessMode: got ReadWriteOncePod, but the pods of jupyter, serve mount the claim at the same time; use ReadWriteMany",
            "storage.outputs.accessMode: got ReadWriteOncePod, but the pods of jupyter, serve mount the claim at the same time; use ReadWriteMany",
        ],
    ),
    "a claim for one pod that each server mounts": (
        {"prepare": {"enabled": False}, "train": {"enabled": False}, "serve": {"enabled": True, "model": "a/b", "replicas": 2}, "storage": {"cache": {"accessMode": "ReadWriteOncePod"}}},
        ["storage.cache.accessMode: got ReadWriteOncePod, but the pods of serve, a second serve mount the claim at the same time; use ReadWriteMany"],
    ),
    "claims for one pod whose Jobs run one after the other": (
        {"evaluate": {"enabled": True}, "export": {"enabled": True}, "sync": {"enabled": False}, "storage": {"cache": {"accessMode": "ReadWriteOncePod"}, "outputs": {"accessMode": "ReadWriteOncePod"}}},
        [],
    ),
    "a cache for one pod beside TensorBoard, which does not mount it": (
        {"tensorboard": {"enabled": True}, "storage": {"cache": {"accessMode": "ReadWriteOncePod"}}},
        [],
    ),
    "a claim for one pod that a notebook alone mounts": (
        {"prepare": {"dataset": ""}, "model": {"download": False}, "train": {"enabled": False}, "jupyter": {"enabled": True}, "storage": {"outputs": {"accessMode": "ReadWriteOncePod"}}},
        [],
    ),
    "arguments that would change a run without a word, or publish a token": (
        {
            "train": {"args": dict.fromkeys(("resume_only_model", "ignore_data_skip", "no_load_optim", "no_load_rng", "auto_find_batch_size", "push_to_hub"), True) | {"hub_token": "hf_x"}},
            "evaluate": {"args": {"hub_token": "hf_x"}},
            "serve": {"args": {"hub_token": "hf_x"}},
        },
        [
            "train.args.auto_find_batch_size: set, but ms-swift would lower the batch when memory runs out, so the effective batch would not be the one of the values; remove it, and lower train.batchSizePerGpu",
            "train.args.hub_token: set, but a ConfigMap would show it to everyone who can read the namespace; remove it, and use huggingFace.tokenSecret",
            "evaluate.args.hub_token: set, but a ConfigMap would show it to everyone who can read the namespace; remove it, and use huggingFace.tokenSecret",
            "serve.args.hub_token: set, but a ConfigMap would show it to everyone who can read the namespace; remove it, and use huggingFace.tokenSecret",
            "train.args.ignore_data_skip: set, but an interrupted run would train on its first rows again; remove it",
            "train.args.no_load_optim: set, but an interrupted run would continue without its optimizer's state; remove it",
            "train.args.no_load_rng: set, but an interrupted run would continue with other random numbers; remove it",
            "train.args.push_to_hub: set, but training would upload while it runs, with a token that can write; remove it, and upload the export of the finished run",
            "train.args.resume_only_model: set, but an interrupted run would continue without its optimizer's state; remove it",
        ],
    ),
    "arguments that are refused, as ms-swift has them without a file": ({"train": {"args": {"push_to_hub": False, "ignore_data_skip": "false", "hub_token": None}}}, []),
    "a DDP check with fewer samples than one step": (
        {"train": {"nodes": 5}, "ddpCheck": {"enabled": True}, "storage": {"cache": {"accessMode": "ReadWriteMany"}}},
        [
            "train.effectiveBatchSize: 64 is not a multiple of 20 (1 per GPU x 4 GPUs x 5 nodes); use 60 or 80",
            "ddpCheck.samples: got 4096, need at least 5120 for one step (256 per process x 20 processes); use more samples, or a smaller ddpCheck.batchSize",
        ],
    ),
    "a disabled DDP check is not checked": ({"ddpCheck": {"samples": 1}}, []),
    "custom plug-ins and callbacks": ({"train": {"args": {"external_plugins": ["/outputs/p.py"], "callbacks": ["mine"]}}}, []),
}  # fmt: skip


@pytest.mark.parametrize(("change", "messages"), CASES.values(), ids=CASES.keys())
def test_each_mistake_is_reported_in_full(fail_lines: FailLines, change: dict[str, Any], messages: list[str]) -> None:
    assert fail_lines(GOOD, change) == messages


@pytest.mark.parametrize(
    ("release", "messages"),
    [
        ("a" * 40, []),
        ("a" * 41, [f"release name: {'a' * 41} has 41 characters, need at most 40 (a pod's hostname must fit 63); choose a shorter one"]),
        ("4gpu", ["release name: 4gpu, need a letter first and no dot (it becomes the name of a Service); choose another"]),
        ("fire.bc", ["release name: fire.bc, need a letter first and no dot (it becomes the name of a Service); choose another"]),
    ],
)  # fmt: skip
def test_a_release_name_must_fit_the_names_derived_from_it(
    fail_lines: FailLines, release: str, messages: list[str]
) -> None:
    assert fail_lines(GOOD, release=release) == messages


def test_all_problems_are_reported_at_once(fail_lines: FailLines) -> None:
    assert [line.split(": ")[0] for line in fail_lines({})] == ["model.id", "train.effectiveBatchSize", "train.dataset"]


@pytest.mark.parametrize("major", [3, 4])
@pytest.mark.parametrize(
    ("broken", "keys"),
    [
        ({"train": {"args": None, "env": None}, "evaluate": {"args": None}, "fabric": {"env": None}}, []),
        ({"train": {"args": 5, "launcher": "pod", "accelerator": 1}}, []),
        ({"train": {"resources": {"requests": None, "limits": {"memory": "256GB"}}}}, []),
        ({"train": {"gpusPerNode": "four", "parallel": None}}, []),
        ({"train": None, "prepare": {"splits": "train"}, "storage": None, "serve": ["x"]}, []),
        (
            {
                "prepare": {
                    "volcano": 1,
                    "geo3k": None,
                    "oasst1": [],
                    "columns": 5,
                    "input": 7,
                    "splits": None,
                    "imageRoots": 1,
                }
            },
            ["prepare.columns"],
        ),
        (
            {"offline": True, "train": {"dataset": "rows.csv", "valDataset": {"a": 1}}, "evaluate": {"dataset": None}},
            [],
        ),
        ({"prepare": {"dataset": "imagenet", "shards": "two", "verify": "maybe"}}, []),
        ({"model": None, "evaluate": {"enabled": True}}, ["model.id"]),
        ({"train": {"nodes": 2, "effectiveBatchSize": 3}}, ["train.effectiveBatchSize", "storage.cache.accessMode"]),
    ],
    ids=str,
)
def test_values_that_the_schema_refuses_do_not_hide_the_messages(
    run_helm: Callable[..., subprocess.CompletedProcess[str]],
    tmp_path: Path,
    major: int,
    broken: dict[str, Any],
    keys: list[str],
) -> None:
    file = tmp_path / "values.yaml"
    wrong = {"image": {"tag": "latest"}, "kueue": {"priorityClass": "high"}}
    file.write_text(yaml.safe_dump(merged(merged(GOOD, wrong), broken)))
    done = run_helm("template", "x", CHART, "-f", file, "--skip-schema-validation", major=major)
    found = re.findall(r"^([a-zA-Z.]+): (?!.*%!)", done.stderr.partition("execution error at")[2], re.MULTILINE)
    assert found == ["image.tag", *keys, "kueue.priorityClass"], done.stderr


def component(manifest: dict[str, Any]) -> str:
    return str(manifest["metadata"]["labels"]["app.kubernetes.io/component"])


# Defaults of a megatron run that train.args may override
MEGATRON_DEFAULTS = {
    "merge_lora",
    "num_train_epochs",
    "recompute_granularity",
    "recompute_method",
    "recompute_num_layers",
}


def test_arguments_that_the_chart_writes_are_refused_in_the_values(
    fail_lines: FailLines, render: Callable[..., list[dict[str, Any]]], everything: Path
) -> None:
    nodes: dict[str, Any] = {"train": {"sharding": "fsdp2"}, "evaluate": {"enabled": False}}
    cpu = {"train": {"sharding": "ddp", "accelerator": "cpu"}}
    written: dict[tuple[str, str], set[str]] = {("train", "args"): {"resume_from_checkpoint", "mcore_adapter"}}
    megatron = {"train": {"sharding": "ddp", "backend": "megatron", "args": {"num_train_epochs": 1}}}
    rows = {"train": {"parallel": {"sequence": 2}, "batchSizePerGpu": 2}}
    for change in ({}, nodes, cpu, rows, megatron, {"offline": True}):
        for manifest in render(everything, change):
            if manifest["kind"] == "Job" and (workload := component(manifest)) in ("train", "evaluate"):
                (container,) = manifest["spec"]["template"]["spec"]["containers"]
                names = {variable["name"] for variable in container["env"]}
                written.setdefault((workload, "env"), set()).update(names)
            files = {} if component(manifest) == "serve" else manifest.get("data", {})
            for file, text in files.items():
                if file == "run.yaml":  # what identifies the run, for people
                    continue
                args = yaml.safe_load(text)
                for part, names in (("env", args.pop("ENV")), ("args", args)):
                    written.setdefault((Path(file).stem, part), set()).update(names)
    for workload in ("train", "evaluate"):
        for part in ("args", "env"):
            written[workload, part] -= {*value_at(DEFAULTS, (workload, part)), "gradient_checkpointing"}
            written[workload, part] -= MEGATRON_DEFAULTS
            written[workload, part] -= {
                "tuner_type",
                "learning_rate",
                "torch_dtype",
                "IMAGE_MAX_TOKEN_NUM",
                "MAX_PIXELS",
            }
    assert {"deepspeed", "fsdp", "ddp_backend", "output_dir", "micro_batch_size"} <= written["train", "args"]
    values: dict[str, Any] = {}
    for (workload, part), names in written.items():
        values.setdefault(workload, {})[part] = dict.fromkeys(names, 1)
    refused = {line.partition(": set, but the chart sets it from ")[0] for line in fail_lines(everything, values)}
    assert refused == {f"{workload}.{part}.{name}" for (workload, part), names in written.items() for name in names}


def test_only_one_template_file_fails() -> None:
    failing = [
        path.name
        for path in (CHART / "templates").rglob("*.*")
        if "{{ fail" in path.read_text() or "required" in path.read_text()
    ]
    assert failing == ["_fail.tpl"]
