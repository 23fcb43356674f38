#!/bin/sh
# Compiles the AVX-512 kernels with SIMDe (Debian: libsimde-dev), which emulates their instructions on AVX2, so that
# their logic can be tested on a machine without them. Writes build/emulated.node, with `avx512vnni` among its sets; it
# is slow and for tests only. Then runs the conformance suites of @bitloom/kernels with it.
#
#   sh packages/kernels-native/scripts/test-avx512.sh
set -e
cd "$(dirname "$0")/.."
headers=$(node -p "require('path').join(require.resolve('node-api-headers/package.json'), '..', 'include')")
objects=build/emulated-objects
mkdir -p "$objects"
flags="-std=c++17 -O1 -fPIC -pthread -fvisibility=hidden -ffp-contract=off -fno-math-errno -w -Wno-psabi -DBITLOOM_SIMDE -I$headers"
for unit in native/*.cc native/isa/*.cc; do
  case $unit in
    native/isa/avx*) wide="-mavx2 -mfma -mf16c" ;;
    *) wide="" ;;
  esac
  ${CXX:-g++} $flags $wide -c "$unit" -o "$objects/$(basename "$unit" .cc).o"
done
${CXX:-g++} -shared -pthread -Wl,-z,nodelete "$objects"/*.o -o build/emulated.node
rm -r "$objects"
cd ../..
BITLOOM_NATIVE="$PWD/packages/kernels-native/build/emulated.node" npx vitest run packages/kernels/test/conformance.test.ts \
  packages/kernels/test/group-products.test.ts packages/kernels/test/float-products.test.ts \
  packages/kernels/test/integer-products.test.ts packages/kernels/test/convolution.test.ts \
  packages/kernels/test/norms-sampling.test.ts packages/kernels/test/attention.test.ts \
  packages/kernels/test/mls-products.test.ts
