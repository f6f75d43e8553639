"""Tools that run before `helm install`, and the commands in the pods of the chart `vlm-sft`."""

__version__ = "0.1.0"
