#!/bin/sh
# Makes the archives in this folder with independent tools from one small tree. The tests know
# the tree by its recipe (tree_test.go) and compare. All content is inert.
#
# Made with 7-Zip 26.02, gcab 1.5, xz 5.4.1, zstd 1.5.4, lz4 1.9.4, bzip2 1.0.8, GNU tar 1.34, GNU
# cpio 2.13, GNU ar 2.40, Info-ZIP 3.0, rpm 4.18.0.
set -eu
out=$(cd "$(dirname "$0")" && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
cd "$tree"
mkdir dir
printf 'hello\n' >hello.txt
: >empty
for _ in 1 2 3 4 5; do seq 1 2000; done >dir/numbers.txt # 44 KiB: two blocks of cab
python3 - <<'PY'
import hashlib
with open("dir/random.bin", "wb") as f:
    for i in range(64):
        f.write(hashlib.sha256(b"tyto %d" % i).digest())
PY
TZ=UTC touch -d '2024-02-03 04:05:06' hello.txt empty dir/* dir
rm -f "$out"/tree.* "$out"/small.* "$out"/solid.* "$out"/locked*
files="hello.txt empty dir/numbers.txt dir/random.bin"
small="hello.txt empty dir/random.bin"

zip -qX -r "$out/tree.zip" $files
zip -qX -r -P secret "$out/locked.zip" hello.txt
(cat hello.txt | zip -qX "$out/tree.streamed.zip" -) # data descriptor
zip -qX -Z bzip2 "$out/tree.bzip2.zip" dir/numbers.txt
7z a -bd -mm=LZMA "$out/tree.lzma.zip" dir/numbers.txt >/dev/null
7z a -bd -mm=Deflate64 "$out/tree.deflate64.zip" dir/numbers.txt >/dev/null
7z a -bd -mem=AES256 -psecret "$out/locked.aes.zip" hello.txt >/dev/null

7z a -bd -m0=Copy "$out/small.Copy.7z" $small >/dev/null
for method in LZMA LZMA2 PPMd BZip2 Deflate; do
	7z a -bd -ms=off -m0=$method "$out/tree.$method.7z" hello.txt empty dir >/dev/null
done
7z a -bd -ms=on -mx=9 "$out/solid.7z" hello.txt empty dir >/dev/null
7z a -bd -ms=on -m0=BCJ -m1=LZMA2 "$out/solid.bcj.7z" hello.txt empty dir >/dev/null
7z a -bd -m0=BCJ2 -m1=LZMA -m2=LZMA -m3=LZMA -mb0:1 -mb0s1:2 -mb0s2:3 "$out/solid.bcj2.7z" hello.txt empty dir >/dev/null
7z a -bd -psecret "$out/locked.7z" hello.txt empty >/dev/null
7z a -bd -psecret -mhe=on "$out/locked.header.7z" hello.txt empty >/dev/null

gcab -c "$out/small.stored.cab" $small
gcab -c -z "$out/tree.mszip.cab" $files

tar --format=gnu -cf - $files | tee "$out/tree.gnu.tar" | gzip -9n >"$out/tree.tar.gz"
tar --format=v7 -cf - $files | bzip2 -9 >"$out/tree.v7.tar.bz2"
tar --format=pax -cf - $files | xz --lzma2=dict=64KiB >"$out/tree.pax.tar.xz"
tar --format=ustar -cf - $files | zstd -q -19 >"$out/tree.ustar.tar.zst"
tar --format=ustar -cf - $files | lz4 -q -9 >"$out/tree.tar.lz4"
rm "$out/tree.gnu.tar"

gzip -9 <dir/numbers.txt >"$out/tree.numbers.gz"
xz -0 --check=crc32 --block-size=16384 <dir/numbers.txt >"$out/tree.crc32.xz"
xz -0 --check=sha256 <dir/numbers.txt >"$out/tree.sha256.xz"
(head -c 1000 dir/numbers.txt | xz -0 --check=none; tail -c +1001 dir/numbers.txt | xz -0) >"$out/tree.two.xz"
xz --x86 --lzma2 <dir/numbers.txt >"$out/tree.x86.xz"
(head -c 1000 dir/numbers.txt | zstd -q; tail -c +1001 dir/numbers.txt | zstd -q -19) >"$out/tree.two.zst"
(head -c 1000 dir/numbers.txt | lz4 -q; tail -c +1001 dir/numbers.txt | lz4 -q -l) >"$out/tree.two.lz4"
(head -c 1000 dir/numbers.txt | bzip2; tail -c +1001 dir/numbers.txt | bzip2) >"$out/tree.two.bz2"

ar -qcD "$out/small.ar" $small
cp hello.txt a-name-that-is-longer-than-sixteen.txt
ar -qcD "$out/tree.long.ar" a-name-that-is-longer-than-sixteen.txt
printf '%s\n' $small | cpio -o -H newc --quiet >"$out/small.cpio"

for payload in w9.gzdio w0.xzdio w19.zstdio; do
	cat >inert.spec <<SPEC
Name: inert
Version: 1
Release: 1
Summary: test
License: none
BuildArch: noarch
%description
test
%install
mkdir -p %{buildroot}/t/dir
cp $tree/hello.txt $tree/empty %{buildroot}/t
cp $tree/dir/* %{buildroot}/t/dir
%files
/t
SPEC
	rpmbuild --quiet -bb --define "_topdir $tree/rpm" --define "_binary_payload $payload" --define "_buildhost localhost" inert.spec
	mv rpm/RPMS/noarch/*.rpm "$out/tree.$payload.rpm"
done
ls -l "$out"
