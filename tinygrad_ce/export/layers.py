"""Rules for the ops of layers, which ONNX has operators for."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..ops.pooling import adaptive_avg_pool2d, avg_pool2d
from ..ops.windows import Windows, windows
from .dims import Irregular, known
from .graph import Operand, Size
from .rules import Step, rule

# -- convolution and pooling -------------------------------------------------------------------------------------


def _spatial(step: Step, rank: int) -> tuple[int, ...]:
    """The sizes of the last axes, which may not follow the batch."""
    sizes = step.inputs[0].shape[-rank:]
    if not known(sizes):
        raise Irregular("the batch is one of its spatial axes")
    return tuple([n for n in sizes if isinstance(n, int)])


def _images(step: Step, rank: int) -> str:
    """The input as ONNX wants it, (N, C, *spatial)."""
    x, name = step.inputs[0], step.name(step.inputs[0])
    if x.ndim == rank + 2:
        return name
    channels: list[Size] = list(x.shape[-rank - 1 : -rank]) or [1]
    return step.add("Reshape", name, step.graph.integers([-1, *channels, *_spatial(step, rank)]))


def _shaped(step: Step, name: str, rank: int) -> str:
    if step.out.ndim == rank + 2:
        return name
    return step.add("Reshape", name, step.graph.integers(step.out.shape), allowzero=1)


def _placed(w: Windows) -> dict[str, Any]:
    """Where windows stand, as attributes."""
    return {
        "kernel_shape": list(w.kernel),
        "strides": list(w.stride),
        "pads": [*w.before, *w.after],
    }


@rule("conv1d", "conv2d")
def _convolution(step: Step) -> str:
    weight, *rest = step.inputs[1:]
    rank, options = weight.ndim - 2, step.params
    kernel = tuple([n for n in weight.shape[2:] if isinstance(n, int)])
    placed = (options[k] for k in ("stride", "padding", "dilation"))
    w = windows(step.op, _spatial(step, rank), kernel, *placed)
    inputs = [step.name(weight), *[step.name(b) for b in rest if b.name or b.data is not None]]
    attributes = {**_placed(w), "dilations": list(w.dilation), "group": options["groups"]}
    return _shaped(step, step.add("Conv", _images(step, rank), *inputs, **attributes), rank)


@rule("max_pool2d")
def _max_pool(step: Step) -> str:
    o = step.params
    stride = o["kernel_size"] if o["stride"] is None else o["stride"]
    kernel = _pair(o["kernel_size"])
    w = windows(step.op, _spatial(step, 2), kernel, stride, o["padding"], o["dilation"], o["ceil_mode"])
    out = step.add("MaxPool", _images(step, 2), **_placed(w), dilations=list(w.dilation))
    return _shaped(step, out, 2)


@rule("avg_pool2d")
def _avg_pool(step: Step) -> str:
    """Sums of windows over how many entries they have, which is known here: it depends on where a window stands."""
    o, size = step.params, _spatial(step, 2)
    stride = o["kernel_size"] if o["stride"] is None else o["stride"]
    kernel = _pair(o["kernel_size"])
    w = windows(step.op, size, kernel, stride, o["padding"], 1, o["ceil_mode"])
    out = step.add("AveragePool", _images(step, 2), **_placed(w), count_include_pad=1)
    counted = avg_pool2d(np.ones((1, 1, *size)), **o)
    plain = avg_pool2d(np.ones((1, 1, *size)), **{**o, "divisor_override": math.prod(kernel)})
    if not np.array_equal(counted, plain):
        out = step.add("Mul", out, step.number(np.where(plain > 0, counted / np.where(plain > 0, plain, 1), 1)))
    return _shaped(step, out, 2)


@rule("adaptive_avg_pool2d")
def _adaptive_avg_pool(step: Step) -> str:
    """A x Bᵀ with the means along rows and along columns as matrices."""
    height, width = _spatial(step, 2)
    size = step.params["output_size"]
    tall, wide = size if isinstance(size, tuple) else (size, size)
    rows = adaptive_avg_pool2d(np.eye(height)[:, :, None], output_size=(tall, 1))[..., 0].T
    columns = adaptive_avg_pool2d(np.eye(width)[:, :, None], output_size=(wide, 1))[..., 0]
    across = step.add("MatMul", step.name(step.inputs[0]), step.number(columns))
    return step.add("MatMul", step.number(rows), across)


def _pair(size: Any) -> tuple[int, ...]:
    return tuple(size) if isinstance(size, tuple) else (size, size)


# -- normalisation -----------------------------------------------------------------------------------------------


@rule("layer_norm")
def _layer_norm(step: Step) -> str:
    x, weight, bias = step.inputs
    axes, eps = step.params["axes"], step.params["eps"]
    shape = x.shape[-axes:]
    if not known(shape):
        raise Irregular("it normalises along the batch")
    scale = step.name(weight) if _given(weight) else step.number(np.ones(shape))
    rest = [step.name(bias)] if _given(bias) else []
    return step.add("LayerNormalization", step.name(x), scale, *rest, axis=-axes, epsilon=eps)


@rule("batch_norm_eval")
def _batch_norm(step: Step) -> str:
    x, mean, variance, weight, bias = step.inputs
    channels = x.shape[1:2]
    scale = step.name(weight) if _given(weight) else step.number(np.ones(channels))
    shift = step.name(bias) if _given(bias) else step.number(np.zeros(channels))
    statistics = [step.name(mean), step.name(variance)]
    return step.add("BatchNormalization", step.name(x), scale, shift, *statistics, epsilon=step.params["eps"])


def _given(x: Operand) -> bool:
    return bool(x.name) or x.data is not None


# -- activations, embedding --------------------------------------------------------------------------------------


@rule("leaky_relu")
def _leaky_relu(step: Step) -> str:
    return step.add("LeakyRelu", *step.names(), alpha=step.params["negative_slope"])


@rule("elu")
def _elu(step: Step) -> str:
    return step.add("Elu", *step.names(), alpha=step.params["alpha"])


@rule("gelu")
def _gelu(step: Step) -> str:
    return step.add("Gelu", *step.names(), approximate=step.params["approximate"])


@rule("silu")
def _silu(step: Step) -> str:
    (x,) = step.names()
    return step.add("Mul", x, step.add("Sigmoid", x))


@rule("normal_cdf")
def _normal_cdf(step: Step) -> str:
    tail = step.add("Erf", step.add("Mul", *step.names(), step.number(math.sqrt(0.5))))
    return step.add("Mul", step.add("Add", tail, step.number(1.0)), step.number(0.5))


@rule("embedding")
def _embedding(step: Step) -> str:
    weight, index = step.inputs
    return step.add("Gather", step.name(weight), step.as_dtype(index, np.dtype(np.int64)), axis=0)
