"""Rules for elementwise ops. Those whose plain ONNX form loses digits are written in a form that does not."""

from __future__ import annotations

import numpy as np

from .rules import NoRule, Step, rule

_UNARY = {
    "abs": "Abs",
    "fabs": "Abs",
    "arccos": "Acos",
    "arccosh": "Acosh",
    "arcsin": "Asin",
    "arcsinh": "Asinh",
    "arctan": "Atan",
    "arctanh": "Atanh",
    "ceil": "Ceil",
    "cos": "Cos",
    "cosh": "Cosh",
    "erf": "Erf",
    "exp": "Exp",
    "expit": "Sigmoid",
    "floor": "Floor",
    "identity": "Identity",
    "copy": "Identity",
    "positive": "Identity",
    "stop_gradient": "Identity",
    "isinf": "IsInf",
    "isnan": "IsNaN",
    "log": "Log",
    "logical_not": "Not",
    "mish": "Mish",
    "negative": "Neg",
    "reciprocal": "Reciprocal",
    "relu": "Relu",
    "rint": "Round",
    "sigmoid": "Sigmoid",
    "sign": "Sign",
    "sin": "Sin",
    "sinh": "Sinh",
    "softplus": "Softplus",
    "sqrt": "Sqrt",
    "tan": "Tan",
    "tanh": "Tanh",
}


@rule(*_UNARY)
def _unary(step: Step) -> str:
    if step.op == "logical_not":
        return step.add("Not", step.as_dtype(step.inputs[0], np.dtype(bool)))
    return step.add(_UNARY[step.op], step.as_dtype(step.inputs[0], step.out.dtype))


_BINARY = {
    "add": "Add",
    "divide": "Div",
    "maximum": "Max",
    "minimum": "Min",
    "multiply": "Mul",
    "power": "Pow",
    "float_power": "Pow",
    "subtract": "Sub",
    "equal": "Equal",
    "greater": "Greater",
    "greater_equal": "GreaterOrEqual",
    "less": "Less",
    "less_equal": "LessOrEqual",
}


@rule(*_BINARY)
def _binary(step: Step) -> str:
    names = step.promoted()
    if step.op == "divide" and all(x.dtype.kind in "iub" for x in step.inputs):
        names = [step.as_dtype(x, step.graph.dtype) for x in step.inputs]
    return step.add(_BINARY[step.op], *names)


@rule("not_equal")
def _not_equal(step: Step) -> str:
    return step.add("Not", step.add("Equal", *step.promoted()))


_LOGICAL = {
    "logical_and": "And",
    "logical_or": "Or",
    "logical_xor": "Xor",
    "bitwise_and": "And",
    "bitwise_or": "Or",
    "bitwise_xor": "Xor",
}


@rule(*_LOGICAL)
def _logical(step: Step) -> str:
    if step.op.startswith("bitwise") and any(x.dtype.kind != "b" for x in step.inputs):
        raise NoRule(f"{step.op} is exported for masks alone")
    return step.add(_LOGICAL[step.op], *[step.as_dtype(x, np.dtype(bool)) for x in step.inputs])


@rule("isneginf", "isposinf")
def _is_infinite(step: Step) -> str:
    negative = int(step.op == "isneginf")
    return step.add("IsInf", *step.names(), detect_negative=negative, detect_positive=1 - negative)


@rule("invert")
def _invert(step: Step) -> str:
    if step.inputs[0].dtype.kind != "b":
        raise NoRule("invert is exported for masks alone")
    return step.add("Not", *step.names())


@rule("where")
def _where(step: Step) -> str:
    condition, x, y = step.inputs
    mask = step.as_dtype(condition, np.dtype(bool))
    return step.add("Where", mask, step.as_dtype(x, step.out.dtype), step.as_dtype(y, step.out.dtype))


@rule("clip")
def _clip(step: Step) -> str:
    out = step.as_dtype(step.inputs[0], step.out.dtype)
    for kind, bound in zip(("Max", "Min"), step.inputs[1:], strict=True):
        if bound.name or bound.data is not None:
            out = step.add(kind, out, step.as_dtype(bound, step.out.dtype))
    return out


@rule("square")
def _square(step: Step) -> str:
    (x,) = step.names()
    return step.add("Mul", x, x)


@rule("log2", "log10")
def _log_to_base(step: Step) -> str:
    return step.add("Mul", step.add("Log", *step.names()), step.number(1 / np.log(float(step.op[3:]))))


@rule("exp2")
def _exp2(step: Step) -> str:
    return step.add("Pow", step.number(2.0), *step.names())


@rule("expm1")
def _expm1(step: Step) -> str:
    """tanh(x/2) (exp(x) + 1) where exp(x) − 1 would cancel."""
    (x,) = step.names()
    e = step.add("Exp", x)
    near = step.add("Mul", step.add("Tanh", step.add("Mul", x, step.number(0.5))), step.add("Add", e, step.number(1.0)))
    close = step.add("Less", step.add("Abs", x), step.number(1.0))
    return step.add("Where", close, near, step.add("Sub", e, step.number(1.0)))


@rule("log1p")
def _log1p(step: Step) -> str:
    """log(u) x / (u − 1) with u = 1 + x rounded: Kahan's, in which the rounding of u cancels."""
    (x,) = step.names()
    u = step.add("Add", x, step.number(1.0))
    d = step.add("Sub", u, step.number(1.0))
    lost = step.add("Equal", d, step.number(0.0))
    quotient = step.add("Div", x, step.add("Where", lost, step.number(1.0), d))
    far = step.add("IsInf", x)
    exact = step.add("Where", far, x, step.add("Mul", step.add("Log", u), quotient))
    return step.add("Where", lost, x, exact)


@rule("cast")
def _cast(step: Step) -> str:
    dtype = step.params["dtype"]
    dtype = np.dtype(np.float64) if dtype is float else np.dtype(dtype)
    return step.add("Cast", step.name(step.inputs[0]), to=step.graph.element(dtype))


@rule("zeros_like", "ones_like")
def _filled(step: Step) -> str:
    (x,) = step.names()
    value = np.array(0 if step.op == "zeros_like" else 1, step.out.dtype)
    return step.add("Expand", step.graph.constant(value), step.add("Shape", x))
