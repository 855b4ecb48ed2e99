"""Export to TFLite, waveform in and stems out, for phones and small machines."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from keras_mmdense.errors import InputError
from keras_mmdense.exporting.source import Source, load_source
from keras_mmdense.exporting.tflite.conversion import (
    convert,
    network_function,
    steps_function,
    waveform_function,
)
from keras_mmdense.exporting.tflite.flatbuffer import check_builtin, finish, replace_masks
from keras_mmdense.exporting.tflite.int8 import int8_masks
from keras_mmdense.layers.wiener import BLOCK
from keras_mmdense.models.receptive_field import grid_frames
from keras_mmdense.pretrained.catalog import network_folder
from keras_mmdense.pretrained.networks import read_description
from keras_mmdense.separation.model_card import ModelCard
from keras_mmdense.separation.stepwise_graph import STEP_FRAMES, takes_steps
from keras_mmdense.utils.files import replacing
from keras_mmdense.utils.progress import Progress

SECONDS = 6.0
PRECISIONS = ("float16", "dynamic", "int8")


def export_tflite(
    models: Sequence[str | Path],
    out: str | Path,
    *,
    quantize: str | None = None,
    seconds: float | None = None,
    steps: bool = False,
    network_only: bool = False,
    resizable: bool = False,
    calibration: Sequence[np.ndarray] = (),
    progress: Progress | None = None,
) -> ModelCard:
    """Write trained networks with STFT and Wiener filter as one TFLite file of builtin operators.

    Its signature `serving_default` takes `waveform`, (1, context + window + context, channels),
    float32, and returns the stems by name, each (1, window, channels). The model card, with both
    sizes, is in the metadata buffer `keras_mmdense_card`, and in a JSON file next to the TFLite
    file, for apps that do not parse flatbuffers.

    Args:
        models: Names or folders of trained networks, see `load_network`, with different stems.
        out: The file to write; the card has its name with the suffix `.json`.
        quantize: "float16"; "dynamic": convolutions after a batch norm and large dense layers in 8
            bits, all else in float32; or "int8": 8-bit arithmetic from the mixture's magnitude to
            the mask. Defaults to `None`: float32.
        seconds: Length kept of a window, or of a step, rounded to the networks' grid. Defaults to
            `None`: 6 s of a window, or 96 frames of a step.
        steps: Take a song in steps and remember the past, instead of windows with context, which
            needs less time, memory and latency. Besides `waveform`, (1, window, channels), the
            signature takes and returns `state_00` and so on; the stems are delayed by the card's
            `delay`. The metadata buffer `keras_mmdense_silence` holds the states in which a song
            begins, see `silence`. Defaults to `False`.
        network_only: Omit STFT and Wiener filter: take `magnitude`, (1, frames, bins, channels),
            and return the networks' magnitudes by stem, of the same shape. Defaults to `False`.
        resizable: Let the interpreter's `resize_tensor_input` set another number of samples (or
            frames). Files of fixed size need less time and memory. Defaults to `False`.
        calibration: For int8: mixtures (samples, channels) at the networks' sample rate, in [-1,
            1], on whose beginnings the ranges of all maps are measured. Defaults to `()`.
        progress: Called with (passes over a mixture done, total passes). Defaults to `None`.

    Returns:
        The card that was written.

    Raises:
        InputError: If an argument is invalid, the file cannot be written, the JSON file exists and
            is not a model card, or Keras does not run on TensorFlow.
        RuntimeError: If the converter left anything other than builtin operators.

    Example:

    >>> card = export_tflite(["mdensenet_cws_4stems"], "stems.tflite", quantize="float16")
    >>> card.stems
    ('vocals', 'drums', 'bass', 'other')
    """
    if keras.backend.backend() != "tensorflow":
        raise InputError(
            f"a TFLite file needs KERAS_BACKEND=tensorflow, not {keras.backend.backend()!r}"
        )
    _check_options(quantize, steps, network_only, resizable, bool(calibration))
    out = Path(out)
    if out.suffix != ".tflite":
        raise InputError(f"{out}: expected a name that ends in .tflite")
    card_file = out.with_suffix(".json")
    if card_file.exists():
        _check_card(card_file)
    with replacing(out) as file, replacing(card_file) as beside:
        source = load_source(models)
        card, silence = _card(source, seconds, steps, quantize), None
        rounded = quantize == "dynamic"
        if steps:
            function, card, silence = steps_function(source, card, rounded)
        elif network_only:
            function = network_function(source, rounded)
        else:
            function = waveform_function(source, rounded)
        size = card.window + 2 * card.context
        if network_only:
            size = 1 + size // card.hop
        content = convert(function, None if resizable else size, quantize)
        if quantize == "int8":
            masks = int8_masks(
                source, card, calibration, margin=not network_only, progress=progress
            )
            content = replace_masks(content, list(masks))
        check_builtin(content)
        file.write_bytes(finish(content, card, size if resizable else None, silence))
        beside.write_text(card.to_json())
    return card


def can_step(models: Sequence[str | Path]) -> bool:
    """Return whether trained networks, by name or folder, can be exported to take steps."""
    return takes_steps([read_description(network_folder(model))[0] for model in models])


def _check_options(
    quantize: str | None, steps: bool, network_only: bool, resizable: bool, calibrated: bool
) -> None:
    if quantize not in (None, *PRECISIONS):
        raise InputError(f"quantize must be one of {', '.join(PRECISIONS)}, received {quantize!r}")
    if (quantize == "int8") != calibrated:
        raise InputError("calibration mixtures are required for int8 and for no other precision")
    if quantize == "int8" and resizable:
        raise InputError("an int8 file has a fixed size")
    if steps and (network_only or resizable or quantize == "int8"):
        raise InputError("steps cannot be combined with network_only, resizable or int8")


def _check_card(path: Path) -> None:
    try:
        ModelCard.from_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: would be replaced by a model card, but is not one; choose another name"
        ) from error


def _card(source: Source, seconds: float | None, steps: bool, quantize: str | None) -> ModelCard:
    card = source.separator.card
    if steps and not takes_steps([spec for spec, _ in source.networks]):
        raise InputError(f"{', '.join(card.network)}: a network with an LSTM takes no steps")
    if seconds is None:
        seconds = STEP_FRAMES * card.hop / card.sample_rate if steps else SECONDS
    if not 0 < seconds <= 600:
        raise InputError(f"seconds must lie between 0 and 600, received {seconds}")
    grid = max(BLOCK, *(grid_frames(spec.config) for spec, _ in source.networks)) * card.hop
    window = max(1, round(seconds * card.sample_rate / grid)) * grid
    return dataclasses.replace(card, window=window, precision=quantize or "float32")
