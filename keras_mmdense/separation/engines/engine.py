"""What an engine is."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from keras_mmdense.separation.model_card import ModelCard


@dataclasses.dataclass(frozen=True)
class Engine:
    """Runs the separation graph on windows of a waveform.

    Args:
        name: "tensorflow", "litert", "saved_model" or "function".
        card: What the graph is.
        run: From waveforms (batch, card.window + 2 * card.context, card.channels) to stems
            (batch, len(card.stems), card.window, card.channels), float32.
        graph: The `keras.Model`, where the graph is one.
    """

    name: str
    card: ModelCard
    run: Callable[[np.ndarray], np.ndarray]
    graph: Any = None
