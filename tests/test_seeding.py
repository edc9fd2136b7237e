"""Seeds, their streams, and the seeded scope."""

import numpy as np
import pytest
import torch

from sklearn_ae._seeding import Stream, make_generator, seeded_for

CPU = torch.device("cpu")


@pytest.mark.parametrize("stream", Stream)
def test__make_generator__same_seed__repeats_a_stream_of_its_own(stream):
    numbers = make_generator(0, stream).random(5)
    assert np.array_equal(numbers, make_generator(0, stream).random(5))
    assert not np.array_equal(numbers, np.random.default_rng(0).random(5))
    for other in set(Stream) - {stream}:
        assert not np.array_equal(numbers, make_generator(0, other).random(5))


def draw(random_state, **options):
    with seeded_for(random_state, CPU, **options):
        return torch.rand(3).tolist()


def test__seeded_for__later_epochs__draw_other_numbers():
    assert draw(0) == draw(0) != draw(0, n_epochs=1)


def test__seeded_for__seed_drawn_before__is_the_one_that_it_would_draw():
    assert draw(3) == draw(np.random.RandomState(0), seed=3)


def test__seeded_for__no_random_state__draws_anew():
    assert draw(None) != draw(None)


def test__seeded_for__seed__computes_on_one_thread():
    """The last bits of a sum depend on the number of threads."""
    with seeded_for(0, CPU):
        assert torch.get_num_threads() == 1
