"""Preflight: finds what would make the run fail later, before any model weight is read.

A check yields one line per problem. `Problem.permanent`: a restarted pod would fail the same way.
"""

import json
import os
import re
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vlm_sft.launch.gpus import visible_gpus
from vlm_sft.positions import positions, too_long
from vlm_sft.runs.dataset_name import split_dataset
from vlm_sft.runs.model_folder import missing, model_config
from vlm_sft.runs.swift_config import SwiftConfig
from vlm_sft.swift_arguments.check import Command, check_arguments
from vlm_sft.train.installed import importable
from vlm_sft.train.nodes.place import read_place
from vlm_sft.train.trackers import missing as missing_trackers

MODEL_ID = re.compile(r"[\w.-]+/[\w.-]+")
MEGATRON_MODULES = {
    "megatron.core": "megatron-core",
    "mcore_bridge": "mcore-bridge",
    "transformer_engine": "transformer-engine",
}


@dataclass(frozen=True)
class Problem:
    """A failed check: key, got, need, way out."""

    message: str
    permanent: bool  # a restarted pod would fail the same way: Kubernetes must not retry


@dataclass(frozen=True)
class Needs:
    """What this run needs on its node."""

    gpus: int  # on this node; 0 = none
    data_marker: Path | None  # stats.json of the preparation, written last
    min_free_gib: float  # on the filesystem of the run directory
    gated: bool  # the model requires an accepted licence, and so a token


def problems(config: SwiftConfig, needs: Needs) -> list[Problem]:
    """Run all checks and return every problem."""
    found: list[Problem] = []
    for check in (
        _arguments,
        _megatron,
        _trackers,
        _environment,
        _gpus,
        _data_marker,
        _datasets,
        _model,
        _positions,
        _token,
        _disk,
        _port,
    ):
        found.extend(check(config, needs))
    return found


def _arguments(config: SwiftConfig, _: Needs) -> Iterator[Problem]:
    command: Command = "megatron" if config.is_megatron else "sft"
    for name, message in check_arguments(config.args, command):
        yield Problem(f"{name}: {message}", permanent=True)


def _megatron(config: SwiftConfig, _: Needs) -> Iterator[Problem]:
    absent = [name for name in MEGATRON_MODULES if not importable(name)] if config.is_megatron else []
    if absent:
        packages = ", ".join(MEGATRON_MODULES[name] for name in absent)
        yield Problem(
            f"{packages}: not in this image, but train.backend megatron needs it; derive an image that has it (see the "
            "chart's README), or use train.backend: swift",
            permanent=True,
        )


def _trackers(config: SwiftConfig, _: Needs) -> Iterator[Problem]:
    mode = {"SWANLAB_MODE": str(config.args.get("swanlab_mode", ""))}
    for line in missing_trackers(config.texts("report_to"), {**mode, **config.env, **os.environ}):
        yield Problem(line, permanent=True)


def _environment(config: SwiftConfig, _: Needs) -> Iterator[Problem]:
    for name, value in config.env.items():
        got = os.environ.get(name)
        if got is not None and got != value:
            yield Problem(
                f"ENV.{name}: the environment has {got!r}, the config {value!r}; ms-swift would use the environment's: "
                "remove one of the two",
                permanent=True,
            )


def _gpus(config: SwiftConfig, needs: Needs) -> Iterator[Problem]:
    if not needs.gpus:
        return
    names = visible_gpus()
    if len(names) < needs.gpus:
        seen = f"{len(names)} ({', '.join(names)})" if names else "none"
        yield Problem(
            f"GPUs: {seen} visible, need {needs.gpus}; look at `kubectl describe pod` and gpu.resourceName",
            permanent=False,  # a node with a broken GPU: another node may work
        )
    processes = config.env.get("NPROC_PER_NODE", "1")
    if processes != str(needs.gpus):
        yield Problem(f"ENV.NPROC_PER_NODE: got {processes}, need {needs.gpus} (one process per GPU)", permanent=True)


