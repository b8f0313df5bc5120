# docs/operate.md says how to run it. `--target with-git` also has what archives at `git:` need, and Python for
# plugins of your own.
FROM rust:1.95.0-alpine3.22 AS build
# hadolint ignore=DL3018
RUN apk add --no-cache gcc make musl-dev
WORKDIR /propsbot
COPY . .
RUN cargo build --profile dist --locked --package propsbot --bin propsbot

FROM alpine:3.22 AS slim
# hadolint ignore=DL3018
RUN apk add --no-cache ca-certificates \
    && adduser -D -H -h /data -u 10001 propsbot \
    && install -d -m 0700 -o propsbot -g propsbot /data
COPY --from=build /propsbot/target/dist/propsbot /usr/local/bin/propsbot
USER 10001:10001
WORKDIR /data
VOLUME /data
ENV HOME=/data \
    STORE_PATH=/data/store \
    ARCHIVE=dir:/data/archive \
    CACHE_PATH=/data/cache \
    HEALTH_ADDRESS=127.0.0.1:9090
HEALTHCHECK --start-period=30m --interval=1m --timeout=10s \
    CMD ["wget", "-q", "-T", "5", "-O", "/dev/null", "http://127.0.0.1:9090/healthz"]
ENTRYPOINT ["propsbot"]
CMD ["run"]

FROM slim AS with-git
USER 0:0
# hadolint ignore=DL3018
RUN apk add --no-cache git openssh-client python3
USER 10001:10001

# What `docker build` makes without `--target`.
FROM slim
