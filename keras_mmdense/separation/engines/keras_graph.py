"""The engine "tensorflow": the graph as a Keras model, on any backend of Keras."""

from collections.abc import Sequence

from keras_mmdense.errors import InputError
from keras_mmdense.pretrained.networks import LoadedNetwork
from keras_mmdense.separation.engines.engine import Engine
from keras_mmdense.separation.graph import front_end, graph_card, separation_model
from keras_mmdense.stems import rest_name

CORE_FRAMES = 384


def keras_engine(
    networks: Sequence[LoadedNetwork],
    stems: Sequence[str] | None = None,
    window: int | None = None,
) -> Engine:
    """Create an engine from in-memory networks.

    Args:
        networks: Networks and their specs.
        stems: Stems that will be asked for, None for all; networks that give none of them are left
            out of the graph.
        window: Frames of a window that are kept; None for 384.

    Returns:
        The engine, which runs the Keras model `graph`.

    Raises:
        InputError: If the networks do not go together, or the window does not fit them.
    """
    networks = [LoadedNetwork(*network) for network in networks]  # pairs do as well
    every = [target for spec, _ in networks for target in spec.targets]
    if len(set(every)) != len(every):
        raise InputError(f"two networks give the same stem: {', '.join(every)}")
    if stems is not None:
        networks = [x for x in networks if set(stems) & set(x.spec.targets)] or networks
    specs = [spec for spec, _ in networks]
    if any(front_end(spec) != front_end(specs[0]) for spec in specs):
        raise InputError("the networks differ in rate, hop, bins or channels")
    names = [target for spec in specs for target in spec.targets]
    names += filter(None, [rest_name(names)])
    card = graph_card(specs, names, CORE_FRAMES if window is None else window)
    graph = separation_model(networks, card)
    return Engine("tensorflow", card, graph.predict_on_batch, graph)
