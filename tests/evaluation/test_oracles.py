"""The ideal ratio mask against theory, librosa and real music."""

from pathlib import Path

import numpy as np
import pytest

from keras_mmdense.evaluation.oracles import ideal_ratio_mask
from keras_mmdense.evaluation.scores import evaluate_songs, summarize

MUSIC = Path(__file__).resolve().parents[3] / "shared" / "data" / "everythingisfree"
STEMS = ("vocals", "drums", "bass", "other")


def noises(samples, channels=2, stems=3):
    generator = np.random.default_rng(0)
    return {
        f"stem{index}": generator.standard_normal((samples, channels)).astype(np.float32)
        for index in range(stems)
    }


class Excerpt:
    """Three seconds of a real song whose bass is silent."""

    name = "Francium"
    sample_rate = 44100
    samples = 3 * sample_rate

    def stems(self):
        soundfile = pytest.importorskip("soundfile")
        folder = MUSIC / self.name
        if not folder.is_dir():
            pytest.skip("no music: the everythingisfree stems are not on this machine")
        start = 180 * self.sample_rate
        return {
            stem: soundfile.read(
                folder / f"{stem}.ogg", self.samples, start, dtype="float32", always_2d=True
            )[0]
            for stem in STEMS
        }


def librosa_mask(references, n_fft, hop):
    librosa = pytest.importorskip("librosa")
    samples = len(next(iter(references.values())))
    spectra = {
        stem: librosa.stft(
            np.pad(audio.T.astype(np.float64), ((0, 0), (n_fft, 2 * n_fft))),
            n_fft=n_fft,
            hop_length=hop,
            center=False,
        )
        for stem, audio in references.items()
    }
    total = sum(np.abs(spectrum) ** 2 for spectrum in spectra.values())
    mixture = sum(spectra.values())
    estimates = {}
    for stem, spectrum in spectra.items():
        mask = np.abs(spectrum) ** 2 / (total + 1e-30)
        signal = librosa.istft(mask * mixture, n_fft=n_fft, hop_length=hop, center=False)
        estimates[stem] = signal[:, n_fft : n_fft + samples].T
    return estimates


@pytest.mark.parametrize("samples", [1, 700, 2048, 5000, 10240])
@pytest.mark.parametrize(("n_fft", "hop"), [(2048, 1024), (2048, 512), (512, 200)])
def test_estimates_sum_to_the_mixture(samples, n_fft, hop):
    references = noises(samples)
    estimates = ideal_ratio_mask(references, n_fft, hop)
    for stem, reference in references.items():
        assert estimates[stem].shape == reference.shape
        assert estimates[stem].dtype == reference.dtype
    np.testing.assert_allclose(sum(estimates.values()), sum(references.values()), atol=1e-5)


@pytest.mark.parametrize("hop", [1024, 512])
def test_equals_librosa_on_noise(hop):
    references = noises(9000)
    expected = librosa_mask(references, 2048, hop)
    for stem, estimate in ideal_ratio_mask(references, 2048, hop).items():
        np.testing.assert_allclose(estimate, expected[stem], atol=1e-4)


def test_real_music_equals_librosa_and_sums_to_the_mixture():
    references = Excerpt().stems()
    estimates = ideal_ratio_mask(references)
    expected = librosa_mask(references, 2048, 1024)
    for stem, estimate in estimates.items():
        np.testing.assert_allclose(estimate, expected[stem], atol=1e-4)
    np.testing.assert_allclose(sum(estimates.values()), sum(references.values()), atol=1e-5)
    assert not estimates["bass"].any()


def test_real_music_scores_far_above_the_mixture():
    pytest.importorskip("museval")
    results = evaluate_songs([Excerpt()], {})
    mixture = summarize(results["mixture"])
    oracle = summarize(results["ideal ratio mask"])
    for stem in ("vocals", "drums", "other"):
        assert oracle[stem]["SDR"] > mixture[stem]["SDR"] + 5
    assert oracle["bass"]["silent"] == mixture["bass"]["silent"] == 1


def test_silence_stays_silent_and_inputs_stay_as_they_were():
    references = noises(4096)
    references["stem1"] = np.zeros_like(references["stem1"])
    copies = {stem: audio.copy() for stem, audio in references.items()}
    assert not ideal_ratio_mask(references)["stem1"].any()
    for stem, audio in references.items():
        np.testing.assert_array_equal(audio, copies[stem])
    silence = {"a": np.zeros((3000, 1)), "b": np.zeros((3000, 1))}
    assert not any(estimate.any() for estimate in ideal_ratio_mask(silence).values())


@pytest.mark.parametrize(
    ("references", "hop", "message"),
    [
        ({}, 1024, r"received \{\}"),
        ({"a": np.zeros(10)}, 1024, r"\(10,\)"),
        ({"a": np.zeros((10, 1)), "b": np.zeros((9, 1))}, 1024, r"\(9, 1\)"),
        ({"a": np.zeros((10, 1))}, 1025, "received 1025"),
        ({"a": np.zeros((10, 1))}, 0, "received 0"),
    ],
)
def test_bad_input_is_refused_with_what_was_received(references, hop, message):
    with pytest.raises(ValueError, match=message):
        ideal_ratio_mask(references, 2048, hop)
