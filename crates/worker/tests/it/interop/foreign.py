"""A Celery application with the tasks of `tasks.rs`, under the same names."""
import os

from celery import Celery
from kombu import Exchange, Queue

QUEUE = os.environ['QUEUE']

app = Celery('foreign', broker=os.environ['BROKER'], backend=os.environ['BACKEND'])
app.conf.update(
    task_default_queue=QUEUE,
    task_queues=[Queue(QUEUE, Exchange(QUEUE), routing_key=QUEUE,
                       queue_arguments={'x-max-priority': 9})],
    task_acks_late=True,
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
    broker_transport_options={'confirm_publish': True},
)


@app.task(name='test.add')
def add(x, y):
    return x + y


@app.task(name='test.sum')
def total(numbers):
    return sum(numbers)


@app.task(name='test.list')
def items(items):
    return items


@app.task(name='test.flaky', bind=True)
def flaky(self, failures):
    if self.request.retries < failures:
        raise self.retry(exc=OSError('not yet'), countdown=0, max_retries=3)
    return self.request.retries


@app.task(name='test.fail')
def fail(message):
    raise ValueError(message)
