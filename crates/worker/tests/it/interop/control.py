"""Asks and steers whatever workers there are, as `celery inspect`, `celery control` and Flower do."""
import json
import threading
import time

from foreign import add, app

PATIENCE = 20


def until(holds):
    end = time.time() + PATIENCE
    while time.time() < end:
        found = holds()
        if found:
            return found
        time.sleep(0.1)
    return None


def one(answers):
    """The answer of the only worker."""
    return list(answers.values())[0] if answers else None


seen = []


def watch():
    with app.connection() as connection:
        receiver = app.events.Receiver(connection, handlers={'*': lambda it: seen.append(it)})
        try:
            receiver.capture(limit=None, timeout=PATIENCE, wakeup=False)
        except Exception:
            pass


threading.Thread(target=watch, daemon=True).start()
inspect = app.control.inspect(timeout=3)
nodes = until(lambda: inspect.ping())
node = list(nodes)[0]
asked = app.control.inspect(destination=[node], timeout=3)
nobody = app.control.inspect(destination=['nobody@nowhere'], timeout=0.5).ping()
outcome = {
    'ping': nodes[node],
    'nobody': nobody,
    'registered': 'test.add' in one(asked.registered()),
    'concurrency': one(asked.stats())['pool']['max-concurrency'],
    'queues': [queue['name'] for queue in one(asked.active_queues())],
    'scheduled': one(asked.scheduled()),
    'unknown': 'error' in one(app.control.broadcast('nonsense', reply=True, timeout=3)[0]),
}
alive = until(lambda: any(event['type'] == 'worker-heartbeat' for event in list(seen)))
app.control.enable_events()
until(lambda: one(asked.conf())['worker_send_task_events'])
result = add.delay(1, 2)
result.get(timeout=PATIENCE)
done = until(lambda: [event for event in list(seen)
                      if event['type'] == 'task-succeeded' and event['uuid'] == result.id])
kinds = [event['type'] for event in seen if event.get('uuid') == result.id]
outcome['events'] = [alive, kinds, done[0]['result'] if done else None]

held = app.send_task('test.hold', kwargs={'name': 'held'})
running = until(lambda: [it['id'] for it in one(asked.active())])
outcome['active'] = running == [held.id]
app.control.revoke(held.id, terminate=True)
until(lambda: held.state == 'REVOKED')
outcome['terminated'] = [held.state, str(held.result), until(lambda: one(asked.active()) == [])]

limited = app.control.rate_limit('test.add', '4/s', destination=[node], reply=True, timeout=3)
outcome['rate_limit'] = one(limited[0])
outcome['rate_shown'] = 'test.add [rate_limit=4/s]' in one(asked.registered())
begin = time.time()
for sent in [add.delay(number, 0) for number in range(5)]:
    sent.get(timeout=PATIENCE)
outcome['kept_to'] = time.time() - begin >= 0.75
bad = app.control.rate_limit('test.add', 'soon', destination=[node], reply=True, timeout=3)
outcome['bad_rate'] = 'error' in one(bad[0])
app.control.shutdown(destination=[node])
print(json.dumps(outcome))
