"""Count repeated ids with eight bytes per id: a million rows need 8 MB; a set of texts would need 150 MB."""

from array import array

BUCKETS = 256  # counted one at a time, so that the set used for counting stays small


class DuplicateIds:
    """Counts repeated ids by 64-bit hashes. A million different ids collide with a probability of 1 in 30 million."""

    def __init__(self) -> None:
        self._buckets = [array("q") for _ in range(BUCKETS)]

    def add(self, row_id: str) -> None:
        """Add one id. Rows without an id (empty) are not duplicates of each other."""
        if row_id:
            code = hash(row_id)
            self._buckets[code % BUCKETS].append(code)

    def count(self) -> int:
        """Return the number of rows with the id of an earlier row."""
        return sum(len(bucket) - len(set(bucket)) for bucket in self._buckets)
