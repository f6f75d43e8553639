"""What the training container runs: preflight, resume, ms-swift under a supervisor, run report."""
