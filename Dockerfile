# The service for a GPU node; with TORCH=cpu for nodes without one. docs/deployment.md says how to build and run it.
# All that goes in is fixed: the base by its digest, packages by versions and digests in deploy/requirements*.txt.
# The base is any Linux with glibc and Python 3.11 with its venv module: CUDA comes in torch's wheels, the
# driver from the node.
ARG BASE=python:3.11.16-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b

FROM ${BASE} AS build
ARG TORCH=cuda
WORKDIR /build
COPY deploy/requirements.txt deploy/requirements-cpu.txt ./
# With TORCH=cpu, torch's build without CUDA takes the place of the other one and of the packages that are CUDA.
# What nothing here needs goes at once: headers, compilers, tests; what torch takes to compile networks; all services of
# AWS but storage and those that credentials come from; and pip.
RUN python3 -m venv /opt/endotwin \
    && case ${TORCH} in \
        cuda) cp requirements.txt others.txt ;; \
        cpu) sed -E '/^(torch|triton|cuda-|nvidia-[^m])/,/[^\\]$/d' requirements.txt > others.txt \
            && /opt/endotwin/bin/pip install --no-cache-dir --require-hashes --no-deps -r requirements-cpu.txt ;; \
        *) echo "TORCH is cuda or cpu, not ${TORCH}" >&2; exit 1 ;; \
    esac \
    && /opt/endotwin/bin/pip install --no-cache-dir --require-hashes -r others.txt \
    && /opt/endotwin/bin/pip check \
    && /opt/endotwin/bin/pip uninstall --yes --quiet sympy mpmath networkx pip \
    && rm -rf /opt/endotwin/lib/python3.*/site-packages/torch/include /opt/endotwin/lib/python3.*/site-packages/torch/test \
    && find /opt/endotwin/lib -type d -name tests -prune -exec rm -r {} + \
    && find /opt/endotwin/lib/python3.*/site-packages/botocore/data -mindepth 1 -maxdepth 1 -type d \
        ! -name s3 ! -name sts ! -name sso ! -name sso-oidc ! -name signin -exec rm -r {} + \
    && find /opt/endotwin/lib/python3.*/site-packages/torch/bin -type f ! -name torch_shm_manager -delete
# The bill of materials, written by a tool that does not go into the image.
COPY deploy/requirements-sbom.txt pyproject.toml ./
RUN python3 -m venv sbom \
    && sbom/bin/pip install --no-cache-dir --require-hashes -r requirements-sbom.txt \
    && sbom/bin/cyclonedx-py environment --output-reproducible --pyproject pyproject.toml \
        --output-file sbom.cdx.json /opt/endotwin/bin/python
WORKDIR /srv/endotwin
COPY LICENSE ./
COPY endotwin endotwin
COPY service service
COPY checkpoints/*.safetensors checkpoints/
# Readable by the image's user, whatever the modes were where the image is built.
RUN chmod -R u=rwX,go=rX .

FROM ${BASE}
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Endotwin" \
      org.opencontainers.image.description="Synthetic images of the human corneal endothelium, by seed, over HTTP" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="docker.io/library/python:3.11.16-slim-bookworm"
RUN useradd --uid 10001 --user-group --create-home endotwin \
    && install -d -o endotwin -g endotwin /var/lib/endotwin
COPY --from=build /opt/endotwin /opt/endotwin
COPY --from=build /srv/endotwin /srv/endotwin
COPY --from=build /build/sbom.cdx.json /srv/endotwin/
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
# One process that listens on this port only. After SIGTERM it ends within 8 seconds:
# less than the 10 after which `docker stop` kills.
CMD ["python3", "-m", "service", "--host", "0.0.0.0", "--port", "3000", "--grace-seconds", "8"]
