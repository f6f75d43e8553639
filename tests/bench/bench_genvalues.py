"""How long `genvalues validate` takes against bare `helm template` of the same file in the same run.

python tests/bench/bench_genvalues.py        prints three figures with their limits; exits 1 above one of them
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "vlm-sft"
FILE = ROOT / "values" / "fire-4gpu.yaml"
GENVALUES = Path(sys.executable).parent / "genvalues"
HELM = ROOT / ".tools" / "helm4" / "helm"
TRIES = 7
HELM_SHARE, PYTHON_S = 1.3, 0.3  # one file: at most 1.3 x helm template + 0.3 s
FIFTY_LIMIT = 25.0  # fifty files: at most so many times one file
HELP_LIMIT_S = 0.15


def seconds(*command: str | Path) -> float:
    """Run a command that succeeds."""
    start = time.perf_counter()
    subprocess.run(list(command), stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def main() -> None:
    """Measure by turns, so that whatever else the machine does falls on all of them."""
    validate = [GENVALUES, "validate", "--chart", CHART, "--helm", HELM]
    with tempfile.TemporaryDirectory() as folder:
        for number in range(50):
            (Path(folder) / f"v{number:02}.yaml").write_bytes(FILE.read_bytes())
        rounds = [
            (
                seconds(HELM, "template", "x", CHART, "-f", FILE),
                seconds(*validate, FILE),
                seconds(GENVALUES, "--help"),
            )
            for _ in range(TRIES)
        ]
        fifty = seconds(*validate, folder)
    helm, one, usage = (statistics.median(column) for column in zip(*rounds, strict=True))
    limit = HELM_SHARE * helm + PYTHON_S
    print(f"one file: {one:.2f} s, limit {limit:.2f} s ({HELM_SHARE} x {helm:.2f} s of helm template + {PYTHON_S} s)")
    print(f"50 files: {fifty:.2f} s, {fifty / one:.1f} x one file, limit {FIFTY_LIMIT:g} x")
    print(f"--help: {usage:.3f} s, limit {HELP_LIMIT_S} s")
    sys.exit(one > limit or fifty > FIFTY_LIMIT * one or usage > HELP_LIMIT_S)


if __name__ == "__main__":
    main()
