"""Run a command beside a fresh ZooKeeper whose address is in SPARKEEPER_TEST_SERVER."""

import os
import subprocess
import sys

from sparkeeper.local import LocalServer

with LocalServer() as server:
    environment = {**os.environ, "SPARKEEPER_TEST_SERVER": server.connect_string}
    sys.exit(subprocess.call(sys.argv[1:], env=environment))
