"""Warnings about values that are valid and rarely intended. Imported while Helm runs: the sizing takes 0.05 s."""

from vlm_sft.genvalues.advice.images import image_advice
from vlm_sft.genvalues.advice.intervals import interval_advice
from vlm_sft.genvalues.advice.memory import memory_advice
from vlm_sft.genvalues.advice.model import model_advice
from vlm_sft.genvalues.advice.positions import position_advice
from vlm_sft.genvalues.advice.training import training_advice

ADVICE = (training_advice, interval_advice, image_advice, memory_advice, position_advice, model_advice)
