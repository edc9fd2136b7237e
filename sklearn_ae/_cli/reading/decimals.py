"""Decimal point or decimal comma: one for a file, by cells that leave no doubt."""

import re
from dataclasses import dataclass

from sklearn_ae._cli.errors import UserError
from sklearn_ae._cli.reading.patterns import MISSING_NUMBERS, parse_number

# Share of the cells of a column that have to be numbers for it to have a say.
MIN_SHARE = 0.5
NAMES = {".": "point", ",": "comma"}


def find_decimal(texts, raw, options):
    """Return the decimal mark of a file.

    Parameters
    ----------
    texts : dict of str to TextCells
        Columns that may hold numbers.
    raw : RawTable
        What is taken is stored in it.
    options : ReadingOptions

    Returns
    -------
    decimal : {".", ","}

    Raises
    ------
    UserError
        If columns contradict one another, or none tells.
    """
    if options.decimal is not None:
        return options.decimal
    votes = {name: _vote(text) for name, text in texts.items()}
    votes = {name: vote for name, vote in votes.items() if vote is not None}
    certain = {
        mark: {name: v.example for name, v in votes.items() if v.is_for(mark)}
        for mark in ".,"
    }
    if certain["."] and certain[","]:
        examples = [next(iter(certain[mark].items())) for mark in ".,"]
        (point, a), (comma, b) = examples
        raise UserError(
            f"{point} of {raw.name} has a decimal point ({a!r}), {comma} a decimal "
            f"comma ({b!r}): say which it is with --decimal . or --decimal , and name "
            "columns of other text with --categories."
        )
    if certain[","]:
        raw.taken["decimal"] = NAMES[","]
        return ","
    if not certain["."]:
        for name, vote in votes.items():
            if _is_doubtful(vote, raw.separator):
                raise UserError(
                    f"Cannot tell whether the {NAMES[vote.mark]} in {name} of "
                    f"{raw.name}, as in {vote.example!r}, marks decimals or thousands: "
                    "say so with --decimal . or --decimal ,"
                )
            if vote.mark == ".":
                raw.notes.append(
                    f"The point in all cells of {name}, as in {vote.example!r}, is "
                    "read as one for decimals: --decimal , reads thousands."
                )
    return "."


def _is_doubtful(vote, separator):
    """Whether cells may be read in two ways in a file where nothing else tells.

    A comma in a cell marks thousands where commas separate cells. A point in some cells
    and not in others would be one decimal of three digits or none.
    """
    if vote.mark == ",":
        return separator not in (",", "")
    return separator == ";" or not vote.in_all


@dataclass(frozen=True)
class Vote:
    """What a column says: a mark, how certain it is, and whether all cells have it."""

    mark: str
    is_certain: bool
    example: str
    in_all: bool

    def is_for(self, mark):
        """Whether it leaves no doubt that this is the decimal mark."""
        return self.is_certain and self.mark == mark


def _vote(text):
    """Return what a column says, None if it has no say."""
    plain = text.is_plain
    if plain is not None:
        grouped = rf"[+-]?[1-9]\d{{0,2}}(?:{re.escape(plain)}\d{{3}})+"
        cells = text.cells[text.cells.str.contains(plain, regex=False)]
        if not len(cells):
            return None
        certain = cells[~cells.str.fullmatch(grouped)]
        example = (certain if len(certain) else cells).iloc[0]
        return Vote(plain, bool(len(certain)), example, len(cells) == text.n_written)
    return _vote_of_levels(text)


def _vote_of_levels(text):
    counts, examples, n_numbers, n_cells = {}, {}, 0, 0
    for level, n in zip(text.levels, text.counts, strict=True):
        if level.lower() in MISSING_NUMBERS:
            continue
        n_cells += n
        values = {mark: parse_number(level, mark) for mark in ".,"}
        found = {mark: cell.value for mark, cell in values.items() if cell is not None}
        n_numbers += n * bool(found)
        if not found or len({*found.values()}) == 1 == len(found) - 1:
            continue
        if len(found) == 1:
            vote = (next(iter(found)), True)
        else:
            vote = ("," if "," in level else ".", False)
        counts[vote] = counts.get(vote, 0) + n
        examples.setdefault(vote, level)
    if not counts or n_numbers < MIN_SHARE * n_cells:
        return None
    certain = {vote: n for vote, n in counts.items() if vote[1]}
    mark, is_certain = max(certain or counts, key=counts.get)
    in_all = sum(counts.values()) == n_numbers
    return Vote(mark, is_certain, examples[mark, is_certain], in_all)
