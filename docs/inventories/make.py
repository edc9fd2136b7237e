"""Write the inventory of scikit-learn's names, so that builds link to them offline.

Run it with the newest scikit-learn: python docs/inventories/make.py
"""

import zlib
from pathlib import Path

import sklearn
from sklearn.utils.discovery import all_displays, all_estimators, all_functions

FOLDER = Path(__file__).parent


def public_name(thing):
    """Return the name under which the site of scikit-learn describes a thing."""
    parts = thing.__module__.split(".")
    public = [part for part in parts if not part.startswith("_")]
    return ".".join([*public, thing.__name__])


def main():
    """Write the file that Sphinx reads."""
    kinds = {
        "class": [*all_estimators(), *all_displays()],
        "function": all_functions(),
    }
    lines = sorted(
        f"{name} py:{kind} 1 modules/generated/{name}.html#$ -"
        for kind, found in kinds.items()
        for name in {public_name(thing) for _, thing in found}
    )
    head = (
        "# Sphinx inventory version 2\n"
        "# Project: scikit-learn\n"
        f"# Version: {sklearn.__version__}\n"
        "# The remainder of this file is compressed using zlib.\n"
    )
    body = zlib.compress("\n".join([*lines, ""]).encode("utf-8"), 9)
    FOLDER.joinpath("scikit-learn.inv").write_bytes(head.encode("utf-8") + body)


if __name__ == "__main__":
    main()
