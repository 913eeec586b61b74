"""kazoo, a client that is not ours, as the tests use it: reconnects at once and never repeats a command."""

from kazoo.client import KazooClient
from kazoo.retry import KazooRetry


def connect(connect_string, timeout=10.0):
    """Return a started kazoo client."""
    client = KazooClient(
        connect_string,
        timeout=timeout,
        connection_retry=KazooRetry(max_tries=-1, delay=0.05, backoff=1, max_jitter=0),
        command_retry=KazooRetry(max_tries=0),
    )
    client.start(15)
    return client
