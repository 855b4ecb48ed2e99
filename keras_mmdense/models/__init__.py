from keras_mmdense.models.densenet import densenet
from keras_mmdense.models.mdensenet import mdensenet
from keras_mmdense.models.mmdensenet import mmdensenet

BUILDERS = {"densenet": densenet, "mdensenet": mdensenet, "mmdensenet": mmdensenet}

__all__ = ["BUILDERS", "densenet", "mdensenet", "mmdensenet"]
