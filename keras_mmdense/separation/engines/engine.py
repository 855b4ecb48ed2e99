"""The interface of all engines."""

import dataclasses
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from keras_mmdense.separation.model_card import ModelCard

Run = Callable[[np.ndarray], np.ndarray]


@dataclasses.dataclass
class Engine:
    """Runs the separation graph on windows of a waveform, or on its steps.

    Args:
        name: "tensorflow", "litert", "saved_model" or "function".
        card: What the graph is.
        start: Begins a signal. Returns what takes its windows in order, from waveforms (batch,
            card.window + 2 * card.context, card.channels) to stems (batch, len(card.stems),
            card.window, card.channels), float32. Where the card has a delay, the batch is one and
            the past is remembered.
        build_graph: Builds the `keras.Model` of windows, where there is one.
        recipe: What copies and pickles build the engine with: a function and its arguments.
    """

    name: str
    card: ModelCard
    start: Callable[[], Run]
    build_graph: Callable[[], Any] | None = None
    recipe: tuple[Callable[..., "Engine"], tuple[Any, ...]] | None = None

    def __reduce__(self) -> tuple[Callable[..., "Engine"], tuple[Any, ...]]:
        if self.recipe is None:
            raise TypeError(f"an engine {self.name!r} cannot be copied or pickled")
        return self.recipe

    @cached_property
    def graph(self) -> Any:
        """The `keras.Model` from waveforms with context to stems, None where there is none."""
        return self.build_graph and self.build_graph()
