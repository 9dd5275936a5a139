"""Randomness that repeats: a stream of its own for each purpose, drawn from the shop's seed."""

import zlib

import numpy as np


def stream(seed: int, purpose: str, number: int = 0) -> np.random.Generator:
    """The same numbers for the same seed, purpose and number, whatever else was drawn before."""
    return np.random.default_rng([seed & 0xFFFF_FFFF, zlib.crc32(purpose.encode()), number])


def choose(random: np.random.Generator, weights: np.ndarray, count: int) -> np.ndarray:
    """`count` indices drawn with these weights."""
    cumulative = np.cumsum(weights, dtype=np.float64)
    drawn = np.searchsorted(cumulative, random.random(count) * cumulative[-1], side="right")
    return np.asarray(np.minimum(drawn, len(weights) - 1))
