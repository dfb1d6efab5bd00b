#!/bin/sh
# Installs ONNX Runtime for `sesame bench --peer onnxruntime`: the pinned version, beside this script. No package's
# script runs; the CPU library is part of the package.
set -eu
cd "$(dirname "$0")"
command -v npm >/dev/null || { echo "install.sh: npm is needed (on Debian: apt-get install npm)" >&2; exit 1; }
npm ci --ignore-scripts --no-audit --no-fund
node -e 'console.log("onnxruntime-node " + require("onnxruntime-node/package.json").version + " is ready")'
