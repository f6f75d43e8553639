"""DeepSpeed ZeRO on two CPU processes: a resumed run must end with the weights of an undisturbed one.

    .venv/bin/python tests/bench/prove_zero.py

Not a test, because only the CUDA image has DeepSpeed: its pinned release is installed into a temporary folder. Not part
of `make bench`, because it takes about ten minutes on two cores.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "train"))
from test_fsdp import LORA, make_sample, train

ROOT = Path(__file__).parents[2]
NEEDED = "deepspeed|hjson|msgpack|ninja|py-cpuinfo"
PLUGIN = {"external_plugins": [str(Path(__file__).parent / "zero_on_cpu.py")], "torch_dtype": "bfloat16"}


def install(folder: Path) -> None:
    """Install DeepSpeed into a folder that only PYTHONPATH names."""
    pins = re.findall(rf"^(?:{NEEDED})==\S+", (ROOT / "docker" / "requirements-cuda.txt").read_text(), re.MULTILINE)
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--python", sys.executable, "--target", str(folder)]
    subprocess.run([ROOT / ".venv" / ".uv" / "bin" / "uv", "pip", "install", *options, *pins], check=True)
    os.environ |= {"PYTHONPATH": str(folder), "DS_ACCELERATOR": "cpu"}


def main() -> int:
    """Train, delete the last checkpoint, resume, compare; print a line for each setting."""
    same = []
    with tempfile.TemporaryDirectory() as folder:
        install(Path(folder) / "deepspeed")
        sample = make_sample(Path(folder) / "sample")
        for sharding, tuning in (("zero2", LORA), ("zero3", LORA), ("zero3", {"tuner_type": "full"})):
            name = f"{sharding}-{tuning['tuner_type']}"
            run = Path(folder) / name
            args = {**tuning, **PLUGIN, "deepspeed": sharding}
            whole = train(sample, run, args)
            (weights,) = (run / "checkpoint-4").glob("*model.safetensors")
            before = weights.read_bytes()
            shutil.rmtree(run / "checkpoint-4")
            (run / "run_report.json").unlink()
            resumed = train(sample, run, args)
            same.append(weights.read_bytes() == before and resumed["last_loss"] == whole["last_loss"])
            print(f"{name}: {resumed['wrapper']}, resumed from {Path(resumed['resumed_from']).name}, same: {same[-1]}")
    return 0 if all(same) else 1


if __name__ == "__main__":
    sys.exit(main())
