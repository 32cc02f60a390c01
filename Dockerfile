# The kernel as an image. Agents get their walls from the container's kernel:
#   docker build -t clove .
#   docker run --privileged --cgroupns=private -v clove-data:/data -v clove-run:/run/clove clove
# Without --privileged it starts too, and reports which walls are missing (`clove doctor`).
FROM node:20-bookworm-slim

RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates python3 \
 && rm -rf /var/lib/apt/lists/* \
 && npm install --global --allow-scripts=deno deno@2.9.6 \
 && npm cache clean --force

WORKDIR /opt/clove
COPY . .
ENV DENO_DIR=/opt/clove/.deno
# Everything is fetched now, so that the container starts without a network.
RUN deno install --frozen && deno cache kernel/main.ts cli/main.ts

ENV CLOVE_SOCKET=/run/clove/clove.sock CLOVE_DATA_DIR=/data
VOLUME ["/data", "/run/clove"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["deno", "run", "-A", "--cached-only", "kernel/main.ts"]