def _data_marker(config: SwiftConfig, needs: Needs) -> Iterator[Problem]:
    marker = needs.data_marker
    if marker is None:
        return
    way_out = "look at the preparation's log, or run `vlm-sft prepare` again"
    try:
        files = json.loads(marker.read_bytes())["files"]
        sizes = {str(marker.parent / name): int(facts["bytes"]) for name, facts in files.items()}
    except OSError:
        yield Problem(f"{marker}: missing, so the preparation has not finished; {way_out}", permanent=True)
        return
    except (ValueError, KeyError, TypeError, AttributeError):
        yield Problem(f"{marker}: not a statistics file of `vlm-sft prepare`; {way_out}", permanent=True)
        return
    for dataset in [*config.texts("dataset"), *config.texts("val_dataset")]:
        path = split_dataset(dataset)[0]
        if path.parent == marker.parent and path.is_file() and sizes.get(str(path)) != path.stat().st_size:
            expected = sizes.get(str(path), "no such file")
            yield Problem(
                f"{path}: {path.stat().st_size} bytes, need {expected} as in {marker.name}; {way_out}", permanent=True
            )


def _datasets(config: SwiftConfig, _: Needs) -> Iterator[Problem]:
    if not config.texts("dataset"):
        yield Problem("dataset: not set; name a file or a hub id", permanent=True)
    for key in ("dataset", "val_dataset"):
        for dataset in config.texts(key):
            path = split_dataset(dataset)[0]
            if not path.is_absolute() and path.suffix not in {".jsonl", ".json", ".csv", ".parquet"}:
                continue  # a hub id
            if not path.exists():
                yield Problem(f"{key}: {path} does not exist; prepare the data, or correct the path", permanent=True)
            elif path.is_file() and path.stat().st_size == 0:
                yield Problem(f"{key}: {path} is empty; look at the stats.json of its preparation", permanent=True)


def _model(config: SwiftConfig, _: Needs) -> Iterator[Problem]:
    model = str(config.args.get("model", ""))
    if not model:
        yield Problem("model: not set; name a hub id or a folder", permanent=True)
    elif model.startswith("/"):
        for message in missing(Path(model)):
            yield Problem(f"model: {message}", permanent=True)


def _positions(config: SwiftConfig, _: Needs) -> Iterator[Problem]:
    model, revision = str(config.args.get("model", "")), config.args.get("model_revision")
    file: object = Path(model) / "config.json"
    if not model.startswith("/") and MODEL_ID.fullmatch(model):
        from huggingface_hub import try_to_load_from_cache

        file = try_to_load_from_cache(model, "config.json", revision=str(revision) if revision else None)
    known = model_config(Path(file)) if isinstance(file, str | Path) else None
    if message := too_long(config.args, positions(known or {})):
        yield Problem(f"max_length: {message}", permanent=True)


def _token(config: SwiftConfig, needs: Needs) -> Iterator[Problem]:
    offline = os.environ.get("HF_HUB_OFFLINE") == "1"
    if needs.gated and not offline and not os.environ.get("HF_TOKEN"):
        yield Problem(
            f"HF_TOKEN: not set, and {config.args.get('model')} is gated; create the secret that "
            "huggingFace.tokenSecret names: kubectl create secret generic hf-token --from-literal=token=...",
            permanent=True,
        )


def _disk(config: SwiftConfig, needs: Needs) -> Iterator[Problem]:
    run_dir = config.output_dir
    existing = next(path for path in [run_dir, *run_dir.parents] if path.exists())
    if not os.access(existing, os.W_OK):
        yield Problem(
            f"output_dir: {existing} is not writable for user {os.getuid()}; check the claim's owner and fsGroup",
            permanent=True,
        )
    free_gib = shutil.disk_usage(existing).free / 2**30
    if free_gib < needs.min_free_gib:
        yield Problem(
            f"disk: {free_gib:.1f} GiB free under {existing}, need {needs.min_free_gib:g}; delete old runs or "
            "enlarge the claim",
            permanent=False,
        )


def _port(config: SwiftConfig, _: Needs) -> Iterator[Problem]:
    """Check the rendezvous port on node 0, which listens on it; a single node uses any free port."""
    place = read_place({**config.env, **os.environ})
    if place.nodes == 1 or place.rank != 0:
        return
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", place.port))
        except OSError as error:
            yield Problem(
                f"MASTER_PORT: {place.port} is not free ({error.strerror}); choose another port", permanent=False
            )
