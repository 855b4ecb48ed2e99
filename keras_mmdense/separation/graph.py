"""The separation graph: STFT, networks, Wiener filter, inverse STFT."""

from collections.abc import Sequence

import keras
from keras import ops

from keras_mmdense.errors import InputError
from keras_mmdense.layers.magnitude import Magnitude
from keras_mmdense.layers.padding import Trim
from keras_mmdense.layers.sources import FillUp, LastSource, Rest
from keras_mmdense.layers.stft import STFT, InverseSTFT
from keras_mmdense.layers.wiener import BLOCK, WienerFilter
from keras_mmdense.models.margins import without_margin
from keras_mmdense.models.receptive_field import context_frames, grid_frames
from keras_mmdense.pretrained.networks import LoadedNetwork, NetworkSpec
from keras_mmdense.separation.model_card import ModelCard

PLANES = "channels_first"
WIENER_REACH = 64
WINDOW_FRAMES = 384
FILTER_MARGIN = WIENER_REACH + BLOCK


def separation_model(
    networks: Sequence[LoadedNetwork], card: ModelCard, fft: str = "operator"
) -> keras.Model:
    """Build the separation graph: STFT, networks, Wiener filter, inverse STFT.

    Args:
        networks: Networks from magnitude to magnitudes, and their specs.
        card: Card of the graph. One stem more than the networks estimate is the rest of the
            mixture.
        fft: Method of the STFT and its inverse, see `STFT`.

    Returns:
        A model from waveforms (batch, context + samples + context, channels) to stems (batch,
        sources, samples, channels), float32; any number of samples from 1 up.
    """
    waveform = keras.Input((None, card.channels), name="waveform")
    real, imag = STFT(card.n_fft, card.hop, fft=fft, name="stft")(waveform)
    mixture = Magnitude(name="magnitude")([real, imag])
    margin = network_margin(card)
    trim = Trim(margin, axis=-3, name="network_context")
    models = [without_margin(model, spec.config, margin) for spec, model in networks]
    sources = all_sources([model(mixture) for model in models], trim(mixture), card)
    real, imag = WienerFilter(WIENER_REACH, PLANES, last=False, name="wiener")(
        [sources, trim(real), trim(imag)]
    )
    # Frames whose center lies outside the core, but not their samples.
    edge = card.n_fft // (2 * card.hop) - 1
    trim = Trim(FILTER_MARGIN - edge, axis=-2, name="wiener_context")
    core = Trim(card.context - edge * card.hop, axis=-2, name="context")(waveform)
    inverse = InverseSTFT(card.n_fft, card.hop, fft=fft, data_format=PLANES, name="inverse_stft")
    stems = inverse([trim(real), trim(imag), core])
    if edge:
        stems, core = (Trim(edge * card.hop, axis=-2)(x) for x in (stems, core))
    stems = LastSource(name="last_source")([stems, core])
    return keras.Model(waveform, stems, name="separation")


def all_sources(
    estimates: Sequence[keras.KerasTensor], mixture: keras.KerasTensor, card: ModelCard
) -> keras.KerasTensor:
    """Join the estimates of several networks into one magnitude for each stem of a card.

    Args:
        estimates: Magnitudes, (batch, frames, bins, channels) of one target or (batch, targets,
            frames, bins, channels) of several.
        mixture: Magnitude of the same frames, (batch, frames, bins, channels).
        card: Card of the graph. One stem more than the networks estimate is the rest of the
            mixture.

    Returns:
        Magnitudes, (batch, stems, frames, bins, channels).
    """
    estimates = [ops.expand_dims(x, 1) if len(x.shape) == 4 else x for x in estimates]
    sources = ops.concatenate(estimates, axis=1) if estimates[1:] else estimates[0]
    if len(card.stems) > sources.shape[1]:
        sources = Rest(dtype="float32", name="rest")([sources, mixture])
    return FillUp(dtype="float32", name="fill_up")([sources, mixture])


def network_margin(card: ModelCard) -> int:
    """Return the context frames on either side that the networks see but need not estimate.

    The Wiener filter needs the frames within its reach, the inverse STFT none.

    Args:
        card: Card of the graph.

    Returns:
        Number of frames.
    """
    return card.context // card.hop - FILTER_MARGIN


def graph_card(networks: Sequence[NetworkSpec], stems: Sequence[str], window: int) -> ModelCard:
    """Describe the graph of some networks.

    Args:
        networks: Specs of the networks.
        stems: Names of the graph's stems.
        window: Frames kept of each window.

    Returns:
        The card.

    Raises:
        InputError: If the window is not a multiple of the networks' coarsest scale and of 8.
    """
    configs = [spec.config for spec in networks]
    grid = max(BLOCK, *(grid_frames(config) for config in configs))
    if window < grid or window % grid:
        raise InputError(f"window must be a multiple of {grid} frames, received {window}")
    sample_rate, hop, bins, channels = front_end(networks[0])
    # The first and last frames of a window see its edge, as does a Wiener block they touch.
    reach = max(context_frames(config) for config in configs) + FILTER_MARGIN + (bins - 1) // hop
    return ModelCard(
        network=tuple(config.name for config in configs),
        stems=tuple(stems),
        sample_rate=sample_rate,
        channels=channels,
        n_fft=2 * (bins - 1),
        hop=hop,
        window=window * hop,
        context=-(-reach // grid) * grid * hop,
    )


def front_end(spec: NetworkSpec) -> tuple[int, int, int, int]:
    """Return a network's sample rate in Hz, hop in samples, number of bins and channels."""
    return spec.config.sample_rate, spec.config.hop, spec.bins, spec.channels
