"""Input: validation, synthetic impressions and tf.data pipelines."""
