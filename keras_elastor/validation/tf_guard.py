"""Checks of batches inside a tf.data pipeline, by TensorFlow operations only."""

from __future__ import annotations

from typing import Any

from keras_elastor.schema import FeatureSchema
from keras_elastor.validation.rules import PREFIX, Rule, pair_with_rules

# Stands in a message for what is known only when a batch arrives.
_LATER = "\0"


def guard_tf_dataset(dataset: Any, schema: FeatureSchema) -> Any:
    """The same `tf.data.Dataset`, but iterating over it fails at the first wrong batch.

    Args:
        dataset: Batches as `validate` describes them.
        schema: What the batches must be.

    Returns:
        A dataset of the same elements in the same order, of the same cardinality. A wrong value
        raises `tf.errors.InvalidArgumentError`; see `readable_errors`.

    Raises:
        ValueError: If the names, dtypes or shapes that the dataset declares are wrong.
    """
    import tensorflow as tf

    for rule, spec in pair_with_rules(dataset.element_spec, schema):
        if not isinstance(spec, tf.TensorSpec):
            raise ValueError(
                f"{PREFIX} {rule.title}: expected a dense tensor. Received: {type(spec).__name__}. "
                "Pad it in the dataset's map, e.g. with ragged.to_tensor(shape=(None, 20))"
            )
        rule.check_form(spec.dtype, spec.shape)

    def check(*batch: Any) -> Any:
        pairs = [
            (rule, _comparable(rule, values)) for rule, values in pair_with_rules(batch, schema)
        ]
        rows = tf.stack([tf.shape(values)[0] for _, values in pairs])
        wrong_rows = rows != rows[0]
        wrong_values = [rule.is_bad(values) for rule, values in pairs]

        def fail() -> Any:
            messages = [_rows_messages(pairs, rows, wrong_rows)]
            for (rule, values), wrong in zip(pairs, wrong_values, strict=True):
                text = rule.value_message(f"row {_LATER} of a batch", _LATER)
                parts = tf.constant(text.split(_LATER))
                messages.append(value_messages(values, wrong, parts))
            return tf.debugging.Assert(False, [tf.concat(messages, 0)[0]])

        problems = [tf.reduce_any(wrong) for wrong in (wrong_rows, *wrong_values)]
        tf.cond(tf.reduce_any(tf.stack(problems)), fail, tf.no_op)
        return batch if isinstance(dataset.element_spec, tuple) else batch[0]

    # One graph for all columns of one dtype and rank: tracing it per column takes a second.
    value_messages = tf.function(_value_messages, reduce_retracing=True, autograph=False)
    return dataset.map(
        tf.autograph.experimental.do_not_convert(check),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )


def _comparable(rule: Rule, values: Any) -> Any:
    """Values of a dtype that compares with the Python numbers of every rule."""
    import tensorflow as tf

    if rule.holds_ids:
        return tf.cast(values, tf.int64)
    return values if values.dtype.is_floating else tf.cast(values, tf.float32)


def _value_messages(values: Any, wrong: Any, parts: Any) -> Any:
    """The message about the first wrong value of a column, if any, as a vector of strings."""
    import tensorflow as tf

    index = tf.where(wrong)[:1]
    place = tf.strings.reduce_join(tf.strings.as_string(index), 1, separator=", position ")
    value = tf.gather_nd(values, index)
    value = tf.strings.as_string(value, shortest=value.dtype.is_floating)
    return tf.strings.join([parts[0], place, parts[1], value, parts[2]])


def _rows_messages(pairs: list[tuple[Rule, Any]], rows: Any, wrong: Any) -> Any:
    """The message about the first other number of rows, if any, as a vector of strings."""
    import tensorflow as tf

    first = pairs[0][0].title
    index = tf.where(wrong)[:1, 0]
    parts = [rule.rows_message(_LATER, first, _LATER).split(_LATER) for rule, _ in pairs]
    before, between, after = tf.unstack(tf.gather(tf.constant(parts), index), 3, axis=1)
    numbers = tf.strings.as_string(rows)
    return tf.strings.join([before, numbers[0], between, tf.gather(numbers, index), after])
