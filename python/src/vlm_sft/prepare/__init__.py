"""Dataset rows -> ms-swift JSONL: the same writer for all datasets."""
