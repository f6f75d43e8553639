"""How many ids came more than once, in eight bytes an id: a million rows take 8 MB, where a set of texts takes 150."""

from array import array

BUCKETS = 256  # counted one at a time, so that the set made for counting stays small


class DuplicateIds:
    """Counts repeated ids by 64-bit hashes; two of a million different ids meet with a chance of 1 in 30 million."""

    def __init__(self) -> None:
        self._buckets = [array("q") for _ in range(BUCKETS)]

    def add(self, row_id: str) -> None:
        """Note one id; a row without one (empty) is no duplicate of another."""
        if row_id:
            code = hash(row_id)
            self._buckets[code % BUCKETS].append(code)

    def count(self) -> int:
        """Rows whose id an earlier row had."""
        return sum(len(bucket) - len(set(bucket)) for bucket in self._buckets)
