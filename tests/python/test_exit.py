"""A process ends well whatever of ours is under way: results for asyncio, callbacks, waits in daemon threads."""

import pytest

from program import Program

# Results of the cancelled tasks are still on their way when the interpreter ends.
ASYNCIO = """
async def main():
    tasks = [asyncio.ensure_future(zk.exists_async("a")) for _ in range(2000)]
    await asyncio.sleep(random.random() * 0.2)
asyncio.run(main())
"""

# It gives Python's lock up and takes it back all the time, also while the interpreter ends.
CALLBACK = """
inside = threading.Event()
def work(_):
    inside.set()
    while True:
        time.sleep(0.0005)
held = zk.lock("l").acquire()
held.on_lost(work)
for name in zk.children("l"):
    zk.delete(f"l/{name}")
assert inside.wait(60)
"""

WAITS = """
held = zk.lock("l").acquire()
for _ in range(30):
    threading.Thread(target=zk.lock("l").acquire, daemon=True).start()
time.sleep(random.random() * 0.3)
"""


@pytest.mark.parametrize(
    ("code", "times"), [(ASYNCIO, 5), (CALLBACK, 1), (WAITS, 2)], ids=["asyncio", "callback", "waits"]
)
def test_the_process_ends_with_its_own_exit_code(connect_string, namespace, code, times):
    prelude = "import asyncio, random, threading, time\nzk = sparkeeper.connect(sys.argv[1], namespace=sys.argv[2])\n"
    for _ in range(times):
        programs = [Program(prelude + code, connect_string, f"{namespace}-{number}") for number in range(4)]
        assert [program.wait(60) for program in programs] == [0] * 4
