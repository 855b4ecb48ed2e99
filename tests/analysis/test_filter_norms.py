"""Norms of the filters on the way up, against weights set by hand and a plain computation."""

import io

import h5py
import keras
import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

import keras_mmdense
import keras_mmdense.cli.filters
from keras_mmdense.analysis.filter_norms import filter_norms, filters_table, plot_filters
from keras_mmdense.cli.common import app
from keras_mmdense.configs import TABLES
from keras_mmdense.errors import InputError
from keras_mmdense.pretrained.networks import WEIGHTS, NetworkSpec, save_network


@pytest.fixture(scope="module")
def tiny():
    return keras_mmdense.build("tiny", bins=65)


def test_blocks_are_listed_by_stream_and_scale(tiny):
    found = [(one.branch, one.block, one.scale, len(one.up)) for one in filter_norms(tiny)]
    table = TABLES["tiny"]
    expected = [
        (branch.name, block, 2 ** (branch.scales - block), branch.blocks[branch.scales].k)
        for branch in table.branches
        for block in range(1, branch.scales + 1)
    ]
    assert found == expected


def test_norms_of_weights_set_by_hand(tiny):
    """Map m of the up-sampled ones is read with norm m + 1, map m of the skip path with 10 m."""
    layer = tiny.get_layer("low_up2_dense1_conv")
    kernel, bias = layer.get_weights()
    rows, columns, maps, out = kernel.shape
    norms = np.concatenate([1 + np.arange(4), 10 * np.arange(maps - 4)])
    kernel[:] = norms[:, None] / np.sqrt(rows * columns * out)
    kernel[0, 0] *= -1
    layer.set_weights([kernel, bias])
    block = next(one for one in filter_norms(tiny) if (one.branch, one.block) == ("low", 2))
    np.testing.assert_allclose(block.up, [1, 2, 3, 4], rtol=1e-6)
    np.testing.assert_allclose(block.skip, [0, 10, 20, 30], rtol=1e-6)
    assert block.share == pytest.approx(2.5 / (2.5 + 15))


def test_up_and_skip_are_told_apart_by_what_reaches_the_block():
    """Only the skip path of a block is fed where the map below it is switched off."""
    model = keras_mmdense.build("tiny", bins=33, frames=8)
    up = model.get_layer("low_up1_up_conv")
    up.set_weights([np.zeros_like(weight) for weight in up.get_weights()])
    join = keras.Model(model.input, model.get_layer("low_up1_skip").output)
    maps = np.array(join(np.random.default_rng(0).random((1, 8, 33, 2), "float32")))
    border = len(filter_norms(model)[0].up)
    assert not maps[..., :border].any() and maps[..., border:].any(axis=(0, 1, 2)).all()


def test_norms_are_those_of_the_weights_file(tmp_path):
    network = NetworkSpec(TABLES["tiny"], ("vocals", "drums"))
    model = network.build()
    save_network(tmp_path, network, model)
    kernels = []
    with h5py.File(tmp_path / WEIGHTS) as file:
        file.visititems(
            lambda name, item: kernels.append(item[:]) if getattr(item, "ndim", 0) == 4 else None
        )
    for block in filter_norms(model):
        norms = np.concatenate([block.up, block.skip])
        candidates = [np.sqrt((kernel**2).sum((0, 1, 3))) for kernel in kernels]
        assert any(len(c) == len(norms) and np.allclose(c, norms, rtol=1e-5) for c in candidates)


@pytest.mark.parametrize("name", ["mdensenet", "mmdenselstm"])
def test_every_network_with_an_up_path_has_norms(name):
    blocks = filter_norms(keras_mmdense.build(name, bins=65))
    assert {one.scale for one in blocks} >= {1, 2, 4}
    assert all(np.isfinite(one.up).all() and (one.skip > 0).all() for one in blocks)


def test_a_network_without_an_up_path_is_refused():
    with pytest.raises(InputError, match="no up path"):
        filter_norms(keras_mmdense.build("densenet", bins=33))


def test_table_and_figure(tiny, tmp_path):
    blocks = filter_norms(tiny)
    console = Console(width=80, file=io.StringIO())
    console.print(filters_table(blocks, "a network"))
    text = console.file.getvalue()
    assert "a network" in text
    for one in blocks:
        assert f"{one.up.mean():.3f}" in text and f"{one.skip.mean():.3f}" in text
    plot_filters(blocks, tmp_path / "filters.png")
    from matplotlib.image import imread

    image = imread(tmp_path / "filters.png")[..., :3]
    for color in (0x0072B2, 0xE69F00):
        rgb = np.array([color >> 16, color >> 8 & 255, color & 255]) / 255
        share = (np.abs(image - rgb).max(-1) < 0.01).mean()
        assert share > 0.03, (hex(color), share)


def test_the_command_prints_and_draws(tmp_path):
    network = NetworkSpec(TABLES["tiny"], ("vocals",))
    model = network.build()
    save_network(tmp_path / "net", network, model)
    arguments = ["filters", str(tmp_path / "net"), "-o", str(tmp_path / "bars.png")]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert all(f"{one.skip.mean():.3f}" in result.output for one in filter_norms(model))
    assert (tmp_path / "bars.png").read_bytes().startswith(b"\x89PNG")
    for wrong in (["filters", "nothing"], [*arguments[:3], str(tmp_path / "bars.pdf")]):
        with pytest.raises(InputError):
            CliRunner().invoke(app, wrong, catch_exceptions=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bars.png", "net"]
