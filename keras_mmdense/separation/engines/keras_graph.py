"""The engine "tensorflow": the graph as a Keras model, on any backend of Keras."""

from collections.abc import Sequence

import keras

from keras_mmdense.errors import InputError
from keras_mmdense.pretrained.networks import LoadedNetwork, NetworkSpec
from keras_mmdense.separation.engines.engine import Engine
from keras_mmdense.separation.graph import front_end, graph_card, separation_model
from keras_mmdense.stems import rest_name

CORE_FRAMES = 384


def keras_engine(
    networks: Sequence[tuple[NetworkSpec, keras.Model]],
    stems: Sequence[str] | None = None,
    window: int | None = None,
) -> Engine:
    """Create an engine from in-memory networks.

    Args:
        networks: Pairs of spec and network, such as `LoadedNetwork`s.
        stems: Stems that will be asked for, None for all; networks that give none of them are left
            out of the graph.
        window: Frames of a window that are kept; None for 384.

    Returns:
        The engine, which runs the Keras model `graph`.

    Raises:
        InputError: If the networks do not go together, or the window does not fit them.
    """
    loaded = [LoadedNetwork(*network) for network in networks]
    every = [target for spec, _ in loaded for target in spec.targets]
    if len(set(every)) != len(every):
        raise InputError(f"two networks give the same stem: {', '.join(every)}")
    if stems is not None:
        loaded = [x for x in loaded if set(stems) & set(x.spec.targets)] or loaded
        specs = [spec for spec, _ in loaded]
    if any(front_end(spec) != front_end(specs[0]) for spec in specs):
        raise InputError("the networks differ in rate, hop, bins or channels")
    names = [target for spec in specs for target in spec.targets]
    if rest := rest_name(names):
        names.append(rest)
    card = graph_card(specs, names, CORE_FRAMES if window is None else window)
    graph = separation_model(loaded, card)
    return Engine("tensorflow", card, graph.predict_on_batch, graph)
