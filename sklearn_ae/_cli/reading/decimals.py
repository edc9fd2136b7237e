"""Decimal point or decimal comma: one for a whole file, by cells that leave no doubt."""

import re


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
    certain, doubtful = {".": {}, ",": {}}, {".": {}, ",": {}}
    for name, text in texts.items():
        found = _vote(text)
        if found is not None:
            mark, is_certain, example = found
            (certain if is_certain else doubtful)[mark][name] = example
    if certain["."] and certain[","]:
        examples = [next(iter(certain[mark].items())) for mark in ".,"]
        (point, a), (comma, b) = examples
        raise UserError(
            f"{point} of {raw.name} has a decimal point ({a!r}), {comma} a decimal comma "
            f"({b!r}): say which it is with --decimal . or --decimal , and columns of "
            "other text with --categories."
        )
    if certain[","]:
        raw.taken["decimal"] = NAMES[","]
        return ","
    # With a comma between cells, the one in a cell stands between thousands.
    unclear = {"," if raw.separator not in (",", "") else None}
    unclear |= {"." if raw.separator == ";" else None}
    for mark in unclear - {None}:
        if doubtful[mark] and not certain["."]:
            name, example = next(iter(doubtful[mark].items()))
            raise UserError(
                f"Cannot tell whether the {NAMES[mark]} in {name} of {raw.name}, as in "
                f"{example!r}, marks decimals or thousands: say so with --decimal . or "
                "--decimal ,"
            )
    return "."


def _vote(text):
    """Return the mark that a column speaks for, whether for certain, and a cell."""
    plain = text.is_plain
    if plain is not None:
        grouped = rf"[+-]?[1-9]\d{{0,2}}(?:{re.escape(plain)}\d{{3}})+"
        cells = text.cells[text.cells.str.contains(plain, regex=False)]
        if not len(cells):
            return None
        certain = cells[~cells.str.fullmatch(grouped)]
        return plain, bool(len(certain)), (certain if len(certain) else cells).iloc[0]
    return _vote_of_levels(text)


def _vote_of_levels(text):
    counts, examples, n_numbers, n_cells = {}, {}, 0, 0
    for level, n in zip(text.levels, text.counts, strict=True):
        if level in MISSING_NUMBERS:
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
    return mark, is_certain, examples[mark, is_certain]


