#pragma once

#include "base/result.h"

namespace requant {

// From now on the first SIGINT or SIGTERM only makes interrupted() true; long work asks for it
// between pieces and ends with interruption(). A second signal ends the process.
void catch_interrupts();

bool interrupted();

// What a signal does, for callers that are no terminal. `false` takes it back.
void set_interrupted(bool value);

Error interruption();

}  // namespace requant
