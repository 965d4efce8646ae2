# syntax=docker/dockerfile:1
# The project in a container, for linux/amd64 and linux/arm64: docs/production/containers.md.

FROM python:3.13-slim-trixie AS build
WORKDIR /srv/resizer
COPY requirements/base.txt requirements/server.txt requirements/
RUN python -m venv /srv/venv \
    && /srv/venv/bin/pip install --no-cache-dir --no-deps --requirement requirements/server.txt
COPY manage.py ./
COPY resizer resizer
COPY config config
RUN /srv/venv/bin/python -m compileall -q resizer config

FROM python:3.13-slim-trixie
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin resizer \
    && install --directory --owner resizer /data
COPY --from=build /srv /srv
WORKDIR /srv/resizer
# A number, because Kubernetes cannot tell whether a name is root.
USER 10001
ENV PATH=/srv/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DATABASE_URL=none \
    DJANGO_SERVE_STATIC=1 \
    RESIZER_DATA_DIR=/data \
    RESIZER_HEALTH_URL=/health/ \
    GRANIAN_HOST=0.0.0.0 \
    GRANIAN_PORT=8000 \
    GRANIAN_INTERFACE=wsgi \
    GRANIAN_WEBSOCKETS=false \
    GRANIAN_WORKERS=2 \
    GRANIAN_BLOCKING_THREADS=24 \
    GRANIAN_RESPAWN_FAILED_WORKERS=true \
    GRANIAN_LOG_LEVEL=warning
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "from os import environ as e; from urllib.request import urlopen; urlopen('http://127.0.0.1:' + e['GRANIAN_PORT'] + e['RESIZER_HEALTH_URL'], timeout=4)"]
CMD ["granian", "config.wsgi:application"]
