"""Listing networks."""

from keras_mmdense.cli.common import app, console, load


@app.command()
def models():
    """List the networks of the zoo with their size, and the trained ones.

    Example: keras-mmdense models
    """
    from rich.table import Table

    registry, weights = load("registry"), load("weights")
    table = Table(title="Networks (one source, stereo, 1025 bins)")
    for column in ("network", "family", "streams", "output"):
        table.add_column(column)
    table.add_column("trainable parameters", justify="right")
    for name in registry.list_models():
        config = registry.model_config(name)
        streams = ", ".join(stream.name for stream in config.streams)
        size = registry.parameters(registry.build(name))
        table.add_row(name, config.family, streams, config.output, f"{size:,}")
    console.print(table)
    table = Table(title="Trained networks in this package")
    for column in ("name", "network", "stems", "licence of the weights"):
        table.add_column(column)
    for name in weights.list_weights():
        network, licence = weights.describe(name)
        table.add_row(name, network.config.name, ", ".join(network.sources), licence)
    console.print(table)
