"""Networks in `.keras` files."""

import zipfile
from pathlib import Path

import keras

from keras_mmdense.errors import InputError
from keras_mmdense.models import registry
from keras_mmdense.pretrained.networks import LoadedNetwork, NetworkSpec


def read_keras_file(path: Path) -> list[LoadedNetwork]:
    """Read the networks of a `.keras` file.

    Args:
        path: A file of a network of the zoo, or of a separation graph.

    Returns:
        The networks and their specs.

    Raises:
        InputError: If Keras cannot load the file, or it holds another model.
    """
    from keras_mmdense.layers import sources, stft, wiener  # noqa: F401

    try:
        with zipfile.ZipFile(path) as archive:  # Keras checks no sums
            if damaged := archive.testzip():
                raise ValueError(f"{damaged} is damaged")
        model = keras.saving.load_model(path, compile=False)
    except Exception as error:  # Keras raises anything where a part of the file is damaged
        reason = (str(error).strip() or repr(error)).splitlines()[0]
        raise InputError(f"{path}: Keras cannot load it: {reason}") from error
    models = [model] if _is_network(model) else _parts(model)
    if not models:
        raise InputError(f"{path}: neither a network from magnitudes to magnitudes nor a separator")
    return [_network(path, model) for model in models]


def _parts(graph: keras.Layer) -> list[keras.Model]:
    return [layer for layer in getattr(graph, "layers", ()) if _is_network(layer)]


def _is_network(layer: keras.Layer) -> bool:
    """Whether a layer is a model of one input and one output with the axes of magnitudes."""
    shapes = [getattr(layer, name, ()) for name in ("input_shape", "output_shape")]
    if not isinstance(layer, keras.Model) or not all(isinstance(x, tuple) for x in shapes):
        return False
    return len(shapes[0]) == 4 and len(shapes[1]) in (4, 5)


def _network(path: Path, model: keras.Model) -> LoadedNetwork:
    """Identify a network by its name, its shapes and the zoo's table of that name.

    Inside a separation graph it lacks the margin, so it is rebuilt.
    """
    shape = model.output_shape
    tables = [name for name in registry.list_models() if model.name.startswith(f"{name}_")]
    for table in sorted(tables, key=len, reverse=True):
        names = model.name.removeprefix(f"{table}_")
        stems = (names,) if len(shape) == 4 else tuple(names.split("_"))
        if len(shape) == 5 and len(stems) != shape[1]:
            continue
        spec = NetworkSpec(registry.model_config(table), stems, bins=shape[-2], channels=shape[-1])
        built = spec.build()
        if _sizes(built) == _sizes(model):
            return LoadedNetwork(spec, _with_weights(built, model))
    raise InputError(
        f"{path}: cannot tell the table and the stems of the network {model.name!r}; a .keras file "
        "must hold a network that build returned"
    )


def _sizes(model: keras.Model) -> dict[str, list[tuple[int, ...]]]:
    sizes = {layer.name: [tuple(x.shape) for x in layer.weights] for layer in model.layers}
    return {name: shapes for name, shapes in sizes.items() if shapes}


def _with_weights(built: keras.Model, model: keras.Model) -> keras.Model:
    for layer in built.layers:
        layer.set_weights(model.get_layer(layer.name).get_weights())
    return built
