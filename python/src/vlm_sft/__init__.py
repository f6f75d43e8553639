"""What a person runs before `helm install`, and what runs inside the pods of the chart `vlm-sft`."""

__version__ = "0.1.0"
