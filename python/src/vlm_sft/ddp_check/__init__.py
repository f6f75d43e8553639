"""A tiny DDP training that distinguishes a broken network or NCCL from a broken training script."""
