"""What a plan decides without Spark: any weights, any number of partitions, cut or not, first or again."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from sparkeeper.spark.plan.balance import balance, certificate_input
from sparkeeper.spark.plan.certify import verify
from sparkeeper.spark.plan.count import own_buckets
from sparkeeper.spark.plan.scale import EXACT, scaled
from sparkeeper.spark.plan.spread import Spread

WEIGHTS = st.lists(st.one_of(st.integers(0, 20), st.integers(0, 10**12)), max_size=40)
PARTITIONS = st.integers(1, 12)


def loads(pieces, partitions):
    found = [0] * partitions
    for key in pieces:
        for place, weight in key:
            found[place] += weight
    return found


@settings(deadline=None)
@given(WEIGHTS, PARTITIONS, st.booleans())
def test_every_key_is_somewhere_whole_and_the_certificate_says_so(weights, partitions, split):
    pieces, was, certificate = balance(weights, partitions, split_heavy=split)
    assert was is None
    assert [sum(weight for _, weight in key) for key in pieces] == weights
    assert loads(pieces, partitions) == certificate.loads
    verify(certificate, *certificate_input(pieces, was, partitions))
    fair = sum(weights) / partitions
    for key, weight in zip(pieces, weights, strict=True):
        assert len({place for place, _ in key}) == len(key)
        assert len(key) == 1 or (split and weight > fair), "only what is heavier than a fair share is cut"


@settings(deadline=None)
@given(WEIGHTS.filter(any), PARTITIONS)
def test_cut_where_heavy_it_is_even_unless_whole_keys_are_in_the_way(weights, partitions):
    certificate = balance(weights, partitions, split_heavy=True).certificate
    fair = -(-sum(weights) // partitions)
    whole = [weight for weight in weights if weight * partitions <= sum(weights)]
    alone = balance(whole, partitions).certificate.max_load
    assert certificate.max_load == fair or certificate.max_load <= alone + fair
    if all(weight * partitions > sum(weights) or not weight for weight in weights):
        assert certificate.max_load == fair
        assert certificate.gap == 0.0


@settings(deadline=None)
@given(WEIGHTS, PARTITIONS, PARTITIONS, st.booleans(), st.data())
def test_planned_again_the_certificate_counts_the_moves(weights, before, after, split, data):
    old = balance(weights, before, split_heavy=split).pieces
    new = data.draw(st.lists(st.integers(0, 10**6), min_size=len(weights), max_size=len(weights)))
    pieces, was, certificate = balance(new, after, split_heavy=split, current=old)
    assert [sum(weight for _, weight in key) for key in pieces] == new
    verify(certificate, *certificate_input(pieces, was, after))
    moved = sum(
        1
        for key, places in zip(pieces, was, strict=True)
        for (place, weight), old_place in zip(key, places, strict=True)
        if weight and place != old_place
    )
    assert certificate.moves == moved


def test_keys_without_weight_are_dealt_out_and_stay():
    pieces, _, certificate = balance([0] * 10, 4)
    assert Counter(place for ((place, _),) in pieces) == {0: 3, 1: 3, 2: 2, 3: 2}
    assert certificate.loads == [0] * 4
    current = [((3, 5),)] * 10
    assert {place for ((place, _),) in balance([0] * 10, 4, current=current).pieces} == {3}
    assert {place for ((place, _),) in balance([0] * 10, 3, current=current).pieces} == {0, 1, 2}, "3 is gone"


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(1, 60)), min_size=1, max_size=12))
def test_a_spread_gives_each_piece_its_exact_share_of_all_hashes(pieces):
    spread = Spread.of(pieces)
    width = spread.share * len(pieces)
    found = Counter(spread.place(hashed) for hashed in range(width))
    wanted = Counter()
    for place, weight in pieces:
        wanted[place] += weight * len(pieces)
    assert found == wanted
    assert spread.place(-1) == spread.place(width - 1)


@given(st.lists(st.integers(1, 2**63), min_size=1, max_size=50))
def test_a_spread_of_any_weights_fits_in_64_bits(weights):
    spread = Spread.of(list(enumerate(weights)))
    assert spread.share * len(spread.places) < 2**63
    assert all(0 <= limit <= spread.share for limit in spread.limits)


@given(st.lists(st.decimals(0, 10**20, places=12), max_size=20))
def test_scaled_weights_are_whole_in_proportion_and_add_up_below_2_to_the_53(sums):
    whole, unit = scaled(sums)
    assert sum(whole) <= EXACT + len(whole)
    assert unit.as_tuple().digits == (1,)
    for value, scaled_value in zip(sums, whole, strict=True):
        assert abs(scaled_value * unit - value) <= unit / 2


def test_whole_weights_stay_as_they_are_and_fractions_keep_their_digits():
    assert scaled([3, 0, 7]) == ([3, 0, 7], Decimal(1))
    assert scaled([Decimal("0.50"), Decimal("1.25")]) == ([50, 125], Decimal("0.01"))
    assert scaled([10**20]) == ([10**15], Decimal(10**5))
    assert scaled([]) == ([], Decimal(1))


def test_a_bucket_is_a_sixty_fourth_of_a_fair_share_or_less():
    for partitions in (1, 3, 8, 16, 1000, 16_384):
        buckets = own_buckets(partitions)
        assert buckets % partitions == 0
        assert buckets >= max(4096, 64 * partitions)
    assert own_buckets(100_000) == 1_000_000
