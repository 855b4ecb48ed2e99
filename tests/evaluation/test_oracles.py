"""Oracles against theory, librosa, norbert and independent implementations on real music."""

import numpy as np
import pytest
import soundfile
from scipy.signal import istft, stft

from keras_mmdense.data.songs import find_songs
from keras_mmdense.errors import InputError
from keras_mmdense.evaluation.evaluate import evaluate_songs
from keras_mmdense.evaluation.oracles import (
    ORACLES,
    find_oracles,
    ideal_binary_mask,
    ideal_ratio_mask,
    wiener_filter,
)
from keras_mmdense.evaluation.scoring import summarize

STEMS = ("vocals", "drums", "bass", "other")
ALL = (*STEMS, "accompaniment")
SEPARATING = (ideal_ratio_mask, ideal_binary_mask, wiener_filter)


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

    def __init__(self, root):
        self.folder = root / self.name

    def stems(self):
        span = {"start": 180 * 44100, "frames": 3 * 44100, "dtype": "float32", "always_2d": True}
        return {stem: soundfile.read(self.folder / f"{stem}.ogg", **span)[0] for stem in STEMS}


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


@pytest.mark.parametrize("oracle", SEPARATING)
@pytest.mark.parametrize("samples", [1, 700, 2048, 5000, 10240])
@pytest.mark.parametrize(("n_fft", "hop"), [(2048, 1024), (2048, 512), (512, 200)])
def test_estimates_sum_to_the_mixture(oracle, samples, n_fft, hop):
    references = noises(samples)
    estimates = oracle(references, n_fft, hop)
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


def test_real_music_equals_librosa_and_sums_to_the_mixture(stems_root):
    references = Excerpt(stems_root).stems()
    expected = librosa_mask(references, 2048, 1024)
    for stem, estimate in ideal_ratio_mask(references).items():
        np.testing.assert_allclose(estimate, expected[stem], atol=1e-4)
    for oracle in SEPARATING:
        estimates = oracle(references)
        np.testing.assert_allclose(sum(estimates.values()), sum(references.values()), atol=1e-5)
        assert not estimates["bass"].any()


def test_real_music_scores_far_above_the_mixture(stems_root):
    names = ["mixture", "ideal Wiener filter"]
    results = evaluate_songs([Excerpt(stems_root)], [], oracles=names, engine="fast")
    mixture, oracle = (summarize(scores) for scores in results.values())
    for stem in ("vocals", "drums", "other", "accompaniment"):
        assert oracle[stem]["SDR"] > mixture[stem]["SDR"] + 5
    assert oracle["bass"]["silent"] == mixture["bass"]["silent"] == 1


def test_binary_masks_take_the_strongest_stem():
    time = np.arange(20480) / 20480
    low, high = (np.sin(2 * np.pi * cycles * 10 * time)[:, None] for cycles in (200, 500))
    references = {"a": low + 0.1 * high, "b": 0.2 * high}
    estimates = ideal_binary_mask(references)
    middle = slice(4096, 16384)
    np.testing.assert_allclose(estimates["a"][middle], low[middle], atol=1e-3)
    np.testing.assert_allclose(estimates["b"][middle], 0.3 * high[middle], atol=1e-3)


def test_wiener_filter_separates_two_directions_exactly():
    """Two sources panned apart, in two channels: the filter inverts the mixing."""
    sounds = np.random.default_rng(0).standard_normal((2, 8192, 1))
    references = {"a": sounds[0] * [1.0, 0.2], "b": sounds[1] * [0.3, 1.0]}
    for stem, estimate in wiener_filter(references).items():
        np.testing.assert_allclose(estimate, references[stem], atol=1e-5)


def test_wiener_filter_equals_norbert(real_stems):
    norbert = pytest.importorskip("norbert")
    generator = np.random.default_rng(0)
    references = {
        stem: audio[: 2 * 44100] + 1e-3 * generator.standard_normal((2 * 44100, 2))
        for stem, audio in real_stems.items()
    }
    spectra = np.stack([spectra_of(audio) for audio in references.values()], axis=-1).T
    # norbert's regularisation is absolute: the level takes it out of the comparison
    level = 1e4
    truth = level * np.ascontiguousarray(spectra.transpose(1, 2, 3, 0))
    separated = norbert.expectation_maximization(truth, truth.sum(axis=-1), iterations=1)[0]
    for index, estimate in enumerate(wiener_filter(references).values()):
        expected = waveform_of(separated[..., index].transpose(2, 1, 0) / level, len(estimate))
        np.testing.assert_allclose(estimate, expected, atol=1e-4)


def spectra_of(audio):
    """(channels, bins, frames)"""
    return stft(np.float64(audio.T), nperseg=2048, noverlap=1024)[2]


def waveform_of(spectra, samples):
    return istft(spectra, nperseg=2048, noverlap=1024)[1][:, :samples].T


def independent(oracle, references):
    """An oracle by scipy's stft and plain formulas."""
    samples = len(references["vocals"])
    spectra = np.array([spectra_of(references[stem]) for stem in STEMS])
    mixture = spectra.sum(axis=0)
    power = np.abs(spectra) ** 2
    if oracle == "mixture":
        separated = np.broadcast_to(mixture, spectra.shape)
    elif oracle == "ideal ratio mask":
        separated = mixture * power / (power.sum(axis=0) + 1e-30)
    elif oracle == "ideal binary mask":
        separated = mixture * (np.arange(4)[:, None, None, None] == power.argmax(axis=0))
    else:
        psd = power.mean(axis=1)
        across = np.einsum("jcft,jdft->jfcd", spectra, spectra.conj())
        spatial = across / (psd.sum(axis=2) + 1e-30)[..., None, None]
        covariances = psd[..., None, None] * spatial[:, :, None]
        inverse = np.linalg.pinv(covariances.sum(axis=0), rcond=1e-9, hermitian=True)
        separated = np.einsum("jftcd,ftde,eft->jcft", covariances, inverse, mixture)
    estimates = [waveform_of(spectrum, samples) for spectrum in separated]
    rest = waveform_of(mixture, samples) if oracle == "mixture" else sum(estimates[1:])
    return dict(zip(ALL, [*estimates, rest], strict=True))


