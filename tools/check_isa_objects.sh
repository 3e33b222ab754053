#!/bin/sh
# Fails when an object that is compiled for a newer CPU defines a symbol that the linker may share
# with other files: the program would then die with SIGILL on an older CPU.
# usage: check_isa_objects.sh BUILD_DIR
set -eu
bad=0
for object in $(find "$1/src" -name '*_avx*.o' -o -name '*_amx*.o' -o -name '*_shani*.o'); do
  # The sanitizers' own weak symbols are shared on purpose.
  if nm --defined-only --demangle "$object" | grep -E ' [WVu] ' | grep -vE '__(a|ub|l|t)san|__odr_asan|asan\.|DW\.ref'; then
    echo "$object defines the above, which other files may share"
    bad=1
  fi
done
exit $bad
