"""Blending of two trained networks into one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from keras_mmdense.configs import BlendConfig
from keras_mmdense.errors import InputError
from keras_mmdense.models.blend import part_names
from keras_mmdense.pretrained.catalog import DESCRIPTION, WEIGHTS, network_folder, read_card
from keras_mmdense.pretrained.network_card import join_cards
from keras_mmdense.pretrained.networks import NetworkSpec, load_network, save_network


def blend(
    first: str | Path, second: str | Path, folder: str | Path, share: float = 0.25
) -> NetworkSpec:
    """Blend two trained networks: share * first + (1 - share) * second, before the Wiener filter.

    The blend is a network like any other: it separates, can be exported and trained further. BLEND
    in the paper is an FNN, with a share of lambda, and a BLSTM.

    Args:
        first: A trained network by name or folder, see `load_network`.
        second: Another one, of the same targets, rate, STFT and channels.
        folder: Folder to write the blend to, see `save_network`; it must not contain a network.
        share: Share of the first network, from 0 to 1.

    Returns:
        The spec of the blend.

    Raises:
        InputError: If the networks cannot be loaded or combined, the share is out of range, or the
            folder contains a network or a run of `train`.

    Example:

    >>> for name in ("runs/first", "runs/second"):
    ...     keras_mmdense.save_model(keras_mmdense.build("tiny"), name)
    >>> blend("runs/first", "runs/second", "runs/blend", share=0.25).config.summary
    '0.25 tiny + 0.75 tiny'
    """
    if not 0 <= share <= 1:
        raise InputError(f"the share of the first network must lie in [0, 1], received {share:g}")
    for name in (DESCRIPTION, WEIGHTS, "run.json"):
        if (Path(folder) / name).exists():
            raise InputError(f"{folder}: holds {name} already; choose another folder")
    parts = [load_network(first), load_network(second)]
    one, other = (spec for spec, _ in parts)
    for what, of in _MUST_AGREE.items():
        if of(one) != of(other):
            raise InputError(
                f"{first} and {second} differ in {what}: {_text(of(one))} and {_text(of(other))}"
            )
    config = BlendConfig(
        name="blend",
        sample_rate=one.config.sample_rate,
        n_fft=one.config.n_fft,
        hop=one.config.hop,
        first=one.config,
        second=other.config,
        share=share,
    )
    spec = NetworkSpec(config, one.targets, one.bins, one.channels)
    model = spec.build()
    for name, (_, part) in zip(part_names(config), parts, strict=True):
        model.get_layer(name).set_weights(part.get_weights())
    cards = [read_card(network_folder(name)) for name in (first, second)]
    save_network(folder, spec, model, join_cards(*cards))
    return spec


_MUST_AGREE: dict[str, Callable[[NetworkSpec], Any]] = {
    "targets": lambda spec: spec.targets,
    "sample rate": lambda spec: spec.config.sample_rate,
    "hop": lambda spec: spec.config.hop,
    "bins": lambda spec: spec.bins,
    "n_fft": lambda spec: spec.config.n_fft,
    "channels": lambda spec: spec.channels,
}


def _text(value: int | tuple[str, ...]) -> str:
    return ", ".join(value) if isinstance(value, tuple) else str(value)
