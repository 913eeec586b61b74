"""Who meets at a double barrier."""

import concurrent.futures
import contextlib

from waiting import wait_for


@contextlib.contextmanager
def pool(count=8):
    """Threads for parties; what still waits at the end is woken by its coordinator's closing."""
    executor = concurrent.futures.ThreadPoolExecutor(count)
    yield executor
    executor.shutdown(wait=False)


def there(zk, count, path="stage"):
    """Wait until so many members are there."""
    barrier = zk.double_barrier(path, parties=3)
    wait_for(lambda: len(barrier.members()) == count, 60, f"{count} members to be there")
