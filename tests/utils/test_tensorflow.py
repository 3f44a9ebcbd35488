from keras_elastor.utils.tensorflow import import_tensorflow


def test_does_not_mind_that_tensorflow_already_runs():
    tf = import_tensorflow()
    tf.constant(1.0)
    assert import_tensorflow() is tf
