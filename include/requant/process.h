#pragma once

namespace requant {

// From now on what inspect(), check_checkpoint() and the others took for a checkpoint is left for
// the system to take back when the process ends. For programs that end after one call; memory grows
// with each further one.
void leave_memory_to_the_system();

}  // namespace requant
