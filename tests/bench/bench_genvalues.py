"""How long `genvalues validate` takes: one file, interpreter and all, and a thousand.

python tests/bench/bench_genvalues.py        prints both, and the first against its floor; exits 1 above 0.2 s and 10 s
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
REAL = ROOT / "charts" / "vlm-sft"
CHART = REAL if (REAL / "values.schema.json").is_file() else ROOT / "tests" / "data" / "genvalues" / "chart"
GENVALUES = Path(sys.executable).parent / "genvalues"
ONE_LIMIT_S, THOUSAND_LIMIT_S = 0.2, 10.0
VALUES = """\
# Question: does it start quickly?
model: {id: Qwen/Qwen3-VL-8B-Instruct}
train:
  gpusPerNode: 4
  batchSizePerGpu: 2
  sharding: zero2
  args:
    tuner_type: lora
    learning_rate: 1.0e-4
    lora_rank: 16
    max_length: 8192
  resources:
    requests: {cpu: 32, memory: 256Gi}
"""


def seconds(*arguments: str) -> float:
    """Run genvalues once; its exit code must be 0 or 1."""
    start = time.perf_counter()
    code = subprocess.run([GENVALUES, *arguments, "--chart", CHART], capture_output=True, check=False).returncode
    if code not in (0, 1):
        raise SystemExit(f"genvalues exited {code}")
    return time.perf_counter() - start


def floor_seconds() -> float:
    """Start Python and import the two libraries that every command needs."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import click, yaml"], check=True)
    return time.perf_counter() - start


def main() -> None:
    """Measure and compare with the limits."""
    with tempfile.TemporaryDirectory() as folder:
        for number in range(1000):
            (Path(folder) / f"v{number:03}.yaml").write_text(VALUES)
        one = min(seconds("validate", f"{folder}/v000.yaml") for _ in range(7))
        floor = min(floor_seconds() for _ in range(7))
        thousand = seconds("validate", folder)
    print(f"one file: {one:.3f} s (limit {ONE_LIMIT_S} s), {one / floor:.1f} x Python with click and yaml imported")
    print(f"1000 files: {thousand:.2f} s (limit {THOUSAND_LIMIT_S:.0f} s)")
    sys.exit(one > ONE_LIMIT_S or thousand > THOUSAND_LIMIT_S)


if __name__ == "__main__":
    main()
