"""Songs on disk, synthesized songs, and the batches that train networks."""
