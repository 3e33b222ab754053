#include "api/open.h"

#include <chrono>
#include <utility>

#include "base/folder.h"
#include "checkpoint/folder.h"
#include "remote/open_address.h"

namespace requant {

Result<Checkpoint> open_checkpoint(const std::filesystem::path& path, int timeout_seconds,
                                   const OpenOptions& options) {
  std::error_code ignored;
  if (!is_address(path.string()) || std::filesystem::exists(path, ignored)) {
    return Checkpoint::open(path, options);
  }
  if (timeout_seconds < 1) return usage("a timeout is at least 1 second");
  RQ_TRY(RemoteCheckpoint remote,
         open_address(path.string(), usual_file_names(), std::chrono::seconds(timeout_seconds)));
  return Checkpoint::open(std::move(remote.folder), remote.file, options);
}

}  // namespace requant
