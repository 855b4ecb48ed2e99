"""The separation graph for a song in steps: every frame passes through the network once."""

import dataclasses
from collections.abc import Sequence

import keras
import numpy as np

from keras_mmdense.errors import InputError
from keras_mmdense.layers.magnitude import Magnitude
from keras_mmdense.layers.memory import Delay
from keras_mmdense.layers.sources import LastSource
from keras_mmdense.layers.stft import StepwiseInverseSTFT, StepwiseSTFT
from keras_mmdense.layers.wiener import BLOCK, StepwiseWienerFilter
from keras_mmdense.models.stepwise import can_step, delayed, stepwise
from keras_mmdense.pretrained.networks import LoadedNetwork, NetworkSpec
from keras_mmdense.separation.graph import PLANES, WIENER_REACH, all_sources
from keras_mmdense.separation.model_card import ModelCard

STEP_FRAMES = 96


def takes_steps(specs: Sequence[NetworkSpec]) -> bool:
    """Return whether networks can separate a song in steps: none has an LSTM.

    Args:
        specs: Specs of the networks.

    Returns:
        Whether they can.
    """
    return all(can_step(spec.config) for spec in specs)


def stepwise_model(
    networks: Sequence[LoadedNetwork], card: ModelCard, fft: str = "operator"
) -> tuple[keras.Model, ModelCard]:
    """Assemble the graph that takes a song in steps, see `stepwise` and `separation_model`.

    Args:
        networks: Networks that take steps, and their specs.
        card: Front end and stems; `window` is the step, a multiple of 8 frames and of the
            networks' coarsest scale.
        fft: Method of the STFT and its inverse, see `STFT`.

    Returns:
        A model from the next samples of a song, (1, window, channels), to stems (1, stems, window,
        channels), float32; and the card with the delay in samples: sample t of the stems belongs to
        sample t - delay of the song. Memories are its non-trainable weights named "state".
    """
    frames = card.window // card.hop
    waveform = keras.Input(batch_shape=(1, card.window, card.channels), name="waveform")
    real, imag = StepwiseSTFT(card.n_fft, card.hop, fft=fft, name="stft")(waveform)
    mixture = Magnitude(name="magnitude")([real, imag])
    half = card.n_fft // (2 * card.hop)
    late = half - 1
    steps = [stepwise(model, spec.config, frames, late) for spec, model in networks]
    delay = -(-max(delay for _, delay in steps) // BLOCK) * BLOCK
    estimates = [delayed(model(mixture), delay - behind) for model, behind in steps]
    mixture, real, imag = (delayed(x, delay - late) for x in (mixture, real, imag))
    sources = all_sources(estimates, mixture, card)
    spectra = StepwiseWienerFilter(WIENER_REACH, data_format=PLANES, last=False, name="wiener")(
        [sources, real, imag]
    )
    if card.channels > 1:
        delay += WIENER_REACH
    stems = StepwiseInverseSTFT(
        card.n_fft, card.hop, fft=fft, data_format=PLANES, name="inverse_stft"
    )(spectra)
    delay = (delay + half) * card.hop
    song = Delay(delay, dtype="float32", name="song_delay")(waveform)
    stems = LastSource(name="last_source")([stems, song])
    card = dataclasses.replace(card, context=0, delay=delay)
    return keras.Model(waveform, stems, name="stepwise_separation"), card


def memories(graph: keras.Model) -> list[keras.Variable]:
    """List the memories of a stepwise graph.

    Args:
        graph: The graph.

    Returns:
        Its non-trainable variables named "state".
    """
    return [x for x in graph.non_trainable_variables if x.name == "state"]


def after_silence(graph: keras.Model) -> list[np.ndarray]:
    """Run a stepwise graph on silence until its memories do not change.

    Args:
        graph: The graph.

    Returns:
        Values of the memories.

    Raises:
        InputError: If they are not finite.
    """
    step = np.zeros(graph.input_shape, "float32")
    before: list[np.ndarray] = []
    after = read(memories(graph))
    while not before or any(np.any(x != y) for x, y in zip(before, after, strict=True)):
        graph.predict_on_batch(step)
        before, after = after, read(memories(graph))
        if not all(np.isfinite(x).all() for x in after):
            raise InputError(f"{graph.name}: the network's weights are not finite numbers")
    return after


def read(variables: Sequence[keras.Variable]) -> list[np.ndarray]:
    """Copy variables."""
    return [np.array(keras.ops.convert_to_numpy(x)) for x in variables]
