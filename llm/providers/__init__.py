"""Adapters to the vendors of language models: one small module each, all of one shape."""
