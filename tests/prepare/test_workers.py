"""Processes that convert: a killed one ends the command with an error that names options which the command has."""

import os
import signal

import pytest
from vlm_sft.errors import UserError
from vlm_sft.prepare.runner import LESS_MEMORY
from vlm_sft.prepare.workers import in_order


def end_at_three(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.mark.parametrize(("given", "way_out"), [((), "give fewer --workers"), ((LESS_MEMORY,), LESS_MEMORY)])
def test_a_killed_process_is_an_error_with_the_way_out_of_the_command(given: tuple[str, ...], way_out: str) -> None:
    with pytest.raises(UserError) as raised:
        list(in_order(end_at_three, iter(range(6)), 2, *given))
    assert raised.value.message == f"a process was killed, most likely for memory; {way_out}"
