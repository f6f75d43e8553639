"""Count repeated ids with eight bytes per id: a million rows need 8 MB; a set of texts would need 150 MB."""

import hashlib
from array import array

BUCKETS = 256  # counted one at a time, so that the set used for counting stays small
CODE_BYTES = 8  # a million different ids collide with a probability of 1 in 30 million


class DuplicateIds:
    """Counts repeated ids by 64-bit hashes, which are the same on every machine."""

    def __init__(self, codes: "array[int] | None" = None) -> None:
        self.codes = array("Q") if codes is None else codes

    def add(self, row_id: str) -> None:
        """Add one id. Rows without an id (empty) are not duplicates of each other."""
        if row_id:
            code = hashlib.blake2b(row_id.encode("utf-8", "surrogatepass"), digest_size=CODE_BYTES).digest()
            self.codes.frombytes(code)

    def count(self) -> int:
        """Return the number of rows with the id of an earlier row."""
        buckets = [array("Q") for _ in range(BUCKETS)]
        for code in self.codes:
            buckets[code % BUCKETS].append(code)
        return sum(len(bucket) - len(set(bucket)) for bucket in buckets)
