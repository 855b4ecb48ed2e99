from keras_mmdense.models.blend import blend
from keras_mmdense.models.blstm import blstm
from keras_mmdense.models.densenet import densenet
from keras_mmdense.models.fnn import fnn
from keras_mmdense.models.mdensenet import mdensenet
from keras_mmdense.models.mmdensenet import mmdensenet

BUILDERS = {
    "blend": blend,
    "blstm": blstm,
    "densenet": densenet,
    "fnn": fnn,
    "mdensenet": mdensenet,
    "mmdensenet": mmdensenet,
}

__all__ = ["BUILDERS", "blend", "blstm", "densenet", "fnn", "mdensenet", "mmdensenet"]
