"""All datasets by name. A new dataset needs an adapter, an entry here, a value in the chart's schema, and cases."""

from vlm_sft.datasets.alpaca import ALPACA
from vlm_sft.datasets.dataset import Dataset
from vlm_sft.datasets.fire import FIRE
from vlm_sft.datasets.generic import CSV, HUB, JSONL
from vlm_sft.datasets.geo3k import GEO3K
from vlm_sft.datasets.oasst1 import OASST1
from vlm_sft.datasets.robo2vlm import ROBO2VLM
from vlm_sft.datasets.volcano import VOLCANO

DATASETS: dict[str, Dataset] = {
    dataset.name: dataset for dataset in (FIRE, VOLCANO, GEO3K, ROBO2VLM, ALPACA, OASST1, JSONL, CSV, HUB)
}
