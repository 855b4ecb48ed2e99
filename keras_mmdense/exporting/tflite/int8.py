"""Networks in 8-bit arithmetic, from the mixture's magnitude to the mask."""

from collections.abc import Callable, Iterator, Sequence

import keras
import numpy as np
import tensorflow as tf

from keras_mmdense.configs import DenseNetConfig
from keras_mmdense.errors import InputError
from keras_mmdense.exporting.source import Source
from keras_mmdense.exporting.tflite.conversion import (
    Function,
    converter_of,
    merge_batch_norm,
    run,
    sees_logarithms,
)
from keras_mmdense.layers.magnitude import Magnitude
from keras_mmdense.layers.stft import STFT
from keras_mmdense.models.margins import cuts_inside, without_margin
from keras_mmdense.pretrained.networks import NetworkSpec
from keras_mmdense.separation.graph import network_margin
from keras_mmdense.separation.model_card import ModelCard
from keras_mmdense.utils.progress import Progress


def int8_masks(
    source: Source,
    card: ModelCard,
    mixtures: Sequence[np.ndarray],
    *,
    margin: bool,
    progress: Progress | None = None,
) -> Iterator[bytes]:
    """Convert networks to 8 bits, up to their masks.

    The ranges of all maps are measured on the mixtures. Rounding shifts the masks as a whole; the
    last convolution's bias is corrected by the shift after a first conversion, and the network is
    converted a second time.

    Args:
        source: The networks.
        card: Card with the size of a window.
        mixtures: Waveforms (samples, channels), of which the first window is used.
        margin: Omit the frames for which `separation_model` needs no mask.
        progress: Called with (passes over a mixture done, total passes). Defaults to `None`.

    Yields:
        A TFLite file for each network.

    Raises:
        InputError: If a network has LSTMs or does not estimate masks.
    """
    spectra = [_magnitude(mixture, card) for mixture in mixtures]
    total = 2 * len(spectra) * len(source.networks)
    for number, (spec, model) in enumerate(source.networks):
        function = mask_function(spec, model, network_margin(card) if margin else 0)
        done = 2 * len(spectra) * number
        report = _counter(progress, done, total)
        shift = _shift(function, _converted(function, spectra, report), spectra)
        corrected = keras.models.clone_model(model)
        corrected.set_weights(model.get_weights())
        kernel, bias = corrected.get_layer("output_conv").get_weights()
        shift = np.tile(shift, len(bias) // len(shift))  # the same for all subbands
        corrected.get_layer("output_conv").set_weights([kernel, bias + shift])
        function = mask_function(spec, corrected, network_margin(card) if margin else 0)
        yield _converted(function, spectra, report)


def mask_function(spec: NetworkSpec, model: keras.Model, margin: int) -> Function:
    """Return the graph from the mixture's magnitude to a network's mask, without a margin."""
    if not isinstance(spec.config, DenseNetConfig) or spec.config.recurrent:
        raise InputError(f"int8 supports only networks without LSTMs, received {spec.config.name}")
    if spec.config.output != "mask":
        raise InputError(
            f"int8 supports only networks that estimate masks, received {spec.config.name}"
        )
    if sees_logarithms(spec):
        raise InputError(
            "int8 rounds the magnitude, whose logarithm needs more than 8 bits: use dynamic for "
            f"{spec.config.name}"
        )
    model = merge_batch_norm(model)
    masks = keras.Model(model.input, model.get_layer("output_activation").output)
    if cuts_inside(masks, spec.config):
        masks = without_margin(masks, spec.config, margin)
    shape = (1, None, spec.bins, spec.channels)
    return Function(lambda x: [masks(x, training=False)], {"magnitude": shape}, ("mask",))


def _magnitude(mixture: np.ndarray, card: ModelCard) -> np.ndarray:
    """Return the magnitude of a mixture's first window, (1, frames, bins, channels)."""
    window = np.zeros((1, card.window + 2 * card.context, card.channels), "float32")
    window[0, : len(mixture)] = mixture[: window.shape[1]]
    return np.asarray(Magnitude()(STFT(card.n_fft, card.hop)(window)))


def _counter(progress: Progress | None, done: int, total: int) -> Callable[[], None]:
    def report() -> None:
        nonlocal done
        done += 1
        if progress:
            progress(done, total)

    return report


def _converted(
    function: Function, spectra: Sequence[np.ndarray], report: Callable[[], None]
) -> bytes:
    def windows() -> Iterator[dict[str, np.ndarray]]:
        for spectrum in spectra:
            yield {"magnitude": spectrum}
            report()

    converter = converter_of(function, spectra[0].shape[1])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = windows
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    return run(converter)


def _shift(function: Function, content: bytes, spectra: Sequence[np.ndarray]) -> np.ndarray:
    """Compute the shift before the sigmoid at which 8-bit masks pass as much power as float ones.

    One step of Newton's method, for each channel of the masks.
    """
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(model_content=content).get_signature_runner()
    missing, slope = np.zeros(()), np.zeros(())
    for spectrum in spectra:
        exact = np.asarray(function.call(spectrum)[0])
        mask = runner(magnitude=spectrum)["mask"]
        margin = (spectrum.shape[1] - mask.shape[1]) // 2
        power = spectrum[:, margin : spectrum.shape[1] - margin] ** 2
        # The channels of a source are adjacent.
        power = np.tile(power, mask.shape[-1] // power.shape[-1])
        missing = missing + np.sum(power * (exact - mask), axis=(0, 1, 2))
        slope = slope + np.sum(power * mask * (1 - mask), axis=(0, 1, 2))
    return missing / np.maximum(slope, 1e-9)
