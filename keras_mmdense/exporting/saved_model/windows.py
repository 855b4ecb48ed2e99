"""Separation of any length in windows, in bounded memory, inside a TensorFlow graph."""

import math
from collections.abc import Callable

import tensorflow as tf

from keras_mmdense.separation.model_card import ModelCard


def in_windows(
    graph: Callable[[tf.Tensor], tf.Tensor], card: ModelCard, waveform: tf.Tensor
) -> tf.Tensor:
    """Separate a waveform in windows with context, as `Separator` does.

    A window keeps at most `window + 2 * context` samples, so that a client's window with its
    context is processed at once; short waveforms have short windows.

    Args:
        graph: From waveform (batch, context + samples + context, channels) to stems (batch,
            sources, samples, channels).
        card: Card of the graph.
        waveform: (batch, samples, channels), float32.

    Returns:
        Stems (batch, sources, samples, channels), float32.
    """
    grid, context = math.gcd(card.window, card.context), card.context
    batch, samples = tf.shape(waveform)[0], tf.shape(waveform)[1]
    count = _up(samples, card.window + 2 * context)
    core = _up(samples, count * grid) * grid
    end = context + count * core - samples
    padded = tf.pad(waveform, [[0, 0], [context, end], [0, 0]])

    def separate(i: tf.Tensor) -> tf.Tensor:
        return graph(padded[:, i * core : (i + 1) * core + 2 * context])

    sources, channels = len(card.stems), card.channels
    spec = tf.TensorSpec([None, sources, None, channels], tf.float32)
    parts = tf.map_fn(separate, tf.range(count), fn_output_signature=spec, parallel_iterations=1)
    stems = tf.transpose(parts, [1, 2, 0, 3, 4])
    stems = tf.reshape(stems, [batch, sources, count * core, channels])
    return stems[:, :, :samples]


def _up(a: tf.Tensor, b: tf.Tensor | int) -> tf.Tensor:
    return (a + b - 1) // b
