"""Memory and speed of fit and scores on a table in Parquet files.

``python tests/benchmarks/bench_sources.py --folder /data`` writes 500 million cells,
4 GB of float64, trains on them for one epoch and scores them into Parquet files; then
it does the same with the mapped array of the same rows. The largest resident memory is
that of a process of its own for each; rows are counted by seconds of a processor.
``--cells`` takes fewer.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

N_COLUMNS = 20
ROW_GROUP = 2**18


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("bench_sources"))
    parser.add_argument("--cells", type=float, default=5e8)
    parser.add_argument("--run", choices=["parquet", "polars", "mapped"])
    return parser.parse_args()


def blocks(n_rows):
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(N_COLUMNS // 2, N_COLUMNS))
    for start in range(0, n_rows, ROW_GROUP):
        shape = (min(ROW_GROUP, n_rows - start), N_COLUMNS)
        yield (
            rng.normal(size=(shape[0], len(mixing))) @ mixing
            + rng.normal(size=shape) / 4
        )


def write(folder, n_rows):
    """Write the same rows as Parquet files and as one array."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "rows.npy"
    if path.exists() and np.load(path, mmap_mode="r").shape[0] == n_rows:
        return
    rows = np.lib.format.open_memmap(path, "w+", np.float64, (n_rows, N_COLUMNS))
    (folder / "parquet").mkdir(exist_ok=True)
    writer, start = None, 0
    for i, block in enumerate(blocks(n_rows)):
        table = pa.table({f"c{k}": column for k, column in enumerate(block.T)})
        if i % 16 == 0:
            if writer is not None:
                writer.close()
            name = folder / "parquet" / f"{i // 16:04}.parquet"
            writer = pq.ParquetWriter(name, table.schema)
        writer.write_table(table, row_group_size=ROW_GROUP)
        rows[start : start + len(block)] = block
        start += len(block)
    writer.close()
    rows.flush()


def resident():
    """Return the largest resident memory of this process so far, in MB.

    `resource` would count that of the process which started this one.
    """
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def run(kind, folder):
    import polars as pl
    import pyarrow.dataset as ds

    from sklearn_ae import AutoencoderTransformer
    from sklearn_ae.distributed import write_parquet

    if kind == "mapped":
        X = np.load(folder / "rows.npy", mmap_mode="r")
        n_rows = len(X)
    else:
        X = ds.dataset(folder / "parquet")
        n_rows = X.count_rows()
        if kind == "polars":
            X = pl.scan_parquet(folder / "parquet" / "*.parquet")
    before = resident()
    start = time.process_time()
    ae = AutoencoderTransformer(8, max_epochs=1, batch_size=1024, random_state=0)
    ae.fit(X)
    fitted = time.process_time()
    after_fit = resident()
    if kind == "mapped":
        ae.score_samples(X)
    else:
        to = folder / f"scores_{kind}"
        write_parquet(ae, X, to, method="score_samples")
    scored = time.process_time()
    print(
        f"{kind:8} fit {n_rows / (fitted - start):10,.0f} rows/s  "
        f"score {n_rows / (scored - fitted):10,.0f} rows/s  "
        f"resident MB: start {before:,.0f}, fit {after_fit:,.0f}, all {resident():,.0f}"
        f"  loss {ae.loss_curve_[-1]:.6f}",
        flush=True,
    )


if __name__ == "__main__":
    arguments = parse_arguments()
    if arguments.run:
        run(arguments.run, arguments.folder)
        sys.exit()
    write(arguments.folder, int(arguments.cells) // N_COLUMNS)
    for kind in ("parquet", "polars", "mapped"):
        command = [sys.executable, __file__, "--folder", arguments.folder, "--run"]
        subprocess.run([*command, kind], check=True)
