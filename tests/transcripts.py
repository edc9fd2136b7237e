"""Transcripts of the command line in the documentation, written by running it.

``python tests/transcripts.py`` runs each command that a block of
``docs/command_line.md`` begins with, in a folder with the real tables (of
SKLEARN_AE_DATA) and some made-up ones, and puts what is printed below it.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

PAGE = Path(__file__).parents[1] / "docs" / "command_line.md"
BLOCK = re.compile(r"^```console\n\$ (.*)\n(?:.*\n)*?```$", re.MULTILINE)
TABLES = ("adult", "german_credit", "auto_imports")


def write_invoices(folder, week, n_rows, rng):
    """Write the invoices of a week as a program in Germany exports them."""
    hours = rng.integers(1, 40, n_rows)
    rate = rng.choice([80, 95, 120], n_rows)
    supplier = rng.choice(["Bauer", "Müller", "Groß & Co", "Yilmaz"], n_rows)
    amount = hours * rate * rng.choice([1.0, 1.19], n_rows)
    if week > 1:
        amount[17] *= 10
    frame = pd.DataFrame(
        {
            "invoice": [f"R{week:02d}-{i:04d}" for i in range(n_rows)],
            "supplier": supplier,
            "hours": hours,
            "rate": rate,
            "amount": amount.round(2),
        }
    )
    name = folder / f"invoices_week{week}.csv"
    frame.to_csv(name, sep=";", decimal=",", index=False)


def write_survey(folder, rng):
    """Write answers of three kinds of people, of which some are missing."""
    n_rows = 600
    kind = rng.integers(3, size=n_rows)
    answers = {
        f"q{i}": np.clip(rng.normal(centre[kind], 0.7), 1, 5).round()
        for i, centre in enumerate(rng.permuted(np.tile([1.5, 3, 4.5], (6, 1)), axis=1))
    }
    frame = pd.DataFrame(answers).mask(rng.random((n_rows, 6)) < 0.1, -9).astype(int)
    frame["region"] = rng.choice(["north", "south"], n_rows)
    frame.to_csv(folder / "survey.csv", index=False)


def run(command, folder):
    """Return what a command prints, without bars of progress."""
    words = shlex.split(command)
    words[:1] = [sys.executable, "-m", "sklearn_ae"]
    done = subprocess.run(
        words,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    lines = [line.split("\r")[-1].rstrip() for line in done.stdout.split("\n")]
    kept = [line for line in lines if "epoch" not in line]
    return re.sub("\n{3,}", "\n\n", "\n".join(kept)).strip("\n")


def main():
    """Write all transcripts, or those whose command has a word that is given."""
    words = sys.argv[1:] or [""]
    with TemporaryDirectory() as name:
        folder = Path(name)
        make_tables(folder)
        commands = [match[1] for match in BLOCK.finditer(PAGE.read_text("utf-8"))]
        for command in commands:
            if any(word in command for word in words):
                write(command, run(command, folder))


def make_tables(folder):
    """Put all tables into a folder."""
    for table in TABLES:
        source = Path(os.environ["SKLEARN_AE_DATA"]) / f"{table}.csv.gz"
        shutil.copy(source, folder)
    rng = np.random.default_rng(0)
    for week, n_rows in ((1, 1000), (2, 150)):
        write_invoices(folder, week, n_rows, rng)
    write_survey(folder, rng)


def write(command, printed):
    """Put what a command prints below it."""

    def replace(match):
        if match[1] != command:
            return match[0]
        return f"```console\n$ {command}\n{printed}\n```"

    text = PAGE.read_text("utf-8")
    PAGE.write_text(BLOCK.sub(replace, text), encoding="utf-8")


if __name__ == "__main__":
    main()
