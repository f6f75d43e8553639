"""A tiny DDP training that tells a broken network or NCCL from a broken training script."""
