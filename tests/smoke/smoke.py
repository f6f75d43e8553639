"""`make smoke`: renders values/smoke.yaml with Helm, runs the Jobs on this machine's CPU and checks the result.

python tests/smoke/smoke.py
"""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml
from local_jobs import LocalJobs, Step
from proofs import Proof, proofs
from vlm_sft.runs.report import table

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".smoke"
RELEASE = "smoke"


def main() -> int:
    """Run everything; return the exit code."""
    started_s = time.monotonic()
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    manifests = render()
    print(f"rendered values/smoke.yaml: {', '.join(sorted({m['kind'] for m in manifests}))}", file=sys.stderr)
    jobs = LocalJobs(manifests, FOLDER)
    steps = jobs.run()
    failed = [step for step in steps if step.exit_code != 0]
    if failed:
        print(f"error: {failed[0].job} / {failed[0].container}: exit code {failed[0].exit_code}", file=sys.stderr)
        return 1
    train = next(job for job in jobs.jobs if component(job) == "train")
    run_dir = next((FOLDER / "outputs" / RELEASE).glob("*/run_report.json")).parent
    found = list(proofs(run_dir, **promised(train)))
    print(summary(steps, found, time.monotonic() - started_s, run_dir))
    return 0 if all(proof.holds for proof in found) else 1


def render() -> list[dict[str, Any]]:
    """Return the manifests of the smoke experiment, rendered by the Helm on the PATH or in .tools."""
    helm = shutil.which("helm") or str(ROOT / ".tools" / "helm4" / "helm")
    command = [helm, "template", RELEASE, str(ROOT / "charts/vlm-sft"), "-f", str(ROOT / "values/smoke.yaml")]
    output = subprocess.run(command, capture_output=True, text=True, check=False)
    if output.returncode != 0:
        sys.exit(f"error: helm template: {output.stderr.strip()}")
    return [document for document in yaml.safe_load_all(output.stdout) if document]


def component(manifest: dict[str, Any]) -> str:
    """Return the standard component label of a manifest."""
    return str(manifest["metadata"]["labels"]["app.kubernetes.io/component"])


def promised(train: dict[str, Any]) -> dict[str, int]:
    """Return the processes and the effective batch size that the training Job is annotated with."""
    annotations = train["metadata"]["annotations"]
    return {
        "processes": int(annotations["vlm-sft/processes"]),
        "effective_batch_size": int(annotations["vlm-sft/effective-batch-size"]),
    }


def summary(steps: list[Step], found: list[Proof], seconds: float, run_dir: Path) -> str:
    """Return the closing tables: seconds per step, the run, every proof, the path of the report."""
    lines = [""] + [f"{step.seconds:6.1f} s  {step.container}" for step in steps] + [f"{seconds:6.1f} s  total", ""]
    lines += [table(json.loads((run_dir / "run_report.json").read_bytes())).replace(f"{ROOT}/", ""), ""]
    width = max(len(proof.claim) for proof in found)
    lines += [f"{'ok  ' if proof.holds else 'FAIL'}  {proof.claim:<{width}}  {proof.shown_by}" for proof in found]
    lines += ["", f"report: {(run_dir / 'run_report.json').relative_to(ROOT)}"]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
