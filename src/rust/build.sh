#!/bin/sh
# Builds the static library. Makevars runs this script from src.
#
#   rust/build.sh clone|package rrq|rrq_cloud FEATURES [TARGET]
set -e
cd rust

build=$1
library=$2
features=$3
target=$4
set -- rustc --lib --crate-type staticlib --release --locked
if [ "$library" = rrq_cloud ]; then
  set -- "$@" --manifest-path cloud/Cargo.toml --features package --target-dir target
fi
[ -z "$features" ] || set -- "$@" --features "$features"
[ -z "$target" ] || set -- "$@" --target "$target"

# A source package made by tools/build contains its crates.
if [ -f vendor.tar.xz ]; then
  tar -xf vendor.tar.xz
  set -- "$@" --offline --config 'source.crates-io.replace-with="vendor"' \
    --config 'source.vendor.directory="vendor"'
fi

if [ "$build" = package ]; then
  # CRAN allows two processes and no files in the user's home. The user's cargo
  # settings, such as a mirror of crates.io, still apply.
  [ -n "$CARGO_BUILD_JOBS" ] || set -- "$@" -j 2
  theirs=${CARGO_HOME:-$HOME/.cargo}
  CARGO_HOME=`pwd`/cargo-home
  export CARGO_HOME
  mkdir -p "$CARGO_HOME"
  [ ! -f "$theirs/config.toml" ] || cp "$theirs/config.toml" "$CARGO_HOME"
fi

cargo "$@"
