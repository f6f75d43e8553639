"""`make smoke` compared with bare `swift sft` and `swift infer` on the same rendered configs.

Prints seconds and the ratio; the floor is what a user runs without this project.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
SMOKE = ROOT / ".smoke"
BIN = Path(sys.executable).parent


def timed(command: list[str]) -> float:
    """Run a command offline; return its seconds, or exit when it fails."""
    started_s = time.monotonic()
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "PATH": f"{BIN}:{os.environ['PATH']}", "MASTER_PORT": "29617"}
    ended = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if ended.returncode:
        sys.exit(f"{' '.join(command)}\n{ended.stderr[-3000:]}")
    return time.monotonic() - started_s


def main() -> None:
    """Measure both ways, one after the other."""
    smoke_s = timed([sys.executable, str(ROOT / "tests/smoke/smoke.py")])
    bare = ROOT / ".smoke-bare"
    shutil.rmtree(bare, ignore_errors=True)
    bare.mkdir()
    text = (SMOKE / "config/train.yaml").read_text()
    (bare / "train.yaml").write_text(re.sub(r"^output_dir: .*$", f'output_dir: "{bare}/run"', text, flags=re.MULTILINE))
    sft_s = timed([str(BIN / "swift"), "sft", str(bare / "train.yaml")])
    checkpoint = max((bare / "run").glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    infer = [str(BIN / "swift"), "infer", str(SMOKE / "config/evaluate.yaml"), "--adapters", str(checkpoint)]
    infer_s = timed([*infer, "--result_path", str(bare / "predictions.jsonl")])
    shutil.rmtree(bare)
    floor_s = sft_s + infer_s
    print(f"make smoke           {smoke_s:6.1f} s")
    print(f"swift sft, infer     {floor_s:6.1f} s  ({sft_s:.1f} + {infer_s:.1f})")
    print(f"ratio                {smoke_s / floor_s:6.2f}")


if __name__ == "__main__":
    main()
