# The service as one static binary: not root, on a read-only root file system,
# with one volume.
#
#   docker build -t bellhop .
#   docker run --read-only -p 8080:8080 -v bellhop:/data \
#     -e BELLHOP_JWT_SECRET_FILE=/run/secrets/jwt … bellhop
#
# The bases are pinned by tag and not by digest: they were chosen where their
# registries could not be asked. To pin them wholly, pass
# --build-arg BUILD_IMAGE=golang:1.26.8-bookworm@sha256:… and likewise BASE_IMAGE.
#
# The context has no repository, so the version and the commit are arguments too:
#
#   docker build --build-arg VERSION=v1.2.3 --build-arg REVISION=$(git rev-parse HEAD) -t bellhop .
ARG BUILD_IMAGE=golang:1.26.8-bookworm
ARG BASE_IMAGE=gcr.io/distroless/static-debian12:nonroot

FROM --platform=${BUILDPLATFORM} ${BUILD_IMAGE} AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG TARGETOS
ARG TARGETARCH
ARG VERSION
ARG REVISION
# The flags of .goreleaser.yaml: the same commit gives the same binary.
RUN CGO_ENABLED=0 GOOS=${TARGETOS} GOARCH=${TARGETARCH} \
    go build -trimpath -buildvcs=false -ldflags="-s -w \
      -X github.com/bellhop/bellhop/internal/telemetry.version=${VERSION} \
      -X github.com/bellhop/bellhop/internal/telemetry.revision=${REVISION}" \
      -o /out/bellhop ./cmd/bellhop && \
    mkdir /out/data

FROM ${BASE_IMAGE}
ARG VERSION
ARG REVISION
LABEL org.opencontainers.image.title="bellhop" \
      org.opencontainers.image.description="Real-time notifications in one Go binary" \
      org.opencontainers.image.source="https://github.com/bellhop/bellhop" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /out/bellhop /bellhop
# A new volume takes its owner from the directory it covers.
COPY --from=build --chown=65532:65532 /out/data /data
# The admin listener can be reached from inside this container alone, unless its
# operator sets another address.
ENV BELLHOP_DATA_DIR=/data \
    BELLHOP_ADMIN_LISTEN=127.0.0.1:8081
VOLUME /data
EXPOSE 8080
USER 65532:65532
# At SIGTERM, which docker stop sends, the service drains: allow it 25 seconds and
# BELLHOP_DRAIN_DELAY, as in docker stop --time 30.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["/bellhop", "health"]
ENTRYPOINT ["/bellhop"]
CMD ["serve"]
