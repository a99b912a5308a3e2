"""Checkpoints: what was learnt and where training stood, in one file that holds numbers and nothing that could run.

    save("run.safetensors", {"model": model, "optimiser": optimiser, "random": rng}, meta={"epoch": 3})
    load("run.safetensors", {"model": model, "optimiser": optimiser, "random": rng})     all of them, or none
    load("run.safetensors", model)                  the model alone
    load("run.safetensors").meta                    what the file says, without a model

The suffix chooses the format: `.safetensors` (extra `safetensors`), else `.npz`, which `numpy.load` reads too. Never
pickle. A file is written as a whole or not at all, and carries a digest of all that is in it.
"""

from .contents import Checkpoint
from .file import load, previous, require_savable, save
from .restoring import Stateful

__all__ = ["Checkpoint", "Stateful", "load", "previous", "require_savable", "save"]
