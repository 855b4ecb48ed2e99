"""Separators from any file: a network, or what was exported of one."""

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np

from keras_mmdense.errors import InputError
from keras_mmdense.models import registry
from keras_mmdense.pretrained.networks import LoadedNetwork, NetworkSpec, network_folder
from keras_mmdense.separation.model_card import SAVED_MODEL_CARD, TFLITE_CARD, ModelCard
from keras_mmdense.separation.separator import Separator


def load_separator(name: str | Path, *, stems: Sequence[str] | None = None) -> Separator:
    """Opens what separates: a trained network, or a file that was made of one.

    Args:
        name: A network's name or folder (see `networks.load_network`), a SavedModel folder or a
            `.tflite` file with a model card, or a `.keras` file of a network of the zoo or of
            `Separator.graph`.
        stems: Stems to return, None for all.

    Returns:
        A separator; the exported files run in windows of the size they were made for.

    Raises:
        InputError: If there is no such file, it is damaged or has no card, a package is missing
            that it needs, or a stem is unknown.

    Example:
        >>> load_separator("mmdense.tflite", stems=["vocals"]).separate(waveform, 44100)
    """
    path = Path(name)
    if path.suffix in (".tflite", ".keras") and not path.is_file():
        raise InputError(f"{path}: no such file")
    if path.suffix == ".tflite":
        return Separator.from_function(*_open_tflite(path), stems=stems)
    if path.suffix == ".keras":
        return Separator.from_networks(_open_keras(path), stems=stems)
    if (path / "saved_model.pb").is_file():
        return Separator.from_function(*_open_saved_model(path), stems=stems)
    return Separator(name, stems=stems)


def fingerprint(name: str | Path) -> str:
    """Gives the sha256 of all the files of what `load_separator` opens."""
    path = network_folder(name)
    if (path / "network.json").is_file():
        files = [path / "network.json", path / "network.weights.h5"]
    else:
        files = (
            [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
        )
    total = hashlib.sha256()
    for file in files:
        total.update(f"{file.relative_to(path)} {file.stat().st_size}\n".encode())
        total.update(file.read_bytes())
    return total.hexdigest()


def parameters(separator: Separator) -> int | None:
    """Counts a separator's trainable parameters; None where an exported file does not tell."""
    graph = getattr(separator, "graph", None)
    if graph is None:
        return None
    return registry.parameters(graph)


def _open_saved_model(path: Path) -> tuple[Callable, ModelCard]:
    import tensorflow as tf

    card = _card(path / SAVED_MODEL_CARD)
    try:
        loaded = tf.saved_model.load(str(path))
    except (OSError, ValueError, tf.errors.OpError) as error:
        raise InputError(f"{path}: not a whole SavedModel: {_first_line(error)}") from error
    for name in ("separate_window", "serving_default"):
        if name in loaded.signatures:
            break
    else:
        raise InputError(f"{path}: has no signature serving_default")
    function = loaded.signatures[name]
    _check_names(path, function.structured_outputs, card)
    # separate_window leaves the context away, which serving_default takes for more music.
    trim = 0 if name == "separate_window" else card.context

    def run(waveforms: np.ndarray) -> np.ndarray:
        # The functions of a SavedModel live as long as `loaded` does.
        found = loaded.signatures[name](waveform=tf.constant(waveforms, tf.float32))
        stems = np.stack([found[stem].numpy() for stem in card.stems], axis=1)
        return stems[:, :, trim : trim + card.window]

    return run, card


def _open_tflite(path: Path) -> tuple[Callable, ModelCard]:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise InputError(
            f'{path}: a .tflite file needs ai-edge-litert: pip install "keras-mmdense[export]"'
        ) from error
    card = ModelCard.from_json(_metadata(path), str(path))
    try:
        interpreter = Interpreter(str(path), num_threads=os.cpu_count())
        runner = interpreter.get_signature_runner()
        inputs, outputs = runner.get_input_details(), runner.get_output_details()
    except (ValueError, RuntimeError) as error:
        raise InputError(f"{path}: TFLite cannot run it: {_first_line(error)}") from error
    if list(inputs) != ["waveform"]:
        raise InputError(f"{path}: takes {', '.join(inputs)}; expected a graph from a waveform")
    shape = tuple(inputs["waveform"]["shape"].tolist())
    _check_names(path, outputs, card)
    expected = (1, card.window + 2 * card.context, card.channels)
    if shape != expected:
        raise InputError(f"{path}: takes waveforms {shape}, but its card says {expected}")

    def run(waveforms: np.ndarray) -> np.ndarray:
        found = [runner(waveform=waveform[None].astype("float32")) for waveform in waveforms]
        return np.stack([[stems[stem][0] for stem in card.stems] for stems in found])

    return run, card


def _metadata(path: Path) -> str:
    """The model card in a TFLite file."""
    from ai_edge_litert import schema_py_generated as schema

    content = path.read_bytes()
    if content[4:8] != b"TFL3":
        raise InputError(f"{path}: not a .tflite file")
    try:
        model = schema.Model.GetRootAs(content)
        for index in range(model.MetadataLength()):
            entry = model.Metadata(index)
            if entry.Name() == TFLITE_CARD.encode():
                return model.Buffers(entry.Buffer()).DataAsNumpy().tobytes().decode()
    except Exception as error:  # the reader checks no offsets: struct, index, type errors
        raise InputError(f"{path}: a damaged .tflite file") from error
    raise InputError(f"{path}: has no model card ({TFLITE_CARD}); export it with keras-mmdense")


def _open_keras(path: Path) -> list[LoadedNetwork]:
    from keras_mmdense.layers import sources, stft, wiener  # noqa: F401

    try:
        model = keras.saving.load_model(path, compile=False)
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path}: Keras cannot load it: {_first_line(error)}") from error
    models = [model] if len(model.input_shape) == 4 else _parts(model)
    if not models:
        raise InputError(f"{path}: neither a network from magnitudes to magnitudes nor a separator")
    return [_network(path, model) for model in models]


def _parts(graph: keras.Model) -> list[keras.Model]:
    parts = [layer for layer in graph.layers if isinstance(layer, keras.Model)]
    return [part for part in parts if len(part.input_shape) == 4]


def _network(path: Path, model: keras.Model) -> LoadedNetwork:
    """What a network is, by its name, its shapes and the zoo's table of that name; and itself.

    In a separation graph it lacks the margin, so it is built anew.
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
        "must hold a network of the zoo as build gives it"
    )


def _sizes(model: keras.Model) -> dict[str, list[tuple[int, ...]]]:
    sizes = {layer.name: [tuple(x.shape) for x in layer.weights] for layer in model.layers}
    return {name: shapes for name, shapes in sizes.items() if shapes}


def _with_weights(built: keras.Model, model: keras.Model) -> keras.Model:
    for layer in built.layers:
        layer.set_weights(model.get_layer(layer.name).get_weights())
    return built


def _card(path: Path) -> ModelCard:
    try:
        return ModelCard.from_json(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise InputError(f"{path}: no model card; export it with keras-mmdense") from error


def _check_names(path: Path, outputs, card: ModelCard) -> None:
    if missing := sorted(set(card.stems) - set(outputs)):
        raise InputError(f"{path}: gives no {missing[0]}, which its card names")


def _first_line(error: Exception) -> str:
    return (str(error).strip() or repr(error)).splitlines()[0]
