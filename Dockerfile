# Fermata: API, worker and migrations in one image; the command says which. The embedded servers are not in it.
#   docker build -t fermata .
#   docker run fermata worker

FROM python:3.11-slim-bookworm AS build
ARG UV_VERSION=0.13.9
RUN pip install --no-cache-dir --root-user-action ignore "uv==${UV_VERSION}"
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never
WORKDIR /app
# The dependencies first: they change less often than the code.
COPY pyproject.toml uv.lock ./
RUN uv sync --locked --no-default-groups --extra postgres --no-install-project
COPY . .
RUN uv sync --locked --no-default-groups --extra postgres

FROM python:3.11-slim-bookworm
# ca-certificates: providers are reached with the system's trust store. tzdata: agents know their user's time zone.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates tzdata \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin fermata \
    && install -d -o fermata -g fermata /data
COPY --from=build /app /app
ENV PATH=/app/.venv/bin:$PATH PYTHONUNBUFFERED=1 FERMATA_DATA_DIR=/data FERMATA_LOG_FORMAT=json
WORKDIR /data
USER fermata
VOLUME /data
EXPOSE 8000
# SIGTERM hands model calls over to the next worker, and lets tools finish for 8 s: stop with a grace of 15 s.
STOPSIGNAL SIGTERM
ENTRYPOINT ["fermata"]
CMD ["api", "--host", "0.0.0.0"]
