#!/usr/bin/env bash
# Sets this machine up to build hharome, with the argument "test" to test it, with "test-kernel" to
# test it on a kernel of its own: installs the Debian packages that are missing, and says how to get
# Rust where there is none or too old a one. Called by the Makefile and scripts/test-kernel.sh.
# Changes nothing where nothing is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

purpose=${1:-build}
need_rust=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)

packages=()
command -v cc >/dev/null || packages+=(gcc libc6-dev)
command -v pkg-config >/dev/null || packages+=(pkg-config)
pkg-config --exists libpcsclite 2>/dev/null || packages+=(libpcsclite-dev)
# LAME is built from the source that its crate brings along.
command -v make >/dev/null || packages+=(make)
pkg-config --exists alsa 2>/dev/null || packages+=(libasound2-dev)
[ -e /etc/ssl/certs/ca-certificates.crt ] || packages+=(ca-certificates)
# Receipts are printed in the machine's fonts; one of them must have Chinese.
chinese=(-iname 'wqy*' -o -iname '*cjk*' -o -iname 'SourceHan*' -o -iname 'DroidSansFallback*')
[ -n "$(find -L /usr/share/fonts /usr/local/share/fonts "${chinese[@]}" 2>/dev/null)" ] ||
    packages+=(fonts-wqy-zenhei)
if [ "$purpose" = test ]; then
    # Receipts in the tests are in these fonts and no others.
    [ -e /usr/share/fonts/truetype/wqy/wqy-zenhei.ttc ] || packages+=(fonts-wqy-zenhei)
    [ -e /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf ] || packages+=(fonts-dejavu-core)
    # Programs that are none of ours read them back: codes, and ESC/POS (npos, below).
    command -v zbarimg >/dev/null || packages+=(zbar-tools)
    command -v node >/dev/null || packages+=(nodejs)
    command -v npm >/dev/null || packages+=(npm)
    # The panel is worked in a real browser.
    command -v chromium >/dev/null || packages+=(chromium)
    # The README's requests by hand and the Python example are tried as they stand there.
    command -v socat >/dev/null || packages+=(socat)
    { command -v nc >/dev/null && [[ $(nc -h 2>&1) == OpenBSD* ]]; } || packages+=(netcat-openbsd)
    command -v python3 >/dev/null || packages+=(python3)
    # The tests of cards start instances of pcscd of their own, each in a mount namespace with
    # readers that are compiled with cc.
    [ -x /usr/sbin/pcscd ] || command -v pcscd >/dev/null || packages+=(pcscd)
    command -v unshare >/dev/null || packages+=(util-linux)
    # The tests of presence sensors make up files below /sys.
    command -v umockdev-run >/dev/null || packages+=(umockdev)
    # The tests of speech let both really speak, into files.
    command -v espeak-ng >/dev/null || packages+=(espeak-ng)
    command -v speech-dispatcher >/dev/null ||
        packages+=(speech-dispatcher speech-dispatcher-espeak-ng speech-dispatcher-audio-plugins)
    # Those of the second screen have an X server without a monitor, its outputs, a window manager.
    command -v Xorg >/dev/null || packages+=(xserver-xorg-core)
    [ -e /usr/lib/xorg/modules/drivers/dummy_drv.so ] || packages+=(xserver-xorg-video-dummy)
    command -v xrandr >/dev/null || packages+=(x11-xserver-utils)
    command -v openbox >/dev/null || packages+=(openbox)
    # Or a Wayland compositor without one, and what takes pictures of its outputs.
    command -v sway >/dev/null || packages+=(sway)
    command -v grim >/dev/null || packages+=(grim)
    # They see if a refused connection says why, as another user than root.
    command -v setpriv >/dev/null || packages+=(util-linux)
