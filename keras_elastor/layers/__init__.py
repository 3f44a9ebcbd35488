"""Layers in pure Keras, one public class per file."""
