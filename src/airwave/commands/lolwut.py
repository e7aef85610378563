"""The drawing of LOLWUT: the waves of two transmitters, in braille, bright where they add up."""

import math

COLUMNS = 48
_COLUMNS_MAX = 64
_ROWS = 6  # with the default width about a millisecond of work
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # of a braille cell: 4 rows of 2


def draw(columns: int, seed: float) -> str:
    """The drawing, a line break after each row.

    Args:
        columns: its width; moved into 2 to 64.
        seed: any number; the wave length and the places of the transmitters follow from it.
    """
    columns = min(max(columns, 2), _COLUMNS_MAX)
    width, height = columns * 2, _ROWS * 4
    k = math.tau / (5 + 3 * _fraction(seed))
    left, top = width * (0.1 + 0.3 * _fraction(seed * 3)), height * _fraction(seed * 5)
    right, bottom = width * (0.6 + 0.3 * _fraction(seed * 7)), height * _fraction(seed * 11)
    cos, hypot = math.cos, math.hypot

    lines = []
    for row in range(0, height, 4):
        cells = [0x2800] * columns
        for y, dots in enumerate(_DOTS, row):
            for x in range(width):
                if cos(k * hypot(x - left, y - top)) + cos(k * hypot(x - right, y - bottom)) > 0.9:
                    cells[x // 2] |= dots[x % 2]
        lines.append("".join(map(chr, cells)) + "\n")
    return "".join(lines)


def _fraction(number: float) -> float:
    return number - math.floor(number)
