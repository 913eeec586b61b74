"""Progress of tasks on the driver's screen."""

import re
import threading

from test_progress import states, terminal


def test_a_terminal_sees_how_far_the_tasks_are(zk, coordinator):
    tasks, worker = zk.tasks("t", strategy="priority"), coordinator().tasks("t", strategy="priority", max_attempts=1)

    def handle(payload):
        threading.Event().wait(0.3)
        return 1 // payload

    tasks.submit(range(10))
    thread = threading.Thread(target=worker.work, args=(handle,), kwargs={"limit": 9, "idle": 5})
    with terminal() as written:
        thread.start()
        for _ in tasks.results(progress=True):
            pass
        shown = states(written())
    thread.join(30)
    # A short run shows nothing: this one is longer than that.
    assert re.fullmatch(r"tasks t: \d/10 done \| 1 failed \| \d at work by 1 workers \| [12]\.\d s", shown[0])
    assert shown[-1].startswith("tasks t: 10/10 done | 1 failed | 0 at work")


def test_nothing_is_shown_unless_asked_for(zk):
    tasks = zk.tasks("t", strategy="priority")
    tasks.submit(range(3))
    with terminal() as written:
        thread = threading.Thread(target=tasks.work, args=(lambda _: threading.Event().wait(0.5),), kwargs={"limit": 3})
        thread.start()
        assert len(list(tasks.results())) == 3
        assert written() == ""
    thread.join(30)
