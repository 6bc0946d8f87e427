# The service for a GPU node; it also runs without a GPU. docs/deployment.md says how to build and run it.
# The base is any Linux with glibc and Python 3.11 with its venv module: CUDA comes in torch's wheels, the
# driver from the node.
ARG BASE=python:3.11-slim

# A stage of its own: torch is installed again when the dependencies change, not with every other change of
# pyproject.toml or the source. Which versions are installed is in deploy/constraints.txt.
FROM ${BASE} AS requirements
WORKDIR /build
COPY pyproject.toml ./
RUN python3 -c 'import tomllib; p = tomllib.load(open("pyproject.toml", "rb"))["project"]; e = p["optional-dependencies"]; \
        print(*(r for r in [*p["dependencies"], *e["s3"], *e["service"]] if not r.startswith("endotwin[")), sep="\n")' \
        > requirements.txt

FROM ${BASE} AS build
COPY --from=requirements /build/requirements.txt /build/
COPY deploy/constraints.txt /build/
RUN python3 -m venv /opt/endotwin \
    && /opt/endotwin/bin/pip install --no-cache-dir -r /build/requirements.txt -c /build/constraints.txt
WORKDIR /srv/endotwin
COPY LICENSE ./
COPY endotwin endotwin
COPY service service
COPY checkpoints/*.safetensors checkpoints/
# Readable by the image's user, whatever the modes were where the image is built.
RUN chmod -R u=rwX,go=rX .

FROM ${BASE}
RUN useradd --uid 10001 --user-group --create-home endotwin \
    && install -d -o endotwin -g endotwin /var/lib/endotwin
COPY --from=build /opt/endotwin /opt/endotwin
COPY --from=build /srv/endotwin /srv/endotwin
ENV PATH=/opt/endotwin/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    BENTOML_DO_NOT_TRACK=true
WORKDIR /srv/endotwin
USER 10001:10001
EXPOSE 3000
STOPSIGNAL SIGTERM
# Not by a URL opener: that would ask a proxy for 127.0.0.1 where one is set.
HEALTHCHECK --interval=15s --timeout=5s --start-period=180s --retries=3 \
    CMD ["python3", "-c", "from http.client import HTTPConnection as C; c = C('127.0.0.1', 3000, timeout=4); c.request('GET', '/readyz'); assert c.getresponse().status == 200"]
# One process that listens on this port only. After SIGTERM open streams get 5 seconds, and the process takes
# up to 4 more to end: less than the 10 after which `docker stop` kills.
CMD ["python3", "-m", "service", "--host", "0.0.0.0", "--port", "3000", "--grace-seconds", "5"]
