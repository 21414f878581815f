"""Sends workflows to whatever worker there is and prints how each of them ended, as JSON."""
import json
import os
import sys
import time
from datetime import datetime, timedelta, timezone

from celery import chain, chord, group
from celery.result import AsyncResult
from foreign import add, app, fail, flaky, total

PATIENCE = 40
AMQP = os.environ['BROKER'].startswith('amqp')


def plain():
    return [add.delay(2, 3).get(timeout=PATIENCE), add.delay(x=20, y=22).get(timeout=PATIENCE)]


def retry():
    return flaky.delay(2).get(timeout=PATIENCE)


def eta():
    due = datetime.now(timezone.utc) + timedelta(seconds=2)
    result = add.apply_async((1, 1), eta=due)
    value = result.get(timeout=PATIENCE)
    return [value, result.date_done.replace(tzinfo=timezone.utc) >= due]


def chained():
    return chain(add.s(1, 2), add.s(10), add.s(100)).delay().get(timeout=PATIENCE)


def grouped():
    return group(add.s(1, 1), add.s(2, 2), add.s(3, 3)).delay().get(timeout=PATIENCE)


def chorded():
    simple = chord([add.s(number, number) for number in range(10)], total.s()).delay()
    nested = chain(add.s(1, 1), group(add.s(1), chain(add.s(2), add.s(3))), total.s()).delay()
    return [simple.get(timeout=PATIENCE), nested.get(timeout=PATIENCE)]


def error():
    result = fail.delay('boom')
    try:
        result.get(timeout=PATIENCE)
    except Exception as exception:
        broken = chord([add.s(1, 1), fail.s('boom')], total.s()).delay()
        # `get` would raise the member's error instead of the body's own.
        broken.get(timeout=PATIENCE, propagate=False, disable_sync_subtasks=False)
        return [result.state, str(exception), type(broken.result).__name__]
    return 'no error'


def revoke():
    result = add.apply_async((1, 1), countdown=3)
    app.control.revoke(result.id)
    until = time.time() + PATIENCE
    while result.state != 'REVOKED' and time.time() < until:
        time.sleep(0.1)
    # Its time comes and goes: it is not run all the same.
    time.sleep(3.5)
    return result.state


def expires():
    past = datetime.now(timezone.utc) - timedelta(seconds=5)
    result = add.apply_async((1, 1), expires=past)
    if AMQP:
        # Celery's producer asks RabbitMQ to drop it, which it does unless a worker is idle: then nobody
        # ever hears of its end.
        add.delay(1, 1).get(timeout=PATIENCE)
        return 'REVOKED' if result.state in ('REVOKED', 'PENDING') else result.state
    until = time.time() + PATIENCE
    while result.state == 'PENDING' and time.time() < until:
        time.sleep(0.1)
    return result.state


def send_priorities():
    """Into a queue that nobody reads yet: the urgent one last."""
    urgent, idle = (9, 0) if AMQP else (0, 9)
    return [add.apply_async((1, 1), priority=it).id for it in (idle, idle, urgent)]


def priority():
    """In the order of their ends."""
    ids = json.loads(os.environ['PRIORITIES'])
    results = [AsyncResult(id, app=app) for id in ids]
    for result in results:
        result.get(timeout=PATIENCE)
    return min(range(len(ids)), key=lambda at: results[at].date_done)


if sys.argv[1] == 'before':
    print(json.dumps(send_priorities()))
else:
    cells = dict(plain=plain, retry=retry, eta=eta, chain=chained, group=grouped, chord=chorded,
                 error=error, revoke=revoke, expires=expires, priority=priority)
    outcome = {}
    for name, run in cells.items():
        try:
            outcome[name] = run()
        except Exception as exception:
            outcome[name] = repr(exception)
    print(json.dumps(outcome))
