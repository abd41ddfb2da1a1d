#!/bin/sh
# Holds virstor against the real thing: run as root on FreeBSD, `sh tests/freebsd/differential.sh target/release/virstor`.
#
# 1. What gvirstor(8) labels and the kernel writes, virstor reads: no finding, the same bytes.
# 2. What virstor labels is byte for byte what gvirstor(8) labels, but for the random id.
# 3. What virstor makes and fills comes up in the kernel with the same bytes, and is still clean when the kernel is done with it.
set -eu

virstor=$(realpath "${1:?usage: differential.sh VIRSTOR}")
folder=$(mktemp -d -t virstor)
cd "$folder"
disks=""

finish() {
    gvirstor stop kernel-made 2>/dev/null || true
    gvirstor stop ours 2>/dev/null || true
    detach
    rm -rf "$folder"
}
trap finish EXIT

# Makes memory disks of the files and remembers their names in $disks.
attach() {
    disks=""
    for file in "$@"; do
        disks="$disks $(mdconfig -a -t vnode -f "$file")"
    done
}

detach() {
    for disk in $disks; do
        mdconfig -d -u "$disk" || true
    done
    disks=""
}

# The device appears a moment after the last of its components.
await() {
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        [ -c "/dev/virstor/$1" ] && return
        sleep 1
    done
    echo "/dev/virstor/$1 did not come up" >&2
    exit 1
}

# Writes what depends on the place, at chunk borders and across them, out of order.
scatter() {
    for place in 40 3 41 17 0 63; do
        jot -r -s '' 65536 0 9 | dd of="$1" bs=65536 seek=$((place * 8)) conv=notrunc 2>/dev/null
    done
}

same() {
    if [ "$1" != "$2" ]; then
        echo "$3: $1 is not $2" >&2
        exit 1
    fi
    echo "ok: $3"
}

kldload -n geom_virstor

truncate -s 9M k0 k1
truncate -s 12M k2
attach k0 k1 k2
# shellcheck disable=SC2086 # one word per disk
gvirstor label -s 64M -m 1M kernel-made $disks
await kernel-made
scatter /dev/virstor/kernel-made
expected=$(sha256 -q /dev/virstor/kernel-made)
gvirstor stop kernel-made
detach
"$virstor" check --quiet k0 k1 k2
"$virstor" export --quiet -o k.raw k0 k1 k2
same "$(sha256 -q k.raw)" "$expected" "what the kernel wrote is read"

truncate -s 9M l0 l1
truncate -s 12M l2
attach l0 l1 l2
# shellcheck disable=SC2086
gvirstor label -s 64M -m 1M twin $disks
gvirstor stop twin 2>/dev/null || true
detach
id=$("$virstor" info --json l0 l1 l2 | sed -n 's/.*"id": *\([0-9]*\).*/\1/p' | head -n 1)
truncate -s 9M m0 m1
truncate -s 12M m2
"$virstor" label --quiet --compat freebsd --size 64M --chunk-size 1M --id "$id" twin m0 m1 m2
for number in 0 1 2; do
    same "$(sha256 -q m$number)" "$(sha256 -q l$number)" "component $number is labelled alike"
done

truncate -s 64M raw
scatter raw
expected=$(sha256 -q raw)
truncate -s 9M o0 o1
truncate -s 12M o2
"$virstor" label --quiet --size 64M --chunk-size 1M ours o0 o1 o2
"$virstor" import --quiet -i raw o0 o1 o2
attach o0 o1 o2
await ours
same "$(sha256 -q /dev/virstor/ours)" "$expected" "what virstor wrote comes up"
scatter /dev/virstor/ours
expected=$(sha256 -q /dev/virstor/ours)
gvirstor stop ours
detach
"$virstor" check --quiet o0 o1 o2
"$virstor" export --quiet -o o.raw o0 o1 o2
same "$(sha256 -q o.raw)" "$expected" "what both wrote is read"
