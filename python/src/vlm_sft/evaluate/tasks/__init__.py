"""The tasks of `vlm-sft evaluate`; a new one is a module here and an entry in TASKS."""

from vlm_sft.evaluate.task import Task
from vlm_sft.evaluate.tasks import choice, fire, fire_free, geo3k, loss, robo2vlm, text, yes_no

TASKS: dict[str, Task] = {
    module.TASK.name: module.TASK for module in (text, choice, yes_no, robo2vlm, geo3k, fire, fire_free, loss)
}
