#!/usr/bin/env bash
# Runs one program on a kernel of its own, with this machine's files: `make test-kernel` runs the
# tests of tests/kernel so, because the kernels of build machines have no input devices, no USB, no
# GPIO and no sound.
#
#   scripts/test-kernel.sh PROGRAM [ARGUMENT…]
#
# Debian's own kernel is downloaded once into target/kernel (nothing is installed), and booted by
# qemu in software: no /dev/kvm, no network; two cards whose pictures nobody sees. Its root is this machine's root folder, read
# only, with a layer in memory above it, so the program stands at the same path, and what it writes is
# gone afterwards. It runs as root, in this folder, with CARGO…, RUST… and HHAROME… of the
# environment. Output and exit status are the program's; 124 means that it did not end in time, 125
# that it never ran. Inside, scripts/kernel/init.sh does what a system's init would do.
#
#   HHAROME_KERNEL_SECONDS   how long all of it may take; 300
#   HHAROME_KERNEL_MEMORY    how much memory the guest has, in MiB; 1024
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${HHAROME_KERNEL_SECONDS:-300}
memory=${HHAROME_KERNEL_MEMORY:-1024}
store=${CARGO_TARGET_DIR:-target}/kernel
meta=linux-image-amd64

# give_up WHAT MEND…
give_up() {
    printf 'test-kernel: %s\n' "$1" >&2
    shift
    [ $# -eq 0 ] || printf '  %s\n' "$@" >&2
    exit 125
}

[ $# -gt 0 ] || give_up "no program named" "usage: scripts/test-kernel.sh PROGRAM [ARGUMENT…]"
[ -x "$1" ] || give_up "$1 is no program that can be run"
[ "$(uname -m)" = x86_64 ] || give_up "only machines with x86-64 processors are known here"
scripts/setup.sh test-kernel ||
    give_up "packages are missing and could not be installed" \
        "the lines above say why; by hand: scripts/setup.sh test-kernel"
export PATH=$PATH:/usr/sbin:/sbin

work=$(mktemp -d)
machine=
tidy() {
    [ -z "$machine" ] || kill "$machine" 2>/dev/null || true
    rm -rf "$work"
}
trap tidy EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# --- the kernel, once ------------------------------------------------------------------------

# The package that the meta package stands for today: linux-image-6.1.0-…-amd64.
newest_kernel() {
    { LC_ALL=C apt-cache depends "$meta" 2>/dev/null || true; } |
        sed -n 's/^ *Depends: \(linux-image-[0-9].*\)$/\1/p' | head -n 1
}

update_lists() {
    echo "test-kernel: reading apt's lists" >&2
    if [ "$(id -u)" -eq 0 ]; then
        apt-get -qq update
    else
        sudo apt-get -qq update
    fi
}

# Into the current folder; as root apt would complain that its own user cannot write here.
download() {
    apt-get -qq -o APT::Sandbox::User=root download "$1"
}

# Fails with words, or leaves a whole kernel at $store/NAME.
fetch_kernel() {
    local package attempt
    package=$(newest_kernel)
    if [ -z "$package" ]; then
        update_lists || true
        package=$(newest_kernel)
    fi
    [ -n "$package" ] || give_up "apt knows no $meta" "is this Debian, and does 'apt-get update' work?"
    echo "test-kernel: downloading $package (70 MB, kept in $store)" >&2
    mkdir "$work/package"
    for attempt in 1 2; do
        if (cd "$work/package" && download "$package"); then
            break
        fi
        [ "$attempt" = 1 ] || give_up "$package cannot be downloaded" \
            "try: apt-get update && apt-get download $package" \
            "or put a kernel that was unpacked elsewhere into $store"
        # The lists may be older than what the mirror has.
        update_lists || true
        package=$(newest_kernel)
    done
    rm -rf "$store/unpacking"
    mkdir "$store/unpacking"
    dpkg-deb -x "$work"/package/*.deb "$store/unpacking" ||
        give_up "$package cannot be unpacked into $store" "is the disk full? it needs 400 MB"
    rm -rf "$store/unpacking/usr/share" "$work/package"
    depmod -b "$store/unpacking" "$(ls "$store/unpacking/lib/modules")" ||
        give_up "the modules of $package cannot be listed by depmod"
    mv "$store/unpacking" "$store/$package"
}

# The kernel that is here, the newest if there are several.
kept_kernel() {
    find "$store" -mindepth 1 -maxdepth 1 -name 'linux-image-*' -type d | sort -V | tail -n 1
}

mkdir -p "$store"
store=$(realpath "$store")
exec 9>"$store/lock"
flock 9
kernel=$(kept_kernel)
if [ -z "$kernel" ]; then
    fetch_kernel
    kernel=$(kept_kernel)
fi
flock -u 9
version=$(ls "$kernel/lib/modules") && [ -e "$kernel/boot/vmlinuz-$version" ] ||
    give_up "$kernel is no whole kernel" "remove it: rm -r $kernel"

# --- what the guest begins with --------------------------------------------------------------

# Modules up to the root folder, in the order in which they need each other; whatever comes later is
# loaded from the root folder by the tests themselves.
first=$work/first
mkdir -p "$first"/{bin,modules,proc,sys,dev,host,layer,root}
number=10
for module in virtio_pci 9pnet_virtio 9p overlay; do
    while read -r what file _; do
        [ "$what" = insmod ] || continue
        name=${file##*/}
        compgen -G "$first/modules/*-$name" >/dev/null && continue
        cp "$file" "$first/modules/$number-$name"
        number=$((number + 1))
    done < <(modprobe -d "$kernel" -S "$version" --show-depends "$module" ||
        echo "missing $module" >"$work/missing")
    [ ! -e "$work/missing" ] ||
        give_up "$kernel has no module $module" "remove it: rm -r $kernel"
done
cp "$(command -v busybox)" "$first/bin/busybox"
cp scripts/kernel/init.sh "$first/init"
chmod +x "$first/init"
{
    for name in $(compgen -e); do
        case $name in
            # Symbols of debug builds take software emulation half a minute.
            RUST_BACKTRACE) ;;
            CARGO* | RUST* | HHAROME* | LD_LIBRARY_PATH) declare -p "$name" ;;
        esac
    done
    printf 'cd %q && exec' "$PWD"
    printf ' %q' "$(realpath "$1")" "${@:2}"
    echo
} >"$first/command"
printf '%s\n' "$kernel/lib/modules" >"$first/modules.path"
(cd "$first" && find . | cpio -o -H newc --quiet) >"$work/initrd" ||
    give_up "the first files of the guest cannot be packed" "is there room in ${TMPDIR:-/tmp}?"

