"""What a process's libraries read from its environment when they start; set before any of them is imported."""

from __future__ import annotations

import os

_ENVIRONMENT = {
    # Searches and linear algebra are small, and several run at once: threads of their own would only get in each
    # other's way (with the machine busy, two made a search five times slower).
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    # glibc otherwise keeps an arena a thread, and with it what every thread once freed.
    "MALLOC_ARENA_MAX": "2",
    "BENTOML_DO_NOT_TRACK": "True",
}


def prepare_environment() -> None:
    """Set what is not set yet; child processes inherit it."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
