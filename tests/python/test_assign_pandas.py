"""pandas Series: by their index, as pandas aligns, unless it only counts the rows."""

import subprocess
import sys

import pandas as pd
import pyarrow as pa
import pytest

from sparkeeper import assign, verify
from sparkeeper.exceptions import ConfigError

KEYS = ["x", "y", "z", "w"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"weights": pd.Series([4, 2, 3, 5], ["w", "z", "y", "x"])}, {"weights": [5, 3, 2, 4]}),
        ({"weights": pd.Series(["z", *KEYS, "x", "x"]).value_counts()}, {"weights": [3, 1, 2, 1]}),
        ({"weights": pd.Series([5, 3, 2, 4])}, {"weights": [5, 3, 2, 4]}),
        ({"capacity": pd.Series([3.0], ["b"])}, {"capacity": {"b": 3.0}}),
        ({"capacity": pd.Series([1, 3])}, {"capacity": [1, 3]}),
        ({"limit": pd.Series([4, 1], ["b", "a"])}, {"limit": [1, 4]}),
        ({"eligible": pd.Series([["b"]], ["x"])}, {"eligible": {"x": ["b"]}}),
        ({"strategy": "priority", "priority": pd.Series([9], ["w"])}, {"strategy": "priority", "priority": {"w": 9}}),
        ({"current": pd.Series(["b", "b"], ["w", "y"])}, {"current": {"w": "b", "y": "b"}}),
        ({"current": pd.Series(["b", None, "b", "a"])}, {"current": {"x": "b", "z": "b", "w": "a"}}),
    ],
)
def test_a_series_says_what_its_index_says(given, said):
    series, plain = assign(["a", "b"], KEYS, **given), assign(["a", "b"], KEYS, **said)
    assert (series.owners, series.certificate) == (plain.owners, plain.certificate)


def test_an_index_of_several_levels_names_tuples():
    partitions = [("a", 1), ("b", 1), ("a", 2)]
    frame = pd.DataFrame({"k": ["a", "b", "b", "a", "a", "a"], "n": [1, 1, 1, 2, 2, 2]})
    found = assign([0, 1], partitions, weights=frame.groupby(["k", "n"]).size())
    assert found.certificate == assign([0, 1], partitions, weights=[1, 2, 3]).certificate


def test_a_series_of_names_is_a_column_and_owners_may_be_a_series():
    a = assign(pd.Series(["a", "b"]), pd.Series(KEYS, index=range(4, 8)))
    assert list(a.owners) == KEYS
    verify(a.certificate, pd.Series(a.owners), ["a", "b"], KEYS)
    verify(a.certificate, pd.Series(list(a.owners.values())), ["a", "b"], KEYS)


def test_the_rows_of_a_filtered_frame_count_not_their_numbers():
    frame = pd.DataFrame({"k": ["q", *KEYS], "count": [9, 5, 3, 2, 4]})
    chosen = frame[frame.k != "q"]
    owners = pd.DataFrame({"partition": chosen.k, "member": ["b", "b", "a", "a"]})
    expected = assign(["a", "b"], KEYS, weights=[5, 3, 2, 4], current=dict(zip(KEYS, "bbaa", strict=True)))
    for partitions in (KEYS, chosen[["k"]], pa.array(KEYS)):
        a = assign(["a", "b"], partitions, weights=chosen, current=owners)
        assert (a.owners, a.certificate) == (expected.owners, expected.certificate)
    indexed = pd.DataFrame({"count": [4, 2, 3, 5]}, index=KEYS[::-1])
    assert assign(["a", "b"], KEYS, weights=indexed).loads == assign(["a", "b"], KEYS, weights=[5, 3, 2, 4]).loads


def test_pandas_may_be_imported_meanwhile():
    """As another thread would that is in the middle of it: `assign` runs where pandas has no Series yet."""
    source = """
import sys
from sparkeeper import assign

class Meanwhile:
    def find_spec(self, name, path=None, target=None):
        if name == "pandas.core.api":
            assert not hasattr(sys.modules["pandas"], "Series")
            print(assign(["a"], [1, 2]).loads)

sys.meta_path.insert(0, Meanwhile())
import pandas
"""
    assert subprocess.run([sys.executable, "-c", source], capture_output=True, check=True).stdout == b"{'a': 2}\n"


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"weights": pd.Series([1, 2, 3, 4], [3, 2, 1, 0])}, "`weights` names 3, which is none of the 4 partitions"),
        (
            {"weights": pd.Series([1] * 5, [*KEYS, "x"])},
            "`weights` has 5 rows, and 'x' is in two: give one a partition",
        ),
        ({"current": pd.Series(["a", "b"], ["x", "x"])}, "`current` has 2 rows, and 'x' is in two"),
        ({"current": pd.Series(["a", "b"])}, "`current` has 2 values for 4 partitions"),
        ({"weights": pd.Series([1, 2])}, "`weights` has 2 values for 4 partitions"),
        ({"weights": pd.Series([1.5, 2], ["x", "y"])}, "`weights` of the partition 'x' is 1.5"),
    ],
)
def test_an_index_that_fits_not_is_refused(given, text):
    with pytest.raises(ConfigError, match=text):
        assign(["a", "b"], KEYS, **given)
