"""Shapes of pictures."""

from cinema_core.shared.aspect import same_aspect


def test_sizes_of_one_aspect_up_to_rounding():
    assert same_aspect((1920, 1080), (960, 540)) and same_aspect((518, 294), (1920, 1080))
    assert not same_aspect((1920, 1080), (1080, 1920)) and not same_aspect((1.03, 1), (1, 1))
