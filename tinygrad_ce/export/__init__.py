"""Export: a model as a file that other programs run.

    to_onnx(model, x, path="model.onnx")    the forward of `model`, which x is an example input of, as ONNX

`capture` writes down what the model does, op by op; each op becomes the ONNX operators that a rule names, and a
composite op that has no rule is opened into its decomposition.

    dims.py     sizes that grow with the batch, found by capturing at several batch sizes
    graph.py    the ONNX graph being written
    rules.py    the door for rules; elementwise.py, arrays.py, layers.py have them, by family
    constants.py    parameters under their names, and constants as long as the batch
    onnx.py     to_onnx
"""

from .onnx import to_onnx

__all__ = ["to_onnx"]
