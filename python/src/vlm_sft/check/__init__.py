"""`vlm-sft check`: what ms-swift would lose or spoil of files that somebody already has."""
