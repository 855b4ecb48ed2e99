"""Norms of a trained network's filters: the paper's validation of its architecture."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import numpy as np

from keras_mmdense.errors import InputError
from keras_mmdense.utils.files import replacing
from keras_mmdense.utils.palette import COLORS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from rich.table import Table

JOIN = re.compile(r"(.+)_up(\d+)_skip")


@dataclasses.dataclass(frozen=True, eq=False)
class BlockNorms:
    """Filter norms of the first convolution of an up-path block, for each input map.

    Attributes:
        branch: Name of the branch, such as "low".
        block: Number of the dense block on the way up, from 1.
        scale: Denominator of its scale: 4 is a quarter of the frames and bins.
        up: l2-norm of the weights for each up-sampled map, `(maps,)`.
        skip: l2-norm of the weights for each map of the skip path, `(maps,)`.
    """

    branch: str
    block: int
    scale: int
    up: np.ndarray
    skip: np.ndarray

    @property
    def share(self) -> float:
        """Share of the up-sampled maps in the sum of the mean norms; 0.5 for equal norms."""
        total = self.up.mean() + self.skip.mean()
        return float(self.up.mean() / total) if total else float("nan")


def filter_norms(model: keras.Model) -> list[BlockNorms]:
    """Compute how strongly each up-path dense block reads up-sampled maps and skip maps.

    For the first convolution of each block, the l2-norm of the weights of each input map, over
    kernel and output maps. The batch norm before the convolution, which normalizes each map, is not
    folded in.

    Args:
        model: A network with an up path, see `models.blocks.multi_scale`.

    Returns:
        One entry per block, branch by branch, from the coarsest scale to the finest.

    Raises:
        InputError: If the network has no up path.

    In the validation section of the paper, nearly equal norms show that every scale contributes.
    """
    joins = [(layer, match) for layer in model.layers if (match := JOIN.fullmatch(layer.name))]
    if not joins:
        raise InputError(f"{model.name}: no up path whose filters can be compared")
    branches = [match[1] for _, match in joins]
    blocks = []
    for join, match in joins:
        branch, block = match[1], int(match[2])
        kernel = model.get_layer(f"{branch}_up{block}_dense1_conv").kernel
        norms = np.sqrt(np.sum(np.square(np.array(kernel, "float64")), axis=(0, 1, 3)))
        border = join.input[0].shape[-1]
        scale = 2 ** (branches.count(branch) - block)
        blocks.append(BlockNorms(branch, block, scale, norms[:border], norms[border:]))
    order = list(dict.fromkeys(branches))
    return sorted(blocks, key=lambda one: (order.index(one.branch), one.block))


def filters_table(blocks: Sequence[BlockNorms], title: str | None = None) -> Table:
    """Format the mean norms of each block as a rich table.

    Args:
        blocks: Results of `filter_norms`.
        title: Title of the table. Defaults to `None`.

    Returns:
        The table: branch, block, scale, mean norms, and the share of the up-sampled maps.
    """
    from rich.table import Table

    table = Table(title=title, caption="mean l2-norm of the filter weights by input map")
    for column in ("branch", "block", "scale"):
        table.add_column(column)
    for column in ("up-sampled", "skip", "share of up"):
        table.add_column(column, justify="right")
    for one in blocks:
        means = (f"{one.up.mean():.3f}", f"{one.skip.mean():.3f}", f"{100 * one.share:.0f} %")
        table.add_row(one.branch, f"up {one.block}", scale_name(one.scale), *means)
    return table


def plot_filters(blocks: Sequence[BlockNorms], path: str | Path) -> None:
    """Plot a bar per map to a PNG file, in a panel per block: a row per branch, a column per scale.

    Args:
        blocks: Results of `filter_norms`.
        path: The PNG file, written atomically.
    """
    from matplotlib.figure import Figure

    branches = list(dict.fromkeys(one.branch for one in blocks))
    columns = max(one.block for one in blocks)
    size = (1 + 3.2 * columns, 0.8 + 2.1 * len(branches))
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(len(branches), columns, squeeze=False)
    for axes in panels.flat:
        axes.set_visible(False)
    for one in blocks:
        _draw_bars(panels[branches.index(one.branch), one.block - 1], one)
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
    figure.supylabel("l2-norm of the filter weights", fontsize="medium")
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=150)


def scale_name(scale: int) -> str:
    """Return the name of a scale by its denominator: "1" for 1, "1/4" for 4."""
    return "1" if scale == 1 else f"1/{scale}"


def _draw_bars(axes: Axes, one: BlockNorms) -> None:
    numbers = np.arange(1, len(one.up) + len(one.skip) + 1)
    border = len(one.up)
    axes.set_visible(True)
    axes.bar(numbers[:border], one.up, color=COLORS[0], label="up-sampled maps")
    axes.bar(numbers[border:], one.skip, color=COLORS[1], label="skip maps")
    axes.set_title(f"{one.branch}, block {one.block}, scale {scale_name(one.scale)}", fontsize=10)
    axes.set_xlabel("input map", fontsize=9)
    axes.tick_params(labelsize=8)
    axes.locator_params("x", integer=True)
    axes.set_xlim(0.2, numbers[-1] + 0.8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.3)
    axes.set_axisbelow(True)
