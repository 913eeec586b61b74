"""What kazoo's own tests ask of a counter, asked of ours through kazoo's shape."""

import pytest

from kazoo_shaped_data import Counter


def test_it_goes_up_and_down_by_whole_numbers(zk):
    counter = Counter(zk, "c")
    assert counter.value == 0
    counter += 2
    counter + 1
    assert counter.value == 3
    counter -= 3
    counter - 1
    assert counter.value == -1


def test_it_goes_beyond_what_32_bits_hold(zk):
    counter = Counter(zk, "c", default=1)
    counter += 2147483647
    assert counter.value == 2147483648
    counter -= 2147483647
    counter -= 2147483648
    assert counter.value == -2147483647


@pytest.mark.parametrize("wrong", [2.1, b"a", "1", None])
def test_what_is_no_whole_number_is_refused(zk, wrong):
    counter = Counter(zk, "c")
    with pytest.raises(TypeError):
        counter + wrong
    assert counter.value == 0


def test_a_change_tells_what_was_before_and_after_it(zk, coordinator):
    counter = Counter(zk, "c")
    assert (counter.pre_value, counter.post_value) == (None, None)
    counter += 2
    assert (counter.pre_value, counter.post_value) == (0, 2)
    Counter(coordinator(), "c") + 10
    counter -= 3
    assert (counter.pre_value, counter.post_value) == (12, 9)
