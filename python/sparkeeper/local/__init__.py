"""A real ZooKeeper on this machine, out of PySpark's own jars.

`LocalServer` is one server as a child process, `LocalEnsemble` is several that form a quorum, and
`shared_server` is the one instance that every process of this user gets for `connect("local")`.
Nothing here imports pyspark or the native module: the jars are located, not loaded.
"""

from sparkeeper.local.ensemble import LocalEnsemble
from sparkeeper.local.server import LocalServer
from sparkeeper.local.settings import ServerSettings
from sparkeeper.local.shared import SharedServer, shared_server

__all__ = ["LocalEnsemble", "LocalServer", "ServerSettings", "SharedServer", "shared_server"]
