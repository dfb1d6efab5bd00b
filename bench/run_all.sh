#!/bin/sh
# Times the usual shapes and the trained models against ONNX Runtime, and writes every table and picture again:
# bench/results/*.{md,json,html,svg} and the table in README.md between its markers. Less than 20 minutes on 2 cores.
#
#   bench/run_all.sh [DATA]     DATA: a folder with clinc150/data_oos_plus.json and sst2/dev.tsv, and beside it
#                               models/sst2; without it the bundled model and its own sentences are used
#   SESAME=build/release/sesame, SECONDS_EACH=2 (of a configuration and engine)
set -eu
cd "$(dirname "$0")/.."
root=$PWD
sesame=$(realpath "${SESAME:-build/release/sesame}")
data=$(realpath -m "${1:-${SESAME_SHARED:-../shared}/data}")
seconds=${SECONDS_EACH:-2}
out=$root/bench/results
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out"
ln -s "$out" "$work/results"  # so that reports name no folder of this machine
[ -d bench/peers/onnxruntime/node_modules ] || bench/peers/onnxruntime/install.sh

for shape in distilbert bert minilm; do
  "$sesame" make-model "$shape" -o "$work/$shape" > /dev/null
done

bench() {  # NAME MODEL... OPTIONS: a report of this name
  name=$1
  shift
  echo "== $name" >&2
  mkdir -p "$out/$name"
  cd "$work"  # so that models go by their own names
  "$sesame" bench "$@" --peer onnxruntime --json "results/$name.json" --markdown "results/$name.md" \
      --html "results/$name.html" --pictures "results/$name"
  cd "$root"
}

ln -s "$root/models/intent" "$work/intent"
if [ -d "$data/../models/sst2" ]; then ln -s "$data/../models/sst2" "$work/sst2"; fi

shapes="distilbert bert minilm"
# shellcheck disable=SC2086  # three models
bench shapes $shapes --precision fp32,int8 --length 32,128 --seconds "$seconds" --warmup 3
bench lengths distilbert --precision fp32,int8 --length 8,16,32,64,128,384,512 --seconds "$seconds" --warmup 2 --profile
bench batches distilbert --precision int8 --batch 1,4,8,16,32 --length 128 --seconds "$seconds" --warmup 1
bench threads distilbert --precision int8 --length 128 --threads 1,2 --seconds "$seconds" --warmup 2
bench instances distilbert --precision int8 --length 128 --instances 1,2 --cores 1 --seconds "$seconds" --warmup 2
bench rates distilbert --precision int8 --length 32 --rate 20,50,80,100 --seconds "$((seconds * 2))" --warmup 2

ln -s "$data" "$work/data"
intent_data=intent/eval.tsv
if [ -f "$data/clinc150/data_oos_plus.json" ]; then intent_data=data/clinc150/data_oos_plus.json; fi
bench intent intent --study intent --data "$intent_data"
if [ -d "$data/../models/sst2" ]; then
  bench sst2 sst2 --precision fp32,int8 --text --data data/sst2/dev.tsv --batch 1,32 --warmup 2
  bench sst2-sorted sst2 --precision int8 --text --data data/sst2/dev.tsv --batch 32 --order length \
      --warmup 2
fi

# The table of the README, between its markers, from the first report.
if grep -q '<!-- bench -->' README.md; then
  # Machine, then model, engine, precision, length, p50, share of the peak, ratio and RSS; how it was made is in the report.
  awk -F'|' '
    /^## / || /^\| how/ { if (/how/) exit; next }
    NF > 15 { print "|" $2 "|" $3 "|" $4 "|" $7 "|" $9 "|" $14 "|" $15 "|" $18 "|"; next }
    { print }' "$out/shapes.md" | cat -s > "$work/table.md"
  awk -v table="$work/table.md" '
    /<!-- bench -->/ { print; while ((getline line < table) > 0) print line; skip = 1 }
    /<!-- \/bench -->/ { skip = 0 }
    !skip { print }' README.md > "$work/README.md"
  cp "$work/README.md" README.md
fi
