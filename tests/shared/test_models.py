"""Licences that model cards state."""

from __future__ import annotations

import pytest

from cinema_core.shared.models import NOT_STATED, read_licence


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        ("---\nlicense: apache-2.0\n---\n", "apache-2.0"), ("---\ntags: [a]\nlicense: 'mit'  # yes\n---\n", "mit"),
        ("---\nlicense: other\nlicense_name: apple-amlr\n---\n", "apple-amlr"),
        ("# Model\nlicense: mit\n", NOT_STATED), ("", NOT_STATED), (None, NOT_STATED),
    ],
)  # fmt: skip
def test_the_licence_is_the_one_in_the_cards_header(tmp_path, card, licence):
    if card is not None:
        (tmp_path / "README.md").write_text(card)
    assert read_licence(tmp_path) == licence
