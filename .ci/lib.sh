# shellcheck shell=sh
# Sourced by ./run, ./check and .ci/run: packages and the build.

say() { printf '%s\n' "$*" >&2; }

die() {
    say "$*"
    exit 1
}

# need PACKAGE...: installs those that are missing, on a system with apt.
need() {
    command -v dpkg-query >/dev/null 2>&1 || return 0
    missing=
    for package in "$@"; do
        case $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) in
        *' installed') ;;
        *) missing="$missing $package" ;;
        esac
    done
    [ -n "$missing" ] || return 0
    say "installing:$missing"
    as_root=
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null 2>&1 || die "not root and no sudo: install these yourself:$missing"
        as_root=sudo
    fi
    log=$(mktemp)
    install="$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends"
    # shellcheck disable=SC2086 # lists of words
    if ! $install $missing </dev/null >"$log" 2>&1; then
        $as_root apt-get update -q </dev/null >>"$log" 2>&1
        if ! $install $missing </dev/null >>"$log" 2>&1; then
            tail -n 20 "$log" >&2
            rm -f "$log"
            return 1
        fi
    fi
    rm -f "$log"
}

# quietly LOG COMMAND...: its output goes to LOG, shown only if it fails.
quietly() {
    log=$1
    shift
    if ! "$@" </dev/null >>"$log" 2>&1; then
        tail -n 40 "$log" >&2
        return 1
    fi
}

need_build() {
    need gcc libc6-dev make cmake libxxhash-dev || die "the packages for building could not be installed"
    # Without these, aizip -v leaves a row of its table out, aizip classify has fewer
    # compressors and reads fewer kinds of file, aizip surprise draws no --png, and there is
    # no aizip serve.
    for package in zlib1g-dev liblzma-dev libzstd-dev libbz2-dev libbrotli-dev libjansson-dev \
        libpng-dev libmicrohttpd-dev; do
        need $package || say "going on without $package"
    done
    # Without this, aizip model fetch takes no URLs. Any of its kinds will do.
    [ -e /usr/include/curl/curl.h ] || ls /usr/include/*/curl/curl.h >/dev/null 2>&1 ||
        need libcurl4-openssl-dev || say "going on without libcurl"
    version=$(cmake --version | sed -n '1s/.* //p')
    case $version in
    3.2[0-4].* | 3.1* | 3.[0-9].* | [12].*)
        die "cmake 3.25 or later is needed, this is $version (Debian 12 and Ubuntu 24.04 have it)"
        ;;
    esac
}

# build PRESET [CMAKE ARGUMENT...]: configures and builds.
build() {
    preset=$1
    shift
    case $preset in
    release) dir=build ;;
    *) dir=build-$preset ;;
    esac
    mkdir -p "$dir"
    : >"$dir/build.log"
    quietly "$dir/build.log" cmake --preset "$preset" "$@" &&
        quietly "$dir/build.log" cmake --build "$dir" --parallel "${AIZIP_JOBS:-2}"
}
