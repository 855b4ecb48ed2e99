"""The engine "tensorflow": the graph as a Keras model, on any backend of Keras."""

import threading
from collections.abc import Sequence

import keras
import numpy as np

from keras_mmdense.errors import InputError
from keras_mmdense.pretrained.networks import LoadedNetwork, NetworkSpec
from keras_mmdense.separation.engines.engine import Engine, Run
from keras_mmdense.separation.graph import WINDOW_FRAMES, front_end, graph_card, separation_model
from keras_mmdense.separation.low_latency import low_latency_model
from keras_mmdense.separation.stepwise_graph import (
    STEP_FRAMES,
    after_silence,
    memories,
    read,
    stepwise_model,
    takes_steps,
)
from keras_mmdense.stems import rest_name


def keras_engine(
    networks: Sequence[tuple[NetworkSpec, keras.Model]],
    stems: Sequence[str] | None = None,
    window: int | None = None,
    low_latency: bool = False,
) -> Engine:
    """Create an engine from in-memory networks.

    Args:
        networks: Pairs of spec and network, such as `LoadedNetwork`s.
        stems: Stems that will be requested, None for all; networks that estimate none of them are
            left out of the graph.
        window: Frames of a window that are kept; None for steps of 96 frames where the networks
            take steps, else for 384.
        low_latency: Whether to wait for little of the future, see `low_latency_model`. Defaults to
            `False`.

    Returns:
        The engine.

    Raises:
        InputError: If the networks cannot be combined, or the window does not fit them or is given
            together with low latency.
    """
    if low_latency and window is not None:
        raise InputError(
            f"low latency runs in TensorFlow with a window of its own, received window={window}"
        )
    loaded = [LoadedNetwork(*network) for network in networks]
    every = [target for spec, _ in loaded for target in spec.targets]
    if len(set(every)) != len(every):
        raise InputError(f"two networks estimate the same stem: {', '.join(every)}")
    if stems is not None:
        loaded = [x for x in loaded if set(stems) & set(x.spec.targets)] or loaded
    specs = [spec for spec, _ in loaded]
    if any(front_end(spec) != front_end(specs[0]) for spec in specs):
        raise InputError("the networks differ in rate, hop, bins or channels")
    names = [target for spec in specs for target in spec.targets]
    if rest := rest_name(names):
        names.append(rest)
    card = graph_card(specs, names, WINDOW_FRAMES if window is None else window)
    recipe = keras_engine, (loaded, stems, window, low_latency)

    def build_graph() -> keras.Model:
        return separation_model(loaded, card)

    if low_latency:
        live, live_card = low_latency_model(loaded, card)
        return Engine("tensorflow", live_card, lambda: _live(live), build_graph, recipe)
    if window is None and takes_steps(specs):
        steps, step_card = stepwise_model(loaded, graph_card(specs, names, STEP_FRAMES))
        return Engine("tensorflow", step_card, _Songs(steps).start, build_graph, recipe)
    graph = build_graph()
    return Engine("tensorflow", card, lambda: graph.predict_on_batch, lambda: graph, recipe)


def _live(graph: keras.Model) -> Run:
    """Begin a song after silence; the graph sees its last samples."""
    past = np.zeros(graph.input_shape, "float32")

    def run(waveform: np.ndarray) -> np.ndarray:
        nonlocal past
        past = np.concatenate([past[:, waveform.shape[1] :], waveform], axis=1)
        return graph.predict_on_batch(past)

    return run


class _Songs:
    """Songs that share one stepwise graph: its memory holds the past of one of them at a time."""

    def __init__(self, graph: keras.Model):
        self._graph, self._lock = graph, threading.Lock()
        self._memory = memories(graph)
        self._silence: list[np.ndarray] | None = None
        self._active: list[np.ndarray] | None = None

    def start(self) -> Run:
        """Begin a song after silence."""
        with self._lock:
            if self._silence is None:
                self._silence = after_silence(self._graph)
        song = list(self._silence)

        def run(waveform: np.ndarray) -> np.ndarray:
            with self._lock:
                self._switch(song)
                return self._graph.predict_on_batch(waveform)

        return run

    def _switch(self, song: list[np.ndarray]) -> None:
        if song is self._active:
            return
        if self._active is not None:
            self._active[:] = read(self._memory)
        for variable, value in zip(self._memory, song, strict=True):
            variable.assign(value)
        self._active = song
