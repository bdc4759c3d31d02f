# shellcheck shell=bash disable=SC2034  # the variables are for those who source this
#
# Versions of what is built from source, and the sums that the sources must have.
# Sourced by the other scripts; sets variables, does nothing else.
#
# To move to another version change its three lines here. To change how it is built (configure flags
# and the like) change the number in its RECIPE, or caches would keep what the old way produced.

YARA_VERSION=4.5.2
YARA_SHA256=1f87056fcb10ee361936ee7b0548444f7974612ebb0e681734d8de7df055d1ec
YARA_POOL=pool/main/y/yara/yara_$YARA_VERSION.orig.tar.gz
YARA_UPSTREAM=https://github.com/VirusTotal/yara/archive/refs/tags/v$YARA_VERSION.tar.gz
YARA_RECIPE=1

# What go-yara v4.3.4 needs at least of a libyara that the system offers.
YARA_MINIMUM=4.3

# Only the Windows build needs an OpenSSL of its own; a long-term version, supported until April 2030.
OPENSSL_VERSION=3.5.7
OPENSSL_SHA256=a8c0d28a529ca480f9f36cf5792e2cd21984552a3c8e4aa11a24aa31aeac98e8
OPENSSL_POOL=pool/main/o/openssl/openssl_$OPENSSL_VERSION.orig.tar.gz
OPENSSL_UPSTREAM=https://github.com/openssl/openssl/releases/download/openssl-$OPENSSL_VERSION/openssl-$OPENSSL_VERSION.tar.gz
OPENSSL_RECIPE=1

STATICCHECK_VERSION=v0.8.2
