"""Trainings that end before their time: interrupted, or with a loss that diverged."""

from collections.abc import Iterator
from contextlib import contextmanager

from skorch import NeuralNet


class TrainingInterrupted(KeyboardInterrupt):
    """Training was interrupted, and what was trained so far is on the estimator."""

    def __init__(
        self,
        message: str = "Training was interrupted. What was trained so far is kept.",
    ) -> None:
        super().__init__(message)


def raise_if_interrupted(net: NeuralNet) -> None:
    """Raise the interrupt that ended the last training of a net, if one did.

    Raises
    ------
    TrainingInterrupted
    """
    if net.was_interrupted_:
        raise TrainingInterrupted


@contextmanager
def diverging_as_value_error(net: NeuralNet) -> Iterator[None]:
    """Explain a loss that is no finite number any more."""
    try:
        yield
    except TrainingDiverged as error:
        raise ValueError(
            f"The {error} stopped being a finite number in epoch {len(net.history)}. "
            f"Try a smaller lr than {net.lr}, scaling='standard' if it was switched "
            "off, or another loss."
        ) from None


class TrainingDiverged(ArithmeticError):
    """A loss is not a finite number any more."""
