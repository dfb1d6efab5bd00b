#!/usr/bin/env bash
# Sets up, builds, and shows a real classifier at work: accuracy, latency and size in fp32 and int8, and some answers.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/setup.sh

# Prints a command as one would type it, and runs it.
show() {
  local word line='$'
  for word in "$@"; do
    case $word in *' '*) line+=" \"$word\"" ;; *) line+=" $word" ;; esac
  done
  printf '\n%s\n' "$line"
  "$@"
}

install_packages
build release sesame_command

say "the bundled model: 150 intents, read from ONNX; fp32 beside int8, quantized while loading"
show build/release/sesame bench models/intent --precision fp32,int8 --length 16,64 --data models/intent/eval.tsv
show build/release/sesame predict models/intent --precision int8 \
  "how much money do i have in my checking account" \
  "set an alarm for half past six" \
  "what is the exchange rate between dollars and yen" \
  "do i need a visa for brazil" \
  "who won the football game last night"
