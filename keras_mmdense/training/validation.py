"""Validation with averaged weights and re-estimated batch norm statistics."""

import functools
from collections.abc import Callable, Sequence

import keras
import numpy as np
from keras import ops

from keras_mmdense.data.cache import CachedSong
from keras_mmdense.data.pipeline import Batches, WholeSongs
from keras_mmdense.layers.tensor import Tensor
from keras_mmdense.pretrained.networks import LoadedNetwork, NetworkSpec
from keras_mmdense.separation.separator import Separator
from keras_mmdense.stems import STEMS
from keras_mmdense.training.model import batch_norms, from_waveform

STATISTICS_BATCHES = 8
SDR_SECONDS = 30
SDR_TOTAL = 120


class Validator:
    """Validates a network in a float32 copy on one device.

    Args:
        spec: Spec of the network.
        songs: Validation songs.
        samples: Length in samples of the chunks into which songs are cut.
        batch: Chunks in a batch.
        loss: Loss to measure, see `losses.LOSSES`.
    """

    def __init__(
        self,
        spec: NetworkSpec,
        songs: Sequence[CachedSong],
        samples: int,
        batch: int,
        loss: keras.losses.Loss,
    ):
        self.spec, self.songs = spec, songs
        self.model = spec.build()
        self.norms = batch_norms(self.model)
        for layer in self.norms:
            layer.momentum = 0.0  # A pass in training mode sets the statistics of its batch.
        self._from_waveform = from_waveform(self.model, spec, samples, loss.domain)
        jit = False if keras.backend.backend() == "tensorflow" else "auto"
        self._from_waveform.compile(loss=loss, jit_compile=jit)
        self._batches = WholeSongs(songs, spec.targets, samples, batch)

    def take(self, trained: keras.Model) -> None:
        """Copy all variables of a network with the same structure."""
        _assign(self.model.variables, trained.variables)

    def average(self, weights: Sequence[keras.Variable], batches: Batches, count: int) -> None:
        """Copy averaged weights, and re-estimate the batch norm statistics.

        The statistics of single weights do not hold for their average (Izmailov et al. 2018, arXiv
        1803.05407, section 3.2).

        Args:
            weights: Values of all trainable weights.
            batches: Training batches for the statistics.
            count: Number of batches.
        """
        _assign(self.model.trainable_variables, weights)
        if not self.norms:
            return
        means, variances = [], []
        for number in range(count):
            self._training_pass(ops.convert_to_tensor(batches[number][0]))
            means.append([ops.convert_to_numpy(norm.moving_mean) for norm in self.norms])
            variances.append([ops.convert_to_numpy(norm.moving_variance) for norm in self.norms])
        for number, norm in enumerate(self.norms):
            mean = np.stack([values[number] for values in means])
            within = np.mean([values[number] for values in variances], axis=0)
            norm.moving_mean.assign(mean.mean(axis=0))
            norm.moving_variance.assign(within + mean.var(axis=0))

    def loss(self) -> float:
        """Return the mean loss over all validation songs."""
        return float(self._from_waveform.evaluate(self._batches, verbose=0))

    def sdr(self) -> dict[str, float]:
        """Return the SDR of every target in dB: the median over validation songs.

        A song's is the median over one-second frames of its middle `SDR_SECONDS`, see
        `median_sdr`; the Wiener filter is on, as in `Separator`. As many songs count as make up
        `SDR_TOTAL` seconds: four long ones, or all of a set of short clips.
        """
        sample_rate = self.spec.config.sample_rate
        scores: dict[str, list[float]] = {source: [] for source in self.spec.targets}
        total = 0
        for song in self.songs:
            if total >= SDR_TOTAL * sample_rate:
                break
            samples = min(song.samples, SDR_SECONDS * sample_rate)
            total += samples
            start = (song.samples - samples) // 2
            stems = {stem: song.chunk(i, start, samples) for i, stem in enumerate(STEMS)}
            mixture = np.sum(list(stems.values()), axis=0)
            estimates = self._separator.separate(mixture, sample_rate)
            for source, values in scores.items():
                values.append(median_sdr(stems[source], estimates[source], sample_rate))
        return {source: _median(values) for source, values in scores.items()}

    @functools.cached_property
    def _separator(self) -> Separator:
        return Separator.from_networks(
            [LoadedNetwork(self.spec, self.model)], stems=self.spec.targets
        )

    @functools.cached_property
    def _training_pass(self) -> Callable[[Tensor], object]:
        return training_pass(self._from_waveform)


def median_sdr(reference: np.ndarray, estimate: np.ndarray, frame: int) -> float:
    """Compute the SDR of BSSEval v4: the median over frames of 10 log10(|s|^2 / |s - e|^2).

    Of version 4's four scores the SDR alone needs no filters, so this equals museval's; frames in
    which the reference or the estimate is silent do not count.

    Args:
        reference: The true source, (samples, channels).
        estimate: The estimate, same shape.
        frame: Samples in a frame, one second.

    Returns:
        Decibels; NaN if no frame counts.
    """
    whole = len(reference) // frame * frame
    s, e = (x[:whole].reshape(-1, frame * x.shape[1]).astype(float) for x in (reference, estimate))
    counts = s.any(axis=1) & e.any(axis=1)
    s, e = s[counts], e[counts]
    with np.errstate(divide="ignore"):
        return _median(10 * np.log10((s**2).sum(axis=1) / ((s - e) ** 2).sum(axis=1)))


def training_pass(model: keras.Model) -> Callable[[Tensor], object]:
    """Compile a call in training mode, which updates only the statistics.

    Args:
        model: Model whose batch norm statistics are estimated.

    Returns:
        A function of a batch of inputs.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return tf.function(lambda x: model(x, training=True))
    if backend == "jax":
        return _jax_training_pass(model)
    import torch

    return torch.no_grad()(lambda x: model(x, training=True))


def _jax_training_pass(model: keras.Model) -> Callable[[Tensor], None]:
    import jax

    @jax.jit
    def statistics(weights: list[Tensor], state: list[Tensor], x: Tensor) -> list[Tensor]:
        return model.stateless_call(weights, state, x, training=True)[1]

    def run(x: Tensor) -> None:
        weights = [variable.value for variable in model.trainable_variables]
        state = [variable.value for variable in model.non_trainable_variables]
        _assign(model.non_trainable_variables, statistics(weights, state, x))

    return run


def _assign(variables: Sequence[keras.Variable], values: Sequence[Tensor]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(np.array(ops.convert_to_numpy(value)))


def _median(values: Sequence[float] | np.ndarray) -> float:
    known = np.asarray(values)[~np.isnan(values)]
    return float(np.median(known)) if len(known) else float("nan")
