"""A tenth of `make fuzz`: 500 mutations of each kind of input end in a sentence, within 10 s and 2 GB."""

from __future__ import annotations

import sys

import pytest

from .guarded import KINDS, fuzz, summarise

COUNT = 500


@pytest.mark.skipif(sys.platform != "linux", reason="the memory of a process is limited on Linux alone")
@pytest.mark.parametrize("kind", KINDS)
def test_mutated_inputs_end_in_a_sentence(kind):
    found = fuzz(kind, COUNT)
    print(summarise(kind, COUNT, found))
    assert not found.escaped, summarise(kind, COUNT, found)
    assert found.read > COUNT / 50 and found.refused > COUNT / 50  # the mutations are neither too hard nor too soft
