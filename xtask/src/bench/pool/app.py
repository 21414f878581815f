"""The measured application as Pyramid has it: what crates/web/examples/shared/routes.rs is in Rust."""

import os
import time

from pyramid.config import Configurator
from pyramid.response import Response

CHUNKS = 20
PAUSE = 0.02
WORK = 0.005


def text(body):
    return Response(body, content_type="text/plain", charset="utf-8")


def hello(request):
    return text("Hello, World!")


def pid(request):
    return text(str(os.getpid()))


def echo(request):
    return Response(request.body, content_type="application/octet-stream")


def work(request):
    time.sleep(WORK)
    return text("done")


def chunks(request):
    def parts():
        for _ in range(CHUNKS):
            time.sleep(PAUSE)
            yield b"chunk\n"

    return Response(app_iter=parts(), content_type="text/plain", charset="utf-8")


def loop(request):
    while True:
        pass


def make():
    time.sleep(int(os.environ.get("MEASURED_START", "0")) / 1000)
    config = Configurator()
    views = {
        "/": hello,
        "/pid": pid,
        "/echo": echo,
        "/work": work,
        "/stream": chunks,
        "/loop": loop,
    }
    for path, view in views.items():
        config.add_route(path, path)
        config.add_view(view, route_name=path)
    return config.make_wsgi_app()


application = make()
