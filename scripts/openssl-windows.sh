#!/usr/bin/env bash
# Builds a static libcrypto for Windows with mingw, once, into the cache, and prints its folder.
#
# libyara can hash with Windows' own cryptography, but without OpenSSL it has no Authenticode parser:
# rules that read pe.signatures would not even compile. Everything that libyara does not call is left
# out, above all what would make a scanner load code or configuration from the scanned machine
# (dso, module, engine, autoload-config) or talk to a network (sock, ssl). TS and CMS must stay: the
# Authenticode parser needs them.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/pins.sh"
. "$here/cache.sh"

prefix=$TYTO_CACHE/build/openssl-windows-amd64
leave_out="shared engine module dso async ssl tls dtls quic sock ui-console
  autoload-config cmp srp psk comp ml-kem ml-dsa slh-dsa argon2
  aria camellia seed sm2 sm3 sm4 idea rc5 cast bf"

build() {
  local stage=$1 source work options="" name
  source=$("$here/fetch.sh" openssl)
  work=$stage/work
  mkdir "$work"
  tar -xf "$source" -C "$work" --strip-components=1
  cd "$work"
  for name in $leave_out; do
    # A version that does not know a name refuses it.
    if grep -q "\"$name\"" Configure; then options="$options no-$name"; fi
  done
  # The prefix ends up in the library as text; the builder's home has no business in it.
  # shellcheck disable=SC2086  # a list of options
  ./Configure mingw64 --cross-compile-prefix=x86_64-w64-mingw32- --prefix=/tyto --libdir=lib $options -Os
  make -j"$(nproc)" build_generated
  make -j"$(nproc)" libcrypto.a
  mkdir -p "$stage/lib/pkgconfig" "$stage/include"
  cp libcrypto.a "$stage/lib/"
  cp -r include/openssl "$stage/include/"
  cat >"$stage/lib/pkgconfig/libcrypto.pc" <<EOF
Name: libcrypto
Description: OpenSSL's cryptography, static, for Windows
Version: $(sed -n 's/^MAJOR=//p;s/^MINOR=/./p;s/^PATCH=/./p' VERSION.dat | tr -d '\n')
Cflags: -I$prefix/include
Libs: -L$prefix/lib -lcrypto
Libs.private: -lws2_32 -lgdi32 -lcrypt32
EOF
  cd /
  rm -rf "$work"
}

cached "$prefix" "openssl $OPENSSL_VERSION recipe $OPENSSL_RECIPE" build
echo "$prefix"
