"""Training losses, samples and evaluation of the depth network; nothing is rendered here."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from cinema_core.depth.network import SURFACE_RADIUS, WEIGHTS, load_network
from training.batches import choose_view
from training.evaluate import edge_score, plane_error
from training.losses import choose_surface, depth_loss
from training.mean import mean_of
from training.ordinal import Pair, is_wrong, read_pairs
from training.photographs import POINT, SKY_POINT, Judged, cut_photograph, read_distances
from training.scenes.exr import read_exr
from training.scenes.terrain import DISTANCE, RAYS, make_land
from training.sources import HERE, WORKPLACES
from training.train import Training
from training.views import list_views, read_view

HEIGHT, WIDTH = 48, 64


def plain() -> np.ndarray:
    """(H, W) log2 inverse depth of a plane under a horizon at a quarter of the height."""
    rows = np.arange(HEIGHT)[:, None] - HEIGHT / 4
    return np.repeat(np.log2(np.maximum(rows, 0.5) / HEIGHT), WIDTH, 1).astype(np.float32)


def correct_prediction(target: np.ndarray, solid: np.ndarray) -> torch.Tensor:
    """(1, 5, H, W) correct prediction: depth, sky, nearest and farthest surface, and the choice between them."""
    window = np.ones((2 * SURFACE_RADIUS + 1,) * 2, np.uint8)
    near = cv2.dilate(np.where(solid, target, -99).astype(np.float32), window)
    far = cv2.erode(np.where(solid, target, 99).astype(np.float32), window)
    share = np.clip((target - far) / np.maximum(near - far, 1e-6), 1e-6, 1 - 1e-6)
    parts = target, np.where(solid, -12, 12), near, far, np.log(share / (1 - share))
    return torch.from_numpy(np.stack(parts).astype(np.float32))[None]


def batch(offset: float = 0.0, wall: float = 0.0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Prediction, target and label of a plain, with a wall in the right half that is `wall` octaves nearer."""
    target = plain()
    target[:, WIDTH // 2 :] += wall
    label = np.zeros((1, HEIGHT, WIDTH), np.uint8)
    label[:, : HEIGHT // 4] = 1
    prediction = correct_prediction(target, label[0] == 0)
    prediction[:, [0, 2, 3]] += offset
    return prediction, torch.from_numpy(target)[None], torch.from_numpy(label)


@pytest.mark.parametrize("wall", [0, 2])
def test_the_right_depth_costs_nothing(wall):
    prediction, target, label = batch(wall=wall)
    assert float(depth_loss(prediction, target, label)[0]) < 1e-4
    assert torch.allclose(choose_surface(*prediction[0, 2:])[label[0] == 0], target[label == 0], atol=1e-4)


def test_a_step_that_is_a_ramp_costs_though_both_surfaces_are_right():
    prediction, target, label = batch(wall=2)
    right = prediction[:, 4].clone()
    prediction[:, 4, :, WIDTH // 2 - 3 : WIDTH // 2 + 3] = 0
    _, parts = depth_loss(prediction, target, label)
    assert parts["surfaces"] < 1e-5 and parts["octaves"] < 1e-5 and parts["choice"] > 0.02 and parts["steps"] > 0.1
    prediction[:, 4] = -right  # the choice is inverted: the wall's boundary gets the depth of the plain
    assert depth_loss(prediction, target, label)[1]["choice"] > 2 * parts["choice"]


def test_a_factor_costs_little_and_bends_nothing():
    total, parts = depth_loss(*batch(1.0))
    assert float(total) < 0.6 and parts["gradient"] < 1e-6 and parts["plane"] < 1e-4


def test_depth_in_the_sky_and_in_fog_is_not_asked_for():
    prediction, target, label = batch()
    label[:, 20:30, 20:30] = 2
    wrong = prediction.clone()
    wrong[:, [0, 2, 3, 4], : HEIGHT // 4] = 30
    wrong[:, :, 20:30, 20:30] = -30
    assert float(depth_loss(wrong, target, label)[0]) == pytest.approx(float(depth_loss(prediction, target, label)[0]))


def test_everything_hidden_is_no_error():
    prediction, target, label = batch()
    total, _ = depth_loss(prediction, target, torch.full_like(label, 2))
    assert float(total) == 0


def test_a_plane_is_plane_and_a_wave_is_not():
    target, solid = plain(), np.arange(HEIGHT)[:, None] >= np.full((1, WIDTH), HEIGHT // 4 + 2)
    assert plane_error(target, solid, target + 3) < 1e-3
    waved = target + 0.2 * np.sin(np.arange(HEIGHT))[:, None].astype(np.float32)
    assert 0.05 < plane_error(target, solid, waved) < 0.2


def test_mountains_are_no_plain():
    rough = plain() + np.random.default_rng(0).normal(size=(HEIGHT, WIDTH)).astype(np.float32)
    assert plane_error(rough, np.ones((HEIGHT, WIDTH), bool), rough) is None


@pytest.mark.parametrize(("shift", "score"), [(0, 1), (2, 1), (6, 0)])
def test_edges_count_within_two_pixels(shift, score):
    box = np.zeros((HEIGHT, WIDTH), np.float32)
    box[:, 20:] = 2
    assert edge_score(np.roll(box, shift, 1)[:, 8:56], box[:, 8:56]) == pytest.approx(score)


def test_the_first_point_of_a_pair_is_nearer():
    nearness = np.repeat(np.linspace(0, 1, 100)[:, None], 100, 1)
    assert not is_wrong(Pair("", (0.5, 0.9), (0.5, 0.1), False), nearness)
    assert is_wrong(Pair("", (0.5, 0.1), (0.5, 0.9), False), nearness)


def test_a_point_lies_on_a_mast_of_two_pixels(tmp_path):
    """With whole percents of 720 px, no point hits the mast at columns 530 and 531 (73.6 to 73.9 % of the width)."""
    (tmp_path / "pairs.txt").write_text("# head\n\na: 73.7 42 70 42.5 t, 10 90 20 30\n")
    thin, other = read_pairs(tmp_path / "pairs.txt")
    assert (thin.near, thin.far) == (pytest.approx((0.737, 0.42)), pytest.approx((0.7, 0.425)))
    assert (thin.kind, other.kind, other.near) == ("thin", "lower nearer", (0.1, 0.9))
    nearness = np.zeros((360, 720), np.float32)
    nearness[:, 530:532] = 1
    assert not is_wrong(thin, nearness) and is_wrong(Pair("", (0.74, 0.42), thin.far, True), nearness)


def test_thin_things_are_judged_often_enough_to_tell():
    assert sum(pair.thin for pair in read_pairs()) >= 60


def test_nothing_that_judges_is_trained_on():
    allowed = set((HERE / "textures_public_domain.txt").read_text().split()) - set(
        (HERE / "keep_out.txt").read_text().split()
    )
    skies = {line.split()[0] for line in (HERE / "skies.txt").read_text().splitlines()}
    judged = {pair.photo for pair in read_pairs()}
    assert skies <= allowed and not judged & allowed and len(judged) >= 30
    assert set(read_distances()) <= allowed | set(WORKPLACES) and len(read_distances()) >= 100


def points(*entries: tuple[int, int, float]) -> tuple[torch.Tensor, torch.Tensor]:
    """Target and label of a photograph with these points; each is column, row and metres (infinite for sky)."""
    target, label = torch.zeros(1, HEIGHT, WIDTH), torch.full((1, HEIGHT, WIDTH), 2, dtype=torch.uint8)
    for column, row, metres in entries:
        target[0, row, column] = 0 if np.isinf(metres) else -np.log2(metres)
        label[0, row, column] = SKY_POINT if np.isinf(metres) else POINT
    return target, label


def test_points_of_a_photograph_ask_for_their_order_and_leave_the_ratio_room():
    target, label = points((5, 5, 10.0), (50, 5, 40.0), (20, 20, 10.5), (30, 2, np.inf))
    prediction = torch.full((1, 5, HEIGHT, WIDTH), -12.0)
    prediction[0, 1, 2, 30] = 12
    prediction[0, 0] = 3.0  # any value, except at the points

    def order(first: float, second: float, alike: float) -> float:
        for (column, row), value in zip(((5, 5), (50, 5), (20, 20)), (first, second, alike), strict=True):
            prediction[0, 0, row, column] = value
        return depth_loss(prediction, target, label)[1]["order"]

    assert order(0, -1.1, 0) == order(0, -4.0, 0) == 0  # the judged ratio is two octaves
    assert order(0, -1.1, 0.1) == 0  # the order of the two points at ten metres does not count
    assert order(0, 1, 0) > order(0, 0, 0) > 0 and order(0, -7, 0) > 0


def test_points_of_a_photograph_ask_for_their_sky():
    target, label = points((5, 20, 10.0), (30, 2, np.inf))
    prediction = torch.zeros(1, 5, HEIGHT, WIDTH)
    prediction[0, 1] = -12
    wrong = depth_loss(prediction, target, label)[1]["points"]
    prediction[0, 1, 2, 30] = 12
    assert depth_loss(prediction, target, label)[1]["points"] < 1e-4 and wrong > 1


def test_a_window_of_a_photograph_keeps_its_points_in_place():
    image = np.zeros((100, 200, 3), np.uint8)
    image[30:34, 100:104] = 255  # at the nearest point; the others are on black
    place = np.array(
        [(0.51, 0.32), (0.3, 0.5), (0.4, 0.6), (0.6, 0.5), (0.7, 0.6), (0.55, 0.7), (0.01, 0.01), (0.5, 0.25)]
    )
    distance = np.array([1.0, 2, 3, 4, 5, 6, 7, np.inf])
    cut = cut_photograph(Judged(image, place, distance), (80, 48), (0.2, 0.2, 0.6, 0.6))
    color, target, label = cut
    row, column = np.argwhere((label == POINT) & (target == 0))[0]
    assert color.shape == (48, 80, 3) and color[row, column].min() > 0.9
    assert (label == POINT).sum() == 6 and (label == SKY_POINT).sum() == 1  # one point is outside the window
    assert cut_photograph(Judged(image, place, distance), (80, 48), (0.0, 0.0, 0.3, 0.3)) is None


def test_thin_things_are_shown_more_often_than_they_were_rendered(tmp_path):
    for number, kind in enumerate(["thin", "open"] * 4):
        name = str(tmp_path / f"00001_{number:02d}_0")
        cv2.imwrite(f"{name}.png", np.zeros((8, 8, 4), np.uint8))
        np.save(f"{name}.npy", np.ones((8, 8), np.float16))
        Path(f"{name}.json").write_text(json.dumps({"class": kind}))
    rng, views = np.random.default_rng(0), list_views(tmp_path, held_back=False)
    thin = np.mean([read_view(choose_view(views, rng))[2]["class"] == "thin" for _ in range(300)])
    assert thin == pytest.approx(1 / 1.4, abs=0.1)


def test_the_mean_of_weights(tmp_path):
    for number in (1, 4):
        save_file({"a": np.full((2, 3), number, np.float16), "b": np.float16([number])}, tmp_path / f"{number}")
    mean = mean_of([tmp_path / "1", tmp_path / "4"])
    assert list(mean) == ["a", "b"] and mean["a"].dtype == np.float16 and (mean["a"] == 2.5).all() and mean["b"] == 2.5


def test_blenders_exr_is_read(tmp_path):
    """A file with two lines of three pixels and the channels A and Z."""

    def attribute(name: str, kind: str, value: bytes) -> bytes:
        return name.encode() + b"\0" + kind.encode() + b"\0" + struct.pack("<i", len(value)) + value

    channels = b"".join(n + b"\0" + struct.pack("<iiii", 2, 0, 1, 1) for n in (b"A", b"Z")) + b"\0"
    header = struct.pack("<ii", 20000630, 2) + attribute("channels", "chlist", channels)
    header += attribute("compression", "compression", b"\0")
    header += attribute("dataWindow", "box2i", struct.pack("<4i", 0, 0, 2, 1)) + b"\0"
    values = np.arange(12, dtype="<f4").reshape(2, 2, 3)
    lines = b"".join(struct.pack("<ii", row, 24) + values[row].tobytes() for row in range(2))
    (tmp_path / "a.exr").write_bytes(header + bytes(16) + lines)
    found = read_exr(tmp_path / "a.exr")
    assert np.array_equal(found["A"], values[:, 0]) and np.array_equal(found["Z"], values[:, 1])


def test_the_ground_behind_a_brow_is_hidden():
    """Along the middle ray, ground with a lower view angle than nearer ground is occluded."""
    hidden = []
    for seed in range(12):
        land = make_land(np.random.default_rng(seed), "brow", "grass", 0.0, 1.7)
        upwards = (land.heights[:, RAYS // 2] - land.eye) / DISTANCE[:, 0]
        within = (DISTANCE[:, 0] > 2) & (DISTANCE[:, 0] < 400)
        hidden.append((upwards < np.maximum.accumulate(upwards) - 1e-3)[within].mean())
    assert np.median(hidden) > 0.5  # 0.42 for hills


def test_the_lowest_ground_of_a_distance_is_found_to_all_sides():
    land = make_land(np.random.default_rng(3), "hills", "grass", 0.0, 1.7)
    ring = int(np.searchsorted(DISTANCE[:, 0], 900))
    land.heights[ring, 5] = -777
    assert land.lowest(900) == -777 and land.lowest(3000) > -777


def test_a_run_that_begins_with_shipped_weights_saves_them_as_they_are(tmp_path):
    Training(tmp_path, 10, WEIGHTS).save()
    begun, shipped = (load_network(file).state_dict() for file in (tmp_path / "depth_network.safetensors", WEIGHTS))
    assert begun.keys() == shipped.keys() and all(torch.equal(begun[name], shipped[name]) for name in begun)


def test_only_the_chosen_parts_are_trained(tmp_path):
    training = Training(tmp_path, 10, WEIGHTS, ("steps",))
    before = {name: value.clone() for name, value in training.network.state_dict().items()}
    image, target, label = torch.zeros(1, 3, 64, 64, dtype=torch.uint8), torch.rand(1, 64, 64), torch.zeros(1, 64, 64)
    training.advance(image, target, label)
    changed = {name for name, value in training.network.state_dict().items() if not torch.equal(value, before[name])}
    assert changed and all(name.startswith("steps") for name in changed)


def test_bfloat16_comes_close_and_is_left_for_the_last_steps(tmp_path):
    sample = torch.randint(256, (1, 3, 64, 64), dtype=torch.uint8), torch.rand(1, 64, 64), torch.zeros(1, 64, 64)

    def octaves(step: int, bfloat16: bool) -> float:
        training = Training(tmp_path, 10, WEIGHTS, bfloat16=bfloat16)
        training.step = step
        return training.advance(*sample)["octaves"]

    fast, exact = octaves(0, True), octaves(0, False)
    assert fast != exact and fast == pytest.approx(exact, rel=0.05)
    assert octaves(9, True) == octaves(9, False)