def museval_sdr(references, estimates):
    """SDR (sources, frames) by museval: the same with short filters, which take less time."""
    metrics = pytest.importorskip("museval").metrics
    return metrics.bss_eval(references, estimates, window=44100, hop=44100, filters_len=4)[0]


def plain_sdr(references, estimates):
    """SDR (sources, frames) by its definition, NaN for all where one is silent."""
    parts = [slice(start, start + 44100) for start in range(0, references.shape[1] - 44099, 44100)]
    rows = []
    for part in parts:
        truth, given = references[:, part], estimates[:, part]
        heard = all((stems.sum(axis=2) != 0).any(axis=1).all() for stems in (truth, given))
        power, error = np.sum(truth**2, axis=(1, 2)), np.sum((truth - given) ** 2, axis=(1, 2))
        rows.append(10 * np.log10(power / error) if heard else np.full(len(truth), np.nan))
    return np.stack(rows, axis=1)


def medians(references, estimates, sdr):
    """Medians over frames of ALL; vocals and accompaniment as a pair of their own."""
    accompaniment = sum(np.float64(references[stem]) for stem in STEMS[1:])
    truth = {**references, "accompaniment": accompaniment}
    given = {"accompaniment": sum(np.float64(estimates[stem]) for stem in STEMS[1:]), **estimates}
    found = {}
    for names in (STEMS, ALL[::4]):
        signals = (
            np.array([stems[name] for name in names], np.float64) for stems in (truth, given)
        )
        found |= dict(zip(names, np.nanmedian(sdr(*signals), axis=1), strict=True))
    return [found[stem] for stem in ALL]


# SDR in dB of vocals, drums, bass, other and accompaniment on musdb18-7s, split valid: the median
# over songs of the median over 1 s frames, of the first two songs and of all 14.
TWO = {
    "mixture": [-3.502, -4.738, -7.129, -5.947, 3.502],
    "ideal ratio mask": [10.908, 8.451, 7.652, 7.735, 14.079],
    "ideal binary mask": [10.132, 7.675, 7.111, 6.969, 13.154],
    "ideal Wiener filter": [10.925, 8.645, 7.870, 7.984, 14.047],
}
FOURTEEN = {
    "mixture": [-3.809, -6.175, -6.511, -5.384, 3.809],
    "ideal ratio mask": [10.327, 8.082, 6.938, 7.581, 15.229],
    "ideal binary mask": [9.630, 7.301, 6.097, 6.814, 14.222],
    "ideal Wiener filter": [10.552, 9.037, 7.637, 8.113, 15.252],
}


def check_oracles(songs, expected, sdr):
    rows = {oracle: ([], []) for oracle in ORACLES}
    for song in songs:
        references = song.stems()
        for oracle, (ours, others) in rows.items():
            ours.append(medians(references, ORACLES[oracle](references), sdr))
            others.append(medians(references, independent(oracle, references), sdr))
    for oracle, (ours, others) in rows.items():
        np.testing.assert_allclose(np.nanmedian(ours, axis=0), expected[oracle], atol=0.01)
        np.testing.assert_allclose(np.nanmedian(others, axis=0), expected[oracle], atol=0.05)
        np.testing.assert_allclose(ours, others, atol=0.05)


def test_oracles_of_two_clips_equal_an_independent_implementation(musdb_root):
    check_oracles(find_songs(musdb_root, "valid")[:2], TWO, plain_sdr)


@pytest.mark.slow
def test_oracles_of_all_clips_equal_an_independent_implementation(musdb_root):
    check_oracles(find_songs(musdb_root, "valid"), FOURTEEN, museval_sdr)


@pytest.mark.slow
def test_the_evaluation_gives_the_same_sdr(musdb_root):
    songs = find_songs(musdb_root, "valid")[:2]
    for oracle, scores in evaluate_songs(songs, [], oracles=list(ORACLES), processes=2).items():
        table = summarize(scores)
        np.testing.assert_allclose([table[stem]["SDR"] for stem in ALL], TWO[oracle], atol=0.01)


def test_oracles_by_name():
    assert find_oracles("mixture,irm") == ("mixture", "ideal ratio mask")
    assert find_oracles("ibm, mwf,ibm") == ("ideal binary mask", "ideal Wiener filter")
    assert find_oracles("none") == ()
    with pytest.raises(InputError, match=r"'mask'; choices: mixture, irm, ibm, mwf, none"):
        find_oracles("irm,mask")


@pytest.mark.parametrize("oracle", SEPARATING)
def test_silence_stays_silent_and_inputs_stay_as_they_were(oracle):
    references = noises(4096)
    references["stem1"] = np.zeros_like(references["stem1"])
    copies = {stem: audio.copy() for stem, audio in references.items()}
    assert not oracle(references)["stem1"].any()
    for stem, audio in references.items():
        np.testing.assert_array_equal(audio, copies[stem])
    silence = {"a": np.zeros((3000, 1)), "b": np.zeros((3000, 1))}
    assert not any(estimate.any() for estimate in oracle(silence).values())


@pytest.mark.parametrize("oracle", SEPARATING)
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
def test_bad_input_is_refused_with_what_was_received(oracle, references, hop, message):
    with pytest.raises(ValueError, match=message):
        oracle(references, 2048, hop)
