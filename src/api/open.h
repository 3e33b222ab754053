#pragma once

#include <filesystem>

#include "base/result.h"
#include "checkpoint/checkpoint.h"

namespace requant {

// A checkpoint on this machine or behind an address, where only what is asked for is fetched. A
// server may take `timeout_seconds` to answer.
Result<Checkpoint> open_checkpoint(const std::filesystem::path& path, int timeout_seconds,
                                   const OpenOptions& options = {});

}  // namespace requant
