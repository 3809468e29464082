#!/bin/sh
# Builds the file system that emulated aarch64 programs see: Debian 12 for arm64 with its Python 3.11, 200 MB.
#
#     sh tests/arm/sysroot.sh build/arm/root
#
# Nothing of it is run here: the packages are fetched, checked against Debian's keys and unpacked. Without root, fakeroot
# stands in, because debootstrap asks for a root that it does not need for this. DEBIAN_MIRROR names another mirror.
set -eu

out=$1
new=$out.new
packages=python3.11,libpython3.11-stdlib,libstdc++6,libportaudio2,libffi8,libatomic1
[ "$(id -u)" = 0 ] && as_root= || as_root=fakeroot

rm -rf "$new"
mkdir -p "$new"
$as_root debootstrap --arch=arm64 --foreign --variant=minbase --include="$packages" bookworm "$new" \
	"${DEBIAN_MIRROR:-http://deb.debian.org/debian}" >"$out.log" 2>&1 </dev/null || {
	tail -n 5 "$out.log" >&2
	exit 1
}
for package in "$new"/var/cache/apt/archives/*.deb; do
	dpkg-deb --extract "$package" "$new"
done
# These are the machine's own, and the programs shall see those.
rm -rf "$new/dev" "$new/proc" "$new/sys" "$new/run" "$new/tmp" "$new/root" "$new/home" "$new/var" "$new/debootstrap"
rm -rf "$out"
mv "$new" "$out"
