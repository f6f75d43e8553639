"""`vlm-sft trackers`, the first step of a preparation whose training reports to a tracker."""

import os
import subprocess
import sys
from pathlib import Path

BIN = Path(sys.executable).parent


def trackers(*names: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [BIN / "vlm-sft", "trackers", *names]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **env})


def test_all_missing_packages_are_named_and_no_retry_follows() -> None:
    ended = trackers("mlflow", "wandb", WANDB_API_KEY="key")
    assert ended.returncode == 42
    assert ended.stderr.splitlines() == [
        f"error: report_to: {name} is not in this image; build it with `docker build -f docker/Dockerfile --build-arg "
        f"EXTRAS={name}`, or remove {name} from train.args.report_to"
        for name in ("mlflow", "wandb")
    ]


def test_an_image_with_the_package_and_an_environment_with_the_key_pass(tmp_path: Path) -> None:
    (tmp_path / "wandb.py").touch()
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    assert trackers("wandb", PYTHONPATH=path).returncode == 42
    ended = trackers("wandb", PYTHONPATH=path, WANDB_API_KEY="key")
    assert (ended.returncode, ended.stdout) == (0, "wandb: ready\n")
