"""Encodings of text files: found without doubt, or asked for."""

import codecs
import re
import unicodedata

from sklearn_ae._cli.errors import UserError

# Marks at the start of a file, longest first.
BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# What a text of western Europe or America is in if it is not Unicode.
WESTERN = "cp1252"
# Signs that stand beside letters in such a text.
SIGNS_AT_LETTERS = set("\u00a0°®™©ªº\u00b4\u2018\u2019“”\u201a„…\u2013—«»¡¿§·•")
# Those of them that stand in the middle of a word.
SIGNS_IN_WORDS = set("\u2019\u00b4·")
# Encodings that a message suggests, and how many of them.
CANDIDATES = (
    "cp1250",
    "cp1251",
    "cp1253",
    "mac_roman",
    "cp850",
    "gb18030",
    "shift_jis",
)
N_EXAMPLES = 5
# A word with a letter beyond ASCII.
ODD_WORD = re.compile(rb"[A-Za-z\x80-\xff]*[\x80-\xff][A-Za-z\x80-\xff]*")
# Bytes that are decoded at a time.
CHUNK = 1 << 20


def find_encoding(data, wanted, name):
    """Return the encoding of a text.

    Parameters
    ----------
    data : bytes
    wanted : str or None
        What the user says.
    name : str
        Of the file, for messages.

    Raises
    ------
    UserError
        If there is more than one that it may be, or the wanted one does not fit.
    """
    if wanted is not None:
        _check_wanted(data, wanted, name)
        return wanted
    for mark, encoding in BYTE_ORDER_MARKS:
        if data.startswith(mark):
            _check_wanted(data, encoding, name)
            return encoding
    if b"\0" in data:
        return _without_mark(data, name)
    if _decodes(data, "utf-8"):
        return "utf-8"
    if _decodes(data, WESTERN) and _reads_as_western(data):
        return WESTERN
    raise UserError(
        f"The letters of {name} are not in UTF-8, and they may be in one of several "
        f"other encodings: say which with --encoding{_examples(data)}."
    )


def _check_wanted(data, encoding, name):
    try:
        codecs.lookup(encoding)
    except LookupError:
        raise UserError(
            f"--encoding {encoding} is no encoding that is known: name another one, "
            "such as utf-8, cp1252 or utf-16."
        ) from None
    if not _decodes(data, encoding):
        raise UserError(
            f"{name} is not in the encoding {encoding}: some of its bytes stand for no "
            "letter in it. Name another one with --encoding."
        )


def _without_mark(data, name):
    """Return UTF-16 without a mark: every second byte of ASCII letters is zero."""
    head = data[:4096]
    zeros = head[::2].count(0), head[1::2].count(0)
    for n_zeros, encoding in zip(zeros, ("utf-16-be", "utf-16-le"), strict=True):
        if n_zeros > 0.8 * sum(zeros) and n_zeros > len(head) / 4:
            _check_wanted(data, encoding, name)
            return encoding
    raise UserError(
        f"Cannot read {name} as a table: it holds zero bytes, as no text does. Save it "
        "as CSV or Parquet."
    )


def _decodes(data, encoding):
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        for start in range(0, len(data), CHUNK):
            decoder.decode(data[start : start + CHUNK])
        decoder.decode(b"", final=True)
    except (UnicodeError, ValueError):
        return False
    return True


def _reads_as_western(data):
    """Whether letters beyond ASCII stand among others, as accents do, and no signs.

    Words in Greek or Russian letters have many in a row, and of other encodings some
    letters turn to signs in the middle of a word.
    """
    text = data.decode(WESTERN)
    letters = in_a_row = usual = 0
    padded = f" {text} "
    for before, letter, after in zip(padded, text, padded[2:], strict=False):
        if letter.isascii():
            continue
        if letter.isalpha():
            letters += 1
            in_a_row += not before.isascii() and before.isalpha()
            usual += unicodedata.category(letter)[0] == "L" and "À" <= letter <= "ÿ"
        else:
            n_beside = before.isalpha() + after.isalpha()
            allowed = (None, SIGNS_AT_LETTERS, SIGNS_IN_WORDS)[n_beside]
            if allowed is not None and letter not in allowed:
                return False
    return letters == 0 or (in_a_row < letters / 3 and usual > letters / 2)


def _examples(data):
    """Return encodings that may be meant, with a word as it reads in each."""
    word = ODD_WORD.search(data).group()
    read = {}
    for encoding in [*_guess(data), *CANDIDATES]:
        if _decodes(data, encoding):
            read.setdefault(word.decode(encoding, errors="replace"), encoding)
    shown = [f"{encoding} for {text!r}" for text, encoding in read.items()][:N_EXAMPLES]
    return f", such as {', '.join(shown)}" if shown else ""


def _guess(data):
    """Return a guess, if the package that guesses is installed."""
    try:
        from charset_normalizer import from_bytes
    except ImportError:
        return []
    best = from_bytes(data[:CHUNK]).best()
    return [] if best is None else [best.encoding]