# --- the run ----------------------------------------------------------------------------------

# First serial line: what the kernel says. Second: the program's output. Third: its exit status.
status=0
timeout --kill-after=10 "$seconds" qemu-system-x86_64 \
    -machine q35 -accel tcg -cpu max -smp 2 -m "$memory" \
    -nodefaults -no-user-config -no-reboot -display none -nic none \
    -device virtio-gpu-pci,max_outputs=2,xres=640,yres=480 -device bochs-display,xres=640,yres=480 \
    -kernel "$kernel/boot/vmlinuz-$version" -initrd "$work/initrd" \
    -append "console=ttyS0 loglevel=5 panic=-1 random.trust_cpu=on" \
    -virtfs local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap \
    -serial "file:$work/console" -serial stdio -serial "file:$work/status" \
    </dev/null &
machine=$!
# In the background, as only so bash looks at signals meanwhile.
wait "$machine" || status=$?
machine=

last_words() {
    echo "test-kernel: the kernel's last words:" >&2
    tail -n "${1:-40}" "$work/console" 2>/dev/null | sed 's/^/    /' >&2
}

answer=$(tr -cd 0-9 <"$work/status" 2>/dev/null) || answer=
if [ -n "$answer" ]; then
    [ "$answer" = 0 ] || last_words 20
    exit "$answer"
fi
last_words
case $status in
    124 | 137)
        echo "test-kernel: not done within $seconds s (HHAROME_KERNEL_SECONDS)" >&2
        exit 124
        ;;
    0) give_up "the guest went down before its program ended" ;;
    *) give_up "qemu failed with status $status; what it said stands above" ;;
esac
