#!/bin/sh
# The founding case on a checkpoint that lmdeploy 0.7.2 wrote: what it is, why vLLM 0.7.3 will not
# serve it, the conversion, and the proof that it is the same model.
# usage: demo.sh REQUANT FOLDER
set -eu
requant=$1
folder=$2
out=$(mktemp -d)/internvl2_5-vllm
trap 'rm -rf "$(dirname "$out")"' EXIT

step() {
  printf '\n\033[1m$ requant %s\033[0m\n' "$*"
}
# Runs and must end with the exit code given first.
must_end_with() {
  expected=$1
  shift
  step "$@"
  code=0
  "$requant" "$@" || code=$?
  if [ "$code" != "$expected" ]; then
    echo "demo: exit code $code, expected $expected" >&2
    exit 1
  fi
}

must_end_with 0 inspect "$folder" --fail-on never
must_end_with 1 check "$folder" --engine vllm@0.7.3
must_end_with 0 convert "$folder" -o "$out" --for vllm@0.7.3
must_end_with 0 check "$out" --engine vllm@0.7.3
must_end_with 0 verify "$folder" "$out"
