"""Prepared data: blocks of encoded rows in a folder, written once and streamed."""
