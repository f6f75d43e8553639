"""The place of this node among the nodes of a run."""

import pytest
from vlm_sft.errors import ConfigError
from vlm_sft.train.nodes.place import Place, read_place

CHART = {"NNODES": "4", "NODE_RANK": "3", "MASTER_ADDR": "fire-train-0.fire-train", "MASTER_PORT": "29501"}


def test_a_single_node_needs_no_variables() -> None:
    assert read_place({}) == Place(1, 0, "127.0.0.1", 0)
    assert read_place({"PET_NNODES": "1", "PET_MASTER_ADDR": "job-node-0-0.job"}) == Place(1, 0, "127.0.0.1", 0)


def test_the_charts_variables_and_those_of_a_trainjob_give_the_same_place() -> None:
    assert read_place(CHART) == Place(4, 3, "fire-train-0.fire-train", 29501)
    assert read_place({f"PET_{name}": value for name, value in CHART.items()}) == read_place(CHART)
    assert read_place({**CHART, "PET_NODE_RANK": "1"}).rank == 3  # the chart's variable wins


def test_the_default_port_is_that_of_torchrun() -> None:
    assert read_place({**CHART, "MASTER_PORT": ""}).port == 29500


MISSING = "not set, and NNODES is 4; each node needs NODE_RANK (0 to 3) and MASTER_ADDR, the name of node 0"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"NODE_RANK": ""}, f"NODE_RANK: {MISSING}"),
        ({"MASTER_ADDR": ""}, f"MASTER_ADDR: {MISSING}"),
        ({"NODE_RANK": "4"}, "NODE_RANK: got '4', need a whole number from 0 to 3"),
        ({"NNODES": "1:4"}, "NNODES: got '1:4', need a whole number from 1 to 65536"),
        ({"MASTER_PORT": "0"}, "MASTER_PORT: got '0', need a whole number from 1 to 65535"),
    ],
)  # fmt: skip
def test_a_missing_or_wrong_variable_is_a_config_error(change: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_place({**CHART, **change})
    assert caught.value.message == message
