"""The house: what stands at the top of the package, and who may import from whom.

`test_style.py` holds the package to this list, and the drawing in the documentation is
made from it: ``python tests/house.py`` writes ``docs/development/house.svg``.
"""

from pathlib import Path
from textwrap import wrap
from typing import NamedTuple
from xml.sax.saxutils import escape

DRAWING = Path(__file__).parents[1] / "docs" / "development" / "house.svg"


class Room(NamedTuple):
    """Names at the top of the package that belong together.

    They import from one another and from the ranks below, or, where `stands_on` names
    rooms, from those alone.
    """

    names: tuple
    holds: str
    stands_on: tuple = ()


GROUND = Room(
    (
        *("_compat", "_isolation", "_collective", "_seeding", "_defaults"),
        *("_document", "noise", "datasets"),
    ),
    "private parts of other libraries, seeds and global state, processes that fit "
    "together, the rules behind the defaults; noise on batches, images for examples",
)
TABLES = Room(
    ("_tables",),
    "from the user's table to float32 rows, and back to a table of the same kind",
)
# One tuple for each rank, from the ground up.
RANKS = (
    (GROUND,),
    (
        TABLES,
        Room(
            ("_modules", "architectures", "latents"),
            "torch modules: layers, missing cells, losses, the start at PCA; and the "
            "public objects that build them",
        ),
    ),
    (Room(("_net",), "the skorch net: built, trained, asked for values of rows"),),
    (
        Room(
            ("_autoencoder", "metrics"),
            "AutoencoderTransformer, and what estimators with one share; scores for "
            "searches without labels",
        ),
    ),
    (
        Room(
            ("displays",),
            "pictures of arrays; they know estimators by their public methods",
            stands_on=(TABLES, GROUND),
        ),
        Room(("_anomaly",), "the detector, its scores and their explanations"),
        Room(("_imputation",), "the imputer, and hidden cells that check it"),
        Room(
            ("_supervised",),
            "classifier and regressor: pre-training, fine-tuning",
        ),
    ),
    (
        Room(("_persistence",), "files of models: written, read and checked; ONNX"),
        Room(
            ("distributed",),
            "several processes, tables larger than memory, checkpoints",
        ),
    ),
    (Room(("_cli",), "the command line, one file for each command"),),
    (Room(("__init__", "__main__"), "the public names, and python -m sklearn_ae"),),
)


def allowed_imports(name):
    """Return the names at the top of the package that one of them may import from."""
    below = set()
    for rank in RANKS:
        for room in rank:
            if name in room.names:
                lower = {n for other in room.stands_on for n in other.names}
                return (lower if room.stands_on else below) | {*room.names}
        below |= {n for room in rank for n in room.names}
    raise ValueError(f"{name!r} has no place in the house.")


# The drawing. Lengths are in the units of its view box.

WIDTH = 720
# Space around the house; the arrow stands in more of it on the right.
MARGIN = 24
ARROW = 34
ROOF = 100
# Space between rooms, and between the text of a room and its walls.
WALL = 6
PADDING = 12
# Width of a room that reaches over several ranks.
TOWER = 144
# Height of a line of text, of a name, and the space between two names.
LINE = 19
CHIP = 24
GAP = 6
# Letters are given some more space than they need: fonts differ between readers.
NAME_SIZE, NAME_LETTER = 14, 8.5
TEXT_SIZE, TEXT_LETTER = 13.5, 7.4

# A colour for each rank, from the ground up, and one for rooms beside several.
COLOURS = ("#e6dfd3", "#d7e6f4", "#dbeedd", "#fcecc5", "#f9ddd0", "#e6def2", "#f0c9ba")
TOWER_COLOUR = "#d3ebea"
PAPER = "#fffdf8"
INK = "#27303a"
EDGE = "#7b8794"
PUBLIC = "#0b5394"

STYLE = f"""\
text {{ font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue",
  Arial, sans-serif; font-size: {TEXT_SIZE}px; fill: {INK}; text-anchor: middle }}
.name {{ font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono",
  monospace; font-size: {NAME_SIZE}px; font-weight: 600 }}
.public {{ fill: {PUBLIC} }}
.room {{ stroke: {EDGE}; stroke-width: 1.2; stroke-linejoin: round }}
.chip {{ fill: #ffffff; fill-opacity: 0.8 }}"""


def _width(name):
    return NAME_LETTER * len(name) + 12


def _lines_of_names(names, width):
    """Return the names in lines that are no wider than a room."""
    lines, used = [[]], 0
    for name in names:
        if lines[-1] and used + _width(name) > width:
            lines.append([])
            used = 0
        lines[-1].append(name)
        used += _width(name) + GAP
    return lines


def _lines(room, width):
    """Return the lines of names and the lines of text of a room."""
    inner = width - 2 * PADDING
    text = wrap(room.holds, int(inner / TEXT_LETTER), break_on_hyphens=False)
    return _lines_of_names(room.names, inner), text


