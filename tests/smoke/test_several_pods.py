"""A preparation by several pods, run from what Helm renders: commands, order and release are those of a cluster."""

import subprocess
from pathlib import Path
from typing import Any

import yaml
from local_jobs import LocalJobs

ROOT = Path(__file__).parents[2]
OPTIONS = "prepare.verify=false,evaluate.enabled=false,export.enabled=false"


def prepared(folder: Path, *settings: str) -> tuple[list[tuple[str, str]], Path]:
    """Prepare the sample data; return each step with its component, and the folder of the outputs."""
    helm = ROOT / ".tools" / "helm4" / "helm"
    command = [helm, "template", "x", ROOT / "charts/vlm-sft", "-f", ROOT / "values/smoke.yaml", "--set", OPTIONS]
    done = subprocess.run([*command, *settings], capture_output=True, text=True, check=True)
    manifests: list[dict[str, Any]] = [document for document in yaml.safe_load_all(done.stdout) if document]
    for job in manifests:
        if job["kind"] == "Job" and job["metadata"]["name"].startswith("x-train-"):
            (container,) = job["spec"]["template"]["spec"]["containers"]
            container["command"] = ["true"]  # only whether it is released counts here
    steps = LocalJobs(manifests, folder).run()
    assert [step.exit_code for step in steps] == [0] * len(steps)
    return [(step.job.split("-")[1], step.container) for step in steps], folder / "outputs" / "fire_bc"


def test_three_pods_write_what_one_pod_writes_and_the_last_one_releases_training(tmp_path: Path) -> None:
    shared = "storage.cache.accessMode=ReadWriteMany,storage.outputs.accessMode=ReadWriteMany,prepare.shards=3"
    folder = tmp_path / "data"  # the image paths are part of the bytes
    steps, outputs = prepared(folder, "--set", shared)
    assert steps == [
        ("prepare", "command-0"),
        ("prepare", "release"),
        *[("convert", "data"), ("convert", "release")] * 3,
        ("train", "train"),
    ]
    names = {"fire_bc_train.jsonl", "fire_bc_test.jsonl", "stats.json"}
    assert {path.name for path in outputs.iterdir() if path.is_file()} == names
    by_three = {name: (outputs / name).read_bytes() for name in names - {"stats.json"}}
    (outputs / "stats.json").unlink()
    steps, outputs = prepared(folder)
    assert steps == [("prepare", "command-0"), ("prepare", "data"), ("prepare", "release"), ("train", "train")]
    assert {name: (outputs / name).read_bytes() for name in by_three} == by_three
