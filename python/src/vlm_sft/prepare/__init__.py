"""Dataset rows -> ms-swift JSONL: one adapter per data set, one writer for all of them."""
