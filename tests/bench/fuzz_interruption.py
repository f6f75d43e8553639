"""SIGTERM at random moments of a short run, which must always end with the same adapter.

    .venv/bin/python tests/bench/fuzz_interruption.py [ROUNDS] [SEED]

Each round starts a run, stops it once at a random moment after its first second, and resumes it until it is finished.
Not part of `make bench`: a round takes one to two minutes on two cores.
"""

import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "train"))
from test_interruption import BIN, start, write_config


def weights(run_dir: Path) -> str:
    return str(json.loads((run_dir / "run_report.json").read_bytes())["ddp"]["weights_sha256"])


def main(rounds: int, seed: int) -> None:
    dice = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        sample = Path(folder) / "sample"
        prepare = [BIN / "vlm-sft", "prepare", "fire", "--input", sample / "fire", "--output-dir", sample / "fire_bc"]
        subprocess.run([BIN / "vlm-sft", "sample", sample], check=True)
        subprocess.run([*prepare, "--image-root", sample / "images"], check=True)
        began_s = time.monotonic()
        if code := start(write_config(sample, Path(folder) / "undisturbed")).wait():
            sys.exit(f"the undisturbed run ended with {code}")
        whole_s = time.monotonic() - began_s
        expected = weights(Path(folder) / "undisturbed")
        for number in range(rounds):
            run_dir = Path(folder) / f"round-{number}"
            config = write_config(sample, run_dir)
            moment_s = dice.uniform(1, whole_s)
            trainer = start(config)
            time.sleep(moment_s)
            trainer.send_signal(signal.SIGTERM)
            stopped, finished = trainer.wait(), start(config).wait()
            same = weights(run_dir) == expected
            print(f"SIGTERM after {moment_s:.1f} of {whole_s:.0f} s: {stopped}, then {finished}, same adapter: {same}")
            if stopped not in {0, 75} or finished != 0 or not same:
                sys.exit(f"round {number} of seed {seed} failed")


if __name__ == "__main__":
    rounds, seed = [*map(int, sys.argv[1:]), *(10, 0)[len(sys.argv) - 1 :]]
    main(rounds, seed)
