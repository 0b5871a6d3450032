"""The bundled vectors: texts cut as the model's own tokenizer cuts them, and alike where they mean alike."""

import numpy as np
import pytest

from knowledge.static_vectors import DIMENSION, StaticVectors, find_package

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def vectors() -> StaticVectors:
    package = find_package()
    assert package
    return StaticVectors(package)


# As the tokenizers package cuts them with the same file.
@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("The heron waits.", [450, 902, 265, 11324, 1169, 29889]),
        ("Füße und Straße", [383, 29993, 5831, 563, 22667]),
        ("日本語", [29871, 30325, 30346, 30968]),
        ("emoji 🎉", [953, 29877, 2397, 29871, 243, 162, 145, 140]),
        ("naïve café", [1055, 30085, 345, 274, 28059]),
        ("don't", [1016, 29915, 29873]),
        ("12345.678 km/h", [29871, 29896, 29906, 29941, 29946, 29945, 29889, 29953, 29955, 29947, 2383, 29914, 29882]),
        ("Привет, мир", [7203, 7616, 29892, 4157, 29927]),
        ("http://example.org/a?b=c", [1732, 597, 4773, 29889, 990, 29914, 29874, 29973, 29890, 29922, 29883]),
    ],
)
def test_texts_are_cut_as_the_models_tokenizer_cuts_them(vectors: StaticVectors, text: str, pieces: list[int]) -> None:
    assert vectors.pieces(text) == pieces


def test_white_space_makes_no_difference(vectors: StaticVectors) -> None:
    assert vectors.pieces(" two\n\n  words\t") == vectors.pieces("two words")


@pytest.mark.parametrize("text", ["", " \n", "\ud800", "\x00", "x" * 100_000, "日本語" * 1000])
def test_any_text_has_a_vector(vectors: StaticVectors, text: str) -> None:
    (vector,) = vectors.embed([text])
    assert vector.shape == (DIMENSION,)
    assert vector.dtype == np.float32
    assert np.linalg.norm(vector) == pytest.approx(1.0 if text.strip() else 0.0, abs=1e-5)


def test_texts_that_mean_alike_are_alike(vectors: StaticVectors) -> None:
    question, near, far = vectors.embed(
        ["How much does the ticket cost?", "The price of a fare is three euros.", "Sparrows build nests in spring."]
    )
    assert question @ near > question @ far + 0.1
