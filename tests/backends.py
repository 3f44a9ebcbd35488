"""Calling layers and taking gradients on the running backend: one small function per backend.

On JAX both are compiled as a whole: compiling each operation alone takes ten times as long.
"""

import functools
import importlib.util
import weakref

import keras
import numpy as np
import pytest
from keras import ops


def numpy(tensor):
    """A tensor or a variable as a numpy array."""
    return ops.convert_to_numpy(getattr(tensor, "value", tensor))


def call(layer, inputs, training=False):
    """The layer's outputs as numpy; a dict of outputs as a dict."""
    options = {"training": training} if layer._call_has_training_arg else {}
    if keras.backend.backend() == "jax":
        outputs = _call_jax(layer, inputs, options)
    else:
        outputs = layer(inputs, **options)
    if isinstance(outputs, dict):
        return {name: numpy(output) for name, output in outputs.items()}
    return numpy(outputs)


# A layer that is called again on inputs of the same shapes is not compiled again.
_compiled_calls = weakref.WeakKeyDictionary()


def _call_jax(layer, inputs, options):
    import jax

    if not layer.built:
        layer(symbolic(inputs))
    calls = _compiled_calls.setdefault(layer, {})
    key = options.get("training")
    if key not in calls:
        # A strong reference to the layer would keep it in the dictionary for good.
        calls[key] = jax.jit(functools.partial(_stateless_weak, weakref.ref(layer), options))
    return calls[key]([variable.value for variable in layer.variables], inputs)


def _stateless_weak(layer, options, values, inputs):
    return _stateless(layer(), values, inputs, options)


def _stateless(layer, values, inputs, options):
    """`layer(inputs)` with other values of its variables.

    `layer.stateless_call` would leave out what `__call__` does, such as casting the inputs.
    """
    with keras.StatelessScope(zip(layer.variables, values, strict=True)):
        return layer(inputs, **options)


def symbolic(inputs, name=None):
    """Symbolic inputs like these arrays, of any batch size."""
    if isinstance(inputs, dict):
        return {name: symbolic(array, name) for name, array in inputs.items()}
    if isinstance(inputs, list):
        return [symbolic(array) for array in inputs]
    return keras.Input(inputs.shape[1:], dtype=str(inputs.dtype), name=name)


def compute_gradients(layer, inputs, probe=None, training=False):
    """Gradients of `sum(layer(inputs) * probe)` by the inputs and by each trainable weight.

    Returns:
        The gradient by the inputs (None where they are no single float tensor) and a list with
        those by the weights, as numpy; None for a weight without one.
    """
    by_backend = {"jax": _jax_gradients, "tensorflow": _tf_gradients, "torch": _torch_gradients}
    options = {"training": training} if layer._call_has_training_arg else {}
    is_float = isinstance(inputs, np.ndarray) and inputs.dtype.kind == "f"
    by_inputs, by_weights = by_backend[keras.backend.backend()](
        layer, inputs, probe, options, is_float
    )
    to_numpy = lambda gradient: None if gradient is None else numpy(gradient)  # noqa: E731
    return to_numpy(by_inputs), [to_numpy(gradient) for gradient in by_weights]


def _total(outputs, probe):
    outputs = outputs if probe is None else outputs * ops.cast(probe, outputs.dtype)
    return ops.sum(outputs)


def _jax_gradients(layer, inputs, probe, options, is_float):
    import jax

    def total(trainable, inputs):
        given = dict(zip(map(id, layer.trainable_variables), trainable, strict=True))
        values = [given.get(id(variable), variable.value) for variable in layer.variables]
        return _total(_stateless(layer, values, inputs, options), probe)

    trainable = [variable.value for variable in layer.trainable_variables]
    if is_float:
        by_weights, by_inputs = jax.jit(jax.grad(total, (0, 1)))(trainable, inputs)
        return by_inputs, by_weights
    return None, jax.jit(jax.grad(total))(trainable, inputs)


def _tf_gradients(layer, inputs, probe, options, is_float):
    import tensorflow as tf

    inputs = ops.convert_to_tensor(inputs) if is_float else inputs
    weights = [variable.value for variable in layer.trainable_variables]
    with tf.GradientTape(persistent=True) as tape:
        if is_float:
            tape.watch(inputs)
        total = _total(layer(inputs, **options), probe)
    by_weights = [
        None if gradient is None else tf.convert_to_tensor(gradient)
        for gradient in tape.gradient(total, weights)
    ]
    return tape.gradient(total, inputs) if is_float else None, by_weights


def _torch_gradients(layer, inputs, probe, options, is_float):
    if is_float:
        inputs = ops.convert_to_tensor(inputs).requires_grad_()
    for variable in layer.trainable_variables:
        variable.value.grad = None
    _total(layer(inputs, **options), probe).backward()
    return getattr(inputs, "grad", None), [
        variable.value.grad for variable in layer.trainable_variables
    ]


def next_backend():
    """Another backend; all three together go through every pair of neighbours once."""
    order = [name for name in ("jax", "torch", "tensorflow") if importlib.util.find_spec(name)]
    if len(order) == 1:
        pytest.skip("There is no second backend")
    return order[(order.index(keras.backend.backend()) + 1) % len(order)]


slow_but_on_pytorch = pytest.mark.slow if keras.backend.backend() != "torch" else lambda test: test
"""Marks what compiles for long on the other backends: `make test-slow` runs it there."""
