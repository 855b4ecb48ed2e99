"""The samples for phones: the reference loop joins windows as the separator does."""

import importlib.util
import json
import re
import shutil
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_mmdense import model_config
from keras_mmdense.pretrained.networks import NetworkSpec
from keras_mmdense.separation.model_card import ModelCard
from keras_mmdense.separation.separator import Separator

pytest.importorskip("ai_edge_litert.interpreter")

MOBILE = Path(__file__).parents[3] / "export" / "mobile"
KOTLIN = MOBILE / "android" / "separator" / "src" / "main" / "kotlin" / "org" / "kerasmmdense"
BLOCKED = """
import runpy, sys
for name in ("tensorflow", "keras", "keras_mmdense", "soundfile"):
    sys.modules[name] = None
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture(scope="module")
def sample():
    spec = importlib.util.spec_from_file_location("sample", MOBILE / "python" / "separate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def exported(tiny_folder, tmp_path_factory):
    from keras_mmdense.exporting.tflite.export import export_tflite

    out = tmp_path_factory.mktemp("phone") / "stems.tflite"
    export_tflite([tiny_folder], out, seconds=1)
    return out


def card(window, context):
    return ModelCard(("x",), ("all",), 44100, 2, 2048, 1024, window, context)


def ahead_and_behind(context):
    """A graph that looks as far as the context, either way."""

    def run(x):
        return x[:, context:-context] * 0.5 + x[:, : -2 * context] - 0.25 * x[:, 2 * context :]

    return run


@settings(max_examples=40, deadline=None)
@given(samples=st.integers(1, 700), window=st.integers(1, 300), context=st.integers(1, 200))
def test_the_loop_is_that_of_the_separator(sample, samples, window, context):
    song = np.random.default_rng(samples).uniform(-1, 1, (samples, 2)).astype("float32")
    run, facts = ahead_and_behind(context), card(window, context)
    expected = Separator.from_function(lambda x: run(x)[:, None], facts).separate(song, 44100)[
        "all"
    ]
    content = {"window": window, "context": context}
    parts = list(sample.separate_windows(lambda x: {"all": run(x)}, content, song))
    joined = np.concatenate([part["all"] for part in parts])
    np.testing.assert_array_equal(joined, expected)
    whole = np.pad(song, ((context, context), (0, 0)))
    np.testing.assert_array_equal(joined, run(whole[None])[0])


def test_a_song_of_several_windows(sample, exported, tiny_folder, real_mixture):
    separator = sample.Separator(exported)
    song = real_mixture[: 5 * 44100]
    facts = ModelCard.from_json(exported.with_suffix(".json").read_text())
    assert separator.card == json.loads(facts.to_json()) and len(song) > 4 * facts.window
    stems = separator.separate(song)
    expected = Separator(tiny_folder).separate(song, 44100)
    for name in facts.stems:
        assert stems[name].shape == song.shape
        np.testing.assert_allclose(stems[name], expected[name], rtol=0, atol=1e-4)


def test_bad_songs_are_refused(sample, exported):
    separator = sample.Separator(exported)
    broken = np.zeros((1000, 2), "float32")
    broken[700, 1] = np.nan
    with pytest.raises(ValueError, match="sample 700 is not a finite number"):
        separator.separate(broken)
    for shape in [(1000,), (1000, 1), (0, 2)]:
        with pytest.raises(ValueError, match=r"expected \(samples, 2\), received"):
            separator.separate(np.zeros(shape, "float32"))


def test_the_sample_runs_by_itself(exported, real_mixture, tmp_path):
    song = np.rint(real_mixture[:60000] / np.abs(real_mixture).max() * 32000).astype("<i2")
    with wave.open(str(tmp_path / "song.wav"), "w") as file:
        file.setparams((2, 2, 44100, 0, "NONE", ""))
        file.writeframes(song.tobytes())
    script = [str(MOBILE / "python" / "separate.py"), str(exported)]
    command = [sys.executable, "-c", BLOCKED, *script, "song.wav", "out"]
    run = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    stems = []
    for path in sorted((tmp_path / "out").iterdir()):
        with wave.open(str(path)) as file:
            assert (file.getnchannels(), file.getframerate()) == (2, 44100)
            stems.append(np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2))
    assert len(stems) == 4
    # They sum to the song, but for one gain where a stem would clip, and rounding.
    total, song = np.sum(stems, axis=0, dtype="float64"), song.astype("float64")
    gain = np.vdot(total, song) / np.vdot(song, song)
    assert gain <= 1.001 and np.abs(total - gain * song).max() < 20


def test_samples_read_fields_that_the_card_has():
    fields = json.loads(card(1024, 1024).to_json())
    kotlin = (
        MOBILE / "android/separator/src/main/kotlin/org/kerasmmdense/Separator.kt"
    ).read_text()
    swift = (MOBILE / "ios/App/Separator.swift").read_text()
    asked = set(re.findall(r'get(?:Int|JSONArray)\("(\w+)"\)', kotlin))
    cases = re.search(r"case (stems.*)", swift).group(1).split(", ")
    assert asked == {"window", "context", "channels", "stems", "sample_rate"}
    assert {*cases, *re.findall(r'case sampleRate = "(\w+)"', swift)} == asked
    assert asked <= set(fields)
    for code in (kotlin, swift):
        assert '"waveform"' in code and '"serving_default"' in code


def test_the_documents_tell_the_true_context():
    text = (MOBILE / "README.md").read_text()
    told = re.findall(r"^\| `(\w+)` \| ([\d,]+) \| ([\d.]+) s \|$", text, re.MULTILINE)
    assert len(told) >= 2
    for name, samples, seconds in told:
        network = NetworkSpec(model_config(name), ("vocals",))
        context = Separator.from_networks([(network, network.build())], window=64).card.context
        assert context == int(samples.replace(",", ""))
        assert f"{context / 44100:.2f}" == seconds


@pytest.mark.slow
def test_kotlin_loop(tmp_path):
    """Compiles the loop of the Android sample and runs it, where there is a Kotlin compiler."""
    if not shutil.which("kotlinc") or not shutil.which("java"):
        pytest.skip("needs kotlinc and java on the PATH")
    main = tmp_path / "main.kt"
    main.write_text("""
        import org.kerasmmdense.Windows
        fun main() {
            val song = FloatArray(2 * 1234) { it * 0.0001f - 0.1f }
            for (window in listOf(100, 617, 1234, 5000)) {
                val stems = Windows(window, 40, 2).separate(song) { x ->
                    mapOf("sum" to FloatArray(2 * window) { i -> x[i + 80] + x[i + 160] })
                }
                println(stems.getValue("sum").joinToString(" "))
            }
        }
    """)
    loop = KOTLIN / "Windows.kt"
    jar = tmp_path / "loop.jar"
    compiler = ["kotlinc", str(main), str(loop), "-include-runtime", "-d", str(jar)]
    subprocess.run(compiler, check=True, capture_output=True)
    run = subprocess.run(["java", "-jar", str(jar)], capture_output=True, text=True, check=True)
    song = (np.arange(2 * 1234, dtype="float32") * np.float32(0.0001)) - np.float32(0.1)
    expected = song + np.append(song[80:], np.zeros(80, "float32"))
    for line in run.stdout.splitlines():
        np.testing.assert_array_equal(np.array(line.split(), "float32"), expected)
    assert len(run.stdout.splitlines()) == 4
