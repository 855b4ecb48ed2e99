"""Listing networks."""

from keras_mmdense.cli.common import app, console, load

REFERENCE = "blend"


@app.command()
def models():
    """List the networks of the zoo with their size, and the trained ones.

    The percentages are of the parameters of `blend`, as in the paper.

    Example: keras-mmdense models
    """
    registry, weights = load("models.registry"), load("pretrained.networks")
    console.print(_networks(registry))
    console.print(_trained(weights))


def _networks(registry):
    from rich.table import Table

    table = Table(title="Networks (one source, stereo) and their trainable parameters")
    for column in ("network", "shape", "STFT / hop"):
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


def _trained(weights):
    from rich.table import Table

    table = Table(title="Trained networks in this package")
    for column in ("name", "network", "stems", "license of the weights"):
        table.add_column(column)
    for name in weights.list_weights():
        network, license = weights.describe(name)
        table.add_row(name, network.config.name, ", ".join(network.targets), license)
    return table
