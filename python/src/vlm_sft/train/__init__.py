"""What the training container runs: preflight, resume, hand over to ms-swift, run report."""
