"""Signatures of a SavedModel, with named inputs and a dict of outputs."""

from collections.abc import Callable

import keras
import tensorflow as tf

from keras_mmdense.exporting.saved_model.validation import Axes, checked, finite, require, shaped
from keras_mmdense.exporting.saved_model.wav import decode_wav, encode_wav
from keras_mmdense.exporting.saved_model.windows import in_windows
from keras_mmdense.exporting.source import Source

BYTES = "_bytes"  # TF Serving's REST interface encodes strings with this suffix in base64.
Stems = dict[str, tf.Tensor]


class Signatures:
    """The signatures of one exported graph.

    Args:
        source: The networks and the separator around them.
    """

    def __init__(self, source: Source):
        self.card = source.separator.card
        channels, bins = self.card.channels, self.card.n_fft // 2 + 1
        self._waveform = {"batch": None, "samples": None, "channels": channels}
        self._magnitude = {"batch": None, "frames": None, "bins": bins, "channels": channels}
        self._graph = _function(source.separator.graph, self._waveform)
        self._networks = [
            (spec.targets, _function(model, self._magnitude)) for spec, model in source.networks
        ]

    def all(self) -> dict[str, tuple[Callable[..., Stems], list[tf.TensorSpec]]]:
        """Return the signatures: name -> (function, specs of its inputs)."""
        waveform = _spec(self._waveform, "waveform")
        lengths = tf.TensorSpec([None], tf.int32, "lengths")
        wav = tf.TensorSpec([None], tf.string, "wav_bytes")
        magnitude = _spec(self._magnitude, "magnitude")
        return {
            "serving_default": (self.separate, [waveform]),
            "separate_batch": (self.separate_batch, [waveform, lengths]),
            "separate_window": (self.separate_window, [waveform]),
            "separate_wav": (self.separate_wav, [wav]),
            "spectrogram": (self.spectrogram, [magnitude]),
        }

    def separate(self, waveform: tf.Tensor) -> Stems:
        """Separate waveforms of equal length into stems (batch, samples, channels) by name."""
        waveform = checked(waveform, "waveform", self._waveform)
        return self._by_name(in_windows(self._graph, self.card, waveform))

    def separate_batch(self, waveform: tf.Tensor, lengths: tf.Tensor) -> Stems:
        """Separate padded waveforms with their lengths; where there is padding, stems are 0."""
        waveform = shaped(waveform, "waveform", self._waveform)
        lengths = shaped(lengths, "lengths", {"batch": None})
        batch, samples = tf.shape(waveform)[0], tf.shape(waveform)[1]
        message = "expected {} lengths, one for each waveform; received {}"
        lengths = require(lengths, tf.size(lengths) == batch, message, batch, tf.size(lengths))
        fits = tf.reduce_all((lengths > 0) & (lengths <= samples))
        message = "lengths must lie between 1 and the {} samples of the batch; received {}"
        lengths = require(lengths, fits, message, samples, lengths)
        mask = tf.sequence_mask(lengths, samples)[:, :, None]
        waveform = finite(tf.where(mask, waveform, 0.0), "waveform")
        stems = in_windows(self._graph, self.card, waveform)
        return self._by_name(tf.where(mask[:, None], stems, 0.0))

    def separate_window(self, waveform: tf.Tensor) -> Stems:
        """Separate waveforms with the card's context on either side into stems without it."""
        waveform = checked(waveform, "waveform", self._waveform)
        context, samples = self.card.context, tf.shape(waveform)[1]
        message = (
            f"waveform must be longer than twice the context of {context}; received {{}} samples"
        )
        waveform = require(waveform, samples > 2 * context, message, samples)
        return self._by_name(self._graph(waveform))

    def separate_wav(self, wav_bytes: tf.Tensor) -> Stems:
        """Separate WAV files into 32-bit float WAV of equal channels, `<stem>_bytes` by name."""
        wav_bytes = shaped(wav_bytes, "wav_bytes", {"batch": None})
        names = [stem + BYTES for stem in self.card.stems]
        spec = {name: tf.TensorSpec([], tf.string) for name in names}
        return tf.map_fn(
            self._separate_wav, wav_bytes, fn_output_signature=spec, parallel_iterations=1
        )

    def spectrogram(self, magnitude: tf.Tensor) -> Stems:
        """Run the networks on magnitudes of mixtures; returns magnitudes of equal shape by stem."""
        magnitude = checked(magnitude, "magnitude", self._magnitude)
        lowest = tf.reduce_min(magnitude)
        message = "magnitude must not be negative; the lowest value is {}"
        magnitude = require(magnitude, lowest >= 0, message, lowest)
        stems = {}
        for targets, function in self._networks:
            maps = function(magnitude)
            maps = maps[:, None] if len(targets) == 1 else maps
            stems.update({name: maps[:, i] for i, name in enumerate(targets)})
        return stems

    def _separate_wav(self, wav: tf.Tensor) -> Stems:
        card = self.card
        waveform = finite(decode_wav(wav, card.sample_rate), "wav")
        mono = tf.shape(waveform)[1] == 1
        if card.channels == 1:  # The channels are processed as a batch.
            stems = in_windows(self._graph, card, tf.transpose(waveform)[:, :, None])
            stems = tf.transpose(stems[..., 0], [1, 2, 0])
        else:
            pair = tf.stack([waveform[:, 0], waveform[:, -1]], axis=-1)
            stems = in_windows(self._graph, card, pair[None])[0]
            average = tf.reduce_mean(stems, axis=-1, keepdims=True)
            stems = tf.cond(mono, lambda: average, lambda: stems)
        return {
            stem + BYTES: encode_wav(stems[i], card.sample_rate)
            for i, stem in enumerate(card.stems)
        }

    def _by_name(self, stems: tf.Tensor) -> Stems:
        return {stem: stems[:, i] for i, stem in enumerate(self.card.stems)}


def _function(model: keras.Model, axes: Axes) -> Callable[[tf.Tensor], tf.Tensor]:
    """Wrap a model as one TensorFlow function, which all signatures share."""
    # Without autograph, which would only rewrite the code of Keras.
    return tf.function(
        lambda x: model(x, training=False), input_signature=[_spec(axes)], autograph=False
    )


def _spec(axes: Axes, name: str | None = None) -> tf.TensorSpec:
    return tf.TensorSpec(list(axes.values()), tf.float32, name)
