"""Whether a PNG holds all of its rows. Pillow leaves missing rows black if the compressed data ends in order."""

import math
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # colour type -> values per pixel
# Of an interlaced PNG, each pass: first column, first row, step between columns, step between rows.
PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
INFLATED_BYTES = 1 << 20  # at a time


def lacks_rows(file: BinaryIO) -> bool:
    """Inflate the pixels, without decoding them, and compare their number of bytes with the header's."""
    file.seek(8 + 8)  # signature, and length and name of the header chunk
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", file.read(13))
    bits = depth * CHANNELS[colour]
    passes = PASSES if interlaced else ((0, 0, 1, 1),)
    sizes = [(math.ceil((width - x) / dx), math.ceil((height - y) / dy)) for x, y, dx, dy in passes]
    wanted: int = sum((1 + math.ceil(columns * bits / 8)) * rows for columns, rows in sizes if columns > 0 and rows > 0)
    inflate = zlib.decompressobj()
    for piece in _compressed(file):
        while piece and wanted > 0:
            wanted -= len(inflate.decompress(piece, INFLATED_BYTES))
            piece = inflate.unconsumed_tail
    return wanted > 0


def _compressed(file: BinaryIO) -> Iterator[bytes]:
    """Yield the content of every IDAT chunk."""
    file.seek(8)
    while len(head := file.read(8)) == 8:
        size, name = struct.unpack(">I4s", head)
        if name == b"IDAT":
            yield file.read(size)
            file.seek(4, 1)
        else:
            file.seek(size + 4, 1)
