"""Texts for character models: vocabulary, cut and windows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_ce.data import DataError, DataLoader, Text, Windows, text

SOME = st.text(min_size=1, max_size=60)


@given(content=SOME)
def test_encode_and_decode_are_inverse(content):
    corpus = Text(content)
    assert corpus.decode(corpus.tokens) == content == corpus.decode(corpus.encode(content))
    assert corpus.vocabulary == tuple(sorted(set(content)))
    assert corpus.tokens.tolist() == [corpus.vocabulary.index(c) for c in content]
    assert len(corpus) == len(content) == len(corpus.tokens)


@given(content=st.text("abcd\n", min_size=2, max_size=60), held_out=st.floats(0.05, 0.95), context=st.integers(1, 5))
def test_no_window_reaches_across_the_cut(content, held_out, context):
    corpus = Text(content)
    try:
        train, validation = corpus.split(held_out)
    except DataError:
        assert round(len(content) * held_out) in (0, len(content))
        return
    assert train.content + validation.content == content
    assert train.vocabulary == validation.vocabulary == corpus.vocabulary
    for part in (train, validation):
        if len(part) > context:
            windows = part.windows(context)
            assert len(windows) == len(part) - context
            for i in range(len(windows)):
                assert corpus.decode(windows.inputs[i]) == part.content[i : i + context]
                assert corpus.decode(windows.targets[i]) == part.content[i + 1 : i + 1 + context]


def test_a_vocabulary_of_ones_own_keeps_its_order():
    corpus = Text("cab", ("c", "b", "a", "z"))
    assert corpus.tokens.tolist() == [0, 2, 1] and corpus.decode([3, 0]) == "zc"
    assert repr(corpus) == "Text('text': 3 characters, 4 different)"


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda: Text(""), "no characters"),
        (lambda: Text("ab", ("a",)), r"character 'b' at position 1 is not in the vocabulary \(1 characters\)"),
        (lambda: Text("ab", ("a", "ab")), "single characters"),
        (lambda: Text("ab", ("a", "a", "b")), "each once"),
        (lambda: Text("ab").encode("a\n"), r"character '\\n' at position 1"),
        (lambda: Text("ab").decode([2]), "integers from 0 to 1"),
        (lambda: Text("ab").decode([-1]), "integers from 0 to 1"),
        (lambda: Text("ab").decode([0.0]), "integers from 0 to 1"),
        (lambda: Text("ab").split(0.0), "fraction"),
        (lambda: Text("ab").split(0.1), "leaves a part empty"),
        (lambda: Text("ab").windows(2), "2 tokens hold no window of 2 and what follows: make context smaller"),
        (lambda: Text("ab").windows(0), "context is an integer of at least 1"),
        (lambda: Text("ab").windows(1, 1.5), "stride"),
        (lambda: Windows([0.0, 1.0], 1), "1-D array of integers"),
        (lambda: text(encoding="klingon", path=__file__), "no encoding is called 'klingon'"),
    ],
)
def test_refused(act, words):
    with pytest.raises(DataError, match=words) as error:
        act()
    assert "\n" not in str(error.value)


def test_strides_last_characters_and_views():
    tokens = np.arange(100)
    windows = Windows(tokens, 4, stride=3, last=True)
    assert windows.inputs[:2].tolist() == [[0, 1, 2, 3], [3, 4, 5, 6]] and windows.targets[:2].tolist() == [4, 7]
    assert len(windows) == 32 and np.shares_memory(windows.inputs, tokens)
    with pytest.raises(ValueError, match="read-only"):
        windows.inputs[0, 0] = 1
    inputs, targets = next(iter(DataLoader(Windows(tokens, 4), 8)))
    np.testing.assert_array_equal(inputs + 1, targets)
    inputs[:] = 0
    assert tokens[-1] == 99 and inputs.dtype == np.int64
    assert windows[0][1] == 4 and repr(windows) == "Windows('tokens': 32 windows of 4)"


def test_pythons_own_documentation():
    corpus = text()
    assert len(corpus) > 100_000 and "lambda" in corpus.content and corpus.content == text().content
    assert len(corpus.vocabulary) < 300
    train, validation = corpus.split()
    assert abs(len(validation) / len(corpus) - 0.1) < 1e-4 and len(train) > len(validation)


@pytest.mark.parametrize(
    ("content", "encoding", "expected"),
    [
        ("naïve\r\nçà\rend\n".encode(), "utf-8", "naïve\nçà\nend\n"),
        ("﻿marked".encode(), "utf-8", "marked"),
        ("﻿marked".encode(), "UTF_8", "marked"),
        ("naïve".encode("latin-1"), "latin-1", "naïve"),
        ("naïve 你好 🎉".encode("utf-16"), "utf-16", "naïve 你好 🎉"),
    ],
)
def test_files(tmp_path, content, encoding, expected):
    path = tmp_path / "story.txt"
    path.write_bytes(content)
    corpus = text(path, encoding=encoding)
    assert corpus.content == expected and corpus.name == "story"


def test_files_that_do_not_do(tmp_path):
    path = tmp_path / "story.txt"
    for content, words in [(b"", "empty file"), (b"caf\xe9 au lait", "byte 0xe9 at position 3 is not utf-8 text")]:
        path.write_bytes(content)
        with pytest.raises(DataError, match=words):
            text(path)
    for place, words in [(tmp_path, "a directory: name a text file"), (tmp_path / "none", "no such file")]:
        with pytest.raises(DataError, match=words):
            text(place)
