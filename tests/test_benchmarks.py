"""The benchmarks that nobody runs each day still work, on a few rows."""

from pathlib import Path

import pytest
import torch

SECTIONS = {
    "bench_clusters": ["Clustered"],
    "bench_downstream": ["LogisticRegression", "KMeans", "Ridge, R2"],
    "bench_search_scores": ["latents", "clusters"],
    "bench_gpu": ["batch", "busy", "transfer", "estimator"],
    "bench_neighbor_embedding": ["embedding"],
    "bench_speed": ["training", "convolutions", "one row", "default fit"],
}


@pytest.fixture
def one_thread():
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", SECTIONS)
def test__benchmark__a_few_rows_on_the_cpu__fills_all_its_tables(
    name, monkeypatch, capsys, one_thread
):
    monkeypatch.syspath_prepend(Path(__file__).parent / "benchmarks")
    device = ["--device", "cpu"] if name == "bench_gpu" else []
    assert not __import__(name).main(["--small", *device])
    printed = capsys.readouterr().out
    headers = [line for line in printed.splitlines() if line.startswith("|")]
    for section in SECTIONS[name]:
        assert any(section in line for line in headers), section
    assert "out of time" not in printed
