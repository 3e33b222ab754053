#pragma once

#include "base/result.h"

namespace requant {

// From now on the first SIGINT or SIGTERM only makes interrupted() true; long work asks for it
// between pieces and ends with interruption(). What has not ended within 0.8 s is ended: files are
// written so that they stand a kill at any moment. A second signal ends the process at once. A file
// that may not grow (RLIMIT_FSIZE) is an error of the write from now on.
void catch_interrupts();

bool interrupted();

// SIGINT or SIGTERM, where one came; else 0.
int interrupting_signal();

// What a signal does, for callers that are no terminal. `false` takes it back.
void set_interrupted(bool value);

// What is said where work is ended because it did not end by itself: a line of static storage.
void set_last_words(const char* line);

Error interruption();

}  // namespace requant
