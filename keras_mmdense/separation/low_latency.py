"""The separation graph for live music: in place of the future, the network sees a mirror image."""

import dataclasses
from collections.abc import Sequence

import keras
from keras import ops

from keras_mmdense.layers.magnitude import Magnitude
from keras_mmdense.layers.sources import LastSource
from keras_mmdense.layers.stft import STFT, InverseSTFT
from keras_mmdense.layers.wiener import WienerFilter
from keras_mmdense.pretrained.networks import LoadedNetwork
from keras_mmdense.separation.graph import PLANES, WIENER_REACH, all_sources
from keras_mmdense.separation.model_card import ModelCard

# Frames of a window: the last second, those that are kept, and those that come after them.
PAST, STEP, AHEAD = 40, 8, 8
MIRRORED = 8


def low_latency_model(
    networks: Sequence[LoadedNetwork], card: ModelCard
) -> tuple[keras.Model, ModelCard]:
    """Build the separation graph that waits for 0.2 s of the future only.

    Frames after the newest one are its predecessors in reverse. Every frame passes through the
    networks eight times, which is the price.

    Args:
        networks: Networks from magnitude to magnitudes, and their specs.
        card: Front end and stems.

    Returns:
        A model from the last samples of a song (1, samples, channels) to stems (1, stems, window,
        channels), float32; and the card with the window and the delay in samples.
    """
    frames, overlap = PAST + STEP + AHEAD, card.n_fft // card.hop
    hops, half = frames + overlap - 1, overlap // 2
    waveform = keras.Input(batch_shape=(1, hops * card.hop, card.channels), name="waveform")
    spectra = STFT(card.n_fft, card.hop, name="stft")(waveform)
    # The first and the last frames of the STFT reach beyond the samples.
    real, imag = (x[:, half:-half] for x in spectra)
    mixture = Magnitude(name="magnitude")([real, imag])
    mirrored = ops.flip(mixture[:, -MIRRORED - 1 : -1], axis=1)
    seen = ops.concatenate([mixture, mirrored], axis=1)
    estimates = [model(seen)[..., :frames, :, :] for _, model in networks]
    filtered = WienerFilter(WIENER_REACH, PLANES, last=False, name="wiener")(
        [all_sources(estimates, mixture, card), real, imag]
    )
    # Frame i is centered at sample (i + half) * hop; the first one kept, at the start of `around`.
    kept = (x[..., PAST + 1 - overlap : PAST + STEP, :] for x in filtered)
    edge = (half - 1) * card.hop
    around = waveform[:, PAST * card.hop - edge : (PAST + STEP) * card.hop + edge]
    inverse = InverseSTFT(card.n_fft, card.hop, data_format=PLANES, name="inverse_stft")
    core = slice(edge, edge + STEP * card.hop)
    stems = inverse([*kept, around])[:, :, core]
    stems = LastSource(name="last_source")([stems, around[:, core]])
    model = keras.Model(waveform, stems, name="low_latency_separation")
    card = dataclasses.replace(
        card, window=STEP * card.hop, context=0, delay=(AHEAD + overlap - 1) * card.hop
    )
    return model, card
