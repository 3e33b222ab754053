#pragma once

#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/folder.h"
#include "base/result.h"

namespace requant {

struct RemoteCheckpoint {
  std::shared_ptr<const Folder> folder;
  std::string file;  // a name in it; empty: the whole folder
};

// "https://host/path/" or "hf://org/name@revision". HF_ENDPOINT and HF_TOKEN are respected.
// Messages begin with the address.
Result<RemoteCheckpoint> open_address(std::string_view text,
                                      std::span<const std::string> usual_names,
                                      std::chrono::seconds patience);

}  // namespace requant