def _height(room, width):
    """Return the height that a room needs."""
    names, text = _lines(room, width)
    return len(names) * (CHIP + 4) + len(text) * LINE + 2 * PADDING


def _chips(names, middle, y):
    """Return a line of names."""
    x = middle - (sum(map(_width, names)) + GAP * (len(names) - 1)) / 2
    shapes = []
    for name in names:
        width = _width(name)
        kind = "name" if name.startswith("_") else "name public"
        shapes += [
            f'<rect class="chip" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" '
            f'height="{CHIP}" rx="6"/>',
            f'<text class="{kind}" x="{x + width / 2:.1f}" y="{y + 16.5:.1f}">'
            f"{name}</text>",
        ]
        x += width + GAP
    return shapes


def _label(room, x, y, width, height):
    """Return the names of a room and what it holds, in the middle of a box."""
    names, text = _lines(room, width)
    middle = x + width / 2
    y += (height - _height(room, width)) / 2 + PADDING
    shapes = []
    for line in names:
        shapes += _chips(line, middle, y)
        y += CHIP + 4
    for line in text:
        y += LINE
        at = f'x="{middle:.1f}" y="{y - 4:.1f}"'
        shapes.append(f"<text {at}>{escape(line)}</text>")
    return shapes


def _box(room, colour, x, y, width, height):
    box = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
    return [
        f'<rect class="room" {box} rx="6" fill="{colour}"/>',
        *_label(room, x, y, width, height),
    ]


def _roof(room, colour, left, right):
    """Return the gable above all rooms."""
    middle, base = (left + right) / 2, MARGIN + ROOF - WALL
    corners = f"{left - 12},{base} {middle},{MARGIN} {right + 12},{base}"
    return [
        f'<polygon class="room" points="{corners}" fill="{colour}"/>',
        *_label(room, middle - 200, MARGIN + 0.28 * ROOF, 400, 0.66 * ROOF),
    ]


def _arrow(x, top, bottom):
    """Return the arrow that says which way imports go."""
    middle = (top + bottom) / 2
    return [
        f'<path d="M{x} {top:.1f} V{bottom:.1f} m-6 -11 l6 11 l6 -11" fill="none" '
        f'stroke="{EDGE}" stroke-width="2" stroke-linecap="round"/>',
        f'<text transform="translate({x + 13} {middle:.1f}) rotate(90)">'
        "imports go down, never up and never sideways</text>",
    ]


def _foot(room):
    """Return the rank of the highest room that a tower stands on."""
    return max(i for i, rank in enumerate(RANKS) for r in room.stands_on if r in rank)


def _storey(rank, left, right, beside):
    """Return the rooms of a rank that are no towers, with their places and width."""
    rooms = [room for room in rank if not room.stands_on]
    start = left + (TOWER + WALL) * beside
    width = (right - start + WALL) / len(rooms) - WALL
    return [(room, start + i * (width + WALL), width) for i, room in enumerate(rooms)]


def draw():
    """Return the drawing of the house as the text of an SVG file.

    A room that stands on named rooms is a tower, which reaches down to the highest of
    them.
    """
    left, right = MARGIN + 12, WIDTH - MARGIN - ARROW
    *ranks, top = RANKS
    towers = [
        (i, room) for i, rank in enumerate(ranks) for room in rank if room.stands_on
    ]
    storeys = [
        _storey(rank, left, right, sum(_foot(r) < i <= top_i for top_i, r in towers))
        for i, rank in enumerate(ranks)
    ]
    heights = [max(_height(room, w) for room, _, w in rooms) for rooms in storeys]
    # The upper edge of each rank.
    above = [sum(h + WALL for h in heights[i + 1 :]) for i in range(len(heights))]
    edges = [MARGIN + ROOF + height for height in above]
    shapes = _roof(top[0], COLOURS[-1], left, right)
    for rooms, colour, y, height in zip(storeys, COLOURS, edges, heights, strict=False):
        for room, x, width in rooms:
            shapes += _box(room, colour, x, y, width, height)
    for i, room in towers:
        height = edges[_foot(room)] - edges[i] - WALL
        shapes += _box(room, TOWER_COLOUR, left, edges[i], TOWER, height)
    bottom = edges[0] + heights[0]
    shapes += _arrow(right + 26, MARGIN + ROOF, bottom)
    legend = f'x="{right + 12}" y="{MARGIN + 12}" style="text-anchor: end"'
    shapes.append(f'<text class="public" {legend}>blue: public import paths</text>')
    return _svg(shapes, f"{bottom + MARGIN:g}")


def _svg(shapes, height):
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
            "<title>The house: folders and modules of sklearn_ae by rank</title>",
            f"<style>\n{STYLE}\n</style>",
            f'<rect width="{WIDTH}" height="{height}" rx="12" fill="{PAPER}"/>',
            *shapes,
            "</svg>\n",
        ]
    )


if __name__ == "__main__":
    DRAWING.write_text(draw(), encoding="utf-8")
