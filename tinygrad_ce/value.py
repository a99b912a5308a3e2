"""Value: an array with a past, its operators, and `backward`.

a = Value(2.0)                  a leaf; Python numbers are exact Python floats inside
d = a * np.exp(a) + 1           operators and NumPy functions build the graph
d.backward(); a.grad            the reverse sweep, and what it leaves behind
"""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any

import numpy as np

from . import ops
from .arrays import as_data, ones_like
from .choice import Request, choose
from .identities import cast, cast_like
from .mutation import used
from .node import Node, Watch, next_number, plain, recorded, recording
from .op import Op
from .operators import binary, comparison, unary
from .ops.indexing import index
from .ops.shaping import reshape as _reshape
from .protocols import ArrayProtocols, refuse_assignment
from .quick import gradients
from .sweep import reverse
from .tracing import place


class Value(ArrayProtocols):
    """A node of a computation graph: data, and how it came to be.

    Parameters
    ----------
    data : number, array, nested sequence of numbers, or anything with NumPy's protocols
        A Python number is a Python float inside. Arrays are not copied. Integers become float64 where a
        gradient is required.
    requires_grad : bool
        Whether `backward` computes a gradient for it.
    label : str
        A name for pictures and messages.

    Raises
    ------
    TypeError
        If `data` is text or objects, or a sequence of Values (which `np.stack` and `tg.array` join).

    Examples
    --------
    >>> a, b = Value(2.0), Value(3.0)
    >>> (a * b + b**2).backward()
    >>> a.grad, b.grad
    (3.0, 8.0)
    >>> x = Value([1.0, 2.0, 3.0], label="x")
    >>> y = np.exp(x).sum()
    >>> y.backward()
    >>> bool(np.all(x.grad == np.exp(x.data)))
    True
    """

    __slots__ = ()

    def __init__(self, data: Any, *, requires_grad: bool = True, label: str = "") -> None:
        self._data = as_data(data, requires_grad)
        self.op = None
        self.left = ()
        self.params = _NO_PARAMS
        self.number = next_number()
        self.requires_grad = bool(requires_grad)
        self.adjoint = self.grad = None
        self.label = label if type(label) is str else str(label)
        self.notes = None

    # -- what the engine asks for ------------------------------------------------------------------------------

    @classmethod
    def record(cls, op: Op, inputs: tuple[Any, ...], params: dict[str, Any]) -> Value:
        """The node that `op` makes of `inputs`; a constant where none of them needs a gradient."""
        requires = False
        watch = recording()
        data = []
        constants = op.constants
        for i, x in enumerate(inputs):
            if isinstance(x, Node):
                data.append(x._data)
                if x.requires_grad and i not in constants:
                    requires = True
                    if x.op is None and watch and type(x._data) is np.ndarray:
                        used(x, watch)
            else:
                data.append(x)
        out = None
        for shortcut in op.shortcuts:
            inner = shortcut.reaches(inputs, params)
            if inner is not None and shortcut.forward is not None:
                out = shortcut.forward(*[plain(x) for x in inner.inputs], *data[1:], **params)
                break
        if out is None:
            out = op.evaluate(data, params)
        if not (requires and watch and op.derivations):
            if isinstance(watch, Watch):
                watch.computed(op, inputs, out)
            return cls.leaf(out, False)
        node: Value = _new(cls)
        node._data = out
        node.op = op
        if op.partials is None:
            node.left = inputs
        else:
            node.inputs = inputs
        node.params = params
        node.number = next_number()
        node.requires_grad = True
        node.adjoint = node.grad = node.notes = None
        node.label = ""
        if watch is not True:
            watch.made(node)
        return node

    @classmethod
    def leaf(cls, data: Any, requires_grad: bool = True) -> Value:
        """A node without a past, its data taken as it is."""
        self: Value = _new(cls)
        self._data = data
        self.op = None
        self.left = ()
        self.params = _NO_PARAMS
        self.number = next_number()
        self.requires_grad = requires_grad
        self.adjoint = self.grad = None
        self.label = ""
        self.notes = None
        return self

    @property
    def parents(self) -> tuple[Value, ...]:
        """The Values that this one was made of, in order."""
        return tuple([x for x in self.inputs if isinstance(x, Value)])

    @property
    def place(self) -> str:
        """Where in the user's code it was made, if that was under `tg.trace()`; else empty."""
        return place(self)

    # -- the array's attributes --------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        return () if type(self._data) is float else self._data.shape

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return 1 if type(self._data) is float else int(self._data.size)

    @property
    def dtype(self) -> np.dtype[Any]:
        return _FLOAT64 if type(self._data) is float else self._data.dtype

    @property
    def T(self) -> Value:
        """The transpose: all axes reversed."""
        return self.record(ops.transpose, (self,), ops.transpose.defaults)

    @property
    def mT(self) -> Value:
        """The transpose of the last two axes."""
        return ops.transpose(self, axes=(*range(self.ndim - 2), -1, -2))

    @property
    def real(self) -> Value:
        """The real part; this Value itself where it is real."""
        real: Any = np.real
        return real(self)

    @property
    def imag(self) -> Value:
        """The imaginary part."""
        imag: Any = np.imag
        return imag(self)

    @property
    def flat(self) -> Iterator[Value]:
        """The elements one by one, in C order."""
        return iter(self.reshape(-1))

    def item(self) -> Any:
        """The one element, as a Python number."""
        if self.size != 1:
            raise ValueError(f"item() is for one element; this Value has shape {self.shape}")
        return self._data if type(self._data) is float else self._data.item()

    def numpy(self) -> np.ndarray[Any, Any]:
        """The data as an ndarray, without a copy where it is one."""
        return np.asarray(self._data)

    def tolist(self) -> Any:
        """The data as nested lists of Python numbers."""
        return self.numpy().tolist()

    def detach(self) -> Value:
        """A leaf with the same data and no past, for which no gradient is computed."""
        return Value.leaf(self._data, False)

    # -- gradients ---------------------------------------------------------------------------------------------

    def backward(self, gradient: Any = None, *, derivation: Request = None, create_graph: bool = False) -> None:
        """Add the gradient of this Value to `.grad` of every leaf (and of what retains its gradient).

        Parameters
        ----------
        gradient : array, optional
            The cotangent to start from, of this Value's shape; 1 by default, for one element.
        derivation : str or mapping of ops to names, optional
            Which derivations to use: "autodiff" opens every composite op and bars shortcuts; a name applies to
            the ops that have it, the others use their default.
        create_graph : bool
            Make the gradients Values with a past, so that they can be differentiated.

        Raises
        ------
        ValueError
            If this Value needs no gradient, has more than one element and no `gradient` is given, or if no node
            has the derivation named.
        AssumptionError
            If the derivation named assumes something that does not hold.

        Examples
        --------
        >>> import tinygrad_ce as tg
        >>> z = tg.Value([1.0, 2.0, 3.0])
        >>> loss = tg.softmax_cross_entropy(z, 2)
        >>> loss.backward(derivation="analytic")
        >>> np.round(z.grad, 4).tolist()
        [0.09, 0.2447, -0.3348]
        """
        if not self.requires_grad:
            raise ValueError(
                f"backward() on {self!r:.80}, which needs no gradient: it was made under no_grad, by stop_gradient, "
                f"or of Values with requires_grad=False"
            )
        seed = self._seed(gradient)
        choice = choose(derivation, self)
        if create_graph:
            seed = seed if isinstance(seed, Value) else Value.leaf(seed, False)
            with recorded(True):
                adjoints = reverse(self, cast_like(seed, self), choice, create_graph=True)
        else:
            adjoints = gradients(self, cast_like(plain(seed), self), choice)
        for node, g in adjoints.values():
            if node.grad is not None:
                with recorded(True):
                    g = (node.grad if create_graph else plain(node.grad)) + g
            node.grad = g

    def _seed(self, gradient: Any) -> Any:
        if gradient is None:
            if self.size != 1:
                raise ValueError(
                    f"backward() of shape {self.shape} needs gradient=, a cotangent of that shape; "
                    f"or reduce it to one number first, with .sum() or .mean()"
                )
            if self.dtype.kind == "c":
                raise ValueError("backward() of a complex Value needs gradient=; or take np.real or np.abs of it first")
            return ones_like(self._data)
        if type(gradient) in (int, float):
            gradient = float(gradient)
        elif not isinstance(gradient, Value):
            gradient = np.asarray(gradient) if isinstance(gradient, (list, tuple)) else gradient
        if np.shape(plain(gradient)) != self.shape:
            raise ValueError(f"gradient= has shape {np.shape(plain(gradient))}, the Value {self.shape}")
        return gradient

    def retain_grad(self) -> Value:
        """Ask for `.grad` on this node although it is no leaf; returns the node itself."""
        self.retains = True
        return self

    def zero_grad(self) -> None:
        """Forget the gradient."""
        self.grad = None

    # -- operators ---------------------------------------------------------------------------------------------

    __add__, __radd__ = binary(ops.add)
    __sub__, __rsub__ = binary(ops.subtract)
    __mul__, __rmul__ = binary(ops.multiply)
    __truediv__, __rtruediv__ = binary(ops.divide)
    __floordiv__, __rfloordiv__ = binary(ops.floor_divide)
    __mod__, __rmod__ = binary(ops.remainder)
    __pow__, __rpow__ = binary(ops.power)
    __matmul__, __rmatmul__ = binary(ops.matmul)
    relu, sigmoid, tanh = unary(ops.relu), unary(ops.sigmoid), unary(ops.tanh)
    exp, log = unary(ops.exp), unary(ops.log)
    __neg__, __pos__, __abs__ = unary(ops.negative), unary(ops.positive), unary(ops.abs)
    __lt__, __le__ = comparison(operator.lt), comparison(operator.le)
    __gt__, __ge__ = comparison(operator.gt), comparison(operator.ge)
    __eq__, __ne__ = comparison(operator.eq), comparison(operator.ne)
    __hash__ = object.__hash__  # by identity, though == is elementwise

    def __divmod__(self, other: Any) -> tuple[Value, Value]:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> tuple[Value, Value]:
        return other // self, other % self

    def __round__(self, digits: int = 0) -> Value:
        rounded: Any = np.round
        return rounded(self, digits)

    def __getitem__(self, key: Any) -> Value:
        return index(self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        raise TypeError(
            "a Value cannot be assigned into: earlier nodes of the graph depend on its data; "
            "build a new one with np.where, np.concatenate or np.stack"
        )

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a Value without axes")
        return self.shape[0]

    def __iter__(self) -> Iterator[Value]:
        if not self.shape:
            raise TypeError("iteration over a Value without axes")
        return (self[i] for i in range(self.shape[0]))

    def __bool__(self) -> bool:
        return bool(self._one("bool"))

    def __float__(self) -> float:
        refuse_assignment(self)
        return float(self._one("float"))

    def __int__(self) -> int:
        return int(self._one("int"))

    def __complex__(self) -> complex:
        refuse_assignment(self)
        return complex(self._one("complex"))

    def _one(self, what: str) -> Any:
        if self.size != 1:
            raise ValueError(f"{what}() of a Value of shape {self.shape}: only one element has one; use .data")
        return self.item()

    # -- array methods -----------------------------------------------------------------------------------------

    def reshape(self, *shape: Any, order: str = "C") -> Value:
        """The same elements in another shape: `v.reshape(2, 3)` or `v.reshape((2, 3))`."""
        only = shape[0] if len(shape) == 1 else shape
        return _reshape(self, shape=only, order=order)

    def flatten(self, order: str = "C") -> Value:
        """The elements in one axis."""
        return np.ravel(self, order)  # type: ignore[call-overload]

    def transpose(self, *axes: Any) -> Value:
        """Axes permuted: `v.transpose()`, `v.transpose(1, 0)` or `v.transpose((1, 0))`."""
        only = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes or None
        return ops.transpose(self, axes=only)

    def astype(self, dtype: Any) -> Value:
        """The data in another floating or complex dtype; the gradient comes back in this one's."""
        kind = np.dtype(dtype)
        if kind.kind not in "fc":
            raise TypeError(f"astype({kind}) has no gradient; take .data.astype instead")
        return cast(self, dtype=kind)

    # -- copies and text ---------------------------------------------------------------------------------------

    def __reduce__(self) -> tuple[Any, ...]:
        # A copy of a leaf is a leaf; a copy of a node is a leaf with its data: a graph is not dragged along.
        return _rebuild, (self._data, self.requires_grad, self.label)

    def __repr__(self) -> str:
        if not isinstance(self._data, (np.ndarray, np.generic)):
            parts = [repr(self._data)]
        else:
            parts = [np.array2string(self.numpy(), precision=4, threshold=6, separator=", ").replace("\n", "")]
            parts += [f"shape={self.shape}", f"dtype={self.dtype}"]
        if self.op is not None:
            parts.append(f"op={self.op.name}")
        if self.label:
            parts.append(f"label={self.label!r}")
        if not self.requires_grad:
            parts.append("requires_grad=False")
        return f"Value({', '.join(parts)})"

    def _repr_html_(self) -> str:
        from .draw.card import card

        return card(self)

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else repr(self)


_new = object.__new__
_NO_PARAMS: dict[str, Any] = {}
_FLOAT64 = np.dtype(np.float64)


# -- small print -----------------------------------------------------------------------------------------------


def _rebuild(data: Any, requires_grad: bool, label: str) -> Value:
    value = Value.leaf(data, requires_grad)
    value.label = label
    return value
