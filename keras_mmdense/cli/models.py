"""The command `models`."""

from rich.table import Table

from keras_mmdense.cli.common import console, quiet_startup

REFERENCE = "blend"


def models() -> None:
    """List the networks of the zoo with their sizes, and the trained networks.

    Percentages are relative to the parameters of `blend`, as in the paper.

    Example: keras-mmdense models
    """
    with quiet_startup():
        from keras_mmdense.models import registry  # noqa: F401
    console.print(_networks())
    console.print(_trained())


def _networks() -> Table:
    from keras_mmdense.models import registry

    table = Table(title="Networks (one source, stereo) and their trainable parameters")
    table.add_column("network", no_wrap=True)
    for column in ("shape", "STFT / hop"):
        table.add_column(column)
    for column in ("parameters", f"of {REFERENCE}"):
        table.add_column(column, justify="right")
    names = registry.list_models()
    sizes = {name: registry.parameters(registry.build(name)) for name in names}
    for name in names:
        config, size = registry.model_config(name), sizes[name]
        front = f"{config.n_fft} / {config.hop}"
        share = f"{100 * size / sizes[REFERENCE]:.2f} %"
        table.add_row(name, config.summary, front, f"{size:,}", share)
    return table


def _trained() -> Table:
    from keras_mmdense.pretrained import catalog
    from keras_mmdense.pretrained.networks import read_description

    table = Table(title="Trained networks in this package")
    table.add_column("name", no_wrap=True)
    for column in ("network", "stems", "license of the weights"):
        table.add_column(column, overflow="fold")
    for name in catalog.list_weights():
        folder = catalog.network_folder(name)
        spec, _ = read_description(folder)
        card = catalog.read_card(folder)
        table.add_row(name, spec.config.name, ", ".join(spec.targets), card.terms)
    return table
