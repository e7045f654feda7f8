"""The BentoML service, and the ASGI application that ``precedent serve`` runs. The only door to bentoml.

BentoML brings service, lifecycle and packaging. What of it costs or leaks is off (metrics that label raw paths, a log
that prints them, a span a request), and our guards stand outside its layers.
"""

from __future__ import annotations

from typing import Any

from serving.process import prepare_environment

prepare_environment()

import bentoml  # noqa: E402  after the environment that it and numpy read when they are imported

from features.settings import load_settings  # noqa: E402
from serving.app import create_api  # noqa: E402
from serving.logs import set_up  # noqa: E402
from serving.middleware import Guards  # noqa: E402
from serving.runtime import Runtime  # noqa: E402

# Above the longest that settings allow: the guards keep the time.
_TIMEOUT_SECONDS = 130

api = create_api()


@bentoml.asgi_app(api, path="/")
@bentoml.service(
    name="precedent",
    workers=1,
    traffic={"timeout": _TIMEOUT_SECONDS},
    http={"host": "127.0.0.1", "port": 8440},
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
    tracing={"excluded_urls": ".*"},
)
class Precedent:
    """Answers over HTTP with the workspace that the settings name."""

    def __init__(self) -> None:
        settings = load_settings()
        set_up(settings.log_level)
        self._runtime = Runtime.open(settings)

    @bentoml.on_startup  # type: ignore[untyped-decorator]  # bentoml ships no types
    def start(self) -> None:
        """Let requests in, and follow history and release."""
        self._runtime.start()
        api.state.runtime = self._runtime

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    def stop(self) -> None:
        """Let no more in, and put everything away."""
        del api.state.runtime
        self._runtime.stop()


_service: Any = Precedent

# For `bentoml serve`, which builds its own application of the service; the guards below mark what they have let
# through, so that it is not guarded twice.
_service.add_asgi_middleware(Guards, api=api)

app: Any = Guards(_service.to_asgi(), api=api)