fi
if [ "$purpose" = bench ]; then
    # The peer of receipts, and the font that both print in.
    [ -e /usr/share/fonts/truetype/wqy/wqy-zenhei.ttc ] || packages+=(fonts-wqy-zenhei)
    command -v python3 >/dev/null || packages+=(python3)
    python3 -c 'import ensurepip' 2>/dev/null || packages+=(python3-venv)
fi
if [ "$purpose" = test-kernel ]; then
    # scripts/test-kernel.sh: a machine in software, the first program in it, and what packs that
    # and reads the kernel's modules. busybox has to run without any library.
    command -v qemu-system-x86_64 >/dev/null || packages+=(qemu-system-x86)
    { command -v busybox >/dev/null && ! ldd "$(command -v busybox)" >/dev/null 2>&1; } ||
        packages+=(busybox-static)
    command -v cpio >/dev/null || packages+=(cpio)
    [ -x /sbin/modprobe ] || command -v modprobe >/dev/null || packages+=(kmod)
fi

if [ ${#packages[@]} -gt 0 ]; then
    echo "== missing packages: ${packages[*]}"
    if ! command -v apt-get >/dev/null; then
        echo "This is no Debian: please install what these Debian packages hold, and try again." >&2
        exit 1
    fi
    root=()
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null; then
            echo "Please run as root: apt-get install ${packages[*]}" >&2
            exit 1
        fi
        root=(sudo)
    fi
    "${root[@]}" apt-get update
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y --no-install-recommends "${packages[@]}"
fi

how_to_get_rust() {
    echo "$1" >&2
    echo "hharome needs Rust $need_rust or newer (Debian 12's own is older). Get it with" >&2
    if command -v rustup >/dev/null; then
        echo "  rustup default stable && rustup update stable" >&2
    else
        echo "  curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh" >&2
        echo "(package curl; see https://rustup.rs), and open a new terminal." >&2
    fi
    exit 1
}

found=$(rustc --version 2>/dev/null | cut -d' ' -f2) || true
[ -n "$found" ] || how_to_get_rust "There is no Rust compiler (rustc) here."
cargo --version >/dev/null 2>&1 || how_to_get_rust "There is a rustc here, but no cargo."
oldest=$(printf '%s\n%s\n' "$need_rust" "${found%%-*}" | sort -V | head -n 1)
[ "$oldest" = "$need_rust" ] || how_to_get_rust "The Rust here is $found: too old."

if [ "$purpose" = test ]; then
    for part in clippy fmt; do
        cargo "$part" --version >/dev/null 2>&1 && continue
        component=${part/fmt/rustfmt}
        if command -v rustup >/dev/null; then
            rustup component add "$component"
        else
            echo "cargo $part is missing: install the $component that belongs to your Rust" >&2
            exit 1
        fi
    done
fi

target=${CARGO_TARGET_DIR:-target}
# Just what its lock file says; npm leaves its own copy of that behind what it has installed.
npos=hardware/tests/layout/npos
if [ "$purpose" = test ] && ! { cmp -s "$npos/package-lock.json" "$target/npos/package-lock.json" &&
    [ -e "$target/npos/node_modules/.package-lock.json" ]; }; then
    mkdir -p "$target/npos"
    cp "$npos/package.json" "$npos/package-lock.json" "$target/npos"
    npm ci --silent --ignore-scripts --omit=optional --no-audit --no-fund --prefix "$target/npos"
fi
# What the JavaScript client is tested with: versions and checksums are in its package-lock.json.
if [ "$purpose" = test ] && ! cmp -s clients/js/package-lock.json clients/js/node_modules/.installed; then
    npm ci --silent --ignore-scripts --no-audit --no-fund --prefix clients/js
    cp clients/js/package-lock.json clients/js/node_modules/.installed
fi
if [ "$purpose" = bench ] && ! "$target/python-escpos/bin/python" -c 'import escpos, PIL' 2>/dev/null; then
    python3 -m venv "$target/python-escpos"
    "$target/python-escpos/bin/pip" install --quiet python-escpos==3.1 Pillow==11.3.0
fi
