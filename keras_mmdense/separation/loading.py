"""Loading of any artifact into an engine: a network by name or folder, or an exported file."""

import hashlib
import zlib
from collections.abc import Sequence
from pathlib import Path

from keras_mmdense.errors import InputError
from keras_mmdense.pretrained.catalog import SHIPPED, WEIGHTS
from keras_mmdense.separation.engines import compiled
from keras_mmdense.separation.engines.engine import Engine

ENGINES = ("auto", "litert", "tensorflow")
Artifacts = str | Path | Sequence[str | Path]


def open_engine(
    artifacts: Artifacts,
    *,
    stems: Sequence[str] | None = None,
    weights: str | Path | None = None,
    window: int | None = None,
    engine: str = "auto",
    low_latency: bool = False,
) -> Engine:
    """Load an artifact into an engine that can run it.

    Args:
        artifacts: A network's name or folder, a SavedModel folder, a `.tflite` file or a `.keras`
            file; or several names and folders of networks. With `weights`, a name or table that
            `build` takes.
        stems: Stems that will be requested, None for all. With `weights`, the network's targets.
        weights: A `.weights.h5` file for an untrained network.
        window: Frames kept of each window, for artifacts that do not fix it; None for the engine's
            default.
        engine: "litert", "tensorflow", or "auto": LiteRT for a `.tflite` file, and for a shipped
            network where LiteRT and the network's `.tflite` file are installed; else TensorFlow.
        low_latency: Whether networks wait for little of the future; excludes `window`, LiteRT and
            exported files. Defaults to `False`.

    Returns:
        The engine.

    Raises:
        InputError: If the artifact is missing or damaged, does not run in the requested engine, or
            needs a package that is not installed.
    """
    if engine not in ENGINES:
        raise InputError(f"engine must be one of {', '.join(ENGINES)}, received {engine!r}")
    names = [artifacts] if isinstance(artifacts, str | Path) else list(artifacts)
    if not names:
        raise InputError("expected a network, received none")
    if low_latency and engine == "litert":
        raise InputError("low latency runs in TensorFlow, received the engine 'litert'")
    engine = "tensorflow" if low_latency else engine
    file = None
    if len(names) == 1 and weights is None:
        file = _tflite_file(names[0], engine, window)
    if file is not None:
        from keras_mmdense.separation.engines.litert import tflite_engine

        return tflite_engine(file)
    if engine == "litert":
        raise InputError(_no_tflite(names, weights, window))
    return _tensorflow(names, stems, weights, window, low_latency)


def made_by(models: Sequence[str | Path], stems: Sequence[str] | None, residual: str | None) -> str:
    """Identify what makes the files of a song, for `Output.model`.

    Args:
        models: Names or paths of the artifacts.
        stems: The stems that are asked for; None for all.
        residual: Name of the file of what they leave, which depends on them; None for no such file.

    Returns:
        Hexadecimal digits.
    """
    made = "".join(fingerprint(model)[:8] for model in models)
    asked = ",".join(sorted(stems or ("all",)))
    return f"{made}-{zlib.crc32(asked.encode()):08x}" if residual else made


def fingerprint(name: str | Path) -> str:
    """Compute the sha256 of all the files of an artifact.

    Args:
        name: Name or path of the artifact.

    Returns:
        Hexadecimal digits.
    """
    path = SHIPPED / name if compiled.is_shipped(name) else Path(name)
    if (path / "network.json").is_file():
        files = [path / "network.json", path / WEIGHTS]
    else:
        files = (
            [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
        )
    total = hashlib.sha256()
    for file in files:
        total.update(f"{file.relative_to(path)} {file.stat().st_size}\n".encode())
        total.update(file.read_bytes())
    return total.hexdigest()


def parameters(engine: Engine) -> int | None:
    """Count an engine's trainable parameters.

    Args:
        engine: The engine.

    Returns:
        Their number; None for an exported file, which does not tell.
    """
    if engine.graph is None:
        return None
    from keras_mmdense.models import registry

    return registry.parameters(engine.graph)


def _tflite_file(name: str | Path, engine: str, window: int | None) -> Path | None:
    """Return the file for LiteRT, or None if TensorFlow runs the artifact."""
    path = Path(name)
    if path.suffix in (".tflite", ".keras") and not path.is_file():
        raise InputError(f"{path}: no such file")
    if path.suffix == ".tflite":
        if engine == "tensorflow" or window is not None:
            raise InputError(f"{path}: runs in LiteRT only, with the window it was made for")
        return path
    if engine == "tensorflow" or window is not None or not compiled.can_run():
        return None
    return compiled.find_compiled(name)


def _no_tflite(names: Sequence[str | Path], weights: str | Path | None, window: int | None) -> str:
    said = ", ".join(map(str, names))
    if not compiled.can_run():
        return f'{said}: LiteRT is not installed: pip install "keras-mmdense[export]"'
    if len(names) > 1 or weights is not None or window is not None:
        return f"{said}: LiteRT takes one network, with its own weights and window"
    if compiled.is_shipped(names[0]):
        return f"{said}: no .tflite file yet; one run of `separate` with TensorFlow makes it"
    return f"{said}: LiteRT takes a shipped network or a .tflite file; see `export tflite`"


def _tensorflow(
    names: Sequence[str | Path],
    stems: Sequence[str] | None,
    weights: str | Path | None,
    window: int | None,
    low_latency: bool,
) -> Engine:
    path = Path(names[0])
    try:
        if len(names) == 1 and (path / "saved_model.pb").is_file():
            if low_latency:
                raise InputError(f"{path}: a SavedModel has the latency that it was made for")
            from keras_mmdense.separation.engines.saved_model import saved_model_engine

            return saved_model_engine(path)
        from keras_mmdense.models.registry import build, model_config
        from keras_mmdense.pretrained.networks import LoadedNetwork, NetworkSpec, load_network
        from keras_mmdense.separation.engines.keras_file import read_keras_file
        from keras_mmdense.separation.engines.keras_graph import keras_engine
    except ModuleNotFoundError as error:
        if error.name not in ("keras", "tensorflow"):
            raise
        raise InputError(
            f"{names[0]}: needs {error.name}, which is not installed: pip install keras-mmdense"
        ) from error
    if weights is not None:
        spec = NetworkSpec(model_config(str(names[0])), tuple(stems or ("vocals",)))
        model = build(spec.config, targets=spec.targets, weights=weights)
        networks = [LoadedNetwork(spec, model)]
    elif len(names) == 1 and path.suffix == ".keras":
        networks = read_keras_file(path)
    else:
        networks = [load_network(name) for name in names]
    return keras_engine(networks, stems, window, low_latency)
